//! What performs the calls of this node: decides only where each goes, by what is here and what is not.
//!
//! A service or a view of this process is run without encoding anything. A change goes through the caller
//! machine even here: it needs an id, a deadline and an order.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nigh_proto::calls::caller::{
    self, CALL_SIZE_MAX, Outcome as Settled, PeerId, Serves, What as Started, Writes,
};
use nigh_proto::calls::request::Refusal;
use nigh_proto::calls::tally::{Line, Took};
use nigh_proto::calls::{DEADLINE_DEFAULT, DEADLINE_MAX, RETENTION};
use nigh_wire::{
    Bytes, CallId, CallerId, Catalogue, Cause, Class, Doubt, Fingerprint, Keyed, MethodIndex,
    NotSettledCause, Ticket, Time, Value, WireHash,
};
use tokio::sync::oneshot;

use crate::backups::{BackupError, Backups};
use crate::calls::{Calls, PEER};
use crate::clock::Clock;
use crate::entity::Reply;
use crate::ledger::{self, Asking, Ledger, Serving, fate};
use crate::perform::{Ask, Identity, Outcome, Perform, What};
use crate::routes::{EntityMethod, Route, Routes, ServiceMethod};
use crate::service::{Asked, BoxFuture};
use crate::services::Served;
use crate::shards::owner::Owner;
use crate::shards::reply::{Heard, ReplyTo, answered};
use crate::shards::work::{Asked as Of, Work};
use crate::store::Verified;
use crate::why::{self, Named, Why};

/// Performs calls for one node.
pub(crate) struct Performer {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) owner: Option<Arc<Owner>>,
    pub(crate) shards: u32,
    pub(crate) has_peer: bool,
    pub(crate) backups: Backups,
}

impl Perform for Performer {
    fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    fn perform(&self, ask: Ask) -> BoxFuture<'static, Outcome> {
        let within = ask.within.unwrap_or(DEADLINE_DEFAULT).min(DEADLINE_MAX);
        match ask.what {
            What::Method { method, key, args } => self.method(method, key, args, within, ask.identity),
            What::List { entity, after, limit } => match &self.owner {
                Some(owner) => {
                    let asking = self.asking(Line::List);
                    here(asking, owner, Of::List { entity, after, limit }, within)
                }
                None => self.there(Started::List { entity, after, limit }, within),
            },
            What::Settle(ticket) => self.settle(ticket, within),
        }
    }

    fn begin_batch(&self) {
        self.owner.iter().for_each(|owner| owner.bell.begin_batch());
    }

    fn end_batch(&self) {
        self.owner.iter().for_each(|owner| owner.bell.end_batch());
    }

    fn reserve(&self, ask: &Ask) -> Option<Ticket> {
        let What::Method { method, key, args } = &ask.what else { return None };
        let what = match self.routes.route(method.0)? {
            Route::Entity(m) if m.class != Class::Read => {
                self.writes(m, key.clone()?, args.to_bytes(), &ask.identity).ok()?
            }
            // A call of this process's own service is in doubt only while its process lives.
            Route::Service(m) if m.class != Class::Read && m.here.is_none() => {
                Started::Serve(self.serves(m, args.to_bytes(), &ask.identity))
            }
            Route::Entity(_) | Route::Service(_) => return None,
        };
        let to = if matches!(what, Started::Call(_)) && self.owner.is_some() { PeerId::LOCAL } else { PEER };
        self.calls.reserve(to, &what)
    }

    fn release(&self, id: CallId) {
        self.calls.release(id);
    }

    fn backup(&self, name: &str) -> BoxFuture<'static, Result<Verified, BackupError>> {
        self.backups.make(name)
    }

    fn ledger(&self) -> Ledger {
        ledger::of(&self.routes, &self.calls, self.owner.as_deref())
    }

    fn why(&self, of: &Named) -> BoxFuture<'static, Why> {
        why::of(self, of)
    }
}

impl Performer {
    /// Something is asked that the caller machine does not see.
    fn asking(&self, line: Line) -> Asking {
        Asking::new(self.calls.clone(), line)
    }

