//! What a scenario is, and what it can come to: it ran, it cannot run on this machine, or a promise is broken.
//!
//! What cannot run is never counted as passed.

use std::fmt;
use std::path::{Path, PathBuf};

use super::shop::{Summary, Torture};
use crate::Trouble;

/// One kind of misfortune.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// What it is asked for by.
    pub name: &'static str,
    /// In one line, for the list.
    pub about: &'static str,
    /// Lets it happen.
    pub run: fn(&Ground) -> Result<Outcome, Trouble>,
}

/// What became of it; a broken promise is an error.
#[derive(Debug)]
pub enum Outcome {
    /// Every promise held.
    Ran(Done),
    /// This machine has not what it takes.
    Skipped(String),
}

/// How much was struck and counted.
#[derive(Debug, Default)]
pub struct Done {
    /// Points that were struck.
    pub points: u64,
    /// Changes that were acknowledged.
    pub acknowledged: u64,
    /// Requests that were sent again.
    sent_again: u64,
    notes: Vec<String>,
}

impl Done {
    /// Adds a story that was counted, and found whole.
    pub fn take(&mut self, summary: &Summary) {
        self.acknowledged += summary.done;
        self.sent_again += summary.sent_again;
    }

    /// Adds what another part of the scenario has done.
    pub fn add(&mut self, other: &Done) {
        self.points += other.points;
        self.acknowledged += other.acknowledged;
        self.sent_again += other.sent_again;
        self.notes.extend(other.notes.iter().cloned());
    }

    /// Something else that is good to know.
    pub fn note(&mut self, note: &str) {
        self.notes.push(note.to_owned());
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Done { points, acknowledged, sent_again, notes } = self;
        write!(
            f,
            "{points} points, {acknowledged} acknowledged, 0 lost, 0 doubled, {sent_again} sent again"
        )?;
        if !notes.is_empty() {
            write!(f, " ({})", notes.join(", "))?;
        }
        Ok(())
    }
}

/// Where and with what scenarios are played.
#[derive(Clone, Debug)]
pub struct Ground {
    /// The repository.
    pub root: PathBuf,
    /// The shop.
    pub program: PathBuf,
    /// For this scenario alone.
    pub folder: PathBuf,
    /// Of scenarios at random moments.
    pub rounds: u32,
    /// Where moments and amounts follow from.
    pub seed: u64,
}

impl Ground {
    /// The shop as one process, in an empty folder of this name.
    pub fn one_process(&self, name: &str, clients: u64) -> Result<Torture, Trouble> {
        self.process_in(&self.folder.join(name), clients)
    }

    /// The same in any folder, which is emptied.
    pub fn process_in(&self, folder: &Path, clients: u64) -> Result<Torture, Trouble> {
        let shop = super::one_process(&self.program, folder, self.rounds, self.seed)?;
        Ok(Torture { clients, ..shop })
    }

    /// The same, its store in `data` and its log lines in the folder `name`.
    pub fn process_with(&self, data: &Path, name: &str, clients: u64) -> Result<Torture, Trouble> {
        let shop = super::process_at(&self.program, data, &self.folder.join(name), self.rounds, self.seed)?;
        Ok(Torture { clients, ..shop })
    }

    /// A file of the store of the shop in the folder `name`.
    pub fn file(&self, name: &str, file: &str) -> PathBuf {
        self.folder.join(name).join("data").join(file)
    }

    /// Where strace writes what it sees.
    pub fn seen(&self) -> PathBuf {
        self.folder.join("strace.txt")
    }
}
