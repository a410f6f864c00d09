//! What is known of a call: what was asked, what its askers were told, and what the log says of its id.
//!
//! A call is an id with a fingerprint: the same id with other arguments is another call (R3). A call that
//! commutes has no id in the log, and stands for all with the same arguments.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use nigh_proto::Instant;
use nigh_proto::calls::RETENTION;
use nigh_proto::shards::ShardId;
use nigh_proto::shards::record::RanOutcome;
use nigh_proto::shards::row::{KeyedKey, Target};
use nigh_wire::{Bytes, CallId, Cause, Class, Fingerprint, Keyed, Time};

use super::callers::Whom;
use super::{Judgement, Moment, Returned, Violation};
use crate::judge::violation::Show;

/// Which call: `None` for all that commute and have these arguments. Its number and its fingerprint stand first in order:
/// they tell most calls apart, and are compared in a step each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct CallKey(pub(super) Option<CallId>, pub(super) Fingerprint);

impl Ord for CallKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let first = |key: &CallKey| (key.0.map_or(0, |id| id.number), key.1);
        first(self).cmp(&first(other)).then_with(|| self.0.cmp(&other.0))
    }
}
impl PartialOrd for CallKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// An id, in order of number and birth.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbered(pub(super) CallId);

impl Ord for Numbered {
    fn cmp(&self, other: &Self) -> Ordering {
        let first = |id: &CallId| (id.number, id.birth);
        first(&self.0).cmp(&first(&other.0)).then_with(|| self.0.caller.cmp(&other.0.caller))
    }
}
impl PartialOrd for Numbered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A place in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) shard: ShardId,
    pub(super) position: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "place {} of shard {}", self.position, self.shard.0)
    }
}

/// What was asked, the first time.
#[derive(Clone, Debug)]
pub(super) struct Intent {
    pub(super) op: u64,
    pub(super) client: u32,
    pub(super) at: Instant,
    pub(super) id: Option<CallId>,
    pub(super) target: Target,
    /// The target's number; `None` of a service, or if there is no such entity.
    pub(super) index: Option<usize>,
    pub(super) method: Arc<str>,
    pub(super) args: Bytes,
    pub(super) class: Class,
    pub(super) keyed: Option<Keyed>,
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (method, entity, key) = (&self.method, &self.target.entity, Show(&self.target.key));
        write!(f, "`{method}` on {entity} {key} (operation {} of client {}, ", self.op, self.client)?;
        write!(f, "asked at {}", Moment(self.at))?;
        if let Some(id) = self.id {
            write!(f, ", number {} of {:?}", id.number, id.caller)?;
        }
        f.write_str(")")
    }
}

/// A call, in whatever order it was asked, settled and run.
#[derive(Default)]
pub(super) struct Call {
    /// `None`: only settled so far.
    pub(super) asked: Option<Arc<Intent>>,
    /// How many operations asked for it.
    pub(super) tries: u32,
    /// Of those, the ones that may have run. Only of calls that commute.
    pub(super) maybe: u32,
    /// What was said of it, for good, to whom and when.
    pub(super) told: Option<(Told, Whom)>,
    /// That was said of one try, by its client: whoever asks again under the same id may be told otherwise.
    pub(super) of_try: bool,
    pub(super) forgotten: Option<String>,
    /// Its caller knows what became of it, or does not want to know (R15).
    pub(super) known: bool,
    /// What its runs returned. Only of calls that commute.
    pub(super) outcomes: BTreeSet<(bool, Bytes)>,
}

/// All calls. Whoever asked has its number, and looks for it no more.
#[derive(Default)]
pub(super) struct Calls {
    by_key: BTreeMap<CallKey, usize>,
    all: Vec<Call>,
}

impl Calls {
    /// The number of a call, which may be new.
    pub(super) fn number(&mut self, key: CallKey) -> usize {
        let new = self.all.len();
        let at = *self.by_key.entry(key).or_insert(new);
        if at == new {
            self.all.push(Call::default());
        }
        at
    }

    pub(super) fn of(&mut self, number: usize) -> &mut Call {
        &mut self.all[number]
    }

    pub(super) fn at(&self, number: usize) -> &Call {
        &self.all[number]
    }

    pub(super) fn get(&self, key: CallKey) -> Option<&Call> {
        self.by_key.get(&key).map(|at| &self.all[*at])
    }

    pub(super) fn get_mut(&mut self, key: CallKey) -> Option<&mut Call> {
        self.by_key.get(&key).map(|at| &mut self.all[*at])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&CallKey, &Call)> {
        self.by_key.iter().map(|(key, at)| (key, &self.all[*at]))
    }
}

/// A verdict, as far as all must agree on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Ran(RanOutcome),
    NotDone,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Told::Ran(outcome) => Returned(outcome).fmt(f),
            Told::NotDone => f.write_str("that it is not done"),
        }
    }
}

impl Call {
    /// It takes effect now: nobody may have been told that it does not.
    pub(super) fn may_run(&self, now: Instant, asked: &Intent, place: Place) -> Result<(), Violation> {
        let told = match (&self.told, &self.forgotten) {
            (Some((Told::NotDone, whom)), _) => format!("{whom} was told that it is not done"),
            (_, Some(whom)) => format!("{whom} was told that it is forgotten"),
            _ => return Ok(()),
        };
        let text = format!("{asked} took effect at {place}, after {told}");
        Err(Violation::new(Judgement::Never, now, text))
    }
}

/// What the log says of an id.
pub(super) enum Fate {
    Ran { place: Place, fingerprint: Fingerprint, outcome: RanOutcome },
    Again { place: Place, fingerprint: Fingerprint, outcome: RanOutcome },
    Stone { place: Place, cause: Cause },
}

impl Fate {
    /// What it says of the call with this fingerprint: outcome and place.
    pub(super) fn outcome(&self, of: Fingerprint) -> Option<(&RanOutcome, Place)> {
        match self {
            Fate::Ran { place, fingerprint, outcome } | Fate::Again { place, fingerprint, outcome } => {
                (*fingerprint == of).then_some((outcome, *place))
            }
            Fate::Stone { .. } => None,
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fate::Ran { place, outcome, .. } => {
                write!(f, "a run at {place} that returned {}", Returned(outcome))
            }
            Fate::Again { place, outcome, .. } => {
                write!(f, "a repeated answer at {place}, {}", Returned(outcome))
            }
            Fate::Stone { place, cause } => write!(f, "a tombstone at {place} ({cause})"),
        }
    }
}

/// The last run, or tombstone, under an idempotency key.
pub(super) struct RanUnder {
    pub(super) id: CallId,
    pub(super) time: Time,
    pub(super) fingerprint: Fingerprint,
    pub(super) place: Place,
    pub(super) dead: bool,
}

impl RanUnder {
    /// True if this try was born while the key was surely remembered (R12).
    pub(super) fn remembers(&self, id: CallId) -> bool {
        id.birth <= self.time.saturating_add(RETENTION)
    }
}

impl fmt::Display for RanUnder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.dead { "was fenced" } else { "ran" };
        write!(f, "number {} of {:?} {what} at {}", self.id.number, self.id.caller, self.place)
    }
}

/// What an idempotency key is remembered under.
pub(super) fn keyed_key(keyed: &Keyed, entity: &Arc<str>, key: &Bytes, method: &Arc<str>) -> KeyedKey {
    KeyedKey {
        principal: keyed.principal.clone(),
        target: Target { entity: entity.clone(), key: key.clone() },
        method: method.clone(),
        key: keyed.key.clone(),
    }
}
