//! The store in a directory against what befalls directories: kills, damage, mixing, a second process.
//!
//! What every store promises is in `store_suite.rs`; here is what only files can do.

mod copies;
mod damage;
mod kill;
mod refused;
mod sealed;
mod torn;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use nigh::store::{Append, Head, LogEntry, Open, OpenError, Opened, open_dir};
use nigh_proto::shards::{Position, ShardId};

const FILES: [&str; 3] = ["log.redb", "state.redb", "log.groups"];
/// Of the groups' file.
const BLOCK_SIZE: usize = 4096;
const SHARDS: u32 = 8;

/// A directory for one test, gone with it.
struct TestDir(PathBuf);

impl TestDir {
    /// A name that nobody has; no directory yet.
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("nigh-store-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        TestDir(std::env::temp_dir().join(name))
    }

    /// A copy of all files as they are now: what a kill at this moment would leave.
    fn copy(&self) -> Self {
        let copy = TestDir::new();
        std::fs::create_dir(&copy.0).expect("a new directory");
        FILES.iter().for_each(|file| self.copy_file(file, &copy));
        copy
    }

    fn copy_file(&self, file: &str, to: &TestDir) {
        std::fs::copy(self.0.join(file), to.0.join(file)).expect("a file to copy");
    }

    fn open(&self) -> Result<Opened, OpenError> {
        open(&self.0)
    }

    fn contents(&self) -> [Vec<u8>; 3] {
        FILES.map(|file| std::fs::read(self.0.join(file)).expect("a file to read"))
    }
}

impl Drop for TestDir {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn open(dir: &Path) -> Result<Opened, OpenError> {
    open_dir(
        dir,
        Open { shards: SHARDS, shapes: &[], incarnation: 7, cache_size: nigh::store::CACHE_SIZE_DEFAULT },
    )
}

/// A blob that nothing but its place can have.
fn blob(shard: ShardId, first: Position, next: Position) -> Bytes {
    Bytes::from(format!("shard {} from {} to {} {}", shard.0, first.0, next.0, "-".repeat(150)))
}

/// Moves the head on by `records`.
fn append(shard: u32, head: &mut Head, records: u64) -> Append {
    let (shard, first) = (ShardId(shard), head.next);
    head.next.0 += records;
    Append { shard, epoch: head.epoch, first, next: head.next, blob: blob(shard, first, head.next) }
}

fn take_up(opened: &mut Opened) -> Vec<Head> {
    let shards: Vec<_> = (0..SHARDS).map(ShardId).collect();
    opened.log.take_up(&shards).expect("the store works")
}

fn tail(opened: &Opened) -> Vec<LogEntry> {
    let mut entries = Vec::new();
    opened.log.tail(&|_| true, &mut |entry| entries.push(entry)).expect("the log is sound");
    entries
}

/// What the test that started this process, or a person, has told it.
#[expect(
    clippy::disallowed_methods,
    reason = "a test has no `Config`, and its child no other way to be told"
)]
fn told(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}
