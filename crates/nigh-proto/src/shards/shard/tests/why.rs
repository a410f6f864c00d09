//! Where a call is, as its owner remembers: only what is durable, and never a change.

use super::*;
use crate::shards::shard::{AtOwner, Became, look};

fn why(script: &str, id: &str, expected: &str) {
    let world = play(script);
    let (caller, number) = (id.as_bytes()[0], id[1..2].parse().expect("a number"));
    let mut birth = world::START;
    if let Some(sooner) = id.get(2..).filter(|rest| !rest.is_empty()) {
        birth = later(birth, b'-', wait(sooner.trim_start_matches("@-")).0);
    }
    let id = CallId { caller: CallerId(u128::from(caller)), number, birth };
    let (before, heard) = (world.shard.tables.rows(), world.heard.len());
    let shards = [world.shard.clone()];
    let found = match look(&shards, None, id) {
        AtOwner::Recorded { position, became: Became::Done, .. } => format!("done@{}", position.0),
        AtOwner::Recorded { position, became: Became::Failed, .. } => format!("failed@{}", position.0),
        AtOwner::Recorded { position, became: Became::NotDone(_), .. } => format!("not-done@{}", position.0),
        AtOwner::Committing(_) => "committing".into(),
        AtOwner::Misuse(_) => "misuse".into(),
        AtOwner::TooOld => "too-old".into(),
        AtOwner::Known { shards, of } => format!("known {shards}/{of}"),
        AtOwner::Lost => "lost".into(),
        AtOwner::Nothing => "nothing".into(),
    };
    assert_eq!(found, expected, "{script}: why {id}");
    assert_eq!(look(&shards, Some(shards[0].id()), id), look(&shards, None, id), "its only shard");
    let [shard] = shards;
    assert!(shard.tables.rows() == before && shard.next() == world.shard.next(), "it changed something");
    assert_eq!(world.heard.len(), heard);
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn what_is_remembered_is_found() {
    //  what happens                     of whom    what is said
    why("",                              "a1",      "nothing");
    why("a1x",                           "a1",      "committing");   // R6: it may never have been.
    why("a1x begin",                     "a1",      "committing");
    why("a1x begin end",                 "a1",      "done@0");
    why("a1x begin fail",                "a1",      "nothing");
    why("b1y a1x! sync",                 "a1",      "failed@1");
    why("a1x* sync",                     "a1",      "not-done@0");
    why("a1x? sync",                     "a1",      "not-done@0");
    why("settle:a1x sync",               "a1",      "not-done@0");
    why("a1x sync crash",                "a1",      "done@0");
    why("a1x sync",                      "a2",      "nothing");
    why("a1x sync",                      "b1",      "nothing");
    why("a1x sync",                      "a1@-1m",  "misuse");       // R1: an id is its birth, too.
    why("a1x+ sync",                     "a1",      "nothing");      // Commutes: no record is kept.
    why("a1x=k sync a2x=k sync",         "a2",      "done@1");       // R12: a try has a record of its own.
    why("a1x a2x~1 sync",                "a1",      "known 1/1");    // R14.
    why("a5x~4-1 sync",                  "a1",      "nothing");      // In doubt is not known,
    why("a5x~4-1 sync",                  "a2",      "known 1/1");    // what was for others is.
    why("bye:a1x a1x sync bye:a1x sync", "a1",      "known 1/1");
    why("a1x sync +25h a2y sync",        "a1",      "done@0");       // A record goes before age,
    why("b1y sync +25h b2y sync",        "a1",      "too-old");      // R16: durable time is.
    why("b1y sync +25h b2y",             "a1",      "nothing");      // What is not durable tells no time.
    why("b1y sync restored",             "a1",      "lost");         // R13.
    why("b1y restored a1x sync",         "a1",      "done@1");
}

/// Of an id alone nobody can say which shard it was for; of its ticket, which says so, it can be said.
#[test]
fn a_shard_that_was_not_meant_says_little() {
    let (told, other) = (play("a1x a2x~1 sync"), play("b1x sync"));
    let id = |number| CallId { caller: CallerId(u128::from(b'a')), number, birth: world::START };
    let mut shards = [told.shard, other.shard];
    shards[1].id = ShardId(8);
    assert_eq!(look(&shards, None, id(1)), AtOwner::Known { shards: 1, of: 2 });
    assert_eq!(look(&shards, Some(ShardId(7)), id(1)), AtOwner::Known { shards: 1, of: 1 });
    assert_eq!(look(&shards, Some(ShardId(8)), id(1)), AtOwner::Nothing);
    assert!(matches!(look(&shards, None, id(2)), AtOwner::Recorded { shard: ShardId(7), .. }));
}
