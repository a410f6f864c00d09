//! The owner of one shard: runs each id once, answers when that is durable, and remembers it.
//!
//! The path of a call: [`Shard::admit`] decides (`calls/callee.rs`) and gives a [`Permit`]; the driver runs the
//! method; [`Shard::finish`] folds one record of all that happened into the tables and the next blob; the
//! driver takes it with [`Shard::poll_append`], and says so when it is durable; [`Shard::poll_release`] lets
//! the answers go. [`Shard::settle`] and [`Shard::view`] join the same queue of answers. After a failure the
//! whole of it is dropped ([`Shard::fail`]) and built again from rows and log ([`Shard::open`],
//! [`Shard::replay`]).
//!
//! One method at a time: while a permit is out, nothing may be admitted or settled. Nothing here reads a clock,
//! does I/O, runs a method or knows what an entity is.

use std::hash::{Hash, Hasher};

use nigh_wire::{CallId, CallerId, Cause, Ticket, Time};

use super::gate::Gates;
use super::log::Log;
use super::record::{Again, Blob, Ran, RanOutcome, Record, Tombstone};
use super::row::{TableKey, TableRow, Verdict};
use super::tables::{Tables, owned};
use super::write_back::WriteBack;
use super::{Counters, Epoch, Position, Rows, ShardId};
use crate::calls::callee::{Arrival, Decision, decide, verdict};
use crate::calls::request::{Answer, Known, Order, Refusal, Version};
use crate::calls::tally::Took;

mod cold;
mod limits;
mod permit;
mod restored;
mod why;

pub use super::gate::Release;
pub use super::log::{Append, Corrupt};
pub use super::tables::Missing;
pub use limits::{CALLERS_MAX, PENDING_SIZE_MAX, ROWS_MAX, SETTLE_SIZE_MAX, TABLES_SIZE_MAX};
pub use permit::{Admission, Finished, Permit, Stuck};
pub use why::{AtOwner, Became, Stored, look, rows_of, unread};

/// The owner of one shard. `R` is the driver's: whom an answer is for.
#[derive(Clone, Debug)]
pub struct Shard<R> {
    id: ShardId,
    epoch: Epoch,
    tables: Tables,
    gates: Gates<R>,
    log: Log,
    /// The permit that is out.
    running: Option<u64>,
    /// Whom permits are for that did not come back, those given up included.
    pinned: Vec<CallerId>,
    permits: u64,
    write_back: WriteBack,
    size_max: usize,
    /// Somebody else owns it by now: nothing leaves any more.
    lost: bool,
    /// Calls born up to then may have been done in a history that is no more (R13).
    lost_until: Option<Time>,
    /// Mutations, for the invariants that are dear to check.
    steps: u64,
}

/// Of what it will do: how often it was asked is no part of that.
impl<R: Hash> Hash for Shard<R> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Shard {
            id,
            epoch,
            tables,
            gates,
            log,
            running,
            pinned,
            permits,
            write_back,
            size_max,
            lost,
            lost_until,
            steps: _,
        } = self;
        (id, epoch, tables, gates, log, pinned, write_back, size_max, lost, lost_until).hash(state);
        (running.is_some(), *permits == 0).hash(state);
    }
}

impl<R> Shard<R> {
    /// A shard taken up under a new epoch (R8), from the rows of its state file. The tail of its log, from
    /// `next` on, is to be replayed before anything is served. `log_time` is that of the log before `next`.
    ///
    /// # Errors
    ///
    /// A row is of another table than its key says.
    pub fn open(
        id: ShardId,
        epoch: Epoch,
        rows: impl IntoIterator<Item = (TableKey, TableRow)>,
        log_time: Time,
        next: Position,
    ) -> Result<Self, Corrupt> {
        let (tables, stored_time, count) = Tables::open(rows).map_err(|row| Corrupt::Row(row.0))?;
        let mut shard = Shard {
            id,
            epoch,
            tables,
            gates: Gates::new(),
            log: Log::open(next, log_time, stored_time),
            running: None,
            pinned: vec![],
            permits: 0,
            write_back: WriteBack::open(stored_time, count),
            size_max: TABLES_SIZE_MAX,
            lost: false,
            lost_until: None,
            steps: 0,
        };
        shard.assert_invariants();
        Ok(shard)
    }

