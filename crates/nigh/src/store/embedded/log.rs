//! The log: groups in a file of their own, and in `log.redb` what is seldom written: heads, and where runs of groups begin.
//!
//! The heads in memory are the truth while the directory is locked. On disk a head is a row of `heads`, written
//! when its shard is taken up and, all together, when the log is cut; the groups that follow move it on.
//!
//! An append is one write and one sync of the groups' file. Only where a run begins, or the log is cut, something is written
//! to `log.redb` first.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use nigh_proto::shards::{Epoch, Position, ShardId};
use redb::{Database, ReadableDatabase, WriteTransaction};

use super::files::{File, LOG_FILE};
use super::groups::Groups;
use super::known::{HEADS, REACHED, RUNS, Reach, no_head, put_cut, put_head, put_run, runs, stored_heads};
use super::meta::{Fault, META, guard};
use super::room::is_full;
use super::seal::Sealer;
use super::space::{BLOCK_SIZE, Slot, Space, blocks};
use super::{Pair, group};
use crate::store::{Append, AppendError, Appended, GroupId, Head, Log, LogEntry, Place, StoreError, admit};

/// What a log holds, proven.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) heads: Vec<Head>,
    /// All below were cut.
    pub(super) cut: GroupId,
    /// The lowest that still has its blocks: a copy may be reading it.
    lowest: GroupId,
    pub(super) next: GroupId,
    /// As `log.redb` says.
    pub(super) reached: Reach,
    /// So often it had been changed when the newest group was written.
    changes_known: u64,
    /// Of the groups from `lowest` on.
    pub(super) space: Space,
}

impl Found {
    /// Why the two files of the log do not belong together, or the state not to them, if so.
    pub(super) fn check(&self, seen: Reach) -> Result<(), String> {
        for (file, next) in [("log.redb", self.reached.next), ("state.redb", seen.next)] {
            if next > self.next {
                let (reached, ends) = (next.0, self.next.0);
                return Err(format!(
                    "{file} was written when the log had reached group {reached}, log.groups ends before {ends}"
                ));
            }
        }
        for (file, known) in [("log.groups", self.changes_known), ("state.redb", seen.changes)] {
            let changes = self.reached.changes;
            let older = known > changes; // mutant older-log-believed: let older = false;
            if older {
                return Err(format!(
                    "{file} was written when log.redb had been changed {known} times, it was {changes} times"
                ));
            }
        }
        Ok(())
    }

    /// Those below the cut that have their blocks.
    fn cut_kept(&self) -> usize {
        (self.cut.0 - self.lowest.0) as usize
    }

    /// Groups that were not cut, and their bytes.
    pub(super) fn kept(&self) -> (u64, u64) {
        (self.next.0 - self.cut.0, self.space.size_of(self.cut_kept()..self.space.groups()))
    }
}

/// Both files of the log, to be read.
pub(super) struct Files {
    pub(super) db: Database,
    pub(super) groups: Groups,
}

/// [`Log`] in two files.
pub(super) struct FileLog {
    /// `None` once closed by an error. Shared with those who begin to read it.
    files: Option<Arc<Files>>,
    /// `log.redb`.
    file: File,
    sealer: Sealer,
    found: Found,
    /// Of the groups from the cut on.
    size_bytes: u64,
    /// The cut that was asked; `found.cut` is taken up to there unless a copy begins in this moment.
    cut_asked: GroupId,
    /// Room of a group that was written before, up to [`ROOM_SIZE_MAX`].
    room: Vec<u8>,
    pair: Arc<Pair>,
}

/// Room for groups that is kept, in bytes: a group of a thousand calls takes a third. Memory of such sizes goes back to the
/// system in between, and comes anew in pages that have to be cleared.
const ROOM_SIZE_MAX: usize = 1 << 20;

impl FileLog {
    pub(super) fn new(files: Files, file: File, sealer: Sealer, found: Found, pair: Arc<Pair>) -> Self {
        let files = Arc::new(files);
        pair.reading().clone_from(&Arc::downgrade(&files));
        let (cut_asked, size_bytes) = (found.cut, found.kept().1);
        let room = Vec::new();
        let log = FileLog { files: Some(files), file, sealer, found, size_bytes, cut_asked, room, pair };
        log.assert_invariants();
        log
    }

