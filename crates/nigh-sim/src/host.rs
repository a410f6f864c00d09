//! The driving loop: simulated time, tasks and events, hosted in one tokio runtime whose clock stands still.
//!
//! Our clock counts nanoseconds and leads. tokio's timers have steps of 1 ms, and its next deadline cannot be asked
//! for, so tokio is visited when the next event lies in a later millisecond, or while bare tokio tasks live: it
//! sleeps until the millisecond of that event, and whatever it has to do before is done on the way. Thus
//! `tokio::time`, `tokio::spawn` and `JoinSet` in users' code run on simulated time.
//!
//! What follows from that: at one millisecond tokio's timers fire before our events; a tokio timer set between two
//! milliseconds fires up to 1 ms early by our clock; bare tokio tasks run in tokio's order, and survive a crash of
//! their node, so they are counted and named.
//!
//! Leans on public behaviour of tokio, pinned in the tests: a paused clock jumps to the next timer when all wait,
//! timers of one step fire together, and `num_alive_tasks` counts spawned tasks.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::RuntimeMetrics;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::agenda::{Agenda, Due};
use crate::rng::Rng;
use crate::tasks::{self, Installed, Owner, timers};

/// Steps that may follow each other without time passing; one more, and the run is spinning. A thousand nodes
/// that start at once with a hundred steps each stay below.
const STEPS_PER_INSTANT_MAX: u32 = 200_000;
const NANOS_PER_MILLI: u64 = 1_000_000;

/// What the loop drives.
pub(crate) trait World {
    type Event;

    /// The run begins: first events and tasks.
    fn start(&mut self, stage: &mut Stage<Self::Event>);

    /// An event is due.
    fn handle(&mut self, stage: &mut Stage<Self::Event>, event: Self::Event);

    /// A task of that node was just polled, or code outside of its tasks touched it: its machines may have something
    /// to send.
    fn after(&mut self, stage: &mut Stage<Self::Event>, owner: Owner, panicked: Option<String>);

    /// True ends the run. Asked after each of the above.
    fn is_over(&self) -> bool;
}

/// How a run goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) seed: u64,
    /// Tasks run in the order in which they became ready, whatever the seed.
    pub(crate) fifo: bool,
    /// Simulated time after which a run ends whatever happens.
    pub(crate) horizon: Duration,
    /// Users' code may use tokio's timers and tasks. Without, it panics when it does, and a visit of tokio at each
    /// millisecond is spared.
    pub(crate) tokio: bool,
}

/// What a world may do while it is asked.
#[derive(Debug)]
pub(crate) struct Stage<E> {
    agenda: Agenda<E>,
    events: u64,
    polls: u64,
}

impl<E> Stage<E> {
    fn new() -> Self {
        Stage { agenda: Agenda::new(), events: 0, polls: 0 }
    }

    /// Nanoseconds since the run began.
    pub(crate) fn now(&self) -> u64 {
        timers::now()
    }

    /// Puts in an event at `at` nanoseconds, or now if that has passed; after all others of the same time.
    pub(crate) fn push(&mut self, at: u64, event: E) {
        let due = Due { at: at.max(timers::now()), sequence: timers::next_sequence() };
        self.agenda.push_numbered(due, event);
    }
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The world said so.
    Over,
    /// Its time was up.
    Horizon,
    /// From this nanosecond on nothing was ready and nothing was to come.
    Deadlock { since: u64 },
    /// Too many steps without time passing; the last was this node's.
    Spinning(Option<Owner>),
}

/// How a run went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Events handled and timers fired.
    pub(crate) events: u64,
    pub(crate) polls: u64,
    /// Nanoseconds.
    pub(crate) simulated: u64,
    pub(crate) why: Why,
    /// Bare tokio tasks started while a node's code ran: node, how many.
    pub(crate) bare_tasks: Vec<(u16, usize)>,
    /// Nodes with a task woken from a foreign thread: that run does not follow from its seed.
    pub(crate) foreign: Vec<u16>,
}

