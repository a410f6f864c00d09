//! A second copy of each entity: its methods run again in the order of the log, its views on the states it had.
//!
//! Two folds of one log. The *live* cell runs the methods; every answer and change must be the recorded one. At
//! the end a fresh cell repeats the changes alone, must come to the same state, and answers on its way the views
//! that were of older states.

use std::collections::BTreeMap;
use std::sync::Arc;

use nigh_proto::Instant;
use nigh_proto::shards::ShardId;
use nigh_proto::shards::record::{Other, Ran, RanOutcome};
use nigh_proto::shards::row::Target;
use nigh_wire::Bytes;

use super::fates::{Intent, Place};
use super::{Judgement, Returned, Violation};
use crate::judge::claims::{self, Sample};
use crate::judge::program::{Program, Run, Wrote};
use crate::judge::violation::Show;

/// All entities that were asked for or changed.
pub(super) struct Shadows<C> {
    by_name: BTreeMap<Target, usize>,
    all: Vec<Shadow<C>>,
}

/// One entity.
pub(super) struct Shadow<C> {
    pub(super) target: Target,
    pub(super) live: C,
    /// Of its first record: all others are there.
    pub(super) shard: Option<ShardId>,
    changes: Vec<Change>,
    /// How many of its changes anybody has been shown.
    pub(super) seen: usize,
    late: Vec<Late>,
    claims: u32,
    commuted: Option<Sample>,
}

struct Change {
    place: u64,
    redo: Bytes,
    deleted: bool,
}

/// A view to be judged at the end: it shows the state after some number of changes between these.
struct Late {
    low: usize,
    high: usize,
    view: Arc<Intent>,
    told: RanOutcome,
}

impl<C> Default for Shadows<C> {
    fn default() -> Self {
        Shadows { by_name: BTreeMap::new(), all: Vec::new() }
    }
}

impl<C> Shadows<C> {
    /// The number of an entity; `None` if there is none of that name.
    pub(super) fn index<P: Program<Cell = C>>(&mut self, program: &P, target: &Target) -> Option<usize> {
        if let Some(index) = self.by_name.get(target) {
            return Some(*index);
        }
        let live = program.fresh(&target.entity)?;
        let index = self.all.len();
        self.by_name.insert(target.clone(), index);
        self.all.push(Shadow {
            target: target.clone(),
            live,
            shard: None,
            changes: Vec::new(),
            seen: 0,
            late: Vec::new(),
            claims: 0,
            commuted: None,
        });
        Some(index)
    }

    pub(super) fn of(&self, index: usize) -> &Shadow<C> {
        &self.all[index]
    }
    pub(super) fn of_mut(&mut self, index: usize) -> &mut Shadow<C> {
        &mut self.all[index]
    }
    pub(super) fn all(&self) -> &[Shadow<C>] {
        &self.all
    }
    pub(super) fn all_mut(&mut self) -> &mut [Shadow<C>] {
        &mut self.all
    }

