//! Names methods that take too long, ends the process of one that never returns, and keeps the runtime going meanwhile.
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

/// How often methods are looked at, and how long one may keep sockets and timers from being served: the runtime leaves them to
/// a thread that has nothing else to do, and does not notice if that one begins to run a method.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long the tombstone of a stuck method may take to be durable.
const LAST_COMMIT_MAX: Duration = Duration::from_secs(5);

/// Looks until `stop` is dropped.
pub(crate) fn run(owner: &Arc<Owner>, method_time_max: Duration, stuck_max: Duration, stop: &Receiver<()>) {
    while stop.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        // All are looked at, so that each that takes long is named.
        let ran = (0..owner.lanes().count()).map(|lane| look(owner, lane, method_time_max, stuck_max));
        let longest = ran.max().unwrap_or_default();
        owner.set_ready(longest < method_time_max);
        if longest >= LOOK_EVERY {
            // Whoever is woken for it looks after sockets and timers next.
            owner.clock.spawn(async {}); // mutant sockets-unserved: let _ = longest;
        }
    }
}

/// How long a lane's method has been running; nothing if none is. Does not return if it never will.
fn look(owner: &Arc<Owner>, lane: usize, method_time_max: Duration, stuck_max: Duration) -> Duration {
    let mut core = owner.core(lane);
    let Some(running) = core.running.as_mut() else { return Duration::ZERO };
    let ran = owner.clock.now().saturating_since(running.since);
    if ran < method_time_max {
        return ran;
    }
    owner.set_ready(false);
    let method = owner.routes.entity_method(running.method).expect("it runs: there is such a method");
    let name = format!("{}.{}", method.entity, method.name);
    if !std::mem::replace(&mut running.named, true) {
        tracing::warn!("{name} runs since {ran:?}: its node is not ready until it returns");
    }
    if ran < stuck_max {
        return ran;
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
