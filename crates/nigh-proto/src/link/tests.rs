//! Two ends of a link over bytes split anywhere; hellos that are refused; silence; bounds.

use std::time::Duration;

use bytes::Bytes;
use nigh_wire::{CallId, CallerId, Time, WireHash};
use proptest::prelude::*;

use super::error::{Differs, LinkError, Misbehaviour};
use super::frame::*;
use super::serving::Serving;
use super::*;
use crate::calls::DEADLINE_MAX;
use crate::calls::caller::{CALL_SIZE_MAX, CALLS_OPEN_MAX, Slot};
use crate::calls::request::{Answer, CallRequest, Known, Order, Refusal, Request};

const NOW: Instant = Instant::from_nanos(0);

fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

fn secs(secs: u64) -> Time {
    Time::from_nanos(secs * 1_000_000_000)
}

fn hello() -> Hello {
    Hello {
        version: VERSION,
        app: "shop".into(),
        role: "web".into(),
        caller: CallerId(7),
        digest: WireHash([1; 16]),
        clock: secs(10_000),
        log_time: secs(10_000),
        shards: 1_024,
    }
}

fn link(hello: Hello) -> Link {
    Link::new(NOW, LinkConfig::default(), hello)
}

/// All that this end has to write.
fn written(link: &mut Link) -> Vec<u8> {
    std::iter::from_fn(|| link.poll_transmit()).flatten().collect()
}

/// One end that has accepted the other's hello, its own written and gone.
fn greeted() -> Link {
    let (mut ours, mut theirs) = (link(hello()), link(hello()));
    written(&mut ours);
    ours.handle_bytes(NOW, secs(10_000), &written(&mut theirs)).expect("equal hellos are accepted");
    ours
}

fn bytes_of(frames: &[Frame]) -> Vec<u8> {
    let mut out = BytesMut::new();
    frames.iter().for_each(|frame| write(frame, &mut out).expect("short"));
    out.to_vec()
}

/// R17, DESIGN: another contract digest, version, application or number of shards is refused by name; so are
/// clocks and log times more than five minutes apart.
#[test]
#[rustfmt::skip] // Rows are read as columns.
fn hellos_are_compared() {
    let check = |change: &dyn Fn(&mut Hello), expected: &str| {
        let mut theirs = hello();
        change(&mut theirs);
        let mut ours = link(hello());
        let heard = ours.handle_bytes(NOW, secs(10_000), &written(&mut link(theirs.clone())));
        assert_eq!(heard.as_ref().map_or_else(ToString::to_string, |()| String::new()), expected);
        assert_eq!(ours.peer(), heard.is_ok().then_some(&theirs));
        assert_eq!(ours.handle_bytes(NOW, secs(10_000), b""), heard, "it stays so");
        assert_eq!(ours.is_writable(), heard.is_ok());
        assert!(ours.poll_frame().is_none());
    };
    check(&|_| (), "");
    check(&|h| h.role = "state".into(), "");
    check(&|h| h.version = 4, "link versions differ: ours 3, the peer's 4; run the same version of nigh on both ends");
    check(&|h| h.app = "bank".into(), "applications differ: ours shop, the peer's bank; it is another application: check the address");
    check(&|h| h.shards = 8, "numbers of shards differ: ours 1024, the peer's 8; the number of shards is set once, at creation: give both the same");
    check(&|h| h.digest = WireHash([0xab; 16]), "contract digests differ: ours 01010101010101010101010101010101, \
        the peer's abababababababababababababababab; deploy the same contracts on both ends");
    check(&|h| h.clock = secs(10_300), "");
    check(&|h| h.clock = secs(10_301), "the peer's clock is 301s ahead of ours, more than 300s: set both by NTP");
    check(&|h| h.clock = secs(9_700), "");
    check(&|h| h.clock = secs(9_699), "the peer's clock is 301s behind ours, more than 300s: set both by NTP");
    check(&|h| h.log_time = secs(10_300), "");
    check(&|h| h.log_time = secs(10_301), "the peer's clock is 301s ahead of ours, more than 300s: set both by NTP");
    check(&|h| h.log_time = secs(0), ""); // Nothing was ever committed there.
}

