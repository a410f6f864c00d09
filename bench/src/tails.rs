//! The slowest of single commits while changed entities are written back, beside those of a raw file in the same minute.
//!
//! Each millisecond [`PER_TICK`] calls are due, of one entity each: 50,000 a second. They are one commit: it begins
//! when it is due and ends when the last of them is answered. The raw side has the same timetable: what is due when
//! the last sync has ended is written with one call and synced. It runs half before and half after.
//!
//! Keys follow one another in key order ("dense"), and come again only after several sweeps, so every sweep writes a
//! row for each of them. Payload is key and state of each call, once in the log and once as a row. Device bytes are
//! those of the whole block device, journal of the file system included, so nothing else may write; beside them stand
//! those that this process caused (`/proc/self/io`).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nigh::prelude::*;
use tokio::sync::Semaphore;

use crate::harness::{Measured, P50, P99, P999, Ran};
use crate::peers::RawFile;
use crate::stores::{Kind, change_all};
use crate::subjects::{self, Account, VALUE_SIZE, account_key, told};

/// The raw file's figures of the same minute.
pub const RAW_P50: &str = "raw p50 µs";
/// As [`RAW_P50`].
pub const RAW_P99: &str = "raw p99 µs";
/// As [`RAW_P50`].
pub const RAW_P999: &str = "raw p99.9 µs";
/// Written by the block device.
pub const DEVICE: &str = "device bytes / payload byte";
/// Sent towards it by this process.
const PROCESS: &str = "process bytes / payload byte";
/// Time of the last sweep, in seconds: more than one says that sweeps fell behind.
const STOP: &str = "stop s";
/// Calls that were refused as overloaded and asked again.
const REFUSED: &str = "calls refused";

/// Calls due at once.
const PER_TICK: u64 = 50;
/// Ticks under way at once: of more, calls would be refused, since 1,024 may be open. Later ones wait, and count from
/// when they were due.
const UNDER_WAY: usize = 20;
/// Between two ticks.
const TICK: Duration = Duration::from_millis(1);
/// Entities: each comes again after 8 s, so no sweep spares a row.
const ENTITIES: u64 = 400_000;
/// Bytes of key and state.
const RECORD_SIZE: u64 = 40 + VALUE_SIZE as u64;
/// A machine that takes so many times as long as the timetable says is measured no further: its rate says it.
const GIVE_UP: u32 = 2;
/// Long enough for three sweeps at full rate.
const WARM_UP: Duration = Duration::from_secs(3);
/// 10,000 commits: the 10th slowest is its p99.9.
const SPAN: Duration = Duration::from_secs(10);
/// Bytes of a sector in the kernel's counts, whatever the device has.
const SECTOR_SIZE: u64 = 512;

/// Both sides, one after the other.
pub fn beside_rows(folder: &Path) -> Ran {
    let mut raw = raw_commits(folder, SPAN / 2)?;
    let dir = folder.join("tails");
    let _ = fs::remove_dir_all(&dir);
    let measured = subjects::runtime()?.block_on(nigh_commits(&dir))?;
    let _ = fs::remove_dir_all(&dir);
    raw.extend(raw_commits(folder, SPAN / 2)?);
    let raw = Measured::new(raw.len() as u64, SPAN).with_latencies(raw);
    let raw = |name| raw.figure(name).expect("it has latencies");
    Ok(measured.with(RAW_P50, raw(P50)).with(RAW_P99, raw(P99)).with(RAW_P999, raw(P999)))
}

/// When the tick is due.
fn due(begun: Instant, tick: u32) -> Instant {
    begun + TICK * tick
}

fn ticks(span: Duration) -> u32 {
    (span.as_nanos() / TICK.as_nanos()) as u32
}

fn wait_until(due: Instant) {
    std::thread::sleep(due.saturating_duration_since(Instant::now()));
}

/// Nanoseconds of each tick, from when it was due.
fn raw_commits(folder: &Path, span: Duration) -> Result<Vec<u64>, String> {
    let mut file = RawFile::open(folder)?;
    let (begun, mut next, mut nanos) = (Instant::now(), 0, Vec::new());
    while next < ticks(span) {
        wait_until(due(begun, next));
        let first = next;
        while next < ticks(span) && due(begun, next) <= Instant::now() {
            next += 1;
        }
        file.commit((u64::from(next - first) * PER_TICK * RECORD_SIZE) as usize)?;
        nanos.extend((first..next).map(|tick| due(begun, tick).elapsed().as_nanos() as u64));
    }
    Ok(nanos)
}

