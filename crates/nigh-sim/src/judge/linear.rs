//! Linearizability of one key's history: could its operations have happened one after the other, each at some
//! moment between its call and its answer, with these outcomes?
//!
//! The search of Wing and Gong (1993) with Lowe's memory of what was tried (2017): take the operations that were
//! called before the first answer that is still to be explained, place one of them, go on; go back when an answer
//! comes whose operation has no place. A (set of operations placed, state) is visited once. An operation whose
//! outcome nobody learnt may be placed anywhere after its call, or be left out.
//!
//! For histories of which no log says the order: services, flows, what users record. The log's own judge
//! ([`super::LogJudge`]) is exact and cheaper. Nothing here hashes: a run is a function of its history.

use std::collections::BTreeSet;
use std::fmt;

/// What one key does when nothing is concurrent.
pub trait Spec {
    /// What was asked, together with what came of it: `Timed::ended` says whether anybody learnt that.
    type Op;
    /// Of the key.
    type State: Clone + Ord;
    /// Before the first operation.
    fn initial(&self) -> Self::State;
    /// The state after this operation; `None` if it could not have had this outcome here.
    fn step(&self, state: &Self::State, op: &Self::Op) -> Option<Self::State>;
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its outcome was learnt then, in nanoseconds. Two operations that share a moment overlap.
    At(u64),
    /// Nobody learnt it: it may have happened at any moment after its call, or not at all.
    Unknown,
    /// It is known not to have happened, and never will.
    Never,
}

/// An operation and when it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed<Op> {
    /// When it was called, in nanoseconds.
    pub called: u64,
    /// When its outcome was learnt.
    pub ended: Ended,
    /// What it was.
    pub op: Op,
}

/// A history that no order explains, or none that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotLinear {
    /// There is no order.
    Impossible {
        /// The longest explanation that was found: places in the history, in the order they could have happened.
        placed: Vec<usize>,
        /// The operation that has no place after them, though it was answered before any other could follow.
        stuck: usize,
    },
    /// The search was given up after this many (set, state) pairs.
    Undecided {
        /// How many were visited.
        visited: usize,
    },
}

impl fmt::Display for NotLinear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotLinear::Impossible { placed, stuck } => {
                write!(f, "operation {stuck} fits nowhere; the longest explanation without it is {placed:?}")
            }
            NotLinear::Undecided { visited } => write!(f, "undecided after {visited} states"),
        }
    }
}

/// The search gives up after this many pairs of a set and a state: a second or two, and some 100 MB at 100
/// operations a set.
pub const VISITED_MAX: usize = 1 << 20;

/// Finds an order that explains the history. Operations may be given in any order.
///
/// # Errors
///
/// There is none, or the search took too long.
pub fn check<S: Spec>(spec: &S, history: &[Timed<S::Op>]) -> Result<(), NotLinear> {
    check_within(spec, history, VISITED_MAX)
}

/// As [`check`], with another bound on the pairs visited.
///
/// # Errors
///
/// See [`check`].
pub fn check_within<S: Spec>(
    spec: &S,
    history: &[Timed<S::Op>],
    visited_max: usize,
) -> Result<(), NotLinear> {
    Search::new(spec, history).run(visited_max)
}

/// One call or one answer.
#[derive(Clone, Copy)]
struct Event {
    answer: bool,
    op: usize,
}

/// A set of operations that were placed, and the state after them. The sum comes first, so that most
/// comparisons end there.
type Visited<State> = (u64, Box<[u64]>, State);

struct Search<'a, S: Spec> {
    spec: &'a S,
    history: &'a [Timed<S::Op>],
    /// In the order of time; calls first among those of one moment.
    events: Vec<Event>,
    /// Those of operations without a place, as a list: 0 is its head, event `n` is node `n + 1`.
    next: Vec<usize>,
    back: Vec<usize>,
    /// By operation: nodes of its call and its answer.
    nodes: Vec<(usize, Option<usize>)>,
    placed: Box<[u64]>,
    sum: u64,
    state: S::State,
    /// Operations placed, with the state before each.
    stack: Vec<(usize, S::State)>,
    /// Answers to be explained.
    left: usize,
    visited: BTreeSet<Visited<S::State>>,
}

