//! Ordered keys: another form of an encoded value, whose byte order is the value's `Ord`.
//!
//! Stores list keys by it, and JSON sorts maps and sets by it: no Rust type is needed to compare. The form is
//! prefix-free per shape, so that field after field compares as tuples do; it is injective, and nobody reads
//! it back. Layout: `spec/values.md`. Types whose `Ord` is not the derived one (`Reverse`) sort by their
//! fields all the same.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::ops::Range;

use crate::schema::FRAMES_MAX;
use crate::{DecodeError, Node, NodeId, Prim, Reader, Schema};

/// Ends text and bytes; a zero inside is followed by [`ZERO_INSIDE`], so the end sorts first.
const END: [u8; 2] = [0, 0];
/// Follows a zero byte inside text and bytes.
const ZERO_INSIDE: u8 = 0xff;
/// Before each element of a sequence, set or map.
const MORE: u8 = 1;
/// After the last element.
const NO_MORE: u8 = 0;
/// What visiting one node costs of the budget: a schema can ask for many visits that read no byte.
const VISIT_COST: usize = 1;

impl Schema {
    /// A form of the encoded value whose byte order is the value's order.
    ///
    /// # Errors
    ///
    /// The bytes are no value of this shape, or not its canonical ones: two encodings of one key would be
    /// two entities. Rules that only the type knows (`check`) are not run.
    pub fn order_key(&self, bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
        self.order_key_of(self.root, bytes)
    }

    /// As [`Schema::order_key`], in place of what `out` held: for many keys, one after the other.
    ///
    /// # Errors
    ///
    /// As [`Schema::order_key`]; `out` holds nothing of use then.
    pub fn order_key_into(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        out.clear(); // mutant order-key-behind-another: out.truncate(usize::MAX);
        out.reserve(bytes.len() + 8);
        let mut walk =
            Walk { schema: self, r: Reader::new(bytes), out: std::mem::take(out), frames: 0, strict: true };
        let walked = walk.node(self.root, None).and_then(|()| walk.r.end());
        *out = walk.out;
        walked
    }

    pub(crate) fn order_key_of(&self, id: NodeId, bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut walk = Walk {
            schema: self,
            r: Reader::new(bytes),
            out: Vec::with_capacity(bytes.len() + 8),
            frames: 0,
            strict: true,
        };
        walk.node(id, None)?;
        walk.r.end()?;
        Ok(walk.out)
    }

    /// Where the fields of an encoded struct stand, which may hold maps and sets in any order.
    ///
    /// # Errors
    ///
    /// The bytes are no value of this shape, or it is no struct.
    pub fn fields(&self, bytes: &[u8]) -> Result<Vec<Range<usize>>, DecodeError> {
        let Node::Struct { fields } = self.node(self.root) else { return Err(DecodeError::OtherType) };
        let mut walk = Walk::lenient(self, bytes);
        let mut ends = Vec::with_capacity(fields.len());
        for field in fields {
            let from = bytes.len() - walk.r.left();
            walk.node(field.ty, None)?;
            walk.out.clear();
            ends.push(from..bytes.len() - walk.r.left());
        }
        walk.r.end()?;
        Ok(ends)
    }

