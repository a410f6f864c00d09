//! Any order of events: every call settles once and truthfully, floors and numbers keep their rules.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nigh_wire::{CallId, CallerId, Cause, Time};
use proptest::prelude::*;

use super::run::{PEER, SHARD, writes};
use crate::Instant;
use crate::calls::caller::*;
use crate::calls::request::{Answer, CallRequest, Known, Order, Refusal, Request};
use crate::calls::tally::{CallerLine, Line};

/// A copy that left, and may arrive at any time, on its link or left behind by it.
struct Copy {
    link: u32,
    slot: Slot,
    call: CallRequest,
}

/// A caller, and an owner that is honest and remembers for ever, in any order of events.
struct Play {
    caller: Caller<usize>,
    now: Instant,
    clock: Time,
    link: u32,
    up: bool,
    flying: Vec<Copy>,
    handles: Vec<Handle>,
    cancelled: BTreeSet<usize>,
    /// How often each was refused before it was opened.
    refused: BTreeMap<usize, u64>,
    told: BTreeMap<usize, Outcome>,
    ids: BTreeMap<usize, CallId>,
    ran: BTreeSet<CallId>,
    /// Of each call: whether it is towards [`SHARD`].
    here: Vec<bool>,
    settled: BTreeSet<CallId>,
}

impl Play {
    fn new() -> Self {
        let clock = Time::from_nanos(1_000_000_000_000);
        let mut play = Play {
            caller: Caller::new(CallerId(7), 3, CallerConfig { calls_open_max: 6, bytes_open_max: 1_000 }),
            now: Instant::from_nanos(0),
            clock,
            link: 0,
            up: false,
            flying: vec![],
            handles: vec![],
            cancelled: BTreeSet::new(),
            refused: BTreeMap::new(),
            told: BTreeMap::new(),
            ids: BTreeMap::new(),
            ran: BTreeSet::new(),
            here: vec![],
            settled: BTreeSet::new(),
        };
        play.connect();
        play
    }

    fn connect(&mut self) {
        self.link += 1;
        self.up = true;
        let facts = PeerFacts { clock: self.clock, log_time: self.clock };
        self.caller.handle_link_up(self.now, PEER, facts, self.clock);
    }

    fn step(&mut self, event: u8, pick: usize) {
        match event {
            0 | 1 => self.start(pick),
            2..=4 => self.send(),
            5 | 6 => self.deliver(pick, None),
            7 => self.deliver(pick, Some(Refusal::NotYet)),
            8 => self.deliver(pick, Some(Refusal::Overloaded { retry_after: Duration::from_millis(1) })),
            9 => self.deliver(pick, Some(Refusal::Expired)),
            10 => {
                self.up = false;
                self.caller.handle_link_lost(PEER);
            }
            11 => self.connect(),
            12 => self.pass(Duration::from_millis(pick as u64)),
            13 => self.pass(Duration::from_millis(400)),
            14 => self.cancel(pick),
            15 if !self.flying.is_empty() => drop(self.flying.remove(pick % self.flying.len())),
            // The clock is set back, and ahead.
            16 => self.clock = self.clock.saturating_sub(Duration::from_secs(pick as u64)),
            17 => self.clock = self.clock.saturating_add(Duration::from_secs(pick as u64)),
            _ => self.settle_one(pick),
        }
        while let Some((waiter, outcome)) = self.caller.poll_settled() {
            assert!(self.told.insert(waiter, outcome).is_none(), "{waiter} settled twice");
        }
        self.check();
        self.count();
    }

    fn start(&mut self, pick: usize) {
        let name = self.handles.len();
        let what = writes(["a", "b", "other"][pick % 3], name as u32);
        let within = Duration::from_millis(1_000 + pick as u64);
        match self.caller.start(self.now, self.clock, PEER, what, within, name) {
            Ok(handle) => {
                self.handles.push(handle);
                self.here.push(pick % 3 != 2);
            }
            Err((_, outcome)) => {
                assert!(matches!(outcome, Outcome::Overloaded { .. }));
                *self.refused.entry(name).or_default() += 1;
            }
        }
    }

    fn send(&mut self) {
        let Some((slot, request)) = self.caller.poll_transmit(self.now, PEER) else { return };
        assert!(self.up, "written without a link");
        let Request::Call(call) = request else { unreachable!("only calls are started") };
        let name = call.method as usize;
        let before = self.ids.insert(name, call.id);
        assert!(before.is_none_or(|id| id == call.id), "R11: {before:?} became {:?}", call.id);
        let Order::After { after, known } = &call.order else { panic!("ordered calls are ordered") };
        assert!(*after < call.id.number && known.floor < call.id.number, "R10, R14: {call:?}");
        assert!(!self.told.contains_key(&name), "sent after it settled");
        self.flying.push(Copy { link: self.link, slot, call });
    }

