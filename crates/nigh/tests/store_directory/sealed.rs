//! Our own checksums, beneath redb's: every stored value altered through redb itself, whose checksums then hold.

use nigh::store::{Open, OpenError, Opened, Place, RowWrite, Shape, StoreError, open_dir};
use nigh_proto::shards::{Position, ShardId};
use nigh_wire::WireHash;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, Value};

use super::{BLOCK_SIZE, FILES, SHARDS, TestDir, append, take_up};

const RUNS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("runs");
const HEADS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("heads");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const SHAPES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("shapes");
const ROWS: TableDefinition<'_, (u32, &[u8]), &[u8]> = TableDefinition::new("rows");
const HIGH: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("high");

fn shapes() -> [Shape; 1] {
    [Shape {
        name: "Wallet".to_owned(),
        hash: WireHash([3; 16]),
        text: "{cents: u64}".to_owned(),
        schemas: bytes::Bytes::new(),
    }]
}

fn open(dir: &TestDir) -> Result<Opened, OpenError> {
    open_dir(
        &dir.0,
        Open {
            shards: SHARDS,
            shapes: &shapes(),
            incarnation: 7,
            cache_size: nigh::store::CACHE_SIZE_DEFAULT,
        },
    )
}

fn filled() -> TestDir {
    let dir = TestDir::new();
    let mut opened = open(&dir).expect("a new store");
    let mut heads = take_up(&mut opened);
    for _ in 0..3 {
        let group: Vec<_> = (0..2).map(|s| append(s, &mut heads[s as usize], 1)).collect();
        opened.log.append(&group).expect("the store works");
    }
    let row = |shard, key: &str| RowWrite {
        shard: ShardId(shard),
        key: key.to_owned().into(),
        position: Position(1),
        value: Some("some value".into()),
    };
    opened.rows.write(&[row(0, "ea"), row(0, "eb"), row(1, "ea")]).expect("the store works");
    dir
}

/// Changes a table through redb: its checksums are right afterwards.
macro_rules! alter {
    ($dir:expr, $file:expr, $table:expr, |$t:ident| $change:expr) => {{
        let db = Database::open($dir.0.join($file)).expect("a file of redb's");
        let write = db.begin_write().expect("redb works");
        {
            let mut $t = write.open_table($table).expect("it is there");
            $change;
        }
        write.commit().expect("redb works");
    }};
}

/// Where the first error shows: at the door, in the log, in a row.
fn first_error(dir: &TestDir) -> Option<String> {
    let opened = match open(dir) {
        Ok(opened) => opened,
        Err(error) => return Some(error.to_string()),
    };
    let log = opened.log.tail(&|_| true, &mut |_| {});
    let rows = [(0, "ea"), (0, "eb"), (1, "ea")]
        .into_iter()
        .map(|(shard, key)| opened.rows.read(ShardId(shard), key.as_bytes()).map(drop));
    std::iter::once(log).chain(rows).find_map(Result::err).map(|error| error.to_string())
}

/// Each byte of each value of a table, one at a time.
fn every_byte<K>(file: &str, table: TableDefinition<'_, K, &[u8]>, key: K::SelfType<'_>)
where
    for<'a> K: redb::Key + Value + 'static,
{
    let dir = filled();
    let db = Database::open(dir.0.join(file)).expect("a file of redb's");
    let read = db.begin_read().expect("redb works").open_table(table).expect("it is there");
    let value = read.get(&key).expect("redb works").expect("it is there").value().to_vec();
    drop((read, db));
    for at in 0..value.len() {
        let copy = dir.copy();
        let mut other = value.clone();
        other[at] ^= 0x10;
        alter!(copy, file, table, |t| t.insert(&key, &other[..]).map(drop).expect("redb works"));
        let error =
            first_error(&copy).unwrap_or_else(|| panic!("byte {at} of {} is not covered", value.len()));
        assert!(error.contains("damaged") || error.contains("format version"), "byte {at}: {error}");
    }
}

#[test]
fn every_byte_of_a_row() {
    every_byte(FILES[1], ROWS, (0, b"eb"));
}

#[test]
fn every_byte_of_what_files_say() {
    every_byte(FILES[0], META, "store");
    every_byte(FILES[0], META, "reached");
    every_byte(FILES[0], META, "format");
    every_byte(FILES[1], META, "seen");
    every_byte(FILES[0], SHAPES, "Wallet");
    every_byte(FILES[0], HEADS, 1);
    every_byte(FILES[0], RUNS, 1);
    every_byte(FILES[1], HIGH, 1);
}

