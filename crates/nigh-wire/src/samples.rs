//! Types and values for tests: every kind, nested and recursive, and bytes made from a schema alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use crate::{Bytes, Node, NodeId, Out, Prim, Schema, Time, Wire};

/// A choice, with every form of payload.
#[derive(Wire, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pick {
    Unit,
    One(i64),
    Two(u8, String),
    Named { a: Option<u8>, b: Option<Option<bool>> },
    More(Box<Pick>),
}

/// Every kind that has a total order.
#[derive(Wire, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ordered {
    pub(crate) flag: bool,
    pub(crate) small: (u8, i8),
    pub(crate) middle: (u16, u32, i16, i32),
    pub(crate) large: (u64, i64, u128, i128),
    pub(crate) letter: char,
    pub(crate) text: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) pick: Pick,
    pub(crate) maybe: Option<Option<i16>>,
    pub(crate) list: Vec<Option<String>>,
    pub(crate) set: BTreeSet<i32>,
    pub(crate) map: BTreeMap<i64, Pick>,
    pub(crate) pairs: BTreeMap<(bool, String), u8>,
    pub(crate) when: (Time, Duration),
}

/// The rest: what has no order, or is bounded, or has another form in JSON.
#[derive(Wire, Clone, Debug, PartialEq)]
pub(crate) struct Rest {
    pub(crate) floats: (f32, f64),
    pub(crate) shared: Bytes,
    pub(crate) array: [u16; 3],
    #[wire(len <= 8)]
    pub(crate) short: String,
    #[wire(json_number)]
    pub(crate) cents: u64,
    #[wire(default)]
    pub(crate) note: String,
    #[wire(skip)]
    pub(crate) cache: u8,
    pub(crate) kids: Vec<Rest>,
}

pub(crate) fn pick() -> impl Strategy<Value = Pick> {
    let leaf = prop_oneof![
        Just(Pick::Unit),
        any::<i64>().prop_map(Pick::One),
        (any::<u8>(), text()).prop_map(|(a, b)| Pick::Two(a, b)),
        (any::<Option<u8>>(), any::<Option<Option<bool>>>()).prop_map(|(a, b)| Pick::Named { a, b }),
    ];
    leaf.prop_recursive(3, 8, 1, |inner| inner.prop_map(|p| Pick::More(Box::new(p))))
}

/// Text that likes what is special somewhere.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let char = prop_oneof![Just('\0'), Just('"'), Just('a'), Just('\u{1}'), Just('é'), any::<char>()];
    prop::collection::vec(char, 0..6).prop_map(|all| all.into_iter().collect())
}

pub(crate) fn ordered() -> impl Strategy<Value = Ordered> {
    let numbers =
        (any::<bool>(), any::<(u8, i8)>(), any::<(u16, u32, i16, i32)>(), any::<(u64, i64, u128, i128)>());
    let bytes = prop::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..4);
    let texts = (any::<char>(), text(), bytes, pick(), any::<Option<Option<i16>>>());
    let lists = (
        prop::collection::vec(prop::option::of(text()), 0..4),
        prop::collection::btree_set(any::<i32>(), 0..4),
        prop::collection::btree_map(any::<i64>(), pick(), 0..4),
        prop::collection::btree_map((any::<bool>(), text()), any::<u8>(), 0..4),
        (any::<u64>().prop_map(Time::from_nanos), any::<u64>().prop_map(Duration::from_nanos)),
    );
    (numbers, texts, lists).prop_map(|(n, t, l)| Ordered {
        flag: n.0,
        small: n.1,
        middle: n.2,
        large: n.3,
        letter: t.0,
        text: t.1,
        bytes: t.2,
        pick: t.3,
        maybe: t.4,
        list: l.0,
        set: l.1,
        map: l.2,
        pairs: l.3,
        when: l.4,
    })
}

