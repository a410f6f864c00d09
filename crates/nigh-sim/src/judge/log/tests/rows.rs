//! One row for each way to be wrong, after its right twin.

use super::*;

/// Plays a history, and names the judgement that went red, or `ok`.
fn check(text: &str, expected: &str) {
    let mut script = Script::new();
    let told = script.play(text);
    let name = told.as_ref().map_or_else(|violation| violation.judgement.name(), |()| "ok");
    assert_eq!(name, expected, "{text}: {told:?}");
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn honest_outcomes() {
    const BAD: &str = "honest outcomes";
    check("ask 1 add:2; log 1; done 1 2 @1; end",                       "ok");
    check("ask 1 add:2; done 1 2",                                      BAD); // R5: before it is durable.
    check("ask 1 add:2; log 1; done 1 3",                               BAD);
    check("ask 1 add:2; log 1; failed 1 2",                             BAD);
    check("ask 1 take:2; log 1; failed 1 0",                            "ok");
    check("ask 1 take:2; failed 1 0",                                   BAD); // R6: an error, too.
    check("ask 1 take:2; log 1; done 1 0",                              BAD);
    check("ask 1 add:2; log 1; done 1 2 @0",                            BAD); // Its version does not include it,
    check("ask 1 add:2; log 1; done 1 2 @2",                            BAD); // or is not durable.
    check("ask 1 add:2; log stone:1; done 1 2",                         BAD);
    check("ask 1 add:2; log 1; fenced 1",                               BAD);
    check("ask 1 add:2; log 1; late 1",                                 BAD);
    check("ask 1 add:2; log 1; overloaded 1",                           BAD);
    check("ask 1 add:2; log 1; doubt 1",                                "ok");
    check("ask 1 add:2; log 1; drop 1",                                 "ok");
    check("ask 1 break; log stone:1; panicked 1",                       "ok");
    check("ask 1 break; panicked 1",                                    BAD); // R4: a tombstone says so.
    check("ask 1 value; doubt 1",                                       BAD); // A view is never in doubt.
    // Calls that commute have no id: any durable run with that answer is theirs.
    check("ask 1 max:2; log 1; done 1 2",                               "ok");
    check("ask 1 max:2; done 1 2",                                      BAD);
    check("ask 1 max:2; ask 2 max:2; log 1; done 1 2; done 2 2; end",   "ok");
    check("ask 1 max:2; ask 2 max:2; log 1; late 1; overloaded 2; end", BAD);
    check("ask 1 max:2; ask 2 max:2; log 1; late 1; doubt 2; end",      "ok");
    // The same id in two tries: what a client says is of its own try.
    check("ask 1 add:2; ask 2=1 add:2; log 1; done 1 2; late 2",        "ok");
    check("ask 1 add:2; ask 2=1 add:2; log 1; done 1 2; done 2 2",      "ok");
    check("ask 1 add:2; ask 2=1 add:2; log 1; done 1 2; done 2 3",      "verdicts agree");
    check("ask 1 add:2; ask 2=1 add:2; log 1; done 1 2; fenced 2",      "verdicts agree");
    check("ask 1 add:2; overloaded 1; ask 2=1 add:2; log 1; done 2 2",  "ok");
    // The same id for another call: R3.
    check("ask 1 add:2; ask 2=1 add:3; log 1; done 1 2; fenced 2",      "ok");
    check("ask 1 add:2; ask 2=1 add:3; log 1; done 2 2",                BAD);
}

#[test]
#[rustfmt::skip]
fn never_from_then_on() {
    const BAD: &str = "never from then on";
    check("ask 1 add:2; fenced 1; log stone:1",                         "ok");
    check("ask 1 add:2; fenced 1; log 1",                               BAD);
    check("ask 1 add:2; late 1; log 1",                                 BAD);
    check("ask 1 add:2; overloaded 1; log 1",                           BAD); // R11
    check("ask 1 add:2; fenced 1; ask 2=1 add:2; log 1",                BAD); // Said of the call,
    check("ask 1 add:2; late 1; ask 2=1 add:2; log 1",                  "ok"); // not of a try.
    check("ask 1 add:2; drop 1; log 1",                                 "ok");
    check("ask 1 add:2; drop 1; forgotten 1",                           "the judge was misled");
    check("ask 1 add:2; drop 1; settle 1 forgotten; log 1",             BAD); // R13
    check("ask 1 add:2; ask 2 take:9; drop 1; settle 1 forgotten; log 2", "ok");
    check("ask 1 add:2; doubt 1; log stone:1; settle 1 not-done; log 1", BAD);
    // R12: nor is it answered with what another try did.
    check("ask 1 add:2 once:k; ask 2 add:2 once:k; late 2; log 1; log again:2~ok:2", BAD);
}

#[test]
#[rustfmt::skip]
fn at_most_once() {
    const BAD: &str = "at most once";
    check("ask 1 add:2; log 1 1~free",                                  BAD);
    check("ask 1 add:2; log 1; log 1~free",                             BAD);
    check("ask 1 add:2; log 1 stone:1",                                 BAD);
    check("ask 1 add:2; log stone:1 1",                                 BAD);
    check("ask 1 add:2; log stone:1 stone:1",                           BAD);
    check("ask 1 max:2; log 1 1; done 1 2; end",                        "ok"); // It commutes.
    const KEY: &str = "one call per idempotency key";
    check("ask 1 add:2 once:k; ask 2 add:2 once:k; log 1 again:2~ok:2; done 1 2; done 2 2", "ok");
    check("ask 1 add:2 once:k; ask 2 add:2 once:k; log 1 2",            KEY);
    check("ask 1 add:2 once:k; ask 2 add:2 once:l; log 1 2",            "ok");
    check("ask 1 add:2 once:k; ask 2 add:2 b once:k; log 1 2",          "ok");
    check("ask 1 add:2 once:k; log 1; later 26; ask 2 add:2 once:k birth:26; log 2", "ok"); // Forgotten by then.
    check("ask 1 add:2 once:k; log 1; later 23; ask 2 add:2 once:k birth:23; log 2", KEY);
    check("ask 1 add:2 once:k; ask 2 add:2 once:k; log 1 again:2~ok:3", KEY);
    check("ask 1 add:2 once:k; ask 2 add:2 once:k; log again:2~ok:2",   KEY);
    check("ask 1 add:2 once:k; ask 2 add:2 once:k; log stone:1 2",      KEY); // R12: the key is dead.
    check("ask 1 add:2 once:k; log stone:1~unkeyed",                    KEY);
    check("ask 1 add:2 once:k; log 1~unkeyed",                          KEY);
    check("ask 1 add:2 once:k; ask 2 add:3 once:k; log 1 stone:2~unkeyed", "ok"); // R3: other arguments.
    check("ask 1 add:2 once:k; ask 2 add:2 once:k; log stone:1 stone:2~unkeyed", "ok"); // Told the same.
    check("ask 1 add:2 once:k; ask 2 add:2 once:k; log 1 stone:2~unkeyed", KEY);
    check("ask 1 add:2 once:k; ask 2 add:2 once:k; log 1 stone:2",      KEY);
    check("ask 1 add:2 once:k; ask 2 add:2 once:k; log 1 again:2~ok:2 again:2~ok:2", BAD);
    check("ask 1 add:2 once:k; ask 2 add:2 once:k; log 1; done 2 2",    "honest outcomes"); // Not recorded under its id.
}

#[test]
#[rustfmt::skip]
fn order_and_real_time() {
    const BAD: &str = "order per caller and key";
    check("ask 1 add:2; ask 2 add:3; log 1 2~after:1",                  "ok");
    check("ask 1 add:2; ask 2 add:3; log 2 1",                          BAD);
    check("ask 1 add:2; ask 2 add:3 b; log 2 1",                        "ok"); // Another key,
    check("ask 1 add:2; ask 2 add:3 client:2; log 2 1",                 "ok"); // another caller,
    check("ask 1 add:2; ask 2 add:3; log 2 1~free",                     "ok"); // or without order.
    check("ask 2 add:2; log 2~after:3",                                 BAD);
    const LATE: &str = "real time";
    check("ask 1 add:2; log 1; ask 2 value; done 2 2 @1; end",          "ok");
    check("ask 1 add:2; ask 2 value; log 1; done 1 2; done 2 0 @0; end", "ok"); // Asked before.
    check("ask 1 add:2; log 1; ask 2 value; done 2 0 @0; end",          "ok"); // Nobody had been shown it,
    check("ask 1 add:2; log 1; done 1 2; ask 2 value; done 2 0 @0",     LATE); // now its caller has,
    check("ask 1 add:2; log 1; settle 1 done:2; ask 2 value; done 2 0 @0", LATE); // or a settler,
    check("ask 1 add:2; log 1; ask 2 value; done 2 2 @1; ask 3 value; done 3 0 @0", LATE); // or another view.
}

#[test]
#[rustfmt::skip]
fn the_log_is_what_the_code_does() {
    const BAD: &str = "the log is what the code does";
    check("ask 1 add:2; log 1; ask 2 take:1; log 2; done 2 1; held a 1; end", "ok");
    check("ask 1 add:2; log 1~ok:3",                                    BAD);
    check("ask 1 add:2; log 1~err:2",                                   BAD);
    check("ask 1 add:2; log 1~redo:3",                                  BAD);
    check("ask 1 add:2; log 1~deleted",                                 BAD);
    check("ask 1 take:2; log 1~redo:3",                                 BAD); // An error changes nothing.
    check("ask 1 now; log 1; end",                                      "ok");
    check("ask 1 now; log 1~time:-1",                                   BAD); // Of another time.
    check("ask 1 roll; log 1; end",                                     "ok"); // With its seed.
    check("ask 1 break; log 1",                                         BAD);
    check("ask 1 add:2; ask 2 clear; log 1 2; held a 0; end",           "ok");
    check("ask 1 leak; log 1; end",                                     "the log folds to the state");
    check("ask 1 garble; log 1; end",                                   "the log folds to the state");
}

#[test]
#[rustfmt::skip]
fn views_show_the_log() {
    const BAD: &str = "views show the log";
    check("ask 1 add:2; ask 2 value; log 1; done 2 2 @1; end",          "ok");
    check("ask 1 add:2; ask 2 value; log 1; done 2 0 @0; end",          "ok"); // Judged at the end.
    check("ask 1 add:2; ask 2 value; log 1; done 2 0 @1",               BAD);
    check("ask 1 add:2; ask 2 value; log 1; done 2 2 @0; end",          BAD);
    check("ask 1 add:2; ask 2 value; done 2 2 @1",                      BAD); // R6: not durable.
    check("ask 1 value; done 1 0 @1",                                   BAD); // Not even what did not change.
    check("ask 1 value; done 1 0 @0",                                   "ok");
    check("ask 1 value; done 1 1 @0",                                   BAD);
    check("take; ask 1 add:2; log 1; ask 2 value; done 2 2 @1.1",       BAD); // R22: the epoch had not begun.
    check("take; ask 1 add:2; log 1; take; ask 2 value; done 2 2 @1.2", "ok"); // Read before it ended.
    // Errors have no version: one of the states between fits.
    check("ask 1 needs:3; failed 1 0; end",                             "ok");
    check("ask 1 needs:3; failed 1 1",                                  BAD);
    check("ask 1 needs:5; ask 2 add:2; ask 3 add:9; log 2 3; failed 1 2; end", "ok");
    check("ask 1 needs:5; ask 2 add:2; ask 3 add:9; log 2 3; failed 1 1; end", BAD);
    check("ask 2 add:2; ask 3 add:9; log 2; done 2 2; ask 1 needs:5; log 3; failed 1 0; end", BAD);
}

#[test]
#[rustfmt::skip]
fn verdicts_agree() {
    const BAD: &str = "verdicts agree";
    check("ask 1 add:2; doubt 1; log 1; settle 1 done:2; settle 1 done:2", "ok");
    check("ask 1 add:2; log 1; done 1 2; settle 1 done:2; settle 1 forgotten", "ok");
    check("ask 1 add:2; doubt 1; log stone:1; settle 1 not-done; settle 1 not-done", "ok");
    check("ask 1 add:2; doubt 1; log 1; settle 1 done:3",               "honest outcomes");
    check("ask 1 add:2; doubt 1; settle 1 not-done",                    "honest outcomes"); // R12: no tombstone.
    check("ask 1 add:2; log 1; done 1 2; settle 1 not-done",            BAD);
    check("ask 1 add:2; fenced 1; settle 1 done:2",                     BAD);
    check("ask 1 add:2; settle 1 no-record",                            BAD);
    check("ask 1 max:2; settle 1 no-record",                            "ok");
    check("ask 1 max:2; log 1; settle 1 done:2",                        BAD);
    check("ask 1 send of:Mailer; doubt 1; settle 1 no-record; end",     "ok");
}

#[test]
#[rustfmt::skip]
fn what_is_remembered() {
    const BAD: &str = "nothing is freed too early";
    check("ask 1 add:2; doubt 1; settle 1 forgotten",                   BAD); // R15
    check("ask 1 add:2; doubt 1; let-go 1; settle 1 forgotten",         "ok");
    check("ask 1 add:2; log 1; doubt 1; later 25; log bye; settle 1 forgotten", "ok"); // R16
    check("ask 1 add:2; log 1; doubt 1; later 23; log bye; settle 1 forgotten", BAD);
    check("ask 1 add:2; overloaded 1; settle 1 forgotten",              "ok");
    const AGE: &str = "age";
    check("ask 1 add:2 birth:-23; log 1",                               "ok");
    check("ask 1 add:2 birth:-25; log 1",                               AGE); // R16
    check("ask 1 add:2 birth:1; log 1",                                 AGE); // R17
}

#[test]
#[rustfmt::skip]
fn the_log_has_one_line() {
    const BAD: &str = "the log has one line";
    check("ask 1 add:2; ask 2 add:3; log 1; log 2",                     "ok");
    check("ask 1 add:2; ask 2 add:3; log 1; next 2; log 2",             BAD); // A gap,
    check("ask 1 add:2; ask 2 add:3; log 1; next 0; log 2",             BAD); // a place written twice.
    check("epoch 2; log bye; epoch 1; log bye",                         BAD); // R8: epochs fall,
    check("take; epoch 1; log bye",                                     BAD); // one that was replaced writes,
    check("epoch 3; log bye; epoch 1; take",                            BAD); // or one is used again.
    check("log bye; log bye early:1; end",                              "ok");
    check("log bye; log bye early:2; end",                              BAD); // R16: log time falls.
    check("ask 1 add:2; ask 2 add:3; log 1 2~time:-1",                  BAD);
    check("ask 1 add:2; log 1~time:1",                                  BAD); // Ran after its own blob.
    check("ask 1 add:2; ask 2 add:3 b; log 1; next 0; log 2 shard:1",   "ok");
    check("ask 1 add:2; ask 2 add:3 client:2; log 1; next 0; log 2 shard:1", BAD); // A key is of one shard.
}

#[test]
#[rustfmt::skip]
fn records_are_of_what_was_asked() {
    const BAD: &str = "only what was asked";
    check("log 1",                                                      BAD);
    check("settle 1 no-record; log 1",                                  BAD);
    check("ask 1 add:2; log 1~other",                                   BAD); // R3: with other arguments.
    check("ask 1 add:2; log 1~as:take",                                 BAD);
    check("ask 1 add:2; log 1~noid",                                    BAD); // R4: it keeps a record.
    check("ask 1 add:2 of:Nobody; log 1",                               BAD);
    check("ask 1 value of:Nobody; late 1; end",                         "ok");
    check("ask 1 add:2; log 1; done 1 2; done 1 2",                     "the judge was misled");
    check("ask 1 add:2; ask 1 add:2",                                   "the judge was misled");
    check("done 1 2",                                                   "the judge was misled");
}

#[test]
#[rustfmt::skip]
fn what_owners_hold() {
    const BAD: &str = "recovered is what was durable";
    check("take; ask 1 add:2; log 1; take; held a 2; held b 0; end",    "ok");
    check("take; ask 1 add:2; log 1; take 0",                           BAD); // What was durable is lost.
    check("take; ask 1 add:2; log 1; take 2",                           BAD); // What was not is there.
    check("ask 1 add:2; log 1; held a 3",                               BAD);
    check("ask 1 add:2; log 1; held b 2",                               BAD);
    const OPEN: &str = "everything is answered";
    check("ask 1 add:2; log 1; end 2",                                  "ok"); // Asked 2 ms ago.
    check("ask 1 add:2; log 1; log bye; end 0",                           OPEN);
    check("ask 1 add:2; log 1; log bye; end 3",                         "ok"); // Calm for 1 ms.
    check("ask 1 value; log bye; log bye; end 0",                         OPEN);
    check("ask 1 send of:Mailer; log bye; log bye; end 0",                OPEN);
}

#[test]
#[rustfmt::skip]
fn claims_are_tried() {
    const BAD: &str = "delivery claims";
    check("ask 1 max:2; ask 2 max:3; log 1 2; end",                     "ok");
    check("ask 1 plus:2; log 1",                                        BAD); // Twice is more than once.
    check("ask 1 last:2; log 1; end",                                   "ok"); // Alone it is right,
    check("ask 1 last:2; ask 2 last:3; log 1; log 2",                   BAD); // but not in any order.
    check("ask 1 sneak; done 1 1 @0",                                   BAD); // A view that counts.
}

/// What is said names the call, its key, the moments and both facts.
#[test]
fn a_violation_can_be_read() {
    let told = Script::new().play("ask 1 add:2; log 1; done 1 3").expect_err("it is wrong");
    assert_eq!(
        told.to_string(),
        "honest outcomes, at 0.003000 s: the asker of `add` on Counter \"a\" (operation 1 of client 1, asked at \
         0.001000 s, number 1 of 00000000000000000000000000000001) was told Ok(0x0300000000000000); the log has \
         a run at place 0 of shard 0 that returned Ok(0x0200000000000000)"
    );
}
