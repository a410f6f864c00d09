//! When something is due next: a queue in the order of time.
//!
//! Deadlines are mostly as far away as those before, so they come in order, at the back. That of a call which has ended stays
//! in the queue until it comes to the front, or until most of the queue are such: that is cheaper than to look for it.

use std::collections::VecDeque;

use crate::Instant;

/// Moments of ended calls that are not worth a look.
const ENDED_MIN: usize = 64;

#[derive(Clone, Debug, Default)]
pub(super) struct Timers(VecDeque<(Instant, u64)>);

impl Timers {
    pub(super) fn insert(&mut self, at: Instant, number: u64) {
        let entry = (at, number);
        if self.0.back().is_none_or(|last| *last < entry) {
            self.0.push_back(entry);
        } else if let Err(place) = self.0.binary_search(&entry) {
            self.0.insert(place, entry);
        }
    }

    pub(super) fn remove(&mut self, at: Instant, number: u64) {
        if let Ok(place) = self.0.binary_search(&(at, number)) {
            self.0.remove(place);
        }
    }

    /// A call has ended, or a moment was taken out: the first one is again that of an open call, of which there are `open`.
    pub(super) fn tidy(&mut self, open: usize, is_open: impl Fn(u64) -> bool) {
        while self.0.front().is_some_and(|(_, number)| !is_open(*number)) {
            self.0.pop_front();
        }
        if self.0.len() > ENDED_MIN + 3 * open {
            self.0.retain(|(_, number)| is_open(*number));
        }
    }

    /// The next one.
    pub(super) fn first(&self) -> Option<(Instant, u64)> {
        self.0.front().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn contains(&self, at: Instant, number: u64) -> bool {
        self.0.binary_search(&(at, number)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    //! The first moment is always one of a call that is open, and no more is kept than there is reason for.

    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{ENDED_MIN, Timers};
    use crate::Instant;

    proptest! {
        #[test]
        fn the_first_is_of_an_open_call(steps in prop::collection::vec((0..100u64, any::<bool>(), 0..200u64), 0..400)) {
            let (mut timers, mut open) = (Timers::default(), BTreeSet::new());
            for (number, (after, ends, which)) in steps.into_iter().enumerate() {
                let at = Instant::from_nanos(number as u64 + after);
                timers.insert(at, number as u64);
                open.insert((at, number as u64));
                if ends {
                    let ended = open.iter().nth(which as usize % open.len()).copied().expect("one is open");
                    open.remove(&ended);
                    timers.tidy(open.len(), |number| open.iter().any(|(_, other)| *other == number));
                }
                prop_assert_eq!(timers.first(), open.first().copied());
                prop_assert!(open.iter().all(|(at, number)| timers.contains(*at, *number)));
                prop_assert!(timers.len() <= ENDED_MIN + 3 * open.len() + 1);
            }
        }
    }
}