/// Changes the blocks of the groups: each of [`filled`] has one.
fn alter_groups(dir: &TestDir, change: impl FnOnce(&mut [u8])) {
    let path = dir.0.join(FILES[2]);
    let mut bytes = std::fs::read(&path).expect("a file");
    change(&mut bytes);
    std::fs::write(path, bytes).expect("written");
}

/// Contents and blobs: every 3rd byte of a group that has another behind it.
#[test]
fn bytes_of_a_group() {
    let dir = filled();
    let bytes = std::fs::read(dir.0.join(FILES[2])).expect("a file");
    let group = &bytes[BLOCK_SIZE..2 * BLOCK_SIZE];
    let size = group.iter().rposition(|byte| *byte != 0).expect("it is not empty") + 1;
    assert!((60..2_000).contains(&size), "{size} bytes");
    for at in (0..size).step_by(3) {
        let copy = dir.copy();
        alter_groups(&copy, |bytes| bytes[BLOCK_SIZE + at] ^= 1);
        let error = first_error(&copy).unwrap_or_else(|| panic!("byte {at} of {size} is not covered"));
        assert!(error.contains("group 2 of the log"), "byte {at}: {error}");
    }
}

/// A whole, well-sealed value in the place of another.
#[test]
fn values_know_their_place() {
    let check = |name: &str, words: &str, dir: TestDir| {
        let error = first_error(&dir).unwrap_or_else(|| panic!("{name} was believed"));
        assert!(error.contains(words), "{name}: {error}");
    };
    let dir = filled();
    alter!(dir, FILES[1], ROWS, |t| {
        let other = t.get((0, &b"ea"[..])).expect("redb works").expect("there").value().to_vec();
        t.insert((0, &b"eb"[..]), &other[..]).map(drop).expect("redb works");
    });
    check("the row of another key", "row eb of shard 0", dir);
    let dir = filled();
    alter!(dir, FILES[1], ROWS, |t| {
        let other = t.get((0, &b"ea"[..])).expect("redb works").expect("there").value().to_vec();
        t.insert((1, &b"ea"[..]), &other[..]).map(drop).expect("redb works");
    });
    check("the row of another shard", "row ea of shard 1", dir);
    let dir = filled();
    alter_groups(&dir, |bytes| bytes.copy_within(..BLOCK_SIZE, BLOCK_SIZE));
    check("another group", "group 2 of the log", dir);
    let dir = filled();
    alter!(dir, FILES[0], HEADS, |t| {
        let other = t.get(0).expect("redb works").expect("there").value().to_vec();
        t.insert(1, &other[..]).map(drop).expect("redb works");
    });
    check("the head of another shard", "head of shard 1", dir);
    for gone in [1, 2] {
        let dir = filled();
        alter_groups(&dir, |bytes| bytes[(gone - 1) * BLOCK_SIZE..gone * BLOCK_SIZE].fill(0));
        check("a group that is gone", &format!("group {gone} of the log: missing"), dir);
    }
    let dir = filled();
    alter_groups(&dir, |bytes| bytes[2 * BLOCK_SIZE..].fill(0));
    check("the last group gone", "do not belong together", dir);
    // Of another place: the run is one that another group begins.
    let dir = filled();
    alter!(dir, FILES[0], RUNS, |t| {
        let other = t.get(1).expect("redb works").expect("there").value().to_vec();
        t.insert(2, &other[..]).map(drop).expect("redb works");
    });
    check("the run of another group", "group 2 of the log", dir);
}

/// The error of a read names shard and key.
#[test]
fn damaged_row_is_named() {
    let dir = filled();
    alter!(dir, FILES[1], ROWS, |t| t.insert((0, &b"eb"[..]), &[1; 40][..]).map(drop).expect("redb works"));
    let opened = open(&dir).expect("the rows are not read yet");
    let error = opened.rows.read(ShardId(0), b"eb").expect_err("damaged");
    let StoreError::Corrupt { place: Place::Row(ShardId(0), key), .. } = &error else { panic!("{error}") };
    assert_eq!(key, b"eb");
    assert!(opened.rows.read(ShardId(0), b"ea").expect("this one is sound").is_some());
}
