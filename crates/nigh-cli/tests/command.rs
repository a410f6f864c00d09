//! The command itself against a stand-in: what it sends, again and again under one id, and how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the stand-in does with a request.
#[derive(Clone)]
enum Does {
    /// Answers with this status and text.
    Says(u16, &'static str),
    /// Reads it and hangs up: perhaps done.
    HangsUp,
    /// Reads it and says nothing.
    Waits,
}

const OFFER: &str = r#"{"contracts": [
    {"name": "Counter", "kind": "entity", "key": "text", "methods": [
        {"name": "add", "class": "once", "arguments": [{"name": "by", "shape": "u64", "json": "string"}], "returns": "u64", "fails": null},
        {"name": "value", "class": "read", "arguments": [], "returns": "u64", "fails": null}]},
    {"name": "Mailer", "kind": "service", "methods": [
        {"name": "send", "class": "once", "arguments": [], "returns": "text", "fails": null}]}
]}"#;

/// A server that offers [`OFFER`], and does with other requests what it is told, in order; the last one for ever.
struct Standin {
    url: String,
    /// First line, idempotency key and body of each request but `GET /api`.
    asked: Arc<Mutex<Vec<(String, String, String)>>>,
}

impl Standin {
    fn new(script: Vec<Does>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it listens"));
        let asked = Arc::new(Mutex::new(vec![]));
        let log = asked.clone();
        thread::spawn(move || {
            let mut waiting = vec![];
            let mut script = script.into_iter().peekable();
            while let Ok((mut socket, _)) = listener.accept() {
                let request = read(&socket);
                if request.0 == "GET /api HTTP/1.1" {
                    say(&mut socket, 200, OFFER);
                    continue;
                }
                log.lock().expect("no test panics inside").push(request);
                let does = script.next().expect("the last one stays");
                if script.peek().is_none() {
                    script = vec![does.clone()].into_iter().peekable();
                }
                match does {
                    Does::Says(status, text) => say(&mut socket, status, text),
                    Does::HangsUp => {}
                    Does::Waits => waiting.push(socket),
                }
            }
        });
        Standin { url, asked }
    }
    fn asked(&self) -> Vec<(String, String, String)> {
        self.asked.lock().expect("no test panics inside").clone()
    }
    /// Runs the command; `expect` is its exit code and part of what it says.
    fn check(&self, typed: &str, expect: (i32, &str)) -> Output {
        check(&format!("--url {} {typed}", self.url), expect)
    }
}

fn check(typed: &str, (code, says): (i32, &str)) -> Output {
    let ran = Command::new(env!("CARGO_BIN_EXE_nigh")).args(typed.split(' ')).output().expect("it runs");
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(ran.status.code(), Some(code), "{typed}: {said}");
    assert!(said.contains(says), "{typed}: {said}");
    ran
}

fn read(socket: &TcpStream) -> (String, String, String) {
    let mut lines = BufReader::new(socket);
    let (mut first, mut key, mut length) = (String::new(), String::new(), 0);
    lines.read_line(&mut first).expect("a request");
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).expect("a header");
        match line.trim_end().split_once(": ") {
            Some(("Idempotency-Key", value)) => key = value.to_owned(),
            Some(("Content-Length", value)) => length = value.parse().expect("a length"),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).expect("the body");
    (first.trim_end().to_owned(), key, String::from_utf8(body).expect("UTF-8"))
}

fn say(socket: &mut TcpStream, status: u16, text: &str) {
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", text.len());
    // The command may have gone.
    let _ = socket.write_all(format!("{head}{text}").as_bytes());
}

