//! Writes back what changed and cuts the log behind it, on a thread of its own.
//!
//! A sweep notes the last durable group and where each shard's log stood, writes a row for everything that
//! changed before that, some hundred rows in each durable transaction, and only then lets the log be cut
//! below the noted group. A row holds only what is durable in the log. While the disk is full a sweep waits where it is.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use nigh_proto::shards::{Position, ShardId};

use crate::buggify;
use crate::exit::EXIT_STORE;
use crate::shards::commit::{Progress, ROOM_LOOK_EVERY};
use crate::shards::memory::{Name, SWEEP_SIZE_MAX, Written};
use crate::shards::owner::Owner;
use crate::shards::records;
use crate::store::{GroupId, ROWS_PER_WRITE_MAX, RowWrite, Rows, StoreError};

/// How long to wait for a change that is not durable yet before looking again.
const DURABLE_WAIT: Duration = Duration::from_millis(2);

/// A longer log is swept before its time, in bytes: what a start replays in some tenths of a second.
const LOG_SIZE_SOFT: u64 = 64 << 20;
/// How often the log's length is looked at, in parts of the time between sweeps.
const LOOKS: u32 = 8;

/// Rows of entities made under one lock: calls of a lane wait for it a tenth of a millisecond or so.
const ROWS_PER_LOOK_MAX: usize = 64;
/// Rows for which a transaction is worth its own pages, some 100 KiB. One more look at entities still fits; with what is
/// remembered of calls it may be two transactions.
const ROWS_WORTH_WRITING: usize = ROWS_PER_WRITE_MAX - ROWS_PER_LOOK_MAX;

/// At a stop: one for what changed, which gives what became its default a row; one for what was not durable when that began;
/// and one that removes those rows.
const LAST_SWEEPS_MAX: u32 = 3;

/// Sweeps every `every`, or when the log has grown long or memory tight, until `stop` is dropped, and then as often as there
/// are rows to remove.
pub(crate) fn run(
    owner: &Arc<Owner>,
    rows: &dyn Rows,
    progress: &Progress,
    every: Duration,
    stop: &Receiver<()>,
) {
    // What was replayed at the start is swept first.
    let (mut swept, mut stopped, mut lasts) = (GroupId(0), false, 0);
    loop {
        for _ in 0..LOOKS {
            stopped = stopped || is_over(stop, every / LOOKS);
            // Found under the lock, dropped without it.
            let gone: Vec<_> = owner.cores().flat_map(|mut core| core.memory.take_gone()).collect();
            drop(gone);
            if stopped || progress.log_size() > LOG_SIZE_SOFT || owner.budget.is_tight() {
                break;
            }
        }
        let last = stopped;
        // While the disk is full, none begins: it would have something to append.
        let begins = progress.group() > swept && !owner.is_disk_full();
        if begins || last {
            let pause = |rows| {
                let wait = progress.pause(owner.clock.now(), every, rows, owner.rows_changed());
                !wait.is_zero() && is_over(stop, wait)
            };
            let waits = || is_over(stop, ROOM_LOOK_EVERY);
            match sweep(owner, rows, progress, last, (pause, waits)) {
                Ok((group, over)) => (swept, stopped) = (group, over),
                Err(error) => owner.clock.end(&error.to_string(), EXIT_STORE),
            }
        }
        lasts += u32::from(last);
        let over = last && !owner.cores().any(|core| core.memory.has_any_emptied()); // mutant stop-leaves-emptied-rows: let over = last;
        if over || lasts == LAST_SWEEPS_MAX {
            return;
        }
    }
}

/// Waits; true if nothing more is to come.
fn is_over(stop: &Receiver<()>, wait: Duration) -> bool {
    stop.recv_timeout(wait) != Err(RecvTimeoutError::Timeout)
}

/// One sweep; returns the group below which all is written back, and `hurries`, or what `pause` said: from then on
/// there are no pauses. For the second of the two it waits while the disk is full, if it does not hurry.
fn sweep(
    owner: &Arc<Owner>,
    rows: &dyn Rows,
    progress: &Progress,
    mut hurries: bool,
    (mut pause, mut wait): (impl FnMut(usize) -> bool, impl FnMut() -> bool),
) -> Result<(GroupId, bool), StoreError> {
    let mut sweep = Sweep::begin(owner, progress);
    loop {
        // Nothing becomes durable on a full disk.
        let mut full = owner.is_disk_full();
        match sweep.step(owner, rows, progress) {
            Ok(Stepped::On(rows)) => hurries = hurries || pause(rows),
            Ok(Stepped::Waits) if full => {}
            Ok(Stepped::Waits) => std::thread::park_timeout(DURABLE_WAIT),
            Ok(Stepped::Done) => return Ok((sweep.group, hurries)),
            Err(StoreError::Full) => {
                // The committer looks for room from now on, and nothing new is taken in.
                owner.bell.ring_again();
                full = true;
            }
            Err(error) => return Err(error),
        }
        if full && hurries {
            // What is not written back stands in the log.
            return Ok((GroupId(0), true));
        }
        hurries = hurries || full && wait(); // mutant sweep-deaf-on-full-disk: hurries = hurries || full && wait() && hurries;
    }
}

