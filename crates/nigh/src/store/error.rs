//! What can go wrong with a store, sorted by what to do next. Every text says it.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use nigh_proto::shards::ShardId;

use super::{FORMAT_VERSION, GroupId, Head};

/// The shard has another epoch or another next position than the append said (R8). Nothing of it was written: drop
/// the shard's memory and take it up anew (R9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fenced {
    /// Where it really stands.
    pub head: Head,
}

/// Why a group is not known to be durable.
#[derive(Debug)]
pub enum AppendError {
    /// No space left, and nothing was written: the same group may be appended later.
    Full,
    /// It may be durable. The log is closed: end the process, the next open tells.
    InDoubt(StoreError),
}

/// Where stored bytes are damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The whole file.
    File(&'static str),
    /// A transaction of the log.
    Group(GroupId),
    /// A blob of the log.
    Blob(GroupId, ShardId),
    /// Where a shard stands.
    Head(ShardId),
    /// A row.
    Row(ShardId, Vec<u8>),
    /// The highest position of a shard's rows.
    High(ShardId),
    /// What a file says of itself.
    Meta(&'static str, &'static str),
    /// The shape of an entity.
    Shape(String),
}

/// Why an open store did not do what it was asked.
#[derive(Debug)]
pub enum StoreError {
    /// The bytes are not those that were written. What was read before stands.
    Corrupt {
        /// Where.
        place: Place,
        /// How it shows.
        detail: String,
    },
    /// The disk, or the file system, failed.
    Io(io::Error),
    /// No space left, and nothing was written: the same may be tried again later.
    Full,
    /// An earlier error closed the store.
    Closed,
    /// The log would lose what is in no row: a mistake of the program.
    NotSwept {
        /// Asked.
        below: GroupId,
        /// Recorded.
        swept: GroupId,
    },
}

impl StoreError {
    /// Bytes whose checksum is right and that this build cannot read all the same.
    pub(crate) fn corrupt(detail: impl Into<String>) -> Self {
        StoreError::Corrupt { place: Place::File("a file of the store"), detail: detail.into() }
    }
}

