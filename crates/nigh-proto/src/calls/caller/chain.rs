//! Chains: a caller's open calls on one key, in number order (R10), and who waits for whom (R11).
//!
//! At most one call of a chain is *held*: refused, waiting to be asked again. All later ones that are not
//! under way wait behind it, so that a refusal costs one wait, not one per call.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use nigh_wire::Bytes;

use super::ledger::Era;
use crate::shards::ShardId;

/// Entity and key, under one caller id: order holds within one id. Their shard, which they decide, stands first: most
/// keys are told apart by it, without a look at their bytes.
pub(super) type ChainKey = (Era, ShardId, Arc<str>, Bytes);

/// Names a chain while it has members: so that its key is looked up twice per call, not at every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ChainId(usize);

#[derive(Clone, Debug, Hash)]
struct Chain {
    key: ChainKey,
    /// Open or reserved. Numbers come in rising order, so a queue stays sorted.
    numbers: VecDeque<u64>,
    held: Option<u64>,
}

#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Chains {
    by_key: BTreeMap<ChainKey, ChainId>,
    /// By id. Those without numbers are free.
    chains: Vec<Chain>,
    free: Vec<ChainId>,
}

impl Chains {
    pub(super) fn join(&mut self, key: ChainKey, number: u64) -> ChainId {
        let id = match self.by_key.entry(key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let id = make(&mut self.chains, &mut self.free, new.key().clone());
                *new.insert(id)
            }
        };
        let numbers = &mut self.chains[id.0].numbers;
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
            self.by_key.remove(&chain.key);
            self.free.push(id);
        }
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