    /// Folds the next blob of the log's tail into the tables.
    ///
    /// # Errors
    ///
    /// It is not the next one.
    pub fn replay(&mut self, blob: Blob) -> Result<(), Corrupt> {
        assert!(self.permits == 0, "a shard is replayed before it serves");
        let mut place = self.log.next();
        self.log.replay(&blob)?;
        for record in blob.records {
            self.tables.apply(place, owned(record));
            place.0 += 1;
        }
        self.assert_invariants();
        Ok(())
    }

    /// Decides about one copy of a call. What is [missing](Self::missing) is to be loaded first.
    pub fn admit(&mut self, clock: Time, mut arrival: Arrival, reply: R) -> Admission<R> {
        assert!(self.running.is_none(), "one method at a time");
        assert!(self.missing(&arrival).is_none(), "what is missing is read before it decides");
        self.tables.touch(arrival.id.caller);
        let time = self.log.advance(clock);
        normalise(&mut arrival);
        let (id, fingerprint) = (arrival.id, arrival.fingerprint);
        let decision = decide(&self.tables, time, &arrival);
        let took = decision.took();
        match decision {
            Decision::Run => {
                if let Some(retry_after) = self.overloaded(&arrival) {
                    return Admission::Refused(reply, Refusal::Overloaded { retry_after });
                }
                self.permits += 1;
                self.running = Some(self.permits);
                self.pinned.push(arrival.id.caller);
                let (permit, epoch) = (self.permits, self.epoch);
                return Admission::Run(Permit { arrival, time, reply, permit, epoch });
            }
            Decision::Again(outcome) if self.tables.size() < SETTLE_SIZE_MAX => {
                let key = (arrival.entity, arrival.key, arrival.method);
                self.again((id, fingerprint, known_of(&arrival.order)), key, outcome, reply);
            }
            decision => {
                if let Err((reply, refusal)) = self.tell(id, decision, reply) {
                    return Admission::Refused(reply, refusal);
                }
            }
        }
        self.assert_invariants();
        Admission::Queued(took)
    }

    /// A method ran: its record joins the next blob, its answer waits for it (R4, R5, R6).
    pub fn finish(&mut self, permit: Permit<R>, ran: Finished) {
        if !self.end(&permit) {
            return self.late(permit);
        }
        let Permit { arrival, time, reply, .. } = permit;
        let Arrival { id, entity, key, method, fingerprint, order, keyed, commutes } = arrival;
        let Finished { outcome, redo, deleted, seed, others } = ran;
        #[rustfmt::skip]
        let id = (!commutes).then_some(id); // mutant record-leaves-commit: let id = None;
        // Of what commutes no record is kept, and nothing is freed.
        let order = if commutes { Order::Free } else { order };
        // R4: one record of change, id, fingerprint, answer and floor, for an error as well.
        let (staged, timers) = (Vec::new(), Vec::new());
        let verdict = Verdict::from(outcome.clone());
        let failed = matches!(outcome, RanOutcome::Err(_));
        assert!(!failed || redo.is_empty() && others.is_empty(), "an error changes nothing");
        #[rustfmt::skip]
        let record = Ran {
            id, time, fingerprint, entity, key, method, order, keyed, outcome, redo, deleted, seed, staged, timers, others,
        };
        self.record(Record::Ran(record)); // mutant home-commit-split: [Ran { others: vec![], ..record.clone() }, Ran { id: None, redo: Default::default(), ..record.clone() }].into_iter().take(1 + usize::from(!record.others.is_empty())).for_each(|half| self.record(Record::Ran(half)));
        // R5, R6: durable first, errors too. Nothing of this memory is seen outside before it is in the log.
        #[rustfmt::skip]
        let done_gate = self.log.next(); // mutant answer-before-sync: let done_gate = self.log.durable();
        #[rustfmt::skip]
        let failed_gate = self.log.next(); // mutant err-before-sync: let failed_gate = self.log.durable();
        let gate = if failed { failed_gate } else { done_gate };
        self.gates.answer(gate, reply, verdict.answer(self.version_now()));
        self.assert_invariants();
    }

    /// A method panicked: a tombstone, so that no copy of it runs (R4).
    pub fn give_up(&mut self, permit: Permit<R>, cause: Cause) {
        if !self.end(&permit) {
            return self.late(permit);
        }
        let Permit { arrival, time, reply, .. } = permit;
        self.fence(arrival, time, cause.clone());
        self.gates.answer(self.log.next(), reply, Answer::NotDone(cause));
        self.assert_invariants();
    }

    /// The method cannot be run at all, say for bad arguments. Its caller is told not done, for good, so no
    /// other copy may run either, on an owner that understands it: the same as giving it up.
    pub fn abandon(&mut self, permit: Permit<R>, cause: Cause) {
        self.give_up(permit, cause);
    }

