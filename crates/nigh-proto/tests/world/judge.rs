//! The judge: sees every record that becomes durable and every word that leaves an owner or reaches a client,
//! and compares them with a counter that runs the log again.
//!
//! *once*: an id takes effect at most once. *kept*: what was acknowledged is in the log. *never*: what was told
//! not done, overloaded or forgotten does not run from then on, nor did it before if it was told not done.
//! *agree*: all verdicts on an id are the same, whoever asks. *order*: per caller and key, numbers rise among
//! what ran. *lin*: each answer is that of the counter at its place in the log; a view shows no less than what
//! anybody had been shown when it was asked for, and nothing that is not durable.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use nigh_proto::calls::RETENTION;
use nigh_proto::calls::request::{Answer, CallRequest, Known, Order, Version};
use nigh_proto::shards::record::{Blob, Ran, RanOutcome, Record};
use nigh_wire::{Bytes, CallId, Fingerprint, Keyed, Time};

pub(crate) const FUTURE_MAX: std::time::Duration = nigh_proto::calls::FUTURE_MAX;

/// What an answer is about.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(crate) enum About {
    /// A copy of a call, or its ticket.
    Call { id: CallId, fingerprint: Fingerprint, key: Bytes, keyed: Option<Keyed>, commutes: bool },
    /// What was read.
    View { key: Bytes, count: u64 },
}

/// What its own caller knows of a call (R15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Home {
    Open,
    Doubt,
    Known,
}

/// A verdict, as far as everybody must agree on it.
#[derive(Clone, Debug, PartialEq, Hash)]
enum Verdict {
    Done(Bytes),
    Failed(Bytes),
    NotDone,
}

/// One call under one id: with other arguments it is another call.
type Call = (CallId, u64);

#[derive(Clone, Default)]
pub(crate) struct Judge {
    /// How long the log is, and its time.
    pub(crate) next: u64,
    time: Time,
    /// The counters after all of the log.
    pub(crate) counts: BTreeMap<Bytes, u64>,
    /// Of each key: places of the records that changed it, and what it was then.
    history: BTreeMap<Bytes, Vec<(u64, u64)>>,
    ran: BTreeMap<CallId, (u64, Ran)>,
    /// Places of effects under no id, by fingerprint.
    commuted: BTreeMap<Fingerprint, u64>,
    stones: BTreeSet<CallId>,
    dead_keys: Vec<(Keyed, Bytes, Time)>,
    last: BTreeMap<(u128, Bytes), u64>,
    told: BTreeMap<Call, Verdict>,
    forgotten: BTreeSet<CallId>,
    /// Tries of idempotency keys that were told overloaded.
    refused: BTreeSet<CallId>,
    /// How many changes of each key anybody was shown.
    seen: BTreeMap<Bytes, usize>,
    /// What was started under each id.
    started: BTreeMap<CallId, BTreeSet<Fingerprint>>,
    home: BTreeMap<CallId, Home>,
    /// No owner's clock has been later.
    pub(crate) clock_max: Time,
    /// What happened that is rare.
    pub(crate) met: BTreeSet<&'static str>,
}

/// What it has heard. All else follows from the log and from what clients asked.
impl Hash for Judge {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Judge { next, told, forgotten, refused, seen, home, .. } = self;
        (next, told, forgotten, refused, seen, home).hash(state);
    }
}

fn count_of(history: Option<&Vec<(u64, u64)>>, next: u64) -> (usize, u64) {
    let changes = history.map_or(&[][..], |changes| changes);
    let seen = changes.partition_point(|(place, _)| *place < next);
    (seen, seen.checked_sub(1).map_or(0, |last| changes[last].1))
}

fn too_old(birth: Time, now: Time) -> bool {
    birth.saturating_add(RETENTION) < now
}

impl Judge {
    pub(crate) fn meet(&mut self, what: &'static str) {
        self.met.insert(what);
    }

