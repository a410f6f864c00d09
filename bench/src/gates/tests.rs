//! Gates on made-up rounds.

use std::time::Duration;

use super::Verdict::{Missed, NotJudged, Reached};
use super::*;
use crate::harness::{Measured, P99, P999, RATE};

/// Rounds of so many calls in one second each.
fn rates(name: &str, rates: &[u64]) -> Rounds {
    let measured = rates.iter().map(|rate| Measured::new(*rate, Duration::from_secs(1))).collect();
    Rounds { name: name.into(), measured, absent: None }
}

/// Rounds with a p99 and a p99.9 each.
fn tails(name: &str, tails: &[(f64, f64)]) -> Rounds {
    let measured = tails
        .iter()
        .map(|(p99, p999)| Measured::new(1, Duration::from_secs(1)).with(P99, *p99).with(P999, *p999))
        .collect();
    Rounds { name: name.into(), measured, absent: None }
}

#[test]
fn the_ratio_is_made_inside_each_round() {
    // The medians are 100 and 10, but the two never met in one round.
    let results = [rates("ours", &[100, 40, 400]), rates("peer", &[50, 5, 10])];
    #[rustfmt::skip] // Rows are read as columns.
    let rows = [
        (Bound::AtLeast(8.0),  Reached(8.0, 0)),
        (Bound::AtLeast(8.01), Missed(8.0, 0)),
        (Bound::AtMost(8.0),   Reached(8.0, 0)),
        (Bound::AtMost(7.99),  Missed(8.0, 0)),
    ];
    for (bound, expected) in rows {
        let gate = Gate::ratio("calls", term("ours", RATE), term("peer", RATE), bound);
        assert_eq!(judge(&gate, &results), expected, "{bound:?}");
    }
}

#[test]
fn a_figure_alone_is_judged_as_it_is() {
    let gate = Gate::alone("calls", term("ours", RATE), Bound::AtLeast(100.0));
    assert_eq!(judge(&gate, &[rates("ours", &[90, 110, 100])]), Reached(100.0, 0));
    assert_eq!(judge(&gate, &[rates("ours", &[90, 110, 99])]), Missed(99.0, 0));
}

#[test]
fn rounds_in_which_the_machine_stalled_are_dropped_and_counted() {
    let gate = Gate::ratio("p99", term("ours", P99), term("raw", P99), Bound::AtMost(3.0));
    let gate = Gate { quiet: Some((term("raw", P999), 5000.0)), ..gate };
    let check = |raw: [(f64, f64); 3]| {
        judge(&gate, &[tails("ours", &[(200.0, 0.0), (400.0, 0.0), (900.0, 0.0)]), tails("raw", &raw)])
    };
    assert_eq!(check([(100.0, 500.0), (100.0, 500.0), (100.0, 500.0)]), Missed(4.0, 0));
    assert_eq!(check([(100.0, 500.0), (100.0, 5001.0), (100.0, 5001.0)]), Reached(2.0, 2));
    // The bound itself is still quiet.
    assert_eq!(check([(100.0, 5001.0), (200.0, 5000.0), (100.0, 5001.0)]), Reached(2.0, 2));
    let all = check([(100.0, 6000.0), (100.0, 6000.0), (100.0, 6000.0)]);
    assert_eq!(all, NotJudged("the machine stalled in all 3 rounds".into()));
}

#[test]
fn what_did_not_run_is_not_judged_and_fails_nothing() {
    let gate = Gate::ratio("calls", term("ours", RATE), term("peer", RATE), Bound::AtLeast(1.0));
    let absent = Rounds { name: "peer".into(), measured: vec![], absent: Some("peer not found".into()) };
    let (text, all) = report(&[gate], &[rates("ours", &[1]), absent]);
    assert_eq!(text, "gate: not judged: calls: at least 1: peer not found");
    assert!(all);
    assert_eq!(judge(&gate, &[rates("ours", &[1])]), Verdict::NotAsked);
    let (text, all) = report(&[gate, gate], &[rates("ours", &[1])]);
    assert_eq!(text, "gates not judged, since not all of their cases were asked for: 2");
    assert!(all);
    let uneven = judge(&gate, &[rates("ours", &[1, 2]), rates("peer", &[1])]);
    assert_eq!(uneven, NotJudged("not every round has its figures".into()));
}

#[test]
fn one_gate_missed_fails_the_run_and_is_shouted() {
    let gate = |bound| Gate::alone("calls", term("ours", RATE), bound);
    let gates = [gate(Bound::AtLeast(3.0)), gate(Bound::AtMost(3.0))];
    let (text, all) = report(&gates, &[rates("ours", &[2])]);
    assert_eq!(text, "gate: MISSED: calls: 2.00 (at least 3)\ngate: reached: calls: 2.00 (at most 3)");
    assert!(!all);
}
