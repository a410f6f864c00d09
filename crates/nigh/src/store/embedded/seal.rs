//! Our own checksums: each covers what the bytes say and where they belong.
//!
//! XXH3 of 64 bits over the kind, the store's incarnation, the place and the content. A flipped bit, a blob in
//! another shard's place, a row from another store: none passes. They detect decay, not malice.

use std::hash::Hasher;

use nigh_proto::shards::{Epoch, Position, ShardId};
use twox_hash::XxHash3_64;

use crate::store::{Place, StoreError};

/// Size of a checksum.
pub(super) const SEAL_SIZE: usize = 8;

/// Kind and incarnation, in bytes.
const START_SIZE: usize = 17;
/// Up to so many bytes are put together and hashed in one go: most blobs and rows are shorter.
const HASHED_AT_ONCE_MAX: usize = 1024;

/// A checksum.
pub(super) type Seal = [u8; SEAL_SIZE];

/// Makes the checksums of one store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sealer {
    incarnation: u128,
}

/// What is sealed; no two kinds share a checksum.
#[derive(Clone, Copy)]
enum Kind {
    Blob = 1,
    Group = 2,
    Head = 3,
    Row = 4,
    High = 5,
    Named = 6,
    Run = 7,
}

impl Sealer {
    /// For the store with this incarnation.
    pub(super) fn new(incarnation: u128) -> Self {
        Sealer { incarnation }
    }

    /// Of a blob, chained to its shard, epoch and positions.
    pub(super) fn blob(self, shard: ShardId, epoch: Epoch, range: (Position, Position), blob: &[u8]) -> Seal {
        let mut place = [0; 28];
        place[..4].copy_from_slice(&shard.0.to_le_bytes());
        place[4..12].copy_from_slice(&epoch.0.to_le_bytes());
        place[12..20].copy_from_slice(&range.0.0.to_le_bytes());
        place[20..].copy_from_slice(&range.1.0.to_le_bytes());
        self.seal(Kind::Blob, &[&place, blob])
    }

    /// Of a group's number and table of contents.
    pub(super) fn group(self, contents: &[u8]) -> Seal {
        self.seal(Kind::Group, &[contents])
    }

    /// Of where a run of groups begins.
    pub(super) fn run(self, group: u64, at: &[u8]) -> Seal {
        self.seal(Kind::Run, &[&group.to_le_bytes(), at])
    }

    /// Of where a shard stands.
    pub(super) fn head(self, shard: ShardId, head: &[u8]) -> Seal {
        self.seal(Kind::Head, &[&shard.0.to_le_bytes(), head])
    }

    /// Of a row.
    pub(super) fn row(self, shard: ShardId, key: &[u8], position: Position, value: &[u8]) -> Seal {
        let mut place = [0; 16];
        place[..4].copy_from_slice(&shard.0.to_le_bytes());
        place[4..12].copy_from_slice(&position.0.to_le_bytes());
        place[12..].copy_from_slice(&(key.len() as u32).to_le_bytes());
        self.seal(Kind::Row, &[&place, key, value])
    }

    /// Of the highest position of a shard's rows.
    pub(super) fn high(self, shard: ShardId, high: &[u8]) -> Seal {
        self.seal(Kind::High, &[&shard.0.to_le_bytes(), high])
    }

    /// Of a value with a name: what a file says of itself, a shape.
    pub(super) fn named(self, name: &str, value: &[u8]) -> Seal {
        self.seal(Kind::Named, &[&(name.len() as u32).to_le_bytes(), name.as_bytes(), value])
    }

    /// Of these parts, one behind the other.
    fn seal(self, kind: Kind, parts: &[&[u8]]) -> Seal {
        let mut start = [0; START_SIZE];
        start[0] = kind as u8;
        start[1..].copy_from_slice(&self.incarnation.to_le_bytes());
        let size = START_SIZE + parts.iter().map(|part| part.len()).sum::<usize>();
        let hash = if size > HASHED_AT_ONCE_MAX {
            let mut hasher = XxHash3_64::new();
            hasher.write(&start);
            for part in parts {
                hasher.write(part);
            }
            hasher.finish()
        } else {
            let (mut whole, mut at) = ([0; HASHED_AT_ONCE_MAX], 0);
            for part in [&start[..]].iter().chain(parts) {
                whole[at..at + part.len()].copy_from_slice(part);
                at += part.len();
            }
            XxHash3_64::oneshot(&whole[..at])
        };
        hash.to_le_bytes()
    }
}

/// Bytes of a value that end with its seal, parted.
pub(super) fn part(bytes: &[u8], place: impl FnOnce() -> Place) -> Result<(&[u8], Seal), StoreError> {
    match bytes.split_last_chunk() {
        Some((value, seal)) => Ok((value, *seal)),
        None => {
            Err(StoreError::Corrupt { place: place(), detail: format!("{} bytes are too few", bytes.len()) })
        }
    }
}

/// Compares what is stored with what the content demands.
pub(super) fn check(stored: Seal, right: Seal, place: impl FnOnce() -> Place) -> Result<(), StoreError> {
    let matches = stored == right; // mutant checksum-unchecked: let matches = true;
    if matches {
        return Ok(());
    }
    Err(StoreError::Corrupt { place: place(), detail: "the checksum does not match".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Short or long, put together or not: what the specification says.
    #[test]
    fn a_seal_is_of_all_bytes_in_their_order() {
        let sealer = Sealer::new(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
        for len in [0, 1, 240, 1003, 1004, 1005, 1006, 5000] {
            let value: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let mut whole = vec![3];
            whole.extend(sealer.incarnation.to_le_bytes());
            whole.extend(9_u32.to_le_bytes());
            whole.extend(&value);
            let seal = XxHash3_64::oneshot(&whole).to_le_bytes();
            assert_eq!(sealer.head(ShardId(9), &value), seal, "{len} bytes");
        }
    }

    /// Another one is another format version.
    #[test]
    fn seals_stay_what_they_are() {
        let sealer = Sealer::new(7);
        assert_eq!(sealer.head(ShardId(1), b"stands"), [3, 153, 196, 144, 201, 146, 202, 92]);
    }
}
