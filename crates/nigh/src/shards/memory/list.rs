//! The keys that exist, in order: those of the rows, corrected by what is in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use nigh_proto::shards::ShardId;
use nigh_wire::{Bytes, Cause};

use super::{EntityRow, Memory, Name};
use crate::store::StoreError;

impl Memory {
    /// Encoded keys of one entity type that exist, over all shards, in order. Loads nothing: that is done without the lock.
    pub(crate) fn list(
        &self,
        host: usize,
        after: Option<&Bytes>,
        limit: usize,
    ) -> Result<Vec<Bytes>, ListError> {
        let after = match after {
            Some(key) => Some(self.name(host, key).map_err(ListError::Key)?.order.to_vec()),
            None => None,
        };
        let shards = self.cells.len();
        // Few keys of each shard are enough when keys spread well; twice as many each time they are not.
        let mut part = 2 * limit.div_ceil(shards) + 4;
        loop {
            let mut found = BTreeMap::new();
            // Up to here every shard was read.
            let mut read_to: Option<Vec<u8>> = None;
            // From here on the log's tail speaks of entities that may have no row.
            let (mut cold_from, mut cold) = (None::<Vec<u8>>, vec![]);
            for shard in 0..shards {
                let last = self
                    .list_shard(shard, host, after.as_deref(), part, &mut found)
                    .map_err(ListError::Store)?;
                if let Some(last) = last {
                    read_to = Some(read_to.map_or(last.clone(), |to| to.min(last)));
                }
                let tail = self.cold_tail(shard, host, after.as_deref()).take(part);
                let at = cold.len();
                cold.extend(tail);
                if let Some((_, Name { order, .. }, _)) = cold.get(at) {
                    cold_from = Some(cold_from.map_or(order.to_vec(), |from| from.min(order.to_vec())));
                }
            }
            let sure = |order: &Vec<u8>| {
                let known = cold_from.as_ref().is_none_or(|from| order < from); // mutant list-skips-tail: let known = true;
                known && read_to.as_ref().is_none_or(|to| order <= to)
            };
            let keys = found.iter().filter(|(order, _)| sure(order)).take(limit);
            let keys: Vec<Bytes> = keys.map(|(_, key)| key.clone()).collect();
            if keys.len() == limit || read_to.is_none() && cold_from.is_none() {
                return Ok(keys);
            }
            if cold_from.is_some() {
                return Err(ListError::Cold(cold));
            }
            part *= 2;
        }
    }

    /// Entities of which only the log's tail speaks, in order.
    fn cold_tail(
        &self,
        shard: usize,
        host: usize,
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = (ShardId, Name, Bytes)> {
        let from = Name { host, order: after.unwrap_or_default().into() };
        let from = if after.is_some() { Bound::Excluded(from) } else { Bound::Included(from) };
        let of_host =
            self.tail[shard].range((from, Bound::Unbounded)).take_while(move |(name, _)| name.host == host);
        of_host.map(move |(name, tail)| (ShardId(shard as u32), name.clone(), tail.key.clone()))
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
        let name = |order: &[u8]| Name { host, order: order.into() };
        let prefix = self.loader.row_key(&name(&[]));
        let default = self.loader.hosts[host].default();
        let mut start = prefix.clone();
        start.extend_from_slice(after.unwrap_or_default());
        let from = if after.is_some() { Bound::Excluded(&start[..]) } else { Bound::Included(&start[..]) };
        let (mut rows, mut last, mut bad) = (0, None, None);
        let cells = &self.cells[shard];
        self.loader.rows.scan(ShardId(shard as u32), &prefix, from, rows_max, &mut |row_key, row| {
            let order = row_key[prefix.len()..].to_vec();
            rows += 1;
            last = Some(order.clone());
            // What is in memory is newer than its row.
            if cells.contains_key(&name(&order)) {
                return;
            }
            match nigh_wire::decode_stored::<EntityRow>(&row.value) {
                Ok(entity) if entity.state == *default && !entity.paged => {} // mutant paged-unlisted: Ok(entity) if entity.state == *default => {}
                Ok(entity) => drop(found.insert(order, entity.key)),
                Err(e) => bad = Some(StoreError::corrupt(format!("a row of shard {shard}: {e}"))),
            }
        })?;
        if let Some(error) = bad {
            return Err(error);
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
    /// These are to be loaded first.
    Cold(Vec<(ShardId, Name, Bytes)>),
}
