//! One value as plain text, and back: keys in addresses, arguments in a query, names of a map's entries.
//!
//! Each value has one text, and no two values share one, so that an entity has one address.

use serde_json::Value;

use super::expect::{nearest, quoted};
use super::read::{Builder, exact_number, find_variant};
use super::write::plain;
use super::{JsonError, parse_json};
use crate::{Node, NodeId, Out, Prim, Schema};

type Res<T> = Result<T, JsonError>;

/// Text of the absent option.
const NULL: &str = "null";

impl Schema {
    /// The value that `bytes` hold as plain text: the inverse of [`Schema::from_text`].
    ///
    /// # Errors
    ///
    /// As [`Schema::to_json`].
    pub fn to_text(&self, bytes: &[u8]) -> Result<String, JsonError> {
        Ok(self.text_of(self.root, &self.to_json(bytes)?))
    }

    fn text_of(&self, id: NodeId, value: &Value) -> String {
        match self.node(self.behind_bounds(id)) {
            Node::Prim { .. } | Node::Enum { .. } => plain(value),
            Node::Seq(of) if self.is_byte(*of) => plain(value),
            Node::Option(of) if !value.is_null() && !self.may_be_null(*of) => {
                let text = self.text_of(*of, value);
                // The text `null` is not the absent option; quotes say so, hence quotes are quoted too.
                if text == NULL || text.starts_with('"') { value.to_string() } else { text }
            }
            _ => value.to_string(),
        }
    }
}

impl Builder<'_> {
    pub(super) fn text(&mut self, id: NodeId, text: &str, len_max: Option<u64>, out: &mut Out) -> Res<()> {
        let schema = self.schema;
        match schema.node(id) {
            Node::Bounded { of, len_max: max } => {
                // The bound is kept by reading through the node; a circle of bounds has no text at all.
                let max = len_max.map_or(*max, |m| m.min(*max));
                let behind = schema.behind_bounds(*of);
                match schema.node(behind) {
                    Node::Bounded { .. } => self.wrong(id, &Value::from(text)),
                    _ => self.text(behind, text, Some(max), out),
                }
            }
            Node::Prim { prim: Prim::Bool, .. } => match text {
                "true" | "false" => self.value(id, &Value::Bool(text == "true"), None, out),
                _ => self.wrong(id, &Value::from(text)),
            },
            Node::Prim { json_number: true, .. } => match exact_number(text) {
                Some(number) => self.value(id, &number, None, out),
                None => self.wrong(id, &Value::from(text)),
            },
            Node::Prim { prim: Prim::Unit, .. } if text == NULL => Ok(()),
            Node::Prim { .. } => self.value(id, &Value::from(text), len_max, out),
            Node::Seq(of) if schema.is_byte(*of) => self.value(id, &Value::from(text), len_max, out),
            Node::Option(of) if !schema.may_be_null(*of) && text != NULL && !text.starts_with('"') => {
                out.byte(1);
                self.text(*of, text, len_max, out)
            }
            Node::Enum { variants } if !text.starts_with(['{', '"']) => match find_variant(variants, text) {
                Some(_) => self.value(id, &Value::from(text), None, out),
                None => {
                    let near = nearest(text, variants.iter().map(|m| m.name.as_str()));
                    let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
                    let found = format!("text {}{near}", quoted(text));
                    Err(JsonError::expected(schema.wanted(id), found))
                }
            },
            _ => {
                let value = parse_json(text.as_bytes()).map_err(|e| {
                    let found = format!("{}: {}", quoted(text), e.detail());
                    JsonError::expected(format!("JSON, {}", schema.wanted(id)), found)
                })?;
                self.value(id, &value, len_max, out)
            }
        }
    }
}
