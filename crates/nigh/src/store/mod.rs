//! What makes a commit last: the log of all shards, and the rows it is swept into.
//!
//! A commit is one *group*: a blob for each shard that has something to say, in one durable transaction. Behind
//! the log, changed rows are written back a few at a time; once a whole sweep is in the rows, the log is cut
//! below the group at which that sweep began. Two small traits, and two stores behind them:
//!
//! - [`Log`] and [`Rows`] are the contract. Start here.
//! - `error.rs` sorts what can go wrong by what the caller does next.
//! - `embedded/` keeps both in three files of one directory: [`open_dir`].
//! - `memory.rs` keeps nothing past the process: [`memory()`](fn@memory).
//! - [`suite`] is what a store must pass to be one.
//!
//! Nothing here knows what a blob or a row means, decides when to commit, or takes a thread of its own.
//! Format of the files: `spec/store.md`.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use nigh_proto::shards::{Epoch, Position, ShardId};
use nigh_wire::Time;

mod embedded;
mod error;
mod memory;
mod shape;
pub mod suite;

#[cfg(test)]
pub(crate) use embedded::tests::{Faults, FaultyDirectory};
pub use embedded::{
    Compacted, Copier, ReadOnly, Verified, backup_dir, compact_dir, open_dir, read_dir, restore_dir,
    verify_dir,
};
#[doc(hidden)] // For a simulated disk: redb is in these signatures, and no promise.
pub use embedded::{Directory, DirectoryLock, Reserve, compact_on, open_on, verify_on};
pub use error::{AppendError, CopyError, Fenced, OpenError, Place, StoreError};
pub use memory::{MemoryStore, memory};
pub use shape::{Schemas, Shape};

/// Version of the stored bytes, all files together. Another one is refused, nothing touched.
pub const FORMAT_VERSION: u32 = 7;

/// Rows in one call of [`Rows::write`]. From 64 to 1,024 the tail of commits beside it hardly differs while each
/// transaction is durable; one large sync in front of the log's is what hurts.
pub const ROWS_PER_WRITE_MAX: usize = 1024;

/// Bytes of a store's files that are kept in memory, unless the operator gives it less: the inner pages of a state of some
/// 10 GiB.
pub const CACHE_SIZE_DEFAULT: usize = 128 << 20;

/// Longest key of a row, in bytes: a key of an entity (1 KiB), the names around it, and room.
pub const ROW_KEY_SIZE_MAX: usize = 4 * 1024;

/// Counts the durable transactions of the log. The first is 1; no number is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u64);

/// Where a shard stands: only an append that says both is accepted (R8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Head {
    /// Of its owner; 0 while nobody ever took it up.
    pub epoch: Epoch,
    /// Place of its next record.
    pub next: Position,
}

/// One blob to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Below the number of shards of the store.
    pub shard: ShardId,
    /// Under which its owner speaks.
    pub epoch: Epoch,
    /// Place of its first record.
    pub first: Position,
    /// Place after its last record; not below `first`.
    pub next: Position,
    /// The records, opaque here; at most 4 GiB.
    pub blob: Bytes,
}

/// What became of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its number; `None` if nothing was left to write.
    pub group: Option<GroupId>,
    /// For each append, in the order given: durable, or fenced and not written.
    pub items: Vec<Result<(), Fenced>>,
}

/// One blob as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// The transaction it came with.
    pub group: GroupId,
    /// Whose it is.
    pub shard: ShardId,
    /// Under which it was appended.
    pub epoch: Epoch,
    /// Place of its first record.
    pub first: Position,
    /// Place after its last record.
    pub next: Position,
    /// As it was given.
    pub blob: Bytes,
}

/// Blobs of one group at most: what a group says it holds, in 40 bytes for each, is read before it is proven. A committer
/// appends one for each shard.
pub const APPENDS_MAX: usize = 16_384;
/// Bytes of blobs from which on a committer adds none to a group: with one more call, and what the group says of itself, it fits
/// the 8 MiB that a store holds back for when its disk is full, and nobody waits for more of the others than that. The last
/// blob may be longer than a call: a shard has one in each group.
pub const GROUP_SIZE_MAX: usize = 6 << 20;

