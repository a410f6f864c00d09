//! The one place of this crate that reads clocks, and waits.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// The steady clock.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the steady clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The wall clock, for the birth of an id.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub(crate) fn today() -> SystemTime {
    SystemTime::now()
}

/// Waits. There is one thread, and nothing can happen that it would have to hear of.
#[expect(clippy::disallowed_methods, reason = "a pause between tries, with nothing to be woken by")]
pub(crate) fn pause(wait: Duration) {
    thread::sleep(wait);
}
