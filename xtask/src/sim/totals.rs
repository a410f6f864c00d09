//! What seeds came to: the line that nigh-sim's harness prints for programs, and sums of many.

use std::collections::BTreeMap;

use serde_json::Value;

/// What the line begins with; the test runner may have begun it already.
const WORD: &str = "nigh-sim-summary ";
/// Reports that are kept of one scenario: one bug fails many seeds.
const REPORTS_MAX: usize = 3;

/// Sums over seeds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Of the scenario, or what it is the sum of.
    pub name: String,
    /// How many ran.
    pub seeds: u64,
    /// How many of them failed.
    pub failed: u64,
    /// That were simulated.
    pub events: u64,
    /// Time inside of the runs, in milliseconds.
    pub simulated_ms: u64,
    /// Time of one core that the runs took, in microseconds.
    pub spent_us: u64,
    /// How often each kind of fault happened.
    pub faults: BTreeMap<String, u64>,
    /// Points that were reached, and whether they fired.
    pub points: BTreeMap<String, bool>,
    /// Reports, by scenario and seed.
    pub failures: BTreeMap<(String, u64), String>,
    /// The first seed that failed, and what it violated.
    pub first_failure: Option<(u64, String)>,
}

impl Totals {
    /// Nothing yet.
    pub fn named(name: &str) -> Totals {
        Totals { name: name.to_owned(), ..Totals::default() }
    }

    /// What a line says, if it is a summary.
    pub fn read(line: &str) -> Option<Totals> {
        let (_, json) = line.split_once(WORD)?;
        let summary: Value = serde_json::from_str(json).ok()?;
        let number = |name: &str| summary[name].as_u64();
        let name = summary["name"].as_str()?;
        let members = |name: &str| summary[name].as_object().into_iter().flatten();
        let mut totals = Totals {
            name: name.to_owned(),
            seeds: number("seeds")?,
            failed: number("failed")?,
            events: number("events")?,
            simulated_ms: number("simulated_ms")?,
            spent_us: number("spent_us")?,
            faults: members("faults").filter_map(|(kind, n)| Some((kind.clone(), n.as_u64()?))).collect(),
            points: members("points")
                .filter_map(|(point, is)| Some((point.clone(), is.as_bool()?)))
                .collect(),
            ..Totals::default()
        };
        for failure in summary["failures"].as_array()? {
            let seed = failure["seed"].as_u64()?;
            totals.failures.insert((name.to_owned(), seed), failure["report"].as_str()?.to_owned());
            totals.first_failure = totals.first_failure.or(Some((seed, failure["why"].as_str()?.to_owned())));
        }
        Some(totals)
    }

    /// Sums up; the name stays.
    pub fn add(&mut self, more: &Totals) {
        self.seeds += more.seeds;
        self.failed += more.failed;
        self.events += more.events;
        self.simulated_ms += more.simulated_ms;
        self.spent_us += more.spent_us;
        for (kind, count) in &more.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
        for (point, fired) in &more.points {
            *self.points.entry(point.clone()).or_default() |= fired;
        }
        let both = self.first_failure.iter().chain(&more.first_failure);
        self.first_failure = both.min().cloned();
        self.failures.extend(more.failures.clone());
        while self.failures.len() > REPORTS_MAX {
            self.failures.pop_last();
        }
    }

    /// The sum of several.
    pub fn of_all(all: &[Totals]) -> Totals {
        let mut sum = Totals::named("all");
        all.iter().for_each(|more| sum.add(more));
        sum
    }

    /// What one second of one core does, of something that took all the time there is.
    fn per_second(&self, count: u64) -> u64 {
        count.saturating_mul(1_000_000) / self.spent_us.max(1)
    }

    /// One scenario.
    pub fn line(&self) -> String {
        let Totals { name, seeds, failed, events, simulated_ms, .. } = self;
        let (simulated, speed) = (simulated_ms / 1_000, self.per_second(*seeds));
        format!(
            "{name}: {seeds} seeds, {failed} failed, {events} events, {simulated} s simulated, {speed} seeds/s"
        )
    }

    /// Everything, for whoever reads one line only.
    pub fn last_line(&self) -> String {
        let Totals { seeds, failed, simulated_ms, .. } = self;
        let (speed, simulated) = (self.per_second(*seeds), self.per_second(*simulated_ms) / 1_000);
        format!("sim: {seeds} seeds, {failed} failed, {speed} seeds/s per core, {simulated} simulated s/s")
    }

    /// `511 crash, 374 cut`.
    pub fn faults_text(&self) -> String {
        let faults: Vec<String> = self.faults.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        if faults.is_empty() { "none".into() } else { faults.join(", ") }
    }
}

#[cfg(test)]
mod tests;
