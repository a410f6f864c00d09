//! Faults as data: what goes wrong in a run, and when.
//!
//! - [`Fault`] lists what can; [`Planned`] says when. Start here.
//! - [`draw`] makes a plan from a seed: each run gets a few kinds only, so that rare ones meet each other.
//! - [`text`] writes and reads `350ms crash 1 down 80ms`, which a replay line quotes.
//!
//! A plan is complete: what a fault does follows from it and the seed of the run, never from the draw.

use std::time::Duration;

use crate::rng::Rng;

mod text;

/// Faults that one plan may draw: a run of seconds with more is down more than up.
const FAULTS_MAX: u64 = 12;
/// Share of runs without any: what breaks there needs no fault, and is the easiest to read.
const CALM: (u64, u64) = (1, 10);
/// A crash is followed by another fault this soon, so that it meets a recovery, in half of the cases.
const AIMED_WITHIN: Duration = Duration::from_millis(120);

/// A fault and its time since the run began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// When it happens.
    pub at: Duration,
    /// What happens.
    pub fault: Fault,
}

/// What can go wrong. Nodes and services are numbers of the topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process ends at once, and starts again after `down`.
    Crash {
        /// Who.
        node: u16,
        /// How long it is gone.
        down: Duration,
    },
    /// It ends, starts after `down`, and ends again `after` that, while it recovers; up again after `down`.
    Recrash {
        /// Who.
        node: u16,
        /// How long it is gone, each time.
        down: Duration,
        /// From its start to its second end.
        after: Duration,
    },
    /// The process stands still and then goes on, as after a long collection or a stopped virtual machine.
    Pause {
        /// Who.
        node: u16,
        /// How long.
        for_: Duration,
    },
    /// Nothing from one reaches the other; the other way works.
    Cut {
        /// Whose frames are lost.
        from: u16,
        /// Who does not get them.
        to: u16,
        /// How long.
        for_: Duration,
    },
    /// Nothing passes between two.
    CutBoth {
        /// One.
        a: u16,
        /// The other.
        b: u16,
        /// How long.
        for_: Duration,
    },
    /// The link of two is lost and may be opened again at once.
    Lose {
        /// One.
        a: u16,
        /// The other.
        b: u16,
        /// Frames under way.
        left: Left,
    },
    /// One end notices that the link is gone and the other does not.
    HalfOpen {
        /// Who still believes in it.
        from: u16,
        /// Who knows.
        to: u16,
        /// How long.
        for_: Duration,
    },
    /// Frames between two take longer.
    SlowLink {
        /// One.
        a: u16,
        /// The other.
        b: u16,
        /// How much longer.
        by: Duration,
        /// How long.
        for_: Duration,
    },
    /// Each sync of the log takes longer.
    SyncSlow {
        /// Whose.
        node: u16,
        /// How much longer.
        by: Duration,
        /// How long.
        for_: Duration,
    },
    /// The next sync of the log fails.
    SyncFails {
        /// Whose.
        node: u16,
    },
    /// No sync of the log returns until the process ends.
    SyncNever {
        /// Whose.
        node: u16,
    },
    /// The wall clock differs from then on.
    Skew {
        /// Whose.
        node: u16,
        /// By how many milliseconds, from simulated time.
        by_ms: i64,
    },
    /// The wall clock jumps.
    Leap {
        /// Whose.
        node: u16,
        /// How many milliseconds, from where it is.
        by_ms: i64,
    },
    /// A service of the outside does not answer.
    ServiceDown {
        /// Which.
        service: u16,
        /// How long.
        for_: Duration,
    },
    /// Another process becomes the owner.
    Move {
        /// Which.
        to: u16,
    },
}

/// What becomes of frames that were under way on a lost link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// They are lost.
    Never,
    /// They arrive that much later, after frames of newer links.
    Later(Duration),
}

/// A kind of fault, for reports and for choosing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Crash,
    Recrash,
    Pause,
    Cut,
    CutBoth,
    Lose,
    HalfOpen,
    SlowLink,
    SyncSlow,
    SyncFails,
    SyncNever,
    Skew,
    Leap,
    ServiceDown,
    Move,
}

impl Kind {
    pub(crate) const ALL: [Kind; 15] = [
        Kind::Crash,
        Kind::Recrash,
        Kind::Pause,
        Kind::Cut,
        Kind::CutBoth,
        Kind::Lose,
        Kind::HalfOpen,
        Kind::SlowLink,
        Kind::SyncSlow,
        Kind::SyncFails,
        Kind::SyncNever,
        Kind::Skew,
        Kind::Leap,
        Kind::ServiceDown,
        Kind::Move,
    ];

