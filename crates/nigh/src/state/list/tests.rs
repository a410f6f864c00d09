//! A list under random methods, beside a vector that copies itself before each of them.

use std::mem;

use nigh_wire::{Bytes, Out, Reader};
use proptest::collection::vec;
use proptest::prelude::*;

use super::List;
use crate::{Set, State};

#[derive(State, Clone, Debug, Default, PartialEq)]
struct Queue {
    list: List<Option<u8>>,
    other: List<Option<u8>>,
    set: Set<u8>,
}

type Plain = (Vec<Option<u8>>, Vec<Option<u8>>, std::collections::BTreeSet<u8>);

#[derive(Clone, Debug)]
enum Op {
    Push(u8),
    Pop,
    Insert(u8, u8),
    Remove(u8),
    SwapRemove(u8),
    Set(u8, u8),
    GetMut(u8),
    Swap(u8, u8),
    Truncate(u8),
    Retain(u8),
    Sort,
    Extend(u8),
    Replace(u8),
    MoveOver,
    Exchange,
    TakeAndPutBack,
    Consume,
    Add(u8),
    Drop(u8),
    PopBoth,
    RetainSet(u8),
}

fn op() -> impl Strategy<Value = Op> {
    let n = 0..6u8;
    prop_oneof![
        6 => n.clone().prop_map(Op::Push),
        3 => Just(Op::Pop),
        3 => (n.clone(), n.clone()).prop_map(|(at, n)| Op::Insert(at, n)),
        3 => n.clone().prop_map(Op::Remove),
        2 => n.clone().prop_map(Op::SwapRemove),
        4 => (n.clone(), n.clone()).prop_map(|(at, n)| Op::Set(at, n)),
        2 => n.clone().prop_map(Op::GetMut),
        2 => (n.clone(), n.clone()).prop_map(|(a, b)| Op::Swap(a, b)),
        1 => n.clone().prop_map(Op::Truncate),
        2 => n.clone().prop_map(Op::Retain),
        1 => Just(Op::Sort),
        1 => n.clone().prop_map(Op::Extend),
        1 => n.clone().prop_map(Op::Replace),
        1 => Just(Op::MoveOver),
        1 => Just(Op::Exchange),
        1 => Just(Op::TakeAndPutBack),
        1 => Just(Op::Consume),
        4 => n.clone().prop_map(Op::Add),
        2 => n.clone().prop_map(Op::Drop),
        1 => Just(Op::PopBoth),
        1 => n.prop_map(Op::RetainSet),
    ]
}

// long: one arm for each operation.
/// The same to a state and to plain collections; each answer is compared.
fn play(op: Op, s: &mut Queue, (list, other, set): &mut Plain) {
    // A place that is there, if there is one.
    let there = |at: u8| (!list.is_empty()).then(|| usize::from(at) % list.len());
    match op {
        Op::Push(n) => {
            s.list.push(Some(n));
            list.push(Some(n));
        }
        Op::Pop => assert_eq!(s.list.pop(), list.pop()),
        Op::Insert(at, n) => {
            let at = usize::from(at).min(list.len());
            s.list.insert(at, Some(n));
            list.insert(at, Some(n));
        }
        Op::Remove(at) => {
            if let Some(at) = there(at) {
                assert_eq!(s.list.remove(at), list.remove(at));
            }
        }
        Op::SwapRemove(at) => {
            if let Some(at) = there(at) {
                assert_eq!(s.list.swap_remove(at), list.swap_remove(at));
            }
        }
        Op::Set(at, n) => {
            if let Some(at) = there(at) {
                s.list[at] = (n > 0).then_some(n);
                list[at] = (n > 0).then_some(n);
            }
        }
        Op::GetMut(at) => {
            assert_eq!(s.list.get_mut(usize::from(at)), list.get_mut(usize::from(at)));
            assert_eq!(s.list.last_mut(), list.last_mut());
        }
        Op::Swap(a, b) => {
            if let (Some(a), Some(b)) = (there(a), there(b)) {
                s.list.swap(a, b);
                list.swap(a, b);
            }
        }
        Op::Truncate(len) => {
            s.list.truncate(len.into());
            list.truncate(len.into());
        }
        Op::Retain(n) => {
            s.list.retain(|element| *element != Some(n));
            list.retain(|element| *element != Some(n));
        }
        Op::Sort => {
            s.list.rewrite(|elements| elements.sort());
            list.sort();
        }
        Op::Extend(n) => {
            s.list.extend([Some(n), None]);
            list.extend([Some(n), None]);
        }
        Op::Replace(n) => {
            s.list = List::from([Some(n)]);
            *list = vec![Some(n)];
        }
        Op::MoveOver => {
            s.other = mem::take(&mut s.list);
            *other = mem::take(list);
        }
        Op::Exchange => {
            mem::swap(&mut s.list, &mut s.other);
            mem::swap(list, other);
        }
        Op::TakeAndPutBack => {
            let mut taken = mem::take(&mut s.list);
            taken.push(None);
            s.list = taken;
            list.push(None);
        }
        Op::Consume => {
            let all: Vec<_> = mem::take(&mut s.other).into_iter().collect();
            assert_eq!(all, mem::take(other));
        }
        Op::Add(n) => assert_eq!(s.set.insert(n), set.insert(n)),
        Op::Drop(n) => assert_eq!(s.set.remove(&n), set.remove(&n)),
        Op::PopBoth => {
            assert_eq!((s.set.pop_first(), s.set.pop_last()), (set.pop_first(), set.pop_last()));
        }
        Op::RetainSet(n) => {
            s.set.retain(|element| element % 3 != n % 3);
            set.retain(|element| element % 3 != n % 3);
        }
    }
}