    /// The method of `stuck` does not come back, and holds its permit: a tombstone, so that no copy of it runs.
    /// If it comes back after all its permit only yields `cause`, and its driver undoes what it did.
    pub fn give_up_stuck(&mut self, stuck: &Stuck, cause: Cause) {
        if stuck.epoch == self.epoch && self.running == Some(stuck.permit) {
            self.running = None;
            self.fence(stuck.arrival.clone(), stuck.time, cause);
            self.assert_invariants();
        }
    }

    /// Memory was just read for a view: it leaves when all it read is durable (R6), and when the shard is
    /// known to have been ours after the read (R7).
    pub fn view(&mut self, reply: R) {
        #[rustfmt::skip]
        let gate = self.log.next(); // mutant view-before-sync: let gate = self.log.durable();
        self.gates.view(gate, reply, self.version_now());
        self.assert_invariants();
    }

    /// R12: what became of a call in doubt; if nothing did, nothing ever will. What is
    /// [missing](Self::missing_of) is to be loaded first.
    ///
    /// # Errors
    ///
    /// R11: this copy is refused: ask again.
    pub fn settle(
        &mut self,
        clock: Time,
        ticket: &Ticket,
        commutes: bool,
        reply: R,
    ) -> Result<Took, (R, Refusal)> {
        assert!(self.running.is_none(), "one method at a time");
        assert!(self.missing_of(ticket).is_none(), "what is missing is read before it decides");
        self.tables.touch(ticket.id.caller);
        let time = self.log.advance(clock);
        let decision = verdict(&self.tables, time, ticket, commutes);
        let took = decision.took();
        if matches!(decision, Decision::Run | Decision::Again(_)) && self.tables.size() >= SETTLE_SIZE_MAX {
            return Err((reply, Refusal::Overloaded { retry_after: limits::RETRY_TABLES }));
        }
        match decision {
            Decision::Run | Decision::Again(_) => {
                let key = ticket.key.clone().expect("without a key there is no record to look for");
                let key = (ticket.of.as_str().into(), key, ticket.method.as_str().into());
                if let Decision::Again(outcome) = decision {
                    self.again((ticket.id, ticket.fingerprint, Known::default()), key, outcome, reply);
                } else {
                    self.fence_ticket(time, ticket, key);
                    let answer = self.as_known(ticket.id, Answer::NotDone(Cause::Fenced));
                    self.gates.answer(self.log.next(), reply, answer);
                }
            }
            decision => self.tell(ticket.id, decision, reply)?,
        }
        self.assert_invariants();
        Ok(took)
    }

    /// A caller has gone, `last` is its last id, and it knows all it wants to know (R14).
    pub fn bye(&mut self, last: CallId) {
        // Where nothing is remembered there is nothing to free. What is in the state file alone is not worth reading
        // for this: it goes with age.
        if self.tables.remembers(last.caller) {
            self.record(Record::Bye(last));
            self.assert_invariants();
        }
    }

    /// The next blob to append: one at a time (R8), of all records since the last.
    pub fn poll_append(&mut self, clock: Time) -> Option<Append> {
        if self.lost {
            return None;
        }
        let (first, blob) = self.log.poll_append(clock, self.gates.read())?;
        self.assert_invariants();
        Some(Append { shard: self.id, epoch: self.epoch, first, next: self.log.next(), blob })
    }

    /// The append under way is durable. It was conditional on our epoch, so the shard was ours meanwhile.
    pub fn handle_appended(&mut self) {
        let read = self.log.handle_appended();
        self.gates.confirm(read);
        self.assert_invariants();
    }

    /// An append failed, was fenced, or nobody knows (R9), or the shard is another's: its memory is dropped
    /// whole. All who wait, and the holder of a permit, are to be told `AskAgain`.
    pub fn fail(self) -> Vec<R> {
        // R9: records, answers and tables go together; the log says what is left of them.
        self.gates.into_replies()
    }

    /// True if it is to be asked now whether the epoch is still ours (R7).
    pub fn poll_confirm(&mut self) -> bool {
        !self.lost && self.gates.poll_confirm()
    }

    /// The answer. If it is no, nothing is released any more, and the driver lets it [`fail`](Self::fail).
    pub fn handle_confirmed(&mut self, still_mine: bool) {
        self.lost |= !still_mine;
        if still_mine {
            self.gates.handle_confirmed();
        }
        self.assert_invariants();
    }

