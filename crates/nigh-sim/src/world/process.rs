//! One process: it starts, dials the owner, hears and sends, appends, writes back, ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use nigh::buggify;
use nigh::engine::{Engine, Options};
use nigh::store::{AppendError, Log, StoreError};
use nigh_proto::Instant;
use nigh_proto::shards::ShardId;

use super::store::OnDisk;
use super::{Event, Running, SHARDS, START_AGAIN, SWEEP_EVERY, World};
use crate::host::Stage;
use crate::surroundings::{Surroundings, is_own_end, mark, nanos};
use crate::tasks::{self, Owner};

/// How long it takes to ask whether a shard is still one's own.
const CONFIRM: std::ops::RangeInclusive<u64> = 50_000..=20_000_000;
/// How much longer now and then.
const SLOW: u64 = 200_000_000;
/// A process that dies because a point says so is back after this.
pub(super) const SOON: Duration = Duration::from_millis(30);
/// What entities may take in memory, in bytes. More than those of a run: they are let go by chance, at the points
/// `memory.cold` and `memory.cold.swept`.
const MEMORY_MAX: usize = 1 << 20;
/// On the disk all is as in production, more or less; of four shards two share a lane.
const LANES_ON_DISK: u32 = 3;
/// A sweep that was not done in one step goes on after this.
const SWEEP_ON: u64 = 2_000_000;
/// At the end, what is not durable yet is looked at again after this.
const LOOK_AGAIN: u64 = 5_000_000;
/// A group for which the disk has no room is appended again after this.
const ROOM_LOOK: u64 = 100_000_000;
/// How long a sync takes when nothing hinders it.
const SYNC: std::ops::RangeInclusive<u64> = 100_000..=3_000_000;

impl World {
    /// A process starts, unless it is up: it recovers first, if it is the owner.
    pub(super) fn begin(&mut self, stage: &mut Stage<Event>, process: u16) {
        let at = usize::from(process);
        if self.processes[at].up.is_some() {
            return;
        }
        // Who neither dials nor owns waits to be given the entities.
        if !self.processes[at].dials && process != self.owner {
            return;
        }
        self.processes[at].incarnation += 1;
        let owner = self.life(process);
        let owners = self.processes.iter().filter(|process| !process.dials).count();
        let options = Options {
            backups: None,
            role: format!("process-{process}"),
            shards: SHARDS,
            lanes_max: if self.store.disk().is_some() { LANES_ON_DISK } else { 1 },
            has_peer: self.processes[at].dials,
            shared: owners > 1,
            memory_max: MEMORY_MAX,
        };
        let dies_again = std::mem::take(&mut self.processes[at].dies_again);
        let Some((engine, log)) = self.open(stage, owner, options, dies_again) else { return };
        if log.is_some() {
            let found = self.store.disk().map_or(vec![], OnDisk::take_found);
            found.iter().for_each(|entry| self.board.book().found(stage.now(), entry));
            self.board.book().recovered(&engine);
            self.board.book().ledger().taken_up();
        }
        self.board.put(process, engine.handle());
        self.board.book().note(|| format!("process {process} starts"));
        let dials = self.processes[at].dials;
        let owns = log.is_some();
        self.processes[at].up =
            Some(Running { engine, log, group: None, sync: 0, links: vec![], timer: None });
        mark(process);
        if dials {
            stage.push(stage.now(), Event::Dial(owner));
        }
        if owns {
            stage.push(stage.now() + nanos(SWEEP_EVERY), Event::Sweep(owner));
        }
        if dies_again {
            self.crash(stage, process, Some(SOON));
        }
    }

