//! The driver of `nigh_proto::calls`: the caller machines of this process, their timer, and who waits for what.
//!
//! One machine calls the peer. Each lane of this process's own shards has one more, which numbers the calls of entities there:
//! an entity's calls are all of one machine, in their order (P4), and two threads that call entities of two lanes never wait for
//! each other. Copies go to the owner of this process or to the link of the peer, outcomes to whoever awaits them. Nothing is
//! decided here.
//!
//! - Here: what is asked and what is answered.
//! - [`one`]: one machine behind its lock.
//! - [`copies`]: what it hands to this process's own owner.
//! - [`unheard`]: how far callers are behind with what they were told.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use nigh_proto::Instant;
pub(crate) use nigh_proto::calls::caller::Slot;
use nigh_proto::calls::caller::{
    AtCaller, CallerConfig, Handle, Outcome as Settled, PeerFacts, PeerId, What,
};
use nigh_proto::calls::request::{Answer, Refusal};
use nigh_proto::calls::tally::{CallerLine, Line};
use nigh_wire::{CallId, CallerId, Ticket, Time};
use tokio::sync::{Notify, oneshot};

use crate::buggify;
use crate::clock::Clock;
use crate::ledger::Beside;
use crate::shards::lanes::Lanes;
use crate::shards::owner::Owner;

mod copies;
mod one;
mod unheard;

pub(crate) use self::copies::asked;
use self::copies::{Copies, transmit_local};
pub(crate) use self::one::Machine;
use self::one::{Locked, One};

/// The process that has what this one has not.
pub(crate) const PEER: PeerId = PeerId(1);

/// The callers of this process.
pub(crate) struct Calls {
    pub(crate) clock: Clock,
    /// Calls the peer.
    there: Arc<One>,
    /// Unset in a process without shards.
    here: OnceLock<Here>,
    /// Wakes the link of the peer: there is something to write.
    pub(crate) link: Notify,
    /// Wakes the timer: something is due before what it sleeps for.
    timer: Notify,
    sleeps_until: AtomicU64,
    /// What is counted beside the machines.
    pub(crate) beside: Beside,
}

/// Those who call this process's own entities.
struct Here {
    /// `None` in tests: it takes everything in and says nothing.
    owner: Option<Arc<Owner>>,
    lanes: Lanes,
    /// By lane.
    callers: Box<[Arc<One>]>,
}

impl Here {
    fn new(calls: &Arc<Calls>, owner: Option<Arc<Owner>>, lanes: Lanes) -> Self {
        let config = CallerConfig::of_lane(lanes.count());
        let one = |_| One::new(Arc::downgrade(calls), &calls.clock, config);
        Here { owner, lanes, callers: (0..lanes.count()).map(one).collect() }
    }
}

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Peer,
    Lane(usize),
}

/// A copy under way to this process's own owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Local {
    lane: usize,
    slot: Slot,
}

