//! What is refused at the door: nothing of it changes a byte.

use std::process::{Command, Stdio};

use nigh::store::{FORMAT_VERSION, GroupId, Open, OpenError, Opened, RowWrite, Shape, open_dir};
use nigh_proto::shards::{Position, ShardId};
use nigh_wire::WireHash;
use redb::{Database, ReadableDatabase, TableDefinition};

use super::{FILES, SHARDS, TestDir, append, tail, take_up};

const CHILD: &str = "NIGH_TEST_STORE_SECOND";

/// Opens, expects a refusal that names `words`, and finds both files as they were.
fn refused(dir: &TestDir, options: Open<'_>, words: &[&str]) -> OpenError {
    let before = dir.contents();
    let error = open_dir(&dir.0, options).expect_err("it must be refused");
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
    assert!(dir.contents() == before, "a refused open touched the files: {text}");
    error
}

fn options() -> Open<'static> {
    Open { shards: SHARDS, shapes: &[], incarnation: 8, cache_size: nigh::store::CACHE_SIZE_DEFAULT }
}

/// One more group on every shard.
fn group(opened: &mut Opened) -> GroupId {
    let mut heads = take_up(opened);
    let group: Vec<_> = (0..SHARDS).map(|s| append(s, &mut heads[s as usize], 2)).collect();
    opened.log.append(&group).expect("the store works").group.expect("written")
}

fn write_row(opened: &Opened, position: u64) {
    let row = RowWrite {
        shard: ShardId(1),
        key: "ea".into(),
        position: Position(position),
        value: Some("v".into()),
    };
    opened.rows.write(&[row]).expect("the store works");
}

#[test]
fn second_process() {
    if let Some(dir) = super::told(CHILD) {
        let error = open_dir(dir.as_ref(), options()).expect_err("another process has it");
        println!("refused: {error}");
        return;
    }
    let dir = TestDir::new();
    let opened = dir.open().expect("a new store");
    let before = dir.contents();
    let child = Command::new(std::env::current_exe().expect("this test has a file"))
        .args(["--exact", "refused::second_process", "--nocapture"])
        .env(CHILD, &dir.0)
        .stderr(Stdio::inherit())
        .output()
        .expect("the child runs");
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(said.contains("already open by another process"), "{said}");
    assert!(dir.contents() == before, "the second process touched the files");
    let second = dir.open().expect_err("nor a second time in this process");
    assert!(matches!(second, OpenError::Locked { .. }), "{second}");
    drop(opened);
    dir.open().expect("free again");
}

fn shape(name: &str, hash: u8) -> Shape {
    Shape {
        name: name.to_owned(),
        hash: WireHash([hash; 16]),
        text: format!("shape {hash}"),
        schemas: bytes::Bytes::new(),
    }
}

/// Clean or killed: a killed store would be repaired by redb, before anybody could refuse it.
#[test]
fn changed_shape() {
    let dir = TestDir::new();
    let old = [shape("Stock", 1), shape("Wallet", 1)];
    fn open(shapes: &[Shape]) -> Open<'_> {
        Open { shapes, ..options() }
    }
    let mut opened = open_dir(&dir.0, open(&old[1..])).expect("a new store");
    group(&mut opened);
    write_row(&opened, 0);
    let killed = dir.copy();
    drop(opened);
    for dir in [&killed, &dir] {
        let new = [shape("Stock", 2), shape("Wallet", 2)];
        let error = refused(dir, open(&new), &["Wallet", "shape 1", "shape 2"]);
        assert!(matches!(error, OpenError::Shape { .. }), "{error}");
        let opened = open_dir(&dir.0, open(&old)).expect("the build that wrote it, with an entity more");
        assert_eq!(tail(&opened).len(), SHARDS as usize);
        drop(opened);
        refused(dir, open(&new), &["Stock", "shape 1", "shape 2"]);
        open_dir(&dir.0, open(&[])).expect("an entity that is gone holds nobody up");
    }
}

#[test]
fn missing_file() {
    let dir = TestDir::new();
    drop(dir.open().expect("a new store"));
    for (i, file) in FILES.iter().enumerate() {
        let other = FILES[(i + 1) % FILES.len()];
        let before = std::fs::read(dir.0.join(other)).expect("a file");
        std::fs::rename(dir.0.join(file), dir.0.join("aside")).expect("a file to move");
        let error = dir.open().expect_err("half a store");
        assert!(matches!(error, OpenError::Mixed { .. }), "{error}");
        assert!(error.to_string().contains(&format!("{file} is missing")), "{error}");
        assert!(!dir.0.join(file).exists(), "{file} was made anew");
        assert!(std::fs::read(dir.0.join(other)).expect("a file") == before);
        std::fs::rename(dir.0.join("aside"), dir.0.join(file)).expect("a file to move");
    }
    dir.open().expect("whole again");
}

/// A creation cut short leaves no store, or the whole one.
#[test]
fn unfinished_creation() {
    let made = TestDir::new();
    drop(made.open().expect("a new store"));
    let dir = TestDir::new();
    std::fs::create_dir(&dir.0).expect("a new directory");
    std::fs::write(dir.0.join("log.redb.new"), b"half").expect("a file");
    let opened = dir.open().expect("begun anew");
    assert_eq!(opened.meta.incarnation, 7);
    drop(opened);
    for left in [&FILES[..1], &FILES[2..], &[FILES[2], FILES[0]]] {
        for file in left {
            std::fs::rename(dir.0.join(file), dir.0.join(format!("{file}.new"))).expect("a file to move");
        }
        let log_left = left.contains(&FILES[0]);
        assert_eq!(
            dir.open().is_ok(),
            log_left,
            "its last steps are taken; a store that had all is not one that is made"
        );
        for file in left {
            let unfinished = dir.0.join(format!("{file}.new"));
            assert_eq!(unfinished.exists(), !log_left);
            drop(std::fs::rename(unfinished, dir.0.join(file)));
        }
    }
}

