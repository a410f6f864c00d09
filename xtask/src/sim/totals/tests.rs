//! What a line says, and sums.

use super::*;

const LINE: &str = r#"test counters_count ... nigh-sim-summary {"name":"counter::counters_count","package":"nigh-sim","first":0,"seeds":20,"failed":2,"events":100,"simulated_ms":4000,"spent_us":10000,"faults":{"crash":3},"points":{"a":false,"b":true},"failures":[{"seed":7,"why":"sum: 3","report":"sum: 3\n  found:  seed=7"},{"seed":9,"why":"sum: 4","report":"four"}]}"#;

#[test]
fn a_line_is_read() {
    let totals = Totals::read(LINE).expect("it is one");
    assert_eq!(
        totals.line(),
        "counter::counters_count: 20 seeds, 2 failed, 100 events, 4 s simulated, 2000 seeds/s"
    );
    assert_eq!(totals.last_line(), "sim: 20 seeds, 2 failed, 2000 seeds/s per core, 400 simulated s/s");
    assert_eq!(totals.first_failure, Some((7, "sum: 3".into())));
    let reports: Vec<&str> = totals.failures.values().map(String::as_str).collect();
    assert_eq!(reports, ["sum: 3\n  found:  seed=7", "four"]);
}

#[test]
fn other_lines_are_none() {
    for line in ["", "test a ... ok", "nigh-sim-summary", "nigh-sim-summary {", "nigh-sim-summary {}"] {
        assert_eq!(Totals::read(line), None, "{line}");
    }
    assert_eq!(Totals::read(&LINE.replace("\"failed\":2,", "")), None);
}

#[test]
fn sums_keep_the_first_failures() {
    let one = Totals::read(LINE).expect("it is one");
    let other = Totals::read(
        &LINE
            .replace("\"seed\":7", "\"seed\":5")
            .replace("\"seed\":9", "\"seed\":8")
            .replace("\"a\":false", "\"a\":true,\"c\":false")
            .replace("crash", "cut"),
    );
    let sum = Totals::of_all(&[one, other.expect("it is one")]);
    assert_eq!((sum.seeds, sum.failed, sum.events, sum.spent_us), (40, 4, 200, 20_000));
    assert_eq!(sum.faults_text(), "3 crash, 3 cut");
    let points: Vec<(&str, bool)> = sum.points.iter().map(|(name, fired)| (name.as_str(), *fired)).collect();
    assert_eq!(points, [("a", true), ("b", true), ("c", false)]);
    let seeds: Vec<u64> = sum.failures.keys().map(|(_, seed)| *seed).collect();
    assert_eq!(seeds, [5, 7, 8]);
    assert_eq!(sum.first_failure, Some((5, "sum: 3".into())));
    assert_eq!(
        Totals::named("none").last_line(),
        "sim: 0 seeds, 0 failed, 0 seeds/s per core, 0 simulated s/s"
    );
}
