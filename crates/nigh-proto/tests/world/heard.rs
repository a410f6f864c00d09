//! What clients may hear, and what their judge makes of it. Used by `world.rs` and by `explore.rs`.

use nigh_proto::calls::caller::Outcome;
use nigh_proto::calls::request::Answer;
use nigh_wire::{Bytes, Cause, NotSettledCause, Ticket};

use crate::judge::{Home, Judge};

/// R11, R13, R15: what may be said of a call, and what its caller knows then.
pub(crate) fn hear_of_call(judge: &mut Judge, ticket: &Ticket, outcome: &Outcome) {
    let (id, own) = (ticket.id, judge.home(ticket.id).is_some());
    let mut home = Home::Known;
    match outcome {
        // The judge heard it when it left the owner.
        Outcome::Answer(Answer::Done { .. } | Answer::Failed(_)) => judge.meet("done"),
        Outcome::Answer(Answer::NotDone(Cause::Deadline)) => {
            assert!(own && ticket.keyed.is_none(), "R11: others may have sent {id}");
            judge.not_done(id, ticket.fingerprint);
        }
        Outcome::Answer(Answer::NotDone(cause)) => judge.meet(match cause {
            Cause::Fenced => "fenced",
            Cause::Misuse => "misuse",
            Cause::Panicked(_) | Cause::Malformed(_) => "given up",
            other => panic!("{id} was told {other:?}"),
        }),
        Outcome::Overloaded { .. } if own && ticket.keyed.is_none() => judge.not_done(id, ticket.fingerprint),
        // Of a key it speaks of this try, of somebody else's id of the copy that left here.
        Outcome::Overloaded { .. } if own => judge.try_refused(id),
        Outcome::Overloaded { .. } => {}
        Outcome::Forgotten(told) => {
            assert_eq!(**told, *ticket);
            judge.meet("a call told forgotten");
        }
        Outcome::InDoubt(told) => {
            assert_eq!(**told, *ticket);
            judge.meet("in doubt");
            home = Home::Doubt;
        }
        other => panic!("{id} was told {other:?}"),
    }
    judge.set_home(id, home);
}

pub(crate) fn hear_of_view(judge: &mut Judge, key: &Bytes, seen: usize, outcome: &Outcome) {
    match outcome {
        Outcome::Answer(Answer::Done { value, version }) => {
            judge.viewed(key, seen, value, version.expect("a view of an entity has a version"));
        }
        Outcome::Answer(Answer::NotDone(Cause::Deadline)) | Outcome::Overloaded { .. } => {}
        other => panic!("a view was told {other:?}"),
    }
}

/// R12, R15: a verdict, unless there was no time; then, at home, the doubt is known.
pub(crate) fn hear_of_settling(judge: &mut Judge, ticket: &Ticket, home: bool, outcome: &Outcome) {
    match outcome {
        Outcome::Answer(answer) => {
            judge.meet(match answer {
                Answer::NotDone(_) => "settled as not done",
                Answer::Done { .. } | Answer::Failed(_) => "settled as done",
                Answer::Forgotten => "settled as forgotten",
                Answer::NoRecord => "settled without a record",
                Answer::Keys(_) => panic!("no answer to a settler"),
            });
            if home && judge.home(ticket.id) == Some(Home::Doubt) {
                judge.set_home(ticket.id, Home::Known);
            }
        }
        Outcome::NotSettled(NotSettledCause::Deadline) => {}
        Outcome::NotSettled(NotSettledCause::Misuse) => {
            assert!(judge.is_misused(ticket.id), "live: a true ticket of {} does not settle", ticket.id);
        }
        other => panic!("a settler was told {other:?}"),
    }
}
