//! Bytes of their own, few of them mostly: keys, arguments, answers, changes.
//!
//! One or two bytes are a part of the program: small numbers, tags, short keys take no memory, and nobody counts their
//! clones. Up to [`FEW_MAX`] bytes lie beside their count in one allocation, and a clone makes none. Those of a vector would
//! need a second one at their first clone, and nearly all of these are cloned: into a record, a table, an answer.

use bytes::Bytes;

/// Bytes up to this many lie beside their count: with it they take 256. All sizes are such that allocators have them.
const FEW_MAX: usize = 247;

/// All pairs of bytes in order, 128 KiB of the program: a page of it is in memory once one of its pairs was needed.
static PAIRS: [[u8; 2]; 1 << 16] = {
    let mut pairs = [[0; 2]; 1 << 16];
    let mut at = 0;
    while at < pairs.len() {
        pairs[at] = (at as u16).to_be_bytes();
        at += 1;
    }
    pairs
};

/// The pair of these bytes.
fn pair(first: u8, second: u8) -> &'static [u8; 2] {
    &PAIRS[usize::from(u16::from_be_bytes([first, second]))]
}

/// Room for `N` bytes, of which so many count.
struct Few<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

impl<const N: usize> Few<N> {
    const FITS: () = assert!(N <= u8::MAX as usize, "a length is a byte");

    fn copied(bytes: &[u8]) -> Bytes {
        let () = Self::FITS;
        let mut few = Few { len: bytes.len() as u8, bytes: [0; N] };
        few.bytes[..bytes.len()].copy_from_slice(bytes);
        Bytes::from_owner(few)
    }
}

impl<const N: usize> AsRef<[u8]> for Few<N> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// A copy of these bytes, as small as it can be.
pub fn copied(bytes: &[u8]) -> Bytes {
    match bytes.len() {
        0 => Bytes::new(),
        1 => Bytes::from_static(&pair(bytes[0], 0)[..1]),
        2 => Bytes::from_static(pair(bytes[0], bytes[1])),
        3..=23 => Few::<23>::copied(bytes),
        24..=55 => Few::<55>::copied(bytes),
        56..=119 => Few::<119>::copied(bytes),
        120..=183 => Few::<183>::copied(bytes),
        184..=FEW_MAX => Few::<FEW_MAX>::copied(bytes),
        _ => Bytes::copy_from_slice(bytes),
    }
}

#[cfg(test)]
mod tests {
    //! Of any length, a copy is what was copied.

    use super::{FEW_MAX, copied};

    #[test]
    fn copies_are_what_was_copied() {
        for len in 0..=2 * FEW_MAX {
            let bytes: Vec<u8> = (0..len).map(|at| at as u8 ^ 0x5a).collect();
            let copy = copied(&bytes);
            assert_eq!(copy, bytes, "{len} bytes");
            assert_eq!(copy.clone().slice(len / 2..), bytes[len / 2..], "a part of {len} bytes");
        }
    }

    #[test]
    fn pairs_are_all_there() {
        for pair in 0..=u16::MAX {
            let bytes = pair.to_be_bytes();
            assert_eq!(copied(&bytes), bytes[..]);
            assert_eq!(copied(&bytes[..1]), bytes[..1]);
        }
    }
}
