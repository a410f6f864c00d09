//! The judge of a whole run: the order of the log's records is the order in which calls happened, so that every
//! answer can be compared with the log exactly, and the log with the program, in time that grows with the run.
//!
//! Fed by whoever drives the run, in the order in which things happen:
//!
//! - [`LogJudge::asked`], [`LogJudge::answered`], [`LogJudge::settled`], [`LogJudge::let_go`] (`callers.rs`):
//!   what users and their clients see.
//! - [`LogJudge::durable`], [`LogJudge::recovered`] (here): what stores and owners do.
//! - [`LogJudge::state_of`], [`LogJudge::end`] (`ending.rs`): once faults have stopped.
//!
//! `shadow.rs` has a second copy of each entity, and runs its methods again. `fates.rs` is what is known of calls and
//! ids. The first violation ends a run: what the judge says after it means nothing.
//!
//! Real time needs no judgement of its own among changes: what was answered is durable by then (*honest
//! outcomes*), what is asked later is recorded later (*only what was asked*), and the log has one line. So what was
//! answered first stands first. Views are held against what had been shown when they were asked.
//!
//! What it cannot see: whether a call that commutes ran more often than it was sent, because its records carry
//! no id; and what a service did.

use std::collections::{BTreeMap, BTreeSet};

use nigh_proto::Instant;
use nigh_proto::calls::request::Order;
use nigh_proto::calls::{FUTURE_MAX, RETENTION};
use nigh_proto::shards::record::{Again, Blob, Ran, RanOutcome, Record, Tombstone};
use nigh_proto::shards::row::KeyedKey;
use nigh_proto::shards::{Epoch, Position, ShardId};
use nigh_wire::{CallId, CallerId, Class, Fingerprint, Time};

use self::callers::Op;
use self::fates::{CallKey, Calls, Fate, Intent, Numbered, Place, RanUnder};
use self::shadow::Shadows;
use super::program::Program;
use super::violation::{Judgement, Moment, Returned, Show, Violation};

mod bound;
mod callers;
mod ending;
mod fates;
mod shadow;

pub use callers::{Asked, Heard, Verdict};

/// Compares what was asked, what was answered and what is durable.
pub struct LogJudge<P: Program> {
    program: P,
    ops: BTreeMap<u64, Op>,
    calls: Calls,
    /// What the log says of each id.
    fates: BTreeMap<Numbered, Fate>,
    /// Runs under idempotency keys: the last of each.
    keyed: BTreeMap<KeyedKey, RanUnder>,
    /// Outcomes of those runs, for tries that are told of them.
    keyed_outcomes: BTreeMap<Fingerprint, Vec<RanOutcome>>,
    /// Last number that ran of each caller on each key.
    marks: BTreeMap<(usize, CallerId), u64>,
    services: BTreeSet<CallId>,
    shards: BTreeMap<ShardId, ShardLog>,
    shadows: Shadows<P::Cell>,
    /// The highest log time of any shard, and its longest log.
    time_max: Time,
    next_max: u64,
    claims_max: u32,
}

/// What is durable of one shard's log.
#[derive(Default)]
struct ShardLog {
    next: u64,
    /// Of the last blob, and of the last record in it that has one.
    time: Time,
    record_time: Time,
    /// Under which it was taken up last.
    taken: Option<Epoch>,
    /// Places from which on blobs are of this epoch.
    epochs: Vec<(u64, Epoch)>,
}

impl<P: Program> LogJudge<P> {
    /// A judge of a run that begins with an empty store.
    pub fn new(program: P) -> Self {
        LogJudge {
            program,
            ops: BTreeMap::new(),
            calls: Calls::default(),
            fates: BTreeMap::new(),
            keyed: BTreeMap::new(),
            keyed_outcomes: BTreeMap::new(),
            marks: BTreeMap::new(),
            services: BTreeSet::new(),
            shards: BTreeMap::new(),
            shadows: Shadows::default(),
            time_max: Time::EPOCH,
            next_max: 0,
            claims_max: 0,
        }
    }

    /// Tries delivery claims as well: at most this many times for each key, since each takes a dozen snapshots.
    #[must_use]
    pub fn with_claims(mut self, per_key_max: u32) -> Self {
        self.claims_max = per_key_max;
        self
    }

