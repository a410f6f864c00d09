//! Scripts of what happens to one owner, and what is heard: the order of decisions, gates, ages, recovery.
//!
//! `a3x` is a copy of call 3 of caller a on key x, which runs if it may: `!` to an error, `*` to a panic, `?`
//! to bad arguments, `$` to being stuck. `<2` names its predecessor, `~2` what its caller knows (`~5-2,3`:
//! all to 5 but 2 and 3), `#9` other arguments, `=o` an idempotency key, `%` no order, `+` commutes, `@5m` or
//! `@-5m` a birth of its own. `settle:…` asks about one. An id is born when it is first written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nigh_wire::{Bytes, CallId, CallerId, Fingerprint, Keyed, Time};

use self::world::{Act, Ask, Heard, World, keyed};
use super::*;

mod at_limits;
mod cold;
mod histories;
mod why;
mod world;

fn heard(heard: &Heard) -> String {
    let name = |ask: &Ask| match ask {
        Ask::Copy(id, _) => format!("{}{}", char::from(id.caller.0 as u8), id.number),
        Ask::Settle(id, _) => format!("?{}{}", char::from(id.caller.0 as u8), id.number),
        Ask::View { .. } => "view".into(),
    };
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).expect("answers are text");
    match heard {
        Heard::Answer(ask, answer) => {
            let answer = match answer {
                Answer::Done { value, .. } => format!("done-{}", text(value)),
                Answer::Failed(error) => format!("failed-{}", text(error)),
                Answer::NotDone(Cause::Panicked(_)) => "panicked".into(),
                Answer::NotDone(Cause::Malformed(_)) => "malformed".into(),
                Answer::NotDone(cause) => format!("{cause:?}").to_lowercase(),
                other => format!("{other:?}").to_lowercase(),
            };
            format!("{}:{answer}", name(ask))
        }
        Heard::View(version) => format!("view:{}.{}", version.epoch.0, version.position.0),
        Heard::AskAgain(ask) => format!("{}:ask-again", name(ask)),
        Heard::Refused(ask, Refusal::Overloaded { .. }) => format!("{}:overloaded", name(ask)),
        Heard::Refused(ask, refusal) => format!("{}:{refusal:?}", name(ask)).to_lowercase(),
    }
}

fn number(text: &str) -> (u64, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].parse().expect("a number"), &text[end..])
}

fn wait(text: &str) -> (Duration, &str) {
    let (count, rest) = number(text);
    let unit = match rest.as_bytes()[0] {
        b's' => 1,
        b'm' => 60,
        b'h' => 3600,
        _ => panic!("no unit of time: {rest}"),
    };
    (Duration::from_secs(count * unit), &rest[1..])
}

fn later(time: Time, sign: u8, wait: Duration) -> Time {
    if sign == b'-' { time.saturating_sub(wait) } else { time.saturating_add(wait) }
}

/// A copy as written in a script.
fn arrival(text: &str, now: Time, births: &mut BTreeMap<(u8, u64), Time>) -> (Arrival, Act) {
    let caller = text.as_bytes()[0];
    let (count, rest) = number(&text[1..]);
    let (key, mut rest) = rest.split_at(1);
    let (mut after, mut known, mut args, mut act) = (0, Known::default(), 0, Act::Ok);
    let (mut idempotency, mut free, mut commutes, mut birth) = (None, false, false, None);
    while !rest.is_empty() {
        let (mark, tail) = rest.split_at(1);
        rest = tail;
        match mark {
            "<" => (after, rest) = number(rest),
            "~" => (known.floor, rest) = number(rest),
            "-" | "," => {
                let (doubt, tail) = number(rest);
                known.doubts.push(doubt);
                rest = tail;
            }
            "#" => (args, rest) = number(rest),
            "@" => {
                let sign = rest.as_bytes()[0];
                let (ahead, tail) = wait(rest.trim_start_matches('-'));
                (birth, rest) = (Some(later(now, sign, ahead)), tail);
            }
            "=" => {
                let (name, tail) = rest.split_at(1);
                (idempotency, rest) = (Some(keyed(name)), tail);
            }
            "%" => free = true,
            "+" => commutes = true,
            "!" => act = Act::Err,
            "*" => act = Act::Panic,
            "?" => act = Act::Malformed,
            "$" => act = Act::Stuck,
            other => panic!("unknown mark {other}"),
        }
    }
    let birth = *births.entry((caller, count)).or_insert(birth.unwrap_or(now));
    let id = CallId { caller: CallerId(u128::from(caller)), number: count, birth };
    let order = if free { Order::Free } else { Order::After { after, known } };
    let (entity, method): (Arc<str>, Arc<str>) = ("E".into(), "m".into());
    // A keyed call is the same call under any id; another one is a call of its own.
    let of = if idempotency.is_some() { args } else { count * 1000 + u64::from(caller) * 100 + args };
    let (fingerprint, key) = (Fingerprint(of), Bytes::copy_from_slice(key.as_bytes()));
    (Arrival { id, entity, key, method, fingerprint, order, keyed: idempotency, commutes }, act)
}

