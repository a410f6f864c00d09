//! The surface of a simulated test: what runs, who uses it, what must hold.
//!
//! A scenario is a function that describes all of it on a [`Sim`]; it is called for each seed, and must describe
//! the same each time. What comes of it is `run.rs`.

use std::fmt;
use std::future::Future;
use std::ops::{Deref, Range};
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use nigh::engine::Blueprint;
use nigh::{App, Ask, Nigh, Service};
use nigh_guard::Reused;

use crate::book::{Always, Finally};
use crate::durable::Durable;
use crate::harness::Outcome;
use crate::rng::Rng;
use crate::tasks;

/// How many processes an application is cut into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topology {
    /// One process has everything.
    OneProcess,
    /// One has all entities; two others have the services, and ask it.
    TwoWebs,
    /// Two take turns to own all entities, over one store; two others ask whoever has them.
    TwoOwners,
}

impl Topology {
    /// All of them; each seed is of one.
    pub const ALL: [Topology; 3] = [Topology::OneProcess, Topology::TwoWebs, Topology::TwoOwners];

    /// As replay lines have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Topology::OneProcess => "one-process",
            Topology::TwoWebs => "two-webs",
            Topology::TwoOwners => "two-owners",
        }
    }
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topology| topology.name() == name)
    }
}

/// What keeps the log and the rows of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Store {
    /// A model that keeps all it was given: as quick as a simulation can be.
    Memory,
    /// The store that production has in its directory, on a simulated disk: a process that dies stops in the middle of what it
    /// writes, and a power loss takes what was not synced. Not for [`Topology::TwoOwners`]: a directory has one owner.
    Disk,
}

impl Store {
    pub(crate) const ALL: [Store; 2] = [Store::Memory, Store::Disk];

    /// As replay lines have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Store::Memory => "memory",
            Store::Disk => "disk",
        }
    }
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|store| store.name() == name)
    }
    /// Whether a run on that topology can have it.
    pub(crate) fn is_for(self, topology: Topology) -> bool {
        self == Store::Memory || topology != Topology::TwoOwners
    }
}

/// What is made once of an application, however many seeds are run.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Its code uses tokio's timers or tasks; found out by a run without them.
    pub(crate) tokio: AtomicBool,
    /// Something draws entropy: hash maps and generators of a thread are seeded once, so each seed needs a fresh one.
    pub(crate) draws: AtomicBool,
    /// For seeds of programs in which nothing does.
    pub(crate) thread: Mutex<Reused<Option<Outcome>>>,
    pub(crate) blueprint: OnceLock<Result<Blueprint, String>>,
}

type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;
pub(crate) type MakeClient = Arc<dyn Fn(Client) -> BoxFuture + Send + Sync>;
pub(crate) type MakeCall = Box<dyn Fn(Nigh) -> BoxFuture + Send>;

/// What a call may cost between processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    trips: u32,
    bytes: u64,
}

/// At most this many trips: a question and its answer are one.
pub fn trips(most: u32) -> Cost {
    Cost { trips: most, bytes: u64::MAX }
}

impl Cost {
    /// And at most this many bytes, both ways together.
    #[must_use]
    pub fn bytes(mut self, most: u64) -> Self {
        self.bytes = most;
        self
    }
    /// Why that is too much.
    pub(crate) fn exceeded(self, trips: u64, bytes: u64) -> Option<String> {
        let too_much = trips > u64::from(self.trips) || bytes > self.bytes;
        let most = if self.bytes == u64::MAX { String::new() } else { format!(" and {} bytes", self.bytes) };
        too_much.then(|| {
            format!("it takes {trips} trips and {bytes} bytes, and may take {} trips{most}", self.trips)
        })
    }
}

/// One run, being described.
pub struct Sim {
    kept: Arc<Kept>,
    pub(crate) blueprint: Option<Blueprint>,
    pub(crate) stood_in: Vec<String>,
    pub(crate) topologies: Vec<Topology>,
    pub(crate) stores: Vec<Store>,
    pub(crate) clients: Vec<MakeClient>,
    pub(crate) always: Vec<Always>,
    pub(crate) finally: Vec<Finally>,
    pub(crate) budgets: Vec<(Cost, MakeCall)>,
    pub(crate) needs: Vec<(String, String)>,
    /// What is wrong with the description itself.
    pub(crate) wrong: Option<String>,
    pub(crate) gates: Arc<crate::services::Gates>,
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sim({} clients)", self.clients.len())
    }
}

impl Sim {
    pub(crate) fn new(kept: Arc<Kept>) -> Self {
        Sim {
            kept,
            blueprint: None,
            stood_in: vec![],
            topologies: Topology::ALL.to_vec(),
            stores: vec![Store::Memory],
            clients: vec![],
            always: vec![],
            finally: vec![],
            budgets: vec![],
            needs: vec![],
            wrong: None,
            gates: Arc::default(),
        }
    }