/// A hello of another version is told apart, whatever follows its version.
#[test]
fn another_version_is_named_even_if_its_hello_is_unreadable() {
    let mut ours = link(hello());
    let heard = ours.handle_bytes(NOW, secs(0), &[4, 0, 0, 0, 0, 9, 0xff, 0xff]);
    assert!(
        matches!(heard, Err(LinkError::Incompatible { what: Differs::Version, theirs, .. }) if theirs == "9")
    );
}

/// What a peer must not do ends the link, and says what it was.
#[test]
fn misbehaviour_ends_the_link() {
    let check = |mut end: Link, bytes: &[u8], expected: Misbehaviour| {
        let heard = end.handle_bytes(NOW, secs(10_000), bytes);
        assert_eq!(heard, Err(LinkError::PeerMisbehaved(expected)));
        assert!(end.poll_frame().is_none() && end.poll_timeout().is_none());
        assert!(!heard.expect_err("it ended").to_string().is_empty());
    };
    let hello_again = bytes_of(&[Frame::Hello(hello())]);
    let length = |length: usize| (length as u32).to_le_bytes();
    let too_long = |length, most| Misbehaviour::TooLong { length, most };
    check(link(hello()), &bytes_of(&[Frame::Ping(1)]), Misbehaviour::NoHello);
    check(link(hello()), &length(HELLO_SIZE_MAX + 1), too_long(HELLO_SIZE_MAX + 1, HELLO_SIZE_MAX));
    check(greeted(), &hello_again, Misbehaviour::SecondHello);
    check(greeted(), &length(FRAME_SIZE_MAX + 1), too_long(FRAME_SIZE_MAX + 1, FRAME_SIZE_MAX));
    check(greeted(), &[1, 0, 0, 0, 99], Misbehaviour::Malformed(nigh_wire::DecodeError::Variant));
    check(greeted(), &[0, 0, 0, 0], Misbehaviour::Malformed(nigh_wire::DecodeError::End));
    check(greeted(), &[3, 0, 0, 0, 1, 1, 1], Misbehaviour::Malformed(nigh_wire::DecodeError::Rest));
    // At the limit nothing is wrong yet.
    assert_eq!(greeted().handle_bytes(NOW, secs(0), &length(FRAME_SIZE_MAX)), Ok(()));
    assert_eq!(link(hello()).handle_bytes(NOW, secs(0), &length(HELLO_SIZE_MAX)), Ok(()));
}

/// The largest call fits a frame, with all that may stand around it; one byte more does not.
#[test]
fn the_largest_call_fits() {
    let frame = |args: usize| Frame::Ask {
        slot: Slot(u64::MAX),
        request: Request::Call(CallRequest {
            id: CallId { caller: CallerId(u128::MAX), number: u64::MAX, birth: Time::from_nanos(u64::MAX) },
            method: u32::MAX,
            key: Bytes::from(vec![1; 1_024]),
            args: Bytes::from(vec![1; args]),
            order: Order::After {
                after: u64::MAX,
                known: Known { floor: u64::MAX, doubts: vec![u64::MAX; Known::DOUBTS_MAX] },
            },
            keyed: Some(nigh_wire::Keyed { principal: "p".repeat(255), key: "k".repeat(255) }),
            within: DEADLINE_MAX,
        }),
    };
    let mut ours = greeted();
    let largest = frame(CALL_SIZE_MAX - 1_024);
    assert_eq!(ours.send(&largest), Ok(()));
    let written = written(&mut ours);
    let mut theirs = greeted();
    theirs.handle_bytes(NOW, secs(10_000), &written).expect("it fits");
    assert_eq!(theirs.poll_frame(), Some(largest));
    let around = written.len() - LENGTH_SIZE - (CALL_SIZE_MAX - 1_024);
    let room = FRAME_SIZE_MAX - around;
    assert_eq!(ours.send(&frame(room)), Ok(()));
    assert_eq!(ours.send(&frame(room + 1)), Err(TooLong { length: FRAME_SIZE_MAX + 1 }));
}

