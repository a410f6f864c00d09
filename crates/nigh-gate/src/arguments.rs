//! What is asked with: a JSON object of arguments by name, or the same in a query, as the bytes a method takes.

use nigh_wire::{Bytes, Member, Method, Node, NodeId, Schema, Ticket, parse_json};
use serde_json::{Map, Value};

use crate::problem::{Kind, Problem};
use crate::route::pairs;

/// The arguments of a writing method, from the body of its request.
///
/// # Errors
///
/// The body is no JSON object of exactly these arguments.
pub(crate) fn from_body(method: &Method, body: &[u8]) -> Result<Bytes, Problem> {
    let send = || format!("Send {}", wanted(method));
    if body.is_empty() && !members(&method.args).is_empty() {
        let detail = format!("The request has no body. {}", send());
        return Err(Problem::refused(Kind::Arguments, detail));
    }
    let value = if body.is_empty() { Value::Object(Map::new()) } else { parsed(body, &send())? };
    let encoded = method.args.from_json(&value);
    encoded.map_err(|error| Problem::refused(Kind::Arguments, format!("{error}. {}", send())))
}

/// The arguments of a view, from the query of its address.
///
/// # Errors
///
/// The query does not hold exactly these arguments.
pub(crate) fn from_query(method: &Method, query: &str) -> Result<Bytes, Problem> {
    let pairs = pairs(query)?;
    let encoded = method.args.from_query(pairs.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    encoded.map_err(|error| {
        let one = |f: &Member| format!("{}=<{}>", f.name, shape(&method.args, f.ty));
        let all: Vec<String> = members(&method.args).iter().map(one).collect();
        let send = if all.is_empty() {
            "It takes no arguments".into()
        } else {
            format!("Write `?{}`", all.join("&"))
        };
        Problem::refused(Kind::Arguments, format!("{error}. {send}."))
    })
}

/// The ticket in `{"ticket": "nighT1.…"}`.
///
/// # Errors
///
/// The body is anything else.
pub(crate) fn ticket(body: &[u8]) -> Result<Ticket, Problem> {
    let send = r#"Send {"ticket": "nighT1.…"}, with the text that came with the doubt."#;
    let value = parsed(body, send)?;
    let text = match &value {
        Value::Object(members) if members.len() == 1 => members.get("ticket").and_then(Value::as_str),
        _ => None,
    };
    let text = text.ok_or_else(|| Problem::refused(Kind::Arguments, send))?;
    text.parse().map_err(|error| Problem::refused(Kind::Arguments, format!("{error}. {send}")))
}

/// The name in `{"name": "2026-11-21"}`.
///
/// # Errors
///
/// The body is anything else.
pub(crate) fn backup(body: &[u8]) -> Result<String, Problem> {
    let send = r#"Send {"name": "…"}, with the name that the copy is to have."#;
    match parsed(body, send)? {
        Value::Object(members) if members.len() == 1 => {
            let name = members.get("name").and_then(Value::as_str).map(str::to_owned);
            name.ok_or_else(|| Problem::refused(Kind::Arguments, send))
        }
        _ => Err(Problem::refused(Kind::Arguments, send)),
    }
}

fn parsed(body: &[u8], send: &str) -> Result<Value, Problem> {
    parse_json(body).map_err(|error| Problem::refused(Kind::Malformed, format!("{error}. {send}")))
}

/// The object that a method takes, in words: `{"cents": u64}`.
fn wanted(method: &Method) -> String {
    let one = |f: &Member| format!("\"{}\": {}", f.name, shape(&method.args, f.ty));
    let all: Vec<String> = members(&method.args).iter().map(one).collect();
    format!("{{{}}} as application/json.", all.join(", "))
}

/// The arguments of a record, as declared.
pub(crate) fn members(args: &Schema) -> &[Member] {
    match args.nodes.get(args.root as usize) {
        Some(Node::Struct { fields }) => fields,
        _ => &[],
    }
}

/// One shape inside another, as a line.
pub(crate) fn shape(of: &Schema, node: NodeId) -> String {
    Schema { nodes: of.nodes.clone(), root: node }.to_string()
}
