//! Pages: a large collection in rows of its own, so that writing back a change costs a page and not the collection.
//!
//! The row of an entity, its *head*, holds a collection up to the lower bound of its first page; a page holds what is from its lower
//! bound on, up to the next one's. Each row has the place of the last change that is in it, and is *read only up to the next one's
//! bound*. So any row may be written at any time, alone, and what a start finds is right after each:
//!
//! - A page that has grown is cut from its upper end: each upper part is written first, as a page of its own, and the lowest last.
//!   Until then the old row holds them too, and is not read so far.
//! - A page that has become small takes in those above it: it is written first, and their rows are removed then. Until then those
//!   are read.
//! - A change of the log is repeated on those pages alone whose rows do not hold it yet: a list in a map would not bear it twice.
//!
//! A small collection is one that has no pages: its head holds all of it. Nothing here knows keys of rows, or writes any.
//!
//! [`Large`] is a collection that may have pages, [`Pages`] what is known of them, whatever their types, and [`Table`] that of a map;
//! a set is a map without values. `cut.rs` decides what becomes a row.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::mem;

use nigh_proto::shards::Position;
use nigh_wire::{Bytes, DecodeError, Out, Reader, Wire};

use super::element::Element;
use super::map::{Map, apply_at, skip_at};
use super::tracked::{Before, PARTS, WHOLE};

mod cut;

/// How large is large, in bytes as encoded. Any page is right under any limits: these may differ from one time to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// A collection of more gets pages.
    pub(crate) whole: usize,
    /// What is cut off as a page has no more, unless a single entry has.
    pub(crate) page: usize,
    /// A page of more is cut.
    pub(crate) page_max: usize,
    /// A collection of no more goes back into its head, and has no pages any more.
    pub(crate) home: usize,
}

impl Limits {
    /// Below 64 KiB one row is as cheap as several: its encoding takes some 50 µs, and a sweep writes it once however often it changed.
    /// A page of 4 KiB is one of the store's own, which is what it writes for a row in any case; twice that is cut. A collection
    /// goes back at a quarter of the size at which it was cut up, so that none does both over and over.
    pub(crate) const USUAL: Limits =
        Limits { whole: 64 * 1024, page: 4 * 1024, page_max: 8 * 1024, home: 16 * 1024 };
    /// In simulations and tests: everything is large.
    pub(crate) const TINY: Limits = Limits { whole: 24, page: 12, page_max: 24, home: 8 };
}

/// What may still be made in one step, under the owner's lock: at least [`Room::ROWS_MIN`] rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
}

impl Room {
    /// A page that takes in another is a row written and one removed, besides its own; so is a head that takes in the last page. With less nothing is
    /// begun, so that a page which has become empty is never left over.
    pub(crate) const ROWS_MIN: usize = 3;

    /// True if the next is to be begun in another step.
    pub(crate) fn is_short(&self) -> bool {
        self.rows < Room::ROWS_MIN || self.bytes == 0
    }
    pub(crate) fn is_spent(&self) -> bool {
        self.rows == 0 || self.bytes == 0
    }
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.rows = self.rows.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// A row of a page: to be written, or as it was read. They are written in the order in which they are made.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) number: u64,
    pub(crate) position: Position,
    /// `None` removes it.
    pub(crate) row: Option<Bytes>,
}

/// What a row of a page holds beside its position.
#[derive(Wire)]
pub(crate) struct PageRow {
    /// Its lower bound: an encoded key.
    pub(crate) from: Bytes,
    /// Its entries, as a map of them.
    pub(crate) entries: Bytes,
}

impl PageRow {
    /// True if it holds no entry: their count stands first.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.first() == Some(&0)
    }
}

/// A collection that may have pages.
pub trait Large: Any {
    /// How many entries it has.
    #[doc(hidden)]
    fn entries(&self) -> usize;
    /// Appends all of it, if that takes at most so many bytes; appends nothing if not.
    #[doc(hidden)]
    fn snapshot_within(&self, size_max: usize, out: &mut Out) -> bool;
    /// What is known of its pages as long as there are none.
    #[doc(hidden)]
    fn no_pages(&self) -> Paged;
}

/// The pages of a collection, of whatever type.
#[doc(hidden)]
pub struct Paged(pub(crate) Box<dyn Pages>);

