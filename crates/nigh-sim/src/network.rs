//! Links between processes: bytes in order, late, held by a cut, left behind by a loss.
//!
//! A link carries what its two ends write, in the order written, each piece after a delay. A cut holds pieces back
//! until it ends, one way or both. A lost link ends at the process that dialled; what it had written may still
//! arrive at the other end, later, beside what comes over the next link. Here is only what moves; what an end does
//! with bytes is the engine's affair.

use std::time::Duration;

use nigh::engine::EngineLink;

use crate::rng::Rng;
use crate::surroundings::nanos;
use crate::tasks::Owner;

/// Which end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The process that made it, and asks.
    Dialler,
    /// The process that accepted it, and answers.
    Listener,
}

impl Side {
    pub(crate) const BOTH: [Side; 2] = [Side::Dialler, Side::Listener];

    pub(crate) fn other(self) -> Side {
        match self {
            Side::Dialler => Side::Listener,
            Side::Listener => Side::Dialler,
        }
    }
    fn at(self) -> usize {
        self as usize
    }
}

/// One link, from its making until both ends are gone.
pub(crate) struct Wire {
    owners: [Owner; 2],
    /// Each in a box: a list of links grows, and they are large.
    ends: [Option<Box<EngineLink>>; 2],
    /// When the last piece towards this side arrives: none overtakes it.
    arrives: [u64; 2],
    /// For when the timer of this end is set.
    pub(crate) timer: [Option<u64>; 2],
    /// What is under way towards this side arrives no sooner.
    held: [u64; 2],
    /// The dialler has given it up: nothing more reaches it.
    abandoned: bool,
}

impl Wire {
    pub(crate) fn owner(&self, side: Side) -> Owner {
        self.owners[side.at()]
    }
    pub(crate) fn end(&mut self, side: Side) -> Option<&mut EngineLink> {
        self.ends[side.at()].as_deref_mut()
    }
    pub(crate) fn has(&self, side: Side) -> bool {
        self.ends[side.at()].is_some()
    }
    pub(crate) fn put(&mut self, side: Side, end: EngineLink) {
        self.ends[side.at()] = Some(Box::new(end));
    }
    pub(crate) fn take(&mut self, side: Side) -> Option<Box<EngineLink>> {
        self.ends[side.at()].take()
    }
    pub(crate) fn timer(&mut self, side: Side) -> &mut Option<u64> {
        &mut self.timer[side.at()]
    }
}

/// Nothing passes from one process to another until then.
struct Cut {
    from: u16,
    to: u16,
    until: u64,
}

/// Everything passes later, both ways, until then.
struct Slow {
    between: (u16, u16),
    by: u64,
    until: u64,
}

/// All links, and what hinders them.
pub(crate) struct Network {
    rng: Rng,
    wires: Vec<Wire>,
    cuts: Vec<Cut>,
    slow: Vec<Slow>,
    /// All pieces take the same time: for minimising.
    even: bool,
}

/// Later than any piece that nothing hinders.
const LATE: u64 = 50_000_000;
/// Delay of a piece when nothing hinders it: as in one data centre, seldom as between two.
const DELAY: std::ops::RangeInclusive<u64> = 50_000..=1_500_000;
const DELAY_FAR: std::ops::RangeInclusive<u64> = 5_000_000..=40_000_000;
const DELAY_EVEN: u64 = 500_000;

impl Network {
    pub(crate) fn new(seed: u64, even: bool) -> Self {
        let rng = Rng::of(seed, "network", 0);
        Network { rng, wires: vec![], cuts: vec![], slow: vec![], even }
    }

    /// A new link, without its ends.
    pub(crate) fn wire(&mut self, dialler: Owner, listener: Owner) -> usize {
        self.wires.push(Wire {
            owners: [dialler, listener],
            ends: [None, None],
            arrives: [0, 0],
            timer: [None, None],
            held: [0, 0],
            abandoned: false,
        });
        self.wires.len() - 1
    }

    pub(crate) fn get(&mut self, wire: usize) -> &mut Wire {
        &mut self.wires[wire]
    }

    /// Links that still have their dialler, between these processes.
    pub(crate) fn between(&self, a: u16, b: u16) -> Vec<usize> {
        let touches = |wire: &Wire| {
            let pair = (wire.owner(Side::Dialler).node, wire.owner(Side::Listener).node);
            wire.has(Side::Dialler) && (pair == (a, b) || pair == (b, a))
        };
        (0..self.wires.len()).filter(|at| touches(&self.wires[*at])).collect()
    }

    /// When a piece written now arrives. It never overtakes what was written before it.
    pub(crate) fn send(&mut self, now: u64, wire: usize, from: Side) -> Option<u64> {
        let to = from.other();
        let owners = self.wires[wire].owners;
        let at = self.delayed(now, owners[from.at()].node, owners[to.at()].node);
        let wire = &mut self.wires[wire];
        if wire.abandoned && to == Side::Dialler {
            return None;
        }
        let at = at.max(wire.arrives[to.at()] + 1);
        wire.arrives[to.at()] = at;
        Some(at)
    }

    /// When something that leaves `from` now reaches `to`, whatever link it is on.
    pub(crate) fn delayed(&mut self, now: u64, from: u16, to: u16) -> u64 {
        let delay = match (self.even, self.rng.chance(1, 50)) {
            (true, _) => DELAY_EVEN,
            (false, true) => self.rng.between(DELAY_FAR),
            (false, false) => self.rng.between(DELAY),
        };
        let slow = self
            .slow
            .iter()
            .filter(|s| now < s.until && (s.between == (from, to) || s.between == (to, from)));
        let by: u64 = slow.map(|s| s.by).sum();
        let held = self.cuts.iter().filter(|c| now < c.until && (c.from, c.to) == (from, to));
        held.map(|c| c.until).max().unwrap_or(now) + delay + by
    }

    pub(crate) fn cut(&mut self, from: u16, to: u16, until: u64) {
        self.cuts.push(Cut { from, to, until });
    }

    pub(crate) fn slow(&mut self, a: u16, b: u16, by: Duration, until: u64) {
        self.slow.push(Slow { between: (a, b), by: nanos(by), until });
    }

    /// What is under way towards this side arrives at `until`, or later.
    pub(crate) fn hold(&mut self, wire: usize, side: Side, until: u64) {
        let wire = &mut self.wires[wire];
        wire.held[side.at()] = until;
        wire.arrives[side.at()] = wire.arrives[side.at()].max(until);
    }

    /// Until when this side hears nothing, if it is to wait.
    pub(crate) fn held(&self, now: u64, wire: usize, side: Side) -> Option<u64> {
        Some(self.wires[wire].held[side.at()]).filter(|until| *until > now)
    }

    /// The dialler has given this link up: nothing reaches it any more.
    pub(crate) fn abandon(&mut self, wire: usize) {
        self.wires[wire].abandoned = true;
    }

    /// Whatever hinders links ends now. Gives those on which something would be late all the same: they are to be
    /// made again.
    pub(crate) fn heal(&mut self, now: u64) -> Vec<usize> {
        self.cuts.clear();
        self.slow.clear();
        let late = |wire: &Wire| wire.arrives.iter().any(|at| *at > now + LATE);
        (0..self.wires.len()).filter(|at| late(&self.wires[*at])).collect()
    }
}
