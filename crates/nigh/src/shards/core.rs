//! What is read and changed between two methods of one lane: its shards' machines, its entities, and what each is to be
//! asked.
//!
//! Behind the lane's lock, which is never held while a method runs. Nothing here waits or runs anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nigh_proto::Instant;
use nigh_proto::calls::tally::{CalleeLine, Tally};
use nigh_proto::shards::shard::{Permit, Release, Shard};
use nigh_proto::shards::{Epoch, ShardId};
use nigh_wire::{CallId, Time};

use crate::clock::Clock;
use crate::exit::EXIT_STORE;
use crate::shards::lanes::Lanes;
use crate::shards::memory::Memory;
use crate::shards::reply::{Delivery, ReplyTo, What};
use crate::store::StoreError;

/// What is read and changed between two methods.
pub(crate) struct Core {
    lanes: Lanes,
    /// The lane's, in order.
    pub(crate) shards: Vec<Shard<ReplyTo>>,
    pub(crate) memory: Memory,
    /// Shards with records nobody asked the log to keep yet.
    appendable: Vec<ShardId>,
    /// In the order of `shards`: it is among the appendable.
    marked: Vec<bool>,
    /// How many there are in all lanes: read without a lock, which the committer may hold.
    all: Arc<AtomicUsize>,
    pub(crate) running: Option<Running>,
    /// A method was given up as stuck: what it still does is not to be believed, and the process ends.
    pub(crate) ending: bool,
    /// Where the next method's random numbers start.
    seed: u64,
    /// Others may take shards up: whether one is still ours is to be asked (R7).
    shared: bool,
    /// Shards of which that is to be asked now.
    asking: Vec<ShardId>,
    pub(crate) clock: Clock,
    /// What came of copies that somebody took up; that they came is counted where they wait.
    pub(crate) tally: Tally<CalleeLine>,
}

/// The method that runs now.
pub(crate) struct Running {
    pub(crate) since: Instant,
    /// Its number.
    pub(crate) method: u32,
    /// Of a writing method: whoever runs it leaves it here, so that it can be given up without them.
    pub(crate) permit: Option<(ShardId, Permit<ReplyTo>)>,
    pub(crate) named: bool,
}

impl Core {
    /// As after a start: nothing runs. `all` counts shards of all lanes that have something to append.
    pub(crate) fn new(
        clock: Clock,
        lanes: Lanes,
        shards: Vec<Shard<ReplyTo>>,
        memory: Memory,
        shared: bool,
        all: Arc<AtomicUsize>,
    ) -> Self {
        Core {
            lanes,
            marked: vec![false; shards.len()],
            shards,
            memory,
            appendable: vec![],
            all,
            running: None,
            ending: false,
            seed: clock.entropy() as u64 | 1,
            shared,
            asking: vec![],
            clock,
            tally: Tally::default(),
        }
    }

    /// A shard of this lane.
    pub(crate) fn machine(&mut self, shard: ShardId) -> &mut Shard<ReplyTo> {
        &mut self.shards[self.lanes.at(shard)]
    }

    /// Shards of which is to be asked whether they are still ours, and under which epoch.
    pub(crate) fn take_asking(&mut self) -> Vec<(ShardId, Epoch)> {
        if self.asking.is_empty() {
            return Vec::new();
        }
        let asking = std::mem::take(&mut self.asking);
        asking.into_iter().map(|shard| (shard, self.machine(shard).epoch())).collect()
    }

    /// Remembers that a shard may have something to append.
    pub(crate) fn mark(&mut self, shard: ShardId) {
        let at = self.lanes.at(shard);
        if self.shards[at].next() > self.shards[at].durable()
            && !std::mem::replace(&mut self.marked[at], true)
        {
            self.appendable.push(shard);
            self.all.fetch_add(1, Ordering::Release);
        }
    }

    /// The shards that may have something to append.
    pub(crate) fn take_appendable(&mut self) -> Vec<ShardId> {
        for shard in &self.appendable {
            self.marked[self.lanes.at(*shard)] = false;
        }
        self.all.fetch_sub(self.appendable.len(), Ordering::Release);
        std::mem::take(&mut self.appendable)
    }

    /// True if everything in the shard's memory is in the log.
    pub(crate) fn is_durable(&self, shard: ShardId) -> bool {
        let machine = &self.shards[self.lanes.at(shard)];
        machine.durable() == machine.next()
    }

    /// Where a method's random numbers start: a walk of xorshift64 from the system's entropy. Consecutive seeds
    /// must not be consecutive numbers, since a method counts up from its own.
    pub(crate) fn next_seed(&mut self) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed
    }

    /// A caller has gone, this was its last id, and it knows all it asked for.
    pub(crate) fn bye(&mut self, last: CallId) {
        for at in 0..self.shards.len() {
            self.shards[at].bye(last);
            self.mark(self.shards[at].id());
        }
    }

    /// A sweep begins: the machines note what is theirs to note.
    pub(crate) fn sweep(&mut self, clock: Time) {
        for at in 0..self.shards.len() {
            self.shards[at].sweep(clock);
            self.mark(self.shards[at].id());
        }
    }

    /// What the shard lets go now.
    pub(crate) fn releases(&mut self, shard: ShardId) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        self.release_into(shard, &mut deliveries);
        deliveries
    }

    /// As [`Core::releases`], added to what others let go.
    pub(crate) fn release_into(&mut self, shard: ShardId, deliveries: &mut Vec<Delivery>) {
        self.mark(shard);
        let machine = &mut self.shards[self.lanes.at(shard)];
        if machine.poll_confirm() {
            let shared = self.shared; // mutant confirm-unasked: let shared = false;
            if shared {
                self.asking.push(shard);
            } else {
                // R7: a directory is locked by this process, so no other owner can have taken the shard since.
                machine.handle_confirmed(true);
            }
        }
        while let Some(release) = machine.poll_release() {
            deliveries.push(match release {
                Release::Answer(to, answer) => Delivery { to, what: What::Answer(answer) },
                Release::View(to, version) => Delivery { to, what: What::Read(version) },
            });
        }
    }

    /// Rows that wait to be written back: of entities, and of what is remembered of calls.
    pub(crate) fn rows_changed(&self) -> usize {
        #[rustfmt::skip]
        let remembered: usize = self.shards.iter().map(|shard| shard.rows_changed()).sum(); // mutant pace-of-entities-alone: let remembered: usize = 0;
        self.memory.dirty() + remembered
    }
}

/// The state file is unreadable: nothing more can be answered truthfully. The next start says where.
pub(crate) fn fatal(clock: &Clock, error: &StoreError) -> ! {
    clock.end(&error.to_string(), EXIT_STORE)
}
