//! The log in `log.redb`: one value per group, and heads that are written only when the groups that prove them go.
//!
//! The heads in memory are the truth while the directory is locked. On disk a head is a row of `heads`, written
//! when its shard is taken up and, all together, when the log is cut; the groups that follow move it on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use nigh_proto::shards::{Epoch, Position, ShardId};
use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition};

use super::files::{File, LOG_FILE};
use super::meta::{Fault, META, group as meta_group, guard, ours, put_group};
use super::room::is_full;
use super::seal::{Sealer, check, part};
use super::{Pair, group};
use crate::store::{Append, AppendError, Appended, GroupId, Head, Log, LogEntry, Place, StoreError, admit};

/// Group → its bytes.
pub(super) const GROUPS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
/// Shard → epoch, next position, seal.
pub(super) const HEADS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("heads");
/// Name in `meta` of the group below which all was cut.
pub(super) const CUT: &str = "cut";

/// Of so many appends one removes groups, which writes pages of its own; and the first after a cut was asked.
const CUT_EACH: u64 = 8;
/// Groups removed with it: more than were appended since, so that a cut catches up with the appends that go on; few, so
/// that no caller waits for it.
const CUT_PER_APPEND_MAX: usize = 16;

/// Groups removed in one transaction when nobody waits.
const CUT_AT_ONCE_MAX: usize = 1024;

/// What a file of the log holds, proven.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) heads: Vec<Head>,
    /// All below were cut.
    pub(super) cut: GroupId,
    /// The lowest still in the file.
    lowest: GroupId,
    pub(super) next: GroupId,
    /// Of the groups from `lowest` on.
    sizes: VecDeque<u64>,
}

impl Found {
    /// Groups that were not cut, and their bytes.
    pub(super) fn kept(&self) -> (u64, u64) {
        let cut = self.cut.0.saturating_sub(self.lowest.0) as usize;
        let sizes = self.sizes.iter().skip(cut);
        (sizes.len() as u64, sizes.sum())
    }
}

/// [`Log`] in a redb file.
pub(super) struct RedbLog {
    /// `None` once closed by an error. Shared with those who begin to read it.
    db: Option<Arc<Database>>,
    file: File,
    sealer: Sealer,
    found: Found,
    /// The cut that was asked; `found.cut` is taken up to there unless a copy begins in this moment.
    cut_asked: GroupId,
    /// The cut that is durable.
    cut_stored: GroupId,
    pair: Arc<Pair>,
}

impl RedbLog {
    pub(super) fn new(db: Database, file: File, sealer: Sealer, found: Found, pair: Arc<Pair>) -> Self {
        let db = Arc::new(db);
        pair.reading().clone_from(&Arc::downgrade(&db));
        let (cut_asked, cut_stored) = (found.cut, found.cut);
        let log = RedbLog { db: Some(db), file, sealer, cut_asked, cut_stored, found, pair };
        log.assert_invariants();
        log
    }

    fn assert_invariants(&self) {
        let Found { cut, lowest, next, sizes, .. } = &self.found;
        debug_assert!(lowest <= next && cut <= next, "groups {} to {}", lowest.0, next.0);
        debug_assert!(self.cut_stored <= *cut && *cut <= self.cut_asked);
        debug_assert_eq!(sizes.len() as u64, next.0 - lowest.0);
    }

    /// Moves the cut to where it was asked, unless a copy begins: it reads the state first, and what was swept after
    /// that must be in the log it reads then. No append waits for it; the cut moves with a later one.
    fn take_cut(&mut self) {
        #[rustfmt::skip]
        let free = self.pair.is_unread(); // mutant cut-beside-copy: let free = true;
        if free {
            self.found.cut = self.cut_asked;
        }
    }

    /// Removes up to `max` groups below the cut, and makes the cut itself durable with the first. Returns how many.
    fn cut_some(&self, tables: &mut Tables<'_>, heads: &[Head], max: usize) -> Result<usize, Fault> {
        let Found { cut, lowest, .. } = self.found;
        if cut > self.cut_stored {
            // The groups that prove these heads go: from now on the rows do.
            for (shard, head) in heads.iter().enumerate() {
                let taken = head.epoch.0 > 0; // mutant cut-loses-heads: let taken = false;
                if !taken {
                    continue;
                }
                put_head(&mut tables.heads, self.sealer, ShardId(shard as u32), *head)?;
            }
            put_group(&mut tables.meta, self.sealer, CUT, cut)?;
        }
        let end = cut.0.min(lowest.0.saturating_add(max as u64)).max(lowest.0);
        for group in lowest.0..end {
            tables.groups.remove(group)?;
        }
        Ok((end - lowest.0) as usize)
    }

