//! Plays scripts against a caller with one remote peer. Things are named by the order in which they started.
//!
//! `call[:key] keyed commute foreign serve idem read view list settle:N` start; `reserve`, `begin:N`,
//! `release:N`; `send` writes one copy, `send*` all; `done:N` and its like answer the newest copy of N,
//! `old:N` its oldest; `over notyet again expired ahead` refuse it; `lost up`; `wait` half a second, `expire` 10 s,
//! `day` a day and an hour of the clock; `cancel:N drop:N`.

use std::collections::BTreeMap;
use std::time::Duration;

use nigh_wire::{CallId, CallerId, Cause, Class, Fingerprint, Keyed, NotSettledCause, Time, WireHash};

use crate::Instant;
use crate::calls::caller::*;
use crate::calls::request::{Answer, Order, Refusal, Request};
use crate::shards::ShardId;

pub(super) const PEER: PeerId = PeerId(1);
pub(super) const SHARD: ShardId = ShardId(3);
const FOREIGN: CallId = CallId { caller: CallerId(99), number: 7, birth: Time::EPOCH };

pub(super) struct Run {
    pub(super) caller: Caller<u32>,
    pub(super) now: Instant,
    pub(super) clock: Time,
    pub(super) learned: Vec<String>,
    pub(super) sent: Vec<String>,
    pub(super) ids: BTreeMap<u32, CallId>,
    handles: BTreeMap<u32, Handle>,
    slots: BTreeMap<u32, Vec<Slot>>,
    doubts: BTreeMap<u32, nigh_wire::Ticket>,
    settles: BTreeMap<CallId, u32>,
    started: u32,
}

/// A call on a key of [`SHARD`], or on `other` of another shard.
pub(super) fn writes(key: &str, method: u32) -> What {
    What::Call(Writes {
        method,
        shard: if key == "other" { ShardId(4) } else { SHARD },
        entity: "Wallet".into(),
        key: nigh_wire::Bytes::copy_from_slice(key.as_bytes()),
        args: nigh_wire::Bytes::new(),
        method_name: "hold".into(),
        fingerprint: Fingerprint(0),
        shape: WireHash([0; 16]),
        keyed: None,
        class: Class::Once,
        identity: Identity::Fresh,
    })
}

pub(super) fn view(method: u32) -> What {
    What::View { method, key: "k".into(), args: "".into() }
}

fn serves(method: u32, class: Class) -> What {
    What::Serve(Serves {
        method,
        service: "Payments".into(),
        args: "".into(),
        method_name: "charge".into(),
        fingerprint: Fingerprint(0),
        shape: WireHash([0; 16]),
        class,
        identity: Identity::Fresh,
    })
}

fn changed(what: What, change: impl FnOnce(&mut Writes)) -> What {
    let What::Call(mut call) = what else { unreachable!("only calls are changed") };
    change(&mut call);
    What::Call(call)
}

impl Run {
    pub(super) fn is_stalled(&self) -> bool {
        self.caller.is_stalled(self.now, self.clock, PEER)
    }

    pub(super) fn of(script: &str) -> Run {
        let clock = Time::from_nanos(1_000_000_000_000_000_000);
        let mut caller = Caller::new(CallerId(7), 1, CallerConfig::default());
        let now = Instant::from_nanos(0);
        caller.handle_link_up(now, PEER, PeerFacts { clock, log_time: clock }, clock);
        let mut run = Run {
            caller,
            now,
            clock,
            learned: vec![],
            sent: vec![],
            ids: BTreeMap::new(),
            handles: BTreeMap::new(),
            slots: BTreeMap::new(),
            doubts: BTreeMap::new(),
            settles: BTreeMap::new(),
            started: 0,
        };
        run.play(script);
        run
    }

    pub(super) fn play(&mut self, script: &str) {
        for step in script.split_whitespace() {
            let (verb, of) = step.split_once(':').unwrap_or((step, ""));
            let name = of.parse::<u32>().unwrap_or(0);
            self.step(verb, of, name);
            while let Some((waiter, outcome)) = self.caller.poll_settled() {
                self.learn(waiter, outcome);
            }
        }
    }

