//! Contracts with the outside, as `#[nigh::service]` describes them to the runtime.
//!
//! [`Service`] is what is dispatched to, [`Asked`] what an implementation may know of the call it serves.

use std::future::Future;
use std::pin::Pin;

use nigh_wire::{CallId, CallerId, Cause, Contract, Time, Value};

use crate::entity::Reply;

/// A future behind a pointer.
#[doc(hidden)]
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A contract with the outside: `#[nigh::service]` on a trait, implemented for `dyn Trait`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a service",
    label = "needs to be `dyn Trait` of a trait with `#[nigh::service]`"
)]
pub trait Service: Send + Sync + 'static {
    /// Its methods as data.
    #[doc(hidden)]
    fn contract() -> Contract;
    /// Runs method number `method` of the contract; `args` is a tuple in declared order.
    #[doc(hidden)]
    fn dispatch(&self, method: usize, asked: Asked, args: Value) -> BoxFuture<'_, Result<Reply, Cause>>;
}

/// The call being served. A service method that writes `asked: Asked` among its parameters gets it; it
/// vanishes on the handle.
#[derive(Clone, Debug)]
pub struct Asked {
    pub(crate) id: CallId,
}

impl Asked {
    /// For unit tests of implementations, which stay ordinary functions: always the same call.
    pub fn detached() -> Self {
        Asked { id: CallId { caller: CallerId(0), number: 1, birth: Time::EPOCH } }
    }
    /// A token that is the same for every try of this call: hand it to outside systems as idempotency key.
    pub fn token(&self) -> String {
        self.id.to_string()
    }
}
