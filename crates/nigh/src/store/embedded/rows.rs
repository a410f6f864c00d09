//! The rows in `state.redb`: (shard, key) → position, seal, value.
//!
//! Every transaction is durable and small, with quick repair: it also says how far the log was durable when it was
//! written, so that an older log beside it is found, and opening needs no walk through the whole file. A file that met
//! a full disk is opened anew, and whoever reads it then reads once more.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use nigh_proto::shards::{Position, ShardId};
use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction,
};

use super::Pair;
use super::files::{File, STATE_FILE};
use super::meta::{Fault, META, guard, ours, put_group};
use super::room::is_full;
use super::seal::{SEAL_SIZE, Sealer, check, part};
use crate::store::{
    GroupId, Place, ROW_KEY_SIZE_MAX, ROWS_PER_WRITE_MAX, RowWrite, Rows, StoreError, StoredRow,
};

/// Shard and key → row.
pub(super) const ROWS: TableDefinition<'_, (u32, &[u8]), &[u8]> = TableDefinition::new("rows");
/// Shard → highest position, seal.
pub(super) const HIGH: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("high");
/// Name in `meta` of how far the log had come when the last rows were written.
pub(super) const SEEN: &str = "seen";
/// Name in `meta` of the group below which all is in the rows.
pub(super) const SWEPT: &str = "swept";

/// Position and seal, before the value.
const START_SIZE: usize = 8 + SEAL_SIZE;

/// [`Rows`] in a redb file.
pub(super) struct RedbRows {
    held: RwLock<Held>,
    sealer: Sealer,
    shards: u32,
    /// A write failed: no other is tried.
    closed: AtomicBool,
    pair: Arc<Pair>,
}

/// The file, open.
struct Held {
    /// `None` if it could not be opened again.
    db: Option<Database>,
    file: File,
    /// How often it was opened again.
    times: u64,
}

impl Held {
    fn db(&self) -> Result<&Database, StoreError> {
        self.db.as_ref().ok_or(StoreError::Closed)
    }

    /// Its gate is open: what is written reaches the disk. After a full disk this is where room is needed first.
    fn ready(&self) -> Result<&Database, StoreError> {
        let ready = self.file.gate.is_released(); // mutant rows-behind-closed-gate: let ready = true;
        if !ready {
            self.file.gate.release().map_err(|error| match is_full(&error) {
                true => StoreError::Full,
                false => StoreError::Io(error),
            })?;
        }
        self.db()
    }
}

impl RedbRows {
    pub(super) fn new(db: Database, file: File, sealer: Sealer, shards: u32, pair: Arc<Pair>) -> Self {
        let held = RwLock::new(Held { db: Some(db), file, times: 0 });
        RedbRows { held, sealer, shards, closed: AtomicBool::new(false), pair }
    }

    /// What it shares with the log.
    pub(super) fn pair(&self) -> &Arc<Pair> {
        &self.pair
    }

    /// Reads the file. Once more, if a full disk came between: redb then answers nobody.
    pub(super) fn reading<T>(
        &self,
        read: impl Fn(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        loop {
            let held = self.held();
            let times = held.times;
            let done = held.db().and_then(&read);
            drop(held);
            let again = done.is_err() && self.reopened(times); // mutant full-rows-unread: let again = false;
            if !again {
                return done;
            }
        }
    }

    /// As [`reading`](Self::reading), and not once more.
    pub(super) fn read_once<T>(
        &self,
        read: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.held().db().and_then(read)
    }

    /// Whoever panicked has left it as it was.
    fn held(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the file again if it met a full disk and nothing worse; nothing of what was under way is in it then, since redb
    /// writes the page that makes it count last. Its gate stays closed: that takes no room. True if it is another since
    /// it had been opened so often.
    fn reopened(&self, times: u64) -> bool {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.times == times && held.file.gate.is_full() {
            held.db = None;
            if let Ok((file, db)) = held.file.again() {
                *held = Held { db: Some(db), file, times: times + 1 };
            }
        }
        held.times != times
    }

    /// One durable transaction; the file is closed for writing by its failure, unless the disk was just full.
    fn transact(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<(), Fault>,
    ) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        // What room is left is for commits.
        let full = !self.pair.room.refill(); // mutant rows-take-last-room: let full = false;
        if full {
            return Err(StoreError::Full);
        }
        let held = self.held();
        let times = held.times;
        let done = held.ready().and_then(|db| self.commit(db, change));
        drop(held);
        match done {
            Err(StoreError::Full) => return done,
            Err(_) if self.reopened(times) => return Err(StoreError::Full),
            _ => {}
        }
        let failed = done.is_err(); // mutant rows-open-in-doubt: let failed = false;
        if failed {
            self.closed.store(true, Ordering::Release);
        }
        done
    }

    fn commit(
        &self,
        db: &Database,
        change: impl FnOnce(&WriteTransaction) -> Result<(), Fault>,
    ) -> Result<(), StoreError> {
        guard(STATE_FILE, || {
            // As in the log: redb frees with the next commit what this leaves behind.
            let _reader = db.begin_read()?;
            let mut transaction = db.begin_write()?;
            transaction.set_quick_repair(true);
            let seen = self.pair.reach(); // mutant seen-not-raised: let seen = super::Reach::START;
            seen.put(&mut transaction.open_table(META)?, self.sealer, SEEN)?;
            change(&transaction)?;
            transaction.commit()?;
            Ok(())
        })
    }
}

fn open_row(sealer: Sealer, shard: ShardId, key: &[u8], stored: &[u8]) -> Result<StoredRow, Fault> {
    let place = || Place::Row(shard, key.to_vec());
    let Some((start, value)) = stored.split_first_chunk::<START_SIZE>() else {
        let detail = format!("{} bytes are too few", stored.len());
        return Err(Fault::Store(StoreError::Corrupt { place: place(), detail }));
    };
    let position = Position(u64::from_le_bytes(start[..8].try_into().expect("8 of 16 bytes")));
    let seal = start[8..].try_into().expect("a row starts with position and seal");
    ours(check(seal, sealer.row(shard, key, position, value), place))?;
    Ok(StoredRow { position, value: Bytes::copy_from_slice(value) })
}

/// Proves each row. How many there are, and the bytes of their values.
pub(super) fn verify(db: &Database, sealer: Sealer) -> Result<(u64, u64), StoreError> {
    guard(STATE_FILE, || {
        let (mut count, mut size) = (0, 0);
        for stored in db.begin_read()?.open_table(ROWS)?.iter()? {
            let (at, stored) = stored?;
            let (shard, key) = at.value();
            let value = open_row(sealer, ShardId(shard), key, stored.value())?.value.len(); // mutant verify-rows-unproven: let value = stored.value().len() - START_SIZE;
            count += 1;
            size += value as u64;
        }
        Ok((count, size))
    })
}

impl Rows for RedbRows {
    fn read(&self, shard: ShardId, key: &[u8]) -> Result<Option<StoredRow>, StoreError> {
        self.reading(|db| guard(STATE_FILE, || one_row(&db.begin_read()?, self.sealer, shard, key)))
    }