    /// After the transaction of [`cut_some`](Self::cut_some) is durable.
    fn was_cut(&mut self, removed: usize) {
        self.cut_stored = self.found.cut;
        self.found.lowest.0 += removed as u64;
        self.found.sizes.drain(..removed);
    }

    /// Writes a group with all that rides along. Returns its size and how many old groups went.
    fn commit(&self, db: &Database, blobs: &[&Append], heads: &[Head]) -> Result<(usize, usize), StoreError> {
        guard(LOG_FILE, || {
            // As long as somebody reads what was before, redb frees it with the next commit, not in a second one behind this.
            let _reader = db.begin_read()?;
            #[rustfmt::skip]
            let transaction = db.begin_write()?; // mutant append-not-durable: let transaction = { let mut lazy = db.begin_write()?; lazy.set_durability(redb::Durability::None)?; lazy };
            let size = group::size(blobs.iter().copied());
            let mut tables = Tables::open(&transaction)?;
            {
                let mut place = tables.groups.insert_reserve(self.found.next.0, size)?;
                group::write(self.sealer, self.found.next, blobs, place.as_mut());
            }
            let cuts = self.found.cut > self.cut_stored || self.found.next.0.is_multiple_of(CUT_EACH); // mutant cut-once: let cuts = self.found.cut > self.cut_stored;
            let removed = if cuts { self.cut_some(&mut tables, heads, CUT_PER_APPEND_MAX)? } else { 0 };
            drop(tables);
            transaction.commit()?; // mutant append-not-committed: transaction.abort()?;
            Ok((size, removed))
        })
    }

    /// After a failed transaction: the log is closed, unless the disk was just full and the file proves that nothing of it
    /// is in there.
    fn failed(&mut self, error: StoreError) -> StoreError {
        let full = self.file.gate.is_full();
        {
            // Whoever begins to read it has let go of it.
            let _held = self.pair.reading();
            self.db = None; // mutant log-open-in-doubt: self.db = self.db.take();
        }
        if full && self.reopen().is_ok() { StoreError::Full } else { error }
    }

    /// Its gate is open: what is written reaches the disk. After a full disk this is where room is needed first.
    fn ready(&mut self) -> Result<Arc<Database>, StoreError> {
        let db = self.db.clone().ok_or(StoreError::Closed)?;
        let ready = self.file.gate.is_released(); // mutant log-behind-closed-gate: let ready = true;
        if ready {
            return Ok(db);
        }
        match self.file.gate.release() {
            Ok(()) => Ok(db),
            Err(error) if is_full(&error) => Err(StoreError::Full),
            Err(error) => {
                drop(db);
                Err(self.failed(StoreError::Io(error)))
            }
        }
    }

    /// Opens the file again, its gate closed: that takes no room. Only a disk that was full, without a failed sync, leaves a
    /// page cache to be believed.
    fn reopen(&mut self) -> Result<(), StoreError> {
        let (file, db) = self.file.again()?;
        let shards = self.found.heads.len() as u32;
        let found = find(&db, self.sealer, shards)?;
        if found.next != self.found.next || found.heads != self.found.heads {
            return Err(StoreError::Closed);
        }
        self.cut_stored = found.cut;
        let cut = self.found.cut;
        self.found = Found { cut, ..found };
        let db = Arc::new(db);
        self.pair.reading().clone_from(&Arc::downgrade(&db));
        (self.db, self.file) = (Some(db), file);
        self.assert_invariants();
        Ok(())
    }
}

