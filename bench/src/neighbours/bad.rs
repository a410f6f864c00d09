//! Bad callers: what each kind asks for, and what it must be told. A call that is told anything else fails the run.
//!
//! Every method here changes its entity before it goes wrong, so that a look afterwards shows whether it was undone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use nigh::prelude::*;
use nigh_proto::placement::{SHARDS_DEFAULT, shard_of};
use nigh_wire::Bytes;
use tokio::task::JoinSet;

use super::good;
use crate::roles::say;
use crate::subjects::{Account, VALUE_SIZE, account_key, told};

/// Bad callers, each in a closed loop.
pub const CALLERS: u64 = 16;
/// Key and arguments of a call, and an answer, may have so many bytes (`docs/durability.md`).
const CALL_SIZE_MAX: usize = 1 << 20;
/// A key may have so many, encoded.
const KEY_SIZE_MAX: usize = 1024;
/// A list may have so many elements.
const LIST_LEN_MAX: u64 = 1 << 20;
/// Elements that one call adds while a list is filled.
const FILL_STEP: u64 = LIST_LEN_MAX / 8;
/// Lanes of a process; an entity's is its shard's number modulo these.
const LANES: u32 = 16;
/// Between two calls of one caller that are refused before they reach a lane. They wait for nothing: without a pause 16 callers take
/// every core, for copying memory or for asking 600,000 times a second, and what is measured is how the system shares cores
/// out. That is told ("flat out"), and not judged. This leaves some 2,000 calls of 1 MiB a second.
const PAUSE_OVERSIZED: Duration = Duration::from_millis(5);
/// As [`PAUSE_OVERSIZED`]: some 8,000 keys a second.
const PAUSE_LONG_KEYS: Duration = Duration::from_millis(1);
/// Of so many keys that are too long one is half of what a call may have; the others are one byte too long.
const HUGE_EACH: u64 = 100;
/// The entity of which a method never returns.
const STUCK: &str = "stuck";
/// How long those wait who ask for what cannot come: 16 of them fill their lane's inbox with 320 copies a second.
const PATIENCE: Duration = Duration::from_millis(50);
/// Good callers in the lane of the stuck method.
const SAME_LANE: usize = 4;

/// What is wrong with a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: what as many more callers cost that do no harm.
    Good,
    /// It sends more than a call may have, and asks for a larger answer than there may be; then it waits a little.
    OversizedValues,
    /// The same without a pause.
    OversizedFlatOut,
    /// It pushes to lists that are full.
    FullLists,
    /// It changes and views entities whose keys are too long; then it waits a little.
    LongKeys,
    /// The same without a pause.
    LongKeysFlatOut,
    /// Its method panics.
    Panics,
    /// Its method never returns.
    Stuck,
}

impl Kind {
    /// All, in the order in which they are measured.
    pub const ALL: [Kind; 8] = [
        Kind::Good,
        Kind::OversizedValues,
        Kind::OversizedFlatOut,
        Kind::FullLists,
        Kind::LongKeys,
        Kind::LongKeysFlatOut,
        Kind::Panics,
        Kind::Stuck,
    ];

    /// As cases and roles have it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Good => "good-callers",
            Kind::OversizedValues => "oversized-values",
            Kind::OversizedFlatOut => "oversized-flat-out",
            Kind::FullLists => "full-lists",
            Kind::LongKeys => "long-keys",
            Kind::LongKeysFlatOut => "long-keys-flat-out",
            Kind::Panics => "panics",
            Kind::Stuck => "a-stuck-method",
        }
    }

    /// Between two calls of one caller. What waits for the disk, or for its deadline, needs none.
    fn pause(self) -> Option<Duration> {
        match self {
            Kind::OversizedValues => Some(PAUSE_OVERSIZED),
            Kind::LongKeys => Some(PAUSE_LONG_KEYS),
            _ => None,
        }
    }

    /// The one called so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What bad callers ask.
#[derive(Default, State)]
pub struct Suspect {
    changes: u64,
    list: List<u8>,
}

