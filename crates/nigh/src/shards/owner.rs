//! The owner of this process's shards: runs what is asked, one thing of a lane at a time, and lets answers go when the
//! machines say so.
//!
//! Shards are dealt out to lanes. Whoever asks puts its work in its lane's inbox; who finds nobody running that lane runs it,
//! on its own thread, and whatever has come in meanwhile. So a lone caller hands its call to nobody, nobody waits behind a
//! method that runs elsewhere, and lanes run beside each other on as many threads as ask. A lane's lock is not held while a
//! method runs, and nobody holds two of them. Answers leave when no lock is held.
//!
//! - Here: what comes in, and what all lanes share.
//! - `turn.rs`: what becomes of one thing asked.
//! - [`core`](super::core): what it reads and changes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use nigh_proto::calls::request::Refusal;
use nigh_proto::calls::tally::{CalleeLine, Line, Tally, Took};
use nigh_proto::shards::{Epoch, ShardId};
use nigh_wire::{Bytes, CallId, Time};

use crate::buggify;
use crate::calls::Calls;
use crate::clock::Clock;
use crate::ledger::{self, Lines};
use crate::recover::Recovered;
use crate::routes::Routes;
use crate::shards::bell::Bell;
use crate::shards::core::Core;
use crate::shards::lanes::Lanes;
use crate::shards::memory::Budget;
use crate::shards::records::Records;
use crate::shards::reply::{Delivery, ReplyTo, What, deliver};
use crate::shards::work::{Asked, Work};

/// Things asked that wait their turn, of one lane: four links of 1,024 calls each. More are refused as overloaded.
const INBOX_MAX: usize = 4 * 1024;
/// What one thread runs before it hands the rest to another: its own task waits meanwhile.
const RUN_MAX: usize = 256;
/// When to ask again after an overload: a few commits later.
const RETRY_AFTER: Duration = Duration::from_millis(50);
/// When to ask again while the disk is full: somebody has to make room.
const RETRY_AFTER_FULL_DISK: Duration = Duration::from_millis(500);

/// The owner of this process's shards.
pub(crate) struct Owner {
    pub(crate) clock: Clock,
    pub(crate) routes: Arc<Routes>,
    lanes: Lanes,
    lane: Box<[Lane]>,
    /// What the entities of all lanes take in memory.
    pub(crate) budget: Arc<Budget>,
    /// Of the sweeper's work on what is remembered of calls.
    records: Mutex<Records>,
    /// Others may take shards up.
    shared: bool,
    /// Somebody else has a shard: nothing leaves it any more, and the process ends.
    fenced: AtomicBool,
    /// How many shards have something to append.
    appendable: Arc<AtomicUsize>,
    /// The log is so long that no more calls are taken until some of it was cut.
    log_full: AtomicBool,
    /// The disk has no room for more: nothing that would write is taken until it has.
    disk_full: AtomicBool,
    /// For the committer.
    pub(crate) bell: Bell,
    /// Who of this process is answered. They hold the owner, and not the other way round.
    calls: Weak<Calls>,
    /// False while a method takes too long.
    ready: AtomicBool,
}

/// Shards that run one thing at a time. Two lanes share no pair of lines of a cache: threads change them side by side.
#[repr(align(128))]
struct Lane {
    inbox: Mutex<Inbox>,
    core: Mutex<Core>,
}

#[derive(Default)]
struct Inbox {
    work: VecDeque<Work>,
    /// Copies that came, and those that were refused here.
    tally: Tally<CalleeLine>,
    /// Of what was taken out last, and may not have ended.
    hand: Option<Line>,
    /// Somebody runs what is in here, or is about to look.
    running: bool,
    closed: bool,
}

impl Inbox {
    /// Takes it in, or says why not. True: whoever brought it is to run the lane.
    fn take_in(&mut self, work: Work, line: Option<Line>, refused: &mut Vec<Delivery>) -> bool {
        line.into_iter().for_each(|line| self.tally.arrive(line));
        let refusal = match self.closed {
            true => Some(Refusal::NotOwner),
            false if self.work.len() >= INBOX_MAX || buggify!("owner.inbox.full") => {
                Some(Refusal::Overloaded { retry_after: RETRY_AFTER })
            }
            false => None,
        };
        if let Some(refusal) = refusal {
            line.into_iter().for_each(|line| self.tally.end(line, Took::refused(&refusal)));
            refused.push(Delivery { to: work.reply, what: What::Refusal(refusal) });
            return false;
        }
        self.work.push_back(work);
        !std::mem::replace(&mut self.running, true)
    }
}

