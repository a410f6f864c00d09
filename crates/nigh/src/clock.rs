//! The one place that reads clocks and draws entropy. Everything else is told.

#![expect(clippy::disallowed_methods, reason = "this module is what stands in for the clocks and for chance")]

use std::time::{Duration, Instant as Steady, SystemTime};

use nigh_proto::Instant;
use nigh_wire::Time;

/// The clocks of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Steady,
}

impl Clock {
    /// Starts counting.
    pub(crate) fn start() -> Self {
        Clock { start: Steady::now() }
    }

    /// The steady clock.
    pub(crate) fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// The wall clock.
    pub(crate) fn wall(&self) -> Time {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Time::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    /// When `at` is, for a timer of the runtime.
    pub(crate) fn steady(&self, at: Instant) -> tokio::time::Instant {
        // A moment beyond the steady clock's range is one day away: the timer is set again then.
        let day = Duration::from_secs(86_400);
        let wait = at.saturating_since(self.now()).min(day);
        tokio::time::Instant::from_std(self.start) + self.start.elapsed() + wait
    }
}

/// 128 random bits of the operating system: caller ids (R1), incarnations, seeds.
pub(crate) fn entropy() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has entropy");
    u128::from_le_bytes(bytes)
}
