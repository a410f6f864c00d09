//! A map whose keys mostly come in rising order and mostly leave from the front: a sorted queue.
//!
//! For tables of a thousand entries that fill and empty with every call; a tree would make and free its root
//! each time. Anything may be put in or taken out of the middle, at the cost of moving the shorter side.

use std::collections::VecDeque;

#[derive(Clone, Debug, Hash)]
pub(super) struct Rising<T>(VecDeque<(u64, T)>);

impl<T> Default for Rising<T> {
    fn default() -> Self {
        Rising(VecDeque::new())
    }
}

impl<T> Rising<T> {
    /// Puts it in its place, instead of what was there.
    pub(super) fn insert(&mut self, key: u64, value: T) {
        if self.0.back().is_none_or(|(last, _)| *last < key) {
            return self.0.push_back((key, value));
        }
        match self.place(key) {
            Ok(place) => self.0[place].1 = value,
            Err(place) => self.0.insert(place, (key, value)),
        }
    }

    pub(super) fn remove(&mut self, key: u64) -> Option<T> {
        let place = self.place(key).ok()?;
        self.0.remove(place).map(|(_, value)| value)
    }

    pub(super) fn get(&self, key: u64) -> Option<&T> {
        self.place(key).ok().map(|place| &self.0[place].1)
    }

    pub(super) fn first(&self) -> Option<u64> {
        self.0.front().map(|(key, _)| *key)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(u64, T)> {
        self.0.iter()
    }

    fn place(&self, key: u64) -> Result<usize, usize> {
        // What is asked for is the first one, mostly.
        match self.0.front() {
            Some((first, _)) if *first == key => Ok(0),
            _ => self.0.binary_search_by_key(&key, |(key, _)| *key),
        }
    }
}
