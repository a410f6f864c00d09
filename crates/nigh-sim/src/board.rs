//! Where clients reach processes: a client is outside of them, and outlives them.
//!
//! [`Reach`] performs for a client what the process it is attached to would: whatever becomes of that process, its
//! client hears the truth, and [`Book`](crate::book::Book) has it in writing. A call whose process died is in doubt, and
//! its ticket is what the process itself would have given.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use nigh::Nigh;
use nigh::perform::{Ask, Identity, Outcome, Perform, What};
use nigh_proto::calls::RETENTION;
use nigh_wire::{
    Bytes, CallId, Catalogue, Cause, Class, Doubt, Fingerprint, Keyed, MethodIndex, NotSettledCause, Ticket,
};

use crate::book::{Book, Op};
use crate::surroundings::{PROCESSES_MAX, is_own_end, take_started, touch};

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What clients see of the processes.
pub(crate) struct Board {
    catalogue: Arc<Catalogue>,
    slots: Mutex<Vec<Slot>>,
    /// By process: rises with each end of it.
    ends: Vec<AtomicU32>,
    book: Mutex<Book>,
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Board")
    }
}

/// One process.
#[derive(Default)]
struct Slot {
    /// `None` while it is down.
    nigh: Option<Nigh>,
    /// Who waits for it, by what was asked.
    waiting: Vec<(Op, Waker)>,
}

impl Slot {
    fn wait(&mut self, op: Op, waker: &Waker) {
        match self.waiting.iter_mut().find(|(waits, _)| *waits == op) {
            Some((_, waiting)) => waiting.clone_from(waker),
            None => self.waiting.push((op, waker.clone())),
        }
    }

    fn leave(&mut self, op: Op) -> Option<Waker> {
        let at = self.waiting.iter().position(|(waits, _)| *waits == op)?;
        Some(self.waiting.swap_remove(at).1)
    }
}

impl Board {
    pub(crate) fn new(catalogue: Arc<Catalogue>, processes: u16, book: Book) -> Arc<Self> {
        assert!(processes <= PROCESSES_MAX, "{processes} processes, at most {PROCESSES_MAX}");
        let slots = (0..processes).map(|_| Slot::default()).collect();
        let ends = (0..processes).map(|_| AtomicU32::new(0)).collect();
        Arc::new(Board { catalogue, slots: Mutex::new(slots), ends, book: Mutex::new(book) })
    }

    /// How often a process has ended.
    fn ends(&self, process: u16) -> u32 {
        self.ends[usize::from(process)].load(Ordering::Relaxed)
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process is up.
    pub(crate) fn put(&self, process: u16, nigh: Nigh) {
        self.slots()[usize::from(process)].nigh = Some(nigh);
    }

    /// A process has ended: who waits for it hears so.
    pub(crate) fn take(&self, process: u16) {
        let (nigh, mut waiting) = {
            let slot = &mut self.slots()[usize::from(process)];
            self.ends[usize::from(process)].fetch_add(1, Ordering::Relaxed);
            (slot.nigh.take(), std::mem::take(&mut slot.waiting))
        };
        waiting.sort_unstable_by_key(|(op, _)| *op);
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
        drop(nigh);
    }

    /// The handle of a client at this process.
    pub(crate) fn reach(self: &Arc<Self>, client: u16, process: u16) -> Nigh {
        Nigh::new(Arc::new(Reach { board: self.clone(), client, process }))
    }
}

/// Performs for one client through one process.
struct Reach {
    board: Arc<Board>,
    client: u16,
    process: u16,
}

impl Perform for Reach {
    fn catalogue(&self) -> &Arc<Catalogue> {
        &self.board.catalogue
    }

    fn perform(&self, ask: Ask) -> BoxFuture<Outcome> {
        let ends = self.board.ends(self.process);
        let nigh = self.board.slots()[usize::from(self.process)].nigh.clone();
        let args = match &ask.what {
            What::Method { args, .. } => args.to_bytes(),
            What::Settle(_) | What::List { .. } => Bytes::new(),
        };
        let op = self.board.book().asked(self.client, self.process, &ask, &args);
        let lost = Lost::of(&self.board.catalogue, &ask, args);
        let Some(nigh) = nigh else {
            // As with a refused connection: nothing left the client.
            let outcome = lost.outcome(&self.board.catalogue, None);
            self.board.book().answered(op, &outcome);
            return Box::pin(std::future::ready(outcome));
        };
        take_started();
        let asked = catch_unwind(AssertUnwindSafe(|| nigh.perform(ask)));
        touch(self.process);
        let id = take_started();
        if let Some(id) = id {
            self.board.book().started(op, id);
        }
        let inner: Option<BoxFuture<Outcome>> = match asked {
            Ok(future) => Some(future),
            Err(payload) if is_own_end(payload.as_ref()) => None,
            Err(payload) => resume_unwind(payload),
        };
        let (board, process, waits) = (self.board.clone(), self.process, false);
        Box::pin(Asking { board, process, ends, op, inner, lost, id, waits })
    }

