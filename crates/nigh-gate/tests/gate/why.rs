//! Where a call is and how many there were, asked of real nodes through their doors.

#![allow(unreachable_pub, reason = "the methods of an entity are public, and this is a test")]

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use nigh::CallId;
use nigh::prelude::*;
use nigh_wire::CallerId;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::client::{Answer, Client};

/// What a method waits for that is to be found under way.
type Go = (Mutex<bool>, Condvar);
static GO: Go = (Mutex::new(false), Condvar::new());

#[derive(Default, State)]
struct Account {
    cents: u64,
}

/// Money.
#[nigh::entity(key = String)]
impl Account {
    /// More.
    pub fn add(&mut self, n: u64) -> u64 {
        self.cents += n;
        self.cents
    }
    /// Less, if there is enough.
    pub fn take(&mut self, n: u64) -> Result<u64, u64> {
        self.cents = self.cents.checked_sub(n).ok_or(self.cents)?;
        Ok(self.cents)
    }
    /// Comes back when it is let.
    pub fn pause(&mut self) {
        let (go, bell) = &GO;
        drop(bell.wait_while(go.lock().expect("no panic"), |go| !*go).expect("no panic"));
    }
    /// How much.
    pub fn cents(&self) -> u64 {
        self.cents
    }
}

/// Answers with what it is asked.
#[nigh::service]
trait Echo {
    /// The same.
    async fn say(&self, n: u64) -> u64;
}
struct Same;
impl Echo for Same {
    async fn say(&self, n: u64) -> u64 {
        n
    }
}

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().expect("an address")
}

struct Open {
    node: Node,
    port: u16,
}

impl Open {
    async fn new(config: Config) -> Self {
        let place =
            "[role.state]\nentities = [\"Account\"]\nservices = [\"Echo\"]\n[role.web]\ndoors = [\"http\"]\n";
        let app = App::new("why").entity::<Account>().service::<dyn Echo>(Same).door(nigh_gate::http());
        let config = Config { listen: Some(loopback()), ..config };
        let node = app.place(place).start(config).await.expect("it opens");
        let port = node.listen().expect("it has a door").port();
        Open { node, port }
    }
    async fn all() -> Self {
        Open::new(Config::memory()).await
    }

    async fn get(&self, path: &str) -> Answer {
        Client::connect(self.port).await.ask(&format!("GET {path}"), &[], b"").await
    }

    /// Asks a writing method under this id.
    async fn call(&self, id: CallId, path: &str, args: &Value) -> Answer {
        let key = format!("Idempotency-Key: {id}");
        let headers = [key.as_str(), "Content-Type: application/json"];
        let body = args.to_string();
        let mut client = Client::connect(self.port).await;
        client.ask(&format!("POST /api/Account/{path}"), &headers, body.as_bytes()).await
    }

    /// State at the caller, and at the owner.
    async fn why(&self, id: impl ToString) -> (Value, Value) {
        let answer = self.get(&format!("/api/-/why/{}", id.to_string())).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let value = answer.json();
        (value["caller"].clone(), value["owner"].clone())
    }
    async fn check(&self, id: impl ToString, caller: &str, owner: &str) {
        let (at_caller, at_owner) = self.why(id).await;
        assert_eq!((&at_caller["state"], &at_owner["state"]), (&json!(caller), &json!(owner)), "{at_owner}");
    }

    /// An id that somebody outside made just now.
    fn id(&self, caller: u128) -> CallId {
        let mut pending = self.node.handle().call(Account::at("clock").add(1));
        let birth = pending.ticket().expect("a call has one").id.birth;
        CallId { caller: CallerId(caller), number: 1, birth }
    }

    /// The line of a method on one side of the ledger.
    async fn line(&self, side: &str, of: &str, method: &str) -> Value {
        let ledger = self.get("/api/-/ledger").await.json();
        assert_eq!(ledger["balanced"], json!(true), "{ledger}");
        let lines = ledger[side].as_array().expect("lines").clone();
        lines.into_iter().find(|line| line["of"] == of && line["method"] == method).unwrap_or_default()
    }
}

#[tokio::test]
async fn what_ended_is_found() {
    let door = Open::all().await;
    let [done, failed, dead] = [1, 2, 3].map(|caller| door.id(caller));
    assert_eq!(door.call(done, "ada/add", &json!({"n": 5})).await.short(), "200 \"5\"");
    assert_eq!(door.call(failed, "ada/take", &json!({"n": 9})).await.short(), "422 failed failed");
    door.check(done, "unknown", "done").await;
    door.check(failed, "unknown", "failed").await;
    let (_, owner) = door.why(done).await;
    assert!(owner["shard"].is_u64() && owner["position"].is_u64(), "{owner}");
    // Another birth is another call.
    let other = CallId { birth: nigh::Time::from_nanos(done.birth.as_nanos() - 1), ..done };
    door.check(other, "unknown", "misuse").await;

    // A ticket says which shard; settling is what decides, and then it is found.
    let mut pending = door.node.handle().call(Account::at("ada").add(7));
    let ticket = pending.ticket().expect("a call has one");
    door.check(&ticket, "reserved", "nothing").await;
    drop(pending);
    door.check(&ticket, "ended", "nothing").await;
    door.node.handle().settle::<u64, nigh::Never>(&ticket).await.expect("settled");
    door.check(&ticket, "ended", "not_done").await;
    door.check(ticket.id, "ended", "not_done").await;

    // It only looks: what was asked about may still run.
    door.check(dead, "unknown", "nothing").await;
    door.check(dead, "unknown", "nothing").await;
    assert_eq!(door.call(dead, "ada/add", &json!({"n": 1})).await.short(), "200 \"6\"");
    door.check(dead, "unknown", "done").await;
}

