//! A node on a store that was put back from a copy: what the copy knows stands, what was lost is not called not done.

#![allow(unreachable_pub, reason = "the methods of an entity are public, and this is a test")]
#![allow(missing_docs, reason = "as above")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nigh::dump::{Dumped, dump_dir};
use nigh::prelude::*;
use nigh::store::{Open, Restore, open_dir, restore_dir};

#[derive(Default, State)]
struct Wallet {
    cents: u64,
}

#[nigh::entity(key = String)]
impl Wallet {
    pub fn deposit(&mut self, cents: u64) -> u64 {
        self.cents += cents;
        self.cents
    }
    pub fn balance(&self) -> u64 {
        self.cents
    }
}

/// A directory of its own, gone with the value.
struct Dir(PathBuf);
impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        Dir(std::env::temp_dir().join(format!("nigh-copies-{}-{n}", std::process::id())))
    }
}
impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn start(dir: &Path) -> Node {
    App::new("test").entity::<Wallet>().start(Config::dir(dir)).await.expect("it opens")
}

/// Deposits, and keeps the ticket as somebody in doubt would.
async fn deposit(nigh: &Nigh, cents: u64) -> (u64, Ticket) {
    let mut call = nigh.call(Wallet::at("ada").deposit(cents));
    let ticket = call.ticket().expect("it writes");
    (call.await.expect("done"), ticket)
}

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "a restoration is a moment of the wall clock, also in a test")]
fn today() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Time::from_nanos(since.as_nanos() as u64)
}

#[tokio::test]
async fn a_ticket_of_before_is_forgotten() {
    let [first, copy, again] = [Dir::new(), Dir::new(), Dir::new()];
    let node = start(&first.0).await;
    let (_, kept) = deposit(&node.handle(), 5).await;
    // As a kill at this moment would leave it.
    std::fs::create_dir(&copy.0).expect("a new directory");
    for file in ["log.redb", "log.groups", "state.redb"] {
        std::fs::copy(first.0.join(file), copy.0.join(file)).expect("a file to copy");
    }
    let (balance, lost) = deposit(&node.handle(), 7).await;
    assert_eq!(balance, 12);
    drop(node);
    restore_dir(&copy.0, &again.0, Restore { incarnation: 3, at: today() }).expect("it is sound");
    let node = start(&again.0).await;
    let nigh = node.handle();
    assert_eq!(nigh.settle::<u64, Never>(&kept).await, Ok(Settled::Done(5)));
    // It was done, and told so: "not done" would be a lie.
    assert_eq!(nigh.settle::<u64, Never>(&lost).await, Ok(Settled::Forgotten));
    assert_eq!(nigh.call(Wallet::at("ada").balance()).await, Ok(5));
    drop(nigh);
    node.stop().await.expect("stops");
    let node = start(&again.0).await;
    assert_eq!(node.handle().settle::<u64, Never>(&lost).await, Ok(Settled::Forgotten));
    assert_eq!(deposit(&node.handle(), 1).await.0, 6);
}

/// Asks a node's door, as it were, for a backup.
async fn backup(nigh: &Nigh, name: &str) -> String {
    match nigh.backup(name).await {
        Ok(copy) => format!("{} rows", copy.rows.0),
        Err(error) => error.to_string(),
    }
}

/// The store is copied while calls go on; each copy holds all that was acknowledged before it was asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_copied_beside_its_traffic() {
    let [data, copies] = [Dir::new(), Dir::new()];
    let config = Config { write_back_every: std::time::Duration::from_millis(5), ..Config::dir(&data.0) };
    let node = App::new("test").entity::<Wallet>().start(config).await.expect("it opens");
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let traffic = |key: u64| {
        let (nigh, stopped) = (node.handle(), stopped.clone());
        tokio::spawn(async move {
            let mut cents = 0;
            while !*stopped.borrow() {
                cents = nigh
                    .call(Wallet::at(format!("k{}", (key + cents) % 50)).deposit(1))
                    .await
                    .map_or(0, |_| cents + 1);
            }
        })
    };
    let others: Vec<_> = (0..8).map(traffic).collect();
    let mut told = Vec::new();
    for n in 0..6_u64 {
        let told_now = deposit(&node.handle(), n).await;
        let copy = node.backup(copies.0.join(n.to_string())).await.expect("it is sound");
        assert_eq!(copy.meta.restored, None);
        told.push(told_now);
    }
    stop.send_replace(true);
    for task in others {
        task.await.expect("it ends");
    }
    node.stop().await.expect("stops");
    for (n, (balance, ticket)) in told.iter().enumerate() {
        let again = Dir::new();
        restore_dir(&copies.0.join(n.to_string()), &again.0, Restore { incarnation: 3, at: today() })
            .expect("sound");
        let node = start(&again.0).await;
        assert_eq!(node.handle().call(Wallet::at("ada").balance()).await, Ok(*balance), "copy {n}");
        assert_eq!(node.handle().settle::<u64, Never>(ticket).await, Ok(Settled::Done(*balance)), "copy {n}");
        node.stop().await.expect("stops");
    }
}

