//! The table: what came of a call, and status, slug, outcome and `Retry-After` of the answer.

use std::time::Duration;

use nigh::perform::Outcome;
use nigh_proto::calls::request::Version;
use nigh_proto::shards::{Epoch, Position};
use nigh_wire::{
    CallId, CallerId, Cause, Class, Contract, ContractKind, Doubt, Fingerprint, Keyed, Method,
    NotSettledCause, Schema, Ticket, Time, Value, WireHash, encode, schema_of,
};

use super::{Asked, Reply, of_call, of_list, of_settle};

fn ticket() -> Ticket {
    Ticket::from(Doubt {
        id: CallId { caller: CallerId(1), number: 1, birth: Time::from_nanos(1) },
        of: "Wallet".into(),
        key: None,
        method: "hold".into(),
        shape: WireHash([0; 16]),
        fingerprint: Fingerprint(0),
        keyed: Some(Keyed { principal: String::new(), key: "k".into() }),
        settles_until: Time::EPOCH,
    })
}

fn method(class: Class) -> Method {
    let err = Some(schema_of::<String>());
    Method { name: "hold", class, args: Schema::record(&[]), ok: schema_of::<u64>(), err, docs: "" }
}

/// `200 value version`, or `status slug outcome retry-after`, and `+error`, `+ticket` where the answer has them.
fn short(reply: Reply) -> String {
    match reply {
        Reply::Value { value, version } => format!("200 {value} {}", version.as_deref().unwrap_or("-")),
        Reply::Problem(p) => {
            let mut text = format!("{} {} {}", p.kind.status().as_u16(), p.kind.slug(), p.outcome.text());
            text.push_str(&p.retry_after.map_or(" -".into(), |s| format!(" {s}")));
            text.push_str(if p.error.is_some() { " +error" } else { "" });
            text.push_str(if p.ticket.is_some() { " +ticket" } else { "" });
            assert!(p.detail.len() > 20 && p.detail.ends_with('.'), "{}", p.detail);
            text
        }
    }
}

