//! Shapes as data: what a writer puts on the wire (hashed), and the facts readers add.

use std::any::TypeId;
use std::collections::BTreeMap;

/// Place of a node in its schema.
pub type NodeId = u32;

/// Built-in kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Prim {
    Unit,
    Bool,
    U8,
    U16,
    U32,
    U64,
    U128,
    I8,
    I16,
    I32,
    I64,
    I128,
    F32,
    F64,
    Char,
    Str,
    Bytes,
}

/// One shape. A newtype is its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A built-in kind. `json_number`: JSON has a number, at most 2^53 - 1; not hashed.
    Prim {
        /// Which.
        prim: Prim,
        /// Written as a number in JSON although it has 64 bits.
        json_number: bool,
    },
    /// 0, or 1 and the value.
    Option(NodeId),
    /// Count and elements.
    Seq(NodeId),
    /// Count and pairs, in key order.
    Map(NodeId, NodeId),
    /// The elements.
    Tuple(Vec<NodeId>),
    /// The fields in declared order.
    Struct {
        /// Wire names and shapes.
        fields: Vec<Member>,
    },
    /// Position of the variant, payload.
    Enum {
        /// Wire names and payloads: unit, a shape, a tuple or a struct.
        variants: Vec<Member>,
    },
}

/// A field of a struct or a variant of an enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Wire name.
    pub name: String,
    /// Its shape.
    pub ty: NodeId,
    /// Earlier wire names. Reader's fact: not hashed.
    pub was: Vec<String>,
    /// Encoding of its default, if absence has one. Reader's fact: not hashed.
    pub default: Option<Vec<u8>>,
    /// Its doc comment; in no hash.
    pub docs: String,
}

/// A field or variant as the derive writes it: tables, not code, build faster and are smaller.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Wire name.
    pub name: &'static str,
    /// Its shape.
    pub ty: fn(&mut Builder) -> NodeId,
    /// Earlier wire names.
    pub was: &'static [&'static str],
    /// Encodes its default.
    pub default: Option<fn() -> Vec<u8>>,
    /// Its doc comment.
    pub docs: &'static str,
}

/// A shape and all that it is made of. Recursive types end in back edges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// Where it starts.
    pub root: NodeId,
}

/// Identity of the bytes a schema describes: 16 bytes of BLAKE3.
#[derive(nigh_macros::WireOfWireCrate, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WireHash(pub [u8; 16]);

impl WireHash {
    /// Of several parts, each prefixed by its length.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        WireHash(hasher.finalize().as_bytes()[..16].try_into().expect("a hash has 32 bytes"))
    }
}

/// A schema being built.
#[derive(Debug, Default)]
pub struct Builder {
    nodes: Vec<Node>,
    seen: BTreeMap<TypeId, NodeId>,
}

impl Builder {
    /// Node of `T`. `make` runs once per type, so recursive types end in a back edge.
    pub fn define<T: 'static>(&mut self, make: impl FnOnce(&mut Builder) -> Node) -> NodeId {
        if let Some(&id) = self.seen.get(&TypeId::of::<T>()) {
            return id;
        }
        let id = self.push(Node::Tuple(vec![]));
        self.seen.insert(TypeId::of::<T>(), id);
        let node = make(self);
        self.nodes[id as usize] = node;
        id
    }
    /// Adds a node that no type owns.
    pub fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() as NodeId - 1
    }
    /// Adds a built-in kind.
    pub fn prim<T: 'static>(&mut self, prim: Prim) -> NodeId {
        self.define::<T>(|_| Node::Prim { prim, json_number: false })
    }
    /// The schema that starts at `root`.
    pub fn finish(self, root: NodeId) -> Schema {
        Schema { nodes: self.nodes, root }
    }
    fn members(&mut self, rows: &[Row]) -> Vec<Member> {
        let one = |r: &Row| Member {
            ty: (r.ty)(self),
            name: r.name.into(),
            was: r.was.iter().map(|s| (*s).into()).collect(),
            default: r.default.map(|f| f()),
            docs: r.docs.into(),
        };
        rows.iter().map(one).collect()
    }
}

/// For macros: a struct with named fields.
#[doc(hidden)]
pub fn define_struct(b: &mut Builder, rows: &[Row]) -> Node {
    Node::Struct { fields: b.members(rows) }
}
/// For macros: an enum.
#[doc(hidden)]
pub fn define_enum(b: &mut Builder, rows: &[Row]) -> Node {
    Node::Enum { variants: b.members(rows) }
}
/// For macros: a tuple struct.
#[doc(hidden)]
pub fn define_tuple(b: &mut Builder, rows: &[Row]) -> Node {
    Node::Tuple(rows.iter().map(|r| (r.ty)(b)).collect())
}

impl Schema {
    /// A record of named shapes: the arguments of a method.
    pub fn record(rows: &[Row]) -> Schema {
        let mut b = Builder::default();
        let node = define_struct(&mut b, rows);
        let root = b.push(node);
        b.finish(root)
    }

    /// Identity of the bytes: kinds, wire names, order. Not: type names, docs, `was`, defaults.
    pub fn hash(&self) -> WireHash {
        // TODO(wire): partition refinement; this skeleton hashes the graph as built.
        let text = format!("{:?}", (&self.nodes, self.root));
        WireHash::of(&[text.as_bytes()])
    }
}