/// A sweep under way: what was dirty when it began.
pub(crate) struct Sweep {
    group: GroupId,
    /// Durable when it began, at the latest: not repeated by a start once it has ended.
    settled: Vec<Position>,
    left: Vec<Left>,
    /// Of those, shards that have something from before which is not durable yet.
    waiting: Vec<Left>,
    /// Where their logs stood, durably and at all, when they were looked at.
    stood: Vec<(ShardId, Position, Position)>,
    /// They stood there at the look before, too: until that moves, another finds nothing. (One look may stage what the
    /// next finds.)
    stalled: bool,
    /// So the last step found it.
    rested: bool,
    /// A method ran on what was looked at.
    busy: bool,
    writes: Vec<RowWrite>,
    /// Bytes of their values.
    size: usize,
    /// What is in them, by lane.
    written: Vec<(usize, Vec<Written>)>,
    /// Shards that gave rows of what they remember of calls.
    given: Vec<ShardId>,
}

/// A shard that is not written back yet.
struct Left {
    shard: ShardId,
    since: Position,
    /// Where to go on.
    from: Option<Name>,
    /// Something was passed over that is not durable yet.
    waits: bool,
}

/// How far a step of a sweep came.
pub(crate) enum Stepped {
    /// So many rows were written, and there may be more.
    On(usize),
    /// Something is not durable yet: later.
    Waits,
    /// All is written back and the log may be cut.
    Done,
}

impl Sweep {
    /// True if its last step looked at nothing: nothing had moved.
    pub(crate) fn rests(&self) -> bool {
        self.rested
    }

    /// When it is done, all up to this group is written back.
    pub(crate) fn group(&self) -> GroupId {
        self.group
    }

    /// Notes what there is to write back.
    pub(crate) fn begin(owner: &Arc<Owner>, progress: &Progress) -> Self {
        // What is settled and the last group at once, then what there is: what is settled is in groups up to that one,
        // and what those hold is below the places noted last.
        let (settled, group) = progress.noted(|| places(owner));
        let clock = owner.clock.wall();
        owner.cores().for_each(|mut core| core.sweep(clock));
        let since = places(owner);
        owner.kick();
        let left = since.into_iter().enumerate().map(|(shard, since)| Left {
            shard: ShardId(shard as u32),
            since,
            from: None,
            waits: false,
        });
        // The first stands last, and is taken first: rows are written in order.
        let left = left.rev().collect();
        let (waiting, stood, given) = (vec![], vec![], vec![]);
        let (stalled, rested, busy) = (false, false, false);
        let (writes, size, written) = (vec![], 0, vec![]);
        Sweep { group, settled, left, waiting, stood, stalled, rested, busy, writes, size, written, given }
    }

    /// Writes at most one transaction of rows, if there are so many.
    pub(crate) fn step(
        &mut self,
        owner: &Arc<Owner>,
        rows: &dyn Rows,
        progress: &Progress,
    ) -> Result<Stepped, StoreError> {
        self.rested = self.is_stalled(owner);
        if self.rested {
            return Ok(Stepped::Waits);
        }
        self.stalled = false;
        while let Some(left) = self.left.pop() {
            self.collect(owner, left)?;
            let alone = !self.writes.is_empty() && buggify!("sweep.rows.alone");
            // Large ones sooner: the log's sync waits behind them.
            let large = self.size >= SWEEP_SIZE_MAX; // mutant large-rows-together: let large = self.size == usize::MAX;
            let many = large || self.writes.len() >= ROWS_WORTH_WRITING;
            if many || alone {
                return Ok(Stepped::On(self.write(owner, rows)?));
            }
        }
        self.write(owner, rows)?;
        records::let_go(owner);
        if !self.waiting.is_empty() {
            self.look_back(owner);
            self.left.extend(self.waiting.drain(..).rev());
            return Ok(Stepped::Waits);
        }
        rows.swept(GroupId(self.group.0 + 1))?;
        owner.cores().for_each(|mut core| core.memory.cut(&self.settled));
        #[rustfmt::skip]
        progress.cut_below(GroupId(self.group.0 + 1)); // mutant cut-past-sweep: progress.cut_below(GroupId(self.group.0 + 2));
        owner.bell.ring_again();
        records::age(owner, rows)?;
        Ok(Stepped::Done)
    }

