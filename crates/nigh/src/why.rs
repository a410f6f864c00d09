//! Where a call is, as far as one process knows: at its caller, at its owner, or nowhere here.
//!
//! It only looks. Nothing is fenced, nothing is asked of another process, and of a call that is not recorded nothing is
//! promised: that is what settling is for.

use std::sync::MutexGuard;
use std::time::Duration;

pub use nigh_proto::calls::caller::Waits;
use nigh_proto::calls::caller::{AtCaller, PeerId};
use nigh_proto::calls::tally::Line;
use nigh_proto::shards::ShardId;
pub use nigh_proto::shards::shard::{AtOwner, Became};
use nigh_proto::shards::shard::{Shard, Stored, look, unread};
use nigh_wire::{CallId, Class, Ticket};

use crate::performer::Performer;
use crate::routes::Route;
use crate::service::BoxFuture;
use crate::shards::core::Core;
use crate::shards::owner::{Owner as Arrived, UnderWay};
use crate::shards::records;
use crate::shards::reply::ReplyTo;

/// How a call is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// By its id.
    Id(CallId),
    /// By its ticket, which says where it lives, too.
    Ticket(Ticket),
}

impl Named {
    /// The call.
    pub fn id(&self) -> CallId {
        match self {
            Named::Id(id) => *id,
            Named::Ticket(ticket) => ticket.id,
        }
    }
}

/// Where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Why {
    /// What those who ask in this process know.
    pub caller: Caller,
    /// What those who perform in this process know.
    pub owner: Owner,
}

/// What the caller of this process knows of an id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Caller {
    /// Not answered yet.
    Open {
        /// Wire name of the entity or service.
        of: String,
        /// Wire name of the method.
        method: String,
        /// It is for this process itself, not for its peer.
        here: bool,
        /// Asked so long ago.
        age: Duration,
        /// Until its deadline.
        left: Duration,
        /// Copies that left so far.
        copies: u32,
        /// What for.
        waits: Waits,
    },
    /// Numbered, not asked yet.
    Reserved,
    /// Whoever asked was told that it is in doubt, and has not settled it here.
    InDoubt,
    /// Whoever asked was told what became of it, or let go of it.
    Ended,
    /// This process has not come to that number yet.
    NeverGiven,
    /// Another process numbered it, or this one before it started again; and it is not open here.
    #[default]
    Unknown,
}

/// What the owner of this process knows of an id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Owner {
    /// This process owns no entities.
    #[default]
    Elsewhere,
    /// No record is kept of such calls: a service's, or one that commutes.
    NoRecord,
    /// It came, and its turn has not.
    Waits,
    /// Its method runs since so long.
    Runs(Duration),
    /// What is remembered of it.
    Remembers(AtOwner),
    /// What is remembered could not be read from the state file; the application's log says why.
    Unreadable,
}

/// Looks. What is not in memory is read from the disk, on a thread where that may take its time.
pub(crate) fn of(performer: &Performer, named: &Named) -> BoxFuture<'static, Why> {
    let caller = caller(performer, named.id());
    let place = place(performer, named);
    let Some(owner) = performer.owner.clone() else {
        return Box::pin(std::future::ready(Why { caller, owner: Owner::Elsewhere }));
    };
    let id = named.id();
    Box::pin(async move {
        let owner = match place {
            Place::None => Owner::NoRecord,
            Place::Unknown => Owner::Remembers(AtOwner::Nothing),
            Place::Any | Place::Shard(_) => {
                let only = if let Place::Shard(shard) = place { Some(shard) } else { None };
                let looked = tokio::task::spawn_blocking(move || at_owner(&owner, only, id));
                looked.await.expect("looking does not panic")
            }
        };
        Why { caller, owner }
    })
}

fn caller(performer: &Performer, id: CallId) -> Caller {
    match performer.calls.why(id) {
        None => Caller::Unknown,
        Some(AtCaller::Reserved) => Caller::Reserved,
        Some(AtCaller::InDoubt) => Caller::InDoubt,
        Some(AtCaller::Ended) => Caller::Ended,
        Some(AtCaller::NeverGiven) => Caller::NeverGiven,
        Some(AtCaller::Open { line, to, age, left, copies, waits }) => {
            let route = if let Line::Method(number) = line { performer.routes.route(number) } else { None };
            let (of, method) = match route {
                Some(Route::Entity(m)) => (m.entity.to_string(), m.name.to_string()),
                Some(Route::Service(m)) => (m.service.to_string(), m.name.to_string()),
                None => ("-".into(), "-".into()),
            };
            Caller::Open { of, method, here: to == PeerId::LOCAL, age, left, copies, waits }
        }
    }
}

/// Where what is remembered of a call can be.
enum Place {
    /// A ticket says which shard.
    Shard(ShardId),
    /// An id does not.
    Any,
    /// No record is kept of such calls.
    None,
    /// There is no such method here.
    Unknown,
}

fn place(performer: &Performer, named: &Named) -> Place {
    let Named::Ticket(ticket) = named else { return Place::Any };
    let method = performer.routes.by_name(&ticket.of, &ticket.method);
    match (method, &ticket.key) {
        (Some(method), Some(key)) if method.class != Class::Commutes => {
            Place::Shard(performer.routes.shard_of(method.host, key, performer.shards))
        }
        (None, Some(_)) => Place::Unknown,
        _ => Place::None,
    }
}

fn at_owner(owner: &Arrived, only: Option<ShardId>, id: CallId) -> Owner {
    match owner.under_way(id) {
        Some(UnderWay::Waits) => return Owner::Waits,
        Some(UnderWay::Runs(age)) => return Owner::Runs(age),
        None => {}
    }
    // All lanes at once: what is looked at is of one moment. Nobody who has one lane's lock waits for another's.
    let unread = {
        let cores: Vec<_> = owner.cores().collect();
        unread(&machines(&cores), only, id)
    };
    let rows = owner.core(0).memory.rows();
    // Without the lock: calls go on meanwhile.
    let mut stored = Stored::new();
    for shard in unread {
        match records::of_id(rows.as_ref(), shard, id) {
            Ok(found) => drop(stored.insert(shard, found)),
            Err(error) => {
                tracing::error!("why {id}: {error}");
                return Owner::Unreadable;
            }
        }
    }
    let cores: Vec<_> = owner.cores().collect();
    Owner::Remembers(look(&machines(&cores), only, id, &stored))
}

fn machines<'a>(cores: &'a [MutexGuard<'_, Core>]) -> Vec<&'a Shard<ReplyTo>> {
    cores.iter().flat_map(|core| &core.shards).collect()
}
