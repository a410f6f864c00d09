//! What a caller learns, what it writes and what it knows, by scripts. [`run`] plays them.

mod properties;
mod run;

use std::time::Duration;

use nigh_wire::{CallerId, Time};

use self::run::{Run, writes};
use super::*;

/// Plays a script; compares what callers learned, in order.
fn check(script: &str, learned: &str) {
    assert_eq!(Run::of(script).learned.join(" "), learned, "{script}");
}
/// Plays a script; compares the copies written, `number<predecessor` each.
fn check_sent(script: &str, sent: &str) {
    assert_eq!(Run::of(script).sent.join(" "), sent, "{script}");
}
/// Plays a script; compares floor and doubts.
fn check_known(script: &str, known: &str) {
    let Known { floor, doubts } = Run::of(script).caller.known(run::SHARD);
    assert_eq!(format!("{floor}{doubts:?}"), known, "{script}");
}

/// R11: a refusal speaks of one copy. R15: what is told in doubt stays in doubt. R2: an answer counts only on
/// the link it was asked on.
#[test]
#[rustfmt::skip] // Rows are read as columns.
fn outcome_depends_on_what_left_this_process() {
    //    what happens                                          what the caller learns
    check("call send done:1",                                   "1:done");
    check("call send failed:1",                                 "1:failed");
    check("call send fenced:1",                                 "1:not-done");
    check("call send forgotten:1",                              "1:forgotten");
    check("call lost expire",                                   "1:deadline"); // Nobody ever saw it.
    check("call expire",                                        "1:deadline");
    check("call expire send",                                   "1:deadline");
    check("call send expire done:1",                            "1:in-doubt"); // Too late: the ticket will tell.
    check("call send lost up send done:1",                      "1:done");
    check("call send lost up send old:1",                       "");           // Asked on another link.
    check("call send lost expire",                              "1:in-doubt");
    check("call send over:1",                                   "1:overloaded");
    check("call send again:1 wait send over:1 expire",          "1:in-doubt"); // It may have run before.
    check("call send lost up send over:1",                      "");           // Not told: asked again.
    check("call send lost up send over:1 expire",               "1:in-doubt");
    check("call send expired:1 expire",                         "1:deadline"); // The one copy will not run.
    check("call send notyet:1 expire",                          "1:deadline");
    check("call send notyet:1 send expire",                     "1:in-doubt"); // It was asked again.
    check("call send ahead:1 expire",                           "1:deadline");
    check("call send ahead:1 lost expire",                      "1:deadline");
    check("call send ahead:1 wait send expire",                 "1:in-doubt");
    check("call send again:1 expire",                           "1:in-doubt"); // R9: says nothing of the copy.
    check("call send cancel:1 done:1",                          "");
    check("reserve begin:1 send done:1",                        "1:done");
    check("reserve release:1 begin:1",                          "1:misuse");
    check("call call send done:1 send done:2",                  "1:done 2:done");
    check("call:a send call:b send done:2 done:1",              "2:done 1:done");
}

/// Views are never in doubt; services cannot be fenced, so an undeclared one leaves once.
#[test]
#[rustfmt::skip]
fn outcome_depends_on_what_was_asked() {
    check("view send expire",                                   "1:deadline");
    check("view send lost up send done:1",                      "1:done");
    check("view send lost up send over:1",                      "1:overloaded"); // Nothing of it ever ran.
    check("list send lost up send keys:1",                      "1:keys");
    check("serve send done:1",                                  "1:done");
    check("serve send lost",                                    "1:in-doubt"); // At once: no answer can come.
    check("serve lost up send done:1",                          "1:done");     // It had not left.
    check("serve send again:1",                                 "1:in-doubt");
    check("serve send over:1",                                  "1:overloaded");
    check("serve send expire",                                  "1:in-doubt");
    check("idem send lost up send done:1",                      "1:done");
    check("idem send lost expire",                              "1:in-doubt");
    check("read send lost expire",                              "1:deadline"); // A view of a service.
    check("call send expire settle:1 send done:2",              "1:in-doubt 2:done");
    check("call send expire settle:1 expire",                   "1:in-doubt 2:not-settled");
    check("call send expire settle:1 send over:2 wait send fenced:2", "1:in-doubt 2:not-done");
    check("call send expire settle:1 send misuse:2",            "1:in-doubt 2:misuse-settled");
    check("keyed expire",                                       "1:in-doubt"); // Another try may have left elsewhere.
    check("foreign expire",                                     "1:in-doubt");
    check("foreign send over:1",                                "1:overloaded");
}