    /// Runs a method again where its record stands.
    #[allow(clippy::too_many_arguments, reason = "a record, and where it stands in the run")]
    pub(super) fn run<P: Program<Cell = C>>(
        &mut self,
        program: &P,
        now: Instant,
        index: usize,
        place: Place,
        ran: &Ran,
        asked: &Intent,
        claims_max: u32,
    ) -> Result<(), Violation> {
        let shadow = &mut self.all[index];
        if *shadow.shard.get_or_insert(place.shard) != place.shard {
            let text = format!("{asked} ran at {place}, and its key was of another shard before");
            return Err(Violation::new(Judgement::Log, now, text));
        }
        if shadow.claims < claims_max {
            shadow.try_claim(program, now, ran, asked)?;
        }
        let Ran { time, seed, .. } = *ran;
        let (entity, key, method, args) = (&*ran.entity, &ran.key, &*ran.method, &asked.args);
        let run = Run { entity, key, method, time, seed, args };
        let (wrote, others) = if program.has_home(entity) {
            self.run_beside(program, index, place.shard, &run)
        } else {
            (program.write(&mut shadow.live, &run), vec![])
        };
        if others != ran.others {
            let text = format!(
                "{asked} is recorded at {place} with {} changes of others; run again there, it makes {others:?}",
                ran.others.len()
            );
            return Err(Violation::new(Judgement::Code, now, text));
        }
        let same = match &wrote {
            Wrote::Ok { value, redo, deleted } => {
                matches!(&ran.outcome, RanOutcome::Ok(told) if told == value)
                    && ran.redo == *redo
                    && ran.deleted == *deleted
            }
            Wrote::Err(error) => {
                let told = matches!(&ran.outcome, RanOutcome::Err(told) if told == error);
                told && ran.redo.is_empty() && !ran.deleted
            }
            Wrote::Unfit(_) | Wrote::Panicked(_) => false,
        };
        if !same {
            return Err(Violation::new(Judgement::Code, now, differs(place, ran, asked, &wrote)));
        }
        let shadow = &mut self.all[index];
        if !ran.redo.is_empty() || ran.deleted {
            let (redo, deleted) = (ran.redo.clone(), ran.deleted);
            shadow.changes.push(Change { place: place.position, redo, deleted });
        }
        for Other { entity, key, redo } in others {
            let target = Target { entity, key };
            let index = self.index(program, &target).expect("it was run");
            let change = Change { place: place.position, redo, deleted: false };
            self.all[index].shard = Some(place.shard);
            self.all[index].changes.push(change);
        }
        Ok(())
    }

    /// Runs a method with all that is of its shard in its reach.
    fn run_beside<P: Program<Cell = C>>(
        &mut self,
        program: &P,
        index: usize,
        shard: ShardId,
        run: &Run<'_>,
    ) -> (Wrote, Vec<Other>) {
        let fresh =
            |entity: &str| program.fresh(entity).expect("there is such an entity: its live cell was made");
        let mut lent = BTreeMap::new();
        for (at, shadow) in self.all.iter_mut().enumerate() {
            if at != index && shadow.shard == Some(shard) {
                let cell = std::mem::replace(&mut shadow.live, fresh(&shadow.target.entity));
                lent.insert(shadow.target.clone(), cell);
            }
        }
        let done = program.write_beside(&mut self.all[index].live, run, &mut lent);
        for (target, cell) in lent {
            if let Some(at) = self.index(program, &target) {
                self.all[at].live = cell;
            }
        }
        done
    }
}

/// Both facts: what the record says, and what the method does.
fn differs(place: Place, ran: &Ran, asked: &Intent, wrote: &Wrote) -> String {
    let change = |redo: &Bytes, deleted: bool| match (deleted, redo.is_empty()) {
        (true, _) => "a deletion".to_owned(),
        (false, true) => "no change".to_owned(),
        (false, false) => format!("the change {}", Show(redo)),
    };
    let recorded = format!("{} and {}", Returned(&ran.outcome), change(&ran.redo, ran.deleted));
    let again = match wrote {
        Wrote::Ok { value, redo, deleted } => {
            let value = RanOutcome::Ok(value.clone());
            format!("gives {} and {}", Returned(&value), change(redo, *deleted))
        }
        Wrote::Err(error) => format!("gives {} and no change", Returned(&RanOutcome::Err(error.clone()))),
        Wrote::Unfit(why) => format!("does not run: {why}"),
        Wrote::Panicked(why) => format!("panics: {why}"),
    };
    let (time, seed) = (ran.time, ran.seed);
    format!(
        "{asked} is recorded at {place} with {recorded}; run again there, at {time:?} with seed {seed:?}, it {again}"
    )
}

impl<C> Shadow<C> {
    /// How many changes stand below a position.
    pub(super) fn changes_before(&self, position: u64) -> usize {
        // Most ask about the present.
        if self.changes.last().is_none_or(|last| last.place < position) {
            return self.changes.len();
        }
        self.changes.partition_point(|change| change.place < position)
    }

    /// Somebody was shown the state after that many changes.
    pub(super) fn show(&mut self, changes: usize) {
        self.seen = self.seen.max(changes);
    }

