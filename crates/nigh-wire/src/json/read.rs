//! JSON to canonical bytes, by the schema alone.
//!
//! Maps and sets are written in the order of their keys ([`crate::order`]), so that decoding and encoding
//! gives the same bytes. Names are checked before values: one answer lists all that are missing or unknown.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

use super::expect::{found, list, names, nearest, quoted};
use super::{JsonError, Keys, NUMBER_MAX, moment};
use crate::decode::LEVELS_MAX;
use crate::schema::FRAMES_MAX;
use crate::{Member, Node, NodeId, Out, Prim, Schema, Wire};

/// Bytes that members left out may write in one value: their defaults, or a zero for an option.
const ABSENT_FLOOR: usize = 64 << 10;
/// The same, for each value given: a struct of optional fields is mostly absent, not 1,024 times.
const ABSENT_PER_VALUE: usize = 64;

type Res<T> = Result<T, JsonError>;

/// A member as it was given.
#[derive(Clone, Copy)]
pub(super) enum Given<'a> {
    Json(&'a Value),
    /// Of a query, or a name of an object.
    Text(&'a str),
}

impl Schema {
    /// The canonical bytes of a JSON value.
    ///
    /// # Errors
    ///
    /// It is no value of this shape: says where, what was expected and what was found.
    pub fn from_json(&self, value: &Value) -> Result<Bytes, JsonError> {
        self.build(|builder, out| builder.value(self.root, value, None, out))
    }

    /// As [`Schema::from_json`] of an object, whose members are given as plain text: a query's arguments.
    ///
    /// # Errors
    ///
    /// As [`Schema::from_json`]; a name is given twice; this shape is no struct.
    pub fn from_query<'a>(
        &self,
        members: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Bytes, JsonError> {
        let mut given = BTreeMap::new();
        for (name, text) in members {
            if given.insert(name, Given::Text(text)).is_some() {
                return Err(JsonError::new(format!("{} is given twice", quoted(name))));
            }
        }
        let Node::Struct { fields } = self.node(self.behind_bounds(self.root)) else {
            return Err(JsonError::expected(self.wanted(self.root), "members by name"));
        };
        self.build(|builder, out| builder.members(fields, &given, out))
    }

    /// The canonical bytes of one value given as plain text: a key in an address, an argument in a query.
    /// Text stands as it is, numbers and moments without quotes, a variant without payload by its name; an
    /// option is `null` or its content; all else is JSON.
    ///
    /// # Errors
    ///
    /// It is no value of this shape.
    pub fn from_text(&self, text: &str) -> Result<Bytes, JsonError> {
        self.build(|builder, out| builder.text(self.root, text, None, out))
    }

    fn build(&self, fill: impl FnOnce(&mut Builder<'_>, &mut Out) -> Res<()>) -> Res<Bytes> {
        let mut builder = Builder { schema: self, level: 0, frames: 0, absent: ABSENT_FLOOR };
        let mut out = Out::with_capacity(64);
        fill(&mut builder, &mut out)?;
        Ok(out.into_bytes())
    }
}

pub(super) struct Builder<'s> {
    pub(super) schema: &'s Schema,
    level: u32,
    frames: u32,
    /// Bytes that absent members may still write.
    absent: usize,
}

impl Builder<'_> {
    pub(super) fn value(&mut self, id: NodeId, v: &Value, len_max: Option<u64>, out: &mut Out) -> Res<()> {
        if self.frames == FRAMES_MAX {
            return Err(crate::DecodeError::Depth.into());
        }
        self.frames += 1;
        self.absent += ABSENT_PER_VALUE;
        let schema = self.schema;
        match schema.node(id) {
            Node::Prim { prim, json_number } => self.prim(id, *prim, *json_number, v, len_max, out)?,
            Node::Bounded { of, len_max: max } => {
                self.value(*of, v, Some(len_max.map_or(*max, |m| m.min(*max))), out)?;
            }
            Node::Option(of) => self.option(id, *of, v, len_max, out)?,
            Node::Seq(of) if schema.is_byte(*of) => self.prim(id, Prim::Bytes, false, v, len_max, out)?,
            Node::Seq(of) => self.sequence(id, *of, v, len_max, out)?,
            Node::Set(of) => self.set(id, *of, v, len_max, out)?,
            Node::Map(k, of) => self.map(id, *k, *of, v, len_max, out)?,
            Node::Tuple(all) => self.tuple(id, all, v, out)?,
            Node::Struct { fields } => self.object(id, fields, v, out)?,
            Node::Enum { variants } => {
                self.enter()?;
                self.variant(id, variants, v, out)?;
                self.level -= 1;
            }
        }
        self.frames -= 1;
        Ok(())
    }

    // Small functions keep the frames of this recursion small: debug builds give every arm its own room.

    fn tuple(&mut self, id: NodeId, all: &[NodeId], v: &Value, out: &mut Out) -> Res<()> {
        let Value::Array(items) = v else { return self.wrong(id, v) };
        if items.len() != all.len() {
            return self.wrong(id, v);
        }
        for (i, (id, v)) in all.iter().zip(items).enumerate() {
            self.value(*id, v, None, out).map_err(|e| e.at(i))?;
        }
        Ok(())
    }

    fn object(&mut self, id: NodeId, fields: &[Member], v: &Value, out: &mut Out) -> Res<()> {
        let Value::Object(object) = v else { return self.wrong(id, v) };
        let given = object.iter().map(|(name, v)| (name.as_str(), Given::Json(v))).collect();
        self.members(fields, &given, out)
    }

    fn enter(&mut self) -> Res<()> {
        if self.level == LEVELS_MAX {
            return Err(crate::DecodeError::Depth.into());
        }
        self.level += 1;
        Ok(())
    }

    pub(super) fn wrong<T>(&self, id: NodeId, v: &Value) -> Res<T> {
        Err(JsonError::expected(self.schema.wanted(id), found(v)))
    }

    fn option(&mut self, id: NodeId, of: NodeId, v: &Value, len_max: Option<u64>, out: &mut Out) -> Res<()> {
        if v.is_null() {
            out.byte(0);
            return Ok(());
        }
        let content = match v {
            Value::Array(one) if self.schema.may_be_null(of) && one.len() == 1 => &one[0],
            _ if self.schema.may_be_null(of) => return self.wrong(id, v),
            _ => v,
        };
        out.byte(1);
        self.enter()?;
        self.value(of, content, len_max, out)?;
        self.level -= 1;
        Ok(())
    }

    fn sequence(
        &mut self,
        id: NodeId,
        of: NodeId,
        v: &Value,
        len_max: Option<u64>,
        out: &mut Out,
    ) -> Res<()> {
        let Value::Array(items) = v else { return self.wrong(id, v) };
        check_len(items.len(), "elements", len_max)?;
        self.enter()?;
        out.var(items.len() as u64);
        for (i, v) in items.iter().enumerate() {
            self.value(of, v, None, out).map_err(|e| e.at(i))?;
        }
        self.level -= 1;
        Ok(())
    }

    fn set(&mut self, id: NodeId, of: NodeId, v: &Value, len_max: Option<u64>, out: &mut Out) -> Res<()> {
        let Value::Array(items) = v else { return self.wrong(id, v) };
        check_len(items.len(), "elements", len_max)?;
        self.enter()?;
        let mut sorted = Sorted::default();
        for (i, v) in items.iter().enumerate() {
            let mut key = Out::default();
            self.value(of, v, None, &mut key).map_err(|e| e.at(i))?;
            sorted.add(self.schema, of, key, Out::default()).map_err(|e| e.at(i))?;
        }
        self.level -= 1;
        sorted.write(out);
        Ok(())
    }

    fn map(
        &mut self,
        id: NodeId,
        k: NodeId,
        of: NodeId,
        v: &Value,
        len_max: Option<u64>,
        out: &mut Out,
    ) -> Res<()> {
        let mut sorted = Sorted::default();
        match v {
            Value::Object(object) if self.schema.keys(k) == Keys::Names => {
                check_len(object.len(), "entries", len_max)?;
                self.enter()?;
                for (name, v) in object {
                    let (mut key, mut value) = (Out::default(), Out::default());
                    self.text(k, name, None, &mut key).map_err(|e| e.inside(name))?;
                    self.value(of, v, None, &mut value).map_err(|e| e.inside(name))?;
                    sorted.add(self.schema, k, key, value).map_err(|e| e.inside(name))?;
                }
            }
            Value::Array(pairs) if self.schema.keys(k) == Keys::Pairs => {
                check_len(pairs.len(), "entries", len_max)?;
                self.enter()?;
                for (i, pair) in pairs.iter().enumerate() {
                    let Some([a, b]) = pair.as_array().map(Vec::as_slice) else {
                        return Err(JsonError::expected("a pair: [key, value]", found(pair)).at(i));
                    };
                    let (mut key, mut value) = (Out::default(), Out::default());
                    self.value(k, a, None, &mut key).map_err(|e| e.at(0).at(i))?;
                    self.value(of, b, None, &mut value).map_err(|e| e.at(1).at(i))?;
                    sorted.add(self.schema, k, key, value).map_err(|e| e.at(i))?;
                }
            }
            _ => return self.wrong(id, v),
        }
        self.level -= 1;
        sorted.write(out);
        Ok(())
    }

    fn variant(&mut self, id: NodeId, variants: &[Member], v: &Value, out: &mut Out) -> Res<()> {
        let (name, payload) = match v {
            Value::String(name) => (name, None),
            Value::Object(one) if one.len() == 1 => {
                let (name, payload) = one.iter().next().expect("the guard counted one");
                (name, Some(payload))
            }
            _ => return self.wrong(id, v),
        };
        let Some((at, member)) = find_variant(variants, name) else {
            let near = nearest(name, variants.iter().map(|m| m.name.as_str()));
            let near = near.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
            return Err(JsonError::expected(self.schema.wanted(id), format!("{}{near}", quoted(name))));
        };
        out.var(at as u64);
        match (payload, self.schema.is_unit(member.ty)) {
            (None, true) => Ok(()),
            (Some(payload), false) => {
                self.value(member.ty, payload, None, out).map_err(|e| e.inside(&member.name))
            }
            _ => self.wrong(id, v),
        }
    }

    /// Fields in declared order; names first, so that one answer lists all that are wrong.
    pub(super) fn members(
        &mut self,
        fields: &[Member],
        given: &BTreeMap<&str, Given<'_>>,
        out: &mut Out,
    ) -> Res<()> {
        let places = self.places(fields, given)?;
        for (m, place) in fields.iter().zip(places) {
            match place {
                Some(Given::Json(v)) => self.value(m.ty, v, None, out),
                Some(Given::Text(text)) => self.text(m.ty, text, None, out),
                None => self.absent(m, out),
            }
            .map_err(|e| e.inside(&m.name))?;
        }
        Ok(())
    }

    /// What was given for each field; refuses names that are missing, unknown, or given under two names.
    fn places<'g>(
        &self,
        fields: &[Member],
        given: &BTreeMap<&str, Given<'g>>,
    ) -> Res<Vec<Option<Given<'g>>>> {
        let mut problems = vec![];
        let mut taken = 0;
        let mut places = Vec::with_capacity(fields.len());
        for m in fields {
            let known = std::iter::once(&m.name).chain(&m.was);
            let mut found = known.filter_map(|name| given.get_key_value(name.as_str()));
            let place = found.next();
            taken += usize::from(place.is_some());
            if let Some((earlier, _)) = found.next() {
                taken += 1;
                problems.push(format!("`{}` is given twice, also as `{earlier}`", m.name));
            }
            if place.is_none() && self.absence(m).is_none() {
                problems.push(format!("missing `{}` ({})", m.name, self.schema.wanted(m.ty)));
            }
            places.push(place.map(|(_, given)| *given));
        }
        if taken < given.len() {
            let known = |name: &str| fields.iter().any(|m| is_called(m, name));
            for name in given.keys().filter(|name| !known(name)) {
                let near = nearest(name, fields.iter().map(|m| m.name.as_str()));
                let near = near.map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
                problems.push(format!("unknown {}{near}", quoted(name)));
            }
        }
        if problems.is_empty() {
            return Ok(places);
        }
        let expected = if fields.is_empty() { "no members".into() } else { names(fields) };
        Err(JsonError::new(format!("{}; expected {expected}", list(problems.into_iter(), "; "))))
    }

    /// The bytes that stand for a member that was not given, if there are any.
    fn absence<'m>(&self, m: &'m Member) -> Option<&'m [u8]> {
        const NONE: &[u8] = &[0];
        let is_option = matches!(self.schema.node(self.schema.behind_bounds(m.ty)), Node::Option(_));
        m.default.as_deref().or(is_option.then_some(NONE))
    }

    fn absent(&mut self, m: &Member, out: &mut Out) -> Res<()> {
        let bytes = self.absence(m).expect("names were checked: what is missing has a default");
        self.absent = self.absent.checked_sub(bytes.len()).ok_or_else(|| {
            JsonError::new("too many members are left out: their defaults outweigh what was given")
        })?;
        out.raw(bytes);
        Ok(())
    }

    fn prim(
        &mut self,
        id: NodeId,
        prim: Prim,
        json_number: bool,
        v: &Value,
        len_max: Option<u64>,
        out: &mut Out,
    ) -> Res<()> {
        let done = match (prim, v) {
            (Prim::Unit, Value::Null) => Some(()),
            (Prim::Bool, Value::Bool(v)) => {
                v.encode(out);
                Some(())
            }
            (Prim::U8, _) => integer::<u8>(v, json_number, out),
            (Prim::U16, _) => integer::<u16>(v, json_number, out),
            (Prim::U32, _) => integer::<u32>(v, json_number, out),
            (Prim::U64, _) => integer::<u64>(v, json_number, out),
            (Prim::U128, _) => integer::<u128>(v, json_number, out),
            (Prim::I8, _) => integer::<i8>(v, json_number, out),
            (Prim::I16, _) => integer::<i16>(v, json_number, out),
            (Prim::I32, _) => integer::<i32>(v, json_number, out),
            (Prim::I64, _) => integer::<i64>(v, json_number, out),
            (Prim::I128, _) => integer::<i128>(v, json_number, out),
            (Prim::F64, _) => double(v).map(|v| v.encode(out)),
            // A number that 32 bits cannot hold must not become infinite.
            (Prim::F32, _) => double(v)
                .filter(|v| !v.is_finite() || (*v as f32).is_finite())
                .map(|v| (v as f32).encode(out)),
            (Prim::Time, Value::String(s)) => moment::time_nanos(s).map(|v| v.encode(out)),
            (Prim::Duration, Value::String(s)) => moment::duration_nanos(s).map(|v| v.encode(out)),
            (Prim::Char, Value::String(s)) => s.parse::<char>().ok().map(|v| v.encode(out)),
            (Prim::Str, Value::String(s)) => {
                check_len(s.len(), "bytes", len_max)?;
                out.len_bytes(s.as_bytes());
                Some(())
            }
            (Prim::Bytes, Value::String(s)) => match STANDARD.decode(s) {
                Ok(bytes) => {
                    check_len(bytes.len(), "bytes", len_max)?;
                    out.len_bytes(&bytes);
                    Some(())
                }
                Err(_) => None,
            },
            _ => None,
        };
        done.map_or_else(|| self.wrong(id, v), Ok)
    }
}

