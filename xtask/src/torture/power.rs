//! F7: the power is cut at random moments under load, on ext4 and on XFS.
//!
//! Whoever had an answer before the cut was issued must find its change after it. Answers that come later were received
//! by nobody: they are asked for again.

use std::thread;
use std::time::Duration;

use super::Ground;
use super::loopfs::{self, LoopFs};
use super::scenario::{Done, Outcome};
use super::seed::Seed;
use super::shop::Story;
use crate::Trouble;

/// A round cuts after 5 to 155 ms; every fourth lets a write-back begin.
const LIFE_MS: u64 = 150;
const SWEEP_MS: u64 = 1100;
/// One power cut takes as long as some kills.
const ROUNDS_PER_CUT: u32 = 2;
/// It ends by itself when its files fail.
const END_MAX: Duration = Duration::from_secs(30);

/// On ext4.
pub fn ext4(ground: &Ground) -> Result<Outcome, Trouble> {
    cut(ground, "ext4")
}

/// On XFS.
pub fn xfs(ground: &Ground) -> Result<Outcome, Trouble> {
    cut(ground, "xfs")
}

fn cut(ground: &Ground, kind: &str) -> Result<Outcome, Trouble> {
    if let Some(why) = loopfs::missing(kind, &ground.folder, true) {
        return Ok(Outcome::Skipped(why));
    }
    // Before the story, so that it is dropped after it.
    let disk = LoopFs::make(kind, &ground.folder, 1024)?;
    let mut done = Done::default();
    let mut story = Story::begin(ground.process_with(&disk.at().join("data"), "shop", 16)?)?;
    for round in 0..ground.rounds.div_ceil(ROUNDS_PER_CUT) {
        let mut seed = Seed::new(ground.seed, u64::from(round));
        story.round(|stage| {
            let sweeps = if seed.below(4) == 0 { SWEEP_MS } else { 0 };
            thread::sleep(Duration::from_millis(5 + seed.below(LIFE_MS) + sweeps));
            stage.server.assert_alive()?;
            stage.dark(true);
            disk.cut()?;
            if seed.below(2) == 0 {
                // With clients that go on, it must find out and end; a machine without power would not.
                stage.ends_with(74, END_MAX)?;
            }
            stage.kill();
            disk.again()?;
            stage.dark(false);
            stage.back()
        })?;
        done.points += 1;
    }
    done.take(&story.end()?);
    Ok(Outcome::Ran(done))
}
