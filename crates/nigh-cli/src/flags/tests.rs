//! Rows: what is typed, and what is understood.

use clap::{CommandFactory, Parser};

use super::Flags;

#[test]
fn the_flags_are_consistent() {
    Flags::command().debug_assert();
}

/// `expect` is part of the parsed flags, or of the complaint.
fn check(typed: &str, expect: &str) {
    let parsed = Flags::try_parse_from(format!("nigh {typed}").split_whitespace());
    let found = parsed.map_or_else(|error| error.to_string(), |flags| format!("{flags:?}"));
    assert!(found.contains(expect), "{typed}: {found}");
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn understands_what_is_typed() {
    check("list",                                      "List { entity: None, after: None, limit: 100 }");
    check("list Wallet --after -a --limit 5",          r#"entity: Some("Wallet"), after: Some("-a"), limit: 5"#);
    check("call Wallet/ada deposit cents=500 note=a=b", r#"[("cents", "500"), ("note", "a=b")]"#);
    check("call Wallet/ada deposit cents=-5",          r#"[("cents", "-5")]"#);
    check("list --within 250ms",                       "within: 250ms");
    check("--json list",                               "json: true");
    check("sim replay seed=9 a::b -p shop",            r#"case: "seed=9", test: Some("a::b"), package: Some("shop")"#);
    check("sim replay seed=9",                         r#"test: None, package: None"#);
    check("list --url http://[::1]:80/x/",             r#"host: "::1", port: 80, prefix: "/x""#);
}

/// A complaint says what to write, or names the nearest.
#[test]
#[rustfmt::skip] // Rows are read as columns.
fn complaints_say_what_to_write() {
    check("lits",                             "'list'");
    check("list --jsn",                       "'--json'");
    check("call Wallet/ada",                  "METHOD");
    check("call Wallet/ada deposit 500",      "cents=500");
    check("list --within 5",                  "250ms");
    check("list --within 0s",                 "250ms");
    check("list --within 601s",               "600s");
    check("list --url https://127.0.0.1",     "http://127.0.0.1:7070");
    check("list --after a",                   "ENTITY");
    check("sim replay",                       "CASE");
    check("sim replay seed=9 -p shop",        "<TEST>");
    check("settle nothing",                   "nighT1.");
    check("call A/b c --id 5",                "nigh1.");
}
