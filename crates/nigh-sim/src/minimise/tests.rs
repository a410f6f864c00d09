//! What is left of cases whose cause is known.

use super::*;

/// Faults that a seed might draw, many of them.
fn case(faults: usize) -> Case {
    let one = |index: usize| format!("{index}s crash {} down 900ms", index % 5).parse().expect("it is right");
    Case { faults: Some((0..faults).map(one).collect()), ..Case::of_seed(1) }
}

/// What is left of 20 faults when a case fails as `cause` says, and the runs that took.
fn check(cause: impl Fn(&Case) -> bool, expected: &str) -> u32 {
    let cause = |case: &Case| {
        assert!(case.faults.is_some(), "faults stay explicit");
        cause(case)
    };
    assert!(cause(&case(20)), "it fails to begin with");
    let small = minimise(case(20), 1_000, cause);
    assert_eq!(small.case.to_string().replace("seed=1 sim=3 ", ""), expected);
    small.runs
}

fn downs(case: &Case, node: u16) -> Duration {
    let mut case = case.clone();
    let faults = case.faults.iter_mut().flatten();
    faults
        .filter(|planned| planned.to_string().contains(&format!("crash {node} ")))
        .map(|planned| *planned.fault.durations()[0])
        .sum()
}

#[test]
fn only_the_cause_is_left() {
    check(|_| true, "clients=1 times=1 fifo=yes buggify=no faults=[]");
    let runs = check(
        |case| downs(case, 2) > Duration::from_millis(300) && downs(case, 3) > Duration::ZERO,
        "clients=1 times=1 fifo=yes buggify=no faults=[17s crash 2 down 450ms, 18s crash 3 down 1ms]",
    );
    assert!(runs < 80, "{runs}");
    check(
        |case| {
            case.clients_max.is_none_or(|clients| clients >= 3)
                && case.times_max.is_none_or(|times| times >= 40)
        },
        "clients=3 times=41 fifo=yes buggify=no faults=[]",
    );
    check(|case| case.buggify && !case.fifo, "clients=1 times=1 faults=[]");
}

#[test]
fn a_disk_stays_if_it_matters() {
    let small = |cause: fn(&Case) -> bool| {
        let on_disk = Case { store: Some("disk".into()), ..case(1) };
        minimise(on_disk, 1_000, cause).case.store
    };
    assert_eq!(small(|_| true).as_deref(), Some("memory"));
    assert_eq!(small(|case| case.store.as_deref() == Some("disk")).as_deref(), Some("disk"));
}

#[test]
fn runs_are_bounded() {
    let mut runs = 0;
    let small = minimise(case(20), 10, |_| {
        runs += 1;
        false
    });
    assert_eq!((small.runs, runs, small.case), (10, 10, case(20)));
}
