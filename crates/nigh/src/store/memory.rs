//! A store that ends with its process: for tests, for simulations, and for `--memory`.
//!
//! It answers as the one on disk does, down to what is fenced. What it holds survives [`MemoryStore::open`], as a
//! disk survives a crash; handles of an earlier opening are then closed, as a dead process is.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nigh_proto::shards::{Epoch, Position, ShardId};
use nigh_wire::Bytes;

use super::{
    Append, AppendError, Appended, FORMAT_VERSION, GroupId, Head, Log, LogEntry, Meta, Opened,
    ROW_KEY_SIZE_MAX, ROWS_PER_WRITE_MAX, RowWrite, Rows, StoreError, StoredRow, admit,
};

/// A new store in memory, open.
///
/// # Panics
///
/// No shards.
pub fn memory(shards: u32) -> Opened {
    MemoryStore::new(shards, 0).open()
}

/// What survives when its handles are dropped. Clones are the same store.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    meta: Meta,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Counts openings: only handles of the last one work.
    opening: u64,
    heads: Vec<Head>,
    /// Shared with those who read the log while it is cut.
    groups: BTreeMap<GroupId, Arc<[LogEntry]>>,
    /// Bytes of their blobs.
    size: u64,
    next: GroupId,
    cut: GroupId,
    swept: GroupId,
    /// By shard.
    rows: Vec<BTreeMap<Bytes, StoredRow>>,
    high: BTreeMap<ShardId, Position>,
}

impl MemoryStore {
    /// An empty one.
    ///
    /// # Panics
    ///
    /// No shards.
    pub fn new(shards: u32, incarnation: u128) -> Self {
        assert!(shards > 0, "a store has at least one shard");
        let kept = Kept {
            heads: vec![Head::default(); shards as usize],
            rows: vec![BTreeMap::new(); shards as usize],
            next: GroupId(1),
            cut: GroupId(1),
            swept: GroupId(1),
            ..Kept::default()
        };
        let meta = Meta { format_version: FORMAT_VERSION, incarnation, shards, restored: None, copy: false };
        MemoryStore { meta, kept: Arc::new(Mutex::new(kept)) }
    }

    /// Opens it. All earlier handles are closed.
    pub fn open(&self) -> Opened {
        let opening = {
            let mut kept = lock(&self.kept);
            kept.opening += 1;
            kept.opening
        };
        self.opened(Some(opening))
    }

    /// Opens it beside other handles, as another process of a cluster would: whoever took a shard up last has it.
    /// Rows of a shard that was taken up elsewhere since are refused, as its log is (R8).
    pub fn open_beside(&self) -> Opened {
        self.opened(None)
    }

    fn opened(&self, opening: Option<u64>) -> Opened {
        let (cut, swept) = {
            let kept = lock(&self.kept);
            (kept.cut, kept.swept)
        };
        let handle = Handle { opening, kept: self.kept.clone(), taken: Arc::default(), cut };
        Opened { log: Box::new(handle.clone()), rows: Arc::new(handle), meta: self.meta, swept, copier: None }
    }

    /// Whether nobody has taken the shard up since `epoch` (R7).
    pub fn still_mine(&self, shard: ShardId, epoch: Epoch) -> bool {
        still_mine(&lock(&self.kept), shard, epoch)
    }
}

/// Each change is complete before the lock is let go, so a panic elsewhere leaves nothing half done.
fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone)]
struct Handle {
    /// `None`: opened beside others.
    opening: Option<u64>,
    kept: Arc<Mutex<Kept>>,
    /// Shards taken up by this handle, and under which epoch.
    taken: Arc<Mutex<BTreeMap<ShardId, Epoch>>>,
    /// Where it cuts the log with its next append.
    cut: GroupId,
}

fn still_mine(kept: &Kept, shard: ShardId, epoch: Epoch) -> bool {
    kept.heads.get(shard.0 as usize).is_some_and(|head| head.epoch == epoch && epoch.0 > 0)
}

impl Handle {
    fn kept(&self) -> Result<MutexGuard<'_, Kept>, StoreError> {
        let kept = lock(&self.kept);
        if self.opening.is_none_or(|opening| kept.opening == opening) {
            Ok(kept)
        } else {
            Err(StoreError::Closed)
        }
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<ShardId, Epoch>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if this handle may write rows of the shard.
    fn may_write(&self, kept: &Kept, shard: ShardId) -> bool {
        self.opening.is_some()
            || self.taken().get(&shard).is_some_and(|epoch| still_mine(kept, shard, *epoch))
    }
}

impl Kept {
    fn cut_below(&mut self, cut: GroupId) {
        if cut > self.cut {
            self.cut = cut;
            self.groups = self.groups.split_off(&cut);
            self.size = self.groups.values().map(|entries| size_of(entries)).sum();
        }
    }
}

fn size_of(entries: &[LogEntry]) -> u64 {
    entries.iter().map(|entry| entry.blob.len() as u64).sum()
}

