//! State of entities: changed in place, undone on `Err` and on panic, described as redo for the log.
//!
//! [`State`] is what the runtime sees, and `#[derive(State)]` writes it from one [`Part`] per field: any wire
//! type, compared encoded, or a collection that notes what a method touches: [`Map`], [`Set`], [`List`]. Start with
//! [`Part`], then [`tracked`] and [`map`].
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

use nigh_wire::{Builder, Bytes, DecodeError, NodeId, Out, Reader, Schema, Wire};

mod list;
mod map;
mod set;
mod tracked;

pub use list::List;
pub use map::Map;
pub use set::Set;

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
    /// It failed: everything is as before it.
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
}

/// One field of a state: tracked collections log what they undo, any other wire type is compared encoded.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of entity state",
    label = "neither a wire type nor a tracked collection",
    note = "use a type with `#[derive(Wire)]`, or `nigh::Map<K, V>`, `nigh::Set<T>`, `nigh::List<T>`"
)]
pub trait Part: Sized + Send + 'static {
    /// What is kept while a method runs.
    #[doc(hidden)]
    type Saved: Send + 'static;
    /// A method is about to run.
    #[doc(hidden)]
    fn begin(&mut self) -> Self::Saved;
    /// First half of undoing, done to all fields before the second: lets go of what other fields own.
    #[doc(hidden)]
    fn release(&mut self, _saved: &Self::Saved) {}
    /// The field is as it was at `begin`.
    #[doc(hidden)]
    fn undo(&mut self, saved: Self::Saved);
    /// Appends `field` and the change, true if there is one; appends nothing if not.
    #[doc(hidden)]
    fn commit(&mut self, saved: Self::Saved, field: u64, redo: &mut Out) -> bool;
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
}

/// For macros: what the fields of a state keep.
#[doc(hidden)]
pub type Saved = Box<dyn Any + Send>;

/// For macros: the tuple of what the fields keep, as one.
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
    type Saved = Out;
    fn begin(&mut self) -> Out {
        let mut saved = Out::with_capacity(64);
        self.encode(&mut saved);
        saved
    }
    fn undo(&mut self, saved: Out) {
        // Copied: values hold on to what they were read from, and `saved` has room to spare.
        let saved = Bytes::copy_from_slice(saved.as_slice());
        *self = T::decode(&mut Reader::stored(&saved)).expect("what a type encodes, it decodes");
    }
    fn commit(&mut self, saved: Out, field: u64, redo: &mut Out) -> bool {
        let at = redo.len();
        redo.var(field);
        let from = redo.len();
        self.encode(redo);
        let (now, saved) = (&redo.as_slice()[from..], saved.as_slice());
        let same = now == saved; // mutant plain-change-lost: let same = now.len() == saved.len();
        if same {
            redo.truncate(at);
        }
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
}

#[cfg(test)]
mod tests;
