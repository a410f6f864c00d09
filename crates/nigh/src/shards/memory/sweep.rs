//! Which rows are to be written, and what is known once they are.
//!
//! An entity that is its default has no row in the end, but gets one first: as long as the log reaches back to before it
//! became so, a start needs to know where. A change in the log is relative to what was there (a list's is), and without a
//! row it would be repeated on something else. The row goes with a later sweep, when the log begins behind it. A process that
//! is killed between the two leaves it: it says what having none says, is not listed, and goes once somebody asks for the entity.

use std::collections::BTreeMap;
use std::ops::Bound;

use nigh_proto::shards::{Position, ShardId};

use nigh_wire::Bytes;

use super::load::page_key;
use super::{EntityRow, Memory, Name};
use crate::buggify;
use crate::shards::host::{CellRow, FieldPage};
use crate::shards::lanes::Lanes;
use crate::state::{Limits, Page, Room};
use crate::store::{RowWrite, StoreError};

/// Bytes encoded in one step, under the owner's lock, and at most one row more: some 500 µs.
pub(crate) const SWEEP_SIZE_MAX: usize = 1024 * 1024;

/// What of memory is in rows, by shard of the lane.
pub(super) struct Rowed {
    lanes: Lanes,
    /// Changed and not on the way to a row, with the place of the first such change.
    dirty: Vec<BTreeMap<Name, Position>>,
    /// Rows of what is its default since that place.
    emptied: Vec<BTreeMap<Name, Position>>,
    /// A start does not repeat the log below.
    cut: Vec<Position>,
}

/// A row that is on its way.
pub(crate) struct Written {
    shard: ShardId,
    name: Name,
    position: Position,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    State,
    Default,
    Gone,
}

/// Rows found, and how to go on.
pub(crate) struct Found {
    pub(crate) rows: Vec<RowWrite>,
    /// One for each row.
    pub(crate) written: Vec<Written>,
    /// To be loaded first: with their keys.
    pub(crate) cold: Vec<(Name, Bytes)>,
    /// There is more, behind this one if it is any.
    pub(crate) more: bool,
    pub(crate) next: Option<Name>,
    /// Some has changed and is not durable yet.
    pub(crate) waits: bool,
    /// A method runs on some.
    pub(crate) busy: bool,
}

impl Rowed {
    pub(super) fn new(lanes: Lanes) -> Self {
        let none = || (0..lanes.shards_max()).map(|_| BTreeMap::new()).collect();
        Rowed { lanes, dirty: none(), emptied: none(), cut: vec![Position(0); lanes.shards_max()] }
    }
    /// It changed.
    pub(super) fn changed(&mut self, shard: ShardId, name: &Name, position: Position) {
        let dirty = &mut self.dirty[self.lanes.at(shard)];
        if !dirty.contains_key(name) {
            dirty.insert(name.clone(), position);
        }
        self.emptied[self.lanes.at(shard)].remove(name); // mutant emptied-row-removed-late: self.emptied[self.lanes.at(shard)].len();
    }
    /// Its row holds all there is.
    pub(super) fn unchanged(&mut self, shard: ShardId, name: &Name) {
        self.dirty[self.lanes.at(shard)].remove(name);
    }
    /// It is its default, and has a row.
    pub(super) fn emptied(&mut self, shard: ShardId, name: &Name, since: Position) {
        self.emptied[self.lanes.at(shard)].insert(name.clone(), since);
    }
}

/// What became of an entity that is to be written.
enum Wrote {
    /// Rows of all of it.
    All,
    /// Rows of what is durable.
    Some,
    /// There is no more room.
    Full,
}

impl Memory {
    /// Rows of entities that changed before `since`, of what is below `durable`, in the order of their keys: at most `max` and
    /// some, from behind `from` on.
    ///
    /// # Errors
    ///
    /// What the log's tail says of the shard does not fit.
    pub(crate) fn sweep(
        &mut self,
        shard: ShardId,
        since: Position,
        durable: Position,
        from: Option<Name>,
        max: usize,
    ) -> Result<Found, StoreError> {
        // Its log is cut once it was swept.
        self.wake(shard)?; // mutant asleep-when-swept: let _ = shard;
        let at = self.lanes.at(shard);
        let mut found = Found {
            rows: vec![],
            written: vec![],
            cold: vec![],
            next: from.clone(),
            more: false,
            waits: false,
            busy: false,
        };
        if from.is_none() {
            self.sweep_emptied(shard, max, &mut found);
        }
        let from = from.map_or(Bound::Unbounded, Bound::Excluded);
        let mut names = Vec::new();
        for (name, first) in self.rowed.dirty[at].range((from, Bound::Unbounded)) {
            if *first >= since {
                continue;
            }
            let Some(held) = self.cells[at].get(name) else {
                let tail =
                    self.tail[at].get(name).expect("what changed is in memory, or only in the log's tail");
                found.cold.push((name.clone(), tail.key()));
                if found.cold.len() >= max {
                    break;
                }
                continue;
            };
            let durable = held.changed.is_some_and(|changed| changed < durable); // mutant sweep-undurable: let durable = held.changed.is_some_and(|changed| changed < durable || durable.0 > 0);
            let ready = held.cell.as_ref().is_some_and(|cell| durable || cell.is_paged());
            if !ready {
                found.waits = true;
                found.busy |= held.cell.is_none();
                continue;
            }
            names.push(name.clone());
            if names.len() >= max {
                found.more = true;
                break;
            }
        }
        self.rows_of_each(shard, (since, durable), names, max, &mut found);
        Ok(found)
    }

