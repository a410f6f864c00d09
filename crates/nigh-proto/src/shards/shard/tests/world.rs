//! A shard with a log, a state file, an arbiter and a clock, and a judge of all it says.
//!
//! Values are counts: a method answers how many calls had an effect on its key before it, so that an answer
//! tells which state it ran on.

use std::collections::{BTreeMap, BTreeSet};

use nigh_wire::{Bytes, CallId, CallerId, Cause, Doubt, Fingerprint, Keyed, Ticket, Time, WireHash};

use crate::calls::callee::Arrival;
use crate::calls::request::{Answer, Order, Refusal, Version};
use crate::calls::{FUTURE_MAX, RETENTION};
use crate::shards::record::{Blob, Ran, RanOutcome, Record};
use crate::shards::row::{TableEntry, TableKey, TableRow};
use crate::shards::shard::{Admission, Append, Finished, Missing, Release, Shard};
use crate::shards::{Epoch, Position, Rows, ShardId};

pub(crate) type Counts = BTreeMap<Bytes, u64>;

/// Who waits for an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ask {
    Copy(CallId, Fingerprint),
    Settle(CallId, Fingerprint),
    View { read_at: u64, counts: Counts },
}

/// What the method does with a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Act {
    Ok,
    Err,
    Panic,
    Malformed,
    Stuck,
}

/// What somebody learned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    Answer(Ask, Answer),
    View(Version),
    Refused(Ask, Refusal),
    AskAgain(Ask),
}

pub(crate) struct World {
    pub(crate) shard: Shard<Ask>,
    /// The owner's clock.
    pub(crate) clock: Time,
    /// When its log was put back from a copy.
    pub(crate) restored: Option<Time>,
    /// Memory of the entities, as the driver has it.
    counts: Counts,
    /// The store: blobs with their places, what was cut of them, rows.
    blobs: Vec<(Position, Bytes)>,
    rows: BTreeMap<TableKey, TableRow>,
    /// On their way to the state file.
    pending: Rows,
    /// A start reads the rows of the tail's callers alone.
    pub(crate) cold: bool,
    cut: usize,
    append: Option<Append>,
    /// The arbiter's epoch: higher than the shard's when somebody took it away.
    pub(crate) epoch: Epoch,
    asked: bool,
    /// Steps so far, and the last at which the arbiter was found to say that the shard is ours.
    step: u64,
    asked_at: u64,
    begun_at: u64,
    ours_at: u64,
    /// The judge: durable effects in order, and what anybody was told.
    landed: Vec<Ran>,
    landed_next: u64,
    history: Vec<(u64, Counts)>,
    told: BTreeMap<(CallId, u64), Answer>,
    forgotten: BTreeSet<CallId>,
    pub(crate) heard: Vec<Heard>,
}

pub(crate) const START: Time = Time::from_nanos(1_700_000_000_000_000_000);

impl World {
    pub(crate) fn new() -> Self {
        World {
            shard: Shard::open(ShardId(7), Epoch(1), [], Time::EPOCH, Position(0)).expect("no rows"),
            clock: START,
            restored: None,
            counts: Counts::new(),
            blobs: vec![],
            rows: BTreeMap::new(),
            pending: Rows::new(),
            cold: false,
            cut: 0,
            append: None,
            epoch: Epoch(1),
            asked: false,
            step: 0,
            asked_at: 0,
            begun_at: 0,
            ours_at: 0,
            landed: vec![],
            landed_next: 0,
            history: vec![(0, Counts::new())],
            told: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            heard: vec![],
        }
    }