fn play(script: &str) -> World {
    let mut world = World::new();
    let mut births = BTreeMap::new();
    for word in script.split_whitespace() {
        match word {
            "sync" => world.sync(),
            "begin" => world.begin_append(),
            "end" => world.end_append(),
            "fail" => world.fail_append(false),
            "fail-late" => world.fail_append(true),
            "crash" => world.fail(),
            "restored" => world.restore(),
            "taken" => world.epoch.0 += 1,
            "view" => world.view(),
            "ask" => world.ask(),
            "hear" => world.hear(),
            "sweep" => world.sweep(),
            "write" => world.write_back(usize::MAX),
            "full" => world.shard.set_size_max(0),
            _ if word.starts_with("settle:") => {
                let (of, _) = arrival(&word[7..], world.clock, &mut births);
                world.settle(&of);
            }
            _ if word.starts_with("bye:") => {
                let (of, _) = arrival(&word[4..], world.clock, &mut births);
                world.shard.bye(of.id);
            }
            _ if word.starts_with(['+', '-']) => {
                world.clock = later(world.clock, word.as_bytes()[0], wait(&word[1..]).0);
            }
            _ => {
                let (arrival, act) = arrival(word, world.clock, &mut births);
                world.deliver(arrival, act);
            }
        }
    }
    world
}

fn check(script: &str, expected: &str) {
    let world = play(script);
    let found: Vec<String> = world.heard.iter().map(heard).collect();
    assert_eq!(found.join(" "), expected, "{script}");
}

/// R3, R10, R13, R14, R16, R17: known, record, too old, ahead, below the mark, predecessor, in this order.
#[test]
#[rustfmt::skip] // Rows are read as columns.
fn the_order_of_decisions() {
    //    what happens                            what is heard
    check("a1x sync a1x",                         "a1:done-0 a1:done-0");        // R4: its record.
    check("a1x sync a1x#9",                       "a1:done-0 a1:misuse");        // R3: never the first answer.
    check("a1x#9 a1x sync a1x sync",              "a1:done-0 a1:misuse a1:misuse"); // Nor the other way round.
    check("a1x a2x~1 sync a1x",                   "a1:done-0 a2:done-1 a1:forgotten"); // R14: known goes first,
    check("a1x a2x~1 sync a1x#9",                 "a1:done-0 a2:done-1 a1:forgotten"); // before its arguments,
    check("a1x a2x~1 sync +25h a1x sync",         "a1:done-0 a2:done-1 a1:forgotten"); // and age.
    check("a1x sync +25h a1x",                    "a1:done-0 a1:done-0");        // A record goes before age.
    check("a1x@-25h sync",                        "a1:forgotten");               // R16: too old, and never ran.
    check("a1x@6m",                               "a1:ahead");                   // R17: this copy,
    check("a1x@6m +2m a1x sync",                  "a1:ahead a1:done-0");         // not the id.
    check("a1x@5m sync",                          "a1:done-0");
    check("a1x@6m a1x@-25h",                      "a1:ahead a1:ahead");          // The id was born once.
    check("a2x a1x sync",                         "a2:done-0 a1:fenced");        // R10: below the mark,
    check("a2x a1y sync",                         "a2:done-0 a1:done-0");        // of its own key,
    check("a2x b1x sync",                         "a2:done-0 b1:done-1");        // and its own caller.
    check("a2x a1x@-25h sync",                    "a2:done-0 a1:forgotten");     // Too old goes before the mark,
    check("a2x a1x@6m sync",                      "a1:ahead a2:done-0");         // ahead does,
    check("a3x a2x<1 sync",                       "a3:done-0 a2:fenced");        // the mark before the predecessor.
    check("a2x<1",                                "a2:notyet");                  // R10: it has not run here yet.
    check("a1x a2x<1 sync",                       "a1:done-0 a2:done-1");
    check("a2x<1 a1x a2x<1 sync",                 "a2:notyet a1:done-0 a2:done-1");
    check("a3y a2x<1 sync",                       "a2:notyet a3:done-0");        // The mark of another key.
    check("a1x* a2x<1 sync",                      "a1:panicked a2:done-0");      // A tombstone settles it,
    check("settle:a1x a2x<1 sync",                "?a1:fenced a2:done-0");
    check("a1x a3y~1 a2x<1 sync",                 "a1:done-0 a3:done-0 a2:done-1"); // so does being known,
    check("a5y~4-1 a2x<1 sync",                   "a5:done-0 a2:forgotten");
    check("a5y~4-1,2 a2x<1",                      "a2:notyet");                  // but not being in doubt.
}

