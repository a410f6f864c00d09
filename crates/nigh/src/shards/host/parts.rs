//! An entity in several rows: its head, and the pages of its large collections.
//!
//! Which of them hold what, and what of them is to be written: each row has a place of its own (`state/pages.rs`). An entity
//! without pages has none of this; it is one row, and whoever holds it knows its place.

use nigh_proto::shards::Position;
use nigh_wire::{Bytes, DecodeError, Out, Reader};

use super::{CellRow, FieldPage};
use crate::state::{Limits, Page, Pages, Room, State};

/// What is known of the rows of an entity.
pub(super) struct Parts {
    head: Head,
    /// Of each field that may have pages: its place among the fields.
    fields: Vec<(usize, Box<dyn Pages>)>,
}

/// What is known of the head.
#[derive(Default)]
struct Head {
    /// Its last change, in a row or not; `None`: there was none, and there is no row.
    changed: Option<Position>,
    /// The first change that is in no row.
    dirty: Option<Position>,
    /// A change touched it whose place is not known yet.
    touched: bool,
    /// Of its row, in bytes.
    size: usize,
}

impl Head {
    fn place(&mut self, at: Position) {
        if std::mem::take(&mut self.touched) {
            // At a start what touched it may be older than its row.
            self.changed = self.changed.max(Some(at));
            self.dirty = self.dirty.or(Some(at));
        }
    }
    fn is_ready(&self, durable: Position) -> bool {
        self.changed.is_none_or(|changed| changed < durable)
    }
}

impl Parts {
    fn without_pages<S: State>(state: &S, head: Head) -> Self {
        let field = |at| Some((at, state.large(at)?.no_pages().0));
        Parts { head, fields: (0..S::FIELDS).filter_map(field).collect() }
    }

    /// Of an entity without pages that changed last and first, since it was written, at these places.
    pub(super) fn of<S: State>(state: &S, changed: Position, first: Position) -> Self {
        let head = Head { changed: Some(changed), dirty: Some(first), ..Head::default() };
        Parts::without_pages(state, head)
    }

    /// Adds to the state what the rows of its pages hold. If the head does not say that there are any, it is written once more: the
    /// crash came between them.
    pub(super) fn load<S: State>(
        state: &mut S,
        head: Option<Position>,
        says_so: bool,
        pages: Vec<FieldPage>,
    ) -> Result<Self, DecodeError> {
        let touched = !says_so; // mutant head-behind-pages: let touched = false;
        let mut parts = Parts::without_pages(state, Head { changed: head, touched, ..Head::default() });
        let mut of_fields: Vec<Vec<Page>> = parts.fields.iter().map(|_| vec![]).collect();
        for FieldPage { field, page } in pages {
            let at = parts.fields.iter().position(|(at, _)| *at == field).ok_or(DecodeError::Variant)?;
            of_fields[at].push(page);
        }
        for ((at, table), pages) in parts.fields.iter_mut().zip(of_fields) {
            table.load(large_mut(state, *at), pages)?;
        }
        let entries = parts.fields.iter().map(|(at, _)| large(state, *at).entries()).sum::<usize>();
        let empty = entries == 0; // mutant empty-pages-stay: let empty = entries > usize::MAX - 1;
        if let (true, Some(at)) = (empty, parts.changed()) {
            // What kept them from coming home was never durable: they do now. The head holds no more for that than its row
            // says: what the log says of it is still to be repeated.
            parts.head.dirty = Some(at); // mutant empty-pages-hold-all: (parts.head.changed, parts.head.dirty) = (Some(at), Some(at));
        }
        Ok(parts)
    }

    /// Remembers what a method has changed.
    pub(super) fn touch<S: State>(&mut self, redo: &Bytes) -> Result<(), DecodeError> {
        let mut redo = Reader::stored(redo);
        while redo.left() > 0 {
            let field = field_of(&mut redo)?;
            match self.fields.iter_mut().find(|(at, _)| *at == field) {
                Some((_, table)) => self.head.touched |= table.touch(&mut redo)?,
                None => {
                    S::skip_at(field, &mut redo)?;
                    self.head.touched = true;
                }
            }
        }
        Ok(())
    }

    /// All of it has changed.
    pub(super) fn touch_all(&mut self) {
        self.head.touched = true;
        self.fields.iter_mut().for_each(|(_, table)| table.touch_all());
    }

    /// The change was made at this place.
    pub(super) fn place(&mut self, at: Position) {
        self.head.place(at);
        self.fields.iter_mut().for_each(|(_, table)| table.place(at));
    }

