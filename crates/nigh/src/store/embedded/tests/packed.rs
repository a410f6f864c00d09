//! Pages of rows are mostly full, also if rows come in the order of their keys.

use bytes::Bytes;
use nigh_proto::shards::{Position, ShardId};
use redb::backends::InMemoryBackend;
use redb::{Database, ReadableTableMetadata};

use crate::store::embedded::rows::{ROWS, packing, put_row};
use crate::store::embedded::seal::Sealer;
use crate::store::{RowWrite, StoredRow};

/// Of a page.
const PAGE_SIZE: u64 = 4096;

/// New rows of a shard, in the order of their keys.
fn rows(shard: u32, numbers: std::ops::Range<u64>, size: impl Fn(u64) -> usize) -> Vec<RowWrite> {
    let row = |n: u64| RowWrite {
        shard: ShardId(shard),
        key: Bytes::copy_from_slice(&n.to_be_bytes()),
        position: Position(n),
        value: Some(vec![7; size(n)].into()),
    };
    numbers.map(row).collect()
}

/// Hundredths of the pages that are used, once a shard in the midst of others got rows, some with each sweep.
fn used(per_sweep: u64, size: impl Fn(u64) -> usize) -> u64 {
    let db = Database::builder().create_with_backend(InMemoryBackend::new()).expect("it is created");
    let write = |rows: &[RowWrite]| {
        let transaction = db.begin_write().expect("it begins");
        let mut table = transaction.open_table(ROWS).expect("there is one");
        for RowWrite { shard, key, position, value } in packing(rows) {
            let row = StoredRow { position: *position, value: value.clone().expect("it has one") };
            put_row(&mut table, Sealer::new(1), (*shard, key), &row).unwrap_or_else(|_| panic!("it is put"));
        }
        drop(table);
        transaction.commit().expect("it is durable");
    };
    for shard in [0, 2] {
        write(&rows(shard, 0..8, &size));
    }
    for sweep in 0..2_000 / per_sweep {
        write(&rows(1, sweep * per_sweep..(sweep + 1) * per_sweep, &size));
    }
    let transaction = db.begin_write().expect("it begins");
    let stats = transaction.open_table(ROWS).expect("there is one").stats().expect("it is counted");
    stats.stored_bytes() * 100 / (stats.leaf_pages() * PAGE_SIZE)
}

#[test]
fn pages_are_mostly_full() {
    for per_sweep in [50, 200, 1_000] {
        for size in [100, 200, 500] {
            let alike = used(per_sweep, |_| size);
            assert!(alike >= 65, "{alike} % with {per_sweep} rows of {size} bytes a sweep");
        }
        let unlike = used(per_sweep, |n| 50 + (n * 7919 % 400) as usize);
        assert!(unlike >= 65, "{unlike} % with {per_sweep} rows of 50 to 450 bytes a sweep");
    }
}
