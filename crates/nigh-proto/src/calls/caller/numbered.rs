//! A map by numbers that rise and are taken out soon: each stands at its own place of a ring, found without a search.
//!
//! For what is looked up several times with every call. A number that stays until a later one comes to its place moves to a
//! tree. What is asked for is there whatever the order; only its cost is that of a tree then.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::ops::Index;

/// Places of the first ring.
const PLACES_MIN: usize = 8;

#[derive(Clone, Debug)]
pub(super) struct Numbered<T> {
    /// None, or a power of two: at least twice as many as there are numbers.
    ring: Vec<Option<(u64, T)>>,
    /// Those whose place a later one has.
    rest: BTreeMap<u64, T>,
    len: usize,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Numbered { ring: Vec::new(), rest: BTreeMap::new(), len: 0 }
    }
}

/// In order, whatever the places.
impl<T: Hash> Hash for Numbered<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sorted().hash(state);
    }
}

impl<T> Index<u64> for Numbered<T> {
    type Output = T;
    fn index(&self, number: u64) -> &T {
        self.get(number).expect("a number that is there")
    }
}

impl<T> Numbered<T> {
    /// Puts it in, instead of what was there.
    pub(super) fn insert(&mut self, number: u64, value: T) {
        self.remove(number);
        if self.ring.len() < 2 * (self.len + 1) {
            self.grow();
        }
        self.len += 1;
        self.put(number, value);
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<T> {
        let place = self.place(number);
        let here = self.ring.get_mut(place).and_then(|at| at.take_if(|(other, _)| *other == number));
        let value = match here {
            Some((_, value)) => value,
            None if self.rest.is_empty() => return None,
            None => self.rest.remove(&number)?,
        };
        self.len -= 1;
        Some(value)
    }

    pub(super) fn get(&self, number: u64) -> Option<&T> {
        match self.ring.get(self.place(number)) {
            Some(Some((other, value))) if *other == number => Some(value),
            _ => self.rest.get(&number),
        }
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let place = self.place(number);
        match self.ring.get_mut(place) {
            Some(Some((other, value))) if *other == number => Some(value),
            _ => self.rest.get_mut(&number),
        }
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        self.get(number).is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// All of them, lowest number first: for what is seldom asked.
    pub(super) fn sorted(&self) -> Vec<(u64, &T)> {
        let here = self.ring.iter().flatten().map(|(number, value)| (*number, value));
        let mut all: Vec<_> = here.chain(self.rest.iter().map(|(number, value)| (*number, value))).collect();
        all.sort_unstable_by_key(|(number, _)| *number);
        all
    }

    fn place(&self, number: u64) -> usize {
        number as usize & self.ring.len().wrapping_sub(1)
    }

    fn put(&mut self, number: u64, value: T) {
        let place = self.place(number);
        if let Some((before, value)) = self.ring[place].replace((number, value)) {
            self.rest.insert(before, value); // mutant old-number-lost: drop((before, value));
        }
    }

    /// A ring of twice as many places. It stays: who had so many open will again.
    fn grow(&mut self) {
        let places = (2 * self.ring.len()).max(PLACES_MIN);
        let ring = std::mem::replace(&mut self.ring, std::iter::repeat_with(|| None).take(places).collect());
        let rest = std::mem::take(&mut self.rest);
        for (number, value) in rest.into_iter().chain(ring.into_iter().flatten()) {
            self.put(number, value);
        }
    }
}

#[cfg(test)]
mod tests {
    //! Whatever is put in and taken out, it is what a tree would be.

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::Numbered;

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((0..3u8, 0..40u64), 0..200)) {
            let (mut numbered, mut tree) = (Numbered::default(), BTreeMap::new());
            for (at, (kind, number)) in steps.into_iter().enumerate() {
                match kind {
                    0 => prop_assert_eq!(numbered.remove(number), tree.remove(&number)),
                    // What comes late stands at a place that others had.
                    _ => {
                        let number = number + at as u64 / 4 * u64::from(kind - 1);
                        numbered.insert(number, at);
                        tree.insert(number, at);
                    }
                }
                prop_assert_eq!(numbered.len(), tree.len());
                prop_assert_eq!(numbered.is_empty(), tree.is_empty());
                prop_assert_eq!(numbered.get(number), tree.get(&number));
                prop_assert_eq!(numbered.get_mut(number), tree.get_mut(&number));
                let sorted: Vec<_> = tree.iter().map(|(number, value)| (*number, value)).collect();
                prop_assert_eq!(numbered.sorted(), sorted);
            }
        }
    }
}