#[nigh::entity(key = String)]
impl Suspect {
    /// A good change.
    pub fn fill(&mut self, count: u64) -> u64 {
        self.list.extend((0..count).map(|n| n as u8));
        self.list.len() as u64
    }
    /// With an argument that is too large it never runs.
    pub fn keep(&mut self, value: Bytes) -> u64 {
        self.changes += 1;
        value.len() as u64
    }
    /// More than an answer may be.
    pub fn tell_all(&mut self) -> Bytes {
        self.changes += 1;
        Bytes::from(vec![b'x'; CALL_SIZE_MAX + 1])
    }
    /// More than a list may have.
    pub fn overfill(&mut self, count: u64) {
        self.changes += 1;
        self.fill(count);
    }
    /// Panics every time.
    pub fn panic(&mut self) {
        self.changes += 1;
        self.list.push(1);
        panic!("a bad method");
    }
    /// Does not return until it is let go: as good as never, for whoever runs it. Then it has failed.
    pub fn hang(&mut self) -> Result<(), u64> {
        self.changes += 1;
        HANG.wait();
        Err(self.changes)
    }
    /// Changes that were not undone, and elements.
    pub fn look(&self) -> (u64, u64) {
        (self.changes, self.list.len() as u64)
    }
}

/// Holds methods up, and knows whether it holds one.
struct Hang {
    /// Open, and methods that wait.
    gate: Mutex<(bool, u64)>,
    opened: Condvar,
}

static HANG: Hang = Hang { gate: Mutex::new((false, 0)), opened: Condvar::new() };

impl Hang {
    fn gate(&self) -> MutexGuard<'_, (bool, u64)> {
        self.gate.lock().expect("nobody panics with it")
    }
    fn wait(&self) {
        let mut gate = self.gate();
        gate.1 += 1;
        let mut gate = self.opened.wait_while(gate, |(open, _)| !*open).expect("as above");
        gate.1 -= 1;
    }
    fn open(&self, open: bool) {
        self.gate().0 = open;
        self.opened.notify_all();
    }
    fn holds(&self) -> bool {
        self.gate().1 > 0
    }
}

/// The lane of an entity.
fn lane_of(entity: &str, key: &str) -> u32 {
    shard_of(entity, &nigh_wire::encode(&key.to_owned()), SHARDS_DEFAULT).0 % LANES
}

/// Keys of accounts that share the lane of the stuck method, or none of them.
pub fn accounts(count: usize, same_lane: bool) -> Vec<String> {
    let stuck = lane_of("Suspect", STUCK);
    let keys = (0..).map(account_key).filter(|key| (lane_of("Account", key) == stuck) == same_lane);
    keys.take(count).collect()
}

/// What each bad caller has of its own.
fn key_of(kind: Kind, caller: u64) -> String {
    if kind == Kind::Stuck { STUCK.into() } else { format!("suspect-{caller}") }
}

/// Before anything is measured.
pub async fn prepare(nigh: &Nigh, kind: Kind) -> Result<(), String> {
    if kind != Kind::FullLists {
        return Ok(());
    }
    for caller in 0..CALLERS {
        while nigh.call(Suspect::at(key_of(kind, caller)).fill(FILL_STEP)).await.map_err(told)? < LIST_LEN_MAX
        {
        }
    }
    Ok(())
}

/// What bad callers were told.
#[derive(Debug, Default)]
pub struct Told {
    /// Calls that went as they must.
    pub calls: AtomicU64,
    /// Those that were refused as overloaded, of these.
    pub overloaded: AtomicU64,
    /// Of good callers in the stuck method's lane, while it held the lane.
    pub same_lane_answered: AtomicU64,
    /// Those of them that were in doubt at their deadline.
    pub same_lane_waited: AtomicU64,
}

/// Bad callers under way.
pub struct Bad {
    kind: Kind,
    stop: Arc<AtomicBool>,
    loops: JoinSet<Result<(), String>>,
}

impl Bad {
    /// Starts all of them. Of a stuck method, waits until it is.
    pub async fn start(nigh: &Nigh, kind: Kind, told: &Arc<Told>) -> Self {
        let (stop, mut loops) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        if kind == Kind::Stuck {
            HANG.open(false);
            loops.spawn(hang_until(nigh.clone(), stop.clone(), told.clone()));
            while !HANG.holds() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            for key in accounts(SAME_LANE, true) {
                loops.spawn(wait_in_lane(nigh.clone(), key, stop.clone(), told.clone()));
            }
        }
        for caller in u64::from(kind == Kind::Stuck)..CALLERS {
            loops.spawn(call_badly(nigh.clone(), kind, caller, stop.clone(), told.clone()));
        }
        Bad { kind, stop, loops }
    }

