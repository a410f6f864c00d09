//! The caller half of calls: numbers, deadlines, sending again, refusals of one copy, floors and doubts.
//!
//! What is asked ([`What`]) is *open* from [`Caller::start`] until it *settles*, exactly once, as an
//! [`Outcome`]. Copies of it are written by [`Caller::poll_transmit`], in number order on each link; an
//! answer speaks of the id, a refusal of one copy (R11). At its deadline a writing call that may have run is
//! told in doubt, and a doubt stays unknown until it is settled here (R15).
//!
//! Reading order: [`what`] is the data, [`open`] one open call, [`chain`] the calls of one key, [`peer`]
//! one link's queue and slots, [`schedule`] which copy leaves when, [`ledger`] the floors and doubts, [`why`] what
//! is known of one id; here they come together.
//!
//! Nothing here does I/O, reads a clock or draws a random number. It never gives a call a second number.

mod chain;
mod ledger;
mod limits;
mod numbered;
mod open;
mod peer;
mod rising;
mod schedule;
#[cfg(test)]
mod tests;
mod timers;
mod what;
mod why;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use nigh_wire::{CallId, CallerId, Cause, Fingerprint, NotSettledCause, Ticket, Time};

use self::ledger::Ledger;
use self::limits::{AHEAD_MAX, CHECKED_MAX, RETRY_AFTER};
pub use self::limits::{CALL_SIZE_MAX, CALLS_OPEN_MAX, CallerConfig, Overloaded, too_large};
use self::open::{Jitter, Open, Seat, Stage};
pub use self::peer::{PeerFacts, PeerId, Slot};
use self::schedule::Schedule;
use self::what::Place;
pub use self::what::{Identity, Outcome, Serves, What, Writes};
pub use self::why::{AtCaller, Waits};
use super::DEADLINE_MAX;
use super::request::{Answer, Known, Order, Refusal, Request};
use super::tally::{CallerLine, Fate, Line, Tally};
use crate::Instant;
use crate::shards::ShardId;

/// Something that was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(u64);

/// A peer answered something else than was asked: close its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misfit;

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the peer answered another kind of question than it was asked")
    }
}
impl std::error::Error for Misfit {}

#[derive(Clone, Debug, Hash)]
struct Reserved {
    to: PeerId,
    id: CallId,
    place: Option<Place>,
    seat: Option<Seat>,
}

/// The caller of one process: numbers what it asks of all its peers, settles each exactly once. `W` is the
/// driver's own token of who waits.
#[derive(Clone, Debug, Hash)]
pub struct Caller<W> {
    config: CallerConfig,
    id: CallerId,
    /// The number not yet given. Also orders what travels without a number.
    next: u64,
    last_birth: Time,
    jitter: Jitter,
    reserved: BTreeMap<u64, Reserved>,
    ledger: Ledger,
    schedule: Schedule<W>,
    settled: VecDeque<(W, Outcome)>,
    tally: Tally<CallerLine>,
}

impl<W> Caller<W> {
    /// A caller under a fresh random id (R1): no other process, nor this one before, has numbered under it.
    pub fn new(id: CallerId, seed: u64, config: CallerConfig) -> Self {
        Self {
            config,
            id,
            next: 1,
            last_birth: Time::EPOCH,
            jitter: Jitter(seed),
            reserved: BTreeMap::new(),
            ledger: Ledger::default(),
            schedule: Schedule::new(),
            settled: VecDeque::new(),
            tally: Tally::default(),
        }
    }

    /// Who numbers now.
    pub fn id(&self) -> CallerId {
        self.id
    }

    /// Takes the number of a call that may be started later, so that its ticket can be written down before.
    /// It counts as open, on its key too, until it is started or released.
    ///
    /// # Errors
    ///
    /// Too many calls are open towards that peer.
    pub fn reserve(
        &mut self,
        now: Instant,
        clock: Time,
        to: PeerId,
        what: &What,
    ) -> Result<CallId, Overloaded> {
        if self.schedule.peer(to).open >= self.config.calls_open_max {
            return Err(Overloaded { retry_after: RETRY_AFTER });
        }
        let (id, seat) = self.number(now, clock, to, what);
        self.schedule.peer(to).open += 1;
        self.reserved.insert(id.number, Reserved { to, id, place: what.place(), seat });
        self.assert_invariants();
        Ok(id)
    }

