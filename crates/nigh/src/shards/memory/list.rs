//! The keys of a lane that exist, in order: those of the rows, corrected by what is in memory. Who lists all of them
//! joins those of all lanes.

use std::collections::BTreeMap;
use std::ops::Bound;

use nigh_proto::shards::ShardId;
use nigh_wire::{Bytes, Cause};

use super::{EntityRow, Memory, Name};
use crate::store::StoreError;

/// Keys of one entity type, as far as they were found: of one lane after the other.
#[derive(Default)]
pub(crate) struct Listing {
    /// By their ordered form.
    found: BTreeMap<Vec<u8>, Bytes>,
    /// Up to here every shard was read; `None`: to its end.
    read_to: Option<Vec<u8>>,
    /// From here on the log's tail speaks of entities that may have no row.
    cold_from: Option<Vec<u8>>,
    cold: Vec<(ShardId, Name, Bytes)>,
}

/// What was found in all lanes.
pub(crate) enum Listed {
    /// As many as were asked for, or all.
    Keys(Vec<Bytes>),
    /// These are to be loaded first: without the lock.
    Cold(Vec<(ShardId, Name, Bytes)>),
    /// More of each shard is to be read.
    More,
}

impl Listing {
    /// Rows of each of so many shards to begin with: few are enough when keys spread well. Twice as many each time they
    /// are not.
    pub(crate) fn rows_of_each(limit: usize, shards: u32) -> usize {
        2 * limit.div_ceil(shards as usize) + 4
    }

    /// All lanes were asked.
    pub(crate) fn end(self, limit: usize) -> Listed {
        let sure = |order: &Vec<u8>| {
            let known = self.cold_from.as_ref().is_none_or(|from| order < from); // mutant list-skips-tail: let known = true;
            known && self.read_to.as_ref().is_none_or(|to| order <= to)
        };
        let keys = self.found.iter().filter(|(order, _)| sure(order)).take(limit);
        let keys: Vec<Bytes> = keys.map(|(_, key)| key.clone()).collect();
        if keys.len() == limit || self.read_to.is_none() && self.cold_from.is_none() {
            return Listed::Keys(keys);
        }
        if self.cold.is_empty() { Listed::More } else { Listed::Cold(self.cold) }
    }
}

/// The lower of two places, of which none is the highest.
fn lower(one: Option<Vec<u8>>, other: Vec<u8>) -> Vec<u8> {
    one.map_or(other.clone(), |one| one.min(other))
}

impl Memory {
    /// Adds keys of one entity type, of at most `part` rows of each shard. Loads nothing.
    pub(crate) fn list(
        &mut self,
        host: usize,
        after: Option<&Bytes>,
        part: usize,
        to: &mut Listing,
    ) -> Result<(), ListError> {
        let after = match after {
            Some(key) => Some(self.name(host, key).map_err(ListError::Key)?.order.to_vec()),
            None => None,
        };
        for shard in self.lanes.shards_of(self.lane) {
            self.wake(shard).map_err(ListError::Store)?; // mutant asleep-when-listed: let _ = shard;
            let last = self.list_shard(shard, host, after.as_deref(), part, &mut to.found);
            if let Some(last) = last.map_err(ListError::Store)? {
                to.read_to = Some(lower(to.read_to.take(), last));
            }
            let tail = self.cold_tail(shard, host, after.as_deref()).take(part);
            let at = to.cold.len();
            to.cold.extend(tail);
            if let Some((_, Name { order, .. }, _)) = to.cold.get(at) {
                to.cold_from = Some(lower(to.cold_from.take(), order.to_vec()));
            }
        }
        Ok(())
    }

    /// Entities of which only the log's tail speaks, in order.
    fn cold_tail(
        &self,
        shard: ShardId,
        host: usize,
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = (ShardId, Name, Bytes)> {
        let from = Name { host, order: after.unwrap_or_default().into() };
        let from = if after.is_some() { Bound::Excluded(from) } else { Bound::Included(from) };
        let of_host = self.tail[self.lanes.at(shard)]
            .range((from, Bound::Unbounded))
            .take_while(move |(name, _)| name.host == host);
        of_host.map(move |(name, tail)| (shard, name.clone(), tail.key()))
    }

    /// Adds the keys of the first `rows_max` rows of one shard, corrected by what is in memory. Returns where it
    /// stopped; `None` if it read to the end.
    fn list_shard(
        &self,
        shard: ShardId,
        host: usize,
        after: Option<&[u8]>,
        rows_max: usize,
        found: &mut BTreeMap<Vec<u8>, Bytes>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let name = |order: &[u8]| Name { host, order: order.into() };
        let prefix = self.loader.row_key(&name(&[]));
        let default = self.loader.hosts[host].default();
        let mut start = prefix.clone();
        start.extend_from_slice(after.unwrap_or_default());
        let from = if after.is_some() { Bound::Excluded(&start[..]) } else { Bound::Included(&start[..]) };
        let (mut rows, mut last, mut bad, mut paged) = (0, None, None, vec![]);
        let cells = &self.cells[self.lanes.at(shard)];
        self.loader.rows.scan(shard, &prefix, from, rows_max, &mut |row_key, row| {
            let order = row_key[prefix.len()..].to_vec();
            rows += 1;
            last = Some(order.clone());
            // What is in memory is newer than its row.
            if cells.contains_key(&name(&order)) {
                return;
            }
            match nigh_wire::decode_stored::<EntityRow>(&row.value) {
                Ok(entity) if entity.state == *default && entity.paged => paged.push((order, entity.key)),
                Ok(entity) if entity.state == *default => {}
                Ok(entity) => drop(found.insert(order, entity.key)),
                Err(e) => bad = Some(StoreError::corrupt(format!("a row of shard {}: {e}", shard.0))),
            }
        })?;
        if let Some(error) = bad {
            return Err(error);
        }
        for (order, key) in paged {
            let exists = self.loader.has_entries(shard, &name(&order))?; // mutant paged-unlisted: let exists = false;
            found.extend(exists.then_some((order, key)));
        }
        let stopped = last.filter(|_| rows == rows_max);
        let lower = match after {
            Some(order) => Bound::Excluded(name(order)),
            None => Bound::Included(name(&[])),
        };
        let upper = match &stopped {
            Some(order) => Bound::Included(name(order)),
            None => Bound::Excluded(Name { host: host + 1, order: [].into() }),
        };
        for (of, held) in cells.range((lower, upper)) {
            if held.cell.as_ref().is_some_and(|cell| !cell.is_default()) {
                found.insert(of.order.to_vec(), held.key.clone());
            }
        }
        Ok(stopped)
    }
}

/// Why keys could not be listed.
pub(crate) enum ListError {
    Key(Cause),
    Store(StoreError),
}
