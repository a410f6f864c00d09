//! Tasks of all nodes on one thread: which runs next is drawn from the seed, and a crash drops a node's at once.
//!
//! - [`Installed`] makes this thread a simulated one; everything else needs it.
//! - [`spawn`], [`kill`], [`run_one`]: the life of a task.
//! - [`current`], [`as_owner`]: whose code runs.
//! - [`timers`]: futures that wait for simulated time.
//!
//! No borrow of the executor lasts while a task is polled, woken or dropped: each of them may come back here.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use async_task::{Builder, Task};

use crate::panics::caught;
use crate::rng::Rng;

pub(crate) mod timers;

/// Whose code runs: a node, in one of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    pub(crate) node: u16,
    /// Rises with each start of the node.
    pub(crate) incarnation: u32,
}

/// What a poll led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Polled {
    pub(crate) owner: Owner,
    pub(crate) panicked: Option<String>,
}

/// What travels with each task.
#[derive(Clone, Copy)]
struct Tag {
    owner: Owner,
    slot: u32,
}

type Runnable = async_task::Runnable<Tag>;

/// Tasks of one run.
#[derive(Default)]
struct Tasks {
    ready: VecDeque<Runnable>,
    slots: Vec<Option<(Owner, Task<(), Tag>)>>,
    free: Vec<u32>,
    /// By node, the incarnations below this are dead.
    alive_from: Vec<u32>,
    fifo: bool,
    /// Nodes whose tasks were woken from another thread, not yet reported.
    foreign: Vec<Owner>,
    /// Nodes that code outside of their tasks left work for.
    touched: Vec<Owner>,
    /// What destructors said when they panicked, not yet reported.
    last_words: Vec<String>,
}

/// A user's future, dropped with care: `async-task` ends the process when a destructor panics.
struct Body(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Future for Body {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let future = self.0.as_mut().expect("a task that is done is not polled");
        let polled = future.as_mut().poll(context);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let future = self.0.take();
        if let Err(said) = caught(|| drop(future)) {
            TASKS.with_borrow_mut(|tasks| tasks.last_words.push(said));
        }
    }
}

/// Where wakes of other threads arrive.
#[derive(Default)]
struct Abroad {
    /// Set after a wake was put down; spares the lock at each step.
    any: AtomicBool,
    inner: Mutex<Landed>,
}

#[derive(Default)]
struct Landed {
    runnables: Vec<Runnable>,
    host: Option<Waker>,
    /// The run is over: what still comes is dropped.
    closed: bool,
}

thread_local! {
    static TASKS: RefCell<Tasks> = RefCell::default();
    static ABROAD: RefCell<Option<Arc<Abroad>>> = const { RefCell::new(None) };
    static HOST: RefCell<Option<Waker>> = const { RefCell::new(None) };
    /// Which run this thread is in; 0 is none. No destructor, so that it can be read from any thread at any time.
    static RUN: Cell<u64> = const { Cell::new(0) };
    static CURRENT: Cell<Option<Owner>> = const { Cell::new(None) };
    static LAST: Cell<Option<Owner>> = const { Cell::new(None) };
}

/// This thread is a simulated one until it is dropped, which drops all tasks.
#[derive(Debug)]
pub(crate) struct Installed {
    /// Not to be sent: it stands for this thread.
    _here: std::marker::PhantomData<*const ()>,
}

impl Installed {
    /// `fifo`: tasks run in the order in which they became ready, whatever the seed.
    pub(crate) fn new(fifo: bool) -> Self {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        assert!(RUN.get() == 0, "a simulation cannot run inside a simulation");
        RUN.set(RUNS.fetch_add(1, Ordering::Relaxed) + 1);
        ABROAD.set(Some(Arc::default()));
        LAST.set(None);
        timers::start();
        TASKS.with_borrow_mut(|tasks| tasks.fifo = fifo);
        Installed { _here: std::marker::PhantomData }
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let nodes = TASKS.with_borrow(|tasks| {
            let owners = tasks.slots.iter().flatten().map(|(owner, _)| owner.node);
            owners.collect::<std::collections::BTreeSet<u16>>()
        });
        for node in nodes {
            kill(node, u32::MAX);
        }
        if let Some(abroad) = ABROAD.take() {
            let mut landed = abroad.inner.lock().unwrap_or_else(PoisonError::into_inner);
            landed.closed = true;
            let late = std::mem::take(&mut landed.runnables);
            drop(landed);
            drop(late);
        }
        let left = TASKS.take();
        timers::end();
        HOST.take();
        CURRENT.set(None);
        RUN.set(0);
        drop(left);
    }
}

