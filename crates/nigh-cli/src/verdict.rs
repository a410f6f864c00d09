//! What came of it: an exit code for scripts, a few words for people, JSON for programs.
//!
//! Answers go to the standard output, everything else to the standard error; with `--json` problems are answers.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::Value;

use crate::http::{Answer, Base, Request};

/// Whether it happened, as an exit code. The numbers are a promise to scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    NotDone = 3,
    InDoubt = 4,
    Overloaded = 5,
    Unreachable = 6,
}

/// The end of `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed: the method ran and returned its own error; of a store: it is damaged
  2  usage: what was typed cannot be asked; nothing was done
  3  not done, and it never will be
  4  in doubt: perhaps done; what is printed says how to find out
  5  overloaded: refused before it ran, ask again later
  6  unreachable: no answer, and nothing was done by this";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// What to print, and how to end.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) exit: Exit,
    /// To the standard output.
    pub(crate) answer: String,
    /// To the standard error.
    pub(crate) note: String,
}

impl Said {
    pub(crate) fn wrong(exit: Exit, note: impl Into<String>) -> Self {
        Said { exit, answer: String::new(), note: note.into() }
    }
    pub(crate) fn right(answer: impl Into<String>) -> Self {
        Said { exit: Exit::Done, answer: answer.into(), note: String::new() }
    }
    /// # Errors
    ///
    /// Nobody reads it.
    pub(crate) fn print(&self) -> io::Result<()> {
        if !self.answer.is_empty() {
            writeln!(io::stdout(), "{}", self.answer)?;
        }
        if !self.note.is_empty() {
            writeln!(io::stderr(), "{}", self.note)?;
        }
        Ok(())
    }
}

/// How a call ended, by status and `outcome` of its answer. Pure.
///
/// An answer without an outcome is not the door's: something in between gave up, and of a call that writes nobody
/// knows whether it got through.
pub(crate) fn exit(status: u16, outcome: Option<&str>, writes: bool) -> Exit {
    match (status, outcome) {
        (200, _) | (_, Some("done")) => Exit::Done,
        (_, Some("failed")) => Exit::Failed,
        (400 | 404 | 405 | 413, Some("not_done")) => Exit::Usage,
        (_, Some("not_done")) => Exit::NotDone,
        (_, Some("in_doubt" | "forgotten")) => Exit::InDoubt,
        (_, Some("overloaded")) => Exit::Overloaded,
        (_, _) if writes => Exit::InDoubt,
        (_, _) => Exit::Unreachable,
    }
}

/// False for answers that speak of one copy alone, while another one may have been done (R11).
pub(crate) fn speaks_of_id(answer: &Answer) -> bool {
    let problem: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    let slug = problem["type"].as_str().and_then(|t| t.strip_prefix("urn:nigh:problem:"));
    let ends = ["failed", "fenced", "misuse", "forgotten", "panicked", "stuck", "in-doubt", "unwritable"];
    answer.status == 200 || slug.is_some_and(|slug| ends.contains(&slug))
}

/// Of a call or a view.
pub(crate) fn of_call(answer: &Answer, writes: bool, as_json: bool) -> Said {
    let value: Option<Value> = serde_json::from_str(&answer.text).ok();
    match value {
        Some(value) if answer.status == 200 => {
            Said::right(if as_json { value.to_string() } else { shown(&value) })
        }
        Some(problem) if problem["outcome"].is_string() => {
            of_problem(answer.status, &problem, writes, as_json)
        }
        _ => {
            let exit = exit(answer.status, None, writes);
            Said::wrong(
                exit,
                format!("an answer {} that is not of a nigh application: check --url", answer.status),
            )
        }
    }
}

fn of_problem(status: u16, problem: &Value, writes: bool, as_json: bool) -> Said {
    let exit = exit(status, problem["outcome"].as_str(), writes);
    if as_json {
        return Said { exit, answer: problem.to_string(), note: String::new() };
    }
    let detail = problem["detail"].as_str().unwrap_or("(no detail)");
    let mut note = match exit {
        Exit::Done => format!("done, but: {detail}"),
        Exit::Failed => format!("failed: {}", shown(&problem["error"])),
        Exit::Usage => detail.to_owned(),
        Exit::NotDone | Exit::Unreachable => format!("not done: {detail}"),
        Exit::InDoubt => format!("in doubt: {detail}"),
        Exit::Overloaded => format!("overloaded: {detail}"),
    };
    if let Some(ticket) = problem["ticket"].as_str() {
        note.push_str(&format!("\nnigh settle {ticket}"));
    }
    Said::wrong(exit, note)
}

