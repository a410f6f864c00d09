//! The file of the groups: written block by block, read from wherever a run of them begins.
//!
//! A group is one write and one sync, and nothing else is written for it: that is why it is not redb's. Which group begins each run
//! stands in `log.redb`, written before the first of that run; behind it they are found by their sizes. Only the newest can be
//! torn, since each was synced before the next was written. So a group that is not whole ends the log if nothing
//! came after it, and is damage if something did.

use std::io;
use std::ops::Range;

use redb::StorageBackend;

use super::files::GROUPS_FILE;
use super::gate::Gate;
use super::group::{self, Entry};
use super::seal::Sealer;
use super::space::{BLOCK_SIZE, Extent, Space, blocks};
use crate::store::{GroupId, Place, StoreError};

/// Read at once, in bytes.
const CHUNK_SIZE: usize = 256 << 10;
/// Blocks behind the newest group that are searched for a later one, 16 MiB: it begins where a damaged one ends, and a group of a
/// thousand calls of 16 KiB is not longer. All that is free may be hundreds of MiB, which a start would have to read.
const LATER_BLOCKS_MAX: u64 = 4096;
/// Zeros written at once, in bytes.
const ZEROS_SIZE: usize = 1 << 20;

/// Where each run begins, oldest first. The first group of the first is the lowest that is not cut.
pub(super) type Runs = [(GroupId, u64)];

/// The file.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    pub(super) gate: Gate,
}

/// A group whose contents are proven, its blobs not.
pub(super) struct Found {
    pub(super) number: GroupId,
    /// How often `log.redb` had been changed when it was written.
    pub(super) changes: u64,
    pub(super) extent: Extent,
    pub(super) entries: Vec<Entry>,
    /// Of all its bytes.
    pub(super) size: usize,
    /// Where its blobs begin.
    start: usize,
}

impl Groups {
    fn len(&self) -> Result<u64, StoreError> {
        self.gate.len().map_err(StoreError::Io)
    }

    /// Makes the file so long, with zeros: a block that has its place on the disk is synced in half the time.
    pub(super) fn grow(&self, from: u64, to: u64) -> io::Result<()> {
        let (mut at, end) = (from * BLOCK_SIZE as u64, to * BLOCK_SIZE as u64);
        let zeros = vec![0; end.saturating_sub(at).min(ZEROS_SIZE as u64) as usize];
        while at < end {
            let size = (end - at).min(zeros.len() as u64);
            self.gate.write(at, &zeros[..size as usize])?;
            at += size;
        }
        Ok(())
    }

    /// Writes a group, whole blocks.
    pub(super) fn write(&self, extent: Extent, bytes: &[u8]) -> io::Result<()> {
        debug_assert_eq!(bytes.len(), extent.blocks as usize * BLOCK_SIZE);
        self.gate.write(extent.at * BLOCK_SIZE as u64, bytes)
    }