pub(crate) fn rest() -> impl Strategy<Value = Rest> {
    let floats = (any::<f32>(), any::<f64>());
    let leaf = (
        floats,
        prop::collection::vec(any::<u8>(), 0..9),
        any::<[u16; 3]>(),
        "[a-z]{0,8}",
        0..1u64 << 53,
        text(),
    );
    let leaf = leaf.prop_map(|(floats, shared, array, short, cents, note)| Rest {
        floats,
        shared: shared.into(),
        array,
        short,
        cents,
        note,
        cache: 0,
        kids: vec![],
    });
    leaf.prop_recursive(3, 8, 3, |inner| {
        (inner.clone(), prop::collection::vec(inner, 0..3)).prop_map(|(r, kids)| Rest { kids, ..r })
    })
}

/// Bytes of a value of this shape, chosen by `dice`; small, and canonical up to the order of maps.
pub(crate) fn bytes_of(schema: &Schema, dice: &mut dyn FnMut(u64) -> u64) -> Vec<u8> {
    let mut out = Out::default();
    fill(schema, schema.root, 0, dice, &mut out);
    out.into_bytes().to_vec()
}

fn fill(s: &Schema, id: NodeId, depth: u32, dice: &mut dyn FnMut(u64) -> u64, out: &mut Out) {
    let many = if depth > 6 { 1 } else { 4 };
    match s.node(id) {
        Node::Prim { prim, .. } => fill_prim(*prim, dice, out),
        Node::Bounded { of, .. } => fill(s, *of, depth, dice, out),
        Node::Option(of) => {
            let some = depth < 8 && dice(2) == 1;
            some.encode(out);
            if some {
                fill(s, *of, depth + 1, dice, out);
            }
        }
        Node::Seq(of) => {
            let n = dice(many);
            n.encode(out);
            (0..n).for_each(|_| fill(s, *of, depth + 1, dice, out));
        }
        Node::Set(of) => {
            let n = dice(2);
            n.encode(out);
            (0..n).for_each(|_| fill(s, *of, depth + 1, dice, out));
        }
        Node::Map(k, v) => {
            let n = dice(2);
            n.encode(out);
            (0..n).for_each(|_| [k, v].iter().for_each(|id| fill(s, **id, depth + 1, dice, out)));
        }
        Node::Tuple(all) => all.iter().for_each(|id| fill(s, *id, depth, dice, out)),
        Node::Struct { fields } => fields.iter().for_each(|m| fill(s, m.ty, depth, dice, out)),
        Node::Enum { variants } => {
            let at = dice(variants.len() as u64 - u64::from(depth > 6));
            at.encode(out);
            fill(s, variants[at as usize].ty, depth + 1, dice, out);
        }
    }
}

fn fill_prim(prim: Prim, dice: &mut dyn FnMut(u64) -> u64, out: &mut Out) {
    match prim {
        Prim::Unit => {}
        Prim::Bool => (dice(2) == 1).encode(out),
        Prim::U8 | Prim::I8 => (dice(256) as u8).encode(out),
        Prim::U16 | Prim::I16 => (dice(1 << 16) as u16).encode(out),
        Prim::U32 | Prim::I32 => (dice(1 << 32) as u32).encode(out),
        Prim::U64 | Prim::I64 | Prim::U128 | Prim::I128 | Prim::Time | Prim::Duration => {
            (dice(u64::MAX) >> dice(64)).encode(out);
        }
        // Finite: JSON keeps no NaN's payload.
        Prim::F32 => ((dice(1 << 20) as f32 - 5e5) / 3.0).encode(out),
        Prim::F64 => ((dice(1 << 50) as f64 - 5e14) / 3.0).encode(out),
        Prim::Char => char::from(dice(256) as u8).encode(out),
        Prim::Str => "é\0x".repeat(dice(2) as usize).encode(out),
        Prim::Bytes => vec![dice(256) as u8; dice(4) as usize].encode(out),
    }
}

/// Repeatable dice.
pub(crate) fn dice(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |sides| {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ x >> 31) % sides.max(1)
    }
}
