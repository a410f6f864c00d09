//! What one thread knows of its simulation: whether it is in one, its entropy, its clocks, what it was refused.
//!
//! Functions of libc ask here at any time: before `main`, within an allocation, while a thread ends. So all but the
//! notes is cells that need neither a constructor nor a destructor, and nothing but a note allocates.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use crate::{REFUSED_MAX, Refused, What, frames};

/// Bytes up to which each size of a draw is counted for itself: libraries seed themselves with 16 to 64.
const DRAW_SIZE_MAX: usize = 64;

struct Simulation {
    /// False too while the simulator, or the making of a note, acts as an ordinary thread.
    inside: Cell<bool>,
    /// Whether it was entered, even if it passes right now.
    entered: Cell<bool>,
    seed: Cell<u64>,
    /// How often entropy was drawn since it was seeded, by the size of the draw in bytes; the last for all longer ones.
    draws: [Cell<u64>; DRAW_SIZE_MAX + 1],
    now: Cell<Duration>,
    wall: Cell<Duration>,
}

thread_local! {
    static HERE: Simulation = const {
        Simulation {
            inside: Cell::new(false),
            entered: Cell::new(false),
            seed: Cell::new(0),
            draws: [const { Cell::new(0) }; DRAW_SIZE_MAX + 1],
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
    HERE.with(|here| here.draws.iter().any(|draws| draws.get() > 0))
}

pub(crate) fn set_time(now: Duration, wall: Duration) {
    HERE.with(|here| {
        here.now.set(now);
        here.wall.set(wall);
    });
}

pub(crate) fn reseed(seed: u64) {
    HERE.with(|here| {
        here.seed.set(seed);
        here.draws.iter().for_each(|draws| draws.set(0));
    });
}

pub(crate) fn now() -> Duration {
    HERE.try_with(|here| here.now.get()).unwrap_or_default()
}

pub(crate) fn wall() -> Duration {
    HERE.try_with(|here| here.wall.get()).unwrap_or_default()
}

/// Entropy for a draw of so many bytes: it follows from the seed, the size, and how many of this size came before.
///
/// One stream for all sizes would not do. Some libraries draw once in the life of a process; whether this run is the
/// one in which they do would shift what everything after it gets.
pub(crate) fn draw(size: usize) -> impl Iterator<Item = u64> {
    let step = |here: &Simulation| {
        let stream = size.min(DRAW_SIZE_MAX); // mutant guard-entropy-shared: let stream = 0;
        let draws = &here.draws[stream];
        draws.set(draws.get() + 1);
        mixed(mixed(here.seed.get() ^ mixed(stream as u64)) ^ mixed(draws.get()))
    };
    let start = HERE.try_with(step).unwrap_or_default();
    (1..).map(move |word: u64| mixed(start.wrapping_add(word.wrapping_mul(GOLDEN))))
}

/// Far from each other for neighbours: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
fn mixed(word: u64) -> u64 {
    let word = word.wrapping_add(GOLDEN);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Odd, and with no pattern in its bits: 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

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
    let is_full = kept.unwrap_or(REFUSED_MAX) >= REFUSED_MAX; // mutant guard-notes-unbounded: let is_full = false;
    if is_full {
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
    let _back = Back(HERE.with(|here| here.inside.replace(false))); // mutant guard-pass-refuses: let _back = Back(HERE.with(|here| here.inside.get()));
    f()
}