    /// A client opened a call of its own, or sent on somebody else's (whose caller is not here).
    pub(crate) fn started(&mut self, id: CallId, fingerprint: Fingerprint, own: bool) {
        self.started.entry(id).or_default().insert(fingerprint);
        if own {
            let later = self.last_id(id).filter(|last| last.number < id.number && last.birth > id.birth);
            assert_eq!(later, None, "R16: {id} was born before it");
            let before = self.home.insert(id, Home::Open);
            assert!(before.is_none_or(|home| home == Home::Open), "R1: {id} was given twice");
        }
    }

    pub(crate) fn home(&self, id: CallId) -> Option<Home> {
        self.home.get(&id).copied()
    }

    pub(crate) fn set_home(&mut self, id: CallId, home: Home) {
        if let Some(old) = self.home.get_mut(&id) {
            *old = home;
        }
    }

    /// The last id of a caller.
    pub(crate) fn last_id(&self, like: CallId) -> Option<CallId> {
        let all = CallId { number: 0, birth: Time::EPOCH, ..like }..=CallId { number: u64::MAX, ..like };
        self.home.range(all).next_back().map(|(id, _)| *id)
    }

    /// A copy leaves its caller: under the id it was given (R1, R11), and claiming to know nothing that is open
    /// or in doubt (R14, R15), unless that is too old to be remembered.
    pub(crate) fn written(&mut self, call: &CallRequest, fingerprint: Fingerprint, clock: Time) {
        let started = self.started.get(&call.id).is_some_and(|of| of.contains(&fingerprint));
        assert!(started, "R1, R11: {} was not given to this call", call.id);
        let Some(known) = call.order.known() else { return };
        if let Order::After { after, .. } = &call.order {
            assert!(*after < call.id.number, "R10: {} follows {after}", call.id);
        }
        assert!(known.doubts.len() <= Known::DOUBTS_MAX, "R14: too many doubts");
        let same = self.home.iter().filter(|(id, _)| id.caller == call.id.caller);
        for (id, home) in same.filter(|(_, home)| **home != Home::Known) {
            let forgotten = too_old(id.birth.saturating_add(FUTURE_MAX), clock) && *home == Home::Doubt;
            assert!(forgotten || !known.contains(id.number), "R14, R15: {id} is {home:?}, and called known");
        }
    }

    /// How many changes of a key somebody has been shown: a view asked for now shows no less.
    pub(crate) fn seen(&self, key: &Bytes) -> usize {
        self.seen.get(key).copied().unwrap_or(0)
    }

    fn show(&mut self, key: &Bytes, changes: usize) {
        let seen = self.seen.entry(key.clone()).or_default();
        *seen = (*seen).max(changes);
    }

    /// A blob became durable.
    pub(crate) fn landed(&mut self, blob: &Blob) {
        assert_eq!(blob.first.0, self.next, "a place of the log is lost or written twice");
        assert!(blob.time >= self.time, "R16: log time falls");
        self.time = blob.time;
        for record in &blob.records {
            match record {
                Record::Ran(ran) => self.ran(ran),
                Record::Tombstone(stone) => {
                    let id = stone.id;
                    assert!(!self.ran.contains_key(&id), "agree: {id} was fenced after it had run");
                    let told = self.told.get(&(id, stone.fingerprint.0));
                    let not_done = told.is_none_or(|told| *told == Verdict::NotDone);
                    assert!(not_done, "agree: {id} was fenced after {told:?} was told");
                    assert!(self.stones.insert(id), "{id} was fenced twice");
                    if let Some(keyed) = &stone.keyed {
                        self.dead_keys.push((keyed.clone(), stone.key.clone(), stone.time));
                        self.meet("a keyed tombstone");
                    }
                }
                Record::Again(again) => {
                    let (id, same) = (again.id, |ran: &Ran| {
                        ran.fingerprint == again.fingerprint && ran.outcome == again.outcome
                    });
                    assert!(!self.stones.contains(&id), "never: {id} is done after it was fenced");
                    assert!(self.ran.values().any(|(_, ran)| same(ran)), "kept: {again:?} of nothing");
                    self.meet("a second try");
                }
                Record::Bye(_) => self.meet("a bye"),
                Record::Tick => self.meet("a tick"),
            }
            self.next += 1;
        }
    }

