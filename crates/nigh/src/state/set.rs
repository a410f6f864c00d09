//! `Set`: an ordered set whose changes are recorded one by one. A [`Map`] without values, with the bytes of a set.

use std::borrow::Borrow;
use std::collections::{BTreeSet, btree_map};
use std::fmt;
use std::ops::RangeBounds;

use nigh_wire::{Builder, DecodeError, NodeId, Out, Reader, Wire};

use super::map::Map;
use crate::state::Part;

/// An ordered set in the state of an entity. A change of one element costs one element, whatever the size.
///
/// Works as [`BTreeSet`] does.
#[derive(Clone)]
pub struct Set<T>(Map<T, ()>);

impl<T> Set<T> {
    /// An empty set.
    pub const fn new() -> Self {
        Set(Map::new())
    }
    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// All elements, in order.
    pub fn iter(&self) -> btree_map::Keys<'_, T, ()> {
        self.0.keys()
    }
}

impl<T: Ord> Set<T> {
    /// True if it has this element.
    pub fn contains<Q: Ord + ?Sized>(&self, element: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.0.contains_key(element)
    }
    /// The smallest element.
    pub fn first(&self) -> Option<&T> {
        self.0.first_key_value().map(|(element, ())| element)
    }
    /// The largest element.
    pub fn last(&self) -> Option<&T> {
        self.0.last_key_value().map(|(element, ())| element)
    }
    /// The elements in `range`, in order.
    ///
    /// # Panics
    ///
    /// As [`BTreeSet::range`]: the range ends before it starts.
    pub fn range<Q: Ord + ?Sized, R: RangeBounds<Q>>(&self, range: R) -> impl DoubleEndedIterator<Item = &T>
    where
        T: Borrow<Q>,
    {
        self.0.range(range).map(|(element, ())| element)
    }
    /// True if the other has all elements of this one.
    pub fn is_subset(&self, other: &Set<T>) -> bool {
        self.iter().all(|element| other.contains(element))
    }
}

impl<T: Ord + Clone> Set<T> {
    /// Adds an element, and says whether it was not there.
    pub fn insert(&mut self, element: T) -> bool {
        // As in a set of the standard library, one that is there stays: equal elements may differ otherwise.
        !self.contains(&element) && self.0.insert(element, ()).is_none()
    }
    /// Removes an element, and says whether it was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, element: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.0.remove(element).is_some()
    }
    /// Removes the smallest element, and returns it.
    pub fn pop_first(&mut self) -> Option<T> {
        self.0.pop_first().map(|(element, ())| element)
    }
    /// Removes the largest element, and returns it.
    pub fn pop_last(&mut self) -> Option<T> {
        self.0.pop_last().map(|(element, ())| element)
    }
    /// Keeps the elements for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.0.retain(|element, ()| keep(element));
    }
    /// Removes all elements.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl<T: Wire + Ord + Clone> Part for Set<T> {
    type Saved = <Map<T, ()> as Part>::Saved;
    fn begin(&mut self) -> Self::Saved {
        self.0.begin()
    }
    fn release(&mut self, home: &Self::Saved) {
        self.0.release(home);
    }
    fn undo(&mut self, home: Self::Saved) {
        self.0.undo(home);
    }
    fn commit(&mut self, home: Self::Saved, field: u64, redo: &mut Out) -> bool {
        self.0.commit(home, field, redo)
    }
    fn apply(&mut self, redo: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.0.apply(redo)
    }
    fn snapshot(&self, out: &mut Out) {
        // An empty value has no bytes: these are those of a set.
        self.0.snapshot(out);
    }
    fn restore(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Map::restore(r).map(Set)
    }
    fn node(b: &mut Builder) -> NodeId {
        <BTreeSet<T> as Wire>::node(b)
    }
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Set::new()
    }
}
impl<T: fmt::Debug> fmt::Debug for Set<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
impl<T: PartialEq> PartialEq for Set<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<T: Eq> Eq for Set<T> {}
impl<T: Ord + Clone> Extend<T> for Set<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, elements: I) {
        for element in elements {
            self.insert(element);
        }
    }
}
impl<T: Ord> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        // By way of a set, in which the first of equal elements stays.
        let elements: BTreeSet<T> = elements.into_iter().collect();
        Set(elements.into_iter().map(|element| (element, ())).collect())
    }
}
impl<T: Ord, const N: usize> From<[T; N]> for Set<T> {
    fn from(elements: [T; N]) -> Self {
        elements.into_iter().collect()
    }
}
impl<'a, T> IntoIterator for &'a Set<T> {
    type Item = &'a T;
    type IntoIter = btree_map::Keys<'a, T, ()>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
/// Copies, if the set came out of a state in this method: undoing needs the original.
impl<T: Clone> IntoIterator for Set<T> {
    type Item = T;
    type IntoIter = btree_map::IntoKeys<T, ()>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_keys()
    }
}
