//! What may stand in a tracked collection: a wire type, copied before it may change; or a collection again, which then
//! notes for itself what is touched in it, so that it costs what it touches at any depth.

use nigh_wire::{DecodeError, Out, Reader, Wire};

use super::Part;
use super::tracked::Home;

/// A value of a [`Map`](crate::Map) or an element of a [`List`](crate::List): any wire type that is `Clone`, or a tracked
/// collection.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in a tracked collection",
    label = "neither a wire type that is `Clone` nor a tracked collection",
    note = "use a type with `#[derive(Clone, Wire)]`, or `nigh::Map<K, V>`, `nigh::Set<T>`, `nigh::List<T>`"
)]
pub trait Element: Part + Sync {
    /// With the same bytes and no tracking: a wire type itself, a collection of the standard library for one of ours.
    #[doc(hidden)]
    type Plain: Wire;
    /// True if it is a collection.
    #[doc(hidden)]
    const NESTED: bool = true;
    /// It may change, or leave.
    #[doc(hidden)]
    fn note(&mut self) -> Note<Self>;
    /// What was noted, when all that began is at home.
    #[doc(hidden)]
    fn returned(home: Home) -> Self;
    /// True if it is what was noted: of a collection, changed inside or not. `room` stays as it is.
    #[doc(hidden)]
    fn is_still(&self, note: &Note<Self>, room: &mut Out) -> bool;
    /// Appends the change since `note`, true if there is one; keeps no log. Of nothing, it is all of it.
    #[doc(hidden)]
    fn change(&mut self, note: Note<Self>, redo: &mut Out) -> bool;
    /// Reads a change of nothing.
    #[doc(hidden)]
    fn made(redo: &mut Reader<'_>) -> Result<Self, DecodeError>;
    /// No log is left in it.
    #[doc(hidden)]
    fn settle(&mut self);
    /// Appends all of them, without their count.
    #[doc(hidden)]
    fn encode_all(elements: &[Self], out: &mut Out) {
        elements.iter().for_each(|element| element.snapshot(out));
    }
    /// Reads `count` of them, for whom the input has room.
    #[doc(hidden)]
    fn decode_all(count: usize, r: &mut Reader<'_>) -> Result<Vec<Self>, DecodeError> {
        (0..count).map(|_| Self::restore(r)).collect()
    }
}

/// What a touched place had before the method.
#[doc(hidden)]
#[derive(Debug)]
pub enum Note<E> {
    /// Nothing.
    Absent,
    /// This, in a copy; or itself, if nobody else has it.
    Was(E),
    /// A collection that carries its log with it, wherever it is. What is dropped goes here.
    Began(Home),
}

impl<E: Element> Note<E> {
    /// Where it is expected, if it is a collection that may have changed inside.
    pub(super) fn home(&self) -> Option<&Home> {
        match self {
            Note::Began(home) => Some(home),
            Note::Absent | Note::Was(_) => None,
        }
    }
    /// What was there, when all that began is at home.
    pub(super) fn back(self) -> Option<E> {
        match self {
            Note::Absent => None,
            Note::Was(old) => Some(old),
            Note::Began(home) => {
                let old = E::returned(home); // mutant nested-undo-forgotten: let old = E::made(&mut Reader::new(&[0, 0, 0, 0])).expect("no change");
                Some(old)
            }
        }
    }
}

/// Appends a value, true if it has other bytes than the one noted: neither need be comparable.
fn changed<T: Wire>(now: &T, note: &Note<T>, redo: &mut Out) -> bool {
    let at = redo.len();
    now.encode(redo);
    let Note::Was(old) = note else { return true };
    // Beside the new one for as long as they are compared, so that no other room is needed.
    let end = redo.len();
    old.encode(redo);
    let (now, old) = redo.as_slice()[at..].split_at(end - at);
    let same = now == old;
    redo.truncate(end);
    !same
}

#[diagnostic::do_not_recommend]
impl<T: Wire + Clone> Element for T {
    type Plain = T;
    const NESTED: bool = false;
    fn note(&mut self) -> Note<T> {
        Note::Was(self.clone())
    }
    fn returned(_: Home) -> T {
        unreachable!("a wire type is noted by a copy")
    }
    fn is_still(&self, note: &Note<T>, room: &mut Out) -> bool {
        let at = room.len();
        let changed = changed(self, note, room);
        room.truncate(at);
        !changed
    }
    fn change(&mut self, note: Note<T>, redo: &mut Out) -> bool {
        changed(self, &note, redo)
    }
    fn made(redo: &mut Reader<'_>) -> Result<T, DecodeError> {
        T::decode(redo)
    }
    fn settle(&mut self) {}
    fn encode_all(elements: &[T], out: &mut Out) {
        <T as Wire>::encode_all(elements, out);
    }
    fn decode_all(count: usize, r: &mut Reader<'_>) -> Result<Vec<T>, DecodeError> {
        <T as Wire>::decode_all(count, r)
    }
}

#[cfg(test)]
mod tests;
