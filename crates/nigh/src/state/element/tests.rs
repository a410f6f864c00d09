//! Collections in collections under random methods, beside those of the standard library, which copy themselves before each.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use nigh_wire::{Builder, Bytes, DecodeError, NodeId, Out, Reader, Wire, encode};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::map::Entry;
use crate::{List, Map, Set, State};

#[derive(State, Clone, Debug, Default, PartialEq)]
struct House {
    rooms: Map<u8, Map<u8, String>>,
    spare: Map<u8, Map<u8, String>>,
    /// As what stands in `rooms`.
    flat: Map<u8, String>,
    deep: Map<u8, Map<u8, Set<u8>>>,
    queues: Map<u8, List<u8>>,
    pages: List<Map<u8, String>>,
}

/// The same, of the standard library.
#[derive(State, Wire, Clone, Debug, Default, PartialEq)]
struct Model {
    rooms: BTreeMap<u8, BTreeMap<u8, String>>,
    spare: BTreeMap<u8, BTreeMap<u8, String>>,
    /// As what stands in `rooms`.
    flat: BTreeMap<u8, String>,
    deep: BTreeMap<u8, BTreeMap<u8, BTreeSet<u8>>>,
    queues: BTreeMap<u8, Vec<u8>>,
    pages: Vec<BTreeMap<u8, String>>,
}

/// What a method does: which of [`play`]'s rows, with two keys and a value.
type Op = (u8, u8, u8, u8);
/// Rows of [`play`].
const OPS: u8 = 49;

fn op() -> impl Strategy<Value = Op> {
    // Half of all work goes inside.
    (prop_oneof![0..9u8, 0..OPS], 0..4u8, 0..4u8, 0..3u8)
}

