//! `Map`: an ordered map whose changes are recorded one by one, so that a change of one key costs one key.
//!
//! What it notes is the first value that each touched key had before the method; [`tracked`](super::tracked) does the
//! rest. The parts of a change are a count and `(key, option of the value)` for each key that changed.

use std::borrow::Borrow;
use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::ops::{Index, RangeBounds};

use nigh_wire::{Builder, DecodeError, NodeId, Out, Reader, Wire};

use super::tracked::{Before, Home, Tracked};
use crate::state::Part;

/// An ordered map in the state of an entity. An update of one key costs one key, whatever the size.
///
/// Works as [`BTreeMap`] does. What may change a value copies it once a method: `K` and `V` are `Clone`.
#[derive(Clone)]
pub struct Map<K, V>(Tracked<BTreeMap<K, V>, Touched<K, V>>);

/// What touched keys had before the method; `None` if they were absent.
type Touched<K, V> = BTreeMap<K, Option<V>>;

impl<K, V> Map<K, V> {
    /// An empty map.
    pub const fn new() -> Self {
        Map(Tracked::new(BTreeMap::new()))
    }
    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.get().len()
    }
    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.get().is_empty()
    }
    /// All entries, by key.
    pub fn iter(&self) -> btree_map::Iter<'_, K, V> {
        self.0.get().iter()
    }
    /// All keys, in order.
    pub fn keys(&self) -> btree_map::Keys<'_, K, V> {
        self.0.get().keys()
    }
    /// All values, by key.
    pub fn values(&self) -> btree_map::Values<'_, K, V> {
        self.0.get().values()
    }
}

impl<K: Clone, V: Clone> Map<K, V> {
    /// Its keys, in order; copies, as [`IntoIterator`] does.
    pub fn into_keys(self) -> btree_map::IntoKeys<K, V> {
        self.0.into_contents().into_keys()
    }
}

impl<K: Ord, V> Map<K, V> {
    /// The value of `key`.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get().get(key)
    }
    /// True if `key` has a value.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.get().contains_key(key)
    }
    /// The entry of the smallest key.
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.0.get().first_key_value()
    }
    /// The entry of the largest key.
    pub fn last_key_value(&self) -> Option<(&K, &V)> {
        self.0.get().last_key_value()
    }
    /// The entries whose keys are in `range`, by key.
    ///
    /// # Panics
    ///
    /// As [`BTreeMap::range`]: the range ends before it starts.
    pub fn range<Q: Ord + ?Sized, R: RangeBounds<Q>>(&self, range: R) -> btree_map::Range<'_, K, V>
    where
        K: Borrow<Q>,
    {
        self.0.get().range(range)
    }
}

impl<K: Ord + Clone, V: Clone> Map<K, V> {
    /// The entries, after it was noted what `key` has now, if a method runs that has not touched it yet.
    fn touch(&mut self, key: &K) -> &mut BTreeMap<K, V> {
        let (entries, before) = self.0.get_mut();
        if let Some(before) = before
            && !before.contains_key(key)
        {
            before.insert(key.clone(), entries.get(key).cloned());
        }
        entries
    }
    /// Removes an entry that nobody wants to see, without a copy of its value.
    fn discard(&mut self, key: K) {
        let (entries, before) = self.0.get_mut();
        let old = entries.remove(&key);
        if let Some(before) = before {
            before.entry(key).or_insert(old);
        }
    }
    /// Sets the value of `key`, and returns the one it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.touch(&key).insert(key, value)
    }
    /// Removes `key`, and returns the value it had.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let key = self.0.get().get_key_value(key)?.0.clone();
        self.touch(&key).remove(key.borrow())
    }
    /// The value of `key`, to change in place.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (entries, before) = self.0.get_mut();
        if let Some(before) = before {
            let (key, old) = entries.get_key_value(key)?;
            if !before.contains_key::<K>(key) {
                before.insert(key.clone(), Some(old.clone()));
            }
        }
        entries.get_mut(key)
    }
    /// Changes the value of `key` in place, from the default if it has none, and returns what `change` does.
    pub fn update<R>(&mut self, key: K, change: impl FnOnce(&mut V) -> R) -> R
    where
        V: Default,
    {
        change(self.touch(&key).entry(key).or_default())
    }
    /// Removes the entry of the smallest key, and returns it.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        let key = self.first_key_value()?.0.clone();
        self.touch(&key).pop_first()
    }
    /// Removes the entry of the largest key, and returns it.
    pub fn pop_last(&mut self) -> Option<(K, V)> {
        let key = self.last_key_value()?.0.clone();
        self.touch(&key).pop_last()
    }
    /// Keeps the entries for which `keep` says so.
    ///
    /// Values are only shown: else each of them would have to be copied first.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        let gone: Vec<K> = self.iter().filter(|(k, v)| !keep(k, v)).map(|(k, _)| k.clone()).collect();
        gone.into_iter().for_each(|key| self.discard(key));
    }
    /// Removes all entries.
    pub fn clear(&mut self) {
        let (entries, mut before) = self.0.get_mut();
        for (key, old) in std::mem::take(entries) {
            if let Some(before) = &mut before {
                before.entry(key).or_insert(Some(old));
            }
        }
    }
}

