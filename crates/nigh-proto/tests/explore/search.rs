//! Breadth first over all orders of events: each state is kept as a 128-bit hash with its parent, so that what
//! breaks a rule is shown as the shortest trace of steps.
//!
//! A step that changes nothing is none. A state from which no step leads is an end. Nothing here knows what a
//! world is made of.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Once;

use crate::script::{Config, Step};
use crate::world::World;

/// Edges kept to prove that nothing is retried for ever: 8 bytes each.
const EDGES_MAX: usize = 30_000_000;

/// What came of exploring one configuration.
pub(crate) struct Report {
    pub(crate) states: usize,
    pub(crate) ends: usize,
    /// Of all states up to so many steps each order was tried.
    pub(crate) depth: usize,
    /// No state was left unexplored.
    pub(crate) complete: bool,
    /// No path leads back to where it came from; unknown if there were too many.
    pub(crate) acyclic: Option<bool>,
    /// What went wrong, and the steps that led there.
    pub(crate) broken: Option<(String, Vec<Step>)>,
}

/// Two lanes of folded multiplication: states are told apart by 128 bits.
struct Lanes {
    left: u64,
    right: u64,
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

impl Lanes {
    fn lane(&mut self, word: u64) {
        self.left = fold(self.left ^ word ^ 0x9e37_79b9_7f4a_7c15, 0xa076_1d64_78bd_642f);
        self.right = fold(self.right.rotate_left(23) ^ word, 0x8ebc_6af0_9c88_c6e3 ^ self.left);
    }
}

impl Hasher for Lanes {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.lane(u64::from_le_bytes(word));
        }
    }
    fn write_u8(&mut self, word: u8) {
        self.lane(u64::from(word));
    }
    fn write_u32(&mut self, word: u32) {
        self.lane(u64::from(word));
    }
    fn write_u64(&mut self, word: u64) {
        self.lane(word);
    }
    fn write_usize(&mut self, word: usize) {
        self.lane(word as u64);
    }
    fn finish(&self) -> u64 {
        self.left
    }
}

fn name_of(world: &World) -> u128 {
    let mut lanes = Lanes { left: 0x243f_6a88_85a3_08d3, right: 0x1319_8a2e_0370_7344 };
    world.hash(&mut lanes);
    u128::from(lanes.left) << 64 | u128::from(lanes.right)
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What a step leads to, or what it broke: machines and judge say so by a panic, of which nothing is printed.
fn attempt<T>(step: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info)
            }
        }));
    });
    QUIET.set(true);
    let done = std::panic::catch_unwind(AssertUnwindSafe(step));
    QUIET.set(false);
    done.map_err(|why| match why.downcast::<String>() {
        Ok(why) => *why,
        Err(why) => why.downcast_ref::<&str>().map_or("it panicked".into(), |why| (*why).into()),
    })
}

/// All states met so far.
struct Met {
    config: Config,
    by_name: BTreeMap<u128, u32>,
    /// From which state each was first reached, by which of its steps.
    from: Vec<(u32, u16)>,
    edges: Vec<(u32, u32)>,
    /// Beyond this no state is kept to be explored.
    states_max: usize,
    left_out: bool,
}

/// A state to be explored, as the step that leads to it: a world is large, and made in no time.
struct Fresh {
    state: u32,
    parent: Rc<World>,
    step: Step,
}

impl Met {
    /// The steps that led to a state, from the first.
    fn trace(&self, state: u32, last: Option<Step>) -> Vec<Step> {
        let (mut path, mut at) = (vec![], state);
        while at != 0 {
            let (parent, step) = self.from[at as usize];
            path.push(step);
            at = parent;
        }
        let (mut world, mut steps) = (World::new(self.config), vec![]);
        for which in path.into_iter().rev() {
            let step = world.steps()[usize::from(which)];
            world = world.after(step);
            steps.push(step);
        }
        steps.extend(last);
        steps
    }

    /// All that a state leads to for the first time; none if it is an end.
    fn expand(&mut self, state: u32, world: &Rc<World>, fresh: &mut Vec<Fresh>) -> Result<bool, Broken> {
        let here = name_of(world);
        let mut end = true;
        for (which, step) in world.steps().into_iter().enumerate() {
            let broken = |why| Broken { why, state, last: Some(step) };
            let next = attempt(|| world.after(step)).map_err(broken)?;
            let name = name_of(&next);
            if name == here {
                continue;
            }
            end = false;
            let count = self.from.len() as u32;
            let to = *self.by_name.entry(name).or_insert(count);
            if to == count {
                self.from.push((state, which as u16));
                if self.from.len() <= self.states_max {
                    fresh.push(Fresh { state: to, parent: world.clone(), step });
                } else {
                    self.left_out = true;
                }
            }
            if self.edges.len() <= EDGES_MAX {
                self.edges.push((state, to));
            }
        }
        if end {
            attempt(|| world.assert_settled()).map_err(|why| Broken { why, state, last: None })?;
        }
        Ok(end)
    }

    /// Takes away what nothing leads to, until nothing is left (Kahn, 1962).
    fn is_acyclic(&mut self) -> Option<bool> {
        if self.edges.len() > EDGES_MAX {
            return None;
        }
        self.edges.sort_unstable();
        let mut into = vec![0_u32; self.from.len()];
        self.edges.iter().for_each(|(_, to)| into[*to as usize] += 1);
        let (mut free, mut gone) = (vec![0_u32], 0);
        while let Some(state) = free.pop() {
            gone += 1;
            let first = self.edges.partition_point(|(from, _)| *from < state);
            for (_, to) in self.edges[first..].iter().take_while(|(from, _)| *from == state) {
                into[*to as usize] -= 1;
                if into[*to as usize] == 0 {
                    free.push(*to);
                }
            }
        }
        Some(gone == self.from.len())
    }
}

struct Broken {
    why: String,
    state: u32,
    last: Option<Step>,
}

/// Explores up to `depth_max` steps deep, and no deeper once there are more than `states_max` states.
pub(crate) fn explore(config: Config, states_max: usize, depth_max: usize) -> Report {
    let first = Rc::new(World::new(config));
    let by_name = BTreeMap::from([(name_of(&first), 0)]);
    let (from, edges) = (vec![(0, 0)], vec![]);
    let mut met = Met { config, by_name, from, edges, states_max, left_out: false };
    let (mut level, mut ends, mut depth, mut broken) = (vec![], 0, 1, None);
    match met.expand(0, &first, &mut level) {
        Ok(end) => ends += usize::from(end),
        Err(Broken { why, last, .. }) => broken = Some((why, Vec::from_iter(last))),
    }
    while !level.is_empty() && depth < depth_max && !met.left_out && broken.is_none() {
        let mut fresh = vec![];
        for Fresh { state, parent, step } in level {
            match met.expand(state, &Rc::new(parent.after(step)), &mut fresh) {
                Ok(end) => ends += usize::from(end),
                Err(Broken { why, state, last }) => {
                    broken = Some((why, met.trace(state, last)));
                    break;
                }
            }
        }
        level = fresh;
        depth += 1;
    }
    let complete = level.is_empty() && !met.left_out && broken.is_none();
    let acyclic = if complete { met.is_acyclic() } else { None };
    Report { states: met.from.len(), ends, depth, complete, acyclic, broken }
}
