//! Hashes that were made before, for threads that ask for the same few again and again: those of simulations.
//!
//! [`remember_hashes`] says so of a thread. Elsewhere nothing is kept: what is hashed there seldom repeats.

use std::cell::RefCell;

use blake3::Hash;

thread_local! {
    static MADE: RefCell<Option<Box<Made>>> = const { RefCell::new(None) };
}

/// From now on this thread remembers what it hashed, as far as that is short. No hash is another for it.
pub fn remember_hashes() {
    MADE.with_borrow_mut(|made| {
        made.get_or_insert_with(Box::default);
    });
}

/// BLAKE3 of these bytes.
pub(crate) fn hash(bytes: &[u8]) -> Hash {
    // A thread that ends remembers nothing.
    let made = MADE.try_with(|made| match &mut *made.borrow_mut() {
        Some(made) if bytes.len() <= LEN_MAX => Some(made.hash(bytes)),
        _ => None,
    });
    made.ok().flatten().unwrap_or_else(|| blake3::hash(bytes))
}

/// What is remembered is at most so long, in bytes: a call's names, its key and a few arguments.
const LEN_MAX: usize = 95;
/// Places for what is remembered: a test has some dozens of different calls.
const PLACES: usize = 128;

/// What was hashed last at each place.
struct Made([Option<(Few, Hash)>; PLACES]);

/// So many bytes, and what they are.
type Few = (u8, [u8; LEN_MAX]);

impl Default for Made {
    fn default() -> Self {
        Made([const { None }; PLACES])
    }
}

impl Made {
    fn hash(&mut self, bytes: &[u8]) -> Hash {
        let place = &mut self.0[place(bytes)];
        if let Some(((len, before), hash)) = place {
            let same = &before[..usize::from(*len)] == bytes; // mutant hash-of-another: let same = usize::from(*len) == bytes.len();
            if same {
                return *hash;
            }
        }
        let (mut few, hash) = ([0; LEN_MAX], blake3::hash(bytes));
        few[..bytes.len()].copy_from_slice(bytes);
        *place = Some(((bytes.len() as u8, few), hash));
        hash
    }
}

/// Where these bytes stand, if they are remembered.
fn place(bytes: &[u8]) -> usize {
    let step = |mixed: u64, word: u64| (mixed ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let (words, _) = bytes.as_chunks::<8>();
    let mixed = words.iter().fold(bytes.len() as u64, |mixed, word| step(mixed, u64::from_le_bytes(*word)));
    // The last ones, which words may leave over; less than a word are all at one place.
    let last = bytes.last_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word));
    // The bits that all others have moved: they were the highest before the last turn.
    (step(mixed, last) >> 22) as usize % PLACES
}

#[cfg(test)]
mod tests {
    //! Whatever was hashed before, a hash is that of its bytes.

    use super::{LEN_MAX, hash, remember_hashes};

    #[test]
    fn a_hash_is_of_its_bytes() {
        let all = |of: &dyn Fn(&[u8])| {
            for len in 0..=LEN_MAX + 9 {
                for fill in 0..=40 {
                    of(&vec![fill; len]);
                }
            }
        };
        let check = |bytes: &[u8]| assert_eq!(hash(bytes), blake3::hash(bytes));
        all(&check);
        remember_hashes();
        all(&check);
        all(&|bytes| (0..2).for_each(|_| check(bytes)));
    }
}