impl Log for RedbLog {
    fn append(&mut self, group: &[Append]) -> Result<Appended, AppendError> {
        self.take_cut();
        let db = self.ready().map_err(AppendError::from)?;
        let mut heads = self.found.heads.clone();
        let items = admit(&mut heads, group);
        let blobs: Vec<_> =
            group.iter().zip(&items).filter(|(_, item)| item.is_ok()).map(|(append, _)| append).collect();
        if blobs.is_empty() {
            return Ok(Appended { group: None, items });
        }
        let committed = self.commit(&db, &blobs, &heads);
        drop(db);
        match committed {
            Ok((size, removed)) => {
                let group = self.found.next;
                self.found.heads = heads;
                self.found.next.0 += 1;
                self.found.sizes.push_back(size as u64);
                self.was_cut(removed);
                self.pair.durable.store(self.found.next.0, Ordering::Release);
                self.assert_invariants();
                Ok(Appended { group: Some(group), items })
            }
            Err(error) => Err(self.failed(error).into()),
        }
    }

    fn take_up(&mut self, shards: &[ShardId]) -> Result<Vec<Head>, StoreError> {
        let db = self.ready()?;
        let mut heads = self.found.heads.clone();
        let taken = guard(LOG_FILE, || {
            let transaction = db.begin_write()?;
            let mut taken = Vec::with_capacity(shards.len());
            let mut table = transaction.open_table(HEADS)?;
            for shard in shards {
                let head = heads.get_mut(shard.0 as usize).expect("a shard is below the number of shards");
                head.epoch.0 += 1;
                put_head(&mut table, self.sealer, *shard, *head)?;
                taken.push(*head);
            }
            drop(table);
            transaction.commit()?; // mutant take-up-not-committed: transaction.abort()?;
            Ok(taken)
        });
        drop(db);
        let taken = taken.map_err(|error| self.failed(error))?;
        self.found.heads = heads;
        Ok(taken)
    }

    fn tail(&self, of: &dyn Fn(ShardId) -> bool, each: &mut dyn FnMut(LogEntry)) -> Result<(), StoreError> {
        let db = self.db.as_ref().ok_or(StoreError::Closed)?;
        let mut read = || {
            let groups = db.begin_read()?.open_table(GROUPS)?;
            for number in self.found.cut.0..self.found.next.0 {
                let missing = || {
                    let detail = "missing".to_owned();
                    Fault::Store(StoreError::Corrupt { place: Place::Group(GroupId(number)), detail })
                };
                let stored = groups.get(number)?.ok_or_else(missing)?;
                ours(group::read(self.sealer, GroupId(number), stored.value(), of, each))?;
            }
            Ok(())
        };
        guard(LOG_FILE, &mut read)
    }

    fn next_group(&self) -> GroupId {
        self.found.next
    }

    fn size_bytes(&self) -> u64 {
        self.found.sizes.iter().sum()
    }

    fn cut(&mut self, below: GroupId) -> Result<(), StoreError> {
        let swept = GroupId(self.pair.swept.load(Ordering::Acquire));
        if below > swept {
            return Err(StoreError::NotSwept { below, swept });
        }
        let cut = self.cut_asked.max(below); // mutant cut-one-too-far: let cut = self.cut_asked.max(GroupId(below.0 + 1));
        self.cut_asked = cut;
        self.take_cut();
        self.assert_invariants();
        Ok(())
    }

    fn cut_now(&mut self) -> Result<(), StoreError> {
        self.take_cut();
        while self.found.cut > self.cut_stored || self.found.lowest < self.found.cut {
            let db = self.ready()?;
            let removed = guard(LOG_FILE, || {
                let transaction = db.begin_write()?;
                let mut tables = Tables::open(&transaction)?;
                let removed = self.cut_some(&mut tables, &self.found.heads, CUT_AT_ONCE_MAX)?;
                drop(tables);
                transaction.commit()?;
                Ok(removed)
            });
            drop(db);
            let removed = removed.map_err(|error| self.failed(error))?;
            self.was_cut(removed);
        }
        self.assert_invariants();
        Ok(())
    }

    fn has_room(&mut self) -> bool {
        self.pair.room.refill()
    }

    fn still_mine(&self, shard: ShardId, epoch: Epoch) -> bool {
        let head = self.found.heads.get(shard.0 as usize);
        self.db.is_some() && head.is_some_and(|head| head.epoch == epoch && epoch.0 > 0)
    }
}

