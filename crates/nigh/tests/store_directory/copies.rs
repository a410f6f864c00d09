//! `backup_dir`, `restore_dir`, `compact_dir`: what they make holds what the store held, or is not there; and the store is
//! as it was.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use nigh::store::{
    CopyError, OpenError, Restore, RowWrite, backup_dir, compact_dir, open_dir, restore_dir, verify_dir,
};
use nigh_proto::shards::{Position, ShardId};
use nigh_wire::Time;

use super::verify::{ROWS, filled};
use super::{FILES, SHARDS, TestDir, append, tail, take_up};

const RESTORE: Restore = Restore { incarnation: 99, at: Time::from_nanos(5_000_000_000) };

/// All that opening a store gives: heads and blobs of its log, its rows, its highest positions.
fn held(dir: &Path) -> impl PartialEq + std::fmt::Debug + use<> {
    let options = nigh::store::Open {
        shards: SHARDS,
        shapes: &[],
        incarnation: 1,
        cache_size: nigh::store::CACHE_SIZE_DEFAULT,
    };
    let mut opened = open_dir(dir, options).expect("it is sound");
    let blobs = tail(&opened);
    let mut rows = Vec::new();
    for shard in (0..SHARDS).map(ShardId) {
        let from = std::ops::Bound::Unbounded;
        let mut each = |key: &[u8], row| rows.push((shard, key.to_vec(), row));
        opened.rows.scan(shard, b"", from, usize::MAX, &mut each).expect("it is sound");
    }
    let highs = opened.rows.high().expect("it is sound");
    (blobs, rows, highs, take_up(&mut opened), opened.log.next_group())
}

/// No file but those of before is beside `dir`.
fn alone(dir: &Path) -> bool {
    let unfinished = dir.with_file_name(format!("{}.unfinished", dir.file_name().expect("a name").display()));
    !unfinished.exists()
}

#[test]
fn a_copy_holds_what_the_store_held() {
    let (dir, groups) = filled();
    let before = dir.contents();
    let [copy, again] = [TestDir::new(), TestDir::new()];
    let verified = backup_dir(&dir.0, &copy.0).expect("it is sound");
    assert_eq!((verified.groups.0, verified.rows.0), (groups, ROWS as u64));
    let mut right = verify_dir(&dir.0).expect("it is sound");
    right.meta.copy = true;
    assert_eq!(verified, right, "a copy is the same store, and says that it is a copy");
    assert!(dir.contents() == before, "the source was touched");
    assert!(alone(&copy.0));
    let copied = copy.contents();
    // An empty directory may stand where the store goes.
    fs::create_dir(&again.0).expect("a new directory");
    let restored = restore_dir(&copy.0, &again.0, RESTORE).expect("it is sound");
    assert_eq!((restored.meta.incarnation, restored.meta.restored), (99, Some(RESTORE.at)));
    assert!(!restored.meta.copy);
    assert_eq!((restored.groups, restored.rows), (verified.groups, verified.rows));
    assert!(copy.contents() == copied, "the copy was touched");
    assert_eq!(held(&again.0), held(&dir.0));
    assert_eq!(held(&again.0), held(&dir.0), "and after another epoch");
    // Another store: neither file passes beside one of the first.
    again.copy_file(FILES[0], &copy);
    assert!(matches!(verify_dir(&copy.0), Err(OpenError::Mixed { .. })));
}

/// It would take itself for the first store. All that reads, reads it; a copy of it is a copy.
#[test]
fn nobody_starts_on_a_copy() {
    let (dir, _) = filled();
    let [copy, again, back] = [TestDir::new(), TestDir::new(), TestDir::new()];
    backup_dir(&dir.0, &copy.0).expect("it is sound");
    let before = copy.contents();
    let refused = copy.open().expect_err("it is a copy");
    assert!(matches!(refused, OpenError::Copy { .. }), "{refused}");
    assert!(refused.to_string().contains("nigh store restore"), "{refused}");
    let sound = verify_dir(&copy.0).expect("it is sound");
    assert!(sound.meta.copy);
    nigh::store::read_dir(&copy.0).expect("it is sound").entities().expect("it is sound");
    assert!(copy.contents() == before, "the copy was touched");
    assert_eq!(backup_dir(&copy.0, &again.0).expect("it is sound"), sound);
    compact_dir(&again.0).expect("it is sound");
    assert!(matches!(again.open(), Err(OpenError::Copy { .. })));
    // What is put back is started on, and its copy is one again.
    restore_dir(&again.0, &back.0, RESTORE).expect("it is sound");
    let opened = back.open().expect("it is a store");
    let live = TestDir::new();
    let copied = opened.copier.as_ref().expect("it is on a disk").backup(&live.0).expect("it is sound");
    assert!(copied.meta.copy);
    assert!(matches!(live.open(), Err(OpenError::Copy { .. })));
}

/// A copy of a store that was cut, was not closed, and is larger than what is copied at once.
#[test]
fn a_killed_store_is_copied_as_it_would_start() {
    let dir = TestDir::new();
    let mut opened = dir.open().expect("a new store");
    let mut heads = take_up(&mut opened);
    for _ in 0..30 {
        let mut large = append(0, &mut heads[0], 2);
        large.blob = Bytes::from(vec![7; 100_000]);
        opened.log.append(&[large, append(1, &mut heads[1], 1)]).expect("the store works");
    }
    for batch in 0..20_u32 {
        let row = |i: u32| RowWrite {
            shard: ShardId(i % 2),
            key: Bytes::from(format!("key {}", batch * 100 + i)),
            position: Position(2),
            value: Some(Bytes::from(vec![i as u8; 1_000])),
        };
        opened.rows.write(&(0..100).map(row).collect::<Vec<_>>()).expect("the store works");
    }
    let below = nigh::store::GroupId(8);
    opened.rows.swept(below).expect("the store works");
    opened.log.cut(below).expect("it is swept");
    opened.log.append(&[append(2, &mut heads[2], 1)]).expect("the store works");
    let killed = dir.copy();
    let [copy, again] = [TestDir::new(), TestDir::new()];
    backup_dir(&killed.0, &copy.0).expect("a kill is no damage");
    restore_dir(&copy.0, &again.0, RESTORE).expect("it is sound");
    assert_eq!(held(&again.0), held(&killed.0));
}

