//! Scripts that are hard to meet by chance, with what their clients are told; bugs that were found stay here.

use nigh_proto::calls::caller::Outcome;
use nigh_proto::calls::request::Answer;
use nigh_wire::Cause;

use crate::clients::Asked;
use crate::script::End::*;
use crate::script::Kind::*;
use crate::script::No::*;
use crate::script::Script;
use crate::script::Step::{self, *};
use crate::{SHORT, World};

fn word(asked: &Asked) -> String {
    let number = |value: &nigh_wire::Bytes| value.first().map_or(String::new(), |byte| format!("-{byte}"));
    match &asked.told {
        None => "open".into(),
        Some(Outcome::Answer(answer)) => match answer {
            Answer::Done { value, .. } => format!("done{}", number(value)),
            Answer::Failed(_) => "failed".into(),
            Answer::NotDone(Cause::Deadline) => "deadline".into(),
            Answer::NotDone(Cause::Fenced) => "fenced".into(),
            Answer::NotDone(Cause::Misuse) => "misuse".into(),
            Answer::NotDone(_) => "not-done".into(),
            other => format!("{other:?}").to_lowercase(),
        },
        Some(Outcome::InDoubt(_)) => "in-doubt".into(),
        Some(Outcome::Forgotten(_)) => "forgotten".into(),
        Some(Outcome::Overloaded { .. }) => "overloaded".into(),
        Some(Outcome::NotSettled(_)) => "not-settled".into(),
    }
}

/// Plays a script, compares what was told, in the order in which it was asked for; then all heals and ages.
fn check(script: &[Step], told: &str) {
    let mut world = World::new(SHORT);
    world.play(script);
    let words: Vec<String> = world.clients.asked.iter().map(word).collect();
    assert_eq!(words.join(" "), told, "{:?}", Script(script.to_vec()));
    world.heal();
    world.age();
}

/// R2, R10, R12: what a broken link left behind arrives late, and finds its verdict.
#[test]
#[rustfmt::skip] // A script, and what is told.
fn what_was_left_behind_changes_nothing() {
    let lost = [Ask(0, Inc, 0), Write(0, 1), Cut(0), Pass(700), Mend(0)];
    let arrives = [Arrive(2, u16::MAX), Run(0, 9)];
    let after = |between: &[Step]| [&lost, between, &arrives, &[Ask(0, View, 0), Flow(0)]].concat();
    check(&after(&[]), "in-doubt done-1");
    check(&after(&[Settle(1, 0), Flow(1)]), "in-doubt fenced done-0");
    // Settled by somebody else, sent again on the next link, and told there.
    check(&[Ask(0, Inc, 0), Write(0, 1), Cut(0), Settle(1, 0), Flow(1), Mend(0), Flow(0)], "fenced fenced");
    // A later call on the key has run: the copy is too late, and the call was not done.
    check(&after(&[Ask(0, Inc, 0), Flow(0)]), "in-doubt done-0 done-1");
    check(&after(&[Ask(0, Inc, 0), Flow(0), Settle(0, 1), Flow(0)]), "in-doubt done-0 fenced done-1");
    // Its caller let go of it, and said so with a later call.
    check(&[Ask(0, Inc, 0), Write(0, 1), Cut(0), Cancel(0), Mend(0), Ask(0, Inc, 1), Flow(0), Arrive(2, 999), Run(0, 9), Ask(1, View, 0), Flow(1)], "open done-0 done-0");
}

/// R10, R11: a refused call keeps its number, and those behind it keep theirs; none is refused for it.
#[test]
#[rustfmt::skip] // A script, and what is told.
fn a_refused_neighbour_kills_nobody() {
    let two = [Ask(0, Inc, 0), Ask(0, Inc, 0)];
    let refused = |no| [&two[..], &[Refuse(no), Flow(0), Flow(0), Pass(100), Flow(0)]].concat();
    check(&refused(NotOwner), "done-0 done-1");
    check(&refused(Expired), "done-0 done-1");
    check(&refused(AskAgain), "done-0 done-1");
    check(&refused(Overloaded), "overloaded done-0");
    // The second copy overtakes the first, on another link.
    let overtaken =
        [Ask(0, Inc, 0), Write(0, 1), Cut(0), Mend(0), Ask(0, Inc, 0), Flow(0), Arrive(2, 999), Run(0, 9)];
    check(&overtaken, "done-0 done-1");
    // Told overloaded only if no other copy was sent.
    check(&[Ask(0, Inc, 0), Write(0, 1), Cut(0), Mend(0), Refuse(Overloaded), Flow(0)], "open");
}

