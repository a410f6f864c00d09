//! Which copy leaves when: the open calls, their deadlines, and who waits for whom.
//!
//! Every open call is queued, under way, held for a while, or behind a held call on its key ([`Stage`]).
//! Nothing here knows what a call is or what its caller is told.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use super::chain::{ChainId, Chains};
use super::numbered::Numbered;
use super::open::{Open, Stage};
use super::peer::{Peer, PeerId};
use super::timers::Timers;
use crate::Instant;

#[derive(Clone, Debug)]
pub(super) struct Schedule<W> {
    pub(super) peers: BTreeMap<PeerId, Peer>,
    pub(super) open: Numbered<Box<Open<W>>>,
    pub(super) chains: Chains,
    /// Of every open call its deadline; of every held one also when it is asked again.
    pub(super) timers: Timers,
}

/// Timers are those of the open calls.
impl<W: Hash> Hash for Schedule<W> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Schedule { peers, open, chains, timers: _ } = self;
        (peers, open, chains).hash(state);
    }
}

impl<W> Schedule<W> {
    pub(super) fn new() -> Self {
        let local = Peer::local();
        Self {
            peers: BTreeMap::from([(PeerId::LOCAL, local)]),
            open: Numbered::default(),
            chains: Chains::default(),
            timers: Timers::default(),
        }
    }

    pub(super) fn peer(&mut self, to: PeerId) -> &mut Peer {
        self.peers.entry(to).or_default()
    }

    pub(super) fn insert(&mut self, number: u64, call: Box<Open<W>>) {
        let peer = self.peer(call.to);
        peer.open += 1;
        peer.bytes += call.what.size();
        self.timers.insert(call.due, number);
        self.open.insert(number, call);
        self.enqueue(number);
        self.follow(number);
    }

    /// It settled, or its asker has gone. It still has its place in its chain: see [`Schedule::leave`].
    pub(super) fn remove(&mut self, number: u64) -> Option<Box<Open<W>>> {
        let call = self.open.remove(number)?;
        self.tidy(); // mutant ended-call-stays-due: let _ = &call;
        let peer = self.peers.get_mut(&call.to).expect("an open call has its peer");
        peer.open -= 1;
        peer.bytes -= call.what.size();
        match call.stage {
            Stage::Queued => {
                peer.queue.remove(number);
            }
            // Nobody waits for that copy: if it was not begun, it need not be. Its slot stays taken.
            Stage::Sent(slot) if peer.slots.get(slot.0).is_some() => peer.cancels.push_back(slot),
            Stage::Held { .. } | Stage::Sent(_) | Stage::Behind => {}
        }
        Some(call)
    }

    /// Its number is no longer open. Calls on this key that waited for it go on.
    pub(super) fn leave(&mut self, key: ChainId, number: u64) {
        let waiting = self.waits_for(key, number);
        if self.chains.held(key) == Some(number) {
            self.chains.hold(key, None);
            self.release_behind(key, number);
        }
        self.chains.leave(key, number);
        if let Some(held) = waiting {
            self.ask_again(Some(key), held);
        }
    }

    /// The first timer that is due: a deadline's, or that of a call that was held and is asked again.
    pub(super) fn pop_deadline(&mut self, now: Instant) -> Option<u64> {
        while let Some((at, number)) = self.timers.first().filter(|(at, _)| *at <= now) {
            let call = &self.open[number];
            if call.due <= now {
                return Some(number);
            }
            let chain = call.chain();
            self.timers.remove(at, number);
            self.tidy();
            self.ask_again(chain, number);
        }
        None
    }

    /// Its next copy may leave, unless an earlier call on its key is held (R11).
    pub(super) fn enqueue(&mut self, number: u64) {
        self.let_go(number);
        let call = self.open.get_mut(number).expect("an open call");
        if let Some(key) = call.chain() {
            match self.chains.held(key) {
                Some(held) if held < number => {
                    call.stage = Stage::Behind;
                    return;
                }
                Some(held) if held == number => self.chains.hold(key, None),
                _ => {}
            }
        }
        call.stage = Stage::Queued;
        self.peers.get_mut(&call.to).expect("an open call has its peer").queue.insert(number, ());
    }

