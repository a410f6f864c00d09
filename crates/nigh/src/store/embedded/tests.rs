//! What the disk may do while the store is open: fill up, fail a sync. And what the gate lets through.

use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

use nigh_proto::shards::{Position, ShardId};
use redb::backends::InMemoryBackend;
use redb::{BackendError, StorageBackend};

use super::directory::{Directory, DirectoryLock, RealDirectory, Reserve};
use super::files::FILES;
use super::gate::Gate;
use super::verify::{Verified, hold};
use super::{copy::placed, open_on};
use crate::store::{
    Append, AppendError, CACHE_SIZE_DEFAULT, CopyError, Head, LogEntry, Open, Opened, RowWrite, StoreError,
};

mod full;
mod packed;

/// What the disk is about to do.
#[derive(Debug)]
pub(crate) struct Faults {
    /// Writes until one finds no space; below zero, never.
    pub(crate) writes_left: AtomicI64,
    /// Then none does, until it is set anew.
    pub(crate) stays_full: AtomicBool,
    /// There is no space to hold back.
    short: AtomicBool,
    /// Writes for which there is space in what is held back.
    pub(crate) reserved: AtomicI64,
    sync_fails: AtomicBool,
    write_fails: AtomicBool,
    /// A blob of `append` that is written is another one on the disk.
    rots: AtomicBool,
}

impl Faults {
    pub(crate) fn none() -> Arc<Self> {
        Arc::new(Faults {
            writes_left: AtomicI64::new(-1),
            stays_full: AtomicBool::new(false),
            short: AtomicBool::new(false),
            reserved: AtomicI64::new(0),
            sync_fails: AtomicBool::new(false),
            write_fails: AtomicBool::new(false),
            rots: AtomicBool::new(false),
        })
    }

    /// From now on, or for no longer.
    pub(crate) fn set_full(&self, full: bool) {
        self.stays_full.store(full, Ordering::Relaxed);
        self.short.store(full, Ordering::Relaxed);
        self.writes_left.store(if full { 0 } else { -1 }, Ordering::Relaxed);
    }
}

/// What a faulty disk holds back.
impl Reserve for Arc<Faults> {
    fn take(&self, _: u64) -> io::Result<()> {
        let short = self.short.load(Ordering::Relaxed);
        if short { Err(io::ErrorKind::QuotaExceeded.into()) } else { Ok(()) }
    }
    fn give(&self) -> io::Result<()> {
        self.writes_left.store(self.reserved.load(Ordering::Relaxed), Ordering::Relaxed);
        Ok(())
    }
}

#[derive(Debug)]
struct Faulty(Box<dyn StorageBackend>, Arc<Faults>);

impl StorageBackend for Faulty {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        if self.1.sync_fails.swap(false, Ordering::Relaxed) {
            return Err(io::Error::other("lost by the disk"));
        }
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.1.write_fails.swap(false, Ordering::Relaxed) {
            return Err(io::Error::other("refused by the disk"));
        }
        let left = &self.1.writes_left;
        let full = match left.load(Ordering::Relaxed) {
            i64::MIN..0 => false,
            0 if self.1.stays_full.load(Ordering::Relaxed) => true,
            now => {
                left.store(now - 1, Ordering::Relaxed);
                now == 0
            }
        };
        if full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut data = data.to_vec();
        if self.1.rots.load(Ordering::Relaxed)
            && let Some(at) = data.windows(8).position(|bytes| bytes == [1; 8])
        {
            data[at] = 0;
        }
        self.0.write(offset, &data)
    }
    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }
    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }
}

/// A directory whose files are such.
#[derive(Debug)]
pub(crate) struct FaultyDirectory(RealDirectory, Arc<Faults>);

impl FaultyDirectory {
    pub(crate) fn new(dir: &Path, faults: &Arc<Faults>) -> Self {
        FaultyDirectory(RealDirectory(dir.to_path_buf()), faults.clone())
    }
}

