//! Rows that are in the state file alone: what nobody asked for of late need not be in memory.
//!
//! A caller's rows (records, marks, floor) go and come together, so that what is here of a caller is all there is of
//! it: R10, R13 and R14 look at several of them. An idempotency key's row is alone. Before a copy is admitted or a
//! ticket settled, [`Tables::missing`] says what must be read, and [`Tables::load`] takes it in; a row goes only while
//! the state file holds it as it is. What is too old is found by walking over the state file ([`Tables::walk`]).
//!
//! A start reads the rows of the callers that the log's tail speaks of, and no others. Keys need not be read: of two
//! records of a key the later one wins, and the tail has the later ones.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use nigh_wire::{Bytes, CallerId, Time};

use super::{BadRow, Entry, Tables};
use crate::shards::row::{KeyedKey, MarkEntry, TableEntry, TableKey, TableRow, Target};
use crate::shards::table::NEVER;
use crate::shards::{Position, Rows};

/// A caller with more rows stays in memory until they are fewer: they are read at once, 20 ms of work.
const CALLER_ROWS_MAX: usize = 8 * 1024;

/// What must be read before a call is decided about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// All its rows: their keys begin as [`TableKey::beginnings`] says.
    pub caller: Option<CallerId>,
    /// This row.
    pub keyed: Option<KeyedKey>,
    /// How many rows had been let go when it was asked.
    gone: u64,
}

/// What is in the state file alone.
#[derive(Clone, Debug, Hash)]
pub(super) struct Cold {
    /// Callers of which all rows are here, and whether they were asked for since they were last looked at.
    here: BTreeMap<CallerId, bool>,
    /// An idempotency key that was looked for and not found.
    absent: Option<KeyedKey>,
    /// Counts what was let go: what was read before is old then.
    gone: u64,
    /// Rows that are not here. Errs high, since rows of the log's tail may be there already.
    elsewhere: u64,
    /// Where letting go goes on: keys, then callers.
    keyed_from: Option<Arc<KeyedKey>>,
    callers_from: Option<CallerId>,
    /// Nothing that is not here is too old up to this time.
    expires_min: Time,
    walked: Walked,
}

/// Of the present walk over the state file.
#[derive(Clone, Debug, Hash)]
struct Walked {
    rows: u64,
    expires_min: Time,
}

/// What may not be let go now: its rows are on their way to the state file, or a method runs for it.
#[derive(Debug, Default)]
pub(in crate::shards) struct Busy {
    callers: BTreeSet<CallerId>,
    keys: BTreeSet<KeyedKey>,
}

impl Busy {
    pub(in crate::shards) fn caller(&mut self, caller: CallerId) {
        self.callers.insert(caller);
    }
    pub(in crate::shards) fn rows(&mut self, rows: &Rows) {
        rows.iter().for_each(|(key, _)| self.row(key));
    }
    pub(in crate::shards) fn row(&mut self, key: &TableKey) {
        self.callers.extend(key.caller());
        if let TableKey::Keyed(key) = key {
            self.keys.insert(key.clone());
        }
    }
}

impl Cold {
    fn new(callers: impl IntoIterator<Item = CallerId>, elsewhere: u64, expires_min: Time) -> Box<Self> {
        Box::new(Cold {
            here: callers.into_iter().map(|caller| (caller, true)).collect(),
            absent: None,
            gone: 0,
            elsewhere,
            keyed_from: None,
            callers_from: None,
            expires_min,
            walked: Walked { rows: 0, expires_min: NEVER },
        })
    }
    pub(super) fn elsewhere(&self) -> u64 {
        self.elsewhere
    }
    /// Callers of which all rows are here, also those that have none.
    pub(super) fn callers_len(&self) -> usize {
        self.here.len()
    }
    /// Nothing is too old up to this time, of what is known.
    pub(super) fn expires_min(&self) -> Time {
        if self.expires_min == Time::EPOCH { NEVER } else { self.expires_min }
    }
    /// A row is in the state file alone from now on.
    fn left(&mut self, entry: &impl Entry) {
        let expires = entry.expires();
        self.expires_min = self.expires_min.min(expires);
        self.walked.expires_min = self.walked.expires_min.min(expires);
        // The walk may have passed it while it was here.
        self.walked.rows += 1;
        self.elsewhere += 1;
        self.gone += 1;
        self.absent = None;
    }
}