    /// A reserved call will never be started: it is known not to have run.
    pub fn release(&mut self, id: CallId) {
        let Some(reserved) = self.take_reserved(id) else { return };
        self.schedule.peer(reserved.to).open -= 1;
        self.leave(id.number, reserved.seat, None);
        self.assert_invariants();
    }

    /// Opens a call, or refuses it with no effect anywhere. `within` is cut to the longest deadline.
    ///
    /// # Errors
    ///
    /// The waiter back, and why: overloaded, too large, or a reserved id that is not this call's.
    pub fn start(
        &mut self,
        now: Instant,
        clock: Time,
        to: PeerId,
        what: What,
        within: Duration,
        waiter: W,
    ) -> Result<Handle, (W, Outcome)> {
        self.ledger.handle_age(clock);
        let line = Line::of(&what);
        self.tally.ask(line);
        let reserved = match what.identity() {
            Identity::Reserved(id) => match self.take_reserved(id) {
                Some(reserved) if reserved.place == what.place() => Some(reserved),
                stranger => {
                    stranger.map(|reserved| self.reserved.insert(id.number, reserved));
                    self.tally.end(line, Fate::NotDone);
                    return Err((waiter, Outcome::Answer(Answer::NotDone(Cause::Misuse))));
                }
            },
            Identity::Fresh | Identity::Foreign(_) => None,
        };
        // A reserved call has its place among the open ones already; if it is refused, it is released.
        if let Some(reserved) = &reserved {
            self.schedule.peer(reserved.to).open -= 1;
        }
        if let Err(outcome) = self.admit(to, what.size()) {
            if let Some(reserved) = reserved {
                self.leave(reserved.id.number, reserved.seat, None);
            }
            self.tally.end(line, Fate::of(&outcome)); // mutant ledger-refusal-uncounted: let _ = &outcome;
            self.assert_invariants();
            return Err((waiter, outcome));
        }
        let (number, id, seat) = match (reserved, what.identity()) {
            (Some(reserved), _) => (reserved.id.number, reserved.id, reserved.seat),
            (None, Identity::Foreign(id)) => (self.take_number(), id, None),
            (None, _) => {
                let (id, seat) = self.number(now, clock, to, &what);
                (id.number, id, seat)
            }
        };
        let due = now.saturating_add(within.min(DEADLINE_MAX));
        let (stage, copies, refused, refusals) = (Stage::Behind, 0, false, 0);
        let since = now;
        let call =
            Box::new(Open { to, id, what, seat, since, due, waiter, stage, copies, refused, refusals });
        self.schedule.insert(number, call);
        self.assert_invariants();
        Ok(Handle(number))
    }

    /// The ticket of an open call; `None` if it settled, or is never in doubt.
    pub fn ticket(&self, handle: Handle) -> Option<Ticket> {
        let call = self.schedule.open.get(handle.0)?;
        call.what.ticket(call.id)
    }

    /// The id of an open call that may come to be in doubt.
    pub fn doubtful(&self, handle: Handle) -> Option<CallId> {
        let call = self.schedule.open.get(handle.0)?;
        call.what.may_doubt().then_some(call.id)
    }

    /// True if there is anything to write to that peer.
    pub fn has_transmit(&self, to: PeerId) -> bool {
        self.schedule.peers.get(&to).is_some_and(|peer| peer.queue.len() + peer.cancels.len() > 0)
    }

    /// True if something settled and was not polled yet.
    pub fn has_settled(&self) -> bool {
        !self.settled.is_empty()
    }