    /// Notes where the logs of those stand that wait.
    fn look_back(&mut self, owner: &Owner) {
        let stands = |left: &Left| {
            let mut core = owner.core_of(left.shard);
            let machine = core.machine(left.shard);
            (left.shard, machine.durable(), machine.next())
        };
        let stood = self.waiting.iter().map(stands).collect();
        self.stalled = !std::mem::take(&mut self.busy) && stood == self.stood;
        self.stood = stood;
    }

    /// True if another look would find nothing.
    fn is_stalled(&self, owner: &Owner) -> bool {
        if !self.stalled {
            return false;
        }
        let same = |(shard, durable, next): &(ShardId, Position, Position)| {
            let mut core = owner.core_of(*shard);
            let machine = core.machine(*shard);
            let stands = machine.durable() == *durable && machine.next() == *next; // mutant sweep-stalls: let stands = true;
            stands && !core.memory.has_emptied(*shard)
        };
        self.stood.iter().all(same)
    }

    /// Writes rows in key order, which is several times cheaper, in transactions that no commit waits long for. Returns how many.
    fn write(&mut self, owner: &Owner, rows: &dyn Rows) -> Result<usize, StoreError> {
        let count = self.writes.len();
        for chunk in self.writes.chunks(ROWS_PER_WRITE_MAX) {
            rows.write(chunk)?;
        }
        self.writes.clear();
        self.size = 0;
        for (lane, written) in self.written.drain(..) {
            owner.core(lane).memory.wrote(written);
        }
        for shard in self.given.drain(..) {
            owner.core_of(shard).machine(shard).rows_written();
        }
        // A lane that changes nothing has what nobody asks for, too.
        owner.cores().for_each(|mut core| core.memory.let_written_go());
        Ok(count)
    }

    /// Adds rows of what is durable of one shard, and says what is left of it.
    fn collect(&mut self, owner: &Owner, mut left: Left) -> Result<(), StoreError> {
        let Left { shard, since, .. } = left;
        let before = self.writes.len();
        let mut core = owner.core_of(shard);
        let machine = core.machine(shard);
        let durable = machine.durable();
        // What was swept changed between two records: the one before is durable.
        let last = Position(durable.0.saturating_sub(1));
        let changed = machine.dirty_rows(ROWS_PER_LOOK_MAX);
        self.given.extend((!changed.is_empty()).then_some(shard));
        for (key, row) in changed {
            let position = row.as_ref().map_or(last, |row| row.position.min(last));
            let value = row.as_ref().map(nigh_wire::encode);
            self.writes.push(RowWrite { shard, key: records::row_key(&key), position, value });
        }
        let tables_clean = machine.rows_through() >= since;
        let found = core.memory.sweep(shard, since, durable, left.from.clone(), ROWS_PER_LOOK_MAX)?;
        let gone = core.memory.take_gone();
        drop(core);
        drop(gone);
        self.writes.extend(found.rows);
        let values = self.writes[before..].iter().filter_map(|row| row.value.as_ref());
        self.size += values.map(|value| value.len()).sum::<usize>();
        self.written.push((owner.lanes().of(shard), found.written));
        left.waits |= found.waits;
        self.busy |= found.busy;
        if !found.cold.is_empty() {
            // What stands before them is written, and not found again.
            owner.load_all(found.cold.into_iter().map(|(name, key)| (shard, name, key)))?;
            self.left.push(left);
            return Ok(());
        }
        if found.more {
            self.left.push(Left { from: found.next, ..left });
        } else if left.waits || !tables_clean {
            let list = if self.writes.len() > before { &mut self.left } else { &mut self.waiting };
            list.push(Left { from: None, waits: false, ..left });
        }
        Ok(())
    }
}

/// Where each shard's log stands, durably.
fn places(owner: &Owner) -> Vec<Position> {
    let mut places = vec![Position(0); owner.lanes().shards() as usize];
    for core in owner.cores() {
        core.shards.iter().for_each(|machine| places[machine.id().0 as usize] = machine.durable());
    }
    places
}
