//! `List`: a sequence whose changes are recorded from the first place where elements moved, and one by one before it.
//!
//! What it notes is a *cut*: below it every element is where it was, and those that were touched are kept as they
//! were; from there on all of the old elements are kept. A push costs one element, a change in place one, an insertion or a
//! removal what stands behind it.
//!
//! The parts of a change are the cut, the elements from there on, then a count and `(index, change of the element)` for each that
//! changed below it.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::ops::{Deref, Index, IndexMut};
use std::slice::SliceIndex;

use nigh_wire::{Builder, DecodeError, NodeId, Out, Reader, Wire};

use self::iter::IterMut;
use super::element::{Element, Note};
use super::tracked::{Before, Home, Tracked};
use crate::state::Part;

pub mod iter;

/// Elements of a list that is a field of a state: it is stored in one row, which is encoded under the owner's lock, some 10 ms of small
/// elements. A method that makes it longer is undone. A map or a set has pages and no such bound.
pub(crate) const LIST_LEN_MAX: usize = 1 << 20;

/// A sequence in the state of an entity. Changes at its end and in place cost what they change; a queue from whose
/// front much is taken is better a [`Map`](crate::Map) by number.
///
/// It is stored in one row, so a field of a state holds at most 2^20 elements: a method that makes it longer is undone. A map by number has no
/// such bound.
///
/// Reads as a slice, changes as [`Vec`] does. Elements are any wire type that is `Clone`: what may change or move one copies it once a
/// method. Or they are collections, which are not copied: a change inside costs what it changes there.
#[derive(Clone)]
pub struct List<T>(Tracked<Vec<T>, Edited<T>>);

