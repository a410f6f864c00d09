//! The driver of `nigh_proto::calls`: one caller machine for this process, its timer, and who waits for what.
//!
//! It hands copies to the owner of this process or to the link of the peer, and outcomes to whoever awaits
//! them. It decides nothing.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use nigh_proto::Instant;
pub(crate) use nigh_proto::calls::caller::Slot;
use nigh_proto::calls::caller::{
    AtCaller, Caller, CallerConfig, Handle, Outcome as Settled, PeerFacts, PeerId, What,
};
use nigh_proto::calls::request::{Answer, Refusal, Request};
use nigh_proto::calls::tally::{CallerLine, Line};
use nigh_proto::shards::ShardId;
use nigh_wire::{CallId, CallerId, Fingerprint, Ticket, Time};
use tokio::sync::{Notify, oneshot};

use crate::buggify;
use crate::clock::Clock;
use crate::ledger::Beside;
use crate::shards::owner::Owner;
use crate::shards::reply::ReplyTo;
use crate::shards::work::{Asked, Work};

mod unheard;

use self::unheard::Unheard;

/// The process that has what this one has not.
pub(crate) const PEER: PeerId = PeerId(1);

/// The machine of this process's calls.
pub(crate) type Machine = Caller<oneshot::Sender<Settled>>;

/// The caller of this process.
pub(crate) struct Calls {
    pub(crate) clock: Clock,
    machine: Mutex<Machine>,
    /// As its lock was let go last: there is something to write to the peer, or to tell; and when it is next of use.
    any: AtomicBool,
    due: AtomicU64,
    owner: OnceLock<Weak<Owner>>,
    /// Wakes the link of the peer: there is something to write.
    pub(crate) link: Notify,
    /// Wakes the timer: something is due before what it sleeps for.
    timer: Notify,
    sleeps_until: AtomicU64,
    /// What is counted beside the machine.
    pub(crate) beside: Beside,
    /// How far callers are behind with what they were told.
    pub(crate) unheard: Unheard,
}

/// The machine under its lock. What is asked of it at every turn is left where it needs no lock.
struct Locked<'a> {
    calls: &'a Calls,
    machine: MutexGuard<'a, Machine>,
}

impl Deref for Locked<'_> {
    type Target = Machine;
    fn deref(&self) -> &Machine {
        &self.machine
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let any = self.machine.has_transmit(PEER) || self.machine.has_settled(); // mutant link-told-nothing: let any = false;
        self.calls.any.store(any, Ordering::Release);
        let due = self.machine.poll_timeout().map_or(u64::MAX, Instant::as_nanos); // mutant caller-never-due: let due = u64::MAX;
        self.calls.due.store(due, Ordering::Release);
    }
}

