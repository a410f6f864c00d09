//! Reads a store that no process has open, piece by piece, and changes nothing: the gates stay closed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use nigh_proto::shards::ShardId;
use redb::ReadableTable;

use super::copy::Source;
use super::directory::{Directory, RealDirectory};
use super::files::{LOG_FILE, STATE_FILE};
use super::meta::{self, Fault, META, guard};
use super::rows::{SWEPT, one_row, some_rows};
use super::seal::Sealer;
use super::stored_schemas;
use super::verify::{Held, hold, nothing};
use crate::store::{Append, GroupId, LogEntry, OpenError, StoreError, StoredRow};

/// Of rows, read at once.
const READ_AT_ONCE_BYTES: usize = 1 << 20;

/// A store, held and read.
pub struct ReadOnly {
    dir: PathBuf,
    source: Source,
    sealer: Sealer,
    _held: Held,
}

impl std::fmt::Debug for ReadOnly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReadOnly({})", self.dir.display())
    }
}

/// Takes hold of the store in `dir`, its log and every page proven.
///
/// # Errors
///
/// The first damage, and its place; or why it cannot be read.
pub fn read_dir(dir: &Path) -> Result<ReadOnly, OpenError> {
    if !dir.is_dir() {
        return Err(nothing(dir));
    }
    let held = hold(&(Arc::new(RealDirectory(dir.to_path_buf())) as Arc<dyn Directory>))?;
    let source = held.source().map_err(|error| OpenError::from_store(dir, error))?;
    let sealer = Sealer::new(source.meta.incarnation);
    Ok(ReadOnly { dir: dir.to_path_buf(), source, sealer, _held: held })
}

impl ReadOnly {
    /// Names of its entities, and how each reads if that is known: [`Schemas`](crate::store::Schemas), encoded.
    ///
    /// # Errors
    ///
    /// Damage.
    pub fn entities(&self) -> Result<Vec<(String, Option<Bytes>)>, OpenError> {
        let names = self.source.log.open_table(super::SHAPES);
        self.read(LOG_FILE, || {
            let mut entities = Vec::new();
            for stored in names?.iter()? {
                let name = stored?.0.value().to_owned();
                let schemas = stored_schemas(&self.source.log, self.sealer, &name)?;
                entities.push((name, schemas));
            }
            Ok(entities)
        })
    }

    /// Hands out every row, in order of shard and key, until `each` says false.
    ///
    /// # Errors
    ///
    /// Damage, after the rows before it were handed out.
    pub fn rows(&self, each: &mut dyn FnMut(ShardId, &[u8], StoredRow) -> bool) -> Result<(), OpenError> {
        let mut last: Option<(ShardId, Bytes)> = None;
        loop {
            let after = last.as_ref().map(|(shard, key)| (*shard, &key[..]));
            let rows = self
                .read(STATE_FILE, || some_rows(&self.source.state, self.sealer, after, READ_AT_ONCE_BYTES))?;
            if rows.is_empty() {
                return Ok(());
            }
            for (shard, key, row) in rows {
                if !each(shard, &key, row) {
                    return Ok(());
                }
                last = Some((shard, key));
            }
        }
    }

    /// Hands out the rows of a shard whose keys begin with `prefix`, which is none itself, in order.
    ///
    /// # Errors
    ///
    /// Damage, after the rows before it were handed out.
    pub fn rows_under(
        &self,
        shard: ShardId,
        prefix: &[u8],
        each: &mut dyn FnMut(&[u8], StoredRow),
    ) -> Result<(), OpenError> {
        let mut last: Bytes = prefix.to_vec().into();
        loop {
            let after = Some((shard, &last[..]));
            let rows = self
                .read(STATE_FILE, || some_rows(&self.source.state, self.sealer, after, READ_AT_ONCE_BYTES))?;
            if rows.is_empty() {
                return Ok(());
            }
            for (of, key, row) in rows {
                if of != shard || !key.starts_with(prefix) {
                    return Ok(());
                }
                each(&key, row);
                last = key;
            }
        }
    }

    /// The row, if there is one.
    ///
    /// # Errors
    ///
    /// It is damaged.
    pub fn row(&self, shard: ShardId, key: &[u8]) -> Result<Option<StoredRow>, OpenError> {
        self.read(STATE_FILE, || one_row(&self.source.state, self.sealer, shard, key))
    }

    /// All changes of the groups below are in the rows.
    ///
    /// # Errors
    ///
    /// Damage.
    pub fn swept(&self) -> Result<GroupId, OpenError> {
        self.read(STATE_FILE, || {
            meta::group(STATE_FILE, &self.source.state.open_table(META)?, self.sealer, SWEPT)
        })
    }

    /// Hands out every blob that was not cut, in order, until `each` says false.
    ///
    /// # Errors
    ///
    /// Damage, after the blobs before it were handed out.
    pub fn tail(&self, each: &mut dyn FnMut(LogEntry) -> bool) -> Result<(), OpenError> {
        let read = self.source.each_group(&mut |group, blobs| {
            Ok(blobs.into_iter().all(|Append { shard, epoch, first, next, blob }| {
                each(LogEntry { group, shard, epoch, first, next, blob })
            }))
        });
        read.map_err(|error| OpenError::from_store(&self.dir, error))
    }

    /// Bytes that are sealed right and that no build can read.
    pub(crate) fn unreadable(&self, detail: String) -> OpenError {
        OpenError::from_store(&self.dir, StoreError::corrupt(detail))
    }

    fn read<T>(&self, file: &'static str, f: impl FnOnce() -> Result<T, Fault>) -> Result<T, OpenError> {
        guard(file, f).map_err(|error| OpenError::from_store(&self.dir, error))
    }
}
