//! Writes back what changed and cuts the log behind it, on a thread of its own.
//!
//! A sweep notes the last durable group and where each shard's log stood, writes a row for everything that
//! changed before that, each row in a durable transaction of at most 256, and only then lets the log be cut
//! below the noted group. A row holds only what is durable in the log.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use nigh_proto::shards::{Position, ShardId};
use nigh_wire::Bytes;

use crate::buggify;
use crate::exit::EXIT_STORE;
use crate::shards::commit::Progress;
use crate::shards::owner::Owner;
use crate::store::{GroupId, ROWS_PER_WRITE_MAX, RowWrite, Rows, StoreError};

/// First byte of a table row's key in the state file.
pub(crate) const TABLE_ROW: u8 = b't';
/// How long to wait for a change that is not durable yet before looking again.
const DURABLE_WAIT: Duration = Duration::from_millis(2);

/// A longer log is swept before its time, in bytes: what a start replays in a tenth of a second or so.
const LOG_SIZE_SOFT: u64 = 64 << 20;
/// How often the log's length is looked at, in parts of the time between sweeps.
const LOOKS: u32 = 8;

/// Sweeps every `every`, or when the log has grown long, until `stop` is dropped, and once more then.
pub(crate) fn run(
    owner: &Arc<Owner>,
    rows: &dyn Rows,
    progress: &Progress,
    every: Duration,
    stop: &Receiver<()>,
) {
    // What was replayed at the start is swept first.
    let mut swept = GroupId(0);
    loop {
        let mut last = false;
        for _ in 0..LOOKS {
            last = stop.recv_timeout(every / LOOKS) != Err(RecvTimeoutError::Timeout);
            if last || progress.log_size() > LOG_SIZE_SOFT {
                break;
            }
        }
        if progress.group() > swept || last {
            let done = sweep(owner, rows, progress);
            swept = done.unwrap_or_else(|error| owner.clock.end(&error.to_string(), EXIT_STORE));
        }
        if last {
            return;
        }
    }
}

/// One sweep; returns the group below which all is written back.
fn sweep(owner: &Arc<Owner>, rows: &dyn Rows, progress: &Progress) -> Result<GroupId, StoreError> {
    let mut sweep = Sweep::begin(owner, progress);
    loop {
        match sweep.step(owner, rows, progress)? {
            Stepped::On => {}
            Stepped::Waits => std::thread::park_timeout(DURABLE_WAIT),
            Stepped::Done => return Ok(sweep.group),
        }
    }
}

/// A sweep under way: what was dirty when it began.
pub(crate) struct Sweep {
    group: GroupId,
    left: Vec<(ShardId, Position)>,
    /// Of those, shards that have something from before which is not durable yet.
    waiting: Vec<(ShardId, Position)>,
    writes: Vec<RowWrite>,
}

/// How far a step of a sweep came.
pub(crate) enum Stepped {
    /// There may be more to write.
    On,
    /// Something is not durable yet: later.
    Waits,
    /// All is written back and the log may be cut.
    Done,
}

impl Sweep {
    /// When it is done, all up to this group is written back.
    pub(crate) fn group(&self) -> GroupId {
        self.group
    }

    /// Notes what there is to write back.
    pub(crate) fn begin(owner: &Arc<Owner>, progress: &Progress) -> Self {
        // The group first: what is durable by then is below the positions read after it.
        let group = progress.group();
        let since: Vec<Position> = {
            let clock = owner.clock.wall();
            let mut core = owner.core();
            for shard in 0..core.shards.len() {
                core.shards[shard].sweep(clock);
                core.mark(ShardId(shard as u32));
            }
            core.shards.iter().map(|s| s.durable()).collect()
        };
        owner.kick();
        let left = since.into_iter().enumerate().map(|(shard, since)| (ShardId(shard as u32), since));
        // The first stands last, and is taken first: rows are written in order.
        Sweep { group, left: left.rev().collect(), waiting: Vec::new(), writes: Vec::new() }
    }

    /// Writes at most one transaction of rows, if there are so many.
    pub(crate) fn step(
        &mut self,
        owner: &Arc<Owner>,
        rows: &dyn Rows,
        progress: &Progress,
    ) -> Result<Stepped, StoreError> {
        while let Some((shard, since)) = self.left.pop() {
            let (found, clean) = collect(owner, shard, since, &mut self.writes);
            match (clean, found) {
                (true, _) => {}
                (false, 0) => self.waiting.push((shard, since)),
                (false, _) => self.left.push((shard, since)),
            }
            let alone = !self.writes.is_empty() && buggify!("sweep.rows.alone");
            if self.writes.len() >= ROWS_PER_WRITE_MAX || alone {
                write(rows, &mut self.writes)?;
                return Ok(Stepped::On);
            }
        }
        if !self.waiting.is_empty() {
            self.left.extend(self.waiting.drain(..).rev());
            return Ok(Stepped::Waits);
        }
        write(rows, &mut self.writes)?;
        rows.swept(GroupId(self.group.0 + 1))?;
        #[rustfmt::skip]
        progress.cut_below(GroupId(self.group.0 + 1)); // mutant cut-past-sweep: progress.cut_below(GroupId(self.group.0 + 2));
        Ok(Stepped::Done)
    }
}

/// Writes rows in key order, which is several times cheaper, in transactions that no commit waits long for.
fn write(rows: &dyn Rows, writes: &mut Vec<RowWrite>) -> Result<(), StoreError> {
    for chunk in writes.chunks(ROWS_PER_WRITE_MAX) {
        rows.write(chunk)?;
    }
    writes.clear();
    Ok(())
}

/// Adds rows of what is durable of one shard: how many, and whether nothing from before `since` is left.
fn collect(owner: &Owner, shard: ShardId, since: Position, writes: &mut Vec<RowWrite>) -> (usize, bool) {
    let before = writes.len();
    let mut core = owner.core();
    let machine = &mut core.shards[shard.0 as usize];
    let durable = machine.durable();
    // What was swept changed between two records: the one before is durable.
    let last = Position(durable.0.saturating_sub(1));
    for (key, row) in machine.dirty_rows(ROWS_PER_WRITE_MAX) {
        let position = row.as_ref().map_or(last, |row| row.position.min(last));
        let value = row.as_ref().map(nigh_wire::encode);
        writes.push(RowWrite { shard, key: table_key(&key), position, value });
    }
    let tables_clean = machine.rows_through() >= since;
    writes.extend(core.memory.sweep(shard, since, durable, ROWS_PER_WRITE_MAX));
    let clean = tables_clean && !core.memory.is_dirty(shard, since);
    (writes.len() - before, clean)
}

/// Key of a table's row in the state file.
fn table_key(key: &nigh_proto::shards::row::TableKey) -> Bytes {
    let mut out = nigh_wire::Out::with_capacity(64);
    out.byte(TABLE_ROW);
    nigh_wire::Wire::encode(key, &mut out);
    out.into_bytes()
}
