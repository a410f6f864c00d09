//! `Map`: an ordered map whose changes are recorded one by one, so that a change of one key costs one key.
//!
//! While a method runs, the map keeps the first value that each touched key had before it: enough to undo
//! the method, and to know which keys the redo names. A map may also leave its field whole (`mem::take`,
//! assignment, `mem::swap`): it then carries its log along, and when it is dropped its contents go to a
//! *home* that the runtime holds, so that undoing finds them.
//!
//! The change in a redo is `0`, a count and `(key, option of the value)` for each key that changed; or `1` and
//! the whole map, where the map was replaced or that is shorter.

use std::borrow::Borrow;
use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::mem;
use std::ops::{Index, RangeBounds};
use std::sync::{Arc, OnceLock};

use nigh_wire::{Builder, DecodeError, NodeId, Out, Reader, Wire};

use crate::state::Part;

/// First byte of a change: keys follow.
const KEYS: u8 = 0;
/// First byte of a change: the whole map follows.
const WHOLE: u8 = 1;

/// An ordered map in the state of an entity. An update of one key costs one key, whatever the size.
///
/// Works as [`BTreeMap`] does. What may change a value copies it once a method: `K` and `V` are `Clone`.
pub struct Map<K, V> {
    entries: BTreeMap<K, V>,
    /// While a method runs that began with this map in its state.
    log: Option<Log<K, V>>,
}

/// Where the contents of a map go that is dropped while a method runs.
type Home<K, V> = Arc<OnceLock<Moved<K, V>>>;

struct Log<K, V> {
    /// What touched keys had before the method; `None` if they were absent.
    before: BTreeMap<K, Option<V>>,
    home: Home<K, V>,
}

/// A map that was dropped, and what undoes it.
#[doc(hidden)]
pub struct Moved<K, V> {
    entries: BTreeMap<K, V>,
    before: BTreeMap<K, Option<V>>,
}

impl<K, V> Map<K, V> {
    /// An empty map.
    pub const fn new() -> Self {
        Map { entries: BTreeMap::new(), log: None }
    }
    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
    /// All entries, by key.
    pub fn iter(&self) -> btree_map::Iter<'_, K, V> {
        self.entries.iter()
    }
    /// All keys, in order.
    pub fn keys(&self) -> btree_map::Keys<'_, K, V> {
        self.entries.keys()
    }
    /// All values, by key.
    pub fn values(&self) -> btree_map::Values<'_, K, V> {
        self.entries.values()
    }
}

impl<K: Ord, V> Map<K, V> {
    /// The value of `key`.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key)
    }
    /// True if `key` has a value.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.entries.contains_key(key)
    }
    /// The entry of the smallest key.
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.entries.first_key_value()
    }
    /// The entry of the largest key.
    pub fn last_key_value(&self) -> Option<(&K, &V)> {
        self.entries.last_key_value()
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
        self.entries.range(range)
    }
}

impl<K: Ord + Clone, V: Clone> Map<K, V> {
    /// Notes what `key` has now, if a method runs that has not touched it yet. Comes before every change.
    fn note(&mut self, key: &K) {
        if let Some(log) = &mut self.log
            && !log.before.contains_key(key)
        {
            log.before.insert(key.clone(), self.entries.get(key).cloned());
        }
    }
    /// Removes an entry that nobody wants to see, without a copy of its value.
    fn discard(&mut self, key: K) {
        let old = self.entries.remove(&key);
        if let Some(log) = &mut self.log {
            log.before.entry(key).or_insert(old);
        }
    }
    /// Sets the value of `key`, and returns the one it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.note(&key);
        self.entries.insert(key, value)
    }
    /// Removes `key`, and returns the value it had.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let key = self.entries.get_key_value(key)?.0.clone();
        self.note(&key);
        self.entries.remove(key.borrow())
    }
    /// The value of `key`, to change in place.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        if self.log.is_some() {
            let key = self.entries.get_key_value(key)?.0.clone();
            self.note(&key);
        }
        self.entries.get_mut(key)
    }
    /// Changes the value of `key` in place, from the default if it has none, and returns what `change` does.
    pub fn update<R>(&mut self, key: K, change: impl FnOnce(&mut V) -> R) -> R
    where
        V: Default,
    {
        self.note(&key);
        change(self.entries.entry(key).or_default())
    }
    /// Removes the entry of the smallest key, and returns it.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        let key = self.entries.first_key_value()?.0.clone();
        self.note(&key);
        self.entries.pop_first()
    }
    /// Removes the entry of the largest key, and returns it.
    pub fn pop_last(&mut self) -> Option<(K, V)> {
        let key = self.entries.last_key_value()?.0.clone();
        self.note(&key);
        self.entries.pop_last()
    }
    /// Keeps the entries for which `keep` says so.
    ///
    /// Values are only shown: else each of them would have to be copied first.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        let gone: Vec<K> = self.entries.iter().filter(|(k, v)| !keep(k, v)).map(|(k, _)| k.clone()).collect();
        gone.into_iter().for_each(|key| self.discard(key));
    }
    /// Removes all entries.
    pub fn clear(&mut self) {
        for (key, old) in mem::take(&mut self.entries) {
            if let Some(log) = &mut self.log {
                log.before.entry(key).or_insert(Some(old));
            }
        }
    }
}

/// A map that leaves its field while a method runs leaves its contents behind.
impl<K, V> Drop for Map<K, V> {
    fn drop(&mut self) {
        if let Some(Log { before, home }) = self.log.take() {
            let contents = Moved { entries: mem::take(&mut self.entries), before };
            // A home belongs to one map, and a map is dropped once: it was empty.
            let _ = home.set(contents);
        }
    }
}

