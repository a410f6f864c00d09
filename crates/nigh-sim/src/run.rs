//! One run: a scenario, a seed and its plan become a world, and what came of it.
//!
//! [`run`] is all of it. Clients are tasks of nobody's process; when they have done what they wanted, faults end, what
//! is in doubt is settled, and everything must agree.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use nigh::Nigh;
use nigh::engine::Blueprint;
use nigh::perform::{Ask, Identity, Outcome as Told, What};
use nigh_guard::Reused;
use nigh_proto::calls::FUTURE_MAX;
use nigh_proto::placement::Role;
use nigh_wire::{Catalogue, ContractKind};

use crate::board::Board;
use crate::book::Book;
use crate::case::Case;
use crate::harness::{self, Look, Options, Outcome, Runs};
use crate::host::{self, Ended, Why};
use crate::panics::{caught, take_wanted_tokio};
use crate::plan::{self, Space};
use crate::points;
use crate::program::Entities;
use crate::refused;
use crate::rng::Rng;
use crate::sim::{Client, Cost, Kept, MakeCall, MakeClient, Sim, Store, Topology};
use crate::surroundings::{self, nanos};
use crate::tasks::timers::sleep_until;
use crate::tasks::{self, Owner};
use crate::world::{Clients, Setup, World};

/// Whoever is in no process: clients, and those who settle at the end.
pub(crate) const OUTSIDE: Owner = Owner { node: u16::MAX, incarnation: 0 };

/// Nothing lasts longer.
const HORIZON: Duration = Duration::from_secs(900);
/// Faults strike within this at the most.
const SPANS: std::ops::RangeInclusive<u64> = 200..=3_000;
/// How often a ticket is settled in vain after faults have ended.
const SETTLES_MAX: u32 = 12;
const NO_OWNER_ALONE: &str = "a store on a disk has one owner: `Topology::OneProcess` or `Topology::TwoWebs`";
/// Claims tried for each key.
const CLAIMS_MAX: u32 = 4;

/// What `#[nigh_sim::test]` calls.
pub fn run_test(name: &str, options: Options, scenario: fn(&mut Sim)) {
    harness::run_test(name, options, Scenario { kept: Arc::default(), scenario });
}

/// A scenario whose seeds share a thread where that shows nowhere.
pub(crate) struct Scenario {
    pub(crate) kept: Arc<Kept>,
    pub(crate) scenario: fn(&mut Sim),
}

impl Runs for Scenario {
    fn one(&self, case: &Case, look: Look) -> Outcome {
        alone(case, look, &self.kept, self.scenario)
    }

    fn some(&self, cases: &[Case]) -> Vec<Outcome> {
        let mut ran = Vec::new();
        if !self.kept.draws.load(Ordering::Relaxed) {
            let mut thread = self.kept.thread.lock().unwrap_or_else(PoisonError::into_inner);
            let inside = |case: &Case| (case.seed, inside(case, Look::default(), &self.kept, self.scenario));
            let (outcomes, drew) = thread.run_all(cases.iter().map(inside), |ran| {
                ran.is_some() && passed(ran) // What wanted tokio's runtime runs again with it.
            });
            self.kept.draws.store(drew, Ordering::Relaxed);
            if !outcomes.last().is_none_or(passed) {
                *thread = Reused::default();
            }
            ran.extend(outcomes.into_iter().filter(passed).flatten());
        }
        if ran.is_empty() {
            ran.extend(cases.first().map(|case| self.one(case, Look::default())));
        }
        ran
    }
}

/// A seed that fails fails alone: what users keep per thread may be of those before it.
fn passed(ran: &Option<Outcome>) -> bool {
    let passed = ran.as_ref().is_none_or(|outcome| outcome.failure.is_none()); // mutant sim-failure-of-others: let passed = true;
    passed
}

/// Runs `scenario` once, on a thread where users' code may not reach the system.
pub(crate) fn alone(case: &Case, look: Look, kept: &Arc<Kept>, scenario: fn(&mut Sim)) -> Outcome {
    // The first run of a program that wants tokio's runtime only finds that out.
    guarded(case, look, kept, scenario).or_else(|| guarded(case, look, kept, scenario)).unwrap_or_default()
}

