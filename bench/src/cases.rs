//! What is measured, in which order, and what must hold.
//!
//! - A service call inside one process, and over TCP beside a raw echo of the same bytes.
//! - Durable entity calls beside raw syncs, PostgreSQL, Redis and SQLite. `durable-call` is a small change of a small
//!   state; `durable-put` has a key of 40 bytes and a state of 160, written anew: about what the peers write, so the
//!   gates that compare with them judge it.
//! - Methods on a tracked map beside a plain one.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use crate::collections;
use crate::gates::{Bound, Gate, term};
use crate::harness::{Case, GROUP, P50, RATE, Ran};
use crate::peers;
use crate::postgres::Postgres;
use crate::redis::{self, Redis};
use crate::sqlite;
use crate::subjects;

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
];

/// Everything there is to measure. Dropped, the servers among the peers end.
pub fn all() -> Vec<Case> {
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

/// The directory of this run: raw syncs, nigh and all peers write on the same disk.
fn data() -> PathBuf {
    let target = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.to_owned()));
    target.unwrap_or_default().join("bench-data")
}

/// What a page of results says of the records.
pub const RECORDS: &str = "\
durable-call: key u64, state of two numbers, a small change. durable-put: key 40 B, state 160 B, written anew. \
postgres-update: pgbench simple-update, prepared, scale 64. redis-set: key 16 B, value 200 B. \
sqlite-commit: as durable-put, and a row for the caller.";

#[cfg(test)]
mod tests {
    use super::*;

    /// A gate of a case that is called otherwise would never be judged.
    #[test]
    fn gates_speak_of_cases_that_exist() {
        let names: Vec<String> = all().into_iter().map(|case| case.name).collect();
        for gate in GATES {
            for term in gate.terms() {
                assert!(names.iter().any(|name| name == term.case), "{}: {}", gate.says, term.case);
            }
        }
    }
}
