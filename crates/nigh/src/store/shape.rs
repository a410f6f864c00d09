//! What a store remembers of the shape of each entity's state, so that no build misreads another's bytes.

use nigh_wire::{Bytes, Schema, Wire, WireHash};

/// Shape of an entity's state. Equal hash, equal bytes; the text is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Wire name of the entity.
    pub name: String,
    /// Of its schema, and of how its changes are recorded.
    pub hash: WireHash,
    /// Both, to show.
    pub text: String,
    /// [`Schemas`], encoded, for those who read the state without its type. No part of what is compared; empty: none.
    pub schemas: Bytes,
}

/// The schemas that read an entity's rows.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct Schemas {
    /// Of its key.
    pub key: Schema,
    /// Of its state.
    pub state: Schema,
}

impl Shape {
    /// The shape of an entity's state, and how its key reads. `tracked` says of each field how the log has its changes: a `Vec` and a
    /// `List` have the same bytes, and their changes have not.
    pub fn of(name: &str, key: &Schema, state: &Schema, tracked: &str) -> Self {
        let schemas = Schemas { key: key.clone(), state: state.clone() };
        let schemas = nigh_wire::encode(&schemas);
        let tracked = tracked.trim_end_matches(',');
        let hash = WireHash::of(&[&state.hash().0, tracked.as_bytes()]); // mutant tracking-unshaped: let hash = state.hash();
        Shape { name: name.to_owned(), hash, text: format!("{state} tracked as {tracked}"), schemas }
    }
}
