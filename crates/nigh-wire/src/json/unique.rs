//! Text to a JSON tree, without the one thing the parser lets pass: a name given twice in an object.
//!
//! The text is parsed first; the second pass relies on that and only follows quotes and brackets.

use std::collections::BTreeSet;

use serde_json::Value;

use super::JsonError;

/// Parses JSON, and refuses an object that has a name twice: of two `cents`, which one counts?
///
/// # Errors
///
/// The bytes are no JSON, nested over 128 deep, or repeat a name.
pub fn parse_json(bytes: &[u8]) -> Result<Value, JsonError> {
    let value =
        serde_json::from_slice(bytes).map_err(|error| JsonError::new(format!("not JSON: {error}")))?;
    match repeated_name(bytes) {
        None => Ok(value),
        Some(name) => {
            Err(JsonError::new(format!("{} is given twice in one object", super::expect::quoted(&name))))
        }
    }
}

/// The first name that an object of this JSON has twice.
fn repeated_name(json: &[u8]) -> Option<String> {
    // Names seen in each object that is open; None for an array.
    let mut open: Vec<Option<BTreeSet<String>>> = vec![];
    let mut at = 0;
    let mut name_next = false;
    while let Some(&byte) = json.get(at) {
        at += 1;
        match byte {
            b'{' => {
                open.push(Some(BTreeSet::new()));
                name_next = true;
            }
            b'[' => {
                open.push(None);
                name_next = false;
            }
            b'}' | b']' => {
                open.pop();
            }
            b',' => name_next = matches!(open.last(), Some(Some(_))),
            b'"' => {
                let start = at - 1;
                while json.get(at).is_some_and(|b| *b != b'"') {
                    at += if json[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
                if std::mem::take(&mut name_next) {
                    let name: String = serde_json::from_slice(json.get(start..at)?).ok()?;
                    let names = open.last_mut()?.as_mut()?;
                    if !names.insert(name.clone()) {
                        return Some(name);
                    }
                }
            }
            _ => {}
        }
    }
    None
}