impl Calls {
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        Arc::new_cyclic(|calls| Calls {
            there: One::new(calls.clone(), &clock, CallerConfig::default()),
            clock,
            here: OnceLock::new(),
            link: Notify::new(),
            timer: Notify::new(),
            sleeps_until: AtomicU64::new(u64::MAX),
            beside: Beside::default(),
        })
    }

    /// Says who owns this process's entities.
    pub(crate) fn set_owner(self: &Arc<Self>, owner: &Arc<Owner>) {
        let here = Here::new(self, Some(owner.clone()), owner.lanes());
        assert!(self.here.set(here).is_ok(), "a node has one owner");
    }

    /// Who calls that.
    fn at(&self, to: PeerId, what: &What) -> At {
        let lane = |here: &Here| match what {
            What::Call(call) => here.lanes.of(call.shard), // mutant caller-by-method: What::Call(call) => call.method as usize % here.lanes.count(),
            _ => 0,
        };
        match self.here.get().filter(|_| to == PeerId::LOCAL) {
            Some(here) => At::Lane(lane(here)),
            None => At::Peer,
        }
    }

    fn one(&self, at: At) -> &Arc<One> {
        match at {
            At::Peer => &self.there,
            At::Lane(lane) => &self.here.get().expect("a lane is an owner's").callers[lane],
        }
    }

    /// All of them, that of the peer first.
    fn all(&self) -> impl Iterator<Item = (At, &Arc<One>)> {
        let here = self.here.get().into_iter().flat_map(|here| here.callers.iter().enumerate());
        std::iter::once((At::Peer, &self.there)).chain(here.map(|(lane, one)| (At::Lane(lane), one)))
    }

    fn owner(&self) -> Option<&Arc<Owner>> {
        self.here.get()?.owner.as_ref()
    }

    /// Opens a call and hands its first copy on. The future gives its outcome; dropped, it lets go of the call.
    pub(crate) fn start(&self, to: PeerId, what: What, within: Duration) -> Waiting {
        let (waiter, outcome) = oneshot::channel();
        let at = self.at(to, &what);
        let one = self.one(at);
        let (started, settled, work) = {
            let mut machine = one.lock();
            let (now, wall) = (self.clock.now(), self.clock.wall());
            if machine.is_stalled(now, wall, to) || buggify!("caller.renews") {
                machine.renew(CallerId(self.clock.entropy()));
            }
            let started = machine.start(now, wall, to, what, within, waiter);
            if let (true, Ok(handle)) = (self.clock.is_watched(), &started) {
                machine.doubtful(*handle).into_iter().for_each(|id| self.clock.started(id));
            }
            let work = transmit_local(at, &mut machine, now);
            // One whose time was up before it left is told now: nothing else may come to pass that would tell it.
            let settled = take_settled(&mut machine); // mutant expired-at-once-untold: let settled = SettledCalls::new();
            (started, settled, work)
        };
        tell(one, settled);
        let handle = match started {
            Ok(handle) => Some(handle),
            Err(refused) => {
                tell(one, vec![refused]);
                None
            }
        };
        let wakes = self.is_due_sooner(one);
        // Whoever is woken on this thread is next on it, and a runtime lets no other thread take it over: behind a method that
        // never returns no deadline would pass.
        match at {
            At::Lane(_) => self.submit(work), // mutant timer-behind-method: At::Lane(_) => { if wakes { self.timer.notify_one() } self.submit(work) },
            At::Peer => self.link.notify_one(),
        }
        if wakes {
            self.timer.notify_one();
        }
        Waiting { one: one.clone(), at, handle, outcome }
    }

    /// True if the timer sleeps longer than that one may wait.
    fn is_due_sooner(&self, one: &One) -> bool {
        one.due() < self.sleeps_until.load(Ordering::SeqCst)
    }

    /// Who numbers now what the peer is asked.
    pub(crate) fn caller_id(&self) -> CallerId {
        self.there.lock().id()
    }

    /// The machines' lines of the ledger, and what is open of each.
    pub(crate) fn ledger(&self) -> Vec<(Line, CallerLine, u64)> {
        self.all().flat_map(|(_, one)| one.lock().ledger()).collect()
    }

    /// What is known here of that id.
    pub(crate) fn why(&self, id: CallId) -> Option<AtCaller> {
        let now = self.clock.now();
        self.all().find_map(|(_, one)| one.lock().why(now, id)) // mutant why-of-peer-alone: self.there.lock().why(now, id)
    }

    /// What to say bye to the peer with, if this process may.
    pub(crate) fn farewell(&self) -> Option<CallId> {
        self.there.lock().farewell()
    }

    /// The same of those who call this process's own entities.
    pub(crate) fn farewells_here(&self) -> Vec<CallId> {
        let here = self.here.get().into_iter().flat_map(|here| &here.callers);
        here.filter_map(|one| one.lock().farewell()).collect()
    }

    /// Takes an id, and the ticket that will settle it.
    pub(crate) fn reserve(&self, to: PeerId, what: &What) -> Option<Ticket> {
        let mut machine = self.one(self.at(to, what)).lock();
        let id = machine.reserve(self.clock.now(), self.clock.wall(), to, what).ok()?;
        what.ticket(id)
    }

    /// The reserved call will not be made.
    pub(crate) fn release(&self, id: CallId) {
        for (at, one) in self.all() {
            let work = {
                let mut machine = one.lock();
                machine.release(id); // mutant release-of-peer-alone: if at == At::Peer { machine.release(id) };
                transmit_local(at, &mut machine, self.clock.now())
            };
            self.submit(work);
        }
        self.link.notify_one();
    }

    /// A doubt was settled by asking the owner in this process (R15).
    pub(crate) fn settled_here(&self, id: CallId) {
        self.all().for_each(|(_, one)| one.lock().settled_here(id)); // mutant settled-of-peer-alone: self.there.lock().settled_here(id);
    }

    /// A ticket that this process's own caller would have; needed before a call is open.
    pub(crate) fn fresh_id(&self) -> CallId {
        CallId { caller: CallerId(self.clock.entropy()), number: 1, birth: self.clock.wall() }
    }

    fn submit(&self, work: Copies) {
        if work.is_empty() {
            return;
        }
        if let Some(owner) = self.owner() {
            owner.submit(work);
        }
    }

    /// As [`Owner::submit_apart`].
    fn submit_apart(&self, work: Copies) {
        if let (false, Some(owner)) = (work.is_empty(), self.owner()) {
            owner.submit_apart(work);
        }
    }

    /// Answers of the owner of this process, best those of a lane together. Called on its threads: what follows is run
    /// elsewhere.
    pub(crate) fn handle_local(&self, answers: Vec<(Local, Result<Answer, Refusal>)>) {
        let mut answers = answers.into_iter().peekable();
        while let Some((Local { lane, .. }, _)) = answers.peek() {
            let lane = *lane;
            let of_lane = std::iter::from_fn(|| answers.next_if(|(to, _)| to.lane == lane));
            self.handle_lane(lane, of_lane.map(|(to, answer)| (to.slot, answer)));
        }
    }

    fn handle_lane(&self, lane: usize, answers: impl Iterator<Item = (Slot, Result<Answer, Refusal>)>) {
        let one = self.one(At::Lane(lane));
        let (settled, work) = {
            let mut machine = one.lock();
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
            (take_settled(&mut machine), transmit_local(At::Lane(lane), &mut machine, now))
        };
        tell(one, settled);
        // What was refused may be asked again sooner than anything else is due.
        let wakes = self.is_due_sooner(one); // mutant refused-not-asked-again: let wakes = false;
        if wakes {
            self.timer.notify_one();
        }
        if let (false, Some(owner)) = (work.is_empty(), self.owner()) {
            owner.submit_elsewhere(work);
        }
    }

    /// The log time of this process's shards, for births (R17).
    pub(crate) fn handle_local_time(&self, facts: PeerFacts) {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        for one in self.here.get().iter().flat_map(|here| &here.callers) {
            one.lock().handle_link_up(now, PeerId::LOCAL, facts, wall);
        }
    }

    /// True if there is anything to write to the peer, or to tell: links ask at each of their turns. Who adds something
    /// wakes the link after it.
    pub(crate) fn has_transmit(&self) -> bool {
        self.there.has_any()
    }

    /// What the link of the peer does with its machine, under its lock.
    pub(crate) fn with_link<R>(&self, f: impl FnOnce(&mut Machine, Instant, Time) -> R) -> R {
        let (result, settled) = {
            let mut machine = self.there.lock();
            let result = f(&mut machine, self.clock.now(), self.clock.wall());
            (result, take_settled(&mut machine))
        };
        tell(&self.there, settled);
        if self.is_due_sooner(&self.there) {
            self.timer.notify_one();
        }
        result
    }

    /// Lets deadlines pass and refused copies be asked again; says when it is next of use.
    pub(crate) fn handle_timeout(&self) -> Option<Instant> {
        // Until all were looked at, whoever adds something wakes the timer: it may have been looked at before.
        self.sleeps_until.store(u64::MAX, Ordering::SeqCst);
        for (at, one) in self.all() {
            let now = self.clock.now();
            if one.due() > now.as_nanos() {
                continue;
            }
            let (settled, work) = {
                let mut machine = one.lock();
                machine.handle_timeout(now);
                let work = transmit_local(at, &mut machine, now);
                (take_settled(&mut machine), work)
            };
            tell(one, settled);
            // Every deadline waits for whoever called this.
            self.submit_apart(work);
        }
        if self.has_transmit() {
            self.link.notify_one();
        }
        let due = self.due();
        self.sleeps_until.store(due.map_or(u64::MAX, Instant::as_nanos), Ordering::SeqCst);
        due
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next of use.
    pub(crate) fn due(&self) -> Option<Instant> {
        let first = self.all().map(|(_, one)| one.due()).min()?;
        (first != u64::MAX).then(|| Instant::from_nanos(first))
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

    /// Answers that were taken up so far, and those given that nobody took up.
    pub(crate) fn untaken(&self) -> (u64, u64) {
        let counts = self.all().map(|(_, one)| one.unheard.counts());
        counts.fold((0, 0), |sum: (u64, u64), (taken, left)| (sum.0.wrapping_add(taken), sum.1 + left))
    }

    fn cancel(&self, at: At, handle: Handle) {
        let work = {
            let mut machine = self.one(at).lock();
            machine.cancel(handle);
            transmit_local(at, &mut machine, self.clock.now())
        };
        match at {
            At::Peer => self.link.notify_one(),
            At::Lane(_) => self.submit(work),
        }
    }
}

type SettledCalls = Vec<(oneshot::Sender<Settled>, Settled)>;

fn tell(one: &One, settled: SettledCalls) {
    let mut heard = 0;
    for (waiter, outcome) in settled {
        // Its future may have been dropped meanwhile: then nobody asks.
        heard += u64::from(waiter.send(outcome).is_ok());
    }
    if heard > 0 {
        one.unheard.give(heard);
    }
}

fn take_settled(machine: &mut Locked<'_>) -> SettledCalls {
    if !machine.has_settled() {
        return Vec::new();
    }
    std::iter::from_fn(|| machine.poll_settled()).collect()
}

/// Waits for the outcome of one call.
pub(crate) struct Waiting {
    one: Arc<One>,
    at: At,
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
            self.one.unheard.take();
        }
        Poll::Ready(outcome.ok())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take()
            && let Some(calls) = self.one.calls()
        {
            calls.cancel(self.at, handle);
        }
        // It may have been told and not have looked. From here on it cannot be told.
        self.outcome.close();
        let told = self.outcome.try_recv().is_ok(); // mutant gone-stays-unheard: let told = false;
        if told {
            self.one.unheard.take();
        }
    }
}

#[cfg(test)]
mod tests;
