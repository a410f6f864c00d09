//! `Nigh` and its verbs: the only things that make calls happen. Cheap to clone; keep one where you need it.
//!
//! Types end here: [`Ask`] turns a typed call into what [`Perform`] understands, and its outcome back.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nigh_wire::{
    Call, CallError, CallId, Catalogue, Cause, Keyed, NotSettled, NotSettledCause, Settled, Target, Ticket,
    Wire,
};

use crate::backups::BackupError;
use crate::ledger::Ledger;
use crate::perform::{Ask as Untyped, Identity, Outcome, Perform, What};
use crate::service::BoxFuture;
use crate::store::Verified;
use crate::why::{Named, Why};

/// Calls of one batch that are under way at once; the next ones start when these are answered.
const BATCH_MAX: usize = 256;

/// Performs calls.
#[derive(Clone)]
pub struct Nigh {
    performer: Arc<dyn Perform>,
}

impl fmt::Debug for Nigh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nigh")
    }
}

impl Nigh {
    /// A handle on whatever performs: the node of this process, or a stand-in of a test.
    pub fn new(performer: Arc<dyn Perform>) -> Self {
        Nigh { performer }
    }

    /// What the application offers.
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        self.performer.catalogue()
    }

    /// Asks and waits: one call, a tuple of calls, or a `Vec` of calls, each with its own answer.
    ///
    /// Nothing happens until it is awaited. Its deadline is 10 s unless [`Pending::within`] says otherwise.
    /// Dropping the future lets go of the call: it may or may not run.
    ///
    /// # Errors
    ///
    /// [`CallError`] says whether it happened, and then why.
    pub fn call<A: Ask>(&self, ask: A) -> Pending<A> {
        Pending { nigh: self.clone(), ask, how: How::default(), reserved: None }
    }

    /// What became of a call in doubt: the same verdict for everyone who asks, for ever. A call that did not
    /// run is fenced by asking: it never will.
    ///
    /// # Errors
    ///
    /// The owner did not answer within 10 s, or the ticket is of another type or application: ask again
    /// with the same ticket.
    pub async fn settle<T: Wire, E: Wire>(&self, ticket: &Ticket) -> Result<Settled<T, E>, NotSettled> {
        let catalogue = self.catalogue();
        let misuse = NotSettled { cause: NotSettledCause::Misuse };
        let index = catalogue.index(&ticket.of, &ticket.method).ok_or(misuse.clone())?;
        let (_, method) = catalogue.method(index).ok_or(misuse.clone())?;
        let asked_for = nigh_wire::answer_hash_of::<T, E>(method.err.is_some());
        if asked_for != ticket.shape || method.answer_hash() != ticket.shape {
            return Err(misuse);
        }
        let ask = Untyped { what: What::Settle(ticket.clone()), within: None, identity: Identity::Fresh };
        match self.performer.perform(ask).await {
            Outcome::Done { value, .. } => value.take().map(Settled::Done).map_err(|_| misuse),
            Outcome::Failed(error) => error.take().map(Settled::Failed).map_err(|_| misuse),
            // Of the settler, not of the call: whoever performed has stopped, or ran out of time.
            Outcome::NotDone(Cause::Stopped | Cause::Deadline) => {
                Err(NotSettled { cause: NotSettledCause::Deadline })
            }
            Outcome::NotDone(_) => Ok(Settled::NotDone),
            Outcome::Forgotten => Ok(Settled::Forgotten),
            Outcome::NoRecord => Ok(Settled::NoRecord),
            Outcome::NotSettled(cause) => Err(NotSettled { cause }),
            Outcome::InDoubt(_) | Outcome::Overloaded { .. } | Outcome::Keys(_) => {
                Err(NotSettled { cause: NotSettledCause::Deadline })
            }
        }
    }

    /// Keys of an entity that exist, in order, after `after`: weakly consistent, at most 1,000.
    ///
    /// # Errors
    ///
    /// As a view: never in doubt.
    pub async fn keys<S: crate::Entity>(
        &self,
        after: Option<S::Key>,
        limit: u32,
    ) -> Result<Vec<S::Key>, CallError> {
        let after = after.map(|key| nigh_wire::encode(&key));
        let what = What::List { entity: S::name().into_owned(), after, limit };
        match self.performer.perform(Untyped { what, within: None, identity: Identity::Fresh }).await {
            Outcome::Keys(keys) => {
                let decoded = keys.iter().map(nigh_wire::decode_shared).collect::<Result<_, _>>();
                decoded.map_err(|e| CallError::NotDone(Cause::Malformed(e.to_string())))
            }
            Outcome::Overloaded { retry_after } => Err(CallError::Overloaded { retry_after }),
            Outcome::NotDone(cause) => Err(CallError::NotDone(cause)),
            _ => Err(CallError::NotDone(Cause::Deadline)),
        }
    }

    /// Performs something untyped, at once: what doors do.
    pub fn perform(&self, ask: Untyped) -> BoxFuture<'static, Outcome> {
        self.performer.perform(ask)
    }

    /// Copies the store of this process into a new directory of this name, in the folder of
    /// [`Config::backups`](crate::Config::backups): what doors do. Calls go on meanwhile.
    ///
    /// # Errors
    ///
    /// There is no copy, and nothing is left of it; the store goes on.
    pub async fn backup(&self, name: &str) -> Result<Verified, BackupError> {
        self.performer.backup(name).await
    }

    /// What was asked of this process and by it since it started, method by method, and what came of it.
    pub fn ledger(&self) -> Ledger {
        self.performer.ledger()
    }

    /// Where a call is, as far as this process knows. It only looks: unlike [`Nigh::settle`] it changes nothing, and
    /// what it says of a call that is not recorded is no verdict.
    pub async fn why(&self, of: &Named) -> Why {
        self.performer.why(of).await
    }

    /// As [`Perform::reserve`]: for whatever stands before this handle.
    #[doc(hidden)]
    pub fn reserve(&self, ask: &Untyped) -> Option<Ticket> {
        self.performer.reserve(ask)
    }

    /// As [`Perform::release`].
    #[doc(hidden)]
    pub fn release(&self, id: CallId) {
        self.performer.release(id);
    }
}

