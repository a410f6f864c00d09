//! Lines, one by one, and any sequence of what can happen.

use proptest::prelude::*;

use super::*;

#[test]
fn a_line_is_found_by_number_and_bounded() {
    let mut tally = Tally::<CallerLine>::default();
    for line in [Line::Method(2), Line::Settle, Line::List, Line::Unknown, Line::Method(METHODS_MAX)] {
        tally.ask(line);
    }
    let asked: Vec<_> = tally.lines().map(|(line, counted)| (line, counted.asked)).collect();
    // What no contract can have is counted, and takes no memory.
    let expected = [
        (Line::Method(0), 0),
        (Line::Method(1), 0),
        (Line::Method(2), 1),
        (Line::Settle, 1),
        (Line::List, 1),
        (Line::Unknown, 2),
    ];
    assert_eq!(asked, expected);
    tally.ask(Line::Method(u32::MAX));
    assert_eq!((tally.lines().count(), tally.open()), (6, 6));
}

#[test]
fn a_line_that_does_not_come_out_even_is_seen() {
    let line = CallerLine { asked: 5, done: 2, in_doubt: 1, let_go: 1, copies: 9, ..CallerLine::default() };
    assert!(line.balances(1) && !line.balances(0) && !line.balances(2));
    let line = CalleeLine { arrived: 3, repeated: 1, ..CalleeLine::default() };
    assert!(line.balances(2) && !line.balances(1));
}

/// Counters of a process that never stops: they wrap, and the sums with them.
#[test]
fn counters_wrap() {
    let full = CallerLine { asked: u64::MAX, done: u64::MAX, ..CallerLine::default() };
    let mut tally = Tally { methods: vec![full], ..Tally::default() };
    tally.ask(Line::Method(0));
    tally.end(Line::Method(0), Fate::Done);
    tally.ask(Line::Method(0));
    assert_eq!((tally.methods[0].asked, tally.methods[0].done), (1, 0));
    assert!(tally.methods[0].balances(1));
    let both = full.and(&CallerLine { asked: 3, done: 2, ..CallerLine::default() });
    assert!(both.balances(1), "{both:?}");
}

const FATES: [Fate; 7] =
    [Fate::Done, Fate::Failed, Fate::NotDone, Fate::InDoubt, Fate::Forgotten, Fate::Refused, Fate::LetGo];

const TOOK: [Took; 13] = [
    Took::Done,
    Took::Failed,
    Took::NotDone,
    Took::Repeated,
    Took::Forgotten,
    Took::InDoubt,
    Took::Overloaded,
    Took::NotYet,
    Took::NotOwner,
    Took::AskAgain,
    Took::Expired,
    Took::Cancelled,
    Took::Ahead,
];

/// The counter of a kind, by its place.
fn counters(line: &CalleeLine) -> [u64; 13] {
    let CalleeLine { done, failed, not_done, repeated, forgotten, in_doubt, refused, .. } = *line;
    let Refusals { overloaded, not_yet, not_owner, ask_again, expired, cancelled, ahead } = refused;
    let refused = [overloaded, not_yet, not_owner, ask_again, expired, cancelled, ahead];
    let mut all = [done, failed, not_done, repeated, forgotten, in_doubt, 0, 0, 0, 0, 0, 0, 0];
    all[6..].copy_from_slice(&refused);
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is asked and ends, in any order: each line balances with what is open, and with nothing else; and
    /// each end is counted once, as what it was.
    #[test]
    fn callers_balance(events in prop::collection::vec((0..4u32, 0..8usize), 0..200)) {
        let mut tally = Tally::<CallerLine>::default();
        let (mut open, mut ended) = ([0u64; 4], [[0u64; 7]; 4]);
        for (method, event) in events {
            let at = method as usize;
            if event == 7 || open[at] == 0 {
                tally.ask(Line::Method(method));
                open[at] += 1;
            } else {
                tally.end(Line::Method(method), FATES[event]);
                open[at] -= 1;
                ended[at][event] += 1;
            }
            for (line, counted) in tally.lines() {
                let Line::Method(method) = line else { continue };
                let at = method as usize;
                prop_assert!(counted.balances(open[at]) && !counted.balances(open[at] + 1));
                let CallerLine { done, failed, not_done, in_doubt, forgotten, refused, let_go, .. } = *counted;
                prop_assert_eq!([done, failed, not_done, in_doubt, forgotten, refused, let_go], ended[at]);
            }
            prop_assert_eq!(tally.open(), open.iter().sum::<u64>());
        }
    }

    /// The same of copies.
    #[test]
    fn callees_balance(events in prop::collection::vec((0..4u32, 0..14usize), 0..200)) {
        let mut tally = Tally::<CalleeLine>::default();
        let (mut open, mut ended) = ([0u64; 4], [[0u64; 13]; 4]);
        for (method, event) in events {
            let at = method as usize;
            if event == 13 || open[at] == 0 {
                tally.arrive(Line::Method(method));
                open[at] += 1;
            } else {
                tally.end(Line::Method(method), TOOK[event]);
                open[at] -= 1;
                ended[at][event] += 1;
            }
            for (line, counted) in tally.lines() {
                let Line::Method(method) = line else { continue };
                let at = method as usize;
                prop_assert!(counted.balances(open[at]) && !counted.balances(open[at] + 1));
                prop_assert_eq!(counters(counted), ended[at]);
            }
        }
    }
}
