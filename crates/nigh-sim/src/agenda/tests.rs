//! Order of events, against a sorted list.

use proptest::prelude::*;

use super::{Agenda, Due};

fn drained(agenda: &mut Agenda<u32>) -> Vec<(u64, u32)> {
    std::iter::from_fn(|| agenda.pop()).map(|(due, event)| (due.at, event)).collect()
}

#[test]
fn ties_keep_their_order() {
    let mut agenda = Agenda::new();
    for (at, event) in [(7, 1), (3, 2), (7, 3), (3, 4), (0, 5)] {
        agenda.push(at, event);
    }
    assert_eq!(agenda.peek().map(|(due, event)| (due.at, *event)), Some((0, 5)));
    assert_eq!(agenda.due().map(|due| due.at), Some(0));
    assert_eq!(drained(&mut agenda), [(0, 5), (3, 2), (3, 4), (7, 1), (7, 3)]);
    assert!(agenda.is_empty());
}

#[test]
fn two_agendas_may_share_one_count() {
    let (mut a, mut b) = (Agenda::new(), Agenda::new());
    a.push_numbered(Due { at: 5, sequence: 1 }, 1);
    b.push_numbered(Due { at: 5, sequence: 2 }, 2);
    a.push_numbered(Due { at: 5, sequence: 3 }, 3);
    assert!(a.due() < b.due());
    a.pop();
    assert!(b.due() < a.due());
}

#[test]
fn places_are_used_again() {
    let mut agenda = Agenda::new();
    for round in 0..100 {
        agenda.push(round, 0);
        agenda.push(round, 1);
        agenda.pop();
        agenda.pop();
    }
    assert_eq!(agenda.events.len(), 2);
}

proptest! {
    /// Pushed and popped in any order, what comes out is what a stable sort by time would give.
    #[test]
    fn is_a_stable_sort(steps in prop::collection::vec(prop::option::of(0..8u64), 0..80)) {
        let (mut agenda, mut model) = (Agenda::new(), Vec::<(u64, u32)>::new());
        for (number, step) in (0..).zip(steps) {
            match step {
                Some(at) => {
                    agenda.push(at, number);
                    model.push((at, number));
                    model.sort();
                }
                None => {
                    let expected = (!model.is_empty()).then(|| model.remove(0));
                    prop_assert_eq!(agenda.pop().map(|(due, event)| (due.at, event)), expected);
                }
            }
        }
        prop_assert_eq!(drained(&mut agenda), model);
    }
}
