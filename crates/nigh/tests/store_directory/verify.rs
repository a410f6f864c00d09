//! `verify_dir`: says what a sound store holds, finds damage, and touches nothing.

use bytes::Bytes;
use nigh::store::{OpenError, RowWrite, verify_dir};
use nigh_proto::shards::{Position, ShardId};
use redb::{Database, ReadableTable, TableDefinition};

use super::{FILES, SHARDS, TestDir, append, tail, take_up};

pub(super) const ROWS: usize = 40;

/// A store with a log and rows, closed.
pub(super) fn filled() -> (TestDir, u64) {
    let dir = TestDir::new();
    let mut opened = dir.open().expect("a new store");
    let mut heads = take_up(&mut opened);
    for round in 0..20 {
        let group = [append(round % SHARDS, &mut heads[(round % SHARDS) as usize], 3)];
        opened.log.append(&group).expect("the store works");
    }
    let row = |i: usize| RowWrite {
        shard: ShardId(i as u32 % SHARDS),
        key: Bytes::from(format!("key {i}")),
        position: Position(2),
        value: Some(Bytes::from(format!("the value of row {i:03}"))),
    };
    opened.rows.write(&(0..ROWS).map(row).collect::<Vec<_>>()).expect("the store works");
    let groups = tail(&opened).len() as u64;
    (dir, groups)
}

#[test]
fn a_sound_store_is_counted_and_left_alone() {
    let (dir, groups) = filled();
    let before = dir.contents();
    let verified = verify_dir(&dir.0).expect("it is sound");
    assert_eq!((verified.meta.shards, verified.meta.incarnation), (SHARDS, 7));
    assert_eq!((verified.groups.0, verified.rows), (groups, (ROWS as u64, 20 * ROWS as u64)));
    assert!(verified.groups.1 > 150 * groups, "{verified:?}");
    assert!(dir.contents() == before, "reading changed a file");
    // A store that was not closed is proven as it would be recovered, and left as it is.
    let mut opened = dir.open().expect("it is sound");
    let mut heads = take_up(&mut opened);
    opened.log.append(&[append(0, &mut heads[0], 1)]).expect("the store works");
    let killed = dir.copy();
    let before = killed.contents();
    assert_eq!(verify_dir(&killed.0).expect("a kill is no damage").groups.0, groups + 1);
    assert!(killed.contents() == before, "reading changed a file");
}

#[test]
fn any_changed_byte_of_a_value_is_found() {
    let (dir, _) = filled();
    let values = [
        (FILES[1], "the value of row 007", FILES[1]),
        (FILES[2], "shard 3 from", "blob of shard 3 in group"),
    ];
    for (file, word, place) in values {
        let damaged = dir.copy();
        let mut bytes = std::fs::read(damaged.0.join(file)).expect("a file to read");
        let at = bytes.windows(word.len()).position(|bytes| bytes == word.as_bytes()).expect("it is stored");
        bytes[at + 4] ^= 1;
        std::fs::write(damaged.0.join(file), &bytes).expect("a file to write");
        let error = verify_dir(&damaged.0).expect_err("a byte is another");
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains(place), "{error}");
        assert!(std::fs::read(damaged.0.join(file)).expect("a file to read") == bytes, "it was touched");
    }
}

/// redb's own checksums do not see it: a row in another's place is whole, and an opening does not read it.
#[test]
fn a_row_in_anothers_place_is_found() {
    const ROWS: TableDefinition<'_, (u32, &[u8]), &[u8]> = TableDefinition::new("rows");
    let (dir, _) = filled();
    let db = Database::open(dir.0.join(FILES[1])).expect("a file of redb's");
    let write = db.begin_write().expect("redb works");
    let mut table = write.open_table(ROWS).expect("it is there");
    let other = table.get((1, &b"key 1"[..])).expect("redb works").expect("it is there").value().to_vec();
    table.insert((2, &b"key 2"[..]), &other[..]).expect("redb works");
    drop(table);
    write.commit().expect("redb works");
    drop(db);
    drop(dir.open().expect("opening reads no row"));
    let error = verify_dir(&dir.0).expect_err("row 2 is row 1's");
    assert!(error.to_string().contains("key 2"), "{error}");
}

#[test]
fn where_there_is_none_none_is_made() {
    let dir = TestDir::new();
    let error = verify_dir(&dir.0).expect_err("there is no directory");
    assert!(error.to_string().contains("there is no store") && !dir.0.exists(), "{error}");
    std::fs::create_dir(&dir.0).expect("a new directory");
    let error = verify_dir(&dir.0).expect_err("it is empty");
    assert!(error.to_string().contains("there is no store"), "{error}");
    assert_eq!(std::fs::read_dir(&dir.0).expect("it is there").count(), 0);
    let (dir, _) = filled();
    let open = dir.open().expect("it is sound");
    assert!(matches!(verify_dir(&dir.0), Err(OpenError::Locked { .. })));
    drop(open);
    std::fs::remove_file(dir.0.join(FILES[0])).expect("it was there");
    assert!(matches!(verify_dir(&dir.0), Err(OpenError::Mixed { .. })));
}