impl Calls {
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        let caller = Caller::new(CallerId(clock.entropy()), clock.entropy() as u64, CallerConfig::default());
        Arc::new(Calls {
            clock,
            machine: Mutex::new(caller),
            any: AtomicBool::new(false),
            due: AtomicU64::new(u64::MAX),
            owner: OnceLock::new(),
            link: Notify::new(),
            timer: Notify::new(),
            sleeps_until: AtomicU64::new(u64::MAX),
            beside: Beside::default(),
            unheard: Unheard::default(),
        })
    }

    /// Says who owns this process's entities.
    pub(crate) fn set_owner(&self, owner: &Arc<Owner>) {
        assert!(self.owner.set(Arc::downgrade(owner)).is_ok(), "a node has one owner");
    }

    fn machine(&self) -> Locked<'_> {
        Locked { calls: self, machine: self.machine.lock().expect("no user code runs under this lock") }
    }

    /// Opens a call and hands its first copy on. The future gives its outcome; dropped, it lets go of the call.
    pub(crate) fn start(self: &Arc<Self>, to: PeerId, what: What, within: Duration) -> Waiting {
        let (waiter, outcome) = oneshot::channel();
        let (started, settled, work, due) = {
            let mut machine = self.machine();
            let (now, wall) = (self.clock.now(), self.clock.wall());
            if machine.is_stalled(now, wall, to) || buggify!("caller.renews") {
                machine.renew(CallerId(self.clock.entropy()));
            }
            let started = machine.start(now, wall, to, what, within, waiter);
            if let (true, Ok(handle)) = (self.clock.is_watched(), &started) {
                machine.doubtful(*handle).into_iter().for_each(|id| self.clock.started(id));
            }
            let work = self.transmit_local(&mut machine, now);
            // One whose time was up before it left is told now: nothing else may come to pass that would tell it.
            let settled = take_settled(&mut machine); // mutant expired-at-once-untold: let settled = SettledCalls::new();
            (started, settled, work, machine.poll_timeout())
        };
        self.tell(settled);
        let handle = match started {
            Ok(handle) => Some(handle),
            Err(refused) => {
                self.tell(vec![refused]);
                None
            }
        };
        let wake = due.is_some_and(|due| due.as_nanos() < self.sleeps_until.load(Ordering::Acquire));
        // Whoever is woken on this thread is next on it, and a runtime lets no other thread take it over: behind a method that
        // never returns no deadline would pass.
        let here = to == PeerId::LOCAL;
        if here {
            self.submit(work); // mutant timer-behind-method: if wake { self.timer.notify_one() } self.submit(work);
        } else {
            // Others' work, which became ripe: a call to a peer does not wait for it.
            self.submit_apart(work);
            self.link.notify_one();
        }
        if wake {
            self.timer.notify_one();
        }
        Waiting { calls: self.clone(), handle, outcome }
    }

    /// Who numbers now.
    pub(crate) fn caller_id(&self) -> CallerId {
        self.machine().id()
    }

    /// The machine's lines of the ledger, and what is open of each.
    pub(crate) fn ledger(&self) -> Vec<(Line, CallerLine, u64)> {
        self.machine().ledger()
    }

    /// What is known here of that id.
    pub(crate) fn why(&self, id: CallId) -> Option<AtCaller> {
        self.machine().why(self.clock.now(), id)
    }

    /// What to say bye with, if this process may.
    pub(crate) fn farewell(&self) -> Option<CallId> {
        self.machine().farewell()
    }

    /// Takes an id, and the ticket that will settle it.
    pub(crate) fn reserve(&self, to: PeerId, what: &What) -> Option<Ticket> {
        let id = self.machine().reserve(self.clock.now(), self.clock.wall(), to, what).ok()?;
        what.ticket(id)
    }

    /// The reserved call will not be made.
    pub(crate) fn release(&self, id: CallId) {
        let work = {
            let mut machine = self.machine();
            machine.release(id);
            self.transmit_local(&mut machine, self.clock.now())
        };
        self.link.notify_one();
        self.submit(work);
    }

    /// A doubt was settled by asking the owner in this process (R15).
    pub(crate) fn settled_here(&self, id: CallId) {
        self.machine().settled_here(id);
    }

    /// A ticket that this process's own caller would have; needed before a call is open.
    pub(crate) fn fresh_id(&self) -> CallId {
        CallId { caller: CallerId(self.clock.entropy()), number: 1, birth: self.clock.wall() }
    }

    /// Copies for the owner of this process.
    fn transmit_local(&self, machine: &mut Machine, now: Instant) -> Vec<Work> {
        let mut work = Vec::new();
        if !machine.has_transmit(PeerId::LOCAL) {
            return work;
        }
        while let Some((slot, request)) = machine.poll_transmit(now, PeerId::LOCAL) {
            let reply = ReplyTo::Local(slot);
            let placed = machine.placed(PeerId::LOCAL, slot);
            let (what, within) =
                asked(request, placed).expect("services of this process are called directly");
            // One, nearly always: room for four is more than what allocators have at hand.
            if work.is_empty() {
                work.reserve_exact(1);
            }
            work.push(Work { what, due: now.saturating_add(within), reply });
        }
        // Nobody waits any more: what was not begun runs all the same, and its record goes with its number.
        while machine.poll_cancel(PeerId::LOCAL).is_some() {}
        work
    }

    fn submit(&self, work: Vec<Work>) {
        if work.is_empty() {
            return;
        }
        if let Some(owner) = self.owner.get().and_then(Weak::upgrade) {
            owner.submit(work);
        }
    }

    /// As [`Owner::submit_apart`].
    fn submit_apart(&self, work: Vec<Work>) {
        if let (false, Some(owner)) = (work.is_empty(), self.owner.get().and_then(Weak::upgrade)) {
            owner.submit_apart(work);
        }
    }

    /// Answers of the owner of this process. Called on its threads: what follows is run elsewhere.
    pub(crate) fn handle_local(&self, answers: Vec<(Slot, Result<Answer, Refusal>)>) {
        let (settled, work) = {
            let mut machine = self.machine();
            let now = self.clock.now();
            for (slot, answer) in answers {
                match answer {
                    Ok(answer) => {
                        let fits = machine.handle_answer(now, PeerId::LOCAL, slot, answer);
                        debug_assert!(fits.is_ok(), "the owner of this process answers what was asked");
                    }
                    Err(refusal) => machine.handle_refusal(now, PeerId::LOCAL, slot, refusal),
                }
            }
            (take_settled(&mut machine), self.transmit_local(&mut machine, now))
        };
        self.tell(settled);
        self.timer.notify_one();
        if let (false, Some(owner)) = (work.is_empty(), self.owner.get().and_then(Weak::upgrade)) {
            owner.submit_elsewhere(work);
        }
    }

    /// The log time of this process's shards, for births (R17).
    pub(crate) fn handle_local_time(&self, facts: PeerFacts) {
        let clock = self.clock.wall();
        self.machine().handle_link_up(self.clock.now(), PeerId::LOCAL, facts, clock);
    }

    /// True if there is anything to write to the peer, or to tell: links ask at each of their turns. Who adds something
    /// wakes the link after it.
    pub(crate) fn has_transmit(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// What the link of the peer does with the machine, under its lock.
    pub(crate) fn with_link<R>(&self, f: impl FnOnce(&mut Machine, Instant, Time) -> R) -> R {
        let (result, settled, work, due) = {
            let mut machine = self.machine();
            let now = self.clock.now();
            let result = f(&mut machine, now, self.clock.wall());
            let settled = take_settled(&mut machine);
            (result, settled, self.transmit_local(&mut machine, now), machine.poll_timeout())
        };
        self.tell(settled);
        self.submit_apart(work);
        if due.is_some_and(|due| due.as_nanos() < self.sleeps_until.load(Ordering::Acquire)) {
            self.timer.notify_one();
        }
        result
    }

    /// Lets deadlines pass and refused copies be asked again; says when it is next of use.
    pub(crate) fn handle_timeout(&self) -> Option<Instant> {
        let (settled, work, due) = {
            let mut machine = self.machine();
            let now = self.clock.now();
            machine.handle_timeout(now);
            let work = self.transmit_local(&mut machine, now);
            let due = machine.poll_timeout();
            self.sleeps_until.store(due.map_or(u64::MAX, Instant::as_nanos), Ordering::Release);
            (take_settled(&mut machine), work, due)
        };
        self.tell(settled);
        // Every deadline waits for whoever called this.
        self.submit_apart(work);
        if self.has_transmit() {
            self.link.notify_one();
        }
        due
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next of use.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let due = self.due.load(Ordering::Acquire);
        (due != u64::MAX).then(|| Instant::from_nanos(due))
    }

    /// Handles timeouts for as long as the node lives.
    pub(crate) async fn keep_time(self: Arc<Self>) {
        loop {
            match self.handle_timeout() {
                Some(due) => {
                    tokio::select! {
                        biased; // Time first: nobody may delay a deadline.
                        () = self.clock.sleep_until(due) => {}
                        () = self.timer.notified() => {}
                    }
                }
                None => self.timer.notified().await,
            }
        }
    }

    fn tell(&self, settled: SettledCalls) {
        let mut heard = 0;
        for (waiter, outcome) in settled {
            // Its future may have been dropped meanwhile: then nobody asks.
            heard += u64::from(waiter.send(outcome).is_ok());
        }
        if heard > 0 {
            self.unheard.give(heard);
        }
    }

    fn cancel(&self, handle: Handle) {
        let work = {
            let mut machine = self.machine();
            machine.cancel(handle);
            self.transmit_local(&mut machine, self.clock.now())
        };
        self.link.notify_one();
        self.submit(work);
    }
}