    /// Something was asked, and this is said at once.
    fn told(&self, line: Line, outcome: Outcome) -> BoxFuture<'static, Outcome> {
        self.calls.beside.told(line, fate(&outcome));
        Box::pin(std::future::ready(outcome))
    }

    fn method(
        &self,
        method: MethodIndex,
        key: Option<Bytes>,
        args: Value,
        within: Duration,
        identity: Identity,
    ) -> BoxFuture<'static, Outcome> {
        match (self.routes.route(method.0), key) {
            (Some(Route::Service(m)), _) => self.service(m, args, within, identity),
            (Some(Route::Entity(m)), Some(key)) if m.class == Class::Read => self.view(m, key, args, within),
            (Some(Route::Entity(m)), Some(key)) => match self.writes(m, key, args.to_bytes(), &identity) {
                Ok(what) if self.owner.is_some() => {
                    outcome(self.calls.start(PeerId::LOCAL, what, within), identity)
                }
                Ok(what) => self.there_as(what, within, identity),
                Err(cause) => self.told(Line::Method(m.index), Outcome::NotDone(cause)),
            },
            (Some(Route::Entity(m)), None) => {
                let cause = Cause::Malformed("a call of an entity has a key".into());
                self.told(Line::Method(m.index), Outcome::NotDone(cause))
            }
            (None, _) => {
                let cause = Cause::Unknown(format!("method {}", method.0));
                self.told(Line::Unknown, Outcome::NotDone(cause))
            }
        }
    }

    fn view(
        &self,
        m: &EntityMethod,
        key: Bytes,
        args: Value,
        within: Duration,
    ) -> BoxFuture<'static, Outcome> {
        let method = m.index;
        let unfit = key_too_long(&key); // mutant view-key-unbounded: let unfit = None::<Cause>;
        if let Some(cause) = unfit {
            return self.told(Line::Method(method), Outcome::NotDone(cause));
        }
        let Some(owner) = &self.owner else {
            return self.there(Started::View { method, key, args: args.to_bytes() }, within);
        };
        here(self.asking(Line::Method(method)), owner, Of::View { method, key, args, shard: None }, within)
    }

    fn service(
        &self,
        m: &ServiceMethod,
        args: Value,
        within: Duration,
        identity: Identity,
    ) -> BoxFuture<'static, Outcome> {
        let Some(service) = &m.here else {
            return self.there_as(
                Started::Serve(self.serves(m, args.to_bytes(), &identity)),
                within,
                identity,
            );
        };
        let id = match identity {
            Identity::Id(id) | Identity::Reserved(id, _) => id,
            Identity::Once(key) => keyed_id(m, &key),
            Identity::Fresh => self.calls.fresh_id(),
        };
        let may_doubt = m.class != Class::Read; // mutant sim-service-call-not-done: let may_doubt = false;
        if may_doubt {
            // Who asked from outside of this process outlives it, and is in doubt then.
            self.calls.clock.started(id);
        }
        let ticket = (m.class != Class::Read).then(|| {
            Ticket::from(Doubt {
                id,
                of: m.service.to_string(),
                key: None,
                method: m.name.to_string(),
                shape: m.shape,
                fingerprint: Fingerprint::of(&m.service, &[], &m.name, &[]),
                keyed: None,
                settles_until: id.birth.saturating_add(RETENTION),
            })
        });
        let line = Line::Method(m.index);
        let (asking, serving) = (self.asking(line), Serving::new(self.calls.clone(), line));
        let served = service.clone().dispatch(m.number, Asked { id }, args);
        serve(self.calls.clock.clone(), (asking, serving), served, ticket, within)
    }

    fn settle(&self, ticket: Ticket, within: Duration) -> BoxFuture<'static, Outcome> {
        if ticket.key.is_none() {
            return self.told(Line::Settle, Outcome::NoRecord);
        }
        let misuse = || self.told(Line::Settle, Outcome::NotSettled(NotSettledCause::Misuse));
        let Some(m) = self.routes.by_name(&ticket.of, &ticket.method) else { return misuse() };
        if m.shape != ticket.shape {
            return misuse();
        }
        let Some(owner) = &self.owner else {
            return self.there(Started::Settle { ticket: Box::new(ticket) }, within);
        };
        let (calls, id) = (self.calls.clone(), ticket.id);
        let asking = here(self.asking(Line::Settle), owner, Of::Settle(Box::new(ticket)), within);
        Box::pin(async move {
            let outcome = match asking.await {
                // What a reader would be told of a view says nothing of the ticket.
                Outcome::NotDone(Cause::Deadline | Cause::Stopped) | Outcome::Overloaded { .. } => {
                    return Outcome::NotSettled(NotSettledCause::Deadline);
                }
                Outcome::NotDone(Cause::Misuse | Cause::Unknown(_) | Cause::Malformed(_)) => {
                    return Outcome::NotSettled(NotSettledCause::Misuse);
                }
                outcome => outcome,
            };
            calls.settled_here(id); // R15
            outcome
        })
    }

    /// A change, as the caller machine keeps it.
    fn writes(
        &self,
        m: &EntityMethod,
        key: Bytes,
        args: Bytes,
        identity: &Identity,
    ) -> Result<Started, Cause> {
        let (once, identity) = match identity {
            Identity::Fresh => (None, caller::Identity::Fresh),
            Identity::Id(id) => (None, caller::Identity::Foreign(*id)),
            Identity::Reserved(id, once) => (once.clone(), caller::Identity::Reserved(*id)),
            Identity::Once(key) => (Some(key.clone()), caller::Identity::Fresh),
        };
        if let Some(once) = &once
            && (once.is_empty() || once.len() > Keyed::SIZE_MAX)
        {
            return Err(Cause::TooLarge(format!("an idempotency key has 1 to {} bytes", Keyed::SIZE_MAX)));
        }
        if let Some(cause) = key_too_long(&key) {
            return Err(cause);
        }
        // Before the fingerprint, which would read all of it: whoever sends too much is to cost little.
        let size = key.len() + args.len();
        if size > CALL_SIZE_MAX {
            return Err(caller::too_large(size));
        }
        Ok(Started::Call(Writes {
            method: m.index,
            shard: self.routes.shard_of(m.host, &key, self.shards),
            entity: m.entity.clone(),
            fingerprint: Fingerprint::of(&m.entity, &key, &m.name, &args),
            key,
            args,
            method_name: m.name.clone(),
            shape: m.shape,
            keyed: once.map(|key| Keyed { principal: String::new(), key }),
            class: m.class,
            identity,
        }))
    }

    /// A service call, as the caller machine keeps it.
    fn serves(&self, m: &ServiceMethod, args: Bytes, identity: &Identity) -> Serves {
        Serves {
            method: m.index,
            service: m.service.clone(),
            fingerprint: Fingerprint::of(&m.service, &[], &m.name, &args),
            args,
            method_name: m.name.clone(),
            shape: m.shape,
            class: m.class,
            identity: match identity {
                Identity::Fresh => caller::Identity::Fresh,
                Identity::Once(key) => caller::Identity::Foreign(keyed_id(m, key)),
                Identity::Id(id) => caller::Identity::Foreign(*id),
                Identity::Reserved(id, _) => caller::Identity::Reserved(*id),
            },
        }
    }

    /// Asks the peer.
    fn there(&self, what: Started, within: Duration) -> BoxFuture<'static, Outcome> {
        self.there_as(what, within, Identity::Fresh)
    }

    fn there_as(&self, what: Started, within: Duration, identity: Identity) -> BoxFuture<'static, Outcome> {
        if !self.has_peer {
            let line = Line::of(&what);
            let what = "this: the role of this process has it not, and there is no --peer";
            return self.told(line, Outcome::NotDone(Cause::Unknown(what.into())));
        }
        outcome(self.calls.start(PEER, what, within), identity)
    }
}

