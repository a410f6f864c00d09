//! Rows: status and outcome, and the exit code; what may be believed once a copy may have been done.

use serde_json::json;

use super::{EXIT_CODES, Exit, exit, of_call, of_list, of_offer, of_settle, speaks_of_id};
use crate::http::Answer;

fn answer(status: u16, text: impl ToString) -> Answer {
    Answer { status, text: text.to_string() }
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn each_answer_has_its_exit_code() {
    let check = |status: u16, outcome: Option<&str>, writes: bool, expect: Exit| {
        assert_eq!(exit(status, outcome, writes), expect, "{status} {outcome:?} {writes}");
    };
    check(200, None,               true,  Exit::Done);
    check(500, Some("done"),       true,  Exit::Done);
    check(422, Some("failed"),     true,  Exit::Failed);
    check(400, Some("not_done"),   true,  Exit::Usage);
    check(404, Some("not_done"),   false, Exit::Usage);
    check(405, Some("not_done"),   true,  Exit::Usage);
    check(413, Some("not_done"),   true,  Exit::Usage);
    check(409, Some("not_done"),   true,  Exit::NotDone);
    check(421, Some("not_done"),   true,  Exit::NotDone);
    check(422, Some("not_done"),   true,  Exit::NotDone);
    check(503, Some("not_done"),   true,  Exit::NotDone);
    check(504, Some("in_doubt"),   true,  Exit::InDoubt);
    check(409, Some("in_doubt"),   true,  Exit::InDoubt);
    check(410, Some("forgotten"),  true,  Exit::InDoubt);
    check(429, Some("overloaded"), true,  Exit::Overloaded);
    check(502, None,               true,  Exit::InDoubt); // Something in between gave up.
    check(502, None,               false, Exit::Unreachable);
    check(404, None,               false, Exit::Unreachable);
}

/// The numbers are a promise: help says them.
#[test]
fn help_says_the_exit_codes() {
    let all = [
        (Exit::Done, "done"),
        (Exit::Failed, "failed"),
        (Exit::Usage, "usage"),
        (Exit::NotDone, "not done"),
        (Exit::InDoubt, "in doubt"),
        (Exit::Overloaded, "overloaded"),
        (Exit::Unreachable, "unreachable"),
    ];
    for (number, (exit, word)) in all.into_iter().enumerate() {
        assert_eq!(exit as usize, number);
        assert!(EXIT_CODES.contains(&format!("\n  {number}  {word}")), "{number} {word}");
    }
    assert_eq!(EXIT_CODES.lines().count(), all.len() + 1);
}

/// R11: a refusal of one copy says nothing of another that may have been done.
#[test]
#[rustfmt::skip] // Rows are read as columns.
fn a_refusal_is_of_one_copy() {
    let check = |status: u16, slug: &str, expect: bool| {
        let problem = json!({"type": format!("urn:nigh:problem:{slug}")});
        assert_eq!(speaks_of_id(&answer(status, problem)), expect, "{slug}");
    };
    check(200, "",            true);
    check(422, "failed",      true);
    check(422, "misuse",      true);
    check(409, "fenced",      true);
    check(410, "forgotten",   true);
    check(503, "panicked",    true);
    check(504, "in-doubt",    true);
    check(500, "unwritable",  true);
    check(409, "under-way",   false);
    check(429, "overloaded",  false);
    check(503, "not-done",    false);
    check(503, "connections", false);
    check(408, "upload-timeout", false);
    assert!(!speaks_of_id(&answer(502, "<html>")));
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn says_it_in_few_words() {
    let check = |status: u16, text: serde_json::Value, expect: &str| {
        let said = of_call(&answer(status, text), true, false);
        assert_eq!(format!("{}|{}", said.answer, said.note), expect);
    };
    check(200, json!("500"),                    "500|");
    check(200, json!(5),                        "5|");
    check(200, json!(null),                     "done|");
    check(200, json!({"free": "5", "held": 2}), "free: 5\nheld: 2|");
    check(200, json!([1, {"a": 2}]),            r#"[1,{"a":2}]|"#);
    check(422, json!({"outcome": "failed", "error": "Poor", "detail": "d"}),     "|failed: Poor");
    check(400, json!({"outcome": "not_done", "detail": "send x"}),               "|send x");
    check(503, json!({"outcome": "not_done", "detail": "d"}),                    "|not done: d");
    check(429, json!({"outcome": "overloaded", "detail": "d"}),                  "|overloaded: d");
    check(504, json!({"outcome": "in_doubt", "detail": "d", "ticket": "nighT1.x"}), "|in doubt: d\nnigh settle nighT1.x");
    let said = of_call(&answer(422, json!({"outcome": "failed", "error": "Poor"})), true, true);
    assert_eq!((said.exit, said.answer.as_str()), (Exit::Failed, r#"{"error":"Poor","outcome":"failed"}"#));
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn settling_has_exit_codes_too() {
    let check = |text: serde_json::Value, exit: Exit, expect: &str| {
        let said = of_settle(&answer(200, text), false);
        assert_eq!((said.exit, said.answer.as_str()), (exit, expect));
    };
    check(json!({"settled": "done", "value": "5"}),      Exit::Done,    "done: 5");
    check(json!({"settled": "failed", "error": "Poor"}), Exit::Failed,  "failed: Poor");
    check(json!({"settled": "not_done", "cause": "c"}),  Exit::NotDone, "not done, and it never will be");
    check(json!({"settled": "no_record"}),               Exit::InDoubt, "no record is kept of such calls: look at what it acts on");
    check(json!({"settled": "forgotten"}),               Exit::InDoubt, "forgotten: it will not run, and whether it did is no longer known");
    let said = of_settle(&answer(504, json!({"outcome": "in_doubt", "detail": "d"})), false);
    assert_eq!(said.exit, Exit::InDoubt);
}

#[test]
fn lists_are_lines() {
    let said = of_list(&answer(200, json!({"keys": ["a", "b c"], "next": "b c"})), "Wallet", false);
    assert_eq!((said.answer.as_str(), said.exit), ("a\nb c", Exit::Done));
    assert!(said.note.contains("--after 'b c'"), "{}", said.note);
    let offer = json!({"contracts": [{"name": "Wallet", "kind": "entity", "key": "text", "methods": [
        {"name": "hold", "arguments": [{"name": "cents", "shape": "u64"}], "returns": "u64", "fails": "Poor"},
        {"name": "balance", "arguments": [], "returns": "u64", "fails": null},
    ]}]});
    let lines = "Wallet/<text>\n  hold cents=<u64> -> u64, or fails: Poor\n  balance -> u64";
    assert_eq!(of_offer(&answer(200, offer), false).answer, lines);
    assert_eq!(of_list(&answer(404, json!({"outcome": "not_done"})), "Walet", false).exit, Exit::Usage);
}
