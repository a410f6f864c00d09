//! Both halves of a store in one directory: the log in `log.redb` and `log.groups`, the rows in `state.redb`.
//!
//! Opening reads and proves everything that can refuse it before a byte of any file changes:
//!
//! 1. [`directory`]: the lock; [`files`]: the three files in it, each behind a [`gate`].
//! 2. [`meta`]: format, incarnation and number of shards, of both redb files; then the shapes.
//! 3. [`log`]: heads and [`groups`] follow one another; [`rows`]: none is ahead of the log.
//! 4. The gates open.
//!
//! [`verify`] does the first three, reads all rows too, and leaves the gates closed; [`copy`] makes a store of what it reads so.
//!
//! [`room`] is held back for a full disk. [`group`] and [`seal`] are the bytes, [`space`] the places of groups. After a failed sync the process ends; the next open drops what the system's
//! cache holds of the files before it reads, since that may never have reached the disk.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};

use bytes::Bytes;
use nigh_proto::shards::{Position, ShardId};
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError};

mod compact;
mod copy;
mod directory;
mod files;
mod gate;
mod group;
mod groups;
mod known;
mod live;
mod log;
mod meta;
mod read;
mod room;
mod rows;
mod seal;
mod space;
#[cfg(test)]
pub(super) mod tests;
mod verify;

use super::shape::Shape;
use super::{FORMAT_VERSION, GroupId, Head, Meta, Open, OpenError, Opened, Place, StoreError};
pub use compact::{Compacted, compact_dir, compact_on};
pub use copy::{backup_dir, restore_dir};
use directory::RealDirectory;
pub use directory::{Directory, DirectoryLock, Reserve};
use files::{File, Holds, LOG_FILE, STATE_FILE, Way, open_groups};
use known::{HEADS, REACHED, RUNS, Reach, put_run};
pub use live::Copier;
use log::{FileLog, Files, Found};
use meta::{Fault, META, Said, guard, ours, put_group};
pub use read::{ReadOnly, read_dir};
use room::Room;
use rows::{HIGH, ROWS, RedbRows, SEEN, SWEPT};
use seal::Sealer;
pub use verify::{Verified, verify_dir, verify_on};

/// Name of an entity → hash of its shape, text, seal.
const SHAPES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("shapes");
/// Name of an entity → how its key and its state read, seal. Nothing but `dump` looks at it.
const SCHEMAS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("schemas");

/// What the two halves know of each other.
struct Pair {
    /// Next group of the log: all below are durable.
    durable: AtomicU64,
    /// So often `log.redb` was changed.
    changes: AtomicU64,
    /// Below it, all is in the rows.
    swept: AtomicU64,
    /// The log's files. Held while a copy begins to read both halves: meanwhile no cut is taken, and the log is not closed.
    reading: Mutex<Weak<Files>>,
    /// Copies that read the log: meanwhile no block of it is used again.
    pins: AtomicUsize,
    /// What is given up when the disk is full.
    room: Arc<Room>,
    _lock: DirectoryLock,
}

impl Pair {
    /// How far the log has come.
    fn reach(&self) -> Reach {
        let next = GroupId(self.durable.load(Ordering::Acquire));
        Reach { next, changes: self.changes.load(Ordering::Acquire) }
    }

    /// Whoever panicked has left it as it was.
    fn reading(&self) -> MutexGuard<'_, Weak<Files>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No copy begins in this moment.
    fn is_unread(&self) -> bool {
        !matches!(self.reading.try_lock(), Err(TryLockError::WouldBlock))
    }

    fn is_unpinned(&self) -> bool {
        self.pins.load(Ordering::SeqCst) == 0
    }
}

/// As long as it lives, what was cut of the log stays where it is.
struct Pin(Arc<Pair>);

