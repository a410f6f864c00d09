//! F5, F6 with the whole program: bytes decay, blocks are zeroed, are those of another time or of another place.
//!
//! Either the start is refused, in words that say where, or every sum is right: what an old block says is never taken
//! for what is. Every byte of every value is damaged by `crates/nigh/tests/store_directory`; here are the places that
//! a file really uses, the pages of redb included.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::Ground;
use super::directory::{FILES, put, refused};
use super::scenario::{Done, Outcome};
use super::seed::Seed;
use super::shop::Story;
use crate::Trouble;

/// A block of a disk.
const BLOCK: usize = 4096;
/// A write-back begins after a second; by then it has ended.
const SWEPT: Duration = Duration::from_millis(1300);
/// Some hundred groups.
const WORK: Duration = Duration::from_millis(200);
/// Of each kind and file, at most.
const TRIES_MAX: usize = 60;

/// What is done to a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// One bit.
    Flip(usize, u8),
    /// A block of zeros.
    Zero(usize),
    /// The block that was there before.
    Stale(usize),
    /// The block that follows.
    Neighbour(usize),
}

impl Damage {
    /// None: nothing would change.
    fn of(self, new: &[u8], old: &[u8]) -> Option<Vec<u8>> {
        let block = |bytes: &[u8], at: usize| bytes.get(at * BLOCK..(at + 1) * BLOCK).map(<[u8]>::to_vec);
        let mut bytes = new.to_vec();
        let (at, with) = match self {
            Damage::Flip(at, bit) => {
                bytes[at] ^= 1 << bit;
                return Some(bytes);
            }
            Damage::Zero(at) => (at, Some(vec![0; BLOCK])),
            Damage::Stale(at) => (at, block(old, at)),
            Damage::Neighbour(at) => (at, block(new, at + 1)),
        };
        let place = bytes.get_mut(at * BLOCK..(at + 1) * BLOCK)?;
        let with = with.filter(|with| with != place)?;
        place.copy_from_slice(&with);
        Some(bytes)
    }
}

/// Places all over what the file uses; where it is small, all blocks.
fn damages(bytes: &[u8], seed: &mut Seed) -> Vec<Damage> {
    let blocks = (bytes.len() / BLOCK).max(1);
    let used: Vec<usize> =
        (0..blocks).filter(|at| bytes[at * BLOCK..].iter().take(BLOCK).any(|byte| *byte != 0)).collect();
    let step = used.len().div_ceil(TRIES_MAX);
    let mut all = Vec::new();
    for at in used.iter().copied().step_by(step) {
        all.extend([Damage::Zero(at), Damage::Stale(at), Damage::Neighbour(at)]);
        let byte = (at * BLOCK + seed.below(BLOCK as u64) as usize).min(bytes.len() - 1);
        all.push(Damage::Flip(byte, seed.below(8) as u8));
    }
    all
}

/// The scenario.
pub fn run(ground: &Ground) -> Result<Outcome, Trouble> {
    let mut done = Done::default();
    let mut story = Story::begin(ground.one_process("shop", 4)?)?;
    let (data, old, new) =
        (ground.folder.join("shop/data"), ground.folder.join("old"), ground.folder.join("new"));
    for copy in [&old, &new] {
        story.round(|_| Ok(()))?;
        thread::sleep(SWEPT);
        story.round(|_| {
            thread::sleep(WORK);
            Ok(())
        })?;
        // Killed, so that the last groups are in the log alone.
        story.between(|stage| {
            stage.kill();
            FILES.iter().try_for_each(|file| put(&data, file, copy))?;
            stage.back()
        })?;
    }
    let (mut found, mut harmless) = (0, 0);
    let mut seed = Seed::new(ground.seed, 0);
    for file in FILES {
        let (was, is) = (read(&old.join(file))?, read(&new.join(file))?);
        for damage in damages(&is, &mut seed) {
            let Some(bytes) = damage.of(&is, &was) else { continue };
            let told = story.between(|stage| {
                stage.kill();
                FILES.iter().try_for_each(|file| put(&new, file, &data))?;
                let path = data.join(file);
                fs::write(&path, &bytes).map_err(|error| format!("{}: {error}", path.display()))?;
                // Of the log either file may show it.
                let named = if file == "state.redb" { file } else { "log" };
                let is_found = refused(ground, &data, named)?;
                if is_found {
                    FILES.iter().try_for_each(|file| put(&new, file, &data))?;
                }
                stage.back()?;
                Ok(is_found)
            });
            let is_found = told.map_err(|error| format!("{file}: {damage:?}: {error}"))?;
            // What went unnoticed must have been of no use: all sums are right.
            story.recount().map_err(|error| format!("{file}: {damage:?}, unnoticed: {error}"))?;
            *(if is_found { &mut found } else { &mut harmless }) += 1;
            done.points += 1;
        }
    }
    done.note(&format!("{found} refused, {harmless} harmless"));
    done.take(&story.end()?);
    Ok(Outcome::Ran(done))
}

fn read(path: &Path) -> Result<Vec<u8>, Trouble> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}
