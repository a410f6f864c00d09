//! What methods say of themselves, tried out: that they commute, that they only read.
//!
//! A claim holds for every state, so one state where it does not is enough; no number of states where it does
//! proves it. Here one state and one or two calls are tried; which, is up to the caller. What is found is shown
//! as two histories side by side, which should have ended in the same state.

use std::fmt;
use std::sync::Arc;

use nigh_proto::shards::record::RanOutcome;
use nigh_wire::{Bytes, Time};

use super::program::{Program, Run, Wrote};
use super::violation::{Returned, Show};

/// A call of a method that is said to commute.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Wire name.
    pub method: Arc<str>,
    /// Encoded.
    pub args: Bytes,
    /// What `tx.now()` said when it ran. Its other copies are tried at the same time and with the same seed: a
    /// claim is about arguments and states.
    pub time: Time,
    /// Where its random numbers started.
    pub seed: Option<u64>,
}

/// One history, to be read beside another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// What it is: `this order`.
    pub title: String,
    /// What happened, and the state after it.
    pub rows: Vec<(String, String)>,
}

/// A method is not what it says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FalseClaim {
    /// Which method, and what does not hold.
    pub sentence: String,
    /// Two histories that show it.
    pub histories: Box<(History, History)>,
}

impl fmt::Display for FalseClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (left, right) = &*self.histories;
        write!(f, "{}\n{}", self.sentence, side_by_side(left, right))
    }
}

impl std::error::Error for FalseClaim {}

/// Two histories as columns: each row is what happened, then the state after it.
pub fn side_by_side(left: &History, right: &History) -> String {
    let lines = |history: &History| -> Vec<String> {
        let what = history.rows.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
        let row = |(what_row, state): &(String, String)| format!("{what_row:what$}  {state}");
        [history.title.clone()].into_iter().chain(history.rows.iter().map(row)).collect()
    };
    let (left, right) = (lines(left), lines(right));
    let width = left.iter().map(|line| line.trim_end().chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for at in 0..left.len().max(right.len()) {
        let of = |lines: &[String]| lines.get(at).cloned().unwrap_or_default();
        let line = format!("  {:width$} | {}", of(&left).trim_end(), of(&right).trim_end());
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Tries two calls (or one, twice) of methods that are said to commute, on one state of one entity: any order
/// and any number of times must end in the same state. What they answer may differ.
///
/// # Errors
///
/// It does not; or the snapshot cannot be restored.
pub fn commutes<P: Program>(
    program: &P,
    entity: &str,
    key: &Bytes,
    state: &Bytes,
    a: &Sample,
    b: &Sample,
) -> Result<(), FalseClaim> {
    let of = Of { program, entity, key, state };
    of.same("order matters", &[a, b], &[b, a])?;
    of.same("it matters that it ran twice", &[a], &[a, a])?;
    of.same("it matters that it ran twice", &[b], &[b, b])?;
    of.same("a copy that came late changed something", &[a, b], &[a, b, a])
}

/// Tries a view twice on one entity: both answers are equal, and the state stays as it was.
///
/// # Errors
///
/// They are not, or it does not: something inside the state changes behind `&self`.
pub fn reads<P: Program>(
    program: &P,
    cell: &P::Cell,
    entity: &str,
    method: &str,
    args: &Bytes,
) -> Result<(), FalseClaim> {
    let before = program.snapshot(cell);
    let first = program.read(cell, entity, method, args);
    let between = program.snapshot(cell);
    let second = program.read(cell, entity, method, args);
    let after = program.snapshot(cell);
    if first == second && before == between && between == after {
        return Ok(());
    }
    let what = format!("{method}({})", program.args_text(entity, method, args));
    let history = |title: &str, told: &Option<RanOutcome>, before: &Bytes, after: &Bytes| History {
        title: title.to_owned(),
        rows: vec![
            ("before".into(), program.state_text(entity, before)),
            (format!("{what} -> {}", read_text(told)), program.state_text(entity, after)),
        ],
    };
    Err(FalseClaim {
        sentence: format!("the view `{entity}.{method}` changes something that the next one sees"),
        histories: Box::new((
            history("the first time", &first, &before, &between),
            history("the second time", &second, &between, &after),
        )),
    })
}

fn read_text(told: &Option<RanOutcome>) -> String {
    told.as_ref().map_or_else(|| "nothing: it did not run".into(), |told| Returned(told).to_string())
}

/// One state of one entity.
struct Of<'a, P> {
    program: &'a P,
    entity: &'a str,
    key: &'a Bytes,
    state: &'a Bytes,
}

impl<P: Program> Of<'_, P> {
    /// Both histories must end in the same state.
    fn same(&self, what: &str, left: &[&Sample], right: &[&Sample]) -> Result<(), FalseClaim> {
        let (ends, other) = (self.play(left, None), self.play(right, None));
        if ends.is_some() && ends == other {
            return Ok(());
        }
        let history = |samples: &[&Sample]| {
            let title: Vec<&str> = samples.iter().map(|sample| &*sample.method).collect();
            let rows = vec![("before".to_owned(), self.program.state_text(self.entity, self.state))];
            let mut history = History { title: title.join(", then "), rows };
            self.play(samples, Some(&mut history.rows));
            history
        };
        let what = if ends.is_some() { what } else { "its snapshot cannot be restored" };
        let of = Show(self.key);
        Err(FalseClaim {
            sentence: format!("`{}.{}` is said to commute: {what} ({of})", self.entity, left[0].method),
            histories: Box::new((history(left), history(right))),
        })
    }

    /// The state after these; `None` if there was none to begin with.
    fn play(&self, samples: &[&Sample], mut rows: Option<&mut Vec<(String, String)>>) -> Option<Bytes> {
        let mut cell = self.program.restore(self.entity, self.state)?;
        for sample in samples {
            let Sample { method, args, time, seed } = sample;
            let (entity, key, time, seed) = (self.entity, self.key, *time, *seed);
            let wrote = self.program.write(&mut cell, &Run { entity, key, method, time, seed, args });
            if let Some(rows) = rows.as_mut() {
                let told = match wrote {
                    Wrote::Ok { value, .. } => Returned(&RanOutcome::Ok(value)).to_string(),
                    Wrote::Err(error) => Returned(&RanOutcome::Err(error)).to_string(),
                    Wrote::Unfit(why) => format!("not run: {why}"),
                    Wrote::Panicked(why) => format!("panicked: {why}"),
                };
                let args = self.program.args_text(entity, method, args);
                let state = self.program.state_text(entity, &self.program.snapshot(&cell));
                rows.push((format!("{method}({args}) -> {told}"), state));
            }
        }
        Some(self.program.snapshot(&cell))
    }
}

#[cfg(test)]
mod tests;
