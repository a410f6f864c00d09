//! Rounds: in each, every case runs once, in order, so that what disturbs the machine disturbs all alike.

use std::time::Duration;

/// How long one case runs in one round, after a quarter of it to warm up.
pub const SPAN: Duration = Duration::from_millis(800);

/// What one run of a case measured.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Calls, syncs or echoes that ended in the time.
    pub count: u64,
    /// The time.
    pub took: Duration,
    /// Calls in one durable group, on average; of cases that commit.
    pub group: Option<f64>,
}

impl Measured {
    /// So many a second.
    pub fn per_second(&self) -> f64 {
        self.count as f64 / self.took.as_secs_f64()
    }
}

/// Runs something for about so long, as a closed loop. An error ends the whole run.
pub type Run = Box<dyn Fn(Duration) -> Result<Measured, String>>;

/// Something to measure.
pub struct Case {
    /// Unique, with the number of callers at its end.
    pub name: String,
    /// How.
    pub run: Run,
}

/// All rounds of one case.
#[derive(Debug)]
pub struct Rounds {
    /// Of the case.
    pub name: String,
    /// One per round, in order.
    pub measured: Vec<Measured>,
}

impl Rounds {
    /// So many a second, in each round.
    pub fn rates(&self) -> Vec<f64> {
        self.measured.iter().map(Measured::per_second).collect()
    }

    /// Mean group of each round; none if the case does not commit.
    pub fn groups(&self) -> Vec<f64> {
        self.measured.iter().filter_map(|measured| measured.group).collect()
    }
}

/// Runs all rounds of all cases.
pub fn run(cases: &[Case], rounds: usize) -> Result<Vec<Rounds>, String> {
    let mut results: Vec<Rounds> =
        cases.iter().map(|case| Rounds { name: case.name.clone(), measured: Vec::new() }).collect();
    for round in 1..=rounds {
        for (case, result) in cases.iter().zip(&mut results) {
            let failed = |error| format!("{}: {error}", case.name);
            (case.run)(SPAN / 4).map_err(failed)?;
            let measured = (case.run)(SPAN).map_err(failed)?;
            println!("round {round}: {:<24} {:>12.0} /s", case.name, measured.per_second());
            result.measured.push(measured);
        }
    }
    Ok(results)
}

/// The middle one; of an even number, the lower of the two.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// Smallest and largest.
pub fn range(values: &[f64]) -> (f64, f64) {
    values
        .iter()
        .fold((f64::INFINITY, 0.0), |(low, high), value| (f64::min(low, *value), f64::max(high, *value)))
}

/// Median and range of each case, as a Markdown table.
pub fn table(results: &[Rounds]) -> String {
    let mut lines = vec![
        format!(
            "| {:<24} | {:>12} | {:>25} | {:>8} | {:>6} |",
            "case", "per second", "range", "each", "group"
        ),
        format!("|{:-<26}|{:->13}:|{:->26}:|{:->9}:|{:->7}:|", "", "", "", "", ""),
    ];
    for result in results {
        let rates = result.rates();
        let (low, high) = range(&rates);
        let group = result.groups();
        let group = if group.is_empty() { String::new() } else { format!("{:.0}", median(&group)) };
        let rate = median(&rates);
        let span = format!("{low:.0} to {high:.0}");
        lines.push(format!(
            "| {:<24} | {rate:>12.0} | {span:>25} | {:>8} | {group:>6} |",
            result.name,
            each(rate)
        ));
    }
    lines.join("\n") + "\n"
}

/// The time of one, at this rate.
fn each(rate: f64) -> String {
    let nanos = 1e9 / rate;
    if nanos < 10_000.0 { format!("{nanos:.0} ns") } else { format!("{:.0} µs", nanos / 1000.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_one_that_was_measured() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.0);
        assert_eq!(range(&[3.0, 1.0, 2.0]), (1.0, 3.0));
    }
}
