//! F1, F3: `kill -9` before every system call of making a store, starting, committing, writing back and stopping.
//!
//! Each phase is struck at its first call of a kind, then at its second, until it has no more, or so many that they
//! repeat. After each kill the shop must start without hands, and hold all that it acknowledged.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::Ground;
use super::directory::FILES;
use super::scenario::{Done, Outcome};
use super::shop::{Stage, Story};
use super::strace::{self, Attached, Fault};
use crate::Trouble;

/// What a store does to its disk.
const WRITING: [&str; 3] = ["pwrite64", "fdatasync", "ftruncate"];
/// What is done to names as well, and before that.
const MAKING: [&str; 7] = ["mkdir", "openat", "flock", "pwrite64", "fdatasync,fsync", "ftruncate", "rename"];
/// A write-back begins after a second; by then it has begun.
const SWEPT: Duration = Duration::from_millis(1300);
/// An end takes at most this, traced.
const END_MAX: Duration = Duration::from_secs(20);

/// A round before a phase takes this long: some commits.
const BEFORE: Duration = Duration::from_millis(20);

/// How deep to go: calls of one kind in a phase that does not end by itself.
#[derive(Clone, Copy, Debug)]
pub struct Depth {
    /// Of each kind, while clients are at work.
    pub commit: u32,
    /// Of each kind, at most, in phases that end.
    pub phase: u32,
    /// Every so many-th call is struck.
    pub step: usize,
}

impl Depth {
    /// All there is.
    pub const WHOLE: Depth = Depth { commit: 48, phase: 400, step: 1 };
    /// Some of each, in half a minute.
    pub const SHORT: Depth = Depth { commit: 4, phase: 400, step: 17 };
}

/// Strikes one phase at all its calls.
type Phase = fn(&Ground, Depth) -> Result<Done, Trouble>;

/// The scenario.
pub fn run(ground: &Ground) -> Result<Outcome, Trouble> {
    strike(ground, Depth::WHOLE)
}

/// The scenario, as deep as that.
pub fn strike(ground: &Ground, depth: Depth) -> Result<Outcome, Trouble> {
    if let Some(why) = strace::missing() {
        return Ok(Outcome::Skipped(why));
    }
    let mut done = Done::default();
    let phases: [(&str, Phase); 5] = [
        ("making", making),
        ("starting", starting),
        ("committing", committing),
        ("writing back", writing_back),
        ("stopping", stopping),
    ];
    for (name, phase) in phases {
        let struck = phase(ground, depth).map_err(|error| format!("{name}: {error}"))?;
        done.note(&format!("{name} {}", struck.points));
        done.add(&struck);
    }
    Ok(Outcome::Ran(done))
}

fn kill_at(calls: &str, when: u32, file: Option<&Path>) -> Fault {
    Fault { calls: calls.into(), what: format!("signal=KILL:when={when}"), file: file.map(Into::into) }
}

/// A store is made, and its maker dies: there is none, or a whole one, which the next start finds or makes.
fn making(ground: &Ground, depth: Depth) -> Result<Done, Trouble> {
    let mut done = Done::default();
    for calls in MAKING {
        for when in (1..depth.phase).step_by(depth.step) {
            let mut shop = ground.one_process("making", 1)?;
            let fault = kill_at(calls, when, None);
            shop.servers[0].set_under(fault.from_start(&ground.seen()));
            let at = |error: Trouble| format!("{calls} {when}: {error}");
            shop.servers[0].start()?;
            let struck = dies_or_answers(&mut shop.servers[0], shop.door).map_err(at)?;
            if !struck {
                break;
            }
            done.points += 1;
            shop.servers[0].set_under(Vec::new());
            let mut story = Story::begin(shop).map_err(at)?;
            story.round(|_| Ok(())).map_err(at)?;
            done.take(&story.end().map_err(at)?);
        }
    }
    Ok(done)
}

/// A log that was not written back is read and written back, and the reader dies.
fn starting(ground: &Ground, depth: Depth) -> Result<Done, Trouble> {
    let mut done = Done::default();
    let mut story = Story::begin(ground.one_process("starting", 2)?)?;
    for calls in MAKING {
        for when in (1..depth.phase).step_by(depth.step) {
            let fault = kill_at(calls, when, None);
            let struck = story.round(|stage| {
                thread::sleep(BEFORE);
                stage.kill();
                stage.server.set_under(fault.from_start(&ground.seen()));
                stage.server.start()?;
                let struck = dies_or_answers(stage.server, stage.door)?;
                stage.kill();
                stage.server.set_under(Vec::new());
                stage.back()?;
                Ok(struck)
            });
            if !struck.map_err(|error| format!("{calls} {when}: {error}"))? {
                break;
            }
            done.points += 1;
        }
    }
    done.take(&story.end()?);
    Ok(done)
}

