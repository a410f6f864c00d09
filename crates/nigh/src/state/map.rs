//! `Map`: an ordered map whose changes are recorded one by one, so that a change of one key costs one key.
//!
//! What it notes is what each touched key had before the method; [`tracked`](super::tracked) does the
//! rest. The parts of a change are a count and `(key, option of the change of its value)` for each key that changed.

use std::borrow::Borrow;
use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::ops::{Bound, Index, RangeBounds};

use nigh_wire::{Builder, DecodeError, NodeId, Out, Reader, Wire};

use self::entry::{Entry, IterMut, OccupiedEntry, VacantEntry};
use super::element::{Element, Note};
use super::tracked::{Before, Home, Tracked};
use crate::state::{Large, Part};

pub mod entry;

/// An ordered map in the state of an entity. An update of one key costs one key, whatever the size.
///
/// Works as [`BTreeMap`] does. Values are any wire type that is `Clone`: what may change one copies it once a method. Or they are
/// collections like this one, which are not copied: a change inside costs what it changes there.
///
/// As a field of a state it may be large: from 64 KiB on it is stored in pages, and writing back a change costs a page. One that stands in
/// another collection is stored with its entry.
///
/// ```
/// use nigh::prelude::*;
///
/// #[derive(Default, State)]
/// struct Rooms {
///     seats: Map<String, Map<u32, String>>,
/// }
/// let mut rooms = Rooms::default();
/// rooms.seats.entry("blue".into()).or_default().insert(7, "ada".into());
/// assert_eq!(rooms.seats["blue"][&7], "ada");
/// ```
#[derive(Clone)]
pub struct Map<K, V>(Tracked<BTreeMap<K, V>, Touched<K, V>>);

/// What touched keys had before the method.
type Touched<K, V> = BTreeMap<K, Note<V>>;

impl<K, V> Map<K, V> {
    /// For a set, which is one of these.
    pub(super) fn peek(&self) -> &Tracked<BTreeMap<K, V>, Touched<K, V>> {
        &self.0
    }
    /// As [`Map::peek`], to be changed.
    pub(super) fn tracked(&mut self) -> &mut Tracked<BTreeMap<K, V>, Touched<K, V>> {
        &mut self.0
    }
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
    /// Its values, by key; copies, as [`IntoIterator`] does.
    pub fn into_values(self) -> btree_map::IntoValues<K, V> {
        self.0.into_contents().into_values()
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
    /// The entry of `key`, with the key as it is in the map.
    pub fn get_key_value<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        self.0.get().get_key_value(key)
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

impl<K: Ord + Clone, V: Element> Map<K, V> {
    /// The place of `key`, which has a value or not.
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V> {
        let (entries, before) = self.0.get_mut();
        match entries.entry(key) {
            btree_map::Entry::Occupied(entry) => Entry::Occupied(OccupiedEntry { entry, before }),
            btree_map::Entry::Vacant(entry) => Entry::Vacant(VacantEntry { entry, before }),
        }
    }
    /// The place of the smallest key.
    pub fn first_entry(&mut self) -> Option<OccupiedEntry<'_, K, V>> {
        let (entries, before) = self.0.get_mut();
        Some(OccupiedEntry { entry: entries.first_entry()?, before })
    }
    /// The place of the largest key.
    pub fn last_entry(&mut self) -> Option<OccupiedEntry<'_, K, V>> {
        let (entries, before) = self.0.get_mut();
        Some(OccupiedEntry { entry: entries.last_entry()?, before })
    }
    /// Sets the value of `key`, and returns the one it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.entry(key) {
            Entry::Occupied(mut entry) => Some(entry.insert(value)),
            Entry::Vacant(entry) => {
                entry.insert(value);
                None
            }
        }
    }
    /// Removes `key`, and returns the value it had.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        Some(self.remove_entry(key)?.1)
    }
    /// Removes `key`, and returns it with the value it had.
    pub fn remove_entry<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<(K, V)>
    where
        K: Borrow<Q>,
    {
        self.get_mut(key)?;
        self.0.get_mut().0.remove_entry(key)
    }
    /// The value of `key`, to change in place.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (entries, before) = self.0.get_mut();
        let Some(before) = before else { return entries.get_mut(key) };
        // One descent, for the key as it is in the map and the value.
        let (key, value) = entries.range_mut::<Q, _>((Bound::Included(key), Bound::Included(key))).next()?;
        touch(before, key, value);
        Some(value)
    }
    /// Changes the value of `key` in place, from the default if it has none, and returns what `change` does.
    pub fn update<R>(&mut self, key: K, change: impl FnOnce(&mut V) -> R) -> R
    where
        V: Default,
    {
        change(self.entry(key).or_default())
    }
    /// All entries, by key, their values to change in place. Those that it reached count as touched.
    pub fn iter_mut(&mut self) -> IterMut<'_, K, V> {
        let (entries, before) = self.0.get_mut();
        IterMut { entries: entries.iter_mut(), before }
    }
    /// All values, by key, to change in place. Those that it reached count as touched.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> + ExactSizeIterator {
        self.iter_mut().map(|(_, value)| value)
    }
    /// The entries whose keys are in `range`, their values to change in place. Those that it reached count as touched.
    ///
    /// # Panics
    ///
    /// As [`BTreeMap::range_mut`]: the range ends before it starts.
    pub fn range_mut<Q: Ord + ?Sized, R: RangeBounds<Q>>(
        &mut self,
        range: R,
    ) -> impl DoubleEndedIterator<Item = (&K, &mut V)>
    where
        K: Borrow<Q>,
    {
        let (entries, mut before) = self.0.get_mut();
        entries.range_mut(range).map(move |(key, value)| {
            before.iter_mut().for_each(|before| touch(before, key, value));
            (key, value)
        })
    }
    /// Removes the entry of the smallest key, and returns it.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        self.first_entry().map(OccupiedEntry::remove_entry)
    }
    /// Removes the entry of the largest key, and returns it.
    pub fn pop_last(&mut self) -> Option<(K, V)> {
        self.last_entry().map(OccupiedEntry::remove_entry)
    }
    /// Keeps the entries for which `keep` says so.
    ///
    /// Values are only shown: else each of them would count as touched, as in [`Map::retain_mut`].
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        let gone: Vec<K> = self.iter().filter(|(k, v)| !keep(k, v)).map(|(k, _)| k.clone()).collect();
        let (entries, mut before) = self.0.get_mut();
        for key in gone {
            // Nobody wants to see the value: it needs no copy.
            let old = entries.remove(&key);
            if let Some(before) = &mut before {
                before.entry(key).or_insert(old.map_or(Note::Absent, Note::Was));
            }
        }
    }
    /// Changes each value, and keeps the entries for which `keep` says so. Costs the whole map.
    pub fn retain_mut(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        let (entries, mut before) = self.0.get_mut();
        entries.retain(|key, value| {
            before.iter_mut().for_each(|before| touch(before, key, value));
            keep(key, value)
        });
    }
    /// Takes all entries of the other, which is empty then.
    pub fn append(&mut self, other: &mut Map<K, V>) {
        while let Some((key, value)) = other.pop_first() {
            self.insert(key, value);
        }
    }
    /// Removes all entries.
    pub fn clear(&mut self) {
        let (entries, mut before) = self.0.get_mut();
        for (key, old) in std::mem::take(entries) {
            if let Some(before) = &mut before {
                before.entry(key).or_insert(Note::Was(old));
            }
        }
    }
}

