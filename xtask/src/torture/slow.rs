//! F11, F12: a sync that takes long, and one that never returns.
//!
//! A slow disk makes slow answers and larger groups, no errors. With a sync that never returns no answer leaves:
//! callers learn at their deadlines that they are in doubt, or at once that there are too many of them; memory stays
//! flat; and whoever ends the process finds all that was acknowledged.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Ground;
use super::directory::FILES;
use super::http::Client;
use super::scenario::{Done, Outcome};
use super::server::signal;
use super::shop::{Stage, Story};
use super::strace::{self, Fault};
use crate::Trouble;

/// Delays of a sync, in ms.
const SLOW_MS: [u64; 3] = [50, 200, 1000];
/// Asked while it is slow.
const ASKS: u64 = 5;
/// An answer waits for the sync under way and for its own, and, in a cutting commit, for two of `log.redb`.
const SYNCS_PER_ANSWER_MAX: u32 = 4;
/// What else it takes on a busy machine.
const SLACK: Duration = Duration::from_secs(1);
/// Above the 10 s that a call may take.
const STUCK: Duration = Duration::from_secs(14);
/// The log is cut within this, while it is written to.
const CUT_MAX: Duration = Duration::from_secs(10);
/// What a process may grow by while nothing leaves: its callers are bounded.
const GROWTH_MAX_KIB: u64 = 64 << 10;

/// The scenario.
pub fn run(ground: &Ground) -> Result<Outcome, Trouble> {
    if let Some(why) = strace::missing() {
        return Ok(Outcome::Skipped(why));
    }
    let mut done = Done::default();
    let mut story = Story::begin(ground.one_process("shop", 16)?)?;
    for file in FILES {
        let file = ground.file("shop", file);
        for ms in SLOW_MS {
            let what = format!("delay_enter={}", ms * 1000);
            let fault = Fault { calls: "fdatasync".into(), what, file: Some(file.clone()) };
            let longest = story.round(|stage| slow(ground, stage, &fault, Duration::from_millis(ms)))?;
            done.points += 1;
            done.note(&format!("{ms} ms: {:.2} s", longest.as_secs_f64()));
        }
        let what = "delay_enter=600000000".into();
        let fault = Fault { calls: "fdatasync".into(), what, file: Some(file.clone()) };
        let grown = story.round(|stage| stuck(ground, stage, &fault))?;
        done.points += 1;
        done.note(&format!("stuck: +{} KiB", grown));
    }
    done.take(&story.end()?);
    Ok(Outcome::Ran(done))
}

/// Every change is answered, and its time is that of some syncs. Returns the longest.
fn slow(ground: &Ground, stage: &mut Stage<'_>, fault: &Fault, sync: Duration) -> Result<Duration, Trouble> {
    let _attached = fault.attach(stage.server.pid()?, &ground.seen())?;
    let mut client = Client::new(stage.door, Duration::from_secs(15));
    let mut longest = Duration::ZERO;
    for ask in 0..ASKS {
        let begun = Instant::now();
        let answer = client.post("/api/Wallet/slow/deposit", &[], &json!({ "cents": 1 }));
        let answer = answer.map_err(|error| format!("ask {ask} while syncs take {sync:?}: {error}"))?;
        longest = longest.max(begun.elapsed());
        if answer.status != 200 || longest > sync * SYNCS_PER_ANSWER_MAX + SLACK {
            let (status, text) = (answer.status, answer.text());
            return Err(format!("ask {ask} while syncs take {sync:?}: {status} {text} after {longest:?}"));
        }
    }
    Ok(longest)
}

/// Nothing is acknowledged, memory stays; then it is killed. Returns what it grew by, in KiB.
fn stuck(ground: &Ground, stage: &mut Stage<'_>, fault: &Fault) -> Result<u64, Trouble> {
    let before = stage.server.resident_kib()?;
    let of_log = fault.file.as_ref().is_some_and(|file| !file.ends_with("state.redb"));
    let attached = fault.attach(stage.server.pid()?, &ground.seen())?;
    // The write-back comes each second.
    thread::sleep(Duration::from_secs(2));
    let mut client = Client::new(stage.door, STUCK);
    let begun = Instant::now();
    let mut ask = || client.post("/api/Wallet/slow/deposit", &[], &json!({ "cents": 1 }));
    let mut answer = ask();
    // What is seldom written of the log is, with the first append after a write-back.
    while of_log && begun.elapsed() < CUT_MAX && matches!(&answer, Ok(answer) if answer.status == 200) {
        thread::sleep(Duration::from_millis(100));
        answer = ask();
    }
    let status = answer.as_ref().map_or(0, |answer| answer.status);
    let expected: &[u16] = if of_log { &[504, 503, 429] } else { &[200] };
    if !expected.contains(&status) {
        let text = answer.map_or_else(|error| error.to_string(), |answer| answer.text());
        let doing = strace::doing(stage.server.pid()?);
        return Err(format!(
            "with a sync that never returns: {status} {text}, expected one of {expected:?}; {doing}"
        ));
    }
    thread::sleep(STUCK.saturating_sub(begun.elapsed()));
    let grown = stage.server.resident_kib()?.saturating_sub(before);
    // Dead, it is gone only when strace has noticed, which sleeps: both end together.
    signal(stage.server.pid()?, "KILL")?;
    drop(attached);
    stage.kill();
    stage.back()?;
    if grown > GROWTH_MAX_KIB {
        return Err(format!("grew by {grown} KiB while a sync did not return"));
    }
    Ok(grown)
}
