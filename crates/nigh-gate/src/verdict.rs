//! What came of it, as HTTP says it: from an outcome to a status, a value or a problem. Pure.
//!
//! - [`of_call`] is the table for calls and views. Start here.
//! - [`of_settle`], [`of_list`] and [`of_backup`] are those of the gate's own questions.
//!
//! The status says who should do something about it, `outcome` whether it happened.

use std::time::Duration;

use nigh::BackupError;
use nigh::perform::Outcome;
use nigh::store::{CopyError, Verified};
use nigh_wire::{
    Cause, Class, Contract, ContractKind, Method, NotSettledCause, Schema, Ticket, Value as Answer,
};
use serde_json::{Value, json};

use crate::problem::{Happened, Kind, Problem, quoted};

/// When to ask again where nothing better is known: long enough for a link to come back.
const RETRY_AFTER_SECS: u64 = 1;

/// What is said of a method that did not come to an end.
const FAULT: &str = "This is a fault of the method; the application's log says more";
/// Said of answers that speak of one copy of a call, not of its name: another copy may have been sent before.
const THIS_TRY_ONLY: &str = " This is about this request alone, not about earlier ones under its key.";

/// A 200, or a problem.
#[derive(Debug)]
pub(crate) enum Reply {
    /// What a method returned.
    Value {
        value: Value,
        /// `epoch.position`, of an entity.
        version: Option<String>,
    },
    /// Anything else.
    Problem(Problem),
}

/// What was asked, as far as the answer's words depend on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) contract: &'a Contract,
    pub(crate) method: &'a Method,
    /// The call has an id or key of the client's: the same request can be sent again.
    pub(crate) named: bool,
}

/// The answer to a call or a view.
pub(crate) fn of_call(outcome: Outcome, asked: &Asked<'_>) -> Reply {
    let mut problem = match outcome {
        Outcome::Done { value, version } => {
            return match asked.method.ok.to_json(&value.to_bytes()) {
                Ok(value) => {
                    let version = version.map(|v| format!("{}.{}", v.epoch.0, v.position.0));
                    Reply::Value { value, version }
                }
                Err(error) => Reply::Problem(unwritable(Happened::Done, &error.to_string())),
            };
        }
        Outcome::Failed(error) => failed(&error, asked.method.err.as_ref()),
        Outcome::NotDone(cause) => not_done(&cause),
        Outcome::InDoubt(ticket) => in_doubt(&ticket, asked),
        Outcome::Overloaded { retry_after } => overloaded(retry_after),
        Outcome::Forgotten => Problem::new(
            Kind::Forgotten,
            Happened::Forgotten,
            "The id was born too long ago: whether the call was done is no longer known, and it will not run from \
             now on. Look at the state, then call under a new id if it is still wanted.",
        ),
        Outcome::NoRecord | Outcome::NotSettled(_) | Outcome::Keys(_) => out_of_place(),
    };
    // R11: a refusal is of one copy. Whoever was in doubt before still is.
    if asked.named && matches!(problem.kind, Kind::NotDone | Kind::Overloaded) {
        problem.detail.push_str(THIS_TRY_ONLY);
    }
    Reply::Problem(problem)
}

/// The answer to `POST /api/-/settle`; `method` is the ticket's.
pub(crate) fn of_settle(outcome: Outcome, ticket: &Ticket, method: &Method) -> Reply {
    let written = |schema: &Schema, answer: &Answer| schema.to_json(&answer.to_bytes());
    let settled = match outcome {
        Outcome::Done { value, .. } => match written(&method.ok, &value) {
            Ok(value) => json!({"settled": "done", "value": value}),
            Err(error) => return Reply::Problem(unwritable(Happened::Done, &error.to_string())),
        },
        Outcome::Failed(error) => {
            let problem = failed(&error, method.err.as_ref());
            match problem.error {
                Some(error) => json!({"settled": "failed", "error": error}),
                None => return Reply::Problem(problem),
            }
        }
        Outcome::NotDone(cause) => json!({"settled": "not_done", "cause": cause.to_string()}),
        Outcome::Forgotten => json!({"settled": "forgotten"}),
        Outcome::NoRecord => json!({"settled": "no_record"}),
        Outcome::NotSettled(cause) => return Reply::Problem(not_settled(cause, ticket)),
        Outcome::InDoubt(_) => return Reply::Problem(not_settled(NotSettledCause::Deadline, ticket)),
        Outcome::Overloaded { retry_after } => {
            // Settling was refused; the call itself is as much in doubt as before.
            let again = not_settled(NotSettledCause::Deadline, ticket);
            let detail = "The owner has too much to do. Send the same ticket again.".into();
            let retry_after = Some(seconds(retry_after));
            return Reply::Problem(Problem { kind: Kind::Overloaded, detail, retry_after, ..again });
        }
        Outcome::Keys(_) => return Reply::Problem(out_of_place()),
    };
    Reply::Value { value: settled, version: None }
}

