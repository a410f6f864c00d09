//! Services of this process: run without encoding anything when the caller is here too.

use std::sync::Arc;

use nigh_wire::{Cause, Contract, Value};

use crate::entity::Reply;
use crate::service::{Asked, BoxFuture, Service};

/// A service without its type.
pub(crate) trait AnyService: Send + Sync {
    /// Runs one method.
    fn dispatch(self: Arc<Self>, method: usize, asked: Asked, args: Value) -> Served;
}

/// A service call under way.
pub(crate) type Served = BoxFuture<'static, Result<Reply, Cause>>;

/// A service as the application lists it.
pub(crate) struct Listed {
    pub(crate) contract: Contract,
    pub(crate) service: Arc<dyn AnyService>,
}

impl Listed {
    pub(crate) fn new<S: Service + ?Sized>(implementation: Box<S>) -> Self {
        Listed { contract: S::contract(), service: Arc::new(Held(implementation)) }
    }
}

impl Listed {
    /// The same service, listed once more.
    pub(crate) fn copied(&self) -> Self {
        Listed { contract: self.contract.clone(), service: self.service.clone() }
    }
}

struct Held<S: ?Sized>(Box<S>);

impl<S: Service + ?Sized> AnyService for Held<S> {
    fn dispatch(self: Arc<Self>, method: usize, asked: Asked, args: Value) -> Served {
        Box::pin(async move { self.0.dispatch(method, asked, args).await })
    }
}
