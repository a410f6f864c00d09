//! Rows: what the test runner prints, and how it ended.

use std::os::unix::process::ExitStatusExt;

use super::*;

/// `status` as a shell counts; none if it hung.
fn check(lines: &str, status: Option<i32>, expected: &str) {
    let mut read = Lines::default();
    lines.lines().for_each(|line| read.read(line));
    let ending = status.map_or(Ending::Hung, |code| Ending::Ended(ExitStatus::from_raw(code << 8)));
    let bad = read.verdict(ending, Duration::from_millis(71_900));
    let told = bad.map_or("green".into(), |bad| match bad.test() {
        Some(test) => format!("{test} {bad}"),
        None => bad.to_string(),
    });
    assert_eq!(told, expected, "{lines}");
}

#[test]
fn a_test_a_binary_or_nothing_is_blamed() {
    check("running 2 tests\ntest a ... ok\ntest b ... ok", Some(0), "green");
    check("running 2 tests\ntest a::b ... FAILED\ntest c ... FAILED", Some(101), "a::b failed");
    check("test a - should panic ... FAILED", Some(101), "a failed");
    check("running 2 tests\ntest a ... ok", Some(3), "died, exit status: 3");
    check("running 1 test\nfailed", Some(101), "died, exit status: 101");
}

#[test]
fn who_hangs_is_who_is_still_waited_for() {
    let over = |name: &str| format!("test {name} has been running for over 60 seconds\n");
    let hung = "hung, 1 of 3 tests done after 71 s of its own";
    let lines = format!("running 3 tests\n{}{}test a ... ok", over("a"), over("b"));
    check(&lines, None, &format!("b {hung}"));
    check("running 3 tests\ntest a ... ok", None, hung);
    check("running 3 tests\ntest a ... FAILED", None, "a failed");
}