/// Lanes that whoever brought work is to run: one, mostly, which needs no list.
#[derive(Default)]
struct Run {
    others: Vec<usize>,
    last: Option<usize>,
}

impl Run {
    fn push(&mut self, lane: usize) {
        self.others.extend(self.last.replace(lane));
    }
}

impl Owner {
    /// `shared`: other processes may take its shards up.
    pub(crate) fn new(
        clock: Clock,
        routes: Arc<Routes>,
        calls: &Arc<Calls>,
        recovered: Recovered,
        shared: bool,
    ) -> Arc<Self> {
        let Recovered { lanes, of_lane, budget } = recovered;
        let appendable = Arc::new(AtomicUsize::new(0));
        let lane = |(shards, memory)| {
            let core = Core::new(clock.clone(), lanes, shards, memory, shared, appendable.clone());
            Lane { inbox: Mutex::default(), core: Mutex::new(core) }
        };
        let lane = of_lane.into_iter().map(lane).collect();
        Arc::new(Owner {
            clock,
            routes,
            lanes,
            lane,
            records: Mutex::default(),
            budget,
            shared,
            fenced: AtomicBool::new(false),
            appendable,
            log_full: AtomicBool::new(false),
            disk_full: AtomicBool::new(false),
            bell: Bell::default(),
            calls: Arc::downgrade(calls),
            ready: AtomicBool::new(true),
        })
    }

