//! Names of calls (R1): a caller, its number, and when it was born.

use std::fmt;
use std::str::FromStr;

use crate::wire::Plain;
use crate::{Builder, DecodeError, NodeId, Out, Reader, Time, Wire};

#[cfg(test)]
mod tests;

/// One user of numbers at a time (R1): drawn at random at each start of a process, 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallerId(pub u128);

/// 16 bytes, little-endian: all its bits are random, so a shorter form would be longer.
impl Wire for CallerId {
    const MIN: usize = 16;
    type Shape = Plain;
    fn node(b: &mut Builder) -> NodeId {
        <[u8; 16]>::node(b)
    }
    fn encode(&self, out: &mut Out) {
        out.raw(&self.0.to_le_bytes());
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(CallerId(u128::from_le_bytes(r.array()?)))
    }
}

impl fmt::Debug for CallerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A call's name, for as long as anybody remembers it.
///
/// Its text form, `nigh1.<caller>.<number>.<birth>` with a hexadecimal caller, is what HTTP's
/// `Idempotency-Key` may carry.
#[derive(Wire, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    /// Who numbered it.
    pub caller: CallerId,
    /// Never used twice by its caller; starts at 1.
    pub number: u64,
    /// When it was made, by its caller's clock, corrected by its owner's (R17).
    pub birth: Time,
}

/// 64 bits over entity, key, method and argument bytes (R3): tells apart two calls under one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u64);

/// 8 bytes, little-endian, as [`CallerId`] is 16.
impl Wire for Fingerprint {
    const MIN: usize = 8;
    type Shape = Plain;
    fn node(b: &mut Builder) -> NodeId {
        <[u8; 8]>::node(b)
    }
    fn encode(&self, out: &mut Out) {
        out.raw(&self.0.to_le_bytes());
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Fingerprint(u64::from_le_bytes(r.array()?)))
    }
}

impl Fingerprint {
    /// Of a call as it was sent. Each part is prefixed by its length, so that none can pose as another.
    pub fn of(entity: &str, key: &[u8], method: &str, args: &[u8]) -> Self {
        let hash = hash_parts(&[entity.as_bytes(), key, method.as_bytes(), args]);
        Fingerprint(u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes")))
    }
}

/// Parts that are together at most this long, in bytes, are hashed in one go: a third of the time of several.
const HASHED_AT_ONCE_MAX: usize = 256;

/// BLAKE3 of several parts, each prefixed by its length in eight bytes.
pub(crate) fn hash_parts(parts: &[&[u8]]) -> blake3::Hash {
    let size: usize = parts.iter().map(|part| 8 + part.len()).sum();
    if size > HASHED_AT_ONCE_MAX {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        return hasher.finalize();
    }
    let mut whole = [0; HASHED_AT_ONCE_MAX];
    let mut at = 0;
    for part in parts {
        whole[at..at + 8].copy_from_slice(&(part.len() as u64).to_le_bytes());
        whole[at + 8..at + 8 + part.len()].copy_from_slice(part);
        at += 8 + part.len();
    }
    crate::made::hash(&whole[..at])
}

/// An idempotency key and whose it is: a keyed call is remembered under (principal, entity, key, method, this).
#[derive(Wire, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Keyed {
    /// Who asks; empty until callers have names.
    pub principal: String,
    /// What the caller wrote: `.once("order-7")`, or HTTP's `Idempotency-Key`. At most [`Keyed::SIZE_MAX`].
    pub key: String,
}

impl Keyed {
    /// Longest idempotency key, in bytes: four times a UUID's text and some.
    pub const SIZE_MAX: usize = 255;
}

/// Prefix and version of an id's text form.
const PREFIX: &str = "nigh1";

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}.{:032x}.{}.{}", self.caller.0, self.number, self.birth.as_nanos())
    }
}

/// The text is no call id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseIdError;

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a call id: write `nigh1.<caller, 32 hexadecimal digits>.<number from 1>.<birth, ns since 1970>`",
        )
    }
}
impl std::error::Error for ParseIdError {}

impl FromStr for CallId {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or(ParseIdError);
        let (prefix, caller, number, birth) = (next()?, next()?, next()?, next()?);
        // Lower case only: an id has one text, so that a text stands for one id.
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if prefix != PREFIX || caller.len() != 32 || !digits(caller) || parts.next().is_some() {
            return Err(ParseIdError);
        }
        let decimal = |s: &str| {
            let plain = s.bytes().all(|b| b.is_ascii_digit()) && (s == "0" || !s.starts_with('0'));
            if plain { s.parse::<u64>().map_err(|_| ParseIdError) } else { Err(ParseIdError) }
        };
        let number = decimal(number)?;
        if number == 0 {
            return Err(ParseIdError);
        }
        Ok(CallId {
            caller: CallerId(u128::from_str_radix(caller, 16).map_err(|_| ParseIdError)?),
            number,
            birth: Time::from_nanos(decimal(birth)?),
        })
    }
}
