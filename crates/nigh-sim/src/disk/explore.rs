//! Every crash of a history: before each operation of the disk the power fails, several times with other survivors.
//!
//! - [`explore`] plays one history per seed and judges all that follows from it. Start here.
//! - A crash leaves an image; [`Explorer::recover`] opens the store on it, compares it with the model of what was
//!   acknowledged, goes on working, and at random fails the power again meanwhile.
//! - Power that fails under a running store, and a sync that fails, are played for real: the store sees the errors.
//! - Damage is what no crash does; it must be reported, or be harmless.

use std::fmt;
use std::ops::Range;

use nigh::store::{GroupId, Opened, StoreError};

use super::crash::{Counts, Kinds};
use super::device::{Disk, Faults};
use super::history::{Player, Run, draw_steps, steps_after_crash, steps_after_restart};
use super::image::{Image, Operation};
use super::model::{Model, Step};
use super::random::Rng;

/// Steps of a history beside those that open and close it.
const STEPS: usize = 16;
/// Draws of what survives, for each operation.
const CRASHES_PER_OPERATION: usize = 2;
/// The same for the few that concern names: all of them decide whether there is a store.
const CRASHES_PER_NAMING: usize = 16;
/// One in so many crashes is followed by another one during what comes after it.
const CRASHED_AGAIN_ONCE_IN: u64 = 3;
/// One in so many operations is one at which the power fails under the running store.
const POWER_ONCE_IN: u64 = 12;
/// One in so many writes is one at which the disk becomes full.
const FULL_ONCE_IN: u64 = 4;
/// How many writes find no room then, at the most: those of a commit, and what is tried again.
const FULL_TRIES_MAX: u64 = 9;
/// Power losses after a process has ended for a failed sync and started again.
const CRASHES_PER_RESTART: usize = 4;
/// Damaged images of each history, after a planned stop and after a crash each.
const DAMAGES: usize = 40;
/// The log in its directory: `spec/store.md`.
const LOG_FILES: [&str; 2] = ["log.redb", "log.groups"];
/// Beyond this, more of the same would only be longer.
const FAILURES_MAX: usize = 20;

/// What [`explore`] did and found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Histories played.
    pub histories: u64,
    /// Images that a crash left, each opened and judged.
    pub crash_points: u64,
    /// Of these, by the operation at which the power failed, or the phase.
    pub by_operation: Counts,
    /// What befell un-synced sectors and names in them.
    pub by_fault: Counts,
    /// Damaged images, by kind and what the store made of it.
    pub damages: Counts,
    /// Syncs that failed under a running store.
    pub failed_syncs: u64,
    /// Histories on a disk that was full for a while.
    pub full_disks: u64,
    /// What went wrong, each with the seed that shows it; at most 20.
    pub failures: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { histories, crash_points, failed_syncs, full_disks, failures, .. } = self;
        writeln!(
            f,
            "{histories} histories, {crash_points} crash points, {failed_syncs} failed syncs, {full_disks} full disks"
        )?;
        for (what, counts) in
            [("at", &self.by_operation), ("sectors and names", &self.by_fault), ("damage", &self.damages)]
        {
            let counts: Vec<_> = counts.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
            writeln!(f, "{what}: {}", counts.join(", "))?;
        }
        writeln!(f, "{} failures", failures.len())?;
        failures.iter().try_for_each(|failure| writeln!(f, "  {failure}"))
    }
}

/// Plays a history for each seed, with every crash and fault this module knows.
#[must_use]
pub fn explore(seeds: Range<u64>) -> Report {
    let mut report = Report::default();
    for seed in seeds {
        let mut explorer = Explorer { rng: Rng::new(seed), report: &mut report, seed };
        explorer.history();
        if report.failures.len() >= FAILURES_MAX {
            break;
        }
    }
    report
}

struct Explorer<'a> {
    rng: Rng,
    report: &'a mut Report,
    seed: u64,
}

/// A history without a fault, and all that its disk did.
struct Played {
    steps: Vec<Step>,
    run: Run,
    disk: Disk,
}

/// What a store did that came back.
struct GoneOn {
    disk: Disk,
    run: Run,
    incarnation: u128,
}