/// R4: errors and panics are recorded too; whatever was told not done never runs.
#[test]
#[rustfmt::skip]
fn what_ran_is_recorded_once() {
    check("a1x! sync a1x sync",                   "a1:failed-no a1:failed-no");
    check("a1x! sync crash a1x sync",             "a1:failed-no a1:failed-no");
    check("a1x sync crash a1x sync",              "a1:done-0 a1:done-0");
    check("a1x* sync crash a1x sync",             "a1:panicked a1:panicked");
    check("a1x? sync crash a1x sync",             "a1:malformed a1:malformed");
    check("a1x$ sync crash a1x sync",             "a1:stuck a1:stuck");
    check("a1x+ a1x+ sync",                       "a1:done-0 a1:done-1");        // Commutes: no record is kept,
    check("a2x a1x+ sync",                        "a2:done-0 a1:done-1");        // nor an order,
    check("a1x+? a1x+ sync",                      "a1:malformed a1:malformed");  // but not done is not done.
    check("a2x a1x% sync",                        "a2:done-0 a1:done-1");        // `nigh1.` ids have no order,
    check("a2x% a1x a1x% sync",                   "a2:done-0 a1:done-1 a1:done-1"); // but a record.
}

/// R5, R6: an answer of whatever kind waits for all that it was read from. R11: a refusal of one copy does not.
#[test]
#[rustfmt::skip]
fn nothing_leaves_before_it_is_durable() {
    check("a1x",                                  "");
    check("a1x begin",                            "");
    check("a1x begin end",                        "a1:done-0");
    check("a1x begin a2x end",                    "a1:done-0");                  // R8: the second one waits its turn.
    check("a1x! begin",                           "");
    check("a1x* begin",                           "");
    check("a1x sync a2y a1x",                     "a1:done-0");                  // A repeated answer,
    check("a2x sync a3y a1x",                     "a2:done-0");                  // too late,
    check("a1x sync a2x~1 a1x",                   "a1:done-0");                  // forgotten,
    check("a1x sync a2y a1x#9",                   "a1:done-0");                  // misuse,
    check("settle:a1x",                           "");                           // a verdict,
    check("a1x sync a2y settle:a1x",              "a1:done-0");                  // and one from a record.
    check("a1x sync a2y settle:a1x sync",         "a1:done-0 a2:done-0 ?a1:done-0");
    check("a1x a3x<2",                            "a3:notyet");
    check("a1x a9x@9m",                           "a9:ahead");
}

