//! Entities in memory, by shard: loaded from the state file when first asked for, changed, written back.
//!
//! A cell is taken out while a method runs on it, so that nothing else can see it half changed. Cells stay in
//! memory once loaded. Keys are held in their ordered form, which is also the state file's.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use nigh_proto::shards::record::{Ran, Record};
use nigh_proto::shards::{Position, ShardId};
use nigh_wire::{Bytes, Cause, Wire};

use crate::shards::host::{Cell, Host};
use crate::store::{RowWrite, Rows, StoreError};

/// First byte of an entity's row key in the state file; those of the tables start with another.
const ENTITY_ROW: u8 = b'e';

/// The entities of all shards of this process.
pub(crate) struct Memory {
    hosts: Arc<[Box<dyn Host>]>,
    rows: Arc<dyn Rows>,
    /// By shard, then by entity type and ordered key.
    cells: Vec<BTreeMap<Name, Held>>,
    /// Changed and not written back, by shard, with the place of the first such change.
    dirty: Vec<BTreeMap<Name, Position>>,
}

/// Which entity: its host's number and its ordered key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    host: usize,
    order: Vec<u8>,
}

struct Held {
    /// Encoded key, as callers write it.
    key: Bytes,
    /// `None` while a method runs on it.
    cell: Option<Box<dyn Cell>>,
    /// Place of its last change; `None` if it never changed.
    changed: Option<Position>,
}

/// What an entity's row holds beside its position.
#[derive(Wire)]
struct EntityRow {
    key: Bytes,
    state: Bytes,
}

impl Memory {
    pub(crate) fn new(hosts: Arc<[Box<dyn Host>]>, rows: Arc<dyn Rows>, shards: u32) -> Self {
        let of = |_| BTreeMap::new();
        Memory {
            hosts,
            rows,
            cells: (0..shards).map(of).collect(),
            dirty: (0..shards).map(|_| BTreeMap::new()).collect(),
        }
    }

    /// The name of the entity with this encoded key.
    pub(crate) fn name(&self, host: usize, key: &Bytes) -> Result<Name, Cause> {
        let order = self.hosts[host].key_schema().order_key(key);
        Ok(Name { host, order: order.map_err(|e| Cause::Malformed(format!("key: {e}")))? })
    }

    /// Takes an entity out, loading it if it is cold. It must be put back.
    pub(crate) fn take(
        &mut self,
        shard: ShardId,
        name: &Name,
        key: &Bytes,
    ) -> Result<Box<dyn Cell>, StoreError> {
        let held = match self.cells[shard.0 as usize].get_mut(name) {
            Some(held) => held,
            None => {
                let held = self.load(shard, name, key)?;
                self.cells[shard.0 as usize].entry(name.clone()).or_insert(held)
            }
        };
        Ok(held.cell.take().expect("one method at a time: a cell taken was put back"))
    }

    /// Puts it back as it was, or as changed at `changed`.
    pub(crate) fn put_back(
        &mut self,
        shard: ShardId,
        name: &Name,
        cell: Box<dyn Cell>,
        changed: Option<Position>,
    ) {
        let held = self.cells[shard.0 as usize].get_mut(name).expect("it was taken from here");
        held.cell = Some(cell);
        if let Some(position) = changed {
            held.changed = Some(position);
            self.dirty[shard.0 as usize].entry(name.clone()).or_insert(position);
        }
    }

    fn load(&self, shard: ShardId, name: &Name, key: &Bytes) -> Result<Held, StoreError> {
        let host = &self.hosts[name.host];
        let Some(row) = self.rows.read(shard, &self.row_key(name))? else {
            return Ok(Held { key: key.clone(), cell: Some(host.fresh()), changed: None });
        };
        let corrupt =
            |why: String| StoreError::corrupt(format!("{} {key:?} of shard {}: {why}", host.name(), shard.0));
        let entity: EntityRow = nigh_wire::decode_stored(&row.value).map_err(|e| corrupt(e.to_string()))?;
        let cell = host.restore(&entity.state).map_err(|e| corrupt(e.to_string()))?;
        Ok(Held { key: entity.key, cell: Some(cell), changed: Some(row.position) })
    }

    /// Repeats a record of the log's tail, unless the row that was loaded already holds it.
    pub(crate) fn replay(
        &mut self,
        shard: ShardId,
        position: Position,
        record: &Record,
    ) -> Result<(), StoreError> {
        let Record::Ran(Ran { entity, key, redo, deleted, .. }) = record else { return Ok(()) };
        if redo.is_empty() && !deleted {
            return Ok(());
        }
        let corrupt =
            |why: String| StoreError::corrupt(format!("record {} of shard {}: {why}", position.0, shard.0));
        let host = self.hosts.iter().position(|h| h.name() == entity);
        let host = host.ok_or_else(|| corrupt(format!("entity `{entity}` is not in this build")))?;
        let name = self.name(host, key).map_err(|e| corrupt(e.to_string()))?;
        let mut cell = self.take(shard, &name, key)?;
        let held = self.cells[shard.0 as usize].get(&name).expect("it was just taken");
        if held.changed.is_some_and(|changed| changed >= position) {
            self.put_back(shard, &name, cell, None);
            return Ok(());
        }
        if *deleted {
            cell.reset();
        } else {
            cell.apply(redo).map_err(|e| corrupt(e.to_string()))?;
        }
        self.put_back(shard, &name, cell, Some(position));
        Ok(())
    }

