//! Lets misfortune strike a server while clients change money, then counts the money.
//!
//! - [`shop`] is the story: who pays in and holds what, and what must be true. Start here. [`teller`] is one client.
//! - [`scenario`] says what a misfortune is and what it comes to; [`SCENARIOS`] lists all, one small file each.
//! - [`server`] starts a program, waits until it answers, kills it with SIGKILL. [`strace`] puts faults into its calls.
//! - [`http`] is a small HTTP/1.1 client that never guesses: no answer is no answer.
//! - [`seed`] makes one number into many, so that a run can be repeated as far as a real machine allows.
//!
//! Knows of nigh only what anybody sees over HTTP and of its files. `cargo xtask torture` runs it for long, the tests of
//! `examples/shop` for a few rounds.

pub mod crowd;
pub mod damage;
pub mod directory;
pub mod errors;
pub mod full;
pub mod http;
pub mod loopfs;
pub mod power;
pub mod scenario;
pub mod seed;
pub mod server;
pub mod shop;
pub mod slow;
pub mod strace;
pub mod syscalls;
mod teller;

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::Trouble;
use crate::chores::cargo;
use scenario::{Done, Ground, Outcome, Scenario};
use server::{Server, free_port};
use shop::Torture;

/// All, in the order in which they are played.
#[rustfmt::skip] // Rows are read as columns.
pub const SCENARIOS: [Scenario; 14] = [
    Scenario { name: "kill",       about: "kill -9 at random moments (F1)",                          run: kill },
    Scenario { name: "syscalls",   about: "kill -9 before every system call of a store (F1, F3)",    run: syscalls::run },
    Scenario { name: "power-ext4", about: "power cut under load on ext4 (F7)",                       run: power::ext4 },
    Scenario { name: "power-xfs",  about: "power cut under load on XFS (F7)",                        run: power::xfs },
    Scenario { name: "errors",     about: "each sync, write, read, truncation fails once (F8, F9)",  run: errors::io },
    Scenario { name: "no-space",   about: "each write fails for lack of room (F10)",                 run: errors::no_space },
    Scenario { name: "full",       about: "a disk that is full for a while, log lines included (F10)", run: full::run },
    Scenario { name: "slow",       about: "syncs that take long, and one that never returns (F11, F12)", run: slow::run },
    Scenario { name: "second",     about: "a second process on the directory (F13)",                 run: directory::second },
    Scenario { name: "backup",     about: "files of two ages put together (F14)",                    run: directory::backup },
    Scenario { name: "damage",     about: "flipped bits, zeroed, stale and misplaced blocks (F5, F6)", run: damage::run },
    Scenario { name: "store",      about: "a last group torn at every byte, and damage to all places (F4 to F6)", run: store },
    Scenario { name: "memory",     about: "a cap of memory under a flood (F15)",                     run: crowd::memory },
    Scenario { name: "descriptors", about: "file descriptors used up (F16)",                         run: crowd::descriptors },
];

/// `cargo xtask torture [NAME…] [--rounds 200] [--seed N]`: builds the shop in release, and lets scenarios strike it.
pub fn command(root: &Path, args: &[String]) -> Result<(), Trouble> {
    let (scenarios, rounds, seed) = parse(args)?;
    let built = cargo().args(["build", "--release", "--package", "shop"]).current_dir(root).status();
    if !built.is_ok_and(|status| status.success()) {
        return Err("torture: the shop does not build".into());
    }
    let folder = root.join("target/torture").join(seed.to_string());
    let program = root.join("target/release/shop");
    println!("torture: {rounds} rounds, --seed {seed}, in {}", folder.display());
    let (mut ran, mut skipped, mut failed) = (0, 0, Vec::new());
    for Scenario { name, run, .. } in scenarios {
        let begun = Instant::now();
        let folder = emptied(&folder.join(name))?;
        let ground = Ground { root: root.into(), program: program.clone(), folder, rounds, seed };
        let told = match run(&ground) {
            Ok(Outcome::Ran(done)) => {
                ran += 1;
                done.to_string()
            }
            Ok(Outcome::Skipped(why)) => {
                skipped += 1;
                format!("SKIPPED: {why}")
            }
            Err(trouble) => {
                failed.push(name);
                format!("FAILED: --seed {seed}: {trouble}")
            }
        };
        println!("torture: {name}, {:.0} s: {told}", begun.elapsed().as_secs_f64());
    }
    println!("torture: {ran} ran, {skipped} skipped, {} failed", failed.len());
    if failed.is_empty() { Ok(()) } else { Err(format!("torture: {} failed", failed.join(", "))) }
}

