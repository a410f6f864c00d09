//! Money: whole cents, never more than every JSON reader can hold.

use std::fmt;

use nigh::Wire;

/// An amount in cents, at most 2^53 - 1: the largest integer that JSON numbers carry everywhere.
#[derive(Wire, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[wire(json_number, check = "in_range")]
pub struct Cents(u64);

/// Why a number is no amount: it is above [`Cents::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange;

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an amount is at most {} cents", Cents::MAX.0)
    }
}
impl std::error::Error for OutOfRange {}

/// Held by decoders: no amount that was read from anywhere is larger.
fn in_range(cents: &u64) -> Result<(), OutOfRange> {
    if *cents <= Cents::MAX.0 { Ok(()) } else { Err(OutOfRange) }
}

impl Cents {
    /// Nothing.
    pub const ZERO: Cents = Cents(0);
    /// 2^53 - 1 cents, some 90 million million of the currency.
    pub const MAX: Cents = Cents((1 << 53) - 1);

    /// The sum; `None` if it is above [`Cents::MAX`].
    pub fn checked_add(self, other: Cents) -> Option<Cents> {
        let sum = self.0.checked_add(other.0)?;
        Cents::try_from(sum).ok()
    }
    /// The difference; `None` if it is below zero.
    pub fn checked_sub(self, other: Cents) -> Option<Cents> {
        self.0.checked_sub(other.0).map(Cents)
    }
}

impl From<u32> for Cents {
    fn from(cents: u32) -> Self {
        Cents(cents.into())
    }
}
impl TryFrom<u64> for Cents {
    type Error = OutOfRange;
    fn try_from(cents: u64) -> Result<Self, OutOfRange> {
        in_range(&cents).map(|()| Cents(cents))
    }
}
impl From<Cents> for u64 {
    fn from(cents: Cents) -> u64 {
        cents.0
    }
}
