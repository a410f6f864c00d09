//! One run of a test binary, whole or of one test, with a mutant or without, and how it ended badly.
//!
//! [`Lines`] understands what the test runner prints. Never judges whether that is a catch.

use std::fmt;
use std::process::ExitStatus;
use std::time::Duration;

use super::CHOICE;
use crate::Trouble;
use crate::binaries::{self, Binary, Ending};

/// Which tests of a binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Which {
    All,
    /// Those whose path begins so, or has it within: `shards::gate::`.
    Module(String),
    Test(String),
}

/// What to run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    pub(super) binary: &'a Binary,
    pub(super) which: &'a Which,
    pub(super) mutant: Option<&'a str>,
}

/// Not green.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// This test.
    Failed(String),
    /// It ended before a test could be blamed.
    Died(ExitStatus),
    /// It did not end.
    Hung {
        /// The one that the test runner waited for longest.
        test: Option<String>,
        /// Of its own.
        spent: Duration,
        done: usize,
        of: usize,
    },
}

impl Bad {
    /// The one to blame.
    pub(super) fn test(&self) -> Option<&str> {
        match self {
            Bad::Failed(test) => Some(test),
            Bad::Hung { test, .. } => test.as_deref(),
            Bad::Died(_) => None,
        }
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bad::Failed(_) => write!(out, "failed"),
            Bad::Died(status) => write!(out, "died, {status}"),
            Bad::Hung { spent, done, of, .. } => {
                write!(out, "hung, {done} of {of} tests done after {} s of its own", spent.as_secs())
            }
        }
    }
}

impl Run<'_> {
    /// The time it took of its own, and how it ended if not well. With a mutant, the first test that fails ends it.
    pub(super) fn run(
        &self,
        patience: Duration,
        libraries: &str,
    ) -> Result<(Duration, Option<Bad>), Trouble> {
        let mut command = self.binary.command(libraries);
        command.env_remove(CHOICE).envs(self.mutant.map(|name| (CHOICE, name)));
        match self.which {
            Which::All => {}
            Which::Module(path) => drop(command.arg(path)),
            Which::Test(name) => drop(command.args(["--exact", name])),
        }
        let mut lines = Lines::default();
        let watched = binaries::watch(&mut command, patience, |line| {
            lines.read(line);
            lines.failed.is_some() && self.mutant.is_some()
        });
        let watched = watched.map_err(|error| format!("mutants: {}: {error}", self.binary.path.display()))?;
        Ok((watched.spent, lines.verdict(watched.ending, watched.spent)))
    }
}

/// What has been read so far.
#[derive(Debug, Default)]
struct Lines {
    of: usize,
    done: usize,
    failed: Option<String>,
    /// Named by the runner after a minute, and not done.
    slow: Vec<String>,
}

impl Lines {
    fn read(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("running ") {
            self.of = rest.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(self.of);
        }
        let Some(rest) = line.strip_prefix("test ") else { return };
        if let Some(name) = rest.strip_suffix(" has been running for over 60 seconds") {
            self.slow.push(name.to_owned());
        } else if let Some((name, how)) = rest.split_once(" ... ") {
            let name = name.trim_end_matches(" - should panic");
            self.done += 1;
            self.slow.retain(|slow| slow != name);
            if how == "FAILED" {
                self.failed.get_or_insert_with(|| name.to_owned());
            }
        }
    }

    fn verdict(self, ending: Ending, spent: Duration) -> Option<Bad> {
        let Lines { of, done, failed, slow } = self;
        match (failed, ending) {
            (Some(test), _) => Some(Bad::Failed(test)),
            (None, Ending::Ended(status)) if status.success() => None,
            (None, Ending::Ended(status)) => Some(Bad::Died(status)),
            (None, Ending::Hung | Ending::Stopped) => {
                Some(Bad::Hung { test: slow.into_iter().next(), spent, done, of })
            }
        }
    }
}

#[cfg(test)]
mod tests;
