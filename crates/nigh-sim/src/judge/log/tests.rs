//! Histories that are wrong in one way each, beside their right twins: every judgement can go red.
//!
//! A history is a script, one step a millisecond. Operations are named by numbers, which are also the numbers of
//! their ids. The log is written with what a counter really does, unless the script says otherwise.

use std::collections::BTreeMap;

use nigh_proto::calls::request::{Known, Version};
use nigh_wire::{CallerId, Cause, Keyed};

use super::*;
use crate::judge::toy::{Toy, bytes};
use crate::judge::{Run, Wrote};

mod machine;
mod random;
mod rows;

/// Virtual log time of a script's first step.
pub(super) const START: Time = Time::from_nanos(1_000_000_000_000_000_000);

/// Plays a history before a judge.
pub(super) struct Script {
    pub(super) judge: LogJudge<Toy>,
    now: u64,
    asked: BTreeMap<u64, Asked>,
    cells: BTreeMap<Bytes, <Toy as Program>::Cell>,
    next: u64,
    epoch: u64,
    /// Added to log time, in nanoseconds.
    pub(super) later: u64,
}

use nigh_wire::Bytes;

/// Which call an operation is, by its text: `3`, or `3=2`, which brings the id of operation 2.
fn op_of(text: &str) -> (u64, u64) {
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text} is a number"));
    text.split_once('=').map_or_else(|| (number(text), number(text)), |(op, id)| (number(op), number(id)))
}

impl Script {
    pub(super) fn new() -> Self {
        Script {
            judge: LogJudge::new(Toy).with_claims(4),
            now: 0,
            asked: BTreeMap::new(),
            cells: BTreeMap::new(),
            next: 0,
            epoch: 1,
            later: 0,
        }
    }

    pub(super) fn play(&mut self, text: &str) -> Result<(), Violation> {
        text.split(';').map(str::trim).filter(|step| !step.is_empty()).try_for_each(|step| self.step(step))
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(self.now)
    }

    pub(super) fn time(&self) -> Time {
        Time::from_nanos(START.as_nanos() + self.now + self.later)
    }

    pub(super) fn step(&mut self, step: &str) -> Result<(), Violation> {
        self.now += 1_000_000;
        let now = self.now();
        let words: Vec<&str> = step.split_whitespace().collect();
        let word = |at: usize| words.get(at).copied().unwrap_or("");
        match word(0) {
            "ask" => return self.ask(&words),
            "log" => return self.log(&words),
            "settle" => return self.settle(&words),
            "later" => self.later += word(1).parse::<u64>().expect("hours") * 3_600_000_000_000,
            "take" => {
                self.epoch += 1;
                let next = word(1).parse().unwrap_or(self.next);
                return self.judge.recovered(now, ShardId(0), Epoch(self.epoch), Position(next));
            }
            "epoch" => self.epoch = word(1).parse().expect("an epoch"),
            "next" => self.next = word(1).parse().expect("a place"),
            "let-go" => self.judge.let_go(op_of(word(1)).0),
            "held" => {
                let key = Bytes::copy_from_slice(word(1).as_bytes());
                return self.judge.state_of(now, "Counter", &key, &bytes(word(2).parse().expect("a state")));
            }
            // `end 3`: calm for as long, and everything is answered within 2 ms; `end`: nothing need be.
            "end" => {
                let calm = word(1).parse::<u64>().map_or(now, |calm| Instant::from_nanos(calm * 1_000_000));
                return self.judge.end(now, calm, std::time::Duration::from_millis(2));
            }
            _ => {
                let heard = heard(&words, self.epoch);
                return self.judge.answered(now, op_of(word(1)).0, heard);
            }
        }
        Ok(())
    }

