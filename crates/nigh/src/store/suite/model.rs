//! Thousands of random operations on a store and on a model of it: every answer must be the model's.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use nigh_proto::shards::{Epoch, Position, ShardId};

use super::{Subject, entry, tail};
use crate::store::{
    Append, Fenced, GroupId, Head, LogEntry, Opened, ROWS_PER_WRITE_MAX, RowWrite, StoredRow,
};

const SHARDS: u32 = 5;

/// What the store should be.
struct Model {
    draw: Draw,
    heads: Vec<Head>,
    log: Vec<LogEntry>,
    next: GroupId,
    swept: GroupId,
    cut: GroupId,
    rows: BTreeMap<(ShardId, Vec<u8>), StoredRow>,
    high: BTreeMap<ShardId, Position>,
}

/// Plays `operations` drawn from `seed`, a few restarts and crashes among them.
///
/// # Panics
///
/// An answer is not the model's; the message has the seed and the operation.
pub fn random(subject: &mut dyn Subject, seed: u64, operations: u32) {
    let mut opened = subject.fresh(SHARDS);
    let mut model = Model {
        draw: Draw(seed),
        heads: vec![Head::default(); SHARDS as usize],
        log: Vec::new(),
        next: GroupId(1),
        swept: GroupId(1),
        cut: GroupId(1),
        rows: BTreeMap::new(),
        high: BTreeMap::new(),
    };
    for operation in 0..operations {
        let at = format!("seed {seed}, operation {operation}");
        match model.draw.below(1000) {
            0..400 => model.append(&mut opened, &at),
            400..430 => model.take_up(&mut opened, &at),
            430..600 => model.write(&opened),
            600..780 => model.read(&opened, &at),
            780..950 => model.scan(&opened, &at),
            950..970 => model.sweep(&mut opened),
            970..975 => {
                opened.log.cut_now().expect("the store works");
                model.check_log(&opened, true, &at);
            }
            975..990 => model.check_log(&opened, false, &at),
            990..996 => opened = model.reopened(subject.restart(opened), &at),
            _ => opened = model.reopened(subject.crash(opened), &at),
        }
    }
    model.reopened(subject.crash(opened), "at the end");
}

impl Model {
    fn shard(&mut self) -> usize {
        self.draw.below(SHARDS.into()) as usize
    }

    fn bytes(&mut self, size_max: u64) -> Bytes {
        let size = self.draw.below(size_max + 1);
        (0..size).map(|_| self.draw.below(256) as u8).collect()
    }

    /// R8: mostly right appends, some with another epoch or position.
    fn append(&mut self, opened: &mut Opened, at: &str) {
        let mut heads = self.heads.clone();
        let (mut group, mut items) = (Vec::new(), Vec::new());
        for _ in 0..=self.draw.below(6) {
            let shard = self.shard();
            let head = heads[shard];
            let epoch = Epoch(head.epoch.0 + self.draw.mostly_zero(2));
            let first = Position(head.next.0 + self.draw.mostly_zero(3));
            let next = Position(first.0 + self.draw.below(4));
            let blob = self.bytes(60);
            items.push(if epoch == head.epoch && first == head.next && epoch.0 > 0 {
                heads[shard].next = next;
                Ok(())
            } else {
                Err(Fenced { head })
            });
            group.push(Append { shard: ShardId(shard as u32), epoch, first, next, blob });
        }
        let appended = opened.log.append(&group).expect("the store works");
        assert_eq!(appended.items, items, "{at}: {group:?}");
        let written = items.iter().any(Result::is_ok);
        assert_eq!(appended.group, written.then_some(self.next), "{at}");
        for (append, _) in group.iter().zip(items).filter(|(_, item)| item.is_ok()) {
            self.log.push(entry(self.next, append));
        }
        self.next.0 += u64::from(written);
        self.heads = heads;
    }

    fn take_up(&mut self, opened: &mut Opened, at: &str) {
        let shard = self.shard();
        self.heads[shard].epoch.0 += 1;
        let shard_id = ShardId(shard as u32);
        let heads = opened.log.take_up(&[shard_id]).expect("the store works");
        assert_eq!(heads, [self.heads[shard]], "{at}");
        let epoch = self.heads[shard].epoch;
        assert!(opened.log.still_mine(shard_id, epoch), "{at}");
        assert!(!opened.log.still_mine(shard_id, Epoch(epoch.0 - 1)), "{at}");
    }

    fn key(&mut self) -> Bytes {
        let kind = if self.draw.below(4) == 0 { "t" } else { "e" };
        format!("{kind}{}", self.draw.below(40)).into()
    }