    /// Two calls that commute, on the state before the second.
    fn try_claim<P: Program<Cell = C>>(
        &mut self,
        program: &P,
        now: Instant,
        ran: &Ran,
        asked: &Intent,
    ) -> Result<(), Violation> {
        self.claims += 1;
        let (method, args, time, seed) = (ran.method.clone(), asked.args.clone(), ran.time, ran.seed);
        let sample = Sample { method, args, time, seed };
        let other = self.commuted.as_ref().unwrap_or(&sample);
        let state = program.snapshot(&self.live);
        claims::commutes(program, &ran.entity, &ran.key, &state, &sample, other)
            .map_err(|claim| Violation::new(Judgement::Claim, now, claim.to_string()))?;
        self.commuted = Some(sample);
        Ok(())
    }

    /// A view told something of the state after `low` to `high` changes: judged now if that is the present.
    pub(super) fn viewed<P: Program<Cell = C>>(
        &mut self,
        program: &P,
        now: Instant,
        (low, high): (usize, usize),
        view: &Arc<Intent>,
        told: RanOutcome,
        claims_max: u32,
    ) -> Result<(), Violation> {
        if low < self.changes.len() {
            self.late.push(Late { low, high, view: view.clone(), told });
            return Ok(());
        }
        let entity = &*self.target.entity;
        if self.claims < claims_max {
            self.claims += 1;
            claims::reads(program, &self.live, entity, &view.method, &view.args)
                .map_err(|claim| Violation::new(Judgement::Claim, now, claim.to_string()))?;
        }
        let read = program.read(&self.live, entity, &view.method, &view.args);
        if read.as_ref() != Some(&told) {
            let late = Late { low, high, view: view.clone(), told };
            return Err(Violation::new(Judgement::View, now, Self::wrong_view(&late, read.as_ref())));
        }
        Ok(())
    }

    /// Repeats all changes on a fresh cell: the views of older states, and the fold.
    pub(super) fn fold<P: Program<Cell = C>>(&mut self, program: &P, now: Instant) -> Result<(), Violation> {
        let entity = &*self.target.entity;
        let mut cell = program.fresh(entity).expect("there is such an entity: its live cell was made");
        self.late.sort_by_key(|late| late.low);
        let (mut begun, mut open): (usize, Vec<usize>) = (0, Vec::new());
        for at in 0..=self.changes.len() {
            while self.late.get(begun).is_some_and(|late| late.low == at) {
                open.push(begun);
                begun += 1;
            }
            let mut left = Vec::new();
            for index in open {
                let late = &self.late[index];
                let read = program.read(&cell, entity, &late.view.method, &late.view.args);
                if read.as_ref() == Some(&late.told) {
                    continue;
                }
                if late.high == at {
                    return Err(Violation::new(Judgement::View, now, Self::wrong_view(late, read.as_ref())));
                }
                left.push(index);
            }
            open = left;
            let Some(change) = self.changes.get(at) else { break };
            if change.deleted {
                program.reset(&mut cell);
            } else if !program.apply(&mut cell, &change.redo) {
                let (name, place) = (self.name(), change.place);
                let text = format!("{name}: its change at {place} of its log cannot be applied");
                return Err(Violation::new(Judgement::Fold, now, text));
            }
        }
        let (folded, live) = (program.snapshot(&cell), program.snapshot(&self.live));
        if folded != live {
            let text = |state| program.state_text(entity, state);
            let (name, count, folded, live) = (self.name(), self.changes.len(), text(&folded), text(&live));
            let text = format!("{name}: its methods made {live}; its {count} changes make {folded}");
            return Err(Violation::new(Judgement::Fold, now, text));
        }
        Ok(())
    }

    pub(super) fn name(&self) -> String {
        format!("{} {}", self.target.entity, Show(&self.target.key))
    }

    fn wrong_view(late: &Late, read: Option<&RanOutcome>) -> String {
        let told = Returned(&late.told);
        let read = read.map_or_else(|| "nothing".to_owned(), |read| Returned(read).to_string());
        let Late { low, high, view: name, .. } = late;
        if low == high {
            return format!(
                "{name} was told {told}; the state after {low} changes, which it is of, gives {read}"
            );
        }
        format!("{name} was told {told}; none of the states after {low} to {high} changes gives that")
    }
}
