//! What the door says of calls themselves: how many there were, and where one of them is. Pure.
//!
//! Counts, names of methods, and states: no key, no argument and no answer of any call. Numbers are JSON numbers, as
//! dashboards read them; past 2^53 such a reader rounds, and the balance was struck here.

use std::time::Duration;

use nigh::ledger::{CalleeLine, CallerLine, Entry, Ledger};
use nigh::why::{AtOwner, Became, Caller, Named, Owner, Waits, Why};
use serde_json::{Value, json};

use crate::problem::{Kind, Problem};

/// The answer to `GET /api/-/ledger`.
pub(crate) fn ledger(ledger: &Ledger) -> Value {
    let off: Vec<String> = ledger.unbalanced().iter().map(ToString::to_string).collect();
    json!({
        "balanced": off.is_empty(),
        "unbalanced": off,
        "caller": ledger.caller.iter().map(asked).collect::<Vec<_>>(),
        "callee": ledger.callee.iter().map(came).collect::<Vec<_>>(),
    })
}

fn asked(entry: &Entry<CallerLine>) -> Value {
    let line = &entry.counted;
    json!({
        "of": entry.of,
        "method": entry.method,
        "asked": line.asked,
        "done": line.done,
        "failed": line.failed,
        "not_done": line.not_done,
        "in_doubt": line.in_doubt,
        "forgotten": line.forgotten,
        "refused": line.refused,
        "let_go": line.let_go,
        "open": entry.open,
        "copies": line.copies,
    })
}

fn came(entry: &Entry<CalleeLine>) -> Value {
    let line = &entry.counted;
    json!({
        "of": entry.of,
        "method": entry.method,
        "arrived": line.arrived,
        "done": line.done,
        "failed": line.failed,
        "not_done": line.not_done,
        "repeated": line.repeated,
        "forgotten": line.forgotten,
        "in_doubt": line.in_doubt,
        "refused": {
            "overloaded": line.refused.overloaded,
            "not_yet": line.refused.not_yet,
            "not_owner": line.refused.not_owner,
            "ask_again": line.refused.ask_again,
            "expired": line.refused.expired,
            "cancelled": line.refused.cancelled,
            "ahead": line.refused.ahead,
        },
        "open": entry.open,
    })
}

/// The call in `/api/-/why/<ID>`.
///
/// # Errors
///
/// It is neither an id nor a ticket.
pub(crate) fn named(text: &str) -> Result<Named, Problem> {
    if text.starts_with("nighT1.") {
        let ticket = text.parse().map_err(|error| refused(&error))?;
        return Ok(Named::Ticket(ticket));
    }
    text.parse().map(Named::Id).map_err(|error| refused(&error))
}

fn refused(error: &dyn std::fmt::Display) -> Problem {
    let detail = format!("{error}. Ask for an id, `nigh1.…`, or a ticket, `nighT1.…`, as they were printed.");
    Problem::refused(Kind::Arguments, detail)
}

/// The answer to `GET /api/-/why/<ID>`.
pub(crate) fn why(named: &Named, why: &Why) -> Value {
    json!({ "id": named.id().to_string(), "caller": caller(&why.caller), "owner": owner(&why.owner) })
}

fn caller(caller: &Caller) -> Value {
    let state = |state: &str| json!({ "state": state });
    match caller {
        Caller::Open { of, method, here, age, left, copies, waits } => {
            let (waits, again) = match waits {
                Waits::Sending => ("sending", None),
                Waits::Answer => ("answer", None),
                Waits::Again(wait) => ("again", Some(millis(*wait))),
                Waits::Predecessor => ("predecessor", None),
            };
            json!({
                "state": "open",
                "of": of,
                "method": method,
                "at": if *here { "this process" } else { "its peer" },
                "age_ms": millis(*age),
                "left_ms": millis(*left),
                "copies": copies,
                "waits_for": waits,
                "again_ms": again,
            })
        }
        Caller::Reserved => state("reserved"),
        Caller::InDoubt => state("in_doubt"),
        Caller::Ended => state("ended"),
        Caller::NeverGiven => state("never_given"),
        Caller::Unknown => state("unknown"),
    }
}

fn owner(owner: &Owner) -> Value {
    let state = |state: &str| json!({ "state": state });
    match owner {
        Owner::Elsewhere => state("elsewhere"),
        Owner::NoRecord => state("no_record"),
        Owner::Waits => state("waits"),
        Owner::Runs(age) => json!({ "state": "runs", "age_ms": millis(*age) }),
        Owner::Remembers(AtOwner::Recorded { shard, position, became }) => {
            let (became, cause) = match became {
                Became::Done => ("done", None),
                Became::Failed => ("failed", None),
                Became::NotDone(cause) => ("not_done", Some(cause.to_string())),
            };
            json!({ "state": became, "cause": cause, "shard": shard.0, "position": position.0 })
        }
        Owner::Remembers(AtOwner::Committing(shard)) => json!({ "state": "committing", "shard": shard.0 }),
        Owner::Remembers(AtOwner::Misuse(shard)) => json!({ "state": "misuse", "shard": shard.0 }),
        Owner::Remembers(AtOwner::Known { shards, of }) => {
            json!({ "state": "known", "shards": shards, "of": of })
        }
        Owner::Remembers(AtOwner::TooOld) => state("too_old"),
        Owner::Unreadable => state("unreadable"),
        Owner::Remembers(AtOwner::Lost) => state("lost"),
        Owner::Remembers(AtOwner::Nothing) => state("nothing"),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
