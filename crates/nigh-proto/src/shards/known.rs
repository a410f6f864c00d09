//! What a caller knows (R14), as a set of numbers that only grows: all up to a floor, less a few doubts.
//!
//! Sets are joined, never replaced: what one copy called known stays known, in whatever order copies arrive.

use crate::calls::request::Known;

impl Known {
    /// True if the caller knows the answer of this number.
    pub fn contains(&self, number: u64) -> bool {
        number != 0 && number <= self.floor && self.doubts.binary_search(&number).is_err()
    }

    /// The lowest number whose answer is not known: at most one above the floor.
    pub fn unknown_min(&self) -> u64 {
        self.doubts.first().copied().unwrap_or(self.floor.saturating_add(1))
    }

    /// Both sets in one (R14). The doubts that stay are among those of the higher floor, so their number
    /// stays within [`Known::DOUBTS_MAX`].
    #[must_use]
    pub fn joined(&self, other: &Known) -> Known {
        let (low, high) = if self.floor <= other.floor { (self, other) } else { (other, self) };
        let doubts = high.doubts.iter().copied().filter(|&doubt| !low.contains(doubt)).collect();
        Known { floor: high.floor, doubts }
    }

    /// What a peer sent, made a set as it should be: ascending, below the floor, and with the floor stopped
    /// below the 65th doubt. Never a larger set than was sent.
    pub(crate) fn bounded(mut self) -> Known {
        self.doubts.sort_unstable();
        self.doubts.dedup();
        self.doubts.retain(|&doubt| doubt != 0 && doubt <= self.floor);
        if let Some(&doubt) = self.doubts.get(Known::DOUBTS_MAX) {
            self.floor = doubt - 1;
            self.doubts.truncate(Known::DOUBTS_MAX);
        }
        self
    }

    /// False for what only a broken peer sends.
    pub(super) fn is_bounded(&self) -> bool {
        let ascending = self.doubts.windows(2).all(|pair| pair[0] < pair[1]);
        let inside = self.doubts.iter().all(|&doubt| doubt != 0 && doubt <= self.floor);
        ascending && inside && self.doubts.len() <= Known::DOUBTS_MAX
    }
}

#[cfg(test)]
mod tests;