    /// Repeats a change of the log where no row holds it; `None`: it became its default.
    pub(super) fn repeat<S: State + Default>(
        &mut self,
        state: &mut S,
        at: Position,
        redo: Option<&Bytes>,
    ) -> Result<(), DecodeError> {
        let in_head = self.head.changed.is_some_and(|changed| changed >= at);
        match redo {
            Some(redo) => {
                let mut redo = Reader::stored(redo);
                while redo.left() > 0 {
                    let field = field_of(&mut redo)?;
                    self.head.touched |= match self.fields.iter_mut().find(|(at, _)| *at == field) {
                        Some((_, table)) => table.repeat(large_mut(state, field), &mut redo, at, in_head)?,
                        None if in_head => S::skip_at(field, &mut redo).map(|()| false)?,
                        None => state.apply_at(field, &mut redo).map(|()| true)?,
                    };
                }
            }
            None => {
                let mut fresh = S::default();
                for (field, table) in &mut self.fields {
                    table.become_all(large_mut(state, *field), large_mut(&mut fresh, *field), at, in_head);
                }
                if !in_head {
                    for (field, table) in &self.fields {
                        table.swap(large_mut(state, *field), large_mut(&mut fresh, *field));
                    }
                    *state = fresh;
                    self.head.touched = true;
                }
            }
        }
        self.place(at);
        Ok(())
    }

    /// Makes rows of what changed below `durable`, as long as there is room, in the order in which they are to be written.
    /// True if there was room for all.
    pub(super) fn write<S: State>(
        &mut self,
        state: &S,
        durable: Position,
        limits: &Limits,
        room: &mut Room,
        to: &mut Vec<CellRow>,
    ) -> bool {
        let mut pages = Vec::new();
        for (field, table) in &mut self.fields {
            let all = table.write(large(state, *field), durable, limits, room, &mut pages);
            put(to, *field, &mut pages);
            if !all {
                return false;
            }
        }
        if !self.head.is_ready(durable) {
            return true;
        }
        if let (Some(changed), true) = (self.head.changed, self.head.dirty.is_some()) {
            for (field, table) in &mut self.fields {
                let all = table.cut_head(large(state, *field), changed, limits, room, &mut pages);
                put(to, *field, &mut pages);
                if !all {
                    return false;
                }
            }
        }
        if room.is_short() {
            return false;
        }
        // From here on the head is written, whatever the room: what comes home is removed behind it.
        let mut gone = Vec::new();
        for (field, table) in &mut self.fields {
            if let Some((last, numbers)) = table.come_home(large(state, *field), durable, limits, room) {
                room.rows -= numbers.len();
                self.head.changed = self.head.changed.max(Some(last));
                self.head.dirty = self.head.dirty.or(Some(last));
                gone.extend(numbers.into_iter().map(|number| (*field, number)));
            }
        }
        if let Some(first) = self.head.dirty.take() {
            // If nothing but empty pages touched it, it holds what they do.
            let position = *self.head.changed.get_or_insert(first); // mutant head-of-empty-pages-unwritten: let position = self.head.changed.expect("it changed");
            let state = self.head_of(state);
            self.head.size = state.len();
            room.spend(state.len());
            let head = CellRow::Head { state, position, alone: self.has_no_pages() };
            to.push(head); // mutant head-before-pages: to.insert(0, head);
            for (field, number) in gone {
                to.push(CellRow::Page(FieldPage { field, page: Page { number, position, row: None } }));
            }
        }
        true
    }

    fn head_of<S: State>(&self, state: &S) -> Bytes {
        let mut out = Out::with_capacity(1024);
        for field in 0..S::FIELDS {
            match self.fields.iter().find(|(at, _)| *at == field) {
                Some((_, table)) => table.head(large(state, field), &mut out),
                None => state.snapshot_at(field, &mut out),
            }
        }
        out.into_bytes()
    }

    /// The first change that is in no row.
    pub(super) fn dirty(&self) -> Option<Position> {
        let pages = self.fields.iter().filter_map(|(_, table)| table.dirty());
        pages.chain(self.head.dirty).min()
    }
    /// The last change that is in a row.
    pub(super) fn changed(&self) -> Option<Position> {
        self.fields.iter().filter_map(|(_, table)| table.changed()).chain(self.head.changed).max()
    }
    pub(super) fn has_no_pages(&self) -> bool {
        self.fields.iter().all(|(_, table)| table.is_empty())
    }
    /// Of all rows, in bytes.
    pub(super) fn size(&self) -> usize {
        self.head.size + self.fields.iter().map(|(_, table)| table.size()).sum::<usize>()
    }
}

fn put(to: &mut Vec<CellRow>, field: usize, pages: &mut Vec<Page>) {
    let row = |page| CellRow::Page(FieldPage { field, page });
    pages.drain(..).for_each(|page| to.push(row(page))); // mutant lower-page-first: pages.drain(..).rev().for_each(|page| to.push(row(page)));
}

fn field_of(redo: &mut Reader<'_>) -> Result<usize, DecodeError> {
    usize::try_from(redo.var()?).map_err(|_| DecodeError::Variant)
}

fn large<S: State>(state: &S, field: usize) -> &dyn crate::state::Large {
    state.large(field).expect("a field that has pages once may have them always")
}
fn large_mut<S: State>(state: &mut S, field: usize) -> &mut dyn crate::state::Large {
    state.large_mut(field).expect("a field that has pages once may have them always")
}