    /// The next copy to write on the link to that peer; it counts as sent. Lowest number first (R2).
    pub fn poll_transmit(&mut self, now: Instant, to: PeerId) -> Option<(Slot, Request)> {
        loop {
            let peer = self.schedule.peers.get_mut(&to)?;
            if !peer.up || peer.slots.len() >= self.config.calls_open_max {
                return None;
            }
            #[rustfmt::skip]
            let number = peer.queue.first()?; // mutant resend-reordered: let number = peer.queue.iter().last().map(|(number, ())| *number)?;
            let call = self.schedule.open.get_mut(number).expect("a queued call is open");
            if call.due <= now {
                self.expire(number);
                self.assert_invariants();
                continue;
            }
            peer.queue.remove(number);
            let slot = peer.take_slot(number);
            call.stage = Stage::Sent(slot);
            call.refused = false;
            // R11: a copy sent again keeps its number: what a broken link left behind may still arrive.
            #[rustfmt::skip]
            let id = call.id; // mutant refused-renumbered: let id = CallId { number: call.id.number + u64::from(call.copies), ..call.id };
            call.copies += 1;
            self.tally.copy(Line::of(&call.what)); // mutant ledger-copy-uncounted: let _ = &call;
            // R10, R14: each copy says what holds when it leaves. A predecessor that settled since, or was
            // given up, no longer holds it back; floors only rise.
            let order = match call.seat {
                Some(Seat { era, shard, chain: Some(chain) }) => {
                    let after = self.schedule.chains.before(chain, number).unwrap_or(0); // mutant predecessor-unnamed: let after = 0;
                    Order::After { after, known: self.ledger.known(era, shard, self.next) }
                }
                Some(Seat { era, shard, chain: None }) => {
                    #[rustfmt::skip]
                    let known = self.ledger.known(era, shard, self.next); // mutant unordered-without-floor: let known = crate::calls::request::Known::default();
                    Order::Unordered(known)
                }
                None => Order::Free,
            };
            let request = call.what.request(id, order, call.due.saturating_since(now));
            self.assert_invariants();
            return Some((slot, request));
        }
    }

    /// Where a copy under way goes, and its fingerprint: an owner in this process need not hash them again.
    pub fn placed(&self, to: PeerId, slot: Slot) -> Option<(ShardId, Fingerprint)> {
        let number = self.schedule.peers.get(&to)?.slots.get(slot.0)?;
        match &self.schedule.open.get(*number)?.what {
            What::Call(call) => Some((call.shard, call.fingerprint)),
            _ => None,
        }
    }

    /// The next copy on the link to that peer whose asker has gone.
    pub fn poll_cancel(&mut self, to: PeerId) -> Option<Slot> {
        self.schedule.peers.get_mut(&to)?.cancels.pop_front()
    }

    /// A link to that peer is up: open calls are written again, in number order, under the same ids (R2).
    /// For [`PeerId::LOCAL`] this only says what its shards' log time is.
    pub fn handle_link_up(&mut self, now: Instant, to: PeerId, hello: PeerFacts, clock: Time) {
        if to != PeerId::LOCAL && self.schedule.peer(to).up {
            self.handle_link_lost(to);
        }
        let peer = self.schedule.peer(to);
        peer.up = true;
        peer.correct(now, hello, clock);
        self.assert_invariants();
    }

    /// The link to that peer is lost: what was under way waits for the next one. A service call that may not
    /// be sent twice is in doubt at once, since its answer can no longer come.
    pub fn handle_link_lost(&mut self, to: PeerId) {
        let under_way: Vec<u64> =
            self.schedule.peer(to).slots.sorted().into_iter().map(|(_, number)| *number).collect();
        self.schedule.peer(to).lose();
        for number in under_way {
            let Some(call) = self.schedule.open.get_mut(number) else { continue };
            if call.what.leaves_once() {
                let doubt = Outcome::InDoubt(Box::new(self.ticket_of(number)));
                self.settle(number, doubt);
            } else if matches!(call.stage, Stage::Sent(_)) {
                self.schedule.enqueue(number); // mutant no-resend-after-loss: let _ = number;
            }
        }
        self.assert_invariants();
    }