impl Explorer<'_> {
    fn history(&mut self) {
        self.report.histories += 1;
        let steps = draw_steps(&mut self.rng, STEPS);
        let disk = Disk::new(Image::default(), Faults::default());
        let mut run = Run::default();
        let mut player = Player::new(disk.clone(), Model::none(), self.incarnation());
        let done = player.play(&steps, &mut run);
        if let Some(wrong) = done.err().or(run.failed.take().map(|(.., error)| error)) {
            return self.fail("without a fault", &wrong);
        }
        drop(player);
        let played = Played { steps, run, disk };
        self.crashes(&played);
        self.running(&played);
        self.damages(&played);
        self.older_logs(&played);
    }

    fn incarnation(&self) -> u128 {
        u128::from(self.seed) + 1
    }

    fn fail(&mut self, at: &str, what: &str) {
        let seed = self.seed;
        if self.report.failures.len() < FAILURES_MAX {
            self.report.failures.push(format!("seed {seed}, {at}: {what}"));
        }
    }

    /// The power fails before each operation, and after the last.
    fn crashes(&mut self, played: &Played) {
        let operations = played.disk.operations();
        let mut image = Image::default();
        for (n, operation) in operations.iter().map(Some).chain([None]).enumerate() {
            let kind = operation.map_or("end", |operation| operation.kind());
            let models = models_at(&played.run.steps, &Model::none(), n as u64);
            let naming = operation.is_some_and(Operation::is_naming);
            for _ in 0..if naming { CRASHES_PER_NAMING } else { CRASHES_PER_OPERATION } {
                let at = format!("power fails at operation {n} ({kind})");
                self.crash(&image, &models, &at, kind);
            }
            if let Some(operation) = operation {
                image.apply(operation);
            }
        }
    }

    /// The power fails now, and the store comes back as one of `models`.
    fn crash(&mut self, image: &Image, models: &[Model], at: &str, kind: &'static str) {
        self.report.crash_points += 1;
        *self.report.by_operation.entry(kind).or_default() += 1;
        let left = image.crash(&mut self.rng, Kinds::ALL, &mut self.report.by_fault);
        if let Err(what) = self.recover(&left, models, at) {
            self.fail(at, &what);
        }
    }

    /// The process ends and starts again on a machine that stays up; its power fails later.
    fn restart(&mut self, image: &Image, models: &[Model], at: &str) {
        let kind = "process ends after a failed sync";
        self.report.crash_points += 1;
        *self.report.by_operation.entry(kind).or_default() += 1;
        let at = format!("{at}, {kind}");
        let seed = self.rng.draw();
        match self.go_on(image, models, seed, &steps_after_restart(seed)) {
            Err(what) => self.fail(&at, &what),
            Ok(gone_on) => {
                (0..CRASHES_PER_RESTART).for_each(|_| self.crash_again(image, models, &gone_on, &at))
            }
        }
    }

    /// Opens what a crash left, goes on working, and may crash again.
    fn recover(&mut self, left: &Image, models: &[Model], at: &str) -> Result<(), String> {
        let seed = self.rng.draw();
        let gone_on = self.go_on(left, models, seed, &steps_after_crash(seed))?;
        if self.rng.once_in(CRASHED_AGAIN_ONCE_IN) {
            self.crash_again(left, models, &gone_on, at);
        }
        Ok(())
    }

    /// Opens the store, which is one of `models`, and plays `steps` on it.
    fn go_on(&self, left: &Image, models: &[Model], seed: u64, steps: &[Step]) -> Result<GoneOn, String> {
        let incarnation = u128::from(seed) << 1;
        let disk = Disk::new(left.clone(), Faults::default());
        let mut player = Player::new(disk.clone(), Model::none(), incarnation);
        let seen = player.open().map_err(|error| error.to_string())?;
        let opened = player.opened.as_ref().ok_or("the store is not open")?;
        let found = opened.meta.incarnation;
        let mut why = String::new();
        let model = models.iter().map(|model| model.plan(Step::Open, incarnation).1).find(|model| {
            let differs = model.differs(&seen).or_else(|| {
                let same = model.incarnation == Some(found);
                (!same).then(|| format!("incarnation {found}, right is {:?}", model.incarnation))
            });
            let damage = seen.log.damage.as_ref().or(seen.rows.damage.as_ref());
            let differs = differs.or_else(|| damage.map(ToString::to_string));
            why.extend(differs.iter().map(|differs| format!("{differs}; ")));
            differs.is_none()
        });
        player.model = model.ok_or(why)?;
        let mut run = Run::default();
        run.steps.push((disk.operation_count(), player.model.clone()));
        player.play(steps, &mut run)?;
        if let Some((step, _, error)) = run.failed {
            return Err(format!("{step:?} afterwards: {error}"));
        }
        drop(player);
        Ok(GoneOn { disk, run, incarnation })
    }

    /// The power fails once more, while the store recovers or goes on.
    fn crash_again(
        &mut self,
        left: &Image,
        models: &[Model],
        GoneOn { disk, run, incarnation }: &GoneOn,
        at: &str,
    ) {
        let operations = disk.operations();
        // Half of them while it opens: that is where it repairs.
        let opened = run.steps.first().map_or(0, |(end, _)| *end);
        let end = if self.rng.once_in(2) { opened } else { operations.len() as u64 };
        let n = self.rng.below(end + 1);
        let mut image = left.clone();
        operations.iter().take(n as usize).for_each(|operation| image.apply(operation));
        let models = if n < opened {
            // Nobody was told anything yet.
            let made = models.iter().filter(|model| model.incarnation.is_none());
            let made: Vec<_> = made.map(|model| model.plan(Step::Open, *incarnation).1).collect();
            [models, &made].concat()
        } else {
            models_at(&run.steps, &Model::none(), n)
        };
        let kind = if n < opened { "again, while opening" } else { "again, afterwards" };
        self.crash(&image, &models, &format!("{at}, {kind}, at operation {n}"), kind);
    }

    /// Faults that the running store sees.
    fn running(&mut self, played: &Played) {
        let operations = played.disk.operations();
        for (n, operation) in operations.iter().enumerate() {
            let n = n as u64;
            if self.rng.once_in(POWER_ONCE_IN) {
                let faults = Faults { power_fails_at: Some(n), ..Faults::default() };
                self.run_with(played, faults, "under the running store");
            }
            if operation.kind() == "write" && self.rng.once_in(FULL_ONCE_IN) {
                self.report.full_disks += 1;
                let faults = Faults {
                    full_at: Some((n, 1 + self.rng.below(FULL_TRIES_MAX))),
                    room_helps: self.rng.once_in(2),
                    ..Faults::default()
                };
                self.full(played, faults);
            }
            if operation.kind() == "sync" && self.rng.once_in(2) {
                self.report.failed_syncs += 1;
                let faults = Faults { sync_fails_at: Some((n, self.rng.draw())), ..Faults::default() };
                self.run_with(played, faults, "a sync failed");
            }
        }
    }

    /// Plays the history to its end on a disk that is full for a while: nobody had to start again.
    fn full(&mut self, played: &Played, faults: Faults) {
        let at = format!("a full disk, {faults:?}");
        let disk = Disk::new(Image::default(), faults);
        let mut run = Run::default();
        let mut player = Player::new(disk.clone(), Model::none(), self.incarnation());
        let done = player.play(&played.steps, &mut run);
        let done = done.and(run.failed.map_or(Ok(()), |(step, _, error)| Err(format!("{step:?}: {error}"))));
        let model = player.model.clone();
        drop(player);
        if let Err(what) = done {
            return self.fail(&at, &what);
        }
        self.crash(&disk.image(), &[model], &at, "after a full disk");
    }

    /// Plays the history on a disk that fails, and recovers from what is left.
    fn run_with(&mut self, played: &Played, faults: Faults, kind: &'static str) {
        let at = format!("{kind}, {faults:?}");
        let disk = Disk::new(Image::default(), faults);
        let mut run = Run::default();
        let mut player = Player::new(disk.clone(), Model::none(), self.incarnation());
        let done = player.play(&played.steps, &mut run);
        let done = done.and_then(|()| match player.opened.as_mut() {
            Some(opened) if disk.sync_has_failed() => goes_on(opened, run.failed.as_ref(), &player.model),
            _ => Ok(()),
        });
        drop(player);
        let tried_again = disk.after_failed_sync_count();
        let done = done.and_then(|()| match tried_again {
            0 => Ok(()),
            _ => Err(format!("{tried_again} operations on a file whose sync had failed")),
        });
        if let Err(what) = done {
            return self.fail(&at, &what);
        }
        let acknowledged = run.steps.last().map_or_else(Model::none, |(_, model)| model.clone());
        let in_flight = run.failed.map(|(_, model, _)| model);
        let models = with_between(acknowledged, in_flight);
        self.crash(&disk.image(), &models, &at, kind);
        if disk.sync_has_failed() {
            self.restart(&disk.image(), &models, &at);
        }
    }

    /// What was synced decays, after a planned stop and after a crash.
    fn damages(&mut self, played: &Played) {
        let steps = &played.run.steps;
        let closed = played.disk.image();
        for _ in 0..DAMAGES {
            let (damaged, kind) = closed.damage(&mut self.rng);
            let last: Vec<_> = steps.last().into_iter().map(|(_, model)| model).collect();
            let outcome = judge_damage(&damaged, &last);
            self.note_damage(kind, outcome, "after a planned stop");
        }
        let operations = played.disk.operations();
        let created = steps.first().map_or(0, |(end, _)| *end);
        for _ in 0..DAMAGES {
            // Half of them between two steps: what is damaged then was acknowledged.
            let n = match self.rng.once_in(2) {
                true => steps[self.rng.below(steps.len() as u64) as usize].0,
                false => created + self.rng.below(operations.len() as u64 - created + 1),
            };
            let mut image = Image::default();
            operations.iter().take(n as usize).for_each(|operation| image.apply(operation));
            let (damaged, kind) = image.damage(&mut self.rng);
            let in_flight = steps.partition_point(|(end, _)| *end <= n);
            let models: Vec<_> = steps.iter().take(in_flight + 1).map(|(_, model)| model).collect();
            let outcome = judge_damage(&damaged, &models);
            self.note_damage(kind, outcome, &format!("after a crash at operation {n}"));
        }
    }

    /// A log that is older than the rows beside it, as a backup of only one file leaves it.
    fn older_logs(&mut self, played: &Played) {
        let operations = played.disk.operations();
        let (mut image, mut images, mut done) = (Image::default(), Vec::new(), 0);
        for (end, model) in &played.run.steps {
            operations[done..*end as usize].iter().for_each(|operation| image.apply(operation));
            done = *end as usize;
            images.push((image.settled(), model));
        }
        for (i, (image, model)) in images.iter().enumerate().filter(|(_, (_, model))| model.rows_are_newest())
        {
            let older = images[..i].iter().rfind(|(_, older)| older.log.is_shorter(&model.log));
            let Some((older, older_model)) = older else { continue };
            let both = LOG_FILES.iter().fold(image.clone(), |image, file| image.with_file(file, older));
            let outcome = judge_damage(&both, &[model]);
            self.note_damage("older log", outcome, &format!("after step {i}"));
            // One that only had not been cut yet is what a kill between sweep and cut leaves.
            if older_model.log.is_cut_less(&model.log) {
                continue;
            }
            for file in LOG_FILES {
                let outcome = judge_damage(&image.with_file(file, older), &[model]);
                self.note_damage("half of an older log", outcome, &format!("after step {i}, {file}"));
            }
        }
    }

    fn note_damage(&mut self, kind: &'static str, outcome: Result<&'static str, String>, after: &str) {
        *self.report.damages.entry(kind).or_default() += 1;
        match outcome {
            Ok(outcome) => *self.report.damages.entry(outcome).or_default() += 1,
            Err(what) => self.fail(&format!("{kind} {after}"), &what),
        }
    }
}

