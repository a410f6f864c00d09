//! What a plan does to the world, and the calm after it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::store::OnDisk;
use super::{Event, World};
use crate::host::Stage;
use crate::network::Side;
use crate::plan::{Fault, Left};
use crate::points;
use crate::surroundings::{mark, nanos};

/// How long a sync that never returns holds a process up before somebody kills it.
const STUCK: Duration = Duration::from_millis(800);

const NANOS_PER_MILLI: i64 = 1_000_000;

/// An owner's clock is never further ahead: its log time would refuse all links for long after its clock was set
/// right (R17), and nothing could be told of a calm.
const AHEAD_MS_MAX: i64 = 4 * 60 * 1_000;
/// Whoever asks may be further ahead than owners take (R17), but not so far that its doubts settle much later.
const ASKER_AHEAD_MS_MAX: i64 = 6 * 60 * 1_000;

/// A process that dies again within this had not begun to serve.
const RECOVERY: Duration = Duration::from_millis(10);

impl World {
    /// The fault of this number strikes.
    pub(super) fn strike(&mut self, stage: &mut Stage<Event>, at: usize) {
        let now = stage.now();
        let fault = self.plan[at].fault.clone();
        self.board.book().note(|| format!("fault: {fault}"));
        self.struck.add(fault.kind());
        match fault {
            Fault::Crash { node, down } => self.crash(stage, node, Some(down)),
            Fault::Recrash { node, down, after } => {
                self.crash(stage, node, Some(down));
                if after < RECOVERY {
                    self.processes[usize::from(node)].dies_again = true;
                } else {
                    stage.push(now + nanos(down) + nanos(after), Event::Again(node, down));
                }
            }
            Fault::Pause { node, for_ } => {
                let process = &mut self.processes[usize::from(node)];
                process.paused_until = process.paused_until.max(now + nanos(for_));
            }
            Fault::Cut { from, to, for_ } => self.network.cut(from, to, now + nanos(for_)),
            Fault::CutBoth { a, b, for_ } => {
                self.network.cut(a, b, now + nanos(for_));
                self.network.cut(b, a, now + nanos(for_));
            }
            Fault::Lose { a, b, left } => {
                self.network.between(a, b).into_iter().for_each(|wire| self.lose(stage, wire, left));
            }
            Fault::HalfOpen { from, to, for_ } => {
                // Nothing passes, and only one end knows.
                self.network.cut(from, to, now + nanos(for_));
                self.network.cut(to, from, now + nanos(for_));
                for wire in self.network.between(from, to) {
                    let side =
                        Side::BOTH.into_iter().find(|side| self.network.get(wire).owner(*side).node == to);
                    side.into_iter().for_each(|side| self.gone(stage, wire, side));
                }
            }
            Fault::SlowLink { a, b, by, for_ } => self.network.slow(a, b, by, now + nanos(for_)),
            Fault::SyncSlow { node, by, for_ } => {
                self.processes[usize::from(node)].sync_slow = (nanos(by), now + nanos(for_));
            }
            Fault::SyncFails { node } => self.processes[usize::from(node)].sync_fails = true,
            Fault::SyncNever { node } => {
                self.processes[usize::from(node)].sync_never = true;
                stage.push(now + nanos(STUCK), Event::Again(node, Duration::from_millis(20)));
            }
            Fault::Skew { node, by_ms } => self.set_clock(node, by_ms),
            Fault::Leap { node, by_ms } => {
                let skew = self.processes[usize::from(node)].skew.load(Ordering::Relaxed) / NANOS_PER_MILLI;
                self.set_clock(node, skew + by_ms);
            }
            Fault::ServiceDown { service, for_ } => {
                self.board.book().service_down(service, now + nanos(for_));
            }
            Fault::Move { to } => self.give(stage, to),
        }
    }

    /// The wall clock of a process's machine is off by so much from now on.
    fn set_clock(&mut self, process: u16, by_ms: i64) {
        let process = &mut self.processes[usize::from(process)];
        let most = if process.dials { ASKER_AHEAD_MS_MAX } else { AHEAD_MS_MAX };
        process.skew.store(by_ms.min(most) * NANOS_PER_MILLI, Ordering::Relaxed);
    }

    /// A process dies, and starts again after `down`.
    pub(super) fn crash(&mut self, stage: &mut Stage<Event>, process: u16, down: Option<Duration>) {
        self.end(stage, process);
        let at = &mut self.processes[usize::from(process)];
        (at.sync_fails, at.sync_never, at.paused_until) = (false, false, 0);
        down.into_iter().for_each(|down| stage.push(stage.now() + nanos(down), Event::Start(process)));
    }

    /// The dialler takes the link for lost; what it had written arrives later, or never.
    fn lose(&mut self, stage: &mut Stage<Event>, wire: usize, left: Left) {
        match left {
            Left::Never => {
                // What is under way finds nobody.
                self.gone(stage, wire, Side::Listener);
            }
            Left::Later(after) => {
                let listener = self.network.get(wire).owner(Side::Listener);
                let dialler = self.network.get(wire).owner(Side::Dialler);
                self.network.hold(wire, Side::Listener, stage.now() + nanos(after));
                self.network.abandon(wire);
                // The listener notices only after it has read what was left behind.
                let at = self.network.send(stage.now(), wire, Side::Dialler);
                at.into_iter().for_each(|at| stage.push(at, Event::Gone(wire, Side::Listener)));
                mark(listener.node);
                mark(dialler.node);
            }
        }
        self.gone(stage, wire, Side::Dialler);
    }

    /// The entities are given to another process, which takes them up at once. The one that had them finds out by
    /// itself (R8).
    fn give(&mut self, stage: &mut Stage<Event>, to: u16) {
        if self.processes[usize::from(to)].dials || to == self.owner {
            return;
        }
        self.owner = to;
        // Who had them before and was paused since has not found out. It cannot take them up again as it is.
        if self.processes[usize::from(to)].up.is_some() {
            self.crash(stage, to, None);
        }
        self.begin(stage, to);
    }

    /// Faults end; all that is down starts. From here on everything must go on.
    pub(super) fn calm(&mut self, stage: &mut Stage<Event>) {
        if std::mem::replace(&mut self.calm, true) {
            return;
        }
        self.board.book().note(|| "calm".into());
        self.board.book().calm(stage.now());
        points::stop();
        self.store.disk().into_iter().for_each(OnDisk::heal);
        for wire in self.network.heal(stage.now()) {
            Side::BOTH.into_iter().for_each(|side| stage.push(stage.now(), Event::Gone(wire, side)));
        }
        for process in 0..self.processes.len() as u16 {
            let at = &mut self.processes[usize::from(process)];
            let stuck = at.sync_never;
            (at.sync_fails, at.sync_never, at.sync_slow, at.dies_again) = (false, false, (0, 0), false);
            at.paused_until = at.paused_until.min(stage.now());
            at.skew.store(0, Ordering::Relaxed);
            self.resume(stage, process); // mutant sim-calm-leaves-pauses: let _ = process;
            self.end_sync(stage, process); // mutant sim-calm-leaves-syncs: let _ = process;
            if stuck {
                self.crash(stage, process, None);
            }
            self.begin(stage, process);
        }
    }
}