    /// `ask 3 add:2 a once:k client:2 birth:-5`: key `a` unless said.
    fn ask(&mut self, words: &[&str]) -> Result<(), Violation> {
        let (op, number) = op_of(words[1]);
        let (method, arg) = words[2].split_once(':').unwrap_or((words[2], "0"));
        let option =
            |name: &str| words[3..].iter().find_map(|word| word.strip_prefix(name)?.strip_prefix(':'));
        let key = words[3..].iter().find(|word| !word.contains(':')).unwrap_or(&"a");
        let client = option("client").map_or(1, |client| client.parse().expect("a client"));
        let hours: i64 = option("birth").map_or(0, |hours| hours.parse().expect("hours"));
        let birth = START.as_nanos().saturating_add_signed(hours * 3_600_000_000_000);
        let entity = option("of").unwrap_or("Counter");
        let id = CallId { caller: CallerId(u128::from(client)), number, birth: Time::from_nanos(birth) };
        let class = Toy::class(method);
        let keyed = option("once").map(|key| Keyed { principal: String::new(), key: key.to_owned() });
        let asked = Asked {
            op,
            client,
            id: (class != Class::Read).then_some(id),
            entity: entity.into(),
            key: (entity != "Mailer").then(|| Bytes::copy_from_slice(key.as_bytes())),
            method: method.into(),
            args: bytes(arg.parse().expect("a number")),
            class,
            keyed,
        };
        self.asked.insert(op, asked.clone());
        self.judge.asked(self.now(), asked)
    }

    /// `log 3 4~ok:7 stone:5 again:6 bye`: one blob of these records. See [`Script::record`].
    fn log(&mut self, words: &[&str]) -> Result<(), Violation> {
        let shard = words[1..]
            .iter()
            .find_map(|word| word.strip_prefix("shard:"))
            .map_or(0, |shard| shard.parse().expect("a shard"));
        let back = words[1..]
            .iter()
            .find_map(|word| word.strip_prefix("early:"))
            .map_or(0, |back| back.parse::<u64>().expect("milliseconds") * 1_000_000);
        let texts =
            words[1..].iter().filter(|word| !word.starts_with("shard:") && !word.starts_with("early:"));
        let records: Vec<Record> = texts.map(|text| self.record(text)).collect();
        let time = Time::from_nanos(self.time().as_nanos() - back);
        let blob = Blob { time, first: Position(self.next), records };
        self.next += blob.records.len() as u64;
        self.judge.durable(self.now(), ShardId(shard), Epoch(self.epoch), &blob)
    }

    /// `3`: operation 3 ran; then, each after a `~`: `ok:7`, `err`, `redo:7` or `deleted` say otherwise than it
    /// did, `other` has another fingerprint, `free` no order, `unkeyed` no idempotency key, `after:4`, `time:-1` another time (ms), `noid`.
    fn record(&mut self, text: &str) -> Record {
        let (kind, rest) =
            text.split_once(':').filter(|(kind, _)| !kind.contains('~')).unwrap_or(("ran", text));
        if kind == "bye" || rest == "bye" {
            return Record::Tick;
        }
        let mut parts = rest.split('~');
        let (op, _) = op_of(parts.next().expect("an operation"));
        let parts: Vec<&str> = parts.collect();
        let asked = self.asked.get(&op).cloned().unwrap_or_else(|| nobody(op));
        let (id, entity, method) = (asked.id.expect("a change"), asked.entity, asked.method);
        let key = asked.key.expect("of an entity");
        let mut fingerprint = Fingerprint::of(&entity, &key, &method, &asked.args);
        if parts.contains(&"other") {
            fingerprint.0 ^= 1;
        }
        let keyed = asked.keyed.filter(|_| !parts.contains(&"unkeyed"));
        let time = self.time();
        let known = Known::default();
        if kind == "stone" {
            let cause = Cause::Fenced;
            return Record::Tombstone(Tombstone {
                id,
                time,
                entity,
                key,
                method,
                fingerprint,
                keyed,
                cause,
                known,
            });
        }
        let value = |name: &str| parts.iter().find_map(|part| part.strip_prefix(name)?.strip_prefix(':'));
        let said = |name: &str| value(name).map(|text| bytes(text.parse().expect("a number")));
        if kind == "again" {
            let outcome =
                said("err").map_or_else(|| RanOutcome::Ok(said("ok").expect("ok:")), RanOutcome::Err);
            return Record::Again(Again { id, fingerprint, outcome, known });
        }
        let cell = self.cells.entry(key.clone()).or_insert_with(|| Toy.fresh("Counter").expect("a toy"));
        let seed = (&*method == "roll").then_some(7);
        let run = Run { entity: &entity, key: &key, method: &method, time, seed, args: &asked.args };
        let (mut outcome, mut redo, mut deleted) = match Toy.write(cell, &run) {
            Wrote::Ok { value, redo, deleted } => (RanOutcome::Ok(value), redo, deleted),
            Wrote::Err(error) => (RanOutcome::Err(error), Bytes::new(), false),
            _ => (RanOutcome::Ok(bytes(0)), Bytes::new(), false),
        };
        outcome = said("ok").map(RanOutcome::Ok).or(said("err").map(RanOutcome::Err)).unwrap_or(outcome);
        redo = said("redo").unwrap_or(redo);
        deleted |= parts.contains(&"deleted");
        let ordered = keyed.is_none() && asked.class != Class::Commutes && !parts.contains(&"free");
        let after = value("after").map_or(0, |after| after.parse().expect("a number"));
        let order = if ordered { Order::After { after, known: Known::default() } } else { Order::Free };
        let id = (asked.class != Class::Commutes && !parts.contains(&"noid")).then_some(id);
        let back = value("time").map_or(0, |back| back.parse::<i64>().expect("ms") * 1_000_000);
        let time = Time::from_nanos(time.as_nanos().saturating_add_signed(back));
        let method = value("as").map_or(method, Into::into);
        let (staged, timers, others) = (vec![], vec![], vec![]);
        #[rustfmt::skip]
        let ran = Ran {
            id, time, fingerprint, entity, key, method, order, keyed, outcome, redo, deleted, seed, staged, timers, others,
        };
        Record::Ran(ran)
    }