/// Only where the operator said, only under a plain name, and never in the place of another.
#[tokio::test]
async fn a_backup_stays_in_its_folder() {
    let [data, folder] = [Dir::new(), Dir::new()];
    let app = || App::new("test").entity::<Wallet>();
    let off = app().start(Config::dir(&data.0)).await.expect("it opens");
    assert!(backup(&off.handle(), "a").await.contains("--backups DIR"));
    off.stop().await.expect("stops");
    let config = Config { backups: Some(folder.0.clone()), ..Config::dir(&data.0) };
    let node = app().start(config).await.expect("it opens");
    let nigh = node.handle();
    deposit(&nigh, 1).await;
    for name in
        ["", ".", "..", "../a", "a/b", "/tmp/a", ".a", "a b", "a\0", "a.unfinished", "é", &"a".repeat(65)]
    {
        assert!(backup(&nigh, name).await.contains("begins with a letter"), "{name}");
    }
    assert!(!folder.0.exists(), "nothing was made");
    assert!(backup(&nigh, "2026-11-21.a_1").await.contains("rows"));
    assert!(backup(&nigh, "2026-11-21.a_1").await.contains("is there already"));
    let (one, two) = tokio::join!(backup(&nigh, "b"), backup(&nigh, "c"));
    assert!(one.contains("rows") && two.contains("another one is being made"), "{one} {two}");
    assert!(backup(&nigh, "c").await.contains("rows"), "it was free again");
    drop(nigh);
    node.stop().await.expect("stops");
    let memory =
        app().start(Config { backups: Some(folder.0.clone()), ..Config::memory() }).await.expect("it opens");
    assert!(backup(&memory.handle(), "d").await.contains("has no store"));
}

/// All of a store as text: an entity as `key=cents`, a call as `method key outcome`, `+` if it is not in the state yet.
fn dumped(dir: &Path, entity: Option<&str>) -> (Vec<String>, Vec<String>) {
    let mut lines = Vec::new();
    let known = dump_dir(dir, entity, &mut |at, dumped| {
        let schemas = at.schemas.expect("the store knows how it reads");
        lines.push(match dumped {
            Dumped::Entity { key, state, .. } => {
                let [key, state] =
                    [schemas.key.to_json(&key), schemas.state.to_json(&state)].map(Result::unwrap);
                format!("{key}={state}")
            }
            Dumped::Asked { key, method, outcome, is_in_row, .. } => {
                let key = schemas.key.to_json(&key).expect("a key");
                format!("{method} {key} {outcome:?}{}", if is_in_row { "" } else { "+" })
            }
        });
        lines.len() < 100
    });
    (lines, known.expect("it is sound"))
}

#[tokio::test]
async fn a_dump_shows_what_the_store_holds() {
    let [data, killed, copy, again] = [Dir::new(), Dir::new(), Dir::new(), Dir::new()];
    let never = std::time::Duration::from_secs(3600);
    let config = |dir: &Dir| Config { write_back_every: never, ..Config::dir(&dir.0) };
    let app = || App::new("test").entity::<Wallet>();
    let node = app().start(config(&data)).await.expect("it opens");
    deposit(&node.handle(), 5).await;
    // As a kill would leave it: nothing is written back, and the dump names what is missing.
    node.backup(&killed.0).await.expect("it is sound");
    assert_eq!(dumped(&killed.0, None), (vec![r#"deposit "ada" Done+"#.into()], vec!["Wallet".into()]));
    node.stop().await.expect("stops");
    let node = app().start(config(&data)).await.expect("it opens");
    node.handle().call(Wallet::at("bob").deposit(7)).await.expect("done");
    deposit(&node.handle(), 1).await;
    node.backup(&copy.0).await.expect("it is sound");
    let (mut lines, _) = dumped(&copy.0, Some("Wallet"));
    lines.sort();
    // `deposit` of 5 was written back when the node stopped; the log may hold it still.
    lines.retain(|line| line != r#"deposit "ada" Done"#);
    assert_eq!(lines, [r#""ada"={"cents":"5"}"#, r#"deposit "ada" Done+"#, r#"deposit "bob" Done+"#]);
    node.stop().await.expect("stops");
    let (mut lines, _) = dumped(&data.0, None);
    lines.retain(|line| !line.starts_with("deposit") || line.ends_with('+'));
    lines.sort();
    assert_eq!(lines, [r#""ada"={"cents":"6"}"#, r#""bob"={"cents":"7"}"#]);
    // How it reads goes along.
    restore_dir(&data.0, &again.0, Restore { incarnation: 9, at: today() }).expect("it is sound");
    assert_eq!(dumped(&again.0, Some("Wallet")), dumped(&data.0, Some("Wallet")));
    assert_eq!(dumped(&again.0, Some("Other")), (vec![], vec!["Wallet".into()]));
}

/// A cut becomes durable with the next append: until then the log holds what is in the state already.
#[tokio::test]
async fn a_dump_knows_what_of_the_log_is_in_the_state() {
    let [data, copy, back] = [Dir::new(), Dir::new(), Dir::new()];
    let never = std::time::Duration::from_secs(3600);
    let config = Config { write_back_every: never, ..Config::dir(&data.0) };
    let node = App::new("test").entity::<Wallet>().start(config).await.expect("it opens");
    deposit(&node.handle(), 5).await;
    let meta = node.backup(&copy.0).await.expect("it is sound").meta;
    node.stop().await.expect("stops");
    let options = Open {
        shards: meta.shards,
        shapes: &[],
        incarnation: 0,
        cache_size: nigh::store::CACHE_SIZE_DEFAULT,
    };
    restore_dir(&copy.0, &back.0, Restore { incarnation: 9, at: today() }).expect("it is sound");
    let opened = open_dir(&back.0, options).expect("it opens");
    opened.rows.swept(opened.log.next_group()).expect("the disk works");
    drop(opened);
    assert_eq!(dumped(&back.0, None).0, [r#"deposit "ada" Done"#]);
}