    /// The application, unchanged; called once for all seeds. Its doors stay closed, and its services do not run
    /// unless they are listed with [`service`](Self::service).
    pub fn app(&mut self, app: impl FnOnce() -> App) {
        let made =
            self.kept.blueprint.get_or_init(|| Blueprint::new(app()).map_err(|error| error.to_string()));
        match made {
            Ok(blueprint) => self.blueprint = Some(blueprint.copied()),
            Err(why) => self.wrong = Some(format!("the application cannot start: {why}")),
        }
    }

    /// What stands in for a service of the outside: one for all processes, as the outside is, and one for each
    /// seed. After [`app`](Self::app).
    pub fn service<S: Service + ?Sized>(&mut self, stand_in: impl Into<Box<S>>) {
        let Some(blueprint) = &mut self.blueprint else {
            self.wrong = Some("`sim.service(…)` comes after `sim.app(…)`".into());
            return;
        };
        match blueprint.with_service(stand_in.into(), self.gates.clone()) {
            Ok(name) => self.stood_in.push(name),
            Err(name) => self.wrong = Some(format!("`{name}` is no service of this application")),
        }
    }

    /// Says that methods of service `who` wait for service `needs`: excused when that one is down.
    pub fn needs<W: Service + ?Sized, N: Service + ?Sized>(&mut self) {
        self.needs.push((nigh::engine::service_name::<W>(), nigh::engine::service_name::<N>()));
    }

    /// Runs on these topologies only; all three unless said, each seed on one.
    pub fn on(&mut self, topologies: &[Topology]) {
        self.topologies = topologies.to_vec();
    }

    /// Keeps what lasts in these stores, each seed in one; in memory unless said. A seed on the disk is on one of the
    /// topologies with one owner.
    pub fn stores(&mut self, stores: &[Store]) {
        self.stores = stores.to_vec();
    }

    /// That many clients, numbered on from those before, each of which does this. They outlive every process.
    pub fn clients<F, W>(&mut self, count: u16, client: F)
    where
        F: Fn(Client) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let client: MakeClient = Arc::new(move |who| Box::pin(client(who)));
        self.clients.extend((0..count).map(|_| client.clone()));
    }

    /// What holds of all durable state at every moment: asked after each commit.
    pub fn always(&mut self, what: &str, holds: impl Fn(&Durable<'_>) -> bool + Send + 'static) {
        self.always.push(Always { what: what.to_owned(), holds: Box::new(holds) });
    }

    /// Looks at the end: clients have ended, faults too, every doubt is settled, all is durable. It says what is wrong by a
    /// panic, as `assert_eq!` does.
    pub fn finally(&mut self, look: impl FnOnce(&Durable<'_>) + Send + 'static) {
        self.finally.push(Box::new(look));
    }

    /// What a call may cost between two processes, all links up and nothing else under way.
    pub fn budget<A: Ask + Clone + Sync>(&mut self, call: A, cost: Cost) {
        let make: MakeCall = Box::new(move |nigh| {
            let call = call.clone();
            Box::pin(async move { drop(nigh.call(call).await) })
        });
        self.budgets.push((cost, make));
    }
}

/// A client: whoever uses the application, from outside of its processes. It is a [`Nigh`] that goes to the
/// process the client is attached to, whatever life that is in.
#[derive(Debug)]
pub struct Client {
    pub(crate) nigh: Nigh,
    pub(crate) number: u16,
    pub(crate) rng: Rng,
    pub(crate) times_max: Option<u32>,
}

impl Deref for Client {
    type Target = Nigh;
    fn deref(&self) -> &Nigh {
        &self.nigh
    }
}

impl Client {
    /// From 0 on.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// `0..times`, or fewer while a failure is made smaller: loop over what may be left out.
    pub fn times(&self, times: u32) -> Range<u32> {
        0..self.times_max.map_or(times, |most| times.min(most))
    }

    /// A number below `n`, from the seed.
    pub fn draw(&mut self, n: u64) -> u64 {
        self.rng.below(n.max(1))
    }

    /// True in `num` of `den` cases.
    pub fn chance(&mut self, num: u64, den: u64) -> bool {
        self.rng.chance(num, den)
    }

    /// One of them; `items` is not empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        self.rng.pick(items)
    }

    /// Waits, in simulated time.
    pub async fn sleep(&self, time: Duration) {
        let until = tasks::timers::now().saturating_add(crate::surroundings::nanos(time));
        tasks::timers::sleep_until(until).await;
    }
}