/// R2: in number order, on every link. R10: each copy names the last call before it that is open when it
/// leaves. R11: a refused call keeps its number, and later calls on its key wait.
#[test]
#[rustfmt::skip]
fn copies_leave_in_order_and_name_their_predecessor() {
    //         what happens                                     copies written
    check_sent("call call call send*",                          "1<0 2<1 3<2");
    check_sent("call:a call:b call:a send*",                    "1<0 2<0 3<1");
    check_sent("call send done:1 call send",                    "1<0 2<0");
    check_sent("call call send* lost up send*",                 "1<0 2<1 1<0 2<1");
    check_sent("call call send* done:1 lost up send*",          "1<0 2<1 2<0");
    check_sent("call lost call up send*",                       "1<0 2<1");
    check_sent("view call send* lost up send*",                 "view 2<0 view 2<0");
    check_sent("call send done:1 keyed send",                   "1<0 2<unordered~1"); // R14: it says what is known.
    check_sent("call send done:1 commute send",                 "1<0 2<unordered~1"); // So does what commutes: it may be given up.
    check_sent("keyed foreign commute call send*",              "1<unordered~0 7<free 3<unordered~0 4<0");
    check_sent("reserve call send* begin:1 send*",              "2<1 1<0");
    check_sent("call call send ahead:1 send* wait send*",       "1<0 1<0 2<1"); // 2 waits behind 1.
    check_sent("call:a call:b send ahead:1 send*",              "1<0 2<0");     // Other keys go on.
    check_sent("call call send* ahead:1 notyet:2 wait send*",   "1<0 2<1 1<0 2<1");
    check_sent("call call send* notyet:2 ahead:1 wait send*",   "1<0 2<1 1<0 2<1"); // Refusals that overtake.
    check_sent("call call send* over:1 notyet:2 send*",         "1<0 2<1 2<0"); // At once: nothing before it.
    check_sent("call call send* notyet:2 done:1 send*",         "1<0 2<1 2<0"); // At once: it has run.
    check_sent("call call send* notyet:2 send*",                "1<0 2<1");     // No busy loop.
    check_sent("call send notyet:1 send notyet:1 send*",        "1<0 1<0");
    check_sent("call call send* notyet:2 lost up send*",        "1<0 2<1 1<0"); // It waits its time.
    check_sent("call call send* lost up send again:1 send* wait send*", "1<0 2<1 1<0 1<0 2<1");
    check_sent("reserve call send notyet:2 begin:1 send*",      "2<1 1<0 2<1");
    check_sent("reserve call send notyet:2 release:1 send*",    "2<1 2<0");
    check_sent("call call send* cancel:1 notyet:2 send*",       "1<0 2<1 2<0");
    check_sent("call call send expire call send*",              "1<0 3<0"); // A doubt holds nobody back.
}

