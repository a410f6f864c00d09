//! Wire forms of the standard types: numbers, text, options, sequences, sets, maps, tuples, pointers.
//!
//! Each states its node, its bytes and its least size once; what they cost is in [`Reader`].

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::marker::PhantomData;
use std::str::Utf8Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::wire::{Fallible, Plain};
use crate::{Builder, DecodeError, Node, NodeId, Out, Prim, Reader, Wire};

macro_rules! unsigned { ($($t:ty => $p:ident)*) => { $(
    impl Wire for $t {
        const MIN: usize = 1;
        type Shape = Plain;
        fn node(b: &mut Builder) -> NodeId { b.prim::<$t>(Prim::$p) }
        fn encode(&self, out: &mut Out) { out.var(u64::from(*self)) }
        fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
            <$t>::try_from(r.var()?).map_err(|_| DecodeError::Range)
        }
    }
)* } }
unsigned! { u16 => U16 u32 => U32 u64 => U64 }

macro_rules! signed { ($($t:ty => $p:ident)*) => { $(
    impl Wire for $t {
        const MIN: usize = 1;
        type Shape = Plain;
        fn node(b: &mut Builder) -> NodeId { b.prim::<$t>(Prim::$p) }
        fn encode(&self, out: &mut Out) {
            let v = i64::from(*self);
            out.var((v << 1 ^ v >> 63) as u64)
        }
        fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
            let v = r.var()?;
            <$t>::try_from((v >> 1) as i64 ^ -((v & 1) as i64)).map_err(|_| DecodeError::Range)
        }
    }
)* } }
signed! { i16 => I16 i32 => I32 i64 => I64 }

macro_rules! fixed { ($($t:ty => $p:ident)*) => { $(
    impl Wire for $t {
        const MIN: usize = size_of::<$t>();
        type Shape = Plain;
        fn node(b: &mut Builder) -> NodeId { b.prim::<$t>(Prim::$p) }
        fn encode(&self, out: &mut Out) { out.raw(&self.to_le_bytes()) }
        fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> { Ok(<$t>::from_le_bytes(r.array()?)) }
    }
)* } }
fixed! { i8 => I8 f32 => F32 f64 => F64 }

