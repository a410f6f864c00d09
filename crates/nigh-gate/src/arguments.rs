//! What is asked with: a JSON object of arguments by name, or the same in a query, as the bytes a method takes.

use nigh_wire::{Bytes, Method, Node, Schema, Ticket};
use serde_json::{Map, Value};

use crate::json;
use crate::nearest::hint;
use crate::problem::{Kind, Problem, quoted};
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
    encoded(method, &value)
}

/// The arguments of a view, from the query of its address.
///
/// # Errors
///
/// The query does not hold exactly these arguments.
pub(crate) fn from_query(method: &Method, query: &str) -> Result<Bytes, Problem> {
    let refused = |detail: String| Problem::refused(Kind::Arguments, detail);
    let mut arguments = Map::new();
    for (name, text) in pairs(query)? {
        let fields = members(&method.args);
        let Some(field) = fields.iter().find(|f| f.name == name) else {
            let hint = hint(&name, fields.iter().map(|f| f.name.as_str()));
            let detail = format!("There is no argument `{}`.{hint} {}", quoted(&name), query_wanted(method));
            return Err(refused(detail));
        };
        let schema = Schema { nodes: method.args.nodes.clone(), root: field.ty };
        let value = json::from_text(&schema, &text).and_then(|bytes| json::to_json(&schema, &bytes));
        let value = value
            .map_err(|error| refused(format!("`{name}` does not fit: {error}. {}", query_wanted(method))))?;
        if arguments.insert(name, value).is_some() {
            return Err(refused(format!("`{}` is given twice in the query.", field.name)));
        }
    }
    let encoded = json::from_json(&method.args, &Value::Object(arguments));
    encoded.map_err(|error| refused(format!("The query does not fit: {error}. {}", query_wanted(method))))
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

fn parsed(body: &[u8], send: &str) -> Result<Value, Problem> {
    json::parse_json(body).map_err(|error| Problem::refused(Kind::Malformed, format!("{error}. {send}")))
}

fn encoded(method: &Method, value: &Value) -> Result<Bytes, Problem> {
    json::from_json(&method.args, value).map_err(|error| {
        let detail = format!("{error}. Send {}", wanted(method));
        Problem::refused(Kind::Arguments, detail)
    })
}

/// The object that a method takes, in words: `{"cents": u64}`.
fn wanted(method: &Method) -> String {
    let one = |f: &nigh_wire::Member| format!("\"{}\": {}", f.name, json::show(&method.args, f.ty));
    let all: Vec<String> = members(&method.args).iter().map(one).collect();
    format!("{{{}}} as application/json.", all.join(", "))
}

fn query_wanted(method: &Method) -> String {
    let one = |f: &nigh_wire::Member| format!("{}=<{}>", f.name, json::show(&method.args, f.ty));
    let all: Vec<String> = members(&method.args).iter().map(one).collect();
    if all.is_empty() { "It takes no arguments.".into() } else { format!("Write `?{}`.", all.join("&")) }
}

/// The arguments of a record, as declared.
pub(crate) fn members(args: &Schema) -> &[nigh_wire::Member] {
    match args.nodes.get(args.root as usize) {
        Some(Node::Struct { fields }) => fields,
        _ => &[],
    }
}

#[cfg(test)]
mod tests;
