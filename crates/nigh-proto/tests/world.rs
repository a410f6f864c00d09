//! All machines in virtual time: callers and owners of a shard, links between them that are cut at any byte and
//! leave frames behind that arrive later or never, a log whose appends end in every way, a state file, clocks
//! that differ, processes that die between any two steps.
//!
//! - `world/script.rs` is what can happen, as data. Start here.
//! - `world/clients.rs` is who asks, `world/net.rs` what carries it, `world/owner.rs` who answers and the store.
//! - `world/judge.rs` is what must be true, `world/heard.rs` of what clients hear.
//! - `world/rows.rs` is scripts with what must come of them.
//! - Here: what each step does, how a world heals, and the properties.
//!
//! More cases: `PROPTEST_CASES=10000`. A failure prints its smallest script, which can be pasted there.

#[path = "world/clients.rs"]
mod clients;
#[path = "world/heard.rs"]
mod heard;
#[path = "world/judge.rs"]
mod judge;
#[path = "world/net.rs"]
mod net;
#[path = "world/owner.rs"]
#[expect(dead_code, reason = "explore.rs asks them more")]
mod owner;
#[path = "world/rows.rs"]
mod rows;
#[path = "world/script.rs"]
mod script;

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::sync::Once;
use std::time::Duration;

use nigh_proto::calls::caller::Outcome;
use nigh_proto::calls::request::{Answer, Refusal};
use nigh_proto::shards::Counters;
use nigh_wire::{NotSettledCause, Ticket};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{TestError, TestRunner};

use clients::{Asked, Clients, Of, newest};
use judge::Judge;
use net::Net;
use owner::{Owners, Reply, Work};
use script::{CLIENTS, End, NODES, No, Script, Step};

const HOUR: Duration = Duration::from_secs(3_600);

struct World {
    net: Net,
    owners: Owners,
    clients: Clients,
    judge: Judge,
    refuse_next: Option<Refusal>,
    /// How long anything asked may take.
    within: Duration,
}

impl World {
    /// Everybody is connected to node 0, which owns the shard.
    fn new(within: Duration) -> Self {
        let (net, owners) = (Net::new(), Owners::new());
        let (clients, judge) = (Clients::default(), Judge::default());
        let mut world = World { net, owners, clients, judge, refuse_next: None, within };
        (0..usize::from(CLIENTS)).for_each(|of| world.mend(of));
        world
    }

    fn play(&mut self, script: &[Step]) {
        script.iter().for_each(|step| self.step(step));
    }

    fn step(&mut self, step: &Step) {
        self.read_clocks();
        match *step {
            Step::Begin(_)
            | Step::Ask(..)
            | Step::Reserve(..)
            | Step::Release(_)
            | Step::Settle(..)
            | Step::Cancel(_)
            | Step::Forget(_)
            | Step::Restart(_)
            | Step::Renew(_) => self.client_step(step),
            Step::Connect(of, node) => self.connect(usize::from(of), usize::from(node)),
            Step::Mend(of) => self.mend(usize::from(of)),
            Step::Cut(of) => self.net.cut(usize::from(of)),
            Step::Write(of, most) => self.net.write(usize::from(of), usize::from(most), &mut self.judge),
            Step::Arrive(pick, most) => {
                self.arrive(self.net.pick_conn(usize::from(pick)), usize::from(most));
            }
            Step::Stray(pick) => self.stray(usize::from(pick)),
            Step::Hear(of, most) => self.net.hear(usize::from(of), usize::from(most)),
            Step::Lose(conn) => self.net.lose_left_behind(usize::from(conn)),
            Step::Reach(of) => self.reach(usize::from(of)),
            Step::Flow(of) => self.flow(usize::from(of)),
            Step::Refuse(no) => self.refuse_next = Some(refusal(no)),
            Step::Pass(millis) => self.net.pass(Duration::from_millis(u64::from(millis))),
            Step::Sleep(hours) => self.net.pass(HOUR * u32::from(hours)),
            Step::Leap(hours) => self.net.leap(HOUR * u32::from(hours)),
            Step::ClientSkew(of, secs) => self.net.client_skew[usize::from(of)] = secs,
            Step::NodeSkew(node, secs) => self.net.node_skew[usize::from(node)] = secs,
            Step::Run(..)
            | Step::BeginAppend(_)
            | Step::EndAppend(..)
            | Step::Land(_)
            | Step::Confirm(_)
            | Step::Confirmed(_)
            | Step::TakeUp(_)
            | Step::Crash(_)
            | Step::Sweep(_)
            | Step::WriteBack(..) => self.owner_step(step),
        }
        self.read_clocks();
        (0..usize::from(NODES)).for_each(|node| self.release(node));
        self.clients.listen(&mut self.net, &mut self.judge);
    }

