//! A copy of a store: all of it, read under one moment's view and written anew, row by row.
//!
//! [`Source`] is two read transactions that belong together, and the groups that the one knows of. [`copy`] proves each blob and row as it reads it, seals it
//! for the new store, and reads the copy back whole before it counts. [`placed`] makes it under another name, so that
//! under its own it is there whole or not at all; whatever fails, what was written of it is removed.
//!
//! The source is never written to. What a copy holds is what an opening of the source would have found.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, ReadTransaction, ReadableTable};

use super::directory::{Directory, DirectoryLock, RealDirectory, sync_parent};
use super::files::{self, FILES, LOG_FILE, STATE_FILE};
use super::groups::Groups;
use super::known::{HEADS, REACHED, RUNS, Reach, put_head, put_run, runs, stored_heads};
use super::meta::{self, Fault, META, guard, put_group};
use super::rows::{HIGH, ROWS, Row, SEEN, SWEPT, highs, put_high, put_row, some_rows};
use super::seal::Sealer;
use super::space::{BLOCK_SIZE, Extent, blocks};
use super::verify::{Verified, hold, hold_locked, nothing};
use super::{Pin, SCHEMAS, SHAPES, fill, group, put_shape, stored_schemas, stored_shape};
use crate::store::{Append, CopyError, GroupId, LogEntry, Meta, OpenError, Restore, StoreError};

/// Written in one transaction, and read before it: as much as a group of the log usually has, so that no sync of
/// a copy is a large one in front of those of the log.
const COPIED_AT_ONCE_BYTES: usize = 1 << 20;

/// Both halves of a store at one moment: the state first, so that all its rows know is in the log.
pub(super) struct Source {
    pub(super) log: ReadTransaction,
    pub(super) groups: Groups,
    /// All groups below are whole.
    pub(super) next: GroupId,
    pub(super) state: ReadTransaction,
    pub(super) meta: Meta,
    /// In a store that is used.
    pub(super) _pin: Option<Pin>,
}

impl Source {
    /// Hands out the groups that were not cut, each blob proven, until `each` says false.
    ///
    /// # Errors
    ///
    /// One is missing or damaged; or what `each` says.
    pub(super) fn each_group(
        &self,
        each: &mut dyn FnMut(GroupId, Vec<Append>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let sealer = Sealer::new(self.meta.incarnation);
        let runs = guard(LOG_FILE, || runs(&self.log, sealer))?;
        self.groups.walk(sealer, &runs, Some(self.next), &mut |found, reader| {
            let mut blobs = Vec::new();
            group::read(
                sealer,
                found.number,
                &found.entries,
                reader.blobs(found)?,
                &|_| true,
                &mut |entry| {
                    let LogEntry { shard, epoch, first, next, blob, .. } = entry;
                    blobs.push(Append { shard, epoch, first, next, blob });
                },
            )?;
            each(found.number, blobs)
        })
    }
}

/// How much was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Copied {
    groups: u64,
    rows: u64,
}

/// What stopped a copy.
enum Stopped {
    /// Reading.
    Source(StoreError),
    /// Writing.
    Target(Fault),
}

impl<E: Into<redb::Error>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Stopped::Target(Fault::Redb(error.into()))
    }
}

fn written<T>(result: Result<T, Fault>) -> Result<T, Stopped> {
    result.map_err(Stopped::Target)
}

fn read<T>(file: &'static str, f: impl FnOnce() -> Result<T, Fault>) -> Result<T, Stopped> {
    guard(file, f).map_err(Stopped::Source)
}

/// Makes all files in `to`, for a store that says this of itself, and proves them. `of` is what errors call the source.
fn copy(
    (source, of): (&Source, &Path),
    to: &Target,
    lock: DirectoryLock,
    meta: Meta,
) -> Result<(Verified, DirectoryLock), CopyError> {
    let (old, new) = (Sealer::new(source.meta.incarnation), Sealer::new(meta.incarnation));
    let (copied, damage) = (RefCell::new(Copied::default()), RefCell::new(None));
    let stopped = |stopped| match stopped {
        Stopped::Target(fault) => fault,
        Stopped::Source(error) => {
            damage.replace(Some(error));
            Fault::Store(StoreError::Closed)
        }
    };
    let made = files::create(
        &to.directory,
        |name, db| {
            fill(name, db, meta)?;
            let done = match name {
                LOG_FILE => copy_log(&source.log, db, (old, new)),
                _ => copy_state(&source.state, db, (old, new)).map(|rows| copied.borrow_mut().rows = rows),
            };
            done.map_err(stopped)
        },
        |to| {
            let groups = copy_groups(source, to, new).map_err(stopped)?;
            copied.borrow_mut().groups = groups;
            Ok(())
        },
    );
    let copied = copied.into_inner();
    if let Some(damage) = damage.into_inner() {
        return Err(CopyError::Source(OpenError::from_store(of, damage)));
    }
    made.map_err(|error| to.failed(io::Error::other(error.to_string())))?;
    #[rustfmt::skip]
    let (proven, lock) = prove(to, lock)?; // mutant copy-unproven: let (proven, lock) = (Verified { meta, entities: vec![], groups: (copied.groups, 0), rows: (copied.rows, 0) }, lock);
    if (proven.groups.0, proven.rows.0) != (copied.groups, copied.rows) {
        return Err(to.failed(io::Error::other("not all that was written is there")));
    }
    Ok((proven, lock))
}

