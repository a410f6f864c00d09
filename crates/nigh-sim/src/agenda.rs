//! What is still to come: events by time, and those of one time in the order in which they were put in.
//!
//! The heap holds keys alone and events stand aside, so that a large event is not moved about as it rises.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// When an event is due, and its place among those of the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    /// Nanoseconds of simulated time.
    pub(crate) at: u64,
    /// Greater than that of every event put in before.
    pub(crate) sequence: u64,
}

/// Events to come.
#[derive(Debug)]
pub(crate) struct Agenda<E> {
    keys: BinaryHeap<Reverse<(Due, u32)>>,
    events: Vec<Option<E>>,
    free: Vec<u32>,
    sequence: u64,
}

impl<E> Agenda<E> {
    pub(crate) fn new() -> Self {
        Agenda { keys: BinaryHeap::new(), events: Vec::new(), free: Vec::new(), sequence: 0 }
    }

    /// Puts in an event, after all others of the same time.
    #[cfg(test)]
    pub(crate) fn push(&mut self, at: u64, event: E) {
        let sequence = self.sequence + 1;
        self.push_numbered(Due { at, sequence }, event);
    }

    /// Puts in an event, after all others of the same time. Agendas may share one count: ties between them keep
    /// their order too.
    pub(crate) fn push_numbered(&mut self, due: Due, event: E) {
        debug_assert!(due.sequence > self.sequence, "numbers rise");
        self.sequence = due.sequence;
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.events.push(None);
                u32::try_from(self.events.len() - 1).expect("fewer events at once than 2^32")
            }
        };
        self.events[slot as usize] = Some(event);
        self.keys.push(Reverse((due, slot)));
    }

    /// When the next event is due.
    pub(crate) fn due(&self) -> Option<Due> {
        self.keys.peek().map(|Reverse((due, _))| *due)
    }

    /// The next event, which stays.
    pub(crate) fn peek(&self) -> Option<(Due, &E)> {
        let Reverse((due, slot)) = self.keys.peek()?;
        Some((*due, self.events[*slot as usize].as_ref().expect("a key has its event")))
    }

    /// Takes the next event.
    pub(crate) fn pop(&mut self) -> Option<(Due, E)> {
        let Reverse((due, slot)) = self.keys.pop()?;
        self.free.push(slot);
        Some((due, self.events[slot as usize].take().expect("a key has its event")))
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

#[cfg(test)]
mod tests;