/// The id of a service call under an idempotency key: the same in every try, from every process, since it is
/// the token that the service hands on. It is nobody's number; services keep no records, so it never ages.
fn keyed_id(m: &ServiceMethod, key: &str) -> CallId {
    let hash = WireHash::of(&[m.service.as_bytes(), m.name.as_bytes(), key.as_bytes()]);
    CallId { caller: CallerId(u128::from_le_bytes(hash.0)), number: 1, birth: Time::EPOCH }
}

/// A key is at most this long, encoded: it stands in every record.
pub(crate) const KEY_SIZE_MAX: usize = 1024;

/// What is told whoever asks for an entity with a longer one.
pub(crate) fn key_too_long(key: &Bytes) -> Option<Cause> {
    let too_long = key.len() > KEY_SIZE_MAX;
    too_long.then(|| Cause::TooLarge(format!("a key has at most {KEY_SIZE_MAX} bytes encoded")))
}

/// The outcome of a call of the caller machine.
fn outcome(waiting: crate::calls::Waiting, identity: Identity) -> BoxFuture<'static, Outcome> {
    Box::pin(async move {
        match waiting.await {
            Some(Settled::Answer(answer)) => answered(answer),
            Some(Settled::InDoubt(ticket)) => Outcome::InDoubt(*ticket),
            // Who brought the id hears what became of it; for everybody else it is a doubt like any other.
            Some(Settled::Forgotten(_)) if matches!(identity, Identity::Id(_)) => Outcome::Forgotten,
            Some(Settled::Forgotten(ticket)) => Outcome::InDoubt(*ticket),
            Some(Settled::Overloaded { retry_after }) => Outcome::Overloaded { retry_after },
            Some(Settled::NotSettled(cause)) => Outcome::NotSettled(cause),
            // The machine lives as long as anybody holds a handle on it.
            None => Outcome::NotDone(Cause::Stopped),
        }
    })
}

