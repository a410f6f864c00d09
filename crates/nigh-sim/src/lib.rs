//! A whole nigh application in one thread: processes, network, disk, clocks and faults, all from one seed.
//!
//! What a test writes: [`Sim`] describes a run, [`Client`] uses the application in it. Behind it, in reading order:
//!
//! - [`run`] makes a run of a scenario and a seed. Start here.
//! - [`world`] is the processes, their links and logs, and the faults; [`network`] what moves between them;
//!   [`surroundings`] what each has instead of the system.
//! - [`board`] is where clients reach processes, [`book`] what happened, [`judge`] what must be true of it.
//! - [`plan`] is what goes wrong, as data; [`case`] a whole run as text, which [`minimise`] makes small.
//! - [`harness`] runs a test's seeds and words what failed, [`refused`] what code may not do here; [`refuted`] is for tests
//!   of tests.
//! - [`host`] drives a run: simulated time, tasks, and tokio's timers beside them; [`tasks`] holds the code of all;
//!   [`agenda`] is what is still to come; [`rng`] is chance; [`points`] decides what `nigh::buggify!` answers.
//!
//! Beside all that, [`disk`] is a disk that loses what was not synced: the real two-file store runs on it, alone or in a
//! run whose [`Store`] it is.
//!
//! Nothing here reads a clock or draws from the system: a run is a function of its seed, its plan of faults and the
//! program.

mod agenda;
mod board;
mod book;
mod case;
pub mod disk;
mod durable;
mod harness;
mod host;
pub mod judge;
mod minimise;
mod network;
mod panics;
mod plan;
mod points;
mod program;
mod refused;
mod refuted;
mod rng;
mod run;
mod services;
mod sim;
mod surroundings;
mod tasks;
mod world;

pub use durable::Durable;
pub use harness::row;
pub use nigh_macros::sim_test as test;
pub use plan::{Fault, Left, Planned};
pub use refuted::refuted;
pub use rng::Rng;
pub use sim::{Client, Cost, Sim, Store, Topology, trips};

/// What macros write; not for people.
#[doc(hidden)]
pub mod __private {
    pub use crate::harness::Options;
    pub use crate::refuted::trace_hashes;
    pub use crate::run::run_test;
}
