//! The owner of this process's shards: runs what is asked, one thing at a time, and lets answers go when the
//! machines say so.
//!
//! Whoever asks puts its work in the inbox; who finds nobody running runs it, on its own thread, and whatever
//! has come in meanwhile. So a lone caller hands its call to nobody, and nobody waits behind a method that
//! runs: the lock is not held while it does. Answers leave when no lock is held.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use nigh_proto::Instant;
use nigh_proto::calls::callee::Arrival;
use nigh_proto::calls::request::{Answer, CallRequest, Refusal};
use nigh_proto::calls::tally::{CalleeLine, Line, Tally, Took};
use nigh_proto::shards::record::RanOutcome;
use nigh_proto::shards::shard::{Admission, Finished, Missing, Permit, Shard};
use nigh_proto::shards::{Epoch, ShardId};
use nigh_wire::{Bytes, CallId, Cause, Class, Fingerprint, Ticket, Time, Value};

use crate::beside::{self, Neighbours, Others, Taken};
use crate::buggify;
use crate::calls::Calls;
use crate::clock::Clock;
use crate::entity::Reply;
use crate::routes::{EntityMethod, Routes};
use crate::shards::core::{Core, Running, fatal};
use crate::shards::host::{Cell, Wrote};
use crate::shards::memory::{ListError, Memory, Name};
use crate::shards::records;
use crate::shards::reply::{Delivery, Gather, Read, ReplyTo, What, deliver};
use crate::store::StoreError;
use crate::tx::TxCore;

/// Things asked that wait their turn: 16 links of 1,024 calls each. More are refused as overloaded.
const INBOX_MAX: usize = 16 * 1024;
/// What one thread runs before it hands the rest to another: its own task waits meanwhile.
const RUN_MAX: usize = 256;
/// When to ask again after an overload: a few commits later.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// Something asked of an entity of this process.
pub(crate) struct Work {
    pub(crate) what: Asked,
    /// Not begun after this.
    pub(crate) due: Instant,
    pub(crate) reply: ReplyTo,
}

/// What is asked.
pub(crate) enum Asked {
    /// With its shard and fingerprint, if whoever asks in this process knows them.
    Call(CallRequest, Option<(ShardId, Fingerprint)>),
    /// The reply token is made when the view was read.
    View {
        method: u32,
        key: Bytes,
        args: Value,
    },
    Settle(Box<Ticket>),
    List {
        entity: String,
        after: Option<Bytes>,
        limit: u32,
    },
    /// A caller has gone, this was its last id, and it knows all it asked for.
    Bye(CallId),
}

impl Asked {
    /// Under which it is counted, where there are so many methods.
    fn line(&self, methods: usize) -> Option<Line> {
        match self {
            Asked::Call(CallRequest { method, .. }, _) | Asked::View { method, .. } => {
                Some(Line::known(*method, methods))
            }
            Asked::Settle(_) => Some(Line::Settle),
            Asked::List { .. } => Some(Line::List),
            Asked::Bye(_) => None,
        }
    }
}

/// The owner of this process's shards.
pub(crate) struct Owner {
    pub(crate) clock: Clock,
    pub(crate) routes: Arc<Routes>,
    shards: u32,
    /// Others may take shards up.
    shared: bool,
    inbox: Mutex<Inbox>,
    core: Mutex<Core>,
    /// Some shard has something to append.
    appendable_any: Arc<AtomicBool>,
    /// Signals the committer that a shard has records to append, or that it must stop.
    wake: Condvar,
    signal: Mutex<Signal>,
    calls: Arc<Calls>,
    /// False while a method takes too long.
    ready: AtomicBool,
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

/// What the committer is told.
#[derive(Default)]
pub(crate) struct Signal {
    pub(crate) append: bool,
    pub(crate) stop: bool,
}

impl Owner {
    pub(crate) fn new(
        clock: Clock,
        routes: Arc<Routes>,
        calls: Arc<Calls>,
        shards: Vec<Shard<ReplyTo>>,
        memory: Memory,
        shared: bool,
    ) -> Arc<Self> {
        let count = shards.len() as u32;
        let any = Arc::new(AtomicBool::new(false));
        let appendable_any = any.clone();
        let core = Core::new(clock.clone(), shards, memory, shared, any);
        Arc::new(Owner {
            clock,
            routes,
            shards: count,
            shared,
            inbox: Mutex::default(),
            core: Mutex::new(core),
            appendable_any,
            wake: Condvar::new(),
            signal: Mutex::default(),
            calls,
            ready: AtomicBool::new(true),
        })
    }