/// Asks the owner of this process what needs no id: views, lists, settling. Never in doubt.
fn here(asking: Asking, owner: &Arc<Owner>, what: Of, within: Duration) -> BoxFuture<'static, Outcome> {
    let due = owner.clock.now().saturating_add(within);
    let (waiter, heard) = oneshot::channel::<Heard>();
    owner.submit([Work { what, due, reply: ReplyTo::Here(waiter) }]);
    let clock = owner.clock.clone();
    Box::pin(async move {
        asking.hears(match clock.timeout_at(due, heard).await {
            Some(Ok(Ok(outcome))) => outcome,
            Some(Ok(Err(Refusal::Overloaded { retry_after }))) => Outcome::Overloaded { retry_after },
            Some(Ok(Err(Refusal::NotOwner | Refusal::AskAgain)) | Err(_)) => Outcome::NotDone(Cause::Stopped),
            Some(Ok(Err(_))) | None => Outcome::NotDone(Cause::Deadline),
        })
    })
}

/// Runs a service of this process until its deadline.
fn serve(
    clock: Clock,
    (asking, serving): (Asking, Serving),
    served: Served,
    ticket: Option<Ticket>,
    within: Duration,
) -> BoxFuture<'static, Outcome> {
    let due = clock.now().saturating_add(within);
    let doubt = move || ticket.map_or(Outcome::NotDone(Cause::Deadline), Outcome::InDoubt);
    Box::pin(async move {
        let (outcome, took) = match clock.timeout_at(due, Unwinding(served)).await {
            Some(Ok(Ok(Reply::Ok(value)))) => (Outcome::Done { value, version: None }, Took::Done),
            Some(Ok(Ok(Reply::Err(error)))) => (Outcome::Failed(error), Took::Failed),
            Some(Ok(Err(cause))) => (Outcome::NotDone(cause), Took::NotDone),
            // What it did outside before it panicked, nobody here can tell.
            Some(Err(Panicked)) | None => (doubt(), Took::InDoubt),
        };
        serving.ends(took);
        asking.hears(outcome)
    })
}

/// A service call whose panic is an error.
pub(crate) struct Unwinding(pub(crate) Served);
/// It panicked; the panic hook has said what.
pub(crate) struct Panicked;

impl Future for Unwinding {
    type Output = Result<Result<Reply, Cause>, Panicked>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // A future that panicked is not polled again: this one is ready.
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))) {
            Ok(Poll::Ready(reply)) => Poll::Ready(Ok(reply)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    }
}
