//! Where a call is, as its owner remembers: only what is durable, and never a change.

use super::*;
use crate::shards::shard::{AtOwner, Became, Stored, look, rows_of, unread};

fn id(text: &str) -> CallId {
    let (caller, number) = (text.as_bytes()[0], text[1..2].parse().expect("a number"));
    let mut birth = world::START;
    if let Some(sooner) = text.get(2..).filter(|rest| !rest.is_empty()) {
        birth = later(birth, b'-', wait(sooner.trim_start_matches("@-")).0);
    }
    CallId { caller: CallerId(u128::from(caller)), number, birth }
}

fn told(found: AtOwner) -> String {
    match found {
        AtOwner::Recorded { position, became: Became::Done, .. } => format!("done@{}", position.0),
        AtOwner::Recorded { position, became: Became::Failed, .. } => format!("failed@{}", position.0),
        AtOwner::Recorded { position, became: Became::NotDone(_), .. } => format!("not-done@{}", position.0),
        AtOwner::Committing(_) => "committing".into(),
        AtOwner::Misuse(_) => "misuse".into(),
        AtOwner::TooOld => "too-old".into(),
        AtOwner::Known { shards, of } => format!("known {shards}/{of}"),
        AtOwner::Lost => "lost".into(),
        AtOwner::Nothing => "nothing".into(),
    }
}

fn why(script: &str, of: &str, expected: &str) {
    let (world, id) = (play(script), id(of));
    let (before, heard) = (world.shard.tables.rows(), world.heard.len());
    let shards = [&world.shard.clone()];
    assert!(unread(&shards, None, id).is_empty(), "all is in memory");
    assert_eq!(told(look(&shards, None, id, &Stored::new())), expected, "{script}: why {id}");
    let only = look(&shards, Some(shards[0].id()), id, &Stored::new());
    assert_eq!(only, look(&shards, None, id, &Stored::new()), "its only shard");
    let [shard] = shards;
    assert!(shard.tables.rows() == before && shard.next() == world.shard.next(), "it changed something");
    assert_eq!(world.heard.len(), heard);
}

/// The same of what is in the state file alone: read to be looked at, and not taken in.
fn cold(script: &str, of: &str, expected: &str) {
    let (mut world, id) = (play(script), id(of));
    world.sync();
    world.write_back(usize::MAX);
    world.let_go(usize::MAX, true);
    let shards = [&world.shard.clone()];
    assert_eq!(unread(&shards, None, id), [shards[0].id()], "{script}: none of it is in memory");
    assert_eq!(told(look(&shards, None, id, &Stored::new())), "committing", "it was not read: ask again");
    let stored = Stored::from([(shards[0].id(), world.stored(&rows_of(id)))]);
    assert_eq!(told(look(&shards, None, id, &stored)), expected, "{script}: why {id}, in the state file");
    assert_eq!(unread(&shards, None, id), [shards[0].id()], "it was taken in");
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn what_is_in_the_state_file_alone_is_found() {
    cold("a1x",                          "a1",      "done@0");
    cold("b1y a1x!",                     "a1",      "failed@1");
    cold("settle:a1x",                   "a1",      "not-done@0");
    cold("a1x",                          "a2",      "nothing");
    cold("a1x",                          "c1",      "nothing");
    cold("a1x",                          "a1@-1m",  "misuse");
    cold("a1x a2x~1",                    "a1",      "known 1/1");
    cold("b1y sync +25h b2y",            "a1",      "too-old");
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
    let look = |shards: &[_; 2], only, id| look(&shards.each_ref(), only, id, &Stored::new());
    let mut shards = [told.shard, other.shard];
    shards[1].id = ShardId(8);
    assert_eq!(look(&shards, None, id(1)), AtOwner::Known { shards: 1, of: 2 });
    assert_eq!(look(&shards, Some(ShardId(7)), id(1)), AtOwner::Known { shards: 1, of: 1 });
    assert_eq!(look(&shards, Some(ShardId(8)), id(1)), AtOwner::Nothing);
    assert!(matches!(look(&shards, None, id(2)), AtOwner::Recorded { shard: ShardId(7), .. }));
}
