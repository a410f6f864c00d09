//! To whom an answer goes: the driver's token in the machines.

use std::sync::{Arc, Mutex, PoisonError};

use nigh_proto::calls::request::{Answer, Refusal, Version};
use nigh_wire::{Bytes, Cause, Value};
use tokio::sync::oneshot;

use crate::calls::{Local, Slot};
use crate::entity::Reply;
use crate::link::outbox::Outbox;
use crate::perform::Outcome;

/// What somebody in this process hears: an outcome, or that this copy was refused.
pub(crate) type Heard = Result<Outcome, Refusal>;

/// What came of a view; or why it could not be run, which may tell of what it saw (a panic does).
pub(crate) type Read = Result<Reply, Cause>;

/// Who waits.
pub(crate) enum ReplyTo {
    /// A call of this process, known to its caller machine as this.
    Local(Local),
    /// Somebody at the other end of a link.
    Link(Arc<Outbox>, Slot),
    /// Somebody in this process who asked for what needs no id: a settler, a lister.
    Here(oneshot::Sender<Heard>),
    /// A reader in this process; what was read stays typed.
    View(oneshot::Sender<Heard>, Read),
    /// A reader at the other end of a link.
    LinkView(Arc<Outbox>, Slot, Read),
    /// One shard's part of a list: whoever is last answers.
    Part(Arc<Gather>),
    /// Nobody.
    Nobody,
}

/// What goes to whom, once no lock is held.
pub(crate) struct Delivery {
    pub(crate) to: ReplyTo,
    pub(crate) what: What,
}

/// What is delivered.
pub(crate) enum What {
    Answer(Answer),
    Refusal(Refusal),
    /// The view that its token holds may leave, as of this version.
    Read(Version),
}

/// Waits for several shards before one answer leaves.
pub(crate) struct Gather {
    inner: Mutex<Option<(usize, ReplyTo, Vec<Bytes>)>>,
}

impl Gather {
    /// An answer that leaves when `parts` shards have said that what it read is durable.
    pub(crate) fn new(parts: usize, to: ReplyTo, keys: Vec<Bytes>) -> Arc<Self> {
        Arc::new(Gather { inner: Mutex::new(Some((parts, to, keys))) })
    }

    /// One more part; the whole if it was the last.
    fn part(&self, failed: bool) -> Option<Delivery> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, to, keys) = inner.take()?;
        if failed {
            return Some(Delivery { to, what: What::Refusal(Refusal::AskAgain) });
        }
        if left > 1 {
            *inner = Some((left - 1, to, keys));
            return None;
        }
        Some(Delivery { to, what: What::Answer(Answer::Keys(keys)) })
    }
}

/// Delivers to all but the calls of this process, which are returned: their machines take them in one go.
pub(crate) fn deliver(deliveries: Vec<Delivery>) -> Vec<(Local, Result<Answer, Refusal>)> {
    // Who waits for what was in one group is in this process, or is not.
    let is_local = deliveries.first().is_some_and(|first| matches!(first.to, ReplyTo::Local(_)));
    let mut local = Vec::with_capacity(if is_local { deliveries.len() } else { 0 });
    for Delivery { to, what } in deliveries {
        match (to, what) {
            (ReplyTo::Nobody, _) => {}
            (ReplyTo::Local(to), What::Answer(answer)) => local.push((to, Ok(answer))),
            (ReplyTo::Local(to), What::Refusal(refusal)) => local.push((to, Err(refusal))),
            (ReplyTo::Local(_), What::Read(_)) => debug_assert!(false, "a call is answered, not read"),
            (ReplyTo::Part(gather), what) => {
                let failed = matches!(what, What::Refusal(_));
                local.extend(gather.part(failed).map(|whole| deliver(vec![whole])).unwrap_or_default());
            }
            (ReplyTo::Link(outbox, slot), what) => outbox.push(slot, framed(what, None)),
            (ReplyTo::LinkView(outbox, slot, reply), what) => outbox.push(slot, framed(what, Some(reply))),
            (ReplyTo::Here(waiter), what) => drop(waiter.send(outcome(what, None))),
            (ReplyTo::View(waiter, reply), what) => drop(waiter.send(outcome(what, Some(reply)))),
        }
    }
    local
}

/// As it travels.
fn framed(what: What, read: Option<Read>) -> Result<Answer, Refusal> {
    match (what, read) {
        (What::Answer(answer), _) => Ok(answer),
        (What::Refusal(refusal), _) => Err(refusal),
        (What::Read(version), Some(Ok(Reply::Ok(value)))) => {
            Ok(Answer::Done { value: value.to_bytes(), version: Some(version) })
        }
        (What::Read(_), Some(Ok(Reply::Err(error)))) => Ok(Answer::Failed(error.to_bytes())),
        (What::Read(_), Some(Err(cause))) => Ok(Answer::NotDone(cause)),
        (What::Read(_), None) => Err(Refusal::AskAgain),
    }
}

/// As it stays in this process.
fn outcome(what: What, read: Option<Read>) -> Heard {
    match (what, read) {
        (What::Answer(answer), _) => Ok(answered(answer)),
        (What::Refusal(refusal), _) => Err(refusal),
        (What::Read(version), Some(Ok(Reply::Ok(value)))) => {
            Ok(Outcome::Done { value, version: Some(version) })
        }
        (What::Read(_), Some(Ok(Reply::Err(error)))) => Ok(Outcome::Failed(error)),
        (What::Read(_), Some(Err(cause))) => Ok(Outcome::NotDone(cause)),
        (What::Read(_), None) => Err(Refusal::AskAgain),
    }
}

/// An answer of the machines as its asker sees it.
pub(crate) fn answered(answer: Answer) -> Outcome {
    match answer {
        Answer::Done { value, version } => Outcome::Done { value: Value::Bytes(value), version },
        Answer::Failed(error) => Outcome::Failed(Value::Bytes(error)),
        Answer::NotDone(cause) => Outcome::NotDone(cause),
        Answer::Forgotten => Outcome::Forgotten,
        Answer::NoRecord => Outcome::NoRecord,
        Answer::Keys(keys) => Outcome::Keys(keys),
    }
}
