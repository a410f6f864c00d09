//! Bytes to JSON, by the schema alone. Also how a decoder's error gets its place.

use std::fmt::Display;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

use super::{JsonError, Keys, NUMBER_MAX, moment};
use crate::order::check_len;
use crate::schema::FRAMES_MAX;
use crate::{Member, Node, NodeId, Prim, Reader, Schema, Wire};

/// Memory of a JSON tree that a byte of input pays for: ten bools with names of ten letters take 80.
const JSON_BUDGET_FACTOR: usize = 128;
/// Memory that any tree may take, in bytes.
const JSON_BUDGET_FLOOR: usize = 64 << 10;
/// What a member of an object costs beside its name and value: its place in the tree and the name's buffer.
const MEMBER_COST: usize = 48;

type Res<T> = Result<T, JsonError>;

impl Schema {
    /// The value that `bytes` hold, as JSON.
    ///
    /// # Errors
    ///
    /// The bytes are no value of this shape, with the place; or a `json_number` is past 2^53 - 1.
    pub fn to_json(&self, bytes: &[u8]) -> Result<Value, JsonError> {
        let budget = JSON_BUDGET_FLOOR.saturating_add(bytes.len().saturating_mul(JSON_BUDGET_FACTOR));
        let mut writer = Writer { schema: self, r: Reader::with_budget(bytes, budget), frames: 0 };
        let value = writer.value(self.root, None)?;
        writer.r.end()?;
        Ok(value)
    }

    /// Where and why `bytes` are no value of this shape: what a decoder's one byte of error does not say.
    /// None if they are one, as far as the schema can tell.
    pub fn explain(&self, bytes: &[u8]) -> Option<JsonError> {
        self.to_json(bytes).err()
    }
}

struct Writer<'a> {
    schema: &'a Schema,
    r: Reader<'a>,
    frames: u32,
}

