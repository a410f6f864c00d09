//! Misfortunes of a real disk, a few points of each: `cargo xtask torture` strikes at all of them.

use std::path::Path;

use xtask::Trouble;
use xtask::torture::scenario::{Ground, Outcome};
use xtask::torture::syscalls;

/// Where moments and amounts follow from.
const SEED: u64 = 1;

/// Plays a scenario in a folder of its own. What this machine cannot play is said, and has not passed.
fn survives(name: &str, points_min: u64, play: impl FnOnce(&Ground) -> Result<Outcome, Trouble>) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let program = env!("CARGO_BIN_EXE_shop").into();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let ground = Ground { root, program, folder, rounds: 3, seed: SEED };
    match play(&ground) {
        Ok(Outcome::Ran(done)) => {
            println!("{name}: {done}");
            assert!(
                done.points >= points_min && done.acknowledged > 0,
                "{name} struck hardly anything: {done}"
            );
        }
        Ok(Outcome::Skipped(why)) => println!("{name} SKIPPED: {why}"),
        Err(trouble) => panic!("{name}: {trouble}"),
    }
}

/// F1, F3.
#[test]
fn killed_at_system_calls() {
    survives("syscalls", 20, |ground| syscalls::strike(ground, syscalls::Depth::SHORT));
}
