//! Entities of one lane in memory, by shard: loaded from the state file when first asked for, changed, written back, let go.
//!
//! A cell is taken out while a method runs on it, so that nothing else can see it half changed. Keys are held in
//! their ordered form, which is also the state file's.
//!
//! - Here: what is in memory, and how it comes there: [`Memory::take`].
//! - [`tail`]: what a start leaves in the log's bytes until somebody asks: [`Memory::sleep`], [`Memory::wake`].
//! - [`load`]: what it is read from, also without the lock.
//! - [`sweep`]: which rows are to be written, and what is known once they are.
//! - [`cold`]: what is let go, so that more entities than memory are no trouble.
//! - [`list`]: the keys that exist.

use std::collections::BTreeMap;
use std::sync::Arc;

use nigh_proto::shards::{Position, ShardId};
use nigh_wire::{Bytes, Cause};

use crate::shards::host::{Cell, Host};
use crate::shards::lanes::Lanes;
use crate::state::Limits;
use crate::store::{Rows, StoreError};
pub(crate) use cold::Budget;
use cold::Cold;
use load::{Loader, Loads};
use sweep::Rowed;
use tail::{Asleep, Tail};

mod cold;
mod list;
mod load;
mod sweep;
mod tail;

pub(crate) use crate::state::PageRow;
pub(crate) use list::{ListError, Listed, Listing};
pub(crate) use load::{ENTITY_ROW, EntityRow, Loading, page_of, page_prefix, row_key};
pub(crate) use sweep::{SWEEP_SIZE_MAX, Written};

/// The entities of one lane's shards.
pub(crate) struct Memory {
    loader: Arc<Loader>,
    lanes: Lanes,
    lane: usize,
    /// The ordered key that was asked for last.
    order: Vec<u8>,
    /// By shard of the lane, then by entity type and ordered key.
    cells: Vec<BTreeMap<Name, Held>>,
    rowed: Rowed,
    cold: Cold,
    /// Those that are read now.
    loads: Loads,
    /// From which size on a collection has pages.
    limits: Limits,
    /// What the log's tail says of entities that were not loaded since the start; less than a log holds.
    tail: Vec<BTreeMap<Name, Tail>>,
    /// The same of shards that nobody looked at since the start: as it stands in the log.
    asleep: Vec<Asleep>,
}

/// Which entity: its host's number and its ordered key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    host: usize,
    order: Arc<[u8]>,
}

/// An entity in memory.
struct Held {
    /// Encoded key, as callers write it.
    key: Bytes,
    /// `None` while a method runs on it.
    cell: Option<Box<dyn Cell>>,
    /// Place of its last change; `None` if it never changed.
    changed: Option<Position>,
    /// Place of the last change when its rows held all, durably; `None` if they never did.
    written: Option<Position>,
    /// What it takes, in bytes: an estimate.
    size: usize,
    /// Asked for since it was last looked at.
    used: bool,
}

/// An entity as it was read.
pub(crate) struct Loaded {
    held: Held,
    /// It is its default since then, and its row is still to go.
    emptied: Option<Position>,
}

impl Memory {
    /// Nothing is loaded. The budget is shared by all lanes.
    pub(crate) fn new(
        hosts: Arc<[Box<dyn Host>]>,
        rows: Arc<dyn Rows>,
        (lanes, lane): (Lanes, usize),
        budget: Arc<Budget>,
    ) -> Self {
        Memory {
            loader: Arc::new(Loader { hosts, rows }),
            order: Vec::new(),
            lanes,
            lane,
            cells: (0..lanes.shards_max()).map(|_| BTreeMap::new()).collect(),
            rowed: Rowed::new(lanes),
            cold: Cold::new(budget),
            loads: Loads::default(),
            limits: Limits::USUAL,
            tail: (0..lanes.shards_max()).map(|_| BTreeMap::new()).collect(),
            asleep: (0..lanes.shards_max()).map(|_| Asleep::default()).collect(),
        }
    }

    /// Lets go of everything, the state file too. Nothing is asked of it any more.
    pub(crate) fn close(&mut self) {
        let (hosts, place) = (self.loader.hosts.clone(), (self.lanes, self.lane));
        let none = crate::store::memory(self.lanes.shards()).rows;
        *self = Memory::new(hosts, none, place, Budget::new(0));
    }

    /// Where rows are read, also without the lock.
    pub(crate) fn rows(&self) -> Arc<dyn Rows> {
        self.loader.rows.clone()
    }

