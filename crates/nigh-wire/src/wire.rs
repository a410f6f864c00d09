//! What a value is: something with a schema, an encoding and a bounded decoding.
//!
//! Derive it. Layout: `spec/values.md`. `usize`, `isize`, references and hash maps have no wire form: their
//! size, lifetime or order differs between processes.

use bytes::Bytes;

use crate::decode::SHARED_SIZE_MIN;
use crate::{Builder, DecodeError, NodeId, Out, Reader, Schema};

/// A value that may travel between processes and be stored.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no wire form: it can neither travel nor be stored",
    label = "not `Wire`",
    note = "add `#[derive(Wire)]` to `{Self}`, or use a type that has it"
)]
pub trait Wire: Sized + Send + Sync + 'static {
    /// Fewest bytes of an encoded value: bounds how many elements an input can hold.
    const MIN: usize;
    /// [`Plain`] for all types but `Result`.
    #[doc(hidden)]
    type Shape;
    /// Adds this type's node to a schema.
    fn node(b: &mut Builder) -> NodeId;
    /// Appends the value's canonical bytes.
    fn encode(&self, out: &mut Out);
    /// Reads one value, paying for what it makes in memory from the reader's budget.
    ///
    /// # Errors
    ///
    /// The bytes are no value of this type, or dearer than the budget.
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError>;
    /// Appends all items, without their count: a type whose bytes are its memory does it at once.
    #[doc(hidden)]
    fn encode_all(items: &[Self], out: &mut Out) {
        for item in items {
            item.encode(out);
        }
    }
    /// Reads `count` items, paid for by the caller.
    #[doc(hidden)]
    fn decode_all(count: usize, r: &mut Reader<'_>) -> Result<Vec<Self>, DecodeError> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(Self::decode(r)?);
        }
        Ok(items)
    }
    /// Reads an array; in place, since its size is the type's.
    #[doc(hidden)]
    fn decode_array<const N: usize>(r: &mut Reader<'_>) -> Result<[Self; N], DecodeError> {
        let mut failed = None;
        let items: [Option<Self>; N] = std::array::from_fn(|_| {
            if failed.is_some() {
                return None;
            }
            Self::decode(r).map_err(|error| failed = Some(error)).ok()
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(items.map(|item| item.expect("nothing failed, so every item was read"))),
        }
    }
}

/// Shape of every type but `Result`.
#[doc(hidden)]
#[derive(Debug)]
pub enum Plain {}
/// Shape of `Result`, under whatever alias.
#[doc(hidden)]
#[derive(Debug)]
pub enum Fallible {}

#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "this method returns a `Result` under another name",
    label = "write `Result<T, E>` in full",
    note = "the macro must see that the method can fail, and with what: an `Err` undoes the change"
)]
pub trait IsPlain {}
impl IsPlain for Plain {}

/// Compiles only for types that are not `Result`: a signature is parsed, never resolved.
#[doc(hidden)]
pub fn plain<T: Wire<Shape: IsPlain>>() {}

/// The schema of `T`.
pub fn schema_of<T: Wire>() -> Schema {
    let mut builder = Builder::default();
    let root = T::node(&mut builder);
    builder.finish(root)
}

/// The canonical bytes of a value.
pub fn encode<T: Wire>(value: &T) -> Bytes {
    let mut out = Out::with_capacity(64);
    value.encode(&mut out);
    out.into_bytes()
}

/// The value that `bytes` hold, all of them.
///
/// # Errors
///
/// The bytes are no value of `T`, hold more than one, or are dearer than their length allows.
pub fn decode<T: Wire>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut reader = Reader::new(bytes);
    let value = T::decode(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// As [`decode`], but `Bytes` inside the value are slices of the input.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_shared<T: Wire>(bytes: &Bytes) -> Result<T, DecodeError> {
    let mut reader = Reader::shared(bytes);
    let value = T::decode(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// As [`decode_shared`], from bytes that others keep: they are copied first, if a slice of the copy can be worth that.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_owned<T: Wire>(bytes: &[u8]) -> Result<T, DecodeError> {
    if bytes.len() < SHARED_SIZE_MIN { decode(bytes) } else { decode_shared(&Bytes::copy_from_slice(bytes)) }
}

/// As [`decode_shared`], for bytes that this program wrote and whose checksum was verified: without a budget.
///
/// # Errors
///
/// The bytes are no value of `T`, or hold more than one.
pub fn decode_stored<T: Wire>(bytes: &Bytes) -> Result<T, DecodeError> {
    let mut reader = Reader::stored(bytes);
    let value = T::decode(&mut reader)?;
    reader.end()?;
    Ok(value)
}
