//! A state under random methods, beside a model that copies itself before each of them.

use std::collections::BTreeMap;
use std::mem;

use nigh_wire::{Bytes, Node, Out, Reader};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{Map, State};

#[derive(State, Clone, Debug, Default, PartialEq)]
struct Shelf {
    count: u64,
    /// Nested values.
    boxes: Map<u8, Vec<Option<String>>>,
    label: Vec<Option<u64>>,
    other: Map<u8, Vec<Option<String>>>,
    /// A third of its kind, which no method of these tests touches.
    quiet: Map<String, u64>,
}

type Boxes = BTreeMap<u8, Vec<Option<String>>>;

/// What a state should hold: plain maps, no log.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    count: u64,
    boxes: Boxes,
    label: Vec<Option<u64>>,
    other: Boxes,
}

impl Shelf {
    fn model(&self) -> Model {
        let plain = |m: &Map<u8, _>| m.iter().map(|(k, v): (&u8, &Vec<_>)| (*k, v.clone())).collect();
        Model {
            count: self.count,
            boxes: plain(&self.boxes),
            label: self.label.clone(),
            other: plain(&self.other),
        }
    }
    fn bytes(&self) -> Bytes {
        let mut out = Out::default();
        self.snapshot(&mut out);
        out.into_bytes()
    }
}

/// One thing a method does. The first number says to which map.
#[derive(Clone, Debug)]
enum Op {
    Insert(bool, u8, Vec<Option<String>>),
    Remove(bool, u8),
    GetMut(bool, u8, u8),
    Update(bool, u8, u8),
    Touch(bool, u8),
    Retain(bool, u8),
    Extend(bool, u8, u8),
    Clear(bool),
    PopFirst(bool),
    PopLast(bool),
    Replace(bool, u8),
    TakeAndPutBack(bool),
    MoveOver(bool),
    Consume(bool),
    Copy(bool),
    Swap,
    Count(u64),
    Label(u8),
}

fn op() -> impl Strategy<Value = Op> {
    let value = || vec(prop::option::of("[a-c]{0,2}"), 0..3);
    let (key, small) = (0..12u8, 0..4u8);
    prop_oneof![
        6 => (any::<bool>(), key.clone(), value()).prop_map(|(m, k, v)| Op::Insert(m, k, v)),
        4 => (any::<bool>(), key.clone()).prop_map(|(m, k)| Op::Remove(m, k)),
        4 => (any::<bool>(), key.clone(), small.clone()).prop_map(|(m, k, n)| Op::GetMut(m, k, n)),
        4 => (any::<bool>(), key.clone(), small.clone()).prop_map(|(m, k, n)| Op::Update(m, k, n)),
        1 => (any::<bool>(), key.clone()).prop_map(|(m, k)| Op::Touch(m, k)),
        2 => (any::<bool>(), small.clone()).prop_map(|(m, n)| Op::Retain(m, n)),
        1 => (any::<bool>(), key.clone(), small.clone()).prop_map(|(m, k, n)| Op::Extend(m, k, n)),
        1 => any::<bool>().prop_map(Op::Clear),
        1 => any::<bool>().prop_map(Op::PopFirst),
        1 => any::<bool>().prop_map(Op::PopLast),
        1 => (any::<bool>(), key).prop_map(|(m, k)| Op::Replace(m, k)),
        1 => any::<bool>().prop_map(Op::TakeAndPutBack),
        1 => any::<bool>().prop_map(Op::MoveOver),
        1 => any::<bool>().prop_map(Op::Consume),
        1 => any::<bool>().prop_map(Op::Copy),
        1 => Just(Op::Swap),
        2 => (0..3u64).prop_map(Op::Count),
        1 => small.prop_map(Op::Label),
    ]
}

fn text(n: u8) -> Option<String> {
    (n > 0).then(|| "x".repeat(usize::from(n)))
}

