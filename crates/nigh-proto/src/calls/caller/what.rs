//! What is asked, as plain data: all that is needed to write any number of copies of it, and its ticket.
//!
//! Nothing here decides; see [`super::Caller`].

use std::sync::Arc;
use std::time::Duration;

use nigh_wire::{Bytes, CallId, Cause, Class, Doubt, Fingerprint, Keyed, NotSettledCause, Ticket, WireHash};

use crate::calls::RETENTION;
use crate::calls::request::{Answer, CallRequest, Order, Request};
use crate::shards::ShardId;

/// Something to ask of a peer.
#[derive(Clone, Debug)]
pub enum What {
    /// A writing method of an entity.
    Call(Writes),
    /// A view of an entity.
    View {
        /// Which, by its number in the catalogue.
        method: u32,
        /// Encoded key.
        key: Bytes,
        /// Encoded arguments.
        args: Bytes,
    },
    /// A method of a service.
    Serve(Serves),
    /// What became of a call in doubt.
    Settle {
        /// The doubt.
        ticket: Box<Ticket>,
    },
    /// Keys of an entity, in order.
    List {
        /// Wire name of the entity.
        entity: String,
        /// Encoded key after which to start.
        after: Option<Bytes>,
        /// How many at most.
        limit: u32,
    },
}

/// A writing method of an entity, and what its ticket will say.
#[derive(Clone, Debug)]
pub struct Writes {
    /// Which, by its number in the catalogue.
    pub method: u32,
    /// Where its key lives.
    pub shard: ShardId,
    /// Wire name of the entity.
    pub entity: Arc<str>,
    /// Encoded key.
    pub key: Bytes,
    /// Encoded arguments, as fingerprinted.
    pub args: Bytes,
    /// Wire name of the method.
    pub method_name: Arc<str>,
    /// Over entity, key, method and arguments (R3).
    pub fingerprint: Fingerprint,
    /// Hash of the method's answer and error shapes.
    pub shape: WireHash,
    /// Idempotency key, if it carries one.
    pub keyed: Option<Keyed>,
    /// As declared.
    pub class: Class,
    /// Whose number it goes by.
    pub identity: Identity,
}

/// A method of a service, and what its ticket will say.
#[derive(Clone, Debug)]
pub struct Serves {
    /// Which, by its number in the catalogue.
    pub method: u32,
    /// Wire name of the service.
    pub service: Arc<str>,
    /// Encoded arguments.
    pub args: Bytes,
    /// Wire name of the method.
    pub method_name: Arc<str>,
    /// Over service, method and arguments (R3).
    pub fingerprint: Fingerprint,
    /// Hash of the method's answer and error shapes.
    pub shape: WireHash,
    /// As declared: only `Read` and `Idempotent` are sent again once a copy may have run.
    pub class: Class,
    /// Whose number it goes by.
    pub identity: Identity,
}

/// Whose number a call goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The caller's next one.
    Fresh,
    /// One that `Caller::reserve` gave for the same call.
    Reserved(CallId),
    /// Somebody else's (`nigh1.` in HTTP): neither ordered nor below any floor of this caller.
    Foreign(CallId),
}

/// What its asker learns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Said of it, for good. Of a writing call never `Forgotten`, which has its own outcome.
    Answer(Answer),
    /// A writing call or a service call that may have run, or may still run.
    InDoubt(Box<Ticket>),
    /// A writing call that will not run from now on; whether it did is no longer known (R13).
    Forgotten(Box<Ticket>),
    /// Refused before it ran: nothing of it is left anywhere.
    Overloaded {
        /// Ask again no sooner than this.
        retry_after: Duration,
    },
    /// Settling itself did not work: ask again with the same ticket.
    NotSettled(NotSettledCause),
}

/// Where a numbered call counts: its shard's floor and, if it is ordered, its key's chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) shard: ShardId,
    pub(super) chain: Option<(Arc<str>, Bytes)>,
}

impl What {
    /// Bytes it keeps until it settles.
    pub fn size(&self) -> usize {
        match self {
            Self::Call(call) => call.key.len() + call.args.len(),
            Self::View { key, args, .. } => key.len() + args.len(),
            Self::Serve(serve) => serve.args.len(),
            Self::Settle { ticket } => {
                ticket.of.len() + ticket.method.len() + ticket.key.as_ref().map_or(0, Bytes::len)
            }
            Self::List { entity, after, .. } => entity.len() + after.as_ref().map_or(0, Bytes::len),
        }
    }

    /// True if it may have happened without its caller's knowing.
    pub(super) fn may_doubt(&self) -> bool {
        match self {
            Self::Call(_) => true,
            Self::Serve(serve) => serve.class != Class::Read,
            Self::View { .. } | Self::Settle { .. } | Self::List { .. } => false,
        }
    }