impl Wire for u8 {
    const MIN: usize = 1;
    type Shape = Plain;
    fn node(b: &mut Builder) -> NodeId {
        b.prim::<u8>(Prim::U8)
    }
    fn encode(&self, out: &mut Out) {
        out.byte(*self)
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.byte()
    }
    fn encode_all(items: &[u8], out: &mut Out) {
        out.raw(items)
    }
    fn decode_all(count: usize, r: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
        Ok(r.take(count)?.to_vec())
    }
    fn decode_array<const N: usize>(r: &mut Reader<'_>) -> Result<[u8; N], DecodeError> {
        r.array()
    }
}
impl Wire for u128 {
    const MIN: usize = 1;
    type Shape = Plain;
    fn node(b: &mut Builder) -> NodeId {
        b.prim::<u128>(Prim::U128)
    }
    fn encode(&self, out: &mut Out) {
        out.var128(*self)
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.var128()
    }
}
impl Wire for i128 {
    const MIN: usize = 1;
    type Shape = Plain;
    fn node(b: &mut Builder) -> NodeId {
        b.prim::<i128>(Prim::I128)
    }
    fn encode(&self, out: &mut Out) {
        out.var128((*self << 1 ^ *self >> 127) as u128)
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let v = r.var128()?;
        Ok((v >> 1) as i128 ^ -((v & 1) as i128))
    }
}
impl Wire for bool {
    const MIN: usize = 1;
    type Shape = Plain;
    fn node(b: &mut Builder) -> NodeId {
        b.prim::<bool>(Prim::Bool)
    }
    fn encode(&self, out: &mut Out) {
        out.byte(u8::from(*self))
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.tag()
    }
}
impl Wire for () {
    const MIN: usize = 0;
    type Shape = Plain;
    fn node(b: &mut Builder) -> NodeId {
        b.prim::<()>(Prim::Unit)
    }
    fn encode(&self, _: &mut Out) {}
    fn decode(_: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(())
    }
}
impl Wire for char {
    const MIN: usize = 2;
    type Shape = Plain;
    fn node(b: &mut Builder) -> NodeId {
        b.prim::<char>(Prim::Char)
    }
    fn encode(&self, out: &mut Out) {
        out.len_bytes(self.encode_utf8(&mut [0; 4]).as_bytes())
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut chars = r.str()?.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => Ok(c),
            _ => Err(DecodeError::Char),
        }
    }
}
impl Wire for String {
    const MIN: usize = 1;
    type Shape = Plain;
    fn node(b: &mut Builder) -> NodeId {
        b.prim::<String>(Prim::Str)
    }
    fn encode(&self, out: &mut Out) {
        out.len_bytes(self.as_bytes())
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let s = r.str()?;
        r.charge(s.len())?;
        Ok(s.to_owned())
    }
}
impl Wire for Bytes {
    const MIN: usize = 1;
    type Shape = Plain;
    fn node(b: &mut Builder) -> NodeId {
        b.prim::<Bytes>(Prim::Bytes)
    }
    fn encode(&self, out: &mut Out) {
        out.len_bytes(self)
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.share()
    }
}
/// Nanoseconds; 584 years and more are written as the most that 64 bits hold.
impl Wire for Duration {
    const MIN: usize = 1;
    type Shape = Plain;
    fn node(b: &mut Builder) -> NodeId {
        b.prim::<Duration>(Prim::Duration)
    }
    fn encode(&self, out: &mut Out) {
        out.var(u64::try_from(self.as_nanos()).unwrap_or(u64::MAX))
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.var().map(Duration::from_nanos)
    }
}
/// Holds nothing but a type.
impl<T: Send + Sync + 'static> Wire for PhantomData<T> {
    const MIN: usize = 0;
    type Shape = Plain;
    fn node(b: &mut Builder) -> NodeId {
        <()>::node(b)
    }
    fn encode(&self, _: &mut Out) {}
    fn decode(_: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(PhantomData)
    }
}
/// A name that many records share.
impl Wire for Arc<str> {
    const MIN: usize = 1;
    type Shape = Plain;
    fn node(b: &mut Builder) -> NodeId {
        String::node(b)
    }
    fn encode(&self, out: &mut Out) {
        out.len_bytes(self.as_bytes())
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = r.bytes()?;
        r.charge(bytes.len())?;
        named(bytes).map_err(|_| DecodeError::Utf8)
    }
}

thread_local! {
    /// Names that were read last: the next record has one of them, mostly.
    static NAMES: RefCell<VecDeque<Arc<str>>> = const { RefCell::new(VecDeque::new()) };
}

/// Names that a thread remembers, and the longest of them, in bytes.
const NAMES_MAX: usize = 8;
const NAME_SIZE_MAX: usize = 64;

/// The name that these bytes are, in one allocation with others that were read.
fn named(bytes: &[u8]) -> Result<Arc<str>, Utf8Error> {
    let read = || str::from_utf8(bytes).map(Arc::<str>::from);
    if bytes.len() > NAME_SIZE_MAX {
        return read();
    }
    // A thread that ends remembers none.
    let named = NAMES.try_with(|names| {
        let mut names = names.borrow_mut();
        if let Some(name) = names.iter().find(|name| name.as_bytes() == bytes) {
            return Ok(name.clone());
        }
        let name = read()?;
        names.truncate(NAMES_MAX - 1);
        names.push_front(name.clone());
        Ok(name)
    });
    named.unwrap_or_else(|_| read())
}
macro_rules! pointers { ($($t:ident)*) => { $(
    impl<T: Wire> Wire for $t<T> {
        const MIN: usize = T::MIN;
        type Shape = T::Shape;
        fn node(b: &mut Builder) -> NodeId { T::node(b) }
        fn encode(&self, out: &mut Out) { T::encode(self, out) }
        fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
            r.charge(size_of::<T>())?;
            Ok($t::new(T::decode(r)?))
        }
    }
)* } }
pointers! { Box Arc }

