//! State of entities: changed in place, undone on `Err` and on panic, described as redo for the log.
//!
//! [`State`] is what the runtime sees, and `#[derive(State)]` writes it from one [`Part`] per field: any wire
//! type, compared encoded, or a collection that notes what a method touches: [`Map`], [`Set`], [`List`], in each other to
//! any depth. Start with [`Part`], then [`tracked`], [`element`] and [`map`].
//!
//! Bytes, all of them read back after a crash:
//!
//! - *snapshot*: the fields in declared order, each in its wire form; a map as a map.
//! - *redo*: `(field, change)` for each field that changed, to the end of the bytes. `field` is its position,
//!   LEB128; the change of a wire type is its new value, those of collections are in [`tracked`]. One redo
//!   after another is a redo of both.
//!
//! Nothing here trusts bytes: malformed redo is an error, and leaves a state to be thrown away. But both were
//! written by this program and are checked by checksums, so they are read with [`Reader::stored`], without
//! the budget of strangers: a legitimate state may be sparse.

use std::any::Any;
use std::ops::Range;

use nigh_wire::{Builder, Bytes, DecodeError, NodeId, Out, Reader, Schema, Wire};

mod element;
mod list;
mod map;
mod pages;
mod set;
mod tracked;
mod weigh;

pub use element::Element;
pub(crate) use list::LIST_LEN_MAX;
pub use list::{List, iter};
pub use map::{Map, entry};
pub use pages::Large;
pub(crate) use pages::{Limits, Page, PageRow, Pages, Room};
pub use set::Set;
pub use weigh::Field;

