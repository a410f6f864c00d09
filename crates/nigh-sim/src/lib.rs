//! A whole nigh application in one thread: processes, network, disk, clocks and faults, all from one seed.
//!
//! - [`host`] drives a run: simulated time, tasks, and tokio's timers beside them. Start here.
//! - [`tasks`] holds the code of all nodes.
//! - [`agenda`] is what is still to come; [`rng`] is chance.
//! - [`plan`] is what goes wrong, as data; [`case`] a whole run as text, which [`minimise`] makes small.
//! - [`harness`] runs a test's seeds and words what failed.
//! - [`panics`] makes a panic an event of its node.
//! - [`points`] decides what `nigh::buggify!` answers.
//!
//! Nothing here reads a clock or draws from the system: a run is a function of its seed, its plan of faults and the
//! program.

#![allow(dead_code, reason = "the nodes that use the driver come in later commits")]

mod agenda;
mod case;
mod harness;
mod host;
mod minimise;
mod panics;
mod plan;
mod points;
mod rng;
mod stand_in;
mod tasks;

pub use harness::row;
pub use nigh_macros::sim_test as test;
pub use plan::{Fault, Left, Planned};
pub use rng::Rng;
pub use stand_in::Sim;

/// What macros write; not for people.
#[doc(hidden)]
pub mod __private {
    pub use crate::harness::Options;
    pub use crate::stand_in::run_test;
}