    /// The next answer that may leave.
    pub fn poll_release(&mut self) -> Option<Release<R>> {
        if self.lost { None } else { self.gates.poll_release(self.log.durable()) }
    }

    /// Up to `rows_max` rows (and log time) that changed, to be written to the state file. Each is as it was
    /// at some durable moment. Empty: nothing changed, or what did is not durable yet.
    pub fn dirty_rows(&mut self, rows_max: usize) -> Rows {
        let rows = self.write_back.poll(&mut self.tables, &self.log, rows_max);
        self.assert_invariants();
        rows
    }

    /// Once all rows given out so far are durable, blobs that end at or below this place may go.
    pub fn rows_through(&self) -> Position {
        self.write_back.through(&self.tables, &self.log)
    }

    /// Drops some of what is too old (R16). To be called every few seconds.
    pub fn sweep(&mut self, clock: Time) {
        // Under a time that is durable, so that what is dropped stays refused whatever clock comes next.
        #[rustfmt::skip]
        let time = self.log.durable_time(); // mutant sweep-unlogged: let time = self.log.advance(clock);
        self.tables.sweep(time, self.log.next());
        let now = self.log.time().max(clock);
        let due = self.tables.expires_min().saturating_add(limits::SWEEP_SLACK) < now;
        if due {
            self.log.advance(clock);
            self.timed_gate();
        }
        self.assert_invariants();
    }

    /// The memory that is read now (R22).
    pub fn version_now(&self) -> Version {
        Version { epoch: self.epoch, position: self.log.next() }
    }
    /// Whose log this is.
    pub fn id(&self) -> ShardId {
        self.id
    }
    /// True if there is a record of this call in memory: whoever knows its answer would wonder (R14).
    pub fn remembers(&self, id: CallId) -> bool {
        self.tables.record(id.caller, id.number).is_some()
    }
    /// Under which it was taken up.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }
    /// Place of the next record.
    pub fn next(&self) -> Position {
        self.log.next()
    }
    /// The log is durable up to here.
    pub fn durable(&self) -> Position {
        self.log.durable()
    }
    /// R16: the highest time that was decided by.
    pub fn log_time(&self) -> Time {
        self.log.time()
    }
    /// True while a permit is out.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }
    /// How much it holds.
    pub fn counters(&self) -> Counters {
        let mut counters = Counters::default();
        self.tables.count(&mut counters);
        counters.waiting = self.gates.waiting();
        counters.pending_size = self.log.pending_size();
        counters
    }
    /// Bytes that its tables may take before calls are refused, at first [`TABLES_SIZE_MAX`]: a driver of many
    /// shards divides what memory there is.
    pub fn set_size_max(&mut self, bytes: usize) {
        self.size_max = bytes.min(TABLES_SIZE_MAX);
    }
}

impl<R> Shard<R> {
    /// One more record of the log: in the tables at once, durable with the next append.
    fn record(&mut self, record: Record) {
        let place = self.log.push(&record);
        self.tables.apply(place, record);
    }

    /// What is told without running anything, and held back like any answer (R6).
    fn tell(&mut self, id: CallId, decision: Decision, reply: R) -> Result<(), (R, Refusal)> {
        match decision {
            Decision::Recorded(outcome, position) => {
                let version = Version { epoch: self.epoch, position: Position(position.0 + 1) };
                #[rustfmt::skip]
                let gate = self.log.next(); // mutant duplicate-before-sync: let gate = self.log.durable();
                let answer = self.as_known(id, outcome.answer(version));
                self.gates.answer(gate, reply, answer);
            }
            Decision::Answer(answer) => {
                #[rustfmt::skip]
                let gate = self.log.next(); // mutant late-before-sync: let gate = self.log.durable();
                let answer = self.as_known(id, answer);
                self.gates.answer(gate, reply, answer);
            }
            Decision::TooOld => {
                // R13, R16: and stays too old for whoever owns the log next.
                #[rustfmt::skip]
                let gate = self.timed_gate(); // mutant too-old-untimed: let gate = self.log.next();
                self.gates.answer(gate, reply, Answer::Forgotten);
            }
            Decision::Refuse(refusal) => return Err((reply, refusal)),
            // Its record would need room, and there is none.
            Decision::Again(_) => {
                return Err((reply, Refusal::Overloaded { retry_after: limits::RETRY_TABLES }));
            }
            Decision::Run => unreachable!("what runs is not told"),
        }
        Ok(())
    }

    /// A place such that, when it is durable, so is the present log time.
    fn timed_gate(&mut self) -> Position {
        if self.log.time_lags() {
            self.record(Record::Tick);
        }
        self.log.next()
    }

