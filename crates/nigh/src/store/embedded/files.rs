//! The directory: its lock, the two files in it, and how both come into being together.
//!
//! New files are finished under other names and then given their own, the log last: a directory has both files, or
//! says which step of its making is left.

use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{Builder, Database, StorageBackend};

use super::gate::Gate;
use super::meta::{Fault, guard};
use crate::store::{OpenError, StoreError};

/// Name of the log in its directory.
pub(super) const LOG_FILE: &str = "log.redb";
/// Name of the rows in their directory.
pub(super) const STATE_FILE: &str = "state.redb";

/// redb's cache of the log: the groups since the last cut are read once, at start.
const LOG_CACHE_BYTES: usize = 32 << 20;
/// redb's cache of the rows: inner pages of a large state, and the leaves of a sweep.
const STATE_CACHE_BYTES: usize = 128 << 20;

/// Up to this size a file of rows is checked whole at each start, some 1 ms per MiB. Beyond it only rows that
/// are read are checked, so that the time to start does not grow with the state. The log is checked always: its
/// size is bounded, and all of it is read anyway.
const CHECKED_AT_START_BYTES_MAX: u64 = 128 << 20;

/// What stands between redb and the disk.
pub(super) type Wrap = Arc<dyn Fn(FileBackend) -> Box<dyn StorageBackend> + Send + Sync>;

/// A file, open.
#[derive(Clone)]
pub(super) struct File {
    pub(super) gate: Gate,
    path: PathBuf,
    name: &'static str,
    wrap: Wrap,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("path", &self.path).finish_non_exhaustive()
    }
}

impl File {
    /// Opens one of the two in `dir`, its gate closed.
    pub(super) fn open(dir: &Path, name: &'static str, wrap: &Wrap) -> Result<(File, Database), StoreError> {
        open_path(dir.join(name), name, wrap)
    }

    /// Opens it once more, after its database was closed.
    pub(super) fn again(&self) -> Result<(File, Database), StoreError> {
        open_path(self.path.clone(), self.name, &self.wrap)
    }
}

fn open_path(path: PathBuf, name: &'static str, wrap: &Wrap) -> Result<(File, Database), StoreError> {
    let file = OpenOptions::new().read(true).write(true).open(&path).map_err(StoreError::Io)?;
    let size = file.metadata().map_err(StoreError::Io)?.len();
    guard(name, || {
        let gate = Gate::new(wrap(FileBackend::new(file)?));
        let mut builder = Builder::new();
        if name == LOG_FILE {
            builder.set_cache_size(LOG_CACHE_BYTES).set_check_integrity_on_open(true);
        } else {
            builder.set_cache_size(STATE_CACHE_BYTES);
            builder.set_check_integrity_on_open(size <= CHECKED_AT_START_BYTES_MAX);
        }
        let db = builder.create_with_backend(gate.clone())?;
        Ok((File { gate, path, name, wrap: wrap.clone() }, db))
    })
}

/// The lock on a directory, held while any part of the store lives. The system lets go of it when the process ends.
#[derive(Debug)]
pub(super) struct DirLock {
    /// An open handle is the lock.
    _dir: fs::File,
}

/// Takes the lock on `dir`, making the directory if there is none.
pub(super) fn lock(dir: &Path) -> Result<DirLock, OpenError> {
    let io = |source| OpenError::Io { dir: dir.to_path_buf(), source };
    if !dir.is_dir() {
        create_dir(dir).map_err(io)?;
    }
    let handle = fs::File::open(dir).map_err(io)?;
    match handle.try_lock() {
        Ok(()) => Ok(DirLock { _dir: handle }),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: dir.to_path_buf() }),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

/// For its owner only: state is nobody else's.
fn create_dir(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)?;
    match dir.parent() {
        Some(parent) if parent != Path::new("") => sync_dir(parent),
        _ => sync_dir(Path::new(".")),
    }
}

/// Names last only when their directory is synced.
fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

/// What a directory holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// No store.
    Nothing,
    /// A store.
    Both,
    /// One file only.
    Missing(&'static str),
}

/// Looks, and takes the last step of a making that was cut short.
pub(super) fn look(dir: &Path) -> io::Result<Holds> {
    let there = |name: &str| dir.join(name).try_exists();
    // The state has its name first: if only the log's is left to give, both files are finished.
    if there(STATE_FILE)? && !there(LOG_FILE)? && there(&unfinished(LOG_FILE))? {
        finish(dir, LOG_FILE)?;
        sync_dir(dir)?;
    }
    Ok(match (there(LOG_FILE)?, there(STATE_FILE)?) {
        (true, true) => Holds::Both,
        (false, false) => Holds::Nothing,
        (true, false) => Holds::Missing(STATE_FILE),
        (false, true) => Holds::Missing(LOG_FILE),
    })
}

/// Makes both files, filled by `fill`, or none.
pub(super) fn create(
    dir: &Path,
    wrap: &Wrap,
    fill: impl Fn(&'static str, &Database) -> Result<(), Fault>,
) -> Result<(), StoreError> {
    for name in [LOG_FILE, STATE_FILE] {
        let path = dir.join(unfinished(name));
        fs::File::create(&path).map_err(StoreError::Io)?;
        let (file, db) = open_path(path, name, wrap)?;
        file.gate.release().map_err(StoreError::Io)?;
        guard(name, || {
            fill(name, &db)?;
            db.close()?;
            Ok(())
        })?;
    }
    let named = (|| {
        finish(dir, STATE_FILE)?;
        sync_dir(dir)?;
        finish(dir, LOG_FILE)?;
        sync_dir(dir)
    })();
    named.map_err(StoreError::Io)
}

fn unfinished(name: &str) -> String {
    format!("{name}.new")
}

fn finish(dir: &Path, name: &str) -> io::Result<()> {
    fs::rename(dir.join(unfinished(name)), dir.join(name))
}