    /// Opens it on what its last life left; `None`: it is not up.
    fn open(
        &mut self,
        stage: &mut Stage<Event>,
        owner: Owner,
        options: Options,
        dies_again: bool,
    ) -> Option<(Engine, Option<Box<dyn Log>>)> {
        let Owner { node, .. } = owner;
        let process = &mut self.processes[usize::from(node)];
        let ambient = Surroundings::new(owner, self.seed, process.skew.clone());
        if let (true, Some(disk)) = (node == self.owner, self.store.disk()) {
            let dies = dies_again || !self.calm && buggify!("process.dies.starting");
            disk.starts(dies, std::mem::take(&mut process.sync_fails));
        }
        let (blueprint, role, store) = (&self.blueprint, &process.role, &mut self.store);
        let opened = tasks::as_owner(owner, || {
            catch_unwind(AssertUnwindSafe(|| {
                Engine::open(blueprint, role, options, ambient, |with| store.open(with))
            }))
        });
        let disk_failed = node == self.owner && self.store.disk().is_some_and(|disk| !disk.lives_on());
        match opened {
            Ok(Ok(opened)) if !disk_failed => return Some(opened),
            Ok(Ok(_)) => self.violate(format!("process {node} starts as if its disk had not failed")),
            Ok(Err(_)) if disk_failed => self.died_while_it_started(stage, owner),
            Ok(Err(error)) => self.violate(format!("process {node} does not start: {error}")),
            Err(_) => self.violate(format!("process {node} panics when it starts")),
        }
        None
    }

    /// Runs code of a process; what unwinds out of it ends the process, or the run.
    pub(super) fn within<T>(&mut self, owner: Owner, code: impl FnOnce(&mut Self) -> T) -> Option<T> {
        match tasks::as_owner(owner, || catch_unwind(AssertUnwindSafe(|| code(self)))) {
            Ok(value) => Some(value),
            Err(payload) if is_own_end(payload.as_ref()) => None,
            Err(payload) => {
                let text = payload.downcast_ref::<String>().cloned();
                let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                self.violate(format!("process {} panicked: {}", owner.node, text.unwrap_or_default()));
                None
            }
        }
    }

    /// It ended by itself, as a process does that may not believe its memory. Somebody starts it again.
    pub(super) fn ended_by_itself(&mut self, stage: &mut Stage<Event>, owner: Owner, why: &str) {
        if self.running(owner).is_some() {
            self.board.book().note(|| format!("process {} ends: {why}", owner.node));
            self.end(stage, owner.node);
            let again = self.rng.between(START_AGAIN);
            stage.push(stage.now() + again, Event::Start(owner.node));
        }
    }

    /// It is gone: its memory, its tasks, its ends of links. What its log was given may still be kept.
    pub(super) fn end(&mut self, stage: &mut Stage<Event>, process: u16) {
        let life = self.life(process);
        let Some(mut running) = self.processes[usize::from(process)].up.take() else { return };
        self.board.book().note(|| format!("process {process} is gone"));
        self.count(life, &running.engine);
        self.board.book().ledger().lost_process();
        self.board.take(process);
        if let (Some(disk), Some(_)) = (self.store.disk(), &running.log) {
            disk.dies(life, &mut running);
        } else if let (Some(group), Some(log)) = (running.group.take(), running.log.as_mut())
            && self.rng.chance(1, 2)
        {
            // The disk had it all the same.
            let _ = self.land(stage.now(), log.as_mut(), &group.appends);
        }
        for panicked in tasks::kill(process, life.incarnation) {
            self.violate(format!("a task of process {process} panicked when it ended: {panicked}"));
        }
        for (wire, side) in std::mem::take(&mut running.links) {
            let other = side.other();
            let Some(end) = self.network.get(wire).take(side) else { continue };
            tasks::as_owner(life, || drop(end));
            // A machine that lost its power says nothing to its peers; a process that died does.
            if self.network.get(wire).has(other) && self.rng.chance(3, 4) {
                let at = self.network.send(stage.now(), wire, side);
                at.into_iter().for_each(|at| stage.push(at, Event::Gone(wire, other)));
            }
        }
        if running.log.is_some() {
            self.lose_disk(life);
        }
        tasks::as_owner(life, || drop(running));
    }

    /// What it counted is taken over. One that ended by itself may have left a lock poisoned.
    fn count(&self, life: Owner, engine: &Engine) {
        let ledger = tasks::as_owner(life, || catch_unwind(AssertUnwindSafe(|| engine.ledger())));
        self.board.book().counted(life.node, ledger.ok().as_ref());
    }

