//! Bytes being read, by somebody who does not trust them.
//!
//! A [`Reader`] pays before it allocates: counts are held against the bytes left, levels are counted, and
//! what a value costs in memory comes out of a budget that the input's length sets. Layout and budgets:
//! `spec/values.md`. Never panics, never recurses by itself.

#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;

/// What was wrong. One byte: a wide error would go through memory on every read.
///
/// The place is found afterwards, by [`Schema::explain`](crate::Schema::explain).
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
    /// Longer than `#[wire(len <= N)]` allows.
    Len,
    /// Entries of a map or a set out of order, where canonical bytes are asked for.
    Order,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::End => "the bytes end inside a value",
            Self::Rest => "bytes are left over behind the value",
            Self::Varint => "a number is not in its shortest form, or too long for its type",
            Self::Range => "a number is out of its type's range",
            Self::Utf8 => "text is not UTF-8",
            Self::Tag => "a tag is neither 0 nor 1",
            Self::Char => "a character is not exactly one",
            Self::Count => "a count is larger than the input can hold",
            Self::Depth => "nested deeper than 64 levels",
            Self::Budget => "dearer in memory than 64 KiB and 8 times the input's length",
            Self::Variant => "no variant has this position",
            Self::Duplicate => "a key of a map, or an element of a set, is repeated",
            Self::Invalid => "a rule of the type refuses the value",
            Self::OtherType => "the value is of another type",
            Self::Order => "entries of a map or a set are not in the order of their keys",
            Self::Len => "longer than its type allows",
        })
    }
}
impl std::error::Error for DecodeError {}

/// Levels of nesting. Entering `Some`, a sequence, a set, a map or an enum adds one; structs, tuples and
/// pointers add none. 64 levels of a 330-byte enum take 256 KiB of stack in a debug build: an eighth of a thread's.
pub(crate) const LEVELS_MAX: u32 = 64;
/// Elements of no bytes in one sequence: no input pays for them, and 65,536 are free to iterate.
const EMPTY_ELEMENTS_MAX: usize = 65_536;
/// Memory that a byte of input pays for: rows of texts and numbers need 3 to 5.
const BUDGET_FACTOR: usize = 8;
/// Memory that any input may take, in bytes: so that small sparse values need not be counted.
const BUDGET_FLOOR: usize = 64 << 10;
/// Shorter slices are copied, in bytes: a copy of 4 KiB costs about 100 ns, a pinned buffer up to 1 MiB. Of a shorter buffer
/// nothing is shared.
pub(crate) const SHARED_SIZE_MIN: usize = 4 << 10;
/// What a slice may keep beside itself, in bytes, however short it is: less than an allocation of its own would.
const SHARED_REST_MAX: usize = 16;
/// Shorter ones are cheap to copy, in bytes.
const SHARED_WHOLE_MIN: usize = 24;
/// A slice shorter than this part of its buffer is copied, so that four values pin at most four times their size.
const SHARED_PART_MIN: usize = 4;

/// The seven low bits of each byte, side by side: gaps are closed pairwise.
#[inline]
fn joined(word: u64) -> u64 {
    let x = word & 0x7f7f_7f7f_7f7f_7f7f;
    let x = (x & 0x007f_007f_007f_007f) | (x & 0x7f00_7f00_7f00_7f00) >> 1;
    let x = (x & 0x0000_3fff_0000_3fff) | (x & 0x3fff_0000_3fff_0000) >> 2;
    (x & 0x0fff_ffff) | (x & 0x0fff_ffff_0000_0000) >> 4
}

/// Memory that these bytes pay for.
fn budget_of(bytes: &[u8]) -> usize {
    BUDGET_FLOOR.saturating_add(bytes.len().saturating_mul(BUDGET_FACTOR))
}

/// From which size on a slice of these bytes is worth that it keeps all of them.
fn shared_min(bytes: &Bytes) -> usize {
    SHARED_SIZE_MIN.max(bytes.len() / SHARED_PART_MIN)
}