    /// The name of the entity with this encoded key.
    pub(crate) fn name(&mut self, host: usize, key: &Bytes) -> Result<Name, Cause> {
        let order = self.loader.hosts[host].key_schema().order_key_into(key, &mut self.order);
        order.map_err(|e| Cause::Malformed(format!("key: {e}")))?;
        Ok(Name { host, order: self.order.as_slice().into() })
    }

    /// What reads an entity that is not in memory; `None` if it is. What was read is to be [put](Memory::put_loaded).
    ///
    /// # Errors
    ///
    /// What the log's tail says of its shard does not fit.
    pub(crate) fn loader_of(&mut self, shard: ShardId, name: &Name) -> Result<Option<Loading>, StoreError> {
        self.wake(shard)?; // mutant asleep-when-asked: let _ = shard;
        let cold = !self.cells[self.lanes.at(shard)].contains_key(name);
        Ok(cold.then(|| self.loads.begin(&self.loader, shard, name)))
    }

    /// Takes in what was read without the lock, and what the log's tail says of it. False if another thread loaded it
    /// meanwhile, changed it and let it go: what was read may be old, and is to be read again.
    ///
    /// # Errors
    ///
    /// What the tail says does not fit.
    pub(crate) fn put_loaded(
        &mut self,
        shard: ShardId,
        name: &Name,
        loading: Loading,
        loaded: Loaded,
    ) -> Result<bool, StoreError> {
        let old = self.loads.end(shard, name, loading);
        if self.cells[self.lanes.at(shard)].contains_key(name) {
            return Ok(true);
        }
        if old {
            return Ok(false);
        }
        let Loaded { mut held, emptied } = loaded;
        if let Some(since) = emptied {
            self.rowed.emptied(shard, name, since);
        }
        if let Some(tail) = self.tail[self.lanes.at(shard)].remove(name) {
            let grown = |redo_size| self.loader.grown(name, redo_size);
            let applied = held.repeat(tail, grown).map_err(|(position, why)| {
                StoreError::corrupt(format!("record {} of shard {}: {why}", position.0, shard.0))
            })?;
            match applied {
                Some(first) => self.rowed.changed(shard, name, first),
                None => self.rowed.unchanged(shard, name),
            }
        } else if let Some(first) = held.unwritten() {
            held.written = None;
            self.rowed.changed(shard, name, first);
        }
        self.cold.loaded(shard, name, held.size);
        self.cells[self.lanes.at(shard)].insert(name.clone(), held);
        Ok(true)
    }

    /// Takes an entity out, loading it if it is cold. It must be put back.
    pub(crate) fn take(
        &mut self,
        shard: ShardId,
        name: &Name,
        key: &Bytes,
    ) -> Result<Box<dyn Cell>, StoreError> {
        if let Some(cell) = self.take_hot(shard, name) {
            return Ok(cell);
        }
        if let Some(loading) = self.loader_of(shard, name)? {
            let loaded = loading.load(shard, name, key)?;
            let put = self.put_loaded(shard, name, loading, loaded)?;
            assert!(put, "nothing is let go while one lock is held");
        }
        Ok(self.take_hot(shard, name).expect("it was loaded just now"))
    }

    /// Takes out one that is in memory, where most are that are asked for. It must be put back.
    pub(crate) fn take_hot(&mut self, shard: ShardId, name: &Name) -> Option<Box<dyn Cell>> {
        let held = self.cells[self.lanes.at(shard)].get_mut(name)?;
        held.used = true;
        Some(held.cell.take().expect("one method at a time: a cell taken was put back"))
    }

    /// Puts it back as it was, or as changed at a place by a redo of so many bytes.
    pub(crate) fn put_back(
        &mut self,
        shard: ShardId,
        name: &Name,
        cell: Box<dyn Cell>,
        changed: Option<(Position, usize)>,
    ) {
        let held = self.cells[self.lanes.at(shard)].get_mut(name).expect("it was taken from here");
        let cell = held.cell.insert(cell);
        if let Some((position, redo_size)) = changed {
            cell.place(position);
            held.changed = Some(position);
            let grown = self.loader.grown(name, redo_size);
            held.size += grown;
            self.cold.grew(grown);
            self.rowed.changed(shard, name, position);
        }
        self.let_go();
    }
}

impl Held {
    /// The first change that is in no row of one that has pages.
    fn unwritten(&self) -> Option<Position> {
        self.cell.as_ref()?.paged()?.dirty
    }
}

#[cfg(test)]
mod tests;