impl Pin {
    fn new(pair: &Arc<Pair>) -> Self {
        pair.pins.fetch_add(1, Ordering::SeqCst);
        Pin(pair.clone())
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.0.pins.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Opens the store in `dir`, or makes one where there is none.
///
/// # Errors
///
/// Each says what to do, and has changed nothing in the directory.
///
/// # Panics
///
/// No shards.
pub fn open_dir(dir: &Path, options: Open<'_>) -> Result<Opened, OpenError> {
    open_on(Arc::new(RealDirectory(dir.to_path_buf())), options)
}

/// As [`open_dir`], on any disk: for a simulator.
///
/// # Errors
///
/// As [`open_dir`].
///
/// # Panics
///
/// No shards.
pub fn open_on(directory: Arc<dyn Directory>, options: Open<'_>) -> Result<Opened, OpenError> {
    assert!(options.shards > 0, "a store has at least one shard");
    let dir = directory.path();
    let from_store = |error| OpenError::from_store(dir, error);
    let lock = locked(&*directory)?;
    match files::look(&*directory).map_err(|source| OpenError::Io { dir: dir.to_path_buf(), source })? {
        Holds::All => {
            // Whoever gave them their names may have died before these would last, and all that is acknowledged stands behind them.
            let synced = directory.sync_names(); // mutant found-names-unsynced: let synced = directory.exists(LOG_FILE).map(drop);
            synced.map_err(|source| OpenError::Io { dir: dir.to_path_buf(), source })?;
        }
        Holds::Missing(name) => return Err(missing(&directory, name)),
        Holds::Nothing => {
            let meta = Meta {
                format_version: FORMAT_VERSION,
                incarnation: options.incarnation,
                shards: options.shards,
                restored: None,
                copy: false,
            };
            files::create(&directory, |name, db| fill(name, db, meta), |_| Ok(())).map_err(from_store)?;
        }
    }
    let room = Room::of(&*directory).map_err(|source| OpenError::Io { dir: dir.to_path_buf(), source })?;
    let room = Arc::new(room);
    let way = Way::used(options.cache_size, room.clone());
    let (log_file, log_db) = open_file(&directory, LOG_FILE, way.clone())?;
    let groups = open_groups(&directory, &way).map_err(|error| held_by_another(dir, error))?;
    let (state_file, state_db) = open_file(&directory, STATE_FILE, way)?;
    let meta = read_meta(dir, &log_db, &state_db)?;
    let refused = meta.copy; // mutant copy-started-on: let refused = false;
    if refused {
        return Err(OpenError::Copy { dir: dir.to_path_buf() });
    }
    if meta.shards != options.shards {
        return Err(OpenError::Shards { found: meta.shards, asked: options.shards });
    }
    let sealer = Sealer::new(meta.incarnation);
    let new_shapes = check_shapes(dir, &log_db, sealer, options.shapes)?;
    let found = log::find(&log_db, &groups, sealer, meta.shards).map_err(from_store)?;
    let marks = marks(&state_db, sealer).map_err(from_store)?;
    let highs = rows::high(&state_db, sealer).map_err(from_store)?;
    check_pair(&found, &marks, &highs).map_err(|detail| mixed(dir, detail))?;

    let gates = [&log_file.gate, &state_file.gate, &groups.gate];
    let released = gates.into_iter().try_for_each(|gate| gate.release());
    // What was read of them may never have been synced, if a kill came between; from here on it counts.
    let released = released.and_then(|()| groups.sync()); // mutant found-groups-unsynced: let released = released;
    released.map_err(|source| OpenError::Io { dir: dir.to_path_buf(), source })?;
    put_shapes(&log_db, sealer, &new_shapes).map_err(from_store)?;
    put_schemas(&log_db, sealer, options.shapes).map_err(from_store)?;
    let pair = Arc::new(Pair {
        durable: AtomicU64::new(found.next.0),
        changes: AtomicU64::new(found.reached.changes),
        swept: AtomicU64::new(marks.swept.0),
        reading: Mutex::default(),
        pins: AtomicUsize::new(0),
        room,
        _lock: lock,
    });
    let rows = Arc::new(RedbRows::new(state_db, state_file, sealer, meta.shards, pair.clone()));
    let copier = Copier::new(dir.to_path_buf(), &rows, meta);
    let files = Files { db: log_db, groups };
    let log = FileLog::new(files, log_file, sealer, found, pair);
    let swept = marks.swept;
    Ok(Opened { log: Box::new(log), rows, meta, swept, copier: Some(copier) })
}

fn locked(directory: &dyn Directory) -> Result<DirectoryLock, OpenError> {
    let dir = || directory.path().to_path_buf();
    directory.lock().map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked { dir: dir() },
        _ => OpenError::Io { dir: dir(), source },
    })
}

