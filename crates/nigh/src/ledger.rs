//! The ledger of calls of one process: for each method what its callers asked and were told, and what its owner and
//! services got and did; and the alarm that rings when a line does not balance.
//!
//! The machines and drivers count where things happen (`nigh_proto::calls::tally`). Here their counts are brought
//! together with what is open, looked up where it is kept: [`Ledger::unbalanced`] is the check. A process counts
//! from its start: what came before is gone with the process before it.
//!
//! Nothing here changes what a call comes to, and no argument, key or answer stands in a ledger.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use nigh_proto::calls::tally::{CalleeLine, CallerLine, Refusals};
use nigh_proto::calls::tally::{Fate, Line, Tally, Took};

use crate::calls::Calls;
use crate::link::end::Local;
use crate::perform::Outcome;
use crate::routes::{Route, Routes};

/// What was counted since this process started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// What was asked in this process, and what its askers were told.
    pub caller: Vec<Entry<CallerLine>>,
    /// Copies that came to this process, and what came of them.
    pub callee: Vec<Entry<CalleeLine>>,
}

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<L> {
    /// Wire name of the entity or service; `-` for what is no method.
    pub of: String,
    /// Wire name of the method; or `settle`, `list`, `unknown`.
    pub method: String,
    /// What was counted.
    pub counted: L,
    /// How many are open now, as those who keep them say.
    pub open: u64,
}

impl Entry<CallerLine> {
    /// True if what was asked is what came of it, and what is open.
    pub fn balances(&self) -> bool {
        self.counted.balances(self.open)
    }
}
impl Entry<CalleeLine> {
    /// True if what arrived is what came of it, and what is open.
    pub fn balances(&self) -> bool {
        self.counted.balances(self.open)
    }
}

/// A line that does not balance: calls were lost, or counted twice, in this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbalanced {
    /// Which side and which method.
    pub line: String,
    /// The numbers.
    pub numbers: String,
}

impl fmt::Display for Unbalanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the ledger of calls does not balance: {}: {}", self.line, self.numbers)
    }
}

impl Ledger {
    /// The lines that do not come out even: none, unless nigh itself is at fault.
    pub fn unbalanced(&self) -> Vec<Unbalanced> {
        let asked = self.caller.iter().filter(|entry| !entry.balances()).map(|entry| Unbalanced {
            line: format!("asked of {}.{}", entry.of, entry.method),
            numbers: format!(
                "asked {}, ended {}, open {}: {:?}",
                entry.counted.asked,
                entry.counted.ended(),
                entry.open,
                entry.counted
            ),
        });
        let came = self.callee.iter().filter(|entry| !entry.balances()).map(|entry| Unbalanced {
            line: format!("copies of {}.{}", entry.of, entry.method),
            numbers: format!(
                "arrived {}, ended {}, open {}: {:?}",
                entry.counted.arrived,
                entry.counted.ended(),
                entry.open,
                entry.counted
            ),
        });
        asked.chain(came).collect()
    }
}

/// Rings once for each line that does not balance.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    rang: BTreeSet<String>,
}

impl Alarm {
    /// What is to be said of this ledger that was not said before.
    pub(crate) fn ring(&mut self, ledger: &Ledger) -> Vec<Unbalanced> {
        let off = ledger.unbalanced(); // mutant ledger-alarm-silent: let off = Vec::<Unbalanced>::new();
        off.into_iter().filter(|one| self.rang.insert(one.line.clone())).collect()
    }
}

/// How often a running process looks. A fault is no less one ten seconds later, and a look takes microseconds.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Looks for as long as the process lives.
pub(crate) async fn watch(local: Arc<Local>) {
    let mut alarm = Alarm::default();
    loop {
        let next = local.clock.now().saturating_add(LOOK_EVERY);
        local.clock.sleep_until(next).await;
        alarm.ring(&of(&local.routes, &local.calls, local.owner.as_deref())).iter().for_each(|off| {
            tracing::error!(
                "{off}. This is a fault of nigh: please report it. GET /api/-/ledger shows all lines"
            );
        });
    }
}

/// What was counted beside the machines: what needs no id when it is asked here, and services.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    asked: Mutex<Tally<CallerLine>>,
    served: Mutex<Tally<CalleeLine>>,
}