    /// All that was written is durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.gate.sync_data()
    }

    /// Hands out the groups of `runs`, in order, until `each` says false or `end` comes; without an end, up to where the
    /// last run ends.
    ///
    /// # Errors
    ///
    /// One that must be there is not.
    pub(super) fn walk(
        &self,
        sealer: Sealer,
        runs: &Runs,
        end: Option<GroupId>,
        each: &mut dyn FnMut(&Found, &mut Reader<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let mut reader = Reader::new(self)?;
        for (index, (first, at)) in runs.iter().enumerate() {
            let (mut number, mut at) = (*first, *at);
            // A run that another one follows is whole.
            let known = runs.get(index + 1).map(|(next, _)| *next).or(end);
            while known.is_none_or(|known| number < known) {
                let Some(found) = reader.group(sealer, number, at)? else {
                    if known.is_none() {
                        return Ok(());
                    }
                    return Err(damaged(number));
                };
                (number.0, at) = (number.0 + 1, at + found.extent.blocks);
                if !each(&found, &mut reader)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Reads the log as a start finds it: `each` sees the contents of each group. Which groups there are, and the number of the next.
    pub(super) fn find(
        &self,
        sealer: Sealer,
        runs: &Runs,
        each: &mut dyn FnMut(&Found) -> Result<(), StoreError>,
    ) -> Result<(Space, GroupId), StoreError> {
        let Some((last_run, at)) = runs.last().copied() else {
            return Err(StoreError::corrupt("the log says nowhere where it begins".to_owned()));
        };
        let mut next = runs[0].0;
        let mut space = Space::new(runs[0].1, blocks(self.len()? as usize).max(at));
        self.walk(sealer, runs, None, &mut |found, reader| {
            // Whatever there is of the one behind it says that this one was whole.
            let followed =
                reader.number(found.extent.end())?.is_some_and(|number| number.0 == found.number.0 + 1);
            let newest = found.number >= last_run && !followed;
            let torn = newest && !reader.is_whole(sealer, found)?; // mutant torn-group-believed: let torn = newest && found.entries.is_empty();
            if torn {
                return Ok(false);
            }
            space.push(found.extent);
            next.0 += 1;
            each(found)?;
            Ok(true)
        })?;
        if next == last_run {
            space.begin_run(at);
        }
        let later = Reader::new(self)?.later(sealer, next, space.behind_tail())?; // mutant later-groups-unsought: let later = None::<GroupId>;
        match later {
            Some(later) => {
                let detail = format!("missing or damaged; group {} follows", later.0);
                Err(StoreError::Corrupt { place: Place::Group(next), detail })
            }
            None => Ok((space, next)),
        }
    }
}

fn damaged(number: GroupId) -> StoreError {
    StoreError::Corrupt { place: Place::Group(number), detail: "missing or damaged".to_owned() }
}

/// Reads the file from its front to its back, much at once.
pub(super) struct Reader<'a> {
    gate: &'a Gate,
    len: u64,
    /// Bytes from `start` on.
    buffer: Vec<u8>,
    start: u64,
}

impl<'a> Reader<'a> {
    fn new(groups: &'a Groups) -> Result<Self, StoreError> {
        Ok(Reader { gate: &groups.gate, len: groups.len()?, buffer: Vec::new(), start: 0 })
    }

    /// So many bytes from `at` on; `None` if they are not all in the file.
    fn bytes(&mut self, at: u64, size: usize) -> Result<Option<&[u8]>, StoreError> {
        let Some(end) = at.checked_add(size as u64).filter(|end| *end <= self.len) else { return Ok(None) };
        if at < self.start || end > self.start + self.buffer.len() as u64 {
            let size = size.max(CHUNK_SIZE).min((self.len - at) as usize);
            self.buffer.resize(size, 0);
            self.start = at;
            if let Err(error) = self.gate.read(at, &mut self.buffer) {
                self.buffer.clear();
                let short = error.kind() == io::ErrorKind::UnexpectedEof;
                let place = Place::File(GROUPS_FILE);
                return Err(if short {
                    StoreError::Corrupt { place, detail: error.to_string() }
                } else {
                    StoreError::Io(error)
                });
            }
        }
        let from = (at - self.start) as usize;
        Ok(Some(&self.buffer[from..from + size]))
    }

    /// What a group that begins here would have for its number.
    fn number(&mut self, at: u64) -> Result<Option<GroupId>, StoreError> {
        let start = self.bytes(at * BLOCK_SIZE as u64, group::START_SIZE)?;
        Ok(start.map(|start| group::start(start).0))
    }

    /// The group with this number, if its contents are here.
    fn group(&mut self, sealer: Sealer, number: GroupId, at: u64) -> Result<Option<Found>, StoreError> {
        let byte = at * BLOCK_SIZE as u64;
        let Some(start) = self.bytes(byte, group::START_SIZE)? else { return Ok(None) };
        let (there, contents_size) = group::start(start);
        let Some(contents_size) = contents_size.filter(|_| there == number) else { return Ok(None) };
        let Some(contents) = self.bytes(byte, contents_size)? else { return Ok(None) };
        let Some((changes, entries)) = group::contents(sealer, contents) else { return Ok(None) };
        let size = contents_size as u64 + group::blobs_size(&entries);
        if byte + size > self.len {
            return Ok(None);
        }
        let extent = Extent { at, blocks: size.div_ceil(BLOCK_SIZE as u64) };
        Ok(Some(Found { number, changes, extent, entries, size: size as usize, start: contents_size }))
    }

    /// The blobs of a group that was found, one behind the other, not proven.
    pub(super) fn blobs(&mut self, found: &Found) -> Result<&[u8], StoreError> {
        let at = found.extent.at * BLOCK_SIZE as u64 + found.start as u64;
        let blobs = self.bytes(at, found.size - found.start)?;
        Ok(blobs.expect("what was found is in the file"))
    }

    /// Whether all blobs of the group are as they were written.
    fn is_whole(&mut self, sealer: Sealer, found: &Found) -> Result<bool, StoreError> {
        Ok(group::check_blobs(sealer, found.number, &found.entries, self.blobs(found)?).is_ok())
    }

    /// A group above `next` that begins with one of these blocks.
    fn later(
        &mut self,
        sealer: Sealer,
        next: GroupId,
        within: Range<u64>,
    ) -> Result<Option<GroupId>, StoreError> {
        for at in within.take(LATER_BLOCKS_MAX as usize) {
            let Some(number) = self.number(at)? else { return Ok(None) };
            if number > next && self.group(sealer, number, at)?.is_some() {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }
}
