//! Right histories at random: nothing goes red, here or in the search for an order; one wrong answer does.

use proptest::prelude::*;

use super::*;
use crate::judge::linear::{self, Ended, Spec, Timed};

/// What a counter does, once more: with what it told, if anybody heard.
struct Counter;

#[derive(Clone, Debug)]
enum Op {
    Add(u64, Option<u64>),
    /// `Err`: there were only so many.
    Take(u64, Option<Result<u64, u64>>),
    Value(Option<u64>),
}

impl Op {
    fn run(&self, count: u64) -> Result<u64, u64> {
        match self {
            Op::Add(n, _) => Ok(count + n),
            Op::Take(n, _) => count.checked_sub(*n).ok_or(count),
            Op::Value(_) => Ok(count),
        }
    }
    fn told(&self) -> Option<Result<u64, u64>> {
        match self {
            Op::Add(_, told) | Op::Value(told) => told.map(Ok),
            Op::Take(_, told) => *told,
        }
    }
    fn tell(&mut self, what: Result<u64, u64>) {
        match self {
            Op::Add(_, told) | Op::Value(told) => *told = what.ok(),
            Op::Take(_, told) => *told = Some(what),
        }
    }
}

impl Spec for Counter {
    type Op = Op;
    type State = u64;
    fn initial(&self) -> u64 {
        0
    }
    fn step(&self, count: &u64, op: &Op) -> Option<u64> {
        let now = op.run(*count);
        op.told().is_none_or(|told| told == now).then(|| now.unwrap_or(*count))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Asked,
    /// Its outcome, and the place after its record.
    Logged(Result<u64, u64>, u64),
    Fenced,
    Heard,
}

struct Made {
    key: usize,
    stage: Stage,
    /// Of a view: the least place that it may show.
    seen: u64,
}

/// A run as it should be, and what is to be said of it.
#[derive(Default)]
struct Random {
    made: Vec<Made>,
    histories: [Vec<Timed<Op>>; 2],
    /// By operation: where it stands in its history.
    at: Vec<usize>,
    /// By key: its states, each with the place from which on it holds.
    states: [Vec<(u64, u64)>; 2],
    shown: [u64; 2],
    next: u64,
    /// Answers until one is wrong.
    lie: Option<usize>,
}

const KEYS: [&str; 2] = ["a", "b"];

impl Random {
    fn state(&self, key: usize, place: u64) -> u64 {
        self.states[key].iter().rev().find(|(from, _)| *from <= place).map_or(0, |(_, count)| *count)
    }

    /// The operation a number picks among those in that stage; in order of its client, so the first.
    fn pick(&self, number: usize, fits: impl Fn(&Made) -> bool) -> Option<usize> {
        let found: Vec<usize> = (0..self.made.len()).filter(|op| fits(&self.made[*op])).collect();
        (!found.is_empty()).then(|| found[number % found.len()])
    }

    fn is_view(&self, op: usize) -> bool {
        matches!(self.histories[self.made[op].key][self.at[op]].op, Op::Value(_))
    }

    fn ask(&mut self, script: &mut Script, key: usize, op: Op) -> Result<(), Violation> {
        let number = self.made.len() + 1;
        let text = match op {
            Op::Add(n, _) => format!("add:{n}"),
            Op::Take(n, _) => format!("take:{n}"),
            Op::Value(_) => "value".into(),
        };
        script.step(&format!("ask {number} {text} {} client:{number}", KEYS[key]))?;
        self.at.push(self.histories[key].len());
        self.histories[key].push(Timed { called: script.now, ended: Ended::Unknown, op });
        self.made.push(Made { key, stage: Stage::Asked, seen: self.shown[key] });
        Ok(())
    }

    fn log(&mut self, script: &mut Script, op: usize) -> Result<(), Violation> {
        let key = self.made[op].key;
        let count = self.state(key, self.next);
        let outcome = self.histories[key][self.at[op]].op.run(count);
        self.next += 1;
        self.states[key].push((self.next, outcome.unwrap_or(count)));
        self.made[op].stage = Stage::Logged(outcome, self.next);
        script.step(&format!("log {}", op + 1))
    }