    fn step(&mut self, verb: &str, of: &str, name: u32) {
        let method = self.started + 1;
        let key = if of.is_empty() { "k" } else { of };
        match verb {
            "call" => self.start(writes(key, method)),
            "keyed" => self.start(changed(writes(key, method), |call| {
                call.keyed = Some(Keyed { principal: String::new(), key: "order-7".into() });
            })),
            "commute" => self.start(changed(writes(key, method), |call| call.class = Class::Commutes)),
            "foreign" => {
                let foreign = Identity::Foreign(FOREIGN);
                self.start(changed(writes(key, method), |call| call.identity = foreign));
            }
            "serve" => self.start(serves(method, Class::Once)),
            "idem" => self.start(serves(method, Class::Idempotent)),
            "read" => self.start(serves(method, Class::Read)),
            "view" => self.start(view(method)),
            "list" => self.start(What::List { entity: "Wallet".into(), after: None, limit: 9 }),
            "settle" => {
                let ticket = Box::new(self.doubts[&name].clone());
                self.settles.insert(ticket.id, method);
                self.start(What::Settle { ticket });
            }
            "reserve" => {
                self.started += 1;
                let id = self
                    .caller
                    .reserve(self.now, self.clock, PEER, &writes("k", method))
                    .expect("there is room");
                self.ids.insert(method, id);
            }
            "begin" => {
                let identity = Identity::Reserved(self.ids[&name]);
                self.open(name, changed(writes("k", name), |call| call.identity = identity));
            }
            "release" => self.caller.release(self.ids[&name]),
            "cancel" => assert_eq!(self.caller.cancel(self.handles[&name]), Some(name)),
            "drop" => self.caller.ticket_dropped(self.doubts[&name].id),
            "send" => assert!(self.send() || self.caller.poll_settled().is_none()),
            "send*" => while self.send() {},
            "wait" => self.pass(Duration::from_millis(500)),
            "expire" => self.pass(Duration::from_secs(10)),
            "day" => self.clock = self.clock.saturating_add(Duration::from_secs(25 * 3_600)),
            "lost" => self.caller.handle_link_lost(PEER),
            "up" => {
                let facts = PeerFacts { clock: self.clock, log_time: self.clock };
                self.caller.handle_link_up(self.now, PEER, facts, self.clock);
            }
            verb => self.reply(verb, name),
        }
    }

    fn reply(&mut self, verb: &str, name: u32) {
        let slots = &self.slots[&name];
        let slot = *if verb == "old" { slots.first() } else { slots.last() }.expect("it was sent");
        let refusal = match verb {
            "over" => Some(Refusal::Overloaded { retry_after: Duration::from_millis(1) }),
            "notyet" => Some(Refusal::NotYet),
            "again" => Some(Refusal::AskAgain),
            "expired" => Some(Refusal::Expired),
            "ahead" => Some(Refusal::Ahead),
            _ => None,
        };
        if let Some(refusal) = refusal {
            return self.caller.handle_refusal(self.now, PEER, slot, refusal);
        }
        let answer = match verb {
            "done" | "old" => Answer::Done { value: "".into(), version: None },
            "failed" => Answer::Failed("".into()),
            "fenced" => Answer::NotDone(Cause::Fenced),
            "misuse" => Answer::NotDone(Cause::Misuse),
            "forgotten" => Answer::Forgotten,
            "keys" => Answer::Keys(vec![]),
            verb => panic!("no such step: {verb}"),
        };
        self.caller.handle_answer(self.now, PEER, slot, answer).expect("it fits");
    }

    fn start(&mut self, what: What) {
        self.started += 1;
        self.open(self.started, what);
    }

    fn open(&mut self, name: u32, what: What) {
        let within = Duration::from_secs(10);
        match self.caller.start(self.now, self.clock, PEER, what, within, name) {
            Ok(handle) => drop(self.handles.insert(name, handle)),
            Err((waiter, outcome)) => self.learn(waiter, outcome),
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.saturating_add(time);
        self.caller.handle_timeout(self.now);
    }

    fn send(&mut self) -> bool {
        let Some((slot, request)) = self.caller.poll_transmit(self.now, PEER) else { return false };
        let (name, text) = match request {
            Request::Call(call) => {
                let before = self.ids.insert(call.method, call.id);
                assert!(before.is_none_or(|id| id == call.id), "renumbered: {before:?}, {:?}", call.id);
                let after = match call.order {
                    Order::Free => "free".to_owned(),
                    Order::Unordered(known) => format!("unordered~{}", known.floor),
                    Order::After { after, .. } => after.to_string(),
                };
                (call.method, format!("{}<{after}", call.id.number))
            }
            Request::View { method, .. } => (method, "view".to_owned()),
            Request::Serve { id, method, .. } => (method, format!("serve {}", id.number)),
            Request::Settle { ticket, .. } => {
                (self.settles[&ticket.id], format!("settle {}", ticket.id.number))
            }
            Request::List { .. } => (self.started, "list".to_owned()),
        };
        self.sent.push(text);
        self.slots.entry(name).or_default().push(slot);
        true
    }

    fn learn(&mut self, waiter: u32, outcome: Outcome) {
        let said = match outcome {
            Outcome::Answer(Answer::Done { .. }) => "done",
            Outcome::Answer(Answer::Failed(_)) => "failed",
            Outcome::Answer(Answer::NotDone(Cause::Deadline)) => "deadline",
            Outcome::Answer(Answer::NotDone(Cause::Misuse)) => "misuse",
            Outcome::Answer(Answer::NotDone(_)) => "not-done",
            Outcome::Answer(Answer::Forgotten) => "settled-forgotten",
            Outcome::Answer(Answer::NoRecord) => "no-record",
            Outcome::Answer(Answer::Keys(_)) => "keys",
            Outcome::Forgotten(_) => "forgotten",
            Outcome::Overloaded { .. } => "overloaded",
            Outcome::NotSettled(NotSettledCause::Misuse) => "misuse-settled",
            Outcome::NotSettled(_) => "not-settled",
            Outcome::InDoubt(ticket) => {
                self.doubts.insert(waiter, *ticket);
                "in-doubt"
            }
        };
        self.learned.push(format!("{waiter}:{said}"));
    }
}
