//! Calls of this process's own entities, by lane, without an owner that would answer them.

use nigh_proto::calls::caller::{CALLS_OPEN_MAX, Identity, Waits, Writes};
use nigh_proto::shards::ShardId;
use nigh_wire::{Bytes, Cause, Class, Fingerprint, WireHash};

use super::*;
use crate::shards::reply::ReplyTo;
use crate::shards::work::{Asked, Work};

const LANES: u32 = 16;
const SHARDS: u32 = 64;
/// Longer than anything here takes, unless nobody looks.
const WITHIN: Duration = Duration::from_secs(10);

/// Calls of a process whose owner takes everything in and says nothing.
fn calls() -> Arc<Calls> {
    let calls = Calls::new(Clock::start());
    assert!(calls.here.set(Here::new(&calls, None, Lanes::new(LANES, SHARDS))).is_ok());
    let log_time = calls.clock.wall();
    calls.handle_local_time(PeerFacts { clock: log_time, log_time });
    calls
}

/// A writing call of an entity in that shard.
fn what(shard: u32, method: u32, identity: Identity) -> What {
    What::Call(Writes {
        method,
        shard: ShardId(shard),
        entity: "till".into(),
        key: Bytes::copy_from_slice(&shard.to_le_bytes()),
        args: Bytes::new(),
        method_name: "add".into(),
        fingerprint: Fingerprint::of("till", &[], "add", &[]),
        shape: WireHash::of(&[]),
        keyed: None,
        class: Class::Once,
        identity,
    })
}

/// Its id, as its ticket says, and who waits for it.
fn start(calls: &Arc<Calls>, shard: u32, method: u32) -> (CallId, Waiting) {
    let id = calls.reserve(PeerId::LOCAL, &what(shard, method, Identity::Fresh)).expect("there is room").id;
    (id, calls.start(PeerId::LOCAL, what(shard, method, Identity::Reserved(id)), WITHIN))
}

/// The answer of the owner to the only copy of that lane so far.
fn answer(calls: &Calls, lane: usize, answer: Result<Answer, Refusal>) {
    calls.handle_local(vec![(Local { lane, slot: Slot(1) }, answer)]);
}

fn done() -> Answer {
    Answer::Done { value: Bytes::new(), version: None }
}

/// The first stands apart from the others, and before them.
#[tokio::test]
async fn copies_are_handed_on_in_order() {
    let calls = calls();
    let work = |nanos| Work {
        what: Asked::Bye(calls.fresh_id()),
        due: Instant::from_nanos(nanos),
        reply: ReplyTo::Nobody,
    };
    let mut copies = Copies::default();
    assert!(copies.is_empty());
    (1..=3).for_each(|nanos| copies.push(work(nanos)));
    assert!(!copies.is_empty());
    assert_eq!(copies.into_iter().map(|work| work.due.as_nanos()).collect::<Vec<_>>(), [1, 2, 3]);
}

/// P4: whatever is asked of one entity is of one caller, numbered as it was asked.
#[tokio::test]
async fn an_entity_has_one_caller() {
    let calls = calls();
    for shard in 0..SHARDS {
        let (first, _waits) = start(&calls, shard, 0);
        let (second, _waits) = start(&calls, shard, 1);
        assert_eq!(first.caller, second.caller);
        assert!(first.number < second.number);
    }
}

#[tokio::test]
async fn each_lane_has_a_caller_of_its_own_and_the_peer_has_one_more() {
    let calls = calls();
    let mut callers: Vec<CallerId> = (0..SHARDS).map(|shard| start(&calls, shard, 0).0.caller).collect();
    callers.push(calls.caller_id());
    callers.sort_unstable();
    callers.dedup();
    assert_eq!(callers.len(), LANES as usize + 1);
}