/// The state of an entity: `#[derive(Default, State)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not entity state",
    label = "needs `#[derive(Default, State)]`"
)]
pub trait State: Sized + Send + 'static {
    /// What is kept while a method runs, to undo it.
    #[doc(hidden)]
    type Saved: Send + 'static;
    /// A method is about to run.
    #[doc(hidden)]
    fn begin(&mut self) -> Self::Saved;
    /// First half of undoing, done to all states of a commit before the second: a method may have moved a collection from one
    /// to another.
    #[doc(hidden)]
    fn release(&mut self);
    /// It failed: everything is as before it. After [`State::release`].
    #[doc(hidden)]
    fn undo(&mut self, saved: Self::Saved);
    /// It succeeded: appends what changed, true if anything did. [`State::apply`] reads it.
    #[doc(hidden)]
    fn commit(&mut self, saved: Self::Saved, redo: &mut Out) -> bool;
    /// Repeats changes, to the end of the bytes. After an error the state is neither old nor new.
    #[doc(hidden)]
    fn apply(&mut self, redo: &mut Reader<'_>) -> Result<(), DecodeError>;
    /// Appends the whole state; [`State::restore`] reads it.
    #[doc(hidden)]
    fn snapshot(&self, out: &mut Out);
    /// Reads a whole state, and no more.
    #[doc(hidden)]
    fn restore(r: &mut Reader<'_>) -> Result<Self, DecodeError>;
    /// Shape of the snapshot: a struct of the fields by name.
    #[doc(hidden)]
    fn schema() -> Schema;
    /// How many fields there are.
    #[doc(hidden)]
    const FIELDS: usize;
    /// A field that may have pages.
    #[doc(hidden)]
    fn large(&self, field: usize) -> Option<&dyn Large>;
    /// As [`State::large`], to be changed.
    #[doc(hidden)]
    fn large_mut(&mut self, field: usize) -> Option<&mut dyn Large>;
    /// Repeats one change of a field.
    #[doc(hidden)]
    fn apply_at(&mut self, field: usize, redo: &mut Reader<'_>) -> Result<(), DecodeError>;
    /// Reads one change of a field, and no more.
    #[doc(hidden)]
    fn skip_at(field: usize, redo: &mut Reader<'_>) -> Result<(), DecodeError>;
    /// Appends how its fields are tracked, as [`Part::tracked`] does.
    #[doc(hidden)]
    fn tracked(out: &mut String);
    /// A field that has become too long to be stored.
    #[doc(hidden)]
    fn too_long(&self) -> Option<&'static str>;
    /// Appends a whole field.
    #[doc(hidden)]
    fn snapshot_at(&self, field: usize, out: &mut Out);
}

/// One field of a state: tracked collections log what they undo, any other wire type is compared encoded.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of entity state",
    label = "neither a wire type nor a tracked collection",
    note = "use a type with `#[derive(Wire)]`, or `nigh::Map<K, V>`, `nigh::Set<T>`, `nigh::List<T>`",
    note = "what these hold is `Wire` and `Clone`, or one of these again; keys and the elements of a set are `Wire`, `Clone` and `Ord`",
    note = "a plain type holds none of these: write `List<Map<K, V>>`, not `Vec<Map<K, V>>`"
)]
pub trait Part: Sized + Send + 'static {
    /// What is kept while a method runs.
    #[doc(hidden)]
    type Saved: Send + 'static;
    /// True if it is compared and stored whole at each change.
    #[doc(hidden)]
    const WHOLE: bool = false;
    /// A method is about to run. What is compared encoded goes into `kept`, one field after another.
    #[doc(hidden)]
    fn begin(&mut self, kept: &mut Out) -> Self::Saved;
    /// First half of undoing, done to all fields before the second: sends home what stands here, which may be another's.
    #[doc(hidden)]
    fn release(&mut self) {}
    /// The field is as it was at `begin`, which left so much in `kept`.
    #[doc(hidden)]
    fn undo(&mut self, saved: Self::Saved, kept: &[u8]);
    /// Appends the change, true if there is one; if not, what it appended is to be forgotten.
    #[doc(hidden)]
    fn commit(&mut self, saved: Self::Saved, kept: &[u8], redo: &mut Out) -> bool;
    /// Appends the field's position and its change, true if there is one; appends nothing if not.
    #[doc(hidden)]
    #[inline]
    fn commit_at(
        &mut self,
        saved: Self::Saved,
        kept: &[u8],
        (at, fields): (u64, &[Field]),
        redo: &mut Out,
    ) -> bool {
        let start = redo.len();
        redo.var(at);
        let from = redo.len();
        let changed = self.commit(saved, kept, redo);
        if cfg!(debug_assertions) && Self::WHOLE {
            fields[at as usize].weigh(redo.len() - from);
        }
        if !changed {
            redo.truncate(start);
        }
        changed
    }
    /// Repeats one change, whose field was read.
    #[doc(hidden)]
    fn apply(&mut self, redo: &mut Reader<'_>) -> Result<(), DecodeError>;
    /// Appends the whole field.
    #[doc(hidden)]
    fn snapshot(&self, out: &mut Out);
    /// Reads a whole field.
    #[doc(hidden)]
    fn restore(r: &mut Reader<'_>) -> Result<Self, DecodeError>;
    /// Shape of the snapshot.
    #[doc(hidden)]
    fn node(b: &mut Builder) -> NodeId;
    /// Reads one change, and no more.
    #[doc(hidden)]
    fn skip(redo: &mut Reader<'_>) -> Result<(), DecodeError>;
    /// Appends how changes of it are recorded, which its shape does not say: a letter for each collection and what is in it,
    /// a dot for what is stored whole.
    #[doc(hidden)]
    fn tracked(out: &mut String) {
        out.push('.');
    }
    /// True if it is too long to be stored.
    #[doc(hidden)]
    fn is_too_long(&self) -> bool {
        false
    }
    /// Itself, if it may have pages.
    #[doc(hidden)]
    fn large(&self) -> Option<&dyn Large> {
        None
    }
    /// As [`Part::large`], to be changed.
    #[doc(hidden)]
    fn large_mut(&mut self) -> Option<&mut dyn Large> {
        None
    }
}

/// For macros: what the fields of a state keep.
#[doc(hidden)]
pub type Saved = Box<dyn Any + Send>;

/// For macros: what the fields keep, as one.
#[doc(hidden)]
pub fn save<T: Any + Send>(fields: T) -> Saved {
    Box::new(fields)
}
/// For macros: what [`save`] was given.
#[doc(hidden)]
pub fn saved<T: Any + Send>(saved: Saved) -> T {
    *saved.downcast().expect("what a state began with comes back to it")
}

/// Kept encoded, so that neither `Clone` nor `PartialEq` is asked of it. Costs its whole size at each method.
#[diagnostic::do_not_recommend]
impl<T: Wire> Part for T {
    type Saved = Range<usize>;
    const WHOLE: bool = true;
    fn begin(&mut self, kept: &mut Out) -> Range<usize> {
        let from = kept.len();
        self.encode(kept);
        from..kept.len()
    }
    fn undo(&mut self, saved: Range<usize>, kept: &[u8]) {
        // Copied: values hold on to what they were read from.
        let saved = Bytes::copy_from_slice(&kept[saved]);
        *self = T::decode(&mut Reader::stored(&saved)).expect("what a type encodes, it decodes");
    }
    fn commit(&mut self, saved: Range<usize>, kept: &[u8], redo: &mut Out) -> bool {
        let from = redo.len();
        self.encode(redo);
        let (now, saved) = (&redo.as_slice()[from..], &kept[saved]);
        let same = now == saved; // mutant plain-change-lost: let same = now.len() == saved.len();
        !same
    }
    fn apply(&mut self, redo: &mut Reader<'_>) -> Result<(), DecodeError> {
        *self = T::decode(redo)?;
        Ok(())
    }
    fn snapshot(&self, out: &mut Out) {
        self.encode(out);
    }
    fn restore(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::decode(r)
    }
    fn node(b: &mut Builder) -> NodeId {
        <T as Wire>::node(b)
    }
    fn skip(redo: &mut Reader<'_>) -> Result<(), DecodeError> {
        T::decode(redo).map(drop)
    }
}

#[cfg(test)]
mod tests;