    /// An answer: it speaks of the id, for good. It counts only on the link it was asked on (R2).
    ///
    /// # Errors
    ///
    /// It is no answer to what was asked: close the link, the call stays open.
    pub fn handle_answer(
        &mut self,
        _now: Instant,
        to: PeerId,
        slot: Slot,
        answer: Answer,
    ) -> Result<(), Misfit> {
        let Some(number) = self.schedule.peer(to).slots.remove(slot.0) else { return Ok(()) };
        let Some(call) = self.schedule.open.get(number) else {
            // R15: too late: what was told in doubt stays so until it is settled.
            return Ok(()); // mutant late-answer-acks-doubt: return Ok(self.ledger.know_number(number));
        };
        if !call.what.fits(&answer) {
            // Until the link is closed the call is as good as under way.
            self.schedule.peer(to).slots.insert(slot.0, number);
            return Err(Misfit);
        }
        let outcome = match (&call.what, answer) {
            (What::Settle { ticket }, answer) => {
                let outcome = what::verdict(answer);
                if matches!(outcome, Outcome::Answer(_)) {
                    self.ledger.know(ticket.id);
                }
                outcome
            }
            (What::Call(_), Answer::Forgotten) => Outcome::Forgotten(Box::new(self.ticket_of(number))),
            (_, answer) => Outcome::Answer(answer),
        };
        self.settle(number, outcome);
        self.assert_invariants();
        Ok(())
    }

    /// A refusal: it speaks of one copy (R11). The call is told overloaded, or is asked again after a while.
    pub fn handle_refusal(&mut self, now: Instant, to: PeerId, slot: Slot, refusal: Refusal) {
        let Some(number) = self.schedule.peer(to).slots.remove(slot.0) else { return };
        let Some(call) = self.schedule.open.get_mut(number) else { return };
        // R9: "ask again" says nothing of whether the copy ran.
        call.refused = refusal != Refusal::AskAgain;
        call.refusals = call.refusals.saturating_add(1);
        let wait = self.jitter.wait(call.refusals);
        // R11: told overloaded only if no other copy was ever sent.
        let alone = call.copies == 1; // mutant overloaded-after-resend: let alone = call.copies >= 1;
        let told = call.what.reads() || alone && !matches!(call.what, What::Settle { .. });
        match refusal {
            Refusal::Overloaded { retry_after } if told => {
                self.settle(number, Outcome::Overloaded { retry_after });
            }
            Refusal::Overloaded { retry_after } => {
                self.schedule.hold(number, now.saturating_add(retry_after.max(wait)), false)
            }
            Refusal::AskAgain if call.what.leaves_once() => {
                let doubt = Outcome::InDoubt(Box::new(self.ticket_of(number)));
                self.settle(number, doubt);
            }
            Refusal::NotYet if self.schedule.may_follow(number) => self.schedule.enqueue(number),
            Refusal::NotYet => self.schedule.hold(number, now.saturating_add(wait), true),
            Refusal::NotOwner
            | Refusal::AskAgain
            | Refusal::Expired
            | Refusal::Cancelled
            | Refusal::Ahead => self.schedule.hold(number, now.saturating_add(wait), false),
        }
        self.assert_invariants();
    }

    /// Its future was dropped: nobody will ever ask what became of it, so it is known (R14). Gives its waiter.
    pub fn cancel(&mut self, handle: Handle) -> Option<W> {
        let call = self.close(handle.0, false)?;
        self.tally.end(Line::of(&call.what), Fate::LetGo); // mutant ledger-cancel-uncounted: let _ = &call;
        self.assert_invariants();
        Some(call.waiter)
    }

