//! What a program imports: `use nigh::prelude::*;`.
//!
//! Names a program writes in most files, and no trait whose methods could clash with its own.

pub use crate::{
    Asked, Call, CallError, Cause, IntoArg, Map, Never, Nigh, Settled, State, Ticket, Time, Tx, View, Wire,
};
pub use nigh_wire::Bytes;