/// R14: the floor passes no open call. R15: done, failed, not done and overloaded are known; a doubt is not,
/// by its late answer either, until it is settled here, its ticket dropped, or too old.
#[test]
#[rustfmt::skip]
fn known_is_what_was_told_and_cannot_change() {
    //          what happens                                    floor[doubts]
    check_known("",                                             "0[]");
    check_known("call",                                         "0[]");
    check_known("call send done:1",                             "1[]");
    check_known("call send failed:1",                           "1[]");
    check_known("call send over:1",                             "1[]");
    check_known("call expire",                                  "1[]");
    check_known("call call send* done:2",                       "0[]"); // 1 is open.
    check_known("reserve call send done:2",                     "0[]"); // 1 is reserved.
    check_known("reserve release:1",                            "1[]");
    check_known("call send cancel:1",                           "1[]");
    check_known("call send expire",                             "1[1]");
    check_known("call send expire call",                        "1[1]");
    check_known("call send expire done:1",                      "1[1]"); // Too late.
    check_known("call send lost expire up old:1",               "1[1]");
    check_known("call send expire drop:1",                      "1[]");
    check_known("call send expire settle:1 send done:2",        "2[]");
    check_known("call send expire settle:1 send forgotten:2",   "2[]");
    check_known("call send expire settle:1 send misuse:2",      "2[1]"); // No verdict on the call.
    check_known("call send expire settle:1 expire",             "2[1]");
    check_known("call send expire call call send* done:3",      "1[1]");
    check_known("call send expire day call send done:2",        "2[]"); // R + F have passed.
    check_known("keyed send* expire",                           "1[1]");
    check_known("foreign send* expire",                         "1[]");
    check_known("serve send* expire",                           "1[]");
    check_known("call:other",                                   "1[]"); // Towards another shard.
}

/// R11: a copy that is let go of is cancelled, once, on its own link.
#[test]
fn cancels_are_per_copy() {
    let mut run = Run::of("call call send cancel:1 cancel:2");
    assert_eq!(run.caller.poll_cancel(run::PEER), Some(Slot(1)));
    assert_eq!(run.caller.poll_cancel(run::PEER), None, "2 was never sent");
    let mut run = Run::of("call send cancel:1 lost up");
    assert_eq!(run.caller.poll_cancel(run::PEER), None, "its link is gone");
    let mut run = Run::of("call send expire");
    assert_eq!(run.caller.poll_cancel(run::PEER), Some(Slot(1)), "nobody waits");
}

/// R14: the floor stops below the 65th doubt, and goes on when one is settled; a fresh caller id starts clean.
#[test]
fn the_floor_stops_at_the_65th_doubt() {
    let mut run = Run::of("");
    let doubt = |run: &mut Run| run.play("call send expire");
    (0..64).for_each(|_| doubt(&mut run));
    let known = run.caller.known(run::SHARD);
    assert_eq!((known.floor, known.doubts.len(), run.is_stalled()), (64, 64, false));
    doubt(&mut run);
    run.play("call:b send done:66");
    let known = run.caller.known(run::SHARD);
    assert_eq!((known.floor, known.doubts.len(), run.is_stalled()), (64, 64, true));
    run.play("drop:7");
    let known = run.caller.known(run::SHARD);
    assert_eq!((known.floor, known.doubts.len(), run.is_stalled()), (66, 64, false));
    doubt(&mut run);
    assert!(run.is_stalled());
    run.caller.renew(CallerId(9));
    assert!(!run.is_stalled());
    assert_eq!(run.caller.known(run::SHARD), Known { floor: 67, doubts: vec![] });
}

/// R14: doubts too many to keep are never told as known, whatever is settled later.
#[test]
fn forgotten_doubts_stop_the_floor_for_good() {
    let mut run = Run::of("");
    for _ in 0..=ledger::DOUBTS_KEPT_MAX {
        run.play("call send expire lost up");
    }
    for number in 1..=ledger::DOUBTS_KEPT_MAX {
        run.play(&format!("drop:{number}"));
    }
    let known = run.caller.known(run::SHARD);
    assert_eq!((known.floor, run.is_stalled()), (ledger::DOUBTS_KEPT_MAX as u64, true));
}

