//! Copies the repository into `target/mutants/copy` and rewrites the marked lines there.
//!
//! Files that did not change are not written again, so that the copy builds incrementally.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::CHOICE;
use super::comment::Marker;
use crate::{Trouble, files};

/// A copy of the repository with all mutants in it.
#[derive(Debug)]
pub struct Copy {
    /// Where it is.
    pub root: PathBuf,
    /// What belongs to it; all else was left by tests.
    files: BTreeSet<PathBuf>,
}

/// Brings the copy up to date.
pub fn plant(root: &Path, markers: &[Marker]) -> Result<Copy, Trouble> {
    let copy = root.join("target/mutants/copy");
    let roots: BTreeSet<PathBuf> = crate_roots(root, markers)?;
    let mut by_file: BTreeMap<&Path, Vec<&Marker>> = BTreeMap::new();
    for marker in markers {
        by_file.entry(&marker.file).or_default().push(marker);
    }
    let files: BTreeSet<PathBuf> = files::listed(root).into_iter().collect();
    for file in &files {
        let mut bytes = std::fs::read(root.join(file)).map_err(|error| at(file, &error))?;
        let planted = by_file.get(file.as_path());
        if planted.is_some() || roots.contains(file) {
            let text = String::from_utf8(bytes).map_err(|error| at(file, &error))?;
            bytes = rewritten(&text, planted.map_or(&[], Vec::as_slice), roots.contains(file)).into_bytes();
        }
        write_if_changed(&copy.join(file), &bytes).map_err(|error| at(file, &error))?;
    }
    let copy = Copy { root: copy, files };
    copy.sweep();
    Ok(copy)
}

impl Copy {
    /// Removes what tests left in the copy, so that no mutant profits from what another one left.
    pub fn sweep(&self) {
        for file in files::walked(&self.root) {
            if !self.files.contains(&file) {
                // A file that is gone already is as good.
                let _ = std::fs::remove_file(self.root.join(file));
            }
        }
    }
}

fn at(file: &Path, error: &dyn std::fmt::Display) -> Trouble {
    format!("mutants: {}: {error}", file.display())
}

/// The files that need `fn mutant`: the crate roots of every crate with a mutant.
fn crate_roots(root: &Path, markers: &[Marker]) -> Result<BTreeSet<PathBuf>, Trouble> {
    let mut roots = BTreeSet::new();
    for marker in markers {
        let folder: PathBuf = marker.file.iter().take(2).collect();
        let manifest = std::fs::read_to_string(root.join(&folder).join("Cargo.toml")).unwrap_or_default();
        if manifest.contains("proc-macro = true") {
            let place = marker.place();
            return Err(format!("{place}: a macro runs while tests are built, no choice is possible there"));
        }
        let candidates = ["src/lib.rs", "src/main.rs"].map(|name| folder.join(name));
        roots.extend(candidates.into_iter().filter(|path| root.join(path).exists()));
    }
    Ok(roots)
}

fn rewritten(text: &str, markers: &[&Marker], is_root: bool) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for marker in markers {
        let index = marker.line - 1;
        lines[index].clone_from(&marker.choice);
        // The attribute may not stand before an `if`; the line stays, so that numbers stay true.
        if index > 0 && lines[index - 1].trim_start().starts_with("#[rustfmt::skip]") {
            lines[index - 1].clear();
        }
    }
    if is_root {
        lines.push(format!(
            r#"
/// True if this run is to be wrong in this way. Waits for nobody, and answers false to itself: to read a variable is to
/// allocate, an allocator may draw entropy, and under nigh-guard that may ask for a mutant.
#[allow(dead_code, clippy::disallowed_methods)]
fn mutant(name: &str) -> bool {{
    static CHOSEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    std::thread_local!(static READS: std::cell::Cell<bool> = const {{ std::cell::Cell::new(false) }});
    if CHOSEN.get().is_none() && !READS.replace(true) {{
        let _who_is_first = CHOSEN.set(std::env::var("{CHOICE}").ok());
        READS.set(false);
    }}
    CHOSEN.get().is_some_and(|chosen| chosen.as_deref() == Some(name))
}}"#
        ));
    }
    lines.join("\n") + "\n"
}

fn write_if_changed(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    std::fs::create_dir_all(path.parent().expect("a file of the copy lies in a folder"))?;
    std::fs::write(path, bytes)
}
