//! The world of one run: processes, their links and logs, and the faults that befall them.
//!
//! Reading order: [`World::handle`] is everything that can happen; `process.rs` opens, runs and ends a process;
//! `links.rs` joins them; `store.rs` is what lasts; `faults.rs` does what a plan says; `network.rs` is what moves
//! between. Nothing here decides what a call comes to: that is nigh's engine, unchanged.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use nigh::engine::{Blueprint, Engine, Group};
use nigh::store::Log;
use nigh_proto::placement::Role;
use nigh_proto::shards::ShardId;
use nigh_wire::Bytes;

use crate::board::Board;
use crate::book::Wishes;
use crate::host::{self, Stage};
use crate::network::{Network, Side};
use crate::plan::{Counts, Planned};
use crate::rng::Rng;
use crate::sim::Store;
use crate::surroundings::{has_ended, nanos, take_ended, take_touched, take_wished};
use crate::tasks::Owner;

mod faults;
mod links;
mod process;
mod store;

use store::Kept;

/// Shards of a simulated store: a few, so that keys of one test share some and not others.
pub(crate) const SHARDS: u32 = 4;
/// How often a process writes back what changed.
const SWEEP_EVERY: Duration = Duration::from_millis(500);
/// First and longest wait before connecting again.
const DIAL_AGAIN: std::ops::RangeInclusive<u64> = 1_000_000..=60_000_000;
/// Whoever runs processes starts one that ended by itself after this.
const START_AGAIN: std::ops::RangeInclusive<u64> = 5_000_000..=200_000_000;

/// Something due.
pub(crate) enum Event {
    /// A process starts.
    Start(u16),
    /// A process without a link to the owner tries to make one.
    Dial(Owner),
    /// A link's making reaches the other process.
    Accept(usize),
    /// A piece of bytes reaches this end.
    Arrive(usize, Side, Bytes),
    /// This end notices that the link is gone.
    Gone(usize, Side),
    /// The timer of this end.
    LinkTimer(usize, Side),
    /// The timer of a process's calls.
    Timer(Owner, u64),
    /// The log of a process has said what became of its group; the sync's number.
    Synced(Owner, u64),
    /// A process hears whether a shard is still its own.
    Confirmed(Owner, ShardId, bool),
    /// A process writes back.
    Sweep(Owner),
    /// The fault of this number.
    Fault(usize),
    /// A process that was told to die again while it recovers does.
    Again(u16, Duration),
    /// A pause of a process may be over: what it was kept from happens.
    Resume(u16),
    /// Faults end.
    Calm,
    /// Nobody asks anything any more.
    Finish,
}

/// One process of the application, up or down.
struct Process {
    role: Role,
    /// Rises with each start.
    incarnation: u32,
    up: Option<Running>,
    /// Nothing happens in it before.
    paused_until: u64,
    /// How far its machine's wall clock is off, in nanoseconds.
    skew: Arc<AtomicI64>,
    /// It asks the owner for what it has not.
    dials: bool,
    /// It dies again once it starts.
    dies_again: bool,
    /// Its next sync fails; its next one never returns; syncs are slower by so much until then.
    sync_fails: bool,
    sync_never: bool,
    sync_slow: (u64, u64),
}

/// One life of a process.
struct Running {
    engine: Engine,
    log: Option<Box<dyn Log>>,
    /// Being made durable.
    group: Option<Group>,
    /// Number of the sync that is waited for.
    sync: u64,
    links: Vec<(usize, Side)>,
    /// For when its timer is set.
    timer: Option<u64>,
}

/// What a world is made from.
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) blueprint: Blueprint,
    /// Of the disk only with one owner.
    pub(crate) store: Store,
    /// Role of each process, and whether it asks the owner.
    pub(crate) processes: Vec<(Role, bool)>,
    pub(crate) plan: Vec<Planned>,
    /// When faults end at the latest.
    pub(crate) calm_at: Duration,
    /// Every piece takes the same time.
    pub(crate) even: bool,
    pub(crate) clients: Clients,
}

/// Starts the tasks of clients.
pub(crate) type Clients = Box<dyn FnOnce()>;

/// Everything outside of users' code.
pub(crate) struct World {
    seed: u64,
    blueprint: Blueprint,
    processes: Vec<Process>,
    /// Who owns the entities, as a lookup says.
    owner: u16,
    store: Kept,
    network: Network,
    rng: Rng,
    pub(crate) board: Arc<Board>,
    plan: Vec<Planned>,
    pub(crate) struck: Counts,
    /// What would have happened in processes that are paused, in order.
    deferred: Vec<(u16, Event)>,
    calm_at: u64,
    calm: bool,
    clients: Option<Clients>,
    /// What must not have happened.
    pub(crate) violation: Option<String>,
    /// All was compared: the run is over.
    closed: bool,
}

impl World {
    pub(crate) fn new(setup: Setup, board: Arc<Board>) -> Self {
        let Setup { seed, blueprint, store, processes, plan, calm_at, even, clients } = setup;
        let process = |(role, dials)| Process {
            role,
            incarnation: 0,
            up: None,
            paused_until: 0,
            skew: Arc::new(AtomicI64::new(0)),
            dials,
            dies_again: false,
            sync_fails: false,
            sync_never: false,
            sync_slow: (0, 0),
        };
        World {
            seed,
            blueprint,
            processes: processes.into_iter().map(process).collect(),
            owner: 0,
            store: Kept::new(store, seed),
            network: Network::new(seed, even),
            rng: Rng::of(seed, "world", 0),
            board,
            plan,
            struck: Counts::default(),
            deferred: vec![],
            calm_at: nanos(calm_at),
            calm: false,
            clients: Some(clients),
            violation: None,
            closed: false,
        }
    }

