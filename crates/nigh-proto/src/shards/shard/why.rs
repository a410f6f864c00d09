//! What became of a call, as its owner remembers: looked up, never changed. Settling is what fences an id
//! ([`Shard::settle`]); whoever only asks why must not destroy what is under way.
//!
//! Only what is durable is said (R6): the rest of memory may be dropped, and then it never was.

use std::collections::BTreeMap;

use nigh_wire::{CallId, Cause, Time};

use super::Shard;
use crate::calls::RETENTION;
use crate::shards::row::{RecordEntry, TableEntry, TableKey, TableRow, Verdict};
use crate::shards::{Position, ShardId};

/// What the shards of a process remember of an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AtOwner {
    /// What became of it stands in the log.
    Recorded {
        /// Whose.
        shard: ShardId,
        /// At which place.
        position: Position,
        /// What.
        became: Became,
    },
    /// Something is recorded that is not durable yet: ask again.
    Committing(ShardId),
    /// Another call has this number: no process of this application made both.
    Misuse(ShardId),
    /// Born too long ago: it will not run, and whether it did is no longer known (R16).
    TooOld,
    /// Its caller has told so many shards that it knows the answer (R14), and what is known is not remembered. That is
    /// told of all numbers up to its floor, also of those that were for another shard: only if all that it can be of
    /// were told, it is sure.
    Known {
        /// How many were told.
        shards: u32,
        /// Of how many that it can be of.
        of: u32,
    },
    /// Not remembered: it has not run here, but it may have in a history that was lost when the store was restored.
    Lost,
    /// It has not run here so far. It may still: this is no verdict.
    Nothing,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Became {
    /// It ran and returned a value.
    Done,
    /// It ran and returned its own error.
    Failed,
    /// It did not run and never will.
    NotDone(Cause),
}

/// Of a shard, the rows of an id that its driver read from the state file: see [`unread`].
pub type Stored = BTreeMap<ShardId, Vec<TableRow>>;

/// Shards whose rows of that id are in the state file alone, so that they are to be read before they are [looked
/// at](look); none if it was found already. Rows that are only looked at are not taken into memory.
pub fn unread<R>(shards: &[&Shard<R>], only: Option<ShardId>, id: CallId) -> Vec<ShardId> {
    let shards = || shards.iter().filter(move |shard| only.is_none_or(|only| only == shard.id));
    if shards().any(|shard| shard.tables.record(id.caller, id.number).is_some()) {
        return vec![];
    }
    shards().filter(|shard| shard.is_cold(id)).map(|shard| shard.id).collect()
}

/// The rows that say what became of an id, and whether its caller knows.
pub fn rows_of(id: CallId) -> [TableKey; 2] {
    [TableKey::Record { caller: id.caller, number: id.number }, TableKey::Floor(id.caller)]
}

/// What is remembered of that id in the shards of a process; or in this one only, if its ticket says so.
pub fn look<R>(shards: &[&Shard<R>], only: Option<ShardId>, id: CallId, stored: &Stored) -> AtOwner {
    let among = || shards.iter().filter(|shard| only.is_none_or(|only| only == shard.id));
    if let Some(recorded) = among().find_map(|shard| shard.recorded(id, stored)) {
        return recorded;
    }
    // Idle shards do not note the time; it is the same in all.
    let time = shards.iter().map(|shard| shard.log.durable_time()).max().unwrap_or(Time::EPOCH);
    if id.birth.saturating_add(RETENTION) < time {
        return AtOwner::TooOld;
    }
    let known = among().filter(|shard| shard.knows(id, stored)).count() as u32;
    if known > 0 {
        return AtOwner::Known { shards: known, of: among().count() as u32 };
    }
    let lost = among().any(|shard| shard.lost_until.is_some_and(|until| id.birth <= until));
    if lost { AtOwner::Lost } else { AtOwner::Nothing }
}

impl<R> Shard<R> {
    /// True if what is remembered of its caller is in the state file alone.
    fn is_cold(&self, id: CallId) -> bool {
        self.tables.missing(id.caller, || None).is_some()
    }

    /// Of an id that has a record here. This is the one place where `why` looks for records.
    fn recorded(&self, id: CallId, stored: &Stored) -> Option<AtOwner> {
        let read = || stored.get(&self.id)?.iter().find_map(record_of);
        // Let go since it was asked what to read: what was read then may be old.
        if self.is_cold(id) && !stored.contains_key(&self.id) {
            return Some(AtOwner::Committing(self.id));
        }
        let (entry, position) = match self.tables.record(id.caller, id.number) {
            None if self.is_cold(id) => read()?,
            here => here?,
        };
        #[rustfmt::skip]
        let durable = position < self.log.durable(); // mutant why-before-sync: let durable = true;
        if !durable {
            return Some(AtOwner::Committing(self.id));
        }
        if entry.birth != id.birth {
            return Some(AtOwner::Misuse(self.id));
        }
        let became = match &entry.verdict {
            Verdict::Done(_) => Became::Done,
            Verdict::Failed(_) => Became::Failed,
            Verdict::NotDone(cause) => Became::NotDone(cause.clone()),
        };
        Some(AtOwner::Recorded { shard: self.id, position, became })
    }

    /// True if its caller said here that it knows the answer.
    fn knows(&self, id: CallId, stored: &Stored) -> bool {
        if !self.is_cold(id) {
            return self.tables.is_known(id.caller, id.number);
        }
        stored.get(&self.id).into_iter().flatten().any(|row| match &row.entry {
            TableEntry::Floor(floor) => floor.known.contains(id.number),
            _ => false,
        })
    }
}

fn record_of(row: &TableRow) -> Option<(&RecordEntry, Position)> {
    if let TableEntry::Record(entry) = &row.entry { Some((entry, row.position)) } else { None }
}
