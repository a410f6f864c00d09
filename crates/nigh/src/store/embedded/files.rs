//! The two files in their directory, and how both come into being together.
//!
//! New files are finished under other names and then given their own, the log last: a directory has both files, or
//! says which step of its making is left.

use std::fmt;
use std::io;
use std::sync::Arc;

use redb::{Builder, Database};

use super::directory::Directory;
use super::gate::Gate;
use super::meta::{Fault, guard};
use super::room::Room;
use crate::store::{CACHE_SIZE_DEFAULT, StoreError};

/// Name of the log in its directory.
pub(super) const LOG_FILE: &str = "log.redb";
/// Name of the rows in their directory.
pub(super) const STATE_FILE: &str = "state.redb";

/// Part of redb's cache that is for the log, and its size at the most, in bytes: the groups since the last cut are read a few times at
/// the start, one after the other, and never again, and new memory is dearer than reading. The rest is for the rows: inner
/// pages of a large state, and the leaves of a sweep.
const LOG_CACHE_PART: usize = 5;
const LOG_CACHE_SIZE_MAX: usize = 4 << 20;

/// Up to this size a file of rows is checked whole at each start, some 1 ms per MiB. Beyond it only rows that
/// are read are checked, so that the time to start does not grow with the state. The log is checked always: its
/// size is bounded, and all of it is read anyway.
const CHECKED_AT_START_BYTES_MAX: u64 = 128 << 20;

/// How redb opens a file.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// Each page is read, whatever the size; else what a start can wait for.
    whole: bool,
    /// Of both files' caches, in bytes.
    cache_size: usize,
    /// What is given up when the disk is full.
    room: Option<Arc<Room>>,
}

impl Way {
    /// For use.
    pub(super) fn used(cache_size: usize, room: Arc<Room>) -> Self {
        Way { whole: false, cache_size, room: Some(room) }
    }
    /// To be filled.
    fn new() -> Self {
        Way { whole: false, cache_size: CACHE_SIZE_DEFAULT, room: None }
    }
    /// To be proven.
    pub(super) fn proven() -> Self {
        Way { whole: true, ..Way::new() }
    }
}

/// A file, open.
#[derive(Clone)]
pub(super) struct File {
    pub(super) gate: Gate,
    directory: Arc<dyn Directory>,
    /// Of the two, whatever it is called now.
    name: &'static str,
    way: Way,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("name", &self.name).finish_non_exhaustive()
    }
}

impl File {
    /// Opens one of the two, its gate closed.
    pub(super) fn open(
        directory: &Arc<dyn Directory>,
        name: &'static str,
        way: Way,
    ) -> Result<(File, Database), StoreError> {
        // R9: what a failed sync has left in the system's memory is not durable, and is not to be read.
        directory.drop_cached(name).map_err(StoreError::Io)?; // mutant cache-kept: directory.exists(name).map_err(StoreError::Io)?;
        open_named(directory, name, name, way)
    }

    /// Opens it once more, after its database was closed, its gate closed.
    pub(super) fn again(&self) -> Result<(File, Database), StoreError> {
        File::open(&self.directory, self.name, self.way.clone())
    }
}

/// Opens the file `called` so far, which is or will be `name`.
fn open_named(
    directory: &Arc<dyn Directory>,
    called: &str,
    name: &'static str,
    way: Way,
) -> Result<(File, Database), StoreError> {
    let file = directory.open(called).map_err(StoreError::Io)?;
    let size = file.len().map_err(StoreError::Io)?;
    guard(name, || {
        let gate = Gate::new(file, way.room.clone());
        let mut builder = Builder::new();
        let Way { whole, cache_size, .. } = way;
        let log_cache_size = (cache_size / LOG_CACHE_PART).min(LOG_CACHE_SIZE_MAX);
        if name == LOG_FILE {
            builder.set_cache_size(log_cache_size).set_check_integrity_on_open(true);
        } else {
            builder.set_cache_size(cache_size - log_cache_size);
            let whole = whole || size <= CHECKED_AT_START_BYTES_MAX;
            builder.set_check_integrity_on_open(whole);
        }
        let db = builder.create_with_backend(gate.clone())?;
        Ok((File { gate, directory: directory.clone(), name, way }, db))
    })
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
pub(super) fn look(directory: &dyn Directory) -> io::Result<Holds> {
    let there = |name: &str| directory.exists(name);
    // The state has its name first: if only the log's is left to give, both files are finished.
    let half_made = there(STATE_FILE)? && !there(LOG_FILE)? && there(&unfinished(LOG_FILE))?; // mutant making-not-finished: let half_made = false;
    if half_made {
        finish(directory, LOG_FILE)?;
        directory.sync_names()?;
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
    directory: &Arc<dyn Directory>,
    mut fill: impl FnMut(&'static str, &Database) -> Result<(), Fault>,
) -> Result<(), StoreError> {
    for name in [LOG_FILE, STATE_FILE] {
        let called = unfinished(name);
        directory.create(&called).map_err(StoreError::Io)?;
        let (file, db) = open_named(directory, &called, name, Way::new())?;
        file.gate.release().map_err(StoreError::Io)?;
        guard(name, || {
            fill(name, &db)?;
            db.close()?;
            Ok(())
        })?;
    }
    let named = (|| {
        // Else the state could have its name after a power loss while the log has none at all.
        directory.sync_names()?; // mutant new-names-unsynced: directory.exists(LOG_FILE)?;
        let order = [STATE_FILE, LOG_FILE]; // mutant log-named-first: let order = [LOG_FILE, STATE_FILE];
        for name in order {
            finish(&**directory, name)?;
            directory.sync_names()?; // mutant names-unsynced: directory.exists(name)?;
        }
        Ok(())
    })();
    named.map_err(StoreError::Io)
}

/// What a file is called until it is finished.
pub(super) fn unfinished(name: &str) -> String {
    format!("{name}.new")
}

fn finish(directory: &dyn Directory, name: &str) -> io::Result<()> {
    directory.rename(&unfinished(name), name)
}
