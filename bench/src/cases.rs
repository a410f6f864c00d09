//! What is measured, in which order, and what must hold.
//!
//! - A service call inside one process, and over TCP beside a raw echo of the same bytes.
//! - Durable entity calls beside raw syncs, PostgreSQL, Redis and SQLite. `durable-call` is a small change of a small
//!   state; `durable-put` has a key of 40 bytes and a state of 160, written anew: about what the peers write, so the
//!   gates that compare with them judge it.
//! - Single commits while 50,000 entities a second are written back, beside a raw file's.
//! - Starts after an unclean end, and calls on a few or all of many small entities on disk, with the memory they take.
//! - Calls beside an entity with a large map that is changed and written back meanwhile.
//! - A commit over two entities of one home, beside that of one.
//! - Durable puts beside callers of the same process that send what is too large, panic, or never come back.
//! - Methods on a tracked map beside a plain one.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use crate::ENTITIES;
use crate::collections;
use crate::gates::{Bound, Gate, term};
use crate::harness::{Case, GROUP, P50, P99, P999, RATE, Ran};
use crate::homes;
use crate::large;
use crate::neighbours::{self, ALONE_P99, GROWN};
use crate::peers;
use crate::postgres::Postgres;
use crate::redis::{self, Redis};
use crate::sqlite;
use crate::stores::{self, Keys, MEMORY, TAIL_FIGURES};
use crate::subjects;
use crate::tails::{self, DEVICE, RAW_P99, RAW_P999};

/// Closed loops that ask at the same time.
const CALLERS: [usize; 3] = [1, 64, 1024];
/// Clients of PostgreSQL.
const CLIENTS: [usize; 2] = [1, 64];

/// What must hold.
#[rustfmt::skip] // Rows are read as columns.
pub const GATES: &[Gate] = &[
    // A group holds up to 1,024 calls and its sync costs a little more than a small one, so 20 leaves room for
    // the work around it.
    Gate::ratio("durable calls of 1,024 callers x raw syncs", term("durable-call-1024", RATE), term("raw-fdatasync-1", RATE), Bound::AtLeast(20.0)),
    // Fewer means that the committer does not wait for its own sync.
    Gate::alone("their mean group", term("durable-call-1024", GROUP), Bound::AtLeast(100.0)),
    // A sync is shared by all that wait, and no statement is parsed, planned or sent: what a state beside its code saves.
    Gate::ratio("durable puts of 1,024 callers x PostgreSQL at 64", term("durable-put-1024", RATE), term("postgres-update-64", RATE), Bound::AtLeast(30.0)),
    Gate::ratio("durable puts of 1,024 callers x Redis at 50", term("durable-put-1024", RATE), term("redis-set-50", RATE), Bound::AtLeast(5.0)),
    Gate::ratio("durable puts of 64 callers x PostgreSQL at 64", term("durable-put-64", RATE), term("postgres-update-64", RATE), Bound::AtLeast(10.0)),
    // One sync, and a tree of pages instead of one page: at most another one's worth.
    Gate::ratio("p50 of one durable put x a raw sync's", term("durable-put-1", P50), term("raw-fdatasync-1", P50), Bound::AtMost(2.0)),
    Gate::ratio("durable puts of 1 caller x PostgreSQL at 1", term("durable-put-1", RATE), term("postgres-update-1", RATE), Bound::AtLeast(1.1)),
    // Less would say that the minute did not see what it is about.
    Gate::alone("calls answered a second, of 50,000 due, each of another entity", term(TAIL, RATE), Bound::AtLeast(49_000.0)),
    while_quiet(Gate::ratio("their commits' p99 x the raw file's", term(TAIL, P99), term(TAIL, RAW_P99), Bound::AtMost(3.0))),
    while_quiet(Gate::ratio("their commits' p99.9 x the raw file's", term(TAIL, P999), term(TAIL, RAW_P999), Bound::AtMost(5.0))),
    // Twice is the least: each page of a tree that is never overwritten takes those above it along.
    Gate::alone("bytes on the device for each of payload, in the log and as a row", term(TAIL, DEVICE), Bound::AtMost(3.0)),
    // Half a second, and one more for each GB of log, whatever the state's size.
    Gate::alone("a start on 10^4 entities and 8 MiB of log, over what it may take", term(REOPEN_SMALL, TAIL_FIGURES[0][2]), Bound::AtMost(1.0)),
    Gate::alone("a start on 10^4 entities and 64 MiB of log, over what it may take", term(REOPEN_SMALL, TAIL_FIGURES[1][2]), Bound::AtMost(1.0)),
    Gate::alone("a start on 10^6 entities and 8 MiB of log, over what it may take", term(REOPEN_LARGE, TAIL_FIGURES[0][2]), Bound::AtMost(1.0)),
    Gate::alone("a start on 10^6 entities and 64 MiB of log, over what it may take", term(REOPEN_LARGE, TAIL_FIGURES[1][2]), Bound::AtMost(1.0)),
    // What is not asked for costs nothing but the depth of a tree, and no memory.
    Gate::ratio("cost of a call on 1,000 hot keys of many, x that with 1,000 entities", term(HOT_OF_FEW, RATE), term(HOT_OF_MANY, RATE), Bound::AtMost(1.3)),
    Gate::alone("MiB of memory for 1,000 hot keys of many", term(HOT_OF_MANY, MEMORY), Bound::AtMost(1024.0)),
    Gate::alone("MiB of memory for all keys of many", term(UNIFORM, MEMORY), Bound::AtMost(1024.0)),
    // 64 good callers, and 16 that are none: what the issue asks for.
    beside("p99 of durable puts beside oversized values x alone", BAD[0]),
    flat("MiB of memory grown meanwhile", BAD[0]),
    beside("p99 of durable puts beside pushes to full lists x alone", BAD[1]),
    flat("MiB of memory grown meanwhile", BAD[1]),
    beside("p99 of durable puts beside keys that are too long x alone", BAD[2]),
    flat("MiB of memory grown meanwhile", BAD[2]),
    beside("p99 of durable puts beside methods that panic x alone", BAD[3]),
    flat("MiB of memory grown meanwhile", BAD[3]),
    beside("p99 of durable puts in other lanes than a stuck method x alone", BAD[4]),
    flat("MiB of memory grown meanwhile", BAD[4]),
];

