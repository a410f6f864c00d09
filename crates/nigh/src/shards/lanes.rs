//! Which lane a shard belongs to.
//!
//! A process runs one method of a lane at a time, and lanes beside each other. Lanes are of this process: no file and
//! no peer knows them.

use nigh_proto::shards::ShardId;

/// Lanes of a process: enough that a method that takes long holds up few of the others, and few enough that a group of
/// the log is gathered from all of them in a microsecond or so.
pub(crate) const LANES: u32 = 16;

/// Shards dealt out to lanes: each in turn gets the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lanes {
    count: u32,
    shards: u32,
}

impl Lanes {
    /// At most so many, and none without a shard.
    pub(crate) fn new(lanes_max: u32, shards: u32) -> Self {
        let count = lanes_max.min(shards).max(1); // mutant one-lane: let count = shards.min(1);
        Lanes { count, shards }
    }
    /// How many there are.
    pub(crate) fn count(self) -> usize {
        self.count as usize
    }
    /// Shards of all.
    pub(crate) fn shards(self) -> u32 {
        self.shards
    }
    /// The lane of a shard.
    pub(crate) fn of(self, shard: ShardId) -> usize {
        (shard.0 % self.count) as usize
    }
    /// Which of its lane's it is.
    pub(crate) fn at(self, shard: ShardId) -> usize {
        (shard.0 / self.count) as usize
    }
    /// Shards of one lane, at the most.
    pub(crate) fn shards_max(self) -> usize {
        self.shards.div_ceil(self.count) as usize
    }
    /// Shards of that lane.
    pub(crate) fn shards_of(self, lane: usize) -> impl Iterator<Item = ShardId> + Clone {
        (lane as u32..self.shards).step_by(self.count as usize).map(ShardId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shard_has_a_place_of_its_own() {
        for shards in 1..40 {
            let lanes = Lanes::new(16, shards);
            let mut seen = vec![];
            for lane in 0..lanes.count() {
                for (at, shard) in lanes.shards_of(lane).enumerate() {
                    assert_eq!((lanes.of(shard), lanes.at(shard)), (lane, at));
                    assert!(at < lanes.shards_max());
                    seen.push(shard.0);
                }
            }
            seen.sort_unstable();
            assert_eq!(seen, (0..shards).collect::<Vec<_>>());
        }
    }
}