/// A start takes little of what is remembered into memory, and looking takes nothing.
#[tokio::test]
async fn what_is_on_disk_alone_is_found() {
    let dir = std::env::temp_dir().join(format!("nigh-why-{}", std::process::id()));
    // It need not be there.
    let _ = std::fs::remove_dir_all(&dir);
    let door = Open::new(Config::dir(&dir)).await;
    let [done, never] = [1, 2].map(|caller| door.id(caller));
    assert_eq!(door.call(done, "ada/add", &json!({"n": 5})).await.short(), "200 \"5\"");
    door.node.stop().await.expect("it stops");
    let door = Open::new(Config::dir(&dir)).await;
    let before = door.node.remembered();
    door.check(done, "unknown", "done").await;
    door.check(never, "unknown", "nothing").await;
    assert_eq!(door.node.remembered(), before, "looking took rows into memory");
    // The ledger begins anew; the record is told again.
    assert_eq!(door.call(done, "ada/add", &json!({"n": 5})).await.short(), "200 \"5\"");
    let line = door.line("callee", "Account", "add").await;
    assert_eq!((&line["arrived"], &line["repeated"], &line["done"]), (&json!(1), &json!(1), &json!(0)));
    door.node.stop().await.expect("it stops");
    std::fs::remove_dir_all(&dir).expect("it was made here");
}

#[tokio::test]
async fn what_is_no_longer_known_is_said_so() {
    let door = Open::all().await;
    let nigh = door.node.handle();
    let mut first = nigh.call(Account::at("ada").add(1));
    let ticket = first.ticket().expect("a call has one");
    first.await.expect("done");
    door.check(&ticket, "ended", "done").await;
    // R14: the next call on its shard says that the answer is known.
    nigh.call(Account::at("ada").add(1)).await.expect("done");
    door.check(&ticket, "ended", "known").await;
    let (_, owner) = door.why(&ticket).await;
    assert_eq!(owner["shards"], owner["of"], "a ticket names its shard: {owner}");
    let (_, owner) = door.why(ticket.id).await;
    assert!(owner["state"] == "known" && owner["shards"] != owner["of"], "an id does not: {owner}");
    // R16.
    let day = Duration::from_secs(25 * 60 * 60);
    let old = CallId { caller: CallerId(9), number: 1, birth: ticket.id.birth.saturating_sub(day) };
    door.check(old, "unknown", "too_old").await;
    assert_eq!(door.call(old, "ada/add", &json!({"n": 1})).await.short(), "410 forgotten forgotten");
    let next = CallId { number: ticket.id.number + 1_000, ..ticket.id };
    door.check(next, "never_given", "nothing").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_open_is_found_where_it_waits() {
    let door = Arc::new(Open::all().await);
    let [runs, waits] = [1, 2].map(|caller| door.id(caller));
    let asked = |id: CallId, path: &'static str, args: Value| {
        let door = door.clone();
        tokio::spawn(async move { door.call(id, path, &args).await.short() })
    };
    let until = async |id: CallId, state: &str| {
        while door.why(id).await.1["state"] != state {
            tokio::task::yield_now().await;
        }
    };
    let first = asked(runs, "ada/pause", json!({}));
    until(runs, "runs").await;
    let second = asked(waits, "ada/add", json!({"n": 1}));
    until(waits, "waits").await;
    let (caller, owner) = door.why(runs).await;
    assert!(owner["age_ms"].is_u64(), "{owner}");
    for (name, expect) in [
        ("state", json!("open")),
        ("of", json!("Account")),
        ("method", json!("pause")),
        ("at", json!("this process")),
        ("waits_for", json!("answer")),
        ("copies", json!(1)),
    ] {
        assert_eq!(caller[name], expect, "{caller}");
    }
    assert!(caller["left_ms"].as_u64().is_some_and(|left| left <= 10_000), "{caller}");
    // Both sides have them open.
    let open = async |side: &str, method: &str| door.line(side, "Account", method).await["open"].clone();
    assert_eq!((open("caller", "pause").await, open("callee", "pause").await), (json!(1), json!(1)));
    assert_eq!((open("caller", "add").await, open("callee", "add").await), (json!(1), json!(1)));
    *GO.0.lock().expect("no panic") = true;
    GO.1.notify_all();
    assert_eq!(first.await.expect("no panic"), "200 null");
    assert_eq!(second.await.expect("no panic"), "200 \"1\"");
    door.check(runs, "unknown", "done").await;
    assert_eq!((open("caller", "pause").await, open("callee", "pause").await), (json!(0), json!(0)));
}

