//! Histories of a register, as rows; against every order there is, and against another checker.

use std::cell::Cell;

use proptest::prelude::*;
use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History};
use todc_utils::specifications::register::{RegisterOperation, RegisterSpecification};

use super::*;

/// Reads and writes of one number, at first 0.
struct Register;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Write(u32),
    /// With what it gave, if anybody heard.
    Read(Option<u32>),
}

impl Spec for Register {
    type Op = Op;
    type State = u32;
    fn initial(&self) -> u32 {
        0
    }
    fn step(&self, state: &u32, op: &Op) -> Option<u32> {
        match *op {
            Op::Write(value) => Some(value),
            Op::Read(value) => value.is_none_or(|value| value == *state).then_some(*state),
        }
    }
}

/// `w1@0-5` writes 1 from 0 to 5, `r1@2-3` read 1; `-?` nobody knows, `-x` did not happen.
fn history(text: &str) -> Vec<Timed<Op>> {
    let one = |word: &str| {
        let (what, when) = word.split_once('@').expect("what@when");
        let (called, ended) = when.split_once('-').expect("from-to");
        let value: u32 = what[1..].parse().expect("a value");
        let ended = match ended {
            "?" => Ended::Unknown,
            "x" => Ended::Never,
            at => Ended::At(at.parse().expect("a time")),
        };
        let heard = matches!(ended, Ended::At(_)).then_some(value);
        let op = if what.starts_with('w') { Op::Write(value) } else { Op::Read(heard) };
        Timed { called: called.parse().expect("a time"), ended, op }
    };
    text.split_whitespace().map(one).collect()
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn registers() {
    let check = |text: &str, expected: &str| {
        let told = check(&Register, &history(text)).map_or_else(|error| error.to_string(), |()| "ok".into());
        assert!(told.starts_with(expected), "{text}: {told}, not {expected}");
    };
    //    history                               verdict
    check("",                                   "ok");
    check("w1@0-1 r1@2-3",                      "ok");
    check("w1@0-1 r0@2-3",                      "operation 1 fits nowhere; the longest explanation without it is [0]");
    check("w1@0-9 r0@2-3 r1@4-5",               "ok");
    check("w1@0-9 r1@2-3 r0@4-5",               "operation 2");
    check("w1@0-2 r0@2-3",                      "ok"); // One moment: they overlap.
    check("w1@0-? r0@2-3 r1@4-5",               "ok"); // Unknown: it may happen late,
    check("w1@0-? r0@2-3",                      "ok"); // or never,
    check("w1@4-? r1@2-3",                      "operation 1"); // but not before it was called,
    check("w1@0-? r1@2-3 r0@4-5",               "operation 2"); // nor be undone.
    check("w1@0-x r0@2-3",                      "ok");
    check("w1@0-x r1@2-3",                      "operation 1"); // What did not happen explains nothing.
    check("r1@2-3 w1@0-1",                      "ok"); // Given in any order.
    check("w1@0-1 w2@0-1 r1@2-3 r2@4-5",        "operation 3");
    check("w1@0-9 w2@0-9 r1@2-3 r2@4-5 r1@6-7", "operation 4");
    check("w1@0-9 w2@0-9 w1@0-9 r1@2-3 r2@4-5 r1@6-7", "ok");
}

/// A search without end ends.
#[test]
fn a_search_is_bounded() {
    let calls = Cell::new(0);
    struct Counted<'a>(&'a Cell<usize>);
    impl Spec for Counted<'_> {
        type Op = u32;
        type State = u32;
        fn initial(&self) -> u32 {
            0
        }
        fn step(&self, state: &u32, op: &u32) -> Option<u32> {
            self.0.set(self.0.get() + 1);
            (*op != 99).then_some(state.wrapping_mul(31).wrapping_add(*op))
        }
    }
    let one = |op| Timed { called: 0, ended: Ended::At(9), op };
    let history: Vec<_> = (0..20).chain([99]).map(one).collect();
    let told = check_within(&Counted(&calls), &history, 1000);
    assert_eq!(told, Err(NotLinear::Undecided { visited: 1001 }));
    assert!(calls.get() < 100_000);
}

/// Histories of up to 7 operations in 12 moments, of 3 values.
fn histories() -> impl Strategy<Value = Vec<Timed<Op>>> {
    let op = prop_oneof![(0..3u32).prop_map(Op::Write), (0..3u32).prop_map(|value| Op::Read(Some(value)))];
    let one = (0..12u64, 0..6u64, op, 0..8u8).prop_map(|(called, lasts, op, end)| {
        let (ended, op) = match (end, op) {
            (0, op) => (Ended::Never, op),
            (1 | 2, Op::Read(_)) => (Ended::Unknown, Op::Read(None)),
            (1 | 2, op) => (Ended::Unknown, op),
            (_, op) => (Ended::At(called + lasts), op),
        };
        Timed { called, ended, op }
    });
    prop::collection::vec(one, 0..7)
}

/// Tries every order of every subset that holds all that ended.
fn brute(history: &[Timed<Op>], placed: &mut Vec<usize>, state: u32) -> bool {
    let open = |op: &usize| !placed.contains(op) && history[*op].ended != Ended::Never;
    let rest: Vec<usize> = (0..history.len()).filter(open).collect();
    if rest.iter().all(|op| history[*op].ended == Ended::Unknown) {
        return true;
    }
    rest.iter().any(|op| {
        let answered_before = |other: &usize| match history[*other].ended {
            Ended::At(at) => at < history[*op].called,
            _ => false,
        };
        if rest.iter().any(answered_before) {
            return false;
        }
        let Some(next) = Register.step(&state, &history[*op].op) else { return false };
        placed.push(*op);
        let found = brute(history, placed, next);
        placed.pop();
        found
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// The verdict is that of trying every order, and what is said of a bad history is true.
    #[test]
    fn as_every_order_says(history in histories()) {
        let told = check(&Register, &history);
        prop_assert_eq!(told.is_ok(), brute(&history, &mut vec![], 0));
        if let Err(NotLinear::Impossible { placed, stuck }) = told {
            let mut state = 0;
            for op in &placed {
                state = Register.step(&state, &history[*op].op).expect("what was placed fits");
            }
            prop_assert!(!placed.contains(&stuck));
        }
    }

    /// Another author's checker says the same of histories without unknown outcomes.
    #[test]
    fn as_todc_says(history in histories()) {
        // A moment of its own for each event, calls first: what overlaps here overlaps there.
        let known: Vec<_> = history.into_iter().filter(|op| matches!(op.ended, Ended::At(_))).collect();
        let mut events = Vec::new();
        for (index, timed) in known.iter().enumerate() {
            let Ended::At(at) = timed.ended else { continue };
            events.extend([(timed.called, false, index), (at, true, index)]);
        }
        events.sort_unstable();
        let action = |(_, answer, index): (u64, bool, usize)| {
            let action = match (answer, known[index].op) {
                (false, Op::Write(value)) => Action::Call(RegisterOperation::Write(value)),
                (true, Op::Write(value)) => Action::Response(RegisterOperation::Write(value)),
                (false, Op::Read(_)) => Action::Call(RegisterOperation::Read(None)),
                (true, Op::Read(value)) => Action::Response(RegisterOperation::Read(value)),
            };
            (index, action)
        };
        let actions: Vec<_> = events.into_iter().map(action).collect();
        prop_assume!(!actions.is_empty());
        let theirs = WGLChecker::<RegisterSpecification<u32>>::is_linearizable(History::from_actions(actions));
        prop_assert_eq!(check(&Register, &known).is_ok(), theirs);
    }
}