#[test]
fn calls_lists_and_settles() {
    let standin = Standin::new(vec![Does::Says(200, "\"5\"")]);
    let ran = standin.check("call Counter/a%b add by=5", (0, "5"));
    assert_eq!((ran.stdout.as_slice(), ran.stderr.as_slice()), (&b"5\n"[..], &b""[..]));
    let ran = standin.check("call Counter/ada value --json", (0, "5"));
    assert_eq!(ran.stdout, b"\"5\"\n");
    let asked = standin.asked();
    assert_eq!(asked[0].0, "POST /api/Counter/a%25b/add HTTP/1.1");
    assert_eq!(asked[0].2, r#"{"by":"5"}"#);
    assert!(asked[0].1.parse::<nigh_wire::CallId>().is_ok(), "{asked:?}");
    assert_eq!((asked[1].0.as_str(), asked[1].1.as_str()), ("GET /api/Counter/ada/value HTTP/1.1", ""));
    standin.check("list", (0, "add by=<u64> -> u64"));

    let standin = Standin::new(vec![Does::Says(200, r#"{"keys": ["ada"], "next": "ada"}"#)]);
    standin.check("list Counter --limit 1", (0, "nigh list Counter --after 'ada'"));
    assert_eq!(standin.asked()[0].0, "GET /api/Counter?limit=1 HTTP/1.1");
}

/// It asks once, by GET, and ends as the call did.
#[test]
fn says_where_a_call_is() {
    let id = "nigh1.00000000000000000000000000000007.3.1700000000000000000";
    let check = |owner: &'static str, expect| {
        let standin = Standin::new(vec![Does::Says(200, owner)]);
        standin.check(&format!("why {id}"), expect);
        assert_eq!(standin.asked()[0].0, format!("GET /api/-/why/{id} HTTP/1.1"));
    };
    check(
        r#"{"caller": {"state": "unknown"}, "owner": {"state": "done", "shard": 3, "position": 7}}"#,
        (0, "done: it ran"),
    );
    check(
        r#"{"caller": {"state": "unknown"}, "owner": {"state": "failed", "shard": 3, "position": 7}}"#,
        (1, "failed: it ran"),
    );
    check(
        r#"{"caller": {"state": "ended"}, "owner": {"state": "not_done", "cause": "settled"}}"#,
        (3, "never will be: settled"),
    );
    check(
        r#"{"caller": {"state": "unknown"}, "owner": {"state": "nothing"}}"#,
        (4, "only looked, and changed nothing"),
    );
    let unknown =
        r#"{"outcome": "not_done", "detail": "There is no such thing", "type": "urn:nigh:problem:unknown"}"#;
    let old = Standin::new(vec![Does::Says(404, unknown)]);
    old.check(&format!("why {id}"), (2, "There is no such thing"));
    for typed in ["7", "nigh1.7.3.1", "nighT1.x"] {
        check_typed(typed);
    }
    let ledger =
        r#"{"balanced": false, "unbalanced": ["asked of Wallet.hold: asked 2"], "caller": [], "callee": []}"#;
    let standin = Standin::new(vec![Does::Says(200, ledger)]);
    standin.check("ledger", (1, "asked of Wallet.hold: asked 2"));
    assert_eq!(standin.asked()[0].0, "GET /api/-/ledger HTTP/1.1");
}

/// Nothing is asked of anybody.
fn check_typed(name: &str) {
    let ran = check(
        &format!("--url http://127.0.0.1:1 why {name}"),
        (2, "a call is named by its id, nigh1.…, or its ticket, nighT1.…"),
    );
    assert!(ran.stdout.is_empty(), "{ran:?}");
}

#[test]
fn ends_with_what_happened() {
    let check = |status, text, expect| {
        Standin::new(vec![Does::Says(status, text)]).check("call Counter/ada add by=5", expect);
    };
    check(422, r#"{"outcome": "failed", "error": "Poor"}"#, (1, "failed: Poor"));
    check(400, r#"{"outcome": "not_done", "detail": "send by"}"#, (2, "send by"));
    check(503, r#"{"outcome": "not_done", "detail": "gone"}"#, (3, "not done: gone"));
    check(
        504,
        r#"{"outcome": "in_doubt", "detail": "late", "ticket": "nighT1.x"}"#,
        (4, "nigh settle nighT1.x"),
    );
    check(429, r#"{"outcome": "overloaded", "detail": "much"}"#, (5, "overloaded: much"));
}

/// What got no answer is sent again, under the same id.
#[test]
fn a_lost_answer_is_asked_for_again() {
    let refused = r#"{"type": "urn:nigh:problem:overloaded", "outcome": "overloaded", "detail": "much"}"#;
    let standin = Standin::new(vec![Does::HangsUp, Does::Says(429, refused), Does::Says(200, "\"5\"")]);
    standin.check("call Counter/ada add by=5", (0, "5"));
    let asked = standin.asked();
    // R11: that one copy was refused does not say that the other was not done.
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|other| *other == asked[0]), "{asked:?}");
}

#[test]
fn what_stays_lost_is_in_doubt_and_has_a_name() {
    let standin = Standin::new(vec![Does::HangsUp]);
    let ran = standin.check("--within 300ms call Counter/ada add by=5", (4, "in doubt"));
    let id = standin.asked()[0].1.clone();
    assert!(String::from_utf8_lossy(&ran.stderr).contains(&format!("--id {id}")), "{ran:?}");
    // Asked again under that id.
    let standin = Standin::new(vec![Does::Says(200, "\"5\"")]);
    standin.check(&format!("call Counter/ada add by=5 --id {id}"), (0, "5"));
    assert_eq!(standin.asked()[0].1, id);
}

#[test]
fn a_service_is_not_asked_twice() {
    let standin = Standin::new(vec![Does::HangsUp, Does::Says(200, "\"sent\"")]);
    standin.check("call Mailer send", (4, "a service keeps no record"));
    assert_eq!(standin.asked().len(), 1);
}

#[test]
fn a_view_is_never_in_doubt() {
    let standin = Standin::new(vec![Does::HangsUp, Does::HangsUp, Does::Says(200, "\"5\"")]);
    standin.check("call Counter/ada value", (0, "5"));
    let standin = Standin::new(vec![Does::HangsUp]);
    standin.check("--within 200ms call Counter/ada value", (6, "no answer from"));
}

#[test]
fn an_answer_that_never_comes_ends_with_the_deadline() {
    let standin = Standin::new(vec![Does::Waits]);
    standin.check("--within 100ms call Counter/ada add by=5", (4, "in doubt"));
}

#[test]
fn nobody_there_is_said_so() {
    // A port that was free a moment ago, and that nobody listens on.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port is free");
    check(
        &format!("--url http://{free} --within 100ms call Counter/ada add by=5"),
        (6, "is the application running"),
    );
    check(&format!("--url http://{free} --within 100ms list"), (6, "is the application running"));
}

#[test]
fn help_and_mistakes() {
    check("--help", (0, "Exit codes:"));
    check("lits", (2, "'list'"));
    check("list --jsno", (2, "'--json'"));
    check("settle nighT1.x", (2, "unchanged"));
}

#[test]
fn proves_a_store() {
    let dir = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("verified-store");
    // It may be there from the last time.
    let _ = std::fs::remove_dir_all(&dir);
    let verify = format!("store verify {}", dir.display());
    check(&verify, (2, "there is no store"));
    let options = nigh::store::Open {
        shards: 4,
        shapes: &[],
        incarnation: 0xabc,
        cache_size: nigh::store::CACHE_SIZE_DEFAULT,
    };
    let opened = nigh::store::open_dir(&dir, options).expect("a new store");
    check(&verify, (2, "another process"));
    drop(opened);
    check(&verify, (0, "sound: store 00000000000000000000000000000abc, format version 7, 4 shards"));
    check(&format!("--json {verify}"), (0, r#""rows":{"bytes":0,"count":0}"#));
    let file = dir.join("state.redb");
    let mut bytes = std::fs::read(&file).expect("a file of the store");
    bytes.iter_mut().skip(64).for_each(|byte| *byte ^= 0x55);
    std::fs::write(&file, bytes).expect("written");
    check(&verify, (1, "state.redb"));
    check(&format!("{verify} --json"), (1, r#""sound":false"#));
}

/// A backup is asked for once: whatever becomes of the answer, the first copy of the question may be at work.
#[test]
fn a_backup_is_asked_for_once() {
    let standin = Standin::new(vec![Does::HangsUp]);
    standin.check("backup monday", (4, "once a directory of that name is"));
    assert_eq!(standin.asked().len(), 1);
    let (first, _, body) = standin.asked().remove(0);
    assert_eq!((first.as_str(), body.as_str()), ("POST /api/-/backup HTTP/1.1", r#"{"name":"monday"}"#));
    let standin = Standin::new(vec![Does::Says(200, r#"{"backup": "monday"}"#)]);
    standin.check("backup monday", (0, "backup: monday"));
}

#[test]
fn copies_a_store_and_puts_it_back() {
    let root = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("copied-store");
    // It may be there from the last time.
    let _ = std::fs::remove_dir_all(&root);
    let [data, copy, again] = ["data", "copy", "again"].map(|name| root.join(name).display().to_string());
    check(&format!("store backup {data} {copy}"), (2, "there is no store"));
    let options = nigh::store::Open {
        shards: 4,
        shapes: &[],
        incarnation: 0xabc,
        cache_size: nigh::store::CACHE_SIZE_DEFAULT,
    };
    let opened = nigh::store::open_dir(data.as_ref(), options).expect("a new store");
    check(&format!("store backup {data} {copy}"), (2, "another process"));
    check(&format!("store compact {data}"), (2, "another process"));
    drop(opened);
    check(&format!("store dump {data}"), (0, ""));
    check(&format!("store dump {data} --entity Wallet"), (2, "it knows: none"));
    check(&format!("store dump {copy}"), (2, "there is no store"));
    check(
        &format!("store backup {data} {copy}"),
        (0, "sound: copy of store 00000000000000000000000000000abc"),
    );
    check(&format!("store dump {copy}"), (0, ""));
    check(&format!("--json store verify {copy}"), (0, r#""copy":true"#));
    check(&format!("store backup {data} {copy}"), (2, "is there already"));
    check(&format!("--json store restore {copy} {data}"), (2, r#""outcome":"not_done""#));
    check(&format!("store restore {copy} {again}"), (0, "settle as forgotten"));
    let known = nigh::store::verify_dir(again.as_ref()).expect("it is sound").meta;
    assert!(known.incarnation != 0xabc && known.restored.is_some(), "{known:?}");
    check(&format!("--json store verify {again}"), (0, r#""restored":"20"#));
    check(&format!("--json store compact {again}"), (0, r#""bytes":{"after":"#));
    check(&format!("store compact {copy}0"), (2, "there is no store"));
    let file = root.join("copy/state.redb");
    let mut bytes = std::fs::read(&file).expect("a file of the copy");
    bytes.iter_mut().skip(64).for_each(|byte| *byte ^= 0x55);
    std::fs::write(&file, bytes).expect("written");
    check(&format!("store restore {copy} {again}2"), (1, "state.redb"));
    check(&format!("store compact {copy}"), (1, "state.redb"));
    check(&format!("store dump {copy} --json"), (1, r#""outcome":"not_done""#));
    check(&format!("store backup {again} {copy}/state.redb"), (2, "is there already"));
    check(&format!("store backup {again} {copy}/state.redb/x"), (3, "cannot be written"));
}

/// Cargo gets the case as it is, and its end is ours.
#[test]
fn replays_as_cargo_does() {
    // `cargo` is a shell here, and `test` what it reads: a program just written might be busy.
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("replay");
    std::fs::create_dir_all(&folder).expect("a folder for tests");
    std::fs::write(folder.join("test"), "echo \"$NIGH_SIM: test $*\"; exit 7\n").expect("it is ours");
    // It may be there from the last time.
    let _ = std::os::unix::fs::symlink("/bin/sh", folder.join("cargo"));
    let replay = |typed: &[&str], path: &std::path::Path, (code, says): (i32, &str)| {
        let mut nigh = Command::new(env!("CARGO_BIN_EXE_nigh"));
        nigh.args(["sim", "replay"]).args(typed).env("PATH", path).current_dir(&folder);
        let ran = nigh.output().expect("it runs");
        let said =
            format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert_eq!((ran.status.code(), said.contains(says)), (Some(code), true), "{typed:?}: {said}");
    };
    replay(&["seed=9 sim=3", "a::b", "-p", "shop"], &folder, (7, "seed=9 sim=3: test -p shop a::b\n"));
    replay(&["NIGH_SIM='seed=9' cargo test -p shop a"], &folder, (7, "seed=9: test -p shop a\n"));
    replay(&["seed=9"], &folder, (2, "of which test?"));
    replay(&["seed=9", "a"], &folder.join("none"), (2, "`cargo` does not start"));
}
