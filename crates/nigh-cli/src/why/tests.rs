//! Rows: what the door says, and the words and exit code that the command makes of it.

use serde_json::json;

use super::*;

const ID: &str = "nigh1.00000000000000000000000000000007.3.1700000000000000000";

fn why(caller: &Value, owner: &Value) -> Said {
    let text = json!({ "id": ID, "caller": caller, "owner": owner }).to_string();
    of_why(&Answer { status: 200, text }, &Named::Id(ID.parse().expect("an id")), false)
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn each_state_has_words_and_an_exit_code() {
    let none = json!({ "state": "unknown" });
    let check = |owner: Value, exit: Exit, words: &str| {
        let said = why(&none, &owner);
        assert_eq!(said.exit, exit, "{owner}");
        assert!(said.answer.contains(words), "{owner}: {}", said.answer);
    };
    check(json!({"state": "done", "shard": 3, "position": 17}),   Exit::Done,    "done: it ran and returned a value (shard 3, record 17)");
    check(json!({"state": "failed", "shard": 3, "position": 17}), Exit::Failed,  "failed: it ran");
    check(json!({"state": "not_done", "cause": "settled"}),       Exit::NotDone, "not done, and it never will be: settled");
    check(json!({"state": "waits"}),                              Exit::InDoubt, "its turn has not");
    check(json!({"state": "runs", "age_ms": 2540}),               Exit::InDoubt, "runs since 2.5 s");
    check(json!({"state": "committing", "shard": 3}),             Exit::InDoubt, "not durable yet");
    check(json!({"state": "misuse", "shard": 3}),                 Exit::InDoubt, "another call has this number");
    check(json!({"state": "known", "shards": 4, "of": 4}),        Exit::InDoubt, "known and freed");
    check(json!({"state": "known", "shards": 1, "of": 4}),        Exit::InDoubt, "to 1 of 4 shards");
    check(json!({"state": "too_old"}),                            Exit::InDoubt, "forgotten: it was made more than 24 h ago");
    check(json!({"state": "lost"}),                               Exit::InDoubt, "since the store was restored");
    check(json!({"state": "nothing"}),                            Exit::InDoubt, "no copy of it has run here so far");
    check(json!({"state": "no_record"}),                          Exit::InDoubt, "no record is kept");
    check(json!({"state": "unreadable"}),                         Exit::InDoubt, "cannot read what it remembers");
    check(json!({"state": "elsewhere"}),                          Exit::InDoubt, "owns no entities");
}

#[test]
#[rustfmt::skip]
fn an_open_call_is_found_at_its_caller() {
    let check = |more: Value, words: &str| {
        let mut open = json!({
            "state": "open", "of": "Wallet", "method": "hold", "at": "its peer", "age_ms": 250, "left_ms": 9_750, "copies": 1,
        });
        open.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let said = why(&open, &json!({ "state": "elsewhere" }));
        let line = said.answer.lines().nth(1).expect("a line of the caller");
        assert!(line.contains("Wallet.hold is open since 250 ms, with 9.7 s to go, for its peer"), "{line}");
        assert!(line.contains(words), "{more}: {line}");
    };
    check(json!({"waits_for": "sending", "copies": 0}),    "it was not sent yet (0 copies sent so far)");
    check(json!({"waits_for": "sending", "copies": 1}),    "it waits to be sent again");
    check(json!({"waits_for": "answer"}),                  "it was sent, and waits for the answer (1 copy sent so far)");
    check(json!({"waits_for": "again", "again_ms": 30}),   "it is sent again in 30 ms");
    check(json!({"waits_for": "predecessor"}),             "an earlier call on its key");
    for (state, words) in [("reserved", "not asked yet"), ("in_doubt", "told in doubt"), ("ended", "it has ended"), ("never_given", "not come to that number")] {
        let said = why(&json!({ "state": state }), &json!({ "state": "nothing" }));
        assert!(said.answer.contains(words), "{state}: {}", said.answer);
    }
}

/// It promises nothing, and says how to decide what is open.
#[test]
fn it_says_that_it_only_looked() {
    let said = why(&json!({ "state": "unknown" }), &json!({ "state": "nothing" }));
    assert!(said.note.contains("only looked, and changed nothing"), "{}", said.note);
    let said = why(&json!({ "state": "unknown" }), &json!({ "state": "done" }));
    assert!(said.note.is_empty(), "{}", said.note);
}

#[test]
fn a_ledger_is_a_table() {
    let line = json!({
        "of": "Wallet", "method": "hold", "asked": 12, "done": 10, "failed": 1, "not_done": 0, "in_doubt": 0, "forgotten": 0,
        "refused": 0, "let_go": 1, "open": 0, "copies": 13,
    });
    let came = json!({
        "of": "Wallet", "method": "hold", "arrived": 13, "done": 10, "failed": 1, "not_done": 0, "repeated": 1, "forgotten": 0,
        "in_doubt": 0, "refused": {"overloaded": 1, "ahead": 0}, "open": 0,
    });
    let text = |balanced: bool, off: &[&str]| {
        json!({"balanced": balanced, "unbalanced": off, "caller": [line], "callee": [came]}).to_string()
    };
    let said = of_ledger(&Answer { status: 200, text: text(true, &[]) }, false);
    let lines: Vec<&str> = said.answer.lines().collect();
    assert_eq!(
        lines,
        [
            "callers were told  asked  done  failed  not done  in doubt  forgotten  refused  let go  open  copies",
            "Wallet.hold           12    10       1         0         0          0        0       1     0      13",
            "copies came to  arrived  done  failed  not done  repeated  forgotten  in doubt  refused  open",
            "Wallet.hold          13    10       1         0         1          0         0        1     0",
        ]
    );
    assert_eq!((said.exit, said.note.as_str()), (Exit::Done, ""));
    let said = of_ledger(&Answer { status: 200, text: text(false, &["a line is off"]) }, false);
    assert_eq!((said.exit, said.note.as_str()), (Exit::Failed, "a line is off"));
}
