//! The judges: what a run must look like from outside, decided from plain data.
//!
//! - [`linear`] asks whether one order explains the answers of one key.

pub mod linear;
