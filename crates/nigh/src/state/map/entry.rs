//! What a [`Map`](crate::Map) hands out to change it by: places and iterators, named as those of
//! [`std::collections::btree_map`].
//!
//! Each notes what it is about to change, and nothing that it only shows.

use std::collections::btree_map;
use std::fmt;

use super::{Touched, touch};
use crate::state::element::{Element, Note};

/// The place of a key, from [`Map::entry`](crate::Map::entry).
pub enum Entry<'a, K, V> {
    /// It has a value.
    Occupied(OccupiedEntry<'a, K, V>),
    /// It has none.
    Vacant(VacantEntry<'a, K, V>),
}

/// The place of a key that has a value.
pub struct OccupiedEntry<'a, K, V> {
    pub(super) entry: btree_map::OccupiedEntry<'a, K, V>,
    pub(super) before: Option<&'a mut Touched<K, V>>,
}

/// The place of a key that has no value.
pub struct VacantEntry<'a, K, V> {
    pub(super) entry: btree_map::VacantEntry<'a, K, V>,
    pub(super) before: Option<&'a mut Touched<K, V>>,
}

impl<'a, K: Ord + Clone, V: Element> Entry<'a, K, V> {
    /// The value, to change in place; `value` if there was none.
    pub fn or_insert(self, value: V) -> &'a mut V {
        self.or_insert_with(|| value)
    }
    /// The value, to change in place; what `make` returns if there was none.
    pub fn or_insert_with(self, make: impl FnOnce() -> V) -> &'a mut V {
        self.or_insert_with_key(|_| make())
    }
    /// The value, to change in place; what `make` returns for the key if there was none.
    pub fn or_insert_with_key(self, make: impl FnOnce(&K) -> V) -> &'a mut V {
        match self {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let value = make(entry.key());
                entry.insert(value)
            }
        }
    }
    /// The value, to change in place; the default if there was none.
    pub fn or_default(self) -> &'a mut V
    where
        V: Default,
    {
        self.or_insert_with(V::default)
    }
    /// Changes the value, if there is one.
    #[must_use = "it returns the place; `get_mut` changes a value and no more"]
    pub fn and_modify(self, change: impl FnOnce(&mut V)) -> Self {
        match self {
            Entry::Occupied(mut entry) => {
                change(entry.get_mut());
                Entry::Occupied(entry)
            }
            vacant @ Entry::Vacant(_) => vacant,
        }
    }
    /// The key.
    pub fn key(&self) -> &K {
        match self {
            Entry::Occupied(entry) => entry.key(),
            Entry::Vacant(entry) => entry.key(),
        }
    }
}

impl<'a, K: Ord + Clone, V: Element> OccupiedEntry<'a, K, V> {
    /// Notes what is there now, if a method runs that has not touched it yet.
    fn touch(&mut self) {
        if let Some(before) = &mut self.before
            && !before.contains_key(self.entry.key())
        {
            let note = self.entry.get_mut().note(); // mutant entry-untouched: let note = Note::Absent;
            before.insert(self.entry.key().clone(), note);
        }
    }
    /// The key.
    pub fn key(&self) -> &K {
        self.entry.key()
    }
    /// The value.
    pub fn get(&self) -> &V {
        self.entry.get()
    }
    /// The value, to change in place.
    pub fn get_mut(&mut self) -> &mut V {
        self.touch();
        self.entry.get_mut()
    }
    /// The value, to change in place for as long as the map is borrowed.
    pub fn into_mut(mut self) -> &'a mut V {
        self.touch();
        self.entry.into_mut()
    }
    /// Sets the value, and returns the one that was there.
    pub fn insert(&mut self, value: V) -> V {
        self.touch();
        self.entry.insert(value)
    }
    /// Removes the key, and returns its value.
    pub fn remove(self) -> V {
        self.remove_entry().1
    }
    /// Removes the key, and returns it with its value.
    pub fn remove_entry(mut self) -> (K, V) {
        self.touch();
        self.entry.remove_entry()
    }
}

impl<'a, K: Ord + Clone, V: Element> VacantEntry<'a, K, V> {
    /// The key.
    pub fn key(&self) -> &K {
        self.entry.key()
    }
    /// The key, back.
    pub fn into_key(self) -> K {
        self.entry.into_key()
    }
    /// Sets the value.
    pub fn insert(self, value: V) -> &'a mut V {
        if let Some(before) = self.before
            && !before.contains_key(self.entry.key())
        {
            before.insert(self.entry.key().clone(), Note::Absent);
        }
        self.entry.insert(value)
    }
}

impl<K: fmt::Debug + Ord, V: fmt::Debug> fmt::Debug for Entry<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::Occupied(entry) => f.debug_tuple("Entry").field(entry).finish(),
            Entry::Vacant(entry) => f.debug_tuple("Entry").field(entry).finish(),
        }
    }
}
impl<K: fmt::Debug + Ord, V: fmt::Debug> fmt::Debug for OccupiedEntry<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entry.fmt(f)
    }
}
impl<K: fmt::Debug + Ord, V> fmt::Debug for VacantEntry<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entry.fmt(f)
    }
}

/// Entries by key, their values to change in place: from [`Map::iter_mut`](crate::Map::iter_mut).
pub struct IterMut<'a, K, V> {
    pub(super) entries: btree_map::IterMut<'a, K, V>,
    pub(super) before: Option<&'a mut Touched<K, V>>,
}

impl<'a, K: Ord + Clone, V: Element> IterMut<'a, K, V> {
    fn hand(&mut self, entry: Option<(&'a K, &'a mut V)>) -> Option<(&'a K, &'a mut V)> {
        let (key, value) = entry?;
        self.before.iter_mut().for_each(|before| touch(before, key, value));
        Some((key, value))
    }
}
impl<'a, K: Ord + Clone, V: Element> Iterator for IterMut<'a, K, V> {
    type Item = (&'a K, &'a mut V);
    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.entries.next();
        self.hand(entry)
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}
impl<K: Ord + Clone, V: Element> DoubleEndedIterator for IterMut<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let entry = self.entries.next_back();
        self.hand(entry)
    }
}
impl<K: Ord + Clone, V: Element> ExactSizeIterator for IterMut<'_, K, V> {}
impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for IterMut<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.fmt(f)
    }
}