    /// Deadlines pass, refused copies are asked again.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(number) = self.schedule.pop_deadline(now) {
            self.expire(number);
        }
        self.assert_invariants();
    }

    /// When [`Caller::handle_timeout`] is next of use.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.schedule.timers.first().map(|(at, _)| at)
    }

    /// What settled, to be told to whoever waits.
    pub fn poll_settled(&mut self) -> Option<(W, Outcome)> {
        self.settled.pop_front()
    }

    /// R15: a doubt was settled in this process, by other means than [`What::Settle`] of this caller.
    pub fn settled_here(&mut self, id: CallId) {
        self.ledger.know(id);
        self.assert_invariants();
    }

    /// R15: the ticket of a doubt was dropped: nobody will ask.
    pub fn ticket_dropped(&mut self, id: CallId) {
        self.settled_here(id);
    }

    /// R14: what this caller's next call would tell that shard.
    pub fn known(&self, shard: ShardId) -> Known {
        self.ledger.known(self.ledger.era(), shard, self.next)
    }

    /// True if this id is of no more use towards that peer, until [`Caller::renew`]: some floor has stopped at a
    /// 65th doubt, so that records pile up there; or its owner was ahead once and is not any more, and since births
    /// never fall (R16), each further call could be born too far in the future (R17).
    pub fn is_stalled(&self, now: Instant, clock: Time, to: PeerId) -> bool {
        let log_time = self.schedule.peers.get(&to).map_or(clock, |peer| peer.log_time(now, clock));
        let too_far = self.last_birth > log_time.saturating_add(AHEAD_MAX); // mutant births-stay-ahead: let too_far = false;
        too_far || self.ledger.is_stalled()
    }

    /// Goes on under a fresh random id (R1). What is open or reserved keeps its own; order holds within one id.
    pub fn renew(&mut self, id: CallerId) {
        self.id = id;
        self.last_birth = Time::EPOCH;
        self.ledger.renew();
        self.assert_invariants();
    }

    /// True if nothing is open, reserved or in doubt: a process that stops now may say bye.
    pub fn is_idle(&self) -> bool {
        self.schedule.open.is_empty() && self.reserved.is_empty() && self.ledger.doubts() == 0
    }

    /// The last id given under the current caller id, if a process that stops now may say bye with it: nothing
    /// is open, reserved or in doubt, so all up to it is known (R14).
    pub fn farewell(&self) -> Option<CallId> {
        let (caller, number, birth) = (self.id, self.next - 1, self.last_birth);
        (self.is_idle() && number > 0).then_some(CallId { caller, number, birth })
    }

    /// The ledger: each line, and how many of its calls are open, as the open calls themselves say.
    pub fn ledger(&self) -> Vec<(Line, CallerLine, u64)> {
        let mut open = BTreeMap::<Line, u64>::new();
        self.schedule
            .open
            .sorted()
            .into_iter()
            .for_each(|(_, call)| *open.entry(Line::of(&call.what)).or_default() += 1);
        let mut line =
            |(line, counted): (Line, &CallerLine)| (line, *counted, open.remove(&line).unwrap_or(0));
        self.tally.lines().map(&mut line).collect()
    }

    /// What is known here of that id. Changes nothing.
    pub fn why(&self, now: Instant, id: CallId) -> Option<AtCaller> {
        if let Some(call) =
            self.schedule.open.sorted().into_iter().map(|(_, call)| call).find(|call| call.id == id)
        {
            return Some(why::open(call, now));
        }
        let reserved = self.reserved.get(&id.number).is_some_and(|reserved| reserved.id == id);
        let doubt = self.ledger.is_doubt_of(id);
        match (reserved, doubt) {
            (true, _) => Some(AtCaller::Reserved),
            (_, true) => Some(AtCaller::InDoubt),
            _ if id.caller != self.id => None,
            _ if id.number >= self.next => Some(AtCaller::NeverGiven),
            _ => Some(AtCaller::Ended),
        }
    }

    fn admit(&mut self, to: PeerId, size: usize) -> Result<(), Outcome> {
        if size > CALL_SIZE_MAX {
            return Err(Outcome::Answer(Answer::NotDone(too_large(size))));
        }
        let CallerConfig { calls_open_max, bytes_open_max } = self.config;
        let peer = self.schedule.peer(to);
        if peer.open >= calls_open_max || peer.bytes + size > bytes_open_max {
            return Err(Outcome::Overloaded { retry_after: RETRY_AFTER });
        }
        Ok(())
    }

    /// R1: no number is given twice.
    fn take_number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1; // mutant number-reused: self.next += u64::from(number % 2 == 1);
        number
    }

    fn number(&mut self, now: Instant, clock: Time, to: PeerId, what: &What) -> (CallId, Option<Seat>) {
        let number = self.take_number();
        // R17: born in the owner's log time. R16: births never fall, whatever clocks and owners do.
        let corrected = self.schedule.peer(to).log_time(now, clock);
        let birth = corrected.max(self.last_birth); // mutant births-fall: let birth = corrected;
        self.last_birth = birth;
        let seat = what.place().map(|Place { shard, chain }| {
            let era = self.ledger.era();
            self.ledger.open(shard, number);
            let chain =
                chain.map(|(entity, key)| self.schedule.chains.join((era, shard, entity, key), number));
            Seat { era, shard, chain }
        });
        (CallId { caller: self.id, number, birth }, seat)
    }

    fn take_reserved(&mut self, id: CallId) -> Option<Reserved> {
        self.reserved.get(&id.number).filter(|reserved| reserved.id == id)?;
        self.reserved.remove(&id.number)
    }

    fn ticket_of(&self, number: u64) -> Ticket {
        let call = &self.schedule.open[number];
        call.what.ticket(call.id).expect("what can be in doubt has a ticket")
    }

    /// Its deadline passed.
    fn expire(&mut self, number: u64) {
        let call = &self.schedule.open[number];
        let outcome = match call.what {
            What::Settle { .. } => Outcome::NotSettled(NotSettledCause::Deadline),
            _ if call.what.reads() || call.never_ran() => Outcome::Answer(Answer::NotDone(Cause::Deadline)),
            _ => Outcome::InDoubt(Box::new(self.ticket_of(number))),
        };
        self.settle(number, outcome);
    }

    fn settle(&mut self, number: u64, outcome: Outcome) {
        // R15: known are done, failed, not done, overloaded; in doubt is not.
        let doubt = matches!(outcome, Outcome::InDoubt(_)); // mutant doubt-counts-as-known: let doubt = false;
        let call = self.close(number, doubt).expect("what settles is open");
        self.tally.end(Line::of(&call.what), Fate::of(&outcome));
        self.settled.push_back((call.waiter, outcome));
    }

    fn close(&mut self, number: u64, doubt: bool) -> Option<Box<Open<W>>> {
        let call = self.schedule.remove(number)?;
        self.leave(number, call.seat, doubt.then_some(call.id));
        Some(call)
    }

    /// Its number is no longer open: known, or in doubt.
    fn leave(&mut self, number: u64, seat: Option<Seat>, doubt: Option<CallId>) {
        let Some(Seat { era, shard, chain }) = seat else { return };
        match doubt {
            Some(id) => self.ledger.doubt(era, shard, id),
            None => self.ledger.close(era, shard, number),
        }
        if let Some(key) = chain {
            self.schedule.leave(key, number);
        }
    }

    /// Cheap checks always; the tables against each other in debug builds, while they are small.
    fn assert_invariants(&self) {
        assert!(self.schedule.timers.len() >= self.schedule.open.len(), "an open call without a deadline");
        // In a release build it is an alarm, not an end: see `balance` of the node's ledger.
        debug_assert_eq!(self.tally.open(), self.schedule.open.len() as u64, "the ledger does not balance");
        if cfg!(debug_assertions) && self.schedule.open.len() + self.ledger.doubts() <= CHECKED_MAX {
            self.schedule.assert_consistent();
            self.ledger.assert_consistent(self.next);
            self.assert_consistent();
        }
    }

    /// No number is two things at once, and every peer's count is that of its calls.
    fn assert_consistent(&self) {
        for (number, _) in self.schedule.open.sorted() {
            assert!(!self.ledger.is_doubt(number), "{number} is open and in doubt");
            assert!(!self.reserved.contains_key(&number), "{number} is open and reserved");
        }
        for (to, peer) in &self.schedule.peers {
            assert!(peer.slots.len() <= self.config.calls_open_max, "{} slots taken", peer.slots.len());
            let all = self.schedule.open.sorted();
            let open = all.into_iter().filter(|(_, call)| call.to == *to).count();
            let reserved = self.reserved.values().filter(|reserved| reserved.to == *to).count();
            assert_eq!(peer.open, open + reserved, "calls open towards {to:?}");
        }
    }
}
