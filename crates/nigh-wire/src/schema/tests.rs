//! What the hash tells apart and what it does not; schemas from elsewhere; shapes as lines.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::check::NESTING_MAX;
use super::{BadSchema, MEMBERS_MAX, NODES_MAX, SCHEMA_SIZE_MAX};
use crate::samples::{Ordered, Rest, dice};
use crate::{Member, Node, NodeId, Prim, Schema, Wire, WireHash, encode, schema_of};

/// Types of one name and other shapes live in modules.
macro_rules! shapes { ($($m:ident { $($item:item)* })*) => { $( mod $m {
    #![allow(dead_code, clippy::box_collection)] // Shapes are read, never built.
    use crate::Wire;
    $( #[derive(Wire)] $item )*
    pub(super) fn hash() -> crate::WireHash { crate::schema_of::<A>().hash() }
} )* } }
shapes! {
    plain { pub(super) struct A { x: u32, y: Vec<B> } struct B { k: String } }
    // The same bytes: other type names, docs, boxes, newtypes, earlier names, defaults, rules, JSON forms.
    renamed { /// Docs.
        pub(super) struct A {
            /// More.
            #[wire(was = "z", default)] x: u32, #[wire(len <= 5)] y: Box<Vec<Other>> }
        struct Other { #[wire(rename = "k")] key: Text, #[wire(skip)] cache: u8 } struct Text(String); }
    // Other bytes.
    wider { pub(super) struct A { x: u64, y: Vec<B> } struct B { k: String } }
    signed { pub(super) struct A { x: i32, y: Vec<B> } struct B { k: String } }
    swapped { pub(super) struct A { y: Vec<B>, x: u32 } struct B { k: String } }
    other_name { pub(super) struct A { x: u32, z: Vec<B> } struct B { k: String } }
    inner_name { pub(super) struct A { x: u32, y: Vec<B> } struct B { q: String } }
    added { pub(super) struct A { x: u32, y: Vec<B>, z: u8 } struct B { k: String } }
    removed { pub(super) struct A { x: u32 } }
    optional { pub(super) struct A { x: Option<u32>, y: Vec<B> } struct B { k: String } }
    set { pub(super) struct A { x: u32, y: std::collections::BTreeSet<String> } }
    list { pub(super) struct A { x: u32, y: Vec<String> } }
    map { pub(super) struct A { x: u32, y: std::collections::BTreeMap<String, ()> } }
    array { pub(super) struct A { x: u32, y: [String; 2] } }
    tuple { pub(super) struct A(u32, Vec<B>); struct B { k: String } }
    enum_one { pub(super) enum A { X(u32), Y(Vec<B>) } pub(super) struct B { k: String } }
    enum_unit { pub(super) enum A { X, Y } }
    enum_swap { pub(super) enum A { Y, X } }
    enum_more { pub(super) enum A { X, Y, Z } }
    bytes { pub(super) struct A { x: u32, y: Vec<u8> } }
    text { pub(super) struct A { x: u32, y: String } }
    time { pub(super) struct A { x: crate::Time } }
    number { pub(super) struct A { x: u64 } }
    json_number { pub(super) struct A { #[wire(json_number)] x: u64 } }
    // One list, told in one type, in two that alternate, and in a longer run before it recurs.
    list_one { pub(super) struct A { next: Option<Box<A>> } }
    list_two { pub(super) struct A { next: Option<Box<B>> } struct B { next: Option<Box<A>> } }
    list_three { pub(super) struct A { next: Option<Box<B>> } struct B { next: Option<Box<C>> } struct C { next: Option<Box<B>> } }
    list_ends { pub(super) struct A { next: Option<Box<B>> } struct B { next: Option<Box<C>> } struct C { next: Option<u8> } }
}

#[test]
fn hash_covers_what_is_on_the_wire() {
    assert_eq!(plain::hash(), renamed::hash());
    assert_eq!(number::hash(), json_number::hash());
    assert_eq!((list_one::hash(), list_one::hash()), (list_two::hash(), list_three::hash()));
    let all = [
        plain::hash(),
        wider::hash(),
        signed::hash(),
        swapped::hash(),
        other_name::hash(),
        inner_name::hash(),
        added::hash(),
        removed::hash(),
        optional::hash(),
        set::hash(),
        list::hash(),
        map::hash(),
        array::hash(),
        tuple::hash(),
        enum_one::hash(),
        enum_unit::hash(),
        enum_swap::hash(),
        enum_more::hash(),
        bytes::hash(),
        text::hash(),
        time::hash(),
        number::hash(),
        list_one::hash(),
        list_ends::hash(),
    ];
    assert_eq!(BTreeSet::from(all).len(), all.len(), "each edit has another hash");
}

/// Hashes are stored in tickets and stores: a change here is a change of the format.
#[test]
fn hash_is_fixed() {
    let hex = |hash: WireHash| hash.to_string();
    assert_eq!(hex(schema_of::<u64>().hash()), HASH_OF_U64);
    assert_eq!(hex(plain::hash()), HASH_OF_PLAIN);
    assert_eq!(hex(list_one::hash()), HASH_OF_LIST);
}
const HASH_OF_U64: &str = "83effa778f326e8e16c6633a6f8f534c";
const HASH_OF_PLAIN: &str = "7291f5f4061f1aed3446d6d9404813dc";
const HASH_OF_LIST: &str = "73b55d09ab6c66d1a9aa995b8fa1e903";

/// The same graph with its nodes in another order, every node twice, and one that nothing reaches.
fn shuffled(s: &Schema, seed: u64) -> Schema {
    let n = s.nodes.len() as NodeId;
    let mut place: Vec<NodeId> = (0..2 * n).collect();
    let mut dice = dice(seed);
    (1..place.len()).rev().for_each(|i| place.swap(i, dice(i as u64 + 1) as usize));
    let mut nodes = vec![Node::Tuple(vec![]); 2 * n as usize];
    for copy in 0..2 {
        for id in 0..n {
            // Each edge leads to either copy.
            let mut to = |e: NodeId| place[(e + n * (dice(2) as NodeId)) as usize];
            let mut members = |all: &[Member]| -> Vec<Member> {
                all.iter().map(|m| Member { ty: to(m.ty), docs: "other".into(), ..m.clone() }).collect()
            };
            nodes[place[(id + n * copy) as usize] as usize] = match s.node(id) {
                Node::Struct { fields } => Node::Struct { fields: members(fields) },
                Node::Enum { variants } => Node::Enum { variants: members(variants) },
                Node::Option(a) => Node::Option(to(*a)),
                Node::Seq(a) => Node::Seq(to(*a)),
                Node::Set(a) => Node::Set(to(*a)),
                Node::Map(k, v) => Node::Map(to(*k), to(*v)),
                Node::Tuple(all) => Node::Tuple(all.iter().map(|e| to(*e)).collect()),
                Node::Bounded { of, len_max } => Node::Bounded { of: to(*of), len_max: len_max + 1 },
                prim => prim.clone(),
            };
        }
    }
    nodes.push(Node::Seq(0));
    Schema { nodes, root: place[s.root as usize] }
}

proptest! {
    /// Equal shapes hash alike however they are split into nodes; a schema survives as a value.
    #[test]
    fn hash_does_not_see_how_nodes_are_split(seed in any::<u64>()) {
        for s in [schema_of::<Ordered>(), schema_of::<Rest>(), schema_of::<Schema>(), schema_of::<list_three::A>()] {
            let other = shuffled(&s, seed);
            prop_assert_eq!(other.check(), Ok(()));
            prop_assert_eq!(other.hash(), s.hash());
            prop_assert_eq!(Schema::from_stored(&encode(&other)), Ok(other));
        }
    }

    #[test]
    fn random_schemas_never_panic(seed in any::<u64>(), nodes in 1..6u64) {
        let mut dice = dice(seed);
        let mut one = || {
            let mut id = || dice(nodes) as NodeId;
            let (a, b) = (id(), id());
            let members = |names: [&str; 2]| names.map(|n| Member { name: n.into(), ty: a, was: vec![], default: None, docs: String::new() }).to_vec();
            match dice(9) {
                0 => Node::Prim { prim: Prim::U8, json_number: false },
                1 => Node::Option(a),
                2 => Node::Seq(a),
                3 => Node::Map(a, b),
                4 => Node::Tuple(vec![a, b]),
                5 => Node::Struct { fields: members(["x", "y"]) },
                6 => Node::Enum { variants: members(["x", "y"]) },
                7 => Node::Set(a),
                _ => Node::Bounded { of: a, len_max: 3 },
            }
        };
        let schema = Schema { nodes: (0..nodes).map(|_| one()).collect(), root: 0 };
        let _ = (schema.check().is_ok(), schema.hash(), schema.to_string());
        for bytes in [&[][..], &[0; 40], &[1; 40], &[1, 2, 0, 1, 1, 2, 3, 0, 0, 1, 0, 0, 0]] {
            let _ = schema.order_key(bytes);
            if let Ok(json) = schema.to_json(bytes) {
                let _ = (schema.from_json(&json), schema.from_text(&json.to_string()));
            }
        }
    }
}

#[test]
fn schemas_from_elsewhere_are_bounded() {
    let unit = || Node::Prim { prim: Prim::Unit, json_number: false };
    let member = |name: String, ty| Member { name, ty, was: vec![], default: None, docs: String::new() };
    let refused = |s: Schema, why: &str| {
        let error: BadSchema = Schema::from_stored(&encode(&s)).expect_err(why);
        assert!(error.to_string().contains(why), "{error}: {why}");
    };
    let taken = |s: Schema| assert_eq!(Schema::from_stored(&encode(&s)), Ok(s));

    taken(Schema { nodes: vec![unit(); NODES_MAX], root: 0 });
    refused(Schema { nodes: vec![unit(); NODES_MAX + 1], root: 0 }, "4097 nodes");
    taken(Schema { nodes: vec![unit(), Node::Tuple(vec![0; MEMBERS_MAX])], root: 1 });
    refused(Schema { nodes: vec![unit(), Node::Tuple(vec![0; MEMBERS_MAX + 1])], root: 1 }, "1025 members");
    let fields = |n: usize| (0..n).map(|i| member(i.to_string(), 0)).collect();
    taken(Schema { nodes: vec![unit(), Node::Enum { variants: fields(MEMBERS_MAX) }], root: 1 });
    refused(
        Schema { nodes: vec![unit(), Node::Enum { variants: fields(MEMBERS_MAX + 1) }], root: 1 },
        "1025 members",
    );
    refused(Schema { nodes: vec![unit()], root: 1 }, "the root is no node");
    refused(Schema { nodes: vec![], root: 0 }, "the root is no node");
    refused(Schema { nodes: vec![Node::Option(1)], root: 0 }, "missing");
    refused(Schema { nodes: vec![Node::Map(0, 9)], root: 0 }, "missing");
    let twice = vec![member("a".into(), 0), Member { was: vec!["a".into()], ..member("b".into(), 0) }];
    refused(
        Schema { nodes: vec![unit(), Node::Struct { fields: twice }], root: 1 },
        "two members are called `a`",
    );

    // Shapes directly inside each other.
    let nested =
        |n: u32| Schema { nodes: (1..=n).map(|i| Node::Tuple(vec![i])).chain([unit()]).collect(), root: 0 };
    taken(nested(NESTING_MAX));
    refused(nested(NESTING_MAX + 1), "directly inside each other");
    refused(Schema { nodes: vec![Node::Tuple(vec![0])], root: 0 }, "directly inside each other");
    refused(
        Schema { nodes: vec![Node::Bounded { of: 0, len_max: 1 }], root: 0 },
        "directly inside each other",
    );
    taken(Schema { nodes: vec![Node::Seq(0)], root: 0 });

    // Defaults are values.
    let default = |bytes: &[u8]| {
        let field = Member { default: Some(bytes.into()), ..member("a".into(), 0) };
        let bool = Node::Prim { prim: Prim::Bool, json_number: false };
        Schema { nodes: vec![bool, Node::Struct { fields: vec![field] }], root: 1 }
    };
    taken(default(&[1]));
    refused(default(&[2]), "default of `a`");

    // Size: one long name, at the limit and one past it.
    let named = |n: usize| Schema {
        nodes: vec![unit(), Node::Struct { fields: vec![member("x".repeat(n), 0)] }],
        root: 1,
    };
    let rest = encode(&named(1 << 20)).len() - (1 << 20);
    taken(named(SCHEMA_SIZE_MAX - rest));
    refused(named(SCHEMA_SIZE_MAX - rest + 1), "bytes, at most 1048576");
    assert!(Schema::from_stored(&[0xff; 9]).is_err());
}

/// What the derive writes into a schema beside the shape.
#[test]
fn readers_facts_are_kept() {
    let Node::Struct { fields } = schema_of::<renamed::A>().nodes.swap_remove(0) else { panic!("a struct") };
    assert_eq!(
        (fields[0].docs.as_str(), &fields[0].was, &fields[0].default),
        ("More.", &vec!["z".to_owned()], &Some(vec![0]))
    );
    let s = schema_of::<json_number::A>();
    assert!(s.nodes.contains(&Node::Prim { prim: Prim::U64, json_number: true }));
    s.check().unwrap();
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn shapes_are_shown_as_lines() {
    fn check<T: Wire>(want: &str) { assert_eq!(schema_of::<T>().to_string(), want); }
    check::<plain::A>("{x: u32, y: [{k: text}]}");
    check::<(u8, Option<bool>)>("(u8, option<bool>)");
    check::<BTreeMap<String, BTreeSet<char>>>("map<text, set<char>>");
    check::<enum_one::A>("X(u32) | Y([{k: text}])");
    check::<list_one::A>("{next: option<…>}");
    check::<renamed::A>("{x: u32, y: [{k: text}] (len <= 5)}");
    check::<crate::Never>("never");
    // A shape that doubles at each step is cut.
    let pair = |a| Node::Tuple(vec![a, a]);
    let nodes = (1..=30).map(pair).chain([Node::Tuple(vec![])]).collect();
    assert!(Schema { nodes, root: 0 }.to_string().len() < 4_096);
}
