//! Entities without their types: how the runtime makes, runs, stores and restores any of them.
//!
//! A method is run by [`Cell::write`], which also decides what is left of it: a change and its redo, or the
//! state as it was. Nothing here knows ids, logs or time.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use nigh_proto::calls::caller::CALL_SIZE_MAX;
use nigh_proto::shards::Position;
use nigh_proto::shards::record::Other;
use nigh_wire::{Bytes, Cause, Contract, ContractKind, DecodeError, Node, Out, Reader, Schema, Value};

use crate::entity::{Entity, Reply, Run};
use crate::state::{LIST_LEN_MAX, Limits, Page, Room};
use crate::tx::TxCore;
use parts::Parts;

mod parts;

/// Longest answer of a writing method, in bytes: as a call, it travels in one frame and stands in one record.
pub(crate) const ANSWER_SIZE_MAX: usize = CALL_SIZE_MAX;

/// What an entity takes beside its state, in bytes: two names, three nodes of trees, the cell. Measured.
const ENTITY_OVERHEAD: usize = 512;
/// Bytes of memory for each encoded one of a state with lists, sets or maps: keys and small numbers of a tree's entries take
/// some four times their encoding. Without any, what is long is text and bytes, which take their length; what is short
/// stands in the state itself.
const ENTRIES_SIZE_FACTOR: usize = 4;

fn too_large(size: usize) -> Cause {
    Cause::TooLarge(format!("an answer of {size} bytes, at most {ANSWER_SIZE_MAX}"))
}

fn list_too_long(field: &str) -> Cause {
    Cause::TooLarge(format!(
        "list `{field}` would have over {LIST_LEN_MAX} elements: a map by number has no such bound"
    ))
}

/// One entity type of the application.
pub(crate) trait Host: Send + Sync {
    /// Its wire name.
    fn name(&self) -> &Arc<str>;
    /// Its methods as data.
    fn contract(&self) -> Contract;
    /// Shape of its state as stored.
    fn state_schema(&self) -> Schema;
    /// How changes of its fields are recorded: of a build with another, the log is not to be read.
    fn tracked(&self) -> String;
    /// Shape of its key.
    fn key_schema(&self) -> &Schema;
    /// True if its methods may ask for others.
    fn has_home(&self) -> bool;
    /// Its home's name and encoded key, if it has a home and these bytes are a key.
    fn home(&self, key: &Bytes) -> Option<(&'static str, Bytes)>;
    /// One that nobody changed yet.
    fn fresh(&self) -> Box<dyn Cell>;
    /// Its snapshot.
    fn default(&self) -> &Bytes;
    /// One from its snapshot.
    fn restore(&self, snapshot: &Bytes) -> Result<Box<dyn Cell>, DecodeError>;
    /// True if some of its fields may have pages.
    fn may_have_pages(&self) -> bool;
    /// What one of so many encoded bytes takes in memory, in bytes: an estimate.
    fn size_in_memory(&self, encoded: usize) -> usize;
}

/// A page of a field.
pub(crate) struct FieldPage {
    pub(crate) field: usize,
    pub(crate) page: Page,
}

/// One row of an entity. They are to be written in the order in which they are made.
pub(crate) enum CellRow {
    /// Its own: what is in no page. `alone`: there are none.
    Head { state: Bytes, position: Position, alone: bool },
    /// One of its pages.
    Page(FieldPage),
}

/// One entity in memory.
pub(crate) trait Cell: Send {
    /// Runs a writing method: on anything but success the state is as before.
    fn write(&mut self, method: usize, tx: &mut TxCore, args: Value) -> Wrote;
    /// Runs a view.
    fn read(&self, method: usize, args: Value) -> Result<Reply, Cause>;
    /// Repeats a change of the log.
    fn apply(&mut self, redo: &Bytes) -> Result<(), DecodeError>;
    /// The whole state.
    fn snapshot(&self) -> Bytes;
    /// True if it equals its default, which is not stored.
    fn is_default(&self) -> bool;
    /// Becomes its default.
    fn reset(&mut self);
    /// What was changed, was changed at this place.
    fn place(&mut self, at: Position);
    /// Takes in the pages of its rows; it is what its head holds, which has this place, and may say that there are pages. Gives the
    /// place of the last change in any.
    fn load(
        &mut self,
        head: Option<Position>,
        says_so: bool,
        pages: Vec<FieldPage>,
    ) -> Result<Option<Position>, DecodeError>;
    /// Of one that has pages: repeats a change of the log where no row holds it; `None`: it became its default.
    fn repeat(&mut self, at: Position, redo: Option<&Bytes>) -> Result<(), DecodeError>;
    /// Makes rows of what has changed, as long as there is room: false if there is no more. Of one that has pages: of
    /// what has changed below `durable`; else of all of it, which changed last and first at these places.
    fn rows(
        &mut self,
        whole: (Position, Position),
        durable: Position,
        limits: &Limits,
        room: &mut Room,
        to: &mut Vec<CellRow>,
    ) -> bool;
    /// True if it has pages.
    fn is_paged(&self) -> bool;
    /// If it has pages: what is known of its rows.
    fn paged(&self) -> Option<Known>;
    /// As typed state.
    fn state(&self) -> &dyn Any;
    /// As typed state, after [`Cell::begin`].
    fn state_mut(&mut self) -> &mut dyn Any;
    /// A method of another entity is about to change it.
    fn begin(&mut self);
    /// That method has failed: first half of undoing.
    fn release(&mut self);
    /// That method has failed: it is as before.
    fn undo(&mut self);
    /// A field that has become too long to be stored.
    fn too_long(&self) -> Option<&'static str>;
    /// That method has succeeded: appends what changed, true if anything did.
    fn commit(&mut self, redo: &mut Out) -> bool;
}

/// What is known of the rows of an entity that has pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// The first change that is in none.
    pub(crate) dirty: Option<Position>,
    /// Bytes of all of them.
    pub(crate) size: usize,
}

