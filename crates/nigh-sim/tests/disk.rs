//! The real store on a simulated disk: whatever the power leaves, what was acknowledged is there.

use std::sync::Arc;

use nigh::store::suite::{self, Subject};
use nigh::store::{Append, Directory, GroupId, Head, Open, Opened, RowWrite, compact_on, open_on, verify_on};
use nigh_proto::shards::{Position, ShardId};
use nigh_sim::disk::{Counts, Disk, Faults, Image, Kinds, Rng, explore};

/// Crash points that this test has to reach.
const CRASH_POINTS_MIN: u64 = 1_500;

/// Histories on a disk that is full for a while that it has to reach.
const FULL_DISKS_MIN: u64 = 20;

/// Every crash of some histories. More of them: `cargo xtask disk`, which says how many.
#[test]
#[expect(clippy::disallowed_methods, reason = "how deep to go is the one setting of this test")]
fn recovered_is_acknowledged() {
    let histories = std::env::var("NIGH_DISK_HISTORIES").ok().and_then(|text| text.parse().ok());
    let report = explore(0..histories.unwrap_or(2));
    println!("{report}");
    assert!(report.failures.is_empty(), "{report}");
    assert!(report.crash_points >= CRASH_POINTS_MIN, "{report}");
    assert!(report.full_disks >= FULL_DISKS_MIN, "{report}");
}

/// The power fails before every operation of a compaction: what is left is a store that holds what it held.
#[test]
fn compacted_or_not_it_is_the_same_store() {
    let options =
        Open { shards: 2, shapes: &[], incarnation: 7, cache_size: nigh::store::CACHE_SIZE_DEFAULT };
    let disk = Disk::new(Image::default(), Faults::default());
    let mut opened = open_on(Arc::new(disk.clone()), options).expect("a new store");
    let head = opened.log.take_up(&[ShardId(0)]).expect("the disk works")[0];
    for first in 0..40 {
        let blob = vec![1; 9_000].into();
        let (first, next) = (Position(first), Position(first + 1));
        let append = Append { shard: ShardId(0), epoch: head.epoch, first, next, blob };
        opened.log.append(&[append]).expect("the disk works");
    }
    let row = |i: u64, value| RowWrite {
        shard: ShardId(0),
        key: i.to_be_bytes().to_vec().into(),
        position: Position(0),
        value,
    };
    let value = || Some(vec![2; 9_000].into());
    opened.rows.write(&(0..60).map(|i| row(i, value())).collect::<Vec<_>>()).expect("the disk works");
    opened.rows.write(&(0..50).map(|i| row(i, None)).collect::<Vec<_>>()).expect("the disk works");
    opened.rows.swept(GroupId(39)).expect("the disk works");
    opened.log.cut(GroupId(39)).expect("it is swept");
    opened.log.cut_now().expect("the disk works");
    drop(opened);
    let image = disk.image();
    let of = |image: &Image, faults| Arc::new(Disk::new(image.clone(), faults)) as Arc<dyn Directory>;
    let right = verify_on(&of(&image, Faults::default())).expect("it is sound");
    let mut rng = Rng::new(3);
    let mut crashes = 0;
    loop {
        let disk = Disk::new(image.clone(), Faults { power_fails_at: Some(crashes), ..Faults::default() });
        let compacted = compact_on(&(Arc::new(disk.clone()) as Arc<dyn Directory>));
        for _ in 0..4 {
            let left = disk.image().crash(&mut rng, Kinds::ALL, &mut Counts::new());
            let found = verify_on(&of(&left, Faults::default()));
            assert_eq!(found.as_ref().ok(), Some(&right), "operation {crashes}: {found:?}");
        }
        if let Ok(compacted) = compacted {
            assert!(compacted.after < compacted.before / 2, "{compacted:?}");
            break;
        }
        crashes += 1;
    }
    println!("{crashes} operations of a compaction");
    assert!(crashes > 50, "{crashes}");
}

/// R9: a process ends before any operation, its machine stays up, and the next one reads what was perhaps never synced. From then
/// on it counts: others were told, and no power loss takes it back.
#[test]
fn what_a_start_has_found_stays() {
    let open = |disk: &Disk| {
        let options =
            Open { shards: 1, shapes: &[], incarnation: 7, cache_size: nigh::store::CACHE_SIZE_DEFAULT };
        open_on(Arc::new(disk.clone()), options)
    };
    let play = |disk: &Disk| -> Option<()> {
        let mut opened = open(disk).ok()?;
        let Head { epoch, .. } = opened.log.take_up(&[ShardId(0)]).ok()?[0];
        for first in 0..3 {
            let (first, next) = (Position(first), Position(first + 1));
            let append = Append { shard: ShardId(0), epoch, first, next, blob: vec![1; 9_000].into() };
            opened.log.append(&[append]).ok()?;
        }
        Some(())
    };
    let (mut rng, mut at, mut found) = (Rng::new(5), 0, 0);
    loop {
        let disk = Disk::new(Image::default(), Faults { power_fails_at: Some(at), ..Faults::default() });
        let done = play(&disk);
        let disk = Disk::new(disk.image(), Faults::default());
        let opened = open(&disk).expect("a kill is no damage");
        let next = opened.log.next_group();
        found += next.0 - 1;
        for _ in 0..8 {
            let left = disk.image().crash(&mut rng, Kinds::ALL, &mut Counts::new());
            let again = open(&Disk::new(left, Faults::default())).expect("a power loss is no damage");
            assert_eq!(again.log.next_group(), next, "killed before operation {at}");
        }
        if done.is_some() {
            break;
        }
        at += 1;
    }
    println!("killed before {at} operations, {found} groups found");
    assert!(at > 30 && found > 9, "{at} operations, {found} groups");
}

/// A store whose end is a power loss.
struct OnDisk {
    disk: Disk,
    shards: u32,
    rng: Rng,
}

impl OnDisk {
    fn open(&self) -> Opened {
        let options = Open {
            shards: self.shards,
            shapes: &[],
            incarnation: 7,
            cache_size: nigh::store::CACHE_SIZE_DEFAULT,
        };
        open_on(Arc::new(self.disk.clone()), options).expect("the disk is sound")
    }
}

impl Subject for OnDisk {
    fn fresh(&mut self, shards: u32) -> Opened {
        (self.disk, self.shards) = (Disk::new(Image::default(), Faults::default()), shards);
        self.open()
    }
    fn restart(&mut self, opened: Opened) -> Opened {
        drop(opened);
        self.open()
    }
    fn crash(&mut self, opened: Opened) -> Opened {
        let left = self.disk.image().crash(&mut self.rng, Kinds::ALL, &mut Counts::new());
        drop(opened);
        self.disk = Disk::new(left, Faults::default());
        self.open()
    }
}

/// The suite of every store, with power losses for crashes.
#[test]
fn keeps_every_promise() {
    let disk = Disk::new(Image::default(), Faults::default());
    suite::all(&mut OnDisk { disk, shards: 1, rng: Rng::new(1) }, 500);
}
