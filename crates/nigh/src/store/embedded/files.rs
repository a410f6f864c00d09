//! The three files in their directory, and how they come into being together.
//!
//! New files are finished under other names and then given their own, the log last: a directory has all files, or
//! says which steps of its making are left.

use std::fmt;
use std::io;
use std::sync::Arc;

use redb::{Builder, Database, StorageBackend};

use super::directory::Directory;
use super::gate::Gate;
use super::groups::Groups;
use super::meta::{Fault, guard};
use super::room::Room;
use crate::store::{CACHE_SIZE_DEFAULT, StoreError};

/// Name of what is known of the log in its directory.
pub(super) const LOG_FILE: &str = "log.redb";
/// Name of its groups in their directory.
pub(super) const GROUPS_FILE: &str = "log.groups";
/// Name of the rows in their directory.
pub(super) const STATE_FILE: &str = "state.redb";

/// All of them, in the order in which they are named: the first is there before any, the last says that all are.
pub(super) const FILES: [&str; 3] = [STATE_FILE, GROUPS_FILE, LOG_FILE];

/// Of redb's cache, for `log.redb`, in bytes: it is as small, and seldom looked at. The rest is for the rows: inner pages of a large
/// state, and the leaves of a sweep.
const LOG_CACHE_SIZE: usize = 256 << 10;

/// Up to this size a file of rows is checked whole at each start, some 1 ms per MiB. Beyond it only rows that
/// are read are checked, so that the time to start does not grow with the state. `log.redb` is checked always: it is small.
const CHECKED_AT_START_BYTES_MAX: u64 = 128 << 20;

/// How redb opens a file.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// Each page is read, whatever the size; else what a start can wait for.
    whole: bool,
    /// Of the caches of both redb files, in bytes.
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
    /// Opens one of the two that are redb's, its gate closed.
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

/// Opens the file of the groups, its gate closed.
pub(super) fn open_groups(directory: &Arc<dyn Directory>, way: &Way) -> Result<Groups, StoreError> {
    // R9, as above.
    directory.drop_cached(GROUPS_FILE).map_err(StoreError::Io)?; // mutant groups-cache-kept: directory.exists(GROUPS_FILE).map_err(StoreError::Io)?;
    groups_of(directory, GROUPS_FILE, way)
}

fn groups_of(directory: &Arc<dyn Directory>, called: &str, way: &Way) -> Result<Groups, StoreError> {
    let file = directory.open(called).map_err(StoreError::Io)?;
    Ok(Groups { gate: Gate::new(file, way.room.clone()) })
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
        if name == LOG_FILE {
            builder.set_cache_size(LOG_CACHE_SIZE).set_check_integrity_on_open(true);
        } else {
            builder.set_cache_size(cache_size.saturating_sub(LOG_CACHE_SIZE));
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
    All,
    /// Some files of one, and not this.
    Missing(&'static str),
}

/// Looks, and takes the last steps of a making that was cut short.
pub(super) fn look(directory: &dyn Directory) -> io::Result<Holds> {
    let there = |name: &str| directory.exists(name);
    // The state has its name first: if it has, and others' are left to give, all files are finished.
    let half_made = there(STATE_FILE)? && !there(LOG_FILE)? && there(&unfinished(LOG_FILE))?; // mutant making-not-finished: let half_made = false;
    if half_made {
        for name in [GROUPS_FILE, LOG_FILE] {
            if !there(name)? && there(&unfinished(name))? {
                finish(directory, name)?;
                directory.sync_names()?;
            }
        }
    }
    found(directory)
}

/// Looks, and changes nothing.
pub(super) fn found(directory: &dyn Directory) -> io::Result<Holds> {
    let (mut there, mut missing) = (0, None);
    for name in FILES {
        if directory.exists(name)? {
            there += 1;
        } else {
            missing = missing.or(Some(name));
        }
    }
    Ok(match missing {
        None => Holds::All,
        Some(_) if there == 0 => Holds::Nothing,
        Some(name) => Holds::Missing(name),
    })
}

/// Makes all files, filled by `fill` and `fill_groups`, or none.
pub(super) fn create(
    directory: &Arc<dyn Directory>,
    mut fill: impl FnMut(&'static str, &Database) -> Result<(), Fault>,
    fill_groups: impl FnOnce(&Groups) -> Result<(), Fault>,
) -> Result<(), StoreError> {
    let called = unfinished(GROUPS_FILE);
    directory.create(&called).map_err(StoreError::Io)?;
    let groups = groups_of(directory, &called, &Way::new())?;
    groups.gate.release().map_err(StoreError::Io)?;
    guard(GROUPS_FILE, || fill_groups(&groups))?;
    groups.sync().map_err(StoreError::Io)?;
    groups.gate.close().map_err(StoreError::Io)?;
    drop(groups);
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
        let order = FILES; // mutant log-named-first: let order = [LOG_FILE, GROUPS_FILE, STATE_FILE];
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