    fn read_clocks(&mut self) {
        let clocks = (0..usize::from(NODES)).map(|node| self.net.node_clock(node));
        self.judge.clock_max = clocks.fold(self.judge.clock_max, Ord::max);
    }

    fn client_step(&mut self, step: &Step) {
        let World { net, clients, judge, within, .. } = self;
        match *step {
            Step::Ask(of, kind, key) => clients.ask(net, judge, (usize::from(of), *within), kind, key),
            Step::Reserve(of, key) => clients.reserve(net, judge, usize::from(of), key),
            Step::Begin(pick) => clients.begin(net, judge, *within, usize::from(pick)),
            Step::Release(pick) => clients.release(net, judge, usize::from(pick)),
            Step::Settle(by, pick) => {
                if let Some(ticket) = newest(&clients.tickets, usize::from(pick)).cloned() {
                    clients.settle(net, judge, (usize::from(by), *within), ticket);
                }
            }
            Step::Cancel(pick) => clients.cancel(net, judge, usize::from(pick)),
            Step::Forget(pick) => clients.forget(net, judge, usize::from(pick)),
            Step::Restart(of) => {
                net.restart(usize::from(of), judge);
                clients.lose(usize::from(of));
            }
            Step::Renew(of) => net.renew(usize::from(of)),
            ref other => unreachable!("{other:?} is no client's"),
        }
    }

    fn owner_step(&mut self, step: &Step) {
        let clock = |net: &Net, node: u8| net.node_clock(usize::from(node));
        match *step {
            Step::Run(node, most) => {
                let mut left = most;
                while left > 0 && self.run_one(usize::from(node)) {
                    left -= 1;
                }
            }
            Step::BeginAppend(node) => self.owners.begin_append(usize::from(node), clock(&self.net, node)),
            Step::EndAppend(node, end) => self.end_append(usize::from(node), end),
            Step::Land(pick) => self.owners.land(usize::from(pick), &mut self.judge),
            Step::Confirm(node) => self.owners.confirm(usize::from(node)),
            Step::Confirmed(node) => self.confirmed(usize::from(node)),
            Step::TakeUp(node) => self.take_up(usize::from(node)),
            Step::Crash(node) => self.crash(usize::from(node)),
            Step::Sweep(node) => self.owners.sweep(usize::from(node), clock(&self.net, node)),
            Step::WriteBack(node, rows) => self.owners.write_back(usize::from(node), usize::from(rows)),
            ref other => unreachable!("{other:?} is no owner's"),
        }
    }

    fn connect(&mut self, of: usize, node: usize) {
        let log_time = self.owners.log_time(node);
        self.net.connect(of, node, log_time, &mut self.judge);
    }

    /// A client finds whoever owns the shard; if nobody does, node 0 takes it up.
    fn mend(&mut self, of: usize) {
        let owner = (0..usize::from(NODES)).find(|node| self.owners.owns(*node));
        let node = owner.unwrap_or_else(|| {
            self.take_up(0);
            0
        });
        if !self.net.is_connected(of, node) {
            self.net.cut(of);
        }
        self.connect(of, node);
    }

    fn arrive(&mut self, conn: usize, most: usize) {
        for (node, work) in self.net.arrive(conn, most) {
            self.owners.take_in(node, work);
        }
    }

    /// What a broken connection left behind comes at last, and is run.
    fn stray(&mut self, pick: usize) {
        let current = self.net.current();
        let broken: Vec<usize> = (0..self.net.conns()).filter(|conn| !current.contains(conn)).collect();
        if let Some(conn) = newest(&broken, pick) {
            self.arrive(*conn, usize::MAX);
            self.run_all();
        }
    }

    fn run_all(&mut self) {
        for node in 0..usize::from(NODES) {
            while self.run_one(node) {}
        }
    }

    /// One thing that a node took in is begun. False if there is nothing.
    fn run_one(&mut self, node: usize) -> bool {
        let (conn, slot, request) = match self.owners.next_work(node) {
            None => return false,
            Some(Work::Bye(last)) => {
                self.owners.bye(node, last);
                return true;
            }
            Some(Work::Ask(conn, slot, request)) => (conn, slot, request),
        };
        if !self.net.begin(conn, slot) {
            return true;
        }
        if let Some(refusal) = self.refuse_next.take() {
            self.net.reply(conn, slot, Err(refusal));
            return true;
        }
        let clock = self.net.node_clock(node);
        if let Some((reply, refusal)) = self.owners.ask(node, clock, (conn, slot), request) {
            self.judge.meet(match refusal {
                Refusal::NotYet => "not yet",
                Refusal::Ahead => "ahead",
                Refusal::Expired => "a try too late for its key",
                _ => "refused",
            });
            self.net.reply(reply.conn, reply.slot, Err(refusal));
        }
        true
    }