    /// The paper on which a doubt of it is written, under this id; `None` if it is never in doubt.
    pub fn ticket(&self, id: CallId) -> Option<Ticket> {
        let settles_until = id.birth.saturating_add(RETENTION);
        match self {
            Self::Call(call) => Some(Ticket::from(Doubt {
                id,
                of: call.entity.to_string(),
                key: Some(call.key.clone()),
                method: call.method_name.to_string(),
                shape: call.shape,
                fingerprint: call.fingerprint,
                keyed: call.keyed.clone(),
                settles_until,
            })),
            Self::Serve(serve) if serve.class != Class::Read => Some(Ticket::from(Doubt {
                id,
                of: serve.service.to_string(),
                key: None,
                method: serve.method_name.to_string(),
                shape: serve.shape,
                fingerprint: serve.fingerprint,
                keyed: None,
                settles_until,
            })),
            Self::Serve(_) | Self::View { .. } | Self::Settle { .. } | Self::List { .. } => None,
        }
    }

    pub(super) fn identity(&self) -> Identity {
        match self {
            Self::Call(call) => call.identity,
            Self::Serve(serve) => serve.identity,
            Self::View { .. } | Self::Settle { .. } | Self::List { .. } => Identity::Fresh,
        }
    }

    /// Where it counts. A foreign id is no number of ours; a call that is keyed or commutes has no order.
    pub(super) fn place(&self) -> Option<Place> {
        let Self::Call(call) = self else { return None };
        if matches!(call.identity, Identity::Foreign(_)) {
            return None;
        }
        let ordered = call.keyed.is_none() && call.class != Class::Commutes;
        let chain = ordered.then(|| (call.entity.clone(), call.key.clone()));
        Some(Place { shard: call.shard, chain })
    }

    /// True if it changes nothing: asked as often as it takes, never in doubt.
    pub(super) fn reads(&self) -> bool {
        match self {
            Self::View { .. } | Self::List { .. } => true,
            Self::Serve(serve) => serve.class == Class::Read,
            Self::Call(_) | Self::Settle { .. } => false,
        }
    }

    /// True if no copy may leave once another one may have run.
    pub(super) fn leaves_once(&self) -> bool {
        matches!(self, Self::Serve(serve) if !matches!(serve.class, Class::Read | Class::Idempotent))
    }

    /// True if other processes may have sent the same thing: that it never left this one proves nothing.
    pub(super) fn has_other_tries(&self) -> bool {
        let keyed = matches!(self, Self::Call(call) if call.keyed.is_some());
        keyed || matches!(self.identity(), Identity::Foreign(_))
    }

    /// True if this is an answer to what was asked. A peer may say anything.
    pub(super) fn fits(&self, answer: &Answer) -> bool {
        match (self, answer) {
            (_, Answer::NotDone(_)) => true,
            (Self::List { .. }, answer) => matches!(answer, Answer::Keys(_)),
            (_, Answer::Keys(_)) => false,
            (Self::Settle { .. }, _) => true,
            (_, Answer::NoRecord) => false,
            (Self::Call(_), Answer::Forgotten) => true,
            (_, Answer::Forgotten) => false,
            (_, Answer::Done { .. } | Answer::Failed(_)) => true,
        }
    }

    /// One copy. `order` is that of a writing call.
    pub(super) fn request(&self, id: CallId, order: Order, within: Duration) -> Request {
        match self {
            Self::Call(call) => Request::Call(CallRequest {
                id,
                method: call.method,
                key: call.key.clone(),
                args: call.args.clone(),
                order,
                keyed: call.keyed.clone(),
                within,
            }),
            Self::View { method, key, args } => {
                Request::View { method: *method, key: key.clone(), args: args.clone(), within }
            }
            Self::Serve(serve) => {
                Request::Serve { id, method: serve.method, args: serve.args.clone(), within }
            }
            Self::Settle { ticket } => Request::Settle { ticket: Ticket::clone(ticket), within },
            Self::List { entity, after, limit } => {
                Request::List { entity: entity.clone(), after: after.clone(), limit: *limit, within }
            }
        }
    }
}

/// What a settler's answer says: a verdict on the id, or only that this ticket could not be used.
pub(super) fn verdict(answer: Answer) -> Outcome {
    match answer {
        Answer::NotDone(Cause::Fenced | Cause::Panicked(_) | Cause::Stuck | Cause::Deadline) => {
            Outcome::Answer(answer)
        }
        // The node is going away: nothing was written, nothing was said of the id.
        Answer::NotDone(Cause::Stopped) => Outcome::NotSettled(NotSettledCause::Deadline),
        Answer::NotDone(_) => Outcome::NotSettled(NotSettledCause::Misuse),
        answer => Outcome::Answer(answer),
    }
}