/// R7: a view waits for what it showed, and for a yes that was asked for after it was read.
#[test]
#[rustfmt::skip]
fn views_are_durable_and_confirmed() {
    check("view ask",                             "");
    check("view ask hear",                        "view:1.0");
    check("view view ask view hear",              "view:1.0 view:1.0");          // One question for all before it.
    check("view view ask view hear ask hear",     "view:1.0 view:1.0 view:1.0");
    check("a1x view ask hear",                    "");
    check("a1x view ask hear sync",               "a1:done-0 view:1.1");
    check("a1x view begin end",                   "a1:done-0 view:1.1");         // R8: an append is a question.
    check("a1x begin view end",                   "a1:done-0");                  // But not one begun before.
    check("view taken ask hear",                  "view:ask-again");
    check("a1x sync taken view ask hear",         "a1:done-0 view:ask-again");
    check("ask view taken hear ask hear",         "view:ask-again");
}

/// R8, R9: whatever goes wrong with an append, memory is dropped whole and the same id is asked again.
#[test]
#[rustfmt::skip]
fn a_failed_append_drops_memory() {
    check("a1x begin a2x<1 view fail",            "a1:ask-again a2:ask-again view:ask-again");
    check("a1x begin fail a1x sync",              "a1:ask-again a1:done-0");
    check("a1x begin fail-late a1x sync",         "a1:ask-again a1:done-0");     // It was durable: its record.
    check("a1x a2y begin a2x fail-late a1x sync", "a1:ask-again a2:ask-again a2:ask-again a1:done-0");
    check("a1x begin taken end a1x sync",         "a1:ask-again a1:done-0");     // Fenced.
    check("settle:a1x begin fail a1x sync",       "?a1:ask-again a1:done-0");    // Nobody was told: it may run.
}

/// R12: a record answers, else a tombstone for the id and its key. R13: forgotten is not told as not done.
#[test]
#[rustfmt::skip]
fn settling() {
    check("a1x settle:a1x sync",                  "a1:done-0 ?a1:done-0");
    check("a1x! settle:a1x sync",                 "a1:failed-no ?a1:failed-no");
    check("settle:a1x a1x sync",                  "?a1:fenced a1:fenced");
    check("settle:a1x sync crash a1x sync",       "?a1:fenced a1:fenced");
    check("settle:a1x settle:a1x sync",           "?a1:fenced ?a1:fenced");
    check("a2x settle:a1x sync a1x sync",         "a2:done-0 ?a1:fenced a1:fenced");
    check("a2x settle:a1x sync a1x% sync",        "a2:done-0 ?a1:fenced a1:fenced"); // Not held back by a mark.
    check("a1x a2x~1 settle:a1x sync",            "a1:done-0 a2:done-1 ?a1:forgotten");
    check("settle:a1x@-25h sync",                 "?a1:forgotten");
    check("settle:a1x@6m",                        "?a1:ahead");
    check("a1x settle:a1x#9 sync",                "a1:done-0 ?a1:misuse");
    check("a1x* settle:a1x sync",                 "a1:panicked ?a1:panicked");
    check("a1x? settle:a1x sync",                 "a1:malformed ?a1:fenced");    // Its ticket is not at fault.
    check("a1x=o sync b1x=o#9 settle:b1x=o#9 sync", "a1:done-0 b1:misuse ?b1:fenced"); // Nor here.
    check("a1x=o sync settle:b1x=o#9 b1x=o#9 sync", "a1:done-0 ?b1:fenced b1:fenced");
    check("a1x+ settle:a1x+ sync",                "a1:done-0 ?a1:norecord");
    check("settle:a1x+",                          "?a1:norecord");
}