#[test]
fn what_cannot_be_copied_leaves_nothing() {
    let (dir, _) = filled();
    let to = TestDir::new();
    let refused = |from: &Path, to: &Path| backup_dir(from, to).expect_err("it is no store");
    let error = refused(&to.0, &dir.0.join("x"));
    assert!(error.to_string().contains("there is no store") && !dir.0.join("x").exists(), "{error}");
    let open = dir.open().expect("it is sound");
    assert!(matches!(refused(&dir.0, &to.0), CopyError::Source(OpenError::Locked { .. })));
    drop(open);
    // What is there is never touched, whatever it is.
    let before = dir.contents();
    let (other, _) = filled();
    assert!(matches!(refused(&dir.0, &other.0), CopyError::Exists { .. }));
    assert!(matches!(refused(&dir.0, &dir.0), CopyError::Exists { .. }));
    let file = other.0.join("file");
    fs::write(&file, "mine").expect("written");
    assert!(matches!(refused(&dir.0, &file), CopyError::Exists { .. }));
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "mine");
    assert!(dir.contents() == before);
    // Damage that an opening does not meet: a byte of one row.
    let word = b"the value of row 007";
    let mut bytes = fs::read(dir.0.join(FILES[1])).expect("a file to read");
    let at = bytes.windows(word.len()).position(|bytes| bytes == word).expect("it is stored");
    bytes[at] ^= 1;
    fs::write(dir.0.join(FILES[1]), bytes).expect("written");
    let error = refused(&dir.0, &to.0);
    assert!(matches!(error, CopyError::Source(OpenError::Corrupt { .. })), "{error}");
    assert!(!to.0.exists() && alone(&to.0));
}

/// redb's own checksums do not see a row in another's place: reading it for the copy does.
#[test]
fn what_only_the_rows_know_to_be_damaged_is_not_copied() {
    const ROWS: redb::TableDefinition<'_, (u32, &[u8]), &[u8]> = redb::TableDefinition::new("rows");
    let (dir, _) = filled();
    let db = redb::Database::open(dir.0.join(FILES[1])).expect("a file of redb's");
    let write = db.begin_write().expect("redb works");
    let mut table = write.open_table(ROWS).expect("it is there");
    table.insert((2, &b"key 2"[..]), &b"not a row of this store"[..]).expect("redb works");
    drop(table);
    write.commit().expect("redb works");
    drop(db);
    let to = TestDir::new();
    let error = backup_dir(&dir.0, &to.0).expect_err("row 2 is damaged");
    assert!(error.to_string().contains("key 2"), "{error}");
    assert!(!to.0.exists() && alone(&to.0));
    let before = dir.contents();
    let error = compact_dir(&dir.0).expect_err("row 2 is damaged");
    assert!(error.to_string().contains("key 2"), "{error}");
    assert!(dir.contents() == before, "a damaged store was touched");
}

/// What a killed copy left under its other name is in nobody's way.
#[test]
fn an_unfinished_copy_is_made_anew() {
    let (dir, _) = filled();
    let to = TestDir::new();
    let unfinished =
        TestDir(to.0.with_file_name(format!("{}.unfinished", to.0.file_name().expect("a name").display())));
    fs::create_dir(&unfinished.0).expect("a new directory");
    dir.copy_file(FILES[1], &unfinished);
    fs::write(unfinished.0.join("log.redb.new"), "half").expect("written");
    backup_dir(&dir.0, &to.0).expect("it is sound");
    assert!(!unfinished.0.exists());
    let back = TestDir::new();
    restore_dir(&to.0, &back.0, RESTORE).expect("it is sound");
    assert_eq!(held(&back.0), held(&dir.0));
}

#[test]
fn compacting_gives_space_back_and_changes_nothing() {
    let (dir, _) = filled();
    let opened = dir.open().expect("it is sound");
    let row = |i: usize, value: Option<Bytes>| RowWrite {
        shard: ShardId(0),
        key: Bytes::from(format!("large {i}")),
        position: Position(2),
        value,
    };
    let large = || Some(Bytes::from(vec![3; 20_000]));
    opened.rows.write(&(0..200).map(|i| row(i, large())).collect::<Vec<_>>()).expect("the store works");
    opened.rows.write(&(0..200).map(|i| row(i, None)).collect::<Vec<_>>()).expect("the store works");
    let open = compact_dir(&dir.0).expect_err("somebody has it");
    assert!(matches!(open, OpenError::Locked { .. }));
    drop(opened);
    let copy = dir.copy();
    let size = |dir: &TestDir| dir.contents().iter().map(|file| file.len() as u64).sum::<u64>();
    let before = size(&dir);
    let compacted = compact_dir(&dir.0).expect("it is sound");
    assert_eq!((compacted.before, compacted.after), (before, size(&dir)));
    assert!(compacted.after < before / 2, "{compacted:?}");
    assert_eq!(held(&dir.0), held(&copy.0));
}
