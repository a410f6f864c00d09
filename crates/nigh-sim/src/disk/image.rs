//! What a disk holds, as a value: for each file the platter, and in what order the cache changed it since its last
//! sync; for the names the same.
//!
//! An [`Image`] changes by [`Operation`]s alone. A history of them, applied one by one, gives the disk as it is before
//! each: the place from which a crash is drawn (`crash.rs`).

use std::collections::BTreeMap;

use bytes::Bytes;

use super::contents::Contents;

/// A file for good, whatever it is called.
pub(super) type FileId = usize;

/// What changes a disk.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Create(String),
    Rename(String, String),
    SyncNames,
    Write(FileId, u64, Bytes),
    SetLen(FileId, u64),
    Sync(FileId),
    /// Of a file whose sync had failed: reads see what is on the platter, and what was changed since.
    DropCached(FileId),
}

impl Operation {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Operation::Create(_) => "create",
            Operation::Rename(..) => "rename",
            Operation::SyncNames => "sync of names",
            Operation::Write(..) => "write",
            Operation::SetLen(..) => "set_len",
            Operation::Sync(_) => "sync",
            Operation::DropCached(_) => "drop of the cache",
        }
    }

    pub(super) fn is_naming(&self) -> bool {
        matches!(self, Operation::Create(_) | Operation::Rename(..) | Operation::SyncNames)
    }
}

/// Since the last sync, in order.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Write(u64, Bytes),
    SetLen(u64),
}

/// Since the last sync of names, in order.
#[derive(Clone, Debug)]
pub(super) struct Naming {
    pub(super) removed: Option<String>,
    pub(super) added: String,
    pub(super) file: FileId,
}

#[derive(Clone, Debug, Default)]
pub(super) struct FileImage {
    /// What a power loss leaves for certain.
    pub(super) platter: Contents,
    /// The same before the last sync: what a disk leaves that acknowledged it and lied.
    pub(super) older: Contents,
    /// What a read sees.
    pub(super) cache: Contents,
    pub(super) unsynced: Vec<Change>,
    /// A sync failed: reads see what no sync will write.
    pub(super) cache_is_ahead: bool,
}

/// All of a disk.
#[derive(Clone, Debug, Default)]
pub struct Image {
    pub(super) files: Vec<FileImage>,
    pub(super) names_platter: BTreeMap<String, FileId>,
    pub(super) names: BTreeMap<String, FileId>,
    pub(super) unsynced_names: Vec<Naming>,
}

impl Image {
    pub(super) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Create(name) => {
                self.files.push(FileImage::default());
                self.name(Naming { removed: None, added: name.clone(), file: self.files.len() - 1 });
            }
            Operation::Rename(from, to) => {
                let file = self.names[from];
                self.name(Naming { removed: Some(from.clone()), added: to.clone(), file });
            }
            Operation::SyncNames => {
                self.names_platter = self.names.clone();
                self.unsynced_names.clear();
            }
            Operation::Write(file, offset, data) => {
                let file = &mut self.files[*file];
                let end = offset + data.len() as u64;
                if end > file.cache.len() {
                    file.set_len(end);
                }
                file.cache.write(*offset, data);
                file.unsynced.push(Change::Write(*offset, data.clone()));
            }
            Operation::SetLen(file, len) => self.files[*file].set_len(*len),
            Operation::Sync(file) => {
                let file = &mut self.files[*file];
                if file.cache_is_ahead {
                    file.older = file.platter.clone();
                    // What a failed sync has dropped is not written by the next one.
                    file.unsynced.drain(..).for_each(|change| change.apply(&mut file.platter));
                } else {
                    file.unsynced.clear();
                    file.older = std::mem::replace(&mut file.platter, file.cache.clone());
                }
            }
            Operation::DropCached(file) => {
                let file = &mut self.files[*file];
                file.cache = file.platter.clone();
                file.unsynced.iter().for_each(|change| change.apply(&mut file.cache));
                file.cache_is_ahead = false;
            }
        }
    }

    fn name(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.unsynced_names.push(naming);
    }

    /// The same, but one file as it was on `other`, an earlier state of this disk.
    pub(super) fn with_file(&self, name: &str, other: &Image) -> Image {
        let mut image = self.clone();
        if let Some(file) = self.names.get(name) {
            image.files[*file] = other.files[*file].clone();
        }
        image
    }

    /// Whether a reader would find the same: names and contents.
    pub(super) fn reads_as(&self, other: &Image) -> bool {
        let read = |image: &Image| -> Vec<_> {
            image.names.iter().map(|(name, file)| (name.clone(), image.files[*file].cache.clone())).collect()
        };
        read(self) == read(other)
    }
}

impl Naming {
    pub(super) fn apply(&self, names: &mut BTreeMap<String, FileId>) {
        if let Some(removed) = &self.removed {
            names.remove(removed);
        }
        names.insert(self.added.clone(), self.file);
    }
}

impl Change {
    fn apply(&self, contents: &mut Contents) {
        match self {
            Change::Write(offset, data) => contents.write(*offset, data),
            Change::SetLen(len) => contents.set_len(*len),
        }
    }
}

impl FileImage {
    fn set_len(&mut self, len: u64) {
        self.cache.set_len(len);
        self.unsynced.push(Change::SetLen(len));
    }
}