impl Log for Handle {
    fn append(&mut self, group: &[Append]) -> Result<Appended, AppendError> {
        let mut kept = self.kept().map_err(AppendError::InDoubt)?;
        let items = admit(&mut kept.heads, group);
        let number = kept.next;
        let entry = |append: &Append| LogEntry {
            group: number,
            shard: append.shard,
            epoch: append.epoch,
            first: append.first,
            next: append.next,
            // A copy: a slice would keep the caller's whole buffer alive.
            blob: nigh_wire::copied(&append.blob),
        };
        let admitted = group.iter().zip(&items).filter(|(_, item)| item.is_ok());
        let entries: Vec<_> = admitted.map(|(append, _)| entry(append)).collect();
        if entries.is_empty() {
            return Ok(Appended { group: None, items });
        }
        kept.size += size_of(&entries);
        kept.groups.insert(number, entries.into());
        kept.next.0 += 1;
        kept.cut_below(self.cut);
        Ok(Appended { group: Some(number), items })
    }

    fn take_up(&mut self, shards: &[ShardId]) -> Result<Vec<Head>, StoreError> {
        let mut kept = self.kept()?;
        let take = |shard: &ShardId| {
            let head = kept.heads.get_mut(shard.0 as usize).expect("a shard is below the number of shards");
            head.epoch.0 += 1;
            *head
        };
        let heads: Vec<Head> = shards.iter().map(take).collect();
        self.taken().extend(shards.iter().zip(&heads).map(|(shard, head)| (*shard, head.epoch)));
        Ok(heads)
    }

    fn tail(&self, of: &dyn Fn(ShardId) -> bool, each: &mut dyn FnMut(LogEntry)) -> Result<(), StoreError> {
        // Not under the lock, so that `each` may use the store.
        let groups: Vec<_> = self.kept()?.groups.range(self.cut..).map(|(_, group)| group.clone()).collect();
        let entries = groups.iter().flat_map(|entries| entries.iter());
        entries.filter(|entry| of(entry.shard)).cloned().for_each(each);
        Ok(())
    }

    fn next_group(&self) -> GroupId {
        lock(&self.kept).next
    }

    fn size_bytes(&self) -> u64 {
        lock(&self.kept).size
    }

    fn cut(&mut self, below: GroupId) -> Result<(), StoreError> {
        let swept = self.kept()?.swept;
        if below > swept {
            return Err(StoreError::NotSwept { below, swept });
        }
        self.cut = self.cut.max(below);
        Ok(())
    }

    fn cut_now(&mut self) -> Result<(), StoreError> {
        self.kept()?.cut_below(self.cut);
        Ok(())
    }

    fn still_mine(&self, shard: ShardId, epoch: Epoch) -> bool {
        self.kept().is_ok_and(|kept| still_mine(&kept, shard, epoch))
    }
}

impl Rows for Handle {
    fn read(&self, shard: ShardId, key: &[u8]) -> Result<Option<StoredRow>, StoreError> {
        Ok(self.kept()?.rows.get(shard.0 as usize).and_then(|rows| rows.get(key)).cloned())
    }

    fn write(&self, rows: &[RowWrite]) -> Result<(), StoreError> {
        assert!(rows.len() <= ROWS_PER_WRITE_MAX, "{} rows in one transaction", rows.len());
        let mut kept = self.kept()?;
        let foreign = rows.iter().any(|row| !self.may_write(&kept, row.shard)); // mutant rows-of-others-written: let foreign = false;
        if foreign {
            return Err(StoreError::Closed);
        }
        for RowWrite { shard, key, position, value } in rows {
            assert!((shard.0 as usize) < kept.heads.len(), "a shard is below the number of shards");
            assert!(key.len() <= ROW_KEY_SIZE_MAX, "a key of {} bytes", key.len());
            let of_shard = &mut kept.rows[shard.0 as usize];
            match value {
                Some(value) => {
                    // Copies: slices would keep the caller's whole buffers alive.
                    let (key, value) = (nigh_wire::copied(key), nigh_wire::copied(value));
                    of_shard.insert(key, StoredRow { position: *position, value });
                }
                None => {
                    of_shard.remove(key);
                }
            }
            let high = kept.high.entry(*shard).or_insert(*position);
            *high = (*high).max(*position);
        }
        Ok(())
    }

    fn scan(
        &self,
        shard: ShardId,
        prefix: &[u8],
        from: Bound<&[u8]>,
        limit: usize,
        each: &mut dyn FnMut(&[u8], StoredRow),
    ) -> Result<(), StoreError> {
        let start = match from {
            Bound::Included(key) if key > prefix => from,
            Bound::Excluded(key) if key >= prefix => from,
            _ => Bound::Included(prefix),
        };
        let kept = self.kept()?;
        let Some(of_shard) = kept.rows.get(shard.0 as usize) else { return Ok(()) };
        let range = of_shard.range::<[u8], _>((start, Bound::Unbounded));
        let within = range.take_while(|(key, _)| key.starts_with(prefix));
        // Copied, so that `each` may use the store.
        let found: Vec<_> = within.take(limit).map(|(key, row)| (key.clone(), row.clone())).collect();
        drop(kept);
        found.into_iter().for_each(|(key, row)| each(&key, row));
        Ok(())
    }

    fn high(&self) -> Result<BTreeMap<ShardId, Position>, StoreError> {
        Ok(self.kept()?.high.clone())
    }

    fn swept(&self, below: GroupId) -> Result<(), StoreError> {
        let mut kept = self.kept()?;
        kept.swept = kept.swept.max(below);
        Ok(())
    }
}
