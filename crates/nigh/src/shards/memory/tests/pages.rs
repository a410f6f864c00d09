//! Entities in several rows, beside a model: changed, written back in pieces, let go, and read again after a crash between any two
//! rows.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use nigh_proto::calls::request::Order;
use nigh_proto::shards::Position;
use nigh_proto::shards::record::{Ran, RanOutcome, Record};
use nigh_wire::{Bytes, Fingerprint, Out, Time};
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::load::{ENTITY_ROW, PAGE_ROW, page_key, page_prefix};
use super::super::{Listed, Memory, Name, PageRow};
use super::SHARD;
use crate::prelude::*;
use crate::shards::host::{Host, HostOf};
use crate::state::Limits;
use crate::store::{MemoryStore, RowWrite, Rows};
use crate::{List, Map, Set};

/// Lists in its map bear no change twice; what is around them is in the head.
#[derive(Debug, Default, State)]
struct Shelf {
    label: u64,
    books: Map<u8, List<u8>>,
    log: List<u8>,
    tags: Set<u8>,
}

#[nigh::entity(key = u64)]
impl Shelf {
    pub(crate) fn touch(&mut self) {
        self.label += 1;
    }
}

#[derive(Clone, Debug)]
enum Change {
    Push(u8, u8),
    Pop(u8),
    Edit(u8, u8),
    Drop(u8),
    Many(u8, u8),
    Few(u8, u8),
    Retain(u8),
    Clear,
    Replace(u8),
    Tag(u8),
    Untag(u8),
    Log(u8),
    Unlog,
    Label(u64),
    Delete,
}

