//! A whole nigh application in one thread: processes, network, disk, clocks and faults, all from one seed.
//!
//! - [`host`] drives a run: simulated time, tasks, and tokio's timers beside them. Start here.
//! - [`tasks`] holds the code of all nodes.
//! - [`agenda`] is what is still to come; [`rng`] is chance.
//! - [`plan`] is what goes wrong, as data; [`case`] a whole run as text, which [`minimise`] makes small.
//! - [`panics`] makes a panic an event of its node.
//!
//! Nothing here reads a clock or draws from the system: a run is a function of its seed, its plan of faults and the
//! program.

#![allow(dead_code, reason = "the nodes that use the driver come in later commits")]

mod agenda;
mod case;
mod host;
mod minimise;
mod panics;
mod plan;
mod rng;
mod tasks;

pub use plan::{Fault, Left, Planned};
pub use rng::Rng;
