//! All orders of events of small worlds: the real callers and owners, links as queues, a log whose appends end in
//! every way, one event at a time, breadth first. What breaks a rule is shown as the shortest trace.
//!
//! - `explore/script.rs` is what can happen, as data. Start here.
//! - `explore/configs.rs` is which small worlds are explored.
//! - `explore/client.rs` is who asks, `explore/world.rs` what happens, `explore/search.rs` the exploration.
//! - `world/owner.rs`, `world/judge.rs` and `world/heard.rs` are those of `world.rs`, which plays long random
//!   scripts where this tries all short ones.
//!
//! What is judged at each step: an id takes effect once; what was acknowledged is in the log; verdicts on an id
//! agree for ever; order per caller and key; answers and views show what is durable, and never less than what had
//! been shown when they were asked for; nothing is freed or told known that its caller may still ask for; no open
//! call is refused for good. At each end: all is asked and told, and every doubt is settled. Where a world was
//! explored whole, also that no path leads in a circle: nothing is asked again for ever.
//!
//! Much deeper: `cargo xtask explore --states 5000000`. Time stands still but for the events that are its own,
//! and what no machine acts on is left out of a state's hash; the `Hash` of each type says what.

#[path = "explore/client.rs"]
mod client;
#[path = "explore/configs.rs"]
mod configs;
#[path = "world/heard.rs"]
mod heard;
#[path = "world/judge.rs"]
mod judge;
#[path = "world/owner.rs"]
#[expect(dead_code, reason = "world.rs asks them more")]
mod owner;
#[path = "explore/script.rs"]
mod script;
#[path = "explore/search.rs"]
mod search;
#[path = "explore/world.rs"]
mod world;

use configs::Everyday;
use search::{Report, explore};

/// From `cargo xtask explore`: how many states of each world to explore. Without it, everyday depths.
#[expect(
    clippy::disallowed_methods,
    reason = "a test that is asked to run for minutes says so in its report"
)]
fn states_max() -> Option<usize> {
    let asked = std::env::var("NIGH_EXPLORE_STATES").ok()?;
    Some(asked.parse().expect("NIGH_EXPLORE_STATES is a number of states"))
}

fn line(name: &str, report: &Report) -> String {
    let Report { states, ends, depth, .. } = report;
    let how = match (report.complete, report.acyclic) {
        (false, _) => format!("cut off at depth {depth}"),
        (true, Some(true)) => "complete, no circle".into(),
        (true, _) => "complete".into(),
    };
    format!("{name:<14} {states:>9} states {ends:>7} ends  depth {depth:>2}  {how}")
}

/// R1 to R17, in every order of events.
#[test]
fn every_order_is_honest() {
    let asked = states_max();
    let mut total = 0;
    for (config, Everyday { depth, states_min }) in configs::all() {
        let report = match asked {
            Some(states) => explore(config, states, usize::MAX),
            None => explore(config, usize::MAX, depth),
        };
        println!("{}", line(config.name, &report));
        if let Some((why, steps)) = report.broken {
            panic!("{}: {why}\n{} steps: {steps:?}", config.name, steps.len());
        }
        // After a leap, a try whose deadline has not noticed is too late for ever.
        let circles = report.acyclic == Some(false) && config.faults.leap == 0;
        assert!(!circles, "live: {}: something is asked again for ever", config.name);
        let enough = asked.is_some() || report.states >= states_min;
        assert!(enough, "{}: {} states, there were {states_min}", config.name, report.states);
        total += report.states;
    }
    println!("{total} states, nothing broken");
}
