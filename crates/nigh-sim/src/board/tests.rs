//! What a client is told whose process has gone.

use super::*;

/// Nothing that writes: there is no ticket to give.
fn check(settles: bool, expected: &str) {
    let nothing = Catalogue::new([]).expect("no name is there twice");
    let outcome = Lost { settles, what: None }.outcome(&nothing, None);
    assert_eq!(format!("{outcome:?}"), expected);
}

#[test]
fn who_asks_for_a_verdict_hears_none_and_who_asks_for_a_call_hears_one() {
    check(true, "NotSettled(Deadline)");
    check(false, "NotDone(Stopped)");
}
