//! What `log.redb` knows: heads, where runs of groups begin, and how far the log had come.
//!
//! Each value is sealed for its place. Nothing here decides when one is written: that is [`log`](super::log).

use nigh_proto::shards::{Epoch, Position, ShardId};
use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};

use super::meta::{Fault, numbers, ours, put};
use super::seal::{Sealer, check, part};
use crate::store::{GroupId, Head, Place, StoreError};

/// Group that begins a run → its block, seal.
pub(super) const RUNS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("runs");
/// Shard → epoch, next position, seal.
pub(super) const HEADS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("heads");
/// Name in `meta` of how far the log had come when `log.redb` was changed last, that change included.
pub(super) const REACHED: &str = "reached";

/// How far the log had come when something else was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// All groups below were durable.
    pub(super) next: GroupId,
    /// So often `log.redb` had been changed.
    pub(super) changes: u64,
}

impl Reach {
    /// Of a new log.
    pub(super) const START: Reach = Reach { next: GroupId(1), changes: 0 };

    pub(super) fn put(
        self,
        table: &mut Table<'_, &'static str, &'static [u8]>,
        sealer: Sealer,
        name: &str,
    ) -> Result<(), Fault> {
        put(table, sealer, name, &[self.next.0.to_le_bytes(), self.changes.to_le_bytes()].concat())
    }

    pub(super) fn read(
        file: &'static str,
        table: &impl ReadableTable<&'static str, &'static [u8]>,
        sealer: Sealer,
        name: &'static str,
    ) -> Result<Reach, Fault> {
        let [next, changes] = numbers(file, table, sealer, name)?;
        Ok(Reach { next: GroupId(next), changes })
    }
}

/// Where the log begins from now on. The groups that prove these heads go: from now on the rows do.
pub(super) fn put_cut(
    transaction: &WriteTransaction,
    sealer: Sealer,
    heads: &[Head],
    (cut, at): (GroupId, u64),
) -> Result<(), Fault> {
    let mut table = transaction.open_table(HEADS)?;
    for (shard, head) in heads.iter().enumerate() {
        let taken = head.epoch.0 > 0; // mutant cut-loses-heads: let taken = false;
        if taken {
            put_head(&mut table, sealer, ShardId(shard as u32), *head)?;
        }
    }
    let mut table = transaction.open_table(RUNS)?;
    table.retain(|first, _| first >= cut.0)?;
    put_run(&mut table, sealer, (cut, at))
}

pub(super) fn put_run(
    table: &mut Table<'_, u64, &'static [u8]>,
    sealer: Sealer,
    (first, at): (GroupId, u64),
) -> Result<(), Fault> {
    let at = at.to_le_bytes();
    let seal = sealer.run(first.0, &at);
    table.insert(first.0, &[at, seal].concat()[..])?;
    Ok(())
}

/// Where the runs of groups begin, each proven.
pub(super) fn runs(from: &ReadTransaction, sealer: Sealer) -> Result<Vec<(GroupId, u64)>, Fault> {
    let mut runs = Vec::new();
    for stored in from.open_table(RUNS)?.range::<u64>(..)? {
        let (first, stored) = stored?;
        let first = GroupId(first.value());
        let place = || Place::Group(first);
        let (at, seal) = ours(part(stored.value(), place))?;
        ours(check(seal, sealer.run(first.0, at), place))?;
        let wrong = |_| {
            Fault::Store(StoreError::Corrupt {
                place: place(),
                detail: "its place is not 8 bytes".to_owned(),
            })
        };
        runs.push((first, u64::from_le_bytes(at.try_into().map_err(wrong)?)));
    }
    Ok(runs)
}

pub(super) fn put_head(
    table: &mut Table<'_, u32, &'static [u8]>,
    sealer: Sealer,
    shard: ShardId,
    head: Head,
) -> Result<(), Fault> {
    let mut value = [0; 24];
    value[..8].copy_from_slice(&head.epoch.0.to_le_bytes());
    value[8..16].copy_from_slice(&head.next.0.to_le_bytes());
    let seal = sealer.head(shard, &value[..16]);
    value[16..].copy_from_slice(&seal);
    table.insert(shard.0, &value[..])?;
    Ok(())
}

/// The rows of heads, each proven.
pub(super) fn stored_heads(
    table: &impl ReadableTable<u32, &'static [u8]>,
    sealer: Sealer,
) -> Result<Vec<(ShardId, Head)>, Fault> {
    let mut heads = Vec::new();
    for stored in table.range::<u32>(..)? {
        let (shard, stored) = stored?;
        let shard = ShardId(shard.value());
        let place = || Place::Head(shard);
        let (value, seal) = ours(part(stored.value(), place))?;
        ours(check(seal, sealer.head(shard, value), place))?;
        let Ok::<[u8; 16], _>(value) = value.try_into() else { return Err(no_head(shard)) };
        let [epoch, next] = [&value[..8], &value[8..]]
            .map(|half| u64::from_le_bytes(half.try_into().expect("half of 16 bytes")));
        heads.push((shard, Head { epoch: Epoch(epoch), next: Position(next) }));
    }
    Ok(heads)
}

pub(super) fn no_head(shard: ShardId) -> Fault {
    let detail = "no such shard, or no head".to_owned();
    Fault::Store(StoreError::Corrupt { place: Place::Head(shard), detail })
}
