//! Reads all of a store and proves it, and changes nothing: the gates stay closed.
//!
//! An opening proves the log whole, and of the rows what refuses a start; this reads every row as well, and every page
//! of the files, however large they are.

use std::io;
use std::path::Path;
use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable};

use super::copy::Source;
use super::directory::{Directory, DirectoryLock, RealDirectory};
use super::files::{self, File, Holds, LOG_FILE, STATE_FILE, Way, open_groups};
use super::groups::Groups;
use super::meta::{Fault, guard};
use super::seal::Sealer;
use super::space::Space;
use super::{
    SHAPES, check_pair, held_by_another, locked, log, marks, missing, mixed, open_file, read_meta, rows,
    stored_schemas, stored_shape,
};
use crate::store::{GroupId, Meta, OpenError, StoreError};

/// What a store holds, all of it read and proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Of the store.
    pub meta: Meta,
    /// Entities whose shapes it knows, by name.
    pub entities: Vec<String>,
    /// Groups of the log that were not cut, and their bytes.
    pub groups: (u64, u64),
    /// Rows, and the bytes of their values.
    pub rows: (u64, u64),
}

/// Reads all of the store in `dir`, which no process may have open.
///
/// # Errors
///
/// The first damage, and its place; or why it cannot be read. Nothing in the directory was changed either way.
pub fn verify_dir(dir: &Path) -> Result<Verified, OpenError> {
    if !dir.is_dir() {
        return Err(nothing(dir));
    }
    verify_on(&(Arc::new(RealDirectory(dir.to_path_buf())) as Arc<dyn Directory>))
}

/// As [`verify_dir`], on any disk: for a simulator.
///
/// # Errors
///
/// As [`verify_dir`].
pub fn verify_on(directory: &Arc<dyn Directory>) -> Result<Verified, OpenError> {
    hold(directory)?.verify(directory.path())
}

/// A store that nobody has open, its log proven, and its files as they were: the gates are closed.
pub(super) struct Held {
    /// The files are held: a gate that is dropped leaves its file as it was.
    pub(super) log: (File, Database),
    pub(super) groups: Groups,
    /// Next group of the log.
    next: GroupId,
    pub(super) space: Space,
    pub(super) state: (File, Database),
    pub(super) meta: Meta,
    /// Entities whose shapes it knows, by name.
    entities: Vec<String>,
    kept: (u64, u64),
    pub(super) lock: DirectoryLock,
}

/// Takes hold of the store in `directory`, and proves what an opening would, and every page.
pub(super) fn hold(directory: &Arc<dyn Directory>) -> Result<Held, OpenError> {
    let lock = locked(&**directory)?;
    hold_locked(directory, lock)
}

/// As [`hold`], of a directory whose lock is held.
pub(super) fn hold_locked(directory: &Arc<dyn Directory>, lock: DirectoryLock) -> Result<Held, OpenError> {
    let dir = directory.path();
    let from_store = |error| OpenError::from_store(dir, error);
    let found = files::found(&**directory);
    match found.map_err(|source| OpenError::Io { dir: dir.to_path_buf(), source })? {
        Holds::All => {}
        Holds::Nothing => return Err(nothing(dir)),
        Holds::Missing(name) => return Err(missing(directory, name)),
    }
    let log = open_file(directory, LOG_FILE, Way::proven())?;
    let groups = open_groups(directory, &Way::proven()).map_err(|error| held_by_another(dir, error))?;
    let state = open_file(directory, STATE_FILE, Way::proven())?;
    let meta = read_meta(dir, &log.1, &state.1)?;
    let sealer = Sealer::new(meta.incarnation);
    let entities = entities(&log.1, sealer).map_err(from_store)?;
    let found = log::find(&log.1, &groups, sealer, meta.shards).map_err(from_store)?;
    let marks = marks(&state.1, sealer).map_err(from_store)?;
    let highs = rows::high(&state.1, sealer).map_err(from_store)?;
    check_pair(&found, &marks, &highs).map_err(|detail| mixed(dir, detail))?;
    let (next, kept, space) = (found.next, found.kept(), found.space);
    Ok(Held { log, groups, next, space, state, meta, entities, kept, lock })
}

impl Held {
    /// Its contents, to be copied.
    pub(super) fn source(&self) -> Result<Source, StoreError> {
        let state = guard(STATE_FILE, || Ok(self.state.1.begin_read()?))?;
        let log = guard(LOG_FILE, || Ok(self.log.1.begin_read()?))?;
        let groups = self.groups.clone();
        Ok(Source { log, groups, next: self.next, state, meta: self.meta, _pin: None })
    }

    /// Reads every blob and every row as well. What there is.
    pub(super) fn verify(&self, dir: &Path) -> Result<Verified, OpenError> {
        let log = self.source().and_then(|source| source.each_group(&mut |_, _| Ok(true))); // mutant verify-blobs-unproven: let log = self.source().map(drop);
        log.map_err(|error| OpenError::from_store(dir, error))?;
        let rows = rows::verify(&self.state.1, Sealer::new(self.meta.incarnation));
        let rows = rows.map_err(|error| OpenError::from_store(dir, error))?;
        Ok(Verified { meta: self.meta, entities: self.entities.clone(), groups: self.kept, rows })
    }
}

pub(super) fn nothing(dir: &Path) -> OpenError {
    let source = io::Error::new(io::ErrorKind::NotFound, "there is no store");
    OpenError::Io { dir: dir.to_path_buf(), source }
}

/// Names of the shapes, each proven.
fn entities(db: &Database, sealer: Sealer) -> Result<Vec<String>, StoreError> {
    guard(LOG_FILE, || {
        let transaction = db.begin_read()?;
        let table = transaction.open_table(SHAPES)?;
        let mut names = Vec::new();
        for stored in table.iter()? {
            names.push(stored?.0.value().to_owned());
        }
        for name in &names {
            stored_shape(&table, sealer, name)?;
            stored_schemas(&transaction, sealer, name)?;
        }
        Ok::<_, Fault>(names)
    })
}
