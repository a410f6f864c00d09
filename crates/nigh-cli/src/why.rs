//! Where a call is, and how many there were, in words and columns.

use nigh::why::Named;
use serde_json::Value;

use crate::http::Answer;
use crate::verdict::{self, Exit, Said};

/// Of `GET /api/-/why/<ID>`.
///
/// Exit codes say whether it happened, as everywhere: a call of which nothing is decided yet is in doubt.
pub(crate) fn of_why(answer: &Answer, named: &Named, as_json: bool) -> Said {
    let value: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    let (caller, owner) = (&value["caller"], &value["owner"]);
    let Some(state) = owner["state"].as_str() else { return verdict::of_call(answer, false, as_json) };
    let exit = match state {
        "done" => Exit::Done,
        "failed" => Exit::Failed,
        "not_done" => Exit::NotDone,
        _ => Exit::InDoubt,
    };
    if as_json {
        return Said { exit, answer: value.to_string(), note: String::new() };
    }
    let mut said = Said { exit, answer: at_owner(state, owner), note: String::new() };
    if let Some(line) = at_caller(caller) {
        said.answer.push('\n');
        said.answer.push_str(&line);
    }
    if exit == Exit::InDoubt {
        said.note = match (state, named) {
            ("elsewhere", _) => "ask the process that owns the entities: --url says where".to_owned(),
            ("no_record" | "too_old" | "misuse", _) => return said,
            (_, Named::Ticket(ticket)) => {
                format!("this only looked; to decide it, once and for all: nigh settle {ticket}")
            }
            (_, Named::Id(_)) => {
                "this only looked, and changed nothing: a copy of it may still come".to_owned()
            }
        };
    }
    said
}

fn at_owner(state: &str, owner: &Value) -> String {
    let number = |name: &str| owner[name].as_u64().unwrap_or_default();
    let place = || format!("shard {}, record {}", number("shard"), number("position"));
    match state {
        "done" => format!("done: it ran and returned a value ({})", place()),
        "failed" => format!("failed: it ran and returned its own error ({})", place()),
        "not_done" => {
            let cause = owner["cause"].as_str().unwrap_or("no cause");
            format!("not done, and it never will be: {cause} ({})", place())
        }
        "waits" => "at its owner: it came, and its turn has not".to_owned(),
        "runs" => format!("at its owner: its method runs since {}", time(number("age_ms"))),
        "committing" => "at its owner: it ran, and what came of it is not durable yet. Ask again".to_owned(),
        "misuse" => {
            let shard = number("shard");
            format!("another call has this number (shard {shard}): the id was not copied as it was printed")
        }
        "known" if owner["shards"] == owner["of"] => {
            "known and freed: its caller said that it knows the answer, so it is no longer kept".to_owned()
        }
        "known" => format!(
            "no record. Its caller said to {} of {} shards that it knows the answer, so it may have been freed, or \
             never have come: its ticket would say which shard",
            number("shards"),
            number("of")
        ),
        "too_old" => {
            "forgotten: it was made more than 24 h ago. It will not run, and whether it did is no longer known".to_owned()
        }
        "lost" => {
            "no record: it has not run since the store was restored, and may have before that".to_owned()
        }
        "nothing" => "no record: no copy of it has run here so far".to_owned(),
        "no_record" => "no record is kept of such calls: look at what it acts on".to_owned(),
        "unreadable" => "its owner cannot read what it remembers: the application's log says why".to_owned(),
        "elsewhere" => "this process owns no entities, and keeps no records".to_owned(),
        other => other.to_owned(),
    }
}

fn at_caller(caller: &Value) -> Option<String> {
    let number = |name: &str| caller[name].as_u64().unwrap_or_default();
    let text = |name: &str| caller[name].as_str().unwrap_or("?");
    Some(match text("state") {
        "open" => {
            let waits = match text("waits_for") {
                "sending" if number("copies") == 0 => "it was not sent yet".to_owned(),
                "sending" => "it waits to be sent again".to_owned(),
                "answer" => "it was sent, and waits for the answer".to_owned(),
                "again" => {
                    format!("its last copy was refused; it is sent again in {}", time(number("again_ms")))
                }
                _ => "it waits for an earlier call on its key".to_owned(),
            };
            format!(
                "at its caller: {}.{} is open since {}, with {} to go, for {}: {waits} ({} sent so far)",
                text("of"),
                text("method"),
                time(number("age_ms")),
                time(number("left_ms")),
                text("at"),
                match number("copies") {
                    1 => "1 copy".to_owned(),
                    copies => format!("{copies} copies"),
                }
            )
        }
        "reserved" => "at its caller: it has a number, and was not asked yet".to_owned(),
        "in_doubt" => "at its caller: it was told in doubt, and is not settled".to_owned(),
        "ended" => "at its caller: it has ended, and whoever asked was told, or let go of it".to_owned(),
        "never_given" => "at its caller: it has not come to that number yet".to_owned(),
        _ => return None,
    })
}

fn time(millis: u64) -> String {
    if millis < 1_000 {
        format!("{millis} ms")
    } else {
        format!("{}.{} s", millis / 1_000, millis % 1_000 / 100)
    }
}

const ASKED: [&str; 10] =
    ["asked", "done", "failed", "not_done", "in_doubt", "forgotten", "refused", "let_go", "open", "copies"];
const CAME: [&str; 9] =
    ["arrived", "done", "failed", "not_done", "repeated", "forgotten", "in_doubt", "refused", "open"];

/// Of `GET /api/-/ledger`. A ledger that does not balance is said aloud, and an exit of its own.
pub(crate) fn of_ledger(answer: &Answer, as_json: bool) -> Said {
    let value: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    let Some(balanced) = value["balanced"].as_bool() else { return verdict::of_call(answer, false, as_json) };
    let off: Vec<&str> =
        value["unbalanced"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let exit = if balanced { Exit::Done } else { Exit::Failed };
    let note = off.join("\n");
    if as_json {
        return Said { exit, answer: value.to_string(), note };
    }
    let mut lines = table("callers were told", &ASKED, &value["caller"]);
    lines.extend(table("copies came to", &CAME, &value["callee"]));
    Said { exit, answer: lines.join("\n"), note }
}

fn table(title: &str, columns: &[&str], entries: &Value) -> Vec<String> {
    let head = [title.to_owned()].into_iter().chain(columns.iter().map(|c| c.replace('_', " ")));
    let mut rows = vec![head.collect::<Vec<_>>()];
    for entry in entries.as_array().into_iter().flatten() {
        let name =
            format!("{}.{}", entry["of"].as_str().unwrap_or("?"), entry["method"].as_str().unwrap_or("?"));
        let cell = |column: &&str| match &entry[*column] {
            Value::Object(kinds) => {
                kinds.values().filter_map(Value::as_u64).fold(0, u64::wrapping_add).to_string()
            }
            other => other.to_string(),
        };
        rows.push([name].into_iter().chain(columns.iter().map(cell)).collect());
    }
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..=columns.len()).map(width).collect();
    let shown = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let padded = cells.map(|(at, (cell, width))| match at {
            0 => format!("{cell:width$}"),
            _ => format!("{cell:>width$}"),
        });
        padded.collect::<Vec<_>>().join("  ")
    };
    rows.iter().map(shown).collect()
}

#[cfg(test)]
mod tests;
