//! The log of a shard as its owner sees it: what is pending, under way and durable, and its time (R16).
//!
//! Places count records. Those between `durable` and `next` are in memory only, first those under way, then
//! those pending. Nothing here appends: the store does, on condition of epoch and place (R8).

use nigh_wire::{Bytes, Time};

use super::record::{Blob, BlobOut, Record};
use super::row::TableKey;
use super::{Epoch, Position, ShardId};

/// Records to be made durable, on condition of epoch and first place (R8).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Append {
    /// Of which log.
    pub shard: ShardId,
    /// The log must still be of this owner.
    pub epoch: Epoch,
    /// The log must end here.
    pub first: Position,
    /// Then it ends here.
    pub next: Position,
    /// A [`Blob`].
    pub blob: Bytes,
}

/// Rows and log do not fit together. Nothing may be served from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Corrupt {
    /// The next blob does not begin where the last one ended.
    Gap {
        /// Where it ended.
        expected: Position,
        /// Where the next one begins.
        found: Position,
    },
    /// Log time falls from one blob to the next.
    TimeFalls {
        /// Place of the later blob.
        at: Position,
    },
    /// A row of the state file is of another table than its key says.
    Row(TableKey),
}

#[derive(Clone, Debug, Hash)]
struct InFlight {
    next: Position,
    time: Time,
    size: usize,
    /// Views read before it was begun.
    read: u64,
}

#[derive(Clone, Debug, Hash)]
pub(super) struct Log {
    /// R16: that of memory, of the last blob begun, of the last durable one. They never fall.
    time: Time,
    begun_time: Time,
    durable_time: Time,
    next: Position,
    durable: Position,
    pending: BlobOut,
    in_flight: Option<InFlight>,
}

impl Log {
    /// `log_time` is that before `next`, `stored_time` that of the state file, which may be later.
    pub(super) fn open(next: Position, log_time: Time, stored_time: Time) -> Self {
        let time = log_time.max(stored_time); // mutant stored-time-ignored: let time = log_time;
        Log {
            time,
            begun_time: log_time,
            durable_time: time,
            next,
            durable: next,
            pending: BlobOut::default(),
            in_flight: None,
        }
    }

    /// Takes note of the next blob of the tail, before its records are folded in.
    pub(super) fn replay(&mut self, blob: &Blob) -> Result<(), Corrupt> {
        if blob.first != self.next {
            return Err(Corrupt::Gap { expected: self.next, found: blob.first });
        }
        if blob.time < self.begun_time {
            return Err(Corrupt::TimeFalls { at: blob.first });
        }
        self.next.0 += blob.records.len() as u64;
        self.durable = self.next;
        self.begun_time = blob.time;
        self.time = self.time.max(blob.time);
        self.durable_time = self.time;
        Ok(())
    }

    /// R16: log time goes on with the clock, and never back. All decisions are by it, and the next blob has it.
    pub(super) fn advance(&mut self, clock: Time) -> Time {
        #[rustfmt::skip]
        let time = self.time.max(clock); // mutant own-clock: let time = clock;
        self.time = time;
        self.time
    }

    /// One more record. Gives its place.
    pub(super) fn push(&mut self, record: &Record) -> Position {
        let place = self.next;
        self.pending.push(record);
        self.next.0 += 1;
        place
    }

    /// True if what is in memory, once it is durable, does not make the present log time durable.
    pub(super) fn time_lags(&self) -> bool {
        self.pending.count() == 0 && self.begun_time < self.time
    }

    /// Begins the next append: one at a time (R8).
    pub(super) fn poll_append(&mut self, clock: Time, read: u64) -> Option<(Position, Bytes)> {
        // R8: a second one could land without the first.
        if self.in_flight.is_some() || self.pending.count() == 0 {
            return None;
        }
        let time = self.advance(clock);
        let first = Position(self.next.0 - self.pending.count());
        let size = self.pending.size();
        let blob = self.pending.take(time, first);
        self.begun_time = time;
        self.in_flight = Some(InFlight { next: self.next, time, size, read });
        Some((first, blob))
    }

    /// It is durable. Gives how many views were read before it was begun.
    pub(super) fn handle_appended(&mut self) -> u64 {
        let done = self.in_flight.take().expect("an append is under way");
        self.durable = done.next;
        self.durable_time = done.time;
        done.read
    }

    pub(super) fn time(&self) -> Time {
        self.time
    }
    pub(super) fn durable_time(&self) -> Time {
        self.durable_time
    }
    pub(super) fn next(&self) -> Position {
        self.next
    }
    pub(super) fn durable(&self) -> Position {
        self.durable
    }
    /// Bytes that are not durable yet.
    pub(super) fn pending_size(&self) -> usize {
        self.pending.size() + self.in_flight.as_ref().map_or(0, |append| append.size)
    }

    /// Every record has a place, and time never falls.
    pub(super) fn assert_invariants(&self) {
        let begun = self.in_flight.as_ref().map_or(self.durable, |append| append.next);
        assert!(self.durable <= begun, "durable before it was begun");
        assert!(begun.0 + self.pending.count() == self.next.0, "a place is lost");
        assert!(self.begun_time <= self.time && self.durable_time <= self.time, "log time falls");
    }
}