/// A list before a method.
pub(super) struct Edited<T> {
    /// Below, every element is where it was.
    cut: usize,
    /// What was touched below the cut, as it was.
    touched: BTreeMap<usize, Note<T>>,
    /// The old elements from the cut on, the last one first.
    behind: Vec<Note<T>>,
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

impl<T: Element> Edited<T> {
    /// Notes the element at `at`, if it was there and this method has not touched it yet.
    fn touch(&mut self, at: usize, element: &mut T) {
        if at < self.cut {
            self.touched.entry(at).or_insert_with(|| element.note());
        }
    }
}

impl<T: Element> List<T> {
    /// The elements, of which those from `at` on may move.
    fn cut(&mut self, at: usize) -> &mut Vec<T> {
        let (elements, before) = self.0.get_mut();
        if let Some(Edited { cut, touched, behind }) = before {
            while *cut > at {
                *cut -= 1;
                let old = touched.remove(cut); // mutant list-cut-keeps-new: let old = None::<Note<T>>;
                behind.push(old.unwrap_or_else(|| elements[*cut].note()));
            }
        }
        elements
    }
    /// The elements, of which the one at `at` may change, if there is one.
    fn touch(&mut self, at: usize) -> &mut Vec<T> {
        let (elements, before) = self.0.get_mut();
        if let (Some(before), Some(element)) = (before, elements.get_mut(at)) {
            before.touch(at, element);
        }
        elements
    }
    /// Takes all elements of the other, which is empty then.
    pub fn append(&mut self, other: &mut List<T>) {
        let elements = mem::take(other.cut(0));
        self.cut(usize::MAX).extend(elements);
    }
    /// Removes the elements from `at` on, and returns them.
    ///
    /// # Panics
    ///
    /// `at` is beyond the end.
    #[must_use = "`truncate` removes them and no more"]
    pub fn split_off(&mut self, at: usize) -> List<T> {
        assert!(at <= self.len(), "a split at {at} of a list of {}", self.len());
        List::from(self.cut(at).split_off(at))
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
    /// The first element, to change in place.
    pub fn first_mut(&mut self) -> Option<&mut T> {
        self.get_mut(0)
    }
    /// All elements, to change in place. Those that it reached count as touched.
    pub fn iter_mut(&mut self) -> IterMut<'_, T> {
        let (elements, before) = self.0.get_mut();
        IterMut { elements: elements.iter_mut().enumerate(), before }
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

impl<T: Element> Before for Edited<T> {
    type Of = Vec<T>;
    fn begin(elements: &Vec<T>) -> Self {
        Edited { cut: elements.len(), touched: BTreeMap::new(), behind: Vec::new() }
    }
    fn release(&self, elements: &mut Vec<T>) {
        if T::NESTED {
            elements.truncate(self.cut);
            for at in self.touched.keys() {
                elements.get_mut(*at).into_iter().for_each(T::release);
            }
        }
    }
    fn revert(self, elements: &mut Vec<T>) {
        elements.truncate(self.cut);
        let touched = self.touched; // mutant undo-forgets-element: let touched = { let mut all = self.touched; all.pop_last(); all };
        for (at, old) in touched {
            old.back().into_iter().for_each(|old| elements[at] = old);
        }
        elements.extend(self.behind.into_iter().rev().filter_map(Note::back));
    }
    fn changes(self, elements: &mut Vec<T>, redo: &mut Out) -> usize {
        let Edited { mut cut, mut touched, mut behind } = self;
        // What came back where it was did not move.
        while let (Some(old), Some(now)) = (behind.last(), elements.get(cut))
            && now.is_still(old, redo)
        {
            let old = behind.pop().expect("it was looked at");
            if T::NESTED {
                touched.insert(cut, old);
            }
            cut += 1;
        }
        let new = &mut elements[cut..];
        redo.var(cut as u64);
        redo.var(new.len() as u64);
        T::encode_all(new, redo);
        new.iter_mut().for_each(T::settle);
        let moved = behind.len().max(new.len());
        let (from, mut changed) = (redo.len(), 0);
        for (at, old) in touched {
            let start = redo.len();
            redo.var(at as u64);
            if elements[at].change(old, redo) {
                changed += 1;
            } else {
                redo.truncate(start);
            }
        }
        redo.insert_var(from, changed as u64);
        moved + changed // mutant list-redo-forgets-change: moved
    }
    fn settle(elements: &mut Vec<T>) {
        elements.iter_mut().for_each(T::settle);
    }
    fn parts(elements: &Vec<T>) -> usize {
        elements.len()
    }
    fn apply(elements: &mut Vec<T>, redo: &mut Reader<'_>) -> Result<(), DecodeError> {
        let cut = usize::try_from(redo.var()?).ok().filter(|cut| *cut <= elements.len());
        elements.truncate(cut.ok_or(DecodeError::Count)?);
        elements.append(&mut Self::decode(redo)?);
        for _ in 0..redo.var()? {
            let at = usize::try_from(redo.var()?).map_err(|_| DecodeError::Count)?;
            let element = elements.get_mut(at).ok_or(DecodeError::Count)?;
            redo.nested(|redo| element.apply(redo))?;
        }
        Ok(())
    }
    fn skip(redo: &mut Reader<'_>) -> Result<(), DecodeError> {
        redo.var()?;
        Self::decode(redo)?;
        for _ in 0..redo.var()? {
            redo.var()?;
            redo.nested(T::skip)?;
        }
        Ok(())
    }
    fn encode(elements: &Vec<T>, out: &mut Out) {
        out.var(elements.len() as u64);
        T::encode_all(elements, out);
    }
    fn decode(r: &mut Reader<'_>) -> Result<Vec<T>, DecodeError> {
        let count = r.count::<T::Plain>()?;
        r.nested(|r| T::decode_all(count, r))
    }
}

impl<T: Element> Part for List<T> {
    type Saved = Home;
    fn begin(&mut self, _kept: &mut Out) -> Home {
        self.0.begin()
    }
    fn release(&mut self) {
        self.0.leave();
    }
    fn undo(&mut self, home: Home, _kept: &[u8]) {
        self.0 = Tracked::returned(home);
    }
    fn commit(&mut self, home: Home, _kept: &[u8], redo: &mut Out) -> bool {
        self.0.change(Some(&home), redo)
    }
    fn apply(&mut self, redo: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.0.apply(redo)
    }
    fn snapshot(&self, out: &mut Out) {
        self.0.encode(out);
    }
    fn restore(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Tracked::decode(r).map(List)
    }
    fn node(b: &mut Builder) -> NodeId {
        <Vec<T::Plain> as Wire>::node(b)
    }
    fn tracked(out: &mut String) {
        out.push_str("list ");
        T::tracked(out);
    }
    fn is_too_long(&self) -> bool {
        self.len() > LIST_LEN_MAX // mutant list-unbounded: false
    }
    fn skip(redo: &mut Reader<'_>) -> Result<(), DecodeError> {
        Tracked::<_, Edited<T>>::skip(redo)
    }
}

impl<T: Element> Element for List<T> {
    type Plain = Vec<T::Plain>;
    fn note(&mut self) -> Note<Self> {
        Note::Began(self.0.begin())
    }
    fn returned(home: Home) -> Self {
        List(Tracked::returned(home))
    }
    fn is_still(&self, note: &Note<Self>, _: &mut Out) -> bool {
        note.home().is_some_and(|home| self.0.is_of(home))
    }
    fn change(&mut self, note: Note<Self>, redo: &mut Out) -> bool {
        self.0.change(note.home(), redo)
    }
    fn made(redo: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Tracked::made(redo).map(List)
    }
    fn settle(&mut self) {
        self.0.settle();
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
impl<T: Element> IndexMut<usize> for List<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.touch(at)[at]
    }
}
impl<T: Element> Extend<T> for List<T> {
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
impl<'a, T: Element> IntoIterator for &'a mut List<T> {
    type Item = &'a mut T;
    type IntoIter = IterMut<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
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
