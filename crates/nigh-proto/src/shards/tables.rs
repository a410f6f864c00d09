//! What an owner remembers of calls: a fold of its log, plus what is in memory ahead of it.
//!
//! [`Tables::apply`] is the fold, the same for a record that happens now and one read back. It is written so
//! that rows newer than the log's tail change nothing: records never change, marks only rise, floors only
//! join, and of two records of an idempotency key the later one wins.
//!
//! | table | of | goes |
//! | --- | --- | --- |
//! | records | (caller, number) | when known (R14), or when its birth is R old (R16) |
//! | keyed | (principal, entity, key, method, idempotency key) | R + F + D after it was decided (R12) |
//! | marks | (caller, entity, key) | when no unknown number lies below, or when its birth is R old (R16) |
//! | floors | caller | when all it knows is R old (R16) |
//!
//! Of all four, what nobody asked for of late may be in the state file alone ([`cold`]): it is read before it is
//! needed. Nothing here decides what a caller is told: that is `calls/callee.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use nigh_wire::{Bytes, CallId, CallerId, Keyed, Time};

use super::record::{Ran, RanOutcome, Record, Tombstone};
use super::row::{
    FloorEntry, KeyedEntry, KeyedKey, MarkEntry, RecordEntry, TableEntry, TableKey, TableRow, Target, Verdict,
};
use super::table::{Entry, Key, Table};
use super::{Counters, Position, Rows};
use crate::calls::request::{Known, Order};
use crate::calls::{DEADLINE_MAX, FUTURE_MAX, RETENTION};

mod cold;

pub(super) use cold::Busy;
pub use cold::Missing;

type Number = (CallerId, u64);

/// Rows that one step of aging walks over, in each table: about 50 µs.
const SWEEP_ROWS_MAX: usize = 1024;
/// Places in a queue of changed rows that are not worth a look whether they are of use.
const QUEUE_MIN: usize = 64;

impl Key for Number {
    fn size(&self) -> usize {
        0
    }
}
impl Key for CallerId {
    fn size(&self) -> usize {
        0
    }
}
impl Key for (CallerId, Target) {
    fn size(&self) -> usize {
        // Its copy of the key, and its place among the numbers of marks.
        self.1.key.len() + size_of::<(Number, Target)>() * 3 / 2
    }
}
impl Key for Arc<KeyedKey> {
    fn size(&self) -> usize {
        size_of::<KeyedKey>() + self.principal.len() + self.target.key.len() + self.key.len()
    }
}

impl Entry for RecordEntry {
    fn size(&self) -> usize {
        self.verdict.size()
    }
    fn expires(&self) -> Time {
        // R16: by birth, never by commit. The id itself is refused under the same condition.
        self.birth.saturating_add(RETENTION)
    }
}
impl Entry for MarkEntry {
    fn size(&self) -> usize {
        0
    }
    fn expires(&self) -> Time {
        // R16: all lower numbers were born earlier, so they are too old then.
        self.birth.saturating_add(RETENTION)
    }
}
impl Entry for FloorEntry {
    fn size(&self) -> usize {
        self.known.doubts.len() * 8
    }
    fn expires(&self) -> Time {
        self.birth.saturating_add(RETENTION)
    }
}
impl Entry for KeyedEntry {
    fn size(&self) -> usize {
        self.verdict.size()
    }
    fn expires(&self) -> Time {
        // R12: a try sent within R of the commit may be born F ahead of log time, and travels for D.
        self.time.saturating_add(RETENTION + FUTURE_MAX + DEADLINE_MAX)
    }
}

/// All four tables of a shard.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Tables {
    records: Table<Number, RecordEntry>,
    keyed: Table<Arc<KeyedKey>, KeyedEntry>,
    marks: Table<(CallerId, Target), MarkEntry>,
    /// Each mark by its number: a number is of one call, so it marks at most one key.
    marked: BTreeMap<Number, Target>,
    floors: Table<CallerId, FloorEntry>,
    /// What is in the state file alone; `None`: all is here.
    cold: Option<Box<cold::Cold>>,
}

