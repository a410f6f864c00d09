//! What two threads may do to one entity while it is read.

use std::sync::Arc;

use nigh_proto::shards::record::{Blob, Record};
use nigh_proto::shards::{Position, ShardId};
use nigh_wire::{Bytes, Out, Time};

use super::{Budget, Listed, Listing, Memory, Name};
use crate::prelude::*;
use crate::shards::host::{Host, HostOf};
use crate::shards::lanes::Lanes;
use crate::store::{MemoryStore, Rows};

mod pages;

#[derive(Default, State)]
struct Desk {
    notes: u64,
}

#[nigh::entity(key = u64)]
impl Desk {
    pub(crate) fn note(&mut self) {
        self.notes += 1;
    }
}

#[derive(Default, State)]
struct Sheet {
    text: Bytes,
}

#[nigh::entity(key = u64)]
impl Sheet {
    pub(crate) fn write(&mut self, text: Bytes) {
        self.text = text;
    }
}

#[derive(Default, State)]
struct Shelf {
    books: Map<u64, u64>,
}

#[nigh::entity(key = u64)]
impl Shelf {
    pub(crate) fn place(&mut self, book: u64, at: u64) {
        self.books.insert(book, at);
    }
}

const SHARD: ShardId = ShardId(0);

impl Memory {
    /// Of one shard, without room for anything that is clean.
    fn tight(hosts: Arc<[Box<dyn Host>]>, rows: Arc<dyn Rows>) -> Self {
        Memory::new(hosts, rows, (Lanes::new(1, 1), 0), Budget::new(0))
    }

    /// The first keys of the first entity type, unless some are to be loaded first.
    fn listed(&mut self, limit: usize) -> Listed {
        let mut listing = Listing::default();
        assert!(self.list(0, None, limit, &mut listing).is_ok(), "it reads");
        listing.end(limit)
    }

    /// As after a start, of which the log's tail holds these records.
    fn asleep(&mut self, log: &[(u64, &Record)]) {
        let blob = |(place, record): &(u64, &Record)| {
            let (first, records) = (Position(*place), vec![Record::clone(record)]);
            Blob { time: Time::EPOCH, first, records }.to_bytes()
        };
        let blobs = log.iter().map(blob).collect();
        self.sleep(SHARD, blobs, log.iter().map(|(_, record)| *record)).expect("of this build");
    }
}

fn memory() -> (Memory, Name, Bytes) {
    let hosts: Arc<[Box<dyn Host>]> = Arc::new([Box::new(HostOf::<Desk>::new())]);
    let mut memory = Memory::tight(hosts, MemoryStore::new(1, 7).open().rows);
    let key = nigh_wire::encode(&3u64);
    let name = memory.name(0, &key).expect("a key");
    (memory, name, key)
}

fn redo(notes: u64) -> Bytes {
    let mut redo = Out::default();
    redo.var(0);
    redo.var(notes);
    redo.into_bytes()
}

/// As a method does at a place, and its commit, sweep and letting go.
fn change(memory: &mut Memory, name: &Name, key: &Bytes, place: u64) {
    let mut cell = memory.take(SHARD, name, key).expect("reads");
    cell.apply(&redo(place + 1)).expect("a change");
    memory.put_back(SHARD, name, cell, Some((Position(place), 2)));
    let durable = Position(place + 1);
    let found = memory.sweep(SHARD, durable, durable, None, 256).expect("reads");
    memory.loader.rows.write(&found.rows).expect("writes");
    memory.wrote(found.written);
    memory.let_written_go();
}

fn notes(memory: &mut Memory, name: &Name, key: &Bytes) -> Bytes {
    let cell = memory.take(SHARD, name, key).expect("reads");
    let snapshot = cell.snapshot();
    memory.put_back(SHARD, name, cell, None);
    snapshot
}

#[test]
fn text_and_bytes_take_their_length_and_entries_take_more() {
    let size = |host: &dyn Host| host.size_in_memory(1_000) - host.size_in_memory(0);
    assert_eq!(size(&HostOf::<Sheet>::new()), 1_000);
    assert_eq!(size(&HostOf::<Desk>::new()), 1_000, "what is longer than its state can be");
    assert_eq!(size(&HostOf::<Shelf>::new()), 4_000);
}

#[test]
fn what_was_read_before_a_change_is_read_again() {
    let (mut memory, name, key) = memory();
    let loading = memory.loader_of(SHARD, &name).expect("reads").expect("it is cold");
    let loaded = loading.load(SHARD, &name, &key).expect("reads");
    change(&mut memory, &name, &key, 0);
    assert!(!memory.put_loaded(SHARD, &name, loading, loaded).expect("fits"), "it was let go, and is old");
    assert_eq!(notes(&mut memory, &name, &key), nigh_wire::encode(&1u64));
}

