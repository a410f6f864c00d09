//! Calls on a small entity while another one of the same node, with a large map, is changed a hundred times a second and written back.
//!
//! One caller, in a closed loop, and nothing on disk: a call takes some microseconds, unless the owner's lock is held meanwhile. What a sweep
//! does under it, each of its ten sweeps shows in the slowest calls.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nigh::prelude::*;
use nigh::{CallError, Map};

use crate::harness::{Measured, Ran};
use crate::subjects::{self, Counter, told};

/// The slowest call.
const SLOWEST: &str = "slowest µs";
/// Calls that took longer than [`SLOW`].
const HELD_UP: &str = "calls over 5 ms";
/// No call takes as long by itself.
const SLOW: Duration = Duration::from_millis(5);
/// What was filled in is written back.
const WARM_UP: Duration = Duration::from_millis(3200);
/// From a start to the first answer of the large entity, which is read whole for it, in ms.
const LOADED: &str = "loaded ms";
/// Entries put by one call while it is filled.
const BATCH: u64 = 5_000;
/// An odd step far from any size measured: keys come in no order, and each comes.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
/// Between two changes of the large one.
const CHANGED_EVERY: Duration = Duration::from_millis(10);
/// Ten sweeps or so.
const SPAN: Duration = Duration::from_secs(10);

#[derive(Default, State)]
struct Shelf {
    books: Map<u64, u64>,
}

#[nigh::entity(key = u64)]
impl Shelf {
    /// So many entries more.
    pub fn fill(&mut self, from: u64, to: u64) {
        self.books.extend((from..to).map(|key| (key, key)));
    }
    /// One.
    pub fn put(&mut self, key: u64, value: u64) {
        self.books.insert(key, value);
    }
    /// How many.
    pub fn count(&self) -> u64 {
        self.books.len() as u64
    }
}

async fn start(config: Config) -> Result<Node, String> {
    let app = App::new("large").entity::<Shelf>().entity::<Counter>();
    app.start(config).await.map_err(|error| error.to_string())
}

async fn fill(node: &Node, entries: u64) -> Result<(), String> {
    for from in (0..entries).step_by(BATCH as usize) {
        let to = entries.min(from + BATCH);
        while let Err(error) = node.handle().call(Shelf::at(1).fill(from, to)).await {
            let CallError::Overloaded { retry_after } = error else { return Err(told(error)) };
            tokio::time::sleep(retry_after).await;
        }
    }
    Ok(())
}

/// Beside a map of so many entries.
pub fn beside(folder: &Path, entries: u64) -> Ran {
    let dir = folder.join("large");
    // It need not be there.
    let _ = fs::remove_dir_all(&dir);
    let runtime = subjects::runtime()?;
    let loaded = runtime.block_on(load(&dir, entries))?;
    let _ = fs::remove_dir_all(&dir);
    Ok(runtime.block_on(calls(entries))?.with(LOADED, loaded.as_secs_f64() * 1000.0))
}

async fn load(dir: &Path, entries: u64) -> Result<Duration, String> {
    let node = start(Config::dir(dir)).await?;
    fill(&node, entries).await?;
    node.stop().await.map_err(|error| error.to_string())?;
    let begun = Instant::now();
    let node = start(Config::dir(dir)).await?;
    let count = node.handle().call(Shelf::at(1).count()).await.map_err(told)?;
    if count != entries {
        return Err(format!("{count} entries of {entries}"));
    }
    let loaded = begun.elapsed();
    node.stop().await.map_err(|error| error.to_string())?;
    Ok(loaded)
}

async fn calls(entries: u64) -> Result<Measured, String> {
    let node = start(Config::memory()).await?;
    fill(&node, entries).await?;
    tokio::time::sleep(WARM_UP).await;
    let nigh = node.handle();
    let begun = Instant::now();
    let changes = tokio::spawn(async move {
        let mut key = 0u64;
        while begun.elapsed() < SPAN {
            key = key.wrapping_add(STEP);
            // One that is refused was as much work.
            drop(nigh.call(Shelf::at(1).put(key % entries, key)).await);
            tokio::time::sleep(CHANGED_EVERY).await;
        }
    });
    let mut nanos = Vec::new();
    while begun.elapsed() < SPAN {
        let asked = Instant::now();
        node.handle().call(Counter::at(1).add(1)).await.map_err(told)?;
        nanos.push(asked.elapsed().as_nanos() as u64);
    }
    changes.await.map_err(|error| error.to_string())?;
    node.stop().await.map_err(|error| error.to_string())?;
    let slowest = nanos.iter().max().map_or(f64::NAN, |nanos| *nanos as f64 / 1000.0);
    let held_up = nanos.iter().filter(|nanos| **nanos > SLOW.as_nanos() as u64).count();
    let measured = Measured::new(nanos.len() as u64, SPAN).with_latencies(nanos);
    Ok(measured.with(SLOWEST, slowest).with(HELD_UP, held_up as f64))
}
