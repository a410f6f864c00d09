//! The committer: one thread, one durable transaction for all that waits, no timer (R5, R8, R9).
//!
//! What arrives while a group is synced is the next group. A group for which the disk has no room is kept, and appended
//! once there is some; meanwhile nothing new is taken in. It never runs a method and never decides whether an answer may
//! leave: it tells the machines what is durable.
//! While callers wait for the processor it rests between two groups, as `nigh_proto::shards::rest` says.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nigh_proto::Instant;
use nigh_proto::shards::pace::{Pace, is_log_full};
use nigh_proto::shards::rest::Rest;

use crate::buggify;
use crate::exit::EXIT_STORE;
use crate::shards::owner::Owner;
use crate::shards::reply::Delivery;
use crate::store::{Append, AppendError, Appended, GROUP_SIZE_MAX, GroupId, Log, StoreError};

/// What the committer shares with the sweeper and with those who count.
#[derive(Default)]
pub(crate) struct Progress {
    /// The last group known to be durable. Held until all machines know of it.
    group: Mutex<GroupId>,
    /// Groups and records appended since the start.
    pub(crate) groups: AtomicU64,
    pub(crate) records: AtomicU64,
    /// Bytes of the log that were not cut.
    log_size: AtomicU64,
    /// The lane with which the next group begins: the first of which the last one had no room for all.
    first_lane: AtomicUsize,
    /// The log may be cut below this group; 0: not yet. Groups are numbered from 1 on.
    cut: AtomicU64,
    pace: Mutex<Pace>,
}

impl Progress {
    /// Of a log whose next group this is: those below are durable, and were replayed.
    pub(crate) fn starting_at(next: GroupId) -> Self {
        Progress { group: Mutex::new(GroupId(next.0.saturating_sub(1))), ..Progress::default() }
    }
    /// The last group known to be durable.
    pub(crate) fn group(&self) -> GroupId {
        self.noted(|| ()).1
    }
    /// This group is durable: `tell` tells the machines, lane after lane. No sweep notes anything in the midst of it: it would
    /// let the log be cut behind records of which the machines still say that they are not durable.
    pub(crate) fn handle_durable<T>(&self, group: GroupId, tell: impl FnOnce() -> T) -> T {
        let mut last = self.group.lock().expect("no user code runs under this lock");
        *last = group;
        #[rustfmt::skip]
        let told = tell(); // mutant sweep-amid-a-group: let told = { drop(last); tell() };
        told
    }
    /// What `note` finds of the machines, and the last group they were told of.
    pub(crate) fn noted<T>(&self, note: impl FnOnce() -> T) -> (T, GroupId) {
        let group = self.group.lock().expect("no user code runs under this lock");
        (note(), *group)
    }
    /// Bytes of the log that were not cut.
    pub(crate) fn log_size(&self) -> u64 {
        self.log_size.load(Ordering::Relaxed)
    }
    /// True if the log is to be cut.
    pub(crate) fn may_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire) != 0
    }
    fn take_cut(&self) -> Option<GroupId> {
        self.may_cut().then(|| GroupId(self.cut.swap(0, Ordering::AcqRel)))
    }
    /// How long to wait before the next rows are written, as many as those before, of `dirty` in all, within `spread`.
    pub(crate) fn pause(&self, now: Instant, spread: Duration, rows: usize, dirty: usize) -> Duration {
        let mut pace = self.pace.lock().expect("holders only count");
        pace.wait(now, spread, rows, dirty, self.log_size())
    }
    /// Everything below `group` is in the state file.
    pub(crate) fn cut_below(&self, group: GroupId) {
        self.cut.store(group.0, Ordering::Release);
    }
}

/// How often a full disk is looked at: soon for whoever asks again, seldom for the disk.
pub(crate) const ROOM_LOOK_EVERY: Duration = Duration::from_millis(100);

/// Answers that the committer hands out itself: waking more takes longer than the lone caller's change of threads
/// that it spares, about 2 µs each.
const HANDED_OUT_HERE_MAX: usize = 8;

/// How long the committer stays awake after a group: what waking it would take, about.
const AWAKE_MAX: Duration = Duration::from_micros(50);

