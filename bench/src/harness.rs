//! Rounds: in each, every case runs once, in order, so that what disturbs the machine disturbs all alike.
//!
//! A case says how many and how long, and whatever else it found as named [figures](Measured::with). A peer that is
//! not on this machine is [`Trouble::Absent`]: its cases are left out and named, the rest goes on.

use std::time::Duration;

/// How long one case runs in one round.
pub const SPAN: Duration = Duration::from_millis(800);

/// Figures with a column of their own in the table of results. The rate is one, of every case.
pub const RATE: &str = "per second";
/// Calls in one durable group, on average.
pub const GROUP: &str = "group";
/// The middle time from asking to being answered, in µs.
pub const P50: &str = "p50 µs";
/// Of 100 the slowest but one, in µs.
pub const P99: &str = "p99 µs";
/// Of 1,000 the slowest but one, in µs.
pub const P999: &str = "p99.9 µs";
const COLUMNS: [&str; 4] = [GROUP, P50, P99, P999];

/// What one run of a case measured.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Calls, syncs or echoes that ended in the time.
    count: u64,
    /// The time.
    took: Duration,
    /// What else, by name.
    figures: Vec<(&'static str, f64)>,
}

impl Measured {
    /// So many in so much time.
    pub fn new(count: u64, took: Duration) -> Self {
        Measured { count, took, figures: Vec::new() }
    }

    /// How many, in how much time.
    pub fn counted(&self) -> (u64, Duration) {
        (self.count, self.took)
    }

    /// And this beside it.
    pub fn with(mut self, figure: &'static str, value: f64) -> Self {
        self.figures.push((figure, value));
        self
    }

    /// And how long each took, in nanoseconds.
    pub fn with_latencies(self, nanos: Vec<u64>) -> Self {
        let mut sorted = nanos;
        sorted.sort_unstable();
        let at = |permille: usize| {
            let index = (sorted.len() * permille / 1000).min(sorted.len().saturating_sub(1));
            sorted.get(index).map_or(f64::NAN, |nanos| *nanos as f64 / 1000.0)
        };
        let (p50, p99, p999) = (at(500), at(990), at(999));
        self.with(P50, p50).with(P99, p99).with(P999, p999)
    }

    /// The figure, if this case has it.
    pub fn figure(&self, figure: &str) -> Option<f64> {
        if figure == RATE {
            return Some(self.count as f64 / self.took.as_secs_f64());
        }
        self.figures.iter().find(|(name, _)| *name == figure).map(|(_, value)| *value)
    }
}

/// Why a case has no result.
#[derive(Debug)]
pub enum Trouble {
    /// A peer is not on this machine, or cannot start on it: its cases are skipped.
    Absent(String),
    /// The whole run ends.
    Failed(String),
}

impl From<String> for Trouble {
    fn from(why: String) -> Self {
        Trouble::Failed(why)
    }
}

/// What one run of a case came to.
pub type Ran = Result<Measured, Trouble>;

/// Something to measure.
pub struct Case {
    /// Unique, with the number of callers at its end.
    pub name: String,
    /// Runs for a quarter of the time first, which does not count. Cases that fill caches or files by themselves
    /// have no use for it.
    pub warm_up: bool,
    /// Runs for about so long, as a closed loop.
    pub run: Box<dyn Fn(Duration) -> Ran>,
}

/// All rounds of one case.
#[derive(Debug)]
pub struct Rounds {
    /// Of the case.
    pub name: String,
    /// One per round, in order.
    pub measured: Vec<Measured>,
    /// Why there are none.
    pub absent: Option<String>,
}

impl Rounds {
    /// The figure in each round; empty if this case has none of it.
    pub fn figure(&self, figure: &str) -> Vec<f64> {
        self.measured.iter().filter_map(|measured| measured.figure(figure)).collect()
    }
}

/// Runs all rounds of all cases.
pub fn run(cases: &[Case], rounds: usize) -> Result<Vec<Rounds>, String> {
    let empty = |case: &Case| Rounds { name: case.name.clone(), measured: Vec::new(), absent: None };
    let mut results: Vec<Rounds> = cases.iter().map(empty).collect();
    for round in 1..=rounds {
        for (case, result) in cases.iter().zip(&mut results) {
            if result.absent.is_some() {
                continue;
            }
            match run_once(case) {
                Ok(measured) => {
                    let rate = measured.figure(RATE).expect("every case has a rate");
                    println!("round {round}: {:<28} {rate:>12.0} /s", case.name);
                    result.measured.push(measured);
                }
                Err(Trouble::Absent(why)) => {
                    println!("round {round}: {:<28} skipped: {why}", case.name);
                    result.absent = Some(why);
                }
                Err(Trouble::Failed(why)) => return Err(format!("{}: {why}", case.name)),
            }
        }
    }
    Ok(results)
}