/// R5, R6, R8, R9: however an append ends, what was told is in the log, and what was not is asked again.
#[test]
#[rustfmt::skip] // A script, and what is told.
fn appends_end_in_every_way() {
    let ends = |end| [Ask(0, Inc, 0), Reach(0), EndAppend(0, end), Hear(0, 999), Mend(0), Pass(50), Flow(0)];
    check(&ends(Heard), "done-0");
    check(&ends(Failed), "done-0");
    check(&ends(Unheard), "done-0");
    check(&ends(Late), "done-0");
    // It lands before the next owner reads the log, and after it did.
    let late = |then: &[Step]| {
        [&[Ask(0, Inc, 0), Reach(0), EndAppend(0, Late)][..], then, &[Pass(50), Flow(0)]].concat()
    };
    check(&late(&[Land(0), TakeUp(1), Mend(0)]), "done-0");
    check(&late(&[TakeUp(1), Land(0), Mend(0)]), "done-0");
    // Memory is gone and nobody heard: the process died.
    check(&[Ask(0, Inc, 0), Reach(0), Crash(0), Mend(0), Pass(50), Flow(0)], "done-0");
    check(&[Ask(0, Inc, 0), Reach(0), BeginAppend(0), Crash(0), Land(0), Mend(0), Pass(50), Flow(0)], "done-0");
    // An error is as good as a value: the second answer is the first one.
    check(&[Ask(0, Take, 0), Reach(0), EndAppend(0, Unheard), Ask(1, Inc, 0), Mend(1), Flow(1), Hear(0, 999), Pass(50), Flow(0)], "failed done-0");
}

/// R7, R8: an owner that was replaced, and does not know it, tells nobody what it reads and runs.
#[test]
#[rustfmt::skip] // A script, and what is told.
fn a_replaced_owner_is_silent() {
    let replaced = [Ask(0, Inc, 0), Flow(0), TakeUp(1), Mend(0), Ask(0, Inc, 0), Flow(0)];
    let then = |then: &[Step]| [&replaced, then].concat();
    check(&then(&[Ask(1, View, 0), Reach(1), Hear(1, 999)]), "done-0 done-1 open");
    check(&then(&[Ask(1, View, 0), Reach(1), Confirm(0), Confirmed(0), Hear(1, 999)]), "done-0 done-1 open");
    check(&then(&[Ask(1, View, 0), Reach(1), Confirm(0), Confirmed(0), Hear(1, 999), Mend(1), Pass(50), Flow(1)]), "done-0 done-1 done-2");
    check(&then(&[Ask(1, Inc, 0), Flow(1), Mend(1), Pass(50), Flow(1)]), "done-0 done-1 done-2");
    // Asked before the view was read: says nothing of it.
    check(&[Ask(1, View, 0), Reach(1), Confirm(0), TakeUp(1), Ask(1, View, 1), Reach(1), Confirmed(0), Hear(1, 999)], "done-0 open");
}

/// R3, R12: one key, many tries; somebody else's id, from anywhere.
#[test]
#[rustfmt::skip] // A script, and what is told.
fn keys_and_foreign_ids_run_once() {
    let key = Keyed(0, false);
    check(&[Ask(0, key, 0), Flow(0), Ask(1, key, 0), Flow(1)], "done-0 done-0");
    check(&[Ask(0, key, 0), Flow(0), Ask(1, Keyed(0, true), 0), Flow(1)], "done-0 misuse");
    check(&[Ask(0, key, 0), Write(0, 1), Cut(0), Pass(700), Settle(1, 0), Flow(1), Arrive(1, 999), Run(0, 9), Ask(1, key, 0), Flow(1)], "in-doubt fenced fenced");
    check(&[Ask(0, key, 0), Flow(0), Sleep(23), Mend(0), Mend(1), Ask(1, key, 0), Flow(1)], "done-0 done-0");
    check(&[Ask(0, key, 0), Flow(0), Sleep(25), Mend(0), Mend(1), Ask(1, key, 0), Flow(1)], "done-0 done-1");
    // A try that was refused for other arguments settles like any other.
    check(&[Ask(0, key, 0), Flow(0), Ask(1, Keyed(0, true), 0), Reach(1), Cut(1), Pass(700), Settle(0, 0), Flow(0)], "done-0 in-doubt fenced");
    let foreign = Foreign(0, false);
    check(&[Ask(0, foreign, 0), Flow(0), Ask(1, foreign, 0), Flow(1)], "done-0 done-0");
    check(&[Ask(0, foreign, 0), Flow(0), Ask(1, Foreign(0, true), 0), Flow(1)], "done-0 misuse");
    check(&[Ask(0, foreign, 0), Flow(0), Leap(25), Ask(1, foreign, 0), Flow(1)], "done-0 done-0");
    check(&[Ask(0, foreign, 0), Flow(0), Leap(25), Sweep(0), Flow(1), Sweep(0), Ask(1, foreign, 0), Flow(1)], "done-0 forgotten");
}

