//! `Set`: an ordered set whose changes are recorded one by one. A [`Map`] without values, with the bytes of a set.

use std::borrow::Borrow;
use std::collections::{BTreeSet, btree_map};
use std::fmt;
use std::ops::RangeBounds;

use nigh_wire::{Builder, DecodeError, NodeId, Out, Reader, Wire};

use super::element::{Element, Note};
use super::map::Map;
use super::map::entry::Entry;
use super::tracked::Home;
use crate::state::{Large, Part};

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
    /// The element as it is in the set.
    pub fn get<Q: Ord + ?Sized>(&self, element: &Q) -> Option<&T>
    where
        T: Borrow<Q>,
    {
        self.0.get_key_value(element).map(|(element, ())| element)
    }
    /// The elements that the other has too, in order.
    pub fn intersection<'a>(&'a self, other: &'a Set<T>) -> impl Iterator<Item = &'a T> {
        self.iter().filter(|element| other.contains(element))
    }
    /// The elements that the other has not, in order.
    pub fn difference<'a>(&'a self, other: &'a Set<T>) -> impl Iterator<Item = &'a T> {
        self.iter().filter(|element| !other.contains(element))
    }
    /// True if the other has none of these elements.
    pub fn is_disjoint(&self, other: &Set<T>) -> bool {
        self.intersection(other).next().is_none()
    }
    /// True if this one has all elements of the other.
    pub fn is_superset(&self, other: &Set<T>) -> bool {
        other.is_subset(self)
    }
    /// True if the other has all elements of this one.
    pub fn is_subset(&self, other: &Set<T>) -> bool {
        self.iter().all(|element| other.contains(element))
    }
}

impl<T: Ord + Clone> Set<T> {
    /// Adds an element, and says whether it was not there.
    pub fn insert(&mut self, element: T) -> bool {
        match self.0.entry(element) {
            // As in a set of the standard library, one that is there stays: equal elements may differ otherwise.
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(());
                true
            }
        }
    }
    /// Removes an element, and says whether it was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, element: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.take(element).is_some()
    }
    /// Removes an element, and returns it as it was in the set.
    pub fn take<Q: Ord + ?Sized>(&mut self, element: &Q) -> Option<T>
    where
        T: Borrow<Q>,
    {
        self.0.remove_entry(element).map(|(element, ())| element)
    }
    /// Takes all elements of the other, which is empty then.
    pub fn append(&mut self, other: &mut Set<T>) {
        while let Some(element) = other.pop_first() {
            self.insert(element);
        }
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
    type Saved = Home;
    fn begin(&mut self, kept: &mut Out) -> Home {
        self.0.begin(kept)
    }
    fn release(&mut self) {
        self.0.release();
    }
    fn undo(&mut self, home: Home, kept: &[u8]) {
        self.0.undo(home, kept);
    }
    fn commit(&mut self, home: Home, kept: &[u8], redo: &mut Out) -> bool {
        self.0.commit(home, kept, redo)
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
    fn skip(redo: &mut Reader<'_>) -> Result<(), DecodeError> {
        <Map<T, ()> as Part>::skip(redo)
    }
    fn tracked(out: &mut String) {
        out.push_str("set");
    }
    fn large(&self) -> Option<&dyn Large> {
        Some(&self.0)
    }
    fn large_mut(&mut self) -> Option<&mut dyn Large> {
        Some(&mut self.0)
    }
}

impl<T: Wire + Ord + Clone> Element for Set<T> {
    type Plain = BTreeSet<T>;
    fn note(&mut self) -> Note<Self> {
        Note::Began(self.0.begin(&mut Out::default()))
    }
    fn returned(home: Home) -> Self {
        Set(Map::returned(home))
    }
    fn is_still(&self, note: &Note<Self>, _: &mut Out) -> bool {
        note.home().is_some_and(|home| self.0.peek().is_of(home))
    }
    fn change(&mut self, note: Note<Self>, redo: &mut Out) -> bool {
        self.0.tracked().change(note.home(), redo)
    }
    fn made(redo: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Map::made(redo).map(Set)
    }
    fn settle(&mut self) {
        self.0.settle();
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
impl<'a, T: Ord + Copy> Extend<&'a T> for Set<T> {
    fn extend<I: IntoIterator<Item = &'a T>>(&mut self, elements: I) {
        self.extend(elements.into_iter().copied());
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
impl<T: Ord> From<BTreeSet<T>> for Set<T> {
    fn from(elements: BTreeSet<T>) -> Self {
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