/// What this process's owner is asked; `None` for a service call, and the time left.
pub(crate) fn asked(request: Request, placed: Option<(ShardId, Fingerprint)>) -> Option<(Asked, Duration)> {
    Some(match request {
        Request::Call(call) => {
            let within = call.within;
            (Asked::Call(call, placed), within)
        }
        Request::View { method, key, args, within } => {
            (Asked::View { method, key, args: nigh_wire::Value::Bytes(args), shard: None }, within)
        }
        Request::Settle { ticket, within } => (Asked::Settle(Box::new(ticket)), within),
        Request::List { entity, after, limit, within } => (Asked::List { entity, after, limit }, within),
        Request::Serve { .. } => return None,
    })
}

type SettledCalls = Vec<(oneshot::Sender<Settled>, Settled)>;

fn take_settled(machine: &mut Machine) -> SettledCalls {
    if !machine.has_settled() {
        return Vec::new();
    }
    std::iter::from_fn(|| machine.poll_settled()).collect()
}

/// Waits for the outcome of one call.
pub(crate) struct Waiting {
    calls: Arc<Calls>,
    /// `None` once it is settled.
    handle: Option<Handle>,
    outcome: oneshot::Receiver<Settled>,
}

impl Future for Waiting {
    /// `None` if the node has gone.
    type Output = Option<Settled>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Settled>> {
        let outcome = std::task::ready!(Pin::new(&mut self.outcome).poll(cx));
        self.handle = None;
        if outcome.is_ok() {
            self.calls.unheard.take();
        }
        Poll::Ready(outcome.ok())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            self.calls.cancel(handle);
        }
        // It may have been told and not have looked. From here on it cannot be told.
        self.outcome.close();
        let told = self.outcome.try_recv().is_ok(); // mutant gone-stays-unheard: let told = false;
        if told {
            self.calls.unheard.take();
        }
    }
}
