//! What a node knows when it starts: the rows that were written back, and the log's tail on top of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nigh_proto::shards::record::{Blob, Record};
use nigh_proto::shards::shard::Shard;
use nigh_proto::shards::{Position, ShardId};

use nigh_wire::{CallerId, Time};

use crate::shards::host::Host;
use crate::shards::lanes::Lanes;
use crate::shards::memory::{Budget, Memory};
use crate::shards::records;
use crate::shards::reply::ReplyTo;
use crate::store::{GroupId, Log, Meta, Rows, StoreError};

/// The machines and entities of all shards, as of the last acknowledged record.
pub(crate) struct Recovered {
    pub(crate) lanes: Lanes,
    pub(crate) of_lane: Vec<(Vec<Shard<ReplyTo>>, Memory)>,
    pub(crate) budget: Arc<Budget>,
}

/// R8: takes every shard up under a new epoch first, and reads the log then.
pub(crate) fn recover(
    log: &mut dyn Log,
    rows: Arc<dyn Rows>,
    swept: GroupId,
    hosts: &Arc<[Box<dyn Host>]>,
    meta: Meta,
    (lanes_max, memory_max): (u32, usize),
) -> Result<Recovered, StoreError> {
    let shards = meta.shards;
    // What is in the rows is not repeated: a row that a sweep removed is missing (`shards/memory/sweep.rs`).
    log.cut(swept)?; // mutant swept-repeated: log.cut(GroupId(1))?;
    let ids: Vec<ShardId> = (0..shards).map(ShardId).collect();
    let heads = log.take_up(&ids)?;
    let mut tails: BTreeMap<ShardId, Vec<Blob>> = BTreeMap::new();
    let mut bad = None;
    log.tail(&mut |entry| match Blob::from_bytes(&entry.blob) {
        Ok(blob) => tails.entry(entry.shard).or_default().push(blob),
        Err(e) => bad = Some(StoreError::corrupt(format!("a blob of shard {}: {e}", entry.shard.0))),
    })?;
    if let Some(error) = bad {
        return Err(error);
    }
    let (lanes, budget) = (Lanes::new(lanes_max, shards), Budget::new(memory_max));
    let memory = |lane| Memory::new(hosts.clone(), rows.clone(), (lanes, lane), budget.clone());
    let empty = |lane| (Vec::with_capacity(lanes.shards_max()), memory(lane));
    let mut of_lane: Vec<_> = (0..lanes.count()).map(empty).collect();
    for (id, head) in ids.into_iter().zip(heads) {
        let tail = tails.remove(&id).unwrap_or_default();
        let first = tail.first().map_or(head.next, |blob| blob.first);
        let records = tail.iter().flat_map(|blob| &blob.records);
        let callers: BTreeSet<CallerId> = records.filter_map(Record::caller).collect();
        let start = records::at_start(rows.as_ref(), id, &callers)?;
        // The time row holds the log time of what was cut (R16).
        let mut machine = Shard::open(id, head.epoch, start.rows, Time::EPOCH, first)
            .map_err(|e| StoreError::corrupt(format!("shard {}: {e:?}", id.0)))?;
        if start.part {
            machine.is_part(callers); // mutant start-takes-part-for-all: drop(callers);
        }
        meta.restored.into_iter().for_each(|at| machine.restored(at)); // mutant restored-store-unaware: drop(meta.restored);
        let (machines, memory) = &mut of_lane[lanes.of(id)];
        for blob in tail {
            for (record, place) in blob.records.iter().zip(blob.first.0..) {
                memory.replay(id, Position(place), record)?;
            }
            machine.replay(blob).map_err(|e| StoreError::corrupt(format!("shard {}: {e:?}", id.0)))?;
        }
        machines.push(machine);
    }
    Ok(Recovered { lanes, of_lane, budget })
}
