//! Where a run keeps what lasts: the model of a store, or the real one on a simulated disk.
//!
//! On a disk ([`OnDisk`]) a process that dies may be in the middle of an append, of a sweep or of its start: the
//! operation of the disk at which it stops is drawn, and whether the power fails with it, which takes what was not
//! synced as [`Image::crash`](crate::disk::Image::crash) draws. Then nobody knows whether the group under way is there:
//! what the next start finds of it is what became durable.
//!
//! Nothing here judges: the book hears what became durable, as it does of the model.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use nigh::store::{GroupId, LogEntry, MemoryStore, Open, Opened, open_on, verify_on};
use nigh_proto::shards::{Epoch, ShardId};

use super::process::SOON;
use super::{Event, Running, SHARDS, World};
use crate::disk::{Counts, Disk, Faults, Image, Kinds, Rng as Draws};
use crate::host::Stage;
use crate::rng::Rng;
use crate::sim::Store;
use crate::surroundings::nanos;
use crate::tasks::{self, Owner};

/// A process that dies stops before one of so many operations of its disk: an append takes 7 to 12 of them, an opening 26 to
/// 40, a sweep 14 to 28; the opening that makes the files 101.
const OPERATIONS_MAX: [u64; 4] = [3, 12, 60, 120];

/// Beside what befell sectors and names.
const POWER_LOST: &str = "power lost";
const FULL: &str = "disk full";

/// A disk becomes full before one of so many operations,
const FULL_AFTER_MAX: u64 = 24;
/// and finds no room for so many tries: each look takes one.
const FULL_TRIES_MAX: u64 = 40;

/// See above.
pub(super) enum Kept {
    /// Each owner opens it beside the others.
    Memory(MemoryStore),
    /// One owner at a time.
    Disk(OnDisk),
}

impl Kept {
    pub(super) fn new(store: Store, seed: u64) -> Self {
        match store {
            Store::Memory => Kept::Memory(MemoryStore::new(SHARDS, u128::from(seed))),
            Store::Disk => Kept::Disk(OnDisk::new(seed)),
        }
    }

    pub(super) fn open(&mut self, options: Open<'_>) -> nigh::Result<Opened> {
        match self {
            Kept::Memory(store) => Ok(store.open_beside()),
            Kept::Disk(disk) => disk.open(options),
        }
    }

    /// Whether nobody has taken the shard up since (R7).
    pub(super) fn still_mine(&self, shard: ShardId, epoch: Epoch) -> bool {
        match self {
            Kept::Memory(store) => store.still_mine(shard, epoch),
            // The lock of its directory keeps others out, and nobody asks.
            Kept::Disk(_) => true,
        }
    }

    pub(super) fn disk(&mut self) -> Option<&mut OnDisk> {
        match self {
            Kept::Memory(_) => None,
            Kept::Disk(disk) => Some(disk),
        }
    }
}

/// The real store.
pub(super) struct OnDisk {
    disk: Disk,
    rng: Rng,
    /// The first group that the book has not heard of.
    unheard: GroupId,
    /// What the last opening found from there on.
    found: Vec<LogEntry>,
    /// What the power took, and left, and times without room.
    pub(super) befell: Counts,
}

impl OnDisk {
    fn new(seed: u64) -> Self {
        OnDisk {
            disk: Disk::forgetful(Image::default()),
            rng: Rng::of(seed, "disk", 0),
            unheard: GroupId(1),
            found: vec![],
            befell: Counts::new(),
        }
    }

    fn open(&mut self, options: Open<'_>) -> nigh::Result<Opened> {
        let opened = open_on(Arc::new(self.disk.clone()), options)?;
        self.found.clear();
        if opened.log.next_group() > self.unheard {
            opened.log.tail(&|_| true, &mut |entry| {
                let is_news = entry.group >= self.unheard; // mutant sim-disk-untold: let is_news = false;
                if is_news {
                    self.found.push(entry);
                }
            })?;
        }
        Ok(opened)
    }

    /// What the start that has just ended made durable, of what was under way when the process died.
    pub(super) fn take_found(&mut self) -> Vec<LogEntry> {
        let found = std::mem::take(&mut self.found);
        found.iter().for_each(|entry| self.heard(entry.group));
        found
    }

    /// The book has heard of this group.
    pub(super) fn heard(&mut self, group: GroupId) {
        self.unheard = self.unheard.max(GroupId(group.0 + 1)); // mutant sim-disk-tells-twice: self.unheard = self.unheard.max(group);
    }

    /// The next sync fails.
    pub(super) fn sync_fails(&mut self) {
        let seed = self.rng.next_u64();
        let sync_fails_at = Some((self.disk.operation_count(), seed));
        self.disk.set_faults(Faults { sync_fails_at, ..Faults::default() });
    }

