//! What is measured, in which order, and the gate.
//!
//! (a) a service call inside one process; (b) durable entity calls beside raw syncs; (c) a service call over
//! TCP beside a raw echo of the same bytes; (d) methods on a tracked map beside a plain one.

use std::path::PathBuf;

use crate::collections;
use crate::harness::{Case, Rounds, Run, median};
use crate::peers;
use crate::subjects;

/// Closed loops that ask at the same time.
const CALLERS: [usize; 3] = [1, 64, 1024];
/// (b) at 1,024 callers against raw syncs of one thread. A group holds up to 1,024 calls and its sync costs a
/// little more than a small one, so 20 leaves room for the work around it.
const SYNC_RATIO_MIN: f64 = 20.0;
/// (b) at 1,024 callers: calls in one group. Fewer means that the committer does not wait for its own sync.
const GROUP_MIN: f64 = 100.0;

const RAW_SYNC: &str = "raw-fdatasync-1";
const DURABLE: &str = "durable-call";

/// Everything there is to measure.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: String, run: Run| cases.push(Case { name, run });
    add("service-call-local-1".into(), Box::new(subjects::local_call));
    add(RAW_SYNC.into(), Box::new(|span| peers::syncs(&data(), span)));
    for callers in CALLERS {
        let name = format!("{DURABLE}-{callers}");
        add(name, Box::new(move |span| subjects::durable_call(&data(), callers, span)));
    }
    for callers in CALLERS {
        add(format!("raw-echo-{callers}"), Box::new(move |span| peers::echo(callers, span)));
        add(format!("service-call-tcp-{callers}"), Box::new(move |span| subjects::link_call(callers, span)));
    }
    for (size, entries) in [("1e3", 1_000), ("1e6", 1_000_000)] {
        add(format!("btreemap-2-of-{size}"), Box::new(move |span| collections::plain(entries, span)));
        add(format!("tracked-map-2-of-{size}"), Box::new(move |span| collections::tracked(entries, span)));
    }
    cases
}

/// The directory of this run: raw syncs and nigh write on the same disk.
fn data() -> PathBuf {
    let target = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.to_owned()));
    target.unwrap_or_default().join("bench-data")
}

/// What the gate says, and whether it is reached; ratios are computed inside each round.
pub fn gate(results: &[Rounds]) -> (String, bool) {
    let of = |name: &str| results.iter().find(|result| result.name == name);
    let most = CALLERS[CALLERS.len() - 1];
    let (Some(raw), Some(durable)) = (of(RAW_SYNC), of(&format!("{DURABLE}-{most}"))) else {
        return ("gate: not judged, it needs durable calls and raw syncs in one run".into(), true);
    };
    let ratios: Vec<f64> = durable.rates().iter().zip(raw.rates()).map(|(ours, raw)| ours / raw).collect();
    let (ratio, group) = (median(&ratios), median(&durable.groups()));
    let reached = ratio >= SYNC_RATIO_MIN && group >= GROUP_MIN;
    let word = if reached { "reached" } else { "MISSED" };
    let text = format!(
        "gate: {word}: durable calls of {most} callers are {ratio:.1} x raw syncs (at least {SYNC_RATIO_MIN}), \
         mean group {group:.0} (at least {GROUP_MIN})"
    );
    (text, reached)
}
