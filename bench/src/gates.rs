//! What must hold between cases of one run: data, and the arithmetic that judges it.
//!
//! A gate is a figure of one case, mostly divided by that of another, and a bound. The division is made inside each
//! round, so that both sides saw the same minute; the median of the rounds is judged. A gate whose cases did not
//! run is not judged, and says so. Nothing here measures.

use crate::harness::{Rounds, median};

/// A figure of a case.
#[derive(Clone, Copy, Debug)]
pub struct Term {
    /// Name of the case.
    pub case: &'static str,
    /// Name of its figure.
    pub figure: &'static str,
}

/// The figure of the case.
pub const fn term(case: &'static str, figure: &'static str) -> Term {
    Term { case, figure }
}

/// Which side of a number is good.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

/// What must hold.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    /// In words, as the subject of a sentence that ends with a number.
    pub says: &'static str,
    /// Of nigh.
    pub ours: Term,
    /// Divides it, if there is one.
    pub per: Option<Term>,
    /// Of the quotient's median.
    pub bound: Bound,
    /// Rounds in which this figure is above this number do not count: the machine stalled by itself.
    pub quiet: Option<(Term, f64)>,
}

impl Gate {
    /// A bound on our figure alone.
    pub const fn alone(says: &'static str, ours: Term, bound: Bound) -> Self {
        Gate { says, ours, per: None, bound, quiet: None }
    }

    /// A bound on a ratio.
    pub const fn ratio(says: &'static str, ours: Term, per: Term, bound: Bound) -> Self {
        Gate { says, ours, per: Some(per), bound, quiet: None }
    }

    /// All figures that it needs.
    pub fn terms(&self) -> impl Iterator<Item = Term> {
        [Some(self.ours), self.per, self.quiet.map(|(term, _)| term)].into_iter().flatten()
    }
}

/// What became of a gate.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// The median, and how many rounds were left out.
    Reached(f64, usize),
    /// Likewise.
    Missed(f64, usize),
    /// Why not.
    NotJudged(String),
    /// Nobody asked for its cases.
    NotAsked,
}

/// Judges one gate.
pub fn judge(gate: &Gate, results: &[Rounds]) -> Verdict {
    let of = |term: Term| results.iter().find(|result| result.name == term.case);
    for term in gate.terms() {
        match of(term) {
            None => return Verdict::NotAsked,
            Some(Rounds { absent: Some(why), .. }) => return Verdict::NotJudged(why.clone()),
            Some(_) => {}
        }
    }
    let values = |term: Term| of(term).map_or_else(Vec::new, |result| result.figure(term.figure));
    let ours = values(gate.ours);
    let per = gate.per.map_or_else(|| vec![1.0; ours.len()], values);
    let noise = gate.quiet.map_or_else(|| vec![0.0; ours.len()], |(term, _)| values(term));
    if [per.len(), noise.len()] != [ours.len(); 2] || ours.is_empty() {
        return Verdict::NotJudged("not every round has its figures".into());
    }
    let noise_max = gate.quiet.map_or(f64::INFINITY, |(_, max)| max);
    let rounds = ours.iter().zip(per).zip(noise);
    let counted = rounds.filter(|(_, noise)| *noise <= noise_max);
    let ratios: Vec<f64> = counted.map(|((ours, per), _)| ours / per).collect();
    let dropped = ours.len() - ratios.len();
    if ratios.is_empty() {
        return Verdict::NotJudged(format!("the machine stalled in all {dropped} rounds"));
    }
    let value = median(&ratios);
    let good = match gate.bound {
        Bound::AtLeast(min) => value >= min,
        Bound::AtMost(max) => value <= max,
    };
    if good { Verdict::Reached(value, dropped) } else { Verdict::Missed(value, dropped) }
}

/// A line for each gate, and whether all that could be judged were reached.
pub fn report(gates: &[Gate], results: &[Rounds]) -> (String, bool) {
    let (mut lines, mut all, mut not_asked) = (Vec::new(), true, 0);
    for gate in gates {
        let bound = match gate.bound {
            Bound::AtLeast(min) => format!("at least {min}"),
            Bound::AtMost(max) => format!("at most {max}"),
        };
        let (word, value, dropped) = match judge(gate, results) {
            Verdict::Reached(value, dropped) => ("reached", value, dropped),
            Verdict::Missed(value, dropped) => {
                all = false;
                ("MISSED", value, dropped)
            }
            Verdict::NotJudged(why) => {
                lines.push(format!("gate: not judged: {}: {bound}: {why}", gate.says));
                continue;
            }
            Verdict::NotAsked => {
                not_asked += 1;
                continue;
            }
        };
        let left_out = if dropped == 0 { String::new() } else { format!("; {dropped} noisy rounds dropped") };
        lines.push(format!("gate: {word}: {}: {value:.2} ({bound}{left_out})", gate.says));
    }
    if not_asked > 0 {
        lines.push(format!("gates not judged, since not all of their cases were asked for: {not_asked}"));
    }
    (lines.join("\n"), all)
}

#[cfg(test)]
mod tests;
