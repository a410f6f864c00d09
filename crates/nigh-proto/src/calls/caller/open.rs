//! One open call, and what its copies so far allow to be said of it (R11).

use std::hash::{Hash, Hasher};
use std::time::Duration;

use nigh_wire::CallId;

use super::chain::ChainId;
use super::ledger::Era;
use super::peer::{PeerId, Slot};
use super::what::What;
use crate::Instant;
use crate::shards::ShardId;

/// Where its next copy stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Waits to be written, in its peer's queue.
    Queued,
    /// Under way on the current link.
    Sent(Slot),
    /// Refused. Asked again at this time or, if it was told "not yet", when its predecessor settles.
    Held { at: Instant, not_yet: bool },
    /// Waits behind an earlier call on its key that is held.
    Behind,
}

/// Where a numbered call counts, for as long as it is open.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Seat {
    pub(super) era: Era,
    pub(super) shard: ShardId,
    pub(super) chain: Option<ChainId>,
}

#[derive(Clone, Debug)]
pub(super) struct Open<W> {
    pub(super) to: PeerId,
    pub(super) id: CallId,
    pub(super) what: What,
    pub(super) seat: Option<Seat>,
    pub(super) since: Instant,
    pub(super) due: Instant,
    pub(super) waiter: W,
    pub(super) stage: Stage,
    /// Copies written, on all links.
    pub(super) copies: u32,
    /// The last copy was refused before it ran.
    pub(super) refused: bool,
    /// Copies refused: how long to wait before the next.
    pub(super) refusals: u32,
}

/// Of what it will do. `what` and `seat` go with its number; of copies only none, one or more matters, and of
/// refusals the first; when it is asked again is the driver's clock.
impl<W: Hash> Hash for Open<W> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Open { to, id, what: _, seat: _, since: _, due, waiter, stage, copies, refused, refusals } = self;
        let stage = match stage {
            Stage::Queued => 0,
            Stage::Sent(_) => 1,
            Stage::Held { at: _, not_yet: false } => 2,
            Stage::Held { at: _, not_yet: true } => 3,
            Stage::Behind => 4,
        };
        (to, id, due, waiter, stage).hash(state);
        (copies.min(&2), refused, refusals.min(&2)).hash(state);
    }
}

impl<W> Open<W> {
    /// R11: nothing of it can run, now or later: no copy left, or the only one was refused. Several copies
    /// prove nothing even if all seem refused: what a broken link left behind may still arrive.
    pub(super) fn never_ran(&self) -> bool {
        (self.copies == 0 || self.copies == 1 && self.refused) && !self.what.has_other_tries()
    }

    pub(super) fn chain(&self) -> Option<ChainId> {
        self.seat.as_ref()?.chain
    }
}

/// Numbers that differ by seed and are the same in every run: SplitMix64 (Steele, Lea, Flood, 2014).
#[derive(Clone, Debug)]
pub(super) struct Jitter(pub(super) u64);

/// Which waits come next changes when copies leave, not which.
impl Hash for Jitter {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl Jitter {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// How long a copy refused for the `refusals`-th time waits: doubling, half of it by chance, so that
    /// callers refused together do not return together.
    pub(super) fn wait(&mut self, refusals: u32) -> Duration {
        let most = WAIT_MIN.saturating_mul(1 << refusals.min(16)).min(WAIT_MAX);
        let half = most.as_nanos() as u64 / 2;
        Duration::from_nanos(half + self.draw() % half)
    }
}

/// A refused copy waits at least half of this, a trip or two between machines in one place: 2 ms.
const WAIT_MIN: Duration = Duration::from_millis(2);
/// And at most this, so that a deadline of some seconds sees several tries: 250 ms.
const WAIT_MAX: Duration = Duration::from_millis(250);
