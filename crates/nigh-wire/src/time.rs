//! Wall-clock time as a value. Whoever needs a clock is given one; nothing here reads it.

use std::time::Duration;

use crate::{Builder, DecodeError, NodeId, Out, Prim, Reader, Wire};

/// A moment: nanoseconds since 1970-01-01 UTC, leap seconds ignored. Reaches the year 2554.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The start of 1970.
    pub const EPOCH: Time = Time(0);

    /// From nanoseconds since 1970.
    pub const fn from_nanos(nanos: u64) -> Self {
        Time(nanos)
    }
    /// Nanoseconds since 1970.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
    /// Whole seconds since 1970.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000_000
    }
    /// Whole days since 1970.
    pub const fn day(self) -> u32 {
        (self.as_secs() / 86_400) as u32
    }
    /// This much later, at most the end of time.
    pub fn saturating_add(self, wait: Duration) -> Self {
        Time(self.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }
    /// This much earlier, at least 1970.
    pub fn saturating_sub(self, wait: Duration) -> Self {
        Time(self.0.saturating_sub(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }
    /// How long after `earlier` this is; nothing if it is not.
    pub const fn saturating_since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Wire for Time {
    const MIN: usize = 1;
    type Shape = crate::wire::Plain;
    fn node(b: &mut Builder) -> NodeId {
        b.prim::<Time>(Prim::Time)
    }
    fn encode(&self, out: &mut Out) {
        self.0.encode(out);
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        u64::decode(r).map(Time)
    }
}
