//! Identity of the bytes a schema describes: equal hash, equal bytes, no schema work at all.
//!
//! Nodes that no walk from them can tell apart are merged (partition refinement, as for automata), what
//! remains is numbered in the order in which a walk from the root first meets it, and that list is hashed.
//! So two Rust types of one shape hash alike, however they are split into types and wherever they recur.
//!
//! Covered: kinds, wire names, order. Not: type names, docs, `was`, defaults, `json_number`, bounds.

use std::collections::BTreeMap;

use super::{Member, Node, NodeId, Schema};
use crate::{Out, Wire};

/// Version of the form that is hashed.
const FORM: &[u8] = b"nigh wire hash 1";

/// Identity of the bytes a schema describes: 16 bytes of BLAKE3.
#[derive(Wire, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WireHash(pub [u8; 16]);

impl WireHash {
    /// Of several parts, each prefixed by its length.
    pub fn of(parts: &[&[u8]]) -> Self {
        let hash = crate::id::hash_parts(parts);
        WireHash(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
    }
}

impl std::fmt::Display for WireHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Schema {
    /// Identity of the bytes: kinds, wire names, order. Not: type names, docs, `was`, defaults.
    ///
    /// Costs nodes times rounds: once per schema, never on a call's path.
    pub fn hash(&self) -> WireHash {
        let class = self.classes();
        // Numbers by first meeting, so that the order of nodes in memory does not matter.
        let mut order: Vec<NodeId> = vec![self.behind_bounds(self.root)];
        let class_of = |id: NodeId| class.get(self.behind_bounds(id) as usize).copied().unwrap_or(u32::MAX);
        let mut number = BTreeMap::from([(class_of(self.root), 0u32)]);
        let mut next = 0;
        while let Some(&id) = order.get(next) {
            next += 1;
            for edge in self.edges(id) {
                let new = number.len() as u32;
                number.entry(class_of(edge)).or_insert_with(|| {
                    order.push(self.behind_bounds(edge));
                    new
                });
            }
        }
        let labels: Vec<Vec<u8>> = order.iter().map(|id| self.label(*id, |e| number[&class_of(e)])).collect();
        let mut parts: Vec<&[u8]> = vec![FORM];
        parts.extend(labels.iter().map(Vec::as_slice));
        WireHash::of(&parts)
    }

    /// Class of each node: equal for those that cannot be told apart.
    fn classes(&self) -> Vec<u32> {
        let mut class = vec![0u32; self.nodes.len()];
        let mut count = 1;
        loop {
            let mut seen = BTreeMap::new();
            let of = |e: NodeId| class.get(self.behind_bounds(e) as usize).copied().unwrap_or(u32::MAX);
            let next: Vec<u32> = (0..self.nodes.len() as NodeId)
                .map(|id| {
                    let new = seen.len() as u32;
                    // The old class is kept in the label, so that classes only ever split.
                    let label = (of(id), self.label(self.behind_bounds(id), of));
                    *seen.entry(label).or_insert(new)
                })
                .collect();
            if seen.len() == count {
                return next;
            }
            (count, class) = (seen.len(), next);
        }
    }

    /// What is hashed of one node, with `to` for the nodes it is made of.
    fn label(&self, id: NodeId, to: impl Fn(NodeId) -> u32) -> Vec<u8> {
        let mut out = Out::with_capacity(64);
        let members = |out: &mut Out, tag: u8, all: &[Member]| {
            out.byte(tag);
            out.var(all.len() as u64);
            for m in all {
                m.name.encode(out); // mutant hash-without-names: String::new().encode(out);
                to(m.ty).encode(out);
            }
        };
        match self.node(id) {
            Node::Prim { prim, .. } => (0u8, *prim).encode(&mut out),
            Node::Option(a) => (1u8, to(*a)).encode(&mut out),
            Node::Seq(a) => (2u8, to(*a)).encode(&mut out),
            Node::Map(k, v) => (3u8, to(*k), to(*v)).encode(&mut out),
            Node::Tuple(all) => (4u8, all.iter().map(|e| to(*e)).collect::<Vec<_>>()).encode(&mut out),
            Node::Struct { fields } => members(&mut out, 5, fields),
            Node::Enum { variants } => members(&mut out, 6, variants),
            Node::Set(a) => (7u8, to(*a)).encode(&mut out),
            // Only a circle of bounds, which `check` refuses, is not looked through.
            Node::Bounded { .. } => 8u8.encode(&mut out),
        }
        out.into_bytes().to_vec()
    }
}