/// Reads all of the copy back from the disk.
fn prove(to: &Target, lock: DirectoryLock) -> Result<(Verified, DirectoryLock), CopyError> {
    let held = hold_locked(&to.directory, lock).map_err(CopyError::Unproven)?;
    let proven = held.verify(&to.dir).map_err(CopyError::Unproven)?;
    Ok((proven, held.lock))
}

fn copy_log(from: &ReadTransaction, to: &Database, (old, new): (Sealer, Sealer)) -> Result<(), Stopped> {
    let (cut, shapes, heads, reached) = read(LOG_FILE, || {
        let reached = Reach::read(LOG_FILE, &from.open_table(META)?, old, REACHED)?;
        let table = from.open_table(SHAPES)?;
        let mut shapes = Vec::new();
        for stored in table.iter()? {
            let name = stored?.0.value().to_owned();
            let schemas = stored_schemas(from, old, &name)?;
            shapes.extend(stored_shape(&table, old, &name)?.map(|shape| (shape, schemas)));
        }
        let cut = runs(from, old)?.first().map_or(GroupId(1), |(first, _)| *first);
        Ok((cut, shapes, stored_heads(&from.open_table(HEADS)?, old)?, reached))
    })?;
    let transaction = to.begin_write()?;
    written(reached.put(&mut transaction.open_table(META)?, new, REACHED))?;
    {
        let mut table = transaction.open_table(RUNS)?;
        table.retain(|_, _| false)?;
        written(put_run(&mut table, new, (cut, 0)))?;
    }
    for (shape, schemas) in &shapes {
        written(put_shape(&mut transaction.open_table(SHAPES)?, new, shape))?;
        if let Some(schemas) = schemas {
            let mut table = transaction.open_table(SCHEMAS)?;
            written(meta::put(&mut table, new, &shape.name, schemas))?;
        }
    }
    for (shard, head) in heads {
        written(put_head(&mut transaction.open_table(HEADS)?, new, shard, head))?;
    }
    transaction.commit()?;
    Ok(())
}

/// One behind the other, from the front of the file on. How many.
fn copy_groups(from: &Source, to: &Groups, new: Sealer) -> Result<u64, Stopped> {
    let (mut count, mut at, mut unsynced, mut failed) = (0, 0, 0, None);
    let done = from.each_group(&mut |number, blobs| {
        let blobs: Vec<&Append> = blobs.iter().collect();
        let size = group::size(blobs.iter().copied());
        let extent = Extent { at, blocks: blocks(size) };
        let mut bytes = vec![0; extent.blocks as usize * BLOCK_SIZE];
        group::write(new, (number, 0), &blobs, &mut bytes[..size]);
        unsynced += bytes.len();
        let synced = unsynced < COPIED_AT_ONCE_BYTES;
        let written = to.write(extent, &bytes).and_then(|()| if synced { Ok(()) } else { to.sync() });
        if !synced {
            unsynced = 0;
        }
        (count, at) = (count + 1, extent.end());
        failed = written.err();
        Ok(failed.is_none())
    });
    done.map_err(Stopped::Source)?;
    match failed {
        Some(error) => Err(Stopped::Target(Fault::Store(StoreError::Io(error)))),
        None => Ok(count),
    }
}

fn copy_state(from: &ReadTransaction, to: &Database, (old, new): (Sealer, Sealer)) -> Result<u64, Stopped> {
    let (seen, swept, high) = read(STATE_FILE, || {
        let table = from.open_table(META)?;
        let swept = meta::group(STATE_FILE, &table, old, SWEPT)?;
        let seen = Reach::read(STATE_FILE, &table, old, SEEN)?;
        Ok((seen, swept, highs(&from.open_table(HIGH)?, old)?))
    })?;
    let transaction = to.begin_write()?;
    {
        let mut table = transaction.open_table(META)?;
        written(put_group(&mut table, new, SWEPT, swept))?;
        written(seen.put(&mut table, new, SEEN))?;
    }
    for (shard, high) in high {
        written(put_high(&mut transaction.open_table(HIGH)?, new, shard, high))?;
    }
    transaction.commit()?;
    let (mut copied, mut last) = (0, None::<Row>);
    loop {
        let after = last.as_ref().map(|(shard, key, _)| (*shard, &key[..]));
        let mut rows = read(STATE_FILE, || some_rows(from, old, after, COPIED_AT_ONCE_BYTES))?;
        copied += rows.len() as u64;
        let mut transaction = to.begin_write()?;
        transaction.set_quick_repair(true);
        for (shard, key, row) in &rows {
            written(put_row(&mut transaction.open_table(ROWS)?, new, (*shard, key), row))?;
        }
        transaction.commit()?;
        let Some(row) = rows.pop() else { return Ok(copied) };
        last = Some(row);
    }
}

