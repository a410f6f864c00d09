//! Who asked: the innermost function in a backtrace that is the user's.
//!
//! std gives its frames only as text, so this reads text; a form it does not know costs the name, nothing else.

use std::backtrace::Backtrace;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::{Refused, What};

#[cfg(test)]
mod tests;

/// Crates whose functions ask on somebody's behalf; `nigh` and those whose name begins with `nigh_` too.
const BETWEEN: [&str; 11] = [
    "std",
    "core",
    "alloc",
    "libc",
    "test",
    "tokio",
    "async_task",
    "backtrace",
    "gimli",
    "addr2line",
    "hashbrown",
];

/// Folders of sources that the user did not write: of crates from a registry or a repository, and of std.
const FOREIGN: [&str; 3] = ["/registry/src/", "/git/checkouts/", "/rustc/"];

/// Path of this executable, whose debug information a backtrace reads.
static EXECUTABLE: OnceLock<Option<PathBuf>> = OnceLock::new();

/// Learns what [`is_for_backtrace`] needs, before anything is refused.
pub(crate) fn warm() {
    EXECUTABLE.get_or_init(|| std::env::current_exe().ok());
}

/// Whether a file is one that the making of a backtrace reads. std holds a lock meanwhile, under which no other
/// backtrace can be made: to refuse such a file, and to ask who wanted it, would stop the thread for ever.
pub(crate) fn is_for_backtrace(path: &Path) -> bool {
    let is_library = |name: &OsStr| name.to_string_lossy().contains(".so.");
    path == Path::new("/proc/self/maps")
        || EXECUTABLE.get().and_then(Option::as_deref) == Some(path)
        || path.starts_with("/usr/lib/debug")
        || path
            .extension()
            .is_some_and(|end| ["so", "debug", "dwp", "dwo", "dwz"].iter().any(|of| end == *of))
        || path.file_name().is_some_and(is_library)
}

/// Note of what the caller's caller was refused.
pub(crate) fn asked(what: What) -> Refused {
    let trace = Backtrace::force_capture().to_string();
    let frames = frames(&trace);
    let user = |frame: &&Frame<'_>| is_of_user(frame.function);
    let own = |frame: &&Frame<'_>| user(frame) && !FOREIGN.iter().any(|part| frame.place.contains(part));
    let Some(frame) = frames.iter().find(own).or_else(|| frames.iter().find(user)) else {
        return Refused { what, who: "?".into(), place: None };
    };
    let who = function(frame.function).to_owned();
    Refused { what: cause(what, &frames), who, place: place(frame.place) }
}

/// A command opens files for its input and output first: what was asked for is the process.
fn cause(what: What, frames: &[Frame<'_>]) -> What {
    let before = frames.iter().take_while(|frame| !is_of_user(frame.function));
    let is_command = before.into_iter().any(|frame| frame.function.contains("std::process::Command"));
    if is_command { What::Process } else { what }
}

#[derive(Debug, PartialEq)]
struct Frame<'a> {
    function: &'a str,
    /// `path:line:column`, or nothing.
    place: &'a str,
}

/// Frames of a backtrace as std prints them, innermost first:
///
/// ```text
///    4: shop::charge
///              at ./src/main.rs:12:5
///       shop::inlined_into_it
/// ```
fn frames(trace: &str) -> Vec<Frame<'_>> {
    let mut frames: Vec<Frame<'_>> = Vec::new();
    for line in trace.lines().map(str::trim) {
        if let Some(place) = line.strip_prefix("at ") {
            frames.iter_mut().rev().take(1).for_each(|frame| frame.place = place);
            continue;
        }
        let numbered = line.split_once(": ").filter(|(number, _)| number.parse::<u32>().is_ok());
        frames.push(Frame { function: numbered.map_or(line, |(_, function)| function), place: "" });
    }
    frames
}

/// Whether a function belongs to the user: for `<A as B>::f` if the type or the trait does.
fn is_of_user(function: &str) -> bool {
    let Some(inner) = function.strip_prefix('<') else { return is_user_path(function) };
    match inner.split_once(" as ") {
        Some((of, as_)) => is_user_path(of) || is_user_path(as_),
        None => is_user_path(inner),
    }
}

/// Whether a path begins with the name of a crate that is the user's. `T`, `u8` and `main` are no paths.
fn is_user_path(path: &str) -> bool {
    let words = ["dyn ", "mut ", "const ", "impl "];
    let mut path = path.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '_');
    while let Some(rest) = words.iter().find_map(|word| path.strip_prefix(word)) {
        path = rest.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '_');
    }
    let end = path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len());
    let (krate, rest) = path.split_at(end);
    let between = BETWEEN.contains(&krate) || krate == "nigh" || krate.starts_with("nigh_");
    rest.starts_with("::") && !between
}

/// Path of the function that was written: a closure, or the body of an `async fn`, has its name.
fn function(mut path: &str) -> &str {
    while let Some((outer, inner)) = path.rsplit_once("::") {
        if !inner.starts_with('{') {
            break;
        }
        path = outer;
    }
    path
}

fn place(place: &str) -> Option<String> {
    let (file_and_line, _column) = place.rsplit_once(':')?;
    Some(file_and_line.strip_prefix("./").unwrap_or(file_and_line).to_owned())
}
