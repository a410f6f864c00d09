//! A node on a disk that is full for a while (F10) refuses what writes, answers what reads, and goes on. And what a stop
//! leaves of what is no more.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use nigh_proto::shards::ShardId;

use crate::handle::{Ask, How};
use crate::prelude::*;
use crate::shards::owner::Owner;
use crate::store::{Faults, FaultyDirectory, open_on};

/// A node that sweeps so seldom meets a full disk in its commits.
const SELDOM: Duration = Duration::from_secs(3600);
/// Asked again only after this: the first answer is the one that counts.
const REFUSED_WITHIN: Duration = Duration::from_millis(450);

#[derive(Default, State)]
struct Till {
    cents: u64,
}

#[nigh::entity(key = u64)]
impl Till {
    pub(crate) fn add(&mut self, cents: u64) -> u64 {
        self.cents += cents;
        self.cents
    }
    pub(crate) fn empty(&mut self) -> u64 {
        std::mem::take(&mut self.cents)
    }
    pub(crate) fn cents(&self) -> u64 {
        self.cents
    }
}

/// A directory of its own, and what its disk does.
struct Ground {
    dir: PathBuf,
    faults: Arc<Faults>,
}

impl Ground {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("nigh-node-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Ground { dir: std::env::temp_dir().join(name), faults: Faults::none() }
    }

    async fn start(&self) -> Node {
        self.start_sweeping(Duration::from_millis(4)).await
    }

    async fn start_sweeping(&self, write_back_every: Duration) -> Node {
        let config = Config { write_back_every, ..Config::dir(&self.dir) };
        let disk = Arc::new(FaultyDirectory::new(&self.dir, &self.faults));
        let app = App::new("tills").entity::<Till>();
        Node::start_on(app, config, |options| Ok(open_on(disk, options)?)).await.expect("it opens")
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

async fn cents(node: &Node, key: u64) -> u64 {
    node.handle().call(Till::at(key).cents()).await.expect("it is read")
}

/// A call that writes is refused, and says that nothing happened.
async fn refused(node: &Node, key: u64) {
    let refused = node.handle().call(Till::at(key).add(1000)).within(REFUSED_WITHIN).await;
    assert!(matches!(refused, Err(CallError::Overloaded { .. })), "{refused:?}");
}

/// With what is held back the calls under way are answered; then those that write are refused, and views go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_heals() {
    let ground = Ground::new();
    let node = ground.start_sweeping(SELDOM).await;
    let nigh = node.handle();
    let mut right = 0;
    for _ in 0..3 {
        ground.faults.reserved.store(100_000, Ordering::Relaxed);
        ground.faults.set_full(true);
        right += 1;
        assert_eq!(nigh.call(Till::at(7).add(1)).await, Ok(right), "its commit is ended");
        until(|| !node.is_ready()).await;
        for key in [7, 8] {
            refused(&node, key).await;
        }
        assert_eq!((cents(&node, 7).await, cents(&node, 8).await), (right, 0));
        ground.faults.set_full(false);
        until(|| node.is_ready()).await;
        right += 1;
        assert_eq!(nigh.call(Till::at(7).add(1)).await, Ok(right), "it goes on");
    }
    assert!(nigh.ledger().unbalanced().is_empty());
    node.stop().await.expect("it ends");
    let node = ground.start().await;
    assert_eq!((cents(&node, 7).await, cents(&node, 8).await), (2 * 3, 0));
}

/// Whoever finds it full first, the sweeper or a commit: rows are written once there is room.
#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_goes_on_once_there_is_room() {
    let ground = Ground::new();
    let node = ground.start().await;
    let mut right = 0;
    for _ in 0..3 {
        ground.faults.reserved.store(100_000, Ordering::Relaxed);
        ground.faults.set_full(true);
        let told = node.handle().call(Till::at(7).add(1)).within(REFUSED_WITHIN).await;
        assert!(matches!(told, Ok(_) | Err(CallError::Overloaded { .. })), "{told:?}");
        right += u64::from(told.is_ok());
        until(|| !node.is_ready()).await;
        ground.faults.set_full(false);
        until(|| node.is_ready()).await;
        right += 1;
        assert_eq!(node.handle().call(Till::at(7).add(1)).await, Ok(right));
        until(|| node.unwritten() == 0).await;
    }
    node.stop().await.expect("it ends");
}

/// Without, whatever was under way waits for room; it counts once, and nobody else waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_on_a_full_disk_waits_for_room() {
    let ground = Ground::new();
    let node = ground.start_sweeping(SELDOM).await;
    let nigh = node.handle();
    assert_eq!(nigh.call(Till::at(7).add(1)).await, Ok(1));
    ground.faults.set_full(true);
    let waits = tokio::spawn({
        let nigh = nigh.clone();
        async move { nigh.call(Till::at(7).add(1)).await }
    });
    until(|| !node.is_ready()).await;
    for key in [7, 8] {
        refused(&node, key).await;
    }
    assert_eq!(cents(&node, 8).await, 0, "it is of another shard");
    assert!(!waits.is_finished());
    ground.faults.set_full(false);
    assert_eq!(waits.await.expect("it is answered"), Ok(2));
    until(|| node.is_ready()).await;
    node.stop().await.expect("it ends");
    let node = ground.start().await;
    assert_eq!((cents(&node, 7).await, cents(&node, 8).await), (2, 0));
}