impl Tables {
    /// The state file holds more than was given: `rows` in all, and of these callers nothing more.
    pub(in crate::shards) fn is_part(&mut self, callers: impl IntoIterator<Item = CallerId>, rows: u64) {
        let elsewhere = rows.saturating_sub(self.len());
        // How old those are is found out by a walk.
        self.cold = Some(Cold::new(callers, elsewhere, Time::EPOCH));
    }

    /// What is to be read first; `None` if all is here.
    pub(in crate::shards) fn missing(
        &self,
        caller: CallerId,
        keyed: impl FnOnce() -> Option<KeyedKey>,
    ) -> Option<Missing> {
        let cold = self.cold.as_deref()?;
        #[rustfmt::skip]
        let caller = (!cold.here.contains_key(&caller)).then_some(caller); // mutant cold-caller-unread: let caller = (cold.gone == u64::MAX).then_some(caller);
        let unread = |key: &KeyedKey| self.keyed.get(key).is_none() && cold.absent.as_ref() != Some(key);
        #[rustfmt::skip]
        let keyed = keyed().filter(unread); // mutant cold-key-unread: let keyed = keyed().filter(|key| key.key.len() == usize::MAX);
        let any = caller.is_some() || keyed.is_some();
        any.then_some(Missing { caller, keyed, gone: cold.gone })
    }

    /// A caller was asked for: it stays for a while.
    pub(in crate::shards) fn touch(&mut self, caller: CallerId) {
        if let Some(used) = self.cold.as_mut().and_then(|cold| cold.here.get_mut(&caller)) {
            *used = true;
        }
    }

    /// Takes in the rows that were missing, as they were read; too old ones stay where they are. False: rows were let
    /// go since it was asked, so they are to be read again.
    pub(in crate::shards) fn load(
        &mut self,
        missing: &Missing,
        rows: Vec<(TableKey, TableRow)>,
        time: Time,
        position: Position,
    ) -> Result<bool, BadRow> {
        let gone = self.cold.as_ref().map(|cold| cold.gone);
        #[rustfmt::skip]
        let old = gone != Some(missing.gone); // mutant stale-rows-kept: let old = gone.is_none();
        if old {
            return Ok(false);
        }
        let mut loaded = 0;
        for (key, row) in rows {
            loaded += u64::from(self.load_row(missing, key, row, time)?);
        }
        let Some(mut cold) = self.cold.take() else { return Ok(false) };
        cold.elsewhere = cold.elsewhere.saturating_sub(loaded);
        if let Some(caller) = missing.caller {
            cold.here.insert(caller, true);
            // Rows are of different moments: a floor may be newer than the records and marks that it frees.
            self.free(caller, 0, position);
        }
        if missing.keyed.is_some() {
            cold.absent.clone_from(&missing.keyed);
        }
        self.cold = Some(cold);
        Ok(true)
    }

    fn load_row(
        &mut self,
        missing: &Missing,
        key: TableKey,
        row: TableRow,
        time: Time,
    ) -> Result<bool, BadRow> {
        let TableRow { position, entry } = row;
        let mine = match &key {
            TableKey::Keyed(key) => missing.keyed.as_ref() == Some(key),
            key => key.caller().is_some() && key.caller() == missing.caller,
        };
        if !mine {
            return Err(BadRow(key));
        }
        // R16: refused under the same condition.
        if entry.expires() < time {
            return Ok(false);
        }
        Ok(match (key, entry) {
            (TableKey::Record { caller, number }, TableEntry::Record(entry)) => {
                self.records.load((caller, number), position, entry)
            }
            (TableKey::Keyed(key), TableEntry::Keyed(entry)) => {
                self.keyed.load(Arc::new(key), position, entry)
            }
            (TableKey::Mark { caller, target }, TableEntry::Mark(entry)) => {
                self.load_mark(caller, target, position, entry)
            }
            (TableKey::Floor(caller), TableEntry::Floor(entry)) => self.floors.load(caller, position, entry),
            (key, _) => return Err(BadRow(key)),
        })
    }

