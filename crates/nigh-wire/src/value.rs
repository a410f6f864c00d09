//! A value whose type is not known here: still typed inside its process, bytes once it crossed a boundary.

use std::any::Any;
use std::fmt;

use bytes::Bytes;

use crate::{DecodeError, Out, Wire};

/// A typed value behind a pointer. Implemented for every [`Wire`] type, by nobody else.
pub trait AnyValue: Any + Send + Sync {
    /// Appends its canonical bytes.
    fn encode_into(&self, out: &mut Out);
    /// For downcasts.
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send + Sync>;
}

impl<T: Wire> AnyValue for T {
    fn encode_into(&self, out: &mut Out) {
        self.encode(out);
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send + Sync> {
        self
    }
}

/// Arguments or an answer on their way. Inside one process nothing is encoded that nobody reads as bytes.
pub enum Value {
    /// As it was made.
    Here(Box<dyn AnyValue>),
    /// As it arrived.
    Bytes(Bytes),
}

impl Value {
    /// Keeps `value` as it is.
    pub fn new<T: Wire>(value: T) -> Self {
        Value::Here(Box::new(value))
    }

    /// Its canonical bytes: encoded now, or those that arrived.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Value::Here(value) => {
                let mut out = Out::with_capacity(64);
                value.encode_into(&mut out);
                out.into_bytes()
            }
            Value::Bytes(bytes) => bytes.clone(),
        }
    }

    /// The value as a `T`.
    ///
    /// # Errors
    ///
    /// It is of another type, or its bytes are no `T`.
    pub fn take<T: Wire>(self) -> Result<T, DecodeError> {
        match self {
            Value::Here(value) => {
                value.into_any().downcast::<T>().map(|v| *v).map_err(|_| DecodeError::OtherType)
            }
            Value::Bytes(bytes) => crate::decode_shared(&bytes),
        }
    }
}

/// A copy is bytes: `T` need not be `Clone`.
impl Clone for Value {
    fn clone(&self) -> Self {
        Value::Bytes(self.to_bytes())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Here(_) => f.write_str("Value::Here"),
            Value::Bytes(bytes) => write!(f, "Value::Bytes({} bytes)", bytes.len()),
        }
    }
}
