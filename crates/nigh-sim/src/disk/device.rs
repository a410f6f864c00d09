//! The disk as a store sees it: a directory, files, and errors.
//!
//! Every change is an [`Operation`], counted from 0 and kept, unless nobody will play it again. Nothing here sleeps: a
//! slow sync is a count.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use nigh::store::{Directory, DirectoryLock, Reserve};
use redb::StorageBackend;

use super::image::{FileId, Image, Operation};
use super::random::Rng;

/// What a disk will do wrong while it is in use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// The power fails before this operation: it and all later calls return an error.
    pub power_fails_at: Option<u64>,
    /// The first sync from this operation on fails, and its pages are dropped as the seed beside it says. Later ones
    /// "succeed", without them.
    pub sync_fails_at: Option<(u64, u64)>,
    /// Before this operation the disk becomes full: so many tries to write, or to make a file longer, find no room.
    pub full_at: Option<(u64, u64)>,
    /// What is held back for that moment is there then: nobody else takes it first.
    pub room_helps: bool,
    /// One in so many syncs is slow; 0 for none. It is counted, nothing waits.
    pub slow_sync_once_in: u64,
}

/// A simulated disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Mutex<State>>);

struct State {
    image: Image,
    performed: u64,
    /// All of them, if somebody will play them again.
    operations: Option<Vec<Operation>>,
    faults: Faults,
    power_is_off: bool,
    is_locked: bool,
    syncs: u64,
    slow_syncs: u64,
    /// Changes of the files whose sync has failed, after it.
    after_failed_sync: u64,
    failed: Option<FileId>,
    /// Tries that found no room.
    refused: u64,
    /// One of them since that was asked last.
    was_full: bool,
    /// What was held back for that was given up, and helps.
    given: bool,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("operations", &self.performed).finish_non_exhaustive()
    }
}

impl Disk {
    /// A disk that holds `image`, switched on.
    #[must_use]
    pub fn new(image: Image, faults: Faults) -> Self {
        Disk(Arc::new(Mutex::new(State {
            image,
            performed: 0,
            operations: Some(Vec::new()),
            faults,
            power_is_off: false,
            is_locked: false,
            syncs: 0,
            slow_syncs: 0,
            after_failed_sync: 0,
            failed: None,
            refused: 0,
            was_full: false,
            given: false,
        })))
    }

    /// As [`new`](Self::new), and forgets what was done to it.
    pub(crate) fn forgetful(image: Image) -> Self {
        let disk = Disk::new(image, Faults::default());
        disk.state().operations = None;
        disk
    }

    /// What goes wrong from now on.
    pub(crate) fn set_faults(&self, faults: Faults) {
        let mut state = self.state();
        (state.faults, state.refused) = (faults, 0);
    }

    /// From now on, besides what goes wrong already, the disk is full: before so many operations more, for so many tries.
    pub(crate) fn fill(&self, after: u64, tries: u64, room_helps: bool) {
        let mut state = self.state();
        let full_at = Some((state.performed + after, tries));
        (state.faults, state.refused) = (Faults { full_at, room_helps, ..state.faults }, 0);
    }

    /// From now on every call returns an error.
    pub(crate) fn power_off(&self) {
        self.state().power_is_off = true;
    }

    pub(crate) fn power_is_off(&self) -> bool {
        self.state().power_is_off
    }

    /// What it holds now.
    #[must_use]
    pub fn image(&self) -> Image {
        self.state().image.clone()
    }

    /// How many operations changed it, or tried to.
    #[must_use]
    pub fn operation_count(&self) -> u64 {
        self.state().performed
    }

    /// How many syncs were slow.
    #[must_use]
    pub fn slow_sync_count(&self) -> u64 {
        self.state().slow_syncs
    }

    /// Operations on a file after its sync failed: a store that goes on there may acknowledge what is lost.
    #[must_use]
    pub fn after_failed_sync_count(&self) -> u64 {
        self.state().after_failed_sync
    }

    /// Whether something found no room since this was asked last.
    pub(crate) fn take_full(&self) -> bool {
        std::mem::take(&mut self.state().was_full)
    }

    pub(super) fn operations(&self) -> Vec<Operation> {
        self.state().operations.clone().unwrap_or_default()
    }

    /// Whether the fault it was to have has happened.
    pub(crate) fn sync_has_failed(&self) -> bool {
        self.state().failed.is_some()
    }

