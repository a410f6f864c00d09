//! Durable keyed state and its methods, as `#[nigh::entity]` describes them to the runtime.
//!
//! [`Entity`] is the whole of what the runtime knows of a type; [`Run`] calls one method, and [`Reply`] is what
//! it returned. Nothing here stores, undoes or catches anything.

use std::borrow::Cow;

use nigh_wire::{Bytes, Cause, Contract, DecodeError, Value, Wire};

use crate::state::State;
use crate::tx::TxCore;

/// Durable keyed state with methods: `#[nigh::entity(key = …)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an entity",
    label = "needs `#[nigh::entity(key = …)]` on its `impl` block"
)]
pub trait Entity: State + Default {
    /// What identifies one.
    type Key: Wire;
    /// With which others it lives, and can be changed in one commit: `home = …`.
    type Home;
    /// Name of its home; `None` if it is placed by its own name and key.
    #[doc(hidden)]
    const HOME: Option<&'static str> = None;
    /// Its methods as values: `WalletRef` for `Wallet`.
    type Ref;
    /// Wire name.
    #[doc(hidden)]
    fn name() -> Cow<'static, str>;
    /// Its methods as data, in the order of `table`.
    #[doc(hidden)]
    fn contract() -> Contract;
    /// How to run each method of the contract.
    #[doc(hidden)]
    fn table() -> &'static [Run<Self>];
    /// The handle of the entity with this encoded key.
    #[doc(hidden)]
    fn refer(key: Bytes) -> Self::Ref;
    /// The encoded home of the entity with this encoded key, if it has one.
    #[doc(hidden)]
    fn home(_key: &[u8]) -> Result<Option<Bytes>, DecodeError> {
        Ok(None)
    }
    /// True if these bytes are a key: no method may run under others, see `Tx::key`.
    #[doc(hidden)]
    fn admits(key: &[u8]) -> bool {
        nigh_wire::decode::<Self::Key>(key).is_ok()
    }
}

/// The home of an entity that names none: no other lives there. `#[nigh::entity(key = …, home = …)]` names one.
#[derive(Debug)]
pub struct NoHome<S>(std::marker::PhantomData<fn() -> S>);

/// One method: takes its arguments as a tuple, in declared order.
#[doc(hidden)]
#[derive(Debug)]
pub enum Run<S> {
    /// `&mut self`.
    Write(fn(&mut S, &mut TxCore, Value) -> Result<Reply, Cause>),
    /// `&self`.
    Read(fn(&S, Value) -> Result<Reply, Cause>),
}

/// What a method returned.
#[doc(hidden)]
#[derive(Debug)]
pub enum Reply {
    /// `Ok`, or a plain value.
    Ok(Value),
    /// Its own error: the state is undone.
    Err(Value),
}

impl Reply {
    /// Of a method that cannot fail.
    pub fn plain<T: Wire>(value: T) -> Self {
        Reply::Ok(Value::new(value))
    }
    /// Of a method that can.
    pub fn outcome<T: Wire, E: Wire>(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Reply::Ok(Value::new(value)),
            Err(error) => Reply::Err(Value::new(error)),
        }
    }
}
