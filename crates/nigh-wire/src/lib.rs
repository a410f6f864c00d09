//! Values that travel, and calls as values: what a contract crate needs, and no more.
//!
//! Reading order: `wire` says what a value is ([`Wire`]); `encode` and `decode` are its bytes; `schema`
//! describes them ([`Schema`]), so that `json` and `order` read bytes without a Rust type. `call` is a call as
//! a value, `outcome` what its caller learns, `contract` what an application offers. `id` and `ticket` name a
//! call for as long as anybody remembers it. The format is `spec/values.md`.
//!
//! Nothing here does I/O, reads a clock, draws a random number or panics from input.

extern crate self as nigh_wire;

mod call;
mod contract;
mod decode;
mod encode;
mod few;
mod homed;
mod id;
mod impls;
mod json;
mod made;
mod nearest;
mod order;
mod outcome;
mod rules;
#[cfg(test)]
mod samples;
mod schema;
mod ticket;
mod time;
mod value;
mod wire;

pub use bytes::Bytes;
pub use call::{Call, IntoArg, Once, Parts, Read, Target, View};
pub use contract::{
    Catalogue, Class, Contract, ContractKind, DuplicateName, Method, MethodIndex, answer_hash_of,
};
pub use decode::{DecodeError, Reader, unshared};
pub use encode::Out;
pub use few::copied;
pub use homed::Homed;
pub use id::{CallId, CallerId, Fingerprint, Keyed, ParseIdError};
pub use json::{JsonError, parse_json};
pub use made::remember_hashes;
pub use nearest::nearest;
pub use nigh_macros::WireOfWireCrate as Wire;
pub use order::Entry;
pub use outcome::{CallError, Cause, Never, NotSettled, NotSettledCause, Or, Settled, Step};
pub use schema::{
    BadSchema, Builder, MEMBERS_MAX, Member, NODES_MAX, Node, NodeId, Prim, Row, SCHEMA_SIZE_MAX, Schema,
    WireHash,
};
pub use ticket::{Doubt, ParseTicketError, Ticket};
pub use time::Time;
pub use value::{AnyValue, Value};
pub use wire::{Wire, decode, decode_owned, decode_shared, decode_stored, encode, schema_of};

/// What the macros write; not for people.
#[doc(hidden)]
pub mod __private {
    pub use crate::call::{Key, call};
    pub use crate::rules::{Length, check_length, check_rule};
    pub use crate::schema::{
        Integer64, Row, bounded, define_enum, define_struct, define_tuple, encoded, json_number,
    };
    pub use crate::wire::{Fallible, IsPlain, Plain, Wire as WireTrait, plain};
}