/// What is done on a simulated thread: one run; `None` if it was without tokio's runtime and wanted it.
fn inside(
    case: &Case,
    look: Look,
    kept: &Arc<Kept>,
    scenario: fn(&mut Sim),
) -> impl FnOnce() -> Option<Outcome> + Clone + Send + use<> {
    let (case, kept) = (case.clone(), kept.clone());
    move || {
        let ran = caught(|| run(&case, look.trace, &kept, &scenario));
        // What the scenario itself says, or a closure of it: a task's panic does not come here.
        let mut outcome = ran.unwrap_or_else(|said| Outcome { failure: Some(said), ..Outcome::default() });
        if let Some(refused) = nigh_guard::take_refused().first() {
            outcome.failure = Some(refused::told(refused));
        }
        // Tokio's timers cost a visit at each millisecond: only programs that use them pay.
        let again = take_wanted_tokio() && !kept.tokio.swap(true, Ordering::Relaxed);
        (!again).then_some(outcome)
    }
}

/// One run, on the thread of others or on one of its own; `None` as `inside`.
fn guarded(case: &Case, look: Look, kept: &Arc<Kept>, scenario: fn(&mut Sim)) -> Option<Outcome> {
    #[rustfmt::skip]
    let entropy = if look.other_entropy { !case.seed } else { case.seed }; // mutant sim-one-entropy: let entropy = case.seed;
    let inside = inside(case, look, kept, scenario);
    if !kept.draws.load(Ordering::Relaxed) {
        let mut thread = kept.thread.lock().unwrap_or_else(PoisonError::into_inner);
        match thread.run(entropy, inside.clone()) {
            Some(ran) => {
                if passed(&ran) {
                    return ran;
                }
                *thread = Reused::default();
            }
            None => kept.draws.store(true, Ordering::Relaxed),
        }
    }
    nigh_guard::run(entropy, inside)
}

/// Runs `scenario` once.
pub(crate) fn run(case: &Case, wants_trace: bool, kept: &Arc<Kept>, scenario: &dyn Fn(&mut Sim)) -> Outcome {
    let mut sim = Sim::new(kept.clone());
    scenario(&mut sim);
    let place = described(&mut sim).and_then(|blueprint| Ok((blueprint, place(case, &sim)?)));
    match place {
        Err(why) => Outcome { failure: Some(why), ..Outcome::default() },
        Ok((blueprint, place)) => play(case, wants_trace, kept, sim, blueprint, place),
    }
}

/// The seed's topology and store, unless the case says which.
fn place(case: &Case, sim: &Sim) -> Result<(Topology, Store), String> {
    let said = case.store.as_deref().and_then(Store::named);
    let store = said.unwrap_or_else(|| *Rng::of(case.seed, "store", 0).pick(&sim.stores));
    let said = case.topology.as_deref().and_then(Topology::named).map(|said| vec![said]);
    let mut topologies = said.unwrap_or_else(|| sim.topologies.clone());
    topologies.retain(|topology| store.is_for(*topology));
    if topologies.is_empty() {
        return Err(NO_OWNER_ALONE.into());
    }
    Ok((*Rng::of(case.seed, "topology", 0).pick(&topologies), store))
}

/// Refuses what cannot run, and says what to write.
fn described(sim: &mut Sim) -> Result<Blueprint, String> {
    if let Some(wrong) = sim.wrong.take() {
        return Err(wrong);
    }
    if sim.topologies.is_empty() {
        return Err("`sim.on(&[…])` lists no topology".into());
    }
    if sim.stores.is_empty() {
        return Err("`sim.stores(&[…])` lists no store".into());
    }
    let blueprint = sim.blueprint.take().ok_or("no application: `sim.app(…)` says which to run")?;
    let missing = blueprint.services().find(|name| !sim.stood_in.iter().any(|listed| listed == name));
    if let Some(name) = missing {
        return Err(format!(
            "`{name}` has no stand-in: `sim.service::<dyn {name}>(…)` says what answers instead of the outside"
        ));
    }
    Ok(blueprint)
}

/// Roles of the processes, and whether each asks the owner.
fn processes(topology: Topology, catalogue: &Catalogue) -> Vec<(Role, bool)> {
    let names = |entities: bool| -> BTreeSet<String> {
        let is_entity = |kind: &ContractKind| matches!(kind, ContractKind::Entity { .. });
        let listed = catalogue.contracts().filter(|c| is_entity(&c.kind) == entities);
        listed.map(|c| c.name.clone()).collect()
    };
    let role = |entities: bool, services: bool| Role {
        entities: if entities { names(true) } else { BTreeSet::new() },
        services: if services { names(false) } else { BTreeSet::new() },
        doors: BTreeSet::new(),
    };
    let (owner, web) = ((role(true, false), false), (role(false, true), true));
    match topology {
        Topology::OneProcess => vec![(role(true, true), false)],
        Topology::TwoWebs => vec![owner, web.clone(), web],
        Topology::TwoOwners => vec![owner.clone(), owner, web.clone(), web],
    }
}