    /// Makes a group last in the shared store, as far as its shards are still the writer's.
    fn land(
        &mut self,
        now: u64,
        log: &mut dyn Log,
        appends: &[nigh::store::Append],
    ) -> Result<nigh::store::Appended, AppendError> {
        let appended = log.append(appends)?;
        if let (Some(disk), Some(group)) = (self.store.disk(), appended.group) {
            disk.heard(group);
        }
        for (append, item) in appends.iter().zip(&appended.items) {
            if item.is_ok() {
                self.board.book().durable(now, append);
            }
        }
        Ok(appended)
    }

    /// Everything a process may have to do after something happened in it.
    pub(super) fn visit(&mut self, stage: &mut Stage<Event>, process: u16) {
        let owner = self.life(process);
        if self.processes[usize::from(process)].up.is_none() {
            return;
        }
        let fenced = self.within(owner, |world| {
            world.transmit(stage, process);
            world.append(stage, owner);
            world.confirm(stage, owner);
            world.processes[usize::from(process)].up.as_mut().is_some_and(|running| {
                running.set_timer(stage, owner);
                running.engine.is_fenced()
            })
        });
        if fenced == Some(true) {
            self.ended_by_itself(stage, owner, "a shard was taken up by another process");
        }
    }

    /// Asks whether shards are still its own: so it is when it asks, and hears it later (R7).
    fn confirm(&mut self, stage: &mut Stage<Event>, owner: Owner) {
        let Some(running) = &self.processes[usize::from(owner.node)].up else { return };
        for (shard, epoch) in running.engine.poll_confirm() {
            let ours = self.store.still_mine(shard, epoch);
            let heard = stage.now() + self.rng.between(CONFIRM);
            stage.push(heard, Event::Confirmed(owner, shard, ours));
        }
    }

    pub(super) fn confirmed(&mut self, owner: Owner, shard: ShardId, ours: bool) {
        mark(owner.node);
        let deaf = self.within(owner, |world| {
            world.running(owner).is_some_and(|running| {
                running.engine.handle_confirmed(shard, ours);
                !ours && !running.engine.is_fenced()
            })
        });
        // Callers would wait for it until their deadlines, which hides it from whoever looks at answers.
        if deaf == Some(true) {
            let (node, shard) = (owner.node, shard.0);
            self.violate(format!(
                "one owner: process {node} was told that shard {shard} is another's, and goes on"
            ));
        }
    }

    /// Starts to make durable what there is.
    fn append(&mut self, stage: &mut Stage<Event>, owner: Owner) {
        let now = stage.now();
        let process = &mut self.processes[usize::from(owner.node)];
        let Some(running) = process.up.as_mut() else { return };
        let (None, Some(log)) = (&running.group, running.log.as_mut()) else { return };
        let Some(group) = running.engine.poll_group(log.as_mut()) else { return };
        running.group = Some(group);
        running.sync += 1;
        let number = running.sync;
        if process.sync_never {
            return; // Until it crashes.
        }
        let (by, until) = process.sync_slow;
        let slow = match (now < until, buggify!("log.sync.slow")) {
            (true, _) => by,
            (false, true) => SLOW,
            (false, false) => 0,
        };
        stage.push(now + self.rng.between(SYNC) + slow, Event::Synced(owner, number));
    }

    /// The sync under way, however slow, returns now.
    pub(super) fn end_sync(&mut self, stage: &mut Stage<Event>, process: u16) {
        let owner = self.life(process);
        let Some(running) = self.running(owner).filter(|running| running.group.is_some()) else { return };
        running.sync += 1;
        stage.push(stage.now(), Event::Synced(owner, running.sync));
    }

