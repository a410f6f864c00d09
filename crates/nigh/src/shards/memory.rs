//! Entities in memory, by shard: loaded from the state file when first asked for, changed, written back, let go.
//!
//! A cell is taken out while a method runs on it, so that nothing else can see it half changed. Keys are held in
//! their ordered form, which is also the state file's.
//!
//! - Here: what is in memory, and how it comes there: [`Memory::take`], [`Memory::replay`].
//! - [`sweep`]: which rows are to be written, and what is known once they are.
//! - [`cold`]: what is let go, so that more entities than memory are no trouble.
//! - [`list`]: the keys that exist.

use std::collections::BTreeMap;
use std::sync::Arc;

use nigh_proto::shards::record::{Other, Ran, Record};
use nigh_proto::shards::{Position, ShardId};
use nigh_wire::{Bytes, Cause, DecodeError, Wire};

use crate::shards::host::{Cell, Host};
use crate::store::{Rows, StoreError};
use cold::{Cold, size_of};
use sweep::Rowed;

mod cold;
mod list;
mod sweep;

pub(crate) use list::ListError;
pub(crate) use sweep::Written;

/// First byte of an entity's row key in the state file; those of the tables start with another.
pub(crate) const ENTITY_ROW: u8 = b'e';

/// The entities of all shards of this process.
pub(crate) struct Memory {
    loader: Arc<Loader>,
    /// By shard, then by entity type and ordered key.
    cells: Vec<BTreeMap<Name, Held>>,
    rowed: Rowed,
    cold: Cold,
    /// What the log's tail says of entities that were not loaded since the start; less than a log holds.
    tail: Vec<BTreeMap<Name, Tail>>,
}

/// What the log's tail says of one entity.
struct Tail {
    key: Bytes,
    /// Redo by place, in order; `None`: it became its default.
    changes: Vec<(Position, Option<Bytes>)>,
}

/// An entity that is being read.
pub(crate) struct Loading {
    loader: Arc<Loader>,
    /// How many had been let go when it began.
    gone: u64,
}

impl Loading {
    /// Reads it, also without the lock.
    pub(crate) fn load(&self, shard: ShardId, name: &Name, key: &Bytes) -> Result<Loaded, StoreError> {
        self.loader.load(shard, name, key)
    }
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
    /// Place of the last change that its row holds, durably; `None` if it has no row.
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

/// What an entity's row holds beside its position.
#[derive(Wire)]
pub(crate) struct EntityRow {
    pub(crate) key: Bytes,
    pub(crate) state: Bytes,
}

/// Key of an entity's row: its name, and the ordered form of its key.
pub(crate) fn row_key(entity: &str, order: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + entity.len() + order.len());
    key.push(ENTITY_ROW);
    key.extend_from_slice(entity.as_bytes());
    key.push(0);
    key.extend_from_slice(order);
    key
}

/// Reads entities from the state file: also without the lock under which memory is.
struct Loader {
    hosts: Arc<[Box<dyn Host>]>,
    rows: Arc<dyn Rows>,
}

impl Memory {
    /// Nothing is loaded. `size_max` is what entities may take, in bytes, beside those that wait to be written back.
    pub(crate) fn new(
        hosts: Arc<[Box<dyn Host>]>,
        rows: Arc<dyn Rows>,
        shards: u32,
        size_max: usize,
    ) -> Self {
        Memory {
            loader: Arc::new(Loader { hosts, rows }),
            cells: (0..shards).map(|_| BTreeMap::new()).collect(),
            rowed: Rowed::new(shards),
            cold: Cold::new(size_max),
            tail: (0..shards).map(|_| BTreeMap::new()).collect(),
        }
    }

    /// Lets go of everything, the state file too. Nothing is asked of it any more.
    pub(crate) fn close(&mut self) {
        let (hosts, shards) = (self.loader.hosts.clone(), self.cells.len() as u32);
        *self = Memory::new(hosts, crate::store::memory(shards).rows, shards, 0);
    }

    /// Where rows are read, also without the lock.
    pub(crate) fn rows(&self) -> Arc<dyn Rows> {
        self.loader.rows.clone()
    }

    /// The name of the entity with this encoded key.
    pub(crate) fn name(&self, host: usize, key: &Bytes) -> Result<Name, Cause> {
        let order = self.loader.hosts[host].key_schema().order_key(key);
        let order = order.map_err(|e| Cause::Malformed(format!("key: {e}")))?;
        Ok(Name { host, order: order.into() })
    }

    /// What reads an entity that is not in memory; `None` if it is.
    pub(crate) fn loader_of(&self, shard: ShardId, name: &Name) -> Option<Loading> {
        let cold = !self.cells[shard.0 as usize].contains_key(name);
        cold.then(|| Loading { loader: self.loader.clone(), gone: self.cold.gone() })
    }

    /// Takes in what was read without the lock, and what the log's tail says of it.
    ///
    /// # Errors
    ///
    /// Its row was read once more, and could not be; or what the tail says does not fit.
    pub(crate) fn put_loaded(
        &mut self,
        shard: ShardId,
        name: &Name,
        key: &Bytes,
        loading: &Loading,
        mut loaded: Loaded,
    ) -> Result<(), StoreError> {
        if self.cells[shard.0 as usize].contains_key(name) {
            return Ok(());
        }
        // Another thread may have loaded it meanwhile, written its row, and let it go: then what was read is old.
        let old = loading.gone != self.cold.gone(); // mutant stale-load-kept: let old = loading.gone > self.cold.gone();
        if old {
            loaded = self.loader.load(shard, name, key)?;
        }
        let Loaded { mut held, emptied } = loaded;
        if let Some(since) = emptied {
            self.rowed.emptied(shard, name, since);
        }
        if let Some(tail) = self.tail[shard.0 as usize].remove(name) {
            let applied = held.repeat(tail).map_err(|(position, why)| {
                StoreError::corrupt(format!("record {} of shard {}: {why}", position.0, shard.0))
            })?;
            match applied {
                Some(first) => self.rowed.changed(shard, name, first),
                None => self.rowed.unchanged(shard, name),
            }
        }
        self.cold.loaded(shard, name, held.size);
        self.cells[shard.0 as usize].insert(name.clone(), held);
        Ok(())
    }

