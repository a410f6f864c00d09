//! Rows of what is remembered of calls, between the state file and the machines.
//!
//! Most of them are in the state file alone: a start reads those of the callers that the log's tail speaks of
//! ([`at_start`]), a call those of its own caller and idempotency key ([`read`]). When they take too much memory, those
//! that nobody asked for of late go ([`let_go`]); a walk over the state file finds those too old ([`age`]). What may go and
//! what is too old is decided by the machine (`nigh-proto/src/shards/tables/cold.rs`).

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::MutexGuard;

use nigh_proto::shards::ShardId;
use nigh_proto::shards::row::{TableKey, TableRow};
use nigh_proto::shards::shard::{Missing, rows_of};
use nigh_wire::{Bytes, CallId, CallerId, Out, Wire};

use crate::buggify;
use crate::shards::core::Core;
use crate::shards::owner::Owner;
use crate::store::{Rows, StoreError, StoredRow};

/// First byte of a table row's key in the state file.
const TABLE_ROW: u8 = b't';
/// Rows looked at under one lock: about 100 µs.
const LOOK_ROWS_MAX: usize = 1024;
/// Pages of so many rows read after each sweep to find what is too old: 5 ms of work, a million rows a minute.
const PAGES_MAX: usize = 16;
/// Rows that a start reads of each shard at once: all of one that remembers few calls.
const FIRST_ROWS: usize = 16;

type Row = (TableKey, TableRow);

/// How far work on the rows of all shards has come.
#[derive(Default)]
pub(crate) struct Records {
    /// The shard where letting go begins next.
    from: u32,
    /// The shard that is walked over, or is to be looked at next, and behind which row.
    walk: (u32, Option<Bytes>),
}

/// The first rows of a shard, which a start reads before it knows of whom the log's tail speaks.
pub(crate) struct First {
    rows: Vec<Row>,
    /// There are no more.
    all: bool,
}

/// What a start reads of a shard.
pub(crate) struct Start {
    pub(crate) rows: Vec<Row>,
    /// There are more.
    pub(crate) part: bool,
}

/// Reads them.
pub(crate) fn first(rows: &dyn Rows, shard: ShardId) -> Result<First, StoreError> {
    let rows = page(rows, shard, None, FIRST_ROWS)?;
    let all = rows.len() < FIRST_ROWS;
    Ok(First { rows, all })
}

/// Rows of these callers, and what is known of all.
pub(crate) fn at_start(
    rows: &dyn Rows,
    shard: ShardId,
    first: First,
    callers: &BTreeSet<CallerId>,
) -> Result<Start, StoreError> {
    let First { rows: mut found, all } = first;
    let part = found.iter().any(|(key, _)| !matches!(key, TableKey::Time | TableKey::Count));
    let is_wanted = |key: &TableKey| match key {
        TableKey::Time | TableKey::Count => true,
        key => key.caller().is_some_and(|caller| callers.contains(&caller)),
    };
    if all {
        found.retain(|(key, _)| is_wanted(key));
        return Ok(Start { rows: found, part });
    }
    // Time is the first of all rows. Of a caller some may be among the first, and others not.
    found.retain(|(key, _)| *key == TableKey::Time);
    found.extend(one(rows, shard, &TableKey::Count)?);
    for caller in callers {
        of_caller(rows, shard, *caller, &mut found)?;
    }
    Ok(Start { rows: found, part })
}

/// What is missing, as the state file has it.
pub(crate) fn read(rows: &dyn Rows, shard: ShardId, missing: &Missing) -> Result<Vec<Row>, StoreError> {
    let mut found = Vec::new();
    if let Some(caller) = missing.caller {
        of_caller(rows, shard, caller, &mut found)?;
    }
    if let Some(keyed) = &missing.keyed {
        found.extend(one(rows, shard, &TableKey::Keyed(keyed.clone()))?);
    }
    Ok(found)
}

/// What the state file has of one id in a shard. Only to look at: it is not taken into memory.
pub(crate) fn of_id(rows: &dyn Rows, shard: ShardId, id: CallId) -> Result<Vec<TableRow>, StoreError> {
    let mut found = Vec::new();
    for key in rows_of(id) {
        found.extend(one(rows, shard, &key)?.map(|(_, row)| row));
    }
    Ok(found)
}

/// Key of a row in the state file.
pub(crate) fn row_key(key: &TableKey) -> Bytes {
    let mut out = Out::with_capacity(64);
    out.byte(TABLE_ROW);
    key.encode(&mut out);
    out.into_bytes()
}

fn one(rows: &dyn Rows, shard: ShardId, key: &TableKey) -> Result<Option<Row>, StoreError> {
    let bytes = row_key(key);
    rows.read(shard, &bytes)?.map(|row| opened(shard, &bytes, &row)).transpose()
}