/// The answer to a list of keys. A full page names the key to go on after.
pub(crate) fn of_list(outcome: Outcome, key: &Schema, limit: u32) -> Reply {
    let problem = match outcome {
        Outcome::Keys(keys) => {
            let full = keys.len() >= limit as usize;
            let texts: Result<Vec<String>, _> = keys.iter().map(|bytes| key.to_text(bytes)).collect();
            match texts {
                Ok(keys) => {
                    let next = keys.last().filter(|_| full).cloned();
                    return Reply::Value { value: json!({"keys": keys, "next": next}), version: None };
                }
                Err(error) => unwritable(Happened::Done, &error.to_string()),
            }
        }
        Outcome::NotDone(cause) => not_done(&cause),
        Outcome::Overloaded { retry_after } => overloaded(retry_after),
        Outcome::Done { .. }
        | Outcome::Failed(_)
        | Outcome::InDoubt(_)
        | Outcome::Forgotten
        | Outcome::NoRecord
        | Outcome::NotSettled(_) => out_of_place(),
    };
    Reply::Problem(problem)
}

/// The answer to `POST /api/-/backup`.
pub(crate) fn of_backup(made: Result<Verified, BackupError>, name: &str) -> Reply {
    let error = match made {
        Ok(Verified { meta, groups, rows, .. }) => {
            let value = json!({
                "backup": name,
                "incarnation": format!("{:032x}", meta.incarnation),
                "log": {"groups": groups.0, "bytes": groups.1},
                "rows": {"count": rows.0, "bytes": rows.1},
            });
            return Reply::Value { value, version: None };
        }
        Err(error) => error,
    };
    // Where its folder is and what the disk said is for the operator, whose log has it.
    let (kind, detail) = match &error {
        BackupError::Off => (Kind::Unknown, format!("{error}.")),
        BackupError::Name => (Kind::Arguments, format!("{error}.")),
        BackupError::Busy => {
            let problem = Problem::new(Kind::Overloaded, Happened::Overloaded, format!("{error}."));
            return Reply::Problem(problem.retry_after(1));
        }
        BackupError::Copy(CopyError::Exists { .. }) => {
            let detail = format!(
                "There is a backup `{}` already, and it was not touched. Take another name.",
                quoted(name)
            );
            (Kind::BackupExists, detail)
        }
        BackupError::Copy(CopyError::Nothing) => (Kind::Unknown, format!("{error}.")),
        BackupError::Copy(_) => (
            Kind::NotCopied,
            "Nothing is left of it, and the store goes on. The application's log says why.".into(),
        ),
    };
    if kind == Kind::NotCopied {
        tracing::error!("backup {name}: {error}");
    }
    Reply::Problem(Problem::refused(kind, detail))
}

fn failed(error: &Answer, schema: Option<&Schema>) -> Problem {
    let written = schema.map(|schema| schema.to_json(&error.to_bytes()));
    match written {
        Some(Ok(error)) => {
            let detail = "The method ran and returned `error`; nothing was changed.";
            Problem { error: Some(Box::new(error)), ..Problem::new(Kind::Failed, Happened::Failed, detail) }
        }
        Some(Err(error)) => unwritable(Happened::Failed, &error.to_string()),
        None => unwritable(Happened::Failed, "the method is declared as one that cannot fail"),
    }
}

