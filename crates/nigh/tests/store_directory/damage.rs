//! Flipped bits and zeroed bytes: an error, or the right value. Never another value, never a panic.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use nigh::store::{Head, LogEntry, Opened, RowWrite, StoredRow};
use nigh_proto::shards::{Position, ShardId};

use super::{FILES, SHARDS, TestDir, append, tail, take_up};

/// What a sound store answers.
struct Right {
    tail: Vec<LogEntry>,
    rows: BTreeMap<(u32, Bytes), StoredRow>,
    high: BTreeMap<ShardId, Position>,
    heads: Vec<Head>,
}

/// A store with a log, cut, and rows, written last: what the log loses shows against them.
fn fill(opened: &mut Opened) -> Right {
    let mut heads = take_up(opened);
    for round in 0..40 {
        let group: Vec<_> = (0..SHARDS)
            .filter(|s| round % (s + 1) == 0)
            .map(|s| append(s, &mut heads[s as usize], 2))
            .collect();
        opened.log.append(&group).expect("the store works");
    }
    let mut rows = BTreeMap::new();
    for shard in 0..SHARDS {
        for i in 0..60 {
            let key = Bytes::from(format!("e key {i}"));
            let position = Position(heads[shard as usize].next.0 - 1 - i % 2);
            let value = Bytes::from(format!("value {i} of {shard}").repeat(1 + i as usize));
            rows.insert((shard, key), StoredRow { position, value });
        }
    }
    let writes: Vec<_> = rows
        .iter()
        .map(|((shard, key), row)| RowWrite {
            shard: ShardId(*shard),
            key: key.clone(),
            position: row.position,
            value: Some(row.value.clone()),
        })
        .collect();
    opened.rows.swept(nigh::store::GroupId(11)).expect("the store works");
    opened.log.cut(nigh::store::GroupId(11)).expect("swept");
    opened.log.cut_now().expect("the store works");
    // The log's newest commit is one that must not be lost.
    opened.log.append(&[append(0, &mut heads[0], 1)]).expect("the store works");
    writes.chunks(50).for_each(|rows| opened.rows.write(rows).expect("the store works"));
    let high = opened.rows.high().expect("it is sound");
    Right { tail: tail(opened), rows, high, heads }
}

/// How many of the answers were errors.
fn check(opened: &mut Opened, right: &Right, at: &str) -> usize {
    let mut errors = 0;
    let mut read = Vec::new();
    match opened.log.tail(&|_| true, &mut |entry| read.push(entry)) {
        Ok(()) => assert!(read == right.tail, "{at}: another log"),
        Err(_) => {
            assert!(right.tail.starts_with(&read), "{at}: another log before its error");
            errors += 1;
        }
    }
    for ((shard, key), row) in &right.rows {
        match opened.rows.read(ShardId(*shard), key) {
            Ok(found) => assert!(found.as_ref() == Some(row), "{at}: {found:?} is not {row:?}"),
            Err(_) => errors += 1,
        }
    }
    for shard in 0..SHARDS {
        let mut wanted = right.rows.range((shard, Bytes::new())..(shard + 1, Bytes::new()));
        let mut each = |key: &[u8], row: StoredRow| {
            let next = wanted.next().map(|((_, key), row)| (&key[..], row));
            assert!(next == Some((key, &row)), "{at}: scan of {shard} found another row");
        };
        match opened.rows.scan(ShardId(shard), b"", Bound::Unbounded, 99, &mut each) {
            Ok(()) => assert!(wanted.next().is_none(), "{at}: scan of {shard} lost a row"),
            Err(_) => errors += 1,
        }
    }
    match opened.rows.high() {
        Ok(high) => assert!(high == right.high, "{at}: {high:?}"),
        Err(_) => errors += 1,
    }
    if let Ok(heads) = opened.log.take_up(&(0..SHARDS).map(ShardId).collect::<Vec<_>>()) {
        for (head, right) in heads.iter().zip(&right.heads) {
            assert!(head.next == right.next && head.epoch > right.epoch, "{at}: {head:?}");
        }
    }
    errors
}

/// What is done to a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Flip { offset: usize, bit: u8 },
    Zero { offset: usize, size: usize },
}

impl Damage {
    fn apply(self, bytes: &mut [u8]) {
        match self {
            Damage::Flip { offset, bit } => bytes[offset] ^= 1 << bit,
            Damage::Zero { offset, size } => {
                let end = bytes.len().min(offset + size);
                bytes[offset..end].fill(0);
            }
        }
    }
}

/// Every 7th byte of the header, then places all over what the file uses.
fn damages(bytes: &[u8], count: usize) -> Vec<Damage> {
    let used: Vec<usize> = (0..bytes.len() / 64).filter(|i| bytes[i * 64..][..64] != [0; 64]).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = move |end: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % end
    };
    let header = (0..320).step_by(7).map(|offset| Damage::Flip { offset, bit: (offset % 8) as u8 });
    let anywhere = (0..count).map(|i| {
        let offset = used[draw(used.len())] * 64 + draw(64);
        match i % 4 {
            0 | 1 => Damage::Flip { offset, bit: draw(8) as u8 },
            2 => Damage::Zero { offset, size: 1 + draw(64) },
            _ => Damage::Zero { offset: offset / 4096 * 4096, size: 4096 },
        }
    });
    header.collect::<Vec<_>>().into_iter().chain(anywhere).collect()
}

/// P12, F4 to F6: whatever is damaged, in whichever file, after a clean end or a kill.
#[test]
fn damage_is_found() {
    let count: usize =
        super::told("NIGH_DAMAGES").and_then(|count| count.to_str()?.parse().ok()).unwrap_or(60);
    let dir = TestDir::new();
    let mut opened = dir.open().expect("a new store");
    let right = fill(&mut opened);
    let killed = dir.copy();
    drop(opened);
    let (mut refused, mut errors, mut harmless) = (0, 0, 0);
    for (from, how) in [(&dir, "clean"), (&killed, "killed")] {
        for (file, bytes) in FILES.iter().zip(from.contents()) {
            for damage in damages(&bytes, count) {
                let at = format!("{how} {file} {damage:?}");
                let copy = from.copy();
                let mut bytes = bytes.clone();
                damage.apply(&mut bytes);
                std::fs::write(copy.0.join(file), &bytes).expect("a file");
                match copy.open() {
                    Err(_) => refused += 1,
                    Ok(mut opened) => match check(&mut opened, &right, &at) {
                        0 => harmless += 1,
                        _ => errors += 1,
                    },
                }
            }
        }
    }
    println!("{refused} refused, {errors} found while reading, {harmless} harmless");
    // About half of a file is free pages, and what they hold is nobody's.
    assert!(2 * (refused + errors) > harmless, "damage was hardly found: {refused}, {errors}, {harmless}");
}