impl<K, V> Map<K, V> {
    /// True if this is the map that the method began with, under `home`.
    fn is_of(&self, home: &Home<K, V>) -> bool {
        self.log.as_ref().is_some_and(|log| Arc::ptr_eq(&log.home, home))
    }
}

/// Puts back what was there before.
fn revert<K: Ord, V>(entries: &mut BTreeMap<K, V>, before: BTreeMap<K, Option<V>>) {
    for (key, old) in before {
        match old {
            Some(value) => entries.insert(key, value),
            None => entries.remove(&key),
        };
    }
}

fn encoded<T: Wire>(value: &T) -> Out {
    let mut out = Out::default();
    value.encode(&mut out);
    out
}

impl<K: Wire + Ord + Clone, V: Wire + Clone> Map<K, V> {
    /// Appends the keys whose values are not what they were, and how many they are.
    fn changes(&self, before: &BTreeMap<K, Option<V>>, redo: &mut Out) -> usize {
        let mut count = 0;
        for (key, old) in before {
            let now = self.entries.get(key).map(encoded);
            let same = match (old, &now) {
                (Some(old), Some(now)) => encoded(old).as_slice() == now.as_slice(),
                (old, now) => old.is_none() && now.is_none(),
            };
            if same {
                continue;
            }
            count += 1;
            key.encode(redo);
            redo.byte(u8::from(now.is_some()));
            redo.raw(now.as_ref().map_or(&[], Out::as_slice));
        }
        count
    }
}

impl<K: Wire + Ord + Clone, V: Wire + Clone> Part for Map<K, V> {
    type Saved = Home<K, V>;
    fn begin(&mut self) -> Self::Saved {
        let home = Home::default();
        self.log = Some(Log { before: BTreeMap::new(), home: Arc::clone(&home) });
        home
    }
    fn release(&mut self, home: &Self::Saved) {
        let mine = self.is_of(home); // mutant undo-keeps-foreign-map: let mine = true;
        if !mine {
            // It may be another field's: dropping it sends it home.
            drop(mem::take(self));
        }
    }
    fn undo(&mut self, home: Self::Saved) {
        let mine = self.is_of(&home); // mutant undo-forgets-replaced-map: let mine = true;
        if !mine {
            let gone = Arc::into_inner(home).and_then(OnceLock::into_inner);
            let gone = gone.expect("a map that left its field was dropped when its method ended");
            self.entries = gone.entries;
            revert(&mut self.entries, gone.before);
            return;
        }
        let log = self.log.take().expect("the map is the one that this method began with");
        let before = log.before; // mutant undo-forgets-entry: let before = { let mut all = log.before; all.pop_first(); all };
        revert(&mut self.entries, before);
    }
    fn commit(&mut self, home: Self::Saved, field: u64, redo: &mut Out) -> bool {
        let same = self.is_of(&home); // mutant redo-forgets-replaced-map: let same = self.is_of(&home) || self.log.is_none();
        let before = self.log.take().map(|log| log.before).unwrap_or_default();
        let mut changes = Out::default();
        let count = self.changes(&before, &mut changes);
        if same && count == 0 {
            return false;
        }
        redo.var(field);
        if same && count <= self.entries.len() {
            redo.byte(KEYS);
            redo.var(count as u64);
            redo.raw(changes.as_slice());
        } else {
            redo.byte(WHOLE);
            self.entries.encode(redo);
        }
        true
    }
    fn apply(&mut self, redo: &mut Reader<'_>) -> Result<(), DecodeError> {
        match redo.byte()? {
            KEYS => {
                for _ in 0..redo.var()? {
                    let key = K::decode(redo)?;
                    match redo.tag()? {
                        true => self.entries.insert(key, redo.nested(V::decode)?),
                        false => self.entries.remove(&key),
                    };
                }
            }
            WHOLE => self.entries = BTreeMap::decode(redo)?,
            _ => return Err(DecodeError::Variant),
        }
        Ok(())
    }
    fn snapshot(&self, out: &mut Out) {
        self.entries.encode(out);
    }
    fn restore(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Map { entries: BTreeMap::decode(r)?, log: None })
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
/// A copy is an ordinary value: what happens to it is nobody's change until it is put into a state.
impl<K: Clone, V: Clone> Clone for Map<K, V> {
    fn clone(&self) -> Self {
        Map { entries: self.entries.clone(), log: None }
    }
}
impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.fmt(f)
    }
}
impl<K, V> fmt::Debug for Moved<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moved")
    }
}
impl<K: PartialEq, V: PartialEq> PartialEq for Map<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}
impl<K: Eq, V: Eq> Eq for Map<K, V> {}
/// As [`BTreeMap`]: panics if the key has no value.
impl<K: Borrow<Q> + Ord, V, Q: Ord + ?Sized> Index<&Q> for Map<K, V> {
    type Output = V;
    fn index(&self, key: &Q) -> &V {
        &self.entries[key]
    }
}
impl<K: Ord + Clone, V: Clone> Extend<(K, V)> for Map<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        entries.into_iter().for_each(|(key, value)| drop(self.insert(key, value)));
    }
}
impl<K: Ord, V> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Map { entries: entries.into_iter().collect(), log: None }
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
        self.entries.iter()
    }
}
/// Copies, if the map came out of a state in this method: undoing needs the original.
impl<K: Clone, V: Clone> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = btree_map::IntoIter<K, V>;
    fn into_iter(mut self) -> Self::IntoIter {
        let entries = if self.log.is_some() { self.entries.clone() } else { mem::take(&mut self.entries) };
        entries.into_iter()
    }
}
