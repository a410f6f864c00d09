//! Reads all of a store and proves it, and changes nothing: the gates stay closed.
//!
//! An opening proves the log whole, and of the rows what refuses a start; this reads every row as well, and every page
//! of both files, however large they are.

use std::io;
use std::path::Path;
use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable};

use super::directory::{Directory, RealDirectory};
use super::files::{Check, File, LOG_FILE, STATE_FILE};
use super::meta::{Fault, guard};
use super::seal::Sealer;
use super::{SHAPES, check_pair, locked, log, marks, mixed, open_file, read_meta, rows, stored_shape};
use crate::store::{Meta, OpenError, StoreError};

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
    let dir = directory.path();
    let from_store = |error| OpenError::from_store(dir, error);
    let _lock = locked(&**directory)?;
    let there =
        |name| directory.exists(name).map_err(|source| OpenError::Io { dir: dir.to_path_buf(), source });
    match (there(LOG_FILE)?, there(STATE_FILE)?) {
        (true, true) => {}
        (false, false) => return Err(nothing(dir)),
        (log, _) => {
            let missing = if log { STATE_FILE } else { LOG_FILE };
            return Err(mixed(dir, format!("{missing} is missing")));
        }
    }
    // The files are held: a gate that is dropped leaves its file as it was.
    let (_log_file, log_db): (File, Database) = open_file(directory, LOG_FILE, Check::Whole)?;
    let (_state_file, state_db) = open_file(directory, STATE_FILE, Check::Whole)?;
    let meta = read_meta(dir, &log_db, &state_db)?;
    let sealer = Sealer::new(meta.incarnation);
    let entities = entities(&log_db, sealer).map_err(from_store)?;
    let found = log::find(&log_db, sealer, meta.shards).map_err(from_store)?;
    let marks = marks(&state_db, sealer).map_err(from_store)?;
    let highs = rows::high(&state_db, sealer).map_err(from_store)?;
    check_pair(&found, &marks, &highs).map_err(|detail| mixed(dir, detail))?;
    let rows = rows::verify(&state_db, sealer).map_err(from_store)?;
    Ok(Verified { meta, entities, groups: found.kept(), rows })
}

fn nothing(dir: &Path) -> OpenError {
    let source = io::Error::new(io::ErrorKind::NotFound, "there is no store");
    OpenError::Io { dir: dir.to_path_buf(), source }
}

/// Names of the shapes, each proven.
fn entities(db: &Database, sealer: Sealer) -> Result<Vec<String>, StoreError> {
    guard(LOG_FILE, || {
        let table = db.begin_read()?.open_table(SHAPES)?;
        let mut names = Vec::new();
        for stored in table.iter()? {
            names.push(stored?.0.value().to_owned());
        }
        for name in &names {
            stored_shape(&table, sealer, name)?;
        }
        Ok::<_, Fault>(names)
    })
}