    /// A blob became durable: from now on a power loss cannot take it back.
    ///
    /// # Errors
    ///
    /// It does not continue the log, or a record in it is not of what was asked, was told, or the code does.
    pub fn durable(
        &mut self,
        now: Instant,
        shard: ShardId,
        epoch: Epoch,
        blob: &Blob,
    ) -> Result<(), Violation> {
        let log = self.shards.entry(shard).or_default();
        log.extend(shard, epoch, blob).map_err(|why| Violation::new(Judgement::Log, now, why))?;
        self.time_max = self.time_max.max(blob.time);
        for (index, record) in blob.records.iter().enumerate() {
            let place = Place { shard, position: blob.first.0 + index as u64 };
            match record {
                Record::Ran(ran) => self.ran(now, place, ran)?,
                Record::Tombstone(stone) => self.fenced(now, place, stone)?,
                Record::Again(again) => self.again(now, place, again)?,
                Record::Bye(_) | Record::Tick => {}
            }
        }
        let next = blob.first.0 + blob.records.len() as u64;
        self.next_max = self.next_max.max(next);
        Ok(())
    }

    /// An owner took the shard up under this epoch, and has read its log up to `next`.
    ///
    /// # Errors
    ///
    /// The epoch is not a new one (R8), or it has not read exactly what is durable.
    pub fn recovered(
        &mut self,
        now: Instant,
        shard: ShardId,
        epoch: Epoch,
        next: Position,
    ) -> Result<(), Violation> {
        let log = self.shards.entry(shard).or_default();
        let last = log.taken.max(log.epochs.last().map(|(_, epoch)| *epoch));
        if last.is_some_and(|last| epoch <= last) {
            let text = format!("shard {} was taken up under epoch {}, after {last:?}", shard.0, epoch.0);
            return Err(Violation::new(Judgement::Log, now, text));
        }
        log.taken = Some(epoch);
        if next.0 != log.next {
            let text = format!(
                "shard {} was taken up under epoch {} with its log up to {}, and it is durable up to {}",
                shard.0, epoch.0, next.0, log.next
            );
            return Err(Violation::new(Judgement::Recovered, now, text));
        }
        Ok(())
    }

    fn ran(&mut self, now: Instant, place: Place, ran: &Ran) -> Result<(), Violation> {
        let key = CallKey(ran.id, ran.fingerprint);
        let wrong = |judgement, text: String| Err(Violation::new(judgement, now, text));
        let Some(call) = self.calls.get_mut(key).filter(|call| call.asked.is_some()) else {
            let id = ran.id.map_or("no id".into(), |id| id.to_string());
            let text = format!("{place} is a run of `{}.{}` under {id}", ran.entity, ran.method);
            return wrong(Judgement::Asked, format!("{text}, which nobody asked for with these arguments"));
        };
        let asked = call.asked.clone().expect("it was just looked at");
        call.may_run(now, &asked, place)?;
        let target = &asked.target;
        if (&target.entity, &target.key, &asked.method) != (&ran.entity, &ran.key, &ran.method) {
            let other = format!("`{}` on {} {}", ran.method, ran.entity, Show(&ran.key));
            return wrong(Judgement::Asked, format!("{asked} is recorded at {place} as {other}"));
        }
        let Some(index) = asked.index else {
            return wrong(Judgement::Asked, format!("{asked} ran at {place}, and there is no such entity"));
        };
        match ran.id {
            Some(id) => self.ran_once(now, place, id, index, ran, &asked)?,
            None => {
                let ok = matches!(ran.outcome, RanOutcome::Ok(_));
                call.outcomes.insert((ok, bytes_of(&ran.outcome)));
            }
        }
        let claims_max = if asked.class == Class::Commutes { self.claims_max } else { 0 };
        self.shadows.run(&self.program, now, index, place, ran, &asked, claims_max)
    }