/// Of settling.
pub(crate) fn of_settle(answer: &Answer, as_json: bool) -> Said {
    let value: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    let Some(settled) = value["settled"].as_str() else { return of_call(answer, true, as_json) };
    let (exit, words) = match settled {
        "done" => (Exit::Done, format!("done: {}", shown(&value["value"]))),
        "failed" => (Exit::Failed, format!("failed: {}", shown(&value["error"]))),
        "not_done" => (Exit::NotDone, "not done, and it never will be".to_owned()),
        "no_record" => (Exit::InDoubt, "no record is kept of such calls: look at what it acts on".to_owned()),
        _ => (Exit::InDoubt, "forgotten: it will not run, and whether it did is no longer known".to_owned()),
    };
    Said { exit, answer: if as_json { value.to_string() } else { words }, note: String::new() }
}

/// Of a list of keys.
pub(crate) fn of_list(answer: &Answer, entity: &str, as_json: bool) -> Said {
    let value: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    let Some(keys) = value["keys"].as_array().filter(|_| !as_json) else {
        return of_call(answer, false, as_json);
    };
    let lines: Vec<&str> = keys.iter().filter_map(Value::as_str).collect();
    let mut said = Said::right(lines.join("\n"));
    if let Some(next) = value["next"].as_str() {
        said.note = format!("there may be more: nigh list {entity} --after '{next}'");
    }
    said
}

/// Of everything that can be called.
pub(crate) fn of_offer(answer: &Answer, as_json: bool) -> Said {
    let value: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    let Some(contracts) = value["contracts"].as_array().filter(|_| !as_json) else {
        return of_call(answer, false, as_json);
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = vec![];
    for contract in contracts {
        let key = contract["key"].as_str().map_or(String::new(), |key| format!("/<{key}>"));
        lines.push(format!("{}{key}", text(&contract["name"])));
        for method in contract["methods"].as_array().into_iter().flatten() {
            let arguments = method["arguments"].as_array().into_iter().flatten();
            let arguments: String =
                arguments.map(|a| format!(" {}=<{}>", text(&a["name"]), text(&a["shape"]))).collect();
            let fails =
                method["fails"].as_str().map_or(String::new(), |fails| format!(", or fails: {fails}"));
            lines.push(format!(
                "  {}{arguments} -> {}{fails}",
                text(&method["name"]),
                text(&method["returns"])
            ));
        }
    }
    Said::right(lines.join("\n"))
}

/// No answer, and nothing has left that could have been done.
pub(crate) fn unreachable(base: &Base, error: &io::Error) -> Said {
    let advice = "is the application running there? --url says where else to look";
    Said::wrong(Exit::Unreachable, format!("no answer from {base}: {error}; {advice}"))
}

/// No answer, and the call may have been received: the same can be asked again under its id.
pub(crate) fn lost(base: &Base, request: &Request, error: &io::Error) -> Said {
    let id = request.headers.iter().find(|(name, _)| *name == "Idempotency-Key").map(|(_, id)| id.as_str());
    let again = match id {
        Some(id) => format!("ask again with the same arguments and --id {id}, within 24 hours"),
        None => "look at the state before calling again".to_owned(),
    };
    Said::wrong(Exit::InDoubt, format!("in doubt: no answer from {base} ({error}); {again}"))
}

/// No answer from a service, which keeps no record.
pub(crate) fn lost_service(error: &io::Error) -> Said {
    let advice = "a service keeps no record: look at what it acts on before calling again";
    Said::wrong(Exit::InDoubt, format!("in doubt: no answer ({error}); {advice}"))
}

/// No answer: the copy may still be under way, or there.
pub(crate) fn lost_backup(name: &str, error: &io::Error) -> Said {
    let advice =
        "it is there once a directory of that name is; a large store takes long, allow it more --within";
    Said::wrong(Exit::InDoubt, format!("in doubt: no answer ({error}) about backup {name}: {advice}"))
}

/// A value for people: text as it is, an object a member a line, the rest as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "done".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(members) if !members.is_empty() => {
            let one = |(name, value): (&String, &Value)| match value {
                Value::String(text) => format!("{name}: {text}"),
                other => format!("{name}: {other}"),
            };
            members.iter().map(one).collect::<Vec<_>>().join("\n")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
