//! Plays steps on a store and its model, until the end or the first error.

use std::sync::Arc;

use nigh::store::{Open, OpenError, Opened, Shape, StoreError, open_on};
use nigh_wire::WireHash;

use super::device::Disk;
use super::model::{Call, Model, SHARDS, Seen, Step, seen};
use super::random::Rng;

/// Nobody is told, and the process ends as it was about to.
const CLOSED_BADLY: &str = "a sync failed while the store was closed";

/// What was acknowledged, and when.
#[derive(Default)]
pub(super) struct Run {
    /// After each step: how many operations the disk had done, and the model.
    pub(super) steps: Vec<(u64, Model)>,
    /// The step that failed: its model, had it been done, and its error.
    pub(super) failed: Option<(Step, Model, String)>,
}

/// A store that is played on.
pub(super) struct Player {
    pub(super) disk: Disk,
    pub(super) opened: Option<Opened>,
    pub(super) model: Model,
    pub(super) incarnation: u128,
    opens: usize,
}

/// Steps of which most append.
pub(super) fn draw_steps(rng: &mut Rng, count: usize) -> Vec<Step> {
    let mut steps = vec![Step::Open, Step::TakeUpAll];
    for _ in 0..count {
        let seed = rng.draw();
        steps.push(match rng.below(20) {
            0..9 => Step::Append(seed),
            9..13 => Step::Write(seed),
            13..16 => Step::Sweep(seed),
            16 => Step::TakeUp(seed),
            17 => Step::CutNow,
            18 => Step::TakeUpAll,
            _ => Step::Open,
        });
    }
    steps.push(Step::Close);
    steps
}

/// What a store has to be able to do after any crash: go on, and be read again. Each fourth time more of it: the
/// short form finds nearly all there is to find, at half the price.
pub(super) fn steps_after_crash(seed: u64) -> Vec<Step> {
    let mut rng = Rng::new(seed);
    let mut steps = vec![Step::TakeUpAll, Step::Append(rng.draw())];
    if rng.once_in(4) {
        steps.extend([Step::Write(rng.draw()), Step::Sweep(rng.draw()), Step::Append(rng.draw())]);
        steps.extend([Step::Open, Step::TakeUpAll, Step::CutNow, Step::Append(rng.draw()), Step::Close]);
    }
    steps.push(Step::Open);
    steps
}

/// Work over what a failed sync may have left in memory: enough to write over some of it, and to build on the rest.
pub(super) fn steps_after_restart(seed: u64) -> Vec<Step> {
    let mut rng = Rng::new(seed);
    let appends = (0..6).map(|_| Step::Append(rng.draw()));
    [Step::TakeUpAll].into_iter().chain(appends).chain([Step::Open]).collect()
}

/// Opens the store of a disk. Each opening knows one more shape than the last, up to three.
pub(super) fn open(disk: &Disk, incarnation: u128, opens: usize) -> Result<Opened, OpenError> {
    let shape = |i: u8| Shape {
        name: format!("entity{i}"),
        hash: WireHash([i; 16]),
        text: format!("shape {i}"),
        schemas: bytes::Bytes::new(),
    };
    let shapes: Vec<_> = (0..opens.min(3) as u8).map(shape).collect();
    open_on(
        Arc::new(disk.clone()),
        Open { shards: SHARDS, shapes: &shapes, incarnation, cache_size: nigh::store::CACHE_SIZE_DEFAULT },
    )
}

impl Player {
    pub(super) fn new(disk: Disk, model: Model, incarnation: u128) -> Self {
        Player { disk, opened: None, model, incarnation, opens: 0 }
    }

    /// Opens it and reads all of it.
    pub(super) fn open(&mut self) -> Result<Seen, OpenError> {
        self.opened = None;
        self.opens += 1;
        let mut opened = open(&self.disk, self.incarnation, self.opens)?;
        let seen = seen(&mut opened);
        self.opened = Some(opened);
        Ok(seen)
    }

    /// Plays steps until one fails. A wrong answer is the error of this function.
    pub(super) fn play(&mut self, steps: &[Step], run: &mut Run) -> Result<(), String> {
        for step in steps {
            let (call, after) = self.model.plan(*step, self.incarnation);
            let mut told = self.call(&call, &after).map_err(|wrong| format!("{step:?}: {wrong}"))?;
            // A full disk is waited for: the same is right again.
            while told.is_err() && self.disk.take_full() {
                told = self.call(&call, &after).map_err(|wrong| format!("{step:?}, again: {wrong}"))?;
            }
            match told {
                Ok(()) if self.disk.sync_has_failed() => {
                    return Err(format!("{step:?} was acknowledged, but its sync failed"));
                }
                Ok(()) => self.model = after,
                Err(error) => {
                    run.failed = Some((*step, after, error));
                    return Ok(());
                }
            }
            run.steps.push((self.disk.operation_count(), self.model.clone()));
        }
        Ok(())
    }

    /// The inner error is the store's, the outer one a wrong answer.
    fn call(&mut self, call: &Call, after: &Model) -> Result<Result<(), String>, String> {
        match call {
            Call::Open => {
                self.opened = None;
                if self.disk.sync_has_failed() {
                    return Ok(Err(CLOSED_BADLY.to_owned()));
                }
                let seen = match self.open() {
                    Ok(seen) => seen,
                    Err(error) => return Ok(Err(error.to_string())),
                };
                let damage = seen.log.damage.as_ref().or(seen.rows.damage.as_ref());
                if let Some(damage) = damage {
                    return Ok(Err(damage.to_string()));
                }
                let meta = self.opened.as_ref().map(|opened| opened.meta.incarnation);
                if meta != after.incarnation {
                    return Err(format!("incarnation {meta:?}, right is {:?}", after.incarnation));
                }
                after.differs(&seen).map_or(Ok(Ok(())), Err)
            }
            Call::Close => {
                self.opened = None;
                Ok(if self.disk.sync_has_failed() { Err(CLOSED_BADLY.to_owned()) } else { Ok(()) })
            }
            call => {
                let opened = self.opened.as_mut().ok_or("the store is not open")?;
                ask(opened, call)
            }
        }
    }
}

/// Makes a call on an open store.
fn ask(opened: &mut Opened, call: &Call) -> Result<Result<(), String>, String> {
    let said = |error: StoreError| error.to_string();
    let done = match call {
        Call::Append(group, right) => match opened.log.append(group) {
            Ok(appended) if appended != *right => {
                return Err(format!("answered {appended:?}, right is {right:?}"));
            }
            done => done.map(drop).map_err(|error| error.to_string()),
        },
        Call::TakeUp(shards, right) => match opened.log.take_up(shards) {
            Ok(heads) if heads != *right => return Err(format!("heads {heads:?}, right is {right:?}")),
            done => done.map(drop).map_err(said),
        },
        Call::Write(rows) => opened.rows.write(rows).map_err(said),
        Call::Sweep { below, cut } => {
            opened.rows.swept(*below).and_then(|()| opened.log.cut(*cut)).map_err(said)
        }
        Call::CutNow => opened.log.cut_now().map_err(said),
        Call::Open | Call::Close => Ok(()),
    };
    Ok(done)
}