    fn write(&mut self, opened: &Opened) {
        let count = 1 + self.draw.mostly_zero(ROWS_PER_WRITE_MAX as u64 - 1);
        let mut rows = Vec::new();
        for _ in 0..count {
            let shard = self.shard();
            // Only what is durable in the log may be in a row.
            let Some(last) = self.heads[shard].next.0.checked_sub(1) else { continue };
            let position = Position(last - self.draw.below(3).min(last));
            let value = (self.draw.below(4) > 0).then(|| self.bytes(90));
            let (shard, key) = (ShardId(shard as u32), self.key());
            match &value {
                Some(value) => {
                    self.rows.insert((shard, key.to_vec()), StoredRow { position, value: value.clone() });
                }
                None => {
                    self.rows.remove(&(shard, key.to_vec()));
                }
            }
            let high = self.high.entry(shard).or_insert(position);
            *high = position.max(*high);
            rows.push(RowWrite { shard, key, position, value });
        }
        opened.rows.write(&rows).expect("the store works");
    }

    fn read(&mut self, opened: &Opened, at: &str) {
        let (shard, key) = (ShardId(self.shard() as u32), self.key());
        let read = opened.rows.read(shard, &key).expect("the row is sound");
        assert_eq!(read.as_ref(), self.rows.get(&(shard, key.to_vec())), "{at}: {shard:?} {key:?}");
    }

    fn scan(&mut self, opened: &Opened, at: &str) {
        let shard = ShardId(self.shard() as u32);
        let prefix: &[u8] = [&b""[..], b"e", b"t", b"e1"][self.draw.below(4) as usize];
        let (key, limit) = (self.key(), self.draw.below(30) as usize);
        let from = match self.draw.below(3) {
            0 => Bound::Unbounded,
            1 => Bound::Included(&key[..]),
            _ => Bound::Excluded(&key[..]),
        };
        let mut found = Vec::new();
        let mut each = |key: &[u8], row: StoredRow| found.push((key.to_vec(), row));
        opened.rows.scan(shard, prefix, from, limit, &mut each).expect("the rows are sound");
        let behind = |key: &[u8]| match from {
            Bound::Unbounded => true,
            Bound::Included(from) => key >= from,
            Bound::Excluded(from) => key > from,
        };
        let right =
            self.rows.iter().filter(|((at, key), _)| *at == shard && key.starts_with(prefix) && behind(key));
        let right: Vec<_> = right.take(limit).map(|((_, key), row)| (key.clone(), row.clone())).collect();
        assert_eq!(found, right, "{at}: {shard:?} {prefix:?} {from:?} {limit}");
    }

    fn sweep(&mut self, opened: &mut Opened) {
        let below = GroupId(self.swept.0 + self.draw.below(self.next.0 - self.swept.0 + 1));
        opened.rows.swept(below).expect("the store works");
        self.swept = below;
        let cut = GroupId(self.cut.0 + self.draw.below(below.0 - self.cut.0 + 1));
        opened.log.cut(cut).expect("swept");
        self.cut = cut;
    }

    /// All that was not cut is there, in order; nothing that was, once it had to go.
    fn check_log(&mut self, opened: &Opened, exactly: bool, at: &str) {
        let found = tail(opened);
        let start = found.first().map_or(self.next, |entry| entry.group);
        assert!(start <= self.cut || found.is_empty(), "{at}: the log begins at {start:?}");
        let from = if exactly || found.is_empty() { self.cut } else { start };
        let kept = self.log.partition_point(|entry| entry.group < from);
        let right = &self.log[kept..];
        let differs = found.iter().zip(right).position(|(found, right)| found != right);
        assert_eq!(
            (differs, found.len()),
            (None, right.len()),
            "{at}: first difference, blobs from {from:?} on"
        );
        assert_eq!(opened.log.next_group(), self.next, "{at}");
    }

    fn reopened(&mut self, mut opened: Opened, at: &str) -> Opened {
        // What no append had carried yet is asked for again; the sweep behind it was durable.
        opened.log.cut(self.cut).expect("swept");
        self.check_log(&opened, false, at);
        assert_eq!(opened.rows.high().expect("it is sound"), self.high, "{at}");
        for (shard, head) in self.heads.iter().enumerate().filter(|(_, head)| head.epoch.0 > 0) {
            assert!(opened.log.still_mine(ShardId(shard as u32), head.epoch), "{at}: epoch of {shard}");
        }
        opened
    }
}

/// splitmix64 (Steele et al., OOPSLA 2014): the same numbers from the same seed, on every machine.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// 0 in nine of ten, else up to `max`.
    fn mostly_zero(&mut self, max: u64) -> u64 {
        if self.below(10) > 0 { 0 } else { self.below(max + 1) }
    }
}