/// Notes what `key` has, if this method has not touched it yet.
fn touch<K: Ord + Clone, V: Element>(before: &mut Touched<K, V>, key: &K, value: &mut V) {
    if !before.contains_key(key) {
        before.insert(key.clone(), value.note());
    }
}

/// Repeats the change of one key, which was read.
pub(super) fn apply_at<K: Ord, V: Element>(
    entries: &mut BTreeMap<K, V>,
    key: K,
    redo: &mut Reader<'_>,
) -> Result<(), DecodeError> {
    if !redo.tag()? {
        entries.remove(&key);
        return Ok(());
    }
    redo.nested(|redo| match entries.entry(key) {
        btree_map::Entry::Occupied(mut place) => place.get_mut().apply(redo),
        btree_map::Entry::Vacant(place) => {
            place.insert(V::made(redo)?);
            Ok(())
        }
    })
}

/// Reads the change of one key, which was read, and no more.
pub(super) fn skip_at<V: Element>(redo: &mut Reader<'_>) -> Result<(), DecodeError> {
    if redo.tag()? { redo.nested(V::skip) } else { Ok(()) }
}

impl<K: Wire + Ord + Clone, V: Element> Before for Touched<K, V> {
    type Of = BTreeMap<K, V>;
    fn begin(_: &BTreeMap<K, V>) -> Self {
        Touched::new()
    }
    fn release(&self, entries: &mut BTreeMap<K, V>) {
        if V::NESTED {
            self.keys().filter_map(|key| entries.remove(key)).for_each(drop);
        }
    }
    fn revert(self, entries: &mut BTreeMap<K, V>) {
        let before = self; // mutant undo-forgets-entry: let before = { let mut all = self; all.pop_first(); all };
        for (key, old) in before {
            match old.back() {
                Some(value) => entries.insert(key, value),
                None => entries.remove(&key),
            };
        }
    }
    fn changes(self, entries: &mut BTreeMap<K, V>, redo: &mut Out) -> usize {
        let (from, mut count) = (redo.len(), 0);
        for (key, old) in self {
            let at = redo.len();
            key.encode(redo);
            let now = entries.get_mut(&key);
            redo.byte(u8::from(now.is_some()));
            let changed = match now {
                Some(now) => now.change(old, redo),
                None => {
                    let was = !matches!(old, Note::Absent); // mutant nested-removal-lost: let was = matches!(old, Note::Was(_));
                    was
                }
            };
            if changed {
                count += 1;
            } else {
                redo.truncate(at);
            }
        }
        redo.insert_var(from, count as u64);
        count
    }
    fn settle(entries: &mut BTreeMap<K, V>) {
        if V::NESTED {
            entries.values_mut().for_each(V::settle);
        }
    }
    fn parts(entries: &BTreeMap<K, V>) -> usize {
        entries.len()
    }
    fn apply(entries: &mut BTreeMap<K, V>, redo: &mut Reader<'_>) -> Result<(), DecodeError> {
        for _ in 0..redo.var()? {
            apply_at(entries, K::decode(redo)?, redo)?;
        }
        Ok(())
    }
    fn skip(redo: &mut Reader<'_>) -> Result<(), DecodeError> {
        for _ in 0..redo.var()? {
            K::decode(redo)?;
            skip_at::<V>(redo)?;
        }
        Ok(())
    }
    fn encode(entries: &BTreeMap<K, V>, out: &mut Out) {
        out.var(entries.len() as u64);
        for (key, value) in entries {
            key.encode(out);
            value.snapshot(out);
        }
    }
    fn decode(r: &mut Reader<'_>) -> Result<BTreeMap<K, V>, DecodeError> {
        let count = r.count::<(K, V::Plain)>()?;
        let mut entries = Vec::with_capacity(count);
        r.nested(|r| {
            for _ in 0..count {
                entries.push((K::decode(r)?, V::restore(r)?));
            }
            Ok(())
        })?;
        let entries: BTreeMap<K, V> = entries.into_iter().collect();
        if entries.len() == count { Ok(entries) } else { Err(DecodeError::Duplicate) }
    }
}