async fn nigh_commits(dir: &Path) -> Result<Measured, String> {
    let node = subjects::start(Config::dir(dir)).await?;
    change_all(&node.handle(), Kind::Account, 0..ENTITIES).await?;
    let (_, warm) = paced(node.handle(), 0, WARM_UP).await?;
    let before = (device_bytes(dir), process_bytes());
    let begun = Instant::now();
    let (nanos, refused) = paced(node.handle(), ticks(WARM_UP).into(), SPAN).await?;
    let took = begun.elapsed();
    let after = (device_bytes(dir), process_bytes());
    let stopping = Instant::now();
    node.stop().await.map_err(|error| error.to_string())?;
    let calls = nanos.len() as u64 * PER_TICK;
    // Once in the log, once as a row.
    let payload = (2 * calls * RECORD_SIZE) as f64;
    let mut measured = Measured::new(calls, took).with_latencies(nanos);
    for (figure, before, after) in [(DEVICE, before.0, after.0), (PROCESS, before.1, after.1)] {
        if let (Some(before), Some(after)) = (before, after) {
            measured = measured.with(figure, (after - before) as f64 / payload);
        }
    }
    let refused = (warm + refused) as f64;
    Ok(measured.with(STOP, stopping.elapsed().as_secs_f64()).with(REFUSED, refused))
}

/// Nanoseconds of each tick, and how many calls were refused meanwhile.
async fn paced(nigh: Nigh, skipped: u64, span: Duration) -> Result<(Vec<u64>, u64), String> {
    let runtime = tokio::runtime::Handle::current();
    // A thread of its own keeps the timetable: the runtime's timers are as coarse as a tick.
    let pacer = std::thread::spawn(move || {
        let (begun, places) = (Instant::now(), Arc::new(Semaphore::new(UNDER_WAY)));
        let in_time = (0..ticks(span)).take_while(|_| begun.elapsed() < span * GIVE_UP);
        let started = in_time.map(|tick| {
            wait_until(due(begun, tick));
            let place = runtime.block_on(places.clone().acquire_owned()).expect("nobody closes it");
            let commit = commit(nigh.clone(), skipped + u64::from(tick), due(begun, tick));
            runtime.spawn(async move {
                let ended = commit.await;
                drop(place);
                ended
            })
        });
        started.collect::<Vec<_>>()
    });
    let pacer = tokio::task::spawn_blocking(|| pacer.join().expect("the pacer does not panic"));
    let (mut nanos, mut refused) = (Vec::new(), 0);
    for commit in pacer.await.map_err(|error| error.to_string())? {
        let (took, again) = commit.await.map_err(|error| error.to_string())??;
        nanos.push(took);
        refused += again;
    }
    Ok((nanos, refused))
}

/// The calls of one tick, until all are answered.
async fn commit(nigh: Nigh, tick: u64, due: Instant) -> Result<(u64, u64), String> {
    let mut left: Vec<u64> = (tick * PER_TICK..(tick + 1) * PER_TICK).collect();
    let mut refused = 0;
    loop {
        let value = || Bytes::from(vec![tick as u8; VALUE_SIZE]);
        let calls = left.iter().map(|n| Account::at(account_key(n % ENTITIES)).put(value())).collect();
        let answers: Vec<_> = nigh.call::<Vec<_>>(calls).await;
        let (mut again, mut pause) = (Vec::new(), Duration::ZERO);
        for (n, answer) in left.iter().zip(answers) {
            match answer {
                Ok(()) => {}
                // While the disk stalls, more are due than may be open. They count from when they were due.
                Err(CallError::Overloaded { retry_after }) => {
                    again.push(*n);
                    pause = retry_after;
                }
                Err(error) => return Err(told(error)),
            }
        }
        if again.is_empty() {
            return Ok((due.elapsed().as_nanos() as u64, refused));
        }
        refused += again.len() as u64;
        left = again;
        tokio::time::sleep(pause).await;
    }
}

/// Bytes written so far by the device that holds `dir`; none if it is not one block device.
fn device_bytes(dir: &Path) -> Option<u64> {
    let device = fs::metadata(dir).ok()?.dev();
    let (major, minor) = numbers(device);
    let stat = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).ok()?;
    written(&stat)
}

/// As the kernel packs them into 64 bits.
fn numbers(device: u64) -> (u64, u64) {
    ((device >> 8) & 0xfff | (device >> 32) & !0xfff, device & 0xff | (device >> 12) & !0xff)
}

/// The seventh number of a block device's `stat`: sectors written.
fn written(stat: &str) -> Option<u64> {
    Some(stat.split_whitespace().nth(6)?.parse::<u64>().ok()? * SECTOR_SIZE)
}

/// Bytes that this process made dirty, so far.
fn process_bytes() -> Option<u64> {
    let io = fs::read_to_string("/proc/self/io").ok()?;
    io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sectors_written_become_bytes() {
        let stat = "  100  2  3000  4  500  6  7000  8  0  10  11  0 0 0 0 0 0\n";
        assert_eq!(written(stat), Some(7000 * 512));
        assert_eq!(written(""), None);
    }

    #[test]
    fn device_numbers_are_unpacked() {
        // 254:0, 8:17, and a minor beyond 8 bits.
        assert_eq!([0xfe00, 0x811, 0x10_0801].map(numbers), [(254, 0), (8, 17), (8, 257)]);
    }

    #[test]
    fn each_tick_is_50_calls_a_millisecond() {
        assert_eq!((ticks(SPAN), u64::from(ticks(SPAN)) * PER_TICK), (10_000, 500_000));
    }
}