/// What is left of a writing method.
pub(crate) enum Wrote {
    /// It returned; the change is made, and this repeats it (empty if nothing changed).
    /// Of others of the same home the same.
    Ok { value: Bytes, redo: Bytes, others: Vec<Other> },
    /// It returned its own error; nothing changed.
    Err(Bytes),
    /// Its arguments are no arguments of it; it did not run.
    Unfit(Cause),
    /// It panicked; nothing changed.
    Panicked(String),
}

/// The host of `S`.
pub(crate) struct HostOf<S> {
    name: Arc<str>,
    key: Schema,
    default: Bytes,
    may_have_pages: bool,
    /// Bytes of memory for each encoded one.
    size_factor: usize,
    _of: std::marker::PhantomData<fn() -> S>,
}

impl<S: Entity> HostOf<S> {
    pub(crate) fn new() -> Self {
        let contract = S::contract();
        let ContractKind::Entity { key, .. } = contract.kind else {
            unreachable!("the entity macro writes entities")
        };
        let name: Arc<str> = S::name().into();
        let fresh = S::default();
        let may_have_pages = (0..S::FIELDS).any(|field| fresh.large(field).is_some());
        let has_entries =
            S::schema().nodes.iter().any(|node| matches!(node, Node::Seq(_) | Node::Map(..) | Node::Set(_)));
        let size_factor = if has_entries { ENTRIES_SIZE_FACTOR } else { 1 }; // mutant entries-weigh-nothing: let size_factor = usize::from(has_entries).max(1);
        let (default, _of) = (snapshot_of(&fresh), std::marker::PhantomData);
        HostOf { name, key, default, may_have_pages, size_factor, _of }
    }
}

struct CellOf<S: Entity> {
    state: S,
    default: Bytes,
    /// While a method of another entity has it.
    saved: Option<S::Saved>,
    /// If it has pages.
    parts: Option<Box<Parts>>,
}

/// One that nobody changed yet, of no process: for unit tests.
pub(crate) fn fresh_cell<S: Entity>() -> Box<dyn Cell> {
    HostOf::<S>::new().fresh()
}