impl Tables {
    /// The tables as the state file holds them. Gives the log time it holds, too, and how many rows it says there are.
    pub(super) fn open(
        rows: impl IntoIterator<Item = (TableKey, TableRow)>,
    ) -> Result<(Self, Time, u64), BadRow> {
        let mut tables = Tables {
            records: Table::new(),
            keyed: Table::new(),
            marks: Table::new(),
            marked: BTreeMap::new(),
            floors: Table::new(),
            cold: None,
        };
        let (mut time, mut count) = (Time::EPOCH, 0);
        for (key, TableRow { position, entry }) in rows {
            match (key, entry) {
                (TableKey::Time, TableEntry::Time(at)) => time = at,
                (TableKey::Count, TableEntry::Count(rows)) => count = rows,
                (TableKey::Record { caller, number }, TableEntry::Record(entry)) => {
                    tables.records.restore((caller, number), position, entry);
                }
                (TableKey::Keyed(key), TableEntry::Keyed(entry)) => {
                    tables.keyed.restore(Arc::new(key), position, entry);
                }
                (TableKey::Mark { caller, target }, TableEntry::Mark(entry)) => {
                    tables.marked.insert((caller, entry.number), target.clone());
                    tables.marks.restore((caller, target), position, entry);
                }
                (TableKey::Floor(caller), TableEntry::Floor(entry)) => {
                    tables.floors.restore(caller, position, entry);
                }
                (key, _) => return Err(BadRow(key)),
            }
        }
        // Rows are of different moments: a floor may be newer than the records and marks that it frees.
        let floors: Vec<CallerId> = tables.floors.entries().map(|(caller, _)| *caller).collect();
        for caller in floors {
            let position = tables.floors.position(&caller).expect("it was listed just now");
            tables.free(caller, 0, position);
        }
        Ok((tables, time, count))
    }

    /// What became of a number of a caller.
    pub(crate) fn record(&self, caller: CallerId, number: u64) -> Option<(&RecordEntry, Position)> {
        let key = (caller, number);
        Some((self.records.get(&key)?, self.records.position(&key)?))
    }

    /// What became of an idempotency key, if that is still remembered at `time`.
    pub(crate) fn keyed(&self, key: &KeyedKey, time: Time) -> Option<&KeyedEntry> {
        self.keyed.get(key).filter(|entry| entry.expires() >= time)
    }

    /// True if the caller knows the answer (R14).
    pub(crate) fn is_known(&self, caller: CallerId, number: u64) -> bool {
        self.floors.get(&caller).is_some_and(|floor| floor.known.contains(number))
    }

    /// The highest number of a caller that ran on a key (R10); 0 if none is remembered.
    pub(crate) fn mark(&self, caller: CallerId, entity: &Arc<str>, key: &Bytes) -> u64 {
        // Clones of what is counted, not of bytes.
        let target = Target { entity: entity.clone(), key: key.clone() };
        self.marks.get(&(caller, target)).map_or(0, |mark| mark.number)
    }

    pub(crate) fn has_floor(&self, caller: CallerId) -> bool {
        self.floors.get(&caller).is_some()
    }

    /// True if something of a caller is remembered.
    pub(super) fn remembers(&self, caller: CallerId) -> bool {
        let all = (caller, 0)..=(caller, u64::MAX);
        self.has_floor(caller)
            || self.records.range(all.clone()).next().is_some()
            || self.marked.range(all).next().is_some()
    }

    /// Folds one record of the log in (R4).
    pub(super) fn apply(&mut self, position: Position, record: Record) {
        match record {
            Record::Ran(ran) => self.ran(position, ran),
            Record::Tombstone(tombstone) => self.fenced(position, tombstone),
            Record::Again(again) => {
                self.join(again.id, position, &again.known); // mutant again-knows-nothing: let _ = &again.known;
                let verdict = Verdict::from(again.outcome);
                let entry = RecordEntry { birth: again.id.birth, fingerprint: again.fingerprint, verdict };
                self.remember(again.id, position, entry);
            }
            Record::Bye(id) => {
                let all = Known { floor: id.number, doubts: Vec::new() };
                self.join(id, position, &all);
            }
            Record::Tick => {}
        }
        self.prune();
    }

