//! Chains: a caller's open calls on one key, in number order (R10), and who waits for whom (R11).
//!
//! At most one call of a chain is *held*: refused, waiting to be asked again. All later ones that are not
//! under way wait behind it, so that a refusal costs one wait, not one per call.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use nigh_wire::Bytes;

use super::ledger::Era;

/// Entity and key, under one caller id: order holds within one id.
pub(super) type ChainKey = (Era, Arc<str>, Bytes);

#[derive(Debug, Default)]
pub(super) struct Chain {
    /// Open or reserved. Numbers come in rising order, so a queue stays sorted.
    numbers: VecDeque<u64>,
    held: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Chains {
    chains: BTreeMap<ChainKey, Chain>,
}

impl Chains {
    pub(super) fn join(&mut self, key: &ChainKey, number: u64) {
        let chain = match self.chains.get_mut(key) {
            Some(chain) => chain,
            None => self.chains.entry(key.clone()).or_default(),
        };
        assert!(chain.numbers.back().is_none_or(|last| *last < number), "numbers rise (R1)");
        chain.numbers.push_back(number);
    }

    /// It settled. If it was held, the caller of this releases what waited behind it.
    pub(super) fn leave(&mut self, key: &ChainKey, number: u64) {
        let chain = self.chains.get_mut(key).expect("an open call has its chain");
        let place = chain.numbers.binary_search(&number).expect("it joined and leaves once");
        chain.numbers.remove(place);
        if chain.held == Some(number) {
            chain.held = None;
        }
        if chain.numbers.is_empty() {
            self.chains.remove(key);
        }
    }

    /// R10: the last call on this key before `number` that is still open.
    pub(super) fn before(&self, key: &ChainKey, number: u64) -> Option<u64> {
        let numbers = &self.chains.get(key)?.numbers;
        let place = numbers.partition_point(|n| *n < number);
        place.checked_sub(1).map(|before| numbers[before])
    }

    /// Those after `number`, in order.
    pub(super) fn after(&self, key: &ChainKey, number: u64) -> Vec<u64> {
        let Some(chain) = self.chains.get(key) else { return Vec::new() };
        let place = chain.numbers.partition_point(|n| *n <= number);
        chain.numbers.range(place..).copied().collect()
    }

    pub(super) fn held(&self, key: &ChainKey) -> Option<u64> {
        self.chains.get(key)?.held
    }

    pub(super) fn hold(&mut self, key: &ChainKey, held: Option<u64>) {
        if let Some(chain) = self.chains.get_mut(key) {
            chain.held = held;
        }
    }
}
