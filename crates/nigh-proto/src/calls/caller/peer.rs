//! One peer as its caller sees it: what waits to be written, what is under way, and how its clock differs.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use nigh_wire::{Time, Wire};

use super::numbered::Numbered;
use super::rising::Rising;
use crate::Instant;
use crate::calls::{FUTURE_MAX, RETENTION};

/// A process that answers calls; 0 is this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u32);

impl PeerId {
    /// This process's own shards and services. Its link is up from the start and is never lost.
    pub const LOCAL: PeerId = PeerId(0);
}

/// One copy under way on a link. Slots of a link rise; a caller uses none twice, on any link.
#[derive(Wire, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u64);

/// What a hello says of its sender's time (R17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerFacts {
    /// Its clock.
    pub clock: Time,
    /// The highest log time of its shards.
    pub log_time: Time,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Peer {
    pub(super) up: bool,
    /// To write next, lowest number first (R2).
    pub(super) queue: Rising<()>,
    /// Under way on the current link: also those whose caller no longer waits.
    pub(super) slots: Numbered<u64>,
    pub(super) cancels: VecDeque<Slot>,
    last_slot: u64,
    /// Open and reserved calls.
    pub(super) open: usize,
    /// What they keep.
    pub(super) bytes: usize,
    /// Its log time when it was learnt, and when that was.
    learnt: Option<(Time, Instant)>,
    /// It is in this process, and has its clock.
    is_local: bool,
}

/// Of what it will do: slots are names, whose order is that of what they carry.
impl Hash for Peer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Peer { up, queue, slots, cancels, last_slot: _, open, bytes, learnt, is_local } = self;
        (up, queue, cancels.len(), open, bytes, learnt, is_local).hash(state);
        slots.sorted().into_iter().for_each(|(_, number)| number.hash(state));
    }
}

impl Peer {
    pub(super) fn local() -> Self {
        Self { up: true, is_local: true, ..Self::default() }
    }

    pub(super) fn take_slot(&mut self, number: u64) -> Slot {
        self.last_slot += 1;
        let slot = Slot(self.last_slot);
        self.slots.insert(slot.0, number);
        slot
    }

    /// Whatever is said of copies of the old link no longer counts (R2).
    pub(super) fn lose(&mut self) {
        self.up = false;
        self.slots.clear(); // mutant answer-from-old-link: self.cancels.clear();
        self.cancels.clear();
    }

    /// R17: births are made in the peer's log time. Not believed further than F, beyond which links are refused.
    pub(super) fn correct(&mut self, now: Instant, facts: PeerFacts, clock: Time) {
        let theirs = facts.clock.max(facts.log_time);
        let least = clock.saturating_sub(FUTURE_MAX);
        self.learnt = Some((theirs.clamp(least, clock.saturating_add(FUTURE_MAX)), now));
    }

    /// What its log time is now, as far as can be told.
    pub(super) fn log_time(&self, now: Instant, clock: Time) -> Time {
        let Some((learnt, at)) = self.learnt else { return clock };
        if self.is_local {
            // Its clock is ours, also when that is set; its log is where it was, if that is not too far ahead.
            return clock.max(learnt.min(clock.saturating_add(FUTURE_MAX)));
        }
        // By the steady clock: ours may be set meanwhile, and an owner refuses what is born too far ahead.
        #[rustfmt::skip]
        let estimate = learnt.saturating_add(now.saturating_since(at)); // mutant births-by-our-clock: let estimate = learnt.max(clock);
        // Set so much later, it was wrong before, and perhaps theirs too: what is born too long ago is refused as well.
        if clock.saturating_since(estimate) > RETENTION / 2 { clock } else { estimate }
    }
}