    /// `settle 3 done:7`: by client 9.
    fn settle(&mut self, words: &[&str]) -> Result<(), Violation> {
        let (op, _) = op_of(words[1]);
        let asked = self.asked.get(&op).cloned().unwrap_or_else(|| nobody(op));
        let key = asked.key.clone().unwrap_or_default();
        let fingerprint = Fingerprint::of(&asked.entity, &key, &asked.method, &asked.args);
        let (what, value) = words[2].split_once(':').unwrap_or((words[2], "0"));
        let value = bytes(value.parse().expect("a number"));
        let verdict = match what {
            "done" => Verdict::Done(value),
            "failed" => Verdict::Failed(value),
            "not-done" => Verdict::NotDone,
            "forgotten" => Verdict::Forgotten,
            _ => Verdict::NoRecord,
        };
        self.judge.settled(self.now(), 9, asked.id.expect("a call"), fingerprint, verdict)
    }
}

/// An operation that nobody asked.
fn nobody(op: u64) -> Asked {
    let id = CallId { caller: CallerId(1), number: op, birth: START };
    let (entity, method, args) = ("Counter".into(), "add".into(), bytes(1));
    let key = Some(Bytes::from_static(b"a"));
    Asked { op, client: 1, id: Some(id), entity, key, method, args, class: Class::Once, keyed: None }
}

/// `done 3 7 @5`: value 7, version 5 of this epoch (`@5.2`: of epoch 2).
fn heard(words: &[&str], epoch: u64) -> Heard {
    let value = || bytes(words.get(2).and_then(|text| text.parse().ok()).unwrap_or(0));
    let version = words.iter().find_map(|word| word.strip_prefix('@')).map(|text| {
        let (position, epoch) = match text.split_once('.') {
            Some((position, epoch)) => (position, epoch.parse().expect("an epoch")),
            None => (text, epoch),
        };
        Version { epoch: Epoch(epoch), position: Position(position.parse().expect("a place")) }
    });
    match words[0] {
        "done" => Heard::Done { value: value(), version },
        "failed" => Heard::Failed(value()),
        "fenced" => Heard::NotDone(Cause::Fenced),
        "panicked" => Heard::NotDone(Cause::Panicked(String::new())),
        "late" => Heard::NotDone(Cause::Deadline),
        "forgotten" => Heard::Forgotten,
        "doubt" => Heard::InDoubt,
        "overloaded" => Heard::Overloaded,
        "drop" => Heard::Dropped,
        other => panic!("{other} is no step"),
    }
}
