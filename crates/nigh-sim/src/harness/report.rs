//! Words for what a test of many seeds came to.

use super::{MINIMISE_FOR, Sum};
use crate::case::Case;
use crate::minimise::Minimised;
use crate::plan::Kind;

/// A test without its crate, as cargo filters it.
pub(super) fn test_name(name: &str) -> &str {
    name.split_once("::").map_or(name, |(_, rest)| rest)
}

fn last_word(name: &str) -> &str {
    name.rsplit("::").next().unwrap_or(name)
}

/// All went well.
pub(super) fn summary(name: &str, sum: &Sum) -> String {
    let Sum { seeds, events, simulated, faults, befell, .. } = sum;
    let seconds = simulated.as_secs();
    let mut text = format!("{}: {seeds} seeds, {events} events, {seconds} s simulated", last_word(name));
    let faults = faults.to_string();
    if !faults.is_empty() {
        text += &format!("\n  faults: {faults}");
    }
    if !befell.is_empty() {
        let befell: Vec<String> = befell.iter().map(|(what, times)| format!("{times} {what}")).collect();
        text += &format!("\n  disk: {}", befell.join(", "));
    }
    // With one fault in two seeds most runs are calm ones, and a person would not know.
    if sum.faults.total() * 2 < *seeds {
        text += "\n  few faults struck: they end when all clients have, so let clients pause between calls";
    }
    let points = |fired: bool| {
        let names = sum.points.iter().filter(|(_, is)| **is == fired).map(|(name, _)| *name);
        names.collect::<Vec<_>>().join(", ")
    };
    let [reached, never] = [points(true), points(false)];
    if !reached.is_empty() {
        text += &format!("\n  points that fired: {reached}");
    }
    if !never.is_empty() {
        text += &format!("\n  points that never fired: {never}");
    }
    text
}

/// What all seeds came to, in one line that `cargo xtask sim` reads: a word that starts nothing else, and JSON.
///
/// Times are of all runs: `simulated_ms`, and `spent_us` on a real clock.
pub(super) fn for_programs(name: &str, package: &str, first: u64, sum: &Sum) -> String {
    let faults = Kind::ALL.into_iter().filter(|kind| sum.faults.of(*kind) > 0);
    let faults: Vec<String> =
        faults.map(|kind| format!("{}:{}", json(kind.name()), sum.faults.of(kind))).collect();
    let points: Vec<String> =
        sum.points.iter().map(|(name, fired)| format!("{}:{fired}", json(name))).collect();
    let failures = sum.failures.iter().map(|failure| {
        let [why, report] = [&failure.why, &failure.report].map(|text| json(text));
        format!("{{\"seed\":{},\"why\":{why},\"report\":{report}}}", failure.seed)
    });
    format!(
        "nigh-sim-summary {{\"name\":{},\"package\":{},\"first\":{first},\"seeds\":{},\"failed\":{},\"events\":{},\
         \"simulated_ms\":{},\"spent_us\":{},\"faults\":{{{}}},\"points\":{{{}}},\"failures\":[{}]}}",
        json(name),
        json(package),
        sum.seeds,
        sum.failed,
        sum.events,
        sum.simulated.as_millis(),
        sum.spent.as_micros(),
        faults.join(","),
        points.join(","),
        failures.collect::<Vec<_>>().join(",")
    )
}

/// A string as JSON writes it.
fn json(text: &str) -> String {
    let mut written = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => written.extend(['\\', c]),
            '\n' => written.push_str("\\n"),
            c if c < ' ' => written.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => written.push(c),
        }
    }
    written.push('"');
    written
}

/// The seeds that failed, one after the other.
pub(super) fn failures(sum: &Sum) -> String {
    let reports: Vec<&str> = sum.failures.iter().map(|failure| failure.report.as_str()).collect();
    let untold = usize::try_from(sum.failed).unwrap_or(usize::MAX).saturating_sub(reports.len());
    let more = if untold == 0 { String::new() } else { format!("\n{untold} more seeds failed") };
    reports.join("\n") + &more
}

/// What [`failure`] tells.
pub(super) struct Failed<'a> {
    pub(super) name: &'a str,
    /// As the seed was.
    pub(super) found: &'a Case,
    /// What the smallest case violates.
    pub(super) why: &'a str,
    /// How many the seed had.
    pub(super) faults: usize,
    pub(super) small: &'a Minimised,
    pub(super) command: &'a str,
}

/// A seed failed.
pub(super) fn failure(failed: &Failed<'_>) -> String {
    let Failed { name, found, why, faults, small, command } = failed;
    let name = last_word(name);
    let left = small.case.faults.as_ref().map_or(*faults, Vec::len);
    let seconds = MINIMISE_FOR.as_secs();
    let how = match small.runs {
        0 => "not made smaller".to_owned(),
        runs => format!("{left} of {faults} faults are left after {runs} runs, {seconds} s at most"),
    };
    format!(
        "{why}\n  found:  {found}\n  small:  {how}\n  replay: {command}\n  row:    nigh_sim::row({name}, \"{}\");",
        small.case
    )
}

/// The last lines of a trace.
pub(super) fn tail(trace: &str, lines_max: usize) -> String {
    let lines: Vec<&str> = trace.lines().collect();
    match lines.len().checked_sub(lines_max) {
        Some(cut @ 1..) => format!("… {cut} lines before\n{}", lines[cut..].join("\n")),
        _ => lines.join("\n"),
    }
}

/// Where two traces part.
pub(super) fn first_difference(a: &str, b: &str) -> String {
    let (mut a, mut b) = (a.lines(), b.lines());
    let mut line = 1;
    let mut before = "the beginning";
    loop {
        match (a.next(), b.next()) {
            (None, None) => return "they agree with traces on: what differs shows only in the hash".into(),
            (one, other) if one != other => {
                let [one, other] = [one, other].map(|record| record.unwrap_or("(the end)"));
                return format!("record {line}, after: {before}\n    once:  {one}\n    again: {other}");
            }
            (one, _) => before = one.unwrap_or(before),
        }
        line += 1;
    }
}
