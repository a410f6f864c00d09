//! Answers that were given and not taken up: how far callers of this process are behind.
//!
//! Who was answered is woken, and asks again once a thread is free for it. While many wait for one, the processor is what
//! there is too little of, and each group of the log takes some. The committer looks here before it takes the next
//! (`shards/commit.rs`). Nothing here decides.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counted since the start of the process, modulo 2^64. Who takes one up may be counted before who gave it.
#[derive(Default)]
pub(crate) struct Unheard {
    given: AtomicU64,
    taken: AtomicU64,
}

impl Unheard {
    /// So many answers were given.
    pub(super) fn give(&self, answers: u64) {
        self.given.fetch_add(answers, Ordering::Relaxed);
    }
    /// One was taken up, or its asker has gone.
    pub(super) fn take(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
    }
    /// Taken up so far, and left.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let taken = self.taken.load(Ordering::Relaxed);
        let left = self.given.load(Ordering::Relaxed).wrapping_sub(taken) as i64;
        // Less than none: whoever gave some is about to count them.
        (taken, left.max(0) as u64)
    }
}