/// A node that is told to stop while its disk is full ends; what was acknowledged is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_on_a_full_disk_stops() {
    let ground = Ground::new();
    let node = ground.start().await;
    let nigh = node.handle();
    assert_eq!(nigh.call(Till::at(7).add(1)).await, Ok(1));
    ground.faults.set_full(true);
    let short = nigh.call(Till::at(7).add(1)).within(REFUSED_WITHIN).await;
    assert!(matches!(short, Err(CallError::InDoubt(_) | CallError::Overloaded { .. })), "{short:?}");
    node.stop().await.expect("it ends");
    ground.faults.set_full(false);
    let node = ground.start().await;
    assert_eq!(cents(&node, 7).await, 1);
}

/// Rows of entities in the state file.
fn entity_rows(ground: &Ground) -> u32 {
    let disk = Arc::new(FaultyDirectory::new(&ground.dir, &ground.faults));
    let (shards, cache_size) = (SHARDS_DEFAULT, store::CACHE_SIZE_DEFAULT);
    let options = store::Open { shards, shapes: &[], incarnation: 1, cache_size };
    let rows = open_on(disk, options).expect("it opens").rows;
    let mut count = 0;
    for shard in 0..shards {
        let all = std::ops::Bound::Unbounded;
        rows.scan(ShardId(shard), b"e", all, usize::MAX, &mut |_, _| count += 1).expect("it is read");
    }
    count
}

/// What became its default has a row until the log begins behind it; a planned stop leaves none.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_removes_rows_of_what_is_its_default() {
    let ground = Ground::new();
    for round in 0..2 {
        let node = ground.start_sweeping(SELDOM).await;
        for key in 0..40 {
            assert_eq!(node.handle().call(Till::at(key).add(3)).await, Ok(3));
        }
        for key in 1..40 {
            assert_eq!(node.handle().call(Till::at(key).empty()).await, Ok(3));
        }
        node.stop().await.expect("it ends");
        assert_eq!(entity_rows(&ground), 1, "round {round}");
        let node = ground.start().await;
        assert_eq!((cents(&node, 0).await, cents(&node, 1).await), (3, 0));
        assert_eq!(node.handle().call(Till::at(0).empty()).await, Ok(3));
        node.stop().await.expect("it ends");
        assert_eq!(entity_rows(&ground), 0, "round {round}");
    }
}

/// Answers that nobody took up are counted, for as long as somebody may.
#[tokio::test]
async fn an_answer_is_untaken_until_it_is_heard_or_its_asker_has_gone() {
    let ground = Ground::new();
    let node = ground.start().await;
    let (nigh, owner) = (node.handle(), node.threads.as_ref().expect("it has a store").owner.clone());
    let untaken = || owner.untaken().1;
    let ask = |cents| nigh.call(Till::at(7).add(cents)).into_future();
    let heard = ask(1);
    until(|| untaken() == 1).await;
    assert_eq!((heard.await, untaken()), (Ok(1), 0));
    let gone = ask(1);
    until(|| untaken() == 1).await;
    drop(gone);
    assert_eq!(untaken(), 0);
    // Let go of at once, told or not.
    drop(ask(1));
    assert_eq!((ask(1).await, untaken()), (Ok(4), 0));
    node.stop().await.expect("it ends");
}

/// Looks how many batches are being taken in.
struct Look(Arc<Owner>);

impl Ask for Look {
    type Answer = usize;
    type Performing = std::future::Ready<usize>;
    fn perform(self, _: &Nigh, _: How) -> Self::Performing {
        std::future::ready(self.0.bell.batches())
    }
}

/// Of calls that are asked together the committer knows, and waits a moment for more of them; but not for long.
#[tokio::test(flavor = "multi_thread")]
async fn calls_asked_together_are_a_batch() {
    let ground = Ground::new();
    let node = ground.start().await;
    let (nigh, owner) = (node.handle(), node.threads.as_ref().expect("it has a store").owner.clone());
    let look = || Look(owner.clone());
    assert_eq!(nigh.call(look()).await, 0);
    assert_eq!(nigh.call(vec![look(), look()]).await, [1, 1]);
    assert_eq!(nigh.call((look(), look())).await, (1, 1));
    assert_eq!(owner.bell.batches(), 0);

    owner.bell.begin_batch();
    assert_eq!(nigh.call(Till::at(7).add(1)).await, Ok(1), "it is answered, whatever else is asked");
    assert!(owner.bell.was_in_vain(), "the committer did not wait");
    owner.bell.end_batch();
    node.stop().await.expect("it ends");
}
