//! Rules on a value: `#[wire(len <= N)]`, and `#[wire(check = "fn")]`. Held when a value is decoded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use crate::DecodeError;

/// A value with a length. For macros.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`len` bounds text, bytes, sequences, sets and maps, not `{Self}`",
    label = "has no length: put the bound on the type that holds the text or the elements"
)]
pub trait Length {
    /// Bytes of text or bytes, elements of the others; an option has that of its content.
    #[doc(hidden)]
    fn length(&self) -> usize;
}

macro_rules! lengths { ($($t:ty $(: $($p:ident)*)?;)*) => { $(
    impl$(<$($p),*>)? Length for $t {
        fn length(&self) -> usize { self.len() }
    }
)* } }
lengths! { String; Arc<str>; Bytes; Vec<T>: T; BTreeSet<T>: T; BTreeMap<K, V>: K V; }

impl<T: Length> Length for Option<T> {
    fn length(&self) -> usize {
        self.as_ref().map_or(0, T::length)
    }
}

impl<T: Length> Length for Box<T> {
    fn length(&self) -> usize {
        T::length(self)
    }
}

/// Passes a decoded value on if it is short enough. For macros.
#[doc(hidden)]
pub fn check_length<T: Length>(value: T, len_max: u64) -> Result<T, DecodeError> {
    let too_long = value.length() as u64 > len_max; // mutant len-unchecked: let too_long = false;
    if too_long { Err(DecodeError::Len) } else { Ok(value) }
}

/// Passes a decoded value on if the function of its type agrees. For macros.
#[doc(hidden)]
pub fn check_rule<T, E>(value: T, rule: impl FnOnce(&T) -> Result<(), E>) -> Result<T, DecodeError> {
    rule(&value).map_err(|_| DecodeError::Invalid)?;
    Ok(value)
}