/// Appends until told to stop; then what is left. What was swept by then is cut off at once: the next start finds nothing
/// to repeat.
pub(crate) fn run(owner: &Arc<Owner>, mut log: Box<dyn Log>, progress: &Progress) {
    let mut rest = Rest::default();
    loop {
        look(owner, log.as_mut());
        let stop = {
            let mut heard = owner.bell.heard();
            while !owner.bell.is_rung() && !heard.stop && !owner.is_disk_full() {
                heard = owner.bell.wait(heard);
            }
            if !owner.bell.is_rung() && !heard.stop {
                heard = owner.bell.wait_within(heard, ROOM_LOOK_EVERY);
            }
            owner.bell.unring(&heard);
            heard.stop
        };
        while append(owner, log.as_mut(), progress) {
            look(owner, log.as_mut());
            if rested(owner, &mut rest) {
                continue;
            }
            // Whoever was just answered asks again: on a busy machine one turn of the scheduler fills the next
            // group, and on an idle one this returns at once.
            std::thread::yield_now();
            look_out(owner);
        }
        if stop {
            let cut = progress.take_cut();
            let done = cut.map_or(Ok(()), |below| log.cut(below)).and_then(|()| log.cut_now());
            if let Err(error) = done {
                // Nothing is lost: the next start reads more.
                tracing::warn!("the log was not cut: {error}");
            }
            return;
        }
    }
}

/// Leaves the processor to callers as long as they need it more. False: they do not.
fn rested(owner: &Owner, rest: &mut Rest) -> bool {
    let mut steps = 0;
    loop {
        let (taken, untaken) = owner.untaken();
        let Some(step) = rest.poll(taken, untaken) else { return steps > 0 };
        owner.bell.rest(step);
        steps += 1;
    }
}

/// Looks out for more to append, for a moment: a lone caller asks again sooner than a thread that sleeps is woken.
fn look_out(owner: &Owner) {
    let until = owner.clock.now().saturating_add(AWAKE_MAX);
    while !owner.has_appends() && owner.clock.now() < until {
        std::thread::yield_now();
    }
}

/// Whether the disk has room for more than what is under way.
pub(crate) fn look(owner: &Owner, log: &mut dyn Log) {
    found(owner, !log.has_room());
}

fn found(owner: &Owner, full: bool) {
    if full == owner.is_disk_full() {
        return;
    }
    owner.set_disk_full(full); // mutant full-disk-taken-in: owner.set_disk_full(false);
    if full {
        tracing::error!("the disk is full: calls that write are refused as overloaded until there is room");
    } else {
        tracing::info!("the disk has room again: calls that write are taken in");
    }
}

/// Appends one group, if there is anything to append, once there is room.
fn append(owner: &Arc<Owner>, log: &mut dyn Log, progress: &Progress) -> bool {
    owner.bell.wait_for_batches(|| owner.clock.now()); // mutant batch-not-waited-for: let _ = &owner.bell;
    let Some(mut group) = gather(owner, log, progress) else { return false };
    loop {
        let begun = owner.clock.now();
        let appended = log.append(&group.appends);
        let took = owner.clock.now().saturating_since(begun);
        progress.pace.lock().expect("holders only count").handle_commit(took);
        match handle_appended(owner, log, progress, group, appended) {
            None => return true,
            Some(again) => group = again,
        }
        let heard = owner.bell.heard();
        if heard.stop || owner.bell.wait_within(heard, ROOM_LOOK_EVERY).stop {
            tracing::error!(
                "stopped while the disk is full: calls under way are not done, and were not answered"
            );
            return false;
        }
    }
}

/// What is appended in one durable transaction.
pub struct Group {
    /// One of each shard.
    pub appends: Vec<Append>,
}

