//! Rows: what is typed, what is offered, and the request that comes of it.

use serde_json::{Value, json};

use super::{Typed, encoded, prepare};

fn offer() -> Value {
    let argument = |name: &str, json: &str| json!({"name": name, "json": json});
    json!({"contracts": [
        {"name": "Wallet", "kind": "entity", "methods": [
            {"name": "deposit", "class": "once", "arguments": [
                argument("cents", "number"), argument("big", "string"), argument("now", "boolean"), argument("tags", "any"),
            ]},
            {"name": "balance", "class": "read", "arguments": [argument("at", "string")]},
        ]},
        {"name": "Payments", "kind": "service", "methods": [
            {"name": "charge", "class": "once", "arguments": []},
            {"name": "refund", "class": "idempotent", "arguments": []},
            {"name": "rates", "class": "read", "arguments": []},
        ]},
    ]})
}

fn prepared(target: &str, method: &str, arguments: &[&str], id: bool) -> Result<super::Prepared, String> {
    let pair = |text: &&str| text.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("a pair");
    let arguments: Vec<_> = arguments.iter().map(pair).collect();
    let id = id.then(|| "nigh1.0000000000000000000000000000000a.1.5".parse().expect("an id"));
    prepare(&offer(), Typed { target, method, arguments: &arguments }, id)
}

/// `expect` is `VERB path body`.
fn check(target: &str, method: &str, arguments: &[&str], expect: &str) {
    let request = prepared(target, method, arguments, false).expect("a request").request;
    let body = request.body.as_deref().map_or(String::new(), |body| format!(" {body}"));
    assert_eq!(format!("{} {}{body}", request.verb, request.path), expect);
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn becomes_a_request() {
    check("Wallet/ada", "deposit", &["cents=500"],      r#"POST /api/Wallet/ada/deposit {"cents":500}"#);
    check("Wallet/ada", "deposit", &["big=500"],        r#"POST /api/Wallet/ada/deposit {"big":"500"}"#);
    check("Wallet/ada", "deposit", &["now=true"],       r#"POST /api/Wallet/ada/deposit {"now":true}"#);
    check("Wallet/ada", "deposit", &["now=yes"],        r#"POST /api/Wallet/ada/deposit {"now":"yes"}"#);
    check("Wallet/ada", "deposit", &["cents=\"5\""],    r#"POST /api/Wallet/ada/deposit {"cents":"\"5\""}"#);
    check("Wallet/ada", "deposit", &["tags=[1,null]"],  r#"POST /api/Wallet/ada/deposit {"tags":[1,null]}"#);
    check("Wallet/ada", "deposit", &["tags=plain"],     r#"POST /api/Wallet/ada/deposit {"tags":"plain"}"#);
    check("Wallet/ada", "deposit", &["other=5"],        r#"POST /api/Wallet/ada/deposit {"other":"5"}"#);
    check("Wallet/a/b é", "balance", &[],               "GET /api/Wallet/a%2Fb%20%C3%A9/balance");
    check("Wallet/ada", "balance", &["at=a&b", "x=1"],  "GET /api/Wallet/ada/balance?at=a%26b&x=1");
    check("Payments", "charge", &[],                    "POST /api/Payments/-/charge {}");
    check("Payments/-", "rates", &[],                   "GET /api/Payments/-/rates");
    // What is not offered is asked by GET, so that the application says so and does nothing.
    check("Walet/ada", "deposit", &["cents=5"],         "GET /api/Walet/ada/deposit?cents=5");
    check("Wallet/ada", "depsit", &[],                  "GET /api/Wallet/ada/depsit");
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn knows_what_may_be_repeated() {
    let check = |target: &str, method: &str, writes: bool, repeats: bool| {
        let prepared = prepared(target, method, &[], false).expect("a request");
        assert_eq!((prepared.writes, prepared.repeats), (writes, repeats), "{target} {method}");
    };
    check("Wallet/ada", "deposit", true,  true); // Its id is on record.
    check("Wallet/ada", "balance", false, true);
    check("Payments",   "charge",  true,  false);
    check("Payments",   "refund",  true,  true);
    check("Payments",   "rates",   false, true);
}

#[test]
fn an_id_is_for_what_writes() {
    let request = prepared("Wallet/ada", "deposit", &[], true).expect("a request").request;
    let id = "nigh1.0000000000000000000000000000000a.1.5".to_owned();
    assert_eq!(request.headers, [("Idempotency-Key", id)]);
    assert!(prepared("Wallet/ada", "balance", &[], true).expect_err("refused").contains("--id"));
    assert!(
        prepared("Wallet/ada", "deposit", &["a=1", "a=2"], false).expect_err("refused").contains("twice")
    );
}

#[test]
fn a_dot_is_a_key() {
    assert_eq!(encoded(".."), "%2E%2E");
    assert_eq!(encoded("a.b"), "a.b");
}