/// Entries on their way into canonical order.
#[derive(Default)]
struct Sorted(BTreeMap<Vec<u8>, (Out, Out)>);

impl Sorted {
    fn add(&mut self, schema: &Schema, of: NodeId, key: Out, value: Out) -> Res<()> {
        let order = schema.order_key_of(of, key.as_slice())?;
        let earlier = self.0.insert(order, (key, value));
        let repeated = earlier.is_some(); // mutant json-repeats-taken: let repeated = false;
        if repeated { Err(crate::DecodeError::Duplicate.into()) } else { Ok(()) }
    }
    fn write(self, out: &mut Out) {
        out.var(self.0.len() as u64);
        for (key, value) in self.0.into_values() {
            out.raw(key.as_slice());
            out.raw(value.as_slice());
        }
    }
}

fn is_called(m: &Member, name: &str) -> bool {
    m.name == name || m.was.iter().any(|was| was == name)
}

/// A variant by its name or an earlier one, and its position.
pub(super) fn find_variant<'m>(variants: &'m [Member], name: &str) -> Option<(usize, &'m Member)> {
    variants.iter().enumerate().find(|(_, m)| is_called(m, name))
}

fn check_len(len: usize, unit: &str, len_max: Option<u64>) -> Res<()> {
    match len_max {
        Some(max) if len as u64 > max => {
            Err(JsonError::expected(format!("at most {max} {unit}"), format!("{len}")))
        }
        _ => Ok(()),
    }
}

