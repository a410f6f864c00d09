//! Answers on their way to one link. Bounded by what the link may have open: 1,024.

use std::sync::{Arc, Mutex};

use nigh_proto::calls::caller::Slot;
use nigh_proto::calls::request::{Answer, Refusal};
use tokio::sync::Notify;

/// Answers that wait for their link to write them.
#[derive(Default)]
pub(crate) struct Outbox {
    answers: Mutex<Vec<(Slot, Result<Answer, Refusal>)>>,
    notify: Notify,
}

impl Outbox {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }
    /// Adds an answer. Nobody may be left to send it: then it goes with the link.
    pub(crate) fn push(&self, slot: Slot, answer: Result<Answer, Refusal>) {
        self.answers.lock().expect("holders only move").push((slot, answer));
        self.notify.notify_one();
    }
    /// Takes what there is, in order.
    pub(crate) fn take(&self) -> Vec<(Slot, Result<Answer, Refusal>)> {
        std::mem::take(&mut *self.answers.lock().expect("holders only move"))
    }
    /// Waits until something was added since the last wait. Cancel safe.
    pub(crate) async fn wait(&self) {
        self.notify.notified().await;
    }
}