impl Beside {
    fn asked<T>(&self, f: impl FnOnce(&mut Tally<CallerLine>) -> T) -> T {
        f(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
    fn served<T>(&self, f: impl FnOnce(&mut Tally<CalleeLine>) -> T) -> T {
        f(&mut self.served.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Something was asked, and told at once.
    pub(crate) fn told(&self, line: Line, fate: Fate) {
        self.asked(|tally| {
            tally.ask(line);
            tally.end(line, fate);
        });
    }

    /// A copy came, and was answered or refused at once.
    pub(crate) fn turned_away(&self, line: Line, took: Took) {
        self.served(|tally| {
            tally.arrive(line);
            tally.end(line, took);
        });
    }
}

/// Something asked that is under way. Dropped, whoever asked has let go of it.
pub(crate) struct Asking {
    calls: Arc<Calls>,
    line: Line,
    fate: Fate,
}

impl Asking {
    pub(crate) fn new(calls: Arc<Calls>, line: Line) -> Self {
        calls.beside.asked(|tally| {
            tally.ask(line);
            tally.copy(line);
        });
        Asking { calls, line, fate: Fate::LetGo }
    }

    /// This is what its asker hears.
    pub(crate) fn hears(mut self, outcome: Outcome) -> Outcome {
        self.fate = fate(&outcome);
        outcome
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.calls.beside.asked(|tally| tally.end(self.line, self.fate));
    }
}

/// A service that runs. Dropped, nobody can say what it did.
pub(crate) struct Serving {
    calls: Arc<Calls>,
    line: Line,
    took: Took,
}

impl Serving {
    pub(crate) fn new(calls: Arc<Calls>, line: Line) -> Self {
        calls.beside.served(|tally| tally.arrive(line));
        Serving { calls, line, took: Took::InDoubt }
    }

    /// It came to this.
    pub(crate) fn ends(mut self, took: Took) {
        self.took = took;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.calls.beside.served(|tally| tally.end(self.line, self.took));
    }
}

/// What somebody hears, as it is counted.
pub(crate) fn fate(outcome: &Outcome) -> Fate {
    match outcome {
        Outcome::Done { .. } | Outcome::Keys(_) => Fate::Done,
        Outcome::Failed(_) => Fate::Failed,
        Outcome::NotDone(_) => Fate::NotDone,
        Outcome::InDoubt(_) => Fate::InDoubt,
        Outcome::Forgotten | Outcome::NoRecord => Fate::Forgotten,
        Outcome::Overloaded { .. } | Outcome::NotSettled(_) => Fate::Refused,
    }
}

/// The ledger of this process, as it is now.
pub(crate) fn of(routes: &Routes, calls: &Calls, owner: Option<&crate::shards::owner::Owner>) -> Ledger {
    let mut caller = Vec::new();
    let mut add =
        |line, counted: &CallerLine, open| self::add(&mut caller, line, *counted, open, CallerLine::and);
    calls.ledger().iter().for_each(|(line, counted, open)| add(*line, counted, *open));
    // What these two count ends with a guard: what has not ended is open.
    calls.beside.asked(|tally| {
        tally.lines().for_each(|(line, one)| add(line, one, one.asked.wrapping_sub(one.ended())));
    });
    let mut callee = Vec::new();
    let mut add =
        |line, counted: &CalleeLine, open| self::add(&mut callee, line, *counted, open, CalleeLine::and);
    calls.beside.served(|tally| {
        tally.lines().for_each(|(line, one)| add(line, one, one.arrived.wrapping_sub(one.ended())));
    });
    for (line, counted, open) in owner.iter().flat_map(|owner| owner.ledger()) {
        add(line, &counted, open);
    }
    let names = |line: Line| match line {
        Line::Method(number) => match routes.route(number) {
            Some(Route::Entity(m)) => (m.entity.to_string(), m.name.to_string()),
            Some(Route::Service(m)) => (m.service.to_string(), m.name.to_string()),
            None => ("-".into(), format!("method {number}")),
        },
        Line::Settle => ("-".into(), "settle".into()),
        Line::List => ("-".into(), "list".into()),
        Line::Unknown => ("-".into(), "unknown".into()),
    };
    Ledger { caller: entries(caller, names), callee: entries(callee, names) }
}

/// Lines on which there is anything, and what is open, in order.
pub(crate) type Lines<L> = Vec<(Line, L, u64)>;

/// Adds to a line, if there is anything to add.
pub(crate) fn add<L: Copy + Default + PartialEq>(
    lines: &mut Lines<L>,
    line: Line,
    counted: L,
    open: u64,
    and: impl FnOnce(&L, &L) -> L,
) {
    if counted == L::default() && open == 0 {
        return;
    }
    match lines.binary_search_by_key(&line, |(line, ..)| *line) {
        Ok(at) => {
            let (_, all, all_open) = &mut lines[at];
            (*all, *all_open) = (and(all, &counted), all_open.wrapping_add(open));
        }
        Err(at) => lines.insert(at, (line, counted, open)),
    }
}

fn entries<L>(lines: Lines<L>, names: impl Fn(Line) -> (String, String)) -> Vec<Entry<L>> {
    let entry = |(line, counted, open)| {
        let (of, method) = names(line);
        Entry { of, method, counted, open }
    };
    lines.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests;
