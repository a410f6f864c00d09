//! Which blocks of the groups' file are taken, and where the next group goes. Pure: no disk, no bytes.
//!
//! Groups stand one behind the other in *runs*. When there is no room behind the newest, a new run begins where enough
//! blocks are free, or the file grows. Groups go in the order they came, so each run shrinks from its front, and what is
//! free stays in few pieces. A block that holds a group is never given out.

use std::collections::VecDeque;
use std::ops::Range;

use super::room::ROOM_SIZE;

/// Bytes of a block. A group begins with one, so that no sector with acknowledged bytes is ever written again.
pub(super) const BLOCK_SIZE: usize = 4096;

/// Blocks by which the file grows: as many as it has, within these. What is held back for a full disk has room for so many, and
/// for a group behind them.
const GROWTH_MIN: u64 = 16;
const GROWTH_MAX: u64 = 1024;
const _: () = assert!(GROWTH_MAX * BLOCK_SIZE as u64 <= ROOM_SIZE / 2);

/// Where a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Its first block.
    pub(super) at: u64,
    /// How many.
    pub(super) blocks: u64,
}

impl Extent {
    pub(super) fn end(self) -> u64 {
        self.at + self.blocks
    }

    /// In bytes.
    pub(super) fn size(self) -> u64 {
        self.blocks * BLOCK_SIZE as u64
    }
}

/// Where a group may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) extent: Extent,
    /// It is not where it would be looked for: that must be told, durably, before it is written.
    pub(super) begins_run: bool,
    /// Blocks that the file must have.
    pub(super) len: u64,
}

/// The blocks of the file.
#[derive(Clone, Debug)]
pub(super) struct Space {
    /// Of the groups that are kept, oldest first.
    groups: VecDeque<Extent>,
    /// Those of each run together, oldest first; none is empty.
    runs: VecDeque<Extent>,
    /// Where the next group is looked for: behind the newest, or where a run has begun.
    tail: u64,
    /// Of the file.
    len: u64,
}

impl Space {
    /// Of a file of `len` blocks without groups, whose next goes to `tail`.
    pub(super) fn new(tail: u64, len: u64) -> Self {
        Space { groups: VecDeque::new(), runs: VecDeque::new(), tail, len }
    }

    fn assert_invariants(&self) {
        debug_assert!(self.tail <= self.len);
        debug_assert!(self.runs.iter().all(|run| run.blocks > 0 && run.end() <= self.len));
        debug_assert_eq!(self.groups.is_empty(), self.runs.is_empty());
        debug_assert_eq!(self.groups.front().map(|group| group.at), self.runs.front().map(|run| run.at));
    }

    /// Where a group of so many blocks goes.
    pub(super) fn slot(&self, blocks: u64) -> Slot {
        let slot = |at, begins_run, len| Slot { extent: Extent { at, blocks }, begins_run, len };
        let end = self.free_behind(self.tail);
        let fits = self.tail + blocks <= end; // mutant group-over-group: let fits = self.tail + blocks <= self.len;
        if fits {
            return slot(self.tail, false, self.len);
        }
        if let Some(at) = self.gap(blocks) {
            return slot(at, true, self.len);
        }
        let begins_run = end < self.len;
        let at = if begins_run { self.len } else { self.tail };
        let grown = self.len + self.len.clamp(GROWTH_MIN, GROWTH_MAX);
        slot(at, begins_run, grown.max(at + blocks))
    }

    /// End of the free blocks from `at` on.
    fn free_behind(&self, at: u64) -> u64 {
        let behind = self.runs.iter().map(|run| run.at).filter(|taken| *taken >= at);
        behind.min().unwrap_or(self.len)
    }

    /// The first place with so many free blocks.
    fn gap(&self, blocks: u64) -> Option<u64> {
        let ends = self.runs.iter().map(|run| run.end());
        let mut starts: Vec<u64> = std::iter::once(0).chain(ends).collect();
        starts.sort_unstable();
        starts.into_iter().find(|at| self.is_free(*at) && at + blocks <= self.free_behind(*at))
    }

    fn is_free(&self, at: u64) -> bool {
        !self.runs.iter().any(|run| (run.at..run.end()).contains(&at))
    }

    /// The file has so many blocks.
    pub(super) fn grew(&mut self, len: u64) {
        self.len = self.len.max(len);
        self.assert_invariants();
    }