    fn reserve(&self, ask: &Ask) -> Option<Ticket> {
        let nigh = self.board.slots()[usize::from(self.process)].nigh.clone()?;
        nigh.reserve(ask)
    }

    fn release(&self, id: CallId) {
        let nigh = self.board.slots()[usize::from(self.process)].nigh.clone();
        touch(self.process);
        nigh.into_iter().for_each(|nigh| nigh.release(id));
    }
}

/// What a client needs to know of what it asked when the process dies.
struct Lost {
    /// It asked for a verdict: without one, nothing is said of the call.
    settles: bool,
    /// A writing call.
    what: Option<(MethodIndex, Option<Bytes>, Bytes, Option<String>)>,
}

impl Lost {
    fn of(catalogue: &Catalogue, ask: &Ask, args: Bytes) -> Self {
        let settles = matches!(ask.what, What::Settle(_));
        let What::Method { method, key, .. } = &ask.what else { return Lost { settles, what: None } };
        let reads = catalogue.method(*method).is_none_or(|(_, method)| method.class == Class::Read);
        let keyed = match &ask.identity {
            Identity::Once(key) | Identity::Reserved(_, Some(key)) => Some(key.clone()),
            _ => None,
        };
        Lost { settles, what: (!reads).then(|| (*method, key.clone(), args, keyed)) }
    }

    /// What its client is told.
    fn outcome(&self, catalogue: &Catalogue, id: Option<CallId>) -> Outcome {
        let ticket = || {
            let (index, key, args, keyed) = self.what.clone()?;
            let (contract, method) = catalogue.method(index)?;
            let (of, id) = (contract.name.clone(), id?);
            let name_of_key = key.clone().unwrap_or_default();
            Some(Ticket::from(Doubt {
                id,
                fingerprint: Fingerprint::of(&of, &name_of_key, method.name, &args),
                of,
                key,
                method: method.name.to_owned(),
                shape: catalogue.answer_hash(index)?,
                keyed: keyed.map(|key| Keyed { principal: String::new(), key }),
                settles_until: id.birth.saturating_add(RETENTION),
            }))
        };
        let settles = self.settles; // mutant sim-settler-hears-not-done: let settles = false;
        match ticket() {
            Some(ticket) => Outcome::InDoubt(ticket),
            None if settles => Outcome::NotSettled(NotSettledCause::Deadline),
            None => Outcome::NotDone(Cause::Stopped),
        }
    }
}

/// One thing asked, until its client hears of it or lets go.
struct Asking {
    board: Arc<Board>,
    process: u16,
    /// Of the process when it was asked: later, it is another life of it.
    ends: u32,
    op: Op,
    inner: Option<BoxFuture<Outcome>>,
    lost: Lost,
    id: Option<CallId>,
    /// It is told when the process ends.
    waits: bool,
}

impl Asking {
    fn is_lost(&self) -> bool {
        self.inner.is_none() || self.board.ends(self.process) != self.ends
    }

    /// It need not be told any more.
    fn leave(&mut self) -> Option<Waker> {
        let waits = std::mem::take(&mut self.waits);
        waits.then(|| self.board.slots()[usize::from(self.process)].leave(self.op)).flatten()
    }
}

impl Future for Asking {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let this = &mut *self;
        let polled = match (this.is_lost(), &mut this.inner) {
            (false, Some(inner)) => match catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(context))) {
                Ok(polled) => polled,
                Err(payload) if is_own_end(payload.as_ref()) => {
                    Poll::Ready(this.lost.outcome(&this.board.catalogue, this.id))
                }
                Err(payload) => resume_unwind(payload),
            },
            _ => Poll::Ready(this.lost.outcome(&this.board.catalogue, this.id)),
        };
        touch(this.process);
        match polled {
            Poll::Pending => {
                this.waits = true;
                this.board.slots()[usize::from(this.process)].wait(this.op, context.waker());
                Poll::Pending
            }
            Poll::Ready(outcome) => {
                this.inner = None;
                drop(this.leave());
                this.board.book().answered(this.op, &outcome);
                Poll::Ready(outcome)
            }
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        // Whoever dropped it let go of the call, which may or may not run.
        let waker = self.leave();
        if self.inner.take().is_some() {
            touch(self.process);
            self.board.book().dropped(self.op);
        }
        drop(waker);
    }
}

#[cfg(test)]
mod tests;