    /// Takes an entity out, loading it if it is cold. It must be put back.
    pub(crate) fn take(
        &mut self,
        shard: ShardId,
        name: &Name,
        key: &Bytes,
    ) -> Result<Box<dyn Cell>, StoreError> {
        if let Some(loading) = self.loader_of(shard, name) {
            let loaded = loading.load(shard, name, key)?;
            self.put_loaded(shard, name, key, &loading, loaded)?;
        }
        let held = self.cells[shard.0 as usize].get_mut(name).expect("it was there, or loaded just now");
        held.used = true;
        Ok(held.cell.take().expect("one method at a time: a cell taken was put back"))
    }

    /// Puts it back as it was, or as changed at a place by a redo of so many bytes.
    pub(crate) fn put_back(
        &mut self,
        shard: ShardId,
        name: &Name,
        cell: Box<dyn Cell>,
        changed: Option<(Position, usize)>,
    ) {
        let held = self.cells[shard.0 as usize].get_mut(name).expect("it was taken from here");
        held.cell = Some(cell);
        if let Some((position, redo_size)) = changed {
            held.changed = Some(position);
            let grown = size_of(redo_size) - size_of(0);
            held.size += grown;
            self.cold.grew(grown);
            self.rowed.changed(shard, name, position);
        }
        self.let_go();
    }

    /// Keeps a record of the log's tail until its entities are loaded: a start reads no rows.
    pub(crate) fn replay(
        &mut self,
        shard: ShardId,
        position: Position,
        record: &Record,
    ) -> Result<(), StoreError> {
        let Record::Ran(Ran { entity, key, redo, deleted, others, .. }) = record else { return Ok(()) };
        if !redo.is_empty() || *deleted {
            self.keep(shard, position, entity, key, (!deleted).then_some(redo))?;
        }
        for Other { entity, key, redo } in others {
            self.keep(shard, position, entity, key, Some(redo))?; // mutant others-not-repeated: self.keep(shard, position, entity, key, None)?;
        }
        Ok(())
    }

    /// `None`: it became its default.
    fn keep(
        &mut self,
        shard: ShardId,
        position: Position,
        entity: &Arc<str>,
        key: &Bytes,
        redo: Option<&Bytes>,
    ) -> Result<(), StoreError> {
        let corrupt =
            |why: String| StoreError::corrupt(format!("record {} of shard {}: {why}", position.0, shard.0));
        let host = self.loader.hosts.iter().position(|h| h.name() == entity);
        let host = host.ok_or_else(|| corrupt(format!("entity `{entity}` is not in this build")))?;
        let name = self.name(host, key).map_err(|e| corrupt(e.to_string()))?;
        self.rowed.changed(shard, &name, position);
        let new = || Tail { key: key.clone(), changes: vec![] };
        let tail = self.tail[shard.0 as usize].entry(name).or_insert_with(new);
        tail.changes.push((position, redo.cloned()));
        Ok(())
    }
}

impl Held {
    /// Repeats what its row does not hold, and says where that begins; or where it does not fit, and why.
    fn repeat(&mut self, tail: Tail) -> Result<Option<Position>, (Position, DecodeError)> {
        let mut first = None;
        for (position, redo) in tail.changes {
            let done = self.changed.is_some_and(|changed| changed >= position); // mutant cold-repeats-twice: let done = self.changed.is_some_and(|changed| changed.0 == u64::MAX);
            if done {
                continue;
            }
            let cell = self.cell.as_mut().expect("it was read just now");
            match &redo {
                Some(redo) => cell.apply(redo).map_err(|why| (position, why))?,
                None => cell.reset(),
            }
            self.changed = Some(position);
            self.size += size_of(redo.map_or(0, |redo| redo.len())) - size_of(0);
            first = first.or(Some(position));
        }
        Ok(first)
    }
}

impl Loader {
    /// Reads an entity; one that has no row is as nobody changed it yet.
    fn load(&self, shard: ShardId, name: &Name, key: &Bytes) -> Result<Loaded, StoreError> {
        let host = &self.hosts[name.host];
        let Some(row) = self.rows.read(shard, &self.row_key(name))? else {
            let cell = Some(host.fresh());
            let (changed, written, size) = (None, None, size_of(key.len()));
            let held = Held { key: key.clone(), cell, changed, written, size, used: true };
            return Ok(Loaded { held, emptied: None });
        };
        let corrupt =
            |why: String| StoreError::corrupt(format!("{} {key:?} of shard {}: {why}", host.name(), shard.0));
        let entity: EntityRow = nigh_wire::decode_stored(&row.value).map_err(|e| corrupt(e.to_string()))?;
        let cell = host.restore(&entity.state).map_err(|e| corrupt(e.to_string()))?;
        let emptied = (entity.state == *host.default()).then_some(row.position);
        let (cell, position, size) = (Some(cell), Some(row.position), size_of(row.value.len()));
        let held = Held { key: entity.key, cell, changed: position, written: position, size, used: true };
        Ok(Loaded { held, emptied })
    }

    /// Key of an entity's row: kind, wire name, 0, ordered key.
    fn row_key(&self, name: &Name) -> Vec<u8> {
        row_key(self.hosts[name.host].name(), &name.order)
    }
}

#[cfg(test)]
mod tests;