    fn release(&mut self, node: usize) {
        for (reply, answer) in self.owners.releases(node, &mut self.judge) {
            self.net.reply(reply.conn, reply.slot, Ok(answer));
        }
    }

    /// R9: those who waited for memory that is gone hear "ask again".
    fn ask_again(&mut self, waiting: Vec<Reply>) {
        for reply in waiting {
            self.judge.meet("ask again");
            self.net.reply(reply.conn, reply.slot, Err(Refusal::AskAgain));
        }
    }

    fn end_append(&mut self, node: usize, end: End) {
        self.owners.begin_append(node, self.net.node_clock(node));
        let waiting = self.owners.end_append(node, end, &mut self.judge);
        self.ask_again(waiting);
    }

    fn confirmed(&mut self, node: usize) {
        self.owners.confirm(node);
        let waiting = self.owners.confirmed(node, &mut self.judge);
        self.ask_again(waiting);
    }

    fn take_up(&mut self, node: usize) {
        let waiting = self.owners.take_up(node, &self.judge);
        self.ask_again(waiting);
    }

    fn crash(&mut self, node: usize) {
        self.owners.crash(node);
        self.net.crash(node);
    }

    /// All that is in memory becomes durable, and is known to be ours.
    fn sync(&mut self, node: usize) {
        for _ in 0..2 {
            self.end_append(node, End::Heard);
        }
        for _ in 0..2 {
            self.confirmed(node);
        }
        self.release(node);
    }

    fn reach(&mut self, of: usize) {
        self.net.write(of, usize::MAX, &mut self.judge);
        self.net.current().into_iter().for_each(|conn| self.arrive(conn, usize::MAX));
        self.run_all();
    }

    fn flow(&mut self, of: usize) {
        self.reach(of);
        (0..usize::from(NODES)).for_each(|node| self.sync(node));
        self.net.hear(of, usize::MAX);
    }

    /// Faults stop: all that is open settles in bounded time (*live*).
    fn run_until_quiet(&mut self) {
        self.clients.release_all(&mut self.net, &mut self.judge);
        self.refuse_next = None;
        for _ in 0..2_000 {
            for of in 0..usize::from(CLIENTS) {
                self.mend(of);
                self.flow(of);
            }
            self.clients.listen(&mut self.net, &mut self.judge);
            if self.clients.is_quiet() {
                return;
            }
            self.step(&Step::Pass(20));
        }
        let open = self.clients.asked.iter().position(|asked| asked.handle.is_some());
        panic!("live: 40 s after faults stopped number {open:?} is still open");
    }

    /// Everybody's tickets are settled by one client; gives what it was told.
    fn settle_all(&mut self, by: usize) -> Vec<(Ticket, Outcome)> {
        let before = self.clients.asked.len();
        let World { net, clients, judge, within, .. } = self;
        for ticket in clients.tickets.clone() {
            clients.settle(net, judge, (by, *within), ticket);
        }
        self.run_until_quiet();
        let told = |asked: &Asked| match (&asked.what, &asked.told) {
            (Of::Settle(ticket), Some(told)) => (ticket.clone(), told.clone()),
            _ => panic!("nobody else asked, and everybody was told"),
        };
        self.clients.asked[before..].iter().map(told).collect()
    }

    /// Faults stop; all settles; what is left behind or late comes at last, and changes nothing that was said.
    fn heal(&mut self) {
        self.run_until_quiet();
        // Births may lie ahead of log time until clocks have caught up (R17).
        (self.net.client_skew, self.net.node_skew) = (Default::default(), Default::default());
        self.step(&Step::Leap(1));
        for by in 0..usize::from(CLIENTS) {
            for (ticket, told) in self.settle_all(by) {
                let misused = self.judge.is_misused(ticket.id);
                let settled = matches!(told, Outcome::Answer(_))
                    || misused && told == Outcome::NotSettled(NotSettledCause::Misuse);
                assert!(settled, "live: {} ended as {told:?}", ticket.id);
            }
        }
        self.deliver_all();
    }

    fn deliver_all(&mut self) {
        (0..self.owners.late()).for_each(|_| self.step(&Step::Land(0)));
        for conn in 0..self.net.conns() {
            self.arrive(conn, usize::MAX);
        }
        self.flow(0);
        self.clients.listen(&mut self.net, &mut self.judge);
    }

