//! All that a store asks of its disk beyond the contents of files: names, their order, and one lock.
//!
//! [`Directory`] is the contract, [`RealDirectory`] the file system's. A simulator brings its own, and with it files
//! that lose what was not synced. Nothing here knows what a file holds.

use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use redb::StorageBackend;
use redb::backends::FileBackend;

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
