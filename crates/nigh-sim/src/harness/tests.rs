//! What the harness says about runs whose fate is known.

use std::cell::Cell;

use super::*;
use crate::plan::Kind;

const NAME: &str = "shop::money::is_conserved";

fn harness<F: Fn(&Case, Look) -> Outcome>(run: F) -> Harness<'static, F> {
    Harness { name: NAME, options: Options { package: "shop", seeds: None }, lock: 0x3fa2, run }
}

/// Five faults, the third a crash of node 1 that is the cause from seed 30 on.
fn culprit(case: &Case, look: Look) -> Outcome {
    let drawn = || {
        let texts = [
            "1ms move 1",
            "2ms lose 0 1 never",
            "3ms crash 1 down 900ms",
            "4ms skew 0 5",
            "5ms sync-fails 0",
        ];
        texts.map(|text| text.parse().expect(text)).to_vec()
    };
    let planned: Vec<Planned> = case.faults.clone().unwrap_or_else(drawn);
    let crash = planned.iter().find(|planned| planned.fault.kind() == Kind::Crash);
    let fails = case.seed >= 30 && crash.is_some();
    let mut outcome = Outcome {
        failure: fails.then(|| format!("balance: {} is missing", planned.len())),
        hash: case.seed,
        events: 10,
        simulated: Duration::from_secs(2),
        topology: Some("two-webs".into()),
        trace: look.trace.then(|| "1 begin\n2 end".into()),
        points: vec![("a.never", false), ("b.once", case.seed == 3)],
        ..Outcome::default()
    };
    planned.iter().for_each(|planned| outcome.faults.add(planned.fault.kind()));
    Outcome { planned, ..outcome }
}

#[test]
fn good_seeds_are_summed_up() {
    let settings = Settings { seeds: Some(20), ..Settings::default() };
    let summary = harness(culprit).seeds(&settings).expect("the first 30 pass");
    let expected = "is_conserved: 20 seeds, 200 events, 40 s simulated\n  \
                    faults: 20 crash, 20 lose, 20 sync-fails, 20 skew, 20 move\n  \
                    points that fired: b.once\n  points that never fired: a.never";
    assert_eq!(summary, expected);
}

#[test]
fn few_faults_are_told() {
    let calm = harness(|_: &Case, _: Look| Outcome::default());
    let settings = Settings { seeds: Some(3), ..Settings::default() };
    let summary = calm.seeds(&settings).expect("none fails");
    assert!(summary.contains("\n  few faults struck: "), "{summary}");
}

#[test]
fn a_bad_seed_is_made_small_and_told() {
    let report = harness(culprit).seeds(&Settings::default()).expect_err("seed 30 fails");
    let case = "on=two-webs clients=1 times=1 fifo=yes buggify=no faults=[3ms crash 1 down 1ms]";
    assert!(report.starts_with("balance: 1 is missing\n  found:  seed=30 sim=3 lock=3fa2\n"), "{report}");
    assert!(report.contains("\n  small:  1 of 5 faults are left after "), "{report}");
    let replay = format!(
        "\n  replay: NIGH_SIM='seed=30 sim=3 lock=3fa2 {case}' cargo test -p shop money::is_conserved\n"
    );
    assert!(report.contains(&replay), "{report}");
    let row = format!("\n  row:    nigh_sim::row(is_conserved, \"seed=30 sim=3 {case}\");");
    assert!(report.ends_with(&row), "{report}");
    // What it prints is what it reads.
    let failed =
        harness(culprit).replay(&format!("seed=30 sim=3 lock=3fa2 {case}"), true).expect_err("as before");
    assert!(failed.starts_with("balance: 1 is missing") && !failed.contains("replay:"), "{failed}");
    let failed = harness(culprit).replay(&format!("seed=30 {case}"), false).expect_err("as before");
    assert!(failed.contains("\n  replay: NIGH_SIM='seed=30 sim=3 on=two-webs"), "{failed}");
}

