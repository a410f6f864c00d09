//! A turn of a lane: one thing asked is run, and what the machines let go is returned.
//!
//! The lane's lock is not held while a method runs or a row is read. Whoever calls this has taken the work out of the
//! lane's inbox, and nobody else runs anything of that lane meanwhile.

use std::sync::{Arc, MutexGuard};

use nigh_proto::calls::callee::Arrival;
use nigh_proto::calls::request::{Answer, CallRequest, Refusal};
use nigh_proto::calls::tally::{Line, Took};
use nigh_proto::shards::ShardId;
use nigh_proto::shards::record::RanOutcome;
use nigh_proto::shards::shard::{Admission, Finished, Missing, Permit, Shard};
use nigh_wire::{Bytes, Cause, Class, Fingerprint, Ticket, Value};

use crate::beside::{self, Neighbours, Others, Taken};
use crate::buggify;
use crate::entity::Reply;
use crate::routes::EntityMethod;
use crate::shards::core::{Core, Running, fatal};
use crate::shards::host::{Cell, Wrote};
use crate::shards::memory::{ListError, Listed, Listing, Name};
use crate::shards::owner::Owner;
use crate::shards::records;
use crate::shards::reply::{Delivery, Gather, Read, ReplyTo, What};
use crate::shards::work::{Asked, Work, place_of};
use crate::store::StoreError;
use crate::tx::TxCore;

impl Owner {
    /// Runs what was taken out of a lane's inbox.
    pub(super) fn perform(self: &Arc<Self>, lane: usize, work: Work) -> Vec<Delivery> {
        let Work { what, due, reply } = work;
        let line = what.line(self.routes.len());
        let late = self.clock.now() > due || buggify!("owner.work.expires");
        if let (true, Some(line)) = (late, line) {
            // Work that expired in a queue is not begun.
            self.core(lane).tally.end(line, Took::Expired); // mutant ledger-expired-uncounted: let _ = line;
            return vec![Delivery { to: reply, what: What::Refusal(Refusal::Expired) }];
        }
        match what {
            Asked::Call(request, Some(placed)) => self.call(request, placed, reply),
            Asked::View { method, key, args, shard: Some(shard) } => {
                self.view(shard, method, key, args, reply)
            }
            Asked::Call(CallRequest { method, .. }, None) | Asked::View { method, .. } => {
                let cause = Cause::Unknown(format!("method {method} of an entity here"));
                self.not_done(lane, line, cause, reply)
            }
            Asked::Settle(ticket) => self.settle(lane, &ticket, reply),
            Asked::List { entity, after, limit } => {
                self.list(lane, &entity, after.as_ref(), limit as usize, reply)
            }
            Asked::Bye(last) => {
                self.core(lane).bye(last);
                vec![]
            }
        }
    }

    /// It cannot be run.
    fn not_done(&self, lane: usize, line: Option<Line>, cause: Cause, to: ReplyTo) -> Vec<Delivery> {
        line.into_iter().for_each(|line| self.core(lane).tally.end(line, Took::NotDone));
        vec![Delivery { to, what: What::Answer(Answer::NotDone(cause)) }]
    }

    /// True if what was committed waits for the disk in such amounts that no more is taken.
    fn is_full(&self, core: &mut Core) -> bool {
        self.is_log_full() || self.is_disk_full() || core.memory.is_full()
    }

    fn call(
        self: &Arc<Self>,
        request: CallRequest,
        (shard, fingerprint): (ShardId, Fingerprint),
        reply: ReplyTo,
    ) -> Vec<Delivery> {
        let line = Line::known(request.method, self.routes.len());
        let method =
            self.routes.entity_method(request.method).expect("it has a place: there is such a method");
        let arrival = Arrival {
            id: request.id,
            entity: method.entity.clone(),
            key: request.key.clone(),
            method: method.name.clone(),
            fingerprint,
            order: request.order,
            keyed: request.keyed,
            commutes: method.class == Class::Commutes,
        };
        let mut core = self.core_of(shard);
        let full = self.is_full(&mut core) || buggify!("owner.full");
        if full {
            core.tally.end(line, Took::Overloaded);
            let what = What::Refusal(Refusal::Overloaded { retry_after: self.retry_after() });
            return vec![Delivery { to: reply, what }];
        }
        let mut core = self.remembered(core, shard, |machine| machine.missing(&arrival));
        let permit = match core.machine(shard).admit(self.clock.wall(), arrival, reply) {
            Admission::Run(permit) => permit,
            Admission::Queued(took) => {
                core.tally.end(line, took);
                return core.releases(shard);
            }
            Admission::Refused(to, refusal) => {
                core.tally.end(line, Took::refused(&refusal)); // mutant ledger-refused-as-done: core.tally.end(line, Took::Done);
                return vec![Delivery { to, what: What::Refusal(refusal) }];
            }
        };
        self.run_permit(core, shard, permit, method, request.key, request.args)
    }