/// R17: once an owner's time is known, births follow it by the steady clock, however ours is set; only if it says that
/// half a day has passed more is it believed. A caller and owner in one process have one clock.
#[test]
fn births_follow_the_steady_clock() {
    let at = |secs| Time::from_nanos(secs * 1_000_000_000);
    let check = |to: PeerId, our_clock: u64, birth: u64| {
        let mut caller: Caller<u8> = Caller::new(CallerId(7), 1, CallerConfig::default());
        let facts = PeerFacts { clock: at(100_100), log_time: at(0) };
        caller.handle_link_up(Instant::from_nanos(0), to, facts, at(100_000));
        let now = Instant::from_nanos(10_000_000_000);
        let id = caller.reserve(now, at(our_clock), to, &writes("k", 1)).expect("there is room");
        assert_eq!(id.birth.as_secs(), birth, "{to:?}, our clock is {our_clock}");
    };
    check(run::PEER, 100_010, 100_110);
    check(run::PEER, 102_000, 100_110); // Set forward.
    check(run::PEER, 50_000, 100_110); // Set back.
    check(run::PEER, 200_000, 200_000); // Set forward by more than a day.
    check(PeerId::LOCAL, 100_010, 100_100); // Its log is ahead.
    check(PeerId::LOCAL, 102_000, 102_000);
    check(PeerId::LOCAL, 50_000, 50_300); // No further than F: its other shards may be behind.
}

/// R16, R17: an owner that was ahead and is not any more leaves births that others refuse: time for a fresh id.
#[test]
fn births_of_the_future_stall() {
    let mut run = Run::of("");
    let link = |run: &mut Run, ahead: u64| {
        let clock = run.clock.saturating_add(Duration::from_secs(ahead));
        run.caller.handle_link_up(run.now, run::PEER, PeerFacts { clock, log_time: clock }, run.clock);
        run.play("call send*");
    };
    link(&mut run, 0);
    link(&mut run, 200);
    assert!(!run.is_stalled(), "while the owner is ahead, so is all that is born");
    run.caller.handle_link_lost(run::PEER);
    link(&mut run, 0);
    assert!(run.is_stalled());
    run.caller.renew(CallerId(9));
    assert!(!run.is_stalled());
    run.play("call send*");
    let births: Vec<_> = run.ids.values().map(|id| id.birth).collect();
    assert_eq!((births[1], births[3]), (births[2], births[0]));
}

/// What is open under the old id keeps its id and its order; nothing of it is told under the new one.
#[test]
fn renewing_keeps_what_is_open() {
    let mut run = Run::of("call send expire call send");
    run.caller.renew(CallerId(9));
    assert_eq!(run.caller.known(run::SHARD), Known { floor: 2, doubts: vec![] });
    run.play("call send lost up send*");
    assert_eq!(run.sent, ["1<0", "2<0", "3<0", "2<0", "3<0"]);
    let callers: Vec<u128> = run.ids.values().map(|id| id.caller.0).collect();
    assert_eq!(callers, [7, 7, 9]);
    run.play("done:2 done:3");
    assert_eq!(run.caller.known(run::SHARD), Known { floor: 3, doubts: vec![] });
}

/// Calls and bytes open towards a peer are bounded: at the limit accepted, past it refused, nothing numbered.
#[test]
fn open_calls_are_bounded() {
    let mut run = Run::of("");
    (0..CALLS_OPEN_MAX).for_each(|_| run.play("call:x"));
    assert!(run.learned.is_empty());
    run.play("call:x");
    assert_eq!(run.learned, [format!("{}:overloaded", CALLS_OPEN_MAX + 1)]);
    assert!(run.caller.reserve(run.now, Time::EPOCH, run::PEER, &run::writes("y", 1)).is_err());
    assert!(
        run.caller.reserve(run.now, Time::EPOCH, PeerId::LOCAL, &run::writes("y", 1)).is_ok(),
        "another peer"
    );
    run.play("cancel:1 call:x");
    assert_eq!(run.learned.len(), 1, "there is room again");
    run.play("send*");
    assert_eq!(run.sent.len(), CALLS_OPEN_MAX);
}

