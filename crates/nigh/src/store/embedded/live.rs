//! Copies a store beside all that uses it.
//!
//! Both files are read as of one moment, each under a read transaction of redb's: commits and sweeps go on, and what they
//! write is not in the copy. Only while the two transactions begin does the log keep from moving its cut; nobody waits.
//! redb frees no page that a transaction reads, and no block of the log is used again, so the files grow while a copy is made,
//! and use that space later.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use redb::{Database, ReadTransaction, ReadableDatabase};

use super::Pin;
use super::copy::{Source, as_copy, placed};
use super::files::{LOG_FILE, STATE_FILE};
use super::meta::guard;
use super::rows::RedbRows;
use super::verify::Verified;
use crate::store::{CopyError, GroupId, Meta, OpenError, StoreError};

/// Makes copies of an open store. Clones are of the same; none keeps it open, but a copy that is being made.
#[derive(Clone)]
pub struct Copier {
    dir: PathBuf,
    rows: Weak<RedbRows>,
    meta: Meta,
}

impl fmt::Debug for Copier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Copier({})", self.dir.display())
    }
}

impl Copier {
    pub(super) fn new(dir: PathBuf, rows: &Arc<RedbRows>, meta: Meta) -> Self {
        Copier { dir, rows: Arc::downgrade(rows), meta }
    }

    /// Copies the store as it is now into the new directory `to`, and reads the copy back. Blocks, as long as reading and
    /// writing all of it takes; nothing else waits for it.
    ///
    /// # Errors
    ///
    /// There is no copy; the store goes on.
    pub fn backup(&self, to: &Path) -> Result<Verified, CopyError> {
        let closed = |error| CopyError::Source(OpenError::from_store(&self.dir, error));
        // Held to the end: no other process may write what is read here.
        let _rows = self.rows.upgrade().ok_or_else(|| closed(StoreError::Closed))?;
        let source = self.begin(|| {}).map_err(closed)?;
        placed((&source, &self.dir), to, as_copy(self.meta), |real| Arc::new(real)) // mutant live-copy-unmarked: placed((&source, &self.dir), to, self.meta, |real| Arc::new(real))
    }

    /// Begins to read both. `between` is what others do meanwhile, in a test.
    pub(super) fn begin(&self, between: impl FnOnce()) -> Result<Source, StoreError> {
        let rows = self.rows.upgrade().ok_or(StoreError::Closed)?;
        let reading = rows.pair().reading();
        let files = reading.upgrade().ok_or(StoreError::Closed)?;
        let pin = Pin::new(rows.pair());
        let mut next = GroupId(0);
        // What is durable now is in the log that is read then, and where it stands too.
        let between = || {
            between();
            next = GroupId(rows.pair().durable.load(Ordering::Acquire));
        };
        // The log after the state: all that its rows know is then in the log.
        #[rustfmt::skip]
        let (state, log) = rows.read_once(|state| begin((STATE_FILE, state), between, (LOG_FILE, &files.db)))?; // mutant copy-log-first: let (state, log) = rows.read_once(|state| begin((LOG_FILE, &files.db), between, (STATE_FILE, state))).map(|(log, state)| (state, log))?;
        let groups = files.groups.clone();
        Ok(Source { log, groups, next, state, meta: self.meta, _pin: Some(pin) })
    }
}

fn begin(
    (first_file, first): (&'static str, &Database),
    between: impl FnOnce(),
    (second_file, second): (&'static str, &Database),
) -> Result<(ReadTransaction, ReadTransaction), StoreError> {
    let first = guard(first_file, || Ok(first.begin_read()?))?;
    between();
    let second = guard(second_file, || Ok(second.begin_read()?))?;
    Ok((first, second))
}