    fn ran(&mut self, ran: &Ran) {
        self.runs_as_a_counter(ran);
        let Some(id) = ran.id else {
            assert_eq!(&*ran.method, "touch", "R4: {ran:?} keeps no record");
            self.commuted.insert(ran.fingerprint, self.next);
            return;
        };
        let told = self.told.get(&(id, ran.fingerprint.0));
        assert_ne!(told, Some(&Verdict::NotDone), "never: {id} runs after it was told not done");
        assert!(!self.forgotten.contains(&id), "never: {id} runs after it was told forgotten");
        assert!(!self.stones.contains(&id), "never: {id} runs after it was fenced");
        assert!(!self.refused.contains(&id), "never: {id} runs after it was told overloaded");
        assert!(!too_old(id.birth, ran.time), "R16: {id} is too old");
        assert!(id.birth <= ran.time.saturating_add(FUTURE_MAX), "R17: {id} is ahead");
        if let Order::After { .. } = ran.order {
            let before = self.last.insert((id.caller.0, ran.key.clone()), id.number);
            assert!(before.is_none_or(|before| before < id.number), "order: {id} runs after {before:?}");
        }
        if let Some(keyed) = &ran.keyed {
            // Sent while the key was remembered: it would have been told the first answer.
            let of_key = |old: &&(u64, Ran)| old.1.keyed.as_ref() == Some(keyed) && old.1.key == ran.key;
            for (_, old) in self.ran.values().filter(of_key) {
                assert!(id.birth > old.time.saturating_add(RETENTION), "once: {keyed:?} ran again as {id}");
            }
            for (_, _, time) in self.dead_keys.iter().filter(|dead| dead.0 == *keyed && dead.1 == ran.key) {
                assert!(id.birth > time.saturating_add(RETENTION), "never: {keyed:?} runs as {id}, is dead");
            }
        }
        let before = self.ran.insert(id, (self.next, ran.clone()));
        assert!(before.is_none(), "once: {id} ran twice");
    }

    /// *lin*: what it answered and changed is what a counter does at this place.
    fn runs_as_a_counter(&mut self, ran: &Ran) {
        let count = self.counts.entry(ran.key.clone()).or_default();
        let (outcome, after) = match (&*ran.method, *count) {
            ("inc", count) => (RanOutcome::Ok(value_of(count)), count + 1),
            ("take", 0) => (RanOutcome::Err(Bytes::from_static(b"empty")), 0),
            ("take", count) => (RanOutcome::Ok(value_of(count)), count - 1),
            ("touch", count) => (RanOutcome::Ok(Bytes::new()), count),
            other => panic!("{other:?} does not run"),
        };
        assert_eq!(ran.outcome, outcome, "lin: {:?} ran on a state that is not the log's", ran.id);
        if after != *count {
            *count = after;
            self.history.entry(ran.key.clone()).or_default().push((self.next, after));
        }
    }

