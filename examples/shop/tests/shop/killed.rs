//! The shop is killed at random moments while clients change money: every acknowledged change is there, none twice.
//!
//! The story is in `xtask/src/torture`; `cargo xtask torture` runs more of it.

use std::path::{Path, PathBuf};

use xtask::Trouble;
use xtask::torture::shop::Torture;
use xtask::torture::{cut_in_two, one_process};

const ROUNDS: u32 = 20;
/// Where moments and amounts follow from: any number will do, the same one makes a failure easier to find again.
const SEED: u64 = 1;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn survives(torture: Result<Torture, Trouble>) {
    let summary = torture.and_then(|torture| torture.run(&mut |line| println!("{line}")));
    let summary = summary.unwrap_or_else(|error| panic!("{error}"));
    println!("{summary}");
    assert_eq!(summary.rounds, ROUNDS);
    assert!(summary.kills >= ROUNDS && summary.done > 0, "{summary}");
}

/// P1, P2: acknowledged means on disk, and an id takes effect at most once.
#[test]
fn one_process_is_killed() {
    survives(one_process(Path::new(env!("CARGO_BIN_EXE_shop")), &folder("one"), ROUNDS, SEED));
}

/// As above, while the process with the door stays up and has calls open.
#[test]
fn the_process_with_the_state_is_killed() {
    survives(cut_in_two(Path::new(env!("CARGO_BIN_EXE_shop")), &folder("two"), ROUNDS, SEED));
}