/// Runs `world` to its end on this thread. No other run is under way here.
pub(crate) fn run<W: World>(mut world: W, options: Options) -> (W, Ended) {
    let installed = Installed::new(options.fifo);
    if !options.tokio {
        let ended = Host::new(&mut world, options, None).drive_alone();
        drop(installed);
        return (world, ended);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without I/O needs nothing of the system");
    let metrics = runtime.metrics();
    // Our tasks share this one: tokio's budget of operations per poll would stall all of them at once.
    let drive = tokio::task::unconstrained(drive(&mut world, options, metrics));
    let ended = runtime.block_on(drive);
    // Bare tasks may hold what belongs to our tasks, so they go first.
    drop(runtime);
    drop(installed);
    (world, ended)
}

async fn drive<W: World>(world: &mut W, options: Options, metrics: RuntimeMetrics) -> Ended {
    let mut host = Host::new(world, options, Some(metrics));
    #[expect(clippy::disallowed_methods, reason = "of a clock that stands still: it reads what the host set")]
    let began = Instant::now();
    let mut wheel = Wheel { began, reached: 0, sleep: pin!(sleep_until(began)) };
    host.world.start(&mut host.stage);
    host.count_bare();
    let why = loop {
        if let Some(why) = host.settle() {
            break why;
        }
        let (next, since) = (host.next(), timers::now());
        let millisecond = next.map_or(host.horizon, |due| due.at.min(host.horizon)) / NANOS_PER_MILLI;
        if millisecond > wheel.reached || host.bare > 0 {
            let woken = wheel.turn(millisecond, host.bare > 0).await;
            host.catch_up(wheel.reached * NANOS_PER_MILLI);
            if woken {
                continue;
            }
        }
        match host.next() {
            Some(due) if due.at <= host.horizon => host.step(due),
            Some(_) => break Why::Horizon,
            None if host.bare > 0 || since / NANOS_PER_MILLI >= millisecond => break Why::Horizon,
            None => break Why::Deadlock { since },
        }
    };
    host.end(why)
}

/// tokio's clock and timers.
struct Wheel<'a> {
    began: Instant,
    /// Milliseconds.
    reached: u64,
    sleep: Pin<&'a mut Sleep>,
}

impl Wheel<'_> {
    /// Lets tokio work until `millisecond`, or until something is ready or due earlier: then true.
    async fn turn(&mut self, millisecond: u64, mut bare_first: bool) -> bool {
        self.sleep.as_mut().reset(self.began + Duration::from_millis(millisecond));
        let until = millisecond.saturating_mul(NANOS_PER_MILLI); // mutant sim-tokio-sleeps-through: let until = 0;
        let woken = poll_fn(|context| {
            tasks::fetch_landed();
            if tasks::is_any_ready() || timers::due().is_some_and(|due| due.at < until) {
                return Poll::Ready(true);
            }
            tasks::set_host(context.waker());
            let slept = self.sleep.as_mut().poll(context);
            if std::mem::take(&mut bare_first) {
                // One turn for bare tasks that are ready now, else they would wait for the next millisecond.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            slept.map(|()| false)
        });
        timers::follow(Some(self.began));
        let woken = woken.await;
        timers::follow(None);
        let reached = self.began.elapsed().as_millis();
        self.reached = u64::try_from(reached).expect("a horizon is far below 2^64 ms");
        woken
    }
}

struct Host<'a, W: World> {
    world: &'a mut W,
    stage: Stage<W::Event>,
    /// Draws which task runs next.
    rng: Rng,
    /// Of the runtime, if there is one.
    metrics: Option<RuntimeMetrics>,
    /// Bare tokio tasks alive when last counted.
    bare: usize,
    bare_tasks: BTreeMap<u16, usize>,
    foreign: Vec<u16>,
    /// Since time last passed.
    steps: u32,
    horizon: u64,
}

