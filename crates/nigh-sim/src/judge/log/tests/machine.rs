//! A real owner before the judge: whatever order things come in, what the machine of a shard says is right.
//!
//! Callers are played here: calls, copies that come twice, idempotency keys, doubts, settling; and appends that
//! land, or fail and take the memory with them. So the judge is held to what the rules allow, not to what its
//! author remembers of them.

use std::time::Duration;

use nigh_proto::calls::callee::Arrival;
use nigh_proto::calls::request::{Answer, Known};
use nigh_proto::shards::shard::{Admission, Append, Finished, Release, Shard};
use nigh_wire::{CallerId, Doubt, Keyed, Ticket, WireHash};
use proptest::prelude::*;

use super::*;
use crate::judge::Wrote;
use crate::judge::toy::{Toy, bytes};

/// Whom an answer is for.
#[derive(Clone, Debug)]
enum For {
    Asker(usize),
    Settler(usize),
    Viewer(usize, RanOutcome),
}

struct Call {
    asked: Asked,
    open: bool,
}

struct Owner {
    judge: LogJudge<Toy>,
    shard: Option<Shard<For>>,
    cells: BTreeMap<Bytes, <Toy as Program>::Cell>,
    log: Vec<Blob>,
    under_way: Option<Append>,
    calls: Vec<Call>,
    now: u64,
    epoch: u64,
    met: BTreeSet<&'static str>,
}

const METHODS: [&str; 8] = ["add", "take", "max", "clear", "now", "roll", "break", "add"];

impl Owner {
    fn new() -> Self {
        let (log, calls, met) = (vec![], vec![], BTreeSet::new());
        let (judge, cells) = (LogJudge::new(Toy).with_claims(2), BTreeMap::new());
        let mut owner =
            Owner { judge, shard: None, cells, log, under_way: None, calls, now: 0, epoch: 0, met };
        owner.take_up().expect("an empty log");
        owner
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(self.now)
    }
    fn clock(&self) -> Time {
        Time::from_nanos(START.as_nanos() + self.now)
    }
    fn shard(&mut self) -> &mut Shard<For> {
        self.shard.as_mut().expect("it was taken up")
    }
    fn next(&self) -> u64 {
        self.log.last().map_or(0, |blob| blob.first.0 + blob.records.len() as u64)
    }

    /// R8, R9: memory goes, a new epoch comes, and the log is read.
    fn take_up(&mut self) -> Result<(), Violation> {
        self.epoch += 1;
        self.cells.clear();
        self.under_way = None;
        drop(self.shard.take().map(Shard::fail));
        let mut shard =
            Shard::open(ShardId(0), Epoch(self.epoch), [], Time::EPOCH, Position(0)).expect("no rows");
        for blob in &self.log {
            shard.replay(blob.clone()).expect("it is the next");
            for record in &blob.records {
                let Record::Ran(ran) = record else { continue };
                let cell =
                    self.cells.entry(ran.key.clone()).or_insert_with(|| Toy.fresh("Counter").expect("a toy"));
                if ran.deleted {
                    Toy.reset(cell);
                } else if !ran.redo.is_empty() {
                    assert!(Toy.apply(cell, &ran.redo), "it was written");
                }
            }
        }
        self.shard = Some(shard);
        self.judge.recovered(self.now(), ShardId(0), Epoch(self.epoch), Position(self.next()))
    }

    fn ask(&mut self, number: usize) -> Result<(), Violation> {
        let op = self.calls.len();
        let (client, key) = (number as u32 % 2 + 1, Bytes::from_static([b"a", b"b"][number / 2 % 2]));
        let method = if number.is_multiple_of(5) { "value" } else { METHODS[number / 4 % 8] };
        let id = CallId { caller: CallerId(u128::from(client)), number: op as u64 + 1, birth: self.clock() };
        let keyed =
            (number % 7 < 3).then(|| Keyed { principal: String::new(), key: (number % 2).to_string() });
        let class = Toy::class(method);
        let asked = Asked {
            op: op as u64,
            client,
            id: (class != Class::Read).then_some(id),
            entity: "Counter".into(),
            key: Some(key),
            method: method.into(),
            args: bytes(number as u64 % 3),
            class,
            keyed,
        };
        self.judge.asked(self.now(), asked.clone())?;
        self.calls.push(Call { asked, open: true });
        self.send(op)
    }

