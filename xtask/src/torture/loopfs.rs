//! A file system in a file: it can be small, and its power can be cut.
//!
//! The cut is the file system's own: `shutdown` drops what was not synced, as a power loss does, and takes no more.
//! Dropped, it is unmounted; that needs that nobody is at work in it, so a server in it is dropped before.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::Trouble;

/// A process that was killed lets go of its files a moment later.
const BUSY_TRIES: u32 = 200;

/// One, mounted.
#[derive(Debug)]
pub struct LoopFs {
    image: PathBuf,
    at: PathBuf,
}

impl LoopFs {
    /// Makes and mounts one of this kind in `folder`, of so many MiB.
    pub fn make(kind: &str, folder: &Path, size_mib: u64) -> Result<LoopFs, Trouble> {
        let made = LoopFs { image: folder.join(format!("{kind}.image")), at: folder.join(kind) };
        std::fs::create_dir_all(&made.at).map_err(|error| format!("{}: {error}", made.at.display()))?;
        let file = std::fs::File::create(&made.image).and_then(|file| file.set_len(size_mib << 20));
        file.map_err(|error| format!("{}: {error}", made.image.display()))?;
        run(&format!("mkfs.{kind}"), &[Path::new("-q"), &made.image])?;
        made.mount()?;
        Ok(made)
    }

    /// Where its files are.
    pub fn at(&self) -> &Path {
        &self.at
    }

    /// Cuts its power: what was not synced is gone, and every call fails.
    pub fn cut(&self) -> Result<(), Trouble> {
        run("xfs_io", &[Path::new("-x"), Path::new("-c"), Path::new("shutdown"), &self.at])
    }

    /// What a machine does that has power again.
    pub fn again(&self) -> Result<(), Trouble> {
        self.unmount()?;
        self.mount()
    }

    fn mount(&self) -> Result<(), Trouble> {
        run("mount", &[Path::new("-o"), Path::new("loop"), &self.image, &self.at])
    }

    fn unmount(&self) -> Result<(), Trouble> {
        let mut told = Ok(());
        for _ in 0..BUSY_TRIES {
            told = run("umount", &[&self.at]);
            if told.is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        told
    }
}

impl Drop for LoopFs {
    fn drop(&mut self) {
        if self.unmount().is_err() {
            // Somebody is still in it: it goes with the last one.
            let _ = run("umount", &[Path::new("-l"), &self.at]);
        }
        let _ = std::fs::remove_file(&self.image);
    }
}

/// Why there are none of this kind here, if so: a small one is made and, if it `is_cut`, cut.
pub fn missing(kind: &str, folder: &Path, is_cut: bool) -> Option<String> {
    // XFS takes no less than 300 MiB; none of it is written.
    let tried = LoopFs::make(kind, folder, 320).and_then(|made| if is_cut { made.cut() } else { Ok(()) });
    tried.err().map(|error| {
        format!("no {kind} in a file here (it takes root, mkfs.{kind}, loop devices, xfs_io): {error}")
    })
}

fn run(program: &str, args: &[&Path]) -> Result<(), Trouble> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("{program}: {error}")),
    }
}
