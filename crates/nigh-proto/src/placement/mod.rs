//! Where a key lives: which shard it belongs to, and which role owns shards, services and doors.

use nigh_wire::Bytes;

use crate::shards::ShardId;

/// Shards of an application unless set at creation: enough to spread over hundreds of nodes, few enough to
/// keep all their heads in 28 KiB.
pub const SHARDS_DEFAULT: u32 = 1024;

/// The shard of a key: BLAKE3 of (entity or its home, encoded key), first 8 bytes, modulo the shards.
pub fn shard_of(home: &str, key: &Bytes, shards: u32) -> ShardId {
    let hash = nigh_wire::WireHash::of(&[home.as_bytes(), key]);
    let first = u64::from_le_bytes(hash.0[..8].try_into().expect("a hash has 16 bytes"));
    ShardId((first % u64::from(shards)) as u32)
}