/// Processes that clients are attached to.
fn attached(topology: Topology) -> &'static [u16] {
    match topology {
        Topology::OneProcess => &[0],
        Topology::TwoWebs => &[1, 2],
        Topology::TwoOwners => &[2, 3],
    }
}

fn space(topology: Topology, services: u16, span: Duration) -> Space {
    let (processes, owners, links): (u16, Vec<u16>, Vec<(u16, u16)>) = match topology {
        Topology::OneProcess => (1, vec![0], vec![]),
        Topology::TwoWebs => (3, vec![0], vec![(1, 0), (2, 0)]),
        Topology::TwoOwners => (4, vec![0, 1], vec![(2, 0), (2, 1), (3, 0), (3, 1)]),
    };
    Space { processes, owners, links, services, span, kinds: plan::Kind::ALL.to_vec() }
}

fn play(
    case: &Case,
    wants_trace: bool,
    kept: &Kept,
    sim: Sim,
    blueprint: Blueprint,
    (topology, store): (Topology, Store),
) -> Outcome {
    let catalogue = blueprint.catalogue().clone();
    let services = u16::try_from(blueprint.services().count()).unwrap_or(u16::MAX);
    let span = Duration::from_millis(Rng::of(case.seed, "span", 0).between(SPANS));
    let space = space(topology, services, span);
    let faults = case.faults.clone().unwrap_or_else(|| plan::draw(&space, case.seed));
    let processes = processes(topology, &catalogue);
    let Sim { clients, always, finally, budgets, needs, gates, .. } = sim;
    let entities = Entities::of(blueprint.copied());
    let book =
        Book::new(catalogue.clone(), entities, always, needs, wants_trace, CLAIMS_MAX).with_finally(finally);
    let board = Board::new(catalogue, processes.len() as u16, book);
    gates.open(&board, case.seed);
    let clients_max = case.clients_max.map_or(usize::MAX, usize::from);
    let (seed, times_max, at) = (case.seed, case.times_max, attached(topology));
    let left = Left::default();
    let clients: Clients = {
        let (board, left) = (board.clone(), left.clone());
        Box::new(move || {
            for (number, make) in (0u16..).zip(clients.into_iter().take(clients_max)) {
                let nigh = board.reach(number, at[usize::from(number) % at.len()]);
                let rng = Rng::of(seed, "client", u64::from(number));
                left.enter(number);
                let client = Client { nigh, number, rng, times_max };
                tasks::spawn(OUTSIDE, live(board.clone(), left.clone(), make, client));
            }
            tasks::spawn(OUTSIDE, finale(board, left, at, budgets));
        })
    };
    let (even, plan) = (case.fifo, faults.clone());
    let setup = Setup { seed, blueprint, store, processes, plan, calm_at: span, even, clients };
    surroundings::reset();
    nigh_wire::remember_hashes();
    let points = points::Installed::new(seed, case.buggify);
    let options =
        host::Options { seed, fifo: case.fifo, horizon: HORIZON, tokio: kept.tokio.load(Ordering::Relaxed) };
    let (mut world, ended) = host::run(World::new(setup, board.clone()), options);
    let mut failure = world.violation.take().or_else(|| board.book().take_violation());
    if let Some(process) = ended.foreign.first() {
        let who =
            if *process == OUTSIDE.node { "a client".into() } else { format!("a task of process {process}") };
        failure.get_or_insert_with(|| {
            format!("the run does not follow from its seed: another thread woke {who}")
        });
    }
    if failure.is_none() && ended.why != Why::Over {
        failure = Some(unsettled(&ended, &left, &board.book().open()));
    }
    let mut book = board.book();
    Outcome {
        failure,
        hash: book.hash(),
        events: ended.events + ended.polls,
        simulated: Duration::from_nanos(ended.simulated),
        faults: world.struck,
        befell: world.befell(),
        store: (store != Store::Memory).then(|| store.name().to_owned()),
        trace: book.take_trace(),
        points: points.visited(),
        planned: faults,
        topology: Some(topology.name().to_owned()),
    }
}

