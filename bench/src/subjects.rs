//! The side of nigh: one small application, asked in one process, on disk, and over a link.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nigh::prelude::*;
use nigh_wire::Bytes;

use crate::harness::{GROUP, Measured, Ran};
use crate::roles::{Role, say};

/// Text of 32 bytes: what the raw echo carries too.
const TEXT: &str = "0123456789abcdef0123456789abcdef";

/// How long a store is written to before it is measured: three sweeps of a second each.
pub const WARM_UP: Duration = Duration::from_millis(3200);

#[derive(Default, State)]
pub(crate) struct Counter {
    n: u64,
    last: Option<u64>,
}

#[nigh::entity(key = u64)]
impl Counter {
    /// A small change.
    pub fn add(&mut self, n: u64) -> u64 {
        self.n += n;
        self.last = Some(n);
        self.n
    }
}

/// Bytes of an account's state: with its key 200, as a SET of (c) carries, and about a row of (b).
pub const VALUE_SIZE: usize = 160;

/// Key of an account: 40 bytes. Not by `format!`, which takes as long as a sixteenth of the put that is measured.
pub fn account_key(number: u64) -> String {
    let (mut key, mut rest) = (*b"account-00000000000000000000000000000000", number);
    for digit in key.iter_mut().rev() {
        (*digit, rest) = (b'0' + (rest % 10) as u8, rest / 10);
        if rest == 0 {
            break;
        }
    }
    String::from_utf8(key.to_vec()).expect("digits are ASCII")
}

#[derive(Default, State)]
pub(crate) struct Account {
    value: Bytes,
}

#[nigh::entity(key = String)]
impl Account {
    /// Another state, all of it.
    pub fn put(&mut self, value: Bytes) {
        self.value = value;
    }
}

/// Gives back what it gets.
#[nigh::service]
pub trait Echo {
    /// The same again.
    async fn echo(&self, n: u64, text: String) -> (u64, String);
}

struct Wall;
impl Echo for Wall {
    async fn echo(&self, n: u64, text: String) -> (u64, String) {
        (n, text)
    }
}

fn app() -> App {
    let place =
        "[role.server]\nservices = [\"Echo\"]\nentities = [\"Account\", \"Counter\"]\n[role.client]\n";
    App::new("bench").entity::<Account>().entity::<Counter>().service::<dyn Echo>(Wall).place(place)
}

/// What a case runs on.
pub fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string())
}

/// A node of this application.
pub async fn start(config: Config) -> Result<Node, String> {
    app().start(config).await.map_err(|error| error.to_string())
}

/// In words.
pub fn told<E: std::fmt::Debug>(error: CallError<E>) -> String {
    error.to_string()
}

/// (a) One caller asks a service of its own process for `(u64, 32-byte string)`, and gets it back.
pub fn local_call(span: Duration) -> Ran {
    runtime()?.block_on(async {
        let node = start(Config::memory()).await?;
        let nigh = node.handle();
        let (begun, mut count) = (Instant::now(), 0);
        while begun.elapsed() < span {
            // The clock costs as much as a call: it is read for every hundred.
            for n in 0..100 {
                nigh.call(EchoRef::any().echo(n, TEXT)).await.map_err(told)?;
            }
            count += 100;
        }
        let took = begun.elapsed();
        node.stop().await.map_err(|error| error.to_string())?;
        Ok(Measured::new(count, took))
    })
}

/// (b) So many callers, each with its own key, ask an entity for a small change, embedded, on a fresh store
/// below `folder`.
pub fn durable_call(folder: &Path, callers: usize, span: Duration) -> Ran {
    durable(folder, callers, span, |nigh, caller, _| async move {
        nigh.call(Counter::at(caller).add(1)).await.map(drop).map_err(told)
    })
}

/// As [`durable_call`], with a key of 40 bytes and a state of 160 that each call writes anew.
pub fn durable_put(folder: &Path, callers: usize, span: Duration) -> Ran {
    durable(folder, callers, span, |nigh, caller, number| async move {
        let value = Bytes::from(vec![number as u8; VALUE_SIZE]);
        nigh.call(Account::at(account_key(caller)).put(value)).await.map_err(told)
    })
}