// long: one arm for each operation; split, the list of operations would stand in two places.
/// The same to a state and to a model. Each answer of the map is compared with the model's.
fn play(op: Op, s: &mut Shelf, m: &mut Model) {
    type Tracked = Map<u8, Vec<Option<String>>>;
    fn of(s: &mut Shelf, m: bool) -> (&mut Tracked, &mut Tracked) {
        if m { (&mut s.boxes, &mut s.other) } else { (&mut s.other, &mut s.boxes) }
    }
    fn model(s: &mut Model, m: bool) -> (&mut Boxes, &mut Boxes) {
        if m { (&mut s.boxes, &mut s.other) } else { (&mut s.other, &mut s.boxes) }
    }
    match op {
        Op::Insert(w, k, v) => assert_eq!(of(s, w).0.insert(k, v.clone()), model(m, w).0.insert(k, v)),
        Op::Remove(w, k) => assert_eq!(of(s, w).0.remove(&k), model(m, w).0.remove(&k)),
        Op::GetMut(w, k, n) => {
            let (a, b) = (of(s, w).0.get_mut(&k), model(m, w).0.get_mut(&k));
            assert_eq!(a, b);
            a.into_iter().chain(b).for_each(|v| v.push(text(n)));
        }
        Op::Update(w, k, n) => {
            let len = of(s, w).0.update(k, |v| {
                v.push(text(n));
                v.len()
            });
            let b = model(m, w).0.entry(k).or_default();
            b.push(text(n));
            assert_eq!(len, b.len());
        }
        Op::Touch(w, k) => assert_eq!(of(s, w).0.get_mut(&k).is_some(), model(m, w).0.contains_key(&k)),
        Op::Retain(w, n) => {
            of(s, w).0.retain(|k, v| k % 4 != n && v.len() < 3);
            model(m, w).0.retain(|k, v| k % 4 != n && v.len() < 3);
        }
        Op::Extend(w, k, n) => {
            of(s, w).0.extend([(k, vec![text(n)]), (k / 2, vec![])]);
            model(m, w).0.extend([(k, vec![text(n)]), (k / 2, vec![])]);
        }
        Op::Clear(w) => {
            of(s, w).0.clear();
            model(m, w).0.clear();
        }
        Op::PopFirst(w) => assert_eq!(of(s, w).0.pop_first(), model(m, w).0.pop_first()),
        Op::PopLast(w) => assert_eq!(of(s, w).0.pop_last(), model(m, w).0.pop_last()),
        Op::Replace(w, k) => {
            *of(s, w).0 = Map::from([(k, vec![])]);
            *model(m, w).0 = BTreeMap::from([(k, vec![])]);
        }
        Op::TakeAndPutBack(w) => {
            let mut taken = mem::take(of(s, w).0);
            taken.insert(200, vec![]);
            *of(s, w).0 = taken;
            model(m, w).0.insert(200, vec![]);
        }
        Op::MoveOver(w) => {
            let (a, b) = of(s, w);
            *a = mem::take(b);
            let (a, b) = model(m, w);
            *a = mem::take(b);
        }
        Op::Consume(w) => {
            let all: Vec<_> = mem::take(of(s, w).0).into_iter().collect();
            assert_eq!(all, mem::take(model(m, w).0).into_iter().collect::<Vec<_>>());
        }
        Op::Copy(w) => {
            let (a, b) = of(s, w);
            *a = b.clone();
            let (a, b) = model(m, w);
            *a = b.clone();
        }
        Op::Swap => {
            mem::swap(&mut s.boxes, &mut s.other);
            mem::swap(&mut m.boxes, &mut m.other);
        }
        Op::Count(n) => {
            s.count += n;
            m.count += n;
        }
        Op::Label(n) => {
            s.label.push((n > 1).then_some(u64::from(n)));
            m.label.push((n > 1).then_some(u64::from(n)));
        }
    }
}

fn redo_of(state: &mut Shelf, saved: <Shelf as State>::Saved) -> Option<Bytes> {
    let mut redo = Out::default();
    let changed = state.commit(saved, &mut redo);
    assert_eq!(changed, !redo.is_empty());
    changed.then(|| redo.into_bytes())
}

fn apply(state: &mut Shelf, redo: &Bytes) {
    state.apply(&mut Reader::stored(redo)).expect("a redo applies to the state before it");
}

