//! Claims, true and false, and how two histories read side by side.

use super::*;
use crate::judge::toy::{Toy, bytes};

fn sample(text: &str) -> Sample {
    let (method, arg) = text.split_once(':').unwrap_or((text, "0"));
    Sample {
        method: method.into(),
        args: bytes(arg.parse().expect("a number")),
        time: Time::EPOCH,
        seed: None,
    }
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn calls_that_commute() {
    let check = |state: u64, a: &str, b: &str, expected: &str| {
        let told = commutes(&Toy, "Counter", &bytes(1), &bytes(state), &sample(a), &sample(b));
        let told = told.map_or_else(|claim| claim.sentence, |()| "ok".into());
        assert!(told.contains(expected) && (expected != "ok" || told == "ok"), "{state}: {a}, {b}: {told}");
    };
    check(0, "max:2",  "max:3",  "ok");
    check(5, "last:5", "last:5", "ok");
    check(0, "last:2", "last:3", "order matters");
    check(0, "max:2",  "plus:3", "order matters");
    check(1, "plus:2", "plus:3", "it ran twice");
    check(1, "plus:2", "max:0",  "Counter.plus` is said to commute: it matters that it ran twice");
    check(1, "max:0",  "plus:2", "Counter.plus` is said to commute: it matters that it ran twice");
    check(0, "odd",    "lift",   "a copy that came late"); // In any order, and each twice, it is right.
    check(0, "double", "double", "ok"); // Of nothing; one state is no proof.
    check(1, "double", "double", "it ran twice");
    check(0, "max:2",  "break",  "ok"); // What changes nothing commutes.
}

#[test]
fn views_only_read() {
    let cell = Toy.fresh("Counter").expect("a counter");
    assert_eq!(reads(&Toy, &cell, "Counter", "value", &bytes(0)), Ok(()));
    for method in ["sneak", "spoil"] {
        let told = reads(&Toy, &cell, "Counter", method, &bytes(0)).expect_err("it counts");
        assert!(told.to_string().contains(&format!("`Counter.{method}` changes something")), "{told}");
    }
}

#[test]
fn histories_read_side_by_side() {
    let told = commutes(&Toy, "Counter", &bytes(1), &bytes(1), &sample("max:20"), &sample("plus:3"));
    assert_eq!(
        told.expect_err("it does not commute").to_string(),
        "`Counter.max` is said to commute: order matters (0x0100000000000000)\n  \
         max, then plus                        | plus, then max\n  \
         before                             1  | before                             1\n  \
         max(20) -> Ok(0x1400000000000000)  20 | plus(3) -> Ok(0x0400000000000000)  4\n  \
         plus(3) -> Ok(0x1700000000000000)  23 | max(20) -> Ok(0x1400000000000000)  20\n"
    );
}