    /// A sync has returned.
    pub(super) fn synced(&mut self, stage: &mut Stage<Event>, owner: Owner, number: u64) {
        if self.running(owner).is_none_or(|running| running.sync != number) {
            return;
        }
        if !self.calm && buggify!("process.dies.before.append") {
            return self.crash(stage, owner.node, Some(SOON));
        }
        if let (false, Some(disk)) = (self.calm, self.store.disk())
            && buggify!("disk.full")
        {
            disk.fills();
        }
        let Some(running) = self.running(owner) else { return };
        let (Some(group), Some(mut log)) = (running.group.take(), running.log.take()) else { return };
        let fails = std::mem::take(&mut self.processes[usize::from(owner.node)].sync_fails);
        let appended = if let (true, Some(disk)) = (fails, self.store.disk()) {
            disk.sync_fails();
            self.land(stage.now(), log.as_mut(), &group.appends)
        } else if fails {
            // Nobody knows: it may be on the disk all the same.
            if self.rng.chance(1, 2) {
                let _ = self.land(stage.now(), log.as_mut(), &group.appends);
            }
            Err(AppendError::InDoubt(StoreError::Closed))
        } else {
            self.land(stage.now(), log.as_mut(), &group.appends)
        };
        if !self.calm && buggify!("process.dies.before.answer") {
            if let Some(running) = self.running(owner) {
                running.log = Some(log);
            }
            return self.crash(stage, owner.node, Some(SOON));
        }
        mark(owner.node);
        let again = self.within(owner, |world| {
            world.running(owner)?.engine.handle_appended(log.as_ref(), group, appended)
        });
        let Some(running) = self.running(owner) else { return };
        running.log = Some(log);
        if let Some(group) = again.flatten() {
            running.group = Some(group);
            self.board.book().note(|| format!("process {} finds its disk full", owner.node));
            stage.push(stage.now() + ROOM_LOOK, Event::Synced(owner, number));
        }
    }

    pub(super) fn timer(&mut self, owner: Owner, at: u64) {
        mark(owner.node);
        self.within(owner, |world| {
            let Some(running) = world.running(owner) else { return };
            if running.timer == Some(at) {
                running.timer = None;
            }
            running.engine.handle_timeout();
        });
    }

    pub(super) fn sweep(&mut self, stage: &mut Stage<Event>, owner: Owner) {
        if let (true, Some(disk)) = (self.running(owner).is_some(), self.store.disk())
            && std::mem::take(&mut self.processes[usize::from(owner.node)].sync_fails)
        {
            // Whichever file it is of.
            disk.sync_fails();
        }
        let swept = self.within(owner, |world| Some(world.running(owner)?.engine.sweep()));
        let rests = self.running(owner).is_some_and(|running| running.engine.sweep_rests());
        if !rests {
            mark(owner.node);
        }
        match swept {
            Some(Some(Ok(done))) => {
                let after = if done { nanos(SWEEP_EVERY) } else { SWEEP_ON };
                stage.push(stage.now() + after, Event::Sweep(owner));
            }
            Some(Some(Err(error))) => self.ended_by_itself(stage, owner, &error.to_string()),
            _ => {}
        }
    }
}

/// The end of a run.
impl World {
    /// Once all is durable, what the owner has is compared with its log, and the run is over.
    pub(super) fn finish(&mut self, stage: &mut Stage<Event>) {
        let owner = self.life(self.owner);
        let board = self.board.clone();
        let durable = self.running(owner).is_some_and(|r| r.group.is_none() && r.engine.is_durable());
        if !durable {
            return stage.push(stage.now() + LOOK_AGAIN, Event::Finish);
        }
        self.within(owner, |world| {
            if let Some(running) = world.running(owner) {
                board.book().compare(&running.engine);
            }
        });
        for (node, process) in (0u16..).zip(&self.processes) {
            let life = Owner { node, incarnation: process.incarnation };
            process.up.iter().for_each(|running| self.count(life, &running.engine));
        }
        board.book().compare_ledgers();
        self.start_once_more(stage);
        self.closed = true;
    }
}

impl Running {
    /// Its engine is told when its time has come.
    fn set_timer(&mut self, stage: &mut Stage<Event>, owner: Owner) {
        let Some(due) = self.engine.poll_timeout().map(Instant::as_nanos) else { return };
        if self.timer.is_none_or(|set| due < set) {
            self.timer = Some(due);
            stage.push(due, Event::Timer(owner, due));
        }
    }
}