    /// R10: number of its client's last call on that key that is still open.
    fn before(&self, op: usize) -> u64 {
        let of = &self.calls[op].asked;
        let same = |call: &Call| {
            let Asked { client, key, class, keyed, .. } = &call.asked;
            call.open && keyed.is_none() && (client, key, *class) == (&of.client, &of.key, Class::Once)
        };
        self.calls[..op].iter().rposition(same).map_or(0, |before| before as u64 + 1)
    }

    /// A copy of a call arrives, the first or another.
    fn send(&mut self, op: usize) -> Result<(), Violation> {
        let (asked, clock) = (self.calls[op].asked.clone(), self.clock());
        let after = self.before(op);
        let key = asked.key.clone().expect("of an entity");
        let cell = self.cells.entry(key.clone()).or_insert_with(|| Toy.fresh("Counter").expect("a toy"));
        let shard = self.shard.as_mut().expect("it was taken up");
        let Some(id) = asked.id else {
            let read = Toy.read(cell, "Counter", &asked.method, &asked.args).expect("a view");
            shard.view(For::Viewer(op, read));
            return Ok(());
        };
        let order = Order::After { after, known: Known::default() };
        let (entity, method) = (asked.entity.clone(), asked.method.clone());
        let fingerprint = Fingerprint::of(&entity, &key, &method, &asked.args);
        let (commutes, keyed) = (asked.class == Class::Commutes, asked.keyed.clone());
        let arrival = Arrival { id, entity, key: key.clone(), method, fingerprint, order, keyed, commutes };
        let permit = match shard.admit(clock, arrival, For::Asker(op)) {
            Admission::Run(permit) => permit,
            Admission::Queued(_) => return Ok(()),
            Admission::Refused(..) => {
                self.met.insert("a refusal");
                return Ok(());
            }
        };
        let (time, seed) = (permit.time(), (&*asked.method == "roll").then_some(id.number));
        let (entity, method) = (&*asked.entity, &*asked.method);
        let run = Run { entity, key: &key, method, time, seed, args: &asked.args };
        let (outcome, redo, deleted) = match Toy.write(cell, &run) {
            Wrote::Ok { value, redo, deleted } => (RanOutcome::Ok(value), redo, deleted),
            Wrote::Err(error) => (RanOutcome::Err(error), Bytes::new(), false),
            Wrote::Unfit(why) | Wrote::Panicked(why) => {
                shard.give_up(permit, Cause::Panicked(why));
                self.met.insert("a panic");
                return Ok(());
            }
        };
        shard.finish(permit, Finished { outcome, redo, deleted, seed, others: vec![] });
        Ok(())
    }

    fn settle(&mut self, op: usize) {
        let Call { asked, .. } = &self.calls[op];
        let Some(id) = asked.id else { return };
        let key = asked.key.clone().expect("of an entity");
        let ticket = Ticket::from(Doubt {
            id,
            of: asked.entity.to_string(),
            fingerprint: Fingerprint::of(&asked.entity, &key, &asked.method, &asked.args),
            key: Some(key),
            method: asked.method.to_string(),
            shape: WireHash::of(&[]),
            keyed: asked.keyed.clone(),
            settles_until: Time::from_nanos(u64::MAX),
        });
        let (commutes, clock) = (asked.class == Class::Commutes, self.clock());
        drop(self.shard().settle(clock, &ticket, commutes, For::Settler(op)));
    }

    /// The append under way lands; all that waited for it leaves.
    fn land(&mut self) -> Result<(), Violation> {
        let Some(append) = self.under_way.take() else { return Ok(()) };
        let blob = Blob::from_bytes(&append.blob).expect("it was written");
        self.judge.durable(self.now(), append.shard, append.epoch, &blob)?;
        self.met.extend(blob.records.iter().filter_map(|record| match record {
            Record::Again(_) => Some("a second try"),
            Record::Tombstone(_) => Some("a tombstone"),
            _ => None,
        }));
        self.log.push(blob);
        self.shard().handle_appended();
        self.release()
    }