#[test]
fn other_store() {
    let [one, two] = [7, 9].map(|incarnation| {
        let dir = TestDir::new();
        drop(open_dir(&dir.0, Open { incarnation, ..options() }).expect("a new store"));
        dir
    });
    two.copy_file(FILES[1], &one);
    refused(&one, options(), &["do not belong together", "two different stores", "same backup"]);
}

/// Old log beside new rows, and the reverse; clean and killed.
#[test]
fn other_age() {
    let dir = TestDir::new();
    let mut opened = dir.open().expect("a new store");
    group(&mut opened);
    write_row(&opened, 1);
    let old = dir.copy();
    group(&mut opened);
    write_row(&opened, 3);
    let newer = dir.copy();
    let next = opened.log.next_group();
    opened.rows.swept(next).expect("the store works");
    opened.log.cut(next).expect("swept");
    opened.log.cut_now().expect("the store works");
    let cut = dir.copy();
    #[rustfmt::skip] // Rows are read as columns.
    let cases = [
        // log, state, refused
        (&old,   &newer, true),  // Rows ahead of the log.
        (&old,   &cut,   true),
        (&newer, &old,   false), // The log still holds what the rows do not.
        (&newer, &cut,   false), // Killed between sweep and cut.
        (&cut,   &newer, true),  // Cut, and not in the rows.
        (&cut,   &old,   true),
    ];
    for (i, (log, state, is_refused)) in cases.into_iter().enumerate() {
        let mixed = log.copy();
        state.copy_file(FILES[1], &mixed);
        if is_refused {
            let error = refused(&mixed, options(), &["do not belong together", "same backup"]);
            assert!(matches!(error, OpenError::Mixed { .. }), "case {i}: {error}");
        } else {
            mixed.open().unwrap_or_else(|error| panic!("case {i}: {error}"));
        }
    }
}

/// Also a single row ahead of its shard is found, though the log as a whole has come as far.
#[test]
fn row_ahead_of_its_shard() {
    let dir = TestDir::new();
    let mut opened = dir.open().expect("a new store");
    group(&mut opened);
    write_row(&opened, 1);
    let right = dir.copy();
    write_row(&opened, 2);
    right.open().expect("the last record of a shard may be in a row");
    drop(opened);
    refused(&dir, options(), &["position 2 of shard 1", "ends before 2"]);
}

#[test]
fn other_number_of_shards() {
    let dir = TestDir::new();
    drop(dir.open().expect("a new store"));
    let error = refused(&dir, Open { shards: SHARDS + 1, ..options() }, &["8 shards", "asks for 9"]);
    assert!(matches!(error, OpenError::Shards { .. }), "{error}");
}

/// A later format may have changed all but where its number stands.
#[test]
fn other_format() {
    const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
    let dir = TestDir::new();
    drop(dir.open().expect("a new store"));
    for (file, found) in [(FILES[1], FORMAT_VERSION + 1), (FILES[0], FORMAT_VERSION + 2)] {
        let db = Database::open(dir.0.join(file)).expect("a file of redb's");
        let format = |db: &Database| {
            let table = db.begin_read().expect("redb works").open_table(META).expect("it is there");
            table.get("format").expect("redb works").expect("it is there").value().to_vec()
        };
        assert_eq!(format(&db), FORMAT_VERSION.to_le_bytes());
        let write = db.begin_write().expect("redb works");
        let mut table = write.open_table(META).expect("it is there");
        table.insert("format", &found.to_le_bytes()[..]).expect("redb works");
        table.remove("store").expect("redb works");
        drop(table);
        write.commit().expect("redb works");
        drop(db);
        let error = refused(
            &dir,
            options(),
            &[&format!("format version {found}"), &format!("reads {FORMAT_VERSION}")],
        );
        assert!(matches!(error, OpenError::Format { .. }), "{error}");
    }
}

/// Up to version 6 the groups stood in `log.redb`: such a store is told by its version, not that a file is missing.
#[test]
fn a_format_of_fewer_files() {
    const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
    let dir = TestDir::new();
    drop(dir.open().expect("a new store"));
    std::fs::remove_file(dir.0.join(FILES[2])).expect("it was there");
    let db = Database::open(dir.0.join(FILES[0])).expect("a file of redb's");
    let write = db.begin_write().expect("redb works");
    let older = 6_u32.to_le_bytes();
    write.open_table(META).expect("there").insert("format", &older[..]).map(drop).expect("redb works");
    write.commit().expect("redb works");
    drop(db);
    let contents =
        || FILES[..2].iter().map(|file| std::fs::read(dir.0.join(file)).expect("a file")).collect::<Vec<_>>();
    let before = contents();
    let error = dir.open().expect_err("another format");
    assert!(matches!(error, OpenError::Format { found: 6, .. }), "{error}");
    assert!(contents() == before && !dir.0.join(FILES[2]).exists(), "it was touched");
}

#[test]
fn not_a_store() {
    for content in [&b""[..], b"not a database", &[0; 10_000]] {
        let dir = TestDir::new();
        std::fs::create_dir(&dir.0).expect("a new directory");
        FILES.iter().for_each(|file| std::fs::write(dir.0.join(file), content).expect("a file"));
        let error = refused(&dir, options(), &["is damaged", "log.redb", "from a backup"]);
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn directory_is_its_owners() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TestDir::new();
    let nested = TestDir(dir.0.join("a"));
    nested.open().expect("a new store");
    let mode = std::fs::metadata(&nested.0).expect("a directory").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