    /// Rows of entities that changed before `since` and whose last change is below `durable`: at most `max`.
    /// They count as written back; a later change makes them dirty again.
    pub(crate) fn sweep(
        &mut self,
        shard: ShardId,
        since: Position,
        durable: Position,
        max: usize,
    ) -> Vec<RowWrite> {
        let at = shard.0 as usize;
        let ready = |name: &Name| {
            let held = &self.cells[at][name];
            held.cell.is_some() && held.changed.is_some_and(|changed| changed < durable) // mutant sweep-undurable: held.cell.is_some() && held.changed.is_some_and(|changed| changed < durable || durable.0 > 0)
        };
        let names: Vec<Name> = self.dirty[at]
            .iter()
            .filter(|(name, first)| **first < since && ready(name))
            .take(max)
            .map(|(name, _)| name.clone())
            .collect();
        names
            .into_iter()
            .map(|name| {
                self.dirty[at].remove(&name);
                let held = &self.cells[at][&name];
                let cell = held.cell.as_ref().expect("filtered above");
                let row = EntityRow { key: held.key.clone(), state: cell.snapshot() };
                RowWrite {
                    shard,
                    key: self.row_key(&name).into(),
                    position: held.changed.expect("filtered above"),
                    value: (!cell.is_default()).then(|| nigh_wire::encode(&row)),
                }
            })
            .collect()
    }

    /// True if some entity of the shard changed before `since` and is not written back.
    pub(crate) fn is_dirty(&self, shard: ShardId, since: Position) -> bool {
        self.dirty[shard.0 as usize].values().any(|first| *first < since)
    }

    /// Encoded keys of one entity type that exist, over all shards, in order.
    pub(crate) fn list(
        &self,
        host: usize,
        after: Option<&Bytes>,
        limit: usize,
    ) -> Result<Vec<Bytes>, ListError> {
        let after = match after {
            Some(key) => Some(self.name(host, key).map_err(ListError::Key)?.order),
            None => None,
        };
        let shards = self.cells.len();
        // Few keys of each shard are enough when keys spread well; twice as many each time they are not.
        let mut part = 2 * limit.div_ceil(shards) + 4;
        loop {
            let mut found = BTreeMap::new();
            // Up to here every shard was read.
            let mut read_to: Option<Vec<u8>> = None;
            for shard in 0..shards {
                let last = self
                    .list_shard(shard, host, after.as_deref(), part, &mut found)
                    .map_err(ListError::Store)?;
                if let Some(last) = last {
                    read_to = Some(read_to.map_or(last.clone(), |to| to.min(last)));
                }
            }
            let sure = found.iter().filter(|(order, _)| read_to.as_ref().is_none_or(|to| *order <= to));
            let keys: Vec<Bytes> = sure.take(limit).map(|(_, key)| key.clone()).collect();
            if keys.len() == limit || read_to.is_none() {
                return Ok(keys);
            }
            part *= 2;
        }
    }

    /// Adds the keys of the first `rows_max` rows of one shard, corrected by what is in memory. Returns where it
    /// stopped; `None` if it read to the end.
    fn list_shard(
        &self,
        shard: usize,
        host: usize,
        after: Option<&[u8]>,
        rows_max: usize,
        found: &mut BTreeMap<Vec<u8>, Bytes>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let prefix = self.row_key(&Name { host, order: vec![] });
        let mut start = prefix.clone();
        start.extend_from_slice(after.unwrap_or_default());
        let from = if after.is_some() { Bound::Excluded(&start[..]) } else { Bound::Included(&start[..]) };
        let (mut rows, mut last, mut bad) = (0, None, None);
        let cells = &self.cells[shard];
        self.rows.scan(ShardId(shard as u32), &prefix, from, rows_max, &mut |row_key, row| {
            let order = row_key[prefix.len()..].to_vec();
            rows += 1;
            last = Some(order.clone());
            // What is in memory is newer than its row.
            if cells.contains_key(&Name { host, order: order.clone() }) {
                return;
            }
            match nigh_wire::decode_stored::<EntityRow>(&row.value) {
                Ok(entity) => drop(found.insert(order, entity.key)),
                Err(e) => bad = Some(StoreError::corrupt(format!("a row of shard {shard}: {e}"))),
            }
        })?;
        if let Some(error) = bad {
            return Err(error);
        }
        let stopped = last.filter(|_| rows == rows_max);
        let lower = match after {
            Some(order) => Bound::Excluded(Name { host, order: order.to_vec() }),
            None => Bound::Included(Name { host, order: vec![] }),
        };
        let upper = match &stopped {
            Some(order) => Bound::Included(Name { host, order: order.clone() }),
            None => Bound::Excluded(Name { host: host + 1, order: vec![] }),
        };
        for (name, held) in cells.range((lower, upper)) {
            if held.cell.as_ref().is_some_and(|cell| !cell.is_default()) {
                found.insert(name.order.clone(), held.key.clone());
            }
        }
        Ok(stopped)
    }

    /// Key of an entity's row: kind, wire name, 0, ordered key.
    fn row_key(&self, name: &Name) -> Vec<u8> {
        let host = self.hosts[name.host].name().as_bytes();
        let mut key = Vec::with_capacity(2 + host.len() + name.order.len());
        key.push(ENTITY_ROW);
        key.extend_from_slice(host);
        key.push(0);
        key.extend_from_slice(&name.order);
        key
    }
}

/// Why keys could not be listed.
pub(crate) enum ListError {
    Key(Cause),
    Store(StoreError),
}