fn of_caller(
    rows: &dyn Rows,
    shard: ShardId,
    caller: CallerId,
    found: &mut Vec<Row>,
) -> Result<(), StoreError> {
    for beginning in TableKey::beginnings(caller) {
        let prefix = [&[TABLE_ROW], &beginning[..]].concat();
        scan(rows, shard, &prefix, Bound::Included(&prefix), usize::MAX, found)?;
    }
    Ok(())
}

/// Up to so many rows behind one.
fn page(
    rows: &dyn Rows,
    shard: ShardId,
    after: Option<&Bytes>,
    rows_max: usize,
) -> Result<Vec<Row>, StoreError> {
    let (prefix, mut found) = ([TABLE_ROW], Vec::new());
    let from = after.map_or(Bound::Included(&prefix[..]), |key| Bound::Excluded(&key[..]));
    scan(rows, shard, &prefix, from, rows_max, &mut found)?;
    Ok(found)
}

fn scan(
    rows: &dyn Rows,
    shard: ShardId,
    prefix: &[u8],
    from: Bound<&[u8]>,
    rows_max: usize,
    found: &mut Vec<Row>,
) -> Result<(), StoreError> {
    let mut bad = None;
    rows.scan(shard, prefix, from, rows_max, &mut |key, row| match opened(shard, key, &row) {
        Ok(row) => found.push(row),
        Err(error) => bad = Some(error),
    })?;
    bad.map_or(Ok(()), Err)
}

fn opened(shard: ShardId, key: &[u8], row: &StoredRow) -> Result<Row, StoreError> {
    let read = nigh_wire::decode::<TableKey>(&key[1..])
        .and_then(|key| Ok((key, nigh_wire::decode_stored::<TableRow>(&row.value)?)));
    read.map_err(|e| StoreError::corrupt(format!("a table row of shard {}: {e}", shard.0)))
}

/// Lets go of what nobody asked for of late, if all take too much memory.
pub(crate) fn let_go(owner: &Owner) {
    let all = buggify!("records.cold");
    let (mut size, size_max) = (tables_size(owner), owner.budget.records_size_max());
    let keeps_all = size <= size_max; // mutant records-never-go: let keeps_all = size < usize::MAX;
    if keeps_all && !all {
        return;
    }
    // A quarter is made free, so that it is not to be done again at once.
    let (enough, first) = (size_max - size_max / 4, owner.records().from);
    for shard in (first..owner.lanes().shards()).chain(0..first) {
        if size <= enough && !all {
            owner.records().from = shard;
            return;
        }
        size = size.saturating_sub(let_shard_go(owner, ShardId(shard), all));
    }
}

/// Bytes of all tables in memory, about.
pub(crate) fn tables_size(owner: &Owner) -> usize {
    let of_lane =
        |core: MutexGuard<'_, Core>| core.shards.iter().map(|shard| shard.tables_size()).sum::<usize>();
    owner.cores().map(of_lane).sum()
}

/// Returns how many bytes that gave.
fn let_shard_go(owner: &Owner, shard: ShardId, all: bool) -> usize {
    let rows = owner.core_of(shard).machine(shard).rows_here();
    let mut gained = 0;
    for _ in 0..rows.div_ceil(LOOK_ROWS_MAX) {
        // One lock each: calls go on meanwhile.
        let mut core = owner.core_of(shard);
        let machine = core.machine(shard);
        let size = machine.tables_size();
        machine.let_go(LOOK_ROWS_MAX, all);
        // The first time a list of those who are here is made, which takes room.
        gained += size.saturating_sub(machine.tables_size());
    }
    gained
}

/// Reads some of the state file, so that its machines find what is too old (R16).
pub(crate) fn age(owner: &Owner, rows: &dyn Rows) -> Result<(), StoreError> {
    for _ in 0..PAGES_MAX {
        let Some((shard, after)) = next_to_walk(owner) else { return Ok(()) };
        let found = page(rows, shard, after.as_ref(), LOOK_ROWS_MAX)?;
        let ended = found.len() < LOOK_ROWS_MAX;
        let last = found.last().map(|(key, _)| row_key(key));
        owner.core_of(shard).machine(shard).walk(found, ended);
        owner.records().walk = if ended { (shard.0 + 1, None) } else { (shard.0, last) };
    }
    Ok(())
}

/// Where the walk goes on, or the next shard that wants one.
fn next_to_walk(owner: &Owner) -> Option<(ShardId, Option<Bytes>)> {
    let (at, after) = owner.records().walk.clone();
    if after.is_some() {
        return Some((ShardId(at), after));
    }
    let shards = owner.lanes().shards();
    let wants = |shard: &ShardId| owner.core_of(*shard).machine(*shard).wants_walk();
    let next = (at..at + shards).map(|shard| ShardId(shard % shards)).find(wants);
    next.map(|shard| (shard, None))
}