const BAD: [&str; 5] = [
    "neighbours-oversized-values",
    "neighbours-full-lists",
    "neighbours-long-keys",
    "neighbours-panics",
    "neighbours-a-stuck-method",
];

/// Nothing that is bad may cost the others more than as much again.
const fn beside(says: &'static str, case: &'static str) -> Gate {
    Gate::ratio(says, term(case, P99), term(case, ALONE_P99), Bound::AtMost(2.0))
}

/// Half of it is what 16 callers have under way: a call of 1 MiB, and its copy. The other half are the good callers' own records, which
/// take 30 to 40 MiB more in that time when nobody does anything bad. What leaked a kilobyte for each bad call would show.
const fn flat(says: &'static str, case: &'static str) -> Gate {
    Gate::alone(says, term(case, GROWN), Bound::AtMost(64.0))
}

const TAIL: &str = "durable-puts-beside-rows";
const REOPEN_SMALL: &str = "reopen-1e4";
const REOPEN_LARGE: &str = "reopen-1e6";
const HOT_OF_FEW: &str = "hot-of-few-64";
const HOT_OF_MANY: &str = "hot-of-many-64";
const UNIFORM: &str = "uniform-of-many-64";

/// Not in rounds in which the raw file alone was stalled for longer than 5 ms: the disk did that.
const fn while_quiet(gate: Gate) -> Gate {
    Gate { quiet: Some((term(TAIL, RAW_P999), 5000.0)), ..gate }
}