fn run_once(case: &Case) -> Ran {
    if case.warm_up {
        (case.run)(SPAN / 4)?;
    }
    (case.run)(SPAN)
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

/// Medians and ranges of each case, as Markdown: one table of rates, one of the figures that only some have.
pub fn table(results: &[Rounds]) -> String {
    let head = ["case", RATE, "range", "each"].into_iter().chain(COLUMNS);
    let mut rates = vec![head.map(str::to_owned).collect()];
    let mut others = vec![["case", "figure", "median", "range"].map(str::to_owned).to_vec()];
    let mut skipped = Vec::new();
    for result in results {
        if let Some(why) = &result.absent {
            skipped.push(format!("{}: skipped: {why}", result.name));
            continue;
        }
        let of_each = result.figure(RATE);
        let (low, high) = range(&of_each);
        let rate = median(&of_each);
        let mut row = vec![result.name.clone(), format!("{rate:.0}"), format!("{low:.0} to {high:.0}")];
        row.push(each(rate));
        for column in COLUMNS {
            let values = result.figure(column);
            row.push(if values.is_empty() { String::new() } else { format!("{:.0}", median(&values)) });
        }
        rates.push(row);
        let figures = result.measured.first().map_or(&[][..], |measured| &measured.figures[..]);
        for (figure, _) in figures.iter().filter(|(figure, _)| !COLUMNS.contains(figure)) {
            let values = result.figure(figure);
            let (low, high) = range(&values);
            let middle = median(&values);
            let span = format!("{low:.2} to {high:.2}");
            others.push(vec![result.name.clone(), (*figure).to_owned(), format!("{middle:.2}"), span]);
        }
    }
    let mut text = markdown(&rates);
    for (begins, more) in [(1, markdown(&others)), (0, skipped.join("\n") + "\n")] {
        let has_rows = if begins == 1 { others.len() > 1 } else { !skipped.is_empty() };
        if has_rows {
            text = text + "\n" + &more;
        }
    }
    text
}

/// The first row is the head; the first column stands left, the others right.
fn markdown(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            text += &if column == 0 { format!("| {cell:<width$} |") } else { format!(" {cell:>width$} |") };
        }
        text.push('\n');
        if index == 0 {
            for (column, width) in widths.iter().enumerate() {
                text += &if column == 0 {
                    format!("|{:-<1$}|", "", width + 2)
                } else {
                    format!("{:->1$}:|", "", width + 1)
                };
            }
            text.push('\n');
        }
    }
    text
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

    #[test]
    fn percentiles_are_of_all_and_in_microseconds() {
        let measured = Measured::new(1000, Duration::from_secs(1));
        let measured = measured.with_latencies((0..1000).rev().map(|n| n * 1000).collect());
        let figure = |name| measured.figure(name);
        assert_eq!([P50, P99, P999, RATE].map(figure), [Some(500.0), Some(990.0), Some(999.0), Some(1000.0)]);
        let one = Measured::new(1, Duration::from_secs(1)).with_latencies(vec![7000]);
        assert_eq!([P50, P999].map(|name| one.figure(name)), [Some(7.0), Some(7.0)]);
    }

    #[test]
    fn who_is_absent_is_named_and_the_others_have_all_columns() {
        let measured = Measured::new(2000, Duration::from_secs(1)).with(GROUP, 3.0).with("copies", 1.5);
        let here = Rounds { name: "here".into(), measured: vec![measured], absent: None };
        let gone = Rounds { name: "gone".into(), measured: vec![], absent: Some("not found".into()) };
        let text = table(&[here, gone]);
        let squeezed: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert!(squeezed.contains(&"| here | 2000 | 2000 to 2000 | 500 µs | 3 | | | |".to_owned()), "{text}");
        assert!(squeezed.contains(&"| here | copies | 1.50 | 1.50 to 1.50 |".to_owned()), "{text}");
        assert!(text.ends_with("gone: skipped: not found\n"), "{text}");
    }
}
