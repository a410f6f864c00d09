//! Rows: what is typed, and what cargo is told.

use super::*;

const LINE: &str =
    "NIGH_SIM='seed=9 sim=3 lock=3fa2 faults=[1ms move 1]' cargo test -p shop money::is_conserved";

fn check(case: &str, test: Option<&str>, package: Option<&str>, expected: Result<(&str, &str), &str>) {
    let replay = Replay::of(case, test, package);
    match (&replay, expected) {
        (Ok(replay), Ok((case, arguments))) => {
            assert_eq!((replay.case, replay.arguments().join(" ").as_str()), (case, arguments));
        }
        (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
        _ => panic!("{case}: {replay:?}"),
    }
}

#[test]
fn a_case_and_a_test_or_a_whole_line() {
    let told = ("seed=9 sim=3 lock=3fa2 faults=[1ms move 1]", "test -p shop money::is_conserved");
    check(told.0, Some("money::is_conserved"), Some("shop"), Ok(told));
    check("seed=9", Some("m"), None, Ok(("seed=9", "test m")));
    // What is wrong with a case, the test says.
    check("sed=9", Some("m"), None, Ok(("sed=9", "test m")));
    check(LINE, None, None, Ok(told));
    check(&format!("  replay: {LINE}\n"), None, None, Ok(told));
    check("seed=9", None, None, Err("of which test?"));
    check(LINE, Some("m"), None, Err("names its test"));
    check(&LINE.replace('\'', ""), None, None, Err("not as a test prints it"));
    check(&LINE.replace("cargo test", "rm -r"), None, None, Err("not as a test prints it"));
    check(&format!("{LINE}; rm -r"), None, None, Err("not as a test prints it"));
}
