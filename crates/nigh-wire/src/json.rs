//! JSON both ways from the schema alone: no Rust type is known here.
//!
//! - [`write`]: bytes to JSON.
//! - [`read`]: JSON to canonical bytes; errors say where, what was expected and what was found.
//! - [`text`]: one value as plain text, for keys in addresses and arguments in a query.
//! - [`expect`]: what a shape wants, in words for whoever writes the JSON.
//! - [`moment`]: times and durations as text.
//!
//! The table of forms is in `spec/values.md`. Levels are counted as the decoder counts them, and what is made
//! is paid from a budget. Nothing here panics from input, or recurses further than 64 levels.

use std::fmt;

use crate::{DecodeError, NodeId, Prim, Schema};

mod expect;
mod moment;
mod read;
#[cfg(test)]
mod tests;
mod text;
mod unique;
mod write;

pub use unique::parse_json;

/// Largest integer that a JSON number stands for exactly in every reader: doubles have 53 bits.
pub(crate) const NUMBER_MAX: u64 = (1 << 53) - 1;

/// Why JSON is no value of a shape, or bytes are none: where, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    path: String,
    detail: String,
}

impl JsonError {
    pub(crate) fn new(detail: impl Into<String>) -> Self {
        JsonError { path: String::new(), detail: detail.into() }
    }
    fn expected(what: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self::new(format!("expected {what}, found {found}"))
    }
    /// Where, from the root: `holds.k1[2]`; empty for the value itself.
    pub fn path(&self) -> &str {
        &self.path
    }
    /// What was expected there and what was found.
    pub fn detail(&self) -> &str {
        &self.detail
    }
    /// The same, seen from a value that has this one as its member `name`.
    #[must_use]
    pub fn inside(mut self, name: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }
    fn at(mut self, index: usize) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("[{index}]{dot}{}", self.path);
        self
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.detail)
    }
}
impl std::error::Error for JsonError {}

impl From<DecodeError> for JsonError {
    fn from(error: DecodeError) -> Self {
        Self::new(error.to_string())
    }
}

/// How a map's keys stand in JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// As names of an object.
    Names,
    /// As first halves of pairs.
    Pairs,
}

impl Schema {
    /// Text, integers, moments and unit-only enums are names of an object; all else stands in pairs.
    fn keys(&self, id: NodeId) -> Keys {
        match self.node(self.behind_bounds(id)) {
            crate::Node::Prim { prim, .. } => match prim {
                Prim::Unit | Prim::Bool | Prim::F32 | Prim::F64 | Prim::Bytes => Keys::Pairs,
                _ => Keys::Names,
            },
            crate::Node::Enum { variants } if variants.iter().all(|v| self.is_unit(v.ty)) => Keys::Names,
            _ => Keys::Pairs,
        }
    }
    fn is_unit(&self, id: NodeId) -> bool {
        matches!(self.node(self.behind_bounds(id)), crate::Node::Prim { prim: Prim::Unit, .. })
    }
    /// `Vec<u8>` has the bytes of `Bytes` and is base64 like it.
    fn is_byte(&self, id: NodeId) -> bool {
        matches!(self.node(id), crate::Node::Prim { prim: Prim::U8, .. })
    }
    /// Whether JSON's null may stand for a value of this shape, so that an option of it needs another form.
    fn may_be_null(&self, id: NodeId) -> bool {
        let node = self.node(self.behind_bounds(id));
        matches!(node, crate::Node::Option(_) | crate::Node::Prim { prim: Prim::Unit, .. })
    }
}
