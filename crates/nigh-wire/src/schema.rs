//! Shapes as data: what a writer puts on the wire (hashed), and the facts readers add.
//!
//! A schema is a list of nodes that name each other by number, so that recursive types end in back edges.
//! The types and the [`Builder`] are here; the derive writes tables of [`Row`]s, not code.
//!
//! - [`hash`]: identity of the bytes, by merging nodes that cannot be told apart.
//! - [`check`]: schemas from a store or a peer are bounded before use.
//! - [`show`]: a shape as one line, for messages.
//!
//! Nothing here knows a value; JSON and ordered keys read bytes by these nodes.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use crate::Wire;

mod check;
mod hash;
mod show;
#[cfg(test)]
mod tests;

pub use check::{BadSchema, MEMBERS_MAX, NODES_MAX, SCHEMA_SIZE_MAX};
pub use hash::WireHash;

/// Nodes that a walk over bytes enters inside each other: 64 levels of four nodes, where a level of a
/// recursive type has two or three. About 1 MiB of stack in a debug build.
pub(crate) const FRAMES_MAX: u32 = 256;

/// Place of a node in its schema.
pub type NodeId = u32;

/// Built-in kinds. Their order is stored and hashed: only append.
#[derive(Wire, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// Nanoseconds since 1970 UTC, as a `U64`; RFC 3339 in JSON.
    Time,
    /// Nanoseconds, as a `U64`; seconds and `s` in JSON.
    Duration,
}

/// One shape. A newtype is its content. The order is stored and hashed: only append.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
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
    /// Count and elements, in order, none twice.
    Set(NodeId),
    /// The shape `of`, of bounded length: a reader's rule, not hashed, no byte of its own.
    Bounded {
        /// Text, bytes, a sequence, a set or a map, perhaps in an option.
        of: NodeId,
        /// Most bytes of text or bytes, most elements of the others.
        len_max: u64,
    },
}

/// A field of a struct or a variant of an enum.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
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
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// Where it starts.
    pub root: NodeId,
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

/// For macros: what `#[wire(json_number)]` may stand on.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`json_number` is for 64-bit integers, not `{Self}`",
    label = "write `u64` or `i64`, or leave `json_number` out: smaller integers are numbers in JSON anyway"
)]
pub trait Integer64: Wire {
    #[doc(hidden)]
    const PRIM: Prim;
}
impl Integer64 for u64 {
    const PRIM: Prim = Prim::U64;
}
impl Integer64 for i64 {
    const PRIM: Prim = Prim::I64;
}

/// For macros: the node of a 64-bit integer that is a number in JSON.
#[doc(hidden)]
pub fn json_number<T: Integer64>(b: &mut Builder) -> NodeId {
    b.define::<PhantomData<(Prim, T)>>(|_| Node::Prim { prim: T::PRIM, json_number: true })
}

/// For macros: the node of a `T` of at most `len_max` bytes or elements.
#[doc(hidden)]
pub fn bounded<T: Wire>(b: &mut Builder, len_max: u64) -> NodeId {
    let of = T::node(b);
    b.push(Node::Bounded { of, len_max })
}

/// For macros: the bytes of a default.
#[doc(hidden)]
pub fn encoded<T: Wire>(value: T) -> Vec<u8> {
    crate::encode(&value).to_vec()
}

impl Schema {
    /// A record of named shapes: the arguments of a method.
    pub fn record(rows: &[Row]) -> Schema {
        let mut b = Builder::default();
        let node = define_struct(&mut b, rows);
        let root = b.push(node);
        b.finish(root)
    }

    /// The node at `id`. Out of range, which [`Schema::check`] refuses, it is the empty enum: no value fits.
    pub fn node(&self, id: NodeId) -> &Node {
        const NOTHING: &Node = &Node::Enum { variants: Vec::new() };
        self.nodes.get(id as usize).unwrap_or(NOTHING)
    }

    /// The node at `id` behind its bounds.
    pub(crate) fn behind_bounds(&self, mut id: NodeId) -> NodeId {
        // A circle of bounds is refused by `check`; unchecked, it ends here after one round.
        for _ in 0..self.nodes.len() {
            let Node::Bounded { of, .. } = self.node(id) else { break };
            id = *of;
        }
        id
    }

    /// What a node is made of, in order.
    pub(crate) fn edges(&self, id: NodeId) -> Vec<NodeId> {
        match self.node(id) {
            Node::Prim { .. } => vec![],
            Node::Option(a) | Node::Seq(a) | Node::Set(a) | Node::Bounded { of: a, .. } => vec![*a],
            Node::Map(k, v) => vec![*k, *v],
            Node::Tuple(all) => all.clone(),
            Node::Struct { fields: all } | Node::Enum { variants: all } => all.iter().map(|m| m.ty).collect(),
        }
    }

    /// True if values of this node take no byte: so many may stand in a sequence that no input pays for.
    pub(crate) fn is_empty_kind(&self, id: NodeId) -> bool {
        // Shapes nested deeper than this without a byte are taken for some: their count is held to the input.
        self.takes_no_byte(id, check::NESTING_MAX)
    }
    fn takes_no_byte(&self, id: NodeId, nesting_left: u32) -> bool {
        let Some(left) = nesting_left.checked_sub(1) else { return false };
        match self.node(id) {
            Node::Prim { prim, .. } => *prim == Prim::Unit,
            Node::Tuple(all) => all.iter().all(|a| self.takes_no_byte(*a, left)),
            Node::Struct { fields } => fields.iter().all(|m| self.takes_no_byte(m.ty, left)),
            Node::Bounded { of, .. } => self.takes_no_byte(*of, left),
            _ => false,
        }
    }
}
