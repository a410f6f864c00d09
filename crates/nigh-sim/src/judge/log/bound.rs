//! What is remembered of calls is bounded: what a caller knew when it asked for what has a later record is freed (R14).
//!
//! [`LogJudge::done_with`] says of which calls no owner may have a record; whoever has the owner asks it. It errs on one side
//! only: of a caller with an open call or a doubt it says nothing above that one.

use std::collections::BTreeMap;

use nigh_proto::Instant;
use nigh_proto::shards::ShardId;
use nigh_wire::{CallId, CallerId, Cause};

use super::LogJudge;
use super::callers::Kind;
use super::fates::{Fate, Numbered, Place};
use crate::judge::program::Program;

/// A call of a caller.
struct Made {
    id: CallId,
    at: Instant,
    /// `None`: it may be open, in doubt, or asked by others, too.
    known_at: Option<Instant>,
    /// Of its record, and whether the record says what the caller knew.
    place: Option<(Place, bool)>,
}

impl<P: Program> LogJudge<P> {
    /// Calls that are known to whoever made them, and were when it asked for something that is later in the log.
    pub fn done_with(&self) -> Vec<(ShardId, CallId)> {
        let mut callers: BTreeMap<CallerId, Vec<Made>> = BTreeMap::new();
        for op in self.ops.values() {
            let (Kind::Write(key, number), Some(id)) = (&op.kind, op.asked.id) else { continue };
            let known_at = op.known_at.filter(|_| self.calls.at(*number).tries == 1);
            // Of what commutes there is no record; that it was given up is told by its id.
            let place = self.fates.get(&Numbered(key.0.unwrap_or(id))).map(place_of);
            callers.entry(id.caller).or_default().push(Made { id, at: op.asked.at, known_at, place });
        }
        callers.into_values().flat_map(|made| done_with(&made)).collect()
    }
}

fn place_of(fate: &Fate) -> (Place, bool) {
    match fate {
        Fate::Ran { place, .. } => (*place, true),
        // It may be of whoever settled the call, who says nothing.
        Fate::Again { place, .. } => (*place, false),
        Fate::Stone { place, cause } => (*place, *cause != Cause::Fenced),
    }
}

/// Of one caller.
fn done_with(made: &[Made]) -> Vec<(ShardId, CallId)> {
    let mut last: BTreeMap<ShardId, (u64, &Made)> = BTreeMap::new();
    for call in made {
        if let Some((Place { shard, position }, true)) = call.place {
            let later = last.get(&shard).is_none_or(|(before, _)| *before < position);
            if later {
                last.insert(shard, (position, call));
            }
        }
    }
    let floors: BTreeMap<ShardId, u64> =
        last.into_iter().map(|(shard, (_, of))| (shard, known_below(made, of))).collect();
    let is_done =
        |place: &Place, id: &CallId| floors.get(&place.shard).is_some_and(|floor| id.number < *floor);
    let recorded = made.iter().filter_map(|call| Some((call.place?.0, call.id)));
    recorded.filter(|(place, id)| is_done(place, id)).map(|(place, id)| (place.shard, id)).collect()
}

/// All numbers below this were known when `last` was asked for.
fn known_below(made: &[Made], last: &Made) -> u64 {
    let before = made.iter().filter(|call| call.at <= last.at);
    let open = before.filter(|call| call.known_at.is_none_or(|known_at| known_at >= last.at));
    open.map(|call| call.id.number).min().expect("the last is open when it is asked for")
}