    pub(crate) fn deliver(&mut self, arrival: Arrival, act: Act) {
        self.step += 1;
        let ask = Ask::Copy(arrival.id, arrival.fingerprint);
        let (redo, key) = (Bytes::from_static(b"+1"), arrival.key.clone());
        let (refused_ask, panicked) = (ask.clone(), || Cause::Panicked("at the disco".into()));
        while let Some(missing) = self.shard.missing(&arrival) {
            self.load(&missing);
        }
        match self.shard.admit(self.clock, arrival, ask) {
            Admission::Refused(_, refusal) => self.heard.push(Heard::Refused(refused_ask, refusal)),
            Admission::Queued(_) => {}
            Admission::Run(permit) => match act {
                Act::Ok => {
                    let count = self.counts.entry(key).or_default();
                    let outcome = RanOutcome::Ok(Bytes::from(count.to_string()));
                    *count += 1;
                    self.shard.finish(
                        permit,
                        Finished { outcome, redo, deleted: false, seed: None, others: vec![] },
                    );
                }
                Act::Err => {
                    let outcome = RanOutcome::Err(Bytes::from_static(b"no"));
                    let none = Bytes::new();
                    self.shard.finish(
                        permit,
                        Finished { outcome, redo: none, deleted: false, seed: None, others: vec![] },
                    );
                }
                Act::Panic => self.shard.give_up(permit, panicked()),
                Act::Malformed => self.shard.abandon(permit, Cause::Malformed("args".into())),
                Act::Stuck => {
                    self.shard.give_up_stuck(&permit.watch(), Cause::Stuck);
                    // It comes back after all; its driver has undone what it did.
                    let outcome = RanOutcome::Ok(Bytes::from_static(b"late"));
                    self.shard.finish(
                        permit,
                        Finished { outcome, redo, deleted: false, seed: None, others: vec![] },
                    );
                }
            },
        }
        self.release();
    }

    pub(crate) fn settle(&mut self, of: &Arrival) {
        self.step += 1;
        let ticket = ticket(of);
        let ask = Ask::Settle(of.id, of.fingerprint);
        while let Some(missing) = self.shard.missing_of(&ticket) {
            self.load(&missing);
        }
        if let Err((ask, refusal)) = self.shard.settle(self.clock, &ticket, of.commutes, ask) {
            self.heard.push(Heard::Refused(ask, refusal));
        }
        self.release();
    }

    pub(crate) fn view(&mut self) {
        self.step += 1;
        self.shard.view(Ask::View { read_at: self.step, counts: self.counts.clone() });
        self.release();
    }

    pub(crate) fn begin_append(&mut self) {
        self.step += 1;
        let append = self.shard.poll_append(self.clock);
        assert!(append.is_none() || self.append.is_none(), "two appends are under way");
        if let Some(append) = append {
            self.begun_at = self.step;
            self.append = Some(append);
        }
    }

    /// The append under way reaches the store, or is fenced.
    pub(crate) fn end_append(&mut self) {
        self.step += 1;
        let Some(append) = self.append.take() else { return };
        if append.epoch != self.epoch {
            return self.fail();
        }
        self.land(append);
        self.shard.handle_appended();
        self.ours_at = self.ours_at.max(self.begun_at);
        self.release();
    }

    /// The append under way fails, or does not but is heard to have failed (R9).
    pub(crate) fn fail_append(&mut self, landed: bool) {
        let Some(append) = self.append.take() else { return };
        if landed && append.epoch == self.epoch {
            self.land(append);
        }
        self.fail();
    }

    pub(crate) fn sync(&mut self) {
        self.end_append();
        self.begin_append();
        self.end_append();
    }

    fn land(&mut self, append: Append) {
        assert_eq!(append.first.0, self.landed_next, "the store would refuse this place (R8)");
        let blob = Blob::from_bytes(&append.blob).expect("what was written can be read");
        assert_eq!(blob.to_bytes(), append.blob, "both ways of writing a blob agree");
        assert_eq!((blob.first, append.next.0), (append.first, append.first.0 + blob.records.len() as u64));
        for record in &blob.records {
            self.landed_next += 1;
            if let Record::Ran(ran) = record {
                self.judge_ran(ran);
                self.landed.push(ran.clone());
            }
            let counts = fold(&self.landed);
            self.history.push((self.landed_next, counts));
        }
        self.blobs.push((append.first, append.blob));
    }