    fn ran(&mut self, position: Position, ran: Ran) {
        let Some(id) = ran.id else { return };
        let freed = ran.order.known().and_then(|known| self.widen(id, position, known));
        if let Order::After { .. } = &ran.order {
            self.raise(id, position, &ran.entity, &ran.key);
        }
        // After the mark of its key has risen, which then does not go and come back with each call on one key.
        if let Some(from) = freed {
            self.free(id.caller, from, position);
        }
        let entry =
            RecordEntry { birth: id.birth, fingerprint: ran.fingerprint, verdict: ran.outcome.into() };
        if let Some(keyed) = &ran.keyed {
            let key = keyed_key(keyed, &ran.entity, &ran.key, &ran.method);
            let (fingerprint, verdict) = (entry.fingerprint, entry.verdict.clone());
            self.remember_key(key, position, KeyedEntry { id, fingerprint, verdict, time: ran.time });
        }
        self.remember(id, position, entry);
    }

    fn fenced(&mut self, position: Position, stone: Tombstone) {
        let Tombstone { id, fingerprint, cause, .. } = stone;
        self.join(id, position, &stone.known); // mutant stone-knows-nothing: let _ = &stone.known;
        if let Some(keyed) = &stone.keyed {
            // R12: its other tries are told the same.
            let key = keyed_key(keyed, &stone.entity, &stone.key, &stone.method);
            let verdict = Verdict::NotDone(cause.clone());
            self.remember_key(key, position, KeyedEntry { id, fingerprint, verdict, time: stone.time });
        }
        let verdict = Verdict::NotDone(cause);
        self.remember(id, position, RecordEntry { birth: id.birth, fingerprint, verdict });
    }

    fn remember(&mut self, id: CallId, position: Position, entry: RecordEntry) {
        // A record of a number that is known would never be freed: its floor has passed already.
        let key = (id.caller, id.number);
        if !self.is_known(id.caller, id.number) && self.records.get(&key).is_none() {
            self.records.put(key, position, entry);
        }
    }

    fn remember_key(&mut self, key: KeyedKey, position: Position, entry: KeyedEntry) {
        // The state file may hold what came later under this key.
        if self.keyed.position(&key).is_none_or(|newer| newer < position) {
            self.keyed.put(Arc::new(key), position, entry);
        }
    }

    /// R14: what a call of `id` says its caller knows becomes known, and what became known is freed.
    fn join(&mut self, id: CallId, position: Position, known: &Known) {
        if let Some(from) = self.widen(id, position, known) {
            self.free(id.caller, from, position);
        }
    }

    /// The first half of [`join`](Self::join): gives from which number on is to be [freed](Self::free).
    #[must_use]
    fn widen(&mut self, id: CallId, position: Position, known: &Known) -> Option<u64> {
        if known.floor == 0 {
            return None;
        }
        let old = self.floors.get(&id.caller).cloned().unwrap_or_default();
        #[rustfmt::skip]
        let joined = old.known.joined(known); // mutant floor-replaced: let joined = known.clone();
        let birth = old.birth.max(id.birth);
        let changed = joined != old.known;
        let from = old.known.unknown_min();
        self.floors.put(id.caller, position, FloorEntry { known: joined, birth });
        changed.then_some(from)
    }

    /// Drops what is known of a caller's numbers from `from` on. A mark stays while an unknown number lies
    /// below it (R16): were it to go with its record, that number could run after it.
    fn free(&mut self, caller: CallerId, from: u64, position: Position) {
        let Some(FloorEntry { known, .. }) = self.floors.get(&caller) else { return };
        let range = (caller, from)..=(caller, known.floor);
        if from <= known.floor {
            #[rustfmt::skip]
            self.records.remove_if(range, position, |(_, number), _| known.contains(*number)); // mutant doubt-freed: self.records.remove_if(range, position, |(_, number), _| *number <= known.floor);
        }
        #[rustfmt::skip]
        let below = known.unknown_min(); // mutant mark-goes-with-record: let below = known.floor.saturating_add(1);
        for (_, target) in self.marked.extract_if((caller, 0)..(caller, below), |_, _| true) {
            self.marks.remove(&(caller, target), position);
        }
    }

