//! How the committer hears that there is something to append, or that it must stop, and what it waits for before it
//! appends.
//!
//! It never looks at what is to be appended: `commit.rs` does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use nigh_proto::Instant;

/// How long a group waits for calls that were asked together with its own: about as long as two syncs take.
pub(super) const BATCH_WAIT_MAX: Duration = Duration::from_micros(500);

/// Rung by whoever has something for the committer.
#[derive(Default)]
pub(crate) struct Bell {
    /// There is something to append. Whoever finds it set need not ring: it is unset before what there is is gathered.
    append: AtomicBool,
    heard: Mutex<Heard>,
    rung: Condvar,
}

/// What the committer was told.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) stop: bool,
    /// Batches of calls that are being taken in.
    batches: usize,
    /// They were waited for, as long as anybody waits for them.
    in_vain: bool,
    waits: Option<For>,
}

/// What the committer waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Appends,
    Batches,
    Callers,
}

impl Bell {
    pub(crate) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().expect("no user code runs under this lock")
    }

    /// Waits for something to append, or for the end.
    pub(crate) fn wait<'a>(&self, mut heard: MutexGuard<'a, Heard>) -> MutexGuard<'a, Heard> {
        heard.waits = Some(For::Appends);
        let mut heard = self.rung.wait(heard).expect("no user code runs under this lock");
        heard.waits = None;
        heard
    }

    /// As [`wait`](Self::wait), and no longer than that.
    pub(crate) fn wait_within<'a>(
        &self,
        heard: MutexGuard<'a, Heard>,
        within: Duration,
    ) -> MutexGuard<'a, Heard> {
        self.wait_for(For::Appends, heard, within)
    }

    fn wait_for<'a>(
        &self,
        what: For,
        mut heard: MutexGuard<'a, Heard>,
        within: Duration,
    ) -> MutexGuard<'a, Heard> {
        heard.waits = Some(what);
        let woken = self.rung.wait_timeout(heard, within);
        let (mut heard, _) = woken.expect("no user code runs under this lock");
        heard.waits = None;
        heard
    }

    /// There is something to append.
    pub(crate) fn ring(&self) {
        if !self.is_rung() {
            self.ring_again();
        }
    }
    /// Somebody said so.
    pub(crate) fn is_rung(&self) -> bool {
        self.append.load(Ordering::Acquire)
    }
    /// What there is is gathered next.
    pub(crate) fn unring(&self, _heard: &MutexGuard<'_, Heard>) {
        self.append.store(false, Ordering::Release);
    }

    /// As [`ring`](Self::ring), even if it has been rung: the log may be cut.
    pub(crate) fn ring_again(&self) {
        let heard = self.heard();
        self.append.store(true, Ordering::Release);
        self.wake(&heard, For::Appends);
    }

    /// It is to end once everything is durable.
    pub(crate) fn stop(&self) {
        let mut heard = self.heard();
        heard.stop = true;
        let rests = heard.waits == Some(For::Callers); // mutant stop-waits-for-rest: let rests = false;
        if rests {
            self.rung.notify_one();
        }
        self.wake(&heard, For::Appends);
    }

    /// A batch of calls is about to be taken in.
    pub(crate) fn begin_batch(&self) {
        self.heard().batches += 1;
    }

    /// It was.
    pub(crate) fn end_batch(&self) {
        let mut heard = self.heard();
        heard.batches -= 1;
        if heard.batches == 0 {
            heard.in_vain = false;
            self.wake(&heard, For::Batches);
        }
    }

    /// Waits until no batch is being taken in, [`BATCH_WAIT_MAX`] at most: calls that were asked together are then one group. What
    /// takes longer is not waited for again, or a method that is stuck in a batch would make all others wait.
    pub(super) fn wait_for_batches(&self, now: impl Fn() -> Instant) {
        let mut heard = self.heard();
        let mut until = None::<Instant>;
        while heard.batches > 0 && !heard.in_vain {
            let begun = now();
            let until = *until.get_or_insert(begun.saturating_add(BATCH_WAIT_MAX));
            heard = self.wait_for(For::Batches, heard, until.saturating_since(begun));
            let late = heard.batches > 0 && now() >= until;
            heard.in_vain = late; // mutant stuck-batch-waited-for: if late { return };
        }
    }

    /// Leaves the processor to callers for so long, unless it is to end.
    pub(super) fn rest(&self, step: Duration) {
        let heard = self.heard();
        if !heard.stop {
            drop(self.wait_for(For::Callers, heard, step));
        }
    }

    /// Batches that are being taken in.
    #[cfg(test)]
    pub(crate) fn batches(&self) -> usize {
        self.heard().batches
    }

    /// True if those of now were waited for.
    #[cfg(test)]
    pub(crate) fn was_in_vain(&self) -> bool {
        self.heard().in_vain
    }

    /// Wakes the committer if that is what it waits for: telling nobody is a call of the system, too.
    fn wake(&self, heard: &Heard, by: For) {
        if heard.waits == Some(by) {
            self.rung.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