/// Nothing comes in while it is full, so that nothing would go: whoever asks makes room.
#[test]
fn a_memory_full_of_what_is_written_is_not_full() {
    let (mut memory, name, key) = memory();
    change(&mut memory, &name, &key, 0);
    notes(&mut memory, &name, &key);
    assert!(memory.cold.budget.size() > 0, "it has come in again");
    assert!(!memory.is_full(), "{} bytes", memory.cold.budget.size());
}

#[test]
fn what_is_in_memory_stays() {
    let (mut memory, name, key) = memory();
    let loading = memory.loader_of(SHARD, &name).expect("reads").expect("it is cold");
    let loaded = loading.load(SHARD, &name, &key).expect("reads");
    let mut cell = memory.take(SHARD, &name, &key).expect("reads");
    cell.apply(&redo(1)).expect("a change");
    memory.put_back(SHARD, &name, cell, Some((Position(0), 2)));
    assert!(memory.put_loaded(SHARD, &name, loading, loaded).expect("keeps"));
    assert_eq!(notes(&mut memory, &name, &key), nigh_wire::encode(&1u64));
}

/// A row does not come before an entity of a smaller key of which only the log's tail speaks.
#[test]
fn keys_of_the_tail_are_listed_in_their_place() {
    let (mut memory, ..) = memory();
    let [three, seven] = [3u64, 7].map(|key| nigh_wire::encode(&key));
    let name = memory.name(0, &seven).expect("a key");
    change(&mut memory, &name, &seven, 0);
    let rows = memory.loader.rows.clone();
    let mut memory = Memory::tight(memory.loader.hosts.clone(), rows);
    let record = pages::record("Desk", three.clone(), redo(2), false);
    memory.asleep(&[(1, &record)]);
    let Listed::Cold(cold) = memory.listed(1) else { panic!("it is to be loaded first") };
    for (shard, name, key) in cold {
        let loading = memory.loader_of(shard, &name).expect("reads").expect("it is cold");
        let loaded = loading.load(shard, &name, &key).expect("reads");
        assert!(memory.put_loaded(shard, &name, loading, loaded).expect("fits"));
    }
    let Listed::Keys(keys) = memory.listed(1) else { panic!("it lists") };
    assert_eq!(keys, [three]);
}

/// Nothing was done for it at the start: whoever is the first to look at its shard finds all of it, in order.
#[test]
fn a_tail_is_repeated_whoever_looks_first() {
    let (memory, name, key) = memory();
    let rows = memory.loader.rows.clone();
    let log = [2, 5].map(|notes| pages::record("Desk", key.clone(), redo(notes), false));
    let other = pages::record("Desk", nigh_wire::encode(&9u64), redo(4), false);
    let started = || {
        let mut memory = Memory::tight(memory.loader.hosts.clone(), rows.clone());
        memory.asleep(&[(1, &log[0]), (2, &other), (3, &log[1])]);
        assert_eq!(memory.dirty(), 3, "it waits to be written back");
        memory
    };
    assert_eq!(notes(&mut started(), &name, &key), nigh_wire::encode(&5u64), "asked");
    let mut swept = started();
    let found = swept.sweep(SHARD, Position(4), Position(4), None, 256).expect("reads");
    assert_eq!(found.cold.len(), 2, "swept");
    assert_eq!(swept.dirty(), 2);
    let Listed::Cold(cold) = started().listed(9) else { panic!("they are to be loaded first") };
    assert_eq!(cold.len(), 2, "listed");
    let strange = pages::record("Chair", key, redo(1), false);
    let refused = started().sleep(SHARD, vec![], std::iter::once(&strange));
    assert!(refused.is_err_and(|error| error.to_string().contains("`Chair` is not in this build")));
}

/// A large value may be a slice of what it was read from: not of the log.
#[test]
fn an_entity_keeps_nothing_of_the_log() {
    let hosts: Arc<[Box<dyn Host>]> = Arc::new([Box::new(HostOf::<Sheet>::new())]);
    let mut memory = Memory::tight(hosts, MemoryStore::new(1, 7).open().rows);
    let key = nigh_wire::encode(&3u64);
    let mut redo = Out::default();
    redo.var(0);
    redo.len_bytes(&[b'a'; 8 << 10]);
    let records = vec![pages::record("Sheet", key.clone(), redo.into_bytes(), false)];
    let blob = Blob { time: Time::EPOCH, first: Position(1), records };
    let bytes = Bytes::from(blob.to_bytes().to_vec());
    memory.sleep(SHARD, vec![bytes.clone()], blob.records.iter()).expect("of this build");
    let name = memory.name(0, &key).expect("a key");
    assert!(notes(&mut memory, &name, &key).len() > 8 << 10);
    assert_eq!(memory.dirty(), 1, "it is still in memory");
    assert!(bytes.is_unique(), "some of it is kept");
}
