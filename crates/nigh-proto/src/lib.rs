//! The machines of nigh: everything that decides, as state machines without I/O, clock, randomness or threads.
//!
//! `handle_*(now, …)` in, `poll_*` out; bytes, time and seeds are arguments. Reading order: [`calls`] is what
//! is asked and answered; [`link`] carries it between two processes; [`shards`] is where it takes effect;
//! [`placement`] says where that is. Rules are those of `spec/calls.md`, quoted where implemented (`R7`).

pub mod calls;
pub mod link;
pub mod placement;
pub mod shards;
mod time;

pub use time::Instant;