    fn load_mark(&mut self, caller: CallerId, target: Target, position: Position, entry: MarkEntry) -> bool {
        let loaded = self.marks.load((caller, target.clone()), position, entry);
        if loaded {
            self.marked.insert((caller, entry.number), target);
        }
        loaded
    }

    /// Looks at about so many rows, and lets go of those that the state file has: keys first, then callers that were
    /// not asked for since they were looked at last; `all`: those too.
    pub(in crate::shards) fn let_go(&mut self, rows_max: usize, busy: &Busy, all: bool) {
        let mut cold = self.cold.take().unwrap_or_else(|| Cold::new(self.callers(), 0, NEVER));
        let start = cold.keyed_from.take().map_or(Bound::Unbounded, Bound::Excluded);
        let looked: Vec<Arc<KeyedKey>> =
            self.keyed.range((start, Bound::Unbounded)).take(rows_max).map(|(key, _)| key.clone()).collect();
        if looked.len() == rows_max {
            cold.keyed_from = looked.last().cloned();
        }
        let left = rows_max - looked.len();
        for key in looked {
            if self.keyed.is_clean(&key) && !busy.keys.contains(&*key) {
                cold.left(&self.keyed.forget(&key));
            }
        }
        self.let_callers_go(&mut cold, left, busy, all);
        self.cold = Some(cold);
    }

    fn let_callers_go(&mut self, cold: &mut Cold, rows_max: usize, busy: &Busy, all: bool) {
        let (mut idle, mut looked, mut last) = (Vec::new(), 0, None);
        let start = cold.callers_from.take().map_or(Bound::Unbounded, Bound::Excluded);
        for (caller, used) in cold.here.range_mut((start, Bound::Unbounded)) {
            if looked >= rows_max {
                cold.callers_from = last;
                break;
            }
            last = Some(*caller);
            looked += 1;
            if std::mem::take(used) && !all || busy.callers.contains(caller) {
                continue;
            }
            let rows = self.clean_rows(*caller);
            looked += rows.unwrap_or(0);
            idle.extend(rows.is_some().then_some(*caller));
        }
        for caller in idle {
            self.let_caller_go(cold, caller);
        }
    }

    /// How many rows of a caller are here; `None` if some are not in the state file as they are, or too many.
    fn clean_rows(&self, caller: CallerId) -> Option<usize> {
        let none = Target { entity: "".into(), key: Bytes::new() };
        let leaving = self.floors.leaving_from(caller) == Some(&caller)
            || self.records.leaving_from((caller, 0)).is_some_and(|key| key.0 == caller)
            || self.marks.leaving_from((caller, none)).is_some_and(|key| key.0 == caller);
        if leaving || self.floors.get(&caller).is_some() && !self.floors.is_clean(&caller) {
            return None;
        }
        let mut rows = 1;
        let numbers = (caller, 0)..=(caller, u64::MAX);
        for (key, _) in self.records.range(numbers.clone()) {
            rows += 1;
            #[rustfmt::skip]
            let clean = self.records.is_clean(key); // mutant dirty-record-let-go: let clean = true;
            if !clean || rows > CALLER_ROWS_MAX {
                return None;
            }
        }
        for (_, target) in self.marked.range(numbers) {
            rows += 1;
            if !self.marks.is_clean(&(caller, target.clone())) || rows > CALLER_ROWS_MAX {
                return None;
            }
        }
        Some(rows)
    }