    fn write(&self, rows: &[RowWrite]) -> Result<(), StoreError> {
        assert!(rows.len() <= ROWS_PER_WRITE_MAX, "{} rows in one transaction", rows.len());
        for row in rows {
            assert!(row.shard.0 < self.shards, "a shard is below the number of shards");
            assert!(row.key.len() <= ROW_KEY_SIZE_MAX, "a key of {} bytes", row.key.len());
        }
        self.transact(|transaction| {
            let mut table = transaction.open_table(ROWS)?;
            let mut highs = BTreeMap::new();
            for RowWrite { shard, position, .. } in rows {
                let high = highs.entry(*shard).or_insert(*position);
                *high = (*high).max(*position);
            }
            for RowWrite { shard, key, position, value } in packing(rows) {
                let Some(value) = value else {
                    table.remove((shard.0, &key[..]))?;
                    continue;
                };
                let row = StoredRow { position: *position, value: value.clone() };
                put_row(&mut table, self.sealer, (*shard, key), &row)?;
            }
            raise(&mut transaction.open_table(HIGH)?, self.sealer, highs)
        })
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
            Bound::Included(key) if key > prefix => Bound::Included((shard.0, key)),
            Bound::Excluded(key) if key >= prefix => Bound::Excluded((shard.0, key)),
            _ => Bound::Included((shard.0, prefix)),
        };
        let found = RefCell::new(Vec::new());
        let done = self.reading(|db| {
            found.borrow_mut().clear();
            guard(STATE_FILE, || {
                let rows = db.begin_read()?.open_table(ROWS)?;
                let range = rows.range::<(u32, &[u8])>((start, Bound::Unbounded))?;
                for stored in range.take(limit) {
                    let (at, stored) = stored?;
                    let (row_shard, key) = at.value();
                    if row_shard != shard.0 || !key.starts_with(prefix) {
                        break;
                    }
                    let row = open_row(self.sealer, shard, key, stored.value())?;
                    found.borrow_mut().push((key.to_vec(), row));
                }
                Ok(())
            })
        });
        found.into_inner().into_iter().for_each(|(key, row)| each(&key, row));
        done
    }

    fn high(&self) -> Result<BTreeMap<ShardId, Position>, StoreError> {
        self.reading(|db| high(db, self.sealer))
    }

    fn swept(&self, below: GroupId) -> Result<(), StoreError> {
        let swept = self.pair.swept.load(Ordering::Acquire).max(below.0); // mutant cut-allowed-before-swept: let swept = self.pair.swept.fetch_max(below.0, Ordering::AcqRel).max(below.0);
        self.transact(|transaction| {
            put_group(&mut transaction.open_table(META)?, self.sealer, SWEPT, GroupId(swept))
        })?;
        self.pair.swept.fetch_max(swept, Ordering::AcqRel);
        Ok(())
    }
}