proptest! {
    /// Methods fail and succeed in any order: a failed one leaves nothing, a successful one is told by its
    /// redo, the snapshot is the state, and all redos in a row are the whole history.
    #[test]
    fn a_state_is_its_history(methods in vec((any::<bool>(), vec(op(), 0..8)), 0..12)) {
        let (mut state, mut model) = (Shelf::default(), Model::default());
        let (mut replayed, mut log) = (Shelf::default(), Out::default());
        for (fails, ops) in methods {
            let (before, model_before) = (state.bytes(), model.clone());
            let saved = state.begin();
            ops.into_iter().for_each(|op| play(op, &mut state, &mut model));
            prop_assert_eq!(&state.model(), &model);
            if fails {
                state.release();
                state.undo(saved);
                model = model_before;
                prop_assert_eq!(state.bytes(), before);
            } else if let Some(redo) = redo_of(&mut state, saved) {
                apply(&mut replayed, &redo);
                log.raw(&redo);
            } else {
                prop_assert_eq!(&model, &model_before);
            }
            prop_assert_eq!(&state.model(), &model);
            prop_assert_eq!(&replayed, &state);
            let snapshot = state.bytes();
            let mut reader = Reader::stored(&snapshot);
            let restored = Shelf::restore(&mut reader);
            prop_assert_eq!(restored.as_ref(), Ok(&state));
            prop_assert_eq!(reader.left(), 0);
        }
        let mut at_once = Shelf::default();
        apply(&mut at_once, &log.into_bytes());
        prop_assert_eq!(at_once, state);
    }

    /// Whatever a disk makes of a redo or a snapshot, reading it ends.
    #[test]
    fn broken_bytes_are_errors_or_states(
        ops in vec(op(), 1..9), place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let (mut state, mut model) = (Shelf::default(), Model::default());
        let saved = state.begin();
        ops.into_iter().for_each(|op| play(op, &mut state, &mut model));
        let redo = redo_of(&mut state, saved).unwrap_or_default();
        for good in [redo, state.bytes()] {
            let mut bad = good.to_vec();
            if !bad.is_empty() {
                let at = place.index(bad.len());
                bad[at] = byte;
                bad.truncate(if cut { at } else { bad.len() });
            }
            let bad = Bytes::from(bad);
            let _ = Shelf::default().apply(&mut Reader::stored(&bad));
            if let Ok(read) = Shelf::restore(&mut Reader::stored(&bad)) {
                let again = Shelf::restore(&mut Reader::stored(&read.bytes()));
                prop_assert_eq!(again, Ok(read));
            }
        }
    }
}

/// Changes one byte and more: what a redo says, and what it costs.
#[test]
#[rustfmt::skip] // Rows are read as columns.
fn redo_names_what_changed() {
    let check = |change: &dyn Fn(&mut Shelf), redo: Option<&[u8]>| {
        let mut state = Shelf { other: Map::from([(1, vec![]), (2, vec![]), (3, vec![])]), ..Shelf::default() };
        let saved = state.begin();
        change(&mut state);
        assert_eq!(redo_of(&mut state, saved).as_deref(), redo);
    };
    check(&|_| (),                                                       None);
    check(&|s| s.count = 5,                                              Some(&[0, 5]));
    check(&|s| { s.count = 5; s.count = 0 },                             None);
    check(&|s| { s.other.remove(&2); },                                  Some(&[3, 0, 1, 2, 0]));
    check(&|s| { s.other.insert(2, vec![None]); },                       Some(&[3, 0, 1, 2, 1, 1, 0]));
    check(&|s| { s.other.get_mut(&2); },                                 None);
    check(&|s| { s.other.insert(9, vec![]); s.other.remove(&9); },       None);
    check(&|s| { s.boxes.insert(9, vec![]); s.boxes.clear() },           None);
    check(&|s| { s.other.clear() },                                      Some(&[3, 1, 0]));
    check(&|s| { let all = mem::take(&mut s.other); s.other = all },     None);
    check(&|s| { s.other = Map::new() },                                 Some(&[3, 1, 0]));
    check(&|s| { mem::swap(&mut s.boxes, &mut s.other) },                Some(&[1, 1, 3, 1, 0, 2, 0, 3, 0, 3, 1, 0]));
}

