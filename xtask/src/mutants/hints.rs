//! Which test caught each mutant last time, so that the next hunt asks it first.
//!
//! A file of this machine, `target/mutants/caught.txt`, a line each. A hint may be wrong or gone: then all tests are
//! asked, as without it. Never counts as a catch by itself.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::Trouble;
use crate::binaries::Binary;

/// Where to look first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hint {
    package: String,
    target: String,
    /// None if no single test was to blame.
    pub(super) test: Option<String>,
}

impl Hint {
    pub(super) fn new(binary: &Binary, test: Option<String>) -> Hint {
        Hint { package: binary.package.clone(), target: binary.target.clone(), test }
    }

    pub(super) fn names(&self, binary: &Binary) -> bool {
        self.package == binary.package && self.target == binary.target
    }
}

/// All hints, kept in a file.
#[derive(Debug)]
pub(super) struct Hints {
    file: PathBuf,
    by_mutant: BTreeMap<String, Hint>,
}

impl Hints {
    /// Lines that are not understood are left out.
    pub(super) fn read(file: PathBuf) -> Hints {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        Hints { file, by_mutant: text.lines().filter_map(hint).collect() }
    }

    pub(super) fn of(&self, mutant: &str) -> Option<&Hint> {
        self.by_mutant.get(mutant)
    }

    /// Writes the file each time: a hunt may be stopped.
    pub(super) fn keep(&mut self, mutant: &str, hint: Hint) -> Result<(), Trouble> {
        self.by_mutant.insert(mutant.to_owned(), hint);
        let line = |(mutant, Hint { package, target, test }): (&String, &Hint)| {
            format!("{mutant} {package} {target} {}\n", test.as_deref().unwrap_or("-"))
        };
        let text: String = self.by_mutant.iter().map(line).collect();
        std::fs::write(&self.file, text).map_err(|error| format!("mutants: {}: {error}", self.file.display()))
    }
}

fn hint(line: &str) -> Option<(String, Hint)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [mutant, package, target, test] = words[..] else { return None };
    let test = (test != "-").then(|| test.to_owned());
    Some((mutant.to_owned(), Hint { package: package.to_owned(), target: target.to_owned(), test }))
}

#[cfg(test)]
mod tests;