/// What is known of the pages of a collection. Which rows hold what stands there; the collection itself is always `of`.
pub(crate) trait Pages: Send {
    /// Reads a change that was made, as a redo has it, and remembers the pages that it touched: true if it touched what the
    /// head holds.
    fn touch(&mut self, change: &mut Reader<'_>) -> Result<bool, DecodeError>;
    /// All of it was touched.
    fn touch_all(&mut self);
    /// The change was made at this place.
    fn place(&mut self, at: Position);
    /// Repeats a change on what does not hold it yet, and remembers what it touched: true if that is in the head, which holds the
    /// change or not.
    fn repeat(
        &mut self,
        of: &mut dyn Large,
        change: &mut Reader<'_>,
        at: Position,
        in_head: bool,
    ) -> Result<bool, DecodeError>;
    /// As [`Pages::repeat`], of a change to all that is in the other, which is of the same type.
    fn become_all(&mut self, of: &mut dyn Large, other: &mut dyn Large, at: Position, in_head: bool) -> bool;
    /// Both are of its type.
    fn swap(&self, of: &mut dyn Large, other: &mut dyn Large);
    /// Takes in what the rows of the pages hold; `of` is what the head holds.
    fn load(&mut self, of: &mut dyn Large, rows: Vec<Page>) -> Result<(), DecodeError>;
    /// Appends what the head is to hold.
    fn head(&self, of: &dyn Large, out: &mut Out);
    /// Makes rows of pages whose last change is below `durable`, as long as there is room: false if there is no more.
    fn write(
        &mut self,
        of: &dyn Large,
        durable: Position,
        limits: &Limits,
        room: &mut Room,
        to: &mut Vec<Page>,
    ) -> bool;
    /// Cuts off the head what is too much for it, which changed there last: false if there is no more room.
    fn cut_head(
        &mut self,
        of: &dyn Large,
        changed: Position,
        limits: &Limits,
        room: &mut Room,
        to: &mut Vec<Page>,
    ) -> bool;
    /// If little is left, all of it belongs to the head: rows to be removed once the head is written, and the place of the last
    /// change in them.
    fn come_home(
        &mut self,
        of: &dyn Large,
        durable: Position,
        limits: &Limits,
        room: &Room,
    ) -> Option<(Position, Vec<u64>)>;
    /// The first change that no row holds.
    fn dirty(&self) -> Option<Position>;
    /// The last change that a row or a page holds.
    fn changed(&self) -> Option<Position>;
    /// True if there are none.
    fn is_empty(&self) -> bool;
    /// Of all rows, in bytes.
    fn size(&self) -> usize;
}

/// A page.
#[derive(Clone, Copy, Debug)]
struct Of {
    number: u64,
    /// Of its row, in bytes.
    size: usize,
    /// Its last change.
    changed: Position,
}

/// The pages of a map.
struct Table<K, V> {
    /// By lower bound.
    pages: BTreeMap<K, Of>,
    /// Those that changed since they were written, with the place of the first such change.
    dirty: BTreeMap<K, Position>,
    /// Those that a change touched whose place is not known yet.
    touched: BTreeSet<K>,
    /// The next page's number.
    next: u64,
    /// Of all rows, in bytes.
    size: usize,
    _of: PhantomData<fn() -> V>,
}

impl<K: Wire + Ord + Clone, V: Element> Large for Map<K, V> {
    fn entries(&self) -> usize {
        self.len()
    }
    fn snapshot_within(&self, size_max: usize, out: &mut Out) -> bool {
        let at = out.len();
        out.var(self.len() as u64);
        for (key, value) in self {
            key.encode(out);
            value.snapshot(out);
            if out.len() - at > size_max {
                out.truncate(at);
                return false;
            }
        }
        true
    }
    fn no_pages(&self) -> Paged {
        Paged(Box::new(Table::<K, V> {
            pages: BTreeMap::new(),
            dirty: BTreeMap::new(),
            touched: BTreeSet::new(),
            next: 0,
            size: 0,
            _of: PhantomData,
        }))
    }
}

impl<K: Wire + Ord + Clone, V: Element> Table<K, V> {
    fn entries(of: &dyn Large) -> &BTreeMap<K, V> {
        let map: Option<&Map<K, V>> = (of as &dyn Any).downcast_ref();
        map.expect("a table is asked about the field that it was made for").peek().get()
    }
    fn entries_mut(of: &mut dyn Large) -> &mut BTreeMap<K, V> {
        let map: Option<&mut Map<K, V>> = (of as &mut dyn Any).downcast_mut();
        map.expect("a table is asked about the field that it was made for").tracked().get_mut().0
    }
    /// The page of a key; `None`: the head.
    fn page_of(&self, key: &K) -> Option<(&K, &Of)> {
        self.pages.range(..=key).next_back()
    }
    /// True if the row that holds this key holds what happened at `at`.
    fn holds(&self, key: &K, at: Position, in_head: bool) -> bool {
        match self.page_of(key) {
            Some((_, page)) => {
                let holds = page.changed >= at; // mutant page-repeats-twice: let holds = page.changed.0 == u64::MAX;
                holds
            }
            None => in_head,
        }
    }
    /// Sets all that does not hold what happened at `at`.
    fn replace(&mut self, of: &mut dyn Large, new: BTreeMap<K, V>, at: Position, in_head: bool) -> bool {
        let entries = Self::entries_mut(of);
        let mut kept = mem::take(entries);
        kept.retain(|key, _| self.holds(key, at, in_head));
        *entries = new;
        entries.retain(|key, _| !self.holds(key, at, in_head));
        entries.append(&mut kept);
        let touched = self.pages.iter().filter(|(_, page)| page.changed < at);
        self.touched.extend(touched.map(|(from, _)| from.clone()));
        !in_head
    }
}

impl<K: Wire + Ord + Clone, V: Element> Pages for Table<K, V> {
    fn touch(&mut self, change: &mut Reader<'_>) -> Result<bool, DecodeError> {
        match change.byte()? {
            PARTS => {}
            WHOLE => {
                BTreeMap::<K, super::element::Note<V>>::decode(change)?;
                self.touch_all();
                return Ok(true);
            }
            _ => return Err(DecodeError::Variant),
        }
        let mut in_head = false;
        for _ in 0..change.var()? {
            let key = K::decode(change)?;
            skip_at::<V>(change)?;
            match self.page_of(&key).map(|(from, _)| from.clone()) {
                Some(from) => drop(self.touched.insert(from)), // mutant page-not-dirty: Some(from) => drop(from),
                None => in_head = true,
            }
        }
        Ok(in_head)
    }

