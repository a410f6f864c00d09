//! What a caller knows of its own numbers, towards each shard: floors and doubts (R14, R15).
//!
//! A number towards a shard is *open*, *in doubt*, or known. Only what is not known is kept here, so that the
//! tables are as large as what is unsettled, not as what was ever asked.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use nigh_wire::{CallId, Time};

use crate::calls::request::Known;
use crate::calls::{FUTURE_MAX, RETENTION};
use crate::shards::ShardId;

/// Counts the caller ids that one caller went by, one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Era(pub(super) u32);

/// Doubts remembered towards one shard, ascending. Only the first [`Known::DOUBTS_MAX`] can be told to the
/// owner; the rest, 24 KiB at most, spare the floor a stop where the first ones are settled. Past them the
/// floor stops for good.
pub(super) const DOUBTS_KEPT_MAX: usize = 1_024;
const _: () = assert!(DOUBTS_KEPT_MAX > Known::DOUBTS_MAX);

#[derive(Clone, Debug, Default, Hash)]
struct Towards {
    /// Open or reserved. Numbers come in rising order, so a queue stays sorted.
    open: VecDeque<u64>,
    doubts: BTreeSet<u64>,
    /// The lowest doubt that was too many to keep: the floor never reaches it.
    forgot: Option<u64>,
}

/// Of all shards.
#[derive(Clone, Debug, Default, Hash)]
struct Shards {
    era: Era,
    /// In this era, by number: there are as many as an application has.
    now: Vec<Towards>,
    /// In eras before, while something is open.
    before: BTreeMap<(Era, ShardId), Towards>,
}

impl Shards {
    fn get(&self, era: Era, shard: ShardId) -> Option<&Towards> {
        if era == self.era { self.now.get(shard.0 as usize) } else { self.before.get(&(era, shard)) }
    }

    fn get_mut(&mut self, era: Era, shard: ShardId) -> Option<&mut Towards> {
        if era == self.era { self.now.get_mut(shard.0 as usize) } else { self.before.get_mut(&(era, shard)) }
    }

    /// In this era, also if nothing was asked of it yet.
    fn of(&mut self, shard: ShardId) -> &mut Towards {
        let at = shard.0 as usize;
        if self.now.len() <= at {
            self.now.resize_with(at + 1, Towards::default);
        }
        &mut self.now[at]
    }

    /// The next era begins.
    fn renew(&mut self) {
        let (old, all) = (self.era, std::mem::take(&mut self.now));
        self.era = Era(old.0 + 1);
        self.before.extend((0..).map(|shard| (old, ShardId(shard))).zip(all));
    }

    fn iter(&self) -> impl Iterator<Item = ((Era, ShardId), &Towards)> {
        let now = (0..).map(|shard| (self.era, ShardId(shard))).zip(&self.now);
        now.chain(self.before.iter().map(|(at, towards)| (*at, towards)))
    }
}

#[derive(Clone, Debug, Hash)]
struct Doubt {
    at: (Era, ShardId),
    id: CallId,
}

#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Ledger {
    towards: Shards,
    doubts: BTreeMap<u64, Doubt>,
    /// Shards of this era whose floor has stopped at a doubt.
    stalled: BTreeSet<ShardId>,
}

impl Ledger {
    pub(super) fn open(&mut self, shard: ShardId, number: u64) {
        let open = &mut self.towards.of(shard).open;
        assert!(open.back().is_none_or(|last| *last < number), "numbers rise (R1)");
        open.push_back(number);
    }

    /// Its answer is known: nothing is left of it.
    pub(super) fn close(&mut self, era: Era, shard: ShardId, number: u64) {
        let towards = self.towards.get_mut(era, shard).expect("an open number has its shard");
        let place = towards.open.binary_search(&number).expect("it was opened and is closed once");
        towards.open.remove(place);
        let idle = towards.open.is_empty();
        if era != self.towards.era && idle {
            self.drop_old(era, shard);
        }
    }

    /// It was told in doubt: no longer open, and not known (R15).
    pub(super) fn doubt(&mut self, era: Era, shard: ShardId, id: CallId) {
        let number = id.number;
        let towards = self.towards.get_mut(era, shard).expect("an open number has its shard");
        if towards.forgot.is_none_or(|forgot| number < forgot) {
            towards.doubts.insert(number);
            self.doubts.insert(number, Doubt { at: (era, shard), id });
        }
        if towards.doubts.len() > DOUBTS_KEPT_MAX {
            let last = towards.doubts.pop_last().expect("more than none");
            towards.forgot = Some(last);
            self.doubts.remove(&last);
        }
        self.note_stall(era, shard);
        self.close(era, shard, number);
    }

