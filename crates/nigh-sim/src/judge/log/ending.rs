//! Once faults have stopped: everything is answered, owners hold what the log says, and so does its fold.

use std::time::Duration;

use nigh_proto::Instant;
use nigh_proto::shards::row::Target;
use nigh_wire::Bytes;

use super::fates::CallKey;
use super::{Judgement, LogJudge, Moment, Violation};
use crate::judge::program::Program;

impl<P: Program> LogJudge<P> {
    /// All entities that were asked for or changed, in order of name and key.
    pub fn entities(&self) -> Vec<Target> {
        let mut all: Vec<Target> = self.shadows.all().iter().map(|shadow| shadow.target.clone()).collect();
        all.sort_unstable();
        all
    }

    /// An owner that has appended all it had holds this state. To be asked of each of [`LogJudge::entities`],
    /// and of whatever else owners hold.
    ///
    /// # Errors
    ///
    /// The log says otherwise.
    pub fn state_of(
        &mut self,
        now: Instant,
        entity: &str,
        key: &Bytes,
        snapshot: &Bytes,
    ) -> Result<(), Violation> {
        let target = Target { entity: entity.into(), key: key.clone() };
        let Some(index) = self.shadows.index(&self.program, &target) else {
            let text = format!("an owner holds an entity `{entity}`, and there is none of that name");
            return Err(Violation::new(Judgement::Fed, now, text));
        };
        let shadow = self.shadows.of(index);
        let logged = self.program.snapshot(&shadow.live);
        if logged == *snapshot {
            return Ok(());
        }
        let text = |state| self.program.state_text(entity, state);
        let (name, held, logged) = (shadow.name(), text(snapshot), text(&logged));
        Err(Violation::new(
            Judgement::Recovered,
            now,
            format!("an owner holds {name} as {held}; the log says {logged}"),
        ))
    }

    /// All entities that anybody called, as the durable log makes them.
    pub fn cells(&self) -> impl Iterator<Item = (&Target, &P::Cell)> {
        self.shadows.all().iter().map(|shadow| (&shadow.target, &shadow.live))
    }

    /// The run is over, and there were no faults since `calm_since`: whatever was asked at least
    /// `answered_within` ago, in that time, is answered.
    ///
    /// # Errors
    ///
    /// It is not; or a view of an older state was wrong; or the changes of the log do not make its state; or
    /// something ran that nobody may have caused.
    pub fn end(
        &mut self,
        now: Instant,
        calm_since: Instant,
        answered_within: Duration,
    ) -> Result<(), Violation> {
        let open = self.ops.values().filter(|op| op.heard_at.is_none());
        let due = |at: Instant| at.max(calm_since).saturating_add(answered_within);
        if let Some(op) = open.into_iter().find(|op| due(op.asked.at) <= now) {
            let (asked, calm) = (&op.asked, Moment(calm_since));
            let text = format!("{asked} is not answered, and there was no fault since {calm}");
            return Err(Violation::new(Judgement::Answered, now, text));
        }
        for (CallKey(id, _), call) in self.calls.iter() {
            if id.is_none() && call.maybe == 0 && !call.outcomes.is_empty() {
                let asked = call.asked.as_ref().expect("what commutes is not settled");
                let text = format!("{asked} ran, and all who asked for it were told that it is not done");
                return Err(Violation::new(Judgement::Honest, now, text));
            }
        }
        for shadow in self.shadows.all_mut() {
            shadow.fold(&self.program, now)?;
        }
        Ok(())
    }
}