impl<K: Wire + Ord + Clone, V: Wire + Clone> Before for Touched<K, V> {
    type Of = BTreeMap<K, V>;
    fn begin(_: &BTreeMap<K, V>) -> Self {
        Touched::new()
    }
    fn revert(self, entries: &mut BTreeMap<K, V>) {
        let before = self; // mutant undo-forgets-entry: let before = { let mut all = self; all.pop_first(); all };
        for (key, old) in before {
            match old {
                Some(value) => entries.insert(key, value),
                None => entries.remove(&key),
            };
        }
    }
    fn changes(self, entries: &BTreeMap<K, V>, redo: &mut Out) -> usize {
        let (mut changes, mut before) = (Out::default(), Out::default());
        let mut count = 0;
        for (key, old) in &self {
            let (start, now) = (changes.len(), entries.get(key));
            key.encode(&mut changes);
            changes.byte(u8::from(now.is_some()));
            let value = changes.len();
            now.into_iter().for_each(|now| now.encode(&mut changes));
            before.truncate(0);
            old.iter().for_each(|old| old.encode(&mut before));
            if old.is_some() == now.is_some() && before.as_slice() == &changes.as_slice()[value..] {
                changes.truncate(start);
            } else {
                count += 1;
            }
        }
        redo.var(count as u64);
        redo.raw(changes.as_slice());
        count
    }
    fn parts(entries: &BTreeMap<K, V>) -> usize {
        entries.len()
    }
    fn apply(entries: &mut BTreeMap<K, V>, redo: &mut Reader<'_>) -> Result<(), DecodeError> {
        for _ in 0..redo.var()? {
            let key = K::decode(redo)?;
            match redo.tag()? {
                true => entries.insert(key, redo.nested(V::decode)?),
                false => entries.remove(&key),
            };
        }
        Ok(())
    }
}

impl<K: Wire + Ord + Clone, V: Wire + Clone> Part for Map<K, V> {
    type Saved = Home<BTreeMap<K, V>, Touched<K, V>>;
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
        Ok(Map(Tracked::new(BTreeMap::decode(r)?)))
    }
    fn node(b: &mut Builder) -> NodeId {
        <BTreeMap<K, V> as Wire>::node(b)
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Map::new()
    }
}
impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.get().fmt(f)
    }
}
impl<K: PartialEq, V: PartialEq> PartialEq for Map<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}
impl<K: Eq, V: Eq> Eq for Map<K, V> {}
/// As [`BTreeMap`]: panics if the key has no value.
impl<K: Borrow<Q> + Ord, V, Q: Ord + ?Sized> Index<&Q> for Map<K, V> {
    type Output = V;
    fn index(&self, key: &Q) -> &V {
        &self.0.get()[key]
    }
}
impl<K: Ord + Clone, V: Clone> Extend<(K, V)> for Map<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        entries.into_iter().for_each(|(key, value)| drop(self.insert(key, value)));
    }
}
impl<K: Ord, V> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Map(Tracked::new(entries.into_iter().collect()))
    }
}
impl<K: Ord, V, const N: usize> From<[(K, V); N]> for Map<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}
impl<'a, K, V> IntoIterator for &'a Map<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = btree_map::Iter<'a, K, V>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
/// Copies, if the map came out of a state in this method: undoing needs the original.
impl<K: Clone, V: Clone> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = btree_map::IntoIter<K, V>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_contents().into_iter()
    }
}
