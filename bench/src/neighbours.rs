//! Good callers beside bad ones: how long 64 durable puts take alone, and how long while 16 others of the same process send what
//! is refused, panic, or never come back.
//!
//! Both sides take turns in one process, a second each: alone, beside, beside, alone, and again. So whatever disturbs the
//! machine disturbs both. The process is one of its own, since its memory is measured, and since the last method of
//! [`Kind::Stuck`] ends it.
//!
//! - [`good`]: the callers that are measured.
//! - [`bad`]: the others, and what each must be told. A wrong answer, or a change that is left of it, fails the run.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nigh::prelude::*;
use nigh_wire::Bytes;

use crate::harness::{Measured, P50, P99, P999, RATE, Ran};
use crate::roles::{Role, say};
use crate::stores::{MOST, NOW, memory_kib};
use crate::subjects::{self, Account, Answered, WARM_UP, answered, told};
pub use bad::Kind;
use bad::{Bad, Suspect, Told};

mod bad;

/// Alone: of the same minute.
pub const ALONE_P99: &str = "alone: p99 µs";
const ALONE_P50: &str = "alone: p50 µs";
const ALONE_RATE: &str = "alone: calls a second";
/// Of one run: what the gate divides.
const TIMES_P99: &str = "p99 beside / alone";
const TIMES_P50: &str = "p50 beside / alone";
/// How fast the bad ones are.
const BAD_RATE: &str = "bad calls a second";
/// Refused as overloaded, of those.
const OVERLOADED: &str = "bad calls overloaded";
/// Resident, before the first bad call.
const BEFORE: &str = "memory MiB, before";
/// What is resident more after the last of them.
pub const GROWN: &str = "memory MiB, grown";
const MOST_MIB: &str = "memory MiB, most";
/// Good callers in the lane of what never returns: calls that were answered, and those that were not.
const SAME_LANE_ANSWERED: &str = "same lane: answered";
/// As [`SAME_LANE_ANSWERED`].
const SAME_LANE_WAITED: &str = "same lane: in doubt at their deadline";

/// How long one side runs before it is the other's turn: a sweep of the store falls into each.
const TURN: Duration = Duration::from_secs(1);
/// Whose turn it is. What drifts meanwhile falls on both.
const BESIDE: [bool; 8] = [false, true, true, false, false, true, true, false];
/// What never returns is given up, and its process ends: the last one. Those before are let go long before.
const STUCK_MAX: Duration = Duration::from_secs(8);
/// Exit status of a process that a method was stuck in.
const EXIT_STUCK: i32 = 70;

/// Callers that do what they should.
mod good {
    use super::*;
    use crate::subjects::VALUE_SIZE;

    /// As many as the other cases of durable puts have.
    pub const CALLERS: usize = 64;

    /// One durable put.
    pub async fn put(nigh: &Nigh, key: String, number: u64) -> Result<(), String> {
        let value = Bytes::from(vec![number as u8; VALUE_SIZE]);
        nigh.call(Account::at(key).put(value)).await.map_err(told)
    }

    /// All of them, in closed loops.
    pub async fn puts(nigh: &Nigh, keys: &'static [String], span: Duration) -> Result<Answered, String> {
        let put = move |nigh: Nigh, caller: u64, number| async move {
            put(&nigh, keys[caller as usize].clone(), number).await
        };
        answered(nigh, CALLERS, span, put).await
    }
}

async fn start(dir: &str) -> Result<Node, String> {
    let app = App::new("neighbours").entity::<Account>().entity::<Suspect>();
    let config = Config { stuck_max: STUCK_MAX, ..Config::dir(dir) };
    app.start(config).await.map_err(|error| error.to_string())
}

/// Good callers beside bad ones of this kind, on a fresh store below `folder`.
pub fn beside(folder: &Path, kind: Kind) -> Ran {
    let dir = folder.join("neighbours");
    // It need not be there.
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let shown = dir.display().to_string();
    let mut child = Role::start(&["neighbours", kind.name(), &shown])?;
    let [count, nanos, figures @ ..] = child.numbers::<{ 2 + FIGURES.len() }>()?;
    let measured = Measured::new(count as u64, Duration::from_nanos(nanos as u64));
    let measured = FIGURES.into_iter().zip(figures).fold(measured, |measured, (name, value)| {
        // Only one kind holds a lane.
        let is_of_kind = kind == Kind::Stuck || ![SAME_LANE_ANSWERED, SAME_LANE_WAITED].contains(&name);
        if is_of_kind { measured.with(name, value) } else { measured }
    });
    if kind == Kind::Stuck {
        let ticket = child.next_line()?;
        let status = child.ended()?;
        if status != Some(EXIT_STUCK) {
            return Err(format!("what never returns ended its process with {status:?}").into());
        }
        subjects::runtime()?.block_on(settle(&shown, &ticket))?;
    }
    drop(child);
    let _ = fs::remove_dir_all(&dir);
    Ok(measured)
}

