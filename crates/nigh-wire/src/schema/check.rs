//! Schemas from a store, a lock file or a peer: bounded and whole before anything walks them.

use std::fmt;

use super::{Member, Node, Schema};

/// Largest encoded schema, in bytes: 4,096 nodes of 256.
pub const SCHEMA_SIZE_MAX: usize = 1 << 20;
/// Most nodes of a schema: the hash costs nodes times rounds, at the worst 4,096 x 4,096 labels.
pub const NODES_MAX: usize = 4_096;
/// Most fields of a struct, variants of an enum, elements of a tuple.
pub const MEMBERS_MAX: usize = 1_024;
/// Most structs, tuples and bounds inside each other with no level between: walks recurse over these.
pub(crate) const NESTING_MAX: u32 = 64;

/// The bytes are no schema that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSchema(String);

impl fmt::Display for BadSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a usable schema: {}", self.0)
    }
}
impl std::error::Error for BadSchema {}

fn bad<T>(why: impl Into<String>) -> Result<T, BadSchema> {
    Err(BadSchema(why.into()))
}

impl Schema {
    /// The schema that `bytes` hold, checked.
    ///
    /// # Errors
    ///
    /// Over [`SCHEMA_SIZE_MAX`], no schema, or refused by [`Schema::check`].
    pub fn from_stored(bytes: &[u8]) -> Result<Schema, BadSchema> {
        if bytes.len() > SCHEMA_SIZE_MAX {
            return bad(format!("{} bytes, at most {SCHEMA_SIZE_MAX} are read", bytes.len()));
        }
        let schema: Schema = crate::decode(bytes).or_else(|error| bad(error.to_string()))?;
        schema.check()?;
        Ok(schema)
    }

    /// Refuses what would mislead a walk: edges to nowhere, too many nodes or members, equal names, shapes
    /// that contain themselves with nothing between, defaults that are no value.
    ///
    /// # Errors
    ///
    /// The first such thing.
    pub fn check(&self) -> Result<(), BadSchema> {
        if self.nodes.len() > NODES_MAX {
            return bad(format!("{} nodes, at most {NODES_MAX} are allowed", self.nodes.len()));
        }
        if self.root as usize >= self.nodes.len() {
            return bad("the root is no node");
        }
        for (id, node) in (0..).zip(&self.nodes) {
            let edges = self.edges(id);
            if edges.len() > MEMBERS_MAX {
                return bad(format!(
                    "node {id} has {} members, at most {MEMBERS_MAX} are allowed",
                    edges.len()
                ));
            }
            if edges.iter().any(|e| *e as usize >= self.nodes.len()) {
                return bad(format!("node {id} is made of a node that is missing"));
            }
            if let Node::Struct { fields: all } | Node::Enum { variants: all } = node {
                check_names(all)?;
            }
        }
        self.check_nesting()?;
        self.check_defaults()
    }

    /// Structs, tuples and bounds add no level: how deep they stand in each other is bounded here.
    fn check_nesting(&self) -> Result<(), BadSchema> {
        // Height of each node over those it is made of; rounds stop at the bound, so a circle ends too.
        let mut height = vec![0u32; self.nodes.len()];
        for _ in 0..=NESTING_MAX {
            let mut grew = false;
            for (id, node) in (0..).zip(&self.nodes) {
                if let Node::Tuple(_) | Node::Struct { .. } | Node::Bounded { .. } = node {
                    let below = self.edges(id).into_iter().map(|e| height[e as usize]).max().unwrap_or(0);
                    grew |= below + 1 > height[id as usize];
                    height[id as usize] = below + 1;
                }
                if height[id as usize] > NESTING_MAX {
                    return bad(format!("more than {NESTING_MAX} shapes directly inside each other"));
                }
            }
            if !grew {
                return Ok(());
            }
        }
        bad(format!("more than {NESTING_MAX} shapes directly inside each other"))
    }

    fn check_defaults(&self) -> Result<(), BadSchema> {
        for node in &self.nodes {
            let Node::Struct { fields } = node else { continue };
            for field in fields {
                let Some(default) = &field.default else { continue };
                if let Err(error) = self.order_key_of(field.ty, default) {
                    return bad(format!("the default of `{}` is no value of its shape: {error}", field.name));
                }
            }
        }
        Ok(())
    }
}

/// A name and an earlier name must lead to one member.
fn check_names(members: &[Member]) -> Result<(), BadSchema> {
    let names = |m: &Member| std::iter::once(m.name.clone()).chain(m.was.iter().cloned()).collect::<Vec<_>>();
    let mut all: Vec<String> = members.iter().flat_map(names).collect();
    all.sort();
    match all.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => bad(format!("two members are called `{}`", pair[0])),
        None => Ok(()),
    }
}