    fn let_caller_go(&mut self, cold: &mut Cold, caller: CallerId) {
        let numbers = (caller, 0)..=(caller, u64::MAX);
        let records: Vec<_> = self.records.range(numbers.clone()).map(|(key, _)| *key).collect();
        for key in records {
            cold.left(&self.records.forget(&key));
        }
        for (_, target) in self.marked.extract_if(numbers, |_, _| true) {
            cold.left(&self.marks.forget(&(caller, target)));
        }
        if self.floors.get(&caller).is_some() {
            cold.left(&self.floors.forget(&caller));
        }
        cold.here.remove(&caller);
        cold.gone += 1;
    }

    /// Callers of which something is here.
    fn callers(&self) -> BTreeSet<CallerId> {
        let records = self.records.entries().map(|((caller, _), _)| *caller);
        let marks = self.marked.keys().map(|(caller, _)| *caller);
        records.chain(marks).chain(self.floors.entries().map(|(caller, _)| *caller)).collect()
    }

    /// True if something that is not here may be too old for `time`.
    pub(in crate::shards) fn wants_walk(&self, time: Time) -> bool {
        self.cold.as_ref().is_some_and(|cold| cold.expires_min < time)
    }

    /// Rows of the state file in the order of their keys, some at a time: those that are not here and too old for `time`
    /// go (R16). `ended`: there are no more, and the next walk begins at the first.
    pub(in crate::shards) fn walk(
        &mut self,
        rows: Vec<(TableKey, TableRow)>,
        ended: bool,
        time: Time,
        position: Position,
    ) {
        let Some(mut cold) = self.cold.take() else { return };
        for (key, row) in rows {
            let here = match &key {
                TableKey::Keyed(key) => self.keyed.get(key).is_some(),
                key => key.caller().is_none_or(|caller| cold.here.contains_key(&caller)),
            };
            let expires = row.entry.expires();
            #[rustfmt::skip]
            let old = expires < time; // mutant cold-key-dropped-early: let old = expires < time.saturating_add(crate::calls::RETENTION);
            if !here && old {
                let removed = self.remove_stored(key, position);
                cold.elsewhere = cold.elsewhere.saturating_sub(u64::from(removed));
            } else if !here {
                cold.walked.rows += 1;
                cold.walked.expires_min = cold.walked.expires_min.min(expires);
            }
        }
        if ended {
            let walked = std::mem::replace(&mut cold.walked, Walked { rows: 0, expires_min: NEVER });
            (cold.elsewhere, cold.expires_min) = (walked.rows, walked.expires_min);
        }
        self.cold = Some(cold);
    }

    fn remove_stored(&mut self, key: TableKey, position: Position) -> bool {
        match key {
            TableKey::Record { caller, number } => self.records.remove_stored((caller, number), position),
            TableKey::Keyed(key) => self.keyed.remove_stored(Arc::new(key), position),
            TableKey::Mark { caller, target } => self.marks.remove_stored((caller, target), position),
            TableKey::Floor(caller) => self.floors.remove_stored(caller, position),
            TableKey::Time | TableKey::Count => false,
        }
    }

    /// Of each caller all is here, or nothing.
    pub(super) fn assert_here(&self) {
        if let Some(cold) = &self.cold {
            let here = self.callers().into_iter().all(|caller| cold.here.contains_key(&caller));
            assert!(here, "a part of a caller's rows is here");
        }
    }
}

impl TableEntry {
    /// The last log time at which it is needed (R16).
    fn expires(&self) -> Time {
        match self {
            TableEntry::Record(entry) => entry.expires(),
            TableEntry::Mark(entry) => entry.expires(),
            TableEntry::Floor(entry) => entry.expires(),
            TableEntry::Keyed(entry) => entry.expires(),
            TableEntry::Time(_) | TableEntry::Count(_) => NEVER,
        }
    }
}