/// Append-only log of all shards of a store. Correct if it passes [`suite`].
///
/// After any error but [`AppendError::Full`], [`StoreError::Full`] and [`StoreError::NotSwept`] the log is closed: every
/// later call fails, the process ends, and the next one reads what is really there.
pub trait Log: Send + Sync {
    /// Appends a group under one sync, each blob only if the shard's epoch and next position are as given (R8),
    /// and returns once all would survive a power loss. A fenced shard fails alone: another owner has it, nothing
    /// of it was written. Several blobs of one shard follow one another. Blocks, typically 0.1 to 10 ms.
    ///
    /// # Errors
    ///
    /// - [`AppendError::Full`]: nothing was written, and that is proven. The same group is appended again once there is
    ///   room; until then the shards refuse writes.
    /// - [`AppendError::InDoubt`]: it may be durable. Close and end: a second sync can succeed without the data.
    ///
    /// # Panics
    ///
    /// A shard at or above the number of shards; `next` below `first`; more than [`APPENDS_MAX`] blobs.
    fn append(&mut self, group: &[Append]) -> Result<Appended, AppendError>;

    /// Takes shards up, also those that were ours: each gets a new epoch, durable before this returns (R8). Only
    /// then [`tail`](Log::tail) may be read for them. Heads in the order given.
    ///
    /// # Errors
    ///
    /// It may or may not have happened; taking up again is right.
    ///
    /// # Panics
    ///
    /// A shard at or above the number of shards.
    fn take_up(&mut self, shards: &[ShardId]) -> Result<Vec<Head>, StoreError>;

    /// Every blob that was not cut, of the shards that `of` says, in the order of the groups and, within one, as appended.
    /// Several threads may read at once, each of other shards.
    ///
    /// # Errors
    ///
    /// A group that is missing or damaged, after those before it were handed out. Blobs of other shards are not looked at.
    fn tail(&self, of: &dyn Fn(ShardId) -> bool, each: &mut dyn FnMut(LogEntry)) -> Result<(), StoreError>;

    /// Number that the next group will have. All lower ones are durable.
    fn next_group(&self) -> GroupId;

    /// What the groups that are not cut take on the disk, in bytes.
    fn size_bytes(&self) -> u64;

    /// Groups below `below` are no longer needed: everything in them is in the rows. They are durably cut before the next
    /// append, or with it. A lower number than before changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotSwept`]: no sweep that was [recorded](Rows::swept) reaches so far; nothing was cut.
    fn cut(&mut self, below: GroupId) -> Result<(), StoreError>;

    /// Removes all that was cut, now: for a planned stop.
    ///
    /// # Errors
    ///
    /// Some may be left; they go later.
    fn cut_now(&mut self) -> Result<(), StoreError>;

    /// False from when the disk was full until there is room again, for more than what is under way: nothing new is to
    /// be taken in. Looks at the disk only then.
    fn has_room(&mut self) -> bool {
        true
    }

    /// Whether nobody has taken the shard up since `epoch` (R7): a view asks after its read. In a directory the
    /// lock keeps other processes out, so the heads here are the truth.
    fn still_mine(&self, shard: ShardId, epoch: Epoch) -> bool;
}

/// A row as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// Place of the last record whose change is in it: replay only what is above.
    pub position: Position,
    /// Opaque here.
    pub value: Bytes,
}

/// A row to write or to remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowWrite {
    /// Below the number of shards of the store.
    pub shard: ShardId,
    /// Opaque here, at most [`ROW_KEY_SIZE_MAX`] bytes. Its first byte is a kind, chosen above.
    pub key: Bytes,
    /// Place of the last record whose change is in `value`. That record must be durable in the log.
    pub position: Position,
    /// `None` removes it.
    pub value: Option<Bytes>,
}

/// The state of all shards as of a recent past: written back by one thread, read by many.
pub trait Rows: Send + Sync {
    /// The row, if there is one.
    ///
    /// # Errors
    ///
    /// A damaged row is [`StoreError::Corrupt`] naming shard and key: never another value.
    fn read(&self, shard: ShardId, key: &[u8]) -> Result<Option<StoredRow>, StoreError>;