impl<'a, W: World> Host<'a, W> {
    fn new(world: &'a mut W, options: Options, metrics: Option<RuntimeMetrics>) -> Self {
        Host {
            world,
            stage: Stage::new(),
            rng: Rng::of(options.seed, "tasks", 0),
            metrics,
            bare: 0,
            bare_tasks: BTreeMap::new(),
            foreign: Vec::new(),
            steps: 0,
            horizon: u64::try_from(options.horizon.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// The whole run, without tokio.
    fn drive_alone(mut self) -> Ended {
        self.world.start(&mut self.stage);
        let why = loop {
            tasks::fetch_landed();
            if let Some(why) = self.settle() {
                break why;
            }
            match self.next() {
                Some(due) if due.at <= self.horizon => self.step(due),
                Some(_) => break Why::Horizon,
                None => break Why::Deadlock { since: timers::now() },
            }
        };
        self.end(why)
    }

    /// Bare tokio tasks.
    fn alive(&self) -> usize {
        self.metrics.as_ref().map_or(0, RuntimeMetrics::num_alive_tasks)
    }

    /// Polls tasks until all wait. Some: the run ends.
    fn settle(&mut self) -> Option<Why> {
        loop {
            if self.world.is_over() {
                return Some(Why::Over);
            }
            if self.steps > STEPS_PER_INSTANT_MAX {
                return Some(Why::Spinning(tasks::last()));
            }
            let touched = tasks::take_touched();
            if !touched.is_empty() {
                self.steps += 1;
                touched.into_iter().for_each(|owner| self.world.after(&mut self.stage, owner, None));
                continue;
            }
            let polled = tasks::run_one(&mut self.rng)?;
            self.steps += 1;
            self.stage.polls += 1;
            self.count_bare();
            self.world.after(&mut self.stage, polled.owner, polled.panicked);
            self.count_bare();
        }
    }

    /// The earliest of events and timers.
    fn next(&self) -> Option<Due> {
        match (self.stage.agenda.due(), timers::due()) {
            (Some(event), Some(timer)) => Some(event.min(timer)),
            (event, timer) => event.or(timer),
        }
    }

    /// Handles what is next.
    fn step(&mut self, due: Due) {
        self.pass_to(due.at);
        self.steps += 1;
        self.stage.events += 1;
        if self.stage.agenda.due() == Some(due) {
            let (_, event) = self.stage.agenda.pop().expect("it was just seen");
            self.world.handle(&mut self.stage, event);
            self.count_bare();
        } else {
            timers::fire();
        }
    }

    /// Time is what tokio reached, yet not beyond what is next.
    fn catch_up(&mut self, reached: u64) {
        let next = self.next().map_or(u64::MAX, |due| due.at);
        self.pass_to(reached.min(next).max(timers::now()));
        self.bare = self.alive();
        self.steps += 1;
        for owner in tasks::take_foreign() {
            self.foreign.push(owner.node);
        }
    }

    fn pass_to(&mut self, at: u64) {
        if at > timers::now() {
            timers::set_now(at);
            self.steps = 0;
        }
    }

    /// Bare tokio tasks that appeared are of the node whose code ran last.
    #[inline]
    fn count_bare(&mut self) {
        if self.metrics.is_some() {
            self.count_those();
        }
    }

    fn count_those(&mut self) {
        let alive = self.alive();
        if alive > self.bare
            && let Some(owner) = tasks::last()
        {
            *self.bare_tasks.entry(owner.node).or_default() += alive - self.bare;
        }
        self.bare = alive;
    }

    fn end(mut self, why: Why) -> Ended {
        tasks::fetch_landed();
        self.foreign.extend(tasks::take_foreign().iter().map(|owner| owner.node));
        Ended {
            events: self.stage.events,
            polls: self.stage.polls,
            simulated: timers::now(),
            why,
            bare_tasks: self.bare_tasks.into_iter().collect(),
            foreign: self.foreign,
        }
    }
}

#[cfg(test)]
mod tests;