    fn touch_all(&mut self) {
        self.touched = self.pages.keys().cloned().collect();
    }

    fn place(&mut self, at: Position) {
        for from in mem::take(&mut self.touched) {
            let page = self.pages.get_mut(&from).expect("pages come and go between changes");
            page.changed = at;
            self.dirty.entry(from).or_insert(at);
        }
    }

    fn repeat(
        &mut self,
        of: &mut dyn Large,
        change: &mut Reader<'_>,
        at: Position,
        in_head: bool,
    ) -> Result<bool, DecodeError> {
        match change.byte()? {
            PARTS => {}
            WHOLE => {
                let new = BTreeMap::<K, super::element::Note<V>>::decode(change)?;
                return Ok(self.replace(of, new, at, in_head));
            }
            _ => return Err(DecodeError::Variant),
        }
        let mut touched = false;
        for _ in 0..change.var()? {
            let key = K::decode(change)?;
            if self.holds(&key, at, in_head) {
                skip_at::<V>(change)?;
                continue;
            }
            match self.page_of(&key).map(|(from, _)| from.clone()) {
                Some(from) => drop(self.touched.insert(from)),
                None => touched = true,
            }
            apply_at(Self::entries_mut(of), key, change)?;
        }
        Ok(touched)
    }

    fn become_all(&mut self, of: &mut dyn Large, other: &mut dyn Large, at: Position, in_head: bool) -> bool {
        let new = mem::take(Self::entries_mut(other));
        self.replace(of, new, at, in_head)
    }

    fn swap(&self, of: &mut dyn Large, other: &mut dyn Large) {
        mem::swap(Self::entries_mut(of), Self::entries_mut(other));
    }

    fn load(&mut self, of: &mut dyn Large, rows: Vec<Page>) -> Result<(), DecodeError> {
        let mut read = BTreeMap::new();
        for Page { number, position, row } in rows {
            let Some(row) = row else { continue };
            let size = row.len();
            let PageRow { from, entries } = nigh_wire::decode_stored(&row)?;
            let from: K = nigh_wire::decode_stored(&from)?;
            let mut reader = Reader::stored(&entries);
            let entries = BTreeMap::<K, super::element::Note<V>>::decode(&mut reader)?;
            reader.end()?;
            self.next = self.next.max(number + 1);
            self.size += size;
            self.pages.insert(from.clone(), Of { number, size, changed: position });
            if read.insert(from, entries).is_some() {
                return Err(DecodeError::Duplicate);
            }
        }
        let bounds: Vec<K> = read.keys().cloned().collect();
        let above = |at: usize| bounds.get(at);
        let entries = Self::entries_mut(of);
        let mut all: Vec<(K, V)> = Vec::new();
        // A row is read only up to the next one's bound.
        let mut take = |entries: BTreeMap<K, V>, from: Option<&K>, to: Option<&K>| {
            let inside = entries.into_iter().skip_while(|(key, _)| from.is_some_and(|from| key < from));
            let bound = to; // mutant page-read-past-bound: let bound = to.filter(|_| false);
            all.extend(inside.take_while(|(key, _)| bound.is_none_or(|to| key < to)));
        };
        take(mem::take(entries), None, above(0));
        for (at, (from, entries)) in read.into_iter().enumerate() {
            take(entries, Some(&from), above(at + 1));
        }
        *entries = all.into_iter().collect();
        Ok(())
    }

    fn head(&self, of: &dyn Large, out: &mut Out) {
        self.head_of(of, out);
    }
    fn write(
        &mut self,
        of: &dyn Large,
        durable: Position,
        limits: &Limits,
        room: &mut Room,
        to: &mut Vec<Page>,
    ) -> bool {
        self.write_dirty(of, durable, limits, room, to)
    }
    fn cut_head(
        &mut self,
        of: &dyn Large,
        changed: Position,
        limits: &Limits,
        room: &mut Room,
        to: &mut Vec<Page>,
    ) -> bool {
        self.cut_off(of, None, changed, limits, room, to).is_some()
    }
    fn come_home(
        &mut self,
        of: &dyn Large,
        durable: Position,
        limits: &Limits,
        room: &Room,
    ) -> Option<(Position, Vec<u64>)> {
        self.give_up(of, durable, limits, room)
    }
    fn dirty(&self) -> Option<Position> {
        self.dirty.values().min().copied()
    }
    fn changed(&self) -> Option<Position> {
        self.pages.values().map(|page| page.changed).max()
    }
    fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }
    fn size(&self) -> usize {
        self.size
    }
}
