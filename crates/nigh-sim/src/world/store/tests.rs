//! The store of a run on a disk: what a death leaves, and what the next start says of it.

use nigh::store::{Append, AppendError, CACHE_SIZE_DEFAULT};
use nigh_proto::shards::Position;
use nigh_wire::Bytes;

use super::*;

const SHARD: ShardId = ShardId(0);

fn open(disk: &mut OnDisk) -> nigh::Result<Opened> {
    disk.open(Open { shards: SHARDS, shapes: &[], incarnation: 1, cache_size: CACHE_SIZE_DEFAULT })
}

/// Open, its first group durable and told.
fn with_one_group(seed: u64) -> (OnDisk, Opened, Epoch) {
    let mut disk = OnDisk::new(seed);
    let mut opened = open(&mut disk).expect("a new store");
    let epoch = opened.log.take_up(&[SHARD]).expect("the disk works")[0].epoch;
    let appended = opened.log.append(&[append(epoch, 0)]).expect("the disk works");
    disk.heard(appended.group.expect("it was not empty"));
    (disk, opened, epoch)
}

fn append(epoch: Epoch, first: u64) -> Append {
    let (first, next) = (Position(first), Position(first + 1));
    Append { shard: SHARD, epoch, first, next, blob: Bytes::from_static(&[7; 700]) }
}

/// Groups that a store holds.
fn held(opened: &Opened) -> Vec<u64> {
    let mut held = vec![];
    opened.log.tail(&|_| true, &mut |entry| held.push(entry.group.0)).expect("the disk works");
    held
}

/// The process dies during its second append: the first one is there, and the start says whether the second one is.
#[test]
fn a_start_says_what_became_of_the_group_under_way() {
    let (mut there, mut befell) = ([0, 0], Counts::new());
    for seed in 0..200 {
        let (mut disk, mut opened, epoch) = with_one_group(seed);
        disk.dies_soon();
        let answered = opened.log.append(&[append(epoch, 1)]).is_ok();
        disk.is_dead();
        drop(opened);
        let opened = open(&mut disk).expect("what is left is a store");
        let found: Vec<u64> = disk.take_found().iter().map(|entry| entry.group.0).collect();
        assert!(found == [] as [u64; 0] || found == [2], "seed {seed}: {found:?}");
        assert_eq!(held(&opened), [&[1], &found[..]].concat(), "seed {seed}");
        assert!(!answered || found == [2], "seed {seed}: it was synced");
        there[found.len()] += 1;
        assert_eq!(disk.take_found().len(), 0, "it is told once");
        disk.verify().expect("it is whole");
        disk.befell.iter().for_each(|(what, times)| *befell.entry(what).or_default() += times);
    }
    assert!(there.iter().all(|times| *times > 20), "not there, there: {there:?}");
    let kinds: Vec<&str> = befell.keys().copied().collect();
    for kind in ["lost", "power lost", "survived", "torn"] {
        assert!(kinds.contains(&kind), "never {kind}: {befell:?}");
    }
}

/// A start that meets a failing sync is no start; the next one is.
#[test]
fn a_sync_that_fails_ends_a_start() {
    let (mut disk, opened, _) = with_one_group(3);
    disk.is_dead();
    drop(opened);
    disk.starts(false, true);
    let started = open(&mut disk).and_then(|mut opened| Ok(opened.log.take_up(&[SHARD])?));
    assert!(started.is_err() && !disk.lives_on());
    disk.is_dead();
    assert_eq!(held(&open(&mut disk).expect("it fails once")), [1]);
    assert!(disk.lives_on());
}

/// A full disk is survived: what found no room is appended once there is some, though the power fails then.
#[test]
fn a_disk_fills_and_empties() {
    let mut waited = 0;
    for seed in 0..50 {
        let (mut disk, mut opened, epoch) = with_one_group(seed);
        disk.fills();
        for group in 1..30 {
            let mut looks = 0;
            while let Err(error) = opened.log.append(&[append(epoch, group)]) {
                assert!(matches!(error, AppendError::Full), "seed {seed}: {error}");
                (looks, waited) = (looks + 1, waited + 1);
                assert!(looks <= FULL_TRIES_MAX, "seed {seed}: it stays full");
            }
        }
        disk.is_dead();
        drop(opened);
        assert_eq!(held(&open(&mut disk).expect("it is whole")).len(), 30, "seed {seed}");
    }
    assert!(waited > 50, "{waited}");
}

/// What was to go wrong does not once faults have ended.
#[test]
fn a_disk_heals() {
    let (mut disk, mut opened, epoch) = with_one_group(4);
    disk.sync_fails();
    disk.fills();
    disk.heal();
    opened.log.append(&[append(epoch, 1)]).expect("faults have ended");
}
