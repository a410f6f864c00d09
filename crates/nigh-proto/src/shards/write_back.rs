//! Rows on their way to the state file, so that the log can be cut below them.
//!
//! A row is taken as it is in memory, which may be ahead of the log, so it waits like an answer does: until the
//! log is durable up to where it was taken. The state file is never ahead of the log.

use nigh_wire::Time;

use super::log::Log;
use super::row::{TableEntry, TableKey, TableRow};
use super::tables::Tables;
use super::{Position, Rows};

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
}

impl WriteBack {
    /// `time` is what the state file holds.
    pub(super) fn open(time: Time) -> Self {
        WriteBack { staged: None, time }
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