/// Damage is refused with nothing touched, or reported where it is read, or harms nothing. The newest transaction of
/// a file that was not closed may look as if it had never finished, unless the other file shows that it did:
/// `spec/store.md`, 7. The last of `models` is the one in flight.
fn judge_damage(damaged: &Image, models: &[&Model]) -> Result<&'static str, String> {
    let disk = Disk::new(damaged.clone(), Faults::default());
    let mut player = Player::new(disk.clone(), Model::none(), 0);
    let Ok(seen) = player.open() else {
        drop(player);
        let untouched = disk.image().reads_as(damaged);
        return if untouched { Ok("refused") } else { Err("refused, and touched".to_owned()) };
    };
    let logs: Vec<_> = newest(models.iter().map(|model| &model.log)).into_iter().cloned().collect();
    let between = logs.windows(2).filter_map(|pair| pair[1].between(&pair[0]));
    let logs: Vec<_> = between.chain(logs.iter().cloned()).collect();
    let rows = newest(models.iter().map(|model| &model.rows));
    let pairs = logs.iter().flat_map(|log| rows.iter().map(move |rows| (log, *rows)));
    let mut why = String::new();
    for (log, rows) in pairs.filter(|(log, rows)| rows.fits(log)) {
        match seen.log.is_right(log).and_then(|()| seen.rows.is_right(rows)) {
            Err(what) => why.push_str(&format!("{what}; ")),
            Ok(()) if seen.log.damage.is_some() || seen.rows.damage.is_some() => return Ok("reported"),
            Ok(()) => {
                let newest = models.iter().rev().take(2);
                let is_there = newest.clone().any(|model| model.log == *log);
                let is_there = is_there && newest.clone().any(|model| model.rows == *rows);
                return Ok(if is_there { "harmless" } else { "newest transaction gone" });
            }
        }
    }
    Err(format!("neither refused nor right: {why}"))
}

