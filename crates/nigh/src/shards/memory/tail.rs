//! What the log's tail says of entities that nobody asked for since the start: a start reads no rows, and does little for each.
//!
//! A shard sleeps until somebody asks for an entity of it, lists keys, or sweeps it. Then it wakes: each change is found by its entity's name,
//! and stays as it stands in the log. It is repeated on the entity when that is loaded. The first sweep wakes and loads all, so
//! that nothing of this is left a moment after the start.

use nigh_proto::shards::record::{Blob, Change, Other, Record};
use nigh_proto::shards::{Position, ShardId};
use nigh_wire::{Bytes, DecodeError};

use super::{Held, Memory};
use crate::store::StoreError;

/// What the log's tail says of one entity.
pub(super) struct Tail {
    /// Its encoded key.
    key: Bytes,
    /// Always there. Most changed once.
    first: Option<Redo>,
    /// In order.
    later: Vec<Redo>,
}

/// Redo and its place; `None`: it became its default.
type Redo = (Position, Option<Bytes>);

impl Tail {
    /// Its encoded key, without what stands around it: it may be kept for long.
    pub(super) fn key(&self) -> Bytes {
        nigh_wire::copied(&self.key)
    }
}

/// The log's tail of one shard, as it was read.
#[derive(Default)]
pub(super) struct Asleep {
    blobs: Vec<Bytes>,
    /// In all of them.
    changes: usize,
}

impl Asleep {
    pub(super) fn changes(&self) -> usize {
        self.changes
    }
}

impl Memory {
    /// Takes in what was read of the log of a shard, until it [wakes](Memory::wake). These are its records.
    ///
    /// # Errors
    ///
    /// They are of another build.
    pub(crate) fn sleep<'a>(
        &mut self,
        shard: ShardId,
        blobs: Vec<Bytes>,
        records: impl Iterator<Item = &'a Record>,
    ) -> Result<(), StoreError> {
        let mut changes = 0;
        for record in records {
            let Record::Ran(ran) = record else { continue };
            for entity in std::iter::once(&ran.entity).chain(ran.others.iter().map(|other| &other.entity)) {
                self.host(entity).map_err(|why| corrupt(shard, why))?;
                changes += 1;
            }
        }
        self.asleep[self.lanes.at(shard)] = Asleep { blobs, changes };
        Ok(())
    }

    /// Somebody looks at a shard: what the log's tail says of its entities is found by their names from now on.
    ///
    /// # Errors
    ///
    /// It does not fit.
    pub(super) fn wake(&mut self, shard: ShardId) -> Result<(), StoreError> {
        for bytes in std::mem::take(&mut self.asleep[self.lanes.at(shard)]).blobs {
            let changes = Blob::changes(&bytes).map_err(|e| corrupt(shard, format!("a blob: {e}")))?;
            changes.into_iter().try_for_each(|change| self.replay(shard, change))?;
        }
        Ok(())
    }

    /// Keeps what a record of the log's tail changed until its entities are loaded.
    fn replay(&mut self, shard: ShardId, change: Change<'_>) -> Result<(), StoreError> {
        let Change { position, entity, key, redo, deleted, others } = change;
        if !redo.is_empty() || deleted {
            self.keep(shard, position, entity, key, (!deleted).then_some(redo))?;
        }
        for Other { entity, key, redo } in others {
            self.keep(shard, position, &entity, key, Some(redo))?; // mutant others-not-repeated: self.keep(shard, position, &entity, key, None)?;
        }
        Ok(())
    }

    /// `None`: it became its default.
    fn keep(
        &mut self,
        shard: ShardId,
        position: Position,
        entity: &str,
        key: Bytes,
        redo: Option<Bytes>,
    ) -> Result<(), StoreError> {
        let bad = |why: String| corrupt(shard, format!("record {}: {why}", position.0));
        let host = self.host(entity).map_err(bad)?;
        let name = self.name(host, &key).map_err(|e| bad(e.to_string()))?;
        self.rowed.changed(shard, &name, position);
        let place = self.tail[self.lanes.at(shard)].entry(name);
        let mut change = Some((position, redo));
        let tail = place.or_insert_with(|| Tail { key, first: change.take(), later: vec![] });
        tail.later.extend(change); // mutant later-change-lost: tail.later.extend(change.filter(|_| tail.key.len() == usize::MAX));
        Ok(())
    }

    fn host(&self, entity: &str) -> Result<usize, String> {
        let host = self.loader.hosts.iter().position(|host| **host.name() == *entity);
        host.ok_or_else(|| format!("entity `{entity}` is not in this build"))
    }
}

fn corrupt(shard: ShardId, why: String) -> StoreError {
    StoreError::corrupt(format!("the log of shard {}: {why}", shard.0))
}

impl Held {
    /// Repeats what its rows do not hold, and says where that begins; or where it does not fit, and why.
    /// `grown` says what it takes more after a change of so many bytes.
    pub(super) fn repeat(
        &mut self,
        tail: Tail,
        grown: impl Fn(usize) -> usize,
    ) -> Result<Option<Position>, (Position, DecodeError)> {
        let mut first = None;
        for (position, redo) in tail.first.into_iter().chain(tail.later) {
            // A value of it may be kept as a slice, and with it all that stands around.
            let redo = redo.map(nigh_wire::unshared); // mutant redo-pins-group: let redo = redo.map(|redo| redo);
            let cell = self.cell.as_mut().expect("it was read just now");
            if cell.is_paged() {
                // Its rows are of several places: it knows.
                cell.repeat(position, redo.as_ref()).map_err(|why| (position, why))?;
                self.changed = self.changed.max(Some(position));
            } else {
                let done = self.changed.is_some_and(|changed| changed >= position); // mutant cold-repeats-twice: let done = self.changed.is_some_and(|changed| changed.0 == u64::MAX);
                if done {
                    continue;
                }
                match &redo {
                    Some(redo) => cell.apply(redo).map_err(|why| (position, why))?,
                    None => cell.reset(),
                }
                self.changed = Some(position);
                first = first.or(Some(position));
            }
            self.size += grown(redo.map_or(0, |redo| redo.len()));
        }
        let paged = self.cell.as_ref().and_then(|cell| cell.paged());
        let first = paged.map_or(first, |known| known.dirty); // mutant dirty-page-lost: let first = paged.map_or(first, |_| None);
        // A page that lags behind the others is dirty, wherever these are.
        self.written = self.written.filter(|_| first.is_none()); // mutant lagging-page-clean: self.written = self.written.filter(|_| self.size > 0);
        Ok(first)
    }
}
