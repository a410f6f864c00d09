//! The chores of this repository, as a library: tests use parts of it.
//!
//! [`chores`] runs cargo for `test`, `bench` and `explore`; [`mutants`] plants known faults and sees that the
//! tests find them; [`torture`] kills a server at random moments and counts money; [`source`] and [`files`] read
//! the repository for these and for `tests/tidy.rs`.
//!
//! Nothing here is part of nigh: no crate under `crates/` depends on it.

pub mod chores;
pub mod files;
pub mod mutants;
pub mod source;
pub mod torture;

/// What went wrong, in words for the person at the terminal.
pub type Trouble = String;