impl<S: Entity> Host for HostOf<S> {
    fn name(&self) -> &Arc<str> {
        &self.name
    }
    fn contract(&self) -> Contract {
        S::contract()
    }
    fn state_schema(&self) -> Schema {
        S::schema()
    }
    fn tracked(&self) -> String {
        let mut tracked = String::new();
        S::tracked(&mut tracked);
        tracked
    }
    fn key_schema(&self) -> &Schema {
        &self.key
    }
    fn has_home(&self) -> bool {
        S::HOME.is_some()
    }
    fn home(&self, key: &Bytes) -> Option<(&'static str, Bytes)> {
        Some((S::HOME?, S::home(key).ok()??))
    }
    fn fresh(&self) -> Box<dyn Cell> {
        Box::new(CellOf::of(S::default(), self.default.clone()))
    }
    fn default(&self) -> &Bytes {
        &self.default
    }
    fn restore(&self, snapshot: &Bytes) -> Result<Box<dyn Cell>, DecodeError> {
        let mut reader = Reader::stored(snapshot);
        let state = S::restore(&mut reader)?;
        reader.end()?;
        Ok(Box::new(CellOf::of(state, self.default.clone())))
    }
    fn may_have_pages(&self) -> bool {
        self.may_have_pages
    }
    fn size_in_memory(&self, encoded: usize) -> usize {
        encoded.saturating_mul(self.size_factor).saturating_add(ENTITY_OVERHEAD + size_of::<S>())
    }
}

impl<S: Entity> CellOf<S> {
    fn of(state: S, default: Bytes) -> Self {
        CellOf { state, default, saved: None, parts: None }
    }

    /// A method has changed it.
    fn touched(&mut self, redo: &Bytes) {
        if let Some(parts) = &mut self.parts {
            parts.touch::<S>(redo).expect("what a state says of its changes, it reads");
        }
    }

    /// All of it as one row, unless a collection is too large for that.
    fn in_one_row(&self, limits: &Limits) -> Option<Bytes> {
        let mut out = Out::with_capacity(64);
        for field in 0..S::FIELDS {
            match self.state.large(field) {
                Some(of) if !of.snapshot_within(limits.whole, &mut out) => return None,
                Some(_) => {}
                None => self.state.snapshot_at(field, &mut out),
            }
        }
        Some(out.into_bytes())
    }

    /// A method has failed: all that it had is as before. Every collection goes home before any is put back.
    fn fail(&mut self, saved: S::Saved, tx: &mut TxCore) {
        self.state.release();
        tx.others.release(); // mutant others-not-released: tx.others.taken.len();
        self.state.undo(saved);
        tx.others.undo();
    }
}

impl<S: Entity> Cell for CellOf<S> {
    fn write(&mut self, method: usize, tx: &mut TxCore, args: Value) -> Wrote {
        let Some(Run::Write(run)) = S::table().get(method) else {
            return Wrote::Unfit(Cause::Unknown(format!("method {method} as a change")));
        };
        let saved = self.state.begin();
        let state = &mut self.state;
        // The state may be torn after a panic; undo makes it whole, as after an error.
        match catch_unwind(AssertUnwindSafe(|| run(state, tx, args))) {
            Ok(Ok(Reply::Ok(value))) => {
                let value = value.to_bytes();
                if value.len() > ANSWER_SIZE_MAX {
                    self.fail(saved, tx);
                    return Wrote::Unfit(too_large(value.len()));
                }
                if let Some(field) = self.too_long().or_else(|| tx.others.too_long()) {
                    self.fail(saved, tx);
                    return Wrote::Unfit(list_too_long(field));
                }
                let mut redo = Out::with_capacity(64);
                if !self.state.commit(saved, &mut redo) {
                    redo = Out::default();
                }
                if tx.deleted {
                    self.reset();
                    redo = Out::default();
                }
                let redo = redo.into_bytes();
                self.touched(&redo);
                Wrote::Ok { value, redo, others: tx.others.commit() }
            }
            Ok(Ok(Reply::Err(error))) => {
                self.fail(saved, tx);
                let error = error.to_bytes();
                if error.len() > ANSWER_SIZE_MAX {
                    return Wrote::Unfit(too_large(error.len()));
                }
                Wrote::Err(error)
            }
            Ok(Err(cause)) => {
                self.fail(saved, tx);
                Wrote::Unfit(cause)
            }
            Err(panic) => {
                self.fail(saved, tx);
                Wrote::Panicked(message_of(panic.as_ref()))
            }
        }
    }

