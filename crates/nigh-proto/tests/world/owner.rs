//! Two nodes that may own the shard, one after the other or both as far as they know, and their store.
//!
//! A node runs the real [`Shard`] over counters in its memory, one copy at a time. The store is a log whose
//! appends are conditional on epoch and place in one step (R8), and rows of the state file. Nothing here
//! decides what anybody is told.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};

use nigh_proto::calls::callee::Arrival;
use nigh_proto::calls::caller::Slot;
use nigh_proto::calls::request::{Answer, CallRequest, Refusal, Request};
use nigh_proto::shards::record::{Blob, RanOutcome};
use nigh_proto::shards::row::{TableKey, TableRow};
use nigh_proto::shards::shard::{Admission, Append, Finished, Permit, Release, Shard};
use nigh_proto::shards::{Counters, Epoch, Position, ShardId};
use nigh_wire::{Bytes, CallId, Cause, Fingerprint, Reader, Ticket, Time, Wire};

use crate::judge::{About, Judge, value_of};
use crate::script::End;

pub(crate) const SHARD: ShardId = ShardId(0);
pub(crate) const ENTITY: &str = "Counter";
/// Wire names of the writing methods, by their numbers; the view's number is the next.
pub(crate) const METHODS: [&str; 5] = ["inc", "take", "touch", "panic", "unfit"];
pub(crate) const VIEW: u32 = METHODS.len() as u32;

pub(crate) fn commutes(method: &str) -> bool {
    method == "touch"
}

/// Whom an answer is for, and what it is about.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) conn: usize,
    pub(crate) slot: Slot,
    pub(crate) about: About,
}

/// Slots are names: what is asked says as much.
impl Hash for Reply {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.conn, &self.about).hash(state);
    }
}

/// What a node took in and has not begun.
#[derive(Clone, Hash)]
pub(crate) enum Work {
    Ask(usize, Slot, Request),
    Bye(CallId),
}

#[derive(Clone, Default, Hash)]
struct Node {
    shard: Option<Shard<Reply>>,
    /// Its memory of the entities, ahead of the log.
    counts: BTreeMap<Bytes, u64>,
    append: Option<Append>,
    /// The arbiter's answer to the question under way (R7).
    confirmed: Option<bool>,
    inbox: VecDeque<Work>,
    log_time: Time,
}

/// The log and the state file.
#[derive(Clone)]
struct Store {
    epoch: Epoch,
    next: Position,
    blobs: Vec<(Position, Bytes)>,
    /// How many of the blobs were cut.
    cut: usize,
    rows: BTreeMap<TableKey, TableRow>,
    /// Appends that were given up and may still land.
    late: Vec<Append>,
}

#[derive(Clone, Hash)]
pub(crate) struct Owners {
    nodes: [Node; crate::script::NODES as usize],
    store: Store,
}

/// Where a blob ends among others of its time matters to nobody but who cuts the log.
impl Hash for Store {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Store { epoch, next, blobs, cut, rows, late } = self;
        (epoch, next, rows, late, blobs.get(*cut).map(|(first, _)| first)).hash(state);
        let mut last = Time::EPOCH;
        for (_, bytes) in blobs {
            let mut head = Reader::shared(bytes);
            let time = Time::decode(&mut head).expect("it was read before");
            let (first, count) = (Position::decode(&mut head), head.var());
            assert!(first.is_ok() && count.is_ok(), "it was read before");
            if time != last {
                (time, first.ok()).hash(state);
                last = time;
            }
            state.write(&bytes[bytes.len() - head.left()..]);
        }
    }
}

impl Store {
    /// R8: in one step, only under this epoch and at this place. True if it landed.
    fn append(&mut self, append: &Append, judge: &mut Judge) -> bool {
        if append.epoch != self.epoch || append.first != self.next {
            judge.meet("a fenced append");
            return false;
        }
        let blob = Blob::from_bytes(&append.blob).expect("what was written can be read");
        judge.landed(&blob);
        self.next = append.next;
        assert_eq!(self.next.0, judge.next, "an append ends where it says");
        self.blobs.push((append.first, append.blob.clone()));
        true
    }