/// Smaller, it would fail for another reason.
#[test]
fn another_reason_is_another_bug() {
    let run = |case: &Case, _: Look| {
        let few = case.faults.as_ref().is_some_and(Vec::is_empty);
        let planned = vec!["1ms move 1".parse().expect("it is right")];
        let why = if few { "order: lost" } else { "balance: lost" };
        Outcome { failure: Some(why.into()), planned, ..Outcome::default() }
    };
    let report = harness(run).seeds(&Settings::default()).expect_err("it fails");
    assert!(report.starts_with("balance: lost") && report.contains("faults=[1ms move 1]"), "{report}");
}

#[test]
fn settings_choose_the_seeds() {
    let check = |settings: Settings, seeds: Option<u64>, expected: (u64, u64)| {
        let (low, high) = (Cell::new(u64::MAX), Cell::new(0));
        let mut harness = harness(|case: &Case, _: Look| {
            low.set(low.get().min(case.seed));
            high.set(high.get().max(case.seed));
            Outcome::default()
        });
        harness.options.seeds = seeds;
        harness.seeds(&settings).expect("none fails");
        assert_eq!((low.get(), high.get()), expected);
    };
    let set = |seeds, first| Settings { seeds, first, ..Settings::default() };
    check(set(None, None), None, (0, SEEDS_DEFAULT - 1));
    check(set(None, None), Some(500), (0, 499));
    check(set(Some(7), None), Some(500), (0, 6));
    check(set(Some(7), Some(100)), None, (100, 106));
    check(set(Some(7), Some(u64::MAX)), None, (u64::MAX, u64::MAX));
}

/// What a program reads; nothing but the time on the real clock is left out.
fn for_programs(run: impl Fn(&Case, Look) -> Outcome, summary: Summary) -> (String, String) {
    let harness = harness(run);
    let mut sum = Sum::default();
    for seed in 28..40 {
        harness.some(&[Case::of_seed(seed)], 28, Some(summary), &mut sum);
    }
    sum.spent = Duration::from_micros(1_234);
    (report::for_programs(NAME, "shop", 28, &sum), report::failures(&sum))
}