    /// Asks the arbiter whether the epoch is still ours; the answer comes later.
    pub(crate) fn ask(&mut self) {
        self.step += 1;
        if self.shard.poll_confirm() {
            assert!(!self.asked, "two questions are under way");
            (self.asked, self.asked_at) = (true, self.step);
        }
    }

    pub(crate) fn hear(&mut self) {
        self.step += 1;
        if !std::mem::take(&mut self.asked) {
            return;
        }
        let ours = self.shard.epoch() == self.epoch;
        self.shard.handle_confirmed(ours);
        if !ours {
            return self.fail();
        }
        self.ours_at = self.ours_at.max(self.asked_at);
        self.release();
    }

    /// What is missing, as a driver reads it.
    fn load(&mut self, missing: &Missing) {
        let begins: Vec<Bytes> = missing.caller.map(TableKey::beginnings).into_iter().flatten().collect();
        let wanted = |key: &TableKey| {
            let bytes = nigh_wire::encode(key);
            let mine = begins.iter().any(|beginning| bytes.starts_with(beginning));
            mine || missing.keyed.as_ref().is_some_and(|keyed| *key == TableKey::Keyed(keyed.clone()))
        };
        let rows =
            self.rows.iter().filter(|(key, _)| wanted(key)).map(|(key, row)| (key.clone(), row.clone()));
        assert!(
            self.shard.load(missing, rows.collect()).expect("they were asked for"),
            "nothing went meanwhile"
        );
    }

    /// These rows, as the state file has them.
    pub(crate) fn stored(&self, keys: &[TableKey]) -> Vec<TableRow> {
        keys.iter().filter_map(|key| self.rows.get(key).cloned()).collect()
    }

    /// What nobody asked for of late is in the state file alone.
    pub(crate) fn let_go(&mut self, rows_max: usize, all: bool) {
        self.shard.let_go(rows_max, all);
    }

    /// The state file is looked through for what is too old.
    pub(crate) fn walk(&mut self, at_once: usize) {
        if self.shard.wants_walk() {
            let rows: Vec<_> = self.rows.iter().map(|(key, row)| (key.clone(), row.clone())).collect();
            rows.chunks(at_once).for_each(|page| self.shard.walk(page.to_vec(), false));
            self.shard.walk(vec![], true);
        }
    }

    /// Rows go to the state file, and the log is cut below them.
    pub(crate) fn write_back(&mut self, rows_max: usize) {
        self.begin_write(rows_max);
        self.end_write();
    }

    pub(crate) fn begin_write(&mut self, rows_max: usize) {
        self.end_write();
        self.pending = self.shard.dirty_rows(rows_max);
    }

    pub(crate) fn end_write(&mut self) {
        for (key, row) in std::mem::take(&mut self.pending) {
            match row {
                Some(row) => {
                    let counts = matches!(key, TableKey::Time | TableKey::Count);
                    assert!(row.position < self.shard.durable() || counts, "ahead of the log");
                    self.rows.insert(key, row);
                }
                None => drop(self.rows.remove(&key)),
            }
        }
        self.shard.rows_written();
        let through = self.shard.rows_through().0;
        let ends = self.blobs.iter().skip(1).map(|(first, _)| first.0).chain([self.landed_next]);
        self.cut = self.cut.max(ends.filter(|end| *end <= through).count().min(self.blobs.len()));
    }

    pub(crate) fn sweep(&mut self) {
        self.step += 1;
        self.shard.sweep(self.clock);
    }