    /// It becomes full soon, for a while. What the store holds back for that may be gone when it is given up.
    pub(super) fn fills(&mut self) {
        let (after, tries) = (self.rng.below(FULL_AFTER_MAX), 1 + self.rng.below(FULL_TRIES_MAX));
        self.disk.fill(after, tries, self.rng.chance(1, 2));
    }

    /// Its process starts, and may die or see a sync fail before it is there.
    pub(super) fn starts(&mut self, dies: bool, sync_fails: bool) {
        match (dies, sync_fails) {
            (true, _) => self.dies_soon(),
            (_, true) => self.sync_fails(),
            _ => {}
        }
    }

    /// The process dies before one of its next operations.
    fn dies_soon(&mut self) {
        let most = *self.rng.pick(&OPERATIONS_MAX);
        let at = self.disk.operation_count() + self.rng.below(most);
        self.disk.set_faults(Faults { power_fails_at: Some(at), ..Faults::default() });
    }

    /// What was to go wrong does not, if it has not by now.
    pub(super) fn heal(&mut self) {
        self.disk.set_faults(Faults::default()); // mutant sim-disk-never-heals: self.disk.power_is_off();
    }

    /// Nothing went wrong while its process started, nor will what was to.
    pub(super) fn lives_on(&mut self) -> bool {
        self.heal();
        !self.disk.power_is_off() && !self.disk.sync_has_failed()
    }

    /// The process dies, in the middle of what it had to do.
    pub(super) fn dies(&mut self, life: Owner, running: &mut Running) {
        self.dies_soon();
        let sweeps = self.rng.chance(1, 3);
        let group = running.group.take();
        // What unwinds is its own end.
        let _ = tasks::as_owner(life, || {
            catch_unwind(AssertUnwindSafe(|| {
                if sweeps {
                    let _ = running.engine.sweep();
                }
                if let (Some(group), Some(log)) = (group, running.log.as_mut()) {
                    let _ = log.append(&group.appends);
                }
            }))
        });
    }

    /// It is dead: what is left is for the next one. Says what was lost; one in two times the power failed.
    fn is_dead(&mut self) -> String {
        if self.disk.take_full() {
            *self.befell.entry(FULL).or_default() += 1;
        }
        self.disk.power_off();
        let image = self.disk.image();
        if !self.rng.chance(1, 2) {
            self.disk = Disk::forgetful(image);
            return String::new();
        }
        let mut befell = Counts::from([(POWER_LOST, 1)]);
        let mut draws = Draws::new(self.rng.next_u64());
        let left = image.crash(&mut draws, Kinds::ALL, &mut befell); // mutant sim-disk-keeps-all: let left = image.settled();
        self.disk = Disk::forgetful(left);
        let told: Vec<String> = befell.iter().map(|(what, times)| format!("{times} {what}")).collect();
        befell.into_iter().for_each(|(what, times)| *self.befell.entry(what).or_default() += times);
        format!(": {}", told.join(", "))
    }

    /// Whether a store is there that is whole, as `nigh verify` says.
    fn verify(&self) -> Result<(), String> {
        let disk = Disk::forgetful(self.disk.image());
        verify_on(&(Arc::new(disk) as Arc<_>)).map(drop).map_err(|error| error.to_string())
    }
}

/// Processes on a disk.
impl World {
    /// The process is dead: what is left on its disk is for its next life.
    pub(super) fn lose_disk(&mut self, life: Owner) {
        let Some(disk) = self.store.disk() else { return };
        let operations = disk.disk.operation_count();
        let left = disk.is_dead();
        let mut book = self.board.book();
        book.mark(5 << 32 | u64::from(life.node), format!("{operations} {left}").as_bytes());
        book.note(|| format!("process {} leaves its disk after {operations} operations{left}", life.node));
    }

    /// It died before it was there; somebody starts it again.
    pub(super) fn died_while_it_started(&mut self, stage: &mut Stage<Event>, owner: Owner) {
        self.board.book().note(|| format!("process {} dies while it starts", owner.node));
        self.lose_disk(owner);
        stage.push(stage.now() + nanos(SOON), Event::Start(owner.node));
    }

    /// At the end of a run: whatever the power takes now, all is there again, and the files are whole.
    pub(super) fn start_once_more(&mut self, stage: &mut Stage<Event>) {
        let owner = self.owner;
        if self.store.disk().is_none() {
            return;
        }
        self.end(stage, owner);
        self.begin(stage, owner);
        if let Some(running) = &self.processes[usize::from(owner)].up {
            self.board.book().compare_states(&running.engine);
        }
        self.end(stage, owner);
        let whole = self.store.disk().map_or(Ok(()), |disk| disk.verify());
        if let Err(why) = whole {
            self.violate(format!("the store is whole: {why}"));
        }
    }
}

#[cfg(test)]
mod tests;