/// Everything there is to measure; `entities` is how many "many" are. Dropped, the servers among the peers end.
pub fn all(entities: u64) -> Vec<Case> {
    let mut cases = Cases::default();
    cases.warmed("service-call-local-1", subjects::local_call);
    cases.warmed("raw-fdatasync-1", |span| peers::syncs(&data(), span));
    for callers in CALLERS {
        cases.add(format!("durable-call-{callers}"), move |span| {
            subjects::durable_call(&data(), callers, span)
        });
    }
    for callers in CALLERS {
        cases
            .add(format!("durable-put-{callers}"), move |span| subjects::durable_put(&data(), callers, span));
    }
    let postgres = Rc::new(Postgres::below(&data()));
    for clients in CLIENTS {
        let postgres = postgres.clone();
        cases.add(format!("postgres-update-{clients}"), move |_| postgres.simple_update(clients));
    }
    let redis = Redis::below(&data());
    cases.add(format!("redis-set-{}", redis::CLIENTS), move |_| redis.sets());
    cases.add("sqlite-commit-1", |span| sqlite::commits(&data(), span));
    cases.add(TAIL, |_| tails::beside_rows(&data()));
    for (name, entities) in [(REOPEN_SMALL, 10_000), (REOPEN_LARGE, 1_000_000)] {
        cases.add(name, move |_| stores::reopen(&data(), entities));
    }
    for (name, entities, keys) in [
        (HOT_OF_FEW, 1000, Keys::Hot),
        (HOT_OF_MANY, entities, Keys::Hot),
        (UNIFORM, entities, Keys::Uniform),
    ] {
        cases.add(name, move |span| stores::small_calls(&data(), entities, keys, span));
    }
    for (size, entries) in [("1e3", 1_000), ("1e6", 1_000_000)] {
        cases.add(format!("beside-map-of-{size}"), move |_| large::beside(&data(), entries));
    }
    for callers in CALLERS {
        cases.add(format!("two-of-a-home-{callers}"), move |_| homes::two_of_a_home(&data(), callers));
    }
    for kind in neighbours::Kind::ALL {
        cases.add(format!("neighbours-{}", kind.name()), move |_| neighbours::beside(&data(), kind));
    }
    for callers in CALLERS {
        cases.warmed(format!("raw-echo-{callers}"), move |span| peers::echo(callers, span));
        cases.warmed(format!("service-call-tcp-{callers}"), move |span| subjects::link_call(callers, span));
    }
    for (size, entries) in [("1e3", 1_000), ("1e6", 1_000_000)] {
        cases.warmed(format!("btreemap-2-of-{size}"), move |span| collections::plain(entries, span));
        cases.warmed(format!("tracked-map-2-of-{size}"), move |span| collections::tracked(entries, span));
    }
    cases.0
}

#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    /// One that warms up by itself.
    fn add(&mut self, name: impl Into<String>, run: impl Fn(Duration) -> Ran + 'static) {
        self.0.push(Case { name: name.into(), warm_up: false, run: Box::new(run) });
    }

    fn warmed(&mut self, name: impl Into<String>, run: impl Fn(Duration) -> Ran + 'static) {
        self.0.push(Case { name: name.into(), warm_up: true, run: Box::new(run) });
    }
}

/// What there is to ask for.
pub fn help() -> String {
    let names: Vec<String> = all(ENTITIES).into_iter().map(|case| format!("  {}", case.name)).collect();
    format!("NAME is a part of a case's name; without any, all run:\n{}\n\n{RECORDS}", names.join("\n"))
}

/// The directory of this run: raw syncs, nigh and all peers write on the same disk.
fn data() -> PathBuf {
    let target = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.to_owned()));
    target.unwrap_or_default().join("bench-data")
}

/// What a page of results says of the records.
pub const RECORDS: &str = "\
durable-call: key u64, state of two numbers, a small change. durable-put: key 40 B, state 160 B, written anew. \
postgres-update: pgbench simple-update, prepared, scale 64. redis-set: key 16 B, value 200 B. \
sqlite-commit: as durable-put, and a row for the caller. durable-puts-beside-rows: as durable-put, 50 due each millisecond; a commit \
is all 50, from when they were due. reopen: from an unclean end to the first answer, the tail written over random entities of durable-put. \
hot, uniform: as durable-call, 64 callers on 1,000 or all keys of 1,000 (few) or --entities (many). \
two-of-a-home: as durable-call on one entity, and on two of one home, in turns of 0.5 s. neighbours-KIND: durable-put of 64 callers, in turns of 1 s \
alone and beside 16 callers in closed loops whose calls are all refused, panic or never return (good-callers: 16 more puts; \
oversized-values, long-keys: with 5 and 1 ms between two calls, flat-out: without).";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_case() {
        let help = help();
        for case in all(1_000_000) {
            assert!(help.lines().any(|line| line.trim() == case.name), "{}", case.name);
        }
    }

    /// A gate of a case that is called otherwise would never be judged.
    #[test]
    fn gates_speak_of_cases_that_exist() {
        let names: Vec<String> = all(1_000_000).into_iter().map(|case| case.name).collect();
        for gate in GATES {
            for term in gate.terms() {
                assert!(names.iter().any(|name| name == term.case), "{}: {}", gate.says, term.case);
            }
        }
    }
}
