//! A method that never returns: its node is unready, then its id gets a tombstone and the process ends.
//!
//! The process that ends is this test again, told where to work by an environment variable.

#![allow(unreachable_pub, reason = "the methods of an entity are public, and this is a test")]
#![allow(missing_docs, reason = "as above")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use nigh::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

static RUNS: AtomicBool = AtomicBool::new(false);
static GO: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

const CHILD: &str = "NIGH_STUCK_CHILD";

#[derive(Default, State)]
struct Sloth {
    n: u64,
}

#[nigh::entity(key = String)]
impl Sloth {
    pub fn add(&mut self) -> u64 {
        self.n += 1;
        self.n
    }
    pub fn hang(&mut self) -> u64 {
        self.n += 100;
        loop {
            std::thread::park();
        }
    }
    /// Comes back when it is let.
    pub fn pause(&mut self) {
        RUNS.store(true, Ordering::Release);
        let (go, bell) = &GO;
        drop(bell.wait_while(go.lock().expect("no panic"), |go| !*go).expect("no panic"));
    }
    pub fn value(&self) -> u64 {
        self.n
    }
}

fn app() -> App {
    App::new("stuck").entity::<Sloth>()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no `Config`, and its child no other way to be told"
)]
fn told() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// Asks for what never returns, and prints the ticket first.
async fn child(dir: &Path) {
    // A thread that panics while the process is to end would leave it to hang, and its parent to wait.
    std::panic::set_hook(Box::new(|_| std::process::abort()));
    let method_time_max = Duration::from_millis(50);
    let config = Config { method_time_max, stuck_max: Duration::from_millis(400), ..Config::dir(dir) };
    let node = app().start(config).await.expect("opens");
    let nigh = node.handle();
    assert_eq!(nigh.call(Sloth::at("other").add()).await, Ok(1));
    assert!(node.is_ready());
    let mut pending = nigh.call(Sloth::at("tired").hang());
    println!("ticket {}", pending.ticket().expect("a change has a ticket"));
    // A method runs on the thread that asks first: not this one.
    let hung = tokio::spawn(async move { pending.await });
    while node.is_ready() {
        tokio::task::yield_now().await;
    }
    println!("unready");
    hung.await.expect("the process ends before").expect("the process ends before");
}

/// Runs this test as the child, in an empty directory.
fn run(dir: &Path, stderr: Stdio) -> std::process::Output {
    let _ = std::fs::remove_dir_all(dir);
    let this = std::env::current_exe().expect("this test is a program");
    let child = Command::new(this)
        .args(["--exact", "--nocapture", "a_method_that_never_returns_is_given_up"])
        .env(CHILD, dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn();
    child.expect("starts").wait_with_output().expect("runs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_that_never_returns_is_given_up() {
    if let Some(dir) = told() {
        return child(&dir).await;
    }
    let dir = std::env::temp_dir().join(format!("nigh-stuck-{}", std::process::id()));
    // Also where nobody reads what it says: a pipe whose other end is closed refuses every line.
    let (reader, deaf) = std::io::pipe().expect("a pipe");
    drop(reader);
    assert_eq!(run(&dir, deaf.into()).status.code(), Some(70), "it ends, told or not");
    let run = run(&dir, Stdio::piped());
    let out = String::from_utf8_lossy(&run.stdout);
    let err = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(70), "{out}{err}");
    assert!(out.contains("unready"), "{out}");
    assert!(err.contains("Sloth.hang did not return"), "{err}");
    let ticket = out.split("ticket ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let ticket: Ticket = ticket.expect("printed first").parse().expect("a ticket");

    let node = app().start(Config::dir(&dir)).await.expect("opens");
    let nigh = node.handle();
    assert_eq!(nigh.settle::<u64, nigh::Never>(&ticket).await, Ok(Settled::NotDone));
    assert_eq!(nigh.call(Sloth::at("tired").value()).await, Ok(0));
    assert_eq!(nigh.call(Sloth::at("other").value()).await, Ok(1));
    node.stop().await.expect("stops");
    std::fs::remove_dir_all(&dir).expect("it was made here");
}

/// Until no thread of the runtime has anything to do, but so many.
fn until_parked(busy: usize) {
    let metrics = Handle::current().metrics();
    let is_parked = |worker: &usize| metrics.worker_park_unpark_count(*worker) % 2 == 1;
    while (0..metrics.num_workers()).filter(is_parked).count() + busy < metrics.num_workers() {
        std::thread::yield_now();
    }
}

/// How often: it takes one thread that goes to sleep just when the other one stops waiting for sockets, once in some 20.
const PAUSES: usize = 300;

/// Whichever thread of the runtime a method holds: also the one that had been left to wait for sockets and timers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_and_timers_are_served_while_a_method_runs() {
    let node = app().start(Config::memory()).await.expect("opens");
    for pause in 0..PAUSES {
        served_while_it_pauses(&node.handle(), pause).await;
    }
    node.stop().await.expect("stops");
}

async fn served_while_it_pauses(nigh: &Nigh, pause: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let mut pairs = Vec::new();
    for _ in 0..2 {
        let client = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
        client.set_read_timeout(Some(Duration::from_secs(20))).expect("it is a socket");
        pairs.push((client, listener.accept().await.expect("it was connected").0));
    }
    let [(mut first, mut of_first), (mut second, mut of_second)] =
        pairs.try_into().unwrap_or_else(|_| panic!("there are two"));
    let nigh = nigh.clone();
    let paused = tokio::spawn(async move {
        of_first.read_u8().await.expect("it is written");
        nigh.call(Sloth::at("tired").pause()).await
    });
    tokio::spawn(async move {
        of_second.read_u8().await.expect("it is written");
        tokio::time::sleep(Duration::from_millis(1)).await;
        of_second.write_u8(2).await.expect("it is read");
    });
    until_parked(0);
    // The thread that waits for sockets runs the method, just when the other one goes to sleep.
    drop(tokio::spawn(async {}));
    for _ in 0..pause % 50 * 20 {
        std::hint::spin_loop();
    }
    first.write_all(&[1]).expect("it is read");
    while !RUNS.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    until_parked(1);
    second.write_all(&[1]).expect("it is read");
    let served = second.read_exact(&mut [0]);
    let (go, bell) = &GO;
    *go.lock().expect("no panic") = true;
    bell.notify_all();
    served.unwrap_or_else(|error| panic!("pause {pause}: the other one is served meanwhile: {error}"));
    paused.await.expect("no panic").expect("done");
    RUNS.store(false, Ordering::Release);
    *go.lock().expect("no panic") = false;
}
