//! Both stores of nigh keep every promise of `nigh::store::suite`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use nigh::store::suite::{CASES, Subject, random};
use nigh::store::{APPENDS_MAX, Append, MemoryStore, Open, Opened, RowWrite, StoreError, memory, open_dir};
use nigh_proto::shards::{Position, ShardId};
use nigh_wire::Bytes;

/// The store in memory: what a handle's end cannot touch.
#[derive(Default)]
struct Memory(Option<MemoryStore>);

impl Subject for Memory {
    fn fresh(&mut self, shards: u32) -> Opened {
        self.0.insert(MemoryStore::new(shards, 7)).open()
    }
    fn restart(&mut self, opened: Opened) -> Opened {
        drop(opened);
        self.0.as_ref().expect("it was made").open()
    }
    fn crash(&mut self, opened: Opened) -> Opened {
        self.restart(opened)
    }
}

/// The store in a directory. A crash is a copy of the files taken while it is open.
struct Directory {
    root: PathBuf,
    /// Counts the stores and copies made so far; the last is the current one.
    count: u32,
    shards: u32,
}

impl Directory {
    fn new() -> Self {
        static DIRS: AtomicU32 = AtomicU32::new(0);
        let name = format!("nigh-suite-{}-{}", std::process::id(), DIRS.fetch_add(1, Ordering::Relaxed));
        Directory { root: std::env::temp_dir().join(name), count: 0, shards: 0 }
    }
    fn dir(&self) -> PathBuf {
        self.root.join(self.count.to_string())
    }
    fn open(&self) -> Opened {
        let options = Open {
            shards: self.shards,
            shapes: &[],
            incarnation: u128::from(self.count),
            cache_size: nigh::store::CACHE_SIZE_DEFAULT,
        };
        open_dir(&self.dir(), options).expect("the directory is sound")
    }
}

impl Subject for Directory {
    fn fresh(&mut self, shards: u32) -> Opened {
        self.count += 1;
        self.shards = shards;
        self.open()
    }
    fn restart(&mut self, opened: Opened) -> Opened {
        drop(opened);
        self.open()
    }
    fn crash(&mut self, opened: Opened) -> Opened {
        let before = self.dir();
        self.count += 1;
        std::fs::create_dir(self.dir()).expect("a new directory");
        for file in ["log.redb", "log.groups", "state.redb"] {
            std::fs::copy(before.join(file), self.dir().join(file)).expect("a file to copy");
        }
        drop(opened);
        std::fs::remove_dir_all(before).expect("its copy is taken");
        self.open()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.root));
    }
}

/// R7, R8: of two processes over one store, the one that took a shard up last has it: its log and its rows.
#[test]
fn beside_another_the_last_to_take_up_writes() {
    let store = MemoryStore::new(1, 7);
    let (mut old, mut new) = (store.open_beside(), store.open_beside());
    let row = |n: u8| RowWrite {
        shard: ShardId(0),
        key: Bytes::from_static(b"row"),
        position: Position(0),
        value: Some(Bytes::copy_from_slice(&[n])),
    };
    let refused = old.rows.write(&[row(0)]);
    assert!(matches!(refused, Err(StoreError::Closed)), "nobody has it yet: {refused:?}");
    let first = old.log.take_up(&[ShardId(0)]).expect("the store works")[0];
    old.rows.write(&[row(1)]).expect("it is its own");
    let second = new.log.take_up(&[ShardId(0)]).expect("the store works")[0];
    assert!(!store.still_mine(ShardId(0), first.epoch) && store.still_mine(ShardId(0), second.epoch));
    let refused = old.rows.write(&[row(2)]);
    assert!(matches!(refused, Err(StoreError::Closed)), "the old owner was heard: {refused:?}");
    new.rows.write(&[row(3)]).expect("it is its own");
    let read = old.rows.read(ShardId(0), b"row").expect("reading is for all").expect("it is there");
    assert_eq!(read.value, Bytes::from_static(&[3]));
}

fn cases(subject: &mut dyn Subject) {
    for (name, case) in CASES {
        println!("{name}");
        case(subject);
    }
}

#[test]
fn memory_keeps_every_promise() {
    cases(&mut Memory::default());
}

#[test]
fn directory_keeps_every_promise() {
    cases(&mut Directory::new());
}

/// At the bound: [`CASES`]. Beyond it, here.
#[test]
#[should_panic(expected = "16385 blobs in one group")]
fn no_group_has_more_blobs_than_it_may() {
    let mut opened = memory(1);
    let head = opened.log.take_up(&[ShardId(0)]).expect("the store works")[0];
    let (epoch, first) = (head.epoch, head.next);
    let one = Append { shard: ShardId(0), epoch, first, next: first, blob: Bytes::new() };
    let _ = opened.log.append(&vec![one; APPENDS_MAX + 1]);
}

#[test]
fn memory_answers_as_its_model() {
    for seed in 1..=5 {
        random(&mut Memory::default(), seed, 10_000);
    }
}

#[test]
fn directory_answers_as_its_model() {
    random(&mut Directory::new(), 1, 10_000);
}
