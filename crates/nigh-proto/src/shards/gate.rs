//! Answers that wait: until what they were read from is durable (R5, R6), and views until the shard is known
//! to be ours still (R7).
//!
//! How many wait is bounded by the calls that may be open on links: each holds one reply.

use std::collections::VecDeque;

use super::Position;
use crate::calls::request::{Answer, Version};

/// What may leave.
#[derive(Debug, PartialEq, Eq)]
pub enum Release<R> {
    /// An answer.
    Answer(R, Answer),
    /// A view that was read at this version.
    View(R, Version),
}

#[derive(Clone, Debug, Hash)]
struct View<R> {
    gate: Position,
    /// How many views had been read when it was.
    read: u64,
    reply: R,
    version: Version,
}

#[derive(Clone, Debug, Hash)]
pub(super) struct Gates<R> {
    /// In the order of their gates.
    answers: VecDeque<(Position, R, Answer)>,
    views: VecDeque<View<R>>,
    /// Views read so far.
    read: u64,
    /// The question under way asks for the views read up to here.
    asked: Option<u64>,
    /// The shard was ours after so many views had been read.
    confirmed: u64,
}

impl<R> Gates<R> {
    pub(super) fn new() -> Self {
        Gates { answers: VecDeque::new(), views: VecDeque::new(), read: 0, asked: None, confirmed: 0 }
    }

    /// R6: whatever it says, it leaves when the log is durable up to `gate`, and not before those ahead of it.
    pub(super) fn answer(&mut self, gate: Position, reply: R, answer: Answer) {
        self.answers.push_back((gate, reply, answer));
    }

    pub(super) fn view(&mut self, gate: Position, reply: R, version: Version) {
        self.read += 1;
        self.views.push_back(View { gate, read: self.read, reply, version });
    }

    /// R7: one question for all views read before it is asked. True if it is to be asked now.
    pub(super) fn poll_confirm(&mut self) -> bool {
        if self.asked.is_some() || self.read <= self.confirmed {
            return false;
        }
        self.asked = Some(self.read);
        true
    }

    pub(super) fn handle_confirmed(&mut self) {
        if let Some(read) = self.asked.take() {
            self.confirm(read); // mutant later-views-confirmed: self.confirm(self.read.max(read));
        }
    }

    /// Views read so far: an append that is begun now and succeeds was ours after all of them (R7, R8).
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    pub(super) fn confirm(&mut self, read: u64) {
        self.confirmed = self.confirmed.max(read);
    }

    /// The next answer that may leave, when the log is durable up to `durable`.
    pub(super) fn poll_release(&mut self, durable: Position) -> Option<Release<R>> {
        if self.answers.front().is_some_and(|(gate, ..)| *gate <= durable) {
            let (_, reply, answer) = self.answers.pop_front()?;
            return Some(Release::Answer(reply, answer));
        }
        let view = self.views.front()?;
        #[rustfmt::skip]
        let confirmed = view.read <= self.confirmed; // mutant view-unconfirmed: let confirmed = true;
        if view.gate > durable || !confirmed {
            return None;
        }
        let view = self.views.pop_front()?;
        Some(Release::View(view.reply, view.version))
    }

    pub(super) fn waiting(&self) -> usize {
        self.answers.len() + self.views.len()
    }

    pub(super) fn into_replies(self) -> Vec<R> {
        let answers = self.answers.into_iter().map(|(_, reply, _)| reply);
        answers.chain(self.views.into_iter().map(|view| view.reply)).collect()
    }

    /// Gates and reads never fall within a queue, so that its front is the first to leave.
    pub(super) fn assert_invariants(&self, next: Position) {
        assert!(self.answers.back().is_none_or(|(gate, ..)| *gate <= next), "an answer waits for nothing");
        assert!(self.confirmed <= self.read && self.asked.is_none_or(|asked| asked <= self.read));
    }

    pub(super) fn assert_scanned(&self) {
        assert!(self.answers.iter().is_sorted_by_key(|(gate, ..)| *gate), "an answer overtakes");
        assert!(self.views.iter().is_sorted_by_key(|view| (view.gate, view.read)), "a view overtakes");
    }
}
