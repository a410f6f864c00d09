//! The one place that reads clocks, draws entropy, waits for a moment and starts tasks. Everything else is told.
//!
//! [`Clock`] is the system's, or that of an [`Ambient`]: a simulator that stands in for all of it at once.

#![expect(clippy::disallowed_methods, reason = "this module is what stands in for the clocks and for chance")]

use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant as Steady, SystemTime};

use nigh_proto::Instant;
use nigh_wire::{CallId, Time};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::exit;
use crate::service::BoxFuture;

/// What a process has from its surroundings: time, chance, tasks, and an end.
pub trait Ambient: Send + Sync + 'static {
    /// The steady clock.
    fn now(&self) -> Instant;
    /// The wall clock.
    fn wall(&self) -> Time;
    /// 128 random bits.
    fn entropy(&self) -> u128;
    /// Waits.
    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()>;
    /// Runs a task that ends with the process.
    fn spawn(&self, task: BoxFuture<'static, ()>);
    /// The process ends at once: what is in its memory may no longer be believed.
    fn end(&self, why: &str) -> !;
    /// A call that can be in doubt was accepted under this id.
    fn started(&self, id: CallId);
}

/// The clocks of this process, its entropy and its tasks.
#[derive(Clone)]
pub(crate) enum Clock {
    System(System),
    Ambient(Arc<dyn Ambient>),
}

/// As the operating system and the runtime have them.
#[derive(Clone)]
pub(crate) struct System {
    start: Steady,
    runtime: Handle,
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Clock::System(_)) { "System" } else { "Ambient" })
    }
}

impl Clock {
    /// Starts counting. Within a runtime, which runs the tasks.
    pub(crate) fn start() -> Self {
        Clock::System(System { start: Steady::now(), runtime: Handle::current() })
    }

    /// The steady clock.
    pub(crate) fn now(&self) -> Instant {
        match self {
            Clock::System(system) => system.now(),
            Clock::Ambient(ambient) => ambient.now(),
        }
    }

    /// The wall clock.
    pub(crate) fn wall(&self) -> Time {
        match self {
            Clock::System(_) => {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                let nanos = since.unwrap_or(Duration::ZERO).as_nanos();
                Time::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
            Clock::Ambient(ambient) => ambient.wall(),
        }
    }

    /// 128 random bits: caller ids (R1), incarnations, seeds.
    pub(crate) fn entropy(&self) -> u128 {
        match self {
            Clock::System(_) => {
                let mut bytes = [0; 16];
                getrandom::fill(&mut bytes).expect("the operating system has entropy");
                u128::from_le_bytes(bytes)
            }
            Clock::Ambient(ambient) => ambient.entropy(),
        }
    }

    /// Waits until then.
    pub(crate) async fn sleep_until(&self, at: Instant) {
        match self {
            Clock::System(system) => tokio::time::sleep_until(system.steady(at)).await,
            Clock::Ambient(ambient) => ambient.sleep_until(at).await,
        }
    }

    /// What `work` gives, or `None` if it takes longer.
    pub(crate) async fn timeout_at<F: Future>(&self, due: Instant, work: F) -> Option<F::Output> {
        match self {
            Clock::System(system) => tokio::time::timeout_at(system.steady(due), work).await.ok(),
            Clock::Ambient(ambient) => tokio::select! {
                biased; // What is there counts, also at the last moment.
                output = work => Some(output),
                () = ambient.sleep_until(due) => None,
            },
        }
    }

    /// Runs a task.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        match self {
            Clock::System(system) => drop(system.runtime.spawn(task)),
            Clock::Ambient(ambient) => ambient.spawn(Box::pin(task)),
        }
    }

    /// Runs a task until it ends or what is returned is dropped.
    pub(crate) fn spawn_tied(&self, task: impl Future<Output = ()> + Send + 'static) -> Tied {
        let (tie, cut) = oneshot::channel();
        self.spawn(async move {
            tokio::select! {
                biased; // Nobody waits any more: it does not run once again.
                _ = cut => {}
                () = task => {}
            }
        });
        Tied(tie)
    }

    /// Ends the process.
    pub(crate) fn end(&self, why: &str, status: i32) -> ! {
        match self {
            Clock::System(_) => exit::end_process(why, status),
            Clock::Ambient(ambient) => ambient.end(why),
        }
    }

    /// What `work` gives for each part, each on a thread of its own; in a simulator one after the other.
    pub(crate) fn side_by_side<P: Send, T: Send>(
        &self,
        parts: Vec<P>,
        work: impl Fn(P) -> T + Sync,
    ) -> Vec<T> {
        let parts = parts.into_iter();
        let Clock::System(_) = self else { return parts.map(work).collect() };
        let work = &work;
        std::thread::scope(|scope| {
            let started: Vec<_> = parts.map(|part| scope.spawn(move || work(part))).collect();
            let ended = started.into_iter().map(ScopedJoinHandle::join);
            ended.map(|ended| ended.unwrap_or_else(|panic| resume_unwind(panic))).collect()
        })
    }

    /// How many threads run at the same moment.
    pub(crate) fn cores(&self) -> usize {
        match self {
            Clock::System(_) => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            Clock::Ambient(_) => 1,
        }
    }

    /// True if somebody wants to know what is [`started`](Self::started).
    pub(crate) fn is_watched(&self) -> bool {
        matches!(self, Clock::Ambient(_))
    }

    /// A call that can be in doubt was accepted under this id.
    pub(crate) fn started(&self, id: CallId) {
        if let Clock::Ambient(ambient) = self {
            ambient.started(id);
        }
    }
}

impl System {
    fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// When `at` is, for a timer of the runtime.
    fn steady(&self, at: Instant) -> tokio::time::Instant {
        // A moment beyond the steady clock's range is one day away: the timer is set again then.
        let day = Duration::from_secs(86_400);
        let elapsed = self.start.elapsed();
        let now = Instant::from_nanos(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
        tokio::time::Instant::from_std(self.start) + elapsed + at.saturating_since(now).min(day)
    }
}

/// A task that ends when this is dropped.
pub(crate) struct Tied(oneshot::Sender<()>);

impl Tied {
    /// True once the task has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_closed()
    }
}