    /// R15: a doubt becomes known: settled here, or its ticket was dropped.
    pub(super) fn know(&mut self, id: CallId) {
        if self.doubts.get(&id.number).is_some_and(|doubt| doubt.id == id) {
            self.know_number(id.number);
        }
    }

    pub(super) fn know_number(&mut self, number: u64) {
        let Some(doubt) = self.doubts.remove(&number) else { return };
        let (era, shard) = doubt.at;
        self.towards.get_mut(era, shard).expect("a doubt has its shard").doubts.remove(&number);
        self.note_stall(era, shard);
    }

    /// R15: or it becomes known by age. Births never fall, so the oldest is the lowest; an owner's log time
    /// is at most F behind this clock, so no owner still keeps its record.
    pub(super) fn handle_age(&mut self, clock: Time) {
        while let Some((&number, doubt)) = self.doubts.first_key_value()
            && doubt.id.birth.saturating_add(RETENTION + FUTURE_MAX) < clock
        {
            self.know_number(number);
        }
    }

    /// R14: what a call in this era tells that shard. `next` is the number not yet given.
    pub(super) fn known(&self, era: Era, shard: ShardId, next: u64) -> Known {
        let nothing = Known { floor: next - 1, doubts: Vec::new() };
        let Some(towards) = self.towards.get(era, shard) else { return nothing };
        let too_many = towards.doubts.iter().nth(Known::DOUBTS_MAX).copied();
        let stops = [towards.open.front().copied(), too_many, towards.forgot];
        let stop = stops.into_iter().flatten().min().unwrap_or(next); // mutant floor-passes-open: let stop = too_many.unwrap_or(next);
        Known { floor: stop - 1, doubts: towards.doubts.range(..stop).copied().collect() }
    }

    pub(super) fn is_stalled(&self) -> bool {
        !self.stalled.is_empty()
    }

    /// Numbers from here on belong to another caller id. What the old one still has open keeps its doubts.
    pub(super) fn renew(&mut self) {
        self.towards.renew();
        self.stalled.clear();
        let idle: Vec<_> = self.towards.iter().filter(|(_, t)| t.open.is_empty()).map(|(at, _)| at).collect();
        for (era, shard) in idle {
            self.drop_old(era, shard);
        }
    }

    pub(super) fn era(&self) -> Era {
        self.towards.era
    }

    pub(super) fn is_doubt(&self, number: u64) -> bool {
        self.doubts.contains_key(&number)
    }

    pub(super) fn is_doubt_of(&self, id: CallId) -> bool {
        self.doubts.get(&id.number).is_some_and(|doubt| doubt.id == id)
    }

    pub(super) fn doubts(&self) -> usize {
        self.doubts.len()
    }

    /// No call of that era will tell that shard anything any more: records there go by age.
    fn drop_old(&mut self, era: Era, shard: ShardId) {
        let gone = self.towards.before.remove(&(era, shard)).unwrap_or_default();
        for number in gone.doubts {
            self.doubts.remove(&number);
        }
    }

    fn note_stall(&mut self, era: Era, shard: ShardId) {
        if era != self.towards.era {
            return;
        }
        let towards = self.towards.get(era, shard).expect("a doubt has its shard");
        if towards.doubts.len() > Known::DOUBTS_MAX || towards.forgot.is_some() {
            self.stalled.insert(shard);
        } else {
            self.stalled.remove(&shard);
        }
    }

    /// What is open is not in doubt, and no floor reaches it.
    pub(super) fn assert_consistent(&self, next: u64) {
        let mut doubts = 0;
        for ((era, shard), towards) in self.towards.iter() {
            let known = self.known(era, shard, next);
            for number in &towards.open {
                assert!(known.floor < *number, "the floor {} passed {number}, which is open", known.floor);
                assert!(!towards.doubts.contains(number), "{number} is open and in doubt");
            }
            assert!(known.doubts.len() <= Known::DOUBTS_MAX, "{} doubts listed", known.doubts.len());
            assert!(towards.doubts.iter().all(|n| self.doubts.contains_key(n)), "a doubt without its shard");
            doubts += towards.doubts.len();
        }
        assert_eq!(doubts, self.doubts.len(), "doubts and their shards disagree");
    }
}
