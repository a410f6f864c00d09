//! What stands behind a [`Nigh`](crate::Nigh): something that performs calls, whatever their types.
//!
//! The node of this process implements it; doors and tests see only this. Nothing here knows a Rust type
//! of the user's: values are typed inside one process and bytes once they crossed a boundary.

use std::sync::Arc;
use std::time::Duration;

use nigh_proto::calls::request::Version;
use nigh_wire::{Bytes, CallId, Catalogue, Cause, MethodIndex, NotSettledCause, Ticket, Value};

use crate::backups::BackupError;
use crate::ledger::Ledger;
use crate::service::BoxFuture;
use crate::store::Verified;
use crate::why::{Named, Why};

/// Something asked, untyped: what doors build from what they read.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What.
    pub what: What,
    /// How long to try; 10 s if not said, at most `nigh_proto::calls::DEADLINE_MAX`.
    pub within: Option<Duration>,
    /// Under which name; views and services ignore it.
    pub identity: Identity,
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum What {
    /// A method of an entity or a service.
    Method {
        /// Which.
        method: MethodIndex,
        /// Encoded key, of an entity.
        key: Option<Bytes>,
        /// A tuple of the arguments in declared order, or its bytes.
        args: Value,
    },
    /// Keys of an entity that exist, in order, weakly consistent.
    List {
        /// Wire name of the entity.
        entity: String,
        /// Encoded key after which to start.
        after: Option<Bytes>,
        /// How many at most; 1,000 are never exceeded.
        limit: u32,
    },
    /// What became of a call in doubt.
    Settle(Ticket),
}

/// Under which name a writing call is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// A fresh id of this process, in order per key.
    #[default]
    Fresh,
    /// A `nigh1.` id that a client made: no order.
    Id(CallId),
    /// An id reserved before, and its idempotency key if it was reserved with one.
    Reserved(CallId, Option<String>),
    /// An idempotency key: survives a crash of the caller; no order.
    Once(String),
}

/// What came of it.
#[derive(Debug)]
pub enum Outcome {
    /// It ran and returned this.
    Done {
        /// Typed if it never left this process.
        value: Value,
        /// Of an entity: the version it committed, or was read at.
        version: Option<Version>,
    },
    /// It ran and returned its own error.
    Failed(Value),
    /// It did not run and never will.
    NotDone(Cause),
    /// Perhaps.
    InDoubt(Ticket),
    /// It did not run.
    Overloaded {
        /// Ask again no sooner than this.
        retry_after: Duration,
    },
    /// It will not run from now on; whether it ran is no longer known.
    Forgotten,
    /// To a settler: no record is kept of such calls.
    NoRecord,
    /// To a settler: ask again with the same ticket.
    NotSettled(NotSettledCause),
    /// To a lister: encoded keys in order.
    Keys(Vec<Bytes>),
}

/// Performs calls. Cancel safe: a future dropped lets go of its call, which may or may not run.
pub trait Perform: Send + Sync + 'static {
    /// What the application offers.
    fn catalogue(&self) -> &Arc<Catalogue>;
    /// Performs one thing asked. It is accepted, numbered and on its way when this returns; the future waits.
    fn perform(&self, ask: Ask) -> BoxFuture<'static, Outcome>;
    /// Several things are about to be performed together, until [`end_batch`](Self::end_batch): what they change may be
    /// made durable together. It is a hint, and may be ignored.
    fn begin_batch(&self) {}
    /// They were performed, each once `begin_batch` was called.
    fn end_batch(&self) {}
    /// Takes an id for a writing call before it is performed, and the ticket that will settle it; `None` for
    /// views and services. Perform it under `Identity::Reserved`, or give it back with `release`.
    fn reserve(&self, ask: &Ask) -> Option<Ticket>;
    /// The reserved call will not be performed.
    fn release(&self, id: CallId);
    /// Copies the store of this process into its folder of backups.
    fn backup(&self, _name: &str) -> BoxFuture<'static, Result<Verified, BackupError>> {
        Box::pin(std::future::ready(Err(BackupError::Off)))
    }
    /// What was asked of this process and by it, and what came of it.
    fn ledger(&self) -> Ledger {
        Ledger::default()
    }
    /// Where a call is, as far as this process knows. Changes nothing.
    fn why(&self, _of: &Named) -> BoxFuture<'static, Why> {
        Box::pin(std::future::ready(Why::default()))
    }
}
