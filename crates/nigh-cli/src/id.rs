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
    Ok(CallId { caller: CallerId(random()?), number: 1, birth: now()? })
}

/// 128 random bits.
///
/// # Errors
///
/// The system has none.
pub(crate) fn random() -> io::Result<u128> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u128::from_le_bytes(bytes))
}

/// The wall clock.
///
/// # Errors
///
/// It stands before 1970.
pub(crate) fn now() -> io::Result<Time> {
    let now = today().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    Ok(Time::from_nanos(u64::try_from(now.as_nanos()).map_err(io::Error::other)?))
}