// long: one arm for each operation; the state and the model share it.
/// The same to a state and to a model. Each answer of the one is compared with the other's.
fn play((op, k, i, n): Op, s: &mut House, m: &mut Model) {
    /// The same words to both.
    macro_rules! both {
        (|$x:ident| $e:expr) => {{
            let ours = {
                let $x = &mut *s;
                $e
            };
            let theirs = {
                let $x = &mut *m;
                $e
            };
            assert_eq!(ours, theirs, "operation {op}");
        }};
    }
    let (text, at) = ("x".repeat(n.into()), usize::from(i));
    match op {
        // Inside, one level down and two.
        0 => both!(|x| x.rooms.entry(k).or_default().insert(i, text.clone())),
        1 => both!(|x| x.rooms.get_mut(&k).and_then(|room| room.remove(&i))),
        2 => both!(|x| x.rooms.get_mut(&k).and_then(|room| room.get_mut(&i).map(|text| text.push('y')))),
        3 => both!(|x| x.deep.entry(k).or_default().entry(i).or_default().insert(n)),
        4 => both!(|x| x.deep.get_mut(&k).and_then(|d| Some(d.get_mut(&i)?.remove(&n)))),
        5 => both!(|x| x.queues.entry(k).or_default().push(n)),
        6 => both!(|x| x.queues.get_mut(&k).and_then(|queue| queue.pop())),
        7 => both!(|x| x.pages.get_mut(at).map(|page| page.insert(k, text.clone()))),
        8 => both!(|x| x.pages.last_mut().map(|page| page.remove(&k))),
        // Whole ones come and go.
        9 => both!(|x| x.rooms.remove(&k).map(|room| room.len())),
        10 => both!(|x| x.rooms.insert(k, [(i, text.clone())].into()).map(|room| room.len())),
        11 => both!(|x| x.rooms.clear()),
        12 => both!(|x| x.rooms.pop_first().map(|(key, room)| (key, room.len()))),
        13 => both!(|x| x.rooms.pop_last().map(|(key, room)| (key, room.len()))),
        14 => both!(|x| x.rooms.retain(|key, room| *key != k && room.len() < 3)),
        15 => both!(|x| x.deep.remove(&k).map(|d| d.len())),
        16 => both!(|x| x.deep.get_mut(&k).and_then(|d| d.remove(&i).map(|set| set.len()))),
        17 => both!(|x| x.deep.entry(k).or_default().clear()),
        18 => both!(|x| x.queues.remove(&k).map(|queue| queue.len())),
        19 => both!(|x| x.pages.push([(k, text.clone())].into())),
        20 => both!(|x| x.pages.pop().map(|page| page.len())),
        21 => both!(|x| (at <= x.pages.len()).then(|| x.pages.insert(at, [(k, text.clone())].into()))),
        22 => both!(|x| (at < x.pages.len()).then(|| x.pages.remove(at).len())),
        23 => both!(|x| (at < x.pages.len()).then(|| x.pages.swap_remove(at).len())),
        24 => both!(|x| (at.max(k.into()) < x.pages.len()).then(|| x.pages.swap(at, k.into()))),
        25 => both!(|x| x.pages.truncate(at)),
        26 => both!(|x| x.pages.retain(|page| page.len() % 2 == at % 2)),
        // Changed inside and moved in one method.
        27 => both!(|x| x.rooms.remove(&k).map(|mut room| {
            room.insert(n, text.clone());
            x.rooms.insert(i, room).map(|room| room.len())
        })),
        28 => both!(|x| {
            let taken = x.rooms.remove(&k);
            taken.map(|room| x.rooms.insert(k, room).is_none())
        }),
        29 => both!(|x| x.rooms.get_mut(&k).map(|room| mem::swap(room, &mut x.flat))),
        30 => both!(|x| x.rooms.get_mut(&k).map(|room| mem::take(room).len())),
        31 => both!(|x| x.pages.push(mem::take(&mut x.flat))),
        32 => both!(|x| x.pages.pop().map(|page| x.rooms.insert(k, page).map(|room| room.len()))),
        33 => both!(|x| x.spare = mem::take(&mut x.rooms)),
        34 => both!(|x| mem::swap(&mut x.spare, &mut x.rooms)),
        35 => both!(|x| x.rooms = x.spare.clone()),
        36 => both!(|x| x.rooms.get(&k).cloned().map(|room| x.rooms.insert(i, room).is_some())),
        // A fresh one that holds one that was there.
        37 => both!(|x| x.rooms.remove(&k).map(|room| x.spare = [(i, room)].into())),
        38 => both!(|x| x.rooms.append(&mut x.spare)),
        39 => both!(|x| x.rooms.values_mut().take(2).for_each(|room| drop(room.insert(i, text.clone())))),
        40 => both!(|x| x.rooms.range_mut(k..).rev().take(1).for_each(|(_, room)| room.clear())),
        41 => both!(|x| for (key, room) in &mut x.rooms {
            room.remove(key);
        }),
        42 => both!(|x| mem::take(&mut x.spare)
            .into_iter()
            .map(|(key, room)| (key, room.len()))
            .collect::<Vec<_>>()),
        43 => both!(|x| x.pages.iter_mut().rev().take(2).for_each(|page| drop(page.insert(i, text.clone())))),
        44 => both!(|x| (at <= x.pages.len()).then(|| x.pages.split_off(at).len())),
        45 => both!(|x| for page in &mut x.pages {
            page.remove(&k);
        }),
        46 => both!(|x| x.queues.get_mut(&k).map(|queue| {
            let mut tail = queue.split_off(queue.len() / 2);
            queue.insert(0, n);
            queue.append(&mut tail);
        })),
        // Under another name than the standard library's.
        47 => {
            s.rooms.retain_mut(|_, room| room.remove(&i).is_none());
            m.rooms.retain(|_, room| room.remove(&i).is_none());
        }
        48 => {
            s.pages.rewrite(|pages| pages.reverse());
            m.pages.reverse();
        }
        _ => unreachable!("{OPS} operations"),
    }
}

fn bytes(state: &House) -> Bytes {
    let mut out = Out::default();
    state.snapshot(&mut out);
    out.into_bytes()
}