    /// R13, R16: after R, F and D everything is forgotten, and nothing of it is told as not done or runs.
    fn age(&mut self) {
        self.step(&Step::Sleep(25));
        self.mend(0);
        for node in (0..NODES).cycle().take(3 * usize::from(NODES)) {
            self.step(&Step::Sweep(node));
            self.sync(usize::from(node));
        }
        let Counters { records, keyed, marks, floors, .. } = self.owners.counters();
        assert_eq!((records, keyed, marks, floors), (0, 0, 0, 0), "bound: something is remembered for ever");
        let next = self.judge.next;
        for (ticket, told) in self.settle_all(1) {
            let expected = if owner::commutes(&ticket.method) { Answer::NoRecord } else { Answer::Forgotten };
            assert_eq!(told, Outcome::Answer(expected), "{} is too old", ticket.id);
        }
        self.deliver_all();
        assert!(self.judge.next <= next + 1, "something happened to what is forgotten");
    }
}

fn refusal(no: No) -> Refusal {
    match no {
        No::NotOwner => Refusal::NotOwner,
        No::Expired => Refusal::Expired,
        No::AskAgain => Refusal::AskAgain,
        No::Overloaded => Refusal::Overloaded { retry_after: Duration::from_millis(5) },
    }
}

/// Deadlines that pass now and then.
const SHORT: Duration = Duration::from_millis(700);

fn settles(script: &Script) -> World {
    let mut world = World::new(SHORT);
    world.play(&script.0);
    world.heal();
    world.age();
    world
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Whether it holds for a script, without a word on the way to the smallest one that fails.
fn holds(script: &Script, property: &impl Fn(&Script)) -> bool {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info)
            }
        }));
    });
    QUIET.set(true);
    let held = std::panic::catch_unwind(AssertUnwindSafe(|| property(script)));
    QUIET.set(false);
    held.is_ok()
}

/// Runs a property over scripts. What fails is made as small as it gets, and printed.
fn hold(scripts: impl Strategy<Value = Script>, property: impl Fn(&Script)) {
    let config = ProptestConfig { failure_persistence: None, max_shrink_iters: 2_000, ..Default::default() };
    let run = |script: Script| match holds(&script, &property) {
        true => Ok(()),
        false => Err(TestCaseError::fail("see below")),
    };
    let mut script = match TestRunner::new(config).run(&scripts, run) {
        Ok(()) => return,
        Err(TestError::Fail(_, script)) => script,
        Err(abort) => panic!("{abort}"),
    };
    // Proptest leaves steps that it once could not do without.
    let without = |script: &Script, step: usize| {
        let mut smaller = script.clone();
        smaller.0.remove(step);
        (!holds(&smaller, &property)).then_some(smaller)
    };
    while let Some(smaller) = (0..script.0.len()).find_map(|step| without(&script, step)) {
        script = smaller;
    }
    eprintln!("the smallest script that fails: {script:?}");
    property(&script);
    panic!("a script failed once, and not again");
}

/// R1 to R17: whatever is cut, lost, late, refused, failed, fenced or crashed, nothing runs twice, out of order
/// or after it was told not done; all that was acknowledged is there; views show what is; every doubt settles,
/// everybody agrees, and in the end nothing is remembered.
#[test]
fn everything_settles_truthfully() {
    hold(script::any_script(200), |script| drop(settles(script)));
}

/// R2, R9, R10, R11: while no deadline passes, no call dies because a link was cut, the shard changed hands, an
/// append failed, or its neighbour was refused: all end as done or with the method's own error.
#[test]
fn no_healthy_call_is_refused() {
    hold(script::healthy_script(250), |script| {
        let mut world = World::new(Duration::from_secs(600));
        world.play(&script.0);
        world.run_until_quiet();
        for Asked { told, .. } in &world.clients.asked {
            let ran = matches!(told, Some(Outcome::Answer(Answer::Done { .. } | Answer::Failed(_))));
            assert!(ran, "a healthy call was told {told:?}");
        }
        world.heal();
    });
}

/// The scripts of the properties meet what they are there for: else they would prove nothing.
#[test]
fn scripts_meet_what_is_rare() {
    let mut missing = Vec::from(RARE);
    let mut runner = TestRunner::deterministic();
    // As many scripts as the property has by default; a quarter of them will do.
    for _ in 0..256 {
        let script = script::any_script(200).new_tree(&mut runner).expect("it is made").current();
        let met = settles(&script).judge.met;
        missing.retain(|what| !met.contains(what));
        if missing.is_empty() {
            return;
        }
    }
    panic!("{missing:?} never happened");
}

/// As the judge and the clients call it.
#[rustfmt::skip]
const RARE: [&str; 24] = [
    "done", "fenced", "misuse", "given up", "in doubt", "a call told forgotten", "a view",
    "not yet", "ahead", "a try too late for its key", "refused", "ask again",
    "a failed append", "a fenced append", "a late append that lands", "an owner that learns it is none",
    "a second try", "a keyed tombstone", "a bye", "a tick", "forgotten by age",
    "settled as done", "settled as not done", "settled as forgotten",
];
