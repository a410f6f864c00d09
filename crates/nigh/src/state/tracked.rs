//! What tracked collections share: contents, what a method touched in them, and a home for those that leave.
//!
//! While a method runs, a collection notes what each touched part had before it ([`Before`]): enough to undo the
//! method, and to know what the redo names. Of a part that is a collection itself it notes only its home, and that one notes for
//! itself what is touched in it. One that nobody touches is not asked.
//!
//! A collection may also leave its place whole (`mem::take`, assignment, `mem::swap`, `remove`): it then carries its log
//! along, and when it is dropped its contents go to its *home*, which whoever began with it holds. Undoing takes all of them
//! out of where they stand ([`Tracked::leave`]), so that each is at home, and then puts back what was noted, from the outside to the inside.
//!
//! A change in a redo is `0` and what the collection says of its parts; or `1` and the whole, where the collection
//! was replaced or that is shorter. The change of a part that is a collection is such a change again; that of
//! another part is its new value.

use std::any::Any;
use std::fmt;
use std::mem;
use std::sync::{Arc, OnceLock};

use nigh_wire::{DecodeError, Out, Reader};

/// First byte of a change: parts follow.
pub(super) const PARTS: u8 = 0;
/// First byte of a change: the whole follows.
pub(super) const WHOLE: u8 = 1;

/// What a method touched in some contents, as it was before.
pub(super) trait Before: Sized + Send + Sync + 'static {
    /// The contents.
    type Of: Default + Send + Sync + 'static;
    /// Of contents that nobody touched yet.
    fn begin(contents: &Self::Of) -> Self;
    /// Sends home what stands in touched places, wherever it began.
    fn release(&self, contents: &mut Self::Of);
    /// Puts back what was there, when all that began is at home.
    fn revert(self, contents: &mut Self::Of);
    /// Appends what has changed, and says in how many parts. What is touched keeps no log.
    fn changes(self, contents: &mut Self::Of, redo: &mut Out) -> usize;
    /// No part keeps a log.
    fn settle(contents: &mut Self::Of);
    /// How many parts there are: a change of more is told as a whole.
    fn parts(contents: &Self::Of) -> usize;
    /// Repeats what [`Before::changes`] appended.
    fn apply(contents: &mut Self::Of, redo: &mut Reader<'_>) -> Result<(), DecodeError>;
    /// Reads what [`Before::changes`] appended, and no more.
    fn skip(redo: &mut Reader<'_>) -> Result<(), DecodeError>;
    /// Appends all of them.
    fn encode(contents: &Self::Of, out: &mut Out);
    /// Reads all of them.
    fn decode(r: &mut Reader<'_>) -> Result<Self::Of, DecodeError>;
}

/// Where the contents of a collection go that is dropped while a method runs. Of no type, so that what is kept of an element
/// can be named without asking anything of it.
#[doc(hidden)]
pub struct Home(Arc<OnceLock<Box<dyn Any + Send + Sync>>>);

/// A collection that was dropped, and what undoes it.
struct Moved<B: Before> {
    contents: B::Of,
    before: B,
}

struct Log<C, B> {
    before: B,
    home: Home,
    /// [`go_home`], named where what it needs of the type is known: dropping may ask for nothing.
    go_home: fn(C, B, &Home),
}

fn go_home<B: Before>(mut contents: B::Of, before: B, home: &Home) {
    before.release(&mut contents); // mutant undo-leaves-inner-out: let _ = &mut contents;
    // A home belongs to one collection, and that is dropped once: it was empty.
    let _ = home.0.set(Box::new(Moved { contents, before }));
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
    /// True if this is what began with `home`, wherever it stands.
    pub(super) fn is_of(&self, home: &Home) -> bool {
        self.log.as_ref().is_some_and(|log| Arc::ptr_eq(&log.home.0, &home.0))
    }
    /// The contents as a value, copied if undoing needs the original.
    pub(super) fn into_contents(mut self) -> C
    where
        C: Clone,
    {
        if self.log.is_some() { self.contents.clone() } else { mem::take(&mut self.contents) }
    }
}

/// The steps of a method: see [`Part`](super::Part) and [`Element`](super::Element).
impl<C: Default, B: Before<Of = C>> Tracked<C, B> {
    pub(super) fn begin(&mut self) -> Home {
        let home = Arc::default();
        let log =
            Log { before: B::begin(&self.contents), home: Home(Arc::clone(&home)), go_home: go_home::<B> };
        self.log = Some(log);
        Home(home)
    }
    /// What stands here goes home, be it from here or from elsewhere. Empty from now on.
    pub(super) fn leave(&mut self) {
        drop(mem::replace(self, Tracked::new(C::default()))); // mutant undo-keeps-foreign-map: let _ = &self;
    }
    /// What began with this home, as it was then, when all that began has left its place.
    pub(super) fn returned(home: Home) -> Self {
        let moved = Arc::into_inner(home.0).and_then(OnceLock::into_inner);
        let moved = moved.expect("a collection that left its place was dropped when its method ended");
        let moved = moved.downcast::<Moved<B>>().expect("a home is of what began with it");
        let Moved { mut contents, before } = *moved;
        before.revert(&mut contents);
        Tracked::new(contents)
    }
    /// Appends the change, true if there is one: of what began with `home`, if something did.
    pub(super) fn change(&mut self, home: Option<&Home>, redo: &mut Out) -> bool {
        let same = home.is_some_and(|home| self.is_of(home)); // mutant redo-forgets-replaced-map: let same = home.is_some();
        let at = redo.len();
        match self.log.take() {
            Some(log) if same => {
                redo.byte(PARTS);
                let count = log.before.changes(&mut self.contents, redo);
                if count > 0 && count <= B::parts(&self.contents) {
                    return true;
                }
                redo.truncate(at);
                if count == 0 {
                    return false;
                }
            }
            _ => B::settle(&mut self.contents),
        }
        redo.byte(WHOLE);
        B::encode(&self.contents, redo);
        true
    }
    /// What a change of nothing makes.
    pub(super) fn made(redo: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut made = Tracked::new(C::default());
        made.apply(redo).map(|()| made)
    }
    /// No log is left, here or inside.
    pub(super) fn settle(&mut self) {
        self.log = None;
        B::settle(&mut self.contents);
    }
    pub(super) fn apply(&mut self, redo: &mut Reader<'_>) -> Result<(), DecodeError> {
        match redo.byte()? {
            PARTS => B::apply(&mut self.contents, redo),
            WHOLE => {
                self.contents = B::decode(redo)?;
                Ok(())
            }
            _ => Err(DecodeError::Variant),
        }
    }
    /// Reads a change, and no more.
    pub(super) fn skip(redo: &mut Reader<'_>) -> Result<(), DecodeError> {
        match redo.byte()? {
            PARTS => B::skip(redo),
            WHOLE => B::decode(redo).map(drop),
            _ => Err(DecodeError::Variant),
        }
    }
    pub(super) fn encode(&self, out: &mut Out) {
        B::encode(&self.contents, out);
    }
    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        B::decode(r).map(Tracked::new)
    }
}

/// What leaves its place while a method runs leaves its contents behind.
impl<C: Default, B> Drop for Tracked<C, B> {
    fn drop(&mut self) {
        if let Some(Log { before, home, go_home }) = self.log.take() {
            go_home(mem::take(&mut self.contents), before, &home);
        }
    }
}

/// A copy is an ordinary value: what happens to it is nobody's change until it is put into a state.
impl<C: Default + Clone, B> Clone for Tracked<C, B> {
    fn clone(&self) -> Self {
        Tracked::new(self.contents.clone())
    }
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Home")
    }
}
