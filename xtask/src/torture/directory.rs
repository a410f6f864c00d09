//! F13, F14: a second process on the directory, and files of two ages put together.
//!
//! The shop is refused in words, and nothing is changed; the first process does not notice, and all files
//! of one copy, put back, are the store they were. All pairs of ages are rows of `crates/nigh/tests/store_directory`.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::Ground;
use super::scenario::{Done, Outcome};
use super::server::{Server, free_port};
use super::shop::Story;
use crate::Trouble;

/// Of the log two, of the rows one.
pub(super) const FILES: [&str; 3] = ["log.groups", "log.redb", "state.redb"];
/// A start that is refused ends within this.
const END_MAX: Duration = Duration::from_secs(30);
const TRIES: u64 = 10;
/// A write-back begins after a second; by then it has ended.
const SWEPT: Duration = Duration::from_millis(1300);

/// A second process (F13).
pub fn second(ground: &Ground) -> Result<Outcome, Trouble> {
    let mut done = Done::default();
    let mut story = Story::begin(ground.one_process("shop", 4)?)?;
    let data = ground.folder.join("shop/data");
    for _ in 0..TRIES {
        story.round(|stage| {
            if !refused(ground, &data, "already open by another process")? {
                return Err("two processes have opened one directory".into());
            }
            stage.server.assert_alive()
        })?;
        done.points += 1;
    }
    done.take(&story.end()?);
    Ok(Outcome::Ran(done))
}

/// Files of two ages (F14).
pub fn backup(ground: &Ground) -> Result<Outcome, Trouble> {
    let mut done = Done::default();
    let mut story = Story::begin(ground.one_process("shop", 4)?)?;
    let (data, old, new) =
        (ground.folder.join("shop/data"), ground.folder.join("old"), ground.folder.join("new"));
    let mut whole = 0;
    for each in 0..TRIES {
        for copy in [&old, &new] {
            story.round(|_| Ok(()))?;
            if each % 2 == 1 {
                // After a write-back, the next append cuts the log: then only all files together say all.
                thread::sleep(SWEPT);
                story.round(|_| Ok(()))?;
            }
            story.between(|stage| {
                stage.server.stop()?;
                stage.ends_with(0, END_MAX)?;
                FILES.iter().try_for_each(|file| put(&data, file, copy))?;
                stage.back()
            })?;
        }
        story.between(|stage| {
            stage.kill();
            FILES.iter().zip([&old, &old, &new]).try_for_each(|(file, from)| put(from, file, &data))?;
            if refused(ground, &data, "same backup")? {
                done.points += 1;
            } else {
                return Err("started with an old log".into());
            }
            FILES.iter().zip([&new, &new, &old]).try_for_each(|(file, from)| put(from, file, &data))?;
            done.points += 1;
            if refused(ground, &data, "same backup")? {
                FILES.iter().try_for_each(|file| put(&new, file, &data))?;
            } else {
                whole += 1; // The log still has all that the rows have not, and the next round counts it.
            }
            stage.back()
        })?;
    }
    story.round(|_| Ok(()))?;
    done.note(&format!("{whole} started, and were whole"));
    done.take(&story.end()?);
    Ok(Outcome::Ran(done))
}

pub(super) fn put(from: &Path, file: &str, to: &Path) -> Result<(), Trouble> {
    let copied = fs::create_dir_all(to).and_then(|()| fs::copy(from.join(file), to.join(file)));
    copied.map(drop).map_err(|error| format!("{} to {}: {error}", from.display(), to.display()))
}

/// A start on this directory ends, and says why; false: it answers, and is killed.
pub(super) fn refused(ground: &Ground, data: &Path, why: &str) -> Result<bool, Trouble> {
    let door = free_port()?;
    let args = ["--listen", &door.to_string(), "--data", &data.display().to_string()];
    let mut other = Server::new("other", &ground.program, &args.map(str::to_owned), &ground.folder);
    other.start()?;
    let begun = Instant::now();
    while begun.elapsed() < END_MAX {
        if let Some(ended) = other.ended()? {
            let said = other.log_tail();
            if ended.success() || !said.contains(why) {
                return Err(format!("a start that must be refused: {ended}, and said {said}"));
            }
            return Ok(true);
        }
        if TcpStream::connect(door).is_ok() {
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err(format!("a start neither ended nor answered within {END_MAX:?}"))
}
