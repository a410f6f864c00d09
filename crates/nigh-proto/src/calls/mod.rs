//! Calls: what one process asks of another, what is answered, and what either side may conclude.
//!
//! - [`request`] is what travels. Start here.
//! - [`caller`] numbers, sends and settles.
//! - [`callee`] is what an owner answers before anything runs.
//! - [`tally`] is the ledger: what was asked, and what came of it, counted on both sides.

pub mod callee;
pub mod caller;
pub mod request;
pub mod tally;

use std::time::Duration;

/// The longest deadline (D): 600 s, so that retention is more than 100 times it.
pub const DEADLINE_MAX: Duration = Duration::from_secs(600);
/// The deadline of a call that says none.
pub const DEADLINE_DEFAULT: Duration = Duration::from_secs(10);
/// How long a call is remembered after its birth (R).
pub const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
/// How far ahead of log time a birth may lie (F).
pub const FUTURE_MAX: Duration = Duration::from_secs(5 * 60);

const _: () = assert!(RETENTION.as_secs() >= 100 * DEADLINE_MAX.as_secs());