/// Pings at a third of the idle timeout, loss at the whole of it; whatever is heard counts.
#[test]
fn silence_is_loss() {
    let mut ours = greeted();
    assert_eq!(ours.poll_timeout(), Some(Instant::from_nanos(3_333_333_333)));
    assert_eq!(ours.handle_timeout(at(3_333)), Ok(()));
    assert_eq!(written(&mut ours), b"", "not yet");
    assert_eq!(ours.handle_timeout(at(3_334)), Ok(()));
    assert_eq!(written(&mut ours), bytes_of(&[Frame::Ping(1)]));
    assert_eq!(ours.handle_timeout(at(6_668)), Ok(()));
    assert_eq!(written(&mut ours), bytes_of(&[Frame::Ping(2)]));
    assert_eq!(ours.handle_bytes(at(9_999), secs(10_000), &bytes_of(&[Frame::Pong(2)])), Ok(()));
    assert_eq!(ours.handle_timeout(at(10_000)), Ok(()));
    assert_eq!(ours.handle_timeout(at(19_998)), Ok(()));
    let silent = Err(LinkError::Silent { silence: Duration::from_secs(10) });
    assert_eq!(ours.handle_timeout(at(19_999)), silent);
    assert_eq!(ours.handle_bytes(at(20_000), secs(10_000), b"x"), silent, "it is never revived");
    assert!(!ours.is_writable() && ours.poll_timeout().is_none());
    // A peer that never says hello is silent too.
    assert!(link(hello()).handle_timeout(at(10_000)).is_err());
}

/// A peer that pings and never reads costs one pong.
#[test]
fn only_the_last_ping_is_answered() {
    let mut ours = greeted();
    let pings: Vec<Frame> = (0..1_000).map(Frame::Ping).collect();
    ours.handle_bytes(NOW, secs(10_000), &bytes_of(&pings)).expect("pings are welcome");
    assert_eq!(written(&mut ours), bytes_of(&[Frame::Pong(999)]));
    assert!(ours.poll_frame().is_none());
}

/// Past a full buffer nothing more is polled; once it was taken, there is room.
#[test]
fn out_is_bounded() {
    let mut ours = greeted();
    let answer = |size| Frame::Answer { slot: Slot(1), answer: Answer::Failed(vec![0; size].into()) };
    let around = bytes_of(&[answer(CALL_SIZE_MAX / 2)]).len() - CALL_SIZE_MAX / 2;
    ours.send(&answer(OUT_SIZE_MAX - around - 1)).expect("it fits");
    assert!(ours.is_writable());
    ours.send(&Frame::Cancel { slot: Slot(1) }).expect("short");
    assert!(!ours.is_writable());
    written(&mut ours);
    assert!(ours.is_writable());
}