/// True if it dies of a kill, false if it answers.
fn dies_or_answers(server: &mut super::server::Server, door: std::net::SocketAddr) -> Result<bool, Trouble> {
    let begun = Instant::now();
    while begun.elapsed() < END_MAX {
        if let Some(status) = server.ended()? {
            return was_killed(status).map(|()| true);
        }
        if std::net::TcpStream::connect(door).is_ok() {
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err(format!("neither died nor answered within {END_MAX:?}"))
}

fn was_killed(status: std::process::ExitStatus) -> Result<(), Trouble> {
    match std::os::unix::process::ExitStatusExt::signal(&status) {
        Some(9) => Ok(()),
        _ => Err(format!("ended by itself: {status}")),
    }
}

/// One client at work. Before the first append after a write-back the log is cut, so the phase begins there.
fn committing(ground: &Ground, depth: Depth) -> Result<Done, Trouble> {
    let mut done = Done::default();
    let mut story = Story::begin(ground.one_process("committing", 1)?)?;
    let of_log = FILES.iter().filter(|file| **file != "state.redb");
    for (log, calls) in of_log.flat_map(|file| WRITING.map(|calls| (ground.file("committing", file), calls)))
    {
        for when in (1..=depth.commit).step_by(depth.step) {
            let fault = kill_at(calls, when, Some(&log));
            let at = |error: Trouble| format!("{} {calls} {when}: {error}", log.display());
            story.round(|_| Ok(())).map_err(at)?;
            thread::sleep(SWEPT);
            let struck = story.between(|stage| fault.attach(stage.server.pid()?, &ground.seen()));
            let attached = struck.map_err(at)?;
            // Truncations are rare: a while without one is the end of them.
            let struck = story.round(|stage| dies_or_lives(stage, attached, Duration::from_secs(3)));
            let struck = struck.map_err(at)?;
            if !struck {
                break;
            }
            done.points += 1;
        }
    }
    done.take(&story.end()?);
    Ok(done)
}

/// Waits for the kill, and brings the victim back; false, and it lives, if there was none. Nothing strikes it any more then.
fn dies_or_lives(stage: &mut Stage<'_>, attached: Attached, patience: Duration) -> Result<bool, Trouble> {
    // One that struck late is found once it cannot any more; `Err` says that there was none in time.
    let _ = stage.server.wait_ended(patience);
    drop(attached);
    match stage.server.ended()? {
        Some(status) => was_killed(status)?,
        None => return Ok(false),
    }
    stage.kill();
    stage.back()?;
    Ok(true)
}

/// The write-back beside clients at work.
fn writing_back(ground: &Ground, depth: Depth) -> Result<Done, Trouble> {
    let mut done = Done::default();
    let mut story = Story::begin(ground.one_process("writing-back", 2)?)?;
    let state = ground.file("writing-back", "state.redb");
    for calls in WRITING {
        for when in (1..=depth.commit).step_by(depth.step) {
            let fault = kill_at(calls, when, Some(&state));
            let struck = story.round(|stage| {
                let attached = fault.attach(stage.server.pid()?, &ground.seen())?;
                dies_or_lives(stage, attached, Duration::from_secs(4))
            });
            if !struck.map_err(|error| format!("{calls} {when}: {error}"))? {
                break;
            }
            done.points += 1;
        }
    }
    done.take(&story.end()?);
    Ok(done)
}

/// Told to stop, it writes everything back and cuts the log.
fn stopping(ground: &Ground, depth: Depth) -> Result<Done, Trouble> {
    let mut done = Done::default();
    let mut story = Story::begin(ground.one_process("stopping", 2)?)?;
    let mut files = Vec::new();
    for name in FILES {
        files.extend(WRITING.map(|calls| (calls, ground.file("stopping", name))));
    }
    for (calls, file) in files {
        for when in (1..depth.phase).step_by(depth.step) {
            let fault = kill_at(calls, when, Some(&file));
            let at = |error: Trouble| format!("{} {calls} {when}: {error}", file.display());
            story.round(|_| Ok(())).map_err(at)?;
            let struck = story.between(|stage| {
                let attached = fault.attach(stage.server.pid()?, &ground.seen())?;
                stage.server.stop()?;
                let status = stage.server.wait_ended(END_MAX)?;
                drop(attached);
                let struck = !status.success();
                if struck {
                    was_killed(status)?;
                    stage.kill();
                }
                stage.back()?;
                Ok(struck)
            });
            if !struck.map_err(at)? {
                break;
            }
            done.points += 1;
        }
    }
    story.round(|_| Ok(()))?;
    done.take(&story.end()?);
    Ok(done)
}