    /// R10: the mark of a key rises to what ran. Freed at once where nothing unknown lies below.
    fn raise(&mut self, id: CallId, position: Position, entity: &Arc<str>, key: &Bytes) {
        let caller = id.caller;
        if self.floors.get(&caller).is_some_and(|floor| id.number < floor.known.unknown_min()) {
            return;
        }
        let mut of = (caller, Target { entity: entity.clone(), key: key.clone() });
        let mark = MarkEntry { number: id.number, birth: id.birth };
        match self.marks.get(&of).map(|mark| mark.number) {
            Some(number) if number >= id.number => return,
            Some(number) => of.1 = self.marked.remove(&(caller, number)).expect("a mark is listed by number"),
            // A slice would keep the whole buffer that it arrived in.
            None => of.1.key = nigh_wire::copied(key),
        }
        self.marked.insert((caller, id.number), of.1.clone());
        self.marks.put(of, position, mark);
    }

    /// Drops some of what is too old for `time` (R16), which must be durable.
    pub(super) fn sweep(&mut self, time: Time, position: Position) {
        self.records.sweep(time, SWEEP_ROWS_MAX, position, |_, _| {});
        self.keyed.sweep(time, SWEEP_ROWS_MAX, position, |_, _| {});
        let marked = &mut self.marked;
        self.marks.sweep(time, SWEEP_ROWS_MAX, position, |(caller, _), mark| {
            marked.remove(&(*caller, mark.number));
        });
        self.floors.sweep(time, SWEEP_ROWS_MAX, position, |_, _| {});
    }

    /// Nothing is too old up to this time.
    pub(super) fn expires_min(&self) -> Time {
        let (a, b) = (self.records.expires_min(), self.keyed.expires_min());
        let here = a.min(b).min(self.marks.expires_min()).min(self.floors.expires_min());
        self.cold.as_ref().map_or(here, |cold| here.min(cold.expires_min()))
    }

    /// Up to `rows_max` rows that changed since they were taken, as they are now.
    pub(super) fn take_changed(&mut self, rows_max: usize) -> Rows {
        let mut rows = Rows::new();
        let mut put = |key, row: Option<(Position, TableEntry)>| {
            rows.push((key, row.map(|(position, entry)| TableRow { position, entry })));
        };
        let mut left = rows_max;
        left -= self.records.take_changed(left, |((caller, number), row)| {
            put(TableKey::Record { caller, number }, row.map(|(at, entry)| (at, TableEntry::Record(entry))));
        });
        left -= self.keyed.take_changed(left, |(key, row)| {
            let key = TableKey::Keyed(KeyedKey::clone(&key));
            put(key, row.map(|(at, entry)| (at, TableEntry::Keyed(entry))));
        });
        left -= self.marks.take_changed(left, |((caller, target), row)| {
            put(TableKey::Mark { caller, target }, row.map(|(at, entry)| (at, TableEntry::Mark(entry))));
        });
        self.floors.take_changed(left, |(caller, row)| {
            put(TableKey::Floor(caller), row.map(|(at, entry)| (at, TableEntry::Floor(entry))));
        });
        rows
    }

    /// Lets go of what records have left behind that came and went: kept until they are taken, they would be most of all
    /// that a shard holds.
    fn prune(&mut self) {
        self.records.prune(QUEUE_MIN);
        self.keyed.prune(QUEUE_MIN);
        self.marks.prune(QUEUE_MIN);
        self.floors.prune(QUEUE_MIN);
    }

    /// Places in the queues of changed rows.
    pub(super) fn changed_len(&self) -> usize {
        let changed = self.records.changed_len() + self.keyed.changed_len();
        changed + self.marks.changed_len() + self.floors.changed_len()
    }

    /// Place of the first change that was not taken yet.
    pub(super) fn changed_since(&self) -> Option<Position> {
        let (a, b) = (self.records.changed_since(), self.keyed.changed_since());
        [a, b, self.marks.changed_since(), self.floors.changed_since()].into_iter().flatten().min()
    }

    /// Bytes in memory, about.
    pub(super) fn size(&self) -> usize {
        let rows = self.records.size() + self.keyed.size() + self.marks.size() + self.floors.size();
        // A caller that was looked for takes its place also if nothing is remembered of it.
        rows + self.callers_here() * (size_of::<(CallerId, bool)>() * 3 / 2) // mutant callers-uncounted: rows
    }
    fn callers_here(&self) -> usize {
        self.cold.as_ref().map_or(0, |cold| cold.callers_len())
    }
    /// What there is to look at before something is let go.
    pub(super) fn here_len(&self) -> usize {
        let rows = self.records.len() + self.keyed.len() + self.marks.len() + self.floors.len();
        rows + self.callers_here()
    }
    /// Callers with a floor, in memory.
    pub(super) fn floors_len(&self) -> usize {
        self.floors.len()
    }
    /// Rows, also those that are in the state file alone. Errs high until it has been walked over.
    pub(super) fn len(&self) -> u64 {
        let here = self.records.len() + self.keyed.len() + self.marks.len() + self.floors.len();
        here as u64 + self.cold.as_ref().map_or(0, |cold| cold.elsewhere())
    }

