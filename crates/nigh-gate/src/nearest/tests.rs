//! Rows: what was written, and what is proposed.

use super::nearest;

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn proposes_what_was_meant() {
    let known = ["deposit", "hold", "release", "balance"];
    let check = |given: &str, expect: Option<&str>| assert_eq!(nearest(given, known), expect, "{given}");
    check("depsit",   Some("deposit"));
    check("DEPOSIT",  Some("deposit"));
    check("holt",     Some("hold"));
    check("ballence", Some("balance"));
    check("withdraw", None);
    check("",         None);
    check(&"d".repeat(100_000), None);
}