    /// R9: memory is dropped whole, and the shard is taken up under a new epoch.
    pub(crate) fn fail(&mut self) {
        self.epoch.0 += 1;
        let next = self.blobs.get(self.cut).map_or(Position(self.landed_next), |(first, _)| *first);
        let tail: Vec<Blob> = self.blobs[self.cut..]
            .iter()
            .map(|(_, bytes)| Blob::sliced(bytes).expect("it was read before"))
            .collect();
        let callers: BTreeSet<CallerId> =
            tail.iter().flat_map(|blob| &blob.records).filter_map(Record::caller).collect();
        let mut rows = self.rows.clone();
        if self.cold {
            let of = |key: &TableKey| key.caller().is_some_and(|caller| callers.contains(&caller));
            rows.retain(|key, _| of(key) || matches!(key, TableKey::Time | TableKey::Count));
        }
        let mut shard = Shard::open(ShardId(7), self.epoch, rows, Time::EPOCH, next).expect("rows are good");
        if self.cold {
            shard.is_part(callers);
        }
        let old = std::mem::replace(&mut self.shard, shard);
        self.heard.extend(old.fail().into_iter().map(Heard::AskAgain));
        tail.into_iter().for_each(|blob| self.shard.replay(blob).expect("the tail is whole"));
        assert_eq!(self.shard.next(), Position(self.landed_next));
        self.restored.into_iter().for_each(|at| self.shard.restored(at));
        (self.append, self.asked, self.pending) = (None, false, Rows::new());
        self.counts = fold(&self.landed);
    }

    /// Its log was just put back from a copy.
    pub(crate) fn restore(&mut self) {
        self.restored = Some(self.clock);
        self.shard.restored(self.clock);
    }

    /// What the tables are once all is durable and everything too old is dropped.
    pub(crate) fn settled_tables(&mut self) -> BTreeMap<TableKey, TableEntry> {
        for _ in 0..3 {
            self.sync();
            self.sweep();
        }
        self.end_write();
        for key in self.rows.keys().cloned().collect::<Vec<TableKey>>() {
            let keyed = || if let TableKey::Keyed(key) = &key { Some(key.clone()) } else { None };
            let caller = key.caller().unwrap_or(CallerId(0));
            while let Some(missing) = self.shard.tables.missing(caller, keyed) {
                self.load(&missing);
            }
        }
        self.shard.tables.rows()
    }

    fn release(&mut self) {
        while let Some(release) = self.shard.poll_release() {
            match release {
                Release::Answer(ask, answer) => {
                    self.judge_told(&ask, &answer);
                    self.heard.push(Heard::Answer(ask, answer));
                }
                Release::View(ask, version) => {
                    self.judge_view(&ask, version);
                    self.heard.push(Heard::View(version));
                }
            }
        }
    }

    fn judge_ran(&self, ran: &Ran) {
        let Some(id) = ran.id else { return };
        let told = self.told.get(&(id, ran.fingerprint.0));
        let dead = matches!(told, Some(Answer::NotDone(_))) || self.forgotten.contains(&id);
        assert!(!dead, "never: {id} runs after {told:?} was told, or forgotten");
        let mut before = self.landed.iter().filter(|old| old.id.is_some());
        assert!(before.all(|old| old.id != Some(id)), "once: {id} ran twice");
        if let Order::After { .. } = ran.order {
            let same = |old: &&Ran| matches!(old.order, Order::After { .. }) && old.key == ran.key;
            let mut before = self.landed.iter().filter(same).filter_map(|old| old.id);
            let later = before.find(|old| old.caller == id.caller && old.number > id.number);
            assert_eq!(later, None, "order: {id} ran after it");
        }
        if let Some(keyed) = &ran.keyed {
            let tries =
                self.landed.iter().filter(|old| old.keyed.as_ref() == Some(keyed) && old.key == ran.key);
            for old in tries {
                let again = id.birth <= old.time.saturating_add(RETENTION);
                assert!(!again, "once: {keyed:?} ran again, sent while it was remembered");
            }
        }
        assert!(id.birth.saturating_add(RETENTION) >= ran.time, "R16: {id} is too old");
        assert!(id.birth <= ran.time.saturating_add(FUTURE_MAX), "R17: {id} is ahead");
        if let RanOutcome::Ok(value) = &ran.outcome {
            let count = fold(&self.landed).get(&ran.key).copied().unwrap_or(0);
            assert_eq!(value, count.to_string().as_bytes(), "{id} ran on a state that is not the log's");
        }
    }