    /// A run has begun: the next group is looked for here.
    pub(super) fn begin_run(&mut self, at: u64) {
        self.tail = at;
        self.assert_invariants();
    }

    /// A group stands here.
    pub(super) fn push(&mut self, group: Extent) {
        match self.runs.back_mut() {
            Some(run) if run.end() == group.at => run.blocks += group.blocks,
            _ => self.runs.push_back(group),
        }
        self.tail = group.end();
        self.groups.push_back(group);
        self.assert_invariants();
    }

    /// The oldest groups go.
    pub(super) fn free(&mut self, count: usize) {
        for group in self.groups.drain(..count) {
            let run = self.runs.front_mut().expect("each group is in a run");
            (run.at, run.blocks) = (group.end(), run.blocks - group.blocks);
            if run.blocks == 0 {
                self.runs.pop_front();
            }
        }
        self.assert_invariants();
    }

    /// How many groups are kept.
    pub(super) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Where the oldest but so many stands, or the next one will.
    pub(super) fn place(&self, index: usize) -> u64 {
        self.groups.get(index).map_or(self.tail, |group| group.at)
    }

    /// Bytes of these groups, counted from the oldest.
    pub(super) fn size_of(&self, groups: Range<usize>) -> u64 {
        self.groups.range(groups).map(|group| group.size()).sum()
    }

    /// Blocks of the file.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Where the next group is looked for.
    pub(super) fn tail(&self) -> u64 {
        self.tail
    }

    /// Free blocks from there on: a group there, and any that came right behind it, would begin with one of them.
    pub(super) fn behind_tail(&self) -> Range<u64> {
        self.tail..self.free_behind(self.tail)
    }

    /// Blocks up to the end of the last that is taken.
    pub(super) fn used(&self) -> u64 {
        self.runs.iter().map(|run| run.end()).chain([self.tail]).max().unwrap_or(0)
    }
}

/// Blocks of so many bytes.
pub(super) fn blocks(size: usize) -> u64 {
    size.div_ceil(BLOCK_SIZE) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever comes and goes: no block is given out twice, each group is where it was said, and what says so is told
        /// of each group that is not behind the one before.
        #[test]
        fn no_block_is_given_out_twice(
            steps in proptest::collection::vec((1_u64..40, 0_usize..6), 1..200),
        ) {
            let mut space = Space::new(0, 0);
            let mut kept: VecDeque<Extent> = VecDeque::new();
            let mut written = 0;
            for (blocks, freed) in steps {
                let slot = space.slot(blocks);
                prop_assert_eq!(slot.extent.blocks, blocks);
                prop_assert!(slot.extent.end() <= slot.len);
                for other in &kept {
                    let apart = other.end() <= slot.extent.at || slot.extent.end() <= other.at;
                    prop_assert!(apart, "{:?} over {other:?}", slot.extent);
                }
                prop_assert_eq!(slot.begins_run, slot.extent.at != space.tail);
                space.grew(slot.len);
                space.push(slot.extent);
                kept.push_back(slot.extent);
                written += blocks;
                let freed = freed.min(kept.len());
                space.free(freed);
                kept.drain(..freed);
                prop_assert_eq!(space.groups(), kept.len());
                prop_assert_eq!(space.place(0), kept.front().map_or(space.tail, |group| group.at));
                let bytes: u64 = kept.iter().map(|group| group.size()).sum();
                prop_assert_eq!(space.size_of(0..kept.len()), bytes);
                prop_assert!(kept.iter().all(|group| group.end() <= space.used()));
            }
            prop_assert!(space.len <= 2 * (written + GROWTH_MIN));
        }
    }

    /// Groups that go as fast as they come need no more than the file has.
    #[test]
    fn a_file_in_use_stays_as_large_as_it_is() {
        let mut space = Space::new(0, 0);
        let mut lens = Vec::new();
        for round in 0..10_000_u64 {
            let slot = space.slot(1 + round % 7);
            space.grew(slot.len);
            space.push(slot.extent);
            if round >= 500 {
                space.free(1);
            }
            lens.push(space.len);
        }
        assert_eq!(lens[3_000], lens[9_999]);
        assert!(lens[9_999] < 3 * 500 * 4, "{} blocks", lens[9_999]);
    }
}