    fn tail(&self) -> impl Iterator<Item = Blob> {
        self.blobs[self.cut..].iter().map(|(_, bytes)| Blob::sliced(bytes).expect("it was read before"))
    }
}

impl Owners {
    pub(crate) fn new() -> Self {
        let (epoch, next, rows) = (Epoch(0), Position(0), BTreeMap::new());
        let store = Store { epoch, next, blobs: vec![], cut: 0, rows, late: vec![] };
        Owners { nodes: Default::default(), store }
    }

    pub(crate) fn log_time(&self, node: usize) -> Time {
        let Node { shard, log_time, .. } = &self.nodes[node];
        shard.as_ref().map_or(*log_time, Shard::log_time)
    }

    /// Of whoever owns the shard.
    pub(crate) fn counters(&self) -> Counters {
        let shards = self.nodes.iter().filter_map(|node| node.shard.as_ref());
        let owner = shards.into_iter().find(|shard| shard.epoch() == self.store.epoch);
        owner.map(Shard::counters).expect("somebody owns the shard")
    }

    pub(crate) fn owns(&self, node: usize) -> bool {
        self.nodes[node].shard.as_ref().is_some_and(|shard| shard.epoch() == self.store.epoch)
    }

    pub(crate) fn is_up(&self, node: usize) -> bool {
        self.nodes[node].shard.is_some()
    }
    /// There is something to append, and nothing is being appended.
    pub(crate) fn may_append(&self, node: usize) -> bool {
        let Node { shard, append, .. } = &self.nodes[node];
        append.is_none() && shard.as_ref().is_some_and(|shard| shard.durable() < shard.next())
    }
    pub(crate) fn is_appending(&self, node: usize) -> bool {
        self.nodes[node].append.is_some()
    }
    pub(crate) fn may_confirm(&self, node: usize) -> bool {
        let Node { shard, confirmed, .. } = &self.nodes[node];
        confirmed.is_none() && shard.as_ref().is_some_and(|shard| shard.counters().waiting > 0)
    }
    pub(crate) fn is_confirming(&self, node: usize) -> bool {
        self.nodes[node].confirmed.is_some()
    }

    pub(crate) fn take_in(&mut self, node: usize, work: Work) {
        self.nodes[node].inbox.push_back(work);
    }

    pub(crate) fn next_work(&mut self, node: usize) -> Option<Work> {
        self.nodes[node].inbox.pop_front()
    }

    /// One copy is admitted and run. What is refused leaves at once.
    pub(crate) fn ask(
        &mut self,
        node: usize,
        clock: Time,
        (conn, slot): (usize, Slot),
        request: Request,
    ) -> Option<(Reply, Refusal)> {
        let Node { shard, counts, .. } = &mut self.nodes[node];
        let reply = |about| Reply { conn, slot, about };
        let Some(shard) = shard else {
            let about = About::View { key: Bytes::new(), count: 0 };
            return Some((reply(about), Refusal::NotOwner));
        };
        match request {
            Request::Call(call) => {
                let arrival = arrival(call);
                match shard.admit(clock, arrival.clone(), reply(about_call(&arrival))) {
                    Admission::Run(permit) => run(shard, counts, permit),
                    Admission::Queued(_) => {}
                    Admission::Refused(reply, refusal) => return Some((reply, refusal)),
                }
                None
            }
            Request::View { key, .. } => {
                let count = counts.get(&key).copied().unwrap_or(0);
                shard.view(reply(About::View { key, count }));
                None
            }
            Request::Settle { ticket, .. } => {
                let commutes = commutes(&ticket.method);
                shard.settle(clock, &ticket, commutes, reply(about_ticket(&ticket))).err()
            }
            other => panic!("nobody asks {other:?}"),
        }
    }