    fn assert_invariants(&self) {
        let Found { cut, lowest, next, space, .. } = &self.found;
        debug_assert!(
            lowest <= cut && cut <= next && *cut <= self.cut_asked,
            "groups {} to {}",
            lowest.0,
            next.0
        );
        debug_assert_eq!(space.groups() as u64, next.0 - lowest.0);
    }

    fn files(&self) -> Result<Arc<Files>, StoreError> {
        self.files.clone().ok_or(StoreError::Closed)
    }

    /// Moves the cut to where it was asked, durably, unless a copy begins: it reads the state first, and what was swept after
    /// that must be in the log it reads then. No append waits for a copy; the cut moves with a later one.
    fn take_cut(&mut self) -> Result<(), StoreError> {
        #[rustfmt::skip]
        let free = self.pair.is_unread(); // mutant cut-beside-copy: let free = true;
        if free && self.cut_asked > self.found.cut {
            let cut = self.cut_asked.min(self.found.next);
            let at = self.found.space.place((cut.0 - self.found.lowest.0) as usize);
            let heads = self.found.heads.clone();
            self.change(|transaction, sealer| put_cut(transaction, sealer, &heads, (cut, at)))?;
            let before = self.found.cut_kept();
            self.found.cut = cut;
            self.size_bytes -= self.found.space.size_of(before..self.found.cut_kept());
        }
        self.free();
        Ok(())
    }

    /// Gives the blocks of what was cut to others, unless a copy reads them.
    fn free(&mut self) {
        #[rustfmt::skip]
        let unread = self.pair.is_unpinned(); // mutant freed-beside-copy: let unread = true;
        if unread {
            self.found.space.free(self.found.cut_kept());
            self.found.lowest = self.found.cut;
        }
        self.assert_invariants();
    }

