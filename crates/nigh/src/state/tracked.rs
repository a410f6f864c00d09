//! What tracked collections share: contents, what a method touched in them, and a home for those that leave.
//!
//! While a method runs, a collection notes what each touched part had before it ([`Before`]): enough to undo the
//! method, and to know what the redo names. It may also leave its field whole (`mem::take`, assignment, `mem::swap`): it
//! then carries its log along, and when it is dropped its contents go to a *home* that the runtime holds, so that
//! undoing finds them.
//!
//! A change in a redo is `0` and what the collection says of its parts; or `1` and the whole, where the collection
//! was replaced or that is shorter.

use std::fmt;
use std::mem;
use std::sync::{Arc, OnceLock};

use nigh_wire::{DecodeError, Out, Reader, Wire};

/// First byte of a change: parts follow.
const PARTS: u8 = 0;
/// First byte of a change: the whole follows.
const WHOLE: u8 = 1;

/// What a method touched in some contents, as it was before.
pub(super) trait Before: Sized {
    /// The contents.
    type Of;
    /// Of contents that nobody touched yet.
    fn begin(contents: &Self::Of) -> Self;
    /// Puts back what was there.
    fn revert(self, contents: &mut Self::Of);
    /// Appends what has changed, and says in how many parts.
    fn changes(self, contents: &Self::Of, redo: &mut Out) -> usize;
    /// How many parts there are: a change of more is told as a whole.
    fn parts(contents: &Self::Of) -> usize;
    /// Repeats what [`Before::changes`] appended.
    fn apply(contents: &mut Self::Of, redo: &mut Reader<'_>) -> Result<(), DecodeError>;
}

/// Where the contents of a collection go that is dropped while a method runs.
#[doc(hidden)]
pub struct Home<C, B>(Arc<OnceLock<Moved<C, B>>>);

/// A collection that was dropped, and what undoes it.
struct Moved<C, B> {
    contents: C,
    before: B,
}

struct Log<C, B> {
    before: B,
    home: Home<C, B>,
}

/// Contents, and while a method runs that began with them in its state, a log.
pub(super) struct Tracked<C: Default, B> {
    contents: C,
    log: Option<Log<C, B>>,
}

impl<C: Default, B> Tracked<C, B> {
    pub(super) const fn new(contents: C) -> Self {
        Tracked { contents, log: None }
    }
    pub(super) fn get(&self) -> &C {
        &self.contents
    }
    /// To be changed, after what is touched was noted, where there is something to note it in.
    pub(super) fn get_mut(&mut self) -> (&mut C, Option<&mut B>) {
        (&mut self.contents, self.log.as_mut().map(|log| &mut log.before))
    }
    /// The contents as a value, copied if undoing needs the original.
    pub(super) fn into_contents(mut self) -> C
    where
        C: Clone,
    {
        if self.log.is_some() { self.contents.clone() } else { mem::take(&mut self.contents) }
    }
    /// True if this is what the method began with, under `home`.
    fn is_of(&self, home: &Home<C, B>) -> bool {
        self.log.as_ref().is_some_and(|log| Arc::ptr_eq(&log.home.0, &home.0))
    }
}

/// The four steps of a method: see [`Part`](super::Part).
impl<C: Default, B: Before<Of = C>> Tracked<C, B> {
    pub(super) fn begin(&mut self) -> Home<C, B> {
        let home = Arc::default();
        self.log = Some(Log { before: B::begin(&self.contents), home: Home(Arc::clone(&home)) });
        Home(home)
    }
    pub(super) fn release(&mut self, home: &Home<C, B>) {
        let mine = self.is_of(home); // mutant undo-keeps-foreign-map: let mine = true;
        if !mine {
            // It may be another field's: dropping it sends it home.
            drop(mem::replace(self, Tracked::new(C::default())));
        }
    }
    pub(super) fn undo(&mut self, home: Home<C, B>) {
        let mine = self.is_of(&home); // mutant undo-forgets-replaced-map: let mine = true;
        let before = if mine {
            self.log.take().expect("it is what this method began with").before
        } else {
            let gone = Arc::into_inner(home.0).and_then(OnceLock::into_inner);
            let gone = gone.expect("a collection that left its field was dropped when its method ended");
            self.contents = gone.contents;
            gone.before
        };
        before.revert(&mut self.contents);
    }
    pub(super) fn commit(&mut self, home: &Home<C, B>, field: u64, redo: &mut Out) -> bool
    where
        C: Wire,
    {
        let same = self.is_of(home); // mutant redo-forgets-replaced-map: let same = self.is_of(home) || self.log.is_none();
        let mut changes = Out::default();
        let count = self.log.take().map_or(0, |log| log.before.changes(&self.contents, &mut changes));
        if same && count == 0 {
            return false;
        }
        redo.var(field);
        if same && count <= B::parts(&self.contents) {
            redo.byte(PARTS);
            redo.raw(changes.as_slice());
        } else {
            redo.byte(WHOLE);
            self.contents.encode(redo);
        }
        true
    }
    pub(super) fn apply(&mut self, redo: &mut Reader<'_>) -> Result<(), DecodeError>
    where
        C: Wire,
    {
        match redo.byte()? {
            PARTS => B::apply(&mut self.contents, redo),
            WHOLE => {
                self.contents = C::decode(redo)?;
                Ok(())
            }
            _ => Err(DecodeError::Variant),
        }
    }
}

/// What leaves its field while a method runs leaves its contents behind.
impl<C: Default, B> Drop for Tracked<C, B> {
    fn drop(&mut self) {
        if let Some(Log { before, home }) = self.log.take() {
            let contents = Moved { contents: mem::take(&mut self.contents), before };
            // A home belongs to one collection, and that is dropped once: it was empty.
            let _ = home.0.set(contents);
        }
    }
}

/// A copy is an ordinary value: what happens to it is nobody's change until it is put into a state.
impl<C: Default + Clone, B> Clone for Tracked<C, B> {
    fn clone(&self) -> Self {
        Tracked::new(self.contents.clone())
    }
}

impl<C, B> fmt::Debug for Home<C, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Home")
    }
}