    /// Of a map or set that is a field of this struct: its entries, as they stand.
    ///
    /// # Errors
    ///
    /// The bytes are no value of this shape, or it is none of these.
    pub fn entries(&self, field: usize, bytes: &[u8]) -> Result<Vec<Entry>, DecodeError> {
        let parts = self.entry_of(field)?;
        let mut walk = Walk::lenient(self, bytes);
        let size_min = usize::from(!parts.iter().all(|id| self.is_empty_kind(*id)));
        let count = walk.r.count_of(size_min, VISIT_COST)?;
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            let from = bytes.len() - walk.r.left();
            walk.node(parts[0], None)?;
            let order = std::mem::take(&mut walk.out);
            parts[1..].iter().try_for_each(|id| walk.node(*id, None))?;
            walk.out.clear();
            entries.push(Entry { order, range: from..bytes.len() - walk.r.left() });
        }
        walk.r.end()?;
        Ok(entries)
    }

    /// Of a map or set that is a field of this struct: the ordered form of a key.
    ///
    /// # Errors
    ///
    /// As [`Schema::order_key`]; or it is none of these.
    pub fn order_key_in(&self, field: usize, key: &[u8]) -> Result<Vec<u8>, DecodeError> {
        self.order_key_of(self.entry_of(field)?[0], key)
    }

    /// Key and value of a field that is a map, the element of one that is a set.
    fn entry_of(&self, field: usize) -> Result<Vec<NodeId>, DecodeError> {
        let Node::Struct { fields } = self.node(self.root) else { return Err(DecodeError::OtherType) };
        let field = fields.get(field).ok_or(DecodeError::OtherType)?;
        match self.node(self.behind_bounds(field.ty)) {
            Node::Map(key, value) => Ok(vec![*key, *value]),
            Node::Set(of) => Ok(vec![*of]),
            _ => Err(DecodeError::OtherType),
        }
    }
}

/// An entry of a map or a set, in bytes that hold all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The ordered form of its key, or of the element.
    pub order: Vec<u8>,
    /// Where it stands, with its value.
    pub range: Range<usize>,
}

struct Walk<'a> {
    schema: &'a Schema,
    r: Reader<'a>,
    out: Vec<u8>,
    frames: u32,
    /// Entries of maps and sets are in the order of their keys.
    strict: bool,
}

type Done = Result<(), DecodeError>;

impl<'a> Walk<'a> {
    fn lenient(schema: &'a Schema, bytes: &'a [u8]) -> Self {
        let r = Reader::with_budget(bytes, usize::MAX);
        Walk { schema, r, out: Vec::new(), frames: 0, strict: false }
    }

    fn node(&mut self, id: NodeId, len_max: Option<u64>) -> Done {
        self.r.charge(VISIT_COST)?;
        if self.frames == FRAMES_MAX {
            return Err(DecodeError::Depth);
        }
        self.frames += 1;
        let schema = self.schema;
        match schema.node(id) {
            Node::Prim { prim, .. } => self.prim(*prim, len_max)?,
            Node::Option(of) => self.option(*of, len_max)?,
            Node::Seq(of) => self.elements(&[*of], len_max, false)?,
            Node::Set(of) => self.elements(&[*of], len_max, true)?,
            Node::Map(k, v) => self.elements(&[*k, *v], len_max, true)?,
            Node::Tuple(all) => all.iter().try_for_each(|id| self.node(*id, None))?,
            Node::Struct { fields } => fields.iter().try_for_each(|m| self.node(m.ty, None))?,
            Node::Enum { variants } => {
                self.r.enter()?;
                let at = self.r.var()?;
                let member = usize::try_from(at).ok().and_then(|at| variants.get(at));
                let member = member.ok_or(DecodeError::Variant)?;
                // At most 1,024 variants: two bytes hold the position.
                self.out.extend((at as u16).to_be_bytes());
                self.node(member.ty, None)?;
                self.r.leave();
            }
            Node::Bounded { of, len_max: max } => {
                self.node(*of, Some(len_max.map_or(*max, |m| m.min(*max))))?
            }
        }
        self.frames -= 1;
        Ok(())
    }

    fn option(&mut self, of: NodeId, len_max: Option<u64>) -> Done {
        let some = self.r.tag()?;
        self.out.push(u8::from(some));
        if some {
            self.r.enter()?;
            self.node(of, len_max)?;
            self.r.leave();
        }
        Ok(())
    }

