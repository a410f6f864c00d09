//! One simulated thread for run after run, as long as none of them draws entropy.
//!
//! What a thread keeps for itself and is seeded (hash maps, generators) was drawn first, and the guard sees draws. What
//! users keep per thread themselves stays, as their statics do.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::thread;

type Job<R> = (u64, Box<dyn FnOnce() -> R + Send>);

/// A simulated thread that is used again: to make one takes a fifth of a short run.
#[derive(Debug)]
pub struct Reused<R> {
    worker: Option<Worker<R>>,
}

#[derive(Debug)]
struct Worker<R> {
    jobs: SyncSender<Job<R>>,
    /// What came of it, and whether it drew entropy.
    told: Receiver<(R, bool)>,
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
        let worker = self.worker.take().unwrap_or_else(Worker::start);
        // One whose thread has gone is found out by the answer that does not come.
        let _sent = worker.jobs.send((seed, Box::new(f)));
        let Ok((result, drew)) = worker.told.recv() else {
            match worker.thread.join() {
                Err(panic) => resume_unwind(panic),
                Ok(()) => unreachable!("the thread ends when it panics or its jobs do"),
            }
        };
        let used_up = drew; // mutant guard-used-thread-kept: let used_up = false;
        if used_up {
            return None;
        }
        self.worker = Some(worker);
        Some(result)
    }
}

impl<R: Send + 'static> Worker<R> {
    fn start() -> Self {
        let (jobs, next) = sync_channel::<Job<R>>(1);
        let (tell, told) = sync_channel(1);
        let work = move || {
            for (seed, f) in next {
                let _inside = crate::enter_undrawn(seed);
                let result = f();
                // Whoever asked may have gone.
                let _told = tell.send((result, thread::has_drawn()));
            }
        };
        Worker { jobs, told, thread: std::thread::spawn(work) }
    }
}
