//! Bytes being read, by somebody who does not trust them.

use std::fmt;

use bytes::Bytes;

/// What was wrong. One byte: a wide error would go through memory on every read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside a value.
    End,
    /// Bytes are left over.
    Rest,
    /// A number in a longer form than needed, or over its type's bytes.
    Varint,
    /// A number out of its type's range.
    Range,
    /// Text that is not UTF-8.
    Utf8,
    /// Neither 0 nor 1.
    Tag,
    /// Not one character.
    Char,
    /// More elements than the input can hold.
    Count,
    /// Nested deeper than 64 levels.
    Depth,
    /// Dearer in memory than the input's length allows.
    Budget,
    /// No such variant.
    Variant,
    /// A repeated key.
    Duplicate,
    /// A rule on the type refused it.
    Invalid,
    /// A typed value of another type.
    OtherType,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
impl std::error::Error for DecodeError {}

const DEPTH_MAX: u32 = 64;
const EMPTY_MAX: usize = 65_536;
const EXPAND: usize = 8;
const FLOOR: usize = 64 << 10;

/// A bounded reader: what it makes in memory is paid from a budget that the input's length sets.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    whole: Option<&'a Bytes>,
    budget: usize,
    depth: u32,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes, whole: None, budget: FLOOR + bytes.len() * EXPAND, depth: 0 }
    }
    /// Reads `bytes`; `Bytes` inside are slices of it.
    pub fn shared(bytes: &'a Bytes) -> Self {
        Reader { whole: Some(bytes), ..Self::new(bytes) }
    }
    /// All was read.
    pub fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Rest) }
    }
    /// Bytes not read yet.
    pub fn left(&self) -> usize {
        self.rest.len()
    }
    /// One byte.
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        let (&b, rest) = self.rest.split_first().ok_or(DecodeError::End)?;
        self.rest = rest;
        Ok(b)
    }
    /// Reads bytes that this program wrote and a checksum covers, without a budget: a legitimate value may be
    /// sparse. What it makes is still bounded, by its length times the size of the largest type inside.
    pub fn stored(bytes: &'a Bytes) -> Self {
        Reader { budget: usize::MAX, ..Self::shared(bytes) }
    }
    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let (a, b) = self.rest.split_at_checked(n).ok_or(DecodeError::End)?;
        self.rest = b;
        Ok(a)
    }
    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (a, b) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::End)?;
        self.rest = b;
        Ok(*a)
    }
    /// LEB128, shortest form only.
    pub fn var(&mut self) -> Result<u64, DecodeError> {
        u64::try_from(self.leb(10)?).map_err(|_| DecodeError::Varint)
    }
    /// LEB128, shortest form only.
    pub fn var128(&mut self) -> Result<u128, DecodeError> {
        self.leb(19)
    }
    fn leb(&mut self, bytes_max: usize) -> Result<u128, DecodeError> {
        let mut v = 0u128;
        for i in 0..bytes_max {
            let b = self.byte()?;
            if i == 18 && b > 3 {
                return Err(DecodeError::Varint);
            }
            v |= u128::from(b & 0x7f) << (7 * i);
            if b < 0x80 {
                return if b == 0 && i > 0 { Err(DecodeError::Varint) } else { Ok(v) };
            }
        }
        Err(DecodeError::Varint)
    }
    /// 0 or 1.
    pub fn tag(&mut self) -> Result<bool, DecodeError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Tag),
        }
    }
    /// Length and bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let n = self.var()?;
        self.take(usize::try_from(n).map_err(|_| DecodeError::End)?)
    }
    /// Length and text.
    pub fn str(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::Utf8)
    }
    /// Length and bytes, as a slice of the receive buffer where there is one.
    pub fn share(&mut self) -> Result<Bytes, DecodeError> {
        let b = self.bytes()?;
        match self.whole {
            Some(w) => Ok(w.slice_ref(b)),
            None => {
                self.charge(b.len())?;
                Ok(Bytes::copy_from_slice(b))
            }
        }
    }
    /// A number of elements, none larger than the input can hold nor dearer than the budget.
    pub fn count<T: crate::Wire>(&mut self) -> Result<usize, DecodeError> {
        let n = self.var()?;
        let max = if T::MIN == 0 { EMPTY_MAX } else { self.rest.len() / T::MIN };
        if n > max as u64 {
            return Err(DecodeError::Count);
        }
        self.charge(n as usize * size_of::<T>())?;
        Ok(n as usize)
    }
    /// Pays for memory about to be made.
    pub fn charge(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.budget = self.budget.checked_sub(bytes).ok_or(DecodeError::Budget)?;
        Ok(())
    }
    /// Enters an option, a sequence, a map or a variant's payload: what is counted as depth.
    pub fn nested<T>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        if self.depth == DEPTH_MAX {
            return Err(DecodeError::Depth);
        }
        self.depth += 1;
        let v = f(self)?;
        self.depth -= 1;
        Ok(v)
    }
}