impl<'a, S: Spec> Search<'a, S> {
    fn new(spec: &'a S, history: &'a [Timed<S::Op>]) -> Self {
        let mut timed = Vec::with_capacity(2 * history.len());
        for (op, timed_op) in history.iter().enumerate() {
            match timed_op.ended {
                Ended::Never => continue,
                Ended::At(at) => timed.push((at, true, op)),
                Ended::Unknown => {}
            }
            timed.push((timed_op.called, false, op));
        }
        timed.sort_unstable();
        let mut nodes = vec![(0, None); history.len()];
        for (at, (_, answer, op)) in timed.iter().enumerate() {
            if *answer {
                nodes[*op].1 = Some(at + 1);
            } else {
                nodes[*op].0 = at + 1;
            }
        }
        let size = timed.len() + 2;
        Search {
            spec,
            history,
            left: timed.iter().filter(|event| event.1).count(),
            events: timed.into_iter().map(|(_, answer, op)| Event { answer, op }).collect(),
            next: (1..=size).collect(),
            back: (0..size).map(|node| node.saturating_sub(1)).collect(),
            nodes,
            placed: vec![0; history.len().div_ceil(64)].into(),
            sum: 0,
            state: spec.initial(),
            stack: Vec::new(),
            visited: BTreeSet::new(),
        }
    }

    fn run(mut self, visited_max: usize) -> Result<(), NotLinear> {
        let mut best: Option<(Vec<usize>, usize)> = None;
        let mut node = self.next[0];
        while self.left > 0 {
            // An answer to be explained stands before the end of the list.
            let event = self.events[node - 1];
            if !event.answer {
                node = if self.place(event.op) { self.next[0] } else { self.next[node] };
                if self.visited.len() > visited_max {
                    return Err(NotLinear::Undecided { visited: self.visited.len() });
                }
                continue;
            }
            if best.as_ref().is_none_or(|(placed, _)| placed.len() < self.stack.len()) {
                best = Some((self.stack.iter().map(|(op, _)| *op).collect(), event.op));
            }
            let Some(op) = self.take_back() else {
                let (placed, stuck) = best.expect("it was just set, if never before");
                return Err(NotLinear::Impossible { placed, stuck });
            };
            node = self.next[self.nodes[op].0];
        }
        Ok(())
    }

    /// Places an operation next, if it fits and that was not tried.
    fn place(&mut self, op: usize) -> bool {
        let Some(state) = self.spec.step(&self.state, &self.history[op].op) else { return false };
        self.flip(op);
        if !self.visited.insert((self.sum, self.placed.clone(), state.clone())) {
            self.flip(op);
            return false;
        }
        self.stack.push((op, std::mem::replace(&mut self.state, state)));
        let (call, answer) = self.nodes[op];
        for node in [Some(call), answer].into_iter().flatten() {
            let (back, next) = (self.back[node], self.next[node]);
            self.next[back] = next;
            self.back[next] = back;
        }
        self.left -= usize::from(answer.is_some());
        true
    }

    /// Takes the last one back; `None` if nothing is placed.
    fn take_back(&mut self) -> Option<usize> {
        let (op, state) = self.stack.pop()?;
        self.state = state;
        self.flip(op);
        let (call, answer) = self.nodes[op];
        self.left += usize::from(answer.is_some());
        for node in [answer, Some(call)].into_iter().flatten() {
            let (back, next) = (self.back[node], self.next[node]);
            self.next[back] = node;
            self.back[next] = node;
        }
        Some(op)
    }

    fn flip(&mut self, op: usize) {
        self.placed[op / 64] ^= 1 << (op % 64);
        // SplitMix64's finalizer: sets that differ have, nearly always, sums that differ.
        let mut mix = (op as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mix = (mix ^ (mix >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mix = (mix ^ (mix >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.sum ^= mix ^ (mix >> 31);
    }
}

#[cfg(test)]
mod tests;