    /// Changes `log.redb`, durably. A failure closes the log, unless the disk was just full and nothing of it is there.
    fn change(
        &mut self,
        change: impl FnOnce(&WriteTransaction, Sealer) -> Result<(), Fault>,
    ) -> Result<(), StoreError> {
        let next = self.found.next; // mutant reached-not-raised: let next = GroupId(1);
        let reached = Reach { next, changes: self.found.reached.changes + 1 };
        self.transact(reached, change)?;
        self.found.reached = reached;
        self.pair.changes.store(reached.changes, Ordering::Release);
        // Once more, the same: were the last transaction damaged, redb would take the one before it for the last.
        let again = self.transact(reached, |_, _| Ok(())); // mutant log-changed-once: let again = Ok(());
        match again {
            Ok(()) | Err(StoreError::Full) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn transact(
        &mut self,
        reached: Reach,
        change: impl FnOnce(&WriteTransaction, Sealer) -> Result<(), Fault>,
    ) -> Result<(), StoreError> {
        let files = self.ready()?;
        let changed = guard(LOG_FILE, || {
            let transaction = files.db.begin_write()?;
            reached.put(&mut transaction.open_table(META)?, self.sealer, REACHED)?;
            change(&transaction, self.sealer)?;
            transaction.commit()?; // mutant log-change-not-committed: transaction.abort()?;
            Ok(())
        });
        drop(files);
        changed.map_err(|error| self.failed(error))
    }

    /// Writes a group and syncs it.
    fn commit(&mut self, blobs: &[&Append]) -> Result<(), StoreError> {
        let size = group::size(blobs.iter().copied());
        let number = self.found.next;
        let Slot { extent, begins_run, len } = self.found.space.slot(blocks(size));
        let told = !begins_run; // mutant run-untold: let told = true;
        if !told {
            self.change(|transaction, sealer| {
                put_run(&mut transaction.open_table(RUNS)?, sealer, (number, extent.at))
            })?;
            self.found.space.begin_run(extent.at);
        }
        let mut bytes = std::mem::take(&mut self.room);
        bytes.resize(extent.blocks as usize * BLOCK_SIZE, 0);
        let (whole, rest) = bytes.split_at_mut(size);
        group::write(self.sealer, (number, self.found.reached.changes), blobs, whole);
        rest.fill(0);
        let groups = &self.files()?.groups;
        let from = self.found.space.len();
        let grown = groups.grow(from, len);
        let written = grown.and_then(|()| groups.write(extent, &bytes)); // mutant group-not-written: let written = grown;
        if let Err(error) = written {
            // A group of which not all is there is none, and nothing of it was synced.
            let full = groups.gate.is_full(); // mutant log-open-in-doubt: let full = groups.gate.is_released();
            return Err(if full { StoreError::Full } else { self.closed(StoreError::Io(error)) });
        }
        self.found.space.grew(len);
        #[rustfmt::skip]
        let synced = groups.sync(); // mutant append-not-durable: let synced = std::io::Result::Ok(());
        synced.map_err(|error| self.closed(StoreError::Io(error)))?;
        self.found.space.push(extent);
        self.size_bytes += extent.size();
        if bytes.capacity() <= ROOM_SIZE_MAX {
            self.room = bytes;
        }
        Ok(())
    }

    /// Nothing more is read or written.
    fn closed(&mut self, error: StoreError) -> StoreError {
        // Whoever begins to read it has let go of it.
        let _held = self.pair.reading();
        self.files = None; // mutant log-open-after-failure: self.files = self.files.take();
        error
    }

    /// After a failed transaction: the log is closed, unless the disk was just full and the file proves that nothing of it
    /// is in there.
    fn failed(&mut self, error: StoreError) -> StoreError {
        let full = self.file.gate.is_full();
        let Some(groups) = self.files.as_ref().map(|files| files.groups.clone()) else { return error };
        let error = self.closed(error);
        if full && self.reopen(groups).is_ok() { StoreError::Full } else { error }
    }

    /// Its gate is open: what is written reaches the disk. After a full disk this is where room is needed first.
    fn ready(&mut self) -> Result<Arc<Files>, StoreError> {
        let files = self.files()?;
        let ready = self.file.gate.is_released(); // mutant log-behind-closed-gate: let ready = true;
        if ready {
            return Ok(files);
        }
        match self.file.gate.release() {
            Ok(()) => Ok(files),
            Err(error) if is_full(&error) => Err(StoreError::Full),
            Err(error) => {
                drop(files);
                Err(self.failed(StoreError::Io(error)))
            }
        }
    }

    /// Opens `log.redb` again, its gate closed: that takes no room. Only a disk that was full, without a failed sync, leaves a
    /// page cache to be believed.
    fn reopen(&mut self, groups: Groups) -> Result<(), StoreError> {
        let (file, db) = self.file.again()?;
        let shards = self.found.heads.len() as u32;
        let found = find(&db, &groups, self.sealer, shards)?;
        let same = found.next == self.found.next && found.reached.changes == self.found.reached.changes;
        if !same {
            return Err(StoreError::Closed);
        }
        self.found.space.begin_run(found.space.tail());
        let files = Arc::new(Files { db, groups });
        self.pair.reading().clone_from(&Arc::downgrade(&files));
        (self.files, self.file) = (Some(files), file);
        self.assert_invariants();
        Ok(())
    }
}

/// A log that ends well says so: from then on each of its groups must be there.
impl Drop for FileLog {
    fn drop(&mut self) {
        let told = self.found.reached.next == self.found.next; // mutant end-untold: let told = true;
        if self.files.is_some() && !told {
            // If this fails, the next start finds what a kill would have left.
            let _ = self.change(|_, _| Ok(()));
        }
    }
}

impl Log for FileLog {
    fn append(&mut self, group: &[Append]) -> Result<Appended, AppendError> {
        self.files()?;
        let mut heads = self.found.heads.clone();
        let items = admit(&mut heads, group);
        let blobs: Vec<_> =
            group.iter().zip(&items).filter(|(_, item)| item.is_ok()).map(|(append, _)| append).collect();
        if blobs.is_empty() {
            return Ok(Appended { group: None, items });
        }
        self.take_cut()?;
        self.commit(&blobs)?;
        let group = self.found.next;
        self.found.heads = heads;
        self.found.next.0 += 1;
        self.pair.durable.store(self.found.next.0, Ordering::Release);
        self.assert_invariants();
        Ok(Appended { group: Some(group), items })
    }

    fn take_up(&mut self, shards: &[ShardId]) -> Result<Vec<Head>, StoreError> {
        let mut heads = self.found.heads.clone();
        let mut taken = Vec::with_capacity(shards.len());
        for shard in shards {
            let head = heads.get_mut(shard.0 as usize).expect("a shard is below the number of shards");
            head.epoch.0 += 1;
            taken.push((*shard, *head));
        }
        self.change(|transaction, sealer| {
            let mut table = transaction.open_table(HEADS)?;
            taken.iter().try_for_each(|(shard, head)| put_head(&mut table, sealer, *shard, *head))
        })?;
        self.found.heads = heads;
        Ok(taken.into_iter().map(|(_, head)| head).collect())
    }

    fn tail(&self, of: &dyn Fn(ShardId) -> bool, each: &mut dyn FnMut(LogEntry)) -> Result<(), StoreError> {
        let Files { db, groups } = &*self.files()?;
        let runs = guard(LOG_FILE, || runs(&db.begin_read()?, self.sealer))?;
        groups.walk(self.sealer, &runs, Some(self.found.next), &mut |found, reader| {
            group::read(self.sealer, found.number, &found.entries, reader.blobs(found)?, of, each)?;
            Ok(true)
        })
    }

    fn next_group(&self) -> GroupId {
        self.found.next
    }

    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn cut(&mut self, below: GroupId) -> Result<(), StoreError> {
        let swept = GroupId(self.pair.swept.load(Ordering::Acquire));
        if below > swept {
            return Err(StoreError::NotSwept { below, swept });
        }
        self.cut_asked = self.cut_asked.max(below); // mutant cut-one-too-far: self.cut_asked = self.cut_asked.max(GroupId(below.0 + 1));
        self.assert_invariants();
        Ok(())
    }

    fn cut_now(&mut self) -> Result<(), StoreError> {
        self.files()?;
        self.take_cut()
    }

    fn has_room(&mut self) -> bool {
        self.pair.room.refill()
    }

    fn still_mine(&self, shard: ShardId, epoch: Epoch) -> bool {
        let head = self.found.heads.get(shard.0 as usize);
        self.files.is_some() && head.is_some_and(|head| head.epoch == epoch && epoch.0 > 0)
    }
}

/// Reads and proves what the files hold, but for blobs: those are proven when the tail is read.
pub(super) fn find(db: &Database, groups: &Groups, sealer: Sealer, shards: u32) -> Result<Found, StoreError> {
    let (heads, runs, reached) = guard(LOG_FILE, || {
        let transaction = db.begin_read()?;
        let mut heads = vec![Head::default(); shards as usize];
        for (shard, head) in stored_heads(&transaction.open_table(HEADS)?, sealer)? {
            *heads.get_mut(shard.0 as usize).ok_or_else(|| no_head(shard))? = head;
        }
        let reached = Reach::read(LOG_FILE, &transaction.open_table(META)?, sealer, REACHED)?;
        Ok((heads, runs(&transaction, sealer)?, reached))
    })?;
    let mut fold = Fold::new(heads);
    let mut changes_known = 0;
    let (space, next) = groups.find(sealer, &runs, &mut |found| {
        changes_known = changes_known.max(found.changes);
        found.entries.iter().try_for_each(|entry| fold.entry(found.number, entry))
    })?;
    let cut = GroupId(next.0 - space.groups() as u64);
    Ok(Found { heads: fold.finish()?, cut, lowest: cut, next, reached, changes_known, space })
}

/// Moves the stored heads on by the groups, and finds what does not follow.
struct Fold {
    stored: Vec<Head>,
    /// Where the last blob seen of each shard ended.
    ends: Vec<Option<(Epoch, Position)>>,
}

impl Fold {
    fn new(stored: Vec<Head>) -> Self {
        Fold { ends: vec![None; stored.len()], stored }
    }

    fn entry(&mut self, number: GroupId, entry: &group::Entry) -> Result<(), StoreError> {
        let wrong = |detail| StoreError::Corrupt { place: Place::Blob(number, entry.shard), detail };
        let shard = entry.shard.0 as usize;
        let (Some(head), Some(end)) = (self.stored.get(shard), self.ends.get_mut(shard)) else {
            return Err(wrong("no such shard".to_owned()));
        };
        let follows = match *end {
            // Stored heads are at or beyond where the groups that are left begin.
            None => entry.first <= head.next,
            Some((epoch, next)) => entry.first == next && entry.epoch >= epoch,
        };
        if !follows || entry.epoch > head.epoch || entry.next < entry.first {
            return Err(wrong(format!("position {} does not follow what came before", entry.first.0)));
        }
        *end = Some((entry.epoch, entry.next));
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Head>, StoreError> {
        for (shard, (head, end)) in self.stored.iter_mut().zip(self.ends).enumerate() {
            let Some((_, next)) = end else { continue };
            if next < head.next {
                let detail = format!("the log ends at position {}, before {}", next.0, head.next.0);
                return Err(StoreError::Corrupt { place: Place::Head(ShardId(shard as u32)), detail });
            }
            head.next = next;
        }
        Ok(self.stored)
    }
}
