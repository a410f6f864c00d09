//! What a browser gets, and what it may do: the page, its policy, its buttons, and what a press sends.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use nigh::{Config, Node};
use serde_json::{Value, json};
use shop::payments::{Card, FakeProvider};
use xtask::torture::http::{Answer, Client};

/// Above the 10 s that a call may take.
const ANSWER_MAX: Duration = Duration::from_secs(15);

async fn started(provider: FakeProvider) -> (Node, SocketAddr) {
    let anywhere = Some("127.0.0.1:0".parse().expect("an address"));
    let node = shop::app(provider).start(Config { listen: anywhere, ..Config::memory() }).await;
    let node = node.expect("opens a door");
    let door = node.listen().expect("the door is open");
    (node, door)
}

/// Asks from a thread of its own, since the client blocks.
async fn asked<T: Send + 'static>(
    door: SocketAddr,
    ask: impl FnOnce(&mut Client) -> T + Send + 'static,
) -> T {
    tokio::task::spawn_blocking(move || ask(&mut Client::new(door, ANSWER_MAX)))
        .await
        .expect("the client ends")
}

/// Nothing of the page comes from elsewhere, and nothing runs in it that is not its own file.
#[tokio::test]
async fn the_page_is_served_under_a_strict_policy() {
    let (node, door) = started(FakeProvider::new()).await;
    let rows = [("/", "text/html"), ("/shop.css", "text/css"), ("/shop.js", "text/javascript")];
    for (path, media_type) in rows {
        let answer: Answer = asked(door, move |client| client.get(path)).await.expect("an answer");
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("content-type").is_some_and(|t| t.starts_with(media_type)), "{path}");
        let policy = answer.header("content-security-policy").expect("a policy").to_owned();
        assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(!answer.text().contains("://"), "{path} names another place");
    }
    let page: Answer = asked(door, |client| client.get("/")).await.expect("an answer");
    for forbidden in [" style=", " onclick=", "<style", "<script>"] {
        assert!(!page.text().contains(forbidden), "the policy stops `{forbidden}`");
    }
    node.stop().await.expect("stops");
}

/// A form for each method that writes, with an input for each argument, and words for each answer.
#[tokio::test]
async fn buttons_are_the_methods_there_are() {
    let (node, door) = started(FakeProvider::new()).await;
    let offer = asked(door, |client| client.get("/api")).await.expect("an answer").json();
    let mut methods: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for contract in offer["contracts"].as_array().expect("contracts") {
        for method in contract["methods"].as_array().expect("methods") {
            assert!(method["docs"] != "", "{} says what it does", method["name"]);
            if method["class"] != "read" {
                let name = |of: &Value| of["name"].as_str().expect("a name").to_owned();
                let arguments = method["arguments"].as_array().expect("arguments").iter().map(name);
                methods.insert(format!("{}.{}", name(contract), name(method)), arguments.collect());
            }
        }
    }
    let page = include_str!("../../src/page/page.html");
    let forms = page.split("<form data-call=\"").skip(1).map(|form| {
        let (call, rest) = form.split_once('"').expect("a name ends");
        let (inside, _) = rest.split_once("</form>").expect("a form ends");
        let named = inside.split(" name=\"").skip(1).filter_map(|input| input.split('"').next());
        (call.to_owned(), named.map(str::to_owned).collect())
    });
    assert_eq!(forms.collect::<BTreeMap<String, BTreeSet<String>>>(), methods);
    for call in methods.keys() {
        let script = include_str!("../../src/page/shop.js");
        assert!(script.contains(&format!("\"{call}\": {{")), "the page has no words for {call}");
    }
    node.stop().await.expect("stops");
}

