//! `List`: a sequence whose changes are recorded from the first place where elements moved, and one by one before it.
//!
//! What it notes is a *cut*: below it every element is where it was, and those that were touched are kept as they
//! were; from there on all of the old elements are kept. A push costs one element, a change in place one, an insertion or a
//! removal what stands behind it.
//!
//! The parts of a change are the cut, the elements from there on, then a count and `(index, element)` for each that
//! changed below it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, Index, IndexMut};
use std::slice::SliceIndex;

use nigh_wire::{Builder, DecodeError, NodeId, Out, Reader, Wire};

use super::tracked::{Before, Home, Tracked};
use crate::state::Part;

/// A sequence in the state of an entity. Changes at its end and in place cost what they change; a queue from whose
/// front much is taken is better a [`Map`](crate::Map) by number.
///
/// Reads as a slice, changes as [`Vec`] does. What may change an element copies it once a method: `T` is `Clone`.
#[derive(Clone)]
pub struct List<T>(Tracked<Vec<T>, Edited<T>>);

/// A list before a method.
#[doc(hidden)]
pub struct Edited<T> {
    /// Below, every element is where it was.
    cut: usize,
    /// What was touched below the cut, as it was.
    touched: BTreeMap<usize, T>,
    /// The old elements from the cut on, the last one first.
    behind: Vec<T>,
}

impl<T> List<T> {
    /// An empty list.
    pub const fn new() -> Self {
        List(Tracked::new(Vec::new()))
    }
}

/// All that reads: `len`, `iter`, `get`, `first`, `contains`, `binary_search` and so on.
impl<T> Deref for List<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        self.0.get()
    }
}

impl<T: Clone> List<T> {
    /// The elements, of which those from `at` on may move.
    fn cut(&mut self, at: usize) -> &mut Vec<T> {
        let (elements, before) = self.0.get_mut();
        if let Some(Edited { cut, touched, behind }) = before {
            while *cut > at {
                *cut -= 1;
                let old = touched.remove(cut); // mutant list-cut-keeps-new: let old = None::<T>;
                behind.push(old.unwrap_or_else(|| elements[*cut].clone()));
            }
        }
        elements
    }
    /// The elements, of which the one at `at` may change, if there is one.
    fn touch(&mut self, at: usize) -> &mut Vec<T> {
        let (elements, before) = self.0.get_mut();
        if let Some(Edited { cut, touched, .. }) = before
            && at < *cut
        {
            touched.entry(at).or_insert_with(|| elements[at].clone());
        }
        elements
    }
    /// Adds an element at the end.
    pub fn push(&mut self, element: T) {
        // Elements behind the cut need no note, and those before it stay.
        self.cut(usize::MAX).push(element);
    }
    /// Removes the last element, and returns it.
    pub fn pop(&mut self) -> Option<T> {
        let last = self.len().checked_sub(1)?;
        self.cut(last).pop()
    }
    /// Adds an element before the one at `at`.
    ///
    /// # Panics
    ///
    /// `at` is beyond the end.
    pub fn insert(&mut self, at: usize, element: T) {
        assert!(at <= self.len(), "an insertion at {at} into a list of {}", self.len());
        self.cut(at).insert(at, element);
    }
    /// Removes the element at `at`, and returns it.
    ///
    /// # Panics
    ///
    /// There is none.
    pub fn remove(&mut self, at: usize) -> T {
        assert!(at < self.len(), "a removal at {at} from a list of {}", self.len());
        self.cut(at).remove(at)
    }
    /// Removes the element at `at` and puts the last one there, which costs two elements.
    ///
    /// # Panics
    ///
    /// There is none.
    pub fn swap_remove(&mut self, at: usize) -> T {
        assert!(at < self.len(), "a removal at {at} from a list of {}", self.len());
        self.touch(at);
        let last = self.len() - 1;
        self.cut(last).swap_remove(at)
    }
    /// The element at `at`, to change in place.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.touch(at).get_mut(at)
    }
    /// The last element, to change in place.
    pub fn last_mut(&mut self) -> Option<&mut T> {
        self.get_mut(self.len().checked_sub(1)?)
    }
    /// Swaps two elements.
    ///
    /// # Panics
    ///
    /// One of them is not there.
    pub fn swap(&mut self, a: usize, b: usize) {
        self.touch(a);
        self.touch(b).swap(a, b);
    }
    /// Removes all elements from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.cut(len).truncate(len);
    }
    /// Removes all elements.
    pub fn clear(&mut self) {
        self.truncate(0);
    }
    /// Keeps the elements for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        let Some(first) = self.iter().position(|element| !keep(element)) else { return };
        let elements = self.cut(first);
        let mut at = 0;
        elements.retain(|element| {
            at += 1;
            // Those before the first were asked already.
            at <= first || at > first + 1 && keep(element)
        });
    }
    /// Changes it by any means of a [`Vec`], and returns what `change` does. Costs the whole list.
    pub fn rewrite<R>(&mut self, change: impl FnOnce(&mut Vec<T>) -> R) -> R {
        change(self.cut(0))
    }
}

