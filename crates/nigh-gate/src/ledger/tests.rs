//! Rows: what is known of a call, and what the door says of it; and that a ledger off balance is told.

use nigh_proto::shards::{Position, ShardId};
use nigh_wire::Cause;

use super::*;

const ID: &str = "nigh1.00000000000000000000000000000007.3.1700000000000000000";

fn shown(caller: Caller, owner: Owner) -> (String, String) {
    let value = why(&named(ID).expect("an id"), &Why { caller, owner });
    assert_eq!(value["id"], ID);
    (value["caller"].to_string(), value["owner"].to_string())
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn each_state_has_its_name() {
    let owner = |owner: Owner, expect: &str| assert_eq!(shown(Caller::Unknown, owner).1, expect);
    let recorded = |became| Owner::Remembers(AtOwner::Recorded { shard: ShardId(3), position: Position(17), became });
    owner(recorded(Became::Done),                     r#"{"cause":null,"position":17,"shard":3,"state":"done"}"#);
    owner(recorded(Became::Failed),                   r#"{"cause":null,"position":17,"shard":3,"state":"failed"}"#);
    owner(recorded(Became::NotDone(Cause::Fenced)),
        &format!(r#"{{"cause":"{}","position":17,"shard":3,"state":"not_done"}}"#, Cause::Fenced));
    owner(Owner::Elsewhere,                           r#"{"state":"elsewhere"}"#);
    owner(Owner::NoRecord,                            r#"{"state":"no_record"}"#);
    owner(Owner::Waits,                               r#"{"state":"waits"}"#);
    owner(Owner::Runs(Duration::from_secs(2)),        r#"{"age_ms":2000,"state":"runs"}"#);
    owner(Owner::Unreadable,                          r#"{"state":"unreadable"}"#);
    owner(Owner::Remembers(AtOwner::Nothing),         r#"{"state":"nothing"}"#);
    owner(Owner::Remembers(AtOwner::TooOld),          r#"{"state":"too_old"}"#);
    owner(Owner::Remembers(AtOwner::Lost),            r#"{"state":"lost"}"#);
    owner(Owner::Remembers(AtOwner::Committing(ShardId(3))), r#"{"shard":3,"state":"committing"}"#);
    owner(Owner::Remembers(AtOwner::Misuse(ShardId(3))), r#"{"shard":3,"state":"misuse"}"#);
    owner(Owner::Remembers(AtOwner::Known { shards: 1, of: 2 }), r#"{"of":2,"shards":1,"state":"known"}"#);
    let caller = |caller: Caller, expect: &str| assert_eq!(shown(caller, Owner::Elsewhere).0, expect);
    caller(Caller::Reserved,                          r#"{"state":"reserved"}"#);
    caller(Caller::InDoubt,                           r#"{"state":"in_doubt"}"#);
    caller(Caller::Ended,                             r#"{"state":"ended"}"#);
    caller(Caller::NeverGiven,                        r#"{"state":"never_given"}"#);
    caller(Caller::Unknown,                           r#"{"state":"unknown"}"#);
    let (age, left, copies) = (Duration::from_millis(5), Duration::from_secs(1), 2);
    let (of, method) = ("Wallet".to_owned(), "hold".to_owned());
    let waits = Waits::Again(Duration::from_millis(7));
    caller(Caller::Open { of, method, here: false, age, left, copies, waits }, concat!(
        r#"{"again_ms":7,"age_ms":5,"at":"its peer","copies":2,"left_ms":1000,"method":"hold","of":"Wallet","#,
        r#""state":"open","waits_for":"again"}"#,
    ));
}

#[test]
fn a_ledger_off_balance_says_so() {
    let counted = CallerLine { asked: 3, done: 2, ..CallerLine::default() };
    let entry = Entry { of: "Wallet".into(), method: "hold".into(), counted, open: 1 };
    let even = Ledger { caller: vec![entry.clone()], callee: vec![] };
    let shown = ledger(&even);
    assert_eq!((&shown["balanced"], &shown["unbalanced"]), (&json!(true), &json!([])));
    assert_eq!((&shown["caller"][0]["asked"], &shown["caller"][0]["open"]), (&json!(3), &json!(1)));
    let off = Ledger { caller: vec![Entry { open: 0, ..entry }], ..even };
    let shown = ledger(&off);
    assert_eq!(shown["balanced"], json!(false));
    let said = shown["unbalanced"][0].as_str().expect("a sentence");
    assert!(said.contains("asked of Wallet.hold: asked 3, ended 2, open 0"), "{said}");
}

#[test]
fn what_names_no_call_is_refused() {
    for text in ["", "7", "nigh1.7.1.1", "nighT1.!", "nighT1."] {
        let problem = named(text).expect_err("it names nothing");
        assert_eq!(problem.kind, Kind::Arguments, "{text}");
        assert!(
            problem.detail.contains("nigh1.…") && problem.detail.contains("nighT1.…"),
            "{}",
            problem.detail
        );
    }
}
