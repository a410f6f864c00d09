//! What is let go, so that more entities than memory are no trouble.
//!
//! Only what is in its row as it is in memory may go: nothing that changed since, nothing on which a method runs. Which
//! of those is a second chance: they stand in a queue in the order in which they came; whoever was asked for since it was
//! last looked at goes to its end, the others go. No clock: what is not asked for stays as long as there is room.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nigh_proto::shards::ShardId;

use super::{Held, Memory, Name};
use crate::buggify;
use crate::shards::host::Cell;

/// Entities looked at for each that is put back: more than come in, so that a full memory shrinks.
const LOOKS_MAX: usize = 4;
/// Entities looked at once rows were written, or before a call is refused: as many as a transaction holds, twice.
const LOOKS_SWEPT_MAX: usize = 512;

/// What the entities of all lanes take, and may take, in bytes, beside those that wait to be written back.
pub(crate) struct Budget {
    size: AtomicUsize,
    size_max: usize,
}

impl Budget {
    /// Nothing is in memory.
    pub(crate) fn new(size_max: usize) -> Arc<Self> {
        Arc::new(Budget { size: AtomicUsize::new(0), size_max })
    }
    /// Bytes of all entities in memory, estimated.
    pub(crate) fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }
    /// What is remembered of calls may take in memory, in bytes: an eighth of what entities may.
    pub(crate) fn records_size_max(&self) -> usize {
        self.size_max / 8
    }
    /// True if what waits to be written back leaves little room.
    pub(crate) fn is_tight(&self) -> bool {
        self.size() > self.size_max
    }
    /// True if so much waits to be written back that no more is to be changed.
    fn is_full(&self) -> bool {
        self.size() > self.size_max.saturating_add(self.size_max / 2) // mutant memory-never-full: self.size() == usize::MAX
    }
    fn add(&self, size: usize) {
        self.size.fetch_add(size, Ordering::Relaxed);
    }
    fn sub(&self, size: usize) {
        self.size.fetch_sub(size, Ordering::Relaxed);
    }
}

/// What is in memory of one lane, and what may go next.
pub(super) struct Cold {
    /// All that is in memory, once each.
    queue: VecDeque<(ShardId, Name)>,
    pub(super) budget: Arc<Budget>,
    /// Of the budget.
    size: usize,
    /// Those let go that have pages: to be dropped without the lock, since that takes a while.
    large: Vec<Box<dyn Cell>>,
}

impl Cold {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Cold { queue: VecDeque::new(), budget, size: 0, large: vec![] }
    }
    /// One came in.
    pub(super) fn loaded(&mut self, shard: ShardId, name: &Name, size: usize) {
        self.queue.push_back((shard, name.clone()));
        self.grew(size);
    }
    /// One of those grew.
    pub(super) fn grew(&mut self, size: usize) {
        self.size += size;
        self.budget.add(size);
    }
    /// One of those is of this size now.
    pub(super) fn resized(&mut self, old: usize, new: usize) {
        self.shrank(old);
        self.grew(new);
    }
    /// One of those has gone, or is smaller.
    fn shrank(&mut self, size: usize) {
        self.size -= size;
        self.budget.sub(size);
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
        self.cold.budget.is_full()
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
    pub(crate) fn let_written_go(&mut self) {
        self.let_some_go(LOOKS_SWEPT_MAX, buggify!("memory.cold.swept"));
    }

    fn let_some_go(&mut self, looks_max: usize, all: bool) {
        for _ in 0..looks_max.min(self.cold.queue.len()) {
            if !self.cold.budget.is_tight() && !all {
                return;
            }
            let (shard, name) = self.cold.queue.pop_front().expect("there are so many");
            let cells = &mut self.cells[self.lanes.at(shard)];
            let held = cells.get_mut(&name).expect("what is in memory is in the queue, once");
            let used = std::mem::take(&mut held.used) && !all;
            if used || !held.is_clean() {
                self.cold.queue.push_back((shard, name));
                continue;
            }
            let held = cells.remove(&name).expect("it was looked at");
            self.cold.shrank(held.size);
            self.cold.large.extend(held.cell.filter(|cell| cell.is_paged()));
            self.loads.gone(shard, &name);
        }
    }
}

impl Drop for Cold {
    fn drop(&mut self) {
        self.budget.sub(self.size);
    }
}