fn plain(state: &Queue) -> Plain {
    (state.list.to_vec(), state.other.to_vec(), state.set.iter().copied().collect())
}

fn bytes(state: &Queue) -> Bytes {
    let mut out = Out::default();
    state.snapshot(&mut out);
    out.into_bytes()
}

fn redo_of(state: &mut Queue, saved: <Queue as State>::Saved) -> Option<Bytes> {
    let mut redo = Out::default();
    state.commit(saved, &mut redo).then(|| redo.into_bytes())
}

proptest! {
    /// Methods fail and succeed in any order: a failed one leaves nothing, a successful one is told by its redo, and
    /// snapshots are those of plain collections.
    #[test]
    fn a_list_is_its_history(methods in vec((any::<bool>(), vec(op(), 0..9)), 0..14)) {
        let (mut state, mut model) = (Queue::default(), Plain::default());
        let mut replayed = Queue::default();
        for (fails, ops) in methods {
            let (before, model_before) = (bytes(&state), model.clone());
            let saved = state.begin();
            ops.into_iter().for_each(|op| play(op, &mut state, &mut model));
            prop_assert_eq!(&plain(&state), &model);
            if fails {
                state.release();
                state.undo(saved);
                model = model_before;
                prop_assert_eq!(bytes(&state), before);
            } else if let Some(redo) = redo_of(&mut state, saved) {
                replayed.apply(&mut Reader::stored(&redo)).expect("a redo applies to the state before it");
            } else {
                prop_assert_eq!(&model, &model_before);
            }
            prop_assert_eq!(&plain(&state), &model);
            prop_assert_eq!(&replayed, &state);
            prop_assert_eq!(&bytes(&state), &nigh_wire::encode(&model), "as a vector and a set have it");
            let snapshot = bytes(&state);
            let restored = Queue::restore(&mut Reader::stored(&snapshot));
            prop_assert_eq!(restored.as_ref(), Ok(&state));
        }
    }

    /// Whatever a disk makes of a redo, reading it ends.
    #[test]
    fn broken_redos_are_errors_or_states(bad in vec(prop_oneof![0..5u8, any::<u8>()], 0..20)) {
        let bad = Bytes::from(bad);
        let mut state = Queue { list: List::from([Some(1), None]), ..Queue::default() };
        let _ = state.apply(&mut Reader::stored(&bad));
        prop_assert!(state.list.len() <= 2 + 20 && state.set.len() <= 20);
    }
}

/// What a redo says, and what it costs.
#[test]
#[rustfmt::skip] // Rows are read as columns.
fn redo_names_what_changed() {
    let check = |change: &dyn Fn(&mut Queue), redo: Option<&[u8]>| {
        let (list, set) = (List::from([Some(1), Some(2), Some(3)]), Set::from([7, 8]));
        let mut state = Queue { list, set, ..Queue::default() };
        let saved = state.begin();
        change(&mut state);
        assert_eq!(redo_of(&mut state, saved).as_deref(), redo);
    };
    check(&|_| (),                                                  None);
    // Field, parts, cut, new elements, changed elements.
    check(&|s| s.list.push(None),                                   Some(&[0, 0, 3, 1, 0, 0]));
    check(&|s| { s.list.pop(); },                                   Some(&[0, 0, 2, 0, 0]));
    check(&|s| { s.list.pop(); s.list.push(Some(3)) },              None);
    check(&|s| s.list[1] = None,                                    Some(&[0, 0, 3, 0, 1, 1, 0]));
    check(&|s| { s.list.get_mut(1); s.list.swap(0, 0) },            None);
    check(&|s| { s.list.remove(1); },                               Some(&[0, 0, 1, 1, 1, 3, 0]));
    check(&|s| { s.list.swap_remove(0); },                          Some(&[0, 0, 2, 0, 1, 0, 1, 3]));
    check(&|s| s.list.clear(),                                      Some(&[0, 1, 0]));
    check(&|s| s.list = List::new(),                                Some(&[0, 1, 0]));
    check(&|s| { let all = mem::take(&mut s.list); s.list = all },  None);
    check(&|s| { s.set.insert(7); },                                None);
    check(&|s| { s.set.insert(9); },                                Some(&[2, 0, 1, 9, 1]));
    check(&|s| { s.set.remove(&7); },                               Some(&[2, 0, 1, 7, 0]));
}

/// As a `Vec` and a `BTreeSet`, where no method of an entity is involved.
#[test]
fn they_read_as_those_of_the_standard_library() {
    let list: List<u8> = [3, 1, 2].into_iter().collect();
    assert_eq!((list.len(), list.first(), list[1], list.contains(&2)), (3, Some(&3), 1, true));
    assert_eq!((&list[1..], list.iter().max(), list.get(9)), (&[1, 2][..], Some(&3), None));
    assert_eq!(format!("{list:?} {:?}", Set::from(["b", "a"])), r#"[3, 1, 2] {"a", "b"}"#);
    let set: Set<u8> = list.into_iter().collect();
    assert_eq!((set.first(), set.last(), set.contains(&9)), (Some(&1), Some(&3), false));
    assert_eq!(set.range(2..).copied().collect::<Vec<_>>(), [2, 3]);
    assert!(Set::from([1, 3]).is_subset(&set) && !set.is_subset(&Set::from([1, 3])));
    assert_eq!((&set).into_iter().sum::<u8>(), set.into_iter().sum::<u8>());
}

#[test]
#[should_panic(expected = "an insertion at 4 into a list of 3")]
fn a_place_that_is_not_there_is_named() {
    List::from([1, 2, 3]).insert(4, 5);
}