    /// The process in its present life.
    fn life(&self, process: u16) -> Owner {
        Owner { node: process, incarnation: self.processes[usize::from(process)].incarnation }
    }

    /// Its running life, if it is this one.
    fn running(&mut self, owner: Owner) -> Option<&mut Running> {
        let process = &mut self.processes[usize::from(owner.node)];
        process.up.as_mut().filter(|_| process.incarnation == owner.incarnation)
    }

    /// What power losses took from the disk, and left.
    pub(crate) fn befell(&mut self) -> crate::disk::Counts {
        self.store.disk().map(|disk| disk.befell.clone()).unwrap_or_default()
    }

    /// Something is wrong; the first such thing counts.
    fn violate(&mut self, what: impl Into<String>) {
        self.violation.get_or_insert_with(|| what.into());
    }

    /// When it is this process's turn again; `None`: now.
    fn paused(&self, now: u64, process: u16) -> Option<u64> {
        Some(self.processes[usize::from(process)].paused_until).filter(|until| *until > now)
    }

    /// Keeps an event from a paused process.
    fn defer(&mut self, stage: &mut Stage<Event>, process: u16, until: u64, event: Event) {
        if self.deferred.iter().all(|(of, _)| *of != process) {
            stage.push(until, Event::Resume(process));
        }
        self.deferred.push((process, event));
    }

    /// What a process was kept from happens now; or later, if it was paused again.
    fn resume(&mut self, stage: &mut Stage<Event>, process: u16) {
        let (due, kept) = std::mem::take(&mut self.deferred).into_iter().partition(|(of, _)| *of == process);
        self.deferred = kept;
        let due: Vec<(u16, Event)> = due;
        due.into_iter().for_each(|(_, event)| stage.push(stage.now(), event));
    }

    /// Which process an event happens in.
    fn place(&mut self, event: &Event) -> Option<u16> {
        match event {
            Event::Dial(owner)
            | Event::Timer(owner, _)
            | Event::Synced(owner, _)
            | Event::Confirmed(owner, ..)
            | Event::Sweep(owner) => Some(owner.node),
            Event::Accept(wire) => Some(self.network.get(*wire).owner(Side::Listener).node),
            Event::Arrive(wire, side, _) | Event::Gone(wire, side) | Event::LinkTimer(wire, side) => {
                Some(self.network.get(*wire).owner(*side).node)
            }
            Event::Start(_)
            | Event::Fault(_)
            | Event::Again(..)
            | Event::Resume(_)
            | Event::Calm
            | Event::Finish => None,
        }
    }

    /// Lets everything that was touched send what it has to, and takes note of processes that ended.
    fn attend(&mut self, stage: &mut Stage<Event>) {
        loop {
            if has_ended() {
                take_ended().iter().for_each(|(owner, why)| self.ended_by_itself(stage, *owner, why));
            }
            let mut touched = take_touched();
            if touched == 0 {
                break;
            }
            while touched != 0 {
                self.visit(stage, touched.trailing_zeros() as u16);
                touched &= touched - 1;
            }
        }
        if !take_wished() {
            return;
        }
        let Wishes { violation, calm, finish } = self.board.book().take_wishes();
        violation.into_iter().for_each(|violation| self.violate(violation));
        if calm {
            stage.push(stage.now(), Event::Calm);
        }
        if finish {
            stage.push(stage.now(), Event::Finish);
        }
    }
}

impl host::World for World {
    type Event = Event;

    fn start(&mut self, stage: &mut Stage<Event>) {
        for (at, planned) in self.plan.iter().enumerate() {
            stage.push(nanos(planned.at), Event::Fault(at));
        }
        stage.push(self.calm_at, Event::Calm);
        for process in 0..self.processes.len() as u16 {
            if process == self.owner || self.processes[usize::from(process)].dials {
                self.begin(stage, process);
            }
        }
        if let Some(clients) = self.clients.take() {
            clients();
        }
        self.attend(stage);
    }

    fn handle(&mut self, stage: &mut Stage<Event>, event: Event) {
        let now = stage.now();
        if let Some(process) = self.place(&event)
            && let Some(until) = self.paused(now, process)
        {
            return self.defer(stage, process, until, event);
        }
        match event {
            Event::Start(process) => self.begin(stage, process),
            Event::Dial(owner) => self.dial(stage, owner),
            Event::Accept(wire) => self.accept(stage, wire),
            Event::Arrive(wire, side, bytes) => self.arrive(stage, wire, side, bytes),
            Event::Gone(wire, side) => self.gone(stage, wire, side),
            Event::LinkTimer(wire, side) => self.link_timer(stage, wire, side),
            Event::Timer(owner, at) => self.timer(owner, at),
            Event::Synced(owner, number) => self.synced(stage, owner, number),
            Event::Confirmed(owner, shard, ours) => self.confirmed(owner, shard, ours),
            Event::Sweep(owner) => self.sweep(stage, owner),
            Event::Fault(at) if !self.calm => self.strike(stage, at),
            Event::Again(process, down) if !self.calm => self.crash(stage, process, Some(down)),
            Event::Fault(_) | Event::Again(..) => {}
            Event::Resume(process) => self.resume(stage, process),
            Event::Calm => self.calm(stage),
            Event::Finish => self.finish(stage),
        }
        self.attend(stage);
    }

    fn after(&mut self, stage: &mut Stage<Event>, owner: Owner, panicked: Option<String>) {
        if let Some(message) = panicked {
            self.violate(format!("a task of process {} panicked: {message}", owner.node));
        }
        self.attend(stage);
    }

    fn is_over(&self) -> bool {
        self.violation.is_some() || self.closed
    }
}