    pub(crate) fn bye(&mut self, node: usize, last: CallId) {
        if let Some(shard) = &mut self.nodes[node].shard {
            shard.bye(last);
        }
    }

    /// What may leave now. The judge hears it as it leaves.
    pub(crate) fn releases(&mut self, node: usize, judge: &mut Judge) -> Vec<(Reply, Answer)> {
        let Some(shard) = &mut self.nodes[node].shard else { return vec![] };
        let released = std::iter::from_fn(|| shard.poll_release()).map(|release| match release {
            Release::Answer(reply, answer) => (reply, answer),
            Release::View(reply, version) => {
                let About::View { count, .. } = reply.about else { panic!("a call is not viewed") };
                (reply, Answer::Done { value: value_of(count), version: Some(version) })
            }
        });
        let released: Vec<_> = released.collect();
        released.iter().for_each(|(reply, answer)| judge.told(&reply.about, answer));
        released
    }

    pub(crate) fn begin_append(&mut self, node: usize, clock: Time) {
        let Node { shard, append, .. } = &mut self.nodes[node];
        let Some(begun) = shard.as_mut().and_then(|shard| shard.poll_append(clock)) else { return };
        assert!(append.replace(begun).is_none(), "R8: two appends are under way");
    }

    /// The append under way ends. Gives those who are to ask again (R9).
    pub(crate) fn end_append(&mut self, node: usize, end: End, judge: &mut Judge) -> Vec<Reply> {
        let Some(append) = self.nodes[node].append.take() else { return vec![] };
        match end {
            End::Heard if self.store.append(&append, judge) => {
                let shard = self.nodes[node].shard.as_mut().expect("an append is of a shard in memory");
                shard.handle_appended();
                return vec![];
            }
            End::Heard | End::Failed => {}
            End::Unheard => {
                self.store.append(&append, judge);
            }
            End::Late => self.store.late.push(append),
        }
        judge.meet("a failed append");
        self.drop_memory(node)
    }

    pub(crate) fn land(&mut self, pick: usize, judge: &mut Judge) {
        if let Some(pick) = pick.checked_rem(self.store.late.len()) {
            let append = self.store.late.remove(pick);
            if self.store.append(&append, judge) {
                judge.meet("a late append that lands");
            }
        }
    }

    pub(crate) fn late(&self) -> usize {
        self.store.late.len()
    }

    /// R7: the arbiter says what is true while the question is under way, at the latest when it was asked.
    pub(crate) fn confirm(&mut self, node: usize) {
        let ours = self.owns(node);
        let Node { shard, confirmed, .. } = &mut self.nodes[node];
        if shard.as_mut().is_some_and(Shard::poll_confirm) {
            assert!(confirmed.replace(ours).is_none(), "two questions are under way");
        }
    }

    pub(crate) fn confirmed(&mut self, node: usize, judge: &mut Judge) -> Vec<Reply> {
        let Node { shard, confirmed, .. } = &mut self.nodes[node];
        let (Some(shard), Some(ours)) = (shard, confirmed.take()) else { return vec![] };
        shard.handle_confirmed(ours);
        if ours {
            return vec![];
        }
        judge.meet("an owner that learns it is none");
        self.drop_memory(node)
    }

    /// R9: memory goes whole. What was being appended may still land.
    pub(crate) fn drop_memory(&mut self, node: usize) -> Vec<Reply> {
        let Node { shard, counts, append, confirmed, log_time, .. } = &mut self.nodes[node];
        let Some(shard) = shard.take() else { return vec![] };
        *log_time = shard.log_time();
        self.store.late.extend(append.take());
        (*confirmed, *counts) = (None, BTreeMap::new());
        shard.fail()
    }

    /// The process dies: nobody is told.
    pub(crate) fn crash(&mut self, node: usize) {
        drop(self.drop_memory(node));
        self.nodes[node].inbox.clear();
    }

