//! What a large state costs: at a start after an unclean end, and in memory while calls touch little or all of it.
//!
//! Stores are filled and asked by processes of their own, so that each starts with nothing in memory and its size is
//! its own. A store once filled is kept beside the other data for the next run ([`FILLING`] says for how long).
//!
//! - [`reopen`]: a process is killed with a tail of the log not swept; another is timed from its first line to its
//!   first answer, on a copy. Opening drops the system's cache of both files by itself, so all is read from the disk.
//! - [`small_calls`]: calls on some keys of a store, or on all, and the most memory that the process ever held.

use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nigh::prelude::*;
use nigh::store::{FORMAT_VERSION, verify_dir};

use crate::harness::{Measured, P50, P99, P999, Ran};
use crate::peers;
use crate::roles::{Role, say};
use crate::subjects::{self, Account, Counter, VALUE_SIZE, WARM_UP, account_key, told};

/// Number of the way stores are filled. Raise it when that, or a state that they hold, changes: kept ones are made anew.
const FILLING: u32 = 2;
/// Callers of [`change_all`]: groups are as large as one process may have calls open.
const CALLERS: u64 = 1000;
/// Callers of [`small_calls`].
const SMALL_CALLERS: usize = 64;
/// Entities that one process fills: it may hold all of them in memory.
const FILL_MAX: u64 = 500_000;
/// An odd step far from any size measured: keys come in no order, and each comes.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
/// Tails of the log that a start has to read, in MiB of groups.
const TAILS_MIB: [u64; 2] = [8, 64];
/// Bytes that a put takes in the log, measured: it decides how many calls make a tail. What they really took is read
/// from the store.
const LOGGED_SIZE: u64 = 316;
/// A start may take this, and so much for each byte of log.
const READY_BASE_S: f64 = 0.5;
const REPLAY_BYTES_PER_S: f64 = 1e9;

/// Figures of [`reopen`], for each tail: time until ready, bytes of the log, the first over what is allowed, and what the disk
/// gives to a plain reader of the log in that moment.
pub const TAIL_FIGURES: [[&str; 4]; 2] = [
    [
        "8 MiB tail: ready ms",
        "8 MiB tail: log MiB",
        "8 MiB tail: ready / allowed",
        "8 MiB tail: raw cold read MB/s",
    ],
    [
        "64 MiB tail: ready ms",
        "64 MiB tail: log MiB",
        "64 MiB tail: ready / allowed",
        "64 MiB tail: raw cold read MB/s",
    ],
];
/// What the longer tail has more, over the time that it takes more.
const REPLAY: &str = "replay MB/s, 64 over 8 MiB";
/// The most memory that the process held, as its kernel counts it, without the system's cache of files.
pub const MEMORY: &str = "memory MiB, most";
/// Of the store.
const ENTITIES: &str = "entities";

/// What a store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 40 bytes of key and 160 of state.
    Account,
    /// A number of key and two of state.
    Counter,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Account => "accounts",
            Kind::Counter => "counters",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Kind::Account, Kind::Counter].into_iter().find(|kind| kind.name() == name)
    }

    /// One call that changes entity `number`, asked again for as long as it is refused: what is not written back is
    /// bounded, and callers faster than that wait. Their waiting is part of the call.
    pub async fn change(self, nigh: &Nigh, number: u64, how: u64) -> Result<(), String> {
        loop {
            let answer = match self {
                Kind::Account => {
                    let value = Bytes::from(vec![how as u8; VALUE_SIZE]);
                    nigh.call(Account::at(account_key(number)).put(value)).await
                }
                Kind::Counter => nigh.call(Counter::at(number).add(how)).await.map(drop),
            };
            match answer {
                Err(CallError::Overloaded { retry_after }) => tokio::time::sleep(retry_after).await,
                answer => return answer.map_err(told),
            }
        }
    }
}

/// Changes each of these entities once.
pub async fn change_all(nigh: &Nigh, kind: Kind, entities: Range<u64>) -> Result<(), String> {
    change_each(nigh, kind, entities, |number| number).await
}