    /// R12: what became of an idempotency key is recorded under this id too, before its caller is told: keys
    /// are forgotten before the last id that was told of them.
    fn again(
        &mut self,
        (id, fingerprint, known): (CallId, nigh_wire::Fingerprint, Known),
        key: permit::Of,
        verdict: Verdict,
        reply: R,
    ) {
        let (entity, key, method) = key;
        let time = self.log.time();
        let answer = |outcome, known| Record::Again(Again { id, fingerprint, outcome, known });
        self.record(match verdict.clone() {
            Verdict::Done(value) => answer(RanOutcome::Ok(value), known),
            Verdict::Failed(error) => answer(RanOutcome::Err(error), known),
            Verdict::NotDone(cause) => Record::Tombstone(Tombstone {
                id,
                time,
                entity,
                key,
                method,
                fingerprint,
                keyed: None,
                cause,
                known,
            }),
        });
        let answer = self.as_known(id, verdict.answer(self.version_now()));
        self.gates.answer(self.log.next(), reply, answer);
    }

    /// A tombstone for what was admitted. Of a keyed call the key is dead, too: another try of it is the same
    /// intent, which was told not done.
    fn fence(&mut self, arrival: Arrival, time: Time, cause: Cause) {
        let Arrival { id, entity, key, method, fingerprint, keyed, order, .. } = arrival;
        let known = known_of(&order);
        self.record(Record::Tombstone(Tombstone {
            id,
            time,
            entity,
            key,
            method,
            fingerprint,
            keyed,
            cause,
            known,
        }));
    }

    /// R12: a tombstone for what nothing is known of, and for its key.
    fn fence_ticket(&mut self, time: Time, ticket: &Ticket, (entity, key, method): permit::Of) {
        let (id, fingerprint, cause) = (ticket.id, ticket.fingerprint, Cause::Fenced);
        #[rustfmt::skip]
        let keyed = ticket.keyed.clone(); // mutant keyed-tombstone-id-only: let keyed = None;
        // Whoever settles is not always who called: it says nothing of what that one knows.
        let known = Known::default();
        #[rustfmt::skip]
        self.record(Record::Tombstone(Tombstone { id, time, entity, key, method, fingerprint, keyed, cause, known })); // mutant settle-only-looks: drop((id, time, entity, key, method, fingerprint, keyed, cause, known));
    }

    /// Takes a permit back. False if it was given up meanwhile.
    fn end(&mut self, permit: &Permit<R>) -> bool {
        assert_eq!(permit.epoch, self.epoch, "a permit is of the memory it was given for");
        let pinned = self.pinned.iter().position(|caller| *caller == permit.arrival.id.caller);
        self.pinned.swap_remove(pinned.expect("a permit that is out pins its caller"));
        self.running.take_if(|running| *running == permit.permit).is_some()
    }

    /// A method that was given up came back: its caller is told what everybody is told.
    fn late(&mut self, permit: Permit<R>) {
        let decision = decide(&self.tables, self.log.time(), &permit.arrival);
        if !matches!(decision, Decision::Recorded(..) | Decision::Answer(_) | Decision::TooOld) {
            unreachable!("what was given up has a record, or is known, or too old");
        }
        assert!(self.tell(permit.arrival.id, decision, permit.reply).is_ok(), "a record is told");
        self.assert_invariants();
    }

    /// Cheap relations after every step; every row now and then, always while there are few.
    fn assert_invariants(&mut self) {
        self.log.assert_invariants();
        self.gates.assert_invariants(self.log.next());
        self.steps += 1;
        if cfg!(debug_assertions) && (self.steps.is_multiple_of(1024) || self.counters().changed < 64) {
            self.tables.assert_scanned();
            self.gates.assert_scanned();
        }
    }
}

/// Makes of what a peer sent what the rules speak of.
fn normalise(arrival: &mut Arrival) {
    if arrival.commutes {
        arrival.keyed = None;
    }
    arrival.order = match std::mem::replace(&mut arrival.order, Order::Free) {
        // Such a call neither checks nor raises the mark.
        Order::After { known, .. } | Order::Unordered(known)
            if arrival.commutes || arrival.keyed.is_some() =>
        {
            Order::Unordered(known.bounded())
        }
        Order::After { after, known } => Order::After { after, known: known.bounded() },
        Order::Unordered(_) | Order::Free => Order::Free,
    };
}

/// R14: what the caller of a copy says that it knows.
fn known_of(order: &Order) -> Known {
    order.known().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests;
