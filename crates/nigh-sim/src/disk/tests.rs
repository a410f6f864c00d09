//! The disk itself: what survives, what is lost, what fails. The store on it is in `tests/disk.rs`.

use nigh::store::Directory;
use redb::StorageBackend;

use super::contents::Contents;
use super::crash::{Counts, Kinds};
use super::device::{Disk, Faults};
use super::image::Image;
use super::random::Rng;

const NAME: &str = "file";

/// A disk with one file of 8 KiB of `a`, synced, and its name.
fn disk(faults: Faults) -> (Disk, Box<dyn StorageBackend>) {
    let disk = Disk::new(Image::default(), faults);
    disk.create(NAME).expect("it is on");
    disk.sync_names().expect("it is on");
    let file = disk.open(NAME).expect("it was made");
    file.set_len(8192).expect("it is on");
    file.write(0, &[b'a'; 8192]).expect("it is on");
    (disk, file)
}

fn read(disk: &Disk) -> Vec<u8> {
    let file = disk.open(NAME).expect("it was made");
    let mut out = vec![0; file.len().expect("it is on") as usize];
    file.read(0, &mut out).expect("all of it");
    out
}

/// What a power loss leaves, over many seeds.
fn crashed(disk: &Disk) -> impl Iterator<Item = Disk> {
    let image = disk.image();
    (0..200).map(move |seed| {
        let left = image.crash(&mut Rng::new(seed), Kinds::ALL, &mut Counts::new());
        Disk::new(left, Faults::default())
    })
}

/// The pages of a file are its bytes.
#[test]
fn contents_are_bytes() {
    let (mut rng, mut contents, mut right) = (Rng::new(1), Contents::default(), Vec::<u8>::new());
    for _ in 0..2_000 {
        if rng.once_in(4) {
            let len = rng.below(20_000);
            contents.set_len(len);
            right.resize(len as usize, 0);
        } else {
            let data = vec![rng.draw() as u8; rng.below(9_000) as usize];
            let at = rng.below(21_000) as usize;
            contents.write(at as u64, &data);
            let end = (at + data.len()).min(right.len());
            if at < end {
                right[at..end].copy_from_slice(&data[..end - at]);
            }
        }
        let mut out = vec![0; right.len()];
        assert!(contents.read(0, &mut out) && out == right);
        assert!(!contents.read(right.len() as u64, &mut [0]), "behind the end");
    }
}

#[test]
fn synced_survives_and_the_rest_may() {
    let (disk, file) = disk(Faults::default());
    file.sync_data().expect("it is on");
    assert!(crashed(&disk).all(|left| read(&left) == [b'a'; 8192]), "synced bytes are lost");
    file.write(4096, &[b'b'; 1024]).expect("it is on");
    let left: Vec<_> = crashed(&disk).map(|left| read(&left)).collect();
    assert!(left.iter().all(|bytes| bytes[..4096] == [b'a'; 4096]), "nobody wrote there");
    let half = |first, second| [[first; 512], [second; 512]].concat();
    for (first, second) in [(b'a', b'a'), (b'a', b'b'), (b'b', b'a'), (b'b', b'b')] {
        let right = half(first, second);
        assert!(left.iter().any(|bytes| bytes[4096..5120] == right), "never {first} and {second}");
    }
    let torn = |sector: &[u8]| sector.iter().any(|byte| *byte != sector[0]);
    assert!(left.iter().any(|bytes| torn(&bytes[4096..4608])), "never torn");
}

#[test]
fn names_last_when_synced() {
    let (disk, file) = disk(Faults::default());
    file.sync_data().expect("it is on");
    disk.rename(NAME, "other").expect("it is there");
    let names = |disk: &Disk| [NAME, "other"].map(|name| disk.exists(name).expect("it is on"));
    assert_eq!(names(&disk), [false, true]);
    let left: Vec<_> = crashed(&disk).map(|left| names(&left)).collect();
    assert!(left.contains(&[true, false]) && left.contains(&[false, true]), "{left:?}");
    assert!(!left.contains(&[false, false]) && !left.contains(&[true, true]), "{left:?}");
    disk.sync_names().expect("it is on");
    assert!(crashed(&disk).all(|left| names(&left) == [false, true]));
}

/// The second sync "succeeds", reads see the bytes, and they are gone all the same.
#[test]
fn failed_sync_drops_pages() {
    let lost = (0..20).filter(|seed| {
        let faults = Faults { sync_fails_at: Some((4, *seed)), ..Faults::default() };
        let (disk, file) = disk(faults);
        assert!(file.sync_data().is_err());
        file.sync_data().expect("it fails once");
        assert_eq!(read(&disk), [b'a'; 8192]);
        assert_eq!(disk.after_failed_sync_count(), 1);
        crashed(&disk).any(|left| read(&left) != [b'a'; 8192])
    });
    assert!(lost.count() > 0, "never lost");
}

#[test]
fn power_stays_off() {
    let (disk, file) = disk(Faults { power_fails_at: Some(4), slow_sync_once_in: 1, ..Faults::default() });
    assert!(file.sync_data().is_err() && file.sync_data().is_err());
    assert!(file.len().is_err() && file.read(0, &mut [0]).is_err() && file.write(0, b"b").is_err());
    assert!(disk.open(NAME).is_err() && disk.lock().is_err() && disk.sync_names().is_err());
    assert_eq!((disk.operation_count(), disk.slow_sync_count()), (4, 0));
}

#[test]
fn lock_is_for_one() {
    let (disk, file) = disk(Faults { slow_sync_once_in: 2, ..Faults::default() });
    let lock = disk.lock().expect("nobody has it");
    let second = disk.lock().expect_err("it is locked");
    assert_eq!(second.kind(), std::io::ErrorKind::WouldBlock);
    drop(lock);
    drop(disk.lock().expect("it was let go"));
    (0..4).for_each(|_| file.sync_data().expect("it is on"));
    assert_eq!(disk.slow_sync_count(), 2);
}