/// R13: of a log that was put back from a copy. What was born before and is not in it may have been done.
#[test]
#[rustfmt::skip]
fn what_was_lost_is_never_told_not_done() {
    check("restored settle:a1x sync",               "?a1:forgotten");
    check("restored settle:a1x a1x sync",           "?a1:forgotten a1:forgotten"); // And never runs from then on.
    check("restored settle:a1x sync crash a1x sync", "?a1:forgotten a1:forgotten");
    check("restored settle:a1x settle:a1x sync",    "?a1:forgotten ?a1:forgotten");
    check("a1x sync restored settle:a1x sync",      "a1:done-0 ?a1:done-0");       // What the copy knows stands.
    check("a1x* sync restored settle:a1x sync",     "a1:panicked ?a1:panicked");
    check("a1x sync restored settle:a1x#9 sync",    "a1:done-0 ?a1:misuse");
    check("restored a1x sync settle:a1x sync",      "a1:done-0 ?a1:done-0");       // Sent again, it runs.
    check("a2x sync restored a1x sync",             "a2:done-0 a1:forgotten");     // Below its key's mark.
    check("restored settle:a1x=o b1x=o sync",       "?a1:forgotten b1:forgotten");
    // Births may be ahead of log time by F; those beyond cannot have been known before.
    check("restored settle:a1x@5m sync",            "?a1:forgotten");
    check("restored +1m settle:a1x@5m sync",        "?a1:fenced");
    check("restored +6m settle:a1x settle:b1x@-1m sync", "?a1:fenced ?b1:forgotten");
}

/// R12: an idempotency key is one call under many ids, remembered for R + F + D, and dead once it was fenced.
/// R3: with other arguments it is misuse. R11: a copy older than D is refused.
#[test]
#[rustfmt::skip]
fn keyed_calls() {
    check("a1x=o b1x=o sync",                     "a1:done-0 b1:done-0");
    check("a1x=o b1y=o sync",                     "a1:done-0 b1:done-0");        // Another entity, another key.
    check("a1x=o! b1x=o sync",                    "a1:failed-no b1:failed-no");
    check("a1x=o* b1x=o sync",                    "a1:panicked b1:panicked");
    check("a1x=o b1x=o#9 sync",                   "a1:done-0 b1:misuse");
    check("a1x=o sync b1x=o#9 crash b1x=o#9 sync", "a1:done-0 b1:ask-again b1:misuse");
    check("a2x=o a1x=o sync",                     "a2:done-0 a1:done-0");        // No order.
    check("a9x a1x=o sync",                       "a9:done-0 a1:done-1");
    check("a1x=o settle:b1x=o sync",              "a1:done-0 ?b1:done-0");
    check("settle:a1x=o b1x=o sync",              "?a1:fenced b1:fenced");       // Its other tries, too.
    check("settle:a1x=o sync crash b1x=o sync",   "?a1:fenced b1:fenced");
    check("settle:a1x=o settle:b1x=o sync",       "?a1:fenced ?b1:fenced");
    check("a1x=o sync +24h b1x=o sync",           "a1:done-0 b1:done-0");
    check("a1x=o sync +24h +15m b1x=o sync",      "a1:done-0 b1:done-0");
    check("a1x=o sync +24h +16m b1x=o sync",      "a1:done-0 b1:done-1");        // A new call.
    check("a1x=o sync b1x=o +9m b1x=o sync +2m",  "a1:done-0 b1:done-0 b1:done-0");
    check("b1x=o@-11m",                           "b1:expired");                 // This copy only.
    check("b1x=o@-10m sync",                      "b1:done-0");
    check("a1x=o b1x=o@-11m sync",                "a1:done-0 b1:done-0");        // Its key's record goes first.
    // What was told from a key's record outlives the key.
    check("a1x=o sync +24h b1x=o sync +16m settle:b1x=o sync", "a1:done-0 b1:done-0 ?b1:done-0");
    check("a1x=o sync +24h +9m b1x=o#9 sync +7m b1x=o#9 sync", "a1:done-0 b1:misuse b1:misuse");
    check("a1x=o sync +24h +9m b1x=o sync +7m c1x=o b1x=o sync", "a1:done-0 b1:done-0 c1:done-1 b1:done-0");
}

