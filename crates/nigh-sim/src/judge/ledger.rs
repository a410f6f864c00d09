//! The ledger of calls, over all lives of all processes: what callers counted against what callees counted.
//!
//! A process that dies takes its counters along; here each is copied as it dies, so that sums are of the whole run.
//! What must hold of them depends on what happened:
//!
//! - *Always, of each life*: every line balances.
//! - *Always, of the sums*: whoever was told done or failed was told so by a copy that its callee counted as run or as
//!   repeated; and no more copies arrived than left. Copies may be lost with a link, and an owner may have run what
//!   it lost before it was durable, so there is no equality.
//! - *If no shard was taken up again*, so that no owner's memory was lost: a writing method that keeps records ran at most
//!   once for each call that was not told not done, refused or forgotten.
//! - *If nothing was lost, neither link nor process*: each copy that left arrived.

use nigh::ledger::{CalleeLine, CallerLine, Ledger};
use nigh_proto::Instant;

use super::violation::{Judgement, Violation};

/// Of entity or service, and method.
type Name = (String, String);

/// Sums by name. There are a few methods, and most are asked for in every life: they are looked for one by one.
#[derive(Debug, Default)]
struct Sums<L>(Vec<(Name, L)>);

impl<L: Copy + Default> Sums<L> {
    fn get(&self, of: &str, method: &str) -> Option<&L> {
        self.0.iter().find(|(name, _)| name.1 == method && name.0 == of).map(|(_, sum)| sum)
    }

    fn line(&mut self, of: &str, method: &str) -> &mut L {
        let at = self.0.iter().position(|(name, _)| name.1 == method && name.0 == of).unwrap_or(self.0.len());
        if at == self.0.len() {
            self.0.push(((of.to_owned(), method.to_owned()), L::default()));
        }
        &mut self.0[at].1
    }
}

/// Sums up, and compares.
#[derive(Debug, Default)]
pub struct LedgerJudge {
    asked: Sums<CallerLine>,
    came: Sums<CalleeLine>,
    /// A link or a process was lost.
    lost: bool,
    /// How often shards were taken up: each time after the first, what was in memory before may be lost.
    owners: u32,
    /// Counters of some process could not be read.
    unknown: bool,
}

impl LedgerJudge {
    /// A link was lost, and perhaps what was on it.
    pub fn lost_link(&mut self) {
        self.lost = true;
    }

    /// A process died.
    pub fn lost_process(&mut self) {
        self.lost = true;
    }

    /// A process took the shards up, perhaps from one that is still there and does not know yet.
    pub fn taken_up(&mut self) {
        self.owners += 1;
    }

    /// The counters of a process that died could not be read: nothing can be said of sums.
    pub fn lost_counters(&mut self) {
        self.unknown = true;
    }

    /// The ledger of a process at the end of its life, or of the run.
    ///
    /// # Errors
    ///
    /// A line does not balance.
    pub fn counted(&mut self, at: Instant, process: u16, ledger: &Ledger) -> Result<(), Violation> {
        if let Some(off) = ledger.unbalanced().first() {
            return Err(Violation::new(Judgement::Ledger, at, format!("of process {process}: {off}")));
        }
        for entry in &ledger.caller {
            let sum = self.asked.line(&entry.of, &entry.method);
            *sum = sum.and(&entry.counted);
        }
        for entry in &ledger.callee {
            let sum = self.came.line(&entry.of, &entry.method);
            *sum = sum.and(&entry.counted);
        }
        Ok(())
    }

    /// All have been counted; `records` says of which methods records are kept.
    ///
    /// # Errors
    ///
    /// What callers were told is not what callees did.
    pub fn end(&self, at: Instant, records: impl Fn(&str, &str) -> bool) -> Result<(), Violation> {
        if self.unknown {
            return Ok(());
        }
        for (name, asked) in &self.asked.0 {
            let came = self.came.get(&name.0, &name.1).copied().unwrap_or_default();
            self.compare(name, asked, &came, &records).map_err(|why| {
                let (of, method) = name;
                let sentence = format!("of {of}.{method} {why}; callers counted {asked:?}, callees {came:?}");
                Violation::new(Judgement::Ledger, at, sentence)
            })?;
        }
        let is_strange = |(of, method): &Name| self.asked.get(of, method).is_none();
        let stranger = self.came.0.iter().find(|(name, came)| came.arrived > 0 && is_strange(name));
        match stranger {
            Some(((of, method), came)) => {
                let sentence = format!("copies of {of}.{method} came that nobody had asked: {came:?}");
                Err(Violation::new(Judgement::Ledger, at, sentence))
            }
            None => Ok(()),
        }
    }

    fn compare(
        &self,
        (of, method): &Name,
        asked: &CallerLine,
        came: &CalleeLine,
        records: impl Fn(&str, &str) -> bool,
    ) -> Result<(), String> {
        let ran = came.done + came.failed;
        if came.arrived > asked.copies {
            return Err(format!("{} copies arrived, and {} left", came.arrived, asked.copies));
        }
        if of != "-" && asked.done > came.done + came.repeated {
            let had = came.done + came.repeated;
            return Err(format!("{} were told done, and {had} ran so or were repeated", asked.done));
        }
        if of != "-" && asked.failed > came.failed + came.repeated {
            let had = came.failed + came.repeated;
            return Err(format!("{} were told failed, and {had} ran so or were repeated", asked.failed));
        }
        // Each run is of some call that was not told that it did not run.
        let never = asked.not_done + asked.refused + asked.forgotten;
        if self.owners <= 1 && records(of, method) && ran > asked.asked - never {
            return Err(format!("{ran} ran; {} were asked, and {never} of them told that not", asked.asked));
        }
        if !self.lost && came.arrived != asked.copies {
            return Err(format!("{} copies left, and {} arrived", asked.copies, came.arrived));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