/// A file is missing: because another version of the format has none of that name, or because it is gone.
fn missing(directory: &Arc<dyn Directory>, name: &'static str) -> OpenError {
    let dir = directory.path();
    let readable = name != LOG_FILE; // mutant older-format-missing: let readable = name.is_empty();
    let log = readable.then(|| open_file(directory, LOG_FILE, Way::proven()));
    if let Some(Ok((_, db))) = log
        && let Ok(Said::Format(found)) =
            guard(LOG_FILE, || meta::read(LOG_FILE, &db.begin_read()?.open_table(META)?))
    {
        return OpenError::format(found);
    }
    mixed(dir, format!("{name} is missing"))
}

fn mixed(dir: &Path, detail: String) -> OpenError {
    OpenError::Mixed { dir: dir.to_path_buf(), detail }
}

/// redb locks each file too: a tool that opens one without the directory's lock is met here.
fn open_file(
    directory: &Arc<dyn Directory>,
    name: &'static str,
    way: Way,
) -> Result<(File, Database), OpenError> {
    let dir = directory.path();
    File::open(directory, name, way).map_err(|error| held_by_another(dir, error))
}

fn held_by_another(dir: &Path, error: StoreError) -> OpenError {
    match error {
        StoreError::Io(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            OpenError::Locked { dir: dir.to_path_buf() }
        }
        error => OpenError::from_store(dir, error),
    }
}