    /// What holds of every run under an id.
    fn ran_once(
        &mut self,
        now: Instant,
        place: Place,
        id: CallId,
        index: usize,
        ran: &Ran,
        asked: &Intent,
    ) -> Result<(), Violation> {
        let wrong = |judgement, text: String| Err(Violation::new(judgement, now, text));
        if let Some(fate) = self.fates.get(&Numbered(id)) {
            return wrong(Judgement::Once, format!("{asked} ran at {place}, after {fate}"));
        }
        if id.birth.saturating_add(RETENTION) < ran.time {
            let text = format!("{asked} ran at {place}, more than its retention after its birth (R16)");
            return wrong(Judgement::Age, text);
        }
        if id.birth > ran.time.saturating_add(FUTURE_MAX) {
            return wrong(Judgement::Age, format!("{asked} ran at {place}, before it may be born (R17)"));
        }
        if let Order::After { after, .. } = ran.order {
            let mark = self.marks.insert((index, id.caller), id.number).unwrap_or(0);
            if mark >= id.number || after >= id.number {
                let text = format!("{asked} ran at {place}, after number {} of its caller", mark.max(after));
                return wrong(Judgement::Order, text);
            }
        }
        if ran.keyed != asked.keyed {
            let text =
                format!("{asked} was asked under {:?} and ran at {place} under {:?}", asked.keyed, ran.keyed);
            return wrong(Judgement::Keyed, text);
        }
        if let Some(keyed) = &ran.keyed {
            let key = fates::keyed_key(keyed, &ran.entity, &ran.key, &ran.method);
            let of_key = RanUnder { id, time: ran.time, fingerprint: ran.fingerprint, place, dead: false };
            // A try that was born while the key was remembered was to be told the first answer.
            if let Some(old) = self.keyed.get(&key).filter(|old| old.remembers(id)) {
                let text =
                    format!("{asked} ran at {place} under the idempotency key {:?}, after {old}", key.key);
                return wrong(Judgement::Keyed, text);
            }
            self.keyed.insert(key, of_key);
            self.keyed_outcomes.entry(ran.fingerprint).or_default().push(ran.outcome.clone());
        }
        let (fingerprint, outcome) = (ran.fingerprint, ran.outcome.clone());
        self.fates.insert(Numbered(id), Fate::Ran { place, fingerprint, outcome });
        Ok(())
    }

    fn fenced(&mut self, now: Instant, place: Place, stone: &Tombstone) -> Result<(), Violation> {
        let name = || self.name(stone.id, stone.fingerprint);
        if let Some(fate) = self.fates.get(&Numbered(stone.id)) {
            let text = format!("{} has a tombstone at {place}, after {fate}", name());
            return Err(Violation::new(Judgement::Once, now, text));
        }
        if let Some(keyed) = &stone.keyed {
            let key = fates::keyed_key(keyed, &stone.entity, &stone.key, &stone.method);
            let dead = RanUnder {
                id: stone.id,
                time: stone.time,
                fingerprint: stone.fingerprint,
                place,
                dead: true,
            };
            if let Some(old) = self.keyed.get(&key).filter(|old| !old.dead && old.remembers(stone.id)) {
                let text =
                    format!("{} killed the idempotency key {:?} at {place}, after {old}", name(), key.key);
                return Err(Violation::new(Judgement::Keyed, now, text));
            }
            self.keyed.insert(key, dead);
        } else if let Some(text) = self.spares_its_key(stone, place) {
            return Err(Violation::new(Judgement::Keyed, now, text));
        }
        self.fates.insert(Numbered(stone.id), Fate::Stone { place, cause: stone.cause.clone() });
        Ok(())
    }

    /// R12: a tombstone without a key is of a call without one, or of a try whose key has a record already.
    fn spares_its_key(&self, stone: &Tombstone, place: Place) -> Option<String> {
        let call = self.calls.get(CallKey(Some(stone.id), stone.fingerprint))?;
        let asked = call.asked.as_ref()?;
        let key = fates::keyed_key(asked.keyed.as_ref()?, &stone.entity, &stone.key, &stone.method);
        let Some(old) = self.keyed.get(&key) else {
            return Some(format!("{asked} has a tombstone at {place}, but its key {:?} has none", key.key));
        };
        let ran = !old.dead && old.fingerprint == stone.fingerprint && old.remembers(stone.id);
        ran.then(|| format!("{asked} has a tombstone at {place}; under its key {:?} {old}", key.key))
    }