#[test]
fn a_summary_goes_on_and_is_one_line() {
    let (line, told) = for_programs(culprit, Summary::First);
    let failure =
        |seed| format!(r#"{{"seed":{seed},"why":"balance: 5 is missing","report":"balance: 5 is missing"}}"#);
    let expected = format!(
        r#"nigh-sim-summary {{"name":"shop::money::is_conserved","package":"shop","first":28,"seeds":12,"failed":10,"events":120,"simulated_ms":24000,"spent_us":1234,"faults":{{"crash":12,"lose":12,"sync-fails":12,"skew":12,"move":12}},"points":{{"a.never":false,"b.once":false}},"failures":[{},{},{}]}}"#,
        failure(30),
        failure(31),
        failure(32)
    );
    assert_eq!(line, expected);
    assert_eq!(told, ["balance: 5 is missing"; 3].join("\n") + "\n7 more seeds failed");
    let (line, told) = for_programs(culprit, Summary::All);
    assert!(line.contains(r#""report":"balance: 1 is missing\n  found:  seed=30 "#), "{line}");
    assert!(told.contains("  found:  seed=32 sim=3 lock=3fa2\n"), "{told}");
    let quoted = |_: &Case, _: Look| Outcome { failure: Some("a \"b\\c\"\t".into()), ..Outcome::default() };
    let (line, _) = for_programs(quoted, Summary::First);
    assert!(line.contains(r#""why":"a \"b\\c\"\u0009","#), "{line}");
}

#[test]
fn a_summary_says_how_far_it_goes() {
    let runs = |summary, expected: u64| {
        let runs = Cell::new(0);
        let harness = harness(|case: &Case, _: Look| {
            runs.set(runs.get().max(case.seed + 1));
            assert!(!case.buggify, "points are off");
            Outcome { failure: (case.seed >= 5).then(|| "bad: luck".into()), ..Outcome::default() }
        });
        let settings = Settings { seeds: Some(9), no_points: true, summary, ..Settings::default() };
        harness.seeds(&settings).expect_err("seed 5 fails");
        assert_eq!(runs.get(), expected);
    };
    runs(None, 6);
    runs(Some(Summary::First), 6);
    runs(Some(Summary::All), 9);
    assert_eq!(Settings::summary_of(Some("first")), Ok(Some(Summary::First)));
    assert_eq!(Settings::summary_of(Some("all")), Ok(Some(Summary::All)));
    assert!(Settings::summary_of(Some("1")).is_err_and(|why| why.starts_with("NIGH_SIM_SUMMARY=1: ")));
    assert_eq!(Settings::store_of(Some("disk".into())), Ok(Some("disk".into())));
    assert!(
        Settings::store_of(Some("tape".into())).is_err_and(|why| why.starts_with("NIGH_SIM_STORE=tape: "))
    );
    assert_eq!([None, Some("yes"), Some("no")].map(Settings::points_fire), [Ok(true), Ok(true), Ok(false)]);
    assert!(Settings::points_fire(Some("")).is_err_and(|why| why.starts_with("NIGH_SIM_BUGGIFY=: ")));
}

#[test]
fn a_run_that_differs_is_told() {
    let runs = Cell::new(0);
    let run = |case: &Case, look: Look| {
        runs.set(runs.get() + 1);
        // From seed 20 on each run is another.
        let hash = if case.seed < 20 { 1 } else { runs.get() };
        let trace = look.trace.then(|| format!("0 begin\n1 random {hash}\n2 end"));
        Outcome { hash, trace, ..Outcome::default() }
    };
    let report = harness(run).seeds(&Settings::default()).expect_err("seed 20 differs");
    let expected = "the run is not a function of its seed: seed 20 of `shop::money::is_conserved` ran twice, and its \
                    traces differ\n  record 2, after: 0 begin\n    once:  1 random 24\n    again: 1 random 25\n";
    assert!(report.starts_with(expected), "{report}");
}

#[test]
fn a_case_of_another_build_is_refused() {
    let why = harness(culprit).replay("seed=1 lock=1111", true).expect_err("another lock");
    assert!(why.contains("belongs to another build"), "{why}");
    let why = harness(culprit).replay("seed=1 sim=99", true).expect_err("another simulator");
    assert!(why.contains("belongs to another build"), "{why}");
    let passes = harness(culprit).replay("seed=1 lock=3fa2", true).expect("seed 1 passes");
    assert_eq!(
        passes,
        "shop::money::is_conserved: `seed=1 sim=3 lock=3fa2` passes, trace hash 0000000000000001"
    );
}

#[test]
fn traces_are_cut_and_compared() {
    assert_eq!(report::tail("a\nb\nc", 2), "… 1 lines before\nb\nc");
    assert_eq!(report::tail("a\nb", 2), "a\nb");
    assert_eq!(
        report::first_difference("a\nb", "a"),
        "record 2, after: a\n    once:  b\n    again: (the end)"
    );
    assert!(report::first_difference("a", "a").starts_with("they agree"));
}

#[test]
fn a_row_runs_its_case_alone() {
    fn test() {
        run_test(NAME, Options { package: "shop", seeds: None }, |case: &Case, look: Look| {
            assert_eq!((case.seed, look.trace), (77, false), "no other case, no trace");
            Outcome {
                failure: (case.clients_max == Some(2)).then(|| "two: many".into()),
                ..Outcome::default()
            }
        });
    }
    row(test, "seed=77 sim=3");
    let report = crate::panics::caught(|| row(test, "seed=77 clients=2")).expect_err("it fails");
    assert!(report.starts_with("two: many\n  case:   seed=77 sim=3 clients=2\n"), "{report}");
    assert!(lock_hash() != 0, "this repository has a lock file");
}
