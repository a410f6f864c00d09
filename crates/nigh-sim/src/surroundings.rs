//! What a simulated process has from its surroundings: virtual time, chance from the seed, tasks, and an end.
//!
//! [`Surroundings`] is what nigh's engine is given instead of the system. The rest is what its code leaves behind on
//! this thread for the world to see: which processes it touched, which ended.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nigh::engine::Ambient;
use nigh_proto::Instant;
use nigh_wire::{CallId, Time};

use crate::rng::Rng;
use crate::tasks::{self, Owner, timers};

/// The wall clock at the start of every run: 2027-01-15, 08:00 UTC, in nanoseconds since 1970.
pub(crate) const WALL_AT_START: u64 = 1_800_000_000_000_000_000;

thread_local! {
    static TOUCHED: Cell<u64> = const { Cell::new(0) };
    static STARTED: Cell<Option<CallId>> = const { Cell::new(None) };
    static ENDED: RefCell<Vec<(Owner, String)>> = const { RefCell::new(Vec::new()) };
    /// There are some: asked after each step.
    static ENDED_ANY: Cell<bool> = const { Cell::new(false) };
    /// The book wants something of the world: asked after each step.
    static WISHED: Cell<bool> = const { Cell::new(false) };
}

/// Processes in one world: one bit each in a word.
pub(crate) const PROCESSES_MAX: u16 = 64;

/// Something of this process was asked or awaited: it may have something to send.
pub(crate) fn touch(process: u16) {
    mark(process);
    if tasks::current().is_none() {
        // From a bare task of tokio's: nobody would look after the process.
        tasks::touch(Owner { node: process, incarnation: 0 });
    }
}

/// As [`touch`], of whoever looks after all processes before it hands on: the world, while it handles an event.
pub(crate) fn mark(process: u16) {
    TOUCHED.set(TOUCHED.get() | 1 << process);
}

/// The processes touched since this was asked last, one bit each.
pub(crate) fn take_touched() -> u64 {
    TOUCHED.replace(0)
}

/// The call that was accepted since this was asked last.
pub(crate) fn take_started() -> Option<CallId> {
    STARTED.take()
}

/// True if processes ended by themselves.
pub(crate) fn has_ended() -> bool {
    ENDED_ANY.get()
}

/// Which ones, and why, since this was asked last.
pub(crate) fn take_ended() -> Vec<(Owner, String)> {
    ENDED_ANY.set(false);
    ENDED.take()
}

/// The book wants something of the world.
pub(crate) fn wish() {
    WISHED.set(true);
}

/// True if it has wanted something since this was asked last.
pub(crate) fn take_wished() -> bool {
    WISHED.take()
}

/// Nothing is left over from the run before.
pub(crate) fn reset() {
    TOUCHED.set(0);
    STARTED.set(None);
    ENDED.take();
    ENDED_ANY.set(false);
    WISHED.set(false);
}

/// What unwinds a process that ends itself. Not a panic: the hook is not called.
struct ProcessEnds;

/// True if what was caught is a process's own end.
pub(crate) fn is_own_end(payload: &(dyn Any + Send)) -> bool {
    payload.is::<ProcessEnds>()
}

/// The surroundings of one process in one of its lives.
pub(crate) struct Surroundings {
    owner: Owner,
    chance: Mutex<Rng>,
    /// How far the wall clock of its machine is off, in nanoseconds. Survives the process.
    skew: Arc<AtomicI64>,
}

impl Surroundings {
    pub(crate) fn new(owner: Owner, seed: u64, skew: Arc<AtomicI64>) -> Arc<Self> {
        let who = u64::from(owner.node) << 32 | u64::from(owner.incarnation);
        Arc::new(Surroundings { owner, chance: Mutex::new(Rng::of(seed, "entropy", who)), skew })
    }
}

impl Ambient for Surroundings {
    fn now(&self) -> Instant {
        Instant::from_nanos(timers::now()) // mutant deadline-on-wall-clock: Instant::from_nanos(self.wall().as_nanos().saturating_sub(WALL_AT_START))
    }

    fn wall(&self) -> Time {
        let skew = self.skew.load(Ordering::Relaxed);
        Time::from_nanos((WALL_AT_START + timers::now()).saturating_add_signed(skew))
    }

    fn entropy(&self) -> u128 {
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        u128::from(chance.next_u64()) << 64 | u128::from(chance.next_u64())
    }

    fn sleep_until(&self, at: Instant) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(timers::sleep_until(at.as_nanos()))
    }

    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        touch(self.owner.node);
        tasks::spawn(self.owner, task);
    }

    fn end(&self, why: &str) -> ! {
        ENDED.with_borrow_mut(|ended| ended.push((self.owner, why.to_owned())));
        ENDED_ANY.set(true);
        std::panic::resume_unwind(Box::new(ProcessEnds))
    }

    fn started(&self, id: CallId) {
        STARTED.set(Some(id));
    }
}

/// Of a duration, at most 584 years.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
