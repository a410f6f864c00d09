//! Random histories of two callers, their copies, an owner that fails, and a clock that jumps.
//!
//! Callers keep the rules on their side (R1, R14, R15); the network is worse than R2 allows: any copy may
//! arrive at any time, again and again. `world.rs` judges what is told and what lands.

use proptest::prelude::*;

use super::*;
use crate::calls::callee::Arrival;

#[derive(Clone, Copy, Debug, PartialEq)]
enum St {
    Open,
    Known,
    Doubt,
}

#[derive(Debug)]
struct Made {
    call: Arrival,
    act: Act,
    st: St,
}

#[derive(Default)]
struct Caller {
    calls: Vec<Made>,
    birth: Time,
}

impl Caller {
    /// R14: what it knows: the floor stops at an open call.
    fn known(&self) -> Known {
        let closed = self.calls.iter().take_while(|made| made.st != St::Open);
        let doubts = |(i, made): (usize, &Made)| (made.st == St::Doubt).then_some(i as u64 + 1);
        Known {
            floor: closed.clone().count() as u64,
            doubts: closed.enumerate().filter_map(doubts).collect(),
        }
    }

    /// A copy as it would be sent now.
    fn copy(&self, number: usize) -> Arrival {
        let mut call = self.calls[number].call.clone();
        if call.keyed.is_some() {
            call.order = Order::Unordered(self.known());
        }
        if let Order::After { after, known } = &mut call.order {
            let before = self.calls[..number].iter().rev();
            let ordered =
                |made: &&Made| matches!(made.call.order, Order::After { .. }) && made.st == St::Open;
            let last = before.filter(ordered).find(|made| made.call.key == call.key);
            *after = last.map_or(0, |made| made.call.id.number);
            *known = self.known();
        }
        call
    }

    fn make(&mut self, name: u128, clock: Time, bits: u64) {
        let number = self.calls.len() as u64 + 1;
        // Its clock is up to 4 minutes off, and births never fall (R16).
        self.birth = self.birth.max(clock.saturating_add(Duration::from_secs(240 * (bits >> 8 & 1))));
        let id = CallId { caller: CallerId(name), number, birth: self.birth };
        let key = Bytes::copy_from_slice(if bits & 1 == 0 { b"x" } else { b"y" });
        let (idempotency, order) = match bits >> 1 & 7 {
            0 | 1 => (Some(keyed(if bits & 16 == 0 { "o" } else { "p" })), Order::Free),
            2 => (None, Order::Free),
            _ => (None, Order::After { after: 0, known: Known::default() }),
        };
        let fingerprint = match &idempotency {
            Some(idempotency) => {
                Fingerprint(u64::from(idempotency.key.as_bytes()[0]) + u64::from(key[0]) * 256)
            }
            None => Fingerprint(number << 32 | name as u64),
        };
        let act = match bits >> 5 & 7 {
            0 => Act::Err,
            1 => Act::Panic,
            2 if bits & 512 == 0 => Act::Malformed,
            2 => Act::Stuck,
            _ => Act::Ok,
        };
        let (entity, method) = ("E".into(), "m".into());
        let call =
            Arrival { id, entity, key, method, fingerprint, order, keyed: idempotency, commutes: false };
        self.calls.push(Made { call, act, st: St::Open });
    }
}

struct Play {
    world: World,
    callers: [Caller; 2],
    copies: Vec<(Arrival, Act)>,
    heard: usize,
}

impl Play {
    fn new() -> Self {
        Play { world: World::new(), callers: Default::default(), copies: vec![], heard: 0 }
    }

    fn send(&mut self, caller: usize, number: usize) {
        let act = self.callers[caller].calls[number].act;
        self.copies.push((self.callers[caller].copy(number), act));
    }

    fn step(&mut self, op: u8, bits: u64) {
        let who = (bits & 1) as usize;
        let pick = |len: usize| (len > 0).then(|| (bits >> 1) as usize % len.max(1));
        let world = &mut self.world;
        match op {
            0..=3 => {
                self.callers[who].make(97 + who as u128, self.world.clock, bits >> 1);
                self.send(who, self.callers[who].calls.len() - 1);
                if op < 3 {
                    let (copy, act) = self.copies.last().cloned().expect("it was sent just now");
                    self.world.deliver(copy, act);
                }
            }
            4..=7 => {
                if let Some(copy) = pick(self.copies.len()) {
                    let (copy, act) = self.copies[copy].clone();
                    world.deliver(copy, act);
                }
            }
            8 => {
                let open = |number: &usize| self.callers[who].calls[*number].st == St::Open;
                if let Some(number) = pick(self.callers[who].calls.len()).filter(open) {
                    self.send(who, number);
                }
            }
            9 => {
                if let Some(number) = pick(self.callers[who].calls.len()) {
                    let made = &mut self.callers[who].calls[number];
                    made.st = if made.st == St::Open { St::Doubt } else { made.st };
                }
            }
            10 => {
                if let Some(number) = pick(self.callers[who].calls.len()) {
                    world.settle(&self.callers[who].calls[number].call);
                }
            }
            11 => {
                if let Some(copy) = pick(self.copies.len()) {
                    let (mut copy, act) = self.copies[copy].clone();
                    copy.fingerprint.0 ^= 1 << 60; // R3: other arguments.
                    world.deliver(copy, act);
                }
            }
            _ => owner_step(world, op, bits),
        }
        self.listen();
    }