    fn read(&self, method: usize, args: Value) -> Result<Reply, Cause> {
        let Some(Run::Read(run)) = S::table().get(method) else {
            return Err(Cause::Unknown(format!("method {method} as a view")));
        };
        catch_unwind(AssertUnwindSafe(|| run(&self.state, args)))
            .unwrap_or_else(|panic| Err(Cause::Panicked(message_of(panic.as_ref()))))
    }

    fn apply(&mut self, redo: &Bytes) -> Result<(), DecodeError> {
        let mut reader = Reader::stored(redo);
        self.state.apply(&mut reader)?;
        reader.end()
    }

    fn snapshot(&self) -> Bytes {
        snapshot_of(&self.state)
    }

    fn is_default(&self) -> bool {
        // What has pages is too much to be encoded for this, and what has few entries is not.
        if self.parts.is_some() {
            let (default, of) = (S::default(), |state: &S, field| state.large(field).map(|of| of.entries()));
            if (0..S::FIELDS).any(|field| of(&self.state, field) != of(&default, field)) {
                return false;
            }
        }
        self.snapshot() == self.default
    }

    fn reset(&mut self) {
        self.state = S::default();
        self.parts.iter_mut().for_each(|parts| parts.touch_all());
    }

    fn place(&mut self, at: Position) {
        self.parts.iter_mut().for_each(|parts| parts.place(at));
    }

    fn load(
        &mut self,
        head: Option<Position>,
        says_so: bool,
        pages: Vec<FieldPage>,
    ) -> Result<Option<Position>, DecodeError> {
        let parts = self.parts.insert(Box::new(Parts::load(&mut self.state, head, says_so, pages)?));
        Ok(parts.changed())
    }

    fn repeat(&mut self, at: Position, redo: Option<&Bytes>) -> Result<(), DecodeError> {
        let parts = self.parts.as_mut().expect("asked of those that have pages");
        parts.repeat(&mut self.state, at, redo)
    }

    fn rows(
        &mut self,
        (changed, first): (Position, Position),
        durable: Position,
        limits: &Limits,
        room: &mut Room,
        to: &mut Vec<CellRow>,
    ) -> bool {
        if self.parts.is_none() {
            if let Some(state) = self.in_one_row(limits) {
                room.spend(state.len());
                to.push(CellRow::Head { state, position: changed, alone: true });
                return true;
            }
            self.parts = Some(Box::new(Parts::of(&self.state, changed, first)));
        }
        let parts = self.parts.as_mut().expect("it has them, or was given them just now");
        let all = parts.write(&self.state, durable, limits, room, to);
        if all && parts.has_no_pages() && parts.dirty().is_none() {
            self.parts = None;
        }
        all
    }

    fn is_paged(&self) -> bool {
        self.parts.is_some()
    }

    fn paged(&self) -> Option<Known> {
        let parts = self.parts.as_ref()?;
        Some(Known { dirty: parts.dirty(), size: parts.size() })
    }

    fn state(&self) -> &dyn Any {
        &self.state
    }
    fn state_mut(&mut self) -> &mut dyn Any {
        &mut self.state
    }
    fn too_long(&self) -> Option<&'static str> {
        self.state.too_long()
    }
    fn begin(&mut self) {
        self.saved = Some(self.state.begin());
    }
    fn release(&mut self) {
        self.state.release();
    }
    fn undo(&mut self) {
        self.state.undo(self.saved.take().expect("it began"));
    }
    fn commit(&mut self, redo: &mut Out) -> bool {
        let changed = self.state.commit(self.saved.take().expect("it began"), redo);
        if changed && self.parts.is_some() {
            self.touched(&Bytes::copy_from_slice(redo.as_slice()));
        }
        changed
    }
}

fn snapshot_of<S: Entity>(state: &S) -> Bytes {
    let mut out = Out::with_capacity(64);
    state.snapshot(&mut out);
    out.into_bytes()
}

/// What a panic said, cut at 1 KiB: it travels to the caller.
pub(crate) fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let end = text.floor_char_boundary(1024);
    text[..end].to_owned()
}