    /// R8: a new epoch first, then rows and log.
    pub(crate) fn take_up(&mut self, node: usize, judge: &Judge) -> Vec<Reply> {
        let waiting = self.drop_memory(node);
        self.store.epoch.0 += 1;
        let Store { epoch, next, blobs, cut, rows, .. } = &self.store;
        let first = blobs.get(*cut).map_or(*next, |(first, _)| *first);
        let mut shard =
            Shard::open(SHARD, *epoch, rows.clone(), Time::EPOCH, first).expect("rows are of their tables");
        self.store.tail().for_each(|blob| shard.replay(blob).expect("the tail is whole"));
        assert_eq!(shard.next(), self.store.next, "a shard is taken up to the end of its log");
        let node = &mut self.nodes[node];
        (node.shard, node.counts) = (Some(shard), judge.counts.clone());
        waiting
    }

    pub(crate) fn sweep(&mut self, node: usize, clock: Time) {
        if let Some(shard) = &mut self.nodes[node].shard {
            shard.sweep(clock);
        }
    }

    /// The state file belongs to the owner by its epoch; then the log is cut below what it holds.
    pub(crate) fn write_back(&mut self, node: usize, rows_max: usize) {
        if !self.owns(node) {
            return;
        }
        let shard = self.nodes[node].shard.as_mut().expect("an owner has a shard");
        let Store { next, blobs, cut, rows, .. } = &mut self.store;
        for (key, row) in shard.dirty_rows(rows_max) {
            match row {
                Some(row) => {
                    assert!(row.position < *next || key == TableKey::Time, "the state file is ahead");
                    rows.insert(key, row);
                }
                None => drop(rows.remove(&key)),
            }
        }
        let through = shard.rows_through();
        let ends = blobs.iter().skip(1).map(|(first, _)| *first).chain([*next]);
        *cut = (*cut).max(ends.filter(|end| *end <= through).count().min(blobs.len()));
    }
}

/// One method, to its end.
fn run(shard: &mut Shard<Reply>, counts: &mut BTreeMap<Bytes, u64>, permit: Permit<Reply>) {
    let Arrival { method, key, .. } = permit.arrival();
    let count = counts.entry(key.clone()).or_default();
    let (outcome, redo) = match &**method {
        "inc" => {
            *count += 1;
            (RanOutcome::Ok(value_of(*count - 1)), Bytes::from_static(b"+"))
        }
        "take" if *count == 0 => (RanOutcome::Err(Bytes::from_static(b"empty")), Bytes::new()),
        "take" => {
            *count -= 1;
            (RanOutcome::Ok(value_of(*count + 1)), Bytes::from_static(b"-"))
        }
        "touch" => (RanOutcome::Ok(Bytes::new()), Bytes::new()),
        "panic" => return shard.give_up(permit, Cause::Panicked("at the disco".into())),
        _ => return shard.abandon(permit, Cause::Malformed("no method takes this".into())),
    };
    shard.finish(permit, Finished { outcome, redo, deleted: false, seed: None, others: vec![] });
}

fn arrival(call: CallRequest) -> Arrival {
    let method = METHODS[call.method as usize];
    let fingerprint = Fingerprint::of(ENTITY, &call.key, method, &call.args);
    Arrival {
        id: call.id,
        entity: ENTITY.into(),
        key: call.key,
        method: method.into(),
        fingerprint,
        order: call.order,
        keyed: call.keyed,
        commutes: commutes(method),
    }
}

fn about_call(arrival: &Arrival) -> About {
    let Arrival { id, fingerprint, key, keyed, commutes, .. } = arrival.clone();
    About::Call { id, fingerprint, key, keyed, commutes }
}

fn about_ticket(ticket: &Ticket) -> About {
    About::Call {
        id: ticket.id,
        fingerprint: ticket.fingerprint,
        key: ticket.key.clone().expect("of an entity"),
        keyed: ticket.keyed.clone(),
        commutes: commutes(&ticket.method),
    }
}
