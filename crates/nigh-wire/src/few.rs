//! Bytes of their own, few of them mostly: keys, arguments, answers, changes.
//!
//! Up to [`FEW_MAX`] bytes lie beside their count in one allocation, and a clone makes none. Those of a vector would need a
//! second one at their first clone, and nearly all of these are cloned: into a record, a table, an answer.

use bytes::Bytes;

/// Bytes up to this many lie beside their count: with it they take 256. All sizes are such that allocators have them.
const FEW_MAX: usize = 247;

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
        1..=23 => Few::<23>::copied(bytes),
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
}
