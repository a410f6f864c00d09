//! What becomes of a copy at the door: a method that may run, and what comes of it.

use std::sync::Arc;

use nigh_wire::{Bytes, Time};

use crate::calls::callee::Arrival;
use crate::calls::request::Refusal;
use crate::calls::tally::Took;
use crate::shards::Epoch;
use crate::shards::record::{Other, RanOutcome};

/// Entity, key and method.
pub(super) type Of = (Arc<str>, Bytes, Arc<str>);

/// What became of a copy at the door.
#[derive(Debug)]
#[must_use = "the reply is in it"]
#[expect(clippy::large_enum_variant, reason = "most copies run: a box would cost each of them an allocation")]
pub enum Admission<R> {
    /// Run it, then `finish`, `give_up` or `abandon`.
    Run(Permit<R>),
    /// Its answer, which this is in the ledger, will come out of [`Shard::poll_release`](super::Shard::poll_release).
    Queued(Took),
    /// R11: this copy only. Leaves at once, in the order of refusals on its link (R2).
    Refused(R, Refusal),
}

/// Leave to run one method, once. Goes back to the shard that gave it, or with that shard's memory.
#[derive(Debug)]
#[must_use = "a permit dropped is a call without an answer"]
pub struct Permit<R> {
    pub(super) arrival: Arrival,
    pub(super) time: Time,
    pub(super) reply: R,
    pub(super) permit: u64,
    pub(super) epoch: Epoch,
}

impl<R> Permit<R> {
    /// The copy that runs.
    pub fn arrival(&self) -> &Arrival {
        &self.arrival
    }
    /// Log time: what `tx.now()` says.
    pub fn time(&self) -> Time {
        self.time
    }
    /// For a watchdog, which has no permit.
    pub fn watch(&self) -> Stuck {
        Stuck { arrival: self.arrival.clone(), time: self.time, permit: self.permit, epoch: self.epoch }
    }
    /// The shard's memory was dropped while the method ran (R9): whom to tell `AskAgain`.
    pub fn into_reply(self) -> R {
        self.reply
    }
}

/// Names a method that runs, so that it can be given up while it holds its permit.
#[derive(Clone, Debug)]
pub struct Stuck {
    pub(super) arrival: Arrival,
    pub(super) time: Time,
    pub(super) permit: u64,
    pub(super) epoch: Epoch,
}

/// What a method did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// What it returned. Kept as it is: a slice of a larger buffer would keep all of it.
    pub outcome: RanOutcome,
    /// The change, as `State::commit` wrote it; empty for an error.
    pub redo: Bytes,
    /// The entity became its default.
    pub deleted: bool,
    /// Where the method's random numbers started, if it drew any.
    pub seed: Option<u64>,
    /// What it changed of other entities of this shard; nothing for an error.
    pub others: Vec<Other>,
}
