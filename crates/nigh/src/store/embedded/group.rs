//! Bytes of one group: a table of contents with its own seal, then the blobs.
//!
//! All blobs of a group are one value, not a row each: with 1,024 blobs of 200 bytes that is 3.3 times as many
//! commits a second (1,528 against 461; 256 blobs 2.3 times, one blob 1.1), because a row costs a walk down the
//! tree and a head that moves with it. The contents are sealed apart, so that opening a store need not hash blobs.

use bytes::Bytes;
use nigh_proto::shards::{Epoch, Position, ShardId};

use super::seal::{SEAL_SIZE, Seal, Sealer, check};
use crate::store::{Append, GroupId, LogEntry, Place, StoreError};

/// Seal of the contents, number of blobs.
const START_SIZE: usize = SEAL_SIZE + 4;
/// Shard, epoch, first, next, size of the blob, its seal.
const ENTRY_SIZE: usize = 4 + 8 + 8 + 8 + 4 + SEAL_SIZE;

/// One line of a group's contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) shard: ShardId,
    pub(super) epoch: Epoch,
    pub(super) first: Position,
    pub(super) next: Position,
    blob_size: u32,
    seal: Seal,
}

/// Size of a group of these blobs.
pub(super) fn size<'a>(blobs: impl Iterator<Item = &'a Append>) -> usize {
    blobs.fold(START_SIZE, |size, append| size + ENTRY_SIZE + append.blob.len())
}

/// Writes the group into `out`, which has its [`size`] exactly.
pub(super) fn write(sealer: Sealer, group: GroupId, blobs: &[&Append], out: &mut [u8]) {
    let (contents, mut rest) = out.split_at_mut(START_SIZE + blobs.len() * ENTRY_SIZE);
    let (seal, contents) = contents.split_at_mut(SEAL_SIZE);
    let count = u32::try_from(blobs.len()).expect("a group holds fewer than 2^32 blobs");
    contents[..4].copy_from_slice(&count.to_le_bytes());
    for (append, line) in blobs.iter().zip(contents[4..].chunks_exact_mut(ENTRY_SIZE)) {
        let Append { shard, epoch, first, next, blob } = *append;
        let blob_size = u32::try_from(blob.len()).expect("a blob is at most 4 GiB");
        line[..4].copy_from_slice(&shard.0.to_le_bytes());
        line[4..12].copy_from_slice(&epoch.0.to_le_bytes());
        line[12..20].copy_from_slice(&first.0.to_le_bytes());
        line[20..28].copy_from_slice(&next.0.to_le_bytes());
        line[28..32].copy_from_slice(&blob_size.to_le_bytes());
        line[32..].copy_from_slice(&sealer.blob(*shard, *epoch, (*first, *next), blob));
        let place;
        (place, rest) = rest.split_at_mut(blob.len());
        place.copy_from_slice(blob);
    }
    debug_assert!(rest.is_empty(), "the size was that of another group");
    seal.copy_from_slice(&sealer.group(group.0, contents));
}

/// The contents, checked against their seal, and where the blobs begin.
pub(super) fn contents(
    sealer: Sealer,
    group: GroupId,
    bytes: &[u8],
) -> Result<(Vec<Entry>, usize), StoreError> {
    let bad = |detail: String| StoreError::Corrupt { place: Place::Group(group), detail };
    let (seal, rest) = bytes.split_first_chunk::<SEAL_SIZE>().ok_or_else(|| bad("too short".to_owned()))?;
    let count = rest.first_chunk().map(|count| u32::from_le_bytes(*count) as usize);
    let lines = count.and_then(|count| rest.get(..count.checked_mul(ENTRY_SIZE)?.checked_add(4)?));
    let lines = lines.ok_or_else(|| bad("too short for its contents".to_owned()))?;
    check(*seal, sealer.group(group.0, lines), || Place::Group(group))?;
    let entries: Vec<_> = lines[4..].chunks_exact(ENTRY_SIZE).map(entry).collect();
    let blobs: u64 = entries.iter().map(|entry| u64::from(entry.blob_size)).sum();
    let start = SEAL_SIZE + lines.len();
    if blobs != (bytes.len() - start) as u64 {
        return Err(bad(format!("{} bytes of blobs where {blobs} belong", bytes.len() - start)));
    }
    Ok((entries, start))
}

fn entry(line: &[u8]) -> Entry {
    let u32_at = |at: usize| u32::from_le_bytes(line[at..at + 4].try_into().expect("4 bytes"));
    let u64_at = |at: usize| u64::from_le_bytes(line[at..at + 8].try_into().expect("8 bytes"));
    Entry {
        shard: ShardId(u32_at(0)),
        epoch: Epoch(u64_at(4)),
        first: Position(u64_at(12)),
        next: Position(u64_at(20)),
        blob_size: u32_at(28),
        seal: line[32..].try_into().expect("a line ends with a seal"),
    }
}

/// Hands out the blobs of the shards that `of` says, each checked. They are slices of one copy, which holds no others.
pub(super) fn read(
    sealer: Sealer,
    group: GroupId,
    bytes: &[u8],
    of: &dyn Fn(ShardId) -> bool,
    each: &mut dyn FnMut(LogEntry),
) -> Result<(), StoreError> {
    let (entries, start) = contents(sealer, group, bytes)?;
    let wanted = |entry: &&Entry| {
        of(entry.shard) // mutant tail-of-all-shards: of(entry.shard) || entry.blob_size > 0
    };
    let size = entries.iter().filter(wanted).map(|entry| entry.blob_size as usize).sum();
    let (mut copy, mut at) = (Vec::with_capacity(size), start);
    for entry in &entries {
        let blob = &bytes[at..at + entry.blob_size as usize];
        at += blob.len();
        if wanted(&entry) {
            copy.extend_from_slice(blob);
        }
    }
    let mut copy = Bytes::from(copy);
    for Entry { shard, epoch, first, next, blob_size, seal } in entries.iter().filter(wanted).copied() {
        let blob = copy.split_to(blob_size as usize);
        check(seal, sealer.blob(shard, epoch, (first, next), &blob), || Place::Blob(group, shard))?;
        each(LogEntry { group, shard, epoch, first, next, blob });
    }
    Ok(())
}
