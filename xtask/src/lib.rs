//! The chores of this repository, as a library: tests use parts of it.
//!
//! [`chores`] runs cargo for `test`, `bench` and `explore`; [`sim`] runs the simulated tests for long; [`mutants`]
//! plants known faults and sees that the tests, or the simulator, find them; [`torture`] lets misfortune strike a
//! server and counts money; [`source`] and [`files`] read the repository for these and for `tests/tidy.rs`;
//! [`binaries`] builds test binaries and runs them with a limit of time.
//!
//! Nothing here is part of nigh: no crate under `crates/` depends on it.

mod binaries;
pub mod chores;
pub mod files;
pub mod mutants;
pub mod sim;
pub mod source;
pub mod torture;

/// What went wrong, in words for the person at the terminal.
pub type Trouble = String;