    /// Stops them, and says if one was not told what it must be.
    pub async fn stop(mut self) -> Result<(), String> {
        self.stop.store(true, Ordering::Relaxed);
        if self.kind == Kind::Stuck {
            HANG.open(true);
        }
        while let Some(ended) = self.loops.join_next().await {
            ended.map_err(|error| error.to_string())??;
        }
        Ok(())
    }
}

async fn call_badly(
    nigh: Nigh,
    kind: Kind,
    caller: u64,
    stop: Arc<AtomicBool>,
    told: Arc<Told>,
) -> Result<(), String> {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        match bad_call(&nigh, kind, caller, number).await {
            Said::Right => {}
            Said::Overloaded(retry_after) => {
                told.overloaded.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(retry_after).await;
            }
            // Let go, it returns.
            Said::Wrong(_) if stop.load(Ordering::Relaxed) && kind == Kind::Stuck => break,
            Said::Wrong(what) => return Err(format!("a call of {} was told: {what}", kind.name())),
        }
        told.calls.fetch_add(1, Ordering::Relaxed);
        number += 1;
        match kind.pause() {
            Some(pause) => tokio::time::sleep(pause).await,
            None => tokio::task::yield_now().await,
        }
    }
    Ok(())
}

/// What a bad call was told.
enum Said {
    Right,
    Overloaded(Duration),
    Wrong(String),
}

impl Said {
    /// Not done, for this cause.
    fn of<T: std::fmt::Debug, E: std::fmt::Debug>(
        answer: Result<T, CallError<E>>,
        right: impl Fn(&Cause) -> bool,
    ) -> Self {
        match answer {
            Err(CallError::NotDone(cause)) if right(&cause) => Said::Right,
            Err(CallError::Overloaded { retry_after }) => Said::Overloaded(retry_after),
            other => Said::Wrong(format!("{other:?}").chars().take(200).collect()),
        }
    }

    /// As [`Said::of`]: a limit, which it names.
    fn too_large<T: std::fmt::Debug, E: std::fmt::Debug>(
        answer: Result<T, CallError<E>>,
        limit: &str,
    ) -> Self {
        Said::of(answer, |cause| matches!(cause, Cause::TooLarge(why) if why.contains(limit)))
    }
}

/// Turn by turn the ways in which this kind is bad.
async fn bad_call(nigh: &Nigh, kind: Kind, caller: u64, number: u64) -> Said {
    let suspect = || Suspect::at(key_of(kind, caller));
    match (kind, number % 2) {
        (Kind::Good, _) => match good::put(nigh, format!("more-{caller}"), number).await {
            Ok(()) => Said::Right,
            Err(why) => Said::Wrong(why),
        },
        (Kind::OversizedValues | Kind::OversizedFlatOut, 0) => {
            let value = Bytes::from(vec![b'x'; CALL_SIZE_MAX]);
            Said::too_large(nigh.call(suspect().keep(value)).await, "a call of ")
        }
        (Kind::OversizedValues | Kind::OversizedFlatOut, _) => {
            let answer = nigh.call(suspect().tell_all()).await.map(|bytes| bytes.len());
            Said::too_large(answer, "an answer of ")
        }
        (Kind::FullLists, even) => {
            Said::too_large(nigh.call(suspect().overfill(1 + 999 * even)).await, "list `list`")
        }
        (Kind::LongKeys | Kind::LongKeysFlatOut, even) => {
            let huge = number % HUGE_EACH < 2;
            // Two bytes say how long.
            let key = "k".repeat(if huge { CALL_SIZE_MAX / 2 } else { KEY_SIZE_MAX - 1 });
            if even == 0 {
                let value = Bytes::from(vec![number as u8; VALUE_SIZE]);
                Said::too_large(nigh.call(Suspect::at(key).keep(value)).await, "a key has")
            } else {
                Said::too_large(nigh.call(Suspect::at(key).look()).await, "a key has")
            }
        }
        (Kind::Panics, _) => Said::of(
            nigh.call(suspect().panic()).await,
            |cause| matches!(cause, Cause::Panicked(why) if why == "a bad method"),
        ),
        // Behind one that never returns nobody knows, until it is given up.
        (Kind::Stuck, _) => match nigh.call(suspect().hang()).within(PATIENCE).await {
            Err(CallError::InDoubt(_) | CallError::NotDone(Cause::Deadline)) => Said::Right,
            Err(CallError::Overloaded { retry_after }) => Said::Overloaded(retry_after),
            other => Said::Wrong(format!("{other:?}")),
        },
    }
}