/// Starts a task of `owner`. One of a node that has died since is dropped at once, unpolled.
pub(crate) fn spawn(owner: Owner, future: impl Future<Output = ()> + Send + 'static) {
    let run = RUN.get();
    assert!(run != 0, "only a simulated thread has simulated tasks");
    let slot = TASKS.with_borrow_mut(|tasks| {
        let is_dead = tasks.is_dead(owner); // mutant sim-dead-nodes-spawn: let is_dead = false;
        (!is_dead).then(|| tasks.slot())
    });
    let Some(slot) = slot else {
        return as_owner(owner, || drop(future));
    };
    let abroad = ABROAD.with_borrow(|abroad| abroad.clone()).expect("a simulated thread has one");
    let schedule = move |runnable: Runnable| {
        let is_here = RUN.get() == run; // mutant sim-foreign-wakes-pass: let is_here = true;
        if is_here { ready(runnable) } else { land(&abroad, runnable) }
    };
    let body = Body(Some(Box::pin(future)));
    let (runnable, task) = Builder::new().metadata(Tag { owner, slot }).spawn(|_| body, schedule);
    TASKS.with_borrow_mut(|tasks| tasks.slots[slot as usize] = Some((owner, task)));
    runnable.schedule();
}

impl Tasks {
    fn is_dead(&self, owner: Owner) -> bool {
        self.alive_from.get(usize::from(owner.node)).is_some_and(|from| owner.incarnation < *from)
    }

    fn slot(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("fewer tasks at once than 2^32")
        })
    }

    /// The next to run.
    fn take(&mut self, rng: &mut Rng) -> Option<Runnable> {
        match self.ready.len() {
            0 => None,
            1 => self.ready.pop_front(),
            _ if self.fifo => self.ready.pop_front(),
            more => {
                let index = rng.below(more as u64); // mutant sim-order-ignores-seed: let index = rng.below(more as u64).min(0);
                self.ready.swap_remove_back(usize::try_from(index).expect("an index is a usize"))
            }
        }
    }
}

fn ready(runnable: Runnable) {
    TASKS.with_borrow_mut(|tasks| tasks.ready.push_back(runnable));
    wake_host();
}

/// A wake on a thread that is not this run's. The task is polled at home; the run is told, since when this
/// happened does not follow from the seed.
fn land(abroad: &Abroad, runnable: Runnable) {
    let mut landed = abroad.inner.lock().unwrap_or_else(PoisonError::into_inner);
    if landed.closed {
        drop(landed);
        return drop(runnable);
    }
    landed.runnables.push(runnable);
    abroad.any.store(true, Ordering::Release);
    let host = landed.host.take();
    drop(landed);
    if let Some(host) = host {
        host.wake();
    }
}

/// Makes ready what other threads woke.
pub(crate) fn fetch_landed() {
    let landed = ABROAD.with_borrow(|abroad| {
        let abroad = abroad.as_ref()?;
        // Looked at before each event: a look is cheaper than a swap.
        let any = abroad.any.load(Ordering::Relaxed) && abroad.any.swap(false, Ordering::Acquire);
        any.then(|| {
            std::mem::take(&mut abroad.inner.lock().unwrap_or_else(PoisonError::into_inner).runnables)
        })
    });
    let Some(landed) = landed else { return };
    for runnable in landed {
        let owner = runnable.metadata().owner;
        TASKS.with_borrow_mut(|tasks| tasks.foreign.push(owner));
        ready(runnable);
    }
}

/// Whose tasks were woken from a foreign thread since this was asked last.
pub(crate) fn take_foreign() -> Vec<Owner> {
    TASKS.with_borrow_mut(|tasks| std::mem::take(&mut tasks.foreign))
}