/// Makes a file one of a new store.
fn fill(name: &'static str, db: &Database, meta: Meta) -> Result<(), Fault> {
    let sealer = Sealer::new(meta.incarnation);
    let mut transaction = db.begin_write()?;
    transaction.set_quick_repair(true);
    {
        let mut table = transaction.open_table(META)?;
        meta::write(&mut table, meta)?;
        if name == LOG_FILE {
            Reach::START.put(&mut table, sealer, REACHED)?;
            put_run(&mut transaction.open_table(RUNS)?, sealer, (GroupId(1), 0))?;
            transaction.open_table(HEADS)?;
            transaction.open_table(SHAPES)?;
        } else {
            Reach::START.put(&mut table, sealer, SEEN)?;
            put_group(&mut table, sealer, SWEPT, GroupId(1))?;
            transaction.open_table(ROWS)?;
            transaction.open_table(HIGH)?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Format first: of another, nothing else can be read.
fn read_meta(dir: &Path, log: &Database, state: &Database) -> Result<Meta, OpenError> {
    let read = |name, db: &Database| {
        let said = guard(name, || meta::read(name, &db.begin_read()?.open_table(META)?));
        match said.map_err(|error| OpenError::from_store(dir, error))? {
            Said::Format(found) => Err(OpenError::format(found)),
            Said::Ours(meta) => Ok(meta),
        }
    };
    let (log, state) = (read(LOG_FILE, log)?, read(STATE_FILE, state)?);
    if log != state {
        return Err(mixed(dir, "they were created by two different stores".to_owned()));
    }
    Ok(log)
}

/// Shapes of the build that the store has not seen yet.
fn check_shapes(dir: &Path, db: &Database, sealer: Sealer, built: &[Shape]) -> Result<Vec<Shape>, OpenError> {
    let stored = guard(LOG_FILE, || {
        let table = db.begin_read()?.open_table(SHAPES)?;
        built.iter().map(|shape| stored_shape(&table, sealer, &shape.name)).collect::<Result<Vec<_>, _>>()
    });
    let stored = stored.map_err(|error| OpenError::from_store(dir, error))?;
    let mut unseen = Vec::new();
    for (built, stored) in built.iter().zip(stored) {
        let Some(stored) = stored else {
            unseen.push(built.clone());
            continue;
        };
        let same = stored.hash == built.hash; // mutant shape-unchecked: let same = true;
        if !same {
            let (name, stored, built) = (built.name.clone(), stored.text, built.text.clone());
            return Err(OpenError::Shape { name, stored, built });
        }
    }
    Ok(unseen)
}

fn stored_shape(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    sealer: Sealer,
    name: &str,
) -> Result<Option<Shape>, Fault> {
    let Some(stored) = table.get(name)? else { return Ok(None) };
    let place = || Place::Shape(name.to_owned());
    let (value, seal) = ours(seal::part(stored.value(), place))?;
    ours(seal::check(seal, sealer.named(name, value), place))?;
    let wrong = || Fault::Store(StoreError::Corrupt { place: place(), detail: "too short".to_owned() });
    let (hash, text) = value.split_first_chunk().ok_or_else(wrong)?;
    let text = String::from_utf8_lossy(text).into_owned();
    let (name, hash) = (name.to_owned(), nigh_wire::WireHash(*hash));
    Ok(Some(Shape { name, hash, text, schemas: Bytes::new() }))
}

fn put_shapes(db: &Database, sealer: Sealer, shapes: &[Shape]) -> Result<(), StoreError> {
    if shapes.is_empty() {
        return Ok(());
    }
    guard(LOG_FILE, || {
        let transaction = db.begin_write()?;
        let mut table = transaction.open_table(SHAPES)?;
        for shape in shapes {
            put_shape(&mut table, sealer, shape)?;
        }
        drop(table);
        transaction.commit()?;
        Ok(())
    })
}

fn put_shape(
    table: &mut Table<'_, &'static str, &'static [u8]>,
    sealer: Sealer,
    shape: &Shape,
) -> Result<(), Fault> {
    let value = [&shape.hash.0[..], shape.text.as_bytes()].concat();
    meta::put(table, sealer, &shape.name, &value)
}

/// What is known of how an entity reads: nothing in a store that was made before there was `dump`.
fn stored_schemas(log: &ReadTransaction, sealer: Sealer, name: &str) -> Result<Option<Bytes>, Fault> {
    let table = match log.open_table(SCHEMAS) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        table => table?,
    };
    let Some(stored) = table.get(name)? else { return Ok(None) };
    let place = || Place::Shape(name.to_owned());
    let (value, seal) = ours(seal::part(stored.value(), place))?;
    ours(seal::check(seal, sealer.named(name, value), place))?;
    Ok(Some(Bytes::copy_from_slice(value)))
}

/// Keeps how the entities of this build read, where that is another way than before.
fn put_schemas(db: &Database, sealer: Sealer, built: &[Shape]) -> Result<(), StoreError> {
    guard(LOG_FILE, || {
        let read = db.begin_read()?;
        let mut new = Vec::new();
        for shape in built.iter().filter(|shape| !shape.schemas.is_empty()) {
            if stored_schemas(&read, sealer, &shape.name)?.as_ref() != Some(&shape.schemas) {
                new.push(shape);
            }
        }
        drop(read);
        if new.is_empty() {
            return Ok(());
        }
        let transaction = db.begin_write()?;
        for shape in new {
            let mut table = transaction.open_table(SCHEMAS)?;
            meta::put(&mut table, sealer, &shape.name, &shape.schemas)?;
        }
        transaction.commit()?;
        Ok(())
    })
}

/// What the rows say of the log.
struct Marks {
    seen: Reach,
    swept: GroupId,
}

fn marks(db: &Database, sealer: Sealer) -> Result<Marks, StoreError> {
    guard(STATE_FILE, || {
        let table = db.begin_read()?.open_table(META)?;
        let seen = Reach::read(STATE_FILE, &table, sealer, SEEN)?;
        Ok(Marks { seen, swept: meta::group(STATE_FILE, &table, sealer, SWEPT)? })
    })
}

/// A log and rows of one store may still be of different ages: copied, restored or moved apart.
fn check_pair(found: &Found, marks: &Marks, highs: &BTreeMap<ShardId, Position>) -> Result<(), String> {
    found.check(marks.seen)?;
    if marks.swept > found.next {
        return Err(format!(
            "state.redb holds what came before group {}, log.groups ends before {}",
            marks.swept.0, found.next.0
        ));
    }
    if found.cut > marks.swept {
        return Err(format!(
            "log.redb was cut below group {}, state.redb holds what came before {} only",
            found.cut.0, marks.swept.0
        ));
    }
    for (shard, high) in highs {
        let next = found.heads.get(shard.0 as usize).copied().unwrap_or(Head::default()).next;
        let ahead = *high >= next; // mutant state-ahead-unchecked: let ahead = false;
        if ahead {
            return Err(format!(
                "state.redb holds position {} of shard {}, log.groups ends before {}",
                high.0, shard.0, next.0
            ));
        }
    }
    Ok(())
}