impl<K: Wire + Ord + Clone, V: Element> Part for Map<K, V> {
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
        Tracked::decode(r).map(Map)
    }
    fn node(b: &mut Builder) -> NodeId {
        <<Self as Element>::Plain as Wire>::node(b)
    }
    fn skip(redo: &mut Reader<'_>) -> Result<(), DecodeError> {
        Tracked::<_, Touched<K, V>>::skip(redo)
    }
    fn tracked(out: &mut String) {
        out.push_str("map ");
        V::tracked(out);
    }
    fn large(&self) -> Option<&dyn Large> {
        Some(self)
    }
    fn large_mut(&mut self) -> Option<&mut dyn Large> {
        Some(self)
    }
}

impl<K: Wire + Ord + Clone, V: Element> Element for Map<K, V> {
    type Plain = BTreeMap<K, V::Plain>;
    fn note(&mut self) -> Note<Self> {
        Note::Began(self.0.begin())
    }
    fn returned(home: Home) -> Self {
        Map(Tracked::returned(home))
    }
    fn is_still(&self, note: &Note<Self>, _: &mut Out) -> bool {
        note.home().is_some_and(|home| self.0.is_of(home))
    }
    fn change(&mut self, note: Note<Self>, redo: &mut Out) -> bool {
        self.0.change(note.home(), redo) // mutant nested-redo-lost: self.0.change(note.home(), &mut Out::default()) && false
    }
    fn made(redo: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Tracked::made(redo).map(Map)
    }
    fn settle(&mut self) {
        self.0.settle();
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
impl<K: Ord + Clone, V: Element> Extend<(K, V)> for Map<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        entries.into_iter().for_each(|(key, value)| drop(self.insert(key, value)));
    }
}
impl<'a, K: Ord + Copy, V: Element + Copy> Extend<(&'a K, &'a V)> for Map<K, V> {
    fn extend<I: IntoIterator<Item = (&'a K, &'a V)>>(&mut self, entries: I) {
        self.extend(entries.into_iter().map(|(key, value)| (*key, *value)));
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
impl<K, V> From<BTreeMap<K, V>> for Map<K, V> {
    fn from(entries: BTreeMap<K, V>) -> Self {
        Map(Tracked::new(entries))
    }
}
impl<'a, K: Ord + Clone, V: Element> IntoIterator for &'a mut Map<K, V> {
    type Item = (&'a K, &'a mut V);
    type IntoIter = IterMut<'a, K, V>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
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