fn durable<F>(
    folder: &Path,
    callers: usize,
    span: Duration,
    call: impl Fn(Nigh, u64, u64) -> F + Copy + Send + 'static,
) -> Ran
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let dir = folder.join("nigh");
    let _ = std::fs::remove_dir_all(&dir);
    runtime()?.block_on(async {
        let node = start(Config::dir(&dir)).await?;
        // The files grow to their size before the clock starts, as the raw file did: blocks are reused once the
        // log was cut a few times, each second.
        ask(&node.handle(), callers, WARM_UP, call).await?;
        let before = node.commits();
        let measured = ask(&node.handle(), callers, span, call).await?;
        let after = node.commits();
        node.stop().await.map_err(|error| error.to_string())?;
        let groups = (after.groups - before.groups).max(1);
        Ok(measured.with(GROUP, (after.records - before.records) as f64 / groups as f64))
    })
}

/// (c) So many callers ask a service of another process for the same as (a), over one TCP link.
pub fn link_call(callers: usize, span: Duration) -> Ran {
    let server = Role::start(&["link"])?;
    let address = server.said.parse().map_err(|_| format!("link: {} is no address", server.said))?;
    runtime()?.block_on(async {
        let config = Config { role: Some("client".into()), peer: Some(address), ..Config::memory() };
        let node = start(config).await?;
        let echo = |nigh: Nigh, caller, _| async move {
            nigh.call(EchoRef::any().echo(caller, TEXT)).await.map(drop).map_err(told)
        };
        echo(node.handle(), 0, 0).await?;
        Ok(ask(&node.handle(), callers, span, echo).await?)
    })
}

/// Serves (c), in a process of its own.
pub async fn serve_link() -> Result<(), String> {
    let loopback: SocketAddr = ([127, 0, 0, 1], 0).into();
    let config = Config { role: Some("server".into()), link: Some(loopback), ..Config::memory() };
    let node = start(config).await?;
    say(node.link().expect("it listens"))?;
    std::future::pending().await
}

/// Closed loops, one for each caller, which gives its number and that of its call. Latencies are of single calls.
pub async fn ask<F>(
    nigh: &Nigh,
    callers: usize,
    span: Duration,
    call: impl Fn(Nigh, u64, u64) -> F + Copy + Send + 'static,
) -> Result<Measured, String>
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let Answered { count, took, nanos } = answered(nigh, callers, span, call).await?;
    Ok(Measured::new(count, took).with_latencies(nanos))
}

/// What closed loops came to.
#[derive(Debug, Default)]
pub struct Answered {
    /// Calls answered in the time.
    pub count: u64,
    /// The time.
    pub took: Duration,
    /// Of each call, also of those that ended later.
    pub nanos: Vec<u64>,
}

impl Answered {
    /// Both, one after the other.
    pub fn and(mut self, other: Answered) -> Self {
        self.nanos.extend(other.nanos);
        Answered { count: self.count + other.count, took: self.took + other.took, nanos: self.nanos }
    }
}

/// As [`ask`], and each latency.
pub async fn answered<F>(
    nigh: &Nigh,
    callers: usize,
    span: Duration,
    call: impl Fn(Nigh, u64, u64) -> F + Copy + Send + 'static,
) -> Result<Answered, String>
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let stop = Arc::new(AtomicBool::new(false));
    // One for each caller: a count that all shared would go from core to core with each call.
    let counts: Vec<_> = (0..callers).map(|_| Arc::new(AtomicU64::new(0))).collect();
    let begun = Instant::now();
    let mut loops = tokio::task::JoinSet::new();
    for (caller, count) in (0..).zip(&counts) {
        let (nigh, stop, count) = (nigh.clone(), stop.clone(), count.clone());
        loops.spawn(async move {
            let mut nanos = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let asked = Instant::now();
                call(nigh.clone(), caller, nanos.len() as u64).await?;
                nanos.push(asked.elapsed().as_nanos() as u64);
                count.store(nanos.len() as u64, Ordering::Relaxed);
            }
            Ok::<_, String>(nanos)
        });
    }
    tokio::time::sleep(span).await;
    let (count, took) = (counts.iter().map(|count| count.load(Ordering::Relaxed)).sum(), begun.elapsed());
    stop.store(true, Ordering::Relaxed);
    let mut nanos = Vec::new();
    while let Some(ended) = loops.join_next().await {
        nanos.extend(ended.map_err(|error| error.to_string())??);
    }
    Ok(Answered { count, took, nanos })
}