#[test]
fn bytes_are_bounded() {
    let sized = |size: usize| {
        let What::Call(mut call) = writes("k", 1) else { unreachable!() };
        call.args = vec![0; size - call.key.len()].into();
        What::Call(call)
    };
    let mut run = Run::of("");
    let mut start = |size| {
        let deadline = Duration::from_secs(1);
        run.caller
            .start(run.now, run.clock, run::PEER, sized(size), deadline, 0)
            .map_err(|(_, outcome)| outcome)
    };
    let too_large = start(CALL_SIZE_MAX + 1);
    assert!(matches!(too_large, Err(Outcome::Answer(Answer::NotDone(Cause::TooLarge(_))))));
    for _ in 0..16 {
        start(CALL_SIZE_MAX).expect("sixteen of the largest fit");
    }
    assert!(matches!(start(2), Err(Outcome::Overloaded { .. })));
}

/// All lanes together keep 64 MiB, and each has room for four of the largest calls at least, and sixteen at most.
#[test]
fn lanes_share_the_bytes_kept() {
    let mib = |lanes| CallerConfig::of_lane(lanes).bytes_open_max >> 20;
    assert_eq!([1, 4, 5, 16].map(mib), [16, 16, 12, 4]);
    assert_eq!(CallerConfig::of_lane(16).calls_open_max, CALLS_OPEN_MAX);
}

/// R16: births never fall, whatever clocks and owners do. R17: they are made in the owner's log time, which
/// is believed up to F.
#[test]
#[rustfmt::skip]
fn births_follow_the_owner_and_never_fall() {
    let check = |clocks: &[(u64, u64, u64)], births: &[u64]| {
        let mut caller: Caller<u8> = Caller::new(CallerId(7), 1, CallerConfig::default());
        let secs = |secs| Time::from_nanos(secs * 1_000_000_000);
        let born = clocks.iter().map(|&(clock, theirs, log_time)| {
            let facts = PeerFacts { clock: secs(theirs), log_time: secs(log_time) };
            caller.handle_link_up(Instant::from_nanos(0), run::PEER, facts, secs(clock));
            let now = Instant::from_nanos(1_000_000_000);
            let id = caller.reserve(now, secs(clock + 1), run::PEER, &writes("k", 1)).expect("there is room");
            id.birth.as_secs()
        });
        assert_eq!(born.collect::<Vec<_>>(), births, "{clocks:?}");
    };
    //      our clock, theirs, their log time       births, a second later
    check(&[(1_000, 1_000, 1_000)],                 &[1_001]);
    check(&[(1_000, 1_100, 1_000)],                 &[1_101]); // Their clock is ahead.
    check(&[(1_000, 900, 950)],                     &[951]);   // And their log of their clock.
    check(&[(1_000, 9_000, 9_000)],                 &[1_301]); // No further than F.
    check(&[(1_000, 1_000, 1_000), (800, 800, 800)], &[1_001, 1_001]); // Our clock was set back.
    check(&[(1_000, 1_100, 1_000), (1_000, 900, 0)], &[1_101, 1_101]); // Another owner, behind.
}

/// A peer may answer anything: only what fits the question counts.
#[test]
fn an_answer_to_another_question_ends_the_link() {
    for (script, answer) in [
        ("call send", Answer::NoRecord),
        ("view send", Answer::Forgotten),
        ("call send", Answer::Keys(vec![])),
    ] {
        let mut run = Run::of(script);
        assert_eq!(run.caller.handle_answer(run.now, run::PEER, Slot(1), answer), Err(Misfit));
        run.play("lost up send done:1");
        assert_eq!(run.learned, ["1:done"]);
    }
}

