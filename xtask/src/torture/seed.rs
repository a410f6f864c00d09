//! Random numbers from one seed: splitmix64, which is good enough for choosing moments and amounts.

/// A stream of numbers that its seed determines.
#[derive(Clone, Debug)]
pub struct Seed(u64);

impl Seed {
    /// The stream number `stream` of this seed: streams do not resemble one another.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut mixed = Seed(seed);
        Seed(mixed.next() ^ Seed(stream.wrapping_mul(0x9e37_79b9_7f4a_7c15)).next())
    }

    /// The next number.
    #[expect(clippy::should_implement_trait, reason = "it never ends, and nobody iterates over it")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
