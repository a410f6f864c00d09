//! Which binaries were green without a mutant, and how long they took, so that a hunt that goes on need not run them.
//!
//! A file of this machine, `target/mutants/green.txt`. A binary that was built since is another one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::Trouble;

/// What was seen, by path and time of building.
#[derive(Debug)]
pub(super) struct Green {
    file: PathBuf,
    took: BTreeMap<(String, u128), Duration>,
}

impl Green {
    /// Lines that are not understood are left out.
    pub(super) fn read(file: PathBuf) -> Green {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        Green { file, took: text.lines().filter_map(seen).collect() }
    }

    pub(super) fn took(&self, binary: &Path) -> Option<Duration> {
        self.took.get(&key(binary)).copied()
    }

    /// Writes the file each time: a hunt may be stopped.
    pub(super) fn keep(&mut self, binary: &Path, took: Duration) -> Result<(), Trouble> {
        let key = key(binary);
        self.took.retain(|(path, _), _| *path != key.0);
        self.took.insert(key, took);
        let line = |((path, built), took): (&(String, u128), &Duration)| {
            format!("{} {built} {path}\n", took.as_millis())
        };
        let text: String = self.took.iter().map(line).collect();
        std::fs::write(&self.file, text).map_err(|error| format!("mutants: {}: {error}", self.file.display()))
    }
}

fn key(binary: &Path) -> (String, u128) {
    let built = std::fs::metadata(binary).and_then(|data| data.modified()).ok();
    let since = built.and_then(|built| built.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    (binary.display().to_string(), since.as_nanos())
}

fn seen(line: &str) -> Option<((String, u128), Duration)> {
    let mut words = line.splitn(3, ' ');
    let took = Duration::from_millis(words.next()?.parse().ok()?);
    let built = words.next()?.parse().ok()?;
    Some(((words.next()?.to_owned(), built), took))
}

#[cfg(test)]
mod tests;
