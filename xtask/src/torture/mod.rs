//! Kills a server at random moments while clients change money, then counts it.
//!
//! - [`shop`] is the story: who pays in and holds what, what is sent again, what must be true. Start here.
//! - [`server`] starts a program, waits until it answers, kills it with SIGKILL.
//! - [`http`] is a small HTTP/1.1 client that never guesses: no answer is no answer.
//! - [`seed`] makes one number into many, so that a run can be repeated as far as a real machine allows.
//!
//! Knows of nigh only what anybody sees over HTTP. `cargo xtask torture` runs it for long, the tests of
//! `examples/shop` for a few rounds.

pub mod http;
pub mod seed;
pub mod server;
pub mod shop;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Trouble;
use crate::chores::cargo;
use server::{Server, free_port};
use shop::Torture;

/// `cargo xtask torture [--rounds 200] [--seed N]`: builds the shop in release, and kills it.
pub fn command(root: &Path, args: &[String]) -> Result<(), Trouble> {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
    let (mut rounds, mut seed) = (200, clock % 1_000_000);
    let mut rest = args.iter();
    while let Some(flag) = rest.next() {
        let value = rest.next().and_then(|text| text.parse().ok());
        match (flag.as_str(), value) {
            ("--rounds", Some(value)) => rounds = value,
            ("--seed", Some(value)) => seed = value,
            _ => return Err(format!("`{flag}`: expected --rounds NUMBER or --seed NUMBER")),
        }
    }
    let built = cargo().args(["build", "--release", "--package", "shop"]).current_dir(root).status();
    if !built.is_ok_and(|status| status.success()) {
        return Err("torture: the shop does not build".into());
    }
    let folder = root.join("target/torture").join(seed.to_string());
    let program = root.join("target/release/shop");
    println!("torture: {rounds} rounds, --seed {seed}, in {}", folder.display());
    let torture = one_process(&program, &folder, rounds as u32, seed)?;
    let summary =
        torture.run(&mut |line| println!("{line}")).map_err(|error| format!("--seed {seed}: {error}"))?;
    println!("torture: {summary}");
    Ok(())
}

/// The shop as one process, its data and its log in `folder`, which is emptied first.
pub fn one_process(program: &Path, folder: &Path, rounds: u32, seed: u64) -> Result<Torture, Trouble> {
    let folder = emptied(folder)?;
    let door = free_port()?;
    let data = folder.join("data").display().to_string();
    let args = ["--listen", &door.to_string(), "--data", &data].map(str::to_owned);
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

fn emptied(folder: &Path) -> Result<std::path::PathBuf, Trouble> {
    // It need not be there.
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder.to_owned())
}