/// A process that owns nothing, whose peer is not there.
#[tokio::test]
async fn what_cannot_be_sent_waits_at_its_caller() {
    // Bound and never accepted from: nothing listens there once it is dropped.
    let nobody = TcpListener::bind(loopback()).await.expect("a port").local_addr().expect("bound");
    let config = Config { role: Some("web".into()), peer: Some(nobody), ..Config::memory() };
    let door = Open::new(config).await;
    let mut pending = door.node.handle().call(Account::at("ada").add(1));
    let ticket = pending.ticket().expect("a call has one");
    door.check(&ticket, "reserved", "elsewhere").await;
    let asked = tokio::spawn(pending.into_future());
    while door.why(&ticket).await.0["state"] != "open" {
        tokio::task::yield_now().await;
    }
    let (caller, owner) = door.why(ticket.id).await;
    let told = (&caller["waits_for"], &caller["copies"], &caller["at"], &owner["state"]);
    assert_eq!(told, (&json!("sending"), &json!(0), &json!("its peer"), &json!("elsewhere")), "{caller}");
    let line = door.line("caller", "Account", "add").await;
    assert_eq!((&line["asked"], &line["open"], &line["copies"]), (&json!(1), &json!(1), &json!(0)));
    asked.abort();
    assert!(asked.await.is_err_and(|ended| ended.is_cancelled()));
    door.check(&ticket, "ended", "elsewhere").await;
    assert_eq!(door.line("caller", "Account", "add").await["let_go"], json!(1));
}

#[tokio::test]
async fn what_names_no_call_is_refused_with_advice() {
    let door = Open::all().await;
    for text in ["7", "nigh1.7.1.1", "nighT1.x", "%2F", "nigh1.00000000000000000000000000000001.0.1"] {
        let answer = door.get(&format!("/api/-/why/{text}")).await;
        assert_eq!(answer.short(), "400 arguments not_done", "{text}");
        let detail = answer.json()["detail"].as_str().expect("a detail").to_owned();
        assert!(detail.contains("nigh1.…") && detail.contains("nighT1.…"), "{detail}");
    }
    assert_eq!(door.get("/api/-/why").await.short(), "404 unknown not_done");
    let id = door.id(1);
    let mut client = Client::connect(door.port).await;
    let posted = client.ask(&format!("POST /api/-/why/{id}"), &[], b"").await;
    assert_eq!((posted.short().as_str(), posted.header("allow")), ("405 verb not_done", Some("GET, HEAD")));
    let foreign = client.ask("GET /api/-/ledger", &["Host: evil.example"], b"").await;
    assert_eq!(foreign.short(), "421 foreign-host not_done");
    let foreign = client.ask(&format!("GET /api/-/why/{id}"), &["Origin: http://evil.example"], b"").await;
    assert_eq!(foreign.short(), "403 foreign-origin not_done");
}

#[tokio::test]
async fn the_ledger_counts_what_was_asked_and_nothing_else_is_in_it() {
    let door = Open::all().await;
    let nigh = door.node.handle();
    let id = door.id(1);
    for _ in 0..2 {
        door.call(id, "secret-key/add", &json!({"n": 424_242})).await;
    }
    nigh.call(Account::at("secret-key").take(999_999)).await.expect_err("there is less");
    assert_eq!(nigh.call(Account::at("secret-key").cents()).await, Ok(424_242));
    assert_eq!(nigh.call(EchoRef::any().say(424_242)).await, Ok(424_242));
    drop(door.get("/api/Account").await);
    let numbers = async |side: &str, of: &str, method: &str, names: &[&str]| -> Vec<u64> {
        let line = door.line(side, of, method).await;
        names.iter().map(|name| line[*name].as_u64().unwrap_or(u64::MAX)).collect()
    };
    let told = ["asked", "done", "failed", "open", "copies"];
    let came = ["arrived", "done", "failed", "repeated", "open"];
    assert_eq!(numbers("caller", "Account", "add", &told).await, [2, 2, 0, 0, 2]);
    assert_eq!(numbers("callee", "Account", "add", &came).await, [2, 1, 0, 1, 0]);
    assert_eq!(numbers("caller", "Account", "take", &told).await, [1, 0, 1, 0, 1]);
    assert_eq!(numbers("callee", "Account", "take", &came).await, [1, 0, 1, 0, 0]);
    for (of, method) in [("Account", "cents"), ("Echo", "say"), ("-", "list")] {
        assert_eq!(numbers("caller", of, method, &told).await, [1, 1, 0, 0, 1], "{of}.{method}");
        assert_eq!(numbers("callee", of, method, &came).await, [1, 1, 0, 0, 0], "{of}.{method}");
    }
    let text = door.get("/api/-/ledger").await.text;
    assert!(!text.contains("secret-key") && !text.contains("424242"), "{text}");
}