/// R4, R12: what was given up is not done, for whoever asks, and its doubt ends.
#[test]
#[rustfmt::skip] // A script, and what is told.
fn what_was_given_up_settles() {
    for kind in [Panic, Unfit] {
        check(&[Ask(0, kind, 0), Flow(0)], "not-done");
        check(&[Ask(0, kind, 0), Reach(0), EndAppend(0, Heard), Cut(0), Mend(0), Flow(0)], "not-done");
    }
    check(&[Ask(0, Unfit, 0), Reach(0), EndAppend(0, Heard), Cut(0), Pass(700), Settle(1, 0), Flow(1)], "in-doubt fenced");
    check(&[Ask(0, Panic, 0), Reach(0), EndAppend(0, Heard), Cut(0), Pass(700), Settle(1, 0), Flow(1)], "in-doubt not-done");
    check(&[Ask(0, Touch, 0), Write(0, 1), Cut(0), Pass(700), Settle(1, 0), Flow(1)], "in-doubt norecord");
}

/// R16, R17: clocks of clients and owners differ, and shards move between them.
#[test]
#[rustfmt::skip] // A script, and what is told.
fn clocks_differ() {
    // Born ahead, by an owner's clock that was ahead: refused until log time is near, and then done.
    check(&[NodeSkew(0, 250), Cut(0), Mend(0), NodeSkew(0, -100), Ask(0, Inc, 0), Flow(0)], "open");
    // Not by its own clock, once it has learnt the owner's.
    check(&[Cut(0), Mend(0), ClientSkew(0, 600), Ask(0, Inc, 0), Flow(0)], "done-0");
    // A slower owner takes up what a faster one has swept.
    check(&[Ask(0, Foreign(0, false), 0), Flow(0), Leap(25), NodeSkew(0, 40), Pass(1), Sweep(0), Flow(0), Sweep(0), WriteBack(0, 9), Flow(0), TakeUp(1), NodeSkew(1, -40), Mend(1), Ask(1, Foreign(0, false), 0), Flow(1)], "done-0 forgotten");
}

/// R1, R14: a process that starts again is another caller; what it left in doubt settles by its tickets.
#[test]
#[rustfmt::skip] // A script, and what is told.
fn processes_start_again() {
    check(&[Ask(0, Inc, 0), Reach(0), Restart(0), Mend(0), Settle(0, 0), Flow(0)], "open done-0");
    check(&[Ask(0, Inc, 0), Write(0, 0), Restart(0), Mend(0), Settle(0, 0), Flow(0)], "open fenced");
    // Its bye frees what it knew.
    check(&[Ask(0, Inc, 0), Flow(0), Restart(0), Arrive(1, 999), Run(0, 9), Settle(1, 0), Flow(1)], "done-0 forgotten");
    check(&[Reserve(0, 0), Ask(0, Inc, 0), Flow(0), Begin(0), Flow(0), Pass(50), Flow(0)], "done-1 done-0");
    check(&[Reserve(0, 0), Ask(0, Inc, 0), Flow(0), Release(0), Flow(0)], "done-0");
    check(&[Ask(0, Inc, 0), Reach(0), Renew(0), Ask(0, Inc, 0), Flow(0)], "done-0 done-1");
}

/// R14, R16: an older floor takes nothing back, a mark outlives its record, and what is swept was too old by a
/// time that is in the log.
#[test]
#[rustfmt::skip]
fn what_is_freed_stays_refused() {
    // 2 is freed by 4; the first copy of 3 knows only 1, and comes before the first copy of 2.
    check(&[
        Ask(0, Inc, 1), Flow(0), Ask(0, Inc, 0), Write(0, 1), Cut(0), Mend(0),
        Ask(0, Inc, 1), Write(0, 9), Cut(0), Mend(0),
        Write(0, 1), Arrive(0, 999), Run(0, 9), EndAppend(0, Heard), Hear(0, 999), Cut(0), Pass(700), Mend(0),
        Ask(0, Inc, 0), Flow(0), Stray(1), Stray(2), Flow(1),
    ], "done-0 done-0 in-doubt done-1");
    // 2 is freed by 3, and 1, which it overtook, arrives.
    check(&[
        Ask(0, Inc, 0), Write(0, 1), Cut(0), Pass(700), Mend(0), Ask(0, Inc, 0), Flow(0),
        Ask(0, Inc, 1), Flow(0), Stray(0), Flow(0),
    ], "in-doubt done-0 done-0");
    // A day later by one clock, not by the next one.
    check(&[
        Ask(0, Foreign(0, false), 0), Flow(0), WriteBack(0, 9), NodeSkew(0, 40), Leap(24), Sweep(0), WriteBack(0, 9),
        Crash(0), TakeUp(1), NodeSkew(1, -40), Mend(1), Ask(1, Foreign(0, false), 0), Flow(1),
    ], "done-0 done-0");
}
