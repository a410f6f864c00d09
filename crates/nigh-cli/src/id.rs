//! A fresh name for one call: nobody else draws the same caller, so its first number is free.

use std::fs::File;
use std::io::{self, Read};
use std::time::UNIX_EPOCH;

use nigh_wire::{CallId, CallerId, Time};

use crate::clock::today;

/// `nigh1.<random>.1.<now>`.
///
/// # Errors
///
/// The system has no random numbers, or its clock stands before 1970.
pub(crate) fn fresh() -> io::Result<CallId> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let caller = CallerId(u128::from_le_bytes(bytes));
    let now = today().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    let birth = Time::from_nanos(u64::try_from(now.as_nanos()).map_err(io::Error::other)?);
    Ok(CallId { caller, number: 1, birth })
}
