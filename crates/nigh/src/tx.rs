//! The commit in progress, as a method sees it: who I am, what time it is, what leaves with the commit.
//!
//! Nothing here reads a clock or draws from the system: time and the seed come in with [`TxCore`], so that a
//! method run again with the same of both does the same.

use std::fmt;
use std::marker::PhantomData;
use std::mem;

use nigh_wire::{Bytes, IntoArg, Time};

use crate::beside::Others;
use crate::entity::Entity;

/// The untyped part of [`Tx`]: what the runtime passes in and reads back.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct TxCore {
    /// Encoded key of the entity.
    pub key: Bytes,
    /// Log time.
    pub now: Time,
    /// Where random numbers start; recorded if `drawn`.
    pub seed: u64,
    /// How many random numbers were drawn.
    pub drawn: u32,
    /// The method asked for the entity to become its default.
    pub deleted: bool,
    /// Entities of the same home that the method asked for.
    pub others: Others,
}

/// Gives back what a method was lent, also if it panics: others that it changed are to be undone.
struct Lent<'a, S> {
    tx: Tx<S>,
    to: &'a mut TxCore,
}

impl<S> Drop for Lent<'_, S> {
    fn drop(&mut self) {
        *self.to = mem::take(&mut self.tx.core);
    }
}

impl TxCore {
    /// For macros: runs `method` with this as a [`Tx`].
    #[doc(hidden)]
    pub fn with<S, R>(&mut self, method: impl FnOnce(&mut Tx<S>) -> R) -> R {
        let tx = Tx { core: mem::take(self), _of: PhantomData };
        let mut lent = Lent { tx, to: self };
        method(&mut lent.tx)
    }

    /// The next number of the sequence that starts at `seed`.
    ///
    /// SplitMix64 (Steele, Lea, Flood 2014): the n-th number is a mix of `seed + n * GAMMA` alone, so seed and
    /// count are all there is to record; one bijection of 64 bits, no state to store, and it passes BigCrush.
    /// Not for secrets: who sees one number computes all others.
    fn random(&mut self) -> u64 {
        /// 2^64 divided by the golden ratio, made odd: consecutive multiples are far apart.
        const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        self.drawn = self.drawn.wrapping_add(1); // mutant random-repeats: self.drawn = self.drawn.max(1);
        let mut z = self.seed.wrapping_add(GAMMA.wrapping_mul(u64::from(self.drawn)));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The commit in progress. A method that writes `tx: &mut Tx<Self>` among its parameters gets it; it vanishes
/// on the handle.
pub struct Tx<S> {
    core: TxCore,
    _of: PhantomData<fn() -> S>,
}

impl<S> fmt::Debug for Tx<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TxCore { key, now, deleted, .. } = &self.core;
        f.debug_struct("Tx").field("key", key).field("now", now).field("deleted", deleted).finish()
    }
}

impl<S: Entity> Tx<S> {
    /// The key of this entity.
    pub fn key(&self) -> S::Key {
        nigh_wire::decode(&self.core.key).expect("the runtime runs a method only under a key that decodes")
    }
    /// This entity, as others see it.
    pub fn me(&self) -> S::Ref {
        S::refer(self.core.key.clone())
    }
    /// The time of this commit: the log's, which never goes backwards.
    pub fn now(&self) -> Time {
        self.core.now
    }
    /// A random number, the same one if this call has to run again. Not for secrets.
    pub fn random(&mut self) -> u64 {
        self.core.random()
    }
    /// The entity becomes its default when this method succeeds, and what it had is freed.
    pub fn delete(&mut self) {
        self.core.deleted = true;
    }

    /// Another entity of the same home, to be read and changed in this commit: with it, or not at all.
    ///
    /// In a unit test it is as nobody changed it yet, and stays as this [`Tx`] leaves it.
    ///
    /// # Panics
    ///
    /// It has another home, a key of over 1 KiB, is the entity itself, or is the 257th: the method is undone, and its call settles as not done.
    pub fn at<O: Entity<Home = S::Home>>(&mut self, key: impl IntoArg<O::Key>) -> &mut O {
        let key = nigh_wire::encode(&key.into_arg());
        let me = S::name() == O::name() && key == self.core.key;
        assert!(!me, "`tx.at` gives other entities: this one is `self`");
        let (mine, other) = (S::home(&self.core.key), O::home(&key));
        let same = mine.is_ok_and(|mine| mine.is_some() && other == Ok(mine)); // mutant other-home-unchecked: let same = mine.is_ok() || other.is_ok();
        assert!(same, "`tx.at`: this `{}` has another home: one commit is of one home", O::name());
        self.core.others.at(key)
    }

    /// For unit tests of methods, which stay ordinary functions: at the start of 1970, with seed 0.
    pub fn detached(key: impl IntoArg<S::Key>) -> Self {
        let key = nigh_wire::encode(&key.into_arg());
        Tx { core: TxCore { key, ..TxCore::default() }, _of: PhantomData }
    }
    /// For unit tests: as if the commit were at this time.
    #[must_use]
    pub fn with_now(mut self, now: Time) -> Self {
        self.core.now = now;
        self
    }
    /// For unit tests: another sequence of random numbers.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.core.seed = seed;
        self
    }
    /// For unit tests: true if the method asked for the entity to become its default.
    pub fn is_deleted(&self) -> bool {
        self.core.deleted
    }
}

#[cfg(test)]
mod tests;
