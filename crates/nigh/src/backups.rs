//! Copies that a running process makes of its store when it is asked from outside: in the folder that its operator has
//! named, under a plain name, one at a time, and never in the place of another.
//!
//! How a copy is made is the store's (`store/embedded/live.rs`).

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::service::BoxFuture;
use crate::store::{Copier, CopyError, Verified};

/// Longest name of a backup: a date, a host and a reason.
const NAME_SIZE_MAX: usize = 64;

/// Why there is no backup.
#[derive(Debug)]
pub enum BackupError {
    /// The operator of this process has named no folder for them.
    Off,
    /// It is no plain name.
    Name,
    /// Another one is being made.
    Busy,
    /// It could not be made.
    Copy(CopyError),
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackupError::Off => f.write_str(
                "there is no copy: this process was started without --backups DIR, the folder for them",
            ),
            BackupError::Name => write!(
                f,
                "there is no copy: a name has 1 to {NAME_SIZE_MAX} letters, digits, `-`, `_` and `.`, and begins with a \
                 letter or a digit"
            ),
            BackupError::Busy => {
                f.write_str("there is no copy: another one is being made. Ask again when it is there")
            }
            BackupError::Copy(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BackupError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let BackupError::Copy(error) = self { Some(error) } else { None }
    }
}

/// Those of a process.
pub(crate) struct Backups {
    pub(crate) folder: Option<PathBuf>,
    pub(crate) copier: Option<Copier>,
    pub(crate) busy: Arc<AtomicBool>,
}

impl Backups {
    /// Makes one. It is made to its end, whether or not anybody waits for it.
    pub(crate) fn make(&self, name: &str) -> BoxFuture<'static, Result<Verified, BackupError>> {
        let begun = self.begin(name);
        Box::pin(async move {
            let (copier, to, busy) = begun?;
            // Kept by both: whoever asked may go before it is made, and is told before the next one begins.
            let kept = busy.clone();
            let made = tokio::task::spawn_blocking(move || {
                let made = copier.backup(&to);
                drop(kept);
                made
            });
            let made = made.await.expect("making a copy does not panic").map_err(BackupError::Copy);
            drop(busy);
            made
        })
    }

    fn begin(&self, name: &str) -> Result<(Copier, PathBuf, Arc<Busy>), BackupError> {
        let folder = self.folder.as_ref().ok_or(BackupError::Off)?;
        let plain = is_plain(name); // mutant backup-name-unchecked: let plain = true;
        if !plain {
            return Err(BackupError::Name);
        }
        let copier = self.copier.clone().ok_or(BackupError::Copy(CopyError::Nothing))?;
        let taken = self.busy.swap(true, Ordering::AcqRel);
        if taken {
            return Err(BackupError::Busy);
        }
        Ok((copier, folder.join(name), Arc::new(Busy(self.busy.clone()))))
    }
}

/// Whoever asks names a directory in the folder, and nothing else.
fn is_plain(name: &str) -> bool {
    let all = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    all && name.len() <= NAME_SIZE_MAX
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && !name.ends_with(".unfinished")
}

/// One is being made.
struct Busy(Arc<AtomicBool>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
