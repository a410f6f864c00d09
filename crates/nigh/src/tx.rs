//! The commit in progress, as a method sees it: who I am, what time it is, what leaves with the commit.

use std::marker::PhantomData;

use nigh_wire::{Bytes, Time};

/// The untyped part of [`Tx`]: what the runtime passes in and reads back.
#[doc(hidden)]
#[derive(Debug)]
pub struct TxCore {
    /// Encoded key of the entity.
    pub key: Bytes,
    /// Log time.
    pub now: Time,
    /// Where random numbers start; recorded if `drawn`.
    pub seed: u64,
    /// How many random numbers were drawn.
    pub drawn: u32,
    /// The method asked for the entity to become its default.
    pub deleted: bool,
}

/// The commit in progress.
#[derive(Debug)]
pub struct Tx<S> {
    core: TxCore,
    _of: PhantomData<fn() -> S>,
}
