//! A store as it should be: what is durable after each acknowledged call, and what a reader must then find.
//!
//! [`Model::plan`] turns a step of a history into the call to make and the model after it. The store has to be one of
//! the two when the power fails in between. [`seen`] reads a store; [`Model::differs`] is the judge.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use bytes::Bytes;
use nigh::store::{
    Append, Appended, Fenced, GroupId, Head, LogEntry, Opened, RowWrite, StoreError, StoredRow,
};
use nigh_proto::shards::{Epoch, Position, ShardId};

use super::random::Rng;

/// Few, so that they meet often.
pub(super) const SHARDS: u32 = 4;

/// Bytes of a group and of each blob in it beside the blob, and of the blocks it takes: `spec/store.md`, 3.
const GROUP_BYTES: u64 = 28;
const BLOB_BYTES: u64 = 40;
const BLOCK_BYTES: u64 = 4096;

/// More than a history takes up.
const EPOCH_MAX: u64 = 64;

/// A step of a history; the number is the seed of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Append(u64),
    TakeUp(u64),
    TakeUpAll,
    Write(u64),
    Sweep(u64),
    CutNow,
    /// Closes it as a planned stop does, if it is open, and opens it.
    Open,
    Close,
}

/// What a step asks of the store, and the right answer.
pub(super) enum Call {
    Append(Vec<Append>, Appended),
    TakeUp(Vec<ShardId>, Vec<Head>),
    Write(Vec<RowWrite>),
    Sweep { below: GroupId, cut: GroupId },
    CutNow,
    Open,
    Close,
}

pub(super) type RowMap = BTreeMap<(ShardId, Vec<u8>), StoredRow>;

/// What the log must hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LogModel {
    /// From the cut on.
    entries: VecDeque<LogEntry>,
    heads: Vec<Head>,
    next: GroupId,
    /// Durable; what was asked is of the process.
    cut: GroupId,
    /// Bytes of the blocks of each group from the cut on.
    sizes: BTreeMap<u64, u64>,
}

/// What the rows must hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RowsModel {
    rows: RowMap,
    high: BTreeMap<ShardId, Position>,
    swept: GroupId,
    /// Next group of the log, and its heads, when they were written last.
    seen: GroupId,
    seen_heads: Vec<Head>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Model {
    /// `None` while there is no store.
    pub(super) incarnation: Option<u128>,
    pub(super) log: LogModel,
    pub(super) rows: RowsModel,
    cut_asked: GroupId,
}

impl Model {
    /// No store yet, which reads as an empty one once it is opened.
    pub(super) fn none() -> Self {
        let log = LogModel {
            entries: VecDeque::new(),
            heads: vec![Head::default(); SHARDS as usize],
            next: GroupId(1),
            cut: GroupId(1),
            sizes: BTreeMap::new(),
        };
        let rows = RowsModel {
            rows: BTreeMap::new(),
            high: BTreeMap::new(),
            swept: GroupId(1),
            seen: GroupId(1),
            seen_heads: log.heads.clone(),
        };
        Model { incarnation: None, log, rows, cut_asked: GroupId(1) }
    }

    /// The call of a step, and the model once it is acknowledged.
    pub(super) fn plan(&self, step: Step, incarnation: u128) -> (Call, Model) {
        let mut after = self.clone();
        let call = match step {
            Step::Append(seed) => after.append(&mut Rng::new(seed)),
            Step::TakeUp(seed) => {
                let shard = Rng::new(seed).below(SHARDS.into()) as u32;
                after.take_up(&[ShardId(shard)])
            }
            Step::TakeUpAll => after.take_up(&(0..SHARDS).map(ShardId).collect::<Vec<_>>()),
            Step::Write(seed) => after.write(&mut Rng::new(seed)),
            Step::Sweep(seed) => after.sweep(&mut Rng::new(seed)),
            Step::CutNow => {
                after.log.cut_to(after.cut_asked);
                Call::CutNow
            }
            Step::Open => {
                after.incarnation = Some(self.incarnation.unwrap_or(incarnation));
                after.cut_asked = after.log.cut;
                Call::Open
            }
            Step::Close => Call::Close,
        };
        (call, after)
    }