    /// Elements, or keys with their values; if `ordered`, canonically: ascending, none twice.
    fn elements(&mut self, parts: &[NodeId], len_max: Option<u64>, ordered: bool) -> Done {
        let size_min = usize::from(!parts.iter().all(|id| self.schema.is_empty_kind(*id)));
        let count = self.r.count_of(size_min, VISIT_COST)?;
        check_len(count, len_max)?;
        self.r.enter()?;
        let mut last = None;
        for _ in 0..count {
            self.out.push(MORE);
            let start = self.out.len();
            self.node(parts[0], None)?;
            let end = self.out.len();
            if let (true, Some(last)) = (ordered && self.strict, last.replace(start..end)) {
                match self.out[last].cmp(&self.out[start..end]) {
                    Ordering::Less => {}
                    Ordering::Equal => return Err(DecodeError::Duplicate),
                    Ordering::Greater => return Err(DecodeError::Order),
                }
            }
            parts[1..].iter().try_for_each(|id| self.node(*id, None))?;
        }
        self.out.push(NO_MORE);
        self.r.leave();
        Ok(())
    }

    fn prim(&mut self, prim: Prim, len_max: Option<u64>) -> Done {
        match prim {
            Prim::Unit => {}
            Prim::Bool => {
                let v = self.r.tag()?;
                self.out.push(u8::from(v));
            }
            Prim::U8 => {
                let v = self.r.byte()?;
                self.out.push(v);
            }
            // The sign bit is turned, so that negative numbers come first.
            Prim::I8 => {
                let v = self.r.byte()?;
                self.out.push(v ^ 0x80);
            }
            Prim::U16 => self.number::<u16, 2>(u16::to_be_bytes)?,
            Prim::U32 => self.number::<u32, 4>(u32::to_be_bytes)?,
            Prim::U64 | Prim::Time | Prim::Duration => self.number::<u64, 8>(u64::to_be_bytes)?,
            Prim::U128 => self.number::<u128, 16>(u128::to_be_bytes)?,
            Prim::I16 => self.number::<i16, 2>(|v| (v ^ i16::MIN).to_be_bytes())?,
            Prim::I32 => self.number::<i32, 4>(|v| (v ^ i32::MIN).to_be_bytes())?,
            Prim::I64 => {
                let sign = i64::MIN; // mutant order-sign-kept: let sign = 0;
                self.number::<i64, 8>(|v| (v ^ sign).to_be_bytes())?;
            }
            Prim::I128 => self.number::<i128, 16>(|v| (v ^ i128::MIN).to_be_bytes())?,
            Prim::F32 => self.number::<f32, 4>(|v| {
                let bits = v.to_bits();
                (if bits >> 31 == 1 { !bits } else { bits ^ 1 << 31 }).to_be_bytes()
            })?,
            Prim::F64 => self.number::<f64, 8>(|v| {
                let bits = v.to_bits();
                (if bits >> 63 == 1 { !bits } else { bits ^ 1 << 63 }).to_be_bytes()
            })?,
            Prim::Char => {
                let v = <char as crate::Wire>::decode(&mut self.r)?;
                self.out.extend(u32::from(v).to_be_bytes());
            }
            Prim::Str => {
                let v = self.r.str()?;
                check_len(v.len(), len_max)?;
                self.escaped(v.as_bytes());
            }
            Prim::Bytes => {
                let v = self.r.bytes()?;
                check_len(v.len(), len_max)?;
                self.escaped(v);
            }
        }
        Ok(())
    }

    fn number<T: crate::Wire, const N: usize>(&mut self, form: impl Fn(T) -> [u8; N]) -> Done {
        let v = T::decode(&mut self.r)?;
        self.out.extend(form(v));
        Ok(())
    }

    fn escaped(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        // Hardly any has one, and this looks at several bytes at a time.
        while rest.contains(&0) {
            let zero = rest.iter().position(|b| *b == 0); // mutant order-zero-unescaped: let zero = None::<usize>;
            let Some(zero) = zero else { break };
            let (part, after) = rest.split_at(zero + 1);
            self.out.extend_from_slice(part);
            self.out.push(ZERO_INSIDE);
            rest = after;
        }
        self.out.extend_from_slice(rest);
        self.out.extend(END);
    }
}

/// Holds a length to the bound of its type.
pub(crate) fn check_len(len: usize, len_max: Option<u64>) -> Done {
    if len_max.is_some_and(|max| len as u64 > max) { Err(DecodeError::Len) } else { Ok(()) }
}
