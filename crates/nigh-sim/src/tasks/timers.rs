//! Simulated time, as code on this thread reads it, and futures that wait for it.
//!
//! The host advances it and fires what is due; nothing here moves time.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::{run, wake_host};
use crate::agenda::{Agenda, Due};
use crate::surroundings::WALL_AT_START;

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
    /// While tokio works, where its clock began: bare tasks run then, and time passes between them.
    static FOLLOWED: Cell<Option<Instant>> = const { Cell::new(None) };
    static SEQUENCE: Cell<u64> = const { Cell::new(0) };
    static TIMERS: RefCell<Timers> = RefCell::new(Timers::new());
}

/// Futures that wait. A slot is used again only after its entry left the agenda.
struct Timers {
    agenda: Agenda<u32>,
    wakers: Vec<Option<Waker>>,
    free: Vec<u32>,
}

impl Timers {
    fn new() -> Self {
        Timers { agenda: Agenda::new(), wakers: Vec::new(), free: Vec::new() }
    }
}

/// Nanoseconds since the run began; 0 outside of one. Any code of this thread may ask.
pub(crate) fn now() -> u64 {
    match FOLLOWED.get() {
        None => NOW.get(),
        Some(began) => {
            let elapsed = began.elapsed().as_nanos();
            NOW.get().max(u64::try_from(elapsed).expect("a horizon is far below 2^64 ns"))
        }
    }
}

/// Follows tokio's clock, which began then, or no longer.
pub(crate) fn follow(began: Option<Instant>) {
    FOLLOWED.set(began);
}

/// Moves time; the host alone does.
pub(crate) fn set_now(at: u64) {
    debug_assert!(at >= NOW.get(), "time runs forward");
    NOW.set(at);
    // What clocks of the standard library say on this thread, if it is guarded.
    nigh_guard::set_time(Duration::from_nanos(at), Duration::from_nanos(WALL_AT_START + at));
}

/// The next number of the one count that all agendas of a run share.
pub(crate) fn next_sequence() -> u64 {
    SEQUENCE.set(SEQUENCE.get() + 1);
    SEQUENCE.get()
}

/// Begins a run at 0.
pub(super) fn start() {
    NOW.set(0);
    SEQUENCE.set(0);
}

/// Forgets all timers.
pub(super) fn end() {
    // Wakers are dropped after the borrow ends: one may be the last hold on a task.
    drop(TIMERS.replace(Timers::new()));
    NOW.set(0);
    FOLLOWED.set(None);
}

/// When the next timer that somebody still waits for is due.
pub(crate) fn due() -> Option<Due> {
    TIMERS.with_borrow_mut(|timers| {
        loop {
            let (due, slot) = timers.agenda.peek().map(|(due, slot)| (due, *slot))?;
            if timers.wakers[slot as usize].is_some() {
                return Some(due);
            }
            timers.agenda.pop();
            timers.free.push(slot);
        }
    })
}

/// Wakes whom the next timer is for.
pub(crate) fn fire() {
    let waker = TIMERS.with_borrow_mut(|timers| {
        let (_, slot) = timers.agenda.pop()?;
        timers.free.push(slot);
        timers.wakers[slot as usize].take()
    });
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Waits until simulated time is `at`, nanoseconds since the run began.
pub(crate) fn sleep_until(at: u64) -> Sleep {
    Sleep { at, run: run(), slot: None }
}

/// See [`sleep_until`]. Polled on the simulated thread only.
#[derive(Debug)]
#[must_use = "a future waits only while it is polled"]
pub(crate) struct Sleep {
    at: u64,
    run: u64,
    slot: Option<u32>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        assert!(run() == self.run, "simulated time passes in its run and on its thread alone");
        if now() >= self.at {
            self.slot = None;
            return Poll::Ready(());
        }
        let at = self.at;
        let (slot, before) = TIMERS.with_borrow_mut(|timers| match self.slot {
            Some(slot) => {
                let kept = &mut timers.wakers[slot as usize];
                let same = kept.as_ref().is_some_and(|kept| kept.will_wake(context.waker()));
                (slot, if same { None } else { kept.replace(context.waker().clone()) })
            }
            None => {
                let slot = timers.free.pop().unwrap_or_else(|| {
                    timers.wakers.push(None);
                    u32::try_from(timers.wakers.len() - 1).expect("fewer timers at once than 2^32")
                });
                timers.wakers[slot as usize] = Some(context.waker().clone());
                timers.agenda.push_numbered(Due { at, sequence: next_sequence() }, slot);
                (slot, None)
            }
        });
        drop(before);
        if self.slot.replace(slot).is_none() {
            // A bare task of tokio may ask for a time before the one that the host waits for.
            wake_host();
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    /// Its slot holds no waker from now on; the entry leaves the agenda when it comes up. One that fired has
    /// given its slot back, and perhaps another waits there.
    fn drop(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        if run() == self.run && NOW.get() < self.at {
            // mutant sim-runs-meet: if NOW.get() < self.at {
            drop(
                TIMERS.with_borrow_mut(|timers| timers.wakers.get_mut(slot as usize).and_then(Option::take)),
            );
        }
    }
}