impl<T: Wire> Wire for Option<T> {
    const MIN: usize = 1;
    type Shape = Plain;
    fn node(b: &mut Builder) -> NodeId {
        b.define::<Self>(|b| Node::Option(T::node(b)))
    }
    fn encode(&self, out: &mut Out) {
        match self {
            None => out.byte(0),
            Some(v) => {
                out.byte(1);
                v.encode(out)
            }
        }
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(if r.tag()? { Some(r.nested(T::decode)?) } else { None })
    }
}
impl<T: Wire, E: Wire> Wire for Result<T, E> {
    const MIN: usize = 1;
    type Shape = Fallible;
    fn node(b: &mut Builder) -> NodeId {
        b.define::<Self>(|b| {
            let row = |name, ty| crate::Member { name, ty, was: vec![], default: None, docs: String::new() };
            let (ok, err) = (T::node(b), E::node(b));
            Node::Enum { variants: vec![row("Ok".into(), ok), row("Err".into(), err)] }
        })
    }
    fn encode(&self, out: &mut Out) {
        match self {
            Ok(v) => {
                out.byte(0);
                v.encode(out)
            }
            Err(e) => {
                out.byte(1);
                e.encode(out)
            }
        }
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.nested(|r| if r.tag()? { E::decode(r).map(Err) } else { T::decode(r).map(Ok) })
    }
}
impl<T: Wire> Wire for Vec<T> {
    const MIN: usize = 1;
    type Shape = Plain;
    fn node(b: &mut Builder) -> NodeId {
        b.define::<Self>(|b| Node::Seq(T::node(b)))
    }
    fn encode(&self, out: &mut Out) {
        out.var(self.len() as u64);
        T::encode_all(self, out)
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let n = r.count::<T>()?;
        r.nested(|r| if n == 0 { Ok(Vec::new()) } else { T::decode_all(n, r) })
    }
}
impl<K: Wire + Ord, V: Wire> Wire for BTreeMap<K, V> {
    const MIN: usize = 1;
    type Shape = Plain;
    fn node(b: &mut Builder) -> NodeId {
        b.define::<Self>(|b| {
            let (k, v) = (K::node(b), V::node(b));
            Node::Map(k, v)
        })
    }
    fn encode(&self, out: &mut Out) {
        out.var(self.len() as u64);
        for (k, v) in self {
            k.encode(out);
            v.encode(out)
        }
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let n = r.count::<(K, V)>()?;
        let map: Self = r.nested(|r| <(K, V)>::decode_all(n, r))?.into_iter().collect();
        let whole = map.len() == n; // mutant map-repeats-taken: let whole = true;
        if whole { Ok(map) } else { Err(DecodeError::Duplicate) }
    }
}
impl<T: Wire + Ord> Wire for BTreeSet<T> {
    const MIN: usize = 1;
    type Shape = Plain;
    fn node(b: &mut Builder) -> NodeId {
        b.define::<Self>(|b| Node::Set(T::node(b)))
    }
    fn encode(&self, out: &mut Out) {
        out.var(self.len() as u64);
        self.iter().for_each(|v| v.encode(out))
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let items = Vec::<T>::decode(r)?;
        let n = items.len();
        let set: Self = items.into_iter().collect();
        if set.len() == n { Ok(set) } else { Err(DecodeError::Duplicate) }
    }
}
impl<T: Wire, const N: usize> Wire for [T; N] {
    const MIN: usize = N * T::MIN;
    type Shape = Plain;
    fn node(b: &mut Builder) -> NodeId {
        b.define::<Self>(|b| {
            let t = T::node(b);
            Node::Tuple(vec![t; N])
        })
    }
    fn encode(&self, out: &mut Out) {
        T::encode_all(self, out)
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::decode_array(r)
    }
}
macro_rules! tuples { ($(($($n:ident $i:tt),+))*) => { $(
    impl<$($n: Wire),+> Wire for ($($n,)+) {
        const MIN: usize = 0 $(+ $n::MIN)+;
        type Shape = Plain;
        fn node(b: &mut Builder) -> NodeId { b.define::<Self>(|b| Node::Tuple(vec![$($n::node(b)),+])) }
        fn encode(&self, out: &mut Out) { $( self.$i.encode(out); )+ }
        fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> { Ok(($($n::decode(r)?,)+)) }
    }
)* } }
tuples! {
    (A 0) (A 0, B 1) (A 0, B 1, C 2) (A 0, B 1, C 2, D 3) (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5) (A 0, B 1, C 2, D 3, E 4, F 5, G 6) (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
}
