//! The side of nigh: one small application, asked in one process, on disk, and over a link.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nigh::prelude::*;

use crate::harness::Measured;
use crate::peers::{ServeChild, announce};

/// What a subject says of one run.
pub type Ran = Result<Measured, String>;

/// Text of 32 bytes: what the raw echo carries too.
const TEXT: &str = "0123456789abcdef0123456789abcdef";
/// Role of the process that serves (c).
pub const LINK: &str = "link";

/// How long a store is written to before it is measured: three sweeps of a second each.
const WARM_UP: Duration = Duration::from_millis(3200);

#[derive(Default, State)]
struct Counter {
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
    let place = "[role.server]\nservices = [\"Echo\"]\nentities = [\"Counter\"]\n[role.client]\n";
    App::new("bench").entity::<Counter>().service::<dyn Echo>(Wall).place(place)
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string())
}

async fn start(config: Config) -> Result<Node, String> {
    app().start(config).await.map_err(|error| error.to_string())
}

fn told<E: std::fmt::Debug>(error: CallError<E>) -> String {
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
        Ok(Measured { count, took, group: None })
    })
}

/// (b) So many callers, each with its own key, ask an entity for a small change, embedded, on a fresh store
/// below `folder`.
pub fn durable_call(folder: &Path, callers: usize, span: Duration) -> Ran {
    let dir = folder.join("nigh");
    let _ = std::fs::remove_dir_all(&dir);
    runtime()?.block_on(async {
        let node = start(Config::dir(&dir)).await?;
        // The files grow to their size before the clock starts, as the raw file did: blocks are reused once the
        // log was cut a few times, each second.
        ask(&node.handle(), callers, WARM_UP, add).await?;
        let before = node.commits();
        let (count, took) = ask(&node.handle(), callers, span, add).await?;
        let after = node.commits();
        node.stop().await.map_err(|error| error.to_string())?;
        let groups = (after.groups - before.groups).max(1);
        Ok(Measured { count, took, group: Some((after.records - before.records) as f64 / groups as f64) })
    })
}

async fn add(nigh: Nigh, caller: u64) -> Result<(), String> {
    nigh.call(Counter::at(caller).add(1)).await.map(drop).map_err(told)
}

/// (c) So many callers ask a service of another process for the same as (a), over one TCP link.
pub fn link_call(callers: usize, span: Duration) -> Ran {
    let child = ServeChild::start(LINK)?;
    runtime()?.block_on(async {
        let config = Config { role: Some("client".into()), peer: Some(child.address), ..Config::memory() };
        let node = start(config).await?;
        let echo = |nigh: Nigh, caller| async move {
            nigh.call(EchoRef::any().echo(caller, TEXT)).await.map(drop).map_err(told)
        };
        echo(node.handle(), 0).await?;
        let (count, took) = ask(&node.handle(), callers, span, echo).await?;
        Ok(Measured { count, took, group: None })
    })
}

/// Serves (c), in a process of its own.
pub async fn serve_link() -> std::io::Result<()> {
    let loopback: SocketAddr = ([127, 0, 0, 1], 0).into();
    let config = Config { role: Some("server".into()), link: Some(loopback), ..Config::memory() };
    let node = start(config).await.map_err(std::io::Error::other)?;
    announce(node.link().expect("it listens"))?;
    std::future::pending().await
}

/// Closed loops, one for each caller.
async fn ask<F>(
    nigh: &Nigh,
    callers: usize,
    span: Duration,
    call: impl Fn(Nigh, u64) -> F + Copy + Send + 'static,
) -> Result<(u64, Duration), String>
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let begun = Instant::now();
    let mut loops = tokio::task::JoinSet::new();
    for caller in 0..callers as u64 {
        let (nigh, stop, count) = (nigh.clone(), stop.clone(), count.clone());
        loops.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                call(nigh.clone(), caller).await?;
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, String>(())
        });
    }
    tokio::time::sleep(span).await;
    let (count, took) = (count.load(Ordering::Relaxed), begun.elapsed());
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = loops.join_next().await {
        ended.map_err(|error| error.to_string())??;
    }
    Ok((count, took))
}
