//! The judges: what a run must look like from outside, decided from plain data.
//!
//! - [`LogJudge`] compares every answer with the log, and the log with the program. Start here.
//! - [`Program`] is how it runs the methods of the application again.
//! - [`claims`] tries to falsify what methods say of themselves: that they commute, that they only read.
//! - [`LedgerJudge`] compares what callers counted with what callees counted.
//! - [`linear`] asks whether one order explains the answers of one key, where no log says so.
//! - [`Violation`] is what each of them says when something is wrong: which promise, and both facts.
//!
//! Nothing here waits, draws or reads a clock: moments are arguments, in virtual time.

pub mod claims;
mod ledger;
pub mod linear;
mod log;
mod program;
#[cfg(test)]
mod toy;
mod violation;

pub use ledger::LedgerJudge;
pub use log::{Asked, Heard, LogJudge, Verdict};
pub use program::{Program, Run, Wrote};
pub use violation::{Judgement, Violation};
