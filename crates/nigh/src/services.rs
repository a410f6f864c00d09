//! Services of this process: run without encoding anything when the caller is here too.

use std::sync::Arc;

use nigh_wire::{Bytes, Cause, Contract, Method, Value};

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

/// Stands before a service: a simulator's.
pub trait Gate: Send + Sync + 'static {
    /// Waits until the service may be asked. True: it is to be asked twice, under the same token, as it is when an
    /// answer is lost.
    fn pass(&self, service: &str, method: &Method) -> BoxFuture<'static, bool>;
    /// It was asked twice, and answered both times: `Ok` or its own error, encoded.
    fn answered_twice(&self, service: &str, method: &Method, first: Answered, second: Answered);
}

/// What a service returned, encoded: a value, or its own error.
pub type Answered = Result<Bytes, Bytes>;

struct Gated<S: ?Sized> {
    contract: Contract,
    gate: Arc<dyn Gate>,
    held: Held<S>,
}

impl<S: Service + ?Sized> AnyService for Gated<S> {
    fn dispatch(self: Arc<Self>, method: usize, asked: Asked, args: Value) -> Served {
        Box::pin(async move {
            let Some(described) = self.contract.methods.get(method) else {
                return self.held.0.dispatch(method, asked, args).await;
            };
            if !self.gate.pass(&self.contract.name, described).await {
                return self.held.0.dispatch(method, asked, args).await;
            }
            let bytes = args.to_bytes();
            let first = self.held.0.dispatch(method, asked.clone(), Value::Bytes(bytes.clone())).await?;
            let second = self.held.0.dispatch(method, asked, Value::Bytes(bytes)).await?;
            let answered = |reply: &Reply| match reply {
                Reply::Ok(value) => Ok(value.to_bytes()),
                Reply::Err(error) => Err(error.to_bytes()),
            };
            self.gate.answered_twice(&self.contract.name, described, answered(&first), answered(&second));
            Ok(second)
        })
    }
}

impl Listed {
    /// As [`Listed::new`], behind a gate.
    pub(crate) fn gated<S: Service + ?Sized>(implementation: Box<S>, gate: Arc<dyn Gate>) -> Self {
        let service = Gated { contract: S::contract(), gate, held: Held(implementation) };
        Listed { contract: S::contract(), service: Arc::new(service) }
    }

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