    /// The word that begins a fault of it in text.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Crash => "crash",
            Kind::Recrash => "recrash",
            Kind::Pause => "pause",
            Kind::Cut => "cut",
            Kind::CutBoth => "cut-both",
            Kind::Lose => "lose",
            Kind::HalfOpen => "half-open",
            Kind::SlowLink => "slow-link",
            Kind::SyncSlow => "sync-slow",
            Kind::SyncFails => "sync-fails",
            Kind::SyncNever => "sync-never",
            Kind::Skew => "skew",
            Kind::Leap => "leap",
            Kind::ServiceDown => "service-down",
            Kind::Move => "move",
        }
    }
}

impl Fault {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Fault::Crash { .. } => Kind::Crash,
            Fault::Recrash { .. } => Kind::Recrash,
            Fault::Pause { .. } => Kind::Pause,
            Fault::Cut { .. } => Kind::Cut,
            Fault::CutBoth { .. } => Kind::CutBoth,
            Fault::Lose { .. } => Kind::Lose,
            Fault::HalfOpen { .. } => Kind::HalfOpen,
            Fault::SlowLink { .. } => Kind::SlowLink,
            Fault::SyncSlow { .. } => Kind::SyncSlow,
            Fault::SyncFails { .. } => Kind::SyncFails,
            Fault::SyncNever { .. } => Kind::SyncNever,
            Fault::Skew { .. } => Kind::Skew,
            Fault::Leap { .. } => Kind::Leap,
            Fault::ServiceDown { .. } => Kind::ServiceDown,
            Fault::Move { .. } => Kind::Move,
        }
    }

    /// The durations that it lasts or shifts by, to be shortened.
    pub(crate) fn durations(&mut self) -> Vec<&mut Duration> {
        match self {
            Fault::Crash { down, .. } => vec![down],
            Fault::Recrash { down, after, .. } => vec![down, after],
            Fault::Pause { for_, .. }
            | Fault::Cut { for_, .. }
            | Fault::CutBoth { for_, .. }
            | Fault::HalfOpen { for_, .. }
            | Fault::ServiceDown { for_, .. } => vec![for_],
            Fault::SlowLink { by, for_, .. } | Fault::SyncSlow { by, for_, .. } => vec![by, for_],
            Fault::Lose { left: Left::Later(later), .. } => vec![later],
            Fault::Lose { left: Left::Never, .. }
            | Fault::SyncFails { .. }
            | Fault::SyncNever { .. }
            | Fault::Skew { .. }
            | Fault::Leap { .. }
            | Fault::Move { .. } => vec![],
        }
    }
}

/// How often each kind happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts([u64; Kind::ALL.len()]);

impl Counts {
    pub(crate) fn add(&mut self, kind: Kind) {
        self.0[kind as usize] += 1;
    }

    pub(crate) fn merge(&mut self, other: &Counts) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }

    pub(crate) fn of(&self, kind: Kind) -> u64 {
        self.0[kind as usize]
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl std::fmt::Display for Counts {
    /// `3 crash, 1 lose`: those that happened.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let happened = Kind::ALL.into_iter().filter(|kind| self.of(*kind) > 0);
        for (index, kind) in happened.enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{} {}", self.of(kind), kind.name())?;
        }
        Ok(())
    }
}

/// What there is that can fail.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    /// Nodes are 0 up to this.
    pub(crate) processes: u16,
    /// Those with a log, or that may own.
    pub(crate) owners: Vec<u16>,
    pub(crate) links: Vec<(u16, u16)>,
    /// Services are 0 up to this.
    pub(crate) services: u16,
    /// Faults begin within it.
    pub(crate) span: Duration,
    pub(crate) kinds: Vec<Kind>,
}

impl Space {
    /// True if there is something of which that kind can happen.
    fn has(&self, kind: Kind) -> bool {
        match kind {
            Kind::Crash | Kind::Recrash | Kind::Pause | Kind::Skew | Kind::Leap => self.processes > 0,
            Kind::Cut | Kind::CutBoth | Kind::Lose | Kind::HalfOpen | Kind::SlowLink => {
                !self.links.is_empty()
            }
            Kind::SyncSlow | Kind::SyncFails | Kind::SyncNever => !self.owners.is_empty(),
            Kind::ServiceDown => self.services > 0,
            Kind::Move => self.owners.len() > 1,
        }
    }
}

