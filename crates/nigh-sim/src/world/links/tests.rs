//! Whoever dials waits no longer than a system's connect.

use super::*;

#[test]
fn a_refusal_is_heard_or_given_up_on() {
    let most = nanos(CONNECT_MAX);
    for (reaches, expected) in [(7, 7), (7 + most, 7 + most), (8 + most, 7 + most), (u64::MAX, 7 + most)] {
        assert_eq!(refused_at(7, reaches), expected, "{reaches}");
    }
}