fn parse(args: &[String]) -> Result<(Vec<Scenario>, u32, u64), Trouble> {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
    let (mut named, mut rounds, mut seed) = (Vec::new(), 200, clock % 1_000_000);
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if let Some(scenario) = SCENARIOS.into_iter().find(|scenario| scenario.name == arg) {
            named.push(scenario);
            continue;
        }
        let value = rest.next().and_then(|text| text.parse().ok());
        match (arg.as_str(), value) {
            ("--rounds", Some(value)) => rounds = value,
            ("--seed", Some(value)) => seed = value,
            _ => return Err(usage(arg)),
        }
    }
    let chosen = if named.is_empty() { SCENARIOS.into() } else { named };
    Ok((chosen, u32::try_from(rounds).map_err(|_| usage("--rounds"))?, seed))
}

fn usage(arg: &str) -> Trouble {
    let mut text = format!("`{arg}`: expected --rounds NUMBER, --seed NUMBER or names of\n");
    for Scenario { name, about, .. } in SCENARIOS {
        text += &format!("  {name:<12} {about}\n");
    }
    text
}

/// The shop as one process, killed at random moments.
fn kill(ground: &Ground) -> Result<Outcome, Trouble> {
    let torture = ground.one_process("shop", 16)?;
    let summary = torture.run(&mut |line| println!("{line}"))?;
    let mut done = Done::default();
    done.points = u64::from(summary.kills);
    done.take(&summary);
    done.note(&format!("slowest restart {:.3} s", summary.restart_max.as_secs_f64()));
    Ok(Outcome::Ran(done))
}

/// The store's own tests of damaged files, deeper than `cargo xtask test` runs them.
fn store(ground: &Ground) -> Result<Outcome, Trouble> {
    let mut command = cargo();
    command.args(["test", "--release", "--package", "nigh", "--test", "store_directory", "--"]);
    command.args(["damage", "torn", "--nocapture"]).env("NIGH_DAMAGES", DAMAGES).current_dir(&ground.root);
    let output = command.output().map_err(|error| format!("cargo did not start: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("{}\n{said}{}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    let mut done = Done::default();
    // A line of each test starts with its numbers.
    for line in said.lines().filter(|line| line.contains("refused, ") || line.contains("points: ")) {
        let numbers = line.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse::<u64>().ok());
        let numbers: Vec<u64> = numbers.collect();
        done.points += if line.contains("points: ") { numbers[0] } else { numbers.iter().sum() };
        done.note(line.trim());
    }
    Ok(Outcome::Ran(done))
}

/// Damages of each file, after a clean end and a kill.
const DAMAGES: &str = "500";

/// The shop as one process, its data and its log lines in `folder`, which is emptied first.
pub fn one_process(program: &Path, folder: &Path, rounds: u32, seed: u64) -> Result<Torture, Trouble> {
    process_at(program, &folder.join("data"), folder, rounds, seed)
}

/// The same with its data elsewhere.
fn process_at(
    program: &Path,
    data: &Path,
    folder: &Path,
    rounds: u32,
    seed: u64,
) -> Result<Torture, Trouble> {
    let folder = emptied(folder)?;
    let door = free_port()?;
    let args = ["--listen", &door.to_string(), "--data", &data.display().to_string()].map(str::to_owned);
    let shop = Server::new("shop", program, &args, &folder);
    Ok(Torture { servers: vec![shop], victim: 0, door, clients: 16, rounds, seed })
}

/// The shop cut in two: the process with the state is killed, the one with the door stays up.
pub fn cut_in_two(program: &Path, folder: &Path, rounds: u32, seed: u64) -> Result<Torture, Trouble> {
    let folder = emptied(folder)?;
    let (door, link) = (free_port()?, free_port()?);
    let data = folder.join("data").display().to_string();
    let state = ["--role", "state", "--data", &data, "--link", &link.to_string()].map(str::to_owned);
    let web =
        ["--role", "web", "--peer", &link.to_string(), "--listen", &door.to_string()].map(str::to_owned);
    let servers =
        vec![Server::new("state", program, &state, &folder), Server::new("web", program, &web, &folder)];
    Ok(Torture { servers, victim: 0, door, clients: 16, rounds, seed })
}

fn emptied(folder: &Path) -> Result<PathBuf, Trouble> {
    // It need not be there.
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder.to_owned())
}