/// A plan, ordered by time: a random subset of the kinds that `space` has, in bursts, some aimed at a recovery.
pub(crate) fn draw(space: &Space, seed: u64) -> Vec<Planned> {
    let mut rng = Rng::of(seed, "faults", 0);
    let possible: Vec<Kind> = space.kinds.iter().copied().filter(|kind| space.has(*kind)).collect();
    let calm = rng.chance(CALM.0, CALM.1); // mutant sim-never-calm: let calm = rng.chance(CALM.0, CALM.1) && false;
    if calm || possible.is_empty() {
        return Vec::new();
    }
    let mut kinds: Vec<Kind> = possible.iter().copied().filter(|_| rng.chance(1, 3)).collect();
    if kinds.is_empty() {
        kinds.push(*rng.pick(&possible));
    }
    // What two owners are there for.
    if possible.contains(&Kind::Move) && !kinds.contains(&Kind::Move) && rng.chance(1, 2) {
        kinds.push(Kind::Move);
    }
    let most = usize::try_from(FAULTS_MAX).expect("a dozen");
    let count = rng.between(1..=FAULTS_MAX);
    let bursts = rng.between(1..=count);
    let span = millis(space.span);
    let starts: Vec<u64> = (0..bursts).map(|_| rng.below(span.max(1))).collect();
    // The less a burst is spread, the more its faults meet.
    let spread = *rng.pick(&[10, 100, 1_000]);
    let mut plan: Vec<Planned> = Vec::new();
    for _ in 0..count {
        if plan.len() >= most {
            break;
        }
        let fault = fault(*rng.pick(&kinds), space, &mut rng);
        let spread_at = *rng.pick(&starts) + rng.below(spread);
        let at = match aim(&plan, &mut rng) {
            Some(at) => at,
            None => Duration::from_millis(spread_at.min(span)),
        };
        let moved = matches!(fault, Fault::Move { .. });
        plan.push(Planned { at, fault });
        // Some then ask the new owner while others still ask the old one, which does not know.
        if moved && !space.links.is_empty() && rng.chance(1, 2) && plan.len() < most {
            let &(a, b) = rng.pick(&space.links);
            let at = at + Duration::from_millis(rng.below(3));
            plan.push(Planned { at, fault: Fault::Lose { a, b, left: Left::Never } });
        }
    }
    plan.sort_by_key(|planned| planned.at);
    plan
}

/// Shortly after a process that crashed is back, in half of the cases.
fn aim(plan: &[Planned], rng: &mut Rng) -> Option<Duration> {
    let back = plan.iter().filter_map(|planned| match planned.fault {
        Fault::Crash { down, .. } => Some(planned.at + down),
        _ => None,
    });
    let back: Vec<Duration> = back.collect();
    let aims = !back.is_empty() && rng.chance(1, 2);
    aims.then(|| *rng.pick(&back) + Duration::from_millis(rng.below(millis(AIMED_WITHIN))))
}

fn fault(kind: Kind, space: &Space, rng: &mut Rng) -> Fault {
    let node = u16::try_from(rng.below(u64::from(space.processes.max(1)))).expect("below a u16");
    // Drawn for each kind, so that a kind more in the space does not move the rest of this fault.
    let owner = space.owners.get(index(rng, space.owners.len())).copied().unwrap_or(node);
    let (a, b) = space.links.get(index(rng, space.links.len())).copied().unwrap_or((node, node));
    let (from, to) = if rng.chance(1, 2) { (a, b) } else { (b, a) };
    let (for_, by) = (length(rng), length(rng));
    match kind {
        Kind::Crash => Fault::Crash { node, down: for_ },
        Kind::Recrash => {
            Fault::Recrash { node, down: for_, after: Duration::from_millis(rng.below(millis(AIMED_WITHIN))) }
        }
        Kind::Pause => Fault::Pause { node, for_ },
        Kind::Cut => Fault::Cut { from, to, for_ },
        Kind::CutBoth => Fault::CutBoth { a, b, for_ },
        Kind::Lose => {
            let left = if rng.chance(1, 2) { Left::Never } else { Left::Later(by) };
            Fault::Lose { a, b, left }
        }
        Kind::HalfOpen => Fault::HalfOpen { from, to, for_ },
        Kind::SlowLink => Fault::SlowLink { a, b, by, for_ },
        Kind::SyncSlow => Fault::SyncSlow { node: owner, by, for_ },
        Kind::SyncFails => Fault::SyncFails { node: owner },
        Kind::SyncNever => Fault::SyncNever { node: owner },
        Kind::Skew => Fault::Skew { node, by_ms: signed(rng) },
        Kind::Leap => Fault::Leap { node, by_ms: signed(rng) },
        Kind::ServiceDown => {
            let service = rng.below(u64::from(space.services.max(1)));
            Fault::ServiceDown { service: u16::try_from(service).expect("below a u16"), for_ }
        }
        Kind::Move => Fault::Move { to: owner },
    }
}

fn index(rng: &mut Rng, len: usize) -> usize {
    usize::try_from(rng.below(len.max(1) as u64)).expect("an index is a usize")
}

/// From a blink to what exceeds every patience: as likely short as long.
fn length(rng: &mut Rng) -> Duration {
    let most = *rng.pick(&[20, 200, 2_000, 8_000]);
    Duration::from_millis(rng.between(1..=most))
}

/// Milliseconds by which a wall clock is off, either way, up to a quarter of an hour.
fn signed(rng: &mut Rng) -> i64 {
    let most = *rng.pick(&[50, 3_000, 900_000]);
    let by = i64::try_from(rng.between(1..=most)).expect("far below 2^63");
    if rng.chance(1, 2) { by } else { -by }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
