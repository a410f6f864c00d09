//! F10: a disk that is full for a while. Nothing is lost, nothing is written twice, and no process has to end.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use redb::{ReadableDatabase, TableDefinition};

use super::*;
use crate::store::embedded::files::{File, STATE_FILE, Way};
use crate::store::embedded::room::Room;
use crate::store::embedded::rows::RedbRows;
use crate::store::embedded::seal::Sealer;
use crate::store::embedded::{Pair, meta};
use crate::store::{GroupId, Rows, StoredRow};

fn row(value: u64) -> RowWrite {
    let position = Position(value);
    RowWrite { shard: ShardId(0), key: "ea".into(), position, value: Some(vec![value as u8; 12_000].into()) }
}

fn read(opened: &Opened) -> Option<u64> {
    let row: StoredRow = opened.rows.read(ShardId(0), b"ea").expect("it is read")?;
    assert_eq!(row.value, vec![row.position.0 as u8; 12_000]);
    Some(row.position.0)
}

/// Whichever write of a commit finds no space, be it of the group, of the cut before it or of where its run begins: the group is
/// provably not there, and once there is space the log goes on where it stood.
#[test]
fn a_full_log_heals() {
    let (mut disk, mut opened) = Disk::new();
    let mut full = 0;
    for round in 0..64 {
        let writes_left = round / 4;
        disk.append(&mut opened).expect("there is space");
        if round % 2 == 0 {
            disk.cut(&mut opened);
        }
        disk.faults.writes_left.store(writes_left, Ordering::Relaxed);
        match disk.append(&mut opened) {
            Ok(()) => {}
            Err(AppendError::Full) => full += 1,
            Err(error) => panic!("write {writes_left}: {error}"),
        }
        disk.faults.writes_left.store(-1, Ordering::Relaxed);
        disk.check(&opened, &format!("write {writes_left}"));
        disk.append(&mut opened).expect("there is space again");
    }
    assert!(full > 20, "only {full} writes were refused");
    drop(opened);
    let opened = disk.open();
    disk.check(&opened, "reopened");
}

/// A disk that stays full refuses, as often as it is asked; what was there is read, and once there is space the log goes on.
#[test]
fn a_log_on_a_disk_that_stays_full_heals() {
    let (mut disk, mut opened) = Disk::new();
    for writes_left in 0..8 {
        disk.append(&mut opened).expect("there is space");
        disk.faults.stays_full.store(true, Ordering::Relaxed);
        disk.faults.writes_left.store(writes_left, Ordering::Relaxed);
        for again in 0..3 {
            match disk.append(&mut opened) {
                Ok(()) | Err(AppendError::Full) => {}
                Err(error) => panic!("write {writes_left}, {again}: {error}"),
            }
            disk.check(&opened, &format!("write {writes_left}, {again}"));
        }
        // Others that write: each is refused, or done.
        for _ in 0..2 {
            assert!(matches!(opened.log.take_up(&[ShardId(1)]), Ok(_) | Err(StoreError::Full)));
            assert!(matches!(opened.log.cut_now(), Ok(()) | Err(StoreError::Full)));
        }
        disk.faults.set_full(false);
    }
    disk.append(&mut opened).expect("there is space again");
    drop(opened);
    let opened = disk.open();
    disk.check(&opened, "reopened");
}

/// Rows, too: none of those refused is there, those from before are read meanwhile, and all that is tried again is.
#[test]
fn full_rows_heal() {
    let (mut disk, mut opened) = Disk::new();
    let (mut written, mut full) = (None, 0);
    for writes_left in 0..12 {
        for _ in 0..3 {
            disk.append(&mut opened).expect("there is space");
        }
        let next = written.map_or(0, |position| position + 2);
        disk.faults.stays_full.store(true, Ordering::Relaxed);
        disk.faults.writes_left.store(writes_left, Ordering::Relaxed);
        for again in 0..3 {
            match opened.rows.write(&[row(next)]) {
                Ok(()) => written = Some(next),
                Err(StoreError::Full) => full += 1,
                Err(error) => panic!("write {writes_left}, {again}: {error}"),
            }
            assert_eq!(read(&opened), written, "write {writes_left}, {again}");
        }
        let mut seen = 0;
        let scanned = opened.rows.scan(ShardId(0), b"e", Bound::Unbounded, 9, &mut |_, _| seen += 1);
        scanned.expect("it is read");
        assert_eq!(seen, u32::from(written.is_some()));
        disk.faults.set_full(false);
        opened.rows.write(&[row(next + 1)]).expect("there is space again");
        written = Some(next + 1);
    }
    assert!(full > 6, "only {full} writes were refused");
    opened.rows.swept(opened.log.next_group()).expect("there is space");
    drop(opened);
    let opened = disk.open();
    assert_eq!((read(&opened), opened.swept), (written, opened.log.next_group()));
    disk.check(&opened, "reopened");
}

