//! Gives the space that a store no longer needs back to its disk.
//!
//! redb reuses what was freed and seldom shortens a file: after a large state shrank, or a long sweep, most of it may be
//! free. This proves all of the store first, lets redb move its pages to the front, and proves it again.
//! redb moves them in transactions of its own, so that a crash between any two leaves a store with the same contents.

use std::io;
use std::path::Path;
use std::sync::Arc;

use redb::{Database, StorageBackend};

use super::directory::{Directory, RealDirectory};
use super::files::{File, LOG_FILE, STATE_FILE};
use super::groups::Groups;
use super::meta::guard;
use super::space::{BLOCK_SIZE, Space};
use super::verify::{Held, Verified, hold, hold_locked, nothing};
use crate::store::{OpenError, StoreError};

/// What a compaction gave back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes of all files before.
    pub before: u64,
    /// Bytes of all files now.
    pub after: u64,
    /// What the store holds, before as now.
    pub verified: Verified,
}

/// Makes the files of the store in `dir`, which no process may have open, as small as they can be.
///
/// # Errors
///
/// It is damaged, and was not touched; or it cannot be written, and holds what it held.
pub fn compact_dir(dir: &Path) -> Result<Compacted, OpenError> {
    if !dir.is_dir() {
        return Err(nothing(dir));
    }
    compact_on(&(Arc::new(RealDirectory(dir.to_path_buf())) as Arc<dyn Directory>))
}

/// As [`compact_dir`], on any disk: for a simulator.
///
/// # Errors
///
/// As [`compact_dir`].
pub fn compact_on(directory: &Arc<dyn Directory>) -> Result<Compacted, OpenError> {
    let dir = directory.path();
    let from_store = |error| OpenError::from_store(dir, error);
    let held = hold(directory)?;
    let was = held.verify(dir)?;
    let Held { log, groups, space, state, lock, .. } = held;
    let mut before =
        shorten(&groups, &space).map_err(|source| OpenError::Io { dir: dir.to_path_buf(), source })?;
    drop(groups);
    for (name, (file, db)) in [(LOG_FILE, log), (STATE_FILE, state)] {
        before += compact(name, &file, db).map_err(from_store)?;
    }
    let held = hold_locked(directory, lock)?;
    let verified = held.verify(dir)?;
    if verified != was {
        let error = std::io::Error::other("redb has changed what the store holds: restore a copy");
        return Err(OpenError::Io { dir: dir.to_path_buf(), source: error });
    }
    let size = |file: &File| file.gate.len().map_err(StoreError::Io).map_err(from_store);
    let groups = held.groups.gate.len().map_err(StoreError::Io).map_err(from_store)?;
    Ok(Compacted { before, after: size(&held.log.0)? + size(&held.state.0)? + groups, verified })
}

/// Gives what is behind the last group back. Its size before.
fn shorten(groups: &Groups, space: &Space) -> io::Result<u64> {
    groups.gate.release()?;
    let (before, used) = (groups.gate.len()?, space.used() * BLOCK_SIZE as u64);
    if used < before {
        groups.gate.set_len(used)?;
        groups.sync()?;
    }
    Ok(before)
}

/// Its size before.
fn compact(name: &'static str, file: &File, mut db: Database) -> Result<u64, StoreError> {
    let before = file.gate.len().map_err(StoreError::Io)?;
    file.gate.release().map_err(StoreError::Io)?;
    guard(name, || {
        db.compact()?;
        db.close()?;
        Ok(before)
    })
}