/// What is to be written, seven rows of twelve before the others. A page that is full is split in halves, and of rows that come
/// in the order of their keys each left half stays as it is: half empty. So the rows between come afterwards, and fill them. With
/// seven of twelve pages are 67 to 87 % full, whatever the size of rows; with more or fewer some are full too early.
pub(super) fn packing(rows: &[RowWrite]) -> impl Iterator<Item = &RowWrite> {
    // Of several with one key the last counts.
    let last: BTreeMap<_, _> = rows.iter().map(|row| ((row.shard, &row.key), row)).collect(); // mutant first-row-counts: let last: BTreeMap<_, _> = rows.iter().rev().map(|row| ((row.shard, &row.key), row)).collect();
    let first = |at: usize| at * 7 % 12 < 7; // mutant rows-half-empty: let first = |at: usize| at < usize::MAX;
    let (early, late): (Vec<_>, Vec<_>) = last.into_values().enumerate().partition(|(at, _)| first(*at));
    early.into_iter().chain(late).map(|(_, row)| row)
}

pub(super) fn put_row(
    table: &mut Table<'_, (u32, &'static [u8]), &'static [u8]>,
    sealer: Sealer,
    (shard, key): (ShardId, &[u8]),
    StoredRow { position, value }: &StoredRow,
) -> Result<(), Fault> {
    let mut place = table.insert_reserve((shard.0, key), START_SIZE + value.len())?;
    let out = place.as_mut();
    out[..8].copy_from_slice(&position.0.to_le_bytes());
    out[8..START_SIZE].copy_from_slice(&sealer.row(shard, key, *position, value));
    out[START_SIZE..].copy_from_slice(value);
    Ok(())
}

/// The row with this key, proven.
pub(super) fn one_row(
    from: &ReadTransaction,
    sealer: Sealer,
    shard: ShardId,
    key: &[u8],
) -> Result<Option<StoredRow>, Fault> {
    let table = from.open_table(ROWS)?;
    let Some(stored) = table.get((shard.0, key))? else { return Ok(None) };
    open_row(sealer, shard, key, stored.value()).map(Some)
}

/// A row and where it stands.
pub(super) type Row = (ShardId, Bytes, StoredRow);

/// Rows behind `after`, each proven, until their values take `size_max` bytes.
pub(super) fn some_rows(
    from: &ReadTransaction,
    sealer: Sealer,
    after: Option<(ShardId, &[u8])>,
    size_max: usize,
) -> Result<Vec<Row>, Fault> {
    let table = from.open_table(ROWS)?;
    let start = after.map_or(Bound::Unbounded, |(shard, key)| Bound::Excluded((shard.0, key)));
    let (mut rows, mut size) = (Vec::new(), 0);
    for stored in table.range::<(u32, &[u8])>((start, Bound::Unbounded))? {
        let (at, stored) = stored?;
        let (shard, key) = at.value();
        let row = open_row(sealer, ShardId(shard), key, stored.value())?;
        size += key.len() + stored.value().len();
        rows.push((ShardId(shard), Bytes::copy_from_slice(key), row));
        if size >= size_max {
            break;
        }
    }
    Ok(rows)
}

/// Highest positions only rise.
fn raise(
    table: &mut Table<'_, u32, &'static [u8]>,
    sealer: Sealer,
    highs: BTreeMap<ShardId, Position>,
) -> Result<(), Fault> {
    for (shard, high) in highs {
        let before =
            table.get(shard.0)?.map(|stored| open_high(sealer, shard, stored.value())).transpose()?;
        if before.is_some_and(|before| before >= high) {
            continue;
        }
        put_high(table, sealer, shard, high)?;
    }
    Ok(())
}

pub(super) fn put_high(
    table: &mut Table<'_, u32, &'static [u8]>,
    sealer: Sealer,
    shard: ShardId,
    high: Position,
) -> Result<(), Fault> {
    let value = high.0.to_le_bytes();
    let seal = sealer.high(shard, &value);
    table.insert(shard.0, &[value, seal].concat()[..])?;
    Ok(())
}

fn open_high(sealer: Sealer, shard: ShardId, stored: &[u8]) -> Result<Position, Fault> {
    let place = || Place::High(shard);
    let (value, seal) = ours(part(stored, place))?;
    ours(check(seal, sealer.high(shard, value), place))?;
    let wrong = |_| Fault::Store(StoreError::Corrupt { place: place(), detail: "not 8 bytes".to_owned() });
    Ok(Position(u64::from_le_bytes(value.try_into().map_err(wrong)?)))
}

/// Highest position of each shard that has one.
pub(super) fn high(db: &Database, sealer: Sealer) -> Result<BTreeMap<ShardId, Position>, StoreError> {
    guard(STATE_FILE, || highs(&db.begin_read()?.open_table(HIGH)?, sealer))
}

/// As [`high`], of a table.
pub(super) fn highs(
    table: &impl ReadableTable<u32, &'static [u8]>,
    sealer: Sealer,
) -> Result<BTreeMap<ShardId, Position>, Fault> {
    let mut highs = BTreeMap::new();
    for stored in table.range::<u32>(..)? {
        let (shard, stored) = stored?;
        let shard = ShardId(shard.value());
        highs.insert(shard, open_high(sealer, shard, stored.value())?);
    }
    Ok(highs)
}