/// What is held back lets a commit end with which the disk became full. From then on the store is short: what room is left is
/// for commits, and rows do not even try, until so much is held again.
#[test]
fn what_is_held_back_ends_a_commit() {
    let (mut disk, mut opened) = Disk::new();
    assert!(opened.log.has_room());
    disk.faults.set_full(true);
    disk.faults.reserved.store(1000, Ordering::Relaxed);
    disk.append(&mut opened).expect("it takes what is held back");
    assert!(!opened.log.has_room());
    let before = disk.faults.writes_left.load(Ordering::Relaxed);
    assert!(matches!(opened.rows.write(&[row(0)]), Err(StoreError::Full)));
    assert!(matches!(opened.rows.swept(GroupId(1)), Err(StoreError::Full)));
    assert_eq!(disk.faults.writes_left.load(Ordering::Relaxed), before);
    disk.append(&mut opened).expect("there is some room left");
    disk.faults.writes_left.store(0, Ordering::Relaxed);
    assert!(matches!(disk.append(&mut opened), Err(AppendError::Full)), "it is given once");
    disk.faults.set_full(false);
    assert!(opened.log.has_room());
    disk.append(&mut opened).expect("there is space");
    opened.rows.write(&[row(0)]).expect("there is space");
    disk.check(&opened, "healed");
}

/// Who reads while a write meets the full disk reads once more: redb answers nothing after it.
#[test]
fn a_read_beside_a_full_disk_is_repeated() {
    let (mut disk, mut opened) = Disk::new();
    disk.append(&mut opened).expect("there is space");
    opened.rows.write(&[row(0)]).expect("there is space");
    drop(opened);
    let directory = Arc::new(FaultyDirectory::new(&disk.dir, &disk.faults));
    let directory = directory as Arc<dyn Directory>;
    let room = Arc::new(Room::of(&*directory).expect("the disk works"));
    let way = Way::used(CACHE_SIZE_DEFAULT, room.clone());
    let (file, db) = File::open(&directory, STATE_FILE, way).expect("it is sound");
    file.gate.release().expect("there is space");
    let pair = Pair {
        durable: AtomicU64::new(2),
        changes: AtomicU64::new(1),
        swept: AtomicU64::new(1),
        reading: Mutex::default(),
        pins: AtomicUsize::new(0),
        room,
        _lock: directory.lock().expect("nobody has it"),
    };
    let rows = RedbRows::new(db, file, Sealer::new(3), 2, Arc::new(pair));
    let times = Cell::new(0);
    let table = TableDefinition::<u64, &[u8]>::new("other");
    let read = rows.reading(|db| {
        times.set(times.get() + 1);
        disk.faults.set_full(times.get() == 1);
        let write = || -> Result<(), meta::Fault> {
            let transaction = db.begin_write()?;
            transaction.open_table(table)?.insert(1, &[0; 5000][..])?;
            transaction.commit()?;
            Ok(())
        };
        assert_eq!(meta::guard(STATE_FILE, write).is_err(), times.get() == 1);
        meta::guard(STATE_FILE, || Ok(db.begin_read()?.open_table(table)?.get(1)?.is_some()))
    });
    assert!(matches!(read, Ok(true)), "{read:?}");
    assert_eq!(times.get(), 2);
    assert!(rows.read(ShardId(0), b"ea").expect("it is read").is_some());
}

/// After a failed sync no full disk is believed, whichever came first.
#[test]
fn a_full_disk_beside_another_failure_is_not_believed() {
    for sync_first in [false, true] {
        let faults = Faults::none();
        let file = Faulty(Box::new(InMemoryBackend::new()), faults.clone());
        let gate = Gate::new(Box::new(file), None);
        gate.release().expect("nothing is held");
        gate.set_len(8).expect("there is space");
        let full = || {
            faults.set_full(true);
            gate.write(0, b"a").expect_err("it is full");
            assert_eq!(gate.is_full(), !sync_first);
        };
        let lost = || {
            faults.sync_fails.store(true, Ordering::Relaxed);
            gate.sync_data().expect_err("it is lost");
            assert!(!gate.is_full());
        };
        if sync_first {
            lost();
            full();
        } else {
            full();
            lost();
        }
    }
}