    /// A copy arrives: it runs, unless it ran before, or is refused. Its answer counts on its link only.
    fn deliver(&mut self, pick: usize, refusal: Option<Refusal>) {
        if self.flying.is_empty() {
            return;
        }
        let Copy { link, slot, call } = self.flying.remove(pick % self.flying.len());
        let here = self.up && link == self.link;
        match refusal {
            Some(refusal) if here => self.caller.handle_refusal(self.now, PEER, slot, refusal),
            Some(_) => {}
            None => {
                self.ran.insert(call.id);
                let answer = Answer::Done { value: "".into(), version: None };
                // Frames of an old link may reach a confused driver: they must not count.
                let answered = self.caller.handle_answer(self.now, PEER, slot, answer);
                answered.expect("it fits");
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.saturating_add(time);
        self.caller.handle_timeout(self.now);
        let next = self.caller.poll_timeout();
        assert!(next.is_none_or(|next| next > self.now), "a timer that is due was left");
    }

    fn cancel(&mut self, pick: usize) {
        let Some(handle) = self.handles.get(pick % self.handles.len().max(1)) else { return };
        if let Some(name) = self.caller.cancel(*handle) {
            assert!(self.cancelled.insert(name), "cancelled twice");
        }
    }

    fn settle_one(&mut self, pick: usize) {
        let doubts = self.told.values().filter_map(|outcome| match outcome {
            Outcome::InDoubt(ticket) => Some(ticket.id),
            _ => None,
        });
        let doubts: Vec<_> = doubts.collect();
        if let Some(id) = doubts.get(pick % doubts.len().max(1)) {
            self.caller.ticket_dropped(*id);
            self.settled.insert(*id);
        }
    }

    /// R14: no floor towards a shard passes a call open towards it, and no doubt told there is passed untold.
    fn check(&self) {
        let known = self.caller.known(SHARD);
        assert!(known.doubts.len() <= Known::DOUBTS_MAX && known.doubts.is_sorted());
        for (name, id) in &self.ids {
            let open = !self.told.contains_key(name) && !self.cancelled.contains(name);
            let is_known = id.number <= known.floor && !known.doubts.contains(&id.number);
            let doubt =
                matches!(self.told.get(name), Some(Outcome::InDoubt(_))) && !self.settled.contains(id);
            assert!(
                !(self.here[*name] && (open || doubt) && is_known),
                "{id:?} is open or in doubt, and known"
            );
        }
    }

    /// Each line of the ledger says what was told, no more and no less, and where each call is.
    fn count(&self) {
        for (line, counted, open) in self.caller.ledger() {
            assert!(counted.balances(open), "{line:?}: {counted:?}, {open} open");
            let Line::Method(name) = line else { continue };
            let name = name as usize;
            let let_go = u64::from(self.cancelled.contains(&name));
            let mut expected = CallerLine { let_go, copies: counted.copies, ..CallerLine::default() };
            expected.refused = self.refused.get(&name).copied().unwrap_or(0);
            match self.told.get(&name) {
                Some(Outcome::Answer(Answer::Done { .. })) => expected.done = 1,
                Some(Outcome::Answer(Answer::NotDone(_))) => expected.not_done = 1,
                Some(Outcome::InDoubt(_)) => expected.in_doubt = 1,
                Some(Outcome::Overloaded { .. }) => expected.refused += 1,
                Some(other) => panic!("{other:?}"),
                None => {}
            }
            expected.asked = expected.ended() + open;
            assert_eq!(counted, expected, "{name} was told {:?}", self.told.get(&name));
            assert_eq!(counted.copies > 0, self.ids.contains_key(&name), "copies of {name}");
            let why = self.ids.get(&name).map(|id| self.caller.why(self.now, *id));
            match why {
                Some(Some(AtCaller::Open { copies, .. })) => {
                    assert!(open == 1 && u64::from(copies) == counted.copies);
                }
                Some(Some(AtCaller::InDoubt)) => assert_eq!(counted.in_doubt, 1),
                Some(Some(AtCaller::Ended)) => assert_eq!(open, 0),
                Some(other) => panic!("{name} is {other:?}"),
                None => {}
            }
        }
    }

    fn finish(mut self) {
        self.pass(Duration::from_secs(700));
        while let Some((waiter, outcome)) = self.caller.poll_settled() {
            assert!(self.told.insert(waiter, outcome).is_none(), "{waiter} settled twice");
        }
        // What links left behind arrives at last.
        while let Some(copy) = self.flying.pop() {
            self.ran.insert(copy.call.id);
        }
        for name in 0..self.handles.len() {
            let told = self.told.contains_key(&name);
            assert_ne!(told, self.cancelled.contains(&name), "{name} settles exactly once, or was let go of");
        }
        for (name, outcome) in &self.told {
            let ran = self.ids.get(name).is_some_and(|id| self.ran.contains(id));
            match outcome {
                Outcome::Answer(Answer::Done { .. }) => assert!(ran),
                Outcome::Answer(Answer::NotDone(Cause::Deadline)) | Outcome::Overloaded { .. } => {
                    assert!(!ran, "{name} was told {outcome:?}, and ran");
                }
                Outcome::InDoubt(_) => assert!(self.ids.contains_key(name), "{name} never left"),
                other => panic!("{other:?}"),
            }
        }
        let mut ids: Vec<_> = self.ids.values().collect();
        ids.sort_by_key(|id| id.number);
        assert!(ids.windows(2).all(|w| w[0].number < w[1].number), "R1: a number was given twice");
        assert!(ids.windows(2).all(|w| w[0].birth <= w[1].birth), "R16: births fell");
        assert!(self.caller.poll_timeout().is_none(), "a timer without a call");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// R1, R2, R11, R14, R15: in any order of events each call settles exactly once, is told truthfully, keeps
    /// its number, and is below no floor while it is open.
    #[test]
    fn settles_once_and_truthfully(events in prop::collection::vec((0..19u8, 0..900usize), 0..250)) {
        let mut play = Play::new();
        for (event, pick) in events {
            play.step(event, pick);
        }
        play.finish();
    }
}
