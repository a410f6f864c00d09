//! Rows: a line of a test runner, and what it counts.

use super::*;

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn closing_lines_are_counted() {
    let check = |line: &str, counts| assert_eq!(counted(line), counts, "of {line}");
    check("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured", (12, 0));
    check("test result: FAILED. 3 passed; 2 failed; 0 ignored",          (3, 2));
    check("test counts ... ok",                                          (0, 0));
}

#[test]
fn depths_are_a_number() {
    let check = |args: &[&str], states| {
        let args: Vec<String> = args.iter().map(|arg| (*arg).into()).collect();
        assert_eq!(EXPLORE.depth_of(&args), states, "of {args:?}");
    };
    check(&[], Some(EXPLORE.default));
    check(&["--states", "5000000"], Some(5_000_000));
    check(&["--states", "0"], None);
    check(&["--states"], None);
    check(&["--seed", "1"], None);
}