/// How a call is asked: belongs to the asking, not to the call.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct How {
    within: Option<Duration>,
    identity: Identity,
}

/// A call not yet under way: await it.
#[must_use = "nothing happens until it is awaited"]
pub struct Pending<A> {
    nigh: Nigh,
    ask: A,
    how: How,
    /// Its id, if it was asked for before.
    reserved: Option<Reserved>,
}

/// An id that goes back if its call is never made.
struct Reserved {
    performer: Arc<dyn Perform>,
    id: Option<CallId>,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.performer.release(id);
        }
    }
}

impl<A> fmt::Debug for Pending<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pending({:?})", self.how)
    }
}

impl<A: Ask> Pending<A> {
    /// Tries for this long, 10 minutes at the most; 10 s if not said.
    pub fn within(mut self, limit: Duration) -> Self {
        self.how.within = Some(limit);
        self
    }
}

impl<T: Wire, E: Wire, M: Send + 'static> Pending<Call<T, E, M>> {
    /// Remembers the call under an idempotency key, at most 255 bytes, for more than 24 h: the same key again,
    /// also from another process, gets the first answer; with other arguments it is `NotDone(Misuse)`. Keyed
    /// calls have no order among others.
    pub fn once(mut self, key: impl Into<String>) -> Self {
        // An id reserved before was that of a call without this key.
        self.reserved = None;
        self.how.identity = Identity::Once(key.into());
        self
    }

    /// The ticket that will settle this call, to be saved before it is awaited. `None` for views and for
    /// calls that cannot be made here. Asked twice, the first ticket is void.
    pub fn ticket(&mut self) -> Option<Ticket> {
        if let Identity::Reserved(_, once) = &mut self.how.identity {
            self.how.identity = once.take().map_or(Identity::Fresh, Identity::Once);
            self.reserved = None;
        }
        let ask = untyped(self.nigh.catalogue(), self.ask.parts().clone(), self.how.clone()).ok()?;
        let ticket = self.nigh.performer.reserve(&ask)?;
        self.how.identity =
            Identity::Reserved(ticket.id, ticket.keyed.as_ref().map(|k: &Keyed| k.key.clone()));
        self.reserved = Some(Reserved { performer: self.nigh.performer.clone(), id: Some(ticket.id) });
        Some(ticket)
    }
}

impl<A: Ask> IntoFuture for Pending<A> {
    type Output = A::Answer;
    type IntoFuture = A::Performing;
    fn into_future(mut self) -> A::Performing {
        // From here on the id is the call's.
        if let Some(reserved) = &mut self.reserved {
            reserved.id = None;
        }
        self.ask.perform(&self.nigh, self.how)
    }
}

/// What `nigh.call` takes: a call, a tuple of up to four calls, a `Vec` of calls.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a call",
    label = "expected a call, a tuple of calls, or a `Vec` of calls"
)]
pub trait Ask: Send + 'static {
    /// What awaiting it gives.
    type Answer: Send + 'static;
    #[doc(hidden)]
    type Performing: Future<Output = Self::Answer> + Send + Unpin + 'static;
    #[doc(hidden)]
    fn perform(self, nigh: &Nigh, how: How) -> Self::Performing;
}