/// Those of one write transaction.
struct Tables<'a> {
    groups: Table<'a, u64, &'static [u8]>,
    heads: Table<'a, u32, &'static [u8]>,
    meta: Table<'a, &'static str, &'static [u8]>,
}

impl<'a> Tables<'a> {
    fn open(transaction: &'a redb::WriteTransaction) -> Result<Self, Fault> {
        Ok(Tables {
            groups: transaction.open_table(GROUPS)?,
            heads: transaction.open_table(HEADS)?,
            meta: transaction.open_table(META)?,
        })
    }
}

pub(super) fn put_head(
    table: &mut Table<'_, u32, &'static [u8]>,
    sealer: Sealer,
    shard: ShardId,
    head: Head,
) -> Result<(), Fault> {
    let mut value = [0; 24];
    value[..8].copy_from_slice(&head.epoch.0.to_le_bytes());
    value[8..16].copy_from_slice(&head.next.0.to_le_bytes());
    let seal = sealer.head(shard, &value[..16]);
    value[16..].copy_from_slice(&seal);
    table.insert(shard.0, &value[..])?;
    Ok(())
}

/// Reads and proves what the file holds, blobs apart: those are proven when the tail is read.
pub(super) fn find(db: &Database, sealer: Sealer, shards: u32) -> Result<Found, StoreError> {
    guard(LOG_FILE, || {
        let transaction = db.begin_read()?;
        let mut rows = vec![Head::default(); shards as usize];
        for (shard, head) in stored_heads(&transaction.open_table(HEADS)?, sealer)? {
            *rows.get_mut(shard.0 as usize).ok_or_else(|| no_head(shard))? = head;
        }
        let cut = meta_group(LOG_FILE, &transaction.open_table(META)?, sealer, CUT)?;
        let mut fold = Fold::new(rows);
        let (mut lowest, mut next, mut sizes) = (None, cut, VecDeque::new());
        for stored in transaction.open_table(GROUPS)?.range::<u64>(..)? {
            let (number, bytes) = stored?;
            let number = GroupId(number.value());
            let first = *lowest.get_or_insert(number);
            let expected = if first == number { number.min(cut) } else { next };
            if number != expected {
                let detail = format!("missing; group {} follows", number.0);
                return Err(Fault::Store(StoreError::Corrupt { place: Place::Group(expected), detail }));
            }
            let (entries, _) = ours(group::contents(sealer, number, bytes.value()))?;
            let counts = number >= cut; // mutant first-group-not-folded: let counts = number > cut;
            if counts {
                entries.iter().try_for_each(|entry| ours(fold.entry(number, entry)))?;
            }
            sizes.push_back(bytes.value().len() as u64);
            next = GroupId(number.0 + 1);
        }
        let lowest = lowest.unwrap_or(cut);
        let lost = next < cut; // The last of those below the cut went before others did.
        if lost {
            let detail = format!("missing, below the cut at {}", cut.0);
            return Err(Fault::Store(StoreError::Corrupt { place: Place::Group(next), detail }));
        }
        Ok(Found { heads: ours(fold.finish())?, cut, lowest, next, sizes })
    })
}

/// The rows of heads, each proven.
pub(super) fn stored_heads(
    table: &impl ReadableTable<u32, &'static [u8]>,
    sealer: Sealer,
) -> Result<Vec<(ShardId, Head)>, Fault> {
    let mut heads = Vec::new();
    for stored in table.range::<u32>(..)? {
        let (shard, stored) = stored?;
        let shard = ShardId(shard.value());
        let place = || Place::Head(shard);
        let (value, seal) = ours(part(stored.value(), place))?;
        ours(check(seal, sealer.head(shard, value), place))?;
        let Ok::<[u8; 16], _>(value) = value.try_into() else { return Err(no_head(shard)) };
        let [epoch, next] = [&value[..8], &value[8..]]
            .map(|half| u64::from_le_bytes(half.try_into().expect("half of 16 bytes")));
        heads.push((shard, Head { epoch: Epoch(epoch), next: Position(next) }));
    }
    Ok(heads)
}

fn no_head(shard: ShardId) -> Fault {
    let detail = "no such shard, or no head".to_owned();
    Fault::Store(StoreError::Corrupt { place: Place::Head(shard), detail })
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
