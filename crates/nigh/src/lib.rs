//! nigh: write a distributed system as one program.
//!
//! It runs in one process with one directory on disk, or cut over several, unchanged. A call is a value; verbs
//! perform it. Reading order: [`App`] lists what a program consists of; [`Nigh`] and its verbs are what it
//! uses; [`Node`] is a running one, and opens everything. Behind them, a driver for each machine of
//! `nigh-proto`, under the same name: `calls`, `link`, `shards`; and [`store`] beneath.
//!
//! Nothing here decides whether a call may run or an answer may leave; the machines do.

extern crate self as nigh;

mod app;
mod args;
mod backups;
mod beside;
mod buggify;
mod calls;
mod clock;
mod config;
mod door;
pub mod dump;
#[doc(hidden)]
pub mod engine;
mod entity;
mod error;
mod exit;
mod handle;
pub mod ledger;
mod link;
mod method;
mod node;
pub mod perform;
mod performer;
mod place;
pub mod prelude;
mod recover;
mod routes;
mod run;
mod service;
mod services;
mod shards;
mod state;
pub mod store;
mod tx;
pub mod why;

pub use app::App;
pub use backups::BackupError;
pub use config::{Config, Data, LogFormat};
pub use door::Door;
pub use entity::{Entity, NoHome};
pub use error::{Error, Result};
pub use handle::{Ask, Nigh, Pending};
pub use nigh_macros::{State, Wire, entity, service};
pub use nigh_wire::__private::WireTrait as Wire;
pub use nigh_wire::{
    Call, CallError, CallId, Catalogue, Cause, Homed, IntoArg, Never, NotSettled, NotSettledCause, Or,
    Settled, Step, Ticket, Time, View,
};
pub use node::{Commits, Node, Remembered};
pub use service::{Asked, Service};
pub use state::{Element, List, Map, Part, Set, State};
pub use state::{entry as map, iter as list};
pub use tx::Tx;

/// What derives write; not for people.
#[doc(hidden)]
pub use nigh_wire as __wire;

/// What macros write; not for people.
#[doc(hidden)]
pub mod __private {
    pub use crate::buggify::{fires as buggify_fires, install as buggify_install};
    pub use crate::entity::{Reply, Run};
    pub use crate::method::*;
    pub use crate::service::BoxFuture;
    pub use crate::state::{Field, Large, Saved, save, saved};
    pub use crate::tx::TxCore;
    pub use nigh_wire::__private::call;
    pub use nigh_wire::{Builder, Bytes, Class, Contract, NodeId, Out, Reader, Schema, Value};
}