/// Where a copy is made, under the name that it has so far.
struct Target {
    directory: Arc<dyn Directory>,
    dir: PathBuf,
}

impl Target {
    fn failed(&self, source: io::Error) -> CopyError {
        CopyError::Target { dir: self.dir.clone(), source }
    }

    /// Removes what was written, and nothing else.
    fn remove(&self) -> io::Result<()> {
        for name in FILES {
            for name in [name.to_owned(), files::unfinished(name)] {
                match fs::remove_file(self.dir.join(name)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// Makes a copy under another name beside `to`, and gives it its own once it is proven. `disk` is how the directory
/// is reached.
pub(super) fn placed(
    (source, of): (&Source, &Path),
    to: &Path,
    meta: Meta,
    disk: impl FnOnce(RealDirectory) -> Arc<dyn Directory>,
) -> Result<Verified, CopyError> {
    let failed = |source| CopyError::Target { dir: to.to_path_buf(), source };
    let Some(name) = to.file_name() else { return Err(failed(io::ErrorKind::InvalidInput.into())) };
    let free = match fs::symlink_metadata(to) {
        Ok(there) => there.is_dir() && fs::read_dir(to).map_err(failed)?.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(failed(error)),
    };
    if !free {
        return Err(CopyError::Exists { dir: to.to_path_buf() });
    }
    let mut called = name.to_owned();
    called.push(".unfinished");
    let dir = to.with_file_name(called);
    let target = Target { directory: disk(RealDirectory(dir.clone())), dir };
    // Whoever else makes this copy has the lock; what a killed process has left there is without one.
    let lock = target.directory.lock().map_err(failed)?;
    let done = (|| {
        target.remove().map_err(failed)?;
        let (verified, lock) = copy((source, of), &target, lock, meta)?;
        fs::rename(&target.dir, to).map_err(failed)?;
        sync_parent(to).map_err(failed)?;
        drop(lock);
        Ok(verified)
    })();
    if done.is_err() {
        // The error that is told is the first: what is left says by its name what it is.
        let _ = target.remove().and_then(|()| fs::remove_dir(&target.dir));
    }
    done
}

/// Of a store, what its copy says of itself.
pub(super) fn as_copy(meta: Meta) -> Meta {
    let copy = true; // mutant copy-unmarked: let copy = meta.copy;
    Meta { copy, ..meta }
}

/// Copies the store in `dir`, which no process may have open, into the new directory `to`. It is a copy of the
/// same store, and says so, so that nobody starts on it: put it back with [`restore_dir`].
///
/// # Errors
///
/// There is no copy; the store is as it was.
pub fn backup_dir(dir: &Path, to: &Path) -> Result<Verified, CopyError> {
    from_dir(dir, to, as_copy)
}

/// Puts the copy in `from` back, as the new store in `dir`: of another incarnation, which knows that what was
/// acknowledged since the copy is lost.
///
/// # Errors
///
/// There is no store in `dir`; the copy is as it was.
pub fn restore_dir(from: &Path, dir: &Path, restore: Restore) -> Result<Verified, CopyError> {
    from_dir(from, dir, |meta| {
        let incarnation = restore.incarnation; // mutant restore-keeps-incarnation: let incarnation = meta.incarnation;
        let restored = Some(restore.at); // mutant restore-untold: let restored = meta.restored;
        let copy = false; // mutant restored-stays-copy: let copy = meta.copy;
        Meta { incarnation, restored, copy, ..meta }
    })
}

fn from_dir(dir: &Path, to: &Path, meta: impl FnOnce(Meta) -> Meta) -> Result<Verified, CopyError> {
    if !dir.is_dir() {
        return Err(CopyError::Source(nothing(dir)));
    }
    let directory = Arc::new(RealDirectory(dir.to_path_buf())) as Arc<dyn Directory>;
    let held = hold(&directory).map_err(CopyError::Source)?;
    let source = held.source().map_err(|error| CopyError::Source(OpenError::from_store(dir, error)))?;
    placed((&source, dir), to, meta(source.meta), |real| Arc::new(real))
}