fn redo_of(state: &mut House, saved: <House as State>::Saved) -> Option<Bytes> {
    let mut redo = Out::default();
    let changed = state.commit(saved, &mut redo);
    assert_eq!(changed, !redo.is_empty());
    changed.then(|| redo.into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    /// Methods succeed, fail and panic in any order: what did not succeed leaves nothing, what did is told by its redo, and
    /// snapshots are those of the standard library's collections.
    #[test]
    fn a_house_is_its_history(methods in vec((0..4u8, vec(op(), 0..9)), 0..14)) {
        let (mut state, mut model, mut replayed) = (House::default(), Model::default(), House::default());
        for (end, ops) in methods {
            let model_before = model.clone();
            let saved = state.begin();
            let method = AssertUnwindSafe(|| {
                ops.into_iter().for_each(|op| play(op, &mut state, &mut model));
                assert_eq!(bytes(&state), encode(&model));
                if end == 0 {
                    // Without the words that the hook would print.
                    resume_unwind(Box::new("half way"));
                }
            });
            let panic = catch_unwind(method).err();
            if let Some(other) = panic.filter(|panic| panic.downcast_ref() != Some(&"half way")) {
                resume_unwind(other);
            }
            if end < 2 {
                state.release();
                state.undo(saved);
                model = model_before;
            } else if let Some(redo) = redo_of(&mut state, saved) {
                replayed.apply(&mut Reader::stored(&redo)).expect("a redo applies to the state before it");
            } else {
                prop_assert_eq!(&model, &model_before);
            }
            prop_assert_eq!(&bytes(&state), &encode(&model));
            prop_assert_eq!(&replayed, &state);
            let snapshot = bytes(&state);
            let mut reader = Reader::stored(&snapshot);
            let restored = House::restore(&mut reader);
            prop_assert_eq!(restored.as_ref(), Ok(&state));
            prop_assert_eq!(reader.left(), 0);
        }
    }

    /// Whatever a disk makes of a redo or a snapshot, reading it ends, and makes no more than there are bytes.
    #[test]
    fn broken_bytes_are_errors_or_states(
        ops in vec(op(), 1..20), place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
        noise in vec(prop_oneof![0..5u8, any::<u8>()], 0..30),
    ) {
        let (mut state, mut model) = (House::default(), Model::default());
        let saved = state.begin();
        ops.into_iter().for_each(|op| play(op, &mut state, &mut model));
        let redo = redo_of(&mut state, saved).unwrap_or_default();
        let broken = |good: Bytes| {
            let mut bad = good.to_vec();
            if !bad.is_empty() {
                let at = place.index(bad.len());
                bad[at] = byte;
                bad.truncate(if cut { at } else { bad.len() });
            }
            Bytes::from(bad)
        };
        for bad in [broken(redo), Bytes::from(noise), broken(bytes(&state))] {
            let mut hurt = state.clone();
            let _ = hurt.apply(&mut Reader::stored(&bad));
            prop_assert!(bytes(&hurt).len() <= bytes(&state).len() + bad.len());
            if let Ok(read) = House::restore(&mut Reader::stored(&bad)) {
                prop_assert!(bytes(&read).len() <= bad.len());
            }
        }
    }
}

/// What a redo says: of what was touched inside, no more than that.
#[test]
#[rustfmt::skip] // Rows are read as columns.
fn redo_names_what_changed_inside() {
    let check = |change: &dyn Fn(&mut House), redo: Option<&[u8]>| {
        let room = || Map::from([(1, String::new()), (2, String::new()), (3, String::new())]);
        let mut state = House {
            rooms: [(1, room()), (2, room())].into(),
            deep: [(5, [(6, [7, 8].into())].into())].into(),
            queues: [(4, [1, 2, 3].into())].into(),
            pages: [room(), room(), room()].into(),
            ..House::default()
        };
        let saved = state.begin();
        change(&mut state);
        assert_eq!(redo_of(&mut state, saved).as_deref(), redo);
    };
    // Field, parts, one key: it has a value, of which parts changed: one key.
    check(&|s| { s.rooms.get_mut(&1).unwrap().remove(&2); },               Some(&[0, 0, 1, 1, 1, 0, 1, 2, 0]));
    check(&|s| { s.rooms.entry(1).or_default().insert(2, "a".into()); },   Some(&[0, 0, 1, 1, 1, 0, 1, 2, 1, 1, b'a']));
    check(&|s| { s.rooms.entry(1).or_default(); },                         None);
    check(&|s| s.rooms.values_mut().for_each(|room| drop(room.remove(&9))), None);
    check(&|s| { s.rooms.get_mut(&1).unwrap().clear() },                   Some(&[0, 0, 1, 1, 1, 1, 0]));
    check(&|s| { s.rooms.entry(9).or_default(); },                         Some(&[0, 0, 1, 9, 1, 1, 0]));
    check(&|s| { s.rooms.get_mut(&1).unwrap().remove(&2); s.rooms.remove(&1); }, Some(&[0, 0, 1, 1, 0]));
    check(&|s| { let room = s.rooms.remove(&1).unwrap(); s.rooms.insert(1, room); }, None);
    check(&|s| { s.rooms.insert(9, Map::new()); s.rooms.remove(&9); },     None);
    check(&|s| { s.deep.get_mut(&5).unwrap().get_mut(&6).unwrap().insert(9); }, Some(&[3, 0, 1, 5, 1, 0, 1, 6, 1, 0, 1, 9, 1]));
    check(&|s| s.queues.get_mut(&4).unwrap().push(9),                      Some(&[4, 0, 1, 4, 1, 0, 3, 1, 9, 0]));
    // Cut, no new elements, one changed: parts of it.
    check(&|s| { s.pages[1].remove(&2); },                                 Some(&[5, 0, 3, 0, 1, 1, 0, 1, 2, 0]));
    check(&|s| { s.pages.rewrite(|pages| { pages[1].remove(&2); }); },     Some(&[5, 0, 3, 0, 1, 1, 0, 1, 2, 0]));
    check(&|s| { s.pages.pop(); s.pages[1].remove(&2); },                  Some(&[5, 0, 2, 0, 1, 1, 0, 1, 2, 0]));
}

/// Whoever reads a state by its schema reads it as if it were of the standard library.
#[test]
fn shape_is_that_of_plain_collections() {
    assert_eq!(House::schema(), <Model as State>::schema());
}

thread_local! {
    /// Values copied, and values encoded.
    static COSTS: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// A value that counts what it is put through.
#[derive(Debug, Default)]
struct Dear(u64);

impl Clone for Dear {
    fn clone(&self) -> Self {
        COSTS.with(|costs| costs.set((costs.get().0 + 1, costs.get().1)));
        Dear(self.0)
    }
}
impl Wire for Dear {
    const MIN: usize = 1;
    type Shape = <u64 as Wire>::Shape;
    fn node(b: &mut Builder) -> NodeId {
        u64::node(b)
    }
    fn encode(&self, out: &mut Out) {
        COSTS.with(|costs| costs.set((costs.get().0, costs.get().1 + 1)));
        self.0.encode(out);
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        u64::decode(r).map(Dear)
    }
}

#[derive(State, Default)]
struct Tower {
    floors: Map<u64, Map<u64, Dear>>,
    stack: List<Map<u64, Dear>>,
}

/// A change inside costs what it touches: one value copied, and encoded twice to be compared; none to remove or to move many.
#[test]
#[rustfmt::skip] // Rows are read as columns.
fn a_change_inside_costs_one_entry() {
    let check = |change: &dyn Fn(&mut Tower), costs: (u64, u64)| {
        let floor = || (0..100).map(|n| (n, Dear(n))).collect::<Map<u64, Dear>>();
        for fails in [false, true] {
            let mut state = Tower { floors: (0..100).map(|n| (n, floor())).collect(), stack: (0..9).map(|_| floor()).collect() };
            let saved = state.begin();
            COSTS.set((0, 0));
            change(&mut state);
            if fails {
                state.release();
                state.undo(saved);
                assert_eq!(COSTS.get(), (costs.0, 0));
            } else {
                state.commit(saved, &mut Out::default());
                assert_eq!(COSTS.get(), costs);
            }
        }
    };
    check(&|_| (),                                                          (0, 0));
    check(&|s| s.floors.get_mut(&7).unwrap().get_mut(&9).unwrap().0 += 1,   (1, 2));
    check(&|s| { s.floors.entry(7).or_default().insert(1_000, Dear(1)); },  (0, 1));
    check(&|s| s.floors.values_mut().for_each(|_| ()),                      (0, 0));
    check(&|s| { s.floors.remove(&7); },                                    (0, 0));
    check(&|s| s.floors.retain(|n, _| n % 3 != 0),                          (0, 0));
    check(&|s| s.stack.first_mut().unwrap().get_mut(&9).unwrap().0 += 1,    (1, 2));
    check(&|s| s.stack.truncate(7),                                         (0, 0));
}

/// The places of keys, as those of the standard library.
#[test]
fn entries_are_places() {
    let mut map: Map<u8, Set<u8>> = Map::new();
    map.entry(1).or_insert_with_key(|key| [*key].into()).insert(2);
    map.entry(1).and_modify(|set| assert!(set.remove(&1))).or_default();
    assert_eq!(map.entry(1).key(), &1);
    let Entry::Occupied(mut place) = map.entry(1) else { panic!("it has a value") };
    assert_eq!((place.key(), place.get().len()), (&1, 1));
    assert!(place.get_mut().insert(3));
    assert_eq!(place.insert([4].into()), Set::from([2, 3]));
    assert_eq!(place.remove_entry(), (1, Set::from([4])));
    let Entry::Vacant(place) = map.entry(1) else { panic!("it has none") };
    assert_eq!((format!("{place:?}"), place.into_key()), ("VacantEntry(1)".to_owned(), 1));
    assert!(map.first_entry().is_none() && map.last_entry().is_none());
}

/// The number of changes stands before them, however many bytes it takes.
#[test]
fn many_changes_are_counted() {
    for changes in [1, 127, 128, 300, 20_000] {
        let full = || Tower { floors: (0..40_000).map(|n| (n, Map::new())).collect(), ..Tower::default() };
        let (mut state, mut replayed) = (full(), full());
        let saved = state.begin();
        for n in 0..changes {
            state.floors.get_mut(&n).expect("it is there").insert(n, Dear(n));
        }
        let mut redo = Out::default();
        assert!(state.commit(saved, &mut redo));
        replayed
            .apply(&mut Reader::stored(&redo.into_bytes()))
            .expect("a redo applies to the state before it");
        let entries = |state: &Tower| state.floors.values().map(Map::len).collect::<Vec<_>>();
        assert_eq!(entries(&replayed), entries(&state));
    }
}
