//! What the state file holds of a shard's tables: one row per entry, so that the log can be cut below them.
//!
//! These bytes are stored: a change here is a change of the store's format version. A row says at which place
//! of the log it changed last: at recovery rows may be newer than the log's tail, and the fold of that tail
//! over them ends in the same tables (`tables.rs`). Rows of one caller are found by how their keys begin
//! ([`TableKey::beginnings`]), so that those of callers who are gone need not be in memory (`tables/cold.rs`).

use std::cmp::Ordering;
use std::sync::Arc;

use nigh_wire::{Bytes, CallId, CallerId, Cause, Fingerprint, Time, Wire};

use crate::calls::request::{Answer, Known, Version};
use crate::shards::Position;
use crate::shards::record::RanOutcome;

/// Names a row among those of its shard.
#[derive(Wire, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableKey {
    /// Log time, so that no cut can set it back (R16).
    Time,
    /// What became of one number of a caller.
    Record {
        /// Who numbered it.
        caller: CallerId,
        /// Its number.
        number: u64,
    },
    /// The highest number of a caller that ran on a key (R10).
    Mark {
        /// Who numbered it.
        caller: CallerId,
        /// On what.
        target: Target,
    },
    /// What a caller knows (R14).
    Floor(CallerId),
    /// What became of an idempotency key (R12).
    Keyed(KeyedKey),
    /// How many rows there are, about: most of them are not read at a start.
    Count,
}

impl TableKey {
    /// How the encoded keys begin of all rows of a caller: its records, its marks, its floor.
    pub fn beginnings(caller: CallerId) -> [Bytes; 3] {
        // What follows the caller is a number, or a target: without it, of one byte.
        let cut = |key: &TableKey, rest: usize| {
            let key = nigh_wire::encode(key);
            key.slice(..key.len() - rest)
        };
        let none = Target { entity: "".into(), key: Bytes::new() };
        let record = cut(&TableKey::Record { caller, number: 0 }, 1);
        let mark = cut(&TableKey::Mark { caller, target: none }, 2);
        [record, mark, cut(&TableKey::Floor(caller), 0)]
    }

    /// Whose row it is, if it is a caller's.
    pub fn caller(&self) -> Option<CallerId> {
        match self {
            TableKey::Record { caller, .. } | TableKey::Mark { caller, .. } | TableKey::Floor(caller) => {
                Some(*caller)
            }
            TableKey::Time | TableKey::Keyed(_) | TableKey::Count => None,
        }
    }
}

/// A row, and the place of the record that changed it last.
#[derive(Wire, Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableRow {
    /// Place of that record.
    pub position: Position,
    /// The rest.
    pub entry: TableEntry,
}

/// The entry of a row: the variant is that of its key.
#[derive(Wire, Clone, Debug, PartialEq, Eq, Hash)]
pub enum TableEntry {
    /// See [`TableKey::Time`].
    Time(Time),
    /// See [`TableKey::Record`].
    Record(RecordEntry),
    /// See [`TableKey::Mark`].
    Mark(MarkEntry),
    /// See [`TableKey::Floor`].
    Floor(FloorEntry),
    /// See [`TableKey::Keyed`].
    Keyed(KeyedEntry),
    /// See [`TableKey::Count`].
    Count(u64),
}

/// One entity: the unit of order among the calls of a caller (R10).
#[derive(Wire, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Wire name of the entity.
    pub entity: Arc<str>,
    /// Encoded key.
    pub key: Bytes,
}

/// By name, then by key. Most that are compared share their name, which is seen without a look at it.
impl Ord for Target {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.entity, &other.entity) {
            return self.key.cmp(&other.key);
        }
        (&self.entity, &self.key).cmp(&(&other.entity, &other.key))
    }
}
impl PartialOrd for Target {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What an idempotency key is remembered under (R12).
#[derive(Wire, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyedKey {
    /// Who asks.
    pub principal: String,
    /// Of whom.
    pub target: Target,
    /// Wire name of the method.
    pub method: Arc<str>,
    /// What the caller wrote.
    pub key: String,
}

/// What became of an id (R4).
#[derive(Wire, Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordEntry {
    /// Of the id: from here on it ages (R16).
    pub birth: Time,
    /// R3.
    pub fingerprint: Fingerprint,
    /// What everybody is told who asks.
    pub verdict: Verdict,
}

/// The highest number of a caller that ran on a key (R10).
#[derive(Wire, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MarkEntry {
    /// Lower ones without a record are refused for good.
    pub number: u64,
    /// Of that number: from here on the mark ages (R16).
    pub birth: Time,
}

/// What a caller knows (R14).
#[derive(Wire, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FloorEntry {
    /// All of it: merged, never replaced.
    pub known: Known,
    /// The latest birth among the calls that carried it. Births never fall within a caller, so no known
    /// number is younger: past it by R, all of them are too old and the floor may go (R16).
    pub birth: Time,
}

/// What became of an idempotency key (R12).
#[derive(Wire, Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyedEntry {
    /// The id that ran, or that was fenced.
    pub id: CallId,
    /// R3.
    pub fingerprint: Fingerprint,
    /// What every other try is told.
    pub verdict: Verdict,
    /// Log time of that: from here on the key ages.
    pub time: Time,
}

/// What became of a call, for as long as it is remembered.
#[derive(Wire, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It ran and returned this, encoded.
    Done(Bytes),
    /// It ran and returned this error, encoded.
    Failed(Bytes),
    /// A tombstone: it did not run and never will.
    NotDone(Cause),
}

impl Verdict {
    /// As the caller hears it. `version`: one that includes the call.
    pub fn answer(&self, version: Version) -> Answer {
        match self {
            Verdict::Done(value) => Answer::Done { value: value.clone(), version: Some(version) },
            Verdict::Failed(error) => Answer::Failed(error.clone()),
            Verdict::NotDone(cause) => Answer::NotDone(cause.clone()),
        }
    }
    /// Bytes it keeps beside the row.
    pub(super) fn size(&self) -> usize {
        match self {
            Verdict::Done(bytes) | Verdict::Failed(bytes) => bytes.len(),
            // A cause's text is short, or cut where it is made.
            Verdict::NotDone(_) => 64,
        }
    }
}

impl From<RanOutcome> for Verdict {
    fn from(outcome: RanOutcome) -> Self {
        match outcome {
            RanOutcome::Ok(value) => Verdict::Done(value),
            RanOutcome::Err(error) => Verdict::Failed(error),
        }
    }
}

#[cfg(test)]
mod tests;