/// What was given up was not done, for good, and says so.
async fn settle(dir: &str, ticket: &str) -> Result<(), String> {
    let ticket: Ticket = ticket.parse().map_err(|_| format!("a child said {ticket:?}, no ticket"))?;
    let node = start(dir).await?;
    let settled = node.handle().settle::<(), u64>(&ticket).await;
    if settled != Ok(Settled::NotDone) {
        return Err(format!("what never returned is settled as {settled:?}"));
    }
    bad::verify(&node.handle(), Kind::Stuck).await?;
    node.stop().await.map_err(|error| error.to_string())
}

/// In the order in which the other process says them.
#[rustfmt::skip] // As they are read.
const FIGURES: [&str; 15] = [
    P50, P99, P999, ALONE_RATE, ALONE_P50, ALONE_P99, TIMES_P50, TIMES_P99, BAD_RATE, OVERLOADED,
    BEFORE, GROWN, MOST_MIB, SAME_LANE_ANSWERED, SAME_LANE_WAITED,
];

/// The other process: says numbers, and of what never returns the ticket.
pub async fn serve(words: &[&str]) -> Result<(), String> {
    let [kind, dir] = words else { return Err(format!("neighbours are not {words:?}")) };
    let kind = Kind::named(kind).ok_or_else(|| format!("no callers are called `{kind}`"))?;
    log_panics(Path::new(dir).join("panics.log").as_path())?;
    let node = start(dir).await?;
    let nigh = node.handle();
    let keys: &'static [String] = bad::accounts(good::CALLERS, false).leak();
    bad::prepare(&nigh, kind).await?;
    good::puts(&nigh, keys, WARM_UP).await?;
    let (told, before) = (Arc::new(Told::default()), memory_kib(NOW)?);
    let (mut alone, mut beside) = (Answered::default(), Answered::default());
    for is_beside in BESIDE {
        if is_beside {
            let bad = Bad::start(&nigh, kind, &told).await;
            beside = beside.and(good::puts(&nigh, keys, TURN).await?);
            bad.stop().await?;
        } else {
            alone = alone.and(good::puts(&nigh, keys, TURN).await?);
        }
    }
    let grown = memory_kib(NOW)? as f64 - before as f64;
    bad::verify(&nigh, kind).await?;
    say(numbers(alone, beside, &told, before, grown)?)?;
    if kind == Kind::Stuck {
        // It is this process's end.
        return bad::hang_for_good(&nigh);
    }
    node.stop().await.map_err(|error| error.to_string())
}

/// Memory in KiB.
fn numbers(
    alone: Answered,
    beside: Answered,
    told: &Told,
    before: u64,
    grown: f64,
) -> Result<String, String> {
    let (count, took) = (beside.count, beside.took);
    let side = |side: Answered| Measured::new(side.count, side.took).with_latencies(side.nanos);
    let (alone, beside) = (side(alone), side(beside));
    let of = |side: &Measured, figure| side.figure(figure).unwrap_or(f64::NAN);
    let times = |figure| of(&beside, figure) / of(&alone, figure);
    let so_many = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64;
    let mib = |kib: f64| kib / 1024.0;
    let most = memory_kib(MOST)? as f64;
    let value = |figure| match figure {
        ALONE_RATE => of(&alone, RATE),
        ALONE_P50 => of(&alone, P50),
        ALONE_P99 => of(&alone, P99),
        TIMES_P50 => times(P50),
        TIMES_P99 => times(P99),
        BAD_RATE => so_many(&told.calls) / took.as_secs_f64(),
        OVERLOADED => so_many(&told.overloaded),
        BEFORE => mib(before as f64),
        GROWN => mib(grown),
        MOST_MIB => mib(most),
        SAME_LANE_ANSWERED => so_many(&told.same_lane_answered),
        SAME_LANE_WAITED => so_many(&told.same_lane_waited),
        own => of(&beside, own),
    };
    let words: Vec<String> = FIGURES.iter().map(|figure| value(figure).to_string()).collect();
    Ok(format!("{count} {} {}", took.as_nanos(), words.join(" ")))
}

/// What panics say goes to a file, as a program's log does: the terminal would be what is measured.
fn log_panics(path: &Path) -> Result<(), String> {
    use std::io::Write;
    let log = fs::File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
    std::panic::set_hook(Box::new(move |what| drop(writeln!(&log, "{what}"))));
    Ok(())
}
