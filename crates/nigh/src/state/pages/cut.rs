//! What becomes a row: the upper part of a page that has grown, a page that changed, one that takes in those above it.

use std::collections::BTreeMap;
use std::ops::Bound;

use nigh_proto::shards::Position;
use nigh_wire::{Bytes, Out, Wire};

use super::{Large, Limits, Of, Page, PageRow, Room, Table};
use crate::state::element::Element;

/// The upper end of a page.
struct Top<'a, K> {
    /// Its first key; `None`: it is all of the page.
    from: Option<&'a K>,
    /// As a map.
    entries: Bytes,
}

/// Encodes the entries of a range from its upper end: all of them if they have at most `page_max` bytes, or else as many of the
/// upper ones as have `page` bytes, but one at least.
fn top<'a, K: Wire + Ord, V: Element>(
    entries: &'a BTreeMap<K, V>,
    range: (Bound<&K>, Bound<&K>),
    page: usize,
    page_max: usize,
) -> Top<'a, K> {
    let mut out = Out::with_capacity(page_max.min(Limits::USUAL.page_max));
    let (mut ends, mut lowest, mut cut) = (vec![0], None, None);
    for (key, value) in entries.range::<K, _>(range).rev() {
        key.encode(&mut out);
        value.snapshot(&mut out);
        if out.len() > page && cut.is_none() {
            // Behind what was there before this one.
            cut = lowest.map(|lowest| (lowest, ends.len()));
        }
        ends.push(out.len());
        lowest = Some(key);
        if out.len() > page_max && cut.is_some() {
            break;
        }
    }
    let cut = cut.filter(|_| out.len() > page_max);
    let ends = match cut {
        Some((_, count)) => &ends[..count],
        None => &ends[..],
    };
    let mut ascending = Out::with_capacity(out.len() + 8);
    ascending.var(ends.len() as u64 - 1);
    ends.windows(2).rev().for_each(|pair| ascending.raw(&out.as_slice()[pair[0]..pair[1]]));
    Top { from: cut.map(|(from, _)| from), entries: ascending.into_bytes() }
}

impl<K: Wire + Ord + Clone, V: Element> Table<K, V> {
    /// Where the page above this one begins; `None` is the head.
    fn above(&self, from: Option<&K>) -> Option<&K> {
        let from = from.map_or(Bound::Unbounded, Bound::Excluded);
        self.pages.range::<K, _>((from, Bound::Unbounded)).next().map(|(above, _)| above)
    }

    /// Makes the row of a page, which is not in the table yet.
    fn row(number: u64, from: &K, entries: Bytes, position: Position) -> Page {
        let row = PageRow { from: nigh_wire::encode(from), entries };
        Page { number, position, row: Some(nigh_wire::encode(&row)) }
    }

    /// What the head is to hold: all up to the first page.
    pub(super) fn head_of(&self, of: &dyn Large, out: &mut Out) {
        let entries = Self::entries(of);
        let (at, mut count) = (out.len(), 0);
        let to = self.above(None).map_or(Bound::Unbounded, Bound::Excluded);
        for (key, value) in entries.range::<K, _>((Bound::Unbounded, to)) {
            key.encode(out);
            value.snapshot(out);
            count += 1;
        }
        out.insert_var(at, count);
    }

    /// Cuts pages off the one that begins at `from` until what is left is none too many: gives that, encoded. `None` if there
    /// is no room for all.
    pub(super) fn cut_off(
        &mut self,
        of: &dyn Large,
        from: Option<&K>,
        changed: Position,
        limits: &Limits,
        room: &mut Room,
        to: &mut Vec<Page>,
    ) -> Option<Bytes> {
        let entries = Self::entries(of);
        loop {
            if room.is_spent() {
                return None;
            }
            // What has no pages yet may be larger.
            let page_max = if self.pages.is_empty() { limits.whole } else { limits.page_max };
            let range = (
                from.map_or(Bound::Unbounded, Bound::Included),
                self.above(from).map_or(Bound::Unbounded, Bound::Excluded),
            );
            let top = top(entries, range, limits.page, page_max);
            let Some(first) = top.from else { return Some(top.entries) };
            let first = first.clone();
            self.made(self.next, &first, top.entries, changed, room, to);
            self.next += 1;
        }
    }

