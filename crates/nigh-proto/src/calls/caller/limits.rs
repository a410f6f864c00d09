//! Bounds of one caller, and what hitting one says.

use std::time::Duration;

use nigh_wire::Cause;

use crate::calls::FUTURE_MAX;

/// Calls open towards one peer, and copies under way on one link: 10,000 calls a second at 100 ms each
/// (Little's law).
pub const CALLS_OPEN_MAX: usize = 1_024;
/// Key and arguments of one call, in bytes: what is larger travels in pieces, or by another way.
pub const CALL_SIZE_MAX: usize = 1 << 20;

/// Bounds of one caller.
#[derive(Clone, Copy, Debug, Hash)]
pub struct CallerConfig {
    /// Calls open towards one peer; more are refused as overloaded, never queued. Default
    /// [`CALLS_OPEN_MAX`].
    pub calls_open_max: usize,
    /// Bytes of arguments kept for them, for sending again. Default 16 MiB: sixteen of the largest calls, or
    /// 16 KiB for each of 1,024.
    pub bytes_open_max: usize,
}

/// Bytes of arguments kept by all callers of a process for calls of its own shards: four of the largest calls for each of
/// sixteen lanes.
const BYTES_OPEN_HERE_MAX: usize = 64 * CALL_SIZE_MAX;

impl CallerConfig {
    /// Of one of so many callers of a process that share its own shards out among them.
    pub fn of_lane(lanes: usize) -> Self {
        let usual = Self::default();
        let share = BYTES_OPEN_HERE_MAX / lanes.max(1); // mutant lanes-keep-all-bytes: let share = BYTES_OPEN_HERE_MAX;
        Self { bytes_open_max: share.min(usual.bytes_open_max), ..usual }
    }
}

impl Default for CallerConfig {
    fn default() -> Self {
        Self { calls_open_max: CALLS_OPEN_MAX, bytes_open_max: 16 * CALL_SIZE_MAX }
    }
}

/// What a caller refused here is told: after this, 1,024 calls of 100 ms each have made room.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Births that fell back further than this behind those before are worth a fresh caller id: an owner that was ahead
/// itself, in some shards only, may refuse them in the others (R17). A tenth of F: clocks that are kept step less.
pub(super) const AHEAD_MAX: Duration = FUTURE_MAX.checked_div(10).expect("ten is not nought");

/// Tables up to this size are checked whole after every step of a debug build; beyond it that would be
/// quadratic.
pub(super) const CHECKED_MAX: usize = 64;

/// What is told whoever asks with more than [`CALL_SIZE_MAX`].
pub fn too_large(size: usize) -> Cause {
    Cause::TooLarge(format!("a call of {size} bytes, at most {CALL_SIZE_MAX}"))
}

/// Nothing was numbered: too much is open towards that peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overloaded {
    /// Ask again no sooner than this.
    pub retry_after: Duration,
}