/// Clients that have not ended, by their numbers, and who waits for the last.
#[derive(Clone, Default)]
struct Left(Arc<Mutex<(BTreeSet<u16>, Option<Waker>)>>);

impl Left {
    fn lock(&self) -> MutexGuard<'_, (BTreeSet<u16>, Option<Waker>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, number: u16) {
        self.lock().0.insert(number);
    }

    fn leave(&self, number: u16) {
        let waker = {
            let (left, waker) = &mut *self.lock();
            left.remove(&number);
            waker.take_if(|_| left.is_empty())
        };
        waker.into_iter().for_each(Waker::wake);
    }

    fn numbers(&self) -> Vec<u16> {
        self.lock().0.iter().copied().collect()
    }

    /// Waits until all have left.
    async fn all(&self) {
        poll_fn(|context| {
            let (left, waker) = &mut *self.lock();
            if left.is_empty() {
                return Poll::Ready(());
            }
            *waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A client from beginning to end. Its panic is what a test says by `assert!`.
async fn live(board: Arc<Board>, left: Left, make: MakeClient, client: Client) {
    let number = client.number;
    let mut doing = pin!(async move { make(client).await });
    let ended = poll_fn(|context| match caught(|| doing.as_mut().poll(context)) {
        Ok(polled) => polled.map(Ok),
        Err(said) => Poll::Ready(Err(said)),
    });
    if let Err(said) = ended.await {
        board.book().violate(format!("a client panicked: client {number}: {said}"));
    }
    left.leave(number);
}

/// Why a run came to no end, and who is to be looked at.
fn unsettled(ended: &Ended, left: &Left, open: &[String]) -> String {
    let how = match ended.why {
        Why::Spinning(Some(OUTSIDE)) => {
            "a client, or what it started, runs on without time passing".to_owned()
        }
        Why::Spinning(Some(owner)) => {
            format!("a task of process {} runs on without time passing", owner.node)
        }
        // The next thing would happen later.
        _ => format!("{} s have passed", HORIZON.as_secs()),
    };
    let left: Vec<String> = left.numbers().iter().map(|number| format!("client {number}")).collect();
    let left = if left.is_empty() {
        "all clients have ended".into()
    } else {
        format!("not ended: {}", left.join(", "))
    };
    let open = if open.is_empty() {
        "no call is open".into()
    } else {
        format!("open calls:\n    {}", open.join("\n    "))
    };
    format!("everything settles once faults end: {how}; {left}; {open}")
}

/// What happens once all clients have done what they wanted.
async fn finale(board: Arc<Board>, left: Left, at: &'static [u16], budgets: Vec<(Cost, MakeCall)>) {
    left.all().await;
    board.book().want_calm();
    pause(Duration::from_millis(20)).await;
    let doubts = board.book().doubts();
    for (turn, &process) in (0u16..).zip(at) {
        // Each process must come to the same verdict; the second asks of what the first was told.
        let settler = board.reach(u16::MAX - turn, process);
        for ticket in &doubts {
            settle(&board, &settler, ticket.clone()).await;
        }
    }
    for (cost, make) in budgets {
        // Once unmeasured: a link may have to be made again first.
        make(board.reach(u16::MAX - 2, at[0])).await;
        pause(Duration::from_millis(500)).await;
        board.book().budget_begins(at[0]);
        make(board.reach(u16::MAX - 2, at[0])).await;
        board.book().budget_ends(cost);
    }
    board.book().finish();
}

async fn settle(board: &Arc<Board>, settler: &Nigh, ticket: nigh::Ticket) {
    // R17: of an id that was born too far ahead, nothing is said until its time has come.
    let born = ticket.id.birth.as_nanos().saturating_sub(surroundings::WALL_AT_START);
    sleep_until(born.saturating_sub(nanos(FUTURE_MAX))).await;
    for _ in 0..SETTLES_MAX {
        let ask = Ask { what: What::Settle(ticket.clone()), within: None, identity: Identity::Fresh };
        match settler.perform(ask).await {
            Told::NotSettled(_) | Told::Overloaded { .. } | Told::InDoubt(_) => {}
            Told::NotDone(nigh::Cause::Stopped | nigh::Cause::Deadline) => {}
            _ => return,
        }
        pause(Duration::from_millis(50)).await;
    }
    board.book().violate(format!("faults have ended, and call {} in doubt is not settled", ticket.id));
}

async fn pause(time: Duration) {
    sleep_until(tasks::timers::now().saturating_add(nanos(time))).await;
}