    /// R8: mostly right appends, some with another epoch or position.
    fn append(&mut self, rng: &mut Rng) -> Call {
        let (mut group, mut items) = (Vec::new(), Vec::new());
        let number = self.log.next;
        let mut size = GROUP_BYTES;
        for _ in 0..=rng.below(4) {
            let shard = rng.below(SHARDS.into()) as usize;
            let head = self.log.heads[shard];
            let wrong = |rng: &mut Rng| u64::from(rng.once_in(10));
            let epoch = Epoch(head.epoch.0 + wrong(rng));
            let first = Position(head.next.0 + wrong(rng));
            let next = Position(first.0 + rng.below(4));
            let append = Append { shard: ShardId(shard as u32), epoch, first, next, blob: bytes(rng) };
            if epoch == head.epoch && first == head.next && epoch.0 > 0 {
                self.log.heads[shard].next = next;
                size += BLOB_BYTES + append.blob.len() as u64;
                self.log.entries.push_back(entry(number, &append));
                items.push(Ok(()));
            } else {
                items.push(Err(Fenced { head }));
            }
            group.push(append);
        }
        let written = items.iter().any(Result::is_ok);
        if written {
            self.log.next.0 += 1;
            self.log.cut_to(self.cut_asked);
            self.log.sizes.insert(number.0, size.next_multiple_of(BLOCK_BYTES));
        }
        Call::Append(group, Appended { group: written.then_some(number), items })
    }

    fn take_up(&mut self, shards: &[ShardId]) -> Call {
        let mut heads = Vec::new();
        for shard in shards {
            let head = &mut self.log.heads[shard.0 as usize];
            head.epoch.0 += 1;
            heads.push(*head);
        }
        Call::TakeUp(shards.to_vec(), heads)
    }

    fn write(&mut self, rng: &mut Rng) -> Call {
        let mut writes = Vec::new();
        for _ in 0..=rng.below(8) {
            let shard = ShardId(rng.below(SHARDS.into()) as u32);
            // Only what is durable in the log may be in a row.
            let Some(last) = self.log.heads[shard.0 as usize].next.0.checked_sub(1) else { continue };
            let position = Position(last - rng.below(3).min(last));
            let key = Bytes::from(format!("e{}", rng.below(24)));
            let value = (!rng.once_in(4)).then(|| bytes(rng));
            let at = (shard, key.to_vec());
            match value.clone() {
                Some(value) => self.rows.rows.insert(at, StoredRow { position, value }),
                None => self.rows.rows.remove(&at),
            };
            let high = self.rows.high.entry(shard).or_insert(position);
            *high = position.max(*high);
            writes.push(RowWrite { shard, key, position, value });
        }
        self.rows.see(&self.log);
        Call::Write(writes)
    }

    fn sweep(&mut self, rng: &mut Rng) -> Call {
        let swept = self.rows.swept.0;
        let below = GroupId(swept + rng.below(self.log.next.0 - swept + 1));
        let asked = self.cut_asked.0;
        let cut = GroupId(asked + rng.below(below.0 - asked + 1));
        self.rows.swept = below;
        self.rows.see(&self.log);
        self.cut_asked = cut;
        Call::Sweep { below, cut }
    }

    /// How what was read differs from what should be; `None` if it does not.
    pub(super) fn differs(&self, seen: &Seen) -> Option<String> {
        let log = seen.log.is_right(&self.log).err();
        log.or_else(|| seen.rows.is_right(&self.rows).err())
    }

    /// As [`LogModel::between`].
    pub(super) fn between(&self, after: &Model) -> Option<Model> {
        self.log.between(&after.log).map(|log| Model { log, ..self.clone() })
    }

    /// Whether rows were written since the last group, and since a shard was taken up.
    pub(super) fn rows_are_newest(&self) -> bool {
        self.rows.seen == self.log.next && self.rows.seen_heads == self.log.heads
    }

    /// How far a cut may go.
    pub(super) fn swept(&self) -> GroupId {
        self.rows.swept
    }
}

impl RowsModel {
    fn see(&mut self, log: &LogModel) {
        (self.seen, self.seen_heads) = (log.next, log.heads.clone());
    }

    /// Whether a log that ends like this may stand beside them.
    pub(super) fn fits(&self, log: &LogModel) -> bool {
        self.seen <= log.next && log.cut <= self.swept
    }
}

impl LogModel {
    pub(super) fn is_shorter(&self, other: &LogModel) -> bool {
        self.next < other.next
    }

    pub(super) fn is_cut_less(&self, other: &LogModel) -> bool {
        self.cut < other.cut
    }

    fn cut_to(&mut self, cut: GroupId) {
        self.cut = cut.max(self.cut);
        self.entries.retain(|entry| entry.group >= self.cut);
        self.sizes = self.sizes.split_off(&self.cut.0);
    }

    /// Between this and `after`, if that is two durable steps away: the cut moves before the group is written.
    pub(super) fn between(&self, after: &LogModel) -> Option<LogModel> {
        let two = after.cut > self.cut && after.next > self.next;
        two.then(|| {
            let mut between = self.clone();
            between.cut_to(after.cut);
            between
        })
    }
}

