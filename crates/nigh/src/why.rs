//! Where a call is, as far as one process knows: at its caller, at its owner, or nowhere here.
//!
//! It only looks. Nothing is fenced, nothing is asked of another process, and of a call that is not recorded nothing is
//! promised: that is what settling is for.

use std::time::Duration;

pub use nigh_proto::calls::caller::Waits;
use nigh_proto::calls::caller::{AtCaller, PeerId};
use nigh_proto::calls::tally::Line;
use nigh_proto::shards::shard::look;
pub use nigh_proto::shards::shard::{AtOwner, Became};
use nigh_wire::{CallId, Class, Ticket};

use crate::performer::Performer;
use crate::routes::Route;
use crate::shards::owner::UnderWay;

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
}

/// Looks.
pub(crate) fn of(performer: &Performer, named: &Named) -> Why {
    Why { caller: caller(performer, named.id()), owner: owner(performer, named) }
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

fn owner(performer: &Performer, named: &Named) -> Owner {
    let Some(owner) = &performer.owner else { return Owner::Elsewhere };
    let mut only = None;
    if let Named::Ticket(ticket) = named {
        let method = performer.routes.by_name(&ticket.of, &ticket.method);
        match (method, &ticket.key) {
            (Some(method), Some(key)) if method.class != Class::Commutes => {
                only = Some(performer.routes.shard_of(method.host, key, performer.shards));
            }
            (None, Some(_)) => return Owner::Remembers(AtOwner::Nothing),
            _ => return Owner::NoRecord,
        }
    }
    match owner.under_way(named.id()) {
        Some(UnderWay::Waits) => Owner::Waits,
        Some(UnderWay::Runs(age)) => Owner::Runs(age),
        None => Owner::Remembers(look(&owner.core().shards, only, named.id())),
    }
}