    /// Adds rows of entities, as long as there is room.
    fn rows_of_each(
        &mut self,
        shard: ShardId,
        (since, durable): (Position, Position),
        names: Vec<Name>,
        max: usize,
        found: &mut Found,
    ) {
        let tiny = buggify!("sweep.pages.tiny");
        let limits = if tiny { Limits::TINY } else { self.limits };
        let few = buggify!("sweep.pages.few");
        let mut room = Room { rows: if few { 0 } else { max }.max(Room::ROWS_MIN), bytes: SWEEP_SIZE_MAX };
        for name in names {
            if room.is_short() {
                found.more = true;
                break;
            }
            match self.rows_of(shard, &name, durable, &limits, &mut room, found) {
                Wrote::All => {}
                Wrote::Some => {
                    let dirty = &self.rowed.dirty[self.lanes.at(shard)];
                    found.waits |= dirty.get(&name).is_some_and(|first| *first < since);
                }
                Wrote::Full => {
                    found.more = true;
                    break;
                }
            }
            found.next = Some(name);
        }
    }

    /// Rows that the log no longer needs, at most `max`: the others go with the next sweep.
    fn sweep_emptied(&mut self, shard: ShardId, max: usize, found: &mut Found) {
        let cut = self.rowed.cut[self.lanes.at(shard)]; // mutant emptied-row-removed-early: let cut = Position(u64::MAX);
        let old = self.rowed.emptied[self.lanes.at(shard)].iter().filter(|(_, since)| **since < cut);
        for (name, since) in old.take(max) {
            let key = self.loader.row_key(name).into();
            found.rows.push(RowWrite { shard, key, position: *since, value: None });
            let (name, position) = (name.clone(), *since);
            found.written.push(Written { shard, name, position, kind: Kind::Gone });
        }
    }

    /// True if there is a row that the log no longer needs.
    pub(crate) fn has_emptied(&self, shard: ShardId) -> bool {
        let cut = self.rowed.cut[self.lanes.at(shard)];
        self.rowed.emptied[self.lanes.at(shard)].values().any(|since| *since < cut)
    }

    /// True if there is a row that is to be removed, now or later.
    pub(crate) fn has_any_emptied(&self) -> bool {
        self.rowed.emptied.iter().any(|of_shard| !of_shard.is_empty())
    }

    /// Adds rows of an entity, as many as there is room for.
    fn rows_of(
        &mut self,
        shard: ShardId,
        name: &Name,
        durable: Position,
        limits: &Limits,
        room: &mut Room,
        found: &mut Found,
    ) -> Wrote {
        let dirty = &mut self.rowed.dirty[self.lanes.at(shard)];
        let first = dirty.remove(name).expect("it is dirty: it was found so");
        let held = self.cells[self.lanes.at(shard)].get_mut(name).expect("what is dirty is in memory");
        let cell = held.cell.as_mut().expect("no method runs on it");
        let changed = held.changed.expect("it changed");
        let mut made = Vec::new();
        let all = cell.rows((changed, first), durable, limits, room, &mut made);
        let mut kind = Kind::State;
        let (mut size, prefix) = (0, self.loader.page_prefix(name));
        for row in made {
            let (key, position, value) = match row {
                CellRow::Head { state, position, alone } => {
                    if alone && state == *self.loader.hosts[name.host].default() {
                        kind = Kind::Default;
                    }
                    let row = EntityRow { key: held.key.clone(), state, paged: !alone };
                    let value = nigh_wire::encode(&row);
                    size = value.len();
                    (self.loader.row_key(name).into(), position, Some(value))
                }
                CellRow::Page(FieldPage { field, page: Page { number, position, row } }) => {
                    (page_key(&prefix, field, number), position, row)
                }
            };
            found.rows.push(RowWrite { shard, key, position, value });
        }
        let paged = cell.paged();
        let size = paged.map_or(size, |known| known.size);
        let size = self.loader.hosts[name.host].size_in_memory(size);
        self.cold.resized(std::mem::replace(&mut held.size, size), size);
        match paged.and_then(|known| known.dirty) {
            _ if !all => {
                // Perhaps only because pages are still to be given up.
                dirty.insert(name.clone(), first);
                Wrote::Full
            }
            Some(left) => {
                dirty.insert(name.clone(), left);
                Wrote::Some
            }
            None => {
                found.written.push(Written { shard, name: name.clone(), position: changed, kind });
                Wrote::All
            }
        }
    }

    /// These rows are durable.
    pub(crate) fn wrote(&mut self, written: Vec<Written>) {
        for Written { shard, name, position, kind } in written {
            let at = self.lanes.at(shard);
            if kind == Kind::Gone {
                let emptied = &mut self.rowed.emptied[at];
                if emptied.get(&name) == Some(&position) {
                    emptied.remove(&name);
                }
                continue;
            }
            let held = self.cells[at].get_mut(&name).expect("what is not in its row stays in memory");
            held.written = Some(position);
            if kind == Kind::Default && held.changed == Some(position) {
                self.rowed.emptied(shard, &name, position);
            }
        }
    }

    /// Entities that changed and are not on the way to a row. Errs high: of a shard that nobody looked at it counts changes.
    pub(crate) fn dirty(&self) -> usize {
        let awake: usize = self.rowed.dirty.iter().map(BTreeMap::len).sum();
        awake + self.asleep.iter().map(|asleep| asleep.changes()).sum::<usize>() // mutant asleep-uncounted: awake
    }

    /// A sweep has ended: a start does not repeat the log of each shard below its place, of all shards.
    pub(crate) fn cut(&mut self, cut: &[Position]) {
        let of_lane = self.lanes.shards_of(self.lane);
        self.rowed.cut = of_lane.map(|shard| cut[shard.0 as usize]).collect();
    }
}