/// The one that runs: its caller is in doubt for as long as it likes to wait.
async fn hang_until(nigh: Nigh, stop: Arc<AtomicBool>, told: Arc<Told>) -> Result<(), String> {
    let answer = nigh.call(Suspect::at(STUCK).hang()).within(PATIENCE).await;
    let let_go = stop.load(Ordering::Relaxed);
    match answer {
        Err(CallError::InDoubt(_)) => {}
        // Whoever was in the middle of the call ran the method on its own thread.
        Err(CallError::Failed(1)) if let_go => {}
        other => return Err(format!("what never returns was told: {other:?}")),
    }
    told.calls.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// A good caller whose entity shares the lane: it is in doubt at its deadline.
async fn wait_in_lane(nigh: Nigh, key: String, stop: Arc<AtomicBool>, told: Arc<Told>) -> Result<(), String> {
    while !stop.load(Ordering::Relaxed) {
        let value = Bytes::from(vec![1; VALUE_SIZE]);
        match nigh.call(Account::at(key.clone()).put(value)).within(PATIENCE).await {
            Ok(()) if !stop.load(Ordering::Relaxed) => {
                told.same_lane_answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(()) => {}
            Err(CallError::InDoubt(_) | CallError::NotDone(Cause::Deadline)) => {
                told.same_lane_waited.fetch_add(1, Ordering::Relaxed);
            }
            Err(CallError::Overloaded { retry_after }) => tokio::time::sleep(retry_after).await,
            Err(other) => return Err(format!("in the lane of what never returns: {other:?}")),
        }
    }
    Ok(())
}

/// Asks for what never returns, once more and for good; says the ticket before.
pub fn hang_for_good(nigh: &Nigh) -> Result<(), String> {
    HANG.open(false);
    let mut pending = nigh.call(Suspect::at(STUCK).hang());
    say(pending.ticket().ok_or("a change has a ticket")?)?;
    // The thread that asks is the one that does not come back.
    drop(pending.into_future());
    Ok(())
}

/// What was not done has left nothing behind.
pub async fn verify(nigh: &Nigh, kind: Kind) -> Result<(), String> {
    let elements = if kind == Kind::FullLists { LIST_LEN_MAX } else { 0 };
    for caller in 0..CALLERS {
        let key = key_of(kind, caller);
        let found = nigh.call(Suspect::at(key.clone()).look()).await.map_err(told)?;
        if found != (0, elements) {
            return Err(format!(
                "{key} has {found:?} changes and elements, and should have 0 and {elements}"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_names() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(kind));
        }
        assert_eq!(Kind::named("other"), None);
    }

    #[test]
    fn good_callers_share_the_stuck_lane_or_do_not() {
        let stuck = lane_of("Suspect", STUCK);
        for (same_lane, count) in [(true, 4), (false, 64)] {
            let keys = accounts(count, same_lane);
            assert_eq!(keys.len(), count);
            assert!(keys.iter().all(|key| (lane_of("Account", key) == stuck) == same_lane));
        }
    }

    #[test]
    fn only_the_right_cause_is_right() {
        let answer = |cause| Err::<(), CallError>(CallError::NotDone(cause));
        let large = |why: &str| Said::too_large(answer(Cause::TooLarge(why.into())), "a key has");
        assert!(matches!(large("a key has at most 1024 bytes"), Said::Right));
        assert!(matches!(large("a call of 7 bytes"), Said::Wrong(_)));
        assert!(matches!(Said::too_large(answer(Cause::Deadline), "a key has"), Said::Wrong(_)));
        assert!(matches!(Said::too_large(Ok::<(), CallError>(()), "a key has"), Said::Wrong(_)));
        let retry_after = Duration::from_millis(1);
        let overloaded = Err::<(), CallError>(CallError::Overloaded { retry_after });
        assert!(
            matches!(Said::too_large(overloaded, "a key has"), Said::Overloaded(after) if after == retry_after)
        );
    }
}
