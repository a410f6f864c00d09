//! Where a call is, as its caller knows: looked up, never changed.

use std::time::Duration;

use super::open::{Open, Stage};
use super::peer::PeerId;
use crate::Instant;
use crate::calls::tally::Line;

/// What a caller knows of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtCaller {
    /// Not answered yet.
    Open {
        /// Which method.
        line: Line,
        /// Whom it is for.
        to: PeerId,
        /// How long ago it was asked.
        age: Duration,
        /// How long until its deadline.
        left: Duration,
        /// Copies that left so far.
        copies: u32,
        /// Where its next copy stands, or the last one.
        waits: Waits,
    },
    /// Numbered, so that its ticket could be written down; not asked yet.
    Reserved,
    /// Whoever asked was told that it is in doubt, and has not settled it here.
    InDoubt,
    /// Whoever asked was told what became of it, or let go of it; what that was is not kept here.
    Ended,
    /// This caller has not come to that number yet.
    NeverGiven,
}

/// What an open call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// A link to the peer, or room on it: its next copy has not left.
    Sending,
    /// The answer to the copy that left last.
    Answer,
    /// To be asked again in so long: the last copy was refused.
    Again(Duration),
    /// An earlier call on its key: to go out, or to be answered.
    Predecessor,
}

/// Of an open call.
pub(super) fn open<W>(call: &Open<W>, now: Instant) -> AtCaller {
    AtCaller::Open {
        line: Line::of(&call.what),
        to: call.to,
        age: now.saturating_since(call.since),
        left: call.due.saturating_since(now),
        copies: call.copies,
        waits: match call.stage {
            Stage::Queued => Waits::Sending,
            Stage::Sent(_) => Waits::Answer,
            Stage::Held { not_yet: true, .. } | Stage::Behind => Waits::Predecessor,
            Stage::Held { at, not_yet: false } => Waits::Again(at.saturating_since(now)),
        },
    }
}
