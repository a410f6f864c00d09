//! How fast changed rows are written back: fast enough for the log to stay short, and slow enough for the commits beside it.
//!
//! The driver says how long each append took ([`Pace::handle_commit`]) and asks, before each transaction of rows, how long
//! to wait ([`Pace::wait`]). Past [`LOG_SIZE_MAX`] it refuses calls. Nothing here reads a clock.

use std::collections::VecDeque;
use std::time::Duration;

use crate::Instant;

/// Rows written back a second, at the most: what two redb files on one disk sustain with dense keys while commits keep
/// their tail. Half of them entities, say: the other half is what is remembered of calls.
pub const ROWS_PER_SECOND_MAX: u32 = 100_000;
/// And at the least: what is dirty is soon written even if there is little of it.
pub const ROWS_PER_SECOND_MIN: u32 = 1_000;
/// Bytes of log from which on rows are written as fast as the disk takes them: half of what is left until refusal.
pub const LOG_SIZE_HURRY: u64 = 128 << 20;
/// Bytes of log from which on calls are refused as overloaded: so much is read again at a start, in some seconds.
pub const LOG_SIZE_MAX: u64 = 256 << 20;

const _: () = assert!(LOG_SIZE_HURRY < LOG_SIZE_MAX);

/// Appends of which the median is known: those of the last tenth of a second or so.
const COMMITS_MAX: usize = 64;
/// A commit is slow if it took so many times the median.
const SLOW_FACTOR: u32 = 4;

/// True if the log is so long that no more calls are taken.
pub fn is_log_full(log_size: u64) -> bool {
    log_size >= LOG_SIZE_MAX // mutant throttle-never-refuses: log_size == u64::MAX
}

/// See above.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    /// How long the last appends took, youngest last.
    commits: VecDeque<Duration>,
    /// No transaction begins before.
    next: Option<Instant>,
}

impl Pace {
    /// An append took so long.
    pub fn handle_commit(&mut self, took: Duration) {
        if self.commits.len() == COMMITS_MAX {
            self.commits.pop_front();
        }
        self.commits.push_back(took);
    }

    /// How long to wait before a transaction of `rows` may begin, of `dirty` in all, which are to be written within
    /// `spread`. Counts it as begun then.
    pub fn wait(
        &mut self,
        now: Instant,
        spread: Duration,
        rows: usize,
        dirty: usize,
        log_size: u64,
    ) -> Duration {
        if log_size >= LOG_SIZE_HURRY {
            self.next = None;
            return Duration::ZERO;
        }
        let begins = self.next.map_or(now, |next| next.max(now));
        let lasts = Duration::from_secs(1) * rows as u32 / self.rows_per_second(spread, dirty);
        self.next = Some(begins.saturating_add(lasts));
        begins.saturating_since(now)
    }

    fn rows_per_second(&self, spread: Duration, dirty: usize) -> u32 {
        let wanted = dirty as u128 * 1_000 / spread.as_millis().max(1);
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let rate = wanted.clamp(ROWS_PER_SECOND_MIN, ROWS_PER_SECOND_MAX);
        if self.is_slow() { rate / 2 } else { rate }
    }

    /// True if the last append took far longer than they do.
    fn is_slow(&self) -> bool {
        let mut took: Vec<Duration> = self.commits.iter().copied().collect();
        let Some(last) = took.last().copied() else { return false };
        let middle = took.len() / 2;
        let (_, median, _) = took.select_nth_unstable(middle);
        last > *median * SLOW_FACTOR // mutant pace-never-slows: last > Duration::MAX
    }
}

#[cfg(test)]
mod tests;