    /// Callers take note of what they are told: R15, only of what is open, or what they settled.
    fn listen(&mut self) {
        for heard in &self.world.heard[self.heard..] {
            let (id, settled, answer) = match heard {
                Heard::Answer(Ask::Copy(id, fingerprint), answer) => (id, Err(fingerprint), answer),
                Heard::Answer(Ask::Settle(id, _), answer) => (id, Ok(()), answer),
                _ => continue,
            };
            let caller = &mut self.callers[id.caller.0 as usize - 97];
            let made = &mut caller.calls[id.number as usize - 1];
            let mine = settled.is_ok() || settled == Err(&made.call.fingerprint);
            if *answer == Answer::Forgotten && made.st == St::Open && mine {
                let latest = self.world.shard.log_time();
                let old = id.birth.saturating_add(crate::calls::RETENTION) < latest;
                assert!(old, "live: the record of open {id} was freed");
            }
            if made.st == St::Open && settled == Err(&made.call.fingerprint) {
                made.st = St::Known;
            }
            if settled.is_ok() && id.number % 2 == 0 {
                made.st = St::Known;
            }
        }
        self.heard = self.world.heard.len();
    }
}

/// What happens to the owner, its log, its state file and its clock.
fn owner_step(world: &mut World, op: u8, bits: u64) {
    match op {
        12..=15 => world.sync(),
        16 => world.begin_append(),
        17 => world.end_append(),
        18 => world.fail_append(bits & 2 == 0),
        19 if bits & 6 == 0 => world.fail(),
        20 if bits & 6 == 0 => world.epoch.0 += 1,
        21 => world.view(),
        22 => world.ask(),
        23 => world.hear(),
        24 => {
            let step = [60, 540, 3600, 6 * 3600, 25 * 3600][bits as usize % 5];
            world.clock = world.clock.saturating_add(Duration::from_secs(step));
        }
        25 => world.clock = world.clock.saturating_sub(Duration::from_secs(600)),
        26 | 27 => world.sweep(),
        28 | 29 => world.write_back(1 + (bits >> 1) as usize % 5),
        30 => world.begin_write(1 + (bits >> 1) as usize % 5),
        31 => world.end_write(),
        32 | 33 => world.let_go(1 + (bits >> 1) as usize % 9, bits & 1 == 0),
        34 => world.walk(1 + (bits >> 1) as usize % 5),
        _ => {}
    }
}

fn steps(max: usize) -> impl Strategy<Value = Vec<(u8, u64)>> {
    prop::collection::vec((0..35_u8, any::<u64>()), 1..max)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500, failure_persistence: None, max_shrink_iters: 2000, ..Default::default()
    })]

    /// R3 to R10, R12 to R17: in any history an id has an effect at most once, what is told is durable, never
    /// taken back and never belied, order holds, and views show what is.
    #[test]
    fn every_history_is_honest(steps in steps(160), cold in any::<bool>()) {
        let mut play = Play::new();
        play.world.cold = cold;
        for (op, bits) in steps {
            play.step(op, bits);
        }
        // Faults stop: everything open settles, and no answer is left behind (R6).
        play.world.epoch = play.world.shard.epoch();
        for caller in 0..2 {
            for number in 0..play.callers[caller].calls.len() {
                play.world.settle(&play.callers[caller].calls[number].call);
            }
        }
        for _ in 0..3 {
            play.world.sync();
            play.world.ask();
            play.world.hear();
        }
        play.listen();
        prop_assert_eq!(play.world.shard.counters().waiting, 0);
    }

    /// R4, R9, R14, R16: rows of whatever moments and the rest of the log give the same tables as memory that
    /// was never lost.
    #[test]
    fn recovery_is_as_if_nothing_had_happened(steps in steps(120), crashes in prop::collection::vec(any::<bool>(), 120), cold in any::<bool>()) {
        let mut play = Play::new();
        play.world.cold = cold;
        for ((op, bits), crash) in steps.into_iter().zip(crashes) {
            play.step(op, bits);
            if crash && play.world.shard.durable() == play.world.shard.next() {
                let before = play.world.settled_tables();
                play.world.fail();
                prop_assert_eq!(&play.world.settled_tables(), &before);
            }
        }
    }
}