/// A method that panics half way leaves nothing, whatever it had moved where.
#[test]
fn a_panic_is_undone() {
    let mut state = Shelf { other: Map::from([(1, vec![]), (2, vec![None])]), ..Shelf::default() };
    let before = state.clone();
    let saved = state.begin();
    let method = std::panic::AssertUnwindSafe(|| {
        state.other.remove(&1);
        state.boxes = mem::take(&mut state.other);
        let mut kept = mem::take(&mut state.boxes);
        kept.insert(7, vec![]);
        state.count = 1;
        panic!("half way");
    });
    assert!(std::panic::catch_unwind(method).is_err());
    state.release();
    state.undo(saved);
    assert_eq!(state, before);
}

/// A sparse state is dearer in memory than a stranger's bytes may be, and still readable.
#[test]
fn a_sparse_state_is_read_again() {
    let mut state = Shelf { label: vec![None; 40_000], ..Shelf::default() };
    state.other = (0..=255).map(|k| (k, vec![None; 300])).collect();
    let snapshot = state.bytes();
    assert_eq!(Shelf::restore(&mut Reader::shared(&snapshot)), Err(nigh_wire::DecodeError::Budget));
    assert_eq!(Shelf::restore(&mut Reader::stored(&snapshot)).as_ref(), Ok(&state));
    let (before, saved) = (state.clone(), state.begin());
    state.label.clear();
    state.release();
    state.undo(saved);
    assert_eq!(state, before);
}

#[test]
fn unknown_fields_and_forms_are_refused() {
    for bad in [&[5][..], &[3, 2], &[3, 0, 1], &[3, 0, 1, 7, 2], &[3, 0, 0x80], &[0x80], &[0]] {
        let bad = Bytes::copy_from_slice(bad);
        assert!(Shelf::default().apply(&mut Reader::stored(&bad)).is_err(), "{bad:?}");
    }
}

#[test]
fn shape_is_a_struct_of_the_fields() {
    let schema = Shelf::schema();
    let Node::Struct { fields } = &schema.nodes[schema.root as usize] else { panic!("no struct") };
    let names: Vec<_> = fields.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["count", "boxes", "label", "other", "quiet"]);
    assert_eq!(fields[1].docs, "Nested values.");
    assert!(matches!(schema.nodes[fields[1].ty as usize], Node::Map(..)));
    // As a map of the standard library: they have the same bytes.
    assert_eq!(fields[1].ty, fields[3].ty);
}

/// As `BTreeMap`, where no method of an entity is involved.
#[test]
fn map_reads_as_an_ordered_map() {
    let mut map: Map<String, u64> = [("b", 2), ("a", 1), ("c", 3)].map(|(k, v)| (k.to_owned(), v)).into();
    assert_eq!((map.len(), map.is_empty(), map["b"]), (3, false, 2));
    assert_eq!((map.get("a"), map.get("z"), map.contains_key("c")), (Some(&1), None, true));
    assert_eq!(map.first_key_value(), Some((&"a".to_owned(), &1)));
    assert_eq!(map.last_key_value(), Some((&"c".to_owned(), &3)));
    assert_eq!(map.range("b".to_owned()..).map(|(_, v)| *v).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(map.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!((&map).into_iter().map(|(_, v)| v).sum::<u64>(), map.values().sum::<u64>());
    assert_eq!(format!("{map:?}"), r#"{"a": 1, "b": 2, "c": 3}"#);
    assert_eq!((map.pop_first(), map.pop_last()), (Some(("a".into(), 1)), Some(("c".into(), 3))));
    assert_eq!(map.update("n".to_owned(), |n| *n + 1), 1);
    assert_eq!(map.iter().collect::<Vec<_>>(), [(&"b".to_owned(), &2), (&"n".to_owned(), &0)]);
}
