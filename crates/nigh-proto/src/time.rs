//! Time that only goes forward, for deadlines. Drivers read the clock; machines are told.

use std::time::Duration;

/// A moment of a process's steady clock: nanoseconds since some start. Never compared between processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// From nanoseconds since the process's start of time.
    pub const fn from_nanos(nanos: u64) -> Self {
        Instant(nanos)
    }
    /// Nanoseconds since the process's start of time.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
    /// This much later, at most the end of time.
    pub fn saturating_add(self, wait: Duration) -> Self {
        Instant(self.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }
    /// How long after `earlier` this is; nothing if it is not.
    pub const fn saturating_since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}
