//! Bytes of one group: its number and a table of contents with their own seal, then the blobs.
//!
//! The contents are sealed apart, so that opening a store need not hash blobs.

use bytes::Bytes;
use nigh_proto::shards::{Epoch, Position, ShardId};

use super::seal::{SEAL_SIZE, Seal, Sealer, check};
use crate::store::{APPENDS_MAX, Append, GroupId, LogEntry, Place, StoreError};

/// Seal of the contents, number of the group, changes of `log.redb`, number of blobs.
pub(super) const START_SIZE: usize = SEAL_SIZE + 8 + 8 + 4;
/// Shard, epoch, first, next, size of the blob, its seal.
pub(super) const ENTRY_SIZE: usize = 4 + 8 + 8 + 8 + 4 + SEAL_SIZE;

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
pub(super) fn write(sealer: Sealer, (group, changes): (GroupId, u64), blobs: &[&Append], out: &mut [u8]) {
    let (contents, mut rest) = out.split_at_mut(START_SIZE + blobs.len() * ENTRY_SIZE);
    let (seal, contents) = contents.split_at_mut(SEAL_SIZE);
    let count = u32::try_from(blobs.len()).expect("a group holds fewer than 2^32 blobs");
    contents[..8].copy_from_slice(&group.0.to_le_bytes());
    contents[8..16].copy_from_slice(&changes.to_le_bytes());
    contents[16..20].copy_from_slice(&count.to_le_bytes());
    for (append, line) in blobs.iter().zip(contents[20..].chunks_exact_mut(ENTRY_SIZE)) {
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
    seal.copy_from_slice(&sealer.group(contents));
}

/// Number of a group and size of its contents, of its first [`START_SIZE`] bytes: not proven. `None`: no group has so many blobs.
pub(super) fn start(bytes: &[u8]) -> (GroupId, Option<usize>) {
    let number = bytes[SEAL_SIZE..SEAL_SIZE + 8].try_into().expect("8 bytes");
    let count = u32::from_le_bytes(bytes[SEAL_SIZE + 16..START_SIZE].try_into().expect("4 bytes")) as usize;
    let may_be = count <= APPENDS_MAX; // mutant any-contents-read: let may_be = count < usize::MAX;
    (GroupId(u64::from_le_bytes(number)), may_be.then(|| START_SIZE + count * ENTRY_SIZE))
}

/// How often `log.redb` had been changed, and the contents; if their seal is right.
pub(super) fn contents(sealer: Sealer, bytes: &[u8]) -> Option<(u64, Vec<Entry>)> {
    let (seal, contents) = bytes.split_first_chunk::<SEAL_SIZE>()?;
    let whole = sealer.group(contents) == *seal; // mutant group-contents-unchecked: let whole = true;
    let changes = u64::from_le_bytes(contents.get(8..16)?.try_into().expect("8 bytes"));
    whole.then(|| (changes, contents[20..].chunks_exact(ENTRY_SIZE).map(entry).collect()))
}

/// Of all blobs together, in bytes.
pub(super) fn blobs_size(entries: &[Entry]) -> u64 {
    entries.iter().map(|entry| u64::from(entry.blob_size)).sum()
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

/// Each blob against its seal.
pub(super) fn check_blobs(
    sealer: Sealer,
    group: GroupId,
    entries: &[Entry],
    mut blobs: &[u8],
) -> Result<(), StoreError> {
    for entry in entries {
        let blob;
        (blob, blobs) = blobs.split_at(entry.blob_size as usize);
        check_blob(sealer, group, entry, blob)?;
    }
    Ok(())
}

fn check_blob(sealer: Sealer, group: GroupId, entry: &Entry, blob: &[u8]) -> Result<(), StoreError> {
    let Entry { shard, epoch, first, next, seal, .. } = *entry;
    check(seal, sealer.blob(shard, epoch, (first, next), blob), || Place::Blob(group, shard))
}

/// Hands out the blobs of the shards that `of` says, each checked. They are slices of one copy, which holds no others.
pub(super) fn read(
    sealer: Sealer,
    group: GroupId,
    entries: &[Entry],
    mut blobs: &[u8],
    of: &dyn Fn(ShardId) -> bool,
    each: &mut dyn FnMut(LogEntry),
) -> Result<(), StoreError> {
    let wanted = |entry: &&Entry| {
        of(entry.shard) // mutant tail-of-all-shards: of(entry.shard) || entry.blob_size > 0
    };
    let size = entries.iter().filter(wanted).map(|entry| entry.blob_size as usize).sum();
    let mut copy = Vec::with_capacity(size);
    for entry in entries {
        let blob;
        (blob, blobs) = blobs.split_at(entry.blob_size as usize);
        if wanted(&entry) {
            copy.extend_from_slice(blob);
        }
    }
    let mut copy = Bytes::from(copy);
    for entry in entries.iter().filter(wanted) {
        let Entry { shard, epoch, first, next, .. } = *entry;
        let blob = copy.split_to(entry.blob_size as usize);
        check_blob(sealer, group, entry, &blob)?;
        each(LogEntry { group, shard, epoch, first, next, blob });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is free holds anything: a number of blobs found there must not decide how much a start reads.
    #[test]
    fn a_group_has_only_so_many_blobs() {
        let start_of = |count: u32| {
            let mut bytes = [0; START_SIZE];
            bytes[SEAL_SIZE] = 7;
            bytes[SEAL_SIZE + 16..].copy_from_slice(&count.to_le_bytes());
            start(&bytes)
        };
        let most = START_SIZE + APPENDS_MAX * ENTRY_SIZE;
        assert_eq!(start_of(0), (GroupId(7), Some(START_SIZE)));
        assert_eq!(start_of(APPENDS_MAX as u32), (GroupId(7), Some(most)));
        assert_eq!(start_of(APPENDS_MAX as u32 + 1), (GroupId(7), None));
        assert_eq!(start_of(u32::MAX), (GroupId(7), None));
    }
}