/// What a press sends, twice: one effect, and the same answer.
#[tokio::test]
async fn a_press_sent_again_counts_once() {
    let provider = FakeProvider::new();
    let (node, door) = started(provider.clone()).await;
    #[rustfmt::skip] // Rows are read as columns.
    let rows = [
        ("Wallet/ada/deposit",  "a", json!({"cents": 500}),               200, json!(500)),
        ("Wallet/ada/hold",     "b", json!({"id": "h", "cents": 200}),    200, json!(300)),
        ("Wallet/ada/hold",     "c", json!({"id": "i", "cents": 301}),    422, json!({"free": 300})),
        ("Wallet/ada/capture",  "d", json!({"id": "h"}),                  200, json!(200)),
        ("Wallet/ada/capture",  "e", json!({"id": "h"}),                  422, json!({"id": "h"})),
        ("Wallet/ada/release",  "f", json!({"id": "h"}),                  200, json!(null)),
        ("Stock/tea/restock",   "g", json!({"n": 3}),                     200, json!(3)),
        ("Stock/tea/lease",     "h", json!({"n": 2}),                     200, json!(1)),
        ("Stock/tea/lease",     "i", json!({"n": 2}),                     422, json!({"free": 1})),
        ("Stock/tea/take",      "j", json!({"lease": 1}),                 200, json!(2)),
        ("Stock/tea/take",      "k", json!({"lease": 1}),                 422, json!({"lease": 1})),
        ("Stock/tea/give_back", "l", json!({"lease": 1}),                 200, json!(null)),
        // A service keeps no records: its key is the call's own id, as the page makes it.
        ("Payments/-/charge", "nigh1.0123456789abcdef0123456789abcdef.1.1700000000000000000",
                                     json!({"card": Card::GOOD, "cents": 7}), 200,
                                     json!({"id": "ch-1", "cents": 7, "card_ends": "4242"})),
        ("Payments/-/charge", "nigh1.0123456789abcdef0123456789abcdef.2.1700000000000000000",
                                     json!({"card": Card::DECLINED, "cents": 7}), 422, json!("ByBank")),
    ];
    for (path, key, body, status, expected) in rows {
        for again in [false, true] {
            let body = body.clone();
            let post = move |client: &mut Client| {
                client.post(&format!("/api/{path}"), &[("idempotency-key", key)], &body)
            };
            let answer: Answer = asked(door, post).await.expect("an answer");
            let told = if status == 200 { answer.json() } else { answer.json()["error"].clone() };
            assert_eq!((answer.status, told), (status, expected.clone()), "{path} {key}, again: {again}");
        }
    }
    assert_eq!(provider.charges(), 1);
    node.stop().await.expect("stops");
}

/// What does not fit is told with the place, before anything runs.
#[tokio::test]
async fn amounts_and_names_are_checked_at_the_door() {
    let (node, door) = started(FakeProvider::new()).await;
    let long = "x".repeat(65);
    #[rustfmt::skip] // Rows are read as columns.
    let rows = [
        ("Wallet/ada/deposit".to_owned(),  json!({"cents": 9_007_199_254_740_992_u64}), "cents"),
        ("Wallet/ada/deposit".to_owned(),  json!({"cents": -1}),                        "cents"),
        ("Wallet/ada/deposit".to_owned(),  json!({"cents": "5"}),                       "cents"),
        ("Wallet/ada/hold".to_owned(),     json!({"id": long, "cents": 1}),             "id"),
        (format!("Wallet/{long}/deposit"), json!({"cents": 1}),                         "key"),
        ("Stock/tea/restock".to_owned(),   json!({"n": 4_294_967_296_u64}),             "n"),
        ("Payments/-/charge".to_owned(),   json!({"card": "12", "cents": 1}),           "charge"),
    ];
    for (path, body, place) in rows {
        let (asked_for, sent) = (format!("/api/{path}"), body.clone());
        let answer: Answer =
            asked(door, move |client| client.post(&asked_for, &[], &sent)).await.expect("an answer");
        let problem = answer.json();
        assert_eq!(
            (answer.status, &problem["outcome"]),
            (400, &json!("not_done")),
            "{path} {body}: {problem}"
        );
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(place), "{path} {body}: `{detail}` does not name {place}");
    }
    let balance = asked(door, |client| client.get("/api/Wallet/ada/balance")).await.expect("an answer");
    assert_eq!(balance.json(), json!({"free": 0, "held": 0}));
    node.stop().await.expect("stops");
}
