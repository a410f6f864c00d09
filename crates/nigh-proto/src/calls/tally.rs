//! The ledger of calls: what was asked, method by method, and what came of it, counted where it happens.
//!
//! A caller keeps a [`Tally`] of [`CallerLine`]s, an owner one of [`CalleeLine`]s. Each line must *balance*: what
//! came in is what came of it, and what is still open. How much is open is never counted here but looked up where
//! it is kept, so that a path on which a call is lost, or counted twice, does not come out even.
//!
//! A line is found by the method's number, without a search. Counters wrap: sums are compared modulo 2^64, so they
//! balance for ever. Nothing here decides anything, and nothing of a call is kept but that it was.

use std::hash::{Hash, Hasher};

use super::caller::{Outcome, What};
use super::request::{Answer, Refusal, Request};

/// Methods that have a line of their own: as many as anybody's contracts have, and about 5 MiB of counters. Others
/// are counted as unknown, so that no number that a peer makes up takes memory.
const METHODS_MAX: u32 = 1 << 16;

/// Which line of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Line {
    /// A method, by its number in the catalogue.
    Method(u32),
    /// Settling.
    Settle,
    /// Listing keys.
    List,
    /// What no catalogue has.
    Unknown,
}

impl Line {
    /// Of something that a caller asks.
    pub fn of(what: &What) -> Line {
        match what {
            What::Call(call) => Line::Method(call.method),
            What::View { method, .. } => Line::Method(*method),
            What::Serve(serve) => Line::Method(serve.method),
            What::Settle { .. } => Line::Settle,
            What::List { .. } => Line::List,
        }
    }

    /// Of a copy that a peer sent, where the catalogue has this many methods.
    pub fn of_copy(request: &Request, methods: usize) -> Line {
        match request {
            Request::Call(call) => Line::known(call.method, methods),
            Request::View { method, .. } | Request::Serve { method, .. } => Line::known(*method, methods),
            Request::Settle { .. } => Line::Settle,
            Request::List { .. } => Line::List,
        }
    }

    /// Of a method's number that a peer sent.
    pub fn known(method: u32, methods: usize) -> Line {
        if (method as usize) < methods { Line::Method(method) } else { Line::Unknown }
    }
}

/// A ledger: a line for each method that was asked, and one each for what is no method.
#[derive(Clone, Debug, Default)]
pub struct Tally<L> {
    methods: Vec<L>,
    settle: L,
    list: L,
    unknown: L,
    /// Came in and not out, of all lines.
    open: u64,
}

/// What was counted is past: it is no part of what a machine will do.
impl<L> Hash for Tally<L> {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl<L: Copy + Default> Tally<L> {
    /// All lines of which anything was counted so far, or a lower method's was.
    pub fn lines(&self) -> impl Iterator<Item = (Line, &L)> {
        let methods = (0u32..).zip(&self.methods).map(|(number, line)| (Line::Method(number), line));
        methods.chain([
            (Line::Settle, &self.settle),
            (Line::List, &self.list),
            (Line::Unknown, &self.unknown),
        ])
    }

    /// What came in and not out, of all lines: to be compared with what is open.
    pub fn open(&self) -> u64 {
        self.open
    }

    /// A line, to write to.
    pub fn line(&mut self, line: Line) -> &mut L {
        match line {
            Line::Method(number) if number < METHODS_MAX => {
                let at = number as usize;
                if at >= self.methods.len() {
                    self.methods.resize(at + 1, L::default());
                }
                &mut self.methods[at]
            }
            Line::Settle => &mut self.settle,
            Line::List => &mut self.list,
            Line::Method(_) | Line::Unknown => &mut self.unknown,
        }
    }
}

/// What a caller counts of one method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallerLine {
    /// Asked for.
    pub asked: u64,
    /// Told done.
    pub done: u64,
    /// Told failed.
    pub failed: u64,
    /// Told not done.
    pub not_done: u64,
    /// Told in doubt.
    pub in_doubt: u64,
    /// Told that it is no longer known.
    pub forgotten: u64,
    /// Refused before it ran, here or at its owner.
    pub refused: u64,
    /// Whoever asked let go of it: nobody was told anything.
    pub let_go: u64,
    /// Copies that left, to this process's own owner or on a link: several of one call, or none.
    pub copies: u64,
}

