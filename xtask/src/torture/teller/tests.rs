//! Rows: an answer, and what it means for the change that was asked.

use super::*;

fn change() -> Change {
    Change { wallet: "w0-1".into(), hold: true, cents: 5, key: "k".into() }
}

fn check(status: u16, body: &str, expected: &str) {
    let answer = Answer { status, headers: vec![], body: body.into() };
    let told = match end_of(&change(), &answer) {
        Ok(end) => format!("{end:?}"),
        Err(_) => "broken promise".into(),
    };
    assert_eq!(told, expected, "of {status} {body}");
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn an_answer_ends_a_change_or_is_asked_for_again() {
    check(200, "7",                                       "Some(Done(Number(7)))");
    check(422, r#"{"outcome":"failed","error":"Poor"}"#,  r#"Some(Failed(String("Poor")))"#);
    check(503, r#"{"outcome":"not_done"}"#,               "Some(NotDone)");
    check(504, r#"{"outcome":"in_doubt"}"#,               "None");
    check(409, r#"{"outcome":"not_done"}"#,               "None");
    check(429, r#"{"outcome":"overloaded"}"#,             "None");
    check(422, r#"{"outcome":"not_done"}"#,               "broken promise");
    check(500, "",                                        "broken promise");
}

/// What is counted in the end: acknowledged changes, each once.
#[test]
fn only_acknowledged_changes_count() {
    let mut teller = Teller::new("127.0.0.1:1".parse().expect("an address"), 1, 0, 0, "w0-");
    for (hold, end) in [(false, End::Done(json!(9))), (true, End::Done(json!(4))), (false, End::NotDone)] {
        teller.ended.note(&Change { hold, ..change() }, &end);
    }
    teller.ended.note(&change(), &End::Failed(json!("Poor")));
    assert_eq!(teller.ended.model["w0-1"], Money { paid_in: 5, held: 5 });
    assert_eq!((teller.ended.done, teller.ended.failed, teller.ended.not_done), (2, 1, 1));
}
