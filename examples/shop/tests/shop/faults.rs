//! Misfortunes of a real disk, a few points of each: `cargo xtask torture` strikes at all of them.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use xtask::Trouble;
use xtask::torture::scenario::{Ground, Outcome};
use xtask::torture::server::{free_port, signal};
use xtask::torture::{directory, errors, full, power, syscalls};

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

/// Whoever read its lines has gone: each is lost, and nothing else.
#[test]
fn nobody_reads_its_lines() {
    let (reader, deaf) = std::io::pipe().expect("a pipe");
    drop(reader);
    let door = free_port().expect("a free port");
    let mut shop = Command::new(env!("CARGO_BIN_EXE_shop"))
        .args(["--memory", "--listen", &door.to_string()])
        .stderr(deaf)
        .spawn()
        .expect("the shop starts");
    while shop.try_wait().expect("it is our child").is_none() && TcpStream::connect(door).is_err() {
        std::thread::yield_now();
    }
    signal(shop.id(), "TERM").expect("it runs");
    let ended = shop.wait().expect("it is our child");
    assert!(ended.success(), "{ended}");
}

/// F1, F3.
#[test]
fn killed_at_system_calls() {
    survives("syscalls", 20, |ground| syscalls::strike(ground, syscalls::Depth::SHORT));
}

/// F8, F9.
#[test]
fn calls_that_fail() {
    survives("errors", 6, |ground| errors::strike_io(ground, errors::Depth::SHORT));
}

/// F10.
#[test]
fn no_room() {
    survives("no-space", 2, |ground| errors::strike_no_space(ground, errors::Depth::SHORT));
    survives("full", 1, full::run);
}

/// F7.
#[test]
fn power_cuts() {
    survives("power-ext4", 2, power::ext4);
    survives("power-xfs", 2, power::xfs);
}

/// F13.
#[test]
fn a_second_process() {
    survives("second", 10, directory::second);
}