/// Mostly small, some of more than a page, one in ten empty.
fn bytes(rng: &mut Rng) -> Bytes {
    let size = match rng.below(10) {
        0 => 0,
        1 => rng.below(9000),
        _ => rng.below(200),
    };
    let start = rng.draw();
    (0..size).map(|i| (start >> (i % 57)) as u8 ^ i as u8).collect()
}

fn entry(group: GroupId, append: &Append) -> LogEntry {
    let Append { shard, epoch, first, next, blob } = append.clone();
    LogEntry { group, shard, epoch, first, next, blob }
}

/// What was read of a log, as far as it could be.
pub(super) struct SeenLog {
    entries: Vec<LogEntry>,
    /// Of each shard.
    epochs: Vec<Epoch>,
    next: GroupId,
    size_bytes: u64,
    /// Why there is no more.
    pub(super) damage: Option<StoreError>,
}

/// What was read of rows, as far as they could be.
pub(super) struct SeenRows {
    rows: RowMap,
    high: Option<BTreeMap<ShardId, Position>>,
    swept: GroupId,
    /// Why there is no more.
    pub(super) damage: Option<StoreError>,
}

/// What was read of a store.
pub(super) struct Seen {
    pub(super) log: SeenLog,
    pub(super) rows: SeenRows,
}

/// Reads all of a store.
pub(super) fn seen(opened: &mut Opened) -> Seen {
    let mut entries = Vec::new();
    let damage = opened.log.tail(&|_| true, &mut |entry| entries.push(entry)).err();
    let (next, size_bytes) = (opened.log.next_group(), opened.log.size_bytes());
    let epochs = (0..SHARDS).map(|shard| epoch(opened, ShardId(shard))).collect();
    let log = SeenLog { entries, epochs, next, size_bytes, damage };

    let mut rows = RowMap::new();
    let mut damage = None;
    for shard in (0..SHARDS).map(ShardId) {
        let mut each = |key: &[u8], row: StoredRow| drop(rows.insert((shard, key.to_vec()), row));
        let scanned = opened.rows.scan(shard, b"", Bound::Unbounded, usize::MAX, &mut each);
        damage = damage.or(scanned.err());
    }
    let high = opened.rows.high().map_err(|error| damage = Some(error)).ok();
    // No sweep reaches so far: the refusal says how far one does.
    let swept = match opened.log.cut(GroupId(u64::MAX)) {
        Err(StoreError::NotSwept { swept, .. }) => swept,
        Ok(()) | Err(_) => GroupId(u64::MAX),
    };
    Seen { log, rows: SeenRows { rows, high, swept, damage } }
}

/// The log tells an epoch only to whom it gives a new one, but it says whether one that is guessed is right.
fn epoch(opened: &Opened, shard: ShardId) -> Epoch {
    let right = (1..=EPOCH_MAX).map(Epoch).find(|epoch| opened.log.still_mine(shard, *epoch));
    right.unwrap_or_default()
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, right: T) -> Result<(), String> {
    if found == right { Ok(()) } else { Err(format!("{what}: found {found:?}, right is {right:?}")) }
}

impl SeenLog {
    /// Whether all that was read is right, and all that is right was read, up to damage that was reported.
    pub(super) fn is_right(&self, right: &LogModel) -> Result<(), String> {
        same("next group", self.next, right.next)?;
        let epochs = right.heads.iter().map(|head| head.epoch).collect();
        same("epochs", &self.epochs, &epochs)?;
        let size = right.sizes.values().sum();
        same("size of the log", self.size_bytes, size)?;
        let entries = right.entries.iter();
        for (found, right) in self.entries.iter().zip(entries) {
            let place = |entry: &LogEntry| (entry.group, entry.shard, entry.epoch, entry.first, entry.next);
            same("place of a blob", place(found), place(right))?;
            same("bytes of a blob match", found.blob == right.blob, true)?;
        }
        match self.damage {
            Some(_) => same("blobs too many", self.entries.len() > right.entries.len(), false),
            None => same("blobs", self.entries.len(), right.entries.len()),
        }
    }
}

impl SeenRows {
    /// As for the log.
    pub(super) fn is_right(&self, right: &RowsModel) -> Result<(), String> {
        same("swept", self.swept, right.swept)?;
        if let Some(high) = &self.high {
            same("highest positions", high, &right.high)?;
        }
        for (at, row) in &self.rows {
            same("row matches", (at, right.rows.get(at) == Some(row)), (at, true))?;
        }
        match self.damage {
            Some(_) => Ok(()),
            None => same("rows", self.rows.len(), right.rows.len()),
        }
    }
}