    /// An answer leaves an owner. Whoever asked may hear it at once.
    pub(crate) fn told(&mut self, about: &About, answer: &Answer) {
        match about {
            About::View { key, count } => {
                let Answer::Done { version: Some(version), .. } = answer else { panic!("a view is read") };
                let next = version.position.0;
                assert!(next <= self.next, "lin: a view shows what is not durable");
                let (changes, was) = count_of(self.history.get(key), next);
                assert_eq!(*count, was, "lin: a view shows another state than that of its version");
                self.show(key, changes);
            }
            About::Call { id, commutes: true, fingerprint, .. } => {
                let commuted = self.commuted.contains_key(fingerprint);
                match answer {
                    Answer::Done { .. } => assert!(commuted, "kept: {id}"),
                    Answer::NoRecord | Answer::Forgotten => {}
                    other => panic!("{id} commutes, and was told {other:?}"),
                }
            }
            About::Call { id, fingerprint, key, keyed, .. } => {
                let call = (*id, fingerprint.0);
                let verdict = match answer {
                    Answer::Done { value, .. } => Verdict::Done(value.clone()),
                    Answer::Failed(error) => Verdict::Failed(error.clone()),
                    Answer::NotDone(_) => Verdict::NotDone,
                    Answer::Forgotten => return self.told_forgotten(*id),
                    other => panic!("agree: {id} was told {other:?}"),
                };
                if let Some(place) = self.place_of(*id, *fingerprint, keyed.is_some(), &verdict) {
                    let (changes, _) = count_of(self.history.get(key), place + 1);
                    self.show(key, changes);
                }
                self.agree(call, verdict);
            }
        }
    }

    /// *kept*, *never*: the place of the record that a verdict is of; none if it did not run.
    fn place_of(&self, id: CallId, of: Fingerprint, keyed: bool, verdict: &Verdict) -> Option<u64> {
        let outcome = match verdict {
            Verdict::Done(value) => RanOutcome::Ok(value.clone()),
            Verdict::Failed(error) => RanOutcome::Err(error.clone()),
            Verdict::NotDone => {
                let ran = self.ran.get(&id).filter(|(_, ran)| ran.fingerprint == of);
                assert!(ran.is_none(), "never: {id} was told not done, and has run");
                return None;
            }
        };
        // Of a keyed call another try may have run.
        let mine = |ran: &Ran| (ran.id == Some(id) || keyed) && ran.fingerprint == of;
        let found = self.ran.values().find(|(_, ran)| mine(ran) && ran.outcome == outcome);
        let place = found.map(|(place, _)| *place);
        assert!(place.is_some(), "kept: {id} was told {verdict:?}, which is not in the log");
        place
    }

    fn agree(&mut self, call: Call, verdict: Verdict) {
        let first = self.told.entry(call).or_insert_with(|| verdict.clone());
        assert_eq!(*first, verdict, "agree: {} was told both", call.0);
    }

    /// R13, R15: only of what is too old, or known to its own caller.
    fn told_forgotten(&mut self, id: CallId) {
        let known = self.home.get(&id) == Some(&Home::Known);
        if !known {
            assert!(too_old(id.birth, self.clock_max), "R14, R15: {id} was freed, {:?}", self.home.get(&id));
            self.meet("forgotten by age");
        }
        self.forgotten.insert(id);
    }

    /// A client says, without asking, that a call is not done.
    pub(crate) fn not_done(&mut self, id: CallId, fingerprint: Fingerprint) {
        assert!(!self.ran.contains_key(&id), "never: {id} was told not done, and has run");
        self.agree((id, fingerprint.0), Verdict::NotDone);
    }

    /// One try of an idempotency key was told overloaded: it does not run. Another try may.
    pub(crate) fn try_refused(&mut self, id: CallId) {
        assert!(!self.ran.contains_key(&id), "never: {id} was told overloaded, and has run");
        self.refused.insert(id);
    }

    /// A client shows a view that was asked for when `seen` changes of its key had been shown.
    pub(crate) fn viewed(&mut self, key: &Bytes, seen: usize, value: &Bytes, version: Version) {
        let (changes, count) = count_of(self.history.get(key), version.position.0);
        assert_eq!(*value, value_of(count), "lin: a view shows another state than that of its version");
        assert!(changes >= seen, "lin: a view shows less than what was shown before it was asked for");
        self.meet("a view");
    }

    /// True if the id was used for another call as well: then its ticket may not be this one's.
    pub(crate) fn is_misused(&self, id: CallId) -> bool {
        self.started.get(&id).is_some_and(|of| of.len() > 1)
    }
}

/// An answer's value.
pub(crate) fn value_of(count: u64) -> Bytes {
    Bytes::copy_from_slice(&count.to_le_bytes())
}
