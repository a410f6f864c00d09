//! State of entities: changed in place, undone on `Err` and on panic, described as redo for the log.

use nigh_wire::{DecodeError, Out, Reader, Schema};

/// The state of an entity: `#[derive(Default, State)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not entity state",
    label = "needs `#[derive(Default, State)]`"
)]
pub trait State: Sized + Send + 'static {
    /// What is kept while a method runs, to undo it.
    #[doc(hidden)]
    type Saved;
    /// A method is about to run.
    #[doc(hidden)]
    fn begin(&mut self) -> Self::Saved;
    /// It failed: everything is as before it.
    #[doc(hidden)]
    fn undo(&mut self, saved: Self::Saved);
    /// It succeeded: appends what changed, true if anything did. [`State::apply`] reads it.
    #[doc(hidden)]
    fn commit(&mut self, saved: Self::Saved, redo: &mut Out) -> bool;
    /// Repeats a change.
    #[doc(hidden)]
    fn apply(&mut self, redo: &mut Reader<'_>) -> Result<(), DecodeError>;
    /// Appends the whole state; [`State::restore`] reads it.
    #[doc(hidden)]
    fn snapshot(&self, out: &mut Out);
    /// Reads a whole state.
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
    note = "use a type with `#[derive(Wire)]`, or `nigh::Map<K, V>`"
)]
pub trait Part: Sized {}
