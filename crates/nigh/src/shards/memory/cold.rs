//! What is let go, so that more entities than memory are no trouble.
//!
//! Only what is in its row as it is in memory may go: nothing that changed since, nothing on which a method runs. Which
//! of those is a second chance: they stand in a queue in the order in which they came; whoever was asked for since it was
//! last looked at goes to its end, the others go. No clock: what is not asked for stays as long as there is room.

use std::collections::VecDeque;

use nigh_proto::shards::ShardId;

use super::{Held, Memory, Name};
use crate::buggify;
use crate::shards::host::Cell;

/// What an entity takes beside its state, in bytes: two names, three nodes of trees, the cell.
const ENTITY_OVERHEAD: usize = 512;
/// Bytes of memory for each stored one: keys and small numbers of a tree's entries take some four times their encoding.
const SIZE_FACTOR: usize = 4;
/// Entities looked at for each that is put back: more than come in, so that a full memory shrinks.
const LOOKS_MAX: usize = 4;
/// Entities looked at once rows were written, or before a call is refused: as many as a transaction holds, twice.
const LOOKS_SWEPT_MAX: usize = 512;

/// How much is in memory, and what may go next.
pub(super) struct Cold {
    /// All that is in memory, once each.
    queue: VecDeque<(ShardId, Name)>,
    size: usize,
    size_max: usize,
    /// Those let go that have pages: to be dropped without the lock, since that takes a while.
    large: Vec<Box<dyn Cell>>,
}

/// What an entity of so many encoded bytes takes in memory: an estimate.
pub(super) fn size_of(encoded: usize) -> usize {
    encoded.saturating_mul(SIZE_FACTOR).saturating_add(ENTITY_OVERHEAD)
}

impl Cold {
    pub(super) fn new(size_max: usize) -> Self {
        Cold { queue: VecDeque::new(), size: 0, size_max, large: vec![] }
    }
    /// One came in.
    pub(super) fn loaded(&mut self, shard: ShardId, name: &Name, size: usize) {
        self.queue.push_back((shard, name.clone()));
        self.size += size;
    }
    /// One of those grew.
    pub(super) fn grew(&mut self, size: usize) {
        self.size += size;
    }
    /// One of those is of this size now.
    pub(super) fn resized(&mut self, old: usize, new: usize) {
        self.size = self.size - old + new;
    }
}

impl Held {
    /// True if its row says all there is to know of it.
    fn is_clean(&self) -> bool {
        let same = self.changed == self.written; // mutant cold-before-written: let same = self.changed.is_some() || self.written.is_none();
        self.cell.is_some() && same
    }
}

impl Memory {
    /// True if so much waits to be written back that no more is to be changed.
    pub(crate) fn is_full(&mut self) -> bool {
        // What is clean goes now, so what is over waits: while calls are refused, nobody else would let it go.
        self.let_some_go(LOOKS_SWEPT_MAX, false); // mutant full-of-clean: self.let_some_go(0, false);
        self.cold.size > self.cold.size_max.saturating_add(self.cold.size_max / 2) // mutant memory-never-full: self.cold.size == usize::MAX
    }

    /// True if what waits to be written back leaves little room.
    pub(crate) fn is_tight(&self) -> bool {
        self.cold.size > self.cold.size_max
    }

    /// Bytes of all entities in memory, estimated.
    pub(crate) fn size(&self) -> usize {
        self.cold.size
    }

    /// What is remembered of calls may take in memory, in bytes: an eighth of what entities may.
    pub(crate) fn records_size_max(&self) -> usize {
        self.cold.size_max / 8
    }

    /// Those let go that are to be dropped without the lock.
    pub(crate) fn take_gone(&mut self) -> Vec<Box<dyn Cell>> {
        std::mem::take(&mut self.cold.large)
    }

    /// Lets some go, if there are too many.
    pub(super) fn let_go(&mut self) {
        self.let_some_go(LOOKS_MAX, buggify!("memory.cold"));
    }

    /// As [`Memory::let_go`], after rows were written.
    pub(super) fn let_written_go(&mut self) {
        self.let_some_go(LOOKS_SWEPT_MAX, buggify!("memory.cold.swept"));
    }

    fn let_some_go(&mut self, looks_max: usize, all: bool) {
        for _ in 0..looks_max.min(self.cold.queue.len()) {
            if self.cold.size <= self.cold.size_max && !all {
                return;
            }
            let (shard, name) = self.cold.queue.pop_front().expect("there are so many");
            let cells = &mut self.cells[shard.0 as usize];
            let held = cells.get_mut(&name).expect("what is in memory is in the queue, once");
            let used = std::mem::take(&mut held.used) && !all;
            if used || !held.is_clean() {
                self.cold.queue.push_back((shard, name));
                continue;
            }
            self.cold.size -= held.size;
            let held = cells.remove(&name).expect("it was looked at");
            self.cold.large.extend(held.cell.filter(|cell| cell.is_paged()));
            self.loads.gone(shard, &name);
        }
    }
}