/// True if it is the buffer but for some bytes: of an argument alone, the argument.
fn is_nearly_all(bytes: &[u8], whole: &Bytes) -> bool {
    let pins_little = whole.len() - bytes.len() <= SHARED_REST_MAX; // mutant short-slice-pins: let pins_little = whole.len() > bytes.len();
    pins_little && bytes.len() >= SHARED_WHOLE_MIN
}

/// What was read, without what may stand around it: what is short was copied when it was read.
pub fn unshared(bytes: Bytes) -> Bytes {
    if bytes.len() < SHARED_SIZE_MIN { bytes } else { crate::copied(&bytes) }
}

/// A bounded reader: what it makes in memory is paid from a budget that the input's length sets.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    whole: Option<&'a Bytes>,
    /// Shorter slices of it are copied.
    slice_min: usize,
    budget: usize,
    level: u32,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::with_budget(bytes, budget_of(bytes))
    }
    /// What follows has a budget of its own, as if these bytes began here.
    pub fn begin_anew(&mut self) {
        self.budget = budget_of(self.rest);
    }
    /// Reads `bytes`; large `Bytes` inside are slices of it.
    pub fn shared(bytes: &'a Bytes) -> Self {
        Reader { whole: Some(bytes), slice_min: shared_min(bytes), ..Self::new(bytes) }
    }
    /// As [`Reader::shared`], and all `Bytes` inside are slices, however short: for whoever lets go of them soon, or together.
    pub fn sliced(bytes: &'a Bytes) -> Self {
        Reader { whole: Some(bytes), ..Self::new(bytes) }
    }
    /// Reads bytes that this program wrote and whose checksum was verified: a state may honestly be dearer in
    /// memory than what a stranger may send. Levels and counts are bounded all the same.
    pub fn stored(bytes: &'a Bytes) -> Self {
        Reader { whole: Some(bytes), slice_min: shared_min(bytes), ..Self::with_budget(bytes, usize::MAX) }
    }
    /// Reads `bytes` into something else than values, that costs otherwise.
    pub(crate) fn with_budget(bytes: &'a [u8], budget: usize) -> Self {
        Reader { rest: bytes, whole: None, slice_min: 0, budget, level: 0 }
    }
    /// All was read.
    ///
    /// # Errors
    ///
    /// Bytes are left.
    pub fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Rest) }
    }
    /// Bytes not read yet.
    pub fn left(&self) -> usize {
        self.rest.len()
    }
    /// All bytes not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }
    /// One byte.
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        let (&b, rest) = self.rest.split_first().ok_or(DecodeError::End)?;
        self.rest = rest;
        Ok(b)
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
    /// LEB128 of at most 64 bits, shortest form only.
    pub fn var(&mut self) -> Result<u64, DecodeError> {
        match self.rest.split_first() {
            Some((&b, rest)) if b < 0x80 => {
                self.rest = rest;
                Ok(u64::from(b))
            }
            _ => self.var_long(),
        }
    }
    /// Two bytes or more. With ten at hand, eight are read at once: the first clear top bit says how many count.
    #[inline(never)]
    fn var_long(&mut self) -> Result<u64, DecodeError> {
        let Some(word) = self.rest.first_chunk::<8>() else { return self.var_slow() };
        let word = u64::from_le_bytes(*word);
        let stop = !word & 0x8080_8080_8080_8080;
        if stop == 0 {
            return self.var_over_56_bits(word);
        }
        let n = (stop.trailing_zeros() + 1) / 8;
        // Keep n bytes.
        let x = joined(word & (u64::MAX >> (64 - 8 * n)));
        // One encoding per value: a last group of zeros could have been left out.
        let overlong = x >> (7 * (n - 1)) == 0; // mutant varint-overlong: let overlong = false;
        if overlong {
            return Err(DecodeError::Varint);
        }
        self.rest = &self.rest[n as usize..];
        Ok(x)
    }
    /// Nine bytes or ten, of which `word` is the first eight.
    fn var_over_56_bits(&mut self, word: u64) -> Result<u64, DecodeError> {
        // The tenth holds the last bit.
        let ends = self.rest.get(9) == Some(&1); // mutant varint-past-64-bits: let ends = self.rest.len() > 9;
        let (high, n) = match self.rest[8..] {
            [b @ 1..0x80, ..] => (u64::from(b), 9),
            [b, ..] if b >= 0x80 && ends => (u64::from(b & 0x7f) | 0x80, 10),
            _ => return self.var_slow(),
        };
        self.rest = &self.rest[n..];
        Ok(joined(word) | high << 56)
    }
    /// Near the end of the input, or malformed.
    fn var_slow(&mut self) -> Result<u64, DecodeError> {
        u64::try_from(self.leb(10)?).map_err(|_| DecodeError::Varint)
    }
    /// LEB128 of at most 128 bits, shortest form only.
    pub fn var128(&mut self) -> Result<u128, DecodeError> {
        self.leb(19)
    }
    fn leb(&mut self, bytes_max: usize) -> Result<u128, DecodeError> {
        let mut v = 0u128;
        for i in 0..bytes_max {
            let b = self.byte()?;
            // 18 groups of 7 bits are 126: the 19th holds two more.
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
    /// Length and bytes: a slice of the receive buffer where that is worth pinning it, else a copy.
    pub fn share(&mut self) -> Result<Bytes, DecodeError> {
        let b = self.bytes()?;
        match self.whole {
            Some(w) if b.len() >= self.slice_min || is_nearly_all(b, w) => Ok(w.slice_ref(b)),
            _ => {
                self.charge(b.len())?;
                Ok(crate::copied(b))
            }
        }
    }
    /// A number of elements, none larger than the input can hold nor dearer than the budget.
    #[inline]
    pub fn count<T: crate::Wire>(&mut self) -> Result<usize, DecodeError> {
        match self.rest {
            // Most lists are empty.
            [0, rest @ ..] => {
                self.rest = rest;
                Ok(0)
            }
            _ => self.count_of(T::MIN, size_of::<T>()),
        }
    }
    /// As [`Reader::count`], of elements of at least `size_min` bytes that cost `cost` bytes of memory each.
    pub(crate) fn count_of(&mut self, size_min: usize, cost: usize) -> Result<usize, DecodeError> {
        let n = self.var()?;
        let max = self.rest.len().checked_div(size_min).unwrap_or(EMPTY_ELEMENTS_MAX);
        let too_many = n > max as u64; // mutant count-unchecked: let too_many = n > 1 << 20;
        if too_many {
            return Err(DecodeError::Count);
        }
        self.charge((n as usize).saturating_mul(cost))?;
        Ok(n as usize)
    }
    /// Pays for memory about to be made.
    pub fn charge(&mut self, bytes: usize) -> Result<(), DecodeError> {
        let left = self.budget.checked_sub(bytes); // mutant budget-halved: let left = self.budget.checked_sub(bytes.div_ceil(2));
        self.budget = left.ok_or(DecodeError::Budget)?;
        Ok(())
    }
    /// Enters an option, a sequence, a set, a map or an enum: what is counted as depth.
    pub fn nested<T>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        self.enter()?;
        let v = f(self)?;
        self.leave();
        Ok(v)
    }
    /// One level down.
    pub(crate) fn enter(&mut self) -> Result<(), DecodeError> {
        let too_deep = self.level == LEVELS_MAX; // mutant depth-unchecked: let too_deep = false;
        if too_deep {
            return Err(DecodeError::Depth);
        }
        self.level += 1;
        Ok(())
    }
    /// One level up.
    pub(crate) fn leave(&mut self) {
        self.level -= 1;
    }
}
