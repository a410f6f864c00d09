//! Chance from a seed: one stream per purpose and node, so that one draw more here moves nothing there.
//!
//! The generator is xoshiro256++ (Blackman and Vigna), its state filled by SplitMix64. Not for secrets.

/// Odd constant of SplitMix64, 2^64 over the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// One stream of chance: the same seed, purpose and node draw the same numbers on every machine.
#[derive(Clone, Debug)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// The stream of `purpose` at node `who` in the run of `seed`.
    pub fn of(seed: u64, purpose: &str, who: u64) -> Self {
        // FNV-1a tells purposes apart; the mixing after it spreads what differs over all bits.
        let name = purpose.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut start = mix(mix(seed.wrapping_add(STEP)) ^ name);
        start = mix(start ^ who.wrapping_mul(STEP));
        let state = std::array::from_fn(|_| {
            start = start.wrapping_add(STEP);
            mix(start)
        });
        Rng { state }
    }

    /// 64 bits, each as likely set as not.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let drawn = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d, shifted) = (c ^ a, d ^ b, b << 17);
        self.state = [a ^ d, b ^ c, c ^ shifted, d.rotate_left(45)];
        drawn
    }

    /// Less than `n`, which is at least 1. The bias is below `n` / 2^64.
    pub fn below(&mut self, n: u64) -> u64 {
        debug_assert!(n > 0, "there is no number below 0");
        let product = u128::from(self.next_u64()) * u128::from(n);
        (product >> 64) as u64
    }

    /// One of the range, both ends included; `range` is not empty.
    pub fn between(&mut self, range: std::ops::RangeInclusive<u64>) -> u64 {
        debug_assert!(range.start() <= range.end(), "the range is empty");
        match (range.end() - range.start()).checked_add(1) {
            Some(width) => range.start() + self.below(width),
            None => self.next_u64(),
        }
    }

    /// True in `num` of `den` cases.
    pub fn chance(&mut self, num: u64, den: u64) -> bool {
        self.below(den) < num
    }

    /// One of `items`, which is not empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let index = self.below(items.len() as u64);
        &items[usize::try_from(index).expect("an index of a slice is a usize")]
    }
}

/// The output function of SplitMix64: a bijection in which each bit of the argument moves half of the result.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
