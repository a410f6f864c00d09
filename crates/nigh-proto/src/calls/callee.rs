//! What an owner answers, before anything runs: the order in which its tables decide.
//!
//! [`decide`] is about a copy of a call, [`verdict`] about a ticket. Both only read: the shard that asks
//! (`shards/shard.rs`) runs, records and holds answers back until what they were read from is durable.
//!
//! The order is that of DESIGN's commit: known, record, too old, too far ahead, key's record, below the mark,
//! predecessor. Whatever ends in a verdict on the id (an [`Answer`]) is for good: it rests on something that
//! only grows (what is known, a mark, age) or on a record under this very id. What ends in a [`Refusal`]
//! speaks of this copy.

use std::sync::Arc;

use nigh_wire::{Bytes, CallId, Cause, Fingerprint, Keyed, Ticket, Time};

use super::request::{Answer, Order, Refusal};
use super::tally::Took;
use super::{DEADLINE_MAX, FUTURE_MAX, RETENTION};
use crate::shards::Position;
use crate::shards::row::Verdict;
use crate::shards::tables::{Tables, keyed_key};

/// One copy of a writing call, as it reached its owner. Its arguments stay with the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// R1.
    pub id: CallId,
    /// Wire name of the entity.
    pub entity: Arc<str>,
    /// Encoded key.
    pub key: Bytes,
    /// Wire name of the method.
    pub method: Arc<str>,
    /// R3.
    pub fingerprint: Fingerprint,
    /// R10. Of a keyed or commuting call it is not looked at.
    pub order: Order,
    /// Idempotency key, if it carries one. Of a commuting call it is not looked at.
    pub keyed: Option<Keyed>,
    /// Any order, any number of times: no record is kept.
    pub commutes: bool,
}

/// What is to be done with a copy or a ticket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing speaks against it. Of a ticket: nothing is known, fence it.
    Run,
    /// Its record, which the one at this place made.
    Recorded(Verdict, Position),
    /// Its key's record: to be recorded under this id before it is told.
    Again(Verdict),
    /// On the id, for good, from what is in memory.
    Answer(Answer),
    /// R13, R16: on the id, because of what time it is.
    TooOld,
    /// R11: on this copy.
    Refuse(Refusal),
}

impl Decision {
    /// What it is in the ledger, if it is told.
    pub(crate) fn took(&self) -> Took {
        match self {
            // Of a ticket, which is fenced.
            Decision::Run | Decision::Answer(Answer::NotDone(_)) => Took::NotDone,
            Decision::Recorded(..) | Decision::Again(_) => Took::Repeated,
            Decision::Answer(_) | Decision::TooOld => Took::Forgotten,
            Decision::Refuse(refusal) => Took::refused(refusal),
        }
    }
}

/// What to do with a copy at this log time.
pub(crate) fn decide(tables: &Tables, time: Time, arrival: &Arrival) -> Decision {
    let CallId { caller, number, birth } = arrival.id;
    let keyed = arrival.keyed.as_ref().filter(|_| !arrival.commutes);
    let key = keyed.map(|keyed| (keyed, &arrival.entity, &arrival.key, &arrival.method));
    if let Some(decision) = look_up(tables, time, arrival.id, arrival.fingerprint, key) {
        return decision;
    }
    if keyed.is_some() {
        // R11, R12: a try must not outlive its key's record, or it would run again. This copy only.
        #[rustfmt::skip]
        let late = birth.saturating_add(DEADLINE_MAX) < time; // mutant late-try-runs: let late = false;
        if late {
            return Decision::Refuse(Refusal::Expired);
        }
        return Decision::Run;
    }
    let Order::After { after, .. } = arrival.order else { return Decision::Run };
    if arrival.commutes {
        return Decision::Run;
    }
    // R10: what ran on this key came later in its caller's order, so this one is refused for good.
    let mark = tables.mark(caller, &arrival.entity, &arrival.key);
    #[rustfmt::skip]
    let late = number < mark; // mutant late-number-runs: let late = false;
    if late {
        return Decision::Answer(Answer::NotDone(Cause::Fenced));
    }
    // R10: its predecessor was refused, or is still under way on another link: not yet.
    let settled = || tables.is_known(caller, after) || tables.record(caller, after).is_some();
    #[rustfmt::skip]
    let missing = after > mark && !settled(); // mutant predecessor-unchecked: let missing = false;
    if missing {
        return Decision::Refuse(Refusal::NotYet);
    }
    Decision::Run
}