/// Why a store was not opened. Nothing in it was changed.
#[derive(Debug)]
pub enum OpenError {
    /// Another process has it.
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// Written by another version of nigh.
    Format {
        /// Of the files.
        found: u32,
        /// Of this build.
        ours: u32,
    },
    /// Created with another number of shards.
    Shards {
        /// Of the store.
        found: u32,
        /// Of this build.
        asked: u32,
    },
    /// It is a copy: started on, it would take itself for the first store.
    Copy {
        /// The directory.
        dir: PathBuf,
    },
    /// Holds state of another shape.
    Shape {
        /// Wire name of the entity.
        name: String,
        /// Stored.
        stored: String,
        /// Of this build.
        built: String,
    },
    /// The files do not belong together, or one is missing.
    Mixed {
        /// The directory.
        dir: PathBuf,
        /// How it shows.
        detail: String,
    },
    /// The bytes are not those that were written.
    Corrupt {
        /// The directory.
        dir: PathBuf,
        /// Where.
        place: Place,
        /// How it shows.
        detail: String,
    },
    /// The disk, or the file system, failed.
    Io {
        /// The directory.
        dir: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Why there is no copy. The store it was to be of is as it was; what was written of the copy is removed.
#[derive(Debug)]
pub enum CopyError {
    /// This process has no store on a disk.
    Nothing,
    /// What was to be copied cannot be read.
    Source(OpenError),
    /// Something has the name of the copy already.
    Exists {
        /// The name.
        dir: PathBuf,
    },
    /// The copy cannot be written.
    Target {
        /// Where.
        dir: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
    /// Read back, the copy is not what was written.
    Unproven(OpenError),
}

impl fmt::Display for Fenced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Head { epoch, next } = self.head;
        write!(f, "the shard is at epoch {}, position {}: take it up anew", epoch.0, next.0)
    }
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppendError::Full => StoreError::Full.fmt(f),
            AppendError::InDoubt(source) => {
                write!(
                    f,
                    "a commit may or may not be durable ({source}). End the process; the next start reads the disk"
                )
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(file) => write!(f, "file {file}"),
            Place::Group(group) => write!(f, "group {} of the log", group.0),
            Place::Blob(group, shard) => {
                write!(f, "blob of shard {} in group {} of the log", shard.0, group.0)
            }
            Place::Head(shard) => write!(f, "head of shard {}", shard.0),
            Place::Row(shard, key) => write!(f, "row {} of shard {}", key.escape_ascii(), shard.0),
            Place::High(shard) => write!(f, "highest position of shard {}", shard.0),
            Place::Meta(file, what) => write!(f, "{what} of {file}"),
            Place::Shape(name) => write!(f, "stored shape of {name}"),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Corrupt { place, detail } => {
                write!(f, "damaged: {place}: {detail}. Restore the directory from a backup")
            }
            StoreError::Io(source) => write!(f, "the disk failed: {source}. Check it, then start again"),
            StoreError::Full => {
                f.write_str("the disk is full; nothing was written. Free space; writes then go on")
            }
            StoreError::Closed => {
                f.write_str("the store was closed by an earlier error. Start the process again")
            }
            StoreError::NotSwept { below, swept } => write!(
                f,
                "cutting the log below group {} would lose changes: swept only below {}",
                below.0, swept.0
            ),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Locked { dir } => write!(
                f,
                "{} is already open by another process. Stop that one, or name another directory",
                dir.display()
            ),
            OpenError::Format { found, ours } => write!(
                f,
                "the store has format version {found}, this build reads {ours}. Start the release of nigh that wrote it"
            ),
            OpenError::Shards { found, asked } => write!(
                f,
                "the store was created with {found} shards, this build asks for {asked}. Keys would part from their \
                 records: set {found} again, or start with an empty directory"
            ),
            OpenError::Copy { dir } => write!(
                f,
                "{dir} is a copy: started on, it would take itself for the first store, and call not done what was done \
                 since. Nothing was touched. Put it back with `nigh store restore {dir} DIR`, and start on DIR",
                dir = dir.display()
            ),
            OpenError::Shape { name, stored, built } => write!(
                f,
                "{name} is stored in another shape than this build has. Nothing was touched. Start the build that \
                 wrote it, or undo the change.\n  stored: {stored}\n  built:  {built}"
            ),
            OpenError::Mixed { dir, detail } => write!(
                f,
                "the files of {} do not belong together: {detail}. Restore all of them from the same backup, or start with \
                 an empty directory",
                dir.display()
            ),
            OpenError::Corrupt { dir, place, detail } => write!(
                f,
                "{} is damaged: {place}: {detail}. Nothing was touched. Restore all files from a backup",
                dir.display()
            ),
            OpenError::Io { dir, source } => {
                write!(
                    f,
                    "{} cannot be opened: {source}. Check the path, its rights and the disk",
                    dir.display()
                )
            }
        }
    }
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CopyError::Nothing => f.write_str(
                "there is no copy: this process has no store. Ask the one that has the entities, with --data",
            ),
            CopyError::Source(source) => write!(f, "there is no copy: {source}"),
            CopyError::Exists { dir } => write!(
                f,
                "there is no copy: {} is there already, and nothing in it was touched. Name another directory",
                dir.display()
            ),
            CopyError::Target { dir, source } => write!(
                f,
                "there is no copy: {} cannot be written: {source}. What was written of it is removed. Check the \
                 path, its rights and the space on its disk",
                dir.display()
            ),
            CopyError::Unproven(source) => write!(
                f,
                "there is no copy: read back, it was not what had been written, and is removed: {source}. Do not \
                 trust its disk"
            ),
        }
    }
}

impl Error for CopyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            CopyError::Source(source) | CopyError::Unproven(source) => Some(source),
            CopyError::Target { source, .. } => Some(source),
            CopyError::Nothing | CopyError::Exists { .. } => None,
        }
    }
}

impl From<StoreError> for AppendError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => AppendError::Full,
            error => AppendError::InDoubt(error),
        }
    }
}

impl Error for Fenced {}

impl Error for AppendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            AppendError::Full => None,
            AppendError::InDoubt(source) => Some(source),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            StoreError::Io(source) => Some(source),
            StoreError::Corrupt { .. }
            | StoreError::Full
            | StoreError::Closed
            | StoreError::NotSwept { .. } => None,
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            OpenError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl OpenError {
    /// The files are of another format version.
    pub(super) fn format(found: u32) -> Self {
        OpenError::Format { found, ours: FORMAT_VERSION }
    }

    /// What stopped the reading of a store that is being opened.
    pub(super) fn from_store(dir: &std::path::Path, error: StoreError) -> Self {
        let dir = dir.to_path_buf();
        match error {
            StoreError::Corrupt { place, detail } => OpenError::Corrupt { dir, place, detail },
            StoreError::Io(source) => OpenError::Io { dir, source },
            StoreError::Full => OpenError::Io { dir, source: io::ErrorKind::StorageFull.into() },
            StoreError::Closed | StoreError::NotSwept { .. } => {
                OpenError::Io { dir, source: io::Error::other(error.to_string()) }
            }
        }
    }
}
