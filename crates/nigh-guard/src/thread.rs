//! What one thread knows of its simulation: whether it is in one, its entropy, its clocks, what it was refused.
//!
//! Functions of libc ask here at any time: before `main`, within an allocation, while a thread ends. So all but the
//! notes is cells that need neither a constructor nor a destructor, and nothing but a note allocates.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use crate::{REFUSED_MAX, Refused, What, frames};

struct Simulation {
    /// False too while the simulator, or the making of a note, acts as an ordinary thread.
    inside: Cell<bool>,
    /// Whether it was entered, even if it passes right now.
    entered: Cell<bool>,
    entropy: Cell<u64>,
    /// Whether entropy was drawn since it was entered.
    drawn: Cell<bool>,
    now: Cell<Duration>,
    wall: Cell<Duration>,
}

thread_local! {
    static HERE: Simulation = const {
        Simulation {
            inside: Cell::new(false),
            entered: Cell::new(false),
            entropy: Cell::new(0),
            drawn: Cell::new(false),
            now: Cell::new(Duration::ZERO),
            wall: Cell::new(Duration::ZERO),
        }
    };
    static REFUSED: RefCell<Vec<Refused>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn begin(seed: u64) {
    take_refused();
    set_time(Duration::ZERO, Duration::ZERO);
    reseed(seed);
    HERE.with(|here| {
        here.drawn.set(false);
        here.entered.set(true);
        here.inside.set(true);
    });
}

pub(crate) fn end() {
    HERE.with(|here| {
        here.inside.set(false);
        here.entered.set(false);
    });
}

/// Whether this thread was entered, even if it passes.
pub(crate) fn is_inside() -> bool {
    HERE.with(|here| here.entered.get())
}

/// Whether functions of libc answer from the simulation.
pub(crate) fn is_simulated() -> bool {
    HERE.try_with(|here| here.inside.get()).unwrap_or(false)
}

pub(crate) fn has_drawn() -> bool {
    HERE.with(|here| here.drawn.get())
}

pub(crate) fn set_time(now: Duration, wall: Duration) {
    HERE.with(|here| {
        here.now.set(now);
        here.wall.set(wall);
    });
}

pub(crate) fn reseed(seed: u64) {
    HERE.with(|here| here.entropy.set(seed));
}

pub(crate) fn now() -> Duration {
    HERE.try_with(|here| here.now.get()).unwrap_or_default()
}

pub(crate) fn wall() -> Duration {
    HERE.try_with(|here| here.wall.get()).unwrap_or_default()
}

/// Next eight bytes of entropy: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
pub(crate) fn draw() -> u64 {
    let step = |here: &Simulation| {
        here.drawn.set(true);
        let state = here.entropy.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        here.entropy.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    HERE.try_with(step).unwrap_or_default()
}

/// Notes a sleep that was asked for, and lets it have passed. One of no length only yields, and is none.
pub(crate) fn sleep(length: Duration) {
    if length.is_zero() {
        return;
    }
    note(What::Sleep);
    // Else a loop that sleeps until some time would never end.
    set_time(now().saturating_add(length), wall().saturating_add(length)); // mutant guard-sleep-stands-still: set_time(now(), wall());
}

/// Notes what was refused, and who asked for it.
pub(crate) fn note(what: What) {
    // A thread that ends has no notes any more.
    let kept = REFUSED.try_with(|refused| refused.try_borrow().map_or(REFUSED_MAX, |notes| notes.len()));
    if kept.unwrap_or(REFUSED_MAX) >= REFUSED_MAX {
        // mutant guard-notes-unbounded: if false {
        return;
    }
    let note = pass(|| frames::asked(what));
    let _ended = REFUSED.try_with(|refused| refused.borrow_mut().push(note));
}

pub(crate) fn take_refused() -> Vec<Refused> {
    REFUSED.with(RefCell::take)
}

/// Runs `f` as on an ordinary thread.
pub(crate) fn pass<R>(f: impl FnOnce() -> R) -> R {
    struct Back(bool);
    impl Drop for Back {
        fn drop(&mut self) {
            HERE.with(|here| here.inside.set(self.0));
        }
    }
    // Dropped after `f`, also if it panics.
    let _back = Back(HERE.with(|here| here.inside.replace(false)));
    f()
}
