//! Names methods that take too long, and ends the process of one that never returns.
//!
//! It runs on a thread of its own: a method that never returns may hold a thread of the runtime. A method past
//! `method_time_max` makes the node unready; past `stuck_max` its id gets a tombstone, what is pending is
//! committed, and the process ends: the thread cannot be had back.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use nigh_wire::Cause;

use crate::exit::EXIT_STUCK;
use crate::shards::owner::Owner;

/// How long the tombstone of a stuck method may take to be durable.
const LAST_COMMIT_MAX: Duration = Duration::from_secs(5);

/// Looks until `stop` is dropped.
pub(crate) fn run(owner: &Arc<Owner>, method_time_max: Duration, stuck_max: Duration, stop: &Receiver<()>) {
    let every = (method_time_max.min(stuck_max) / 4).clamp(Duration::from_millis(10), Duration::from_secs(1));
    while stop.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
        // All are looked at, so that each that takes long is named.
        let late =
            (0..owner.lanes().count()).filter(|lane| looks_late(owner, *lane, method_time_max, stuck_max));
        owner.set_ready(late.count() == 0);
    }
}

/// True if a lane's method runs too long. Does not return if it never will.
fn looks_late(owner: &Arc<Owner>, lane: usize, method_time_max: Duration, stuck_max: Duration) -> bool {
    let mut core = owner.core(lane);
    let Some(running) = core.running.as_mut() else { return false };
    let ran = owner.clock.now().saturating_since(running.since);
    if ran < method_time_max {
        return false;
    }
    owner.set_ready(false);
    let method = owner.routes.entity_method(running.method).expect("it runs: there is such a method");
    let name = format!("{}.{}", method.entity, method.name);
    if !std::mem::replace(&mut running.named, true) {
        tracing::warn!("{name} runs since {ran:?}: its node is not ready until it returns");
    }
    if ran < stuck_max {
        return true;
    }
    let stuck = running.permit.as_ref().map(|(shard, permit)| (*shard, permit.watch()));
    core.ending = true;
    if let Some((shard, stuck)) = stuck {
        core.machine(shard).give_up_stuck(&stuck, Cause::Stuck);
        core.mark(shard);
        drop(core);
        owner.kick();
        let begun = owner.clock.now();
        while !owner.core_of(shard).is_durable(shard)
            && owner.clock.now().saturating_since(begun) < LAST_COMMIT_MAX
        {
            std::thread::park_timeout(Duration::from_millis(1));
        }
    } else {
        drop(core);
    }
    owner.clock.end(&format!("{name} did not return within {stuck_max:?}"), EXIT_STUCK)
}