fn asked(outcome: Outcome, class: Class, service: bool, named: bool) -> String {
    let method = method(class);
    let kind = if service {
        ContractKind::Service
    } else {
        ContractKind::Entity { key: schema_of::<String>(), state: schema_of::<u64>(), home: None }
    };
    let contract = Contract { name: "Wallet".into(), kind, methods: vec![], docs: "" };
    short(of_call(outcome, &Asked { contract: &contract, method: &method, named }))
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn each_outcome_has_its_status() {
    let check = |outcome: Outcome, expect: &str| {
        let shown = format!("{outcome:?}");
        assert_eq!(asked(outcome, Class::Once, false, true), expect, "{shown}");
    };
    let version = Some(Version { epoch: Epoch(4), position: Position(17) });
    check(Outcome::Done { value: Value::new(7u64), version },               "200 \"7\" 4.17");
    check(Outcome::Done { value: Value::new(7u64), version: None },         "200 \"7\" -");
    check(Outcome::Done { value: Value::Bytes(vec![0xff].into()), version }, "500 unwritable done -");
    check(Outcome::Failed(Value::new(String::from("poor"))),                "422 failed failed - +error");
    check(Outcome::Failed(Value::Bytes(vec![0xff].into())),                 "500 unwritable failed -");
    check(Outcome::InDoubt(ticket()),                                       "504 in-doubt in_doubt 1 +ticket");
    check(Outcome::Overloaded { retry_after: Duration::from_millis(1) },    "429 overloaded overloaded 1");
    check(Outcome::Overloaded { retry_after: Duration::from_millis(2001) }, "429 overloaded overloaded 3");
    check(Outcome::Overloaded { retry_after: Duration::ZERO },              "429 overloaded overloaded 1");
    check(Outcome::Overloaded { retry_after: Duration::MAX },               &format!("429 overloaded overloaded {}", u64::MAX));
    check(Outcome::Forgotten,                                               "410 forgotten forgotten -");
    check(Outcome::NoRecord,                                                "500 internal in_doubt -");
    check(Outcome::NotSettled(NotSettledCause::Deadline),                   "500 internal in_doubt -");
    check(Outcome::Keys(vec![]),                                            "500 internal in_doubt -");
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn not_done_is_the_servers_doing_unless_the_caller_can_help() {
    let check = |cause: Cause, expect: &str| {
        let shown = format!("{cause:?}");
        assert_eq!(asked(Outcome::NotDone(cause), Class::Once, false, true), expect, "{shown}");
    };
    check(Cause::Deadline,                  "503 not-done not_done 1");
    check(Cause::Stopped,                   "503 not-done not_done 1");
    check(Cause::Fenced,                    "409 fenced not_done -");
    check(Cause::Misuse,                    "422 misuse not_done -");
    check(Cause::Unknown("x".into()),       "404 unknown not_done -");
    check(Cause::Malformed("x".into()),     "400 arguments not_done -");
    check(Cause::TooLarge("x".into()),      "413 too-large not_done -");
    check(Cause::Arithmetic,                "422 arithmetic not_done -");
    check(Cause::Incompatible("x".into()),  "503 incompatible not_done -");
    check(Cause::Panicked("x".into()),      "503 panicked not_done -");
    check(Cause::Stuck,                     "503 stuck not_done -");
}

/// R11: a refusal speaks of one copy, so of a named call nothing is promised about other copies.
#[test]
fn a_refusal_speaks_of_one_request() {
    let check = |outcome: Outcome, named: bool, expect: bool| {
        let contract =
            Contract { name: "Mailer".into(), kind: ContractKind::Service, methods: vec![], docs: "" };
        let method = method(Class::Once);
        let Reply::Problem(problem) =
            of_call(outcome, &Asked { contract: &contract, method: &method, named })
        else {
            panic!("no refusal is a 200")
        };
        assert_eq!(problem.detail.contains("this request alone"), expect, "{}", problem.detail);
    };
    let overloaded = || Outcome::Overloaded { retry_after: Duration::ZERO };
    check(overloaded(), true, true);
    check(overloaded(), false, false);
    check(Outcome::NotDone(Cause::Deadline), true, true);
    check(Outcome::NotDone(Cause::Deadline), false, false);
    check(Outcome::NotDone(Cause::Fenced), true, false);
}

/// Who asks again must not do twice what is done once: only where a repeat is harmless is it invited.
#[test]
#[rustfmt::skip] // Rows are read as columns.
fn a_doubt_invites_a_repeat_only_where_it_is_harmless() {
    let check = |class: Class, service: bool, named: bool, retry: bool| {
        let expect = format!("504 in-doubt in_doubt {} +ticket", if retry { "1" } else { "-" });
        assert_eq!(asked(Outcome::InDoubt(ticket()), class, service, named), expect, "{class:?} {service} {named}");
    };
    //    class              service  named   again
    check(Class::Once,       false,   true,   true);
    check(Class::Once,       false,   false,  false);
    check(Class::Once,       true,    true,   false);
    check(Class::Once,       true,    false,  false);
    check(Class::Idempotent, false,   false,  false); // On an entity a record is kept all the same (R4).
    check(Class::Idempotent, false,   true,   true);
    check(Class::Idempotent, true,    false,  true);
    check(Class::Commutes,   false,   false,  true);
    check(Class::Read,       false,   false,  true);
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn settling_has_answers_of_its_own() {
    let check = |outcome: Outcome, expect: &str| {
        let shown = format!("{outcome:?}");
        assert_eq!(short(of_settle(outcome, &ticket(), &method(Class::Once))), expect, "{shown}");
    };
    check(Outcome::Done { value: Value::new(7u64), version: None }, r#"200 {"settled":"done","value":"7"} -"#);
    check(Outcome::Failed(Value::new(String::from("poor"))),        r#"200 {"error":"poor","settled":"failed"} -"#);
    check(Outcome::Forgotten,                                       r#"200 {"settled":"forgotten"} -"#);
    check(Outcome::NoRecord,                                        r#"200 {"settled":"no_record"} -"#);
    check(Outcome::NotSettled(NotSettledCause::Deadline),           "504 not-settled in_doubt 1 +ticket");
    check(Outcome::NotSettled(NotSettledCause::Forbidden),          "403 ticket-forbidden in_doubt - +ticket");
    check(Outcome::NotSettled(NotSettledCause::Misuse),             "422 ticket-unfit in_doubt - +ticket");
    check(Outcome::InDoubt(ticket()),                               "504 not-settled in_doubt 1 +ticket");
    check(Outcome::Overloaded { retry_after: Duration::from_secs(2) }, "429 overloaded in_doubt 2 +ticket");
    check(Outcome::Failed(Value::Bytes(vec![0xff].into())),         "500 unwritable failed -");
    check(Outcome::Keys(vec![]),                                    "500 internal in_doubt -");
    let dead = short(of_settle(Outcome::NotDone(Cause::Fenced), &ticket(), &method(Class::Once)));
    assert!(dead.starts_with(r#"200 {"cause":"#) && dead.contains(r#""settled":"not_done""#), "{dead}");
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn a_full_page_says_where_to_go_on() {
    let key = schema_of::<u64>();
    let keys = |all: &[u64]| Outcome::Keys(all.iter().map(encode).collect());
    let check = |outcome: Outcome, expect: &str| assert_eq!(short(of_list(outcome, &key, 2)), expect);
    check(keys(&[]),     r#"200 {"keys":[],"next":null} -"#);
    check(keys(&[5]),    r#"200 {"keys":["5"],"next":null} -"#);
    check(keys(&[5, 6]), r#"200 {"keys":["5","6"],"next":"6"} -"#);
    check(Outcome::NotDone(Cause::Deadline),                      "503 not-done not_done 1");
    check(Outcome::Overloaded { retry_after: Duration::ZERO },    "429 overloaded overloaded 1");
    check(Outcome::Keys(vec![vec![0xff].into()]),                 "500 unwritable done -");
    check(Outcome::Forgotten,                                     "500 internal in_doubt -");
}
