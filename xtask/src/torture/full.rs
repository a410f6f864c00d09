//! F10: the disk is full for a while, in the middle of work. Its log lines go to the same disk, as they do on most machines.
//!
//! Nothing acknowledged is lost. The process refuses writes and reads on, or ends with exit status 74; once there is
//! room, it works again, after a start if it ended.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::Ground;
use super::errors::back_if_ended;
use super::loopfs::{self, LoopFs};
use super::scenario::{Done, Outcome};
use super::seed::Seed;
use super::shop::Story;
use crate::Trouble;

/// Some MB more than a new store.
const SIZE_MIB: u64 = 48;
/// How long it is full: a write-back falls into it.
const FULL_MS: u64 = 1200;
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
    let mut ended = 0;
    for round in 0..ground.rounds.div_ceil(ROUNDS_PER_FULL) {
        let mut seed = Seed::new(ground.seed, u64::from(round));
        let end = story.round(|stage| {
            thread::sleep(Duration::from_millis(5 + seed.below(100)));
            fill(&ballast)?;
            thread::sleep(Duration::from_millis(seed.below(FULL_MS)));
            let is_gone = std::fs::remove_file(&ballast);
            is_gone.map_err(|error| format!("{}: {error}", ballast.display()))?;
            back_if_ended(stage)
        })?;
        ended += u64::from(end);
        done.points += 1;
    }
    done.note(&format!("ended {ended} times"));
    done.take(&story.end()?);
    Ok(Outcome::Ran(done))
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