    pub(crate) fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().expect("no user code runs under this lock")
    }
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().expect("no user code runs under this lock")
    }
    pub(crate) fn signal(&self) -> MutexGuard<'_, Signal> {
        self.signal.lock().expect("no user code runs under this lock")
    }
    pub(crate) fn wait_signal<'a>(&self, signal: MutexGuard<'a, Signal>) -> MutexGuard<'a, Signal> {
        self.wake.wait(signal).expect("no user code runs under this lock")
    }

    /// Highest log time of all shards, for hellos (R17).
    pub(crate) fn log_time_max(&self) -> Time {
        let core = self.core();
        core.shards.iter().map(|s| s.log_time()).max().unwrap_or(Time::EPOCH)
    }

    /// False while a method takes longer than `method_time_max`.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    /// The ledger of what came here: each line, and what is open of it.
    pub(crate) fn ledger(&self) -> Vec<(Line, CalleeLine, u64)> {
        // Nothing is taken out of the inbox meanwhile, so that only what is in hand can be of both sides.
        let inbox = self.inbox();
        let ended = self.core().tally.clone();
        let mut waiting = BTreeMap::<Line, u64>::new();
        for work in &inbox.work {
            work.what
                .line(self.routes.len())
                .into_iter()
                .for_each(|line| *waiting.entry(line).or_default() += 1);
        }
        let mut lines = BTreeMap::<Line, CalleeLine>::new();
        for (line, counted) in inbox.tally.lines().chain(ended.lines()) {
            let all = lines.entry(line).or_default();
            *all = all.and(counted);
        }
        let open = |(line, counted): (Line, CalleeLine)| {
            let waiting = waiting.get(&line).copied().unwrap_or(0);
            let in_hand = inbox.hand == Some(line) && counted.balances(waiting + 1);
            (line, counted, waiting + u64::from(in_hand))
        };
        lines.into_iter().map(open).collect()
    }

    /// What waits or runs under that id; `None` if nothing does.
    pub(crate) fn under_way(&self, id: CallId) -> Option<UnderWay> {
        let of = |work: &Work| matches!(&work.what, Asked::Call(call, _) if call.id == id);
        if self.inbox().work.iter().any(of) {
            return Some(UnderWay::Waits);
        }
        let core = self.core();
        let running = core.running.as_ref()?;
        let (_, stuck) = running.stuck.as_ref()?;
        let age = self.clock.now().saturating_since(running.since);
        (stuck.arrival().id == id).then_some(UnderWay::Runs(age))
    }

    /// Takes work in, in order, and runs it unless somebody else does.
    pub(crate) fn submit(self: &Arc<Self>, work: impl IntoIterator<Item = Work>) {
        let mut refused = Vec::new();
        let run = {
            let mut inbox = self.inbox();
            for work in work {
                let line = work.what.line(self.routes.len());
                line.into_iter().for_each(|line| inbox.tally.arrive(line));
                let refusal = match inbox.closed {
                    true => Some(Refusal::NotOwner),
                    false if inbox.work.len() >= INBOX_MAX || buggify!("owner.inbox.full") => {
                        Some(Refusal::Overloaded { retry_after: RETRY_AFTER })
                    }
                    false => None,
                };
                match refusal {
                    Some(refusal) => {
                        line.into_iter().for_each(|line| inbox.tally.end(line, Took::refused(&refusal)));
                        refused.push(Delivery { to: work.reply, what: What::Refusal(refusal) });
                    }
                    None => inbox.work.push_back(work),
                }
            }
            !inbox.work.is_empty() && !std::mem::replace(&mut inbox.running, true)
        };
        self.hand_out(refused);
        if run {
            self.run();
        }
    }

    /// As [`Owner::submit`], for threads that must not run methods: the committer's.
    pub(crate) fn submit_elsewhere(self: &Arc<Self>, work: Vec<Work>) {
        let owner = self.clone();
        self.clock.spawn(async move { owner.submit(work) });
    }

    /// Runs what is in the inbox until it is empty; after a while on another thread. Whoever calls this has set
    /// `running`, and nobody else runs until it is unset here.
    fn run(self: &Arc<Self>) {
        for _ in 0..RUN_MAX {
            let work = {
                let mut inbox = self.inbox();
                let Some(work) = inbox.work.pop_front() else {
                    (inbox.running, inbox.hand) = (false, None);
                    return;
                };
                inbox.hand = work.what.line(self.routes.len());
                work
            };
            let deliveries = self.perform(work);
            self.hand_out(deliveries);
            // The committer syncs what there is while the next method runs.
            self.kick();
        }
        let owner = self.clone();
        self.clock.spawn(async move { owner.run() });
    }

    /// Shards of which is to be asked whether they are still ours, and under which epoch.
    pub(crate) fn take_asking(&self) -> Vec<(ShardId, Epoch)> {
        if self.shared { self.core().take_asking() } else { Vec::new() }
    }

    /// True if a shard turned out to be another's.
    pub(crate) fn is_fenced(&self) -> bool {
        self.shared && self.core().taken.is_some()
    }

    /// The answer (R7). If it is no, nothing leaves that shard any more, and the process is to end.
    pub(crate) fn handle_confirmed(self: &Arc<Self>, shard: ShardId, ours: bool) {
        let deliveries = {
            let mut core = self.core();
            core.shards[shard.0 as usize].handle_confirmed(ours);
            core.taken = core.taken.or((!ours).then_some(shard));
            core.releases(shard)
        };
        self.hand_out(deliveries);
    }

    /// True if a shard has something to append.
    pub(crate) fn has_appends(&self) -> bool {
        self.appendable_any.load(Ordering::Acquire)
    }

    /// An entity as it is in memory, durable or not.
    pub(crate) fn snapshot(&self, entity: &str, key: &Bytes) -> Option<Bytes> {
        let host = self.routes.host(entity)?;
        let shard = self.routes.shard_of(host, key, self.shards);
        let mut core = self.core();
        let name = core.memory.name(host, key).ok()?;
        let cell = core.memory.take(shard, &name, key).ok()?;
        let snapshot = cell.snapshot();
        core.memory.put_back(shard, &name, cell, None);
        Some(snapshot)
    }

    /// Wakes the committer if a shard has something to append.
    pub(crate) fn kick(&self) {
        if !self.appendable_any.load(Ordering::Acquire) {
            return;
        }
        let mut signal = self.signal();
        if !std::mem::replace(&mut signal.append, true) {
            self.wake.notify_one();
        }
    }

    /// Wakes the committer: the log may be cut.
    pub(crate) fn nudge(&self) {
        self.signal().append = true;
        self.wake.notify_one();
    }

    /// Tells the committer to end once everything is durable.
    pub(crate) fn stop_committer(&self) {
        self.signal().stop = true;
        self.wake.notify_one();
    }

    /// A caller of this process has gone, and knows all it asked for.
    pub(crate) fn bye(self: &Arc<Self>, last: CallId) {
        self.submit([Work { what: Asked::Bye(last), due: self.clock.now(), reply: ReplyTo::Nobody }]);
    }

    /// Refuses everything from now on; what was taken in still runs.
    pub(crate) fn close(&self) {
        self.inbox().closed = true;
    }

    /// True once nothing waits in the inbox and nobody runs.
    pub(crate) fn is_idle(&self) -> bool {
        let inbox = self.inbox();
        inbox.work.is_empty() && !inbox.running
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
        if !local.is_empty() {
            self.calls.handle_local(local);
        }
    }

    fn perform(self: &Arc<Self>, work: Work) -> Vec<Delivery> {
        let Work { what, due, reply } = work;
        let late = self.clock.now() > due || buggify!("owner.work.expires");
        if let (true, Some(line)) = (late, what.line(self.routes.len())) {
            // Work that expired in a queue is not begun.
            self.core().tally.end(line, Took::Expired); // mutant ledger-expired-uncounted: let _ = line;
            return vec![Delivery { to: reply, what: What::Refusal(Refusal::Expired) }];
        }
        match what {
            Asked::Call(request, placed) => self.call(request, placed, reply),
            Asked::View { method, key, args } => self.view(method, key, args, reply),
            Asked::Settle(ticket) => self.settle(&ticket, reply),
            Asked::List { entity, after, limit } => self.list(&entity, after.as_ref(), limit as usize, reply),
            Asked::Bye(last) => {
                let mut core = self.core();
                for shard in 0..core.shards.len() {
                    core.shards[shard].bye(last);
                    core.mark(ShardId(shard as u32));
                }
                vec![]
            }
        }
    }

    fn call(
        self: &Arc<Self>,
        request: CallRequest,
        placed: Option<(ShardId, Fingerprint)>,
        reply: ReplyTo,
    ) -> Vec<Delivery> {
        let line = Line::known(request.method, self.routes.len());
        let Some(method) = self.routes.entity_method(request.method) else {
            self.core().tally.end(line, Took::NotDone);
            return vec![unknown(reply, request.method)];
        };
        let (shard, fingerprint) = placed.unwrap_or_else(|| {
            let fingerprint = Fingerprint::of(&method.entity, &request.key, &method.name, &request.args);
            (self.routes.shard_of(method.host, &request.key, self.shards), fingerprint)
        });
        let arrival = Arrival {
            id: request.id,
            entity: method.entity.clone(),
            key: request.key.clone(),
            method: method.name.clone(),
            fingerprint,
            order: request.order,
            keyed: request.keyed,
            commutes: method.class == Class::Commutes,
        };
        let mut core = self.core();
        let full = core.is_full() || buggify!("owner.full");
        if full {
            core.tally.end(line, Took::Overloaded);
            let what = What::Refusal(Refusal::Overloaded { retry_after: RETRY_AFTER });
            return vec![Delivery { to: reply, what }];
        }
        let mut core = self.remembered(core, shard, |machine| machine.missing(&arrival));
        let permit = match core.shards[shard.0 as usize].admit(self.clock.wall(), arrival, reply) {
            Admission::Run(permit) => permit,
            Admission::Queued(took) => {
                core.tally.end(line, took);
                return core.releases(shard);
            }
            Admission::Refused(to, refusal) => {
                core.tally.end(line, Took::refused(&refusal)); // mutant ledger-refused-as-done: core.tally.end(line, Took::Done);
                return vec![Delivery { to, what: What::Refusal(refusal) }];
            }
        };
        self.run_permit(core, shard, permit, method, request.key, request.args)
    }

    fn run_permit(
        self: &Arc<Self>,
        mut core: MutexGuard<'_, Core>,
        shard: ShardId,
        permit: Permit<ReplyTo>,
        method: &EntityMethod,
        key: Bytes,
        args: Bytes,
    ) -> Vec<Delivery> {
        let at = shard.0 as usize;
        let name = match core.memory.name(method.host, &key) {
            Ok(name) => name,
            Err(cause) => {
                core.tally.end(Line::Method(method.index), Took::NotDone);
                core.shards[at].abandon(permit, cause);
                return core.releases(shard);
            }
        };
        let (mut core, mut cell) = self.take(core, shard, &name, &key);
        let now = permit.time(); // mutant method-time-unlogged: let now = self.clock.wall();
        let source = self.routes.has_home(method.host).then(|| Home { owner: self.clone(), shard });
        let source = source.map(|home| Arc::new(home) as Arc<dyn Neighbours>);
        let others = Others { source, taken: vec![] };
        let mut tx = TxCore { key, now, seed: core.next_seed(), drawn: 0, deleted: false, others };
        core.running = Some(Running {
            since: self.clock.now(),
            entity: method.entity.clone(),
            method: method.name.clone(),
            stuck: Some((shard, permit.watch())),
            named: false,
        });
        drop(core);
        let wrote = cell.write(method.number, &mut tx, Value::Bytes(args));
        let mut core = self.resume();
        core.running = None;
        let place = core.shards[at].next();
        let (changed, deleted) = match &wrote {
            Wrote::Ok { redo, .. } => ((tx.deleted || !redo.is_empty()).then_some(redo.len()), tx.deleted),
            _ => (None, false),
        };
        core.memory.put_back(shard, &name, cell, changed.map(|size| (place, size))); // mutant change-not-dirty: core.memory.put_back(shard, &name, cell, changed.filter(|size| *size == usize::MAX).map(|size| (place, size)));
        for Taken { entity, key, cell, changed } in std::mem::take(&mut tx.others.taken) {
            let name = self.name_of(&core, &entity, &key).expect("it was taken under this name");
            core.memory.put_back(shard, &name, cell, changed.map(|size| (place, size)));
        }
        let seed = (tx.drawn > 0).then_some(tx.seed); // mutant seed-unrecorded: let seed = (tx.drawn > u32::MAX - 1).then_some(tx.seed);
        let machine = &mut core.shards[at];
        let took = match wrote {
            Wrote::Ok { value, redo, others } => {
                let outcome = RanOutcome::Ok(value);
                machine.finish(permit, Finished { outcome, redo, deleted, seed, others });
                Took::Done
            }
            Wrote::Err(error) => {
                let (outcome, redo, others) = (RanOutcome::Err(error), Bytes::new(), vec![]);
                machine.finish(permit, Finished { outcome, redo, deleted, seed, others });
                Took::Failed
            }
            Wrote::Unfit(cause) => {
                machine.abandon(permit, cause);
                Took::NotDone
            }
            Wrote::Panicked(message) => {
                machine.give_up(permit, Cause::Panicked(message));
                Took::NotDone
            }
        };
        core.tally.end(Line::Method(method.index), took); // mutant ledger-run-uncounted: let _ = took;
        core.releases(shard)
    }

    /// The name of an entity that this process has.
    fn name_of(&self, core: &Core, entity: &str, key: &Bytes) -> Result<Name, String> {
        let host = self.routes.host(entity).ok_or_else(|| beside::not_here(entity))?;
        core.memory.name(host, key).map_err(|cause| cause.to_string())
    }

    /// Reads what the shard remembers of a call and has not in memory: without the lock.
    fn remembered<'a>(
        &'a self,
        mut core: MutexGuard<'a, Core>,
        shard: ShardId,
        missing: impl Fn(&Shard<ReplyTo>) -> Option<Missing>,
    ) -> MutexGuard<'a, Core> {
        let at = shard.0 as usize;
        while let Some(what) = missing(&core.shards[at]) {
            let rows = core.memory.rows();
            drop(core);
            let read = records::read(rows.as_ref(), shard, &what);
            core = self.core();
            let loaded = read.and_then(|rows| {
                let loaded = core.shards[at].load(&what, rows);
                loaded.map_err(|why| StoreError::corrupt(format!("shard {}: {why:?}", shard.0)))
            });
            if let Err(error) = loaded {
                fatal(&core.clock, &error);
            }
        }
        core
    }

    /// Takes an entity out. A cold one is read without the lock: the committer goes on meanwhile.
    fn take<'a>(
        &'a self,
        mut core: MutexGuard<'a, Core>,
        shard: ShardId,
        name: &Name,
        key: &Bytes,
    ) -> (MutexGuard<'a, Core>, Box<dyn Cell>) {
        let done = |core: &MutexGuard<'_, Core>, error: StoreError| -> ! { fatal(&core.clock, &error) };
        while let Some(loading) = core.memory.loader_of(shard, name) {
            drop(core);
            let loaded = loading.load(shard, name, key);
            core = self.core();
            if let Err(error) = loaded.and_then(|loaded| core.memory.put_loaded(shard, name, loading, loaded))
            {
                done(&core, error);
            }
        }
        match core.memory.take(shard, name, key) {
            Ok(cell) => (core, cell),
            Err(error) => done(&core, error),
        }
    }

    /// Loads entities of which only the log's tail speaks, one lock each: calls go on meanwhile.
    pub(crate) fn load_all(
        &self,
        cold: impl IntoIterator<Item = (ShardId, Name, Bytes)>,
    ) -> Result<(), StoreError> {
        for (shard, name, key) in cold {
            let Some(loading) = self.core().memory.loader_of(shard, &name) else { continue };
            let loaded = loading.load(shard, &name, &key)?;
            // One that is old was loaded by another thread meanwhile, and is no longer in the tail alone.
            self.core().memory.put_loaded(shard, &name, loading, loaded)?;
        }
        Ok(())
    }

    /// Goes on after a method. One that was given up as stuck comes back in vain: its thread waits for the end.
    fn resume(&self) -> MutexGuard<'_, Core> {
        loop {
            let core = self.core();
            if !core.ending {
                return core;
            }
            drop(core);
            std::thread::park();
        }
    }

    fn view(&self, method: u32, key: Bytes, args: Value, reply: ReplyTo) -> Vec<Delivery> {
        let line = Line::known(method, self.routes.len());
        let Some(method) = self.routes.entity_method(method) else {
            self.core().tally.end(line, Took::NotDone);
            return vec![unknown(reply, method)];
        };
        let shard = self.routes.shard_of(method.host, &key, self.shards);
        let mut core = self.core();
        let name = match core.memory.name(method.host, &key) {
            Ok(name) => name,
            Err(cause) => {
                core.tally.end(line, Took::NotDone);
                return vec![Delivery { to: reply, what: What::Answer(Answer::NotDone(cause)) }];
            }
        };
        let (mut core, cell) = self.take(core, shard, &name, &key);
        core.running = Some(Running {
            since: self.clock.now(),
            entity: method.entity.clone(),
            method: method.name.clone(),
            stuck: None,
            named: false,
        });
        drop(core);
        let read = cell.read(method.number, args);
        let mut core = self.resume();
        core.running = None;
        core.memory.put_back(shard, &name, cell, None);
        let took = match &read {
            Ok(Reply::Ok(_)) => Took::Done,
            Ok(Reply::Err(_)) => Took::Failed,
            Err(_) => Took::NotDone,
        };
        core.tally.end(line, took);
        // R6, R7: what it read, or said when it panicked, leaves once that is durable and known to be ours.
        core.shards[shard.0 as usize].view(reply.holding(read));
        core.releases(shard)
    }

    fn settle(&self, ticket: &Ticket, reply: ReplyTo) -> Vec<Delivery> {
        let Some(method) = self.routes.by_name(&ticket.of, &ticket.method) else {
            self.core().tally.end(Line::Settle, Took::NotDone);
            let cause = Cause::Unknown(format!("`{}.{}`", ticket.of, ticket.method));
            return vec![Delivery { to: reply, what: What::Answer(Answer::NotDone(cause)) }];
        };
        let key = ticket.key.clone().unwrap_or_default();
        let shard = self.routes.shard_of(method.host, &key, self.shards);
        let mut core = self.remembered(self.core(), shard, |machine| machine.missing_of(ticket));
        let commutes = method.class == Class::Commutes;
        match core.shards[shard.0 as usize].settle(self.clock.wall(), ticket, commutes, reply) {
            Ok(took) => {
                core.tally.end(Line::Settle, took);
                core.releases(shard)
            }
            Err((to, refusal)) => {
                core.tally.end(Line::Settle, Took::refused(&refusal));
                vec![Delivery { to, what: What::Refusal(refusal) }]
            }
        }
    }

    fn list(&self, entity: &str, after: Option<&Bytes>, limit: usize, reply: ReplyTo) -> Vec<Delivery> {
        let Some(host) = self.routes.host(entity) else {
            self.core().tally.end(Line::List, Took::NotDone);
            let cause = Cause::Unknown(format!("an entity `{entity}` here"));
            return vec![Delivery { to: reply, what: What::Answer(Answer::NotDone(cause)) }];
        };
        let (mut core, keys) = loop {
            let mut core = self.core();
            match core.memory.list(host, after, limit.clamp(1, LIST_MAX)) {
                Ok(keys) => break (core, keys),
                Err(ListError::Key(cause)) => {
                    core.tally.end(Line::List, Took::NotDone);
                    return vec![Delivery { to: reply, what: What::Answer(Answer::NotDone(cause)) }];
                }
                Err(ListError::Store(error)) => fatal(&self.clock, &error),
                Err(ListError::Cold(cold)) => {
                    drop(core);
                    self.load_all(cold).unwrap_or_else(|error| fatal(&self.clock, &error));
                }
            }
        };
        core.tally.end(Line::List, Took::Done);
        // R6: what was read in any shard's memory must be durable before the list leaves.
        let gather = Gather::new(core.shards.len(), reply, keys);
        let mut deliveries = Vec::new();
        for shard in 0..core.shards.len() {
            core.shards[shard].view(ReplyTo::Part(gather.clone()));
            deliveries.extend(core.releases(ShardId(shard as u32)));
        }
        deliveries
    }
}

/// A call that came and has not ended.
pub(crate) enum UnderWay {
    /// Its turn has not come.
    Waits,
    /// Its method runs since so long.
    Runs(Duration),
}

/// Keys one list gives at the most.
pub(crate) const LIST_MAX: usize = 1000;

/// Entities of one shard, for a method that runs there.
struct Home {
    owner: Arc<Owner>,
    shard: ShardId,
}

impl Neighbours for Home {
    fn take(&self, entity: &str, key: &Bytes) -> Result<Box<dyn Cell>, String> {
        let core = self.owner.resume();
        let name = self.owner.name_of(&core, entity, key)?;
        Ok(self.owner.take(core, self.shard, &name, key).1)
    }
}

impl ReplyTo {
    /// As it waits for its gate: with what was read.
    fn holding(self, read: Read) -> Self {
        match self {
            ReplyTo::Here(waiter) => ReplyTo::View(waiter, read),
            ReplyTo::Link(outbox, slot) => ReplyTo::LinkView(outbox, slot, read),
            other => other,
        }
    }
}

fn unknown(to: ReplyTo, method: u32) -> Delivery {
    let cause = Cause::Unknown(format!("method {method} of an entity here"));
    Delivery { to, what: What::Answer(Answer::NotDone(cause)) }
}