impl Directory for FaultyDirectory {
    fn path(&self) -> &Path {
        self.0.path()
    }
    fn lock(&self) -> io::Result<DirectoryLock> {
        self.0.lock()
    }
    fn exists(&self, name: &str) -> io::Result<bool> {
        self.0.exists(name)
    }
    fn create(&self, name: &str) -> io::Result<()> {
        self.0.create(name)
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(Faulty(self.0.open(name)?, self.1.clone())))
    }
    fn drop_cached(&self, name: &str) -> io::Result<()> {
        self.0.drop_cached(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn sync_names(&self) -> io::Result<()> {
        self.0.sync_names()
    }
    fn reserve(&self) -> io::Result<Box<dyn Reserve>> {
        Ok(Box::new(self.1.clone()))
    }
}

/// A store on a disk that can fail, and its log as it should be.
struct Disk {
    dir: PathBuf,
    faults: Arc<Faults>,
    head: Head,
    log: Vec<(Position, Position)>,
    /// Of the log, so many of the oldest may be gone.
    cut: usize,
}

impl Disk {
    fn new() -> (Self, Opened) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("nigh-disk-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let faults = Faults::none();
        let dir = std::env::temp_dir().join(name);
        let mut disk = Disk { dir, faults, head: Head::default(), log: Vec::new(), cut: 0 };
        let opened = disk.open();
        (disk, opened)
    }

    fn open(&mut self) -> Opened {
        let directory = FaultyDirectory::new(&self.dir, &self.faults);
        let options = Open { shards: 2, shapes: &[], incarnation: 3, cache_size: CACHE_SIZE_DEFAULT };
        let mut opened = open_on(Arc::new(directory), options).expect("the directory is sound");
        self.head = opened.log.take_up(&[ShardId(0)]).expect("the disk works")[0];
        opened
    }

    /// Appends one blob of three pages, and expects it in the log if that says so.
    fn append(&mut self, opened: &mut Opened) -> Result<(), AppendError> {
        let Head { epoch, next: first } = self.head;
        let next = Position(first.0 + 1);
        let append = Append { shard: ShardId(0), epoch, first, next, blob: vec![1; 12_000].into() };
        let appended = opened.log.append(&[append])?;
        assert_eq!(appended.items, [Ok(())]);
        self.head.next = next;
        self.log.push((first, next));
        Ok(())
    }

    fn check(&self, opened: &Opened, at: &str) {
        let mut found = Vec::new();
        let mut each = |entry: LogEntry| found.push((entry.first, entry.next));
        opened.log.tail(&|_| true, &mut each).expect("the log is sound");
        assert!(self.log.ends_with(&found), "{at}: {found:?}");
        assert!(found.len() + self.cut >= self.log.len(), "{at}: {found:?}");
    }

    /// Has the log cut with the next append.
    fn cut(&mut self, opened: &mut Opened) {
        let next = opened.log.next_group();
        opened.rows.swept(next).expect("there is space");
        opened.log.cut(next).expect("it is swept");
        self.cut = self.log.len();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

/// F8: after a failed sync nobody knows, and the log never tries again.
#[test]
fn failed_sync_closes_the_log() {
    let (mut disk, mut opened) = Disk::new();
    disk.append(&mut opened).expect("the disk works");
    disk.faults.sync_fails.store(true, Ordering::Relaxed);
    let doubt = disk.append(&mut opened);
    assert!(matches!(doubt, Err(AppendError::InDoubt(StoreError::Io(_)))), "{doubt:?}");
    closed(&mut disk, opened);
}

/// F9: a write that fails for another reason than want of room is as bad.
#[test]
fn failed_write_closes_the_log() {
    let (mut disk, mut opened) = Disk::new();
    disk.append(&mut opened).expect("the disk works");
    disk.faults.write_fails.store(true, Ordering::Relaxed);
    let doubt = disk.append(&mut opened);
    assert!(matches!(doubt, Err(AppendError::InDoubt(StoreError::Io(_)))), "{doubt:?}");
    closed(&mut disk, opened);
}

/// Every later call fails; what was acknowledged is there after the next open.
fn closed(disk: &mut Disk, mut opened: Opened) {
    disk.faults.writes_left.store(-1, Ordering::Relaxed);
    let again = disk.append(&mut opened);
    assert!(matches!(again, Err(AppendError::InDoubt(StoreError::Closed))), "{again:?}");
    assert!(matches!(opened.log.take_up(&[ShardId(0)]), Err(StoreError::Closed)));
    assert!(matches!(opened.log.tail(&|_| true, &mut |_| {}), Err(StoreError::Closed)));
    assert!(!opened.log.still_mine(ShardId(0), disk.head.epoch));
    drop(opened);
    let opened = disk.open();
    let mut found = Vec::new();
    opened.log.tail(&|_| true, &mut |entry| found.push((entry.first, entry.next))).expect("the log is sound");
    assert!(found.starts_with(&disk.log) && found.len() <= disk.log.len() + 1, "{found:?}");
}

/// Rows too: one failure, and nothing more is written; reading what was there goes on.
#[test]
fn failed_write_closes_the_rows() {
    let (mut disk, mut opened) = Disk::new();
    disk.append(&mut opened).expect("the disk works");
    let row = |value: &'static str| RowWrite {
        shard: ShardId(0),
        key: "ea".into(),
        position: Position(0),
        value: Some(value.into()),
    };
    opened.rows.write(&[row("old")]).expect("the disk works");
    disk.faults.sync_fails.store(true, Ordering::Relaxed);
    let failed = opened.rows.write(&[row("new")]);
    assert!(matches!(failed, Err(StoreError::Io(_))), "{failed:?}");
    assert!(matches!(opened.rows.write(&[row("newer")]), Err(StoreError::Closed)));
    drop(opened);
    let opened = disk.open();
    let value = opened.rows.read(ShardId(0), b"ea").expect("it is sound").expect("it is there").value;
    assert!(value == "old" || value == "new", "{value:?}");
}

/// Copies the store of `disk` to a disk with these faults.
fn copied(disk: &Disk, faults: &Arc<Faults>) -> (PathBuf, Result<Verified, CopyError>) {
    let held = hold(&(Arc::new(RealDirectory(disk.dir.clone())) as Arc<dyn Directory>)).expect("it is sound");
    let source = held.source().expect("it is sound");
    let to = disk.dir.with_extension("copy");
    let faulty = |real| Arc::new(FaultyDirectory(real, faults.clone())) as Arc<dyn Directory>;
    let done = placed((&source, &disk.dir), &to, held.meta, faulty);
    assert_eq!(to.exists(), done.is_ok(), "there is a copy if, and only if, it is said so");
    assert!(!disk.dir.with_extension("copy.unfinished").exists());
    (to, done)
}

/// Whichever write of a copy finds no space: nothing is left of it, and the store is as it was.
#[test]
fn a_copy_that_finds_no_space_is_removed() {
    let (mut disk, mut opened) = Disk::new();
    (0..9).for_each(|_| disk.append(&mut opened).expect("the disk works"));
    drop(opened);
    let contents = || FILES.map(|file| std::fs::read(disk.dir.join(file)).expect("a file"));
    let before = contents();
    let mut full = 0;
    loop {
        let faults = Faults::none();
        faults.stays_full.store(true, Ordering::Relaxed);
        faults.writes_left.store(full, Ordering::Relaxed);
        match copied(&disk, &faults) {
            (_, Err(CopyError::Target { .. })) => full += 1,
            (_, Err(error)) => panic!("write {full}: {error}"),
            (to, Ok(_)) => {
                std::fs::remove_dir_all(to).expect("it is there");
                break;
            }
        }
    }
    assert!(full > 20, "only {full} writes were refused");
    assert!(contents() == before, "the source was touched");
    let faults = Faults::none();
    faults.sync_fails.store(true, Ordering::Relaxed);
    assert!(matches!(copied(&disk, &faults), (_, Err(CopyError::Target { .. }))));
}

/// A disk that writes something else than it was given is found before the copy counts.
#[test]
fn a_copy_is_read_back() {
    let (mut disk, mut opened) = Disk::new();
    disk.append(&mut opened).expect("the disk works");
    drop(opened);
    let faults = Faults::none();
    faults.rots.store(true, Ordering::Relaxed);
    let (_, done) = copied(&disk, &faults);
    assert!(matches!(done, Err(CopyError::Unproven(_))), "{done:?}");
}

/// Whatever others do while a copy begins to read both files, the two belong together, and nobody waits.
#[test]
fn a_copy_beside_traffic_is_of_one_moment() {
    let (mut disk, mut opened) = Disk::new();
    let row = |value: u64| RowWrite {
        shard: ShardId(0),
        key: "ea".into(),
        position: Position(value),
        value: Some(value.to_le_bytes().to_vec().into()),
    };
    disk.append(&mut opened).expect("the disk works");
    opened.rows.write(&[row(0)]).expect("the disk works");
    let copier = opened.copier.clone().expect("it is on a disk");
    let source = copier.begin(|| {
        // A sweep ends, and the log is cut as far as it may be.
        disk.append(&mut opened).expect("the disk works");
        opened.rows.write(&[row(1)]).expect("the disk works");
        opened.rows.swept(opened.log.next_group()).expect("the disk works");
        opened.log.cut(opened.log.next_group()).expect("it is swept");
        disk.append(&mut opened).expect("the disk works");
    });
    let source = source.expect("the disk works");
    let before = opened.log.size_bytes();
    // And goes on: none of this is in the copy.
    disk.append(&mut opened).expect("the disk works");
    opened.rows.write(&[row(3)]).expect("the disk works");
    // As much as would stand where groups of the copy stand, were their blocks used again.
    (0..9).for_each(|_| disk.append(&mut opened).expect("the disk works"));
    assert!(opened.log.size_bytes() - 9 * 3 * 4096 < before, "the log is cut once the copy has begun");
    let to = disk.dir.with_extension("copy");
    let real = |real| Arc::new(real) as Arc<dyn Directory>;
    let copy = placed((&source, &disk.dir), &to, source.meta, real).expect("it is sound");
    assert_eq!((copy.groups.0, copy.rows.0), (3, 1));
    let options = Open { shards: 2, shapes: &[], incarnation: 4, cache_size: CACHE_SIZE_DEFAULT };
    let copy = open_on(Arc::new(RealDirectory(to.clone())), options).expect("it is sound");
    let value = copy.rows.read(ShardId(0), b"ea").expect("it is sound").expect("it is there").value;
    assert_eq!(value, 0_u64.to_le_bytes().to_vec());
    std::fs::remove_dir_all(to).expect("it is there");
    // A log that an error has closed is not copied.
    disk.faults.sync_fails.store(true, Ordering::Relaxed);
    assert!(disk.append(&mut opened).is_err());
    assert!(matches!(copier.begin(|| {}), Err(StoreError::Closed)));
}

/// Held back, an operation is seen through the gate and nowhere else; released, everywhere.
#[test]
fn gate_holds_and_releases() {
    let file = Arc::new(InMemoryBackend::new());
    file.set_len(8).expect("memory");
    file.write(0, b"abcdefgh").expect("memory");
    #[derive(Debug)]
    struct Shared(Arc<InMemoryBackend>);
    impl StorageBackend for Shared {
        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.0.read(offset, out)
        }
        fn set_len(&self, len: u64) -> io::Result<()> {
            self.0.set_len(len)
        }
        fn sync_data(&self) -> io::Result<()> {
            self.0.sync_data()
        }
        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.0.write(offset, data)
        }
    }
    fn all(file: &dyn StorageBackend) -> String {
        let mut out = vec![0; file.len().expect("memory") as usize];
        file.read(0, &mut out).expect("all of it");
        String::from_utf8(out).expect("text").replace('\0', ".")
    }
    let gate = Gate::new(Box::new(Shared(file.clone())), None);
    gate.write(2, b"CD").expect("held");
    gate.set_len(12).expect("held");
    gate.write(10, b"KL").expect("held");
    gate.write(3, b"xyz").expect("held");
    assert_eq!((all(&gate).as_str(), all(&*file).as_str()), ("abCxyzgh..KL", "abcdefgh"));
    gate.set_len(5).expect("held");
    gate.sync_data().expect("held");
    gate.set_len(7).expect("held");
    assert_eq!((all(&gate).as_str(), all(&*file).as_str()), ("abCxy..", "abcdefgh"));
    let mut middle = [0; 3];
    gate.read(1, &mut middle).expect("inside");
    assert_eq!(&middle, b"bCx");
    assert!(gate.read(5, &mut middle).is_err(), "beyond the end");
    gate.release().expect("memory");
    assert_eq!(all(&*file), "abCxy..");
    gate.write(0, b"A").expect("at once");
    assert_eq!((all(&gate).as_str(), all(&*file).as_str()), ("AbCxy..", "AbCxy.."));
}

/// R9: what is read after an opening is what the disk has: the first page of a file is no longer in memory.
#[cfg(target_os = "linux")]
#[test]
fn cached_pages_are_dropped() {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};
    // Beside the test's own file: a system's folder for temporary files may be in memory, where nothing else is.
    let root = std::env::current_exe().expect("a test is a file").with_extension("cached");
    let directory = RealDirectory(root.clone());
    drop(directory.lock().expect("made"));
    std::fs::write(root.join("log.redb"), vec![7; 64 << 10]).expect("written");
    let file = std::fs::File::open(root.join("log.redb")).expect("it is there");
    file.sync_all().expect("synced");
    let in_memory = || {
        let mut page = [0; 4096];
        preadv2(&file, &mut [io::IoSliceMut::new(&mut page)], 0, ReadWriteFlags::NOWAIT)
    };
    assert_eq!(in_memory(), Ok(4096), "it was written a moment ago");
    directory.drop_cached("log.redb").expect("dropped");
    assert_eq!(in_memory(), Err(Errno::AGAIN));
    std::fs::remove_dir_all(root).expect("removed");
}
