//! The application as the judges see it: entities without their types, whose methods they may run again.
//!
//! Whoever implements this adds nothing of its own: the same method with the same key, time, seed and arguments
//! does the same.

use std::collections::BTreeMap;

use nigh_proto::shards::record::{Other, RanOutcome};
use nigh_proto::shards::row::Target;
use nigh_wire::{Bytes, Time};

use super::violation::Show;

/// Runs the methods of an application's entities.
pub trait Program {
    /// One entity in memory.
    type Cell;

    /// One that nobody changed yet; `None` if no entity has this wire name.
    fn fresh(&self, entity: &str) -> Option<Self::Cell>;
    /// One from its snapshot; `None` if these bytes are none.
    fn restore(&self, entity: &str, snapshot: &Bytes) -> Option<Self::Cell>;
    /// Runs a writing method. On anything but [`Wrote::Ok`] the cell is as before.
    fn write(&self, cell: &mut Self::Cell, run: &Run<'_>) -> Wrote;
    /// True if methods of this entity may change others of its home.
    fn has_home(&self, entity: &str) -> bool {
        let _ = entity;
        false
    }
    /// As [`Program::write`], of an entity that has a home: others that it may ask for are lent to it. Gives what it changed
    /// of them, in the order asked for.
    fn write_beside(
        &self,
        cell: &mut Self::Cell,
        run: &Run<'_>,
        others: &mut BTreeMap<Target, Self::Cell>,
    ) -> (Wrote, Vec<Other>) {
        let _ = others;
        (self.write(cell, run), vec![])
    }
    /// Runs a view; `None` if there is no such view, its arguments are none of it, or it panicked.
    fn read(&self, cell: &Self::Cell, entity: &str, method: &str, args: &Bytes) -> Option<RanOutcome>;
    /// Repeats a change of the log. False if these bytes are none.
    fn apply(&self, cell: &mut Self::Cell, redo: &Bytes) -> bool;
    /// Makes it its default.
    fn reset(&self, cell: &mut Self::Cell);
    /// The whole state: equal states have equal bytes.
    fn snapshot(&self, cell: &Self::Cell) -> Bytes;

    /// Arguments as a person reads them.
    fn args_text(&self, entity: &str, method: &str, args: &Bytes) -> String {
        let _ = (entity, method);
        Show(args).to_string()
    }
    /// A state as a person reads it.
    fn state_text(&self, entity: &str, snapshot: &Bytes) -> String {
        let _ = entity;
        Show(snapshot).to_string()
    }
}

/// One run of a writing method.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Wire name of the entity.
    pub entity: &'a str,
    /// Its encoded key.
    pub key: &'a Bytes,
    /// Wire name of the method.
    pub method: &'a str,
    /// What `tx.now()` says.
    pub time: Time,
    /// Where random numbers start. `None`: the record says that none was drawn; a method that draws all the
    /// same may be given any, and will differ from its record.
    pub seed: Option<u64>,
    /// Encoded.
    pub args: &'a Bytes,
}

/// What is left of a writing method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrote {
    /// It returned this, and the change is made.
    Ok {
        /// Encoded value.
        value: Bytes,
        /// What repeats the change; empty if nothing changed.
        redo: Bytes,
        /// The entity became its default.
        deleted: bool,
    },
    /// It returned its own error, encoded; nothing changed.
    Err(Bytes),
    /// It could not be run, because of this; nothing changed.
    Unfit(String),
    /// It panicked with this; nothing changed.
    Panicked(String),
}
