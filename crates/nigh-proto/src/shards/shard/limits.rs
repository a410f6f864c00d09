//! How much an owner may hold, and what it says beyond.
//!
//! Nothing is forgotten early: a full shard refuses what would need room, one copy at a time (R11).

use std::time::Duration;

use super::Shard;
use crate::calls::callee::Arrival;
use crate::calls::request::Order;

/// Bytes that the tables of one shard may take: 64 MiB are 350,000 small records. A hot shard needs them (a
/// key under 1,000 calls/s whose callers are 10 s behind keeps 10,000; 4 keyed calls/s for 24 h are 350,000,
/// twice a record each). All 1,024 shards full at once would be 64 GiB, so drivers set less by
/// [`Shard::set_size_max`] when the sum of all shards nears what the machine has.
pub const TABLES_SIZE_MAX: usize = 64 << 20;

/// Settling a doubt may use a sixteenth more, 300 bytes each: without it a full shard could not tell anybody
/// what happened.
pub const SETTLE_SIZE_MAX: usize = TABLES_SIZE_MAX + TABLES_SIZE_MAX / 16;

/// Callers in order that one shard remembers: 64 Ki of 200 bytes, with 64 doubts each 700, fit in its tables.
/// A caller is remembered until R after its last call here unless it says `bye`.
pub const CALLERS_MAX: usize = 64 << 10;

/// Rows that one shard may remember calls in, mostly in the state file alone: of keyed calls 12 a second for 24 h,
/// or a million callers that vanished. More are refused: keyed calls, and calls of callers that are new. A row takes 100
/// bytes on disk, and its answer.
pub const ROWS_MAX: u64 = 1 << 20;

/// Bytes of log that may wait for their append: 16 blobs of a call's 1 MiB. More means that the disk is slower
/// than the callers.
pub const PENDING_SIZE_MAX: usize = 16 << 20;

/// Until floors have moved, or a minute's records have aged.
pub(super) const RETRY_TABLES: Duration = Duration::from_secs(1);
/// Until some appends are through: a few times the slowest usual sync of 10 ms.
const RETRY_PENDING: Duration = Duration::from_millis(50);

/// How much longer than needed an idle shard keeps what is too old, so that it logs a tick once a minute at
/// most.
pub(super) const SWEEP_SLACK: Duration = Duration::from_secs(60);

const _: () = assert!(CALLERS_MAX * 700 < TABLES_SIZE_MAX);

impl<R> Shard<R> {
    /// When to ask again, if there is no room for what this call would leave behind.
    pub(super) fn overloaded(&self, arrival: &Arrival) -> Option<Duration> {
        if self.log.pending_size() >= PENDING_SIZE_MAX {
            return Some(RETRY_PENDING);
        }
        if arrival.commutes {
            return None; // It leaves nothing behind.
        }
        let ordered = matches!(arrival.order, Order::After { .. });
        let floored = ordered || arrival.order.known().is_some_and(|known| known.floor > 0);
        let caller_is_new = floored && !self.tables.has_floor(arrival.id.caller);
        let callers_full = caller_is_new && self.tables.floors_len() >= CALLERS_MAX;
        // R11: nothing is dropped early to make room.
        let grows = caller_is_new || arrival.keyed.is_some();
        let rows_full = grows && self.tables.len() >= ROWS_MAX; // mutant rows-unbounded: let rows_full = grows && self.tables.len() == u64::MAX;
        (callers_full || rows_full || self.tables.size() >= self.size_max).then_some(RETRY_TABLES)
    }
}