    fn run_permit(
        self: &Arc<Self>,
        mut core: MutexGuard<'_, Core>,
        shard: ShardId,
        permit: Permit<ReplyTo>,
        method: &EntityMethod,
        key: Bytes,
        args: Bytes,
    ) -> Vec<Delivery> {
        let name = match core.memory.name(method.host, &key) {
            Ok(name) => name,
            Err(cause) => {
                core.tally.end(Line::Method(method.index), Took::NotDone);
                core.machine(shard).abandon(permit, cause);
                return core.releases(shard);
            }
        };
        let (mut core, mut cell) = self.take(core, shard, &name, &key);
        let now = permit.time(); // mutant method-time-unlogged: let now = self.clock.wall();
        let source = self.routes.has_home(method.host).then(|| Home { owner: self.clone(), shard });
        let source = source.map(|home| Arc::new(home) as Arc<dyn Neighbours>);
        let others = Others { source, taken: vec![] };
        let mut tx = TxCore { key, now, seed: core.next_seed(), drawn: 0, deleted: false, others };
        core.running = Some(Running {
            since: self.clock.now(),
            method: method.index,
            permit: Some((shard, permit)),
            named: false,
        });
        drop(core);
        let wrote = cell.write(method.number, &mut tx, Value::Bytes(args));
        let mut core = self.resume(shard);
        let running = core.running.take().and_then(|running| running.permit);
        let (_, permit) = running.expect("it was left here, and who gives it up ends the process");
        let place = core.machine(shard).next();
        let (changed, deleted) = match &wrote {
            Wrote::Ok { redo, .. } => ((tx.deleted || !redo.is_empty()).then_some(redo.len()), tx.deleted),
            _ => (None, false),
        };
        core.memory.put_back(shard, &name, cell, changed.map(|size| (place, size))); // mutant change-not-dirty: core.memory.put_back(shard, &name, cell, changed.filter(|size| *size == usize::MAX).map(|size| (place, size)));
        for Taken { entity, key, cell, changed } in std::mem::take(&mut tx.others.taken) {
            let name = self.name_of(&mut core, &entity, &key).expect("it was taken under this name");
            core.memory.put_back(shard, &name, cell, changed.map(|size| (place, size)));
        }
        let seed = (tx.drawn > 0).then_some(tx.seed); // mutant seed-unrecorded: let seed = (tx.drawn > u32::MAX - 1).then_some(tx.seed);
        let machine = core.machine(shard);
        let took = match wrote {
            Wrote::Ok { value, redo, others } => {
                let outcome = RanOutcome::Ok(value);
                machine.finish(permit, Finished { outcome, redo, deleted, seed, others });
                Took::Done
            }
            Wrote::Err(error) => {
                let (outcome, redo, others) = (RanOutcome::Err(error), Bytes::new(), vec![]);
                machine.finish(permit, Finished { outcome, redo, deleted, seed, others });
                Took::Failed
            }
            Wrote::Unfit(cause) => {
                machine.abandon(permit, cause);
                Took::NotDone
            }
            Wrote::Panicked(message) => {
                machine.give_up(permit, Cause::Panicked(message));
                Took::NotDone
            }
        };
        core.tally.end(Line::Method(method.index), took); // mutant ledger-run-uncounted: let _ = took;
        core.releases(shard)
    }

    /// The name of an entity that this process has.
    fn name_of(&self, core: &mut Core, entity: &str, key: &Bytes) -> Result<Name, String> {
        let host = self.routes.host(entity).ok_or_else(|| beside::not_here(entity))?;
        core.memory.name(host, key).map_err(|cause| cause.to_string())
    }

