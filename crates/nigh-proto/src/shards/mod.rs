//! Shards: where calls take effect, one at a time, and what is kept of them.
//!
//! - [`shard`] is the owner of one shard: admits, records, appends, releases, recovers. Start here.
//! - [`record`] is what its log holds, [`row`] what the state file holds of its tables.
//! - `tables` folds records into what is remembered, with `table` (one of them) and `known` (floors).
//! - `log` is what is pending and durable, `gate` holds answers back until they may leave, `write_back` rows.
//! - [`pace`] says how fast rows are written, and when the log is too long for more calls.
//!
//! What an owner answers is decided in `calls/callee.rs`; methods are run by drivers.

mod gate;
mod known;
mod log;
pub mod pace;
pub mod record;
pub mod rest;
pub mod row;
pub mod shard;
mod table;
pub(crate) mod tables;
mod write_back;

use nigh_wire::Wire;

/// Rows of the state file that changed: `None` is to be deleted.
pub type Rows = Vec<(row::TableKey, Option<row::TableRow>)>;

/// How much a shard holds, for limits and metrics. Sizes are bytes in memory, about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Ids of which it is remembered what became of them.
    pub records: usize,
    /// Their bytes, with answers.
    pub records_size: usize,
    /// Idempotency keys of which the same is remembered.
    pub keyed: usize,
    /// Their bytes, with answers.
    pub keyed_size: usize,
    /// (Caller, key) pairs whose order is remembered.
    pub marks: usize,
    /// Their bytes.
    pub marks_size: usize,
    /// Callers of which it is remembered what they know.
    pub floors: usize,
    /// Their bytes.
    pub floors_size: usize,
    /// Rows of all these, also those in the state file alone, about.
    pub rows: u64,
    /// Places in the queue of changed rows: at most three a record since the log could be cut.
    pub changed: usize,
    /// Answers and views that wait.
    pub waiting: usize,
    /// Bytes of the log that are not durable yet.
    pub pending_size: usize,
}

/// One of the parts into which all keys are divided: the unit of order, log, fencing and moving.
#[derive(Wire, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u32);

/// Counts the owners of a shard, its old owner taking it up again included (R8). The first is 1.
#[derive(Wire, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// Counts the records of a shard's log: the place of the next one. The first record is at 0.
#[derive(Wire, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);