    /// Writes rows in one durable transaction: all or none. Give them in order of shard and key, which is several
    /// times cheaper than any other. Of several with one key the last counts.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`]: nothing was written, and the same may be tried again. After any other it may or may not have
    /// happened; the store is closed for writing.
    ///
    /// # Panics
    ///
    /// More than [`ROWS_PER_WRITE_MAX`] rows, a longer key than [`ROW_KEY_SIZE_MAX`], a shard at or above the
    /// number of shards.
    fn write(&self, rows: &[RowWrite]) -> Result<(), StoreError>;

    /// Hands out up to `limit` rows of a shard whose keys begin with `prefix`, from `from` on, in key order.
    /// Consistent: one transaction's view.
    ///
    /// # Errors
    ///
    /// As [`read`](Rows::read), after the rows before it were handed out.
    fn scan(
        &self,
        shard: ShardId,
        prefix: &[u8],
        from: Bound<&[u8]>,
        limit: usize,
        each: &mut dyn FnMut(&[u8], StoredRow),
    ) -> Result<(), StoreError>;

    /// For each shard that was ever written, the highest position, removals included.
    ///
    /// # Errors
    ///
    /// Damage.
    fn high(&self) -> Result<BTreeMap<ShardId, Position>, StoreError>;

    /// Records, durably, that every change of the groups below `below` is in the rows. The log may be cut so far.
    ///
    /// # Errors
    ///
    /// As [`write`](Rows::write).
    fn swept(&self, below: GroupId) -> Result<(), StoreError>;
}

/// What a store says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Of its bytes: [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Drawn when it was created, or put back from a copy.
    pub incarnation: u128,
    /// Fixed when it was created.
    pub shards: u32,
    /// When it was put back from a copy, if it was. What was acknowledged between the copy and then is lost.
    pub restored: Option<Time>,
    /// It is a copy: to be read and to be put back, and not to be started on.
    pub copy: bool,
}

/// What to open a store with.
#[derive(Clone, Copy, Debug)]
pub struct Open<'a> {
    /// Number of shards; at least 1. A store that has another number is refused.
    pub shards: u32,
    /// Shapes of all state in this build, one for each entity.
    pub shapes: &'a [Shape],
    /// Incarnation of a store created now: 128 random bits. Of no use to one that exists.
    pub incarnation: u128,
    /// What may be kept in memory of its files, in bytes: [`CACHE_SIZE_DEFAULT`].
    pub cache_size: usize,
}

/// What a copy becomes when it is put back.
#[derive(Clone, Copy, Debug)]
pub struct Restore {
    /// Of the new store: 128 random bits.
    pub incarnation: u128,
    /// The wall clock.
    pub at: Time,
}

/// An open store.
pub struct Opened {
    /// For the committer's thread.
    pub log: Box<dyn Log>,
    /// For everybody.
    pub rows: Arc<dyn Rows>,
    /// What it says of itself.
    pub meta: Meta,
    /// All groups below are in the rows: [`Rows::swept`] said so last.
    pub swept: GroupId,
    /// Copies it while it is used; `None` if it is on no disk.
    pub copier: Option<Copier>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("meta", &self.meta).finish_non_exhaustive()
    }
}

/// Decides a group against the heads and moves them: the one place where R8 is checked, shared by all stores here.
fn admit(heads: &mut [Head], group: &[Append]) -> Vec<Result<(), Fenced>> {
    assert!(group.len() <= APPENDS_MAX, "{} blobs in one group", group.len());
    group.iter().map(|append| admit_one(heads, append)).collect()
}

/// R8: on condition of epoch *and* position. Epoch 0 is nobody's.
fn admit_one(heads: &mut [Head], append: &Append) -> Result<(), Fenced> {
    assert!(append.first <= append.next, "a blob ends at or after its start");
    let head = heads.get_mut(append.shard.0 as usize).expect("a shard is below the number of shards");
    let epoch_holds = append.epoch == head.epoch && append.epoch.0 > 0; // mutant epoch-unchecked: let epoch_holds = true;
    let position_holds = append.first == head.next; // mutant append-ignores-position: let position_holds = true;
    if !epoch_holds || !position_holds {
        return Err(Fenced { head: *head });
    }
    head.next = append.next;
    Ok(())
}