/// What came of something asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It ran and returned a value.
    Done,
    /// It ran and returned its own error.
    Failed,
    /// It did not run.
    NotDone,
    /// Perhaps.
    InDoubt,
    /// No longer known.
    Forgotten,
    /// Refused before it ran.
    Refused,
    /// Nobody waits for it any more.
    LetGo,
}

impl Fate {
    /// Of what an asker is told.
    pub fn of(outcome: &Outcome) -> Fate {
        match outcome {
            Outcome::Answer(Answer::Done { .. } | Answer::Keys(_)) => Fate::Done,
            Outcome::Answer(Answer::Failed(_)) => Fate::Failed,
            Outcome::Answer(Answer::NotDone(_)) => Fate::NotDone,
            // To a settler: nothing is known, now or later.
            Outcome::Answer(Answer::Forgotten | Answer::NoRecord) | Outcome::Forgotten(_) => Fate::Forgotten,
            Outcome::InDoubt(_) => Fate::InDoubt,
            Outcome::Overloaded { .. } | Outcome::NotSettled(_) => Fate::Refused,
        }
    }
}

impl Tally<CallerLine> {
    /// Something is asked.
    pub fn ask(&mut self, line: Line) {
        let line = self.line(line);
        line.asked = line.asked.wrapping_add(1);
        self.open = self.open.wrapping_add(1);
    }

    /// This came of it.
    pub fn end(&mut self, line: Line, fate: Fate) {
        let line = self.line(line);
        let counter = match fate {
            Fate::Done => &mut line.done,
            Fate::Failed => &mut line.failed,
            Fate::NotDone => &mut line.not_done,
            Fate::InDoubt => &mut line.in_doubt,
            Fate::Forgotten => &mut line.forgotten,
            Fate::Refused => &mut line.refused,
            Fate::LetGo => &mut line.let_go,
        };
        *counter = counter.wrapping_add(1);
        self.open = self.open.wrapping_sub(1);
    }

    /// A copy of it leaves.
    pub fn copy(&mut self, line: Line) {
        let line = self.line(line);
        line.copies = line.copies.wrapping_add(1);
    }
}

impl CallerLine {
    /// What came of what was asked.
    pub fn ended(&self) -> u64 {
        let CallerLine { done, failed, not_done, in_doubt, forgotten, refused, let_go, .. } = *self;
        sum([done, failed, not_done, in_doubt, forgotten, refused, let_go])
    }

    /// True if what was asked is what came of it, and what is open.
    pub fn balances(&self, open: u64) -> bool {
        self.asked == self.ended().wrapping_add(open)
    }

    /// Both in one.
    #[must_use]
    pub fn and(&self, other: &CallerLine) -> CallerLine {
        CallerLine {
            asked: sum([self.asked, other.asked]),
            done: sum([self.done, other.done]),
            failed: sum([self.failed, other.failed]),
            not_done: sum([self.not_done, other.not_done]),
            in_doubt: sum([self.in_doubt, other.in_doubt]),
            forgotten: sum([self.forgotten, other.forgotten]),
            refused: sum([self.refused, other.refused]),
            let_go: sum([self.let_go, other.let_go]),
            copies: sum([self.copies, other.copies]),
        }
    }
}

/// What whoever performs calls counts of one method: copies, of which one call may have several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CalleeLine {
    /// Copies that came, also those that were refused at the door.
    pub arrived: u64,
    /// Ran, and returned a value.
    pub done: u64,
    /// Ran, and returned its own error.
    pub failed: u64,
    /// Did not run and never will: given up, or fenced.
    pub not_done: u64,
    /// Told what its record says, or its key's.
    pub repeated: u64,
    /// Told that it is no longer known.
    pub forgotten: u64,
    /// Of services: began, and nobody can say what it did.
    pub in_doubt: u64,
    /// Refused, by why: each speaks of one copy (R11).
    pub refused: Refusals,
}

/// Copies refused, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// Too much to do.
    pub overloaded: u64,
    /// Its predecessor has not run yet.
    pub not_yet: u64,
    /// The shard is another's.
    pub not_owner: u64,
    /// To be asked again.
    pub ask_again: u64,
    /// Its time ran out in a queue.
    pub expired: u64,
    /// Its caller let go of it.
    pub cancelled: u64,
    /// Born too far in the future.
    pub ahead: u64,
}