    pub(super) fn count(&self, counters: &mut Counters) {
        (counters.records, counters.records_size) = (self.records.len(), self.records.size());
        (counters.keyed, counters.keyed_size) = (self.keyed.len(), self.keyed.size());
        (counters.marks, counters.marks_size) = (self.marks.len(), self.marks.size());
        (counters.floors, counters.floors_size) = (self.floors.len(), self.floors.size());
        counters.changed = self.changed_len();
        counters.rows = self.len();
    }

    /// What is known has no record and no mark below it, marks are listed by their numbers, and lists of
    /// doubts are bounded. Looks at every row.
    pub(super) fn assert_scanned(&self) {
        self.records.assert_scanned();
        self.keyed.assert_scanned();
        self.marks.assert_scanned();
        self.floors.assert_scanned();
        self.assert_here();
        for ((caller, number), _) in self.records.entries() {
            assert!(!self.is_known(*caller, *number), "the record of a known number is kept");
        }
        assert_eq!(self.marks.len(), self.marked.len(), "marks and their numbers differ");
        for ((caller, target), mark) in self.marks.entries() {
            assert_eq!(self.marked.get(&(*caller, mark.number)), Some(target), "a mark is not listed");
            let floor = self.floors.get(caller);
            assert!(
                floor.is_none_or(|floor| floor.known.unknown_min() <= mark.number),
                "a mark is left over"
            );
        }
        for (_, floor) in self.floors.entries() {
            assert!(floor.known.is_bounded(), "a floor is malformed: {:?}", floor.known);
        }
    }

    /// All rows, to compare two shards.
    #[cfg(test)]
    pub(super) fn rows(&self) -> BTreeMap<TableKey, TableEntry> {
        let record = |(key, entry): (&Number, &RecordEntry)| {
            (TableKey::Record { caller: key.0, number: key.1 }, TableEntry::Record(entry.clone()))
        };
        let mark = |(key, entry): (&(CallerId, Target), &MarkEntry)| {
            (TableKey::Mark { caller: key.0, target: key.1.clone() }, TableEntry::Mark(*entry))
        };
        let keyed = |(key, entry): (&Arc<KeyedKey>, &KeyedEntry)| {
            (TableKey::Keyed(KeyedKey::clone(key)), TableEntry::Keyed(entry.clone()))
        };
        let floor = |(key, entry): (&CallerId, &FloorEntry)| {
            (TableKey::Floor(*key), TableEntry::Floor(entry.clone()))
        };
        let rows = self.records.entries().map(record).chain(self.marks.entries().map(mark));
        rows.chain(self.keyed.entries().map(keyed)).chain(self.floors.entries().map(floor)).collect()
    }
}

/// What a keyed call is remembered under (R12).
pub(crate) fn keyed_key(keyed: &Keyed, entity: &Arc<str>, key: &Bytes, method: &Arc<str>) -> KeyedKey {
    KeyedKey {
        principal: keyed.principal.clone(),
        target: Target { entity: entity.clone(), key: nigh_wire::copied(key) },
        method: method.clone(),
        key: keyed.key.clone(),
    }
}

/// What is kept of a record read back is its own bytes, not those of the blob around it.
pub(super) fn owned(mut record: Record) -> Record {
    let own = |outcome: &mut RanOutcome| {
        let (RanOutcome::Ok(bytes) | RanOutcome::Err(bytes)) = outcome;
        *bytes = nigh_wire::copied(bytes); // mutant answer-pins-blob: *bytes = bytes.clone();
    };
    match &mut record {
        Record::Ran(ran) => own(&mut ran.outcome),
        Record::Again(again) => own(&mut again.outcome),
        Record::Tombstone(_) | Record::Bye(_) | Record::Tick => {}
    }
    record
}

/// A row of the state file whose entry is of another table than its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadRow(pub(super) TableKey);
