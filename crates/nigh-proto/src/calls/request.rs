//! What is asked and what is answered, between a caller and an owner, wherever the two live.
//!
//! An [`Answer`] speaks of the id, for good. A [`Refusal`] speaks of one copy, never of the id (R11).

use std::time::Duration;

use nigh_wire::{Bytes, CallId, Cause, Keyed, Ticket, Wire};

use crate::shards::{Epoch, Position};

/// One copy of something asked. `method` is a number of the catalogue that both ends share.
#[derive(Wire, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// A writing method of an entity.
    Call(CallRequest),
    /// A view of an entity: read, never recorded.
    View {
        /// Which.
        method: u32,
        /// Encoded key.
        key: Bytes,
        /// Encoded arguments.
        args: Bytes,
        /// Time left when this copy was sent.
        within: Duration,
    },
    /// A method of a service.
    Serve {
        /// The same in every copy: the idempotency token.
        id: CallId,
        /// Which.
        method: u32,
        /// Encoded arguments.
        args: Bytes,
        /// Time left when this copy was sent.
        within: Duration,
    },
    /// What became of a call in doubt (R12).
    Settle {
        /// The doubt.
        ticket: Ticket,
        /// Time left when this copy was sent.
        within: Duration,
    },
    /// Keys of an entity, in order.
    List {
        /// Wire name of the entity.
        entity: String,
        /// Encoded key after which to start.
        after: Option<Bytes>,
        /// How many at most.
        limit: u32,
        /// Time left when this copy was sent.
        within: Duration,
    },
}

/// One copy of a writing call.
#[derive(Wire, Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallRequest {
    /// R1.
    pub id: CallId,
    /// Which.
    pub method: u32,
    /// Encoded key.
    pub key: Bytes,
    /// Encoded arguments, as fingerprinted (R3).
    pub args: Bytes,
    /// R10.
    pub order: Order,
    /// Idempotency key, if it carries one.
    pub keyed: Option<Keyed>,
    /// Time left when this copy was sent.
    pub within: Duration,
}

/// Whether a call has a place among its caller's calls on its key (R10).
#[derive(Wire, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Neither checks nor raises the mark, has no floor: `nigh1.` ids, steps of plans.
    Free,
    /// In order.
    After {
        /// Number of the caller's last call on this key that was still open; 0 if there was none.
        after: u64,
        /// What the caller knows, towards this shard (R14).
        known: Known,
    },
    /// Neither checks nor raises the mark, and says what the caller knows: keyed calls, and methods that commute, of which
    /// only what was given up is remembered. A caller that makes no others would otherwise be remembered call by call until
    /// they are too old.
    Unordered(Known),
}

impl Order {
    /// What the caller knows, if it says so (R14).
    pub fn known(&self) -> Option<&Known> {
        match self {
            Order::After { known, .. } | Order::Unordered(known) => Some(known),
            Order::Free => None,
        }
    }
}

/// Numbers of one caller, towards one shard, whose answers it knows (R14): all up to `floor`, less `doubts`.
#[derive(Wire, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Known {
    /// Passes no call open towards that shard.
    pub floor: u64,
    /// Told in doubt, below the floor, ascending: at most [`Known::DOUBTS_MAX`].
    pub doubts: Vec<u64>,
}

impl Known {
    /// The floor stops below the 65th doubt: 64 numbers ride in each call, about 200 bytes at the worst.
    pub const DOUBTS_MAX: usize = 64;
}

/// What is said of an id, for good; or what a request that has no id yields.
#[derive(Wire, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Ran and returned this. The version it committed, or was read at.
    Done {
        /// Encoded value.
        value: Bytes,
        /// Of an entity.
        version: Option<Version>,
    },
    /// Ran and returned its own error, encoded.
    Failed(Bytes),
    /// Did not run and never will.
    NotDone(Cause),
    /// R13: will not run from now on; whether it ran is no longer known.
    Forgotten,
    /// To a settler: no record is kept of such calls.
    NoRecord,
    /// To a lister: encoded keys in order.
    Keys(Vec<Bytes>),
}

/// Of an entity's shard: which memory an answer was read from (R22).
#[derive(Wire, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Which owner.
    pub epoch: Epoch,
    /// How much of its log.
    pub position: Position,
}

/// What is said of one copy (R11). The id may still run by another copy.
#[derive(Wire, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Refused before it ran.
    Overloaded {
        /// Ask again no sooner than this.
        retry_after: Duration,
    },
    /// Its predecessor has not run here yet.
    NotYet,
    /// The shard is another's.
    NotOwner,
    /// The owner dropped its memory: ask again (R9). Says nothing of whether the copy ran.
    AskAgain,
    /// Its time ran out in a queue here.
    Expired,
    /// Its caller let go of it.
    Cancelled,
    /// Born further in the future than F (R17).
    Ahead,
}