/// The last one, that may be in flight; the one before, that is durable; and the one before that.
fn newest<'a, T: PartialEq>(states: impl DoubleEndedIterator<Item = &'a T>) -> Vec<&'a T> {
    let mut newest: Vec<&T> = Vec::new();
    for state in states.rev() {
        if newest.last().is_none_or(|last| *last != state) {
            newest.push(state);
        }
    }
    newest.truncate(3);
    newest
}

/// What a store may be when the power fails before operation `n`: as after the last step that was acknowledged, or as
/// after the one in flight.
fn models_at(steps: &[(u64, Model)], start: &Model, n: u64) -> Vec<Model> {
    let done = steps.partition_point(|(end, _)| *end <= n);
    let before = done.checked_sub(1).map_or(start, |last| &steps[last].1);
    with_between(before.clone(), steps.get(done).map(|(_, model)| model.clone()))
}

/// What was acknowledged, what is in flight, and what is durable between the two.
fn with_between(acknowledged: Model, in_flight: Option<Model>) -> Vec<Model> {
    let between = in_flight.as_ref().and_then(|after| acknowledged.between(after));
    [Some(acknowledged), between, in_flight].into_iter().flatten().collect()
}

/// After a failed sync the half that saw it takes nothing more, and no cut goes beyond what was swept.
fn goes_on(opened: &mut Opened, failed: Option<&(Step, Model, String)>, model: &Model) -> Result<(), String> {
    let Some((step, ..)) = failed else { return Ok(()) };
    let too_far = opened.log.cut(GroupId(u64::MAX));
    match too_far {
        Err(StoreError::NotSwept { swept, .. }) if swept == model.swept() => {}
        other => return Err(format!("a cut is allowed beyond {:?}: {other:?}", model.swept())),
    }
    let closed = match step {
        Step::Write(_) | Step::Sweep(_) => {
            matches!(opened.rows.write(&[]), Err(StoreError::Closed))
                && matches!(opened.rows.swept(GroupId(1)), Err(StoreError::Closed))
        }
        Step::Append(_) | Step::TakeUp(_) | Step::TakeUpAll | Step::CutNow => {
            matches!(opened.log.tail(&|_| true, &mut |_| {}), Err(StoreError::Closed))
                && matches!(opened.log.take_up(&[]), Err(StoreError::Closed))
        }
        Step::Open | Step::Close => true,
    };
    if closed { Ok(()) } else { Err(format!("{step:?} failed, and the store is not closed")) }
}