/// What a peer has open here is bounded, begun only in time and only if wanted, answered once.
#[test]
#[rustfmt::skip]
fn serving_is_bounded_and_in_time() {
    let second = Duration::from_secs(1);
    let mut serving = Serving::default();
    for slot in 1..=CALLS_OPEN_MAX as u64 {
        assert_eq!(serving.handle_ask(NOW, Slot(slot), second), Ok(Ok(())));
    }
    let next = CALLS_OPEN_MAX as u64 + 1;
    assert!(matches!(serving.handle_ask(NOW, Slot(next), second), Ok(Err(Refusal::Overloaded { .. }))));
    assert!(!serving.done(Slot(next)), "it was refused already");
    let reused = Err(LinkError::PeerMisbehaved(Misbehaviour::SlotReused));
    assert_eq!(serving.handle_ask(NOW, Slot(next), second), reused);
    assert_eq!(serving.handle_ask(NOW, Slot(1), second), reused);
    assert_eq!(serving.begin(at(400), Slot(1)), Ok(Duration::from_millis(600)));
    assert!(!serving.cancel(Slot(1)), "it has begun");
    assert!(serving.done(Slot(1)));
    assert!(!serving.done(Slot(1)), "once");
    assert!(serving.cancel(Slot(2)));
    assert_eq!(serving.begin(NOW, Slot(2)), Err(Refusal::Cancelled));
    assert_eq!(serving.begin(at(999), Slot(3)), Ok(Duration::from_millis(1)));
    assert_eq!(serving.begin(at(1_000), Slot(4)), Err(Refusal::Expired));
    assert_eq!(serving.open(), CALLS_OPEN_MAX - 3);
    assert_eq!(serving.handle_ask(NOW, Slot(next + 1), Duration::MAX), Ok(Ok(())), "there is room again");
    assert_eq!(serving.begin(NOW, Slot(next + 1)), Ok(DEADLINE_MAX), "no deadline is longer");
    assert!(!serving.cancel(Slot(9_999)), "it crossed with the answer");
}

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let slot = any::<u64>().prop_map(Slot);
    let bytes = prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from);
    let frame = prop_oneof![
        (slot.clone(), bytes.clone()).prop_map(|(slot, value)| {
            Frame::Answer { slot, answer: Answer::Done { value, version: None } }
        }),
        (slot.clone(), bytes.clone(), any::<u32>()).prop_map(|(slot, args, method)| {
            let within = Duration::from_secs(1);
            Frame::Ask { slot, request: Request::View { method, key: args.clone(), args, within } }
        }),
        slot.clone().prop_map(|slot| Frame::Refuse { slot, refusal: Refusal::NotYet }),
        slot.prop_map(|slot| Frame::Cancel { slot }),
        any::<u128>().prop_map(|caller| Frame::Bye(CallId {
            caller: CallerId(caller),
            number: 7,
            birth: Time::EPOCH
        })),
    ];
    prop::collection::vec(frame, 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes split anywhere are the same frames, in order (R2).
    #[test]
    fn frames_survive_any_split(sent in frames(), cuts in prop::collection::vec(1..40usize, 1..50)) {
        let (mut ours, mut theirs) = (link(hello()), link(hello()));
        for frame in &sent {
            ours.send(frame).expect("short");
        }
        let bytes = written(&mut ours);
        let mut received = vec![];
        let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(*cuts.next().expect("it is a cycle")));
            theirs.handle_bytes(NOW, secs(10_000), now).expect("nothing is wrong");
            received.extend(std::iter::from_fn(|| theirs.poll_frame()));
            rest = later;
        }
        prop_assert_eq!(received, sent);
    }

    /// No bytes make a link panic or keep more than a frame; nothing is heard from a stranger.
    #[test]
    fn hostile_bytes_never_panic(
        known in any::<bool>(),
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..20),
        framed in any::<bool>(),
    ) {
        let mut end = if known { greeted() } else { link(hello()) };
        for part in parts {
            let mut bytes = if framed { (part.len() as u32).to_le_bytes().to_vec() } else { vec![] };
            bytes.extend(part);
            let heard = end.handle_bytes(NOW, secs(10_000), &bytes);
            let frames = std::iter::from_fn(|| end.poll_frame()).count();
            prop_assert!(frames == 0 || known && heard.is_ok());
            prop_assert_eq!(end.is_writable(), heard.is_ok());
        }
    }

    /// A valid stream with one byte changed is refused or is other frames; it never panics.
    #[test]
    fn flipped_bytes_never_panic(sent in frames(), place in any::<prop::sample::Index>(), with in 1..=255u8) {
        let mut bytes = bytes_of(&[Frame::Hello(hello())]);
        bytes.extend(bytes_of(&sent));
        *place.get_mut(&mut bytes) ^= with;
        let mut end = link(hello());
        let heard = end.handle_bytes(NOW, secs(10_000), &bytes);
        prop_assert!(heard.is_ok() || end.poll_frame().is_none());
    }
}
