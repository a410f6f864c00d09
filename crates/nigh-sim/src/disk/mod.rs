//! A disk that loses, tears, swaps and forgets what was not synced; and the store of nigh on it.
//!
//! - [`Disk`] is what the store writes to, in the place of a directory (`device.rs`).
//! - [`Image`] is what a disk holds; [`Image::crash`] and [`Image::damage`] draw what is left of it (`crash.rs`).
//! - [`explore`] plays histories on the real store and on a model beside it, and lets the power fail before every
//!   operation of each.
//!
//! No file of the system is touched, and no clock: all that happens follows from the seeds.

mod contents;
mod crash;
mod device;
mod explore;
mod history;
mod image;
mod model;
mod random;
#[cfg(test)]
mod tests;

pub use crash::{Counts, Kinds};
pub use device::{Disk, Faults};
pub use explore::{Report, explore};
pub use image::Image;
pub use random::Rng;
