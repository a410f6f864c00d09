//! F10: the disk is full for a while, in the middle of work. Its log lines go to the same disk, as they do on most machines.
//!
//! Nothing acknowledged is lost. The process refuses what writes and answers what reads; once there is room, it goes on, and
//! it is the same process.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Ground;
use super::http::Client;
use super::loopfs::{self, LoopFs};
use super::scenario::{Done, Outcome};
use super::seed::Seed;
use super::shop::{Stage, Story};
use crate::Trouble;

/// Some MB more than a new store and the room that it holds back.
const SIZE_MIB: u64 = 64;
/// How long it is full: a write-back falls into it.
const FULL_MS: u64 = 1200;
/// Or until the shop meets it, if it writes over what it has for so long.
const MEETS_MAX: Duration = Duration::from_secs(20);
/// It goes on within this once there is room.
const GOES_ON_MAX: Duration = Duration::from_secs(10);
/// One takes as long as some kills.
const ROUNDS_PER_FULL: u32 = 8;

/// The scenario.
pub fn run(ground: &Ground) -> Result<Outcome, Trouble> {
    if let Some(why) = loopfs::missing("ext4", &ground.folder, false) {
        return Ok(Outcome::Skipped(why));
    }
    let disk = LoopFs::make("ext4", &ground.folder, SIZE_MIB)?;
    let mut done = Done::default();
    let mut story = Story::begin(ground.process_in(&disk.at().join("shop"), 16)?)?;
    let ballast = disk.at().join("ballast");
    let mut refused = 0;
    for round in 0..ground.rounds.div_ceil(ROUNDS_PER_FULL) {
        let mut seed = Seed::new(ground.seed, u64::from(round));
        refused += story.round(|stage| {
            thread::sleep(Duration::from_millis(5 + seed.below(100)));
            fill(&ballast)?;
            let asked = while_full(stage, Duration::from_millis(seed.below(FULL_MS)));
            let is_gone = std::fs::remove_file(&ballast);
            is_gone.map_err(|error| format!("{}: {error}", ballast.display()))?;
            let refused = asked?;
            goes_on(stage)?;
            Ok(refused)
        })?;
        done.points += 1;
    }
    done.note(&format!("{refused} refusals met, ended 0 times"));
    done.take(&story.end()?);
    Ok(Outcome::Ran(done))
}

/// Asks until it is refused, and so long after; views are answered throughout. Returns how often it was refused.
fn while_full(stage: &mut Stage<'_>, after: Duration) -> Result<u64, Trouble> {
    let (begun, mut met, mut refused) = (Instant::now(), None, 0);
    let mut client = Client::new(stage.door, GOES_ON_MAX);
    let told = |error: std::io::Error| format!("on a full disk: {error}");
    while met.is_none_or(|met: Instant| met.elapsed() < after) {
        stage.server.assert_alive()?;
        let answer = client.post("/api/Wallet/late/deposit", &[], &json!({ "cents": 1 })).map_err(told)?;
        match answer.status {
            200 => {}
            429 => {
                met = met.or(Some(Instant::now()));
                refused += 1;
            }
            status => return Err(format!("a deposit on a full disk: {status} {}", answer.text())),
        }
        let view = client.get("/api/Wallet/nobody/balance").map_err(told)?;
        if view.status != 200 {
            return Err(format!("a view on a full disk: {} {}", view.status, view.text()));
        }
        if met.is_none() && begun.elapsed() > MEETS_MAX {
            return Err(format!("the disk is full, and nothing was refused within {MEETS_MAX:?}"));
        }
    }
    Ok(refused)
}

/// The same process takes calls again.
fn goes_on(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    let begun = Instant::now();
    let mut client = Client::new(stage.door, GOES_ON_MAX);
    while begun.elapsed() < GOES_ON_MAX {
        stage.server.assert_alive()?;
        let answer = client.post("/api/Wallet/late/deposit", &[], &json!({ "cents": 1 }));
        if answer.is_ok_and(|answer| answer.status == 200) {
            return stage.wait_ready();
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(format!("there is room, and calls are refused after {GOES_ON_MAX:?}"))
}

/// Takes all the room there is.
fn fill(ballast: &Path) -> Result<(), Trouble> {
    let told = |error: std::io::Error| format!("{}: {error}", ballast.display());
    let mut file = File::create(ballast).map_err(told)?;
    let mut chunk = vec![0xA5; 64 << 10];
    loop {
        match file.write_all(&chunk).and_then(|()| file.sync_data()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull && chunk.len() > 1024 => {
                chunk.truncate(chunk.len() / 4);
            }
            Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
            Err(error) => return Err(told(error)),
        }
    }
}
