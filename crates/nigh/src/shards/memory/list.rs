//! The keys that exist, in order: those of the rows, corrected by what is in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use nigh_proto::shards::ShardId;
use nigh_wire::{Bytes, Cause};

use super::{EntityRow, Memory, Name};
use crate::store::StoreError;

impl Memory {
    /// Encoded keys of one entity type that exist, over all shards, in order.
    pub(crate) fn list(
        &mut self,
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
            for shard in 0..shards {
                let loaded_to =
                    self.load_tail(shard, host, after.as_deref(), part).map_err(ListError::Store)?;
                let last = self
                    .list_shard(shard, host, after.as_deref(), part, &mut found)
                    .map_err(ListError::Store)?;
                for last in [loaded_to, last].into_iter().flatten() {
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

    /// Loads the first `max` entities of which only the log's tail speaks, since they may have no row. Returns where it
    /// stopped; `None` if there are no more.
    fn load_tail(
        &mut self,
        shard: usize,
        host: usize,
        after: Option<&[u8]>,
        max: usize,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let from = Name { host, order: after.unwrap_or_default().into() };
        let of_host = self.tail[shard].range(from..).take_while(|(name, _)| name.host == host);
        let names: Vec<(Name, Bytes)> =
            of_host.take(max).map(|(name, tail)| (name.clone(), tail.key.clone())).collect();
        for (name, key) in &names {
            let id = ShardId(shard as u32);
            if let Some(loading) = self.loader_of(id, name) {
                let loaded = loading.load(id, name, key)?;
                self.put_loaded(id, name, loading, loaded)?;
            }
        }
        Ok(names.last().filter(|_| names.len() == max).map(|(name, _)| name.order.to_vec()))
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
}
