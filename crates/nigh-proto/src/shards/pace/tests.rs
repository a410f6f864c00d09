//! Rates, pauses, and when there is no time for either.

use std::time::Duration;

use super::{LOG_SIZE_HURRY, LOG_SIZE_MAX, Pace, is_log_full};
use crate::Instant;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// How long `transactions` of 256 rows take, with as many dirty.
fn lasts(pace: &Pace, spread: Duration, transactions: u32, dirty: usize, log_size: u64) -> Duration {
    let mut pace = Pace { next: None, ..pace.clone() };
    let start = Instant::from_nanos(7);
    let mut now = start;
    for _ in 0..=transactions {
        now = now.saturating_add(pace.wait(now, spread, 256, dirty, log_size));
    }
    now.saturating_since(start)
}

#[test]
fn what_is_dirty_is_spread_over_the_time_given() {
    // 10,240 rows are 40 transactions: a second.
    assert_eq!(lasts(&Pace::default(), SECOND, 40, 10_240, 0), SECOND);
    assert_eq!(lasts(&Pace::default(), 2 * SECOND, 40, 10_240, 0), 2 * SECOND);
    // Little is written at 1,000 rows a second, much at 100,000.
    assert_eq!(lasts(&Pace::default(), SECOND, 1, 1, 0), 256 * MS);
    assert_eq!(lasts(&Pace::default(), SECOND, 1_000, 1_000_000, 0), 2_560 * MS);
}

#[test]
fn time_that_has_passed_is_not_made_up_for() {
    let mut pace = Pace::default();
    let now = Instant::from_nanos(0);
    assert_eq!(pace.wait(now, SECOND, 256, 25_600, 0), Duration::ZERO);
    let later = now.saturating_add(10 * SECOND);
    assert_eq!(pace.wait(later, SECOND, 256, 25_600, 0), Duration::ZERO);
    assert_eq!(pace.wait(later, SECOND, 256, 25_600, 0), 10 * MS);
}

#[test]
fn a_slow_commit_halves_it_and_a_long_log_ends_it() {
    let mut pace = Pace::default();
    (0..9).for_each(|_| pace.handle_commit(MS));
    assert_eq!(lasts(&pace, SECOND, 10, 25_600, 0), 100 * MS);
    pace.handle_commit(4 * MS);
    assert_eq!(lasts(&pace, SECOND, 10, 25_600, 0), 100 * MS);
    pace.handle_commit(5 * MS);
    assert_eq!(lasts(&pace, SECOND, 10, 25_600, 0), 200 * MS);
    pace.handle_commit(MS);
    assert_eq!(lasts(&pace, SECOND, 10, 25_600, 0), 100 * MS);
    // If they are all so slow, that is what they take.
    (0..64).for_each(|_| pace.handle_commit(50 * MS));
    assert_eq!(lasts(&pace, SECOND, 10, 25_600, 0), 100 * MS);
    assert_eq!(lasts(&pace, SECOND, 10, 25_600, LOG_SIZE_HURRY), Duration::ZERO);
}

#[test]
fn a_log_is_full_at_its_limit() {
    assert!(!is_log_full(LOG_SIZE_MAX - 1));
    assert!(is_log_full(LOG_SIZE_MAX));
}
