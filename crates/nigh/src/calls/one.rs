//! One caller machine behind its lock, and what is asked of it at every turn where that needs no lock.
//!
//! It decides nothing, and says nothing of what the machine is asked.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use nigh_proto::Instant;
use nigh_proto::calls::caller::{Caller, CallerConfig, Outcome as Settled};
use nigh_wire::CallerId;
use tokio::sync::oneshot;

use super::unheard::Unheard;
use super::{Calls, PEER};
use crate::clock::Clock;

/// The machine of some of this process's calls.
pub(crate) type Machine = Caller<oneshot::Sender<Settled>>;

/// One caller of this process. What changes with each call stands first, beside the count of those who hold it: a thread that
/// takes the lock has brought these lines from the thread that had it last.
#[repr(C)]
pub(super) struct One {
    pub(super) unheard: Unheard,
    /// As the lock was let go last: there is something to write to the peer, or to tell.
    any: AtomicBool,
    /// When the machine is next of use, in nanoseconds.
    due: AtomicU64,
    machine: Mutex<Machine>,
    calls: Weak<Calls>,
}

impl One {
    /// Under a caller id of its own.
    pub(super) fn new(calls: Weak<Calls>, clock: &Clock, config: CallerConfig) -> Arc<Self> {
        let machine = Caller::new(CallerId(clock.entropy()), clock.entropy() as u64, config);
        Arc::new(One {
            unheard: Unheard::default(),
            any: AtomicBool::new(false),
            due: AtomicU64::new(u64::MAX),
            machine: Mutex::new(machine),
            calls,
        })
    }

    /// All of this process; `None` once it has gone.
    pub(super) fn calls(&self) -> Option<Arc<Calls>> {
        self.calls.upgrade()
    }

    pub(super) fn lock(&self) -> Locked<'_> {
        Locked { one: self, machine: self.machine.lock().expect("no user code runs under this lock") }
    }

    /// True if there is anything to write to the peer, or to tell.
    pub(super) fn has_any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// When the machine is next of use, in nanoseconds; the highest number: never.
    pub(super) fn due(&self) -> u64 {
        self.due.load(Ordering::SeqCst)
    }
}

/// The machine under its lock.
pub(super) struct Locked<'a> {
    one: &'a One,
    machine: MutexGuard<'a, Machine>,
}

impl Deref for Locked<'_> {
    type Target = Machine;
    fn deref(&self) -> &Machine {
        &self.machine
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let any = self.machine.has_transmit(PEER) || self.machine.has_settled(); // mutant link-told-nothing: let any = false;
        if any != self.one.any.load(Ordering::Relaxed) {
            self.one.any.store(any, Ordering::Release);
        }
        let due = self.machine.poll_timeout().map_or(u64::MAX, Instant::as_nanos); // mutant caller-never-due: let due = u64::MAX;
        if due != self.one.due.load(Ordering::Relaxed) {
            self.one.due.store(due, Ordering::SeqCst);
        }
    }
}