/// A ticket is what was sent, and says until when it is remembered.
#[test]
fn tickets_name_the_call() {
    let mut run = Run::of("");
    let what = writes("k", 5);
    let id = run.caller.reserve(run.now, Time::from_nanos(5), run::PEER, &what).expect("there is room");
    let ticket = what.ticket(id).expect("a call has one");
    assert_eq!((ticket.id, ticket.of.as_str(), ticket.key.clone()), (id, "Wallet", Some("k".into())));
    assert_eq!(ticket.settles_until, id.birth.saturating_add(crate::calls::RETENTION));
    assert_eq!(run::view(1).ticket(id), None);
}

/// Each copy carries the time left when it left; no deadline is longer than the longest.
#[test]
fn copies_carry_the_time_left() {
    let mut run = Run::of("");
    let mut started = |within| {
        let started = run.caller.start(run.now, run.clock, run::PEER, writes("k", 1), within, 0);
        started.expect("there is room");
        let (_, Request::Call(call)) = run.caller.poll_transmit(run.now, run::PEER).expect("it may leave")
        else {
            unreachable!("only calls are started")
        };
        call.within
    };
    assert_eq!(started(Duration::from_secs(3)), Duration::from_secs(3));
    assert_eq!(started(Duration::MAX), DEADLINE_MAX);
    run.now = run.now.saturating_add(Duration::from_secs(1));
    run.play("lost up");
    let (_, request) = run.caller.poll_transmit(run.now, run::PEER).expect("it is sent again");
    assert!(matches!(request, Request::Call(call) if call.within == Duration::from_secs(2)));
}

/// Copies under way are bounded too, those that nobody waits for included: a peer would refuse more.
#[test]
fn copies_under_way_are_bounded() {
    let mut run = Run::of("");
    (0..CALLS_OPEN_MAX).for_each(|_| run.play("call:x send"));
    run.play("expire call");
    assert!(run.caller.poll_transmit(run.now, run::PEER).is_none(), "none was answered");
    run.play("done:5 send");
    assert_eq!(run.sent.len(), CALLS_OPEN_MAX + 1);
}

/// What is asked of this process itself needs no hello.
#[test]
fn the_local_peer_is_up_from_the_start() {
    let mut caller: Caller<u8> = Caller::new(CallerId(7), 1, CallerConfig::default());
    let (now, clock) = (Instant::from_nanos(0), Time::from_nanos(5));
    let within = Duration::from_secs(1);
    caller.start(now, clock, PeerId::LOCAL, writes("k", 1), within, 3).expect("there is room");
    let (slot, _) = caller.poll_transmit(now, PeerId::LOCAL).expect("it is up");
    caller.handle_refusal(now, PeerId::LOCAL, slot, Refusal::AskAgain); // R9
    assert!(!caller.is_idle() && caller.poll_timeout() < Some(now.saturating_add(within)));
    caller.handle_timeout(caller.poll_timeout().expect("it is asked again"));
    let (slot, _) = caller.poll_transmit(now, PeerId::LOCAL).expect("it is asked again");
    let done = Answer::Done { value: "".into(), version: None };
    caller.handle_answer(now, PeerId::LOCAL, slot, done.clone()).expect("it fits");
    assert_eq!(caller.poll_settled(), Some((3, Outcome::Answer(done))));
    assert!(caller.is_idle() && caller.poll_timeout().is_none());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// A sorted queue is a map.
    #[test]
    fn rising_is_a_map(steps in proptest::collection::vec((0..3u8, 0..20u64), 0..100)) {
        let (mut rising, mut map) = (rising::Rising::default(), std::collections::BTreeMap::new());
        for (place, (step, key)) in steps.into_iter().enumerate() {
            match step {
                0 => assert_eq!(rising.remove(key), map.remove(&key)),
                _ => {
                    rising.insert(key, place);
                    map.insert(key, place);
                }
            }
            assert_eq!(rising.get(key), map.get(&key));
            assert_eq!((rising.first(), rising.len()), (map.keys().next().copied(), map.len()));
            assert!(rising.iter().map(|(key, value)| (key, value)).eq(map.iter()));
        }
    }
}
