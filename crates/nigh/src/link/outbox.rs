//! Answers on their way to one link. Bounded by what the link may have open: 1,024.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use nigh_proto::calls::caller::Slot;
use nigh_proto::calls::request::{Answer, Refusal};
use tokio::sync::Notify;

/// Answers that wait for their link to write them.
#[derive(Default)]
pub(crate) struct Outbox {
    answers: Mutex<Vec<(Slot, Result<Answer, Refusal>)>>,
    /// There are some: asked at each turn of a link, without the lock.
    any: AtomicBool,
    notify: Notify,
}

impl Outbox {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }
    /// Adds an answer. Nobody may be left to send it: then it goes with the link.
    pub(crate) fn push(&self, slot: Slot, answer: Result<Answer, Refusal>) {
        {
            let mut answers = self.answers.lock().expect("holders only move");
            answers.push((slot, answer));
            self.any.store(true, Ordering::Release);
        }
        self.notify.notify_one();
    }
    /// Takes what there is, in order.
    pub(crate) fn take(&self) -> Vec<(Slot, Result<Answer, Refusal>)> {
        let mut answers = self.answers.lock().expect("holders only move");
        self.any.store(false, Ordering::Release);
        std::mem::take(&mut *answers)
    }
    /// True if there are any. Who adds one wakes the link after it.
    pub(crate) fn has_any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }
    /// Waits until something was added since the last wait. Cancel safe.
    pub(crate) async fn wait(&self) {
        self.notify.notified().await;
    }
}