/// Drops every task of the node up to and with this incarnation, their destructors running as that node. Tasks
/// that they start meanwhile are dropped too. What destructors said when they panicked is returned.
pub(crate) fn kill(node: u16, incarnation: u32) -> Vec<String> {
    let last = incarnation; // mutant sim-crash-of-all-lives: let last = u32::MAX;
    let dies = |owner: Owner| owner.node == node && owner.incarnation <= last;
    fetch_landed();
    let dying = TASKS.with_borrow_mut(|tasks| {
        let index = usize::from(node);
        let nodes = tasks.alive_from.len().max(index + 1);
        tasks.alive_from.resize(nodes, 0);
        tasks.alive_from[index] = tasks.alive_from[index].max(incarnation.saturating_add(1));
        let Tasks { slots, free, .. } = tasks;
        let dying = slots.iter_mut().zip(0..).filter_map(|(slot, number)| {
            let taken = slot.take_if(|(owner, _)| dies(*owner))?;
            free.push(number);
            Some(taken)
        });
        dying.collect::<Vec<_>>()
    });
    // Each asks for one last turn, in which its future is dropped.
    for (owner, task) in dying {
        as_owner(owner, || drop(task));
    }
    let last = TASKS.with_borrow_mut(|tasks| {
        let (last, ready) = tasks.ready.drain(..).partition(|r| dies(r.metadata().owner));
        tasks.ready = ready;
        let last: VecDeque<Runnable> = last;
        last
    });
    for runnable in last {
        let owner = runnable.metadata().owner;
        as_owner(owner, || drop(runnable));
    }
    TASKS.with_borrow_mut(|tasks| std::mem::take(&mut tasks.last_words))
}

/// Polls one ready task, drawn from `rng`. None: all wait.
pub(crate) fn run_one(rng: &mut Rng) -> Option<Polled> {
    let runnable = TASKS.with_borrow_mut(|tasks| tasks.take(rng))?;
    let Tag { owner, slot } = *runnable.metadata();
    let mut panicked = caught(|| as_owner(owner, || runnable.run())).err();
    // Gone if the task crashed its own node.
    let done = TASKS.with_borrow_mut(|tasks| {
        let kept = &mut tasks.slots[slot as usize];
        let done = kept.take_if(|(kept, task)| *kept == owner && task.is_finished());
        if done.is_some() {
            tasks.free.push(slot);
        }
        panicked = panicked.take().or(tasks.last_words.pop());
        tasks.last_words.clear();
        done
    });
    drop(done);
    Some(Polled { owner, panicked })
}

/// True if some task waits for its turn, or some node for what a bare task left.
pub(crate) fn is_any_ready() -> bool {
    TASKS.with_borrow(|tasks| !tasks.ready.is_empty() || !tasks.touched.is_empty())
}

/// Says that this node's machines may have something to send, though no task of it ran: a bare tokio task called
/// one of its handles. Nothing to say while a task of the node runs: its poll is told anyway.
pub(crate) fn touch(owner: Owner) {
    if RUN.get() == 0 || current() == Some(owner) {
        return;
    }
    TASKS.with_borrow_mut(|tasks| {
        if !tasks.touched.contains(&owner) {
            tasks.touched.push(owner);
        }
    });
    wake_host();
}

/// Who was touched since this was asked last, in that order.
pub(crate) fn take_touched() -> Vec<Owner> {
    TASKS.with_borrow_mut(|tasks| match tasks.touched.is_empty() {
        true => Vec::new(),
        false => std::mem::take(&mut tasks.touched),
    })
}

/// Tasks that have not ended.
#[cfg(test)]
pub(crate) fn alive() -> usize {
    TASKS.with_borrow(|tasks| tasks.slots.len() - tasks.free.len())
}

/// Whose code runs now; None between them.
pub(crate) fn current() -> Option<Owner> {
    CURRENT.get()
}

/// Whose code ran last, or runs now.
pub(crate) fn last() -> Option<Owner> {
    LAST.get()
}

/// Runs code that is no task as a node's.
pub(crate) fn as_owner<T>(owner: Owner, code: impl FnOnce() -> T) -> T {
    struct Before(Option<Owner>);
    impl Drop for Before {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    let _before = Before(CURRENT.replace(Some(owner)));
    LAST.set(Some(owner));
    code()
}

/// Wakes the loop if it waits for tokio: there is something to do before the time it waits for.
pub(crate) fn wake_host() {
    if let Some(host) = HOST.with_borrow_mut(Option::take) {
        host.wake();
    }
}

/// Which run this thread is in; 0 is none.
fn run() -> u64 {
    RUN.get()
}

/// Who is woken when something is to be done.
pub(crate) fn set_host(waker: &Waker) {
    HOST.with_borrow_mut(|host| match host {
        Some(host) => host.clone_from(waker),
        None => *host = Some(waker.clone()),
    });
    ABROAD.with_borrow(|abroad| {
        let abroad = abroad.as_ref().expect("a simulated thread has one");
        let mut landed = abroad.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut landed.host {
            Some(host) => host.clone_from(waker),
            None => landed.host = Some(waker.clone()),
        }
    });
}

#[cfg(test)]
mod tests;