    fn again(&mut self, now: Instant, place: Place, again: &Again) -> Result<(), Violation> {
        let name = || self.name(again.id, again.fingerprint);
        let wrong = |judgement, text: String| Err(Violation::new(judgement, now, text));
        if let Some(fate) = self.fates.get(&Numbered(again.id)) {
            return wrong(
                Judgement::Once,
                format!("{} has a second answer at {place}, after {fate}", name()),
            );
        }
        let first = self.keyed_outcomes.get(&again.fingerprint);
        // The last run is the likeliest; there is more than one only if retention has passed.
        if !first.is_some_and(|first| first.iter().rev().any(|outcome| *outcome == again.outcome)) {
            let told = Returned(&again.outcome);
            return wrong(
                Judgement::Keyed,
                format!("{} is answered with {told} at {place}, which no try under its key returned", name()),
            );
        }
        if let Some(call) = self.calls.get_mut(CallKey(Some(again.id), again.fingerprint))
            && let Some(asked) = call.asked.clone()
        {
            call.may_run(now, &asked, place)?;
        }
        let (fingerprint, outcome) = (again.fingerprint, again.outcome.clone());
        self.fates.insert(Numbered(again.id), Fate::Again { place, fingerprint, outcome });
        Ok(())
    }

    /// How far the log of a shard is durable; of a key without records, no log is longer than this.
    fn next_of(&self, shard: Option<ShardId>) -> u64 {
        shard.map_or(self.next_max, |shard| self.shards.get(&shard).map_or(0, |log| log.next))
    }

    /// A call in a sentence, asked or not.
    fn name(&self, id: CallId, fingerprint: Fingerprint) -> String {
        match self.calls.get(CallKey(Some(id), fingerprint)).and_then(|call| call.asked.as_ref()) {
            Some(asked) => asked.to_string(),
            None => format!("call {id} (which nobody asked for with these arguments)"),
        }
    }
}

impl ShardLog {
    /// The blob stands where the log ends, under an epoch and at a time that do not fall.
    fn extend(&mut self, shard: ShardId, epoch: Epoch, blob: &Blob) -> Result<(), String> {
        let at = || format!("the blob at {} of shard {}", blob.first.0, shard.0);
        if blob.first.0 != self.next {
            let what = if blob.first.0 < self.next { "is written over" } else { "leaves a gap after" };
            return Err(format!("{} {what} a log that is durable up to {}", at(), self.next));
        }
        let last = self.epochs.last().map(|(_, epoch)| *epoch);
        if last.is_some_and(|last| epoch < last) || self.taken.is_some_and(|taken| epoch != taken) {
            let held = self.taken.max(last).map_or(0, |epoch| epoch.0);
            return Err(format!("{} is of epoch {}, and the shard is of epoch {held}", at(), epoch.0));
        }
        if blob.time < self.time {
            return Err(format!(
                "{} is of log time {:?}, and the one before of {:?}",
                at(),
                blob.time,
                self.time
            ));
        }
        for (index, record) in blob.records.iter().enumerate() {
            let time = match record {
                Record::Ran(ran) => ran.time,
                Record::Tombstone(stone) => stone.time,
                Record::Again(_) | Record::Bye(_) | Record::Tick => continue,
            };
            if time < self.record_time || time > blob.time {
                let (before, end) = (self.record_time, blob.time);
                return Err(format!(
                    "{}: record {index} is of {time:?}, not between {before:?} and {end:?}",
                    at()
                ));
            }
            self.record_time = time;
        }
        if last != Some(epoch) {
            self.epochs.push((self.next, epoch));
        }
        self.next += blob.records.len() as u64;
        self.time = blob.time;
        Ok(())
    }

    /// Whose blob holds the record before this position; `None` before the first.
    fn epoch_before(&self, position: u64) -> Option<Epoch> {
        let blobs = self.epochs.partition_point(|(first, _)| *first < position);
        Some(self.epochs[blobs.checked_sub(1)?].1)
    }
}

fn bytes_of(outcome: &RanOutcome) -> nigh_wire::Bytes {
    match outcome {
        RanOutcome::Ok(bytes) | RanOutcome::Err(bytes) => bytes.clone(),
    }
}

#[cfg(test)]
mod tests;