    fn answer(&mut self, script: &mut Script, op: usize, number: usize) -> Result<(), Violation> {
        let Made { key, stage, seen } = self.made[op];
        let (told, place) = match stage {
            Stage::Logged(outcome, place) => (outcome, place),
            // A view of any state that is new enough.
            _ => {
                let place = seen + number as u64 % (self.next - seen + 1);
                (Ok(self.state(key, place)), place)
            }
        };
        self.made[op].stage = Stage::Heard;
        self.shown[key] = self.shown[key].max(place);
        let lie = u64::from(self.lie == Some(0));
        self.lie = self.lie.and_then(|left| left.checked_sub(1));
        let timed = &mut self.histories[key][self.at[op]];
        timed.op.tell(told);
        let step = match told {
            Ok(value) => format!("done {} {} @{place}", op + 1, value + lie),
            Err(error) => format!("failed {} {}", op + 1, error + lie),
        };
        let heard = script.step(&step);
        timed.ended = Ended::At(script.now);
        heard
    }

    fn event(&mut self, script: &mut Script, (kind, number): (u8, usize)) -> Result<(), Violation> {
        let n = number as u64 % 3 + 1;
        let open = |made: &Made| made.stage == Stage::Asked;
        match kind {
            0 | 1 => self.ask(script, number % 2, Op::Add(n, None)),
            2 => self.ask(script, number % 2, Op::Take(n, None)),
            3 => self.ask(script, number % 2, Op::Value(None)),
            4..=6 => match self.pick(number, open) {
                Some(view) if self.is_view(view) => self.answer(script, view, number),
                Some(op) => self.log(script, op),
                None => Ok(()),
            },
            7..=9 => match self.pick(number, |made| matches!(made.stage, Stage::Logged(..))) {
                Some(op) => self.answer(script, op, number),
                None => Ok(()),
            },
            10 => match self.pick(number, open).filter(|op| !self.is_view(*op)) {
                Some(op) => {
                    self.made[op].stage = Stage::Fenced;
                    self.histories[self.made[op].key][self.at[op]].ended = Ended::Never;
                    self.next += 1;
                    script.step(&format!("log stone:{}", op + 1))?;
                    script.step(&format!("fenced {}", op + 1))
                }
                None => Ok(()),
            },
            _ => match self.pick(number, |made| matches!(made.stage, Stage::Logged(..))) {
                Some(op) => {
                    self.made[op].stage = Stage::Heard;
                    script.step(&format!("doubt {}", op + 1))
                }
                None => Ok(()),
            },
        }
    }
}

fn play(events: &[(u8, usize)], lie: Option<usize>) -> (Random, Result<(), Violation>) {
    let (mut script, mut run) = (Script::new(), Random { lie, ..Random::default() });
    let mut told = events.iter().try_for_each(|event| run.event(&mut script, *event));
    if told.is_ok() {
        told = KEYS
            .iter()
            .enumerate()
            .try_for_each(|(key, name)| script.step(&format!("held {name} {}", run.state(key, run.next))));
    }
    if told.is_ok() {
        told = script.step("end");
    }
    (run, told)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// What is right stays green, before both judges; one wrong answer, of any kind, is found.
    #[test]
    fn right_histories_are_green(
        events in prop::collection::vec((0..12u8, 0..1000usize), 0..80),
        lie in prop::option::of(0..6usize),
    ) {
        let (run, told) = play(&events, lie);
        let lied = lie.is_some() && run.lie.is_none();
        prop_assert_eq!(told.is_err(), lied, "{:?}", told);
        if lie.is_none() {
            for history in &run.histories {
                prop_assert_eq!(linear::check(&Counter, history), Ok(()));
            }
        }
    }
}
