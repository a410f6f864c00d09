//! Rows on their way to the state file, so that the log can be cut below them.
//!
//! A row is taken as it is in memory, which may be ahead of the log, so it waits like an answer does: until the
//! log is durable up to where it was taken. The state file is never ahead of the log. What was given out and is not
//! known to be written stays in memory ([`WriteBack::busy`]).

use nigh_wire::Time;

use super::log::Log;
use super::row::{TableEntry, TableKey, TableRow};
use super::tables::{Busy, Tables};
use super::{Position, Rows};

/// The state file knows how many rows there are to within so many: it is for a limit of a million.
const COUNT_STEP: u64 = 16 * 1024;

#[derive(Clone, Debug, Hash)]
struct Staged {
    /// When the log is durable up to here, the rows show nothing that is not.
    gate: Position,
    /// Place of the first change they hold.
    since: Option<Position>,
    rows: Rows,
}

#[derive(Clone, Debug, Hash)]
pub(super) struct WriteBack {
    staged: Option<Staged>,
    /// Log time as the state file has it.
    time: Time,
    /// How many rows there are, as the state file has it.
    count: u64,
    /// Given out and not known to be in the state file.
    given: Vec<TableKey>,
}

impl WriteBack {
    /// `time` and `count` are what the state file holds.
    pub(super) fn open(time: Time, count: u64) -> Self {
        WriteBack { staged: None, time, count, given: vec![] }
    }

    /// How many rows there were, about, when it was opened or written last.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// What was given out so far is in the state file.
    pub(super) fn handle_written(&mut self) {
        self.given.clear();
    }

    /// What the state file may not have yet as it is in memory.
    pub(super) fn busy(&self) -> Busy {
        let mut busy = Busy::default();
        self.staged.iter().for_each(|staged| busy.rows(&staged.rows));
        #[rustfmt::skip]
        self.given.iter().for_each(|key| busy.row(key)); // mutant unwritten-row-let-go: self.given.iter().take(0).for_each(|key| busy.row(key));
        busy
    }

    /// Takes up to `rows_max` changed rows, and gives them once they are durable in the log.
    pub(super) fn poll(&mut self, tables: &mut Tables, log: &Log, rows_max: usize) -> Rows {
        if self.staged.is_none() {
            let since = tables.changed_since();
            let rows = tables.take_changed(rows_max);
            #[rustfmt::skip]
            let gate = log.next(); // mutant rows-ahead-of-log: let gate = log.durable();
            self.staged = Some(Staged { gate, since, rows });
        }
        let durable = |staged: &mut Staged| staged.gate <= log.durable();
        let Some(Staged { mut rows, .. }) = self.staged.take_if(durable) else { return Rows::new() };
        // R16: what is cut off the log must not take its time along, or what was swept could run.
        let time = log.durable_time();
        if self.time < time {
            self.time = time;
            let (position, entry) = (log.durable(), TableEntry::Time(self.time));
            rows.push((TableKey::Time, Some(TableRow { position, entry })));
        }
        let count = tables.len();
        if count.abs_diff(self.count) >= COUNT_STEP {
            self.count = count;
            let (position, entry) = (log.durable(), TableEntry::Count(count));
            rows.push((TableKey::Count, Some(TableRow { position, entry })));
        }
        self.given.extend(rows.iter().map(|(key, _)| key.clone()));
        rows
    }

    /// Once all rows given so far are in the state file, the log is not needed below this place. The last blob
    /// stays as long as only it has the last log time.
    pub(super) fn through(&self, tables: &Tables, log: &Log) -> Position {
        let staged = self.staged.as_ref().and_then(|staged| staged.since);
        let since = staged.into_iter().chain(tables.changed_since()).min();
        let through = since.unwrap_or(log.durable()).min(log.durable());
        #[rustfmt::skip]
        let time_lags = self.time < log.durable_time(); // mutant time-cut-with-log: let time_lags = false;
        if time_lags { through.min(Position(log.durable().0.saturating_sub(1))) } else { through }
    }
}
