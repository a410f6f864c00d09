//! One table of a shard: rows in order, which of them changed, how much they take, which are too old.
//!
//! Changed rows queue in the order of their first change since they were taken, so that the front of the queue
//! says how far the log can be cut. Aging walks with a cursor, a bounded number of rows at a time, and not at
//! all before something can be too old. Nothing here knows what a row means.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet, VecDeque, btree_map};
use std::ops::{Bound, RangeBounds};

use nigh_wire::Time;

use crate::shards::Position;

/// What a table must know of its entries.
pub(super) trait Entry: Clone {
    /// Bytes it keeps beside its own.
    fn size(&self) -> usize;
    /// The last log time at which it is needed (R16).
    fn expires(&self) -> Time;
}

/// What a table must know of its keys. Clones share their bytes.
pub(super) trait Key: Ord + Clone {
    /// Bytes it keeps beside its own.
    fn size(&self) -> usize;
}

#[derive(Clone, Debug, Hash)]
struct Slot<V> {
    entry: V,
    /// Place of the record that changed it last.
    position: Position,
    /// The state file holds some version of it.
    stored: bool,
    /// It changed since it was taken: it has a place in the queue.
    queued: bool,
}

/// A changed row: `None` if it is gone.
pub(super) type Changed<K, V> = (K, Option<(Position, V)>);

#[derive(Clone, Debug, Hash)]
pub(super) struct Table<K, V> {
    rows: BTreeMap<K, Slot<V>>,
    /// Changed since they were taken, by the place of the first such change. May name rows that came and
    /// went in between.
    queue: VecDeque<(Position, K)>,
    /// Gone, but still in the state file. Each has a place in the queue.
    dropped: BTreeSet<K>,
    size: usize,
    /// Where aging goes on.
    cursor: Option<K>,
    /// No row expires before this.
    expires_min: Time,
    /// The same of the rows that the present walk has passed, and of those that came since it began.
    walked_min: Time,
}

pub(super) const NEVER: Time = Time::from_nanos(u64::MAX);

impl<K: Key, V: Entry> Table<K, V> {
    pub(super) fn new() -> Self {
        Table {
            rows: BTreeMap::new(),
            queue: VecDeque::new(),
            dropped: BTreeSet::new(),
            size: 0,
            cursor: None,
            expires_min: NEVER,
            walked_min: NEVER,
        }
    }