/// One blob of every shard that has something to append, up to [`GROUP_SIZE_MAX`]. The log is cut first, if it may be.
pub(crate) fn gather(owner: &Owner, log: &mut dyn Log, progress: &Progress) -> Option<Group> {
    let cut = progress.take_cut();
    if let Some(below) = cut
        && let Err(error) = log.cut(below)
    {
        owner.clock.end(&error.to_string(), EXIT_STORE);
    }
    if let Some(below) = cut {
        make_room(owner, log, progress, below);
    }
    let clock = owner.clock.wall();
    let mut group = Group { appends: Vec::with_capacity(owner.appends()) };
    let (mut size, mut left) = (0, None);
    let (first, lanes) = (progress.first_lane.load(Ordering::Relaxed), owner.lanes().count());
    for lane in (first..lanes).chain(0..first) {
        let mut core = owner.core(lane);
        for shard in core.take_appendable() {
            let full = size >= GROUP_SIZE_MAX; // mutant group-unbounded: let full = size == usize::MAX;
            if full || !group.appends.is_empty() && buggify!("commit.shard.alone") {
                core.mark(shard); // mutant group-rest-lost: let _ = shard;
                left.get_or_insert(lane);
                continue;
            }
            if let Some(append) = core.machine(shard).poll_append(clock) {
                size += append.blob.len();
                group.appends.push(Append {
                    shard,
                    epoch: append.epoch,
                    first: append.first,
                    next: append.next,
                    blob: append.blob,
                });
            }
        }
    }
    progress.first_lane.store(left.unwrap_or(0), Ordering::Relaxed); // mutant group-from-the-front: progress.first_lane.store(left.map_or(0, |_| 0), Ordering::Relaxed);
    (!group.appends.is_empty()).then_some(group)
}

/// A full log is cut at once: while calls are refused nothing is appended, with which it would go.
fn make_room(owner: &Owner, log: &mut dyn Log, progress: &Progress, below: GroupId) {
    let full = is_log_full(log.size_bytes()); // mutant full-log-stays: let full = log.size_bytes() == u64::MAX;
    if full {
        match log.cut_now() {
            Ok(()) => {}
            // Once the disk has room.
            Err(StoreError::Full) => progress.cut_below(below),
            Err(error) => owner.clock.end(&error.to_string(), EXIT_STORE),
        }
        progress.log_size.store(log.size_bytes(), Ordering::Relaxed);
        owner.set_log_full(is_log_full(log.size_bytes()));
    }
}

/// The store has said what became of a group: its answers may leave, or the process ends (R9), or it is given back, to be
/// appended once the disk has room: what is not written was not answered either.
pub(crate) fn handle_appended(
    owner: &Arc<Owner>,
    log: &dyn Log,
    progress: &Progress,
    group: Group,
    appended: Result<Appended, AppendError>,
) -> Option<Group> {
    if matches!(appended, Err(AppendError::Full)) {
        found(owner, true);
        return Some(group); // mutant full-disk-group-dropped: return None;
    }
    let Group { appends } = group;
    let exit = |why: String| -> ! { owner.clock.end(&why, EXIT_STORE) };
    // R9 in its simplest right form: memory is dropped by ending the process; callers resend to the next one.
    let appended = appended.unwrap_or_else(|error| exit(error.to_string())); // mutant failed-append-believed: let appended = appended.unwrap_or(Appended { group: None, items: vec![] });
    let fenced = appended.items.iter().position(Result::is_err); // mutant fenced-ignored: let fenced = None::<usize>;
    if let Some(fenced) = fenced {
        // A directory is locked by its process: there, only a store that lies can fence it.
        let shard = appends[fenced].shard.0;
        exit(format!("shard {shard} of the log was taken by another owner: restart to take it up again"));
    }
    progress.groups.fetch_add(1, Ordering::Relaxed);
    let log_size = log.size_bytes();
    progress.log_size.store(log_size, Ordering::Relaxed);
    let records: u64 = appends.iter().map(|a| a.next.0 - a.first.0).sum();
    progress.records.fetch_add(records, Ordering::Relaxed);
    owner.set_log_full(is_log_full(log_size));
    let deliveries = match appended.group {
        Some(group) => progress.handle_durable(group, || released(owner, &appends)),
        None => released(owner, &appends),
    };
    if deliveries.len() > HANDED_OUT_HERE_MAX {
        owner.hand_out_elsewhere(deliveries);
    } else {
        owner.hand_out(deliveries);
    }
    None
}

/// These shards are durable: what they let go now. They stand by lane.
fn released(owner: &Owner, appends: &[Append]) -> Vec<Delivery> {
    // An answer for each record, mostly.
    let records: u64 = appends.iter().map(|append| append.next.0 - append.first.0).sum();
    let mut deliveries = Vec::with_capacity(records as usize);
    let lane = |append: &Append| owner.lanes().of(append.shard);
    for of_lane in appends.chunk_by(|one, other| lane(one) == lane(other)) {
        let mut core = owner.core(lane(&of_lane[0]));
        for &Append { shard, .. } in of_lane {
            core.machine(shard).handle_appended();
            core.release_into(shard, &mut deliveries);
        }
    }
    deliveries
}

#[cfg(test)]
mod tests;
