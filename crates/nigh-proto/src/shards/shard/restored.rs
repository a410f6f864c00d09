//! A log that was put back from a copy: what it does not know may have been done all the same (R13).
//!
//! Between the copy and the restoration calls ran, and their callers were told. Whoever settles one of them finds
//! no record. That it will not run from now on is true, and a tombstone sees to it; that it did not run is not known.

use nigh_wire::{CallId, Cause, Time};

use super::Shard;
use crate::calls::FUTURE_MAX;
use crate::calls::request::Answer;

impl<R> Shard<R> {
    /// The log was put back from a copy at this time, by the wall clock. To be said before anything is served.
    pub fn restored(&mut self, at: Time) {
        // R17: nothing that ran before was born later than that.
        self.lost_until = Some(at.saturating_add(FUTURE_MAX));
    }

    /// R13: not done is only said of what cannot have been done in a history that was lost.
    pub(super) fn as_known(&self, id: CallId, answer: Answer) -> Answer {
        #[rustfmt::skip]
        let lost = self.lost_until.is_some_and(|until| id.birth <= until); // mutant lost-told-not-done: let lost = false;
        match answer {
            Answer::NotDone(Cause::Fenced) if lost => Answer::Forgotten,
            answer => answer,
        }
    }
}
