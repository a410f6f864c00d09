//! The program of the README: it is this one, word for word, it runs, and it does what the README says of it.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use xtask::torture::http::Client;
use xtask::torture::server::{Server, free_port};

const README: &str = include_str!("../../../README.md");

#[test]
fn the_readme_shows_this_program() {
    let block = README.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next());
    let program: String = include_str!("../src/main.rs")
        .lines()
        .skip_while(|line| line.starts_with("//!") || line.is_empty())
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(block, Some(program.as_str()), "README.md and examples/counter/src/main.rs differ");
}

/// Counted once however often it is sent, and still there after kill -9.
#[test]
fn a_count_survives_kill_9() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("counter");
    let _ = std::fs::remove_dir_all(&folder); // It need not be there.
    std::fs::create_dir_all(&folder).expect("a folder for tests");
    let door = free_port().expect("a port is free");
    let args = ["--listen".to_owned(), door.to_string()];
    let mut server = Server::new("counter", Path::new(env!("CARGO_BIN_EXE_counter")), &args, &folder);
    let value = "/api/Counter/visits/value";
    for life in ["first", "second"] {
        server.start().expect("starts");
        server.wait_ready(door, value, Duration::from_secs(30)).expect("answers");
        let mut client = Client::new(door, Duration::from_secs(15));
        let body = json!({"n": 5});
        for _ in 0..2 {
            let added = client.post("/api/Counter/visits/add", &[("idempotency-key", "1")], &body);
            assert_eq!(added.expect("an answer").json(), json!(5), "{life} life");
        }
        assert_eq!(client.get(value).expect("an answer").json(), json!(5), "{life} life");
        server.kill();
    }
}