/// R14: floors and doubts, joined in whatever order copies arrive.
#[test]
#[rustfmt::skip]
fn what_callers_know_is_freed() {
    check("a1x a2x~1 sync settle:a1x",            "a1:done-0 a2:done-1 ?a1:forgotten");
    check("a1x a2x a3x~2-1 sync a1x a2x",         "a1:done-0 a2:done-1 a3:done-2 a1:done-0 a2:forgotten");
    check("a1x a4y~3 a3y a2x~0 sync a1x",         "a1:done-0 a4:done-0 a3:forgotten a2:forgotten a1:forgotten");
    check("a1x a3y~2 a4x~1 sync a1x",             "a1:done-0 a3:done-0 a4:done-1 a1:forgotten");
    // An older floor that arrives later: what was known stays known.
    check("a1x a2x a9y~8 b1x a10x~1 sync a2x",    "a1:done-0 a2:done-1 a9:done-0 b1:done-2 a10:done-3 a2:forgotten");
    check("a1x sync bye:a9x sync a1x a5x",        "a1:done-0 a1:forgotten a5:forgotten");
    check("bye:a9x sync a1x sync",                "a1:done-0");                  // Nothing was remembered.
    check("a1x sync bye:a9x sync crash a2x",      "a1:done-0 a2:forgotten");
    // What did not run says it, too: given up, or answered from its idempotency key.
    check("a1x a2x*~1 sync settle:a1x",           "a1:done-0 a2:panicked ?a1:forgotten");
    check("a1x* a2x?~1 sync settle:a1x",          "a1:panicked a2:malformed ?a1:forgotten");
    check("a1x=o a2x=o~1 sync settle:a1x",        "a1:done-0 a2:done-0 ?a1:forgotten");
    check("a1x a2x+*~1 sync a1x",                 "a1:done-0 a2:panicked a1:forgotten");
    check("a1x a2x+~1 sync a1x",                  "a1:done-0 a2:done-1 a1:done-0"); // It leaves nothing behind.
}

/// R14: a caller of which nothing ever runs is not remembered call by call.
#[test]
fn what_is_given_up_is_freed() {
    for how in ["*", "?", "$", "!", "+*", "=o", "=o*"] {
        let word = |number: u64| format!("a{number}x{how}~{} sync", number - 1);
        let world = play(&(1..=100).map(word).collect::<Vec<_>>().join(" "));
        let records = world.shard.counters().records;
        assert!(records <= 2, "{records} of 100 calls `{how}` are remembered");
    }
}

/// R16: a mark outlives its freed record while an unknown number lies below, and goes by birth.
#[test]
#[rustfmt::skip]
fn marks_outlive_their_records() {
    check("a2x a3y~2-1 sync a1x sync",            "a2:done-0 a3:done-0 a1:fenced");
    check("a2x a3y~2-1 sync settle:a1x sync",     "a2:done-0 a3:done-0 ?a1:fenced");
    check("a2x a4y~2-1 a1y sync",                 "a2:done-0 a4:done-0 a1:fenced");   // On another key, too.
    check("a2x a4y~3-1 a5z~4 sync a1x",           "a2:done-0 a4:done-0 a5:done-0 a1:forgotten");
    check("a2x sync +25h b1y sync sweep a1x@-26h sync", "a2:done-0 b1:done-0 a1:forgotten");
    check("a2x@-2h sync +23h b1y sync sweep a1x@-26h sync", "a2:done-0 b1:done-0 a1:forgotten");
}

/// R16: what is swept stays refused, by whatever clock, on whatever owner.
#[test]
#[rustfmt::skip]
fn age_is_by_log_time() {
    check("a1x sync +25h sweep sync sweep a1x sync", "a1:done-0 a1:forgotten");
    check("a1x sync +25h sweep a1x sync",         "a1:done-0 a1:done-0");        // R16: no durable time yet.
    check("a1x sync +25h sweep crash -25h a1x",   "a1:done-0 a1:done-0");
    check("a1x sync +25h sweep sync sweep -25h a1x sync", "a1:done-0 a1:forgotten");
    check("a1x sync +25h sweep sync sweep -25h crash a1x sync settle:a1x sync", "a1:done-0 a1:done-0 ?a1:done-0");
    check("a1x sync +25h sweep sync sweep write -25h crash a1x sync", "a1:done-0 a1:forgotten");
    check("a1x write sync write crash a1x sync",  "a1:done-0 a1:done-0");        // Rows alone are enough.
    check("a1x sync write +25h c1y+ sync sweep write -25h crash a1x sync", "a1:done-0 c1:done-0 a1:forgotten");
    check("a1x sync +25h c1y+ sync sweep write +1h c2y+ sync write crash -26h a1x sync", "a1:done-0 c1:done-0 c2:done-1 a1:forgotten");
    check("a9y sync write +25h b1x@-25h sync c1y+ write crash -25h b1x sync", "a9:done-0 b1:forgotten c1:ask-again b1:forgotten");
    check("a1x@-25h",                             "");                           // R13: told when the time is durable,
    check("a1x@-25h begin end",                   "a1:forgotten");
    check("b1x begin +1s a1x@-25h end",           "b1:done-0");                  // not with an earlier blob,
    check("b1x begin +1s a1x@-25h end sync",      "b1:done-0 a1:forgotten");
}