    pub(crate) fn lanes(&self) -> Lanes {
        self.lanes
    }
    pub(crate) fn core(&self, lane: usize) -> MutexGuard<'_, Core> {
        self.lane[lane].core.lock().expect("no user code runs under this lock")
    }
    pub(crate) fn core_of(&self, shard: ShardId) -> MutexGuard<'_, Core> {
        self.core(self.lanes.of(shard))
    }
    /// Each lane's, one after the other.
    pub(crate) fn cores(&self) -> impl Iterator<Item = MutexGuard<'_, Core>> {
        (0..self.lanes.count()).map(|lane| self.core(lane))
    }
    fn inbox(&self, lane: usize) -> MutexGuard<'_, Inbox> {
        self.lane[lane].inbox.lock().expect("no user code runs under this lock")
    }
    fn inboxes(&self) -> impl Iterator<Item = MutexGuard<'_, Inbox>> {
        (0..self.lanes.count()).map(|lane| self.inbox(lane))
    }
    pub(crate) fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().expect("no user code runs under this lock")
    }

    /// Highest log time of all shards, for hellos (R17).
    pub(crate) fn log_time_max(&self) -> Time {
        let of_lane = |core: MutexGuard<'_, Core>| core.shards.iter().map(|s| s.log_time()).max();
        self.cores().filter_map(of_lane).max().unwrap_or(Time::EPOCH)
    }

    /// False while a method takes longer than `method_time_max`, and while the disk is full.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed) && !self.is_disk_full()
    }
    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    /// True while the log is so long that no more calls are taken.
    pub(crate) fn is_log_full(&self) -> bool {
        self.log_full.load(Ordering::Relaxed)
    }
    pub(crate) fn set_log_full(&self, full: bool) {
        self.log_full.store(full, Ordering::Relaxed);
    }

    /// True while the disk has no room.
    pub(crate) fn is_disk_full(&self) -> bool {
        self.disk_full.load(Ordering::Relaxed)
    }
    pub(crate) fn set_disk_full(&self, full: bool) {
        self.disk_full.store(full, Ordering::Relaxed);
    }
    /// When to ask again what was refused as too much.
    pub(super) fn retry_after(&self) -> Duration {
        if self.is_disk_full() { RETRY_AFTER_FULL_DISK } else { RETRY_AFTER }
    }

    /// Rows that wait to be written back: of entities, and of what is remembered of calls.
    pub(crate) fn rows_changed(&self) -> usize {
        self.cores().map(|core| core.rows_changed()).sum()
    }

    /// The ledger of what came here, lane by lane: each line, and what is open of it.
    pub(crate) fn ledger(&self) -> impl Iterator<Item = (Line, CalleeLine, u64)> {
        (0..self.lanes.count()).flat_map(|lane| self.ledger_of(lane))
    }

    fn ledger_of(&self, lane: usize) -> Lines<CalleeLine> {
        // Nothing is taken out of the inbox meanwhile, so that only what is in hand can be of both sides.
        let inbox = self.inbox(lane);
        let mut waiting = BTreeMap::<Line, u64>::new();
        for work in &inbox.work {
            work.what
                .line(self.routes.len())
                .into_iter()
                .for_each(|line| *waiting.entry(line).or_default() += 1);
        }
        let mut lines = Lines::new();
        for (line, counted) in inbox.tally.lines().chain(self.core(lane).tally.lines()) {
            ledger::add(&mut lines, line, *counted, 0, CalleeLine::and);
        }
        for (line, counted, open) in &mut lines {
            let waiting = waiting.get(line).copied().unwrap_or(0);
            let in_hand = inbox.hand == Some(*line) && counted.balances(waiting + 1);
            *open = waiting + u64::from(in_hand);
        }
        lines
    }

    /// What waits or runs under that id; `None` if nothing does.
    pub(crate) fn under_way(&self, id: CallId) -> Option<UnderWay> {
        (0..self.lanes.count()).find_map(|lane| self.under_way_in(lane, id))
    }

    fn under_way_in(&self, lane: usize, id: CallId) -> Option<UnderWay> {
        let of = |work: &Work| matches!(&work.what, Asked::Call(call, _) if call.id == id);
        if self.inbox(lane).work.iter().any(of) {
            return Some(UnderWay::Waits);
        }
        let core = self.core(lane);
        let running = core.running.as_ref()?;
        let (_, permit) = running.permit.as_ref()?;
        let age = self.clock.now().saturating_since(running.since);
        (permit.arrival().id == id).then_some(UnderWay::Runs(age))
    }

    /// Takes work in, that of a lane in order, and runs it unless somebody else does.
    pub(crate) fn submit(self: &Arc<Self>, work: impl IntoIterator<Item = Work>) {
        // Lanes run beside each other; this thread runs the last.
        let Run { others, last } = self.take_in(work);
        others.into_iter().for_each(|lane| self.run_elsewhere(lane));
        last.into_iter().for_each(|lane| self.run(lane));
    }

    /// As [`Owner::submit`], for tasks that others wait for too: those of links, and the one that keeps the time. They run
    /// no methods, of which one may take long. In a simulator, which has one thread, methods run here all the same.
    pub(crate) fn submit_apart(self: &Arc<Self>, work: impl IntoIterator<Item = Work>) {
        if self.clock.is_watched() {
            return self.submit(work);
        }
        let Run { others, last } = self.take_in(work);
        others.into_iter().chain(last).for_each(|lane| self.run_elsewhere(lane));
    }

    /// Takes work in, and gives the lanes that whoever brought it is to run.
    fn take_in(self: &Arc<Self>, work: impl IntoIterator<Item = Work>) -> Run {
        let (mut refused, mut run) = (Vec::new(), Run::default());
        let mut inbox = None::<(usize, MutexGuard<'_, Inbox>)>;
        for mut work in work {
            if let Asked::Bye(last) = work.what {
                drop(inbox.take());
                self.submit_bye(last, &mut run);
                continue;
            }
            // Found once: who runs it needs it, too.
            let shard = work.what.place(&self.routes, self.lanes.shards());
            // What has no place is refused, or read in all: anywhere.
            let lane = shard.map_or(0, |shard| self.lanes.of(shard));
            if inbox.as_ref().is_none_or(|(of, _)| *of != lane) {
                // The one before is let go first: nobody holds two.
                drop(inbox.take());
                inbox = Some((lane, self.inbox(lane)));
            }
            let (_, inbox) = inbox.as_mut().expect("it was set just now");
            let line = work.what.line(self.routes.len());
            if inbox.take_in(work, line, &mut refused) {
                run.push(lane);
            }
        }
        drop(inbox);
        self.hand_out(refused);
        run
    }

    /// A caller has gone from all lanes: each learns it behind what it has asked there.
    fn submit_bye(&self, last: CallId, run: &mut Run) {
        for lane in 0..self.lanes.count() {
            let work = Work { what: Asked::Bye(last), due: self.clock.now(), reply: ReplyTo::Nobody };
            if self.inbox(lane).take_in(work, None, &mut vec![]) {
                run.push(lane);
            }
        }
    }

    /// As [`Owner::submit`], for threads that must not run methods: the committer's.
    pub(crate) fn submit_elsewhere(self: &Arc<Self>, work: impl IntoIterator<Item = Work> + Send + 'static) {
        let owner = self.clone();
        self.clock.spawn(async move { owner.submit(work) });
    }

    /// Runs what is in a lane's inbox until it is empty; after a while on another thread. Whoever calls this has set
    /// `running`, and nobody else runs that lane until it is unset here.
    fn run(self: &Arc<Self>, lane: usize) {
        for _ in 0..RUN_MAX {
            let work = {
                let mut inbox = self.inbox(lane);
                let Some(work) = inbox.work.pop_front() else {
                    (inbox.running, inbox.hand) = (false, None);
                    return;
                };
                inbox.hand = work.what.line(self.routes.len());
                work
            };
            let deliveries = self.perform(lane, work);
            self.hand_out(deliveries);
            // The committer syncs what there is while the next method runs.
            self.kick();
        }
        self.run_elsewhere(lane);
    }

    fn run_elsewhere(self: &Arc<Self>, lane: usize) {
        let owner = self.clone();
        self.clock.spawn(async move { owner.run(lane) });
    }

    /// Shards of which is to be asked whether they are still ours, and under which epoch.
    pub(crate) fn take_asking(&self) -> Vec<(ShardId, Epoch)> {
        if !self.shared {
            return Vec::new();
        }
        self.cores().flat_map(|mut core| core.take_asking()).collect()
    }

    /// True if a shard turned out to be another's.
    pub(crate) fn is_fenced(&self) -> bool {
        self.fenced.load(Ordering::Acquire)
    }

    /// The answer (R7). If it is no, nothing leaves that shard any more, and the process is to end.
    pub(crate) fn handle_confirmed(self: &Arc<Self>, shard: ShardId, ours: bool) {
        let deliveries = {
            let mut core = self.core_of(shard);
            core.machine(shard).handle_confirmed(ours);
            self.fenced.fetch_or(!ours, Ordering::AcqRel); // mutant fence-unnoticed: let _ = ours;
            core.releases(shard)
        };
        self.hand_out(deliveries);
    }

    /// How many shards have something to append.
    pub(crate) fn appends(&self) -> usize {
        self.appendable.load(Ordering::Acquire)
    }
    /// True if there is one.
    pub(crate) fn has_appends(&self) -> bool {
        self.appends() > 0
    }

    /// An entity as it is in memory, durable or not.
    pub(crate) fn snapshot(&self, entity: &str, key: &Bytes) -> Option<Bytes> {
        let host = self.routes.host(entity)?;
        let shard = self.routes.shard_of(host, key, self.lanes.shards());
        let mut core = self.core_of(shard);
        let name = core.memory.name(host, key).ok()?;
        let cell = core.memory.take(shard, &name, key).ok()?;
        let snapshot = cell.snapshot();
        core.memory.put_back(shard, &name, cell, None);
        Some(snapshot)
    }

    /// Wakes the committer if a shard has something to append.
    pub(crate) fn kick(&self) {
        if self.has_appends() {
            self.bell.ring();
        }
    }

    /// Answers to callers of this process: taken up so far, and given that nobody took up.
    pub(crate) fn untaken(&self) -> (u64, u64) {
        self.calls.upgrade().map_or((0, 0), |calls| calls.untaken())
    }

    /// A caller of this process has gone, and knows all it asked for.
    pub(crate) fn bye(self: &Arc<Self>, last: CallId) {
        self.submit([Work { what: Asked::Bye(last), due: self.clock.now(), reply: ReplyTo::Nobody }]);
    }

    /// Refuses everything from now on; what was taken in still runs.
    pub(crate) fn close(&self) {
        self.inboxes().for_each(|mut inbox| inbox.closed = true);
    }

    /// True once nothing waits in an inbox and nobody runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.inboxes().all(|inbox| inbox.work.is_empty() && !inbox.running)
    }

    /// As [`Owner::hand_out`], for a thread that has the next group to sync.
    pub(crate) fn hand_out_elsewhere(self: &Arc<Self>, deliveries: Vec<Delivery>) {
        let owner = self.clone();
        self.clock.spawn(async move { owner.hand_out(deliveries) });
    }

    /// Lets answers go. No lock is held.
    pub(crate) fn hand_out(self: &Arc<Self>, deliveries: Vec<Delivery>) {
        if deliveries.is_empty() {
            return;
        }
        let local = deliver(deliveries);
        if let (false, Some(calls)) = (local.is_empty(), self.calls.upgrade()) {
            calls.handle_local(local);
        }
    }
}

/// A call that came and has not ended.
pub(crate) enum UnderWay {
    /// Its turn has not come.
    Waits,
    /// Its method runs since so long.
    Runs(Duration),
}
