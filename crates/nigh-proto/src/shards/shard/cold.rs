//! What a shard remembers and has not in memory: what its driver reads for it, and when it may let go of more.
//!
//! The driver asks [`Shard::missing`] before it admits, reads the rows, and gives them to [`Shard::load`]; it says when
//! rows are written ([`Shard::rows_written`]), asks it to [let go](Shard::let_go) when memory is short, and walks it over
//! the state file when something there may be too old. `tables/cold.rs` keeps what belongs together together.

use nigh_wire::{CallerId, Ticket};

use super::{Corrupt, Missing, Shard};
use crate::calls::callee::Arrival;
use crate::shards::row::{KeyedKey, TableKey, TableRow};
use crate::shards::tables::keyed_key;

impl<R> Shard<R> {
    /// The state file holds more rows than were given to [`open`](Self::open). Of these callers all were given: those that
    /// the log's tail speaks of are to be among them. To be said before the tail is replayed.
    pub fn is_part(&mut self, callers: impl IntoIterator<Item = CallerId>) {
        self.tables.is_part(callers, self.write_back.count());
    }

    /// What is to be read before this copy is admitted; `None` if it is here.
    pub fn missing(&self, arrival: &Arrival) -> Option<Missing> {
        let Arrival { entity, key, method, .. } = arrival;
        let keyed = arrival.keyed.as_ref().filter(|_| !arrival.commutes);
        self.tables.missing(arrival.id.caller, || Some(keyed_key(keyed?, entity, key, method)))
    }

    /// As [`missing`](Self::missing), before this ticket is settled.
    pub fn missing_of(&self, ticket: &Ticket) -> Option<Missing> {
        let of = || -> Option<KeyedKey> {
            let (keyed, key) = (ticket.keyed.as_ref()?, ticket.key.as_ref()?);
            Some(keyed_key(keyed, &ticket.of.as_str().into(), key, &ticket.method.as_str().into()))
        };
        self.tables.missing(ticket.id.caller, of)
    }

    /// Takes in what was missing, as the state file has it. False: some was let go while it was read, so it is to be
    /// asked and read again.
    ///
    /// # Errors
    ///
    /// A row was not asked for, or is of another table than its key says.
    pub fn load(&mut self, missing: &Missing, rows: Vec<(TableKey, TableRow)>) -> Result<bool, Corrupt> {
        let (time, next) = (self.log.durable_time(), self.log.next());
        let loaded = self.tables.load(missing, rows, time, next).map_err(|row| Corrupt::Row(row.0))?;
        self.assert_invariants();
        Ok(loaded)
    }

    /// All rows given out so far are in the state file.
    pub fn rows_written(&mut self) {
        self.write_back.handle_written();
    }

    /// Looks at about so many rows, and keeps those in the state file alone that nobody asked for of late; `all`: also
    /// those that somebody did.
    pub fn let_go(&mut self, rows_max: usize, all: bool) {
        let mut busy = self.write_back.busy();
        self.pinned.iter().for_each(|caller| busy.caller(*caller)); // mutant running-caller-let-go: self.pinned.iter().take(0).for_each(|caller| busy.caller(*caller));
        self.tables.let_go(rows_max, &busy, all);
        self.assert_invariants();
    }

    /// Rows and callers in memory: what [`let_go`](Self::let_go) may look at.
    pub fn rows_here(&self) -> usize {
        self.tables.here_len()
    }

    /// Bytes that its tables take in memory, about.
    pub fn tables_size(&self) -> usize {
        self.tables.size()
    }

    /// Rows that changed since they were given out, about.
    pub fn rows_changed(&self) -> usize {
        self.tables.changed_len()
    }

    /// True if some rows that are in the state file alone may be too old.
    pub fn wants_walk(&self) -> bool {
        self.tables.wants_walk(self.log.durable_time())
    }

    /// Rows of the state file in the order of their keys, some at a time; `ended`: there are no more. Those too old go
    /// with the next rows that are written (R16).
    pub fn walk(&mut self, rows: Vec<(TableKey, TableRow)>, ended: bool) {
        // Under a time that is durable, as in `sweep`.
        self.tables.walk(rows, ended, self.log.durable_time(), self.log.next());
        self.assert_invariants();
    }
}
