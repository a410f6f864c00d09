//! F8, F9, and F10 at the calls themselves: a sync, a write, a read or a truncation fails once, or from then on.
//!
//! After a failure nobody knows what is on the disk: the process ends with exit status 74, no answer leaves, and the
//! next start reads the disk. Only a full disk is survived, in the same process: a write that finds no room must be, a truncation,
//! which needs none, may be. An error that redb or the system never noticed is
//! no promise broken, if every sum is right.

use std::thread;
use std::time::{Duration, Instant};

use super::Ground;
use super::directory::FILES;
use super::http::Client;
use super::scenario::{Done, Outcome};
use super::shop::{Stage, Story};
use super::strace::{self, Fault, tampered};
use crate::Trouble;

/// sysexits' `EX_IOERR`.
const EXIT_STORE: i32 = 74;
/// The calls of a store.
const CALLS: [&str; 4] = ["fdatasync", "pwrite64", "ftruncate", "pread64"];
/// A write-back comes each second; truncations and reads are rare.
const STRUCK_MAX: Duration = Duration::from_secs(3);
/// An end takes at most this after its cause, traced.
const END_MAX: Duration = Duration::from_secs(30);
/// How long a disk stays full.
const FULL: Duration = Duration::from_millis(300);
/// A view is answered within this meanwhile, traced.
const FULL_ANSWER_MAX: Duration = Duration::from_secs(5);

/// Calls struck of each kind, in each phase.
#[derive(Clone, Copy, Debug)]
pub struct Depth {
    /// While clients are at work.
    pub running: u32,
    /// While the store is opened.
    pub starting: u32,
    /// Every so many-th.
    pub step: usize,
}

impl Depth {
    /// All there is, or until it repeats.
    pub const WHOLE: Depth = Depth { running: 24, starting: 200, step: 1 };
    /// Some.
    pub const SHORT: Depth = Depth { running: 4, starting: 200, step: 29 };
}

/// Input and output errors, once (F8, F9).
pub fn io(ground: &Ground) -> Result<Outcome, Trouble> {
    strike_io(ground, Depth::WHOLE)
}

/// The same, as deep as that.
pub fn strike_io(ground: &Ground, depth: Depth) -> Result<Outcome, Trouble> {
    strike(ground, depth, |when| format!("error=EIO:when={when}"), Struck::MustEnd)
}

/// No space left, from the n-th call on (F10).
pub fn no_space(ground: &Ground) -> Result<Outcome, Trouble> {
    strike_no_space(ground, Depth { running: 12, ..Depth::WHOLE })
}

/// The same, as deep as that.
pub fn strike_no_space(ground: &Ground, depth: Depth) -> Result<Outcome, Trouble> {
    // A full disk, a used up quota, the limit of a file's size.
    let errors = ["ENOSPC", "EDQUOT", "EFBIG"];
    let error = |when: u32| errors[when as usize % errors.len()];
    strike(ground, depth, |when| format!("error={}:when={when}+", error(when)), Struck::Lives)
}

/// What must become of a process that was struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Struck {
    MustEnd,
    Lives,
}

fn strike(
    ground: &Ground,
    depth: Depth,
    what: impl Fn(u32) -> String,
    then: Struck,
) -> Result<Outcome, Trouble> {
    if let Some(why) = strace::missing() {
        return Ok(Outcome::Skipped(why));
    }
    let mut done = Done::default();
    let mut story = Story::begin(ground.one_process("shop", 2)?)?;
    for file in FILES {
        for calls in CALLS {
            if then == Struck::Lives && ["fdatasync", "pread64"].contains(&calls) {
                continue; // Neither needs room.
            }
            let file = ground.file("shop", file);
            let fault = |when| Fault { calls: calls.into(), what: what(when), file: Some(file.clone()) };
            let name = file.file_name().unwrap_or_default().display();
            let (mut running, mut starting) = (0, 0);
            for when in (1..=depth.running).step_by(depth.step) {
                let struck = story.round(|stage| while_running(ground, stage, &fault(when), then));
                if !struck.map_err(|error| format!("running, {name} {calls} {when}: {error}"))? {
                    break;
                }
                running += 1;
            }
            for when in (1..=depth.starting).step_by(depth.step) {
                let struck = story.round(|stage| while_starting(ground, stage, &fault(when)));
                if !struck.map_err(|error| format!("starting, {name} {calls} {when}: {error}"))? {
                    break;
                }
                starting += 1;
            }
            done.note(&format!("{name} {calls} {running} + {starting}"));
            done.points += running + starting;
        }
    }
    done.take(&story.end()?);
    Ok(Outcome::Ran(done))
}

/// False: there was no such call.
fn while_running(
    ground: &Ground,
    stage: &mut Stage<'_>,
    fault: &Fault,
    then: Struck,
) -> Result<bool, Trouble> {
    let attached = fault.attach(stage.server.pid()?, &ground.seen())?;
    let begun = Instant::now();
    while begun.elapsed() < STRUCK_MAX && stage.server.ended()?.is_none() && tampered(&ground.seen()) == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    if stage.server.ended()?.is_none() && tampered(&ground.seen()) == 0 {
        return Ok(false);
    }
    if then == Struck::MustEnd {
        stage.ends_with(EXIT_STORE, END_MAX)?;
        stage.back()?;
        return Ok(true);
    }
    thread::sleep(FULL);
    // Whatever reads goes on; of this wallet nothing is under way.
    let asked = Client::new(stage.door, FULL_ANSWER_MAX).get("/api/Wallet/nobody/balance");
    drop(attached); // There is room again.
    if fault.calls == "ftruncate" {
        back_if_ended(stage)?;
        return Ok(true);
    }
    stage.server.assert_alive()?;
    match asked {
        Ok(answer) if answer.status == 200 => {}
        Ok(answer) => return Err(format!("a view on a full disk: {} {}", answer.status, answer.text())),
        Err(error) => return Err(format!("a view on a full disk: {error}")),
    }
    stage.wait_ready()?;
    Ok(true)
}

/// If it has ended, for the right reason, it is started again; if not, it must answer.
fn back_if_ended(stage: &mut Stage<'_>) -> Result<bool, Trouble> {
    // An end under way is awaited: clients would find nobody.
    thread::sleep(FULL);
    if stage.server.ended()?.is_none() {
        stage.wait_ready()?;
        return Ok(false);
    }
    stage.ends_with(EXIT_STORE, END_MAX)?;
    stage.back()?;
    Ok(true)
}

/// The start is refused, or it can do without. False: there was no such call.
fn while_starting(ground: &Ground, stage: &mut Stage<'_>, fault: &Fault) -> Result<bool, Trouble> {
    thread::sleep(Duration::from_millis(20));
    stage.kill();
    stage.server.set_under(fault.from_start(&ground.seen()));
    stage.server.start()?;
    let begun = Instant::now();
    let mut answers = false;
    while stage.server.ended()?.is_none() && !answers {
        answers = std::net::TcpStream::connect(stage.door).is_ok();
        if begun.elapsed() > END_MAX {
            return Err("neither ended nor answered".into());
        }
        thread::sleep(Duration::from_millis(1));
    }
    let ended = stage.server.ended()?;
    let struck = tampered(&ground.seen()) > 0;
    stage.kill();
    stage.server.set_under(Vec::new());
    stage.back()?;
    match ended {
        Some(status) if status.code().is_none_or(|code| code == 0 || code == 101) => {
            Err(format!("a start that met an error ended with {status}"))
        }
        _ => Ok(struck),
    }
}
