//! All that a store asks of its disk beyond the contents of files: names, their order, and one lock.
//!
//! [`Directory`] is the contract, [`RealDirectory`] the file system's. A simulator brings its own, and with it files
//! that lose what was not synced. [`Reserve`] is room on the same disk that nobody else can take. Nothing here knows
//! what a file holds.

use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use redb::StorageBackend;
use redb::backends::FileBackend;

/// Name of the file that only takes room.
pub(super) const ROOM_FILE: &str = "room";

/// Held while any part of a store lives; dropping it lets go.
pub type DirectoryLock = Box<dyn fmt::Debug + Send + Sync>;

/// A place for the files of a store. Names are relative to it.
pub trait Directory: fmt::Debug + Send + Sync {
    /// What errors call it.
    fn path(&self) -> &Path;

    /// Locks it, and makes it if there is none.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock): another process has it.
    fn lock(&self) -> io::Result<DirectoryLock>;

    /// Whether a file has this name.
    ///
    /// # Errors
    ///
    /// It cannot be told.
    fn exists(&self, name: &str) -> io::Result<bool>;

    /// Makes an empty file, in the place of one that has this name.
    ///
    /// # Errors
    ///
    /// It may or may not have happened.
    fn create(&self, name: &str) -> io::Result<()>;

    /// Opens a file that exists.
    ///
    /// # Errors
    ///
    /// There is none, or it cannot be opened.
    fn open(&self, name: &str) -> io::Result<Box<dyn StorageBackend>>;

    /// Makes what is read of a file next be what is on the disk. The system may keep pages in memory whose sync failed:
    /// it will never write them, and a power loss would take back what was read from them.
    ///
    /// # Errors
    ///
    /// They may still be kept.
    fn drop_cached(&self, name: &str) -> io::Result<()>;

    /// Gives a file another name, which no other file has.
    ///
    /// # Errors
    ///
    /// It may or may not have happened.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes all names last.
    ///
    /// # Errors
    ///
    /// Some may not.
    fn sync_names(&self) -> io::Result<()>;

    /// What holds room for the moment in which the disk is full. By default nothing does.
    ///
    /// # Errors
    ///
    /// It cannot be told.
    fn reserve(&self) -> io::Result<Box<dyn Reserve>> {
        Ok(Box::new(NoReserve))
    }
}

/// Room on the disk that nothing is written to, until it is given up.
pub trait Reserve: fmt::Debug + Send + Sync {
    /// Takes so many bytes. Those that it has count.
    ///
    /// # Errors
    ///
    /// There are not so many, and it has none now; or they cannot be taken here.
    fn take(&self, size: u64) -> io::Result<()>;

    /// Gives all of them up.
    ///
    /// # Errors
    ///
    /// It may have them still.
    fn give(&self) -> io::Result<()>;
}

/// None.
#[derive(Debug)]
struct NoReserve;

impl Reserve for NoReserve {
    fn take(&self, _: u64) -> io::Result<()> {
        Ok(())
    }
    fn give(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that takes room on the disk and holds nothing. It stays open, so that giving up needs nothing.
#[derive(Debug)]
struct RoomFile(fs::File);

impl Reserve for RoomFile {
    fn take(&self, size: u64) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::fs::fallocate(&self.0, rustix::fs::FallocateFlags::empty(), 0, size) {
            // Some of it may have been taken.
            self.0.set_len(0)?;
            return Err(error.into());
        }
        let _ = size;
        Ok(())
    }

    fn give(&self) -> io::Result<()> {
        self.0.set_len(0)
    }
}

/// One of the file system.
#[derive(Debug)]
pub(super) struct RealDirectory(pub(super) PathBuf);

impl Directory for RealDirectory {
    fn path(&self) -> &Path {
        &self.0
    }

    /// An open handle is the lock: the system lets go of it when the process ends.
    fn lock(&self) -> io::Result<DirectoryLock> {
        if !self.0.is_dir() {
            create_dir(&self.0)?;
        }
        let handle = fs::File::open(&self.0)?;
        match handle.try_lock() {
            Ok(()) => Ok(Box::new(handle)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(source)) => Err(source),
        }
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        self.0.join(name).try_exists()
    }

    fn create(&self, name: &str) -> io::Result<()> {
        fs::File::create(self.0.join(name)).map(drop)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn StorageBackend>> {
        let file = OpenOptions::new().read(true).write(true).open(self.0.join(name))?;
        Ok(Box::new(FileBackend::new(file).map_err(io::Error::other)?))
    }

    /// Only Linux is known to keep such pages, and to drop them when it is told.
    fn drop_cached(&self, name: &str) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            let file = fs::File::open(self.0.join(name))?;
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?; // mutant real-cache-kept: rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Normal)?;
        }
        let _ = name;
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    fn sync_names(&self) -> io::Result<()> {
        sync_dir(&self.0)
    }

    fn reserve(&self) -> io::Result<Box<dyn Reserve>> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(self.0.join(ROOM_FILE))?;
        Ok(Box::new(RoomFile(file)))
    }
}

/// For its owner only: state is nobody else's.
fn create_dir(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)?;
    sync_parent(dir)
}

/// Makes the name of `dir` last.
pub(super) fn sync_parent(dir: &Path) -> io::Result<()> {
    match dir.parent() {
        Some(parent) if parent != Path::new("") => sync_dir(parent),
        _ => sync_dir(Path::new(".")),
    }
}

/// Names last only when their directory is synced.
fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}
