//! Known faults, kept beside the lines they break, and a command that plants each and sees it caught.
//!
//! A line of `crates/*/src` may end in `// mutant NAME: replacement`: with the replacement in its place, some
//! test must fail. All of them are planted at once in a copy, each chosen at run time by `NIGH_MUTANT`, so one
//! build serves all and no other build holds any.
//!
//! - [`comment`] finds the comments. Start here.
//! - [`rewrite`] turns one line and its replacement into a choice.
//! - [`plant`] copies the repository and rewrites the copy.
//! - [`hunt`] builds the copy, runs its tests without a mutant, then with each; `hints` is where it looks first,
//!   `green` what it need not run again.
//! - `run` is one run of one test binary.
//! - [`simulate`] does so with seeds of the simulator instead of tests.
//!
//! Never touches the repository itself: the copy is `target/mutants`.

pub mod comment;
mod green;
mod hints;
pub mod hunt;
pub mod plant;
pub mod rewrite;
mod run;
pub mod simulate;

use std::path::Path;

use crate::{Trouble, files};
use comment::Marker;

/// The variable that chooses a mutant in the copy.
pub const CHOICE: &str = "NIGH_MUTANT";

/// `cargo xtask mutants [NAME…] [--list]`, or with `--sim` what [`simulate`] does.
pub fn command(root: &Path, args: &[String]) -> Result<(), Trouble> {
    if args.iter().any(|arg| arg == "--sim") {
        return simulate::command(root, args);
    }
    let (flags, names): (Vec<&String>, Vec<&String>) = args.iter().partition(|arg| arg.starts_with('-'));
    if let Some(unknown) = flags.iter().find(|flag| *flag != &"--list") {
        return Err(format!("`{unknown}` is no flag of mutants: NAME…, --list or --sim"));
    }
    let all = found(root)?;
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|marker| marker.name != ***name)) {
        return Err(format!("no mutant is called `{unknown}`; --list shows all"));
    }
    let chosen: Vec<&Marker> = all
        .iter()
        .filter(|marker| names.is_empty() || names.iter().any(|name| **name == marker.name))
        .collect();
    if !flags.is_empty() {
        for marker in &chosen {
            println!("{:<40} {}:{}", marker.name, marker.file.display(), marker.line);
        }
        println!("mutants: {}", chosen.len());
        return Ok(());
    }
    let copy = plant::plant(root, &all)?;
    let tally = hunt::hunt(&copy, &chosen)?;
    println!("{tally}");
    match tally.escaped {
        0 => Ok(()),
        escaped => Err(format!("{escaped} mutants escaped: add a test, or delete the comment")),
    }
}

/// All mutants of the repository, in order of their files.
///
/// # Errors
///
/// Every comment that does not fit the forms, and every name used twice, each with its place.
pub fn found(root: &Path) -> Result<Vec<Marker>, Trouble> {
    let mut markers: Vec<Marker> = Vec::new();
    let mut errors = Vec::new();
    for (path, text) in files::rust(root) {
        if !path.starts_with("crates") || !path.components().any(|part| part.as_os_str() == "src") {
            continue;
        }
        for marker in comment::markers(&path, &text) {
            match marker {
                Err(error) => errors.push(error),
                Ok(marker) => {
                    if let Some(other) = markers.iter().find(|other| other.name == marker.name) {
                        let (here, there) = (marker.place(), other.place());
                        errors.push(format!("{here}: mutant `{}` stands at {there} too", marker.name));
                    }
                    markers.push(marker);
                }
            }
        }
    }
    if errors.is_empty() { Ok(markers) } else { Err(errors.join("\n")) }
}
