//! What there is, for people with curl and for the `nigh` command: contracts, methods, shapes, docs.

use nigh_wire::{Catalogue, Class, Contract, ContractKind, Member, Method, Node, NodeId, Prim, Schema};
use serde_json::{Value, json};

use crate::arguments::{members, shape};

/// The answer to `GET /api`.
pub(crate) fn offer(catalogue: &Catalogue) -> Value {
    json!({ "contracts": catalogue.contracts().map(contract).collect::<Vec<_>>() })
}

fn contract(of: &Contract) -> Value {
    let methods: Vec<Value> = of.methods.iter().map(|m| method(of, m)).collect();
    match &of.kind {
        ContractKind::Entity { key, .. } => json!({
            "name": of.name,
            "kind": "entity",
            "docs": of.docs.trim(),
            "key": key.to_string(),
            "list": format!("GET /api/{}?after=KEY&limit=100", of.name),
            "methods": methods,
        }),
        ContractKind::Service => {
            json!({ "name": of.name, "kind": "service", "docs": of.docs.trim(), "methods": methods })
        }
    }
}

fn method(of: &Contract, method: &Method) -> Value {
    let class = match method.class {
        Class::Once => "once",
        Class::Read => "read",
        Class::Commutes => "commutes",
        Class::Idempotent => "idempotent",
    };
    let verb = if method.class == Class::Read { "GET" } else { "POST" };
    let key = if matches!(of.kind, ContractKind::Service) { "-" } else { "<key>" };
    json!({
        "name": method.name,
        "class": class,
        "docs": method.docs.trim(),
        "ask": format!("{verb} /api/{}/{key}/{}", of.name, method.name),
        "arguments": members(&method.args).iter().map(|m| argument(&method.args, m)).collect::<Vec<_>>(),
        "returns": method.ok.to_string(),
        "fails": method.err.as_ref().map(|e| e.to_string()),
    })
}

fn argument(args: &Schema, member: &Member) -> Value {
    json!({
        "name": member.name,
        "shape": shape(args, member.ty),
        "json": form(args, member.ty),
        "optional": member.default.is_some() || matches!(behind_bounds(args, member.ty), Node::Option(_)),
        "docs": member.docs.trim(),
    })
}

/// Which kind of JSON value an argument is, so that a tool can make one from what somebody typed: `string`,
/// `number`, `boolean`, or `any` for what has to be typed as JSON.
fn form(schema: &Schema, id: NodeId) -> &'static str {
    let is_unit = |m: &Member| matches!(schema.node(m.ty), Node::Prim { prim: Prim::Unit, .. });
    match behind_bounds(schema, id) {
        Node::Prim { prim, json_number } => match prim {
            Prim::Bool => "boolean",
            Prim::U8 | Prim::U16 | Prim::U32 | Prim::I8 | Prim::I16 | Prim::I32 => "number",
            Prim::U64 | Prim::I64 if *json_number => "number",
            Prim::F32 | Prim::F64 | Prim::Unit => "any",
            Prim::U64 | Prim::I64 | Prim::U128 | Prim::I128 | Prim::Char | Prim::Str | Prim::Bytes => {
                "string"
            }
            Prim::Time | Prim::Duration => "string",
        },
        Node::Enum { variants } if variants.iter().all(is_unit) => "string",
        _ => "any",
    }
}

/// What is bounded by the bounds at `id`.
fn behind_bounds(schema: &Schema, mut id: NodeId) -> &Node {
    // As many steps as there are nodes: bounds that bound each other would go on for ever.
    for _ in &schema.nodes {
        let Node::Bounded { of, .. } = schema.node(id) else { break };
        id = *of;
    }
    schema.node(id)
}

#[cfg(test)]
mod tests;