/// A number that JSON holds exactly, or digits in text: one text per number, so no sign or zero too many.
fn integer<T>(v: &Value, json_number: bool, out: &mut Out) -> Option<()>
where
    T: FromStr + TryFrom<i64> + TryFrom<u64> + Display + Wire,
{
    let value = match v {
        Value::Number(n) => match (n.as_u64(), n.as_i64()) {
            (Some(v), _) if v <= NUMBER_MAX => T::try_from(v).ok()?,
            (None, Some(v)) if v.unsigned_abs() <= NUMBER_MAX => T::try_from(v).ok()?,
            _ => return None,
        },
        Value::String(s) if !json_number => digits(s)?,
        _ => return None,
    };
    value.encode(out);
    Some(())
}

/// An integer's one text.
fn digits<T: FromStr + Display>(text: &str) -> Option<T> {
    text.parse::<T>().ok().filter(|v| v.to_string() == text)
}

/// The number that text of digits is, if JSON has it exactly: what `json_number` is in a query.
pub(super) fn exact_number(text: &str) -> Option<Value> {
    digits::<i64>(text).map(Value::from)
}

fn double(v: &Value) -> Option<f64> {
    match v {
        Value::Number(n) => n.as_f64(),
        Value::String(s) => match s.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            s if s.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) => {
                s.parse::<f64>().ok().filter(|v| v.is_finite())
            }
            _ => None,
        },
        _ => None,
    }
}
