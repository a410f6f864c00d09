//! Keeps a file untouched until the store in it was found good.
//!
//! redb repairs a file while it opens it. A store that is refused (another shape, another format, damage) must
//! not be touched, so everything redb writes is held here, in order, and read back from here. [`Gate::release`] lets
//! it through, syncs in their places; a gate that is dropped unreleased leaves the file as it was.
//!
//! It also remembers how the file failed: a full disk, and nothing else, is the one failure after which the file can be
//! opened again and believed. Before that it gives up the [`Room`] held for this, and writes once more.

use std::collections::VecDeque;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

use super::room::{Room, is_full};

/// A file behind a gate. Clones are the same gate.
#[derive(Clone, Debug)]
pub(super) struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: Box<dyn StorageBackend>,
    /// Set once, after the held operations were played.
    released: AtomicBool,
    /// What redb did so far; empty once released.
    held: Mutex<VecDeque<Held>>,
    /// Given up when the disk is full.
    room: Option<Arc<Room>>,
    /// The disk was full; something else failed.
    full: AtomicBool,
    failed: AtomicBool,
}

#[derive(Debug)]
enum Held {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
}

impl Gate {
    /// Closed.
    pub(super) fn new(file: Box<dyn StorageBackend>, room: Option<Arc<Room>>) -> Self {
        let released = AtomicBool::new(false); // mutant gate-open-at-once: let released = AtomicBool::new(true);
        Gate(Arc::new(Inner {
            file,
            released,
            held: Mutex::default(),
            room,
            full: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        }))
    }

    /// Does to the file what was held back, and from now on at once. After a full disk it may be tried again: what is left is
    /// held still.
    pub(super) fn release(&self) -> io::Result<()> {
        let mut held = self.held();
        while let Some(op) = held.front() {
            match op {
                Held::Write(offset, data) => self.roomy(|| self.0.file.write(*offset, data))?,
                Held::SetLen(len) => self.roomy(|| self.0.file.set_len(*len))?,
                Held::Sync => self.0.file.sync_data()?,
            }
            held.pop_front();
        }
        self.0.released.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether the disk was full, and nothing else failed: after a failed sync no page may be believed (R9).
    pub(super) fn is_full(&self) -> bool {
        let failed = self.0.failed.load(Ordering::Acquire); // mutant full-after-failure-believed: let failed = false;
        self.0.full.load(Ordering::Acquire) && !failed
    }

    /// Does it, if need be with the room that is held for this.
    fn roomy(&self, write: impl Fn() -> io::Result<()>) -> io::Result<()> {
        let done = write();
        let full = done.as_ref().is_err_and(is_full);
        let gives = full && self.0.room.as_ref().is_some_and(|room| room.give()); // mutant room-not-given: let gives = full && self.0.room.is_none();
        if gives { write() } else { done }
    }

    /// Operations are independent: a panic between two leaves them as they are.
    fn held(&self) -> MutexGuard<'_, VecDeque<Held>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what is done to it reaches the file.
    pub(super) fn is_released(&self) -> bool {
        self.0.released.load(Ordering::Acquire)
    }

    fn noting<T>(&self, may_be_full: bool, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result {
            let full = may_be_full && is_full(error);
            let kind = if full { &self.0.full } else { &self.0.failed };
            kind.store(true, Ordering::Release);
        }
        result
    }
}

/// Copies what of `data`, which stands at `at`, falls into `out`, which stands at `start`.
fn overlay(out: &mut [u8], start: u64, at: u64, data: &[u8]) {
    let from = start.max(at);
    let to = (start + out.len() as u64).min(at + data.len() as u64);
    if from < to {
        let n = (to - from) as usize;
        let (target, source) = ((from - start) as usize, (from - at) as usize);
        out[target..target + n].copy_from_slice(&data[source..source + n]);
    }
}

/// The file with `held` done to it.
fn read_through(
    file: &dyn StorageBackend,
    held: &VecDeque<Held>,
    offset: u64,
    out: &mut [u8],
) -> io::Result<()> {
    let end = offset + out.len() as u64;
    if end > len_through(file, held)? {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if held.is_empty() {
        return file.read(offset, out);
    }
    out.fill(0);
    let there = file.len()?.clamp(offset, end) - offset;
    file.read(offset, &mut out[..there as usize])?;
    for op in held {
        match op {
            Held::Write(at, data) => overlay(out, offset, *at, data),
            Held::SetLen(len) => {
                let kept = (*len).clamp(offset, end) - offset;
                out[kept as usize..].fill(0);
            }
            Held::Sync => {}
        }
    }
    Ok(())
}

fn len_through(file: &dyn StorageBackend, held: &VecDeque<Held>) -> io::Result<u64> {
    Ok(held.iter().fold(file.len()?, |len, op| match op {
        Held::Write(at, data) => len.max(at + data.len() as u64),
        Held::SetLen(len) => *len,
        Held::Sync => len,
    }))
}

impl StorageBackend for Gate {
    fn len(&self) -> io::Result<u64> {
        if self.is_released() {
            return self.0.file.len();
        }
        len_through(&*self.0.file, &self.held())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.is_released() {
            return self.noting(false, self.0.file.read(offset, out));
        }
        read_through(&*self.0.file, &self.held(), offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if self.is_released() {
            return self.noting(true, self.roomy(|| self.0.file.set_len(len)));
        }
        self.held().push_back(Held::SetLen(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.is_released() {
            let synced = self.0.file.sync_data(); // mutant failed-sync-retried: let synced = self.0.file.sync_data().or_else(|_| self.0.file.sync_data());
            return self.noting(false, synced);
        }
        self.held().push_back(Held::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.is_released() {
            return self.noting(true, self.roomy(|| self.0.file.write(offset, data)));
        }
        self.held().push_back(Held::Write(offset, data.to_vec()));
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.0.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.file.try_lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.file.unlock_range(start, end)
    }
}
