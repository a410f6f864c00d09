//! Room on the disk that is held back for the moment in which the disk is full.
//!
//! A commit that is under way when the disk becomes full is finished with it: the [`gate`](super::gate) gives it up and
//! writes once more. From then on the store [is short](Room::is_short): it takes nothing new until it holds so much
//! again. Who else fills the disk may be faster; then the write fails, and the file is opened anew.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use nigh_proto::calls::caller::CALL_SIZE_MAX;

use super::directory::{Directory, Reserve};
use super::group::ENTRY_SIZE;
use crate::store::{APPENDS_MAX, GROUP_SIZE_MAX};

/// Bytes held: a group of a thousand calls of a KiB and a transaction of rows beside it, each with the pages of redb that
/// change along, fit several times.
pub(super) const ROOM_SIZE: u64 = 8 << 20;
const _: () = assert!(GROUP_SIZE_MAX + CALL_SIZE_MAX + APPENDS_MAX * ENTRY_SIZE < ROOM_SIZE as usize);

/// What a store holds back of its disk.
#[derive(Debug)]
pub(super) struct Room {
    /// Held while it is given or taken.
    reserve: Mutex<Box<dyn Reserve>>,
    /// It was given up, or could not be taken. Written behind the lock.
    short: AtomicBool,
}

impl Room {
    /// Takes it, if the disk has it.
    pub(super) fn of(directory: &dyn Directory) -> io::Result<Room> {
        let room = Room { reserve: Mutex::new(directory.reserve()?), short: AtomicBool::new(true) };
        room.refill();
        Ok(room)
    }

    /// True from when the disk was full until there is room again.
    pub(super) fn is_short(&self) -> bool {
        self.short.load(Ordering::Acquire)
    }

    /// Gives it up; false if there is none to give.
    pub(super) fn give(&self) -> bool {
        let reserve = self.reserve.lock().unwrap_or_else(PoisonError::into_inner);
        let held = !self.short.swap(true, Ordering::AcqRel);
        held && reserve.give().is_ok()
    }

    /// Holds it again, if there is so much. Returns whether the store is no longer short.
    pub(super) fn refill(&self) -> bool {
        if !self.is_short() {
            return true;
        }
        let reserve = self.reserve.lock().unwrap_or_else(PoisonError::into_inner);
        // A file system that cannot hold room back has what it has.
        let none = reserve.take(ROOM_SIZE).is_err_and(|error| is_full(&error)); // mutant room-not-awaited: let none = reserve.take(ROOM_SIZE).is_err_and(|_| false);
        self.short.store(none, Ordering::Release);
        !none
    }
}

/// There is no room: on the disk, in a quota, or under the limit of a file's size. Nothing was written.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
