//! Points where rare behaviour is made common, in simulation only.
//!
//! `if buggify!("store.sync.slow") { … }` costs one relaxed load outside of simulations and is false there. A
//! simulator puts a hook into its own thread, which decides from the seed; other threads never fire.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

/// Answers for a point whether it fires now.
pub(crate) type Hook = fn(&'static str) -> bool;

/// Set once some thread of this process has had a hook.
static IS_SIMULATED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static HOOK: Cell<Option<Hook>> = const { Cell::new(None) };
}

/// True now and then in a simulation, false everywhere else: `buggify!("store.sync.slow")`.
///
/// Each point is on in half of the runs, and then fires at a quarter of its visits. Its name is what reports say:
/// the area, then what happens, with dots.
///
/// ```
/// let batch_size_max = if nigh::buggify!("import.batch.tiny") { 1 } else { 1_000 };
/// assert_eq!(batch_size_max, 1_000);
/// ```
#[macro_export]
macro_rules! buggify {
    ($point:literal) => {
        $crate::__private::buggify_fires($point)
    };
}

/// What [`buggify!`](crate::buggify) asks.
#[inline]
pub fn fires(point: &'static str) -> bool {
    IS_SIMULATED.load(Ordering::Relaxed) && ask(point)
}

#[cold]
fn ask(point: &'static str) -> bool {
    HOOK.get().is_some_and(|hook| hook(point))
}

/// Puts a hook into this thread, or none; returns what was there.
pub fn install(hook: Option<Hook>) -> Option<Hook> {
    if hook.is_some() {
        IS_SIMULATED.store(true, Ordering::Relaxed);
    }
    HOOK.replace(hook)
}

#[cfg(test)]
mod tests {
    //! Only where a hook is, only what it says.

    use super::install;

    fn even(point: &'static str) -> bool {
        point.len().is_multiple_of(2)
    }

    #[test]
    fn fires_in_its_thread_as_the_hook_says() {
        assert!(!crate::buggify!("even"));
        assert!(install(Some(even)).is_none());
        assert!(crate::buggify!("even") && !crate::buggify!("odd"));
        let elsewhere = std::thread::spawn(|| crate::buggify!("even"));
        assert!(!elsewhere.join().expect("it does not panic"));
        assert!(install(None).is_some());
        assert!(!crate::buggify!("even"));
    }
}
