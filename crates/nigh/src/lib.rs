//! nigh: write a distributed system as one program.
//!
//! Skeleton; the reading order comes with the drivers.

extern crate self as nigh;

mod door;
mod entity;
mod handle;
mod method;
pub mod perform;
pub mod prelude;
mod service;
mod state;
mod tx;

pub use door::Door;
pub use entity::Entity;
pub use handle::Nigh;
pub use nigh_macros::{State, Wire, entity, service};
pub use nigh_wire::__private::WireTrait as Wire;
pub use nigh_wire::{
    Call, CallError, CallId, Cause, IntoArg, Never, NotSettled, NotSettledCause, Or, Settled, Step, Ticket,
    Time, View,
};
pub use service::{Asked, Service};
pub use state::{Map, Part, State};
pub use tx::Tx;

/// What derives write; not for people.
#[doc(hidden)]
pub use nigh_wire as __wire;

/// What macros write; not for people.
#[doc(hidden)]
pub mod __private {
    pub use crate::entity::{Reply, Run};
    pub use crate::method::*;
    pub use crate::service::BoxFuture;
    pub use crate::state::{Saved, save, saved};
    pub use crate::tx::TxCore;
    pub use nigh_wire::__private::call;
    pub use nigh_wire::{Builder, Bytes, Class, Contract, NodeId, Out, Reader, Schema, Value};
}
