//! JSON by schema, in one place: forwards to `nigh-wire`.

use nigh_wire::{Bytes, Node, Out, Prim, Reader, Schema};
use serde_json::{Map, Value};

pub(crate) fn parse_json(text: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(text).map_err(|e| format!("not JSON: {e}"))
}
pub(crate) fn to_json(schema: &Schema, bytes: &[u8]) -> Result<Value, String> {
    let mut r = Reader::new(bytes);
    let value = read(schema, schema.root, &mut r)?;
    r.end().map_err(|e| e.to_string())?;
    Ok(value)
}
pub(crate) fn from_json(schema: &Schema, value: &Value) -> Result<Bytes, String> {
    let mut out = Out::default();
    write(schema, schema.root, value, &mut out)?;
    Ok(out.into_bytes())
}
pub(crate) fn from_text(schema: &Schema, text: &str) -> Result<Bytes, String> {
    match &schema.nodes[schema.root as usize] {
        Node::Prim { prim: Prim::Bool, .. } => from_json(schema, &Value::Bool(text == "true")),
        _ => from_json(schema, &Value::String(text.into())),
    }
}
pub(crate) fn to_text(schema: &Schema, bytes: &[u8]) -> Result<String, String> {
    Ok(match to_json(schema, bytes)? {
        Value::String(s) => s,
        other => other.to_string(),
    })
}
pub(crate) fn show(schema: &Schema, id: u32) -> String {
    match &schema.nodes[id as usize] {
        Node::Prim { prim, .. } => format!("{prim:?}").to_lowercase(),
        Node::Struct { fields } => {
            let all: Vec<_> = fields.iter().map(|f| format!("{}: {}", f.name, show(schema, f.ty))).collect();
            format!("{{{}}}", all.join(", "))
        }
        Node::Enum { variants } => variants.iter().map(|v| v.name.clone()).collect::<Vec<_>>().join(" | "),
        _ => "…".into(),
    }
}
fn read(s: &Schema, id: u32, r: &mut Reader<'_>) -> Result<Value, String> {
    let e = |e: nigh_wire::DecodeError| e.to_string();
    Ok(match &s.nodes[id as usize] {
        Node::Prim { prim: Prim::Unit, .. } => Value::Null,
        Node::Prim { prim: Prim::U64, json_number: false } => r.var().map_err(e)?.to_string().into(),
        Node::Prim { prim: Prim::U64, json_number: true } => {
            let n = r.var().map_err(e)?;
            if n >> 53 != 0 {
                return Err("over 2^53".into());
            }
            n.into()
        }
        Node::Prim { prim: Prim::U32, .. } => r.var().map_err(e)?.into(),
        Node::Prim { prim: Prim::Bool, .. } => r.tag().map_err(e)?.into(),
        Node::Prim { prim: Prim::Str, .. } => {
            let n = r.var().map_err(e)?;
            String::from_utf8_lossy(r.take(n as usize).map_err(e)?).into_owned().into()
        }
        Node::Struct { fields } => {
            let mut m = Map::new();
            for f in fields {
                m.insert(f.name.clone(), read(s, f.ty, r)?);
            }
            m.into()
        }
        Node::Enum { variants } => variants[r.var().map_err(e)? as usize].name.clone().into(),
        _ => return Err("stand-in".into()),
    })
}
fn write(s: &Schema, id: u32, v: &Value, out: &mut Out) -> Result<(), String> {
    match (&s.nodes[id as usize], v) {
        (Node::Prim { prim: Prim::U64 | Prim::U32, .. }, Value::Number(n)) => {
            out.var(n.as_u64().ok_or("expected a u64")?)
        }
        (Node::Prim { prim: Prim::U64, json_number: false }, Value::String(t)) => {
            out.var(t.parse().map_err(|_| format!("expected digits, found {t}"))?)
        }
        (Node::Prim { prim: Prim::Bool, .. }, Value::Bool(b)) => out.byte(u8::from(*b)),
        (Node::Prim { prim: Prim::Str, .. }, Value::String(t)) => out.len_bytes(t.as_bytes()),
        (Node::Struct { fields }, Value::Object(m)) => {
            if let Some(x) = m.keys().find(|k| !fields.iter().any(|f| f.name == **k)) {
                return Err(format!("unknown `{x}`"));
            }
            for f in fields {
                let v = m.get(&f.name).ok_or_else(|| format!("{}: missing", f.name))?;
                write(s, f.ty, v, out).map_err(|e| format!("{}: {e}", f.name))?;
            }
        }
        (n, v) => return Err(format!("expected {n:?}, found {v}")),
    }
    Ok(())
}