/// True if both have the same bytes: neither need be comparable.
fn same_bytes<T: Wire>(old: &T, new: &T) -> bool {
    nigh_wire::encode(old) == nigh_wire::encode(new)
}

impl<T: Wire + Clone> Before for Edited<T> {
    type Of = Vec<T>;
    fn begin(elements: &Vec<T>) -> Self {
        Edited { cut: elements.len(), touched: BTreeMap::new(), behind: Vec::new() }
    }
    fn revert(self, elements: &mut Vec<T>) {
        elements.truncate(self.cut);
        let touched = self.touched; // mutant undo-forgets-element: let touched = { let mut all = self.touched; all.pop_last(); all };
        for (at, old) in touched {
            elements[at] = old;
        }
        elements.extend(self.behind.into_iter().rev());
    }
    fn changes(self, elements: &Vec<T>, redo: &mut Out) -> usize {
        let Edited { mut cut, touched, mut behind } = self;
        // What came back as it was did not change.
        while let (Some(old), Some(now)) = (behind.last(), elements.get(cut))
            && same_bytes(old, now)
        {
            behind.pop();
            cut += 1;
        }
        let new = &elements[cut..];
        redo.var(cut as u64);
        redo.var(new.len() as u64);
        T::encode_all(new, redo);
        let changed: Vec<usize> = touched
            .iter()
            .filter(|(at, old)| !same_bytes(*old, &elements[**at]))
            .map(|(at, _)| *at)
            .collect();
        redo.var(changed.len() as u64);
        for at in &changed {
            redo.var(*at as u64);
            elements[*at].encode(redo);
        }
        let moved = behind.len().max(new.len());
        moved + changed.len() // mutant list-redo-forgets-change: moved
    }
    fn parts(elements: &Vec<T>) -> usize {
        elements.len()
    }
    fn apply(elements: &mut Vec<T>, redo: &mut Reader<'_>) -> Result<(), DecodeError> {
        let cut = usize::try_from(redo.var()?).ok().filter(|cut| *cut <= elements.len());
        elements.truncate(cut.ok_or(DecodeError::Count)?);
        elements.append(&mut Vec::decode(redo)?);
        for _ in 0..redo.var()? {
            let at = usize::try_from(redo.var()?).map_err(|_| DecodeError::Count)?;
            *elements.get_mut(at).ok_or(DecodeError::Count)? = redo.nested(T::decode)?;
        }
        Ok(())
    }
}

impl<T: Wire + Clone> Part for List<T> {
    type Saved = Home<Vec<T>, Edited<T>>;
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
        self.0.commit(&home, field, redo)
    }
    fn apply(&mut self, redo: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.0.apply(redo)
    }
    fn snapshot(&self, out: &mut Out) {
        self.0.get().encode(out);
    }
    fn restore(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(List(Tracked::new(Vec::decode(r)?)))
    }
    fn node(b: &mut Builder) -> NodeId {
        <Vec<T> as Wire>::node(b)
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        List::new()
    }
}
impl<T: fmt::Debug> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.get().fmt(f)
    }
}
impl<T: PartialEq> PartialEq for List<T> {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}
impl<T: Eq> Eq for List<T> {}
/// As [`Vec`]: panics if there is no such element.
impl<T, I: SliceIndex<[T]>> Index<I> for List<T> {
    type Output = I::Output;
    fn index(&self, at: I) -> &I::Output {
        &self.0.get()[at]
    }
}
/// As [`Vec`]: panics if there is no such element.
impl<T: Clone> IndexMut<usize> for List<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.touch(at)[at]
    }
}
impl<T: Clone> Extend<T> for List<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, elements: I) {
        elements.into_iter().for_each(|element| self.push(element));
    }
}
impl<T> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        List(Tracked::new(elements.into_iter().collect()))
    }
}
impl<T> From<Vec<T>> for List<T> {
    fn from(elements: Vec<T>) -> Self {
        List(Tracked::new(elements))
    }
}
impl<T, const N: usize> From<[T; N]> for List<T> {
    fn from(elements: [T; N]) -> Self {
        Vec::from(elements).into()
    }
}
impl<'a, T> IntoIterator for &'a List<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
/// Copies, if the list came out of a state in this method: undoing needs the original.
impl<T: Clone> IntoIterator for List<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_contents().into_iter()
    }
}

#[cfg(test)]
mod tests;
