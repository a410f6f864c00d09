//! What a peer has open here: bounded, begun only while somebody waits for it, answered once.
//!
//! One [`Serving`] per link, made and dropped with it. It keeps no call and runs none: the driver asks it
//! before it queues one, before it begins one, and before it answers one. Refusals leave in the order in
//! which they are given here, on the one link (R2).

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::{LinkError, Misbehaviour};
use crate::Instant;
use crate::calls::DEADLINE_MAX;
use crate::calls::caller::{CALLS_OPEN_MAX, Slot};
use crate::calls::request::Refusal;

/// A peer that is refused asks again no sooner: by then half of 1,024 calls of 100 ms each have left.
const RETRY_AFTER: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// Waits here, and expires here.
    Waiting(Instant),
    /// Its caller let go of it before it was begun.
    Cancelled,
    /// Begun: it will be answered.
    Begun,
}

/// Copies that one peer has open here.
#[derive(Debug)]
pub struct Serving {
    open: BTreeMap<Slot, Work>,
    last: Option<Slot>,
    open_max: usize,
}

impl Default for Serving {
    fn default() -> Self {
        Self::new(CALLS_OPEN_MAX)
    }
}

impl Serving {
    /// Of a new link, with at most this many copies open.
    pub fn new(open_max: usize) -> Self {
        Self { open: BTreeMap::new(), last: None, open_max }
    }

    /// A copy came: it is taken, or refused.
    ///
    /// # Errors
    ///
    /// The slot is not above the last: the link ends.
    pub fn handle_ask(
        &mut self,
        now: Instant,
        slot: Slot,
        within: Duration,
    ) -> Result<Result<(), Refusal>, LinkError> {
        if self.last.is_some_and(|last| slot <= last) {
            return Err(LinkError::PeerMisbehaved(Misbehaviour::SlotReused));
        }
        self.last = Some(slot);
        if self.open.len() >= self.open_max {
            return Ok(Err(Refusal::Overloaded { retry_after: RETRY_AFTER }));
        }
        self.open.insert(slot, Work::Waiting(now.saturating_add(within.min(DEADLINE_MAX))));
        self.assert_invariants();
        Ok(Ok(()))
    }

    /// Begins a copy that was taken, and says how much time it has. Work that expired in a queue, or whose
    /// caller has gone, is not begun.
    ///
    /// # Errors
    ///
    /// Refuse the copy with this: it will not run.
    pub fn begin(&mut self, now: Instant, slot: Slot) -> Result<Duration, Refusal> {
        let refusal = match self.open.get_mut(&slot) {
            Some(work) => match *work {
                Work::Waiting(due) if now < due => {
                    *work = Work::Begun;
                    return Ok(due.saturating_since(now));
                }
                Work::Waiting(_) => Refusal::Expired,
                Work::Cancelled | Work::Begun => Refusal::Cancelled,
            },
            None => Refusal::Cancelled,
        };
        self.open.remove(&slot);
        self.assert_invariants();
        Err(refusal)
    }

    /// Nobody waits for that copy any more. True if it will not be begun; what was begun goes on.
    pub fn cancel(&mut self, slot: Slot) -> bool {
        match self.open.get_mut(&slot) {
            Some(work @ Work::Waiting(_)) => {
                *work = Work::Cancelled;
                true
            }
            Some(Work::Cancelled) => true,
            // It crossed with the answer.
            Some(Work::Begun) | None => false,
        }
    }

    /// A copy is about to be answered or refused: true exactly once for each that was taken.
    pub fn done(&mut self, slot: Slot) -> bool {
        self.open.remove(&slot).is_some()
    }

    /// How many copies are open.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    fn assert_invariants(&self) {
        assert!(self.open.len() <= self.open_max, "{} copies open", self.open.len());
        assert!(self.open.last_key_value().is_none_or(|(slot, _)| Some(*slot) <= self.last), "a slot ahead");
    }
}