    pub(super) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.rows.get(key).map(|slot| &slot.entry)
    }

    /// Place of the record that changed a row last.
    pub(super) fn position<Q: Ord + ?Sized>(&self, key: &Q) -> Option<Position>
    where
        K: Borrow<Q>,
    {
        self.rows.get(key).map(|slot| slot.position)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.iter().map(|(key, slot)| (key, &slot.entry))
    }

    pub(super) fn range(&self, range: impl RangeBounds<K>) -> impl Iterator<Item = (&K, &V)> {
        self.rows.range(range).map(|(key, slot)| (key, &slot.entry))
    }

    /// A row from the state file.
    pub(super) fn restore(&mut self, key: K, position: Position, entry: V) {
        self.note(&key, &entry);
        self.rows.insert(key, Slot { entry, position, stored: true, queued: false });
    }

    /// A row that is in the state file alone. False: its removal is on its way.
    pub(super) fn load(&mut self, key: K, position: Position, entry: V) -> bool {
        let here = self.rows.contains_key(&key) || self.dropped.contains(&key);
        if !here {
            self.restore(key, position, entry);
        }
        !here
    }

    /// True if the state file has the row as it is here.
    pub(super) fn is_clean(&self, key: &K) -> bool {
        self.rows.get(key).is_some_and(|slot| slot.stored && !slot.queued)
    }

    /// The first row from this key on that is on its way out of the state file.
    pub(super) fn leaving_from(&self, key: K) -> Option<&K> {
        self.dropped.range(key..).next()
    }

    /// Lets go of a row that the state file has.
    pub(super) fn forget(&mut self, key: &K) -> V {
        let slot = self.rows.remove(key).expect("what is let go is here");
        debug_assert!(slot.stored && !slot.queued, "what is let go is in the state file");
        self.size -= slot_size(key, &slot.entry);
        slot.entry
    }

    /// Removes a row that only the state file has. False: it is here, or on its way out.
    pub(super) fn remove_stored(&mut self, key: K, position: Position) -> bool {
        let fresh = !self.rows.contains_key(&key) && self.dropped.insert(key.clone());
        if fresh {
            self.queue.push_back((position, key));
        }
        fresh
    }

    /// Writes a row, whatever was there.
    pub(super) fn put(&mut self, key: K, position: Position, entry: V) {
        self.note(&key, &entry);
        match self.rows.entry(key) {
            btree_map::Entry::Occupied(mut row) => {
                self.size -= slot_size(row.key(), &row.get().entry);
                let queued = row.get().queued;
                if !queued {
                    self.queue.push_back((position, row.key().clone()));
                }
                let slot = row.get_mut();
                (slot.entry, slot.position, slot.queued) = (entry, position, true);
            }
            btree_map::Entry::Vacant(row) => {
                let stored = self.dropped.remove(row.key());
                if !stored {
                    self.queue.push_back((position, row.key().clone()));
                }
                row.insert(Slot { entry, position, stored, queued: true });
            }
        }
    }

    pub(super) fn remove(&mut self, key: &K, position: Position) -> Option<V> {
        let slot = self.rows.remove(key)?;
        self.size -= slot_size(key, &slot.entry);
        Self::dropped(&mut self.dropped, &mut self.queue, key.clone(), &slot, position);
        Some(slot.entry)
    }

    /// Removes the rows of a range that `gone` says.
    pub(super) fn remove_if(
        &mut self,
        range: impl RangeBounds<K>,
        position: Position,
        mut gone: impl FnMut(&K, &V) -> bool,
    ) {
        for (key, slot) in self.rows.extract_if(range, |key, slot| gone(key, &slot.entry)) {
            self.size -= slot_size(&key, &slot.entry);
            Self::dropped(&mut self.dropped, &mut self.queue, key, &slot, position);
        }
    }

    fn dropped(
        dropped: &mut BTreeSet<K>,
        queue: &mut VecDeque<(Position, K)>,
        key: K,
        slot: &Slot<V>,
        position: Position,
    ) {
        // A row that the state file never held leaves nothing to delete there.
        if slot.stored {
            if !slot.queued {
                queue.push_back((position, key.clone()));
            }
            dropped.insert(key);
        }
    }

    fn note(&mut self, key: &K, entry: &V) {
        self.size += slot_size(key, entry);
        self.expires_min = self.expires_min.min(entry.expires());
        self.walked_min = self.walked_min.min(entry.expires());
    }

    /// Walks on over at most `rows_max` rows and removes those too old for `time`. Calls `gone` with each.
    pub(super) fn sweep(
        &mut self,
        time: Time,
        rows_max: usize,
        position: Position,
        mut gone: impl FnMut(&K, &V),
    ) {
        if self.expires_min >= time {
            return;
        }
        if self.cursor.is_none() {
            self.walked_min = NEVER; // A new walk passes every row.
        }
        let start = self.cursor.take().map_or(Bound::Unbounded, Bound::Excluded);
        let (mut old, mut last) = (Vec::new(), None);
        let mut walked = 0;
        for (key, slot) in self.rows.range((start, Bound::Unbounded)).take(rows_max) {
            if slot.entry.expires() < time {
                old.push(key.clone());
            } else {
                self.walked_min = self.walked_min.min(slot.entry.expires());
            }
            walked += 1;
            last = Some(key);
        }
        if walked == rows_max {
            self.cursor = last.cloned();
        } else {
            self.expires_min = std::mem::replace(&mut self.walked_min, NEVER);
        }
        for key in old {
            let entry = self.remove(&key, position).expect("it was walked over just now");
            gone(&key, &entry);
        }
    }

    /// No row is too old for a time up to this.
    pub(super) fn expires_min(&self) -> Time {
        self.expires_min
    }

    /// Appends up to `rows_max` changed rows, as they are now, to `taken`.
    pub(super) fn take_changed(&mut self, rows_max: usize, mut taken: impl FnMut(Changed<K, V>)) -> usize {
        let mut count = 0;
        while count < rows_max {
            let Some((_, key)) = self.queue.pop_front() else { break };
            match self.rows.get_mut(&key) {
                Some(slot) if slot.queued => {
                    (slot.queued, slot.stored) = (false, true);
                    let row = (slot.position, slot.entry.clone());
                    taken((key, Some(row)));
                    count += 1;
                }
                None if self.dropped.remove(&key) => {
                    taken((key, None));
                    count += 1;
                }
                // It came and went, or an earlier place in the queue has brought it already.
                _ => {}
            }
        }
        count
    }

    /// Lets go of places in the queue whose rows came and went, or have one before, if they are most of it and it is longer
    /// than that: rows of calls mostly go before they are taken.
    pub(super) fn prune(&mut self, queue_min: usize) {
        if self.queue.len() <= queue_min + 2 * (self.rows.len() + self.dropped.len()) {
            return;
        }
        self.prune_all();
    }

    #[inline(never)]
    fn prune_all(&mut self) {
        let (rows, dropped) = (&self.rows, &self.dropped);
        let changed = |key: &K| rows.get(key).is_some_and(|slot| slot.queued);
        #[rustfmt::skip]
        self.queue.retain(|(_, key)| changed(key) || dropped.contains(key)); // mutant removal-pruned: self.queue.retain(|(_, key)| changed(key) || dropped.len() == usize::MAX);
        let mut seen = BTreeSet::<K>::new();
        self.queue.retain(|(_, key)| seen.insert(key.clone())); // mutant queue-keeps-copies: let _ = &mut seen;
        debug_assert!(
            self.queue.len() <= self.rows.len() + self.dropped.len(),
            "it would be pruned again and again"
        );
    }

    /// Place of the first change that was not taken yet.
    pub(super) fn changed_since(&self) -> Option<Position> {
        self.queue.front().map(|(position, _)| *position)
    }

    pub(super) fn changed_len(&self) -> usize {
        self.queue.len()
    }
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
    /// Bytes in memory, about.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Sizes are exact, and what must be written or deleted in the state file is in the queue.
    pub(super) fn assert_scanned(&self) {
        let size: usize = self.rows.iter().map(|(key, slot)| slot_size(key, &slot.entry)).sum();
        assert_eq!(size, self.size, "the size of a table is wrong");
        let queue: BTreeSet<&K> = self.queue.iter().map(|(_, key)| key).collect();
        assert!(self.rows.iter().all(|(key, slot)| !slot.queued || queue.contains(key)), "a change is lost");
        assert!(self.dropped.iter().all(|key| queue.contains(key) && !self.rows.contains_key(key)));
        assert!(self.queue.iter().is_sorted_by_key(|(position, _)| *position), "the queue is out of order");
        assert!(
            self.rows.values().all(|slot| slot.entry.expires() >= self.expires_min),
            "a row hides its age"
        );
    }
}

/// A row's share of a tree whose nodes are two thirds full, and what it keeps beside.
fn slot_size<K: Key, V: Entry>(key: &K, entry: &V) -> usize {
    size_of::<(K, Slot<V>)>() * 3 / 2 + key.size() + entry.size()
}

#[cfg(test)]
mod tests;
