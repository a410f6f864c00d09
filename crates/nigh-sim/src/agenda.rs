//! What is still to come: events by time, and those of one time in the order in which they were put in.
//!
//! Keys stand in order, the next one last, and events stand aside. There are a few dozen, and most are put in near the
//! end: that moves less than a heap compares. A key is one number: two are compared in a step.

/// When an event is due, and its place among those of the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    /// Nanoseconds of simulated time.
    pub(crate) at: u64,
    /// Greater than that of every event put in before.
    pub(crate) sequence: u64,
}

/// When, which number, and where the event stands, from the highest bit down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(u128);

/// Bits of a slot: more events at once than any machine has memory for.
const SLOT_BITS: u32 = 24;
/// Bits of a number: a run of as many steps would take weeks.
const SEQUENCE_BITS: u32 = 64 - SLOT_BITS;

impl Key {
    fn of(due: Due, slot: u32) -> Self {
        assert!(slot >> SLOT_BITS == 0 && due.sequence >> SEQUENCE_BITS == 0, "too many events in one run");
        let low = due.sequence << SLOT_BITS | u64::from(slot);
        Key(u128::from(due.at) << 64 | u128::from(low))
    }
    fn due(self) -> Due {
        Due { at: (self.0 >> 64) as u64, sequence: self.0 as u64 >> SLOT_BITS }
    }
    fn slot(self) -> u32 {
        self.0 as u32 & ((1 << SLOT_BITS) - 1)
    }
}

/// So many of the next keys are looked at one by one: most have their place among them.
const NEAR: usize = 8;

/// Events to come.
#[derive(Debug)]
pub(crate) struct Agenda<E> {
    /// The next one last.
    keys: Vec<Key>,
    events: Vec<Option<E>>,
    free: Vec<u32>,
    sequence: u64,
}

impl<E> Agenda<E> {
    pub(crate) fn new() -> Self {
        let (keys, events, free) = (Vec::with_capacity(64), Vec::with_capacity(64), Vec::with_capacity(64));
        Agenda { keys, events, free, sequence: 0 }
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
        let key = Key::of(due, slot);
        let place = self.place(key);
        self.keys.insert(place, key);
    }

    /// Behind all that are later.
    fn place(&self, key: Key) -> usize {
        let (far, near) = self.keys.split_at(self.keys.len().saturating_sub(NEAR));
        match near.iter().rposition(|other| *other > key) {
            Some(at) => far.len() + at + 1,
            None => far.partition_point(|other| *other > key),
        }
    }

    /// When the next event is due.
    pub(crate) fn due(&self) -> Option<Due> {
        self.keys.last().map(|key| key.due())
    }

    /// The next event, which stays.
    pub(crate) fn peek(&self) -> Option<(Due, &E)> {
        let key = self.keys.last()?;
        Some((key.due(), self.events[key.slot() as usize].as_ref().expect("a key has its event")))
    }

    /// Takes the next event.
    pub(crate) fn pop(&mut self) -> Option<(Due, E)> {
        let key = self.keys.pop()?;
        self.free.push(key.slot());
        Some((key.due(), self.events[key.slot() as usize].take().expect("a key has its event")))
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

#[cfg(test)]
mod tests;