/// Not done is the server's doing (503) unless the caller can do something about it; asking again helps where the
/// cause passes by itself.
fn not_done(cause: &Cause) -> Problem {
    let (kind, advice, passes) = match cause {
        Cause::Deadline => (Kind::NotDone, "Send it again, or allow it more time with `Nigh-Within`", true),
        Cause::Stopped => (Kind::NotDone, "Send it again once it is back", true),
        Cause::Fenced => (Kind::Fenced, "Its id or key is used up: call again under a new one", false),
        Cause::Misuse => (Kind::Misuse, "Take a new key for a new call", false),
        Cause::Unknown(_) => (Kind::Unknown, "`GET /api` lists what there is", false),
        Cause::Malformed(_) => (Kind::Arguments, "`GET /api` lists the shapes", false),
        Cause::TooLarge(_) => (Kind::TooLarge, "Send less at once", false),
        Cause::Arithmetic => (Kind::Arithmetic, "Send smaller values", false),
        Cause::Incompatible(_) => {
            (Kind::Incompatible, "Its processes run different versions: bring them together", false)
        }
        Cause::Panicked(_) => (Kind::Panicked, FAULT, false),
        Cause::Stuck => (Kind::Stuck, FAULT, false),
        _ => (Kind::NotDone, "It is safe to call again", false),
    };
    let problem = Problem::new(kind, Happened::NotDone, format!("It was not done: {cause}. {advice}."));
    if passes { problem.retry_after(RETRY_AFTER_SECS) } else { problem }
}

fn in_doubt(ticket: &Ticket, asked: &Asked<'_>) -> Problem {
    let service = matches!(asked.contract.kind, ContractKind::Service);
    let (advice, again) = match (asked.method.class, service, asked.named) {
        (Class::Read | Class::Commutes, ..) => ("Send it again: any number of times is right.", true),
        (Class::Idempotent, true, _) => ("Send it again: the service takes repeats for one.", true),
        (_, true, _) => (
            "A service keeps no record, so nothing here can tell: look at what it acts on before calling again.",
            false,
        ),
        (_, false, true) => (
            "Send the same request again under the same `Idempotency-Key`, or send {\"ticket\": …} to POST \
             /api/-/settle: both find out.",
            true,
        ),
        (_, false, false) => (
            "Do not send it again, it could be done twice: send {\"ticket\": …} to POST /api/-/settle, which finds out. \
             With an `Idempotency-Key` a request can be sent again.",
            false,
        ),
    };
    let mut problem = Problem::new(Kind::InDoubt, Happened::InDoubt, format!("Time ran out first. {advice}"));
    problem.ticket = Some(ticket.to_string().into());
    if again { problem.retry_after(RETRY_AFTER_SECS) } else { problem }
}

fn not_settled(cause: NotSettledCause, ticket: &Ticket) -> Problem {
    let (kind, detail, again) = match cause {
        NotSettledCause::Forbidden => {
            (Kind::TicketForbidden, "Settling can destroy the call, so it needs the right to make it.", false)
        }
        NotSettledCause::Misuse => (
            Kind::TicketUnfit,
            "Nothing offered here has the ticket's method and answer. Ask the program it is from.",
            false,
        ),
        _ => (Kind::NotSettled, "The owner did not answer in time. Send the same ticket again.", true),
    };
    let mut problem = Problem::new(kind, Happened::InDoubt, detail);
    problem.ticket = Some(ticket.to_string().into());
    if again { problem.retry_after(RETRY_AFTER_SECS) } else { problem }
}

/// The ticket is of nothing that is offered here.
pub(crate) fn unfit(ticket: &Ticket) -> Problem {
    not_settled(NotSettledCause::Misuse, ticket)
}

fn overloaded(retry_after: Duration) -> Problem {
    let detail =
        "There is more to do than can be done in time; this was refused before it ran. Ask again later.";
    Problem::new(Kind::Overloaded, Happened::Overloaded, detail).retry_after(seconds(retry_after))
}

/// It happened, but what it returned cannot be said: JSON has no form for it.
fn unwritable(happened: Happened, why: &str) -> Problem {
    let detail =
        format!("The call ended as `outcome` says, but its answer cannot be written as JSON: {why}.");
    Problem::new(Kind::Unwritable, happened, detail)
}

fn out_of_place() -> Problem {
    let detail = "The answer is of another kind than the question: a fault of the application's performer.";
    Problem::new(Kind::Internal, Happened::InDoubt, detail)
}

/// `Retry-After` has whole seconds: rounded up, so that nobody comes too early.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests;
