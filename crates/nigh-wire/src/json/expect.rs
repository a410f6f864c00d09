//! What a shape wants and what was given, in words for whoever writes the JSON.

use serde_json::Value;

use super::Keys;
use crate::{Member, Node, NodeId, Prim, Schema};

/// Most characters of foreign text in a message.
const QUOTED_MAX: usize = 40;
/// Most names listed in a message.
const NAMES_MAX: usize = 16;

impl Schema {
    /// What to write for this node.
    pub(super) fn wanted(&self, id: NodeId) -> String {
        match self.node(id) {
            Node::Prim { prim, json_number } => prim_wanted(*prim, *json_number),
            // An option of options may go on for ever: its content is shown, not described.
            Node::Option(of) if self.may_be_null(*of) => {
                format!("null, or an array of one: {}", self.show(*of))
            }
            Node::Option(of) => format!("{}, or null", self.wanted(*of)),
            Node::Seq(of) if self.is_byte(*of) => prim_wanted(Prim::Bytes, false),
            Node::Seq(_) => "an array".into(),
            Node::Set(_) => "an array, no element twice".into(),
            Node::Map(k, _) if self.keys(*k) == Keys::Names => "an object".into(),
            Node::Map(..) => "an array of [key, value] pairs".into(),
            Node::Tuple(all) => format!("an array of {}: {}", all.len(), self.show(id)),
            Node::Struct { fields } if fields.is_empty() => "{}".into(),
            Node::Struct { fields } => format!("an object with {}", names(fields)),
            Node::Enum { variants } if variants.is_empty() => "nothing: this cannot happen".into(),
            Node::Enum { variants } => self.variants_wanted(variants),
            // A circle of bounds would go on for ever: `check` refuses it, and one more step is enough here.
            Node::Bounded { len_max, .. } => match self.node(self.behind_bounds(id)) {
                Node::Bounded { .. } => "nothing".into(),
                _ => format!("{}, at most {len_max} long", self.wanted(self.behind_bounds(id))),
            },
        }
    }

    fn variants_wanted(&self, variants: &[Member]) -> String {
        let one = |v: &Member| match self.is_unit(v.ty) {
            true => format!("\"{}\"", v.name),
            false => format!("{{\"{}\": {}}}", v.name, self.show(v.ty)),
        };
        list(variants.iter().map(one), " or ")
    }
}

fn prim_wanted(prim: Prim, json_number: bool) -> String {
    let text = match (prim, json_number) {
        (Prim::U64, true) => "an unsigned integer up to 2^53-1",
        (Prim::I64, true) => "an integer from -(2^53-1) to 2^53-1",
        (Prim::Unit, _) => "null",
        (Prim::Bool, _) => "true or false",
        (Prim::U8, _) => "an unsigned integer up to 255",
        (Prim::U16, _) => "an unsigned integer up to 65535",
        (Prim::U32, _) => "an unsigned integer up to 4294967295",
        (Prim::U64, _) => "an unsigned integer: text of digits up to 2^64-1, or a number up to 2^53-1",
        (Prim::U128, _) => "an unsigned integer: text of digits up to 2^128-1, or a number up to 2^53-1",
        (Prim::I8, _) => "an integer from -128 to 127",
        (Prim::I16, _) => "an integer from -32768 to 32767",
        (Prim::I32, _) => "an integer from -2147483648 to 2147483647",
        (Prim::I64, _) => "a 64-bit integer: text of digits, or a number from -(2^53-1) to 2^53-1",
        (Prim::I128, _) => "a 128-bit integer: text of digits, or a number from -(2^53-1) to 2^53-1",
        (Prim::F32 | Prim::F64, _) => "a number, \"NaN\", \"Infinity\" or \"-Infinity\"",
        (Prim::Char, _) => "text of one character",
        (Prim::Str, _) => "text",
        (Prim::Bytes, _) => "bytes as base64 text",
        (Prim::Time, _) => "a time as text like \"2024-05-01T12:00:00Z\"",
        (Prim::Duration, _) => "a duration as text like \"1.5s\"",
    };
    text.into()
}

/// What was given.
pub(super) fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(v) => v.to_string(),
        Value::Number(n) => format!("number {}", cut(&n.to_string())),
        Value::String(s) => format!("text {}", quoted(s)),
        Value::Array(all) => format!("an array of {}", all.len()),
        Value::Object(_) => "an object".into(),
    }
}

/// Foreign text in a message: quoted, one line, bounded.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", cut(text))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(QUOTED_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Names of members, the first few.
pub(super) fn names(members: &[Member]) -> String {
    list(members.iter().map(|m| format!("`{}`", m.name)), ", ")
}

/// The first few of many.
pub(super) fn list(all: impl ExactSizeIterator<Item = String>, between: &str) -> String {
    let more = all.len().saturating_sub(NAMES_MAX);
    let mut text = all.take(NAMES_MAX).collect::<Vec<_>>().join(between);
    if more > 0 {
        text.push_str(&format!("{between}{more} more"));
    }
    text
}

/// Longest name that a nearest one is looked for, in characters: the distance costs their product.
const NEAREST_MAX: usize = 64;

/// The name that was probably meant: at most a third of its characters differ.
pub(super) fn nearest<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    if length > NEAREST_MAX {
        return None;
    }
    let near = all.filter(|other| other.chars().count() <= NEAREST_MAX);
    let near = near.map(|other| (distance(&name.to_lowercase(), &other.to_lowercase()), other));
    near.filter(|(d, other)| *d <= length.max(other.chars().count()).div_ceil(3))
        .min()
        .map(|(_, other)| other)
}

/// Characters to change, add or drop (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut left_above = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let change = left_above + usize::from(ca != *cb);
            left_above = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}