/// Changes the entity that `of` says, for each number.
async fn change_each(
    nigh: &Nigh,
    kind: Kind,
    numbers: Range<u64>,
    of: impl Fn(u64) -> u64 + Send + Sync + 'static,
) -> Result<(), String> {
    let (mut callers, of) = (tokio::task::JoinSet::new(), Arc::new(of));
    for caller in 0..CALLERS {
        let (nigh, of) = (nigh.clone(), of.clone());
        let mine = (numbers.start + caller..numbers.end).step_by(CALLERS as usize);
        callers.spawn(async move {
            for number in mine {
                kind.change(&nigh, of(number), 1 + number).await?;
            }
            Ok::<_, String>(())
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.map_err(|error| error.to_string())??;
    }
    Ok(())
}

/// The directory of a store that holds so many entities, filled now unless it is there from before.
fn filled(folder: &Path, kind: Kind, entities: u64) -> Result<PathBuf, String> {
    let name = format!("{}-{entities}", kind.name());
    let (dir, stamp) = (folder.join(&name), folder.join(name + ".filled"));
    let version = format!("{FILLING} {FORMAT_VERSION}");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == version) && dir.is_dir() {
        return Ok(dir);
    }
    println!("filling a store with {entities} entities: once");
    let _ = (fs::remove_file(&stamp), fs::remove_dir_all(&dir));
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let shown = dir.display().to_string();
    for from in (0..entities).step_by(FILL_MAX as usize) {
        let range = [from, entities.min(from + FILL_MAX)].map(|number| number.to_string());
        Role::start(&["store", "fill", kind.name(), &shown, &range[0], &range[1]])?;
    }
    fs::write(&stamp, version).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(dir)
}

/// A start on a state of so many entities, with each tail of the log.
pub fn reopen(folder: &Path, entities: u64) -> Ran {
    let (mut total, mut figures, mut ends) = (Duration::ZERO, Vec::new(), Vec::new());
    for (mib, names) in TAILS_MIB.into_iter().zip(TAIL_FIGURES) {
        let killed = killed(folder, entities, mib)?;
        let copy = folder.join("reopened");
        copy_store(&killed.dir, &copy)?;
        let [nanos] = Role::start(&["store", "reopen", &copy.display().to_string()])?.numbers()?;
        // The peer of the same moment: on a copy as fresh as that one was.
        copy_store(&killed.dir, &copy)?;
        let raw = peers::cold_read(&copy.join("log.groups"))?;
        let _ = fs::remove_dir_all(&copy);
        let (seconds, log) = (nanos / 1e9, killed.log as f64);
        let values = [seconds * 1e3, log / f64::from(1 << 20), seconds / allowed(log), raw / 1e6];
        figures.extend(names.into_iter().zip(values));
        ends.push((seconds, log));
        total += Duration::from_secs_f64(seconds);
    }
    let measured = Measured::new(ends.len() as u64, total);
    let measured = figures.into_iter().fold(measured, |measured, (name, value)| measured.with(name, value));
    let [(short, less), (long, more)] = ends[..] else { unreachable!("two tails") };
    Ok(measured.with(REPLAY, (more - less) / (long - short) / 1e6))
}

/// Seconds that a start may take.
fn allowed(log: f64) -> f64 {
    READY_BASE_S + log / REPLAY_BYTES_PER_S
}

/// A store whose process was killed.
struct Killed {
    dir: PathBuf,
    /// Bytes of its log.
    log: u64,
}

/// Kept as what it was made from: `NAME.killed` holds the size of its log.
fn killed(folder: &Path, entities: u64, mib: u64) -> Result<Killed, String> {
    let base = filled(folder, Kind::Account, entities)?;
    let dir = base.with_extension(format!("tail-{mib}"));
    let stamp = base.with_extension(format!("tail-{mib}.killed"));
    let fresh = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let known = fs::read_to_string(&stamp).ok().and_then(|text| text.parse().ok());
    if let Some(log) = known.filter(|_| fresh(&stamp) > fresh(&base.with_extension("filled"))) {
        return Ok(Killed { dir, log });
    }
    println!("leaving {mib} MiB of log behind on {entities} entities: once");
    copy_store(&base, &dir)?;
    let calls = ((mib << 20) / LOGGED_SIZE).to_string();
    // It says when all is acknowledged; dropped, it is killed.
    drop(Role::start(&["store", "tail", &dir.display().to_string(), &entities.to_string(), &calls])?);
    let verified = verify_dir(&dir).map_err(|error| error.to_string())?;
    fs::write(&stamp, verified.groups.1.to_string()).map_err(|error| error.to_string())?;
    Ok(Killed { dir, log: verified.groups.1 })
}

/// All files of it, synced: what is dirty in the system's cache would not be dropped by an opening.
fn copy_store(from: &Path, to: &Path) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", to.display());
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).map_err(told)?;
    for entry in fs::read_dir(from).map_err(told)? {
        let (entry, name) = entry.map(|entry| (entry.path(), entry.file_name())).map_err(told)?;
        fs::copy(entry, to.join(&name)).map_err(told)?;
        File::open(to.join(&name)).and_then(|file| file.sync_all()).map_err(told)?;
    }
    Ok(())
}

/// Which keys are asked.
#[derive(Clone, Copy, Debug)]
pub enum Keys {
    /// A thousand of all, far apart.
    Hot,
    /// All of them.
    Uniform,
}