    /// No copy leaves before `at`, nor of any later call on its key.
    pub(super) fn hold(&mut self, number: u64, at: Instant, not_yet: bool) {
        let call = &self.open[number];
        let at = at.min(call.due);
        if let Some(key) = call.chain() {
            match self.chains.held(key) {
                Some(held) if held < number => {
                    self.open.get_mut(number).expect("an open call").stage = Stage::Behind;
                    return;
                }
                Some(held) => self.step_behind(held),
                None => {}
            }
            for later in self.chains.after(key, number) {
                if self.open.get(later).is_some_and(|call| call.stage == Stage::Queued) {
                    self.step_behind(later);
                }
            }
            self.chains.hold(key, Some(number));
        }
        let call = self.open.get_mut(number).expect("an open call");
        call.stage = Stage::Held { at, not_yet };
        if at < call.due {
            self.timers.insert(at, number);
        }
    }

    fn step_behind(&mut self, number: u64) {
        self.let_go(number);
        let call = self.open.get_mut(number).expect("an open call");
        if call.stage == Stage::Queued {
            self.peers.get_mut(&call.to).expect("an open call has its peer").queue.remove(number);
        }
        call.stage = Stage::Behind;
    }

    /// If it is held, it is not asked again when that time comes.
    fn let_go(&mut self, number: u64) {
        let call = &self.open[number];
        if let Stage::Held { at, .. } = call.stage
            && at < call.due
        {
            self.timers.remove(at, number);
            self.tidy();
        }
    }

    /// A call or a moment has gone: the first moment is one of an open call.
    fn tidy(&mut self) {
        let open = &self.open;
        self.timers.tidy(open.len(), |number| open.contains(number));
    }

    /// `number` is no longer held: what waited behind it may leave after it.
    fn release_behind(&mut self, key: ChainId, number: u64) {
        for later in self.chains.after(key, number) {
            if self.open.get(later).is_some_and(|call| call.stage == Stage::Behind) {
                self.enqueue(later);
            }
        }
    }

    /// The held call on this key is asked again.
    fn ask_again(&mut self, key: Option<ChainId>, number: u64) {
        self.enqueue(number);
        if let Some(key) = key {
            self.release_behind(key, number);
        }
    }

    /// The call on this key that was refused as "not yet", and whose predecessor is `number`.
    fn waits_for(&self, key: ChainId, number: u64) -> Option<u64> {
        let held = self.chains.held(key).filter(|held| *held > number)?;
        let not_yet = matches!(self.open[held].stage, Stage::Held { not_yet: true, .. });
        (not_yet && self.chains.before(key, held) == Some(number)).then_some(held)
    }

    /// R10: a call refused as "not yet" follows at once if its predecessor leaves just before it, or, once,
    /// if it has none any more.
    pub(super) fn may_follow(&self, number: u64) -> bool {
        let call = &self.open[number];
        let Some(key) = call.chain() else { return false };
        match self.chains.before(key, number) {
            None => call.refusals == 1,
            Some(before) => {
                self.open.get(before).is_some_and(|b| b.stage == Stage::Queued && b.to == call.to)
            }
        }
    }

    /// A reserved call was started: a later one that was refused for want of it follows.
    pub(super) fn follow(&mut self, number: u64) {
        let Some(key) = self.open[number].chain() else { return };
        if let Some(held) = self.waits_for(key, number) {
            self.ask_again(Some(key), held);
        }
    }

    /// Every open call has exactly one way on: it is queued, under way, held with a timer, or behind one that
    /// is held. Else it would wait in vain, or leave twice.
    pub(super) fn assert_consistent(&self) {
        for (number, call) in self.open.sorted() {
            let peer = &self.peers[&call.to];
            let held = call.chain().and_then(|key| self.chains.held(key));
            let (queued, timed) = (peer.queue.get(number).is_some(), self.timers.contains(call.due, number));
            assert!(timed, "{number} has no deadline");
            assert_eq!(queued, call.stage == Stage::Queued, "{number} is queued, or not, against its stage");
            match call.stage {
                Stage::Queued => assert!(held.is_none_or(|held| held > number), "{number} would overtake"),
                Stage::Sent(slot) => {
                    assert_eq!(peer.slots.get(slot.0), Some(&number), "{number} is on no link")
                }
                Stage::Held { at, .. } => {
                    assert!(self.timers.contains(at, number), "{number} would wait for ever");
                    assert!(call.chain().is_none() || held == Some(number), "{number} holds nobody back");
                }
                Stage::Behind => {
                    assert!(held.is_some_and(|held| held < number), "{number} waits for nobody")
                }
            }
        }
        for peer in self.peers.values() {
            assert!(peer.queue.iter().all(|(number, ())| self.open.contains(*number)), "a stale queue");
        }
    }
}