/// One more than a lane may have open is refused, and the next lane takes as many.
#[tokio::test]
async fn a_lane_that_is_full_refuses_for_itself() {
    let calls = calls();
    let open: Vec<Waiting> = (0..CALLS_OPEN_MAX).map(|_| start(&calls, 0, 0).1).collect();
    let refused = calls.start(PeerId::LOCAL, what(0, 0, Identity::Fresh), WITHIN).await;
    assert!(matches!(refused, Some(Settled::Overloaded { .. })), "{refused:?}");
    assert!(calls.reserve(PeerId::LOCAL, &what(0, 0, Identity::Fresh)).is_none());
    let next: Vec<Waiting> = (0..CALLS_OPEN_MAX).map(|_| start(&calls, 1, 0).1).collect();
    assert_eq!(open.len() + next.len(), 2 * CALLS_OPEN_MAX);
}

/// What a lane's caller knows is found, settled and let go by the id alone.
#[tokio::test]
async fn an_id_is_found_in_whatever_lane_it_is() {
    let calls = calls();
    let shard = 5;
    let id = calls.reserve(PeerId::LOCAL, &what(shard, 0, Identity::Fresh)).expect("there is room").id;
    assert_eq!(calls.why(id), Some(AtCaller::Reserved));
    calls.release(id);
    assert_eq!(calls.why(id), Some(AtCaller::Ended));
    let due = Duration::ZERO;
    let doubt = calls.reserve(PeerId::LOCAL, &what(shard, 0, Identity::Fresh)).expect("there is room").id;
    let told = calls.start(PeerId::LOCAL, what(shard, 0, Identity::Reserved(doubt)), due).await;
    // It never left: nothing of it can run.
    assert_eq!(told, Some(Settled::Answer(Answer::NotDone(Cause::Deadline))));
    assert_eq!(calls.farewells_here().len(), 1, "that of the lane that was asked something");
}

/// R15: an id in doubt is settled in its lane, and its caller may say bye only then.
#[tokio::test]
async fn a_doubt_of_a_lane_is_settled_by_its_id() {
    let calls = calls();
    let soon = Duration::from_millis(2);
    let id = calls.reserve(PeerId::LOCAL, &what(7, 0, Identity::Fresh)).expect("there is room").id;
    let waits = calls.start(PeerId::LOCAL, what(7, 0, Identity::Reserved(id)), soon);
    let _time = calls.clock.spawn_tied(calls.clone().keep_time());
    assert!(matches!(waits.await, Some(Settled::InDoubt(_))));
    assert_eq!((calls.why(id), calls.farewells_here()), (Some(AtCaller::InDoubt), vec![]));
    calls.settled_here(id);
    assert_eq!((calls.why(id), calls.farewells_here()), (Some(AtCaller::Ended), vec![id]));
}

/// The timer sleeps until the first deadline; a copy that is refused is asked again long before.
#[tokio::test]
async fn a_refused_copy_is_asked_again_though_nothing_else_is_due() {
    let calls = calls();
    let _time = calls.clock.spawn_tied(calls.clone().keep_time());
    let (id, waits) = start(&calls, 3, 0);
    while calls.sleeps_until.load(Ordering::SeqCst) == u64::MAX {
        tokio::task::yield_now().await;
    }
    answer(&calls, 3, Err(Refusal::AskAgain));
    loop {
        match calls.why(id) {
            Some(AtCaller::Open { copies: 1, waits: Waits::Again(_), .. }) => tokio::task::yield_now().await,
            Some(AtCaller::Open { copies: 2, waits: Waits::Answer, .. }) => break,
            other => panic!("{other:?}"),
        }
    }
    drop(waits);
}

/// Of two lanes that were answered at once each hears its own.
#[tokio::test]
async fn answers_go_to_the_lane_that_asked() {
    let calls = calls();
    let (_, one) = start(&calls, 1, 0);
    let (_, other) = start(&calls, 2, 0);
    let (of_one, of_other) = (Local { lane: 1, slot: Slot(1) }, Local { lane: 2, slot: Slot(1) });
    let failed = Answer::Failed(Bytes::from_static(b"no"));
    calls.handle_local(vec![(of_other, Ok(failed.clone())), (of_one, Ok(done()))]);
    assert_eq!((one.await, other.await), (Some(Settled::Answer(done())), Some(Settled::Answer(failed))));
}
