//! Shards: where calls take effect, one at a time, and what is kept of them.
//!
//! - [`record`] is what the log holds. Start here.

pub mod record;

use nigh_wire::Wire;

/// One of the parts into which all keys are divided: the unit of order, log, fencing and moving.
#[derive(Wire, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u32);

/// Counts the owners of a shard, its old owner taking it up again included (R8). The first is 1.
#[derive(Wire, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// Counts the records of a shard's log: the place of the next one. The first record is at 0.
#[derive(Wire, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);
