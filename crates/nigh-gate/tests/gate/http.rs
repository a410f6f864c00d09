//! The door over real loopback sockets: what is asked rightly, what is asked wrongly, and what happens once.

use std::sync::Arc;

use crate::client::{Answer, Client};
use crate::standin::{COUNT_MAX, Counters};
use nigh::Door;
use nigh_wire::{Doubt, Ticket};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const JSON: &str = "Content-Type: application/json";
const PAGE: &str = "<!doctype html><script>let a = 1;</script>";

/// A door that is open, and what stands behind it.
struct Open {
    counters: Arc<Counters>,
    port: u16,
    stop: watch::Sender<bool>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Open {
    async fn new() -> Self {
        let counters = Counters::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        let (stop, stopped) = watch::channel(false);
        let door = nigh_gate::http().page("/", PAGE).host("shop.example");
        let served = tokio::spawn(Box::new(door).open(counters.nigh(), listener, stopped));
        Open { counters, port, stop, served }
    }
    async fn ask(&self, verb_and_path: &str, headers: &[&str], body: &[u8]) -> Answer {
        Client::connect(self.port).await.ask(verb_and_path, headers, body).await
    }
    async fn check(&self, verb_and_path: &str, headers: &[&str], body: &str, expect: &str) -> Answer {
        let answer = self.ask(verb_and_path, headers, body.as_bytes()).await;
        assert_eq!(answer.short(), expect, "{verb_and_path} {headers:?} {body}: {answer:?}");
        answer
    }
}

#[tokio::test]
#[rustfmt::skip] // Rows are read as columns.
async fn answers_what_is_asked_rightly() {
    let door = Open::new().await;
    let c = |a, b, d| door.check(a, &[JSON], b, d);
    c("POST /api/Counter/ada/add",   r#"{"by": 5}"#,     r#"200 "5""#).await;
    c("POST /api/Counter/ada/add",   r#"{"by": "5"}"#,   r#"200 "10""#).await;
    c("GET /api/Counter/ada/value",  "",                 r#"200 "10""#).await;
    c("POST /api/Counter/ada/add",   r#"{"by": 1000}"#,  "422 failed failed").await;
    c("GET /api/Counter/a%2Fb%20%C3%A9/value", "",       r#"200 "0""#).await;
    c("POST /api/Counter//add",      r#"{"by": 1}"#,     r#"200 "1""#).await;
    c("POST /api/Counter/-/add",     r#"{"by": 2}"#,     r#"200 "2""#).await;
    c("POST /api/Counter/ada/reset", "{}",               "200 null").await;
    door.check("POST /api/Counter/ada/reset", &[], "",   "200 null").await;
    c("GET /api/Counter/-/over?limit=1&strictly=true",  "", "200 true").await;
    c("GET /api/Counter/-/over?strictly=true&limit=2",  "", "200 false").await;
    c("POST /api/Mailer/-/send",     r#"{"to": "ada"}"#, r#"200 "sent""#).await;
    c("GET /api/-/health",           "",                 r#"200 {"status":"serving"}"#).await;
    c("GET /api/Counter?limit=1",        "",             r#"200 {"keys":[""],"next":""}"#).await;
    c("GET /api/Counter?limit=1&after=", "",             r#"200 {"keys":["-"],"next":"-"}"#).await;
    c("GET /api/Counter?after=-",        "",             r#"200 {"keys":[],"next":null}"#).await;
    c("POST /api/Counter/ada/busy",  "{}",               "429 overloaded overloaded").await;
    c("POST /api/Counter/ada/panic", "{}",               "503 panicked not_done").await;
    let add = door.ask("POST /api/Counter/eve/add", &[JSON, "Origin: http://localhost"], br#"{"by": 7}"#).await;
    assert_eq!((add.status, add.header("content-type")), (200, Some("application/json")));
    let version = add.header("etag").expect("a version");
    assert!(version.starts_with("\"3.") && version.ends_with('"'), "{version}");
    let failed = door.ask("POST /api/Counter/eve/add", &[JSON], br#"{"by": 1000}"#).await;
    assert_eq!(failed.json()["error"], json!({"have": "7"}));
    let busy = door.ask("POST /api/Counter/eve/busy", &[JSON], b"{}").await;
    assert_eq!(busy.header("retry-after"), Some("2"), "1.5 s, rounded up");
}

#[tokio::test]
async fn lists_what_there_is() {
    let door = Open::new().await;
    let answer = door.ask("GET /api", &[], b"").await;
    let offer = answer.json();
    let counter = &offer["contracts"][0];
    assert_eq!(
        (&counter["name"], &counter["kind"], &counter["key"]),
        (&json!("Counter"), &json!("entity"), &json!("text"))
    );
    let add = &counter["methods"][0];
    assert_eq!(add["ask"], "POST /api/Counter/<key>/add");
    assert_eq!(add["arguments"][0]["shape"], "u64");
    assert_eq!(add["fails"], "{have: u64}");
    assert_eq!(offer["contracts"][1]["methods"][0]["ask"], "POST /api/Mailer/-/send");
    let head = Client::connect(door.port).await.ask("HEAD /api", &[], b"").await;
    assert_eq!(head.header("content-length"), answer.header("content-length"));
}

/// Every mistake is answered with what to send instead, is not done, and the door goes on.
#[tokio::test]
#[rustfmt::skip] // Rows are read as columns.
async fn answers_mistakes_with_what_to_send() {
    let door = Open::new().await;
    let add = "POST /api/Counter/ada/add";
    let c = async |at: &str, body: &str, expect: &str, says: &str| {
        let answer = door.check(at, &[JSON], body, &format!("{expect} not_done")).await;
        let detail = answer.json()["detail"].to_string();
        assert!(detail.contains(says), "{at} {body}: {detail}");
        answer
    };
    c(add, r#"{"bye": 1}"#,                "400 arguments", "`by`").await;
    c(add, r#"{"by": true}"#,              "400 arguments", "by").await;
    c(add, r#"{"by": -1}"#,                "400 arguments", "by").await;
    c(add, "{}",                           "400 arguments", "by").await;
    c(add, r#"{"by": 1, "to": 2}"#,        "400 arguments", "to").await;
    c(add, "[1]",                          "400 arguments", "u64").await;
    c(add, "",                             "400 arguments", r#"\"by\": u64"#).await;
    c(add, r#"{"by": 1"#,                  "400 malformed", "Send").await;
    c(add, r#"{"by": 1, "by": 2}"#,        "400 malformed", "twice").await;
    c(add, r#"{"by": 1, "\u0062y": 2}"#,   "400 malformed", "twice").await;
    c(add, &"[".repeat(20_000),            "400 malformed", "Send").await;
    let deep = format!("{{\"all\": {}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    c("POST /api/Counter/ada/names", &deep, "400 malformed", "Send").await;
    c("POST /api/Conter/ada/add",    "{}", "404 unknown",   "`Counter`").await;
    c("POST /api/Counter/ada/ad",    "{}", "404 unknown",   "`add`").await;
    c("GET /api/Counter/ada",        "",   "404 unknown",   "/api/Counter/<key>/<method>").await;
    c("GET /api/Counter/a/b/value",  "",   "404 unknown",   "%2F").await;
    c("POST /api/Mailer/ada/send",   "{}", "404 unknown",   "/api/Mailer/-/").await;
    c("GET /api/Mailer",             "",   "404 unknown",   "service").await;
    c("GET /api/-/nothing",          "",   "404 unknown",   "settle").await;
    c("GET /nothing",                "",   "404 unknown",   "GET /api").await;
    c("GET /api/Counter/%FF/value",  "",   "400 malformed", "UTF-8").await;
    c("GET /api/Counter/ada/over?limit=1", "",            "400 arguments", "strictly").await;
    c("GET /api/Counter/ada/over?limit=x&strictly=true", "", "400 arguments", "limit").await;
    c("GET /api/Counter/ada/over?limit=1&strictly=true&limit=2", "", "400 arguments", "twice").await;
    c("GET /api/Counter/ada/value?x=1", "", "400 arguments", "no arguments").await;
    c("POST /api/Counter/ada/add?by=1", r#"{"by": 1}"#, "400 arguments", "body").await;
    c("GET /api/Counter?limit=0",    "",   "400 arguments", "1000").await;
    c("GET /api/Counter?limit=1001", "",   "400 arguments", "1000").await;
    c("GET /api/Counter?from=a",     "",   "400 arguments", "after").await;
    c("POST /api/-/backup",          "{}", "400 arguments", "name").await;
    c("POST /api/-/backup", r#"{"name": "a"}"#, "404 unknown", "--backups").await;
    c("GET /api/-/backup",           "",   "405 verb",      "POST").await;
    c("POST /api/-/settle",          "{}", "400 arguments", "nighT1").await;
    c("POST /api/-/settle", r#"{"ticket": "nighT1.x"}"#,  "400 arguments", "unchanged").await;
    let key = "k".repeat(1_100);
    c(&format!("GET /api/Counter/{key}/value"), "", "413 too-large", "1024").await;
    let wrong = c("POST /api/Counter/ada/value", "{}", "405 verb", "GET").await;
    assert_eq!(wrong.header("allow"), Some("GET, HEAD"));
    let wrong = c("GET /api/Counter/ada/add", "", "405 verb", "POST").await;
    assert_eq!(wrong.header("allow"), Some("POST"));
    for verb in ["PUT", "DELETE", "OPTIONS", "PATCH"] {
        c(&format!("{verb} /api"), "", "405 verb", "GET").await;
    }
    c("POST /", "{}", "405 verb", "GET").await;
    assert_eq!(door.counters.count("ada"), 0);
}

#[tokio::test]
#[rustfmt::skip] // Rows are read as columns.
async fn refuses_what_headers_say() {
    let door = Open::new().await;
    let add = "POST /api/Counter/ada/add";
    let c = async |headers: &[&str], expect: &str| {
        let answer = door.check(add, headers, r#"{"by": 1}"#, &format!("{expect} not_done")).await;
        assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("access-control")), "{answer:?}");
    };
    c(&[JSON, "Host: evil.example"],                 "421 foreign-host").await;
    c(&[JSON, "Origin: http://evil.example"],        "403 foreign-origin").await;
    c(&[JSON, "Origin: null"],                       "403 foreign-origin").await;
    c(&["Content-Type: application/x-www-form-urlencoded"], "415 media-type").await;
    c(&["Content-Type: text/plain"],                 "415 media-type").await;
    c(&["Content-Type: application/jsonx"],          "415 media-type").await;
    c(&[],                                           "415 media-type").await;
    c(&[JSON, "Idempotency-Key: nigh1.0.0.0"],       "400 header").await;
    c(&[JSON, "Idempotency-Key: é"],                 "400 header").await;
    c(&[JSON, "Idempotency-Key: a", "Idempotency-Key: b"], "400 header").await;
    c(&[JSON, "Nigh-Within: soon"],                  "400 header").await;
    c(&[JSON, &format!("X-Large: {}", "x".repeat(17_000))], "431 headers-too-large").await;
    assert_eq!(door.counters.count("ada"), 0);
    door.check(add, &["Content-Type: Application/JSON; charset=utf-8", "Host: shop.example:1"], r#"{"by": 1}"#, r#"200 "1""#).await;
    door.check("GET /api", &["Host: evil.example"], "", "421 foreign-host not_done").await;
    door.check("GET /", &["Host: evil.example"], "", "421 foreign-host not_done").await;
}

#[tokio::test]
async fn refuses_bodies_that_are_too_large_or_broken() {
    let door = Open::new().await;
    let add = "POST /api/Counter/ada/add";
    let large = vec![b' '; 2 << 20];
    let answer = door.ask(add, &[JSON], &large).await;
    assert_eq!(answer.short(), "413 too-large not_done");
    // The limit itself is taken, one byte more is not.
    let mut body = vec![b' '; 1 << 20];
    body[..9].copy_from_slice(br#"{"by": 1}"#);
    assert_eq!(door.ask(add, &[JSON], &body).await.short(), r#"200 "1""#);
    body.push(b' ');
    assert_eq!(door.ask(add, &[JSON], &body).await.short(), "413 too-large not_done");
    // In pieces of unknown number.
    let mut client = Client::connect(door.port).await;
    client
        .send(
            format!("{add} HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\nTransfer-Encoding: chunked\r\n\r\n")
                .as_bytes(),
        )
        .await;
    for _ in 0..2 {
        client.send(format!("{:x}\r\n{}\r\n", 600_000, " ".repeat(600_000)).as_bytes()).await;
    }
    client.send(b"0\r\n\r\n").await;
    assert_eq!(client.answer(false).await.expect("an answer").short(), "413 too-large not_done");
    // A sender that waits to be asked is refused before it has sent anything.
    let mut client = Client::connect(door.port).await;
    let head = format!(
        "{add} HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\nContent-Length: 2097152\r\nExpect: 100-continue\r\n\r\n"
    );
    client.send(head.as_bytes()).await;
    assert_eq!(client.answer(false).await.expect("an answer").short(), "413 too-large not_done");
    let broken = b"{\"by\": \"\xff\xfe\"}";
    assert_eq!(door.ask(add, &[JSON], broken).await.short(), "400 malformed not_done");
    assert_eq!(door.counters.count("ada"), 1);
}

/// R3, over HTTP: one key, one effect, one answer, an error too; other arguments are refused.
#[tokio::test]
async fn one_key_takes_effect_once() {
    let door = Open::new().await;
    for key in ["Idempotency-Key: order-7", "Idempotency-Key: nigh1.000000000000000000000000000000ff.1.9"] {
        let before = door.counters.count("ada");
        let add = "POST /api/Counter/ada/add";
        for _ in 0..3 {
            door.check(add, &[JSON, key], r#"{"by": 5}"#, &format!("200 \"{}\"", before + 5)).await;
        }
        door.check(add, &[JSON, key], r#"{"by": 6}"#, "422 misuse not_done").await;
        assert_eq!(door.counters.count("ada"), before + 5);
    }
    let key = "Idempotency-Key: too-much";
    let first = door.ask("POST /api/Counter/eve/add", &[JSON, key], br#"{"by": 1001}"#).await;
    door.check("POST /api/Counter/eve/add", &[JSON], r#"{"by": 1}"#, r#"200 "1""#).await;
    let again = door.ask("POST /api/Counter/eve/add", &[JSON, key], br#"{"by": 1001}"#).await;
    assert_eq!((first.short().as_str(), &first.text), ("422 failed failed", &again.text), "{COUNT_MAX}");
    // Another method, another key of the entity: another call.
    door.check(
        "POST /api/Counter/bob/add",
        &[JSON, "Idempotency-Key: order-7"],
        r#"{"by": 3}"#,
        r#"200 "3""#,
    )
    .await;
    let old = "Idempotency-Key: nigh1.000000000000000000000000000000ff.1.1";
    door.check("POST /api/Counter/bob/add", &[JSON, old], r#"{"by": 3}"#, "410 forgotten forgotten").await;
}

#[tokio::test]
async fn a_call_under_way_is_waited_for() {
    let door = Open::new().await;
    let pause = "POST /api/Counter/ada/pause";
    let headers = [JSON, "Idempotency-Key: slow"];
    let first = async { door.ask(pause, &headers, br#"{"by": 5}"#).await };
    let others = async {
        door.counters.begun(1).await;
        let impatient = [JSON, "Idempotency-Key: slow", "Nigh-Within: 50ms"];
        let answer = door.check(pause, &impatient, r#"{"by": 5}"#, "409 under-way in_doubt").await;
        assert_eq!(answer.header("retry-after"), Some("1"));
        // Another key is not held up.
        door.check(
            "POST /api/Counter/eve/add",
            &[JSON, "Idempotency-Key: other"],
            r#"{"by": 1}"#,
            r#"200 "1""#,
        )
        .await;
        let waiting = async { door.ask(pause, &headers, br#"{"by": 5}"#).await };
        let (waited, ()) = tokio::join!(waiting, async { door.counters.go() });
        assert_eq!(waited.short(), r#"200 "5""#);
    };
    let (first, ()) = tokio::join!(first, others);
    assert_eq!(first.short(), r#"200 "5""#);
    assert_eq!(door.counters.count("ada"), 5);
}

#[tokio::test]
async fn a_doubt_is_settled_by_its_ticket() {
    let door = Open::new().await;
    let pause = "POST /api/Counter/ada/pause";
    let headers = [JSON, "Idempotency-Key: slow", "Nigh-Within: 50ms"];
    let doubt = door.check(pause, &headers, r#"{"by": 5}"#, "504 in-doubt in_doubt").await;
    let ticket = doubt.json()["ticket"].as_str().expect("a ticket").to_owned();
    let body = json!({"ticket": ticket}).to_string();
    let settled = door.ask("POST /api/-/settle", &[JSON], body.as_bytes()).await;
    assert_eq!((settled.status, &settled.json()["settled"]), (200, &json!("not_done")));
    // It is dead for good, also when what was waiting is let.
    door.counters.go();
    door.check(pause, &headers, r#"{"by": 5}"#, "409 fenced not_done").await;
    assert_eq!(door.counters.count("ada"), 0);

    door.check(pause, &[JSON, "Idempotency-Key: done"], r#"{"by": 6}"#, r#"200 "6""#).await;
    let ticket: Ticket = ticket.parse().expect("a ticket");
    let mut done: Doubt = (*ticket).clone();
    done.keyed.as_mut().expect("keyed").key = "done".into();
    let body = json!({"ticket": Ticket::from(done.clone()).to_string()}).to_string();
    let settled = door.ask("POST /api/-/settle", &[JSON], body.as_bytes()).await;
    assert_eq!(settled.json(), json!({"settled": "done", "value": "6"}));
    done.method = "add".into();
    let body = json!({"ticket": Ticket::from(done).to_string()}).to_string();
    door.check("POST /api/-/settle", &[JSON], &body, "422 ticket-unfit in_doubt").await;
}

#[tokio::test]
async fn pages_run_their_own_scripts_only() {
    let door = Open::new().await;
    let page = door.ask("GET /", &[], b"").await;
    assert_eq!((page.status, page.text.as_str()), (200, PAGE));
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(
        policy.contains("default-src 'none'") && policy.contains("script-src 'self' 'sha256-"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn stopping_finishes_what_is_open() {
    let door = Open::new().await;
    let mut idle = Client::connect(door.port).await;
    assert_eq!(idle.ask("GET /api/Counter/ada/value", &[], b"").await.short(), r#"200 "0""#);
    let mut fresh = Client::connect(door.port).await;
    let open = async { door.ask("POST /api/Counter/ada/pause", &[JSON], br#"{"by": 5}"#).await };
    let stop = async {
        door.counters.begun(1).await;
        door.stop.send_replace(true);
        assert!(idle.answer(false).await.is_none(), "an idle connection is closed");
        assert!(fresh.answer(false).await.is_none(), "one that never asked is closed");
        door.counters.go();
    };
    let (answer, ()) = tokio::join!(open, stop);
    assert_eq!(answer.short(), r#"200 "5""#);
    door.served.await.expect("no panic").expect("no error");
}

#[tokio::test]
async fn listens_on_loopback_only() {
    let listener = TcpListener::bind("0.0.0.0:0").await.expect("a port is free");
    let (_stop, stopped) = watch::channel(false);
    let error = Box::new(nigh_gate::http())
        .open(Counters::new().nigh(), listener, stopped)
        .await
        .expect_err("refused");
    assert!(error.to_string().contains("loopback"), "{error}");
}