/// R11: past a limit new calls are refused, one copy at a time; what is recorded is still told, and settled.
#[test]
#[rustfmt::skip]
fn a_full_shard_refuses_new_calls() {
    check("a1x sync full a2x a1x settle:a1x",     "a1:done-0 a2:overloaded a1:done-0 ?a1:done-0");
    check("full a1x settle:a1x sync",             "a1:overloaded ?a1:fenced");
    check("full a1x+ sync",                       "a1:done-0");                  // It leaves nothing behind.
}

/// What a start remembers of calls does not keep the log that it read.
#[test]
fn a_replay_keeps_nothing_of_the_blob() {
    let key = Bytes::from(vec![7; 100]);
    let id = |number| CallId { caller: CallerId(1), number, birth: world::START };
    let ran = Ran {
        id: Some(id(1)),
        time: world::START,
        fingerprint: Fingerprint(0),
        entity: "Till".into(),
        key: key.clone(),
        method: "take".into(),
        order: Order::After { after: 0, known: Known::default() },
        keyed: None,
        outcome: RanOutcome::Ok(key.clone()),
        redo: key.clone(),
        deleted: false,
        seed: None,
        staged: vec![],
        timers: vec![],
        others: vec![],
    };
    let keyed = Some(Keyed { principal: "me".into(), key: "once".into() });
    let other = Ran { id: Some(id(2)), order: Order::Free, keyed, ..ran.clone() };
    let known = Known::default();
    let again = Again { id: id(3), fingerprint: Fingerprint(0), outcome: RanOutcome::Err(key), known };
    let records = vec![Record::Ran(ran), Record::Ran(other), Record::Again(again)];
    let written = Blob { time: world::START, first: Position(5), records }.to_bytes();
    let bytes = Bytes::from(written.to_vec());
    let mut shard = Shard::<()>::open(ShardId(0), Epoch(2), [], world::START, Position(5)).expect("no rows");
    let blob = Blob::sliced(&bytes).expect("it was written just now");
    assert!(!bytes.is_unique(), "it is read in slices");
    shard.replay(blob).expect("it is the next");
    assert_eq!(shard.counters().records, 3);
    assert!(bytes.is_unique(), "some of it is kept");
}

/// R8, R16: a log with a gap, or whose time falls, or rows of the wrong table are not served from.
#[test]
fn what_does_not_fit_together_is_refused() {
    let blob = |time, first| Blob { time, first: Position(first), records: vec![Record::Tick] };
    let open = |rows: Vec<(TableKey, TableRow)>| {
        Shard::<()>::open(ShardId(0), Epoch(2), rows, world::START, Position(5))
    };
    let mut shard = open(vec![]).expect("no rows");
    assert_eq!(
        shard.replay(blob(world::START, 6)),
        Err(Corrupt::Gap { expected: Position(5), found: Position(6) })
    );
    assert_eq!(shard.replay(blob(Time::EPOCH, 5)), Err(Corrupt::TimeFalls { at: Position(5) }));
    assert_eq!(shard.replay(blob(world::START, 5)), Ok(()));
    assert_eq!(
        shard.replay(blob(world::START, 5)),
        Err(Corrupt::Gap { expected: Position(6), found: Position(5) })
    );
    assert_eq!((shard.next(), shard.durable(), shard.log_time()), (Position(6), Position(6), world::START));
    let entry = crate::shards::row::TableEntry::Time(Time::EPOCH);
    let key = TableKey::Floor(CallerId(1));
    let row = TableRow { position: Position(0), entry };
    assert_eq!(open(vec![(key.clone(), row)]).err(), Some(Corrupt::Row(key)));
}