    /// Each call leaves it whole, also one that panics.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn powered(&self) -> io::Result<()> {
        if self.power_is_off { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    fn perform(&mut self, operation: Operation) -> io::Result<()> {
        let number = self.performed;
        self.power_is_off |= self.faults.power_fails_at == Some(number);
        self.powered()?;
        self.roomy(number, &operation)?;
        if let Operation::Write(file, ..) | Operation::SetLen(file, _) | Operation::Sync(file) = operation
            && self.failed == Some(file)
        {
            self.after_failed_sync += 1;
        }
        if let Operation::Sync(file) = operation {
            self.syncs += 1;
            let slow = self.faults.slow_sync_once_in;
            self.slow_syncs += u64::from(slow > 0 && self.syncs.is_multiple_of(slow));
            if let Some((at, seed)) = self.faults.sync_fails_at
                && at <= number
                && self.failed.is_none()
            {
                self.failed = Some(file);
                self.note(operation);
                self.image.files[file].drop_unsynced(&mut Rng::new(seed));
                return Err(io::Error::other("lost by the disk"));
            }
        }
        self.image.apply(&operation);
        self.note(operation);
        Ok(())
    }

    fn note(&mut self, operation: Operation) {
        self.performed += 1;
        self.operations.iter_mut().for_each(|all| all.push(operation.clone()));
    }
}

/// What a simulated disk holds back for the moment in which it is full.
#[derive(Debug)]
struct Held(Disk);

impl Reserve for Held {
    fn take(&self, _: u64) -> io::Result<()> {
        let mut state = self.0.state();
        let number = state.performed;
        state.room(number)?;
        state.given = false;
        Ok(())
    }

    fn give(&self) -> io::Result<()> {
        let mut state = self.0.state();
        state.given = state.faults.room_helps;
        Ok(())
    }
}

impl State {
    /// Nothing of what finds no room happens.
    fn roomy(&mut self, number: u64, operation: &Operation) -> io::Result<()> {
        let grows = match operation {
            Operation::Write(..) => true,
            Operation::SetLen(file, len) => *len > self.image.files[*file].cache.len(),
            _ => false,
        };
        if grows && !self.given { self.room(number) } else { Ok(()) }
    }

    /// Whether there is any.
    fn room(&mut self, number: u64) -> io::Result<()> {
        let full = |(at, tries)| number >= at && self.refused < tries;
        if !self.faults.full_at.is_some_and(full) {
            return Ok(());
        }
        (self.refused, self.was_full) = (self.refused + 1, true);
        Err(io::ErrorKind::StorageFull.into())
    }
}

impl Directory for Disk {
    fn path(&self) -> &Path {
        Path::new("simulated")
    }

    fn reserve(&self) -> io::Result<Box<dyn Reserve>> {
        Ok(Box::new(Held(self.clone())))
    }

    fn lock(&self) -> io::Result<DirectoryLock> {
        let mut state = self.state();
        state.powered()?;
        if state.is_locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.is_locked = true;
        Ok(Box::new(Lock(self.clone())))
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        let state = self.state();
        state.powered()?;
        Ok(state.image.names.contains_key(name))
    }

    fn create(&self, name: &str) -> io::Result<()> {
        self.state().perform(Operation::Create(name.to_owned()))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn StorageBackend>> {
        let state = self.state();
        state.powered()?;
        let file = *state.image.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(DiskFile { disk: self.clone(), file }))
    }

    fn drop_cached(&self, name: &str) -> io::Result<()> {
        let file = {
            let state = self.state();
            state.powered()?;
            let file = *state.image.names.get(name).ok_or(io::ErrorKind::NotFound)?;
            state.image.files[file].cache_is_ahead.then_some(file)
        };
        file.map_or(Ok(()), |file| self.state().perform(Operation::DropCached(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        if !self.exists(from)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.state().perform(Operation::Rename(from.to_owned(), to.to_owned()))
    }

    fn sync_names(&self) -> io::Result<()> {
        self.state().perform(Operation::SyncNames)
    }
}

#[derive(Debug)]
struct Lock(Disk);

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.state().is_locked = false;
    }
}

/// A file of it, open.
#[derive(Debug)]
struct DiskFile {
    disk: Disk,
    file: FileId,
}

impl StorageBackend for DiskFile {
    fn len(&self) -> io::Result<u64> {
        let state = self.disk.state();
        state.powered()?;
        Ok(state.image.files[self.file].cache.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.disk.state();
        state.powered()?;
        let inside = state.image.files[self.file].cache.read(offset, out);
        if inside { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.state().perform(Operation::SetLen(self.file, len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.state().perform(Operation::Sync(self.file))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.state().perform(Operation::Write(self.file, offset, Bytes::copy_from_slice(data)))
    }
}