/// Calls on a store of so many small entities.
pub fn small_calls(folder: &Path, entities: u64, keys: Keys, span: Duration) -> Ran {
    let dir = filled(folder, Kind::Counter, entities)?.display().to_string();
    let keys = if let Keys::Hot = keys { entities.min(1000) } else { entities };
    let words = [keys, entities / keys, span.as_millis() as u64].map(|number| number.to_string());
    let child = Role::start(&["store", "calls", &dir, &words[0], &words[1], &words[2]])?;
    let [count, nanos, p50, p99, p999, kib] = child.numbers()?;
    let measured = Measured::new(count as u64, Duration::from_nanos(nanos as u64));
    let measured = measured.with(P50, p50).with(P99, p99).with(P999, p999);
    Ok(measured.with(MEMORY, kib / 1024.0).with(ENTITIES, entities as f64))
}

/// Roles of the other process.
pub async fn serve(words: &[&str]) -> Result<(), String> {
    let number = |word: &str| word.parse::<u64>().map_err(|_| format!("`{word}` is no number"));
    let stopped = |error: nigh::Error| error.to_string();
    match words {
        ["fill", kind, dir, from, to] => {
            let kind = Kind::named(kind).ok_or_else(|| format!("no entities are called `{kind}`"))?;
            let node = subjects::start(Config::dir(dir)).await?;
            let (from, to) = (number(from)?, number(to)?);
            change_all(&node.handle(), kind, from..to).await?;
            // Of what was swept, the log is rid of a little with each commit: without these, tens of MiB would stay, and
            // be counted to the tail of whoever opens it next.
            let call = move |nigh: Nigh, _, round| async move { kind.change(&nigh, from, round).await };
            subjects::ask(&node.handle(), 1, WARM_UP, call).await?;
            node.stop().await.map_err(stopped)?;
            say("filled")?;
        }
        ["tail", dir, entities, calls] => {
            // Nothing is swept before it is killed.
            let config = Config { write_back_every: Duration::from_secs(24 * 3600), ..Config::dir(dir) };
            let (node, entities) = (subjects::start(config).await?, number(entities)?);
            let of = move |number: u64| number.wrapping_mul(STEP) % entities;
            change_each(&node.handle(), Kind::Account, 0..number(calls)?, of).await?;
            say("written")?;
            return std::future::pending().await;
        }
        ["reopen", dir] => {
            let begun = Instant::now();
            let node = subjects::start(Config::dir(dir)).await?;
            Kind::Account.change(&node.handle(), 0, 7).await?;
            say(begun.elapsed().as_nanos())?;
            return std::future::pending().await;
        }
        ["calls", dir, keys, apart, millis] => {
            let node = subjects::start(Config::dir(dir)).await?;
            let (keys, apart) = (number(keys)?, number(apart)?);
            let call = move |nigh: Nigh, caller: u64, round: u64| async move {
                let drawn = (caller << 32 | round).wrapping_mul(STEP) >> 16;
                Kind::Counter.change(&nigh, drawn % keys * apart, 1).await
            };
            subjects::ask(&node.handle(), SMALL_CALLERS, WARM_UP, call).await?;
            let span = Duration::from_millis(number(millis)?);
            let measured = subjects::ask(&node.handle(), SMALL_CALLERS, span, call).await?;
            node.stop().await.map_err(stopped)?;
            let (count, took) = measured.counted();
            let tail = [P50, P99, P999].map(|name| measured.figure(name).unwrap_or(f64::NAN).to_string());
            say(format!("{count} {} {} {}", took.as_nanos(), tail.join(" "), memory_kib(MOST)?))?;
        }
        _ => return Err(format!("no store does {words:?}")),
    }
    Ok(())
}

/// The most memory that this process held so far, in KiB.
pub const MOST: &str = "VmHWM:";
/// What it holds now.
pub const NOW: &str = "VmRSS:";

/// What the kernel says of this process's memory, in KiB.
pub fn memory_kib(which: &str) -> Result<u64, String> {
    let status = fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    kib_of(&status, which).ok_or_else(|| "the kernel does not say how much memory this process holds".into())
}

/// `VmHWM:     12345 kB`
fn kib_of(status: &str, which: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(which)?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_may_take_half_a_second_and_one_more_for_each_gigabyte() {
        assert_eq!(allowed(0.0), 0.5);
        assert_eq!(allowed(1e9), 1.5);
    }

    #[test]
    fn memory_is_read() {
        let status = "Name:\tbench\nVmHWM:\t   12345 kB\nVmRSS:\t 1 kB\n";
        assert_eq!([MOST, NOW].map(|which| kib_of(status, which)), [Some(12345), Some(1)]);
        assert_eq!(kib_of("Name:\tbench\n", MOST), None);
    }

    #[test]
    fn kinds_have_names() {
        for kind in [Kind::Account, Kind::Counter] {
            assert_eq!(Kind::named(kind.name()), Some(kind));
        }
        assert_eq!(Kind::named("other"), None);
    }
}
