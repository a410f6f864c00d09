//! Chains: a caller's open calls on one key, in number order (R10), and who waits for whom (R11).
//!
//! At most one call of a chain is *held*: refused, waiting to be asked again. All later ones that are not
//! under way wait behind it, so that a refusal costs one wait, not one per call.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use nigh_wire::Bytes;

use super::ledger::Era;
use crate::shards::ShardId;

/// Entity and key, under one caller id: order holds within one id. Their shard, which they decide, stands first: most
/// keys are told apart by it, without a look at their bytes.
pub(super) type ChainKey = (Era, ShardId, Arc<str>, Bytes);

/// Names a chain while it has members: so that its key is looked up once per call, not at every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ChainId(usize);

#[derive(Clone, Debug, Hash)]
struct Chain {
    key: ChainKey,
    /// Open or reserved. Numbers come in rising order, so a queue stays sorted.
    numbers: VecDeque<u64>,
    held: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Chains {
    /// By shard, so that few keys are compared. Also some without numbers: the next call on their key finds them.
    by_key: Vec<BTreeMap<ChainKey, ChainId>>,
    /// How many of those there are.
    empty: usize,
    /// By id. Those without a key are free.
    chains: Vec<Chain>,
    free: Vec<ChainId>,
}

/// Empty chains that are not worth a look. Their keys, of a KiB each at the most, are what they cost.
const EMPTY_MIN: usize = 64;

/// Of those with numbers, by their keys: the rest is how they are found.
impl Hash for Chains {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let chains = self.by_key.iter().flat_map(|keys| keys.values().map(|id| &self.chains[id.0]));
        chains.filter(|chain| !chain.numbers.is_empty()).for_each(|chain| chain.hash(state));
    }
}

impl Chains {
    pub(super) fn join(&mut self, key: ChainKey, number: u64) -> ChainId {
        let shard = key.1.0 as usize;
        if self.by_key.len() <= shard {
            self.by_key.resize_with(shard + 1, BTreeMap::new);
        }
        let id = match self.by_key[shard].entry(key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let id = make(&mut self.chains, &mut self.free, new.key().clone());
                self.empty += 1;
                *new.insert(id)
            }
        };
        let numbers = &mut self.chains[id.0].numbers;
        self.empty -= usize::from(numbers.is_empty());
        assert!(numbers.back().is_none_or(|last| *last < number), "numbers rise (R1)");
        numbers.push_back(number);
        id
    }

    /// It settled. If it was held, the caller of this releases what waited behind it.
    pub(super) fn leave(&mut self, id: ChainId, number: u64) {
        let chain = &mut self.chains[id.0];
        let place = chain.numbers.binary_search(&number).expect("it joined and leaves once");
        chain.numbers.remove(place);
        if chain.held == Some(number) {
            chain.held = None;
        }
        if chain.numbers.is_empty() {
            self.empty += 1;
            self.let_go();
        }
    }

    /// Most calls are on keys that had calls before. Only if empty chains are most of all, they go.
    fn let_go(&mut self) {
        let full = self.chains.len() - self.free.len() - self.empty;
        if self.empty <= EMPTY_MIN + 2 * full {
            return;
        }
        let (chains, free) = (&self.chains, &mut self.free);
        for keys in &mut self.by_key {
            keys.retain(|_, id| {
                let stays = !chains[id.0].numbers.is_empty(); // mutant chain-let-go-in-use: let stays = chains.is_empty();
                if !stays {
                    free.push(*id);
                }
                stays
            });
        }
        self.empty = 0;
    }

    /// R10: the last call on this key before `number` that is still open.
    pub(super) fn before(&self, id: ChainId, number: u64) -> Option<u64> {
        let numbers = &self.chains[id.0].numbers;
        let place = numbers.partition_point(|n| *n < number);
        place.checked_sub(1).map(|before| numbers[before])
    }

    /// Those after `number`, in order.
    pub(super) fn after(&self, id: ChainId, number: u64) -> Vec<u64> {
        let numbers = &self.chains[id.0].numbers;
        let place = numbers.partition_point(|n| *n <= number);
        numbers.range(place..).copied().collect()
    }

    pub(super) fn held(&self, id: ChainId) -> Option<u64> {
        self.chains[id.0].held
    }

    pub(super) fn hold(&mut self, id: ChainId, held: Option<u64>) {
        self.chains[id.0].held = held;
    }
}

/// A chain without numbers.
fn make(chains: &mut Vec<Chain>, free: &mut Vec<ChainId>, key: ChainKey) -> ChainId {
    if let Some(id) = free.pop() {
        chains[id.0].key = key;
        return id;
    }
    chains.push(Chain { key, numbers: VecDeque::new(), held: None });
    ChainId(chains.len() - 1)
}

#[cfg(test)]
mod tests {
    //! Empty chains go, and no others.

    use std::sync::Arc;

    use nigh_wire::Bytes;

    use super::{Chains, EMPTY_MIN};
    use crate::calls::caller::ledger::Era;
    use crate::shards::ShardId;

    #[test]
    fn a_chain_outlives_those_of_other_keys() {
        let key = |name: u64| {
            let key = Bytes::copy_from_slice(&name.to_le_bytes());
            (Era::default(), ShardId(name as u32 % 3), Arc::from("E"), key)
        };
        let mut chains = Chains::default();
        let first = chains.join(key(0), 1);
        for number in 2..1_000 {
            let id = chains.join(key(number), number);
            chains.leave(id, number);
            assert!(chains.chains.len() <= EMPTY_MIN + 4, "empty chains pile up");
        }
        let last = chains.join(key(0), 1_000);
        assert_eq!((last, chains.before(last, 1_000)), (first, Some(1)));
    }
}