    /// Reads what the shard remembers of a call and has not in memory: without the lock.
    fn remembered<'a>(
        &'a self,
        mut core: MutexGuard<'a, Core>,
        shard: ShardId,
        missing: impl Fn(&Shard<ReplyTo>) -> Option<Missing>,
    ) -> MutexGuard<'a, Core> {
        while let Some(what) = missing(core.machine(shard)) {
            let rows = core.memory.rows();
            drop(core);
            let read = records::read(rows.as_ref(), shard, &what);
            core = self.core_of(shard);
            let loaded = read.and_then(|rows| {
                let loaded = core.machine(shard).load(&what, rows);
                loaded.map_err(|why| StoreError::corrupt(format!("shard {}: {why:?}", shard.0)))
            });
            if let Err(error) = loaded {
                fatal(&core.clock, &error);
            }
        }
        core
    }

    /// Takes an entity out. A cold one is read without the lock: the committer goes on meanwhile.
    fn take<'a>(
        &'a self,
        mut core: MutexGuard<'a, Core>,
        shard: ShardId,
        name: &Name,
        key: &Bytes,
    ) -> (MutexGuard<'a, Core>, Box<dyn Cell>) {
        let done = |core: &MutexGuard<'_, Core>, error: StoreError| -> ! { fatal(&core.clock, &error) };
        loop {
            if let Some(cell) = core.memory.take_hot(shard, name) {
                return (core, cell);
            }
            let loading = match core.memory.loader_of(shard, name) {
                Ok(Some(loading)) => loading,
                // The log's tail had it.
                Ok(None) => continue,
                Err(error) => done(&core, error),
            };
            drop(core);
            let loaded = loading.load(shard, name, key);
            core = self.core_of(shard);
            if let Err(error) = loaded.and_then(|loaded| core.memory.put_loaded(shard, name, loading, loaded))
            {
                done(&core, error);
            }
        }
    }

    /// Loads entities of which only the log's tail speaks, one lock each: calls go on meanwhile.
    pub(crate) fn load_all(
        &self,
        cold: impl IntoIterator<Item = (ShardId, Name, Bytes)>,
    ) -> Result<(), StoreError> {
        for (shard, name, key) in cold {
            let Some(loading) = self.core_of(shard).memory.loader_of(shard, &name)? else { continue };
            let loaded = loading.load(shard, &name, &key)?;
            // One that is old was loaded by another thread meanwhile, and is no longer in the tail alone.
            self.core_of(shard).memory.put_loaded(shard, &name, loading, loaded)?;
        }
        Ok(())
    }

    /// Goes on after a method. One that was given up as stuck comes back in vain: its thread waits for the end.
    fn resume(&self, shard: ShardId) -> MutexGuard<'_, Core> {
        loop {
            let core = self.core_of(shard);
            if !core.ending {
                return core;
            }
            drop(core);
            std::thread::park();
        }
    }

    fn view(&self, shard: ShardId, method: u32, key: Bytes, args: Value, reply: ReplyTo) -> Vec<Delivery> {
        let line = Line::known(method, self.routes.len());
        let method = self.routes.entity_method(method).expect("it has a place: there is such a method");
        let mut core = self.core_of(shard);
        let name = match core.memory.name(method.host, &key) {
            Ok(name) => name,
            Err(cause) => {
                core.tally.end(line, Took::NotDone);
                return vec![Delivery { to: reply, what: What::Answer(Answer::NotDone(cause)) }];
            }
        };
        let (mut core, cell) = self.take(core, shard, &name, &key);
        core.running =
            Some(Running { since: self.clock.now(), method: method.index, permit: None, named: false });
        drop(core);
        let read = cell.read(method.number, args);
        let mut core = self.resume(shard);
        core.running = None;
        core.memory.put_back(shard, &name, cell, None);
        let took = match &read {
            Ok(Reply::Ok(_)) => Took::Done,
            Ok(Reply::Err(_)) => Took::Failed,
            Err(_) => Took::NotDone,
        };
        core.tally.end(line, took);
        // R6, R7: what it read, or said when it panicked, leaves once that is durable and known to be ours.
        core.machine(shard).view(reply.holding(read));
        core.releases(shard)
    }

    fn settle(&self, lane: usize, ticket: &Ticket, reply: ReplyTo) -> Vec<Delivery> {
        let Some(method) = self.routes.by_name(&ticket.of, &ticket.method) else {
            let cause = Cause::Unknown(format!("`{}.{}`", ticket.of, ticket.method));
            return self.not_done(lane, Some(Line::Settle), cause, reply);
        };
        if self.is_disk_full() {
            // Its tombstone would wait for room, and every view of the shard behind it.
            self.core(lane).tally.end(Line::Settle, Took::Overloaded);
            let refusal = Refusal::Overloaded { retry_after: self.retry_after() };
            return vec![Delivery { to: reply, what: What::Refusal(refusal) }];
        }
        let shard = place_of(&self.routes, method, ticket, self.lanes().shards());
        let mut core = self.remembered(self.core_of(shard), shard, |machine| machine.missing_of(ticket));
        let commutes = method.class == Class::Commutes;
        match core.machine(shard).settle(self.clock.wall(), ticket, commutes, reply) {
            Ok(took) => {
                core.tally.end(Line::Settle, took);
                core.releases(shard)
            }
            Err((to, refusal)) => {
                core.tally.end(Line::Settle, Took::refused(&refusal));
                vec![Delivery { to, what: What::Refusal(refusal) }]
            }
        }
    }

    fn list(
        &self,
        lane: usize,
        entity: &str,
        after: Option<&Bytes>,
        limit: usize,
        reply: ReplyTo,
    ) -> Vec<Delivery> {
        let line = Some(Line::List);
        let Some(host) = self.routes.host(entity) else {
            let cause = Cause::Unknown(format!("an entity `{entity}` here"));
            return self.not_done(lane, line, cause, reply);
        };
        let keys = match self.keys(host, after, limit.clamp(1, LIST_MAX)) {
            Ok(keys) => keys,
            Err(ListError::Key(cause)) => return self.not_done(lane, line, cause, reply),
            Err(ListError::Store(error)) => fatal(&self.clock, &error),
        };
        self.core(lane).tally.end(Line::List, Took::Done);
        // R6: what was read in any shard's memory must be durable before the list leaves.
        let gather = Gather::new(self.lanes().shards() as usize, reply, keys);
        let mut deliveries = Vec::new();
        for lane in 0..self.lanes().count() {
            let mut core = self.core(lane);
            for shard in self.lanes().shards_of(lane) {
                core.machine(shard).view(ReplyTo::Part(gather.clone()));
                core.release_into(shard, &mut deliveries);
            }
        }
        deliveries
    }

    /// Keys that exist, in order. Lanes are read one after the other: others change meanwhile.
    fn keys(&self, host: usize, after: Option<&Bytes>, limit: usize) -> Result<Vec<Bytes>, ListError> {
        let mut part = Listing::rows_of_each(limit, self.lanes().shards());
        loop {
            let mut listing = Listing::default();
            let lanes = self.lanes().count(); // mutant list-of-one-lane: let lanes = self.lanes().count().min(1);
            for lane in 0..lanes {
                self.core(lane).memory.list(host, after, part, &mut listing)?;
            }
            match listing.end(limit) {
                Listed::Keys(keys) => return Ok(keys),
                Listed::Cold(cold) => self.load_all(cold).map_err(ListError::Store)?,
                Listed::More => part *= 2,
            }
        }
    }
}

/// Keys one list gives at the most.
pub(crate) const LIST_MAX: usize = 1000;

/// Entities of one shard, for a method that runs there.
struct Home {
    owner: Arc<Owner>,
    shard: ShardId,
}

impl Neighbours for Home {
    fn take(&self, entity: &str, key: &Bytes) -> Result<Box<dyn Cell>, String> {
        let mut core = self.owner.resume(self.shard);
        let name = self.owner.name_of(&mut core, entity, key)?;
        Ok(self.owner.take(core, self.shard, &name, key).1)
    }
}

impl ReplyTo {
    /// As it waits for its gate: with what was read.
    fn holding(self, read: Read) -> Self {
        match self {
            ReplyTo::Here(waiter) => ReplyTo::View(waiter, read),
            ReplyTo::Link(outbox, slot) => ReplyTo::LinkView(outbox, slot, read),
            other => other,
        }
    }
}