/// What came of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a copy that is not counted is missing in the ledger"]
pub enum Took {
    /// It ran and returned a value.
    Done,
    /// It ran and returned its own error.
    Failed,
    /// It did not run and never will.
    NotDone,
    /// It was told what is recorded.
    Repeated,
    /// It was told that nothing is known any more.
    Forgotten,
    /// It began, and nobody can say what it did.
    InDoubt,
    /// Refused: too much to do.
    Overloaded,
    /// Refused: its predecessor has not run yet.
    NotYet,
    /// Refused: the shard is another's.
    NotOwner,
    /// Refused: to be asked again.
    AskAgain,
    /// Refused: its time ran out in a queue.
    Expired,
    /// Refused: its caller let go of it.
    Cancelled,
    /// Refused: born too far in the future.
    Ahead,
}

impl Took {
    /// Of a copy that is refused.
    pub fn refused(refusal: &Refusal) -> Took {
        match refusal {
            Refusal::Overloaded { .. } => Took::Overloaded,
            Refusal::NotYet => Took::NotYet,
            Refusal::NotOwner => Took::NotOwner,
            Refusal::AskAgain => Took::AskAgain,
            Refusal::Expired => Took::Expired,
            Refusal::Cancelled => Took::Cancelled,
            Refusal::Ahead => Took::Ahead,
        }
    }
}

impl Tally<CalleeLine> {
    /// A copy came.
    pub fn arrive(&mut self, line: Line) {
        let line = self.line(line);
        line.arrived = line.arrived.wrapping_add(1);
        self.open = self.open.wrapping_add(1);
    }

    /// This came of it.
    pub fn end(&mut self, line: Line, took: Took) {
        let line = self.line(line);
        let counter = match took {
            Took::Done => &mut line.done,
            Took::Failed => &mut line.failed,
            Took::NotDone => &mut line.not_done,
            Took::Repeated => &mut line.repeated,
            Took::Forgotten => &mut line.forgotten,
            Took::InDoubt => &mut line.in_doubt,
            Took::Overloaded => &mut line.refused.overloaded,
            Took::NotYet => &mut line.refused.not_yet,
            Took::NotOwner => &mut line.refused.not_owner,
            Took::AskAgain => &mut line.refused.ask_again,
            Took::Expired => &mut line.refused.expired,
            Took::Cancelled => &mut line.refused.cancelled,
            Took::Ahead => &mut line.refused.ahead,
        };
        *counter = counter.wrapping_add(1);
        self.open = self.open.wrapping_sub(1);
    }
}

impl Refusals {
    /// All of them.
    pub fn all(&self) -> u64 {
        let Refusals { overloaded, not_yet, not_owner, ask_again, expired, cancelled, ahead } = *self;
        sum([overloaded, not_yet, not_owner, ask_again, expired, cancelled, ahead])
    }
}

impl CalleeLine {
    /// What came of copies that arrived.
    pub fn ended(&self) -> u64 {
        let CalleeLine { done, failed, not_done, repeated, forgotten, in_doubt, refused, .. } = *self;
        sum([done, failed, not_done, repeated, forgotten, in_doubt, refused.all()])
    }

    /// True if what arrived is what came of it, and what is open.
    pub fn balances(&self, open: u64) -> bool {
        self.arrived == self.ended().wrapping_add(open)
    }

    /// Both in one.
    #[must_use]
    pub fn and(&self, other: &CalleeLine) -> CalleeLine {
        let (a, b) = (&self.refused, &other.refused);
        CalleeLine {
            arrived: sum([self.arrived, other.arrived]),
            done: sum([self.done, other.done]),
            failed: sum([self.failed, other.failed]),
            not_done: sum([self.not_done, other.not_done]),
            repeated: sum([self.repeated, other.repeated]),
            forgotten: sum([self.forgotten, other.forgotten]),
            in_doubt: sum([self.in_doubt, other.in_doubt]),
            refused: Refusals {
                overloaded: sum([a.overloaded, b.overloaded]),
                not_yet: sum([a.not_yet, b.not_yet]),
                not_owner: sum([a.not_owner, b.not_owner]),
                ask_again: sum([a.ask_again, b.ask_again]),
                expired: sum([a.expired, b.expired]),
                cancelled: sum([a.cancelled, b.cancelled]),
                ahead: sum([a.ahead, b.ahead]),
            },
        }
    }
}

fn sum<const N: usize>(counters: [u64; N]) -> u64 {
    counters.into_iter().fold(0, u64::wrapping_add)
}

#[cfg(test)]
mod tests;
