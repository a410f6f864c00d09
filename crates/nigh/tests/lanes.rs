//! A method that takes long holds up what shares its lane, and nobody else.

#![allow(unreachable_pub, reason = "the methods of an entity are public, and this is a test")]
#![allow(missing_docs, reason = "as above")]

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use nigh::prelude::*;
use nigh_proto::placement::{SHARDS_DEFAULT, shard_of};
use nigh_proto::shards::ShardId;

/// Lanes of a node: which of them a shard has is its number modulo these.
const LANES: u32 = 16;
/// Nothing here takes so long, unless somebody waits for what waits for it.
const HANGS: Duration = Duration::from_secs(20);

/// How far the slow method is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Asked,
    Runs,
    MayEnd,
}

static STAGE: Mutex<Stage> = Mutex::new(Stage::Asked);
static TURN: Condvar = Condvar::new();

fn reach(stage: Stage) {
    *STAGE.lock().expect("nobody panics with it") = stage;
    TURN.notify_all();
}

fn wait_for(stage: Stage) {
    let now = STAGE.lock().expect("nobody panics with it");
    let (now, waited) = TURN.wait_timeout_while(now, HANGS, |now| *now != stage).expect("as above");
    drop(now);
    assert!(!waited.timed_out(), "{stage:?} never came");
}

#[derive(Default, State)]
struct Desk {
    notes: u64,
}

#[nigh::entity(key = u64)]
impl Desk {
    pub fn note(&mut self) -> u64 {
        self.notes += 1;
        self.notes
    }
    /// Returns when it may.
    pub fn note_slowly(&mut self) -> u64 {
        reach(Stage::Runs);
        wait_for(Stage::MayEnd);
        self.note()
    }
}

fn lane_of(desk: u64) -> u32 {
    let ShardId(shard) = shard_of("Desk", &nigh_wire::encode(&desk), SHARDS_DEFAULT);
    shard % LANES
}

const PLACE: &str = "[role.state]\nentities = [\"Desk\"]\n[role.web]\n";

async fn start(config: Config) -> Node {
    App::new("lanes").entity::<Desk>().place(PLACE).start(config).await.expect("starts")
}

/// Desks of other lanes than this one's.
fn elsewhere(than: u64) -> Vec<u64> {
    let others: Vec<u64> = (1..200).filter(|desk| lane_of(*desk) != lane_of(than)).collect();
    assert!(others.len() > 150, "keys spread over lanes");
    others
}

/// Lets desk 0 take long, asked through this handle, and asks all other lanes the same way.
async fn others_go_on_beside(nigh: &Nigh) {
    reach(Stage::Asked);
    let slow = {
        let nigh = nigh.clone();
        tokio::spawn(async move { nigh.call(Desk::at(0).note_slowly()).within(2 * HANGS).await })
    };
    tokio::task::spawn_blocking(|| wait_for(Stage::Runs)).await.expect("it runs");
    for desk in elsewhere(0) {
        let noted = nigh.call(Desk::at(desk).note()).within(HANGS / 4).await;
        assert!(noted.is_ok(), "desk {desk}: {noted:?}");
    }
    // Who waits in the lane learns when its time is up.
    let waits = nigh.call(Desk::at(0).note()).within(Duration::from_millis(1)).into_future();
    let told = tokio::time::timeout(HANGS / 4, waits).await.expect("deadlines pass");
    assert!(matches!(told, Err(CallError::InDoubt(_) | CallError::NotDone(Cause::Deadline))), "{told:?}");
    reach(Stage::MayEnd);
    assert!(slow.await.expect("it does not panic").is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slow_method_holds_up_its_lane_alone() {
    let loopback = Some("127.0.0.1:0".parse().expect("an address"));
    let state = start(Config { role: Some("state".into()), link: loopback, ..Config::memory() }).await;
    others_go_on_beside(&state.handle()).await;
    // Of another process: nor does it hold up the link that brought it.
    let web = start(Config { role: Some("web".into()), peer: state.link(), ..Config::memory() }).await;
    others_go_on_beside(&web.handle()).await;
    web.stop().await.expect("stops");
    state.stop().await.expect("stops");
}
