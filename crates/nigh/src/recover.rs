//! What a node knows when it starts: the rows that were written back, and the log's tail on top of them.
//!
//! A start waits for this, so it is spread over the cores and touches little memory. First some threads read the log, and each proves
//! and keeps the blobs of its share of the shards, while others read the first rows of each shard. Then the machines of each lane
//! are replayed on a thread of its own, shard by shard: what is decoded is used while it is at hand, and one lane's reading of
//! rows goes on beside another's work. For entities nothing is done before somebody asks (`shards/memory/tail.rs`). In a
//! simulator all of it happens on one thread, in order.

use std::collections::BTreeSet;
use std::sync::Arc;

use nigh_proto::shards::ShardId;
use nigh_proto::shards::record::{Blob, Record};
use nigh_proto::shards::shard::Shard;

use nigh_wire::{Bytes, CallerId, Time};

use crate::clock::Clock;
use crate::shards::host::Host;
use crate::shards::lanes::Lanes;
use crate::shards::memory::{Budget, Memory};
use crate::shards::records::{self, First};
use crate::shards::reply::ReplyTo;
use crate::store::{GroupId, Head, Log, Meta, Rows, StoreError};

/// Threads that read the log. Each reads all of it, of which it takes its share: more than these would only read.
const LOG_READERS_MAX: usize = 4;
/// Threads that read rows, which wait for the disk: it serves many at once.
const ROW_READERS: usize = 16;

/// The machines and entities of all shards, as of the last acknowledged record.
pub(crate) struct Recovered {
    pub(crate) lanes: Lanes,
    pub(crate) of_lane: Vec<(Vec<Shard<ReplyTo>>, Memory)>,
    pub(crate) budget: Arc<Budget>,
}

/// R8: takes every shard up under a new epoch first, and reads the log then.
pub(crate) fn recover(
    clock: &Clock,
    log: &mut dyn Log,
    rows: Arc<dyn Rows>,
    swept: GroupId,
    hosts: &Arc<[Box<dyn Host>]>,
    meta: Meta,
    (lanes_max, memory_max): (u32, usize),
) -> Result<Recovered, StoreError> {
    // What is in the rows is not repeated: a row that a sweep removed is missing (`shards/memory/sweep.rs`).
    log.cut(swept)?; // mutant swept-repeated: log.cut(GroupId(1))?;
    let ids: Vec<ShardId> = (0..meta.shards).map(ShardId).collect();
    let heads = log.take_up(&ids)?;
    let (tails, firsts) = read(clock, log, rows.as_ref(), &ids)?;
    let (lanes, budget) = (Lanes::new(lanes_max, meta.shards), Budget::new(memory_max));
    let mut of_lane: Vec<_> = (0..lanes.count()).map(|lane| (lane, Vec::new())).collect();
    for (((id, head), blobs), first) in ids.into_iter().zip(heads).zip(tails).zip(firsts) {
        of_lane[lanes.of(id)].1.push((id, head, blobs, first));
    }
    let of_lane = clock.side_by_side(of_lane, |(lane, shards)| {
        let mut memory = Memory::new(hosts.clone(), rows.clone(), (lanes, lane), budget.clone());
        let machine =
            |(id, head, blobs, first)| replayed((id, head), blobs, first, rows.as_ref(), meta, &mut memory);
        let machines: Result<Vec<_>, StoreError> = shards.into_iter().map(machine).collect();
        Ok((machines?, memory))
    });
    Ok(Recovered { lanes, of_lane: of_lane.into_iter().collect::<Result<_, StoreError>>()?, budget })
}

/// What a thread is to read, of every so many shards from this one on.
enum Share {
    Log(usize),
    Rows(usize),
}

/// What it read of each of them.
enum Read {
    /// The blobs that were not cut, in order.
    Tails(Vec<Vec<Bytes>>),
    /// The first rows.
    Firsts(Vec<First>),
}

/// The blobs of each shard, and its first rows: the disk is waited for while others work.
fn read(
    clock: &Clock,
    log: &dyn Log,
    rows: &dyn Rows,
    ids: &[ShardId],
) -> Result<(Vec<Vec<Bytes>>, Vec<First>), StoreError> {
    let log_readers = clock.cores().min(LOG_READERS_MAX);
    let shares = (0..log_readers).map(Share::Log).chain((0..ROW_READERS).map(Share::Rows));
    let read = clock.side_by_side(shares.collect(), |share| match share {
        Share::Log(from) => tails(log, ids.len(), (from, log_readers)).map(Read::Tails),
        Share::Rows(from) => {
            let share = ids.iter().skip(from).step_by(ROW_READERS);
            share.map(|id| records::first(rows, *id)).collect::<Result<_, _>>().map(Read::Firsts)
        }
    });
    let (mut tails, mut firsts) = (vec![], vec![]);
    for read in read {
        match read? {
            Read::Tails(share) => tails.push(share),
            Read::Firsts(share) => firsts.push(share),
        }
    }
    Ok((dealt(tails), dealt(firsts)))
}

/// The blobs of every so many shards, from one on.
fn tails(log: &dyn Log, shards: usize, (from, step): (usize, usize)) -> Result<Vec<Vec<Bytes>>, StoreError> {
    let mut blobs = vec![Vec::new(); (from..shards).step_by(step).len()];
    let of = |shard: ShardId| shard.0 as usize % step == from;
    log.tail(&of, &mut |entry| blobs[entry.shard.0 as usize / step].push(entry.blob))?;
    Ok(blobs)
}

/// One of each share in turn.
fn dealt<T>(shares: Vec<Vec<T>>) -> Vec<T> {
    let count = shares.iter().map(Vec::len).sum();
    let mut shares: Vec<_> = shares.into_iter().map(Vec::into_iter).collect();
    let turns = shares.len();
    (0..count).map(|at| shares[at % turns].next().expect("shares were dealt out in turn")).collect()
}

/// The machine of a shard, and what its entities are to be told once they are loaded.
fn replayed(
    (id, head): (ShardId, Head),
    blobs: Vec<Bytes>,
    first_rows: First,
    rows: &dyn Rows,
    meta: Meta,
    memory: &mut Memory,
) -> Result<Shard<ReplyTo>, StoreError> {
    let blob = |bytes| {
        Blob::sliced(bytes).map_err(|e| StoreError::corrupt(format!("a blob of shard {}: {e}", id.0)))
    };
    let tail = blobs.iter().map(blob).collect::<Result<Vec<_>, _>>()?;
    let first = tail.first().map_or(head.next, |blob| blob.first);
    let records = tail.iter().flat_map(|blob| &blob.records);
    let callers: BTreeSet<CallerId> = records.filter_map(Record::caller).collect();
    let start = records::at_start(rows, id, first_rows, &callers)?;
    // The time row holds the log time of what was cut (R16).
    let mut machine = Shard::open(id, head.epoch, start.rows, Time::EPOCH, first)
        .map_err(|e| StoreError::corrupt(format!("shard {}: {e:?}", id.0)))?;
    if start.part {
        machine.is_part(callers); // mutant start-takes-part-for-all: drop(callers);
    }
    meta.restored.into_iter().for_each(|at| machine.restored(at)); // mutant restored-store-unaware: drop(meta.restored);
    memory.sleep(id, blobs, tail.iter().flat_map(|blob| &blob.records))?;
    for blob in tail {
        machine.replay(blob).map_err(|e| StoreError::corrupt(format!("shard {}: {e:?}", id.0)))?;
    }
    Ok(machine)
}