/// What a settler is told at this log time (R12). [`Decision::Run`]: commit a tombstone, and then not done.
///
/// That is so below its key's mark, too: a ticket does not say whether its call was in order, and one that was
/// not is not held back by a mark.
pub(crate) fn verdict(tables: &Tables, time: Time, ticket: &Ticket, commutes: bool) -> Decision {
    let (Some(key), false) = (&ticket.key, commutes) else { return Decision::Answer(Answer::NoRecord) };
    let (entity, method) = (Arc::from(ticket.of.as_str()), Arc::from(ticket.method.as_str()));
    let of = ticket.keyed.as_ref().map(|keyed| (keyed, &entity, key, &method));
    match look_up(tables, time, ticket.id, ticket.fingerprint, of) {
        Some(Decision::Recorded(verdict, position)) => Decision::Recorded(settled(verdict), position),
        Some(Decision::Again(verdict)) => Decision::Again(settled(verdict)),
        Some(decision) => decision,
        None => Decision::Run,
    }
}

/// What a settler is told of a record. Why a call could not be run is for who made it; to a settler it would
/// say that its ticket is at fault, and the doubt would never end.
fn settled(verdict: Verdict) -> Verdict {
    #[rustfmt::skip]
    let why = matches!(verdict, Verdict::NotDone(Cause::Panicked(_) | Cause::Stuck)); // mutant settler-blamed: let why = true;
    match verdict {
        Verdict::NotDone(_) if !why => Verdict::NotDone(Cause::Fenced),
        verdict => verdict,
    }
}

type KeyOf<'a> = (&'a Keyed, &'a Arc<str>, &'a Bytes, &'a Arc<str>);

/// What is remembered of an id and its idempotency key; `None` if nothing is.
fn look_up(
    tables: &Tables,
    time: Time,
    id: CallId,
    fingerprint: Fingerprint,
    keyed: Option<KeyOf<'_>>,
) -> Option<Decision> {
    if tables.is_known(id.caller, id.number) {
        // R13, R14: its record may be gone, so it must not run; nor is it said that it did not.
        #[rustfmt::skip]
        let answer = Answer::Forgotten; // mutant forgotten-told-not-done: let answer = Answer::NotDone(Cause::Fenced);
        return Some(Decision::Answer(answer));
    }
    #[rustfmt::skip]
    let record = tables.record(id.caller, id.number); // mutant tombstoned-id-runs: let record = tables.record(id.caller, id.number).filter(|(entry, _)| !matches!(entry.verdict, Verdict::NotDone(_)));
    if let Some((entry, position)) = record {
        // R3: a number names one call.
        #[rustfmt::skip]
        let same = entry.fingerprint == fingerprint && entry.birth == id.birth; // mutant misuse-gets-first-answer: let same = true;
        if !same {
            return Some(Decision::Answer(Answer::NotDone(Cause::Misuse)));
        }
        return Some(Decision::Recorded(entry.verdict.clone(), position));
    }
    // R16: refused, and its record may be swept, under one and the same condition.
    #[rustfmt::skip]
    let too_old = id.birth.saturating_add(RETENTION) < time; // mutant birth-unchecked: let too_old = false;
    if too_old {
        return Some(Decision::TooOld);
    }
    // R17: never clamped, never told as not done. It would be remembered for longer than R.
    #[rustfmt::skip]
    let ahead = id.birth > time.saturating_add(FUTURE_MAX); // mutant ahead-runs: let ahead = false;
    if ahead {
        return Some(Decision::Refuse(Refusal::Ahead));
    }
    let (keyed, entity, key, method) = keyed?;
    let key = keyed_key(keyed, entity, key, method);
    #[rustfmt::skip]
    let entry = tables.keyed(&key, time); // mutant other-arguments-run: let entry = tables.keyed(&key, time).filter(|entry| entry.fingerprint == fingerprint);
    let entry = entry?;
    if entry.fingerprint != fingerprint {
        return Some(Decision::Again(Verdict::NotDone(Cause::Misuse)));
    }
    Some(Decision::Again(entry.verdict.clone()))
}