/// A call as doors would ask it.
fn untyped(catalogue: &Catalogue, parts: nigh_wire::Parts, how: How) -> Result<Untyped, Cause> {
    let (name, key) = match parts.target {
        Target::Entity { name, key } => (name, Some(key)),
        Target::Service { name } => (name, None),
    };
    let unknown =
        || Cause::Unknown(format!("`{name}.{}`: list it in this application's `App`", parts.method));
    let method = catalogue.index(&name, parts.method).ok_or_else(unknown)?;
    let what = What::Method { method, key, args: parts.args };
    Ok(Untyped { what, within: how.within, identity: how.identity })
}

impl<T: Wire, E: Wire, M: Send + 'static> Ask for Call<T, E, M> {
    type Answer = Result<T, CallError<E>>;
    type Performing = Performing<T, E>;
    fn perform(self, nigh: &Nigh, how: How) -> Performing<T, E> {
        let asked = untyped(nigh.catalogue(), self.into_parts(), how);
        let outcome = asked.map(|ask| nigh.performer.perform(ask)).map_err(Some);
        Performing { outcome, answer: PhantomData }
    }
}

/// One call under way.
#[doc(hidden)]
pub struct Performing<T, E> {
    /// Or why nothing was asked, until that is told.
    outcome: Result<BoxFuture<'static, Outcome>, Option<Cause>>,
    answer: PhantomData<fn() -> Result<T, E>>,
}

impl<T: Wire, E: Wire> Future for Performing<T, E> {
    type Output = Result<T, CallError<E>>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.outcome {
            Ok(outcome) => outcome.as_mut().poll(cx).map(typed),
            Err(cause) => {
                let cause = cause.take().expect("a future that is ready is not polled again");
                Poll::Ready(Err(CallError::NotDone(cause)))
            }
        }
    }
}

fn typed<T: Wire, E: Wire>(outcome: Outcome) -> Result<T, CallError<E>> {
    let shapes = |_| CallError::NotDone(Cause::Incompatible("the answer is of another shape".into()));
    match outcome {
        Outcome::Done { value, .. } => value.take().map_err(shapes),
        Outcome::Failed(error) => Err(error.take().map_or_else(shapes, CallError::Failed)),
        Outcome::NotDone(cause) => Err(CallError::NotDone(cause)),
        Outcome::InDoubt(ticket) => Err(CallError::InDoubt(ticket)),
        Outcome::Overloaded { retry_after } => Err(CallError::Overloaded { retry_after }),
        // R13: only an id that somebody else made can be forgotten while it is asked; only settlers and
        // listers hear the others.
        Outcome::Forgotten | Outcome::NoRecord | Outcome::NotSettled(_) | Outcome::Keys(_) => {
            Err(CallError::NotDone(Cause::Misuse))
        }
    }
}

/// Calls that are asked together are committed together, if they do not take long.
struct Batch<'a>(&'a dyn Perform);

impl<'a> Batch<'a> {
    fn begin(nigh: &'a Nigh) -> Self {
        nigh.performer.begin_batch(); // mutant batch-unsaid: let _ = nigh.clone();
        Batch(&*nigh.performer)
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.0.end_batch();
    }
}

impl<A: Ask> Ask for Vec<A> {
    type Answer = Vec<A::Answer>;
    type Performing = BoxFuture<'static, Self::Answer>;
    fn perform(self, nigh: &Nigh, how: How) -> Self::Performing {
        let nigh = nigh.clone();
        Box::pin(async move {
            let mut answers = Vec::with_capacity(self.len());
            let mut calls = self.into_iter();
            loop {
                // Started in the order given, so that calls on one key run in that order.
                let batch = Batch::begin(&nigh);
                let under_way: Vec<_> =
                    calls.by_ref().take(BATCH_MAX).map(|call| call.perform(&nigh, how.clone())).collect();
                drop(batch);
                if under_way.is_empty() {
                    return answers;
                }
                for answer in under_way {
                    answers.push(answer.await);
                }
            }
        })
    }
}

macro_rules! tuples { ($(($($t:ident $i:tt)*))*) => { $(
    impl<$($t: Ask),*> Ask for ($($t,)*) {
        type Answer = ($($t::Answer,)*);
        type Performing = BoxFuture<'static, Self::Answer>;
        #[allow(non_snake_case)]
        fn perform(self, nigh: &Nigh, how: How) -> Self::Performing {
            let batch = Batch::begin(nigh);
            $(let $t = self.$i.perform(nigh, how.clone());)*
            drop(batch);
            Box::pin(async move { ($($t.await,)*) })
        }
    }
)* } }
tuples! { (A 0 B 1) (A 0 B 1 C 2) (A 0 B 1 C 2 D 3) }