    fn release(&mut self) -> Result<(), Violation> {
        if self.shard().poll_confirm() {
            self.shard().handle_confirmed(true);
        }
        while let Some(release) = self.shard().poll_release() {
            let now = self.now();
            match release {
                Release::View(For::Viewer(op, read), version) => {
                    self.hear(op, heard_of(read, Some(version)))?
                }
                Release::Answer(For::Asker(op), answer) => match answer {
                    Answer::Done { value, version } => self.hear(op, Heard::Done { value, version })?,
                    Answer::Failed(error) => self.hear(op, Heard::Failed(error))?,
                    Answer::NotDone(cause) => self.hear(op, Heard::NotDone(cause))?,
                    other => panic!("{other:?} to a caller"),
                },
                Release::Answer(For::Settler(op), answer) => {
                    let Asked { id, entity, key, method, args, .. } = &self.calls[op].asked;
                    let of = Fingerprint::of(entity, key.as_ref().expect("of an entity"), method, args);
                    let id = id.expect("a change");
                    let verdict = match answer {
                        Answer::Done { value, .. } => Verdict::Done(value),
                        Answer::Failed(error) => Verdict::Failed(error),
                        // The ticket is at fault: not settled.
                        Answer::NotDone(Cause::Misuse) => continue,
                        Answer::NotDone(_) => Verdict::NotDone,
                        Answer::NoRecord => Verdict::NoRecord,
                        other => panic!("{other:?} to a settler"),
                    };
                    self.judge.settled(now, 9, id, of, verdict)?;
                    self.met.insert("a verdict");
                }
                other => panic!("{other:?}"),
            }
        }
        Ok(())
    }

    /// Its first answer counts (R15).
    fn hear(&mut self, op: usize, heard: Heard) -> Result<(), Violation> {
        if !std::mem::replace(&mut self.calls[op].open, false) {
            return Ok(());
        }
        self.judge.answered(self.now(), op as u64, heard)
    }

    fn event(&mut self, (kind, number): (u8, usize)) -> Result<(), Violation> {
        self.now += 1_000_000;
        let op = (!self.calls.is_empty()).then(|| number % self.calls.len());
        match (kind, op) {
            (0..=4, _) | (_, None) => self.ask(number),
            (5 | 6, Some(op)) if self.calls[op].asked.id.is_some() => self.send(op),
            (7, Some(op)) => {
                self.settle(op);
                Ok(())
            }
            (8, Some(op)) if self.calls[op].asked.id.is_some() => self.hear(op, Heard::InDoubt),
            (9 | 10, _) => {
                let clock = self.clock();
                if self.under_way.is_none() {
                    self.under_way = self.shard().poll_append(clock);
                }
                Ok(())
            }
            (11..=13, _) => self.land(),
            (14, _) => {
                self.met.insert("a recovery");
                self.take_up()
            }
            _ => self.release(),
        }
    }

    /// All that is open is sent again until it is answered.
    fn end(&mut self) -> Result<(), Violation> {
        let calm = self.now();
        for _ in 0..4 {
            for op in 0..self.calls.len() {
                if self.calls[op].open {
                    self.send(op)?;
                }
            }
            self.land()?;
            let clock = self.clock();
            self.under_way = self.shard().poll_append(clock);
            self.land()?;
            self.release()?;
            self.now += 1_000_000_000;
        }
        let now = self.now();
        for (key, cell) in &self.cells {
            self.judge.state_of(now, "Counter", key, &Toy.snapshot(cell))?;
        }
        self.judge.end(now, calm, Duration::from_secs(4))
    }
}

fn heard_of(read: RanOutcome, version: Option<Version>) -> Heard {
    match read {
        RanOutcome::Ok(value) => Heard::Done { value, version },
        RanOutcome::Err(error) => Heard::Failed(error),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// R4 to R12: whatever happens around an owner, its word is good.
    #[test]
    fn a_real_owner_is_honest(events in prop::collection::vec((0..16u8, 0..1000usize), 0..100)) {
        let mut owner = Owner::new();
        let told = events.iter().try_for_each(|event| owner.event(*event)).and_then(|()| owner.end());
        prop_assert!(told.is_ok(), "{}", told.expect_err("it is not ok"));
    }
}

/// What is rare is reached: else the property above says less than it seems to.
#[test]
fn rare_things_happen() {
    let (mut met, mut state) = (BTreeSet::new(), 1u64);
    let mut draw = || {
        // Knuth's MMIX constants; the high bits are the good ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    for _ in 0..100 {
        let mut owner = Owner::new();
        let events: Vec<(u8, usize)> = (0..100).map(|_| ((draw() % 16) as u8, draw() % 1000)).collect();
        let told = events.iter().try_for_each(|event| owner.event(*event)).and_then(|()| owner.end());
        told.unwrap_or_else(|violation| panic!("{violation}"));
        met.extend(owner.met);
    }
    let all = ["a panic", "a recovery", "a refusal", "a second try", "a tombstone", "a verdict"];
    assert_eq!(met.into_iter().collect::<Vec<_>>(), all);
}
