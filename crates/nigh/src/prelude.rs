//! What a program imports: `use nigh::prelude::*;`.
//!
//! Names a program writes in most files, and no trait whose methods could clash with its own.

pub use crate::{
    App, Asked, Call, CallError, Cause, Config, Homed, IntoArg, List, Map, Never, Nigh, Node, Set, Settled,
    State, Ticket, Time, Tx, View, Wire,
};
pub use nigh_wire::Bytes;
