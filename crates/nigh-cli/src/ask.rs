//! Asks, and asks again when the answer does not come: always under one id, and until time is up.
//!
//! A call that left once may have been done, whatever became of later copies: then only an answer that speaks of
//! the id is believed, and a refusal of one copy (R11) is not.

use std::time::{Duration, Instant};

use nigh::why::Named;
use nigh_wire::CallId;
use serde_json::{Value, json};

use crate::clock::{now, pause};
use crate::flags::{Flags, Verb};
use crate::http::{self, Answer, Lost, Request};
use crate::id;
use crate::offer::{Prepared, Typed, encoded, prepare};
use crate::verdict::{self, Exit, Said};
use crate::why;

/// First pause before asking again; doubles, up to the next.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest pause: a restart takes about as long.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// What an answer may take beyond the deadline that the application was given.
const GRACE: Duration = Duration::from_secs(1);

/// Asks what was typed.
pub(crate) fn run(flags: &Flags, verb: &Verb) -> Said {
    let due = now() + flags.within;
    match verb {
        Verb::List { entity: None, .. } => {
            let asked = ask(flags, &get("/api".to_owned()), due);
            asked.map_or_else(|said| said, |answer| verdict::of_offer(&answer, flags.json))
        }
        Verb::List { entity: Some(entity), after, limit } => {
            let mut path = format!("/api/{}?limit={limit}", encoded(entity));
            if let Some(after) = after {
                path.push_str(&format!("&after={}", encoded(after)));
            }
            let asked = ask(flags, &get(path), due);
            asked.map_or_else(|said| said, |answer| verdict::of_list(&answer, entity, flags.json))
        }
        Verb::Call { target, method, arguments, id } => {
            let prepared = prepared(flags, Typed { target, method, arguments }, *id, due);
            prepared.map_or_else(|said| said, |prepared| call(flags, &prepared, due))
        }
        Verb::Backup { name } => backup(flags, name, due),
        Verb::Why { named } => {
            let text = match named {
                Named::Id(id) => id.to_string(),
                Named::Ticket(ticket) => ticket.to_string(),
            };
            let asked = ask(flags, &get(format!("/api/-/why/{}", encoded(&text))), due);
            asked.map_or_else(|said| said, |answer| why::of_why(&answer, named, flags.json))
        }
        Verb::Ledger => {
            let asked = ask(flags, &get("/api/-/ledger".to_owned()), due);
            asked.map_or_else(|said| said, |answer| why::of_ledger(&answer, flags.json))
        }
        Verb::Settle { ticket } => {
            let body = Some(json!({"ticket": ticket.to_string()}).to_string());
            let request = Request { verb: "POST", path: "/api/-/settle".to_owned(), headers: vec![], body };
            let asked = ask(flags, &request, due);
            asked.map_or_else(|said| said, |answer| verdict::of_settle(&answer, flags.json))
        }
    }
}

/// Asks once: a second copy of the question would be refused, since the first one's backup has the name.
fn backup(flags: &Flags, name: &str, due: Instant) -> Said {
    let body = Some(json!({"name": name}).to_string());
    let request = Request { verb: "POST", path: "/api/-/backup".to_owned(), headers: vec![], body };
    match http::ask(&flags.url, &request, due) {
        Ok(answer) => verdict::of_call(&answer, true, flags.json),
        Err(Lost::Unsent(error)) => verdict::unreachable(&flags.url, &error),
        Err(Lost::Sent(error)) => verdict::lost_backup(name, &error),
    }
}

/// What to send for a call, under `id` or a fresh one if it writes.
fn prepared(flags: &Flags, typed: Typed<'_>, id: Option<CallId>, due: Instant) -> Result<Prepared, Said> {
    let offer = ask(flags, &get("/api".to_owned()), due)?;
    if offer.status != 200 {
        return Err(verdict::of_call(&offer, false, flags.json));
    }
    let offer: Value = serde_json::from_str(&offer.text).unwrap_or_default();
    let mut prepared = prepare(&offer, typed, id).map_err(|why| Said::wrong(Exit::Usage, why))?;
    if prepared.writes && id.is_none() {
        let unnamed = |error| Said::wrong(Exit::NotDone, format!("no id can be made for the call: {error}"));
        let fresh = id::fresh().map_err(unnamed)?;
        prepared.request.headers.push(("Idempotency-Key", fresh.to_string()));
    }
    Ok(prepared)
}

fn get(path: String) -> Request {
    Request { verb: "GET", path, headers: vec![], body: None }
}

/// Asks something that may be asked any number of times.
fn ask(flags: &Flags, request: &Request, due: Instant) -> Result<Answer, Said> {
    let mut pauses = Pauses::until(due);
    loop {
        match send(flags, request, due) {
            Ok(answer) => return Ok(answer),
            Err(Lost::Unsent(error) | Lost::Sent(error)) if !pauses.next() => {
                return Err(verdict::unreachable(&flags.url, &error));
            }
            Err(_) => {}
        }
    }
}

/// Makes a call. Once a copy may have been received, only what speaks of the id ends it.
fn call(flags: &Flags, prepared: &Prepared, due: Instant) -> Said {
    let Prepared { request, writes, repeats } = prepared;
    let mut pauses = Pauses::until(due);
    let mut received = false;
    loop {
        let error = match send(flags, request, due) {
            Ok(answer) => {
                #[rustfmt::skip]
                let final_word = !received || verdict::speaks_of_id(&answer); // mutant cli-believes-refusal-of-a-copy: let final_word = true;
                if final_word {
                    return verdict::of_call(&answer, *writes, flags.json);
                }
                std::io::Error::other(format!("the application answered {}", answer.status))
            }
            Err(Lost::Unsent(error)) => error,
            Err(Lost::Sent(error)) => {
                received |= *writes; // mutant cli-forgets-a-sent-copy: received |= false;
                error
            }
        };
        if received && !repeats {
            return verdict::lost_service(&error);
        }
        if !pauses.next() {
            return match received {
                true => verdict::lost(&flags.url, request, &error),
                false => verdict::unreachable(&flags.url, &error),
            };
        }
    }
}

fn send(flags: &Flags, request: &Request, due: Instant) -> Result<Answer, Lost> {
    let left = due.saturating_duration_since(now());
    let mut request = request.clone();
    request.headers.push(("Nigh-Within", format!("{}ms", left.as_millis().max(1))));
    http::ask(&flags.url, &request, due + GRACE)
}

/// Pauses between tries.
struct Pauses {
    due: Instant,
    pause: Duration,
}

impl Pauses {
    fn until(due: Instant) -> Self {
        Pauses { due, pause: PAUSE_MIN }
    }
    /// Waits before the next try, or says that there is no time for one.
    fn next(&mut self) -> bool {
        if now() + self.pause >= self.due {
            return false;
        }
        pause(self.pause);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        true
    }
}