impl Change {
    fn make(&self, shelf: &mut Shelf) {
        match *self {
            Change::Push(at, of) => shelf.books.entry(at).or_default().push(of),
            Change::Pop(at) => drop(shelf.books.get_mut(&at).map(List::pop)),
            Change::Edit(at, of) => {
                shelf
                    .books
                    .get_mut(&at)
                    .and_then(|list| list.last_mut())
                    .into_iter()
                    .for_each(|last| *last = of);
            }
            Change::Drop(at) => drop(shelf.books.remove(&at)),
            Change::Many(from, count) => {
                (from..from.saturating_add(count)).for_each(|at| shelf.books.entry(at).or_default().push(at));
            }
            Change::Few(from, count) => {
                (from..from.saturating_add(count)).for_each(|at| drop(shelf.books.remove(&at)));
            }
            Change::Retain(of) => shelf.books.retain(|at, _| at % 4 == of % 4),
            Change::Clear => shelf.books.clear(),
            Change::Replace(count) => {
                shelf.books = (0..count).map(|at| (at.wrapping_mul(37), List::from([at]))).collect();
            }
            Change::Tag(at) => drop(shelf.tags.insert(at)),
            Change::Untag(at) => drop(shelf.tags.remove(&at)),
            Change::Log(of) => shelf.log.push(of),
            Change::Unlog => drop(shelf.log.pop()),
            Change::Label(of) => shelf.label = of,
            Change::Delete => {}
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Change(Change),
    /// What was changed becomes durable.
    Sync,
    /// A step of the sweep: makes at most so many rows.
    Step(usize),
    /// Writes so many of the rows that were made.
    Write(usize),
    Crash,
    /// From now on collections are large from this size on.
    Limits(bool),
}

fn change() -> impl Strategy<Value = Change> {
    let any = || any::<u8>();
    prop_oneof![
        6 => (any(), any()).prop_map(|(at, of)| Change::Push(at, of)),
        2 => any().prop_map(Change::Pop),
        2 => (any(), any()).prop_map(|(at, of)| Change::Edit(at, of)),
        3 => any().prop_map(Change::Drop),
        4 => (any(), 0..40u8).prop_map(|(from, count)| Change::Many(from, count)),
        2 => (any(), 0..80u8).prop_map(|(from, count)| Change::Few(from, count)),
        1 => any().prop_map(Change::Retain),
        1 => Just(Change::Clear),
        1 => (0..60u8).prop_map(Change::Replace),
        3 => any().prop_map(Change::Tag),
        1 => any().prop_map(Change::Untag),
        3 => any().prop_map(Change::Log),
        2 => Just(Change::Unlog),
        1 => (0..9u64).prop_map(Change::Label),
        2 => Just(Change::Delete),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => change().prop_map(Op::Change),
        4 => Just(Op::Sync),
        6 => (1..9usize).prop_map(Op::Step),
        6 => (0..6usize).prop_map(Op::Write),
        1 => Just(Op::Crash),
        1 => any::<bool>().prop_map(Op::Limits),
    ]
}

/// A process with one entity, its store, and what should be there.
struct World {
    rows: Arc<dyn Rows>,
    memory: Memory,
    limits: Limits,
    /// Not yet written rows of the sweep, and what is known once they are.
    found: VecDeque<super::super::sweep::Found>,
    sweep: Option<Sweep>,
    log: BTreeMap<u64, Record>,
    /// Snapshots by how many records there were.
    model: BTreeMap<u64, Bytes>,
    next: u64,
    durable: u64,
}

struct Sweep {
    since: Position,
    from: Option<Name>,
    waits: bool,
    is_made: bool,
}

fn hosts() -> Arc<[Box<dyn Host>]> {
    Arc::new([Box::new(HostOf::<Shelf>::new())])
}

fn key() -> Bytes {
    nigh_wire::encode(&3u64)
}

/// What the log has of a call.
pub(super) fn record(entity: &str, key: Bytes, redo: Bytes, deleted: bool) -> Record {
    Record::Ran(Ran {
        id: None,
        time: Time::EPOCH,
        fingerprint: Fingerprint(0),
        entity: entity.into(),
        key,
        method: "touch".into(),
        order: Order::Free,
        keyed: None,
        outcome: RanOutcome::Ok(Bytes::new()),
        redo,
        deleted,
        seed: None,
        staged: vec![],
        timers: vec![],
        others: vec![],
    })
}

impl World {
    fn new() -> Self {
        let rows = MemoryStore::new(1, 7).open().rows;
        let memory = Memory::tight(hosts(), rows.clone());
        let model = BTreeMap::from([(0, hosts()[0].default().clone())]);
        let (found, log) = (VecDeque::new(), BTreeMap::new());
        let limits = Limits::TINY;
        World { rows, memory, limits, found, sweep: None, log, model, next: 0, durable: 0 }
    }

    fn name(&mut self) -> Name {
        self.memory.name(0, &key()).expect("a key")
    }

    /// As it is in memory, which is as it should be.
    fn check(&mut self) -> Bytes {
        let (name, key) = (self.name(), key());
        let cell = self.memory.take(SHARD, &name, &key).expect("reads");
        let now = cell.snapshot();
        self.memory.put_back(SHARD, &name, cell, None);
        assert_eq!(now, self.model[&self.next], "at {}", self.next);
        now
    }

    fn change(&mut self, change: &Change) {
        self.check();
        let (name, key) = (self.name(), key());
        let mut cell = self.memory.take(SHARD, &name, &key).expect("reads");
        let deleted = matches!(change, Change::Delete);
        let mut redo = Out::default();
        if deleted {
            cell.reset();
        } else {
            cell.begin();
            change.make(cell.state_mut().downcast_mut().expect("its type"));
            if !cell.commit(&mut redo) {
                self.memory.put_back(SHARD, &name, cell, None);
                return;
            }
        }
        let redo = redo.into_bytes();
        self.log.insert(self.next, record("Shelf", key, redo.clone(), deleted));
        self.model.insert(self.next + 1, cell.snapshot());
        self.memory.put_back(SHARD, &name, cell, Some((Position(self.next), redo.len())));
        self.next += 1;
    }

    fn load(&mut self, name: &Name, key: &Bytes) {
        let loading = self.memory.loader_of(SHARD, name).expect("reads").expect("it is cold");
        let loaded = loading.load(SHARD, name, key).expect("reads");
        assert!(self.memory.put_loaded(SHARD, name, loading, loaded).expect("fits"));
    }

    fn step(&mut self, rows_max: usize) {
        self.memory.limits = self.limits;
        let durable = Position(self.durable);
        let sweep =
            self.sweep.get_or_insert(Sweep { since: durable, from: None, waits: false, is_made: false });
        if sweep.is_made {
            return;
        }
        let found =
            self.memory.sweep(SHARD, sweep.since, durable, sweep.from.take(), rows_max).expect("reads");
        found.cold.iter().for_each(|(name, key)| self.load(name, key));
        let sweep = self.sweep.as_mut().expect("it is under way");
        sweep.waits |= found.waits;
        if found.more {
            sweep.from = found.next.clone();
        } else if found.cold.is_empty() {
            sweep.is_made = !std::mem::take(&mut sweep.waits);
        }
        self.found.push_back(found);
    }

    fn write(&mut self, mut rows: usize) {
        while let Some(found) = self.found.front_mut() {
            if found.rows.is_empty() {
                let written = self.found.pop_front().expect("it is there").written;
                self.memory.wrote(written);
                continue;
            }
            if rows == 0 {
                return;
            }
            rows -= 1;
            self.rows.write(&[found.rows.remove(0)]).expect("writes");
        }
        if let Some(Sweep { since, .. }) = self.sweep.take_if(|sweep| sweep.is_made) {
            self.log.retain(|place, _| *place >= since.0);
            self.memory.cut(&[since]);
        }
    }

    /// Writes what there is to write, and dies before the log is cut.
    fn write_uncut(&mut self) {
        self.memory.limits = self.limits;
        self.durable = self.next;
        let durable = Position(self.durable);
        let found = self.memory.sweep(SHARD, durable, durable, None, 256).expect("reads");
        assert!(found.cold.is_empty() && !found.more, "all is in memory, and little");
        self.rows.write(&found.rows).expect("writes");
        self.memory.wrote(found.written);
    }

    fn crash(&mut self) {
        self.next = self.durable;
        self.log.retain(|place, _| *place < self.durable);
        self.model.retain(|place, _| *place <= self.durable);
        (self.found, self.sweep) = (VecDeque::new(), None);
        self.memory = Memory::tight(hosts(), self.rows.clone());
        self.memory.asleep(&self.log.iter().map(|(place, record)| (*place, record)).collect::<Vec<_>>());
        self.listed();
    }

    /// Keys that exist are listed, in memory or not.
    fn listed(&mut self) {
        let exists = self.model[&self.next] != *hosts()[0].default();
        let keys = loop {
            match self.memory.listed(10) {
                Listed::Keys(keys) => break keys,
                Listed::Cold(cold) => cold.iter().for_each(|(_, name, key)| self.load(name, key)),
                Listed::More => panic!("there are few"),
            }
        };
        assert_eq!(keys.len(), usize::from(exists), "at {}", self.next);
    }

    fn play(&mut self, op: &Op) {
        match op {
            Op::Change(change) => self.change(change),
            Op::Sync => self.durable = self.next,
            Op::Step(rows) => self.step(*rows),
            Op::Write(rows) => self.write(*rows),
            Op::Crash => self.crash(),
            Op::Limits(tiny) => self.limits = if *tiny { Limits::TINY } else { Limits::USUAL },
        }
    }

    fn settle(&mut self, rows_max: usize) {
        self.durable = self.next;
        // The one that is under way, and one of all that there is.
        for _ in 0..2 {
            while {
                self.step(rows_max);
                self.write(usize::MAX);
                self.sweep.is_some()
            } {}
        }
    }

    fn count(&self, kind: u8) -> usize {
        let mut count = 0;
        let scanned =
            self.rows.scan(SHARD, &[kind], Bound::Included(&[kind]), usize::MAX, &mut |_, _| count += 1);
        scanned.expect("reads");
        count
    }
}

fn run(ops: &[Op]) {
    let mut world = World::new();
    for op in ops {
        world.play(op);
    }
    world.settle(3);
    world.crash();
    world.check();
    if world.model[&world.next] == *hosts()[0].default() {
        world.settle(256);
        world.settle(256);
        assert_eq!((world.count(PAGE_ROW), world.count(ENTITY_ROW)), (0, 0), "it is its default");
    }
    // Little is left, and goes home.
    world.limits = Limits::USUAL;
    world.change(&Change::Label(1));
    world.change(&Change::Label(2));
    world.settle(256);
    assert_eq!((world.count(PAGE_ROW), world.count(ENTITY_ROW)), (0, 1));
    world.crash();
    world.check();
    world.limits = Limits::TINY;
    world.change(&Change::Many(0, 60));
    world.settle(256);
    assert!(world.count(PAGE_ROW) > 5, "{} pages", world.count(PAGE_ROW));
    world.listed();
    world.crash();
    world.check();
    world.change(&Change::Delete);
    world.limits = Limits::USUAL;
    world.settle(256);
    world.settle(256);
    assert_eq!((world.count(PAGE_ROW), world.count(ENTITY_ROW)), (0, 0), "nothing is left of it");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    /// Whatever was written of it and whatever not, a start finds what is durable.
    #[test]
    fn an_entity_in_pieces_is_whole(ops in vec(op(), 0..80)) {
        run(&ops);
    }
}

/// Each way from one form to another, cut short behind each of its rows: nothing is lost, and nothing stays of what is gone.
#[test]
fn a_crash_between_any_two_rows() {
    let fill = || Op::Change(Change::Many(70, 40));
    let written = || [Op::Sync, Op::Step(256), Op::Write(usize::MAX)];
    let ways: [&[Change]; 5] = [
        &[Change::Delete],
        &[Change::Clear],
        &[Change::Retain(1), Change::Label(3)],
        &[Change::Push(75, 1), Change::Few(80, 20)],
        &[Change::Many(60, 60), Change::Tag(1)],
    ];
    for way in ways {
        for rows in 0..60 {
            let mut ops = vec![fill()];
            ops.extend(written());
            ops.extend(way.iter().cloned().map(Op::Change));
            ops.extend([Op::Sync, Op::Step(256), Op::Write(rows), Op::Crash]);
            run(&ops);
        }
    }
    for rows in 0..60 {
        run(&[fill(), Op::Sync, Op::Step(256), Op::Write(rows), Op::Crash]);
    }
}

/// A list says of a change from where on it is another: of one that has become shorter since, that is no longer there.
#[test]
fn what_rows_hold_is_not_repeated() {
    use Change::{Log, Many, Pop, Push, Unlog};
    let whole = ([Log(1), Log(2), Log(3)], [Log(4), Unlog, Unlog, Unlog]);
    let paged = ([Many(70, 40), Push(75, 1), Push(75, 2)], [Push(75, 3), Pop(75), Pop(75), Pop(75)]);
    for ((before, after), limits) in [(whole, Limits::USUAL), (paged, Limits::TINY)] {
        let mut world = World::new();
        world.limits = limits;
        before.iter().for_each(|change| world.change(change));
        world.settle(256);
        after.iter().for_each(|change| world.change(change));
        world.write_uncut();
        world.crash();
        world.check();
    }
}

/// As long as the log speaks of what was there before, a start needs the row to know from where on.
#[test]
fn the_row_of_what_is_its_default_stays_until_the_log_is_cut() {
    use Change::{Log, Unlog};
    let mut world = World::new();
    [Log(1), Log(2), Log(3)].iter().for_each(|change| world.change(change));
    world.settle(256);
    [Unlog, Unlog, Unlog].iter().for_each(|change| world.change(change));
    world.write_uncut();
    world.write_uncut();
    assert_eq!(world.count(ENTITY_ROW), 1);
    world.crash();
    world.check();
}

/// A change that was never durable kept empty pages from coming home: after the crash nobody sees them, and they go once the
/// entity was asked for.
#[test]
fn empty_pages_of_a_crash_hold_nothing() {
    let changed = |change| [Op::Change(change), Op::Sync, Op::Step(1)];
    let mut ops: Vec<Op> = changed(Change::Replace(17)).into();
    ops.push(Op::Write(3));
    ops.extend(changed(Change::Clear));
    ops.extend([Op::Change(Change::Many(43, 1)), Op::Step(4), Op::Write(4), Op::Write(1), Op::Crash]);
    run(&ops);
}

/// As above, and the log speaks of what the head holds: which has no row yet, or an older one than the empty pages.
#[test]
fn empty_pages_of_a_crash_do_not_speak_for_the_head() {
    use Change::{Clear, Log, Push, Replace, Tag};
    let change = Op::Change;
    let without_head = [change(Log(0)), change(Replace(25)), Op::Sync, Op::Step(5), change(Clear), Op::Sync];
    let never_durable = [change(Tag(0)), change(Push(0, 0)), Op::Step(4), Op::Step(1), Op::Write(9)];
    let pages_written = [Op::Step(1), Op::Write(4), Op::Crash];
    run(&[&without_head[..], &never_durable, &pages_written].concat());
}

/// So many empty pages that they do not all go in one step: meanwhile the head is written, which nothing else has touched.
#[test]
fn many_empty_pages_of_a_crash_go_in_time() {
    const BOOKS: usize = 1;
    let mut world = World::new();
    let prefix = page_prefix("Shelf", &world.name().order);
    let empty = |from: u8| PageRow { from: nigh_wire::encode(&from), entries: nigh_wire::encode(&0u64) };
    for number in 0..5u8 {
        let key = page_key(&prefix, BOOKS, number.into());
        let value = Some(nigh_wire::encode(&empty(number * 10)));
        world.rows.write(&[RowWrite { shard: SHARD, key, position: Position(0), value }]).expect("writes");
    }
    (world.next, world.durable) = (1, 1);
    world.model.insert(1, hosts()[0].default().clone());
    world.check();
    world.step(3);
    world.write(usize::MAX);
    assert_eq!((world.count(PAGE_ROW), world.count(ENTITY_ROW)), (5, 1), "three rows at a time");
    world.crash();
    world.check();
    world.settle(256);
    world.settle(256);
    assert_eq!((world.count(PAGE_ROW), world.count(ENTITY_ROW)), (0, 0), "it is its default");
}
