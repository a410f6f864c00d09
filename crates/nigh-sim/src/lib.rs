//! A whole nigh application in one thread: processes, network, disk, clocks and faults, all from one seed.
//!
//! - [`host`] drives a run: simulated time, tasks, and tokio's timers beside them. Start here.
//! - [`tasks`] holds the code of all nodes.
//! - [`agenda`] is what is still to come; [`rng`] is chance.
//! - [`panics`] makes a panic an event of its node.
//!
//! Nothing here reads a clock or draws from the system: a run is a function of its seed, its plan of faults and the
//! program.

#![allow(dead_code, reason = "the nodes that use the driver come in later commits")]

mod agenda;
mod host;
mod panics;
mod rng;
mod tasks;

pub use rng::Rng;
