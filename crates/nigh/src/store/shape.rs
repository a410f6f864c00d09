//! What a store remembers of the shape of each entity's state, so that no build misreads another's bytes.

use nigh_wire::{Schema, WireHash};

/// Shape of an entity's state. Equal hash, equal bytes; the text is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Wire name of the entity.
    pub name: String,
    /// Of its schema.
    pub hash: WireHash,
    /// Its schema, to show.
    pub text: String,
}

impl Shape {
    /// The shape that `schema` describes.
    pub fn of(name: &str, schema: &Schema) -> Self {
        Shape { name: name.to_owned(), hash: schema.hash(), text: schema.to_string() }
    }
}
