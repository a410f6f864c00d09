//! One simulated thread for run after run, as long as none of them draws entropy.
//!
//! What a thread keeps for itself and is seeded (hash maps, generators) was drawn first, and the guard sees draws. What
//! users keep per thread themselves stays, as their statics do.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::thread;

/// Runs with their seeds, and which result goes on to the next.
type Job<R> = (Vec<(u64, Box<dyn FnOnce() -> R + Send>)>, fn(&R) -> bool);

/// A simulated thread that is used again: to make one takes a fifth of a short run.
#[derive(Debug)]
pub struct Reused<R> {
    worker: Option<Worker<R>>,
}

#[derive(Debug)]
struct Worker<R> {
    jobs: SyncSender<Job<R>>,
    /// What came of them up to one that drew entropy, and whether one did.
    told: Receiver<(Vec<R>, bool)>,
    thread: JoinHandle<()>,
}

impl<R> Default for Reused<R> {
    fn default() -> Self {
        Reused { worker: None }
    }
}

impl<R: Send + 'static> Reused<R> {
    /// Runs `f` on the thread of earlier runs, or on a new one. `None` if it drew entropy: the thread is not used again,
    /// and what the run came to is only known from [`run`](crate::run), where the first draw is the thread's own.
    ///
    /// # Panics
    ///
    /// As `f` does, and if the system has no thread left.
    pub fn run(&mut self, seed: u64, f: impl FnOnce() -> R + Send + 'static) -> Option<R> {
        self.run_all([(seed, f)], |_| true).0.pop()
    }

    /// As [`Reused::run`], one after the other, up to one that drew entropy or whose result does not go on: to hand each
    /// over by itself takes a tenth of a short run. Gives what they came to, without the one that drew, and whether one
    /// did.
    ///
    /// # Panics
    ///
    /// As [`Reused::run`].
    pub fn run_all<F: FnOnce() -> R + Send + 'static>(
        &mut self,
        runs: impl IntoIterator<Item = (u64, F)>,
        goes_on: fn(&R) -> bool,
    ) -> (Vec<R>, bool) {
        let worker = self.worker.take().unwrap_or_else(Worker::start);
        let boxed = |(seed, f)| (seed, Box::new(f) as Box<dyn FnOnce() -> R + Send>);
        // One whose thread has gone is found out by the answer that does not come.
        let _sent = worker.jobs.send((runs.into_iter().map(boxed).collect(), goes_on));
        let Ok((results, drew)) = worker.told.recv() else {
            match worker.thread.join() {
                Err(panic) => resume_unwind(panic),
                Ok(()) => unreachable!("the thread ends when it panics or its jobs do"),
            }
        };
        let used_up = drew; // mutant guard-used-thread-kept: let used_up = false;
        if !used_up {
            self.worker = Some(worker);
        }
        (results, used_up)
    }
}

impl<R: Send + 'static> Worker<R> {
    fn start() -> Self {
        let (jobs, next) = sync_channel::<Job<R>>(1);
        let (tell, told) = sync_channel(1);
        let work = move || {
            for (runs, goes_on) in next {
                let (mut results, mut drew) = (Vec::with_capacity(runs.len()), false);
                for (seed, f) in runs {
                    let _inside = crate::enter_undrawn(seed);
                    let result = f();
                    drew = thread::has_drawn();
                    let on = !drew && goes_on(&result);
                    if !drew {
                        results.push(result);
                    }
                    if !on {
                        break;
                    }
                }
                // Whoever asked may have gone.
                let _told = tell.send((results, drew));
            }
        };
        Worker { jobs, told, thread: std::thread::spawn(work) }
    }
}
