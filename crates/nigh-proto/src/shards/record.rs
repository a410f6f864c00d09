//! What the log of a shard holds: all that survives of a call, in one record (R4).
//!
//! These bytes are stored: a change here is a change of the store's format version.

use std::sync::Arc;

use nigh_wire::{Bytes, CallId, Cause, Fingerprint, Keyed, Time, Wire};

use crate::calls::request::Order;
use crate::shards::Position;

/// All records of a shard since the last append: appended whole or not at all (R8).
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Log time (R16): never below that of the blob before.
    pub time: Time,
    /// Place of the first record.
    pub first: Position,
    /// In order.
    pub records: Vec<Record>,
}

/// One thing that happened.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A method ran.
    Ran(Ran),
    /// An id, and perhaps its idempotency key, will never run (R12), or was given up (R4).
    Tombstone(Tombstone),
    /// Its caller has gone and knows everything it asked for (`bye`).
    Bye(CallId),
    /// Nothing but the blob's time: makes it durable before records are swept under it (R16).
    Tick,
}

/// A method ran: change, id, fingerprint, answer and floor, together (R4).
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// R1; `None` for a method that commutes, of which no record is kept.
    pub id: Option<CallId>,
    /// R3.
    pub fingerprint: Fingerprint,
    /// Wire name of the entity.
    pub entity: Arc<str>,
    /// Encoded key.
    pub key: Bytes,
    /// Wire name of the method.
    pub method: Arc<str>,
    /// R10, R14: committed with the call that carried it.
    pub order: Order,
    /// Idempotency key, if it carried one.
    pub keyed: Option<Keyed>,
    /// What it returned.
    pub outcome: RanOutcome,
    /// The change, as `State::commit` wrote it; empty if there was none.
    pub redo: Bytes,
    /// The entity became its default.
    pub deleted: bool,
    /// Where the method's random numbers started, if it drew any.
    pub seed: Option<u64>,
    /// Calls that leave with this commit (R18); none until the outbox is built.
    pub staged: Vec<Bytes>,
    /// Timers that start with this commit (R19); none until they are built.
    pub timers: Vec<Bytes>,
}

/// What a method returned.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub enum RanOutcome {
    /// Encoded value.
    Ok(Bytes),
    /// Encoded error: no change was made.
    Err(Bytes),
}

/// An id that will never run.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// R1.
    pub id: CallId,
    /// Wire name of the entity.
    pub entity: Arc<str>,
    /// Encoded key of the entity.
    pub key: Bytes,
    /// Wire name of the method.
    pub method: Arc<str>,
    /// Of the call, as the ticket or the copy says (R3).
    pub fingerprint: Fingerprint,
    /// Of a keyed call: the key is dead too (R12).
    pub keyed: Option<Keyed>,
    /// `Fenced`, `Panicked` or `Stuck`.
    pub cause: Cause,
}
