//! A group of the log is bounded in bytes, and whatever has no room in one is of the next.

#![allow(unreachable_pub, reason = "the methods of an entity are public, and this is a test")]
#![allow(missing_docs, reason = "as above")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use nigh::CallError;
use nigh::engine::{Ambient, Blueprint, Engine, Options};
use nigh::prelude::*;
use nigh::store::{GROUP_SIZE_MAX, Log, MemoryStore};
use nigh_proto::Instant;
use nigh_proto::calls::caller::CALL_SIZE_MAX;
use nigh_proto::placement::{Role, shard_of};
use nigh_proto::shards::ShardId;
use nigh_wire::{Bytes, CallId, Time};

const SHARDS: u32 = 256;
const LANES: u32 = 16;
/// Nearly as much as a call may carry.
const TEXT_SIZE: usize = CALL_SIZE_MAX - 1_024;

type Task = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// A process without time, whose tasks end at once.
struct Still(AtomicU64);

impl Ambient for Still {
    fn now(&self) -> Instant {
        Instant::from_nanos(1)
    }
    fn wall(&self) -> Time {
        Time::EPOCH
    }
    fn entropy(&self) -> u128 {
        u128::from(self.0.fetch_add(1, Ordering::Relaxed))
    }
    fn sleep_until(&self, _: Instant) -> Task {
        Box::pin(std::future::pending())
    }
    fn spawn(&self, mut task: Task) {
        assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready(), "it would be lost");
    }
    fn end(&self, why: &str) -> ! {
        panic!("{why}")
    }
    fn started(&self, _: CallId) {}
}

#[derive(Debug, Default, State)]
pub struct Page {
    text: Bytes,
}

#[nigh::entity(key = u64)]
impl Page {
    pub fn write(&mut self, text: Bytes) {
        self.text = text;
    }
}

/// A call under way.
type Waits = std::pin::Pin<Box<dyn Future<Output = Result<(), CallError>> + Send>>;

/// A process of pages, and its log.
struct Pages {
    engine: Engine,
    log: Box<dyn Log>,
}

/// Where the page is.
fn place(page: u64) -> ShardId {
    shard_of("Page", &nigh_wire::encode(&page), SHARDS)
}

/// So many pages of that lane, no two of them in one shard.
fn pages_of(lane: u32, count: usize) -> Vec<u64> {
    let mut shards = BTreeSet::new();
    let mut fits = |page: &u64| place(*page).0 % LANES == lane && shards.insert(place(*page));
    (0..10_000).filter(|page| fits(page)).take(count).collect()
}

impl Pages {
    fn new() -> Self {
        let blueprint = Blueprint::new(App::new("pages").entity::<Page>()).expect("is right");
        let role = Role { entities: ["Page".to_owned()].into(), ..Role::default() };
        let options = Options {
            role: "all".into(),
            shards: SHARDS,
            lanes_max: LANES,
            has_peer: false,
            shared: false,
            memory_max: usize::MAX / 2,
            backups: None,
        };
        let (ambient, store) = (Arc::new(Still(AtomicU64::new(1))), MemoryStore::new(SHARDS, 7));
        let opened = Engine::open(&blueprint, &role, options, ambient, |_| Ok(store.open()));
        let (engine, log) = opened.expect("starts");
        Pages { engine, log: log.expect("it owns pages") }
    }

    /// Asks for a page to be full of that byte.
    fn write(&self, page: u64, byte: u8) -> Waits {
        let text = Bytes::from(vec![byte; TEXT_SIZE]);
        let mut call: Waits = Box::pin(self.engine.handle().call(Page::at(page).write(text)).into_future());
        assert!(poll(&mut call).is_pending(), "it is not durable yet");
        call
    }

    /// Makes a group durable: its shards, in order. None if there is nothing to append.
    fn append(&mut self) -> Vec<ShardId> {
        let Some(group) = self.engine.poll_group(self.log.as_mut()) else { return vec![] };
        let size: usize = group.appends.iter().map(|append| append.blob.len()).sum();
        assert!(size < GROUP_SIZE_MAX + CALL_SIZE_MAX, "{size} bytes");
        let shards = group.appends.iter().map(|append| append.shard).collect();
        let appended = self.log.append(&group.appends);
        let again = self.engine.handle_appended(self.log.as_ref(), group, appended);
        assert!(again.is_none(), "there is room");
        shards
    }
}

fn poll(call: &mut Waits) -> Poll<Result<(), CallError>> {
    call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// What comes at once stands in several groups, once each, and all of it is answered.
#[test]
fn a_group_is_bounded_in_bytes() {
    let mut world = Pages::new();
    let pages: Vec<u64> = (0..LANES).flat_map(|lane| pages_of(lane, 3)).collect();
    let mut calls: Vec<Waits> = pages.iter().map(|page| world.write(*page, 1)).collect();
    let (mut shards, mut groups) = (Vec::new(), 0);
    loop {
        let appended = world.append();
        if appended.is_empty() {
            break;
        }
        groups += 1;
        shards.extend(appended);
    }
    assert!(groups * (GROUP_SIZE_MAX + CALL_SIZE_MAX) >= pages.len() * TEXT_SIZE, "{groups} groups");
    shards.sort_unstable();
    let mut asked: Vec<ShardId> = pages.iter().map(|page| place(*page)).collect();
    asked.sort_unstable();
    assert_eq!(shards, asked);
    assert!(calls.iter_mut().all(|call| poll(call) == Poll::Ready(Ok(()))));
}

/// Where each group is filled by the first lanes, the last one is not left for ever.
#[test]
fn a_group_begins_with_what_had_no_room_in_the_last() {
    let mut world = Pages::new();
    let many: Vec<u64> = (0..3).flat_map(|lane| pages_of(lane, 3)).collect();
    let last = pages_of(LANES - 1, 1)[0];
    let mut calls: Vec<(u64, Waits)> =
        many.iter().chain([&last]).map(|page| (*page, world.write(*page, 1))).collect();
    let first = world.append();
    assert!(first.len() < many.len() && !first.contains(&place(last)), "{first:?}");
    for (page, call) in &mut calls {
        if poll(call).is_ready() {
            // Whoever was answered asks again, for something else: what is as it was takes no room.
            *call = world.write(*page, 2);
        }
    }
    let second = world.append();
    assert!(second.contains(&place(last)), "{second:?}");
}