    /// Makes a row, and remembers that the page is in it.
    fn made(
        &mut self,
        number: u64,
        from: &K,
        entries: Bytes,
        changed: Position,
        room: &mut Room,
        to: &mut Vec<Page>,
    ) {
        let row = Self::row(number, from, entries, changed);
        let size = row.row.as_ref().map_or(0, Bytes::len);
        room.spend(size);
        to.push(row); // mutant page-not-written: drop(row);
        self.size += size;
        if let Some(old) = self.pages.insert(from.clone(), Of { number, size, changed }) {
            self.size -= old.size;
        }
        self.dirty.remove(from);
    }

    pub(super) fn write_dirty(
        &mut self,
        of: &dyn Large,
        durable: Position,
        limits: &Limits,
        room: &mut Room,
        to: &mut Vec<Page>,
    ) -> bool {
        let mut next = self.dirty.keys().next().cloned();
        while let Some(from) = next {
            if room.is_short() {
                return false;
            }
            let page = self.pages[&from];
            if page.changed < durable {
                let Some(entries) = self.cut_off(of, Some(&from), page.changed, limits, room, to) else {
                    return false;
                };
                self.made(page.number, &from, entries, page.changed, room, to);
                self.join(of, &from, durable, limits, room, to);
            }
            next = self
                .dirty
                .range((Bound::Excluded(from), Bound::Unbounded))
                .next()
                .map(|(from, _)| from.clone());
        }
        true
    }

    /// Of a page that was just written: if it is small, it takes in those above it, or the one below takes it in.
    fn join(
        &mut self,
        of: &dyn Large,
        from: &K,
        durable: Position,
        limits: &Limits,
        room: &mut Room,
        to: &mut Vec<Page>,
    ) {
        let small = |page: &Of| page.size < limits.page / 2;
        if !small(&self.pages[from]) {
            return;
        }
        let below = self.pages.range::<K, _>(..from).next_back();
        let below = below.filter(|(from, page)| small(page) && !self.dirty.contains_key(*from));
        let from = below.map_or(from, |(below, _)| below).clone();
        let (mut entries, mut changed, mut gone) = (None, self.pages[&from].changed, vec![]);
        let mut bound = from.clone();
        // Its own row, and one for each that it takes in.
        while room.rows > gone.len() + 1 {
            let Some((above, page)) =
                self.pages.range::<K, _>((Bound::Excluded(&bound), Bound::Unbounded)).next()
            else {
                break;
            };
            if page.changed >= durable {
                break;
            }
            let end = self.above(Some(above)).map_or(Bound::Unbounded, Bound::Excluded);
            let both = top(Self::entries(of), (Bound::Included(&from), end), limits.page, limits.page);
            if both.from.is_some() || both.entries.len() > limits.page {
                break;
            }
            changed = changed.max(page.changed);
            gone.push((above.clone(), page.number));
            (entries, bound) = (Some(both.entries), above.clone());
        }
        let Some(entries) = entries else { return };
        self.made(self.pages[&from].number, &from, entries, changed, room, to);
        for (above, number) in gone {
            room.spend(0);
            to.push(Page { number, position: changed, row: None }); // mutant joined-page-kept: drop((number, changed));
            self.forget(&above);
        }
    }

    fn forget(&mut self, from: &K) {
        self.size -= self.pages.remove(from).map_or(0, |page| page.size);
        self.dirty.remove(from);
    }

    pub(super) fn give_up(
        &mut self,
        of: &dyn Large,
        durable: Position,
        limits: &Limits,
        room: &Room,
    ) -> Option<(Position, Vec<u64>)> {
        let changed = self.pages.values().map(|page| page.changed).max()?;
        // The head's row as well.
        if changed >= durable || self.pages.len() >= room.rows {
            return None;
        }
        // One that is its default has no row in the end, so nothing stays where nothing is.
        if !Self::entries(of).is_empty() {
            let mut head = Out::default();
            if self.size <= limits.home {
                self.head_of(of, &mut head);
            }
            if self.size + head.len() > limits.home {
                return None;
            }
        }
        let numbers = self.pages.values().map(|page| page.number).collect();
        (self.size, self.pages, self.dirty) = (0, BTreeMap::new(), BTreeMap::new());
        Some((changed, numbers))
    }
}