impl Writer<'_> {
    fn value(&mut self, id: NodeId, len_max: Option<u64>) -> Res<Value> {
        self.r.charge(size_of::<Value>())?;
        if self.frames == FRAMES_MAX {
            return Err(crate::DecodeError::Depth.into());
        }
        self.frames += 1;
        let schema = self.schema;
        let value = match schema.node(id) {
            Node::Prim { prim, json_number } => self.prim(*prim, *json_number, len_max)?,
            Node::Option(of) => self.option(*of, len_max)?,
            Node::Seq(of) if schema.is_byte(*of) => self.prim(Prim::Bytes, false, len_max)?,
            Node::Seq(of) => self.elements(*of, len_max, false)?,
            Node::Set(of) => self.elements(*of, len_max, true)?,
            Node::Map(k, v) => self.map(*k, *v, len_max)?,
            Node::Tuple(all) => self.tuple(all)?,
            Node::Struct { fields } => self.members(fields)?,
            Node::Enum { variants } => self.variant(variants)?,
            Node::Bounded { of, len_max: max } => {
                self.value(*of, Some(len_max.map_or(*max, |m| m.min(*max))))?
            }
        };
        self.frames -= 1;
        Ok(value)
    }

    // Small functions keep the frames of this recursion small: debug builds give every arm its own room.

    fn tuple(&mut self, all: &[NodeId]) -> Res<Value> {
        let mut items = Vec::with_capacity(all.len());
        for (i, id) in all.iter().enumerate() {
            items.push(self.value(*id, None).map_err(|e| e.at(i))?);
        }
        Ok(Value::Array(items))
    }

    fn members(&mut self, fields: &[Member]) -> Res<Value> {
        let mut object = Map::new();
        for m in fields {
            self.r.charge(MEMBER_COST + m.name.len())?;
            object.insert(m.name.clone(), self.value(m.ty, None).map_err(|e| e.inside(&m.name))?);
        }
        Ok(Value::Object(object))
    }

    fn option(&mut self, of: NodeId, len_max: Option<u64>) -> Res<Value> {
        if !self.r.tag()? {
            return Ok(Value::Null);
        }
        self.r.enter()?;
        let value = self.value(of, len_max)?;
        self.r.leave();
        // `Some(None)` must not look like `None`.
        let nested = self.schema.may_be_null(of); // mutant json-nested-option: let nested = false;
        Ok(if nested { Value::Array(vec![value]) } else { value })
    }

    fn count(&mut self, parts: &[NodeId], len_max: Option<u64>) -> Res<usize> {
        let size_min = usize::from(!parts.iter().all(|id| self.schema.is_empty_kind(*id)));
        let count = self.r.count_of(size_min, size_of::<Value>())?;
        self.check_len(count, len_max)?;
        Ok(count)
    }

    fn check_len(&self, len: usize, len_max: Option<u64>) -> Res<()> {
        let why = |_| JsonError::new(format!("{len} long, at most {} is allowed", len_max.unwrap_or(0)));
        check_len(len, len_max).map_err(why)
    }

    fn elements(&mut self, of: NodeId, len_max: Option<u64>, unique: bool) -> Res<Value> {
        let count = self.count(&[of], len_max)?;
        self.r.enter()?;
        let mut all = Vec::with_capacity(count);
        let mut seen = std::collections::BTreeSet::new();
        for i in 0..count {
            let before = self.r.rest();
            all.push(self.value(of, None).map_err(|e| e.at(i))?);
            if unique && !seen.insert(&before[..before.len() - self.r.left()]) {
                return Err(JsonError::from(crate::DecodeError::Duplicate).at(i));
            }
        }
        self.r.leave();
        Ok(Value::Array(all))
    }

    fn map(&mut self, k: NodeId, v: NodeId, len_max: Option<u64>) -> Res<Value> {
        let count = self.count(&[k, v], len_max)?;
        let names = self.schema.keys(k) == Keys::Names;
        self.r.enter()?;
        let (mut object, mut pairs) = (Map::new(), vec![]);
        let mut seen = std::collections::BTreeSet::new();
        for i in 0..count {
            self.r.charge(MEMBER_COST)?;
            let before = self.r.rest();
            let key = self.value(k, None).map_err(|e| e.at(i))?;
            let key_bytes = &before[..before.len() - self.r.left()];
            if !seen.insert(key_bytes) {
                return Err(JsonError::from(crate::DecodeError::Duplicate).at(i));
            }
            if names {
                let name = plain(&key);
                let value = self.value(v, None).map_err(|e| e.inside(&name))?;
                object.insert(name, value);
            } else {
                let value = self.value(v, None).map_err(|e| e.at(i))?;
                pairs.push(Value::Array(vec![key, value]));
            }
        }
        self.r.leave();
        Ok(if names { Value::Object(object) } else { Value::Array(pairs) })
    }

    fn variant(&mut self, variants: &[Member]) -> Res<Value> {
        self.r.enter()?;
        let at = self.r.var()?;
        let member = usize::try_from(at).ok().and_then(|at| variants.get(at));
        let member = member.ok_or(crate::DecodeError::Variant)?;
        self.r.charge(MEMBER_COST + member.name.len())?;
        let value = match self.schema.is_unit(member.ty) {
            true => Value::String(member.name.clone()),
            false => {
                let payload = self.value(member.ty, None).map_err(|e| e.inside(&member.name))?;
                Value::Object(Map::from_iter([(member.name.clone(), payload)]))
            }
        };
        self.r.leave();
        Ok(value)
    }

    fn prim(&mut self, prim: Prim, json_number: bool, len_max: Option<u64>) -> Res<Value> {
        let r = &mut self.r;
        Ok(match prim {
            Prim::Unit => Value::Null,
            Prim::Bool => Value::Bool(bool::decode(r)?),
            Prim::U8 => u8::decode(r)?.into(),
            Prim::U16 => u16::decode(r)?.into(),
            Prim::U32 => u32::decode(r)?.into(),
            Prim::I8 => i8::decode(r)?.into(),
            Prim::I16 => i16::decode(r)?.into(),
            Prim::I32 => i32::decode(r)?.into(),
            Prim::U64 if json_number => exact(u64::decode(r)?, |v| v)?,
            Prim::I64 if json_number => exact(i64::decode(r)?, i64::unsigned_abs)?,
            // Always text: a form that changes at 2^53 breaks clients on the day a number grows.
            Prim::U64 => u64::decode(r)?.to_string().into(),
            Prim::I64 => i64::decode(r)?.to_string().into(),
            Prim::U128 => u128::decode(r)?.to_string().into(),
            Prim::I128 => i128::decode(r)?.to_string().into(),
            Prim::F32 => float(f32::decode(r)?),
            Prim::F64 => double(f64::decode(r)?),
            Prim::Char => char::decode(r)?.to_string().into(),
            Prim::Time => moment::time_text(r.var()?).into(),
            Prim::Duration => moment::duration_text(r.var()?).into(),
            Prim::Str => {
                let text = r.str()?;
                r.charge(text.len())?;
                self.check_len(text.len(), len_max)?;
                text.into()
            }
            Prim::Bytes => {
                let bytes = r.bytes()?;
                r.charge(bytes.len().saturating_mul(2))?;
                self.check_len(bytes.len(), len_max)?;
                STANDARD.encode(bytes).into()
            }
        })
    }
}

/// A 64-bit integer as a number, if all readers see the same one.
fn exact<T: Copy + Display + Into<Value>>(v: T, size: impl Fn(T) -> u64) -> Res<Value> {
    let inexact = size(v) > NUMBER_MAX; // mutant json-number-inexact: let inexact = false;
    if inexact {
        return Err(JsonError::new(format!("{v} is past 2^53-1, where a JSON number is no longer exact")));
    }
    Ok(v.into())
}

fn double(v: f64) -> Value {
    Number::from_f64(v).map_or_else(|| not_finite(v).into(), Value::Number)
}

/// The shortest number that reads back as the same 32 bits, where a double in between does not spoil it.
fn float(v: f32) -> Value {
    let short = v.to_string().parse::<f64>().ok().filter(|d| (*d as f32).to_bits() == v.to_bits());
    double(short.unwrap_or(f64::from(v)))
}

fn not_finite(v: f64) -> &'static str {
    match v {
        v if v.is_nan() => "NaN",
        v if v > 0.0 => "Infinity",
        _ => "-Infinity",
    }
}

/// A value as a name or in an address: text as it is, all else as JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