    fn judge_told(&mut self, ask: &Ask, answer: &Answer) {
        let (Ask::Copy(id, fingerprint) | Ask::Settle(id, fingerprint)) = ask else {
            panic!("a view is not answered")
        };
        // Of a keyed call another id may have run.
        let mine = |ran: &&Ran| ran.id.is_none_or(|ran| ran == *id) || ran.keyed.is_some();
        let ran: Vec<&Ran> =
            self.landed.iter().filter(mine).filter(|ran| ran.fingerprint == *fingerprint).collect();
        let same = match answer {
            Answer::Done { value, .. } => ran.iter().any(|ran| ran.outcome == RanOutcome::Ok(value.clone())),
            Answer::Failed(error) => ran.iter().any(|ran| ran.outcome == RanOutcome::Err(error.clone())),
            Answer::NotDone(_) => ran.iter().all(|ran| ran.id != Some(*id)),
            Answer::Forgotten | Answer::NoRecord => true,
            Answer::Keys(_) => false,
        };
        assert!(same, "kept: {answer:?} was told of {id}, the log holds {ran:?}");
        let commuted = ran.iter().any(|ran| ran.id.is_none());
        if *answer == Answer::Forgotten {
            self.forgotten.insert(*id);
            return; // R13: it says nothing of whether it ran, so it agrees with all.
        }
        let told = self.told.entry((*id, fingerprint.0)).or_insert_with(|| answer.clone());
        let first = same_answer(told, answer) || *answer == Answer::NoRecord || commuted;
        assert!(first, "agree: {id} was told {told:?}, then {answer:?}");
    }

    fn judge_view(&self, ask: &Ask, version: Version) {
        let Ask::View { read_at, counts } = ask else { panic!("a call is not viewed") };
        assert!(version.position.0 <= self.landed_next, "lin: a view showed what is not durable");
        let at = self.history.iter().rfind(|(next, _)| *next == version.position.0);
        assert_eq!(at.map(|(_, counts)| counts), Some(counts), "lin: a view showed another state");
        assert!(*read_at <= self.ours_at, "lin: nobody asked after the read whether the shard is ours (R7)");
    }
}

/// The same but for the version, which an owner that took the shard up later says in its own epoch, and for the
/// cause, which settlers are not told.
fn same_answer(a: &Answer, b: &Answer) -> bool {
    match (a, b) {
        (Answer::NotDone(Cause::Fenced), Answer::NotDone(_)) => true,
        (Answer::NotDone(_), Answer::NotDone(Cause::Fenced)) => true,
        (Answer::Done { value: a, .. }, Answer::Done { value: b, .. }) => a == b,
        _ => a == b,
    }
}

fn fold(landed: &[Ran]) -> Counts {
    let mut counts = Counts::new();
    for ran in landed.iter().filter(|ran| matches!(ran.outcome, RanOutcome::Ok(_))) {
        *counts.entry(ran.key.clone()).or_default() += 1;
    }
    counts
}

pub(crate) fn ticket(of: &Arrival) -> Ticket {
    Ticket::from(Doubt {
        id: of.id,
        of: of.entity.to_string(),
        key: Some(of.key.clone()),
        method: of.method.to_string(),
        shape: WireHash([0; 16]),
        fingerprint: of.fingerprint,
        keyed: of.keyed.clone(),
        settles_until: of.id.birth.saturating_add(RETENTION),
    })
}

pub(crate) fn keyed(key: &str) -> Keyed {
    Keyed { principal: "ann".into(), key: key.into() }
}
