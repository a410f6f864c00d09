//! The small worlds: what is asked, and how often what goes wrong.
//!
//! The digit after a method is its key; "/" divides clients. Names say what a world is for: which rules are at
//! work in it together.

use crate::script::Op::{Inc, Keyed, KeyedOther, Panic, Take, Unfit, View};
use crate::script::{Budget, Config, Op, Settlers};

const NONE: Budget = Budget {
    cut: 0,
    crash: 0,
    moves: 0,
    fail: 0,
    late: 0,
    refuse: 0,
    deadline: 0,
    restart: 0,
    dropped: 0,
    sweep: 0,
    rows: 0,
    leap: 0,
};

/// How much of a world the everyday test explores.
#[derive(Clone, Copy)]
pub(crate) struct Everyday {
    /// No deeper, where the whole of it is too much.
    pub(crate) depth: usize,
    /// At least so many states: else something is not explored any more.
    pub(crate) states_min: usize,
}

type Script = &'static [(Op, u8)];

const I0: Script = &[(Inc, 0)];
const I0_I0: Script = &[(Inc, 0), (Inc, 0)];
const I0_V0: Script = &[(Inc, 0), (View, 0)];
const K0: Script = &[(Keyed, 0)];
const NOTHING: Script = &[];

/// Name, what each client asks, what may go wrong, who settles, and how much of it is explored every day.
type Row = (&'static str, &'static [Script], Budget, Settlers, (usize, usize));

/// All of them, smallest first within what they are for; the last two have a bit of everything.
#[rustfmt::skip] // One world a line.
pub(crate) fn all() -> Vec<(Config, Everyday)> {
    use Settlers::{Both, Last, Own};
    let worlds: &[Row] = &[
        // One call, whatever happens to it.
        ("tiny", &[I0], Budget { cut: 1, deadline: 1, fail: 1, ..NONE }, Own, (99, 1_000)),
        ("one", &[I0_I0], Budget { cut: 1, deadline: 1, fail: 1, late: 1, ..NONE }, Own, (8, 2_500)),
        ("panicked", &[&[(Panic, 0)]], Budget { cut: 1, deadline: 1, fail: 1, ..NONE }, Own, (99, 1_000)),
        ("unfit", &[&[(Unfit, 0)], NOTHING], Budget { cut: 1, deadline: 1, ..NONE }, Both, (99, 1_000)),
        // Appends that fail, land later or never, and who builds on them.
        ("append", &[I0_I0, &[(Inc, 1)]], Budget { crash: 1, fail: 1, late: 1, cut: 1, ..NONE }, Own, (6, 900)),
        // Views of an owner that was replaced and does not know, while somebody is told of what came after.
        ("views", &[I0, &[(View, 0)]], Budget { moves: 1, cut: 1, ..NONE }, Own, (11, 3_300)),
        ("confirms", &[I0, &[(View, 0), (View, 0)]], Budget { moves: 1, cut: 1, ..NONE }, Own, (8, 2_100)),
        ("late-views", &[I0_V0, &[(View, 0), (Inc, 0)]], Budget { late: 1, crash: 1, cut: 1, ..NONE }, Own, (6, 1_100)),
        // Errors are answers, too.
        ("errors", &[&[(Take, 0), (Inc, 0)], I0], Budget { cut: 1, deadline: 1, ..NONE }, Own, (7, 2_800)),
        ("errors-append", &[&[(Take, 0)], I0], Budget { cut: 1, late: 1, moves: 1, deadline: 1, ..NONE }, Own, (7, 3_100)),
        // Copies that are refused, and their neighbours.
        ("overload", &[I0_I0], Budget { refuse: 2, cut: 1, deadline: 1, ..NONE }, Own, (8, 4_200)),
        ("overload-move", &[I0_I0], Budget { refuse: 1, cut: 1, moves: 1, deadline: 1, ..NONE }, Own, (7, 3_000)),
        // Doubts: settled by whoever asked, by somebody else, by both, or let go.
        ("doubt", &[I0_I0, NOTHING], Budget { cut: 1, deadline: 2, ..NONE }, Both, (6, 2_300)),
        ("fenced", &[I0_I0, NOTHING], Budget { moves: 1, cut: 1, deadline: 1, ..NONE }, Last, (8, 3_100)),
        ("dropped", &[I0_I0], Budget { cut: 1, deadline: 1, dropped: 1, ..NONE }, Own, (8, 2_500)),
        // What is known is freed, by calls on other keys; what is not, is not.
        ("mark", &[&[(Inc, 0), (Inc, 0), (Inc, 1)], NOTHING], Budget { cut: 1, deadline: 1, ..NONE }, Last, (8, 2_000)),
        ("floor", &[&[(Inc, 0), (Inc, 1), (Inc, 2)]], Budget { cut: 2, deadline: 1, ..NONE }, Own, (7, 1_300)),
        // A process starts again; a bye frees what it knew.
        ("restart", &[I0_I0], Budget { restart: 1, cut: 1, deadline: 1, ..NONE }, Own, (7, 2_600)),
        // One idempotency key, two tries.
        ("keyed", &[K0, K0], Budget { cut: 1, deadline: 1, crash: 1, ..NONE }, Both, (7, 3_800)),
        ("keyed-other", &[K0, &[(KeyedOther, 0)]], Budget { cut: 1, deadline: 1, ..NONE }, Own, (8, 1_800)),
        // A day passes, what is old is swept, rows are written and the log is cut; nodes' clocks differ.
        ("clocks", &[I0_I0], Budget { cut: 1, moves: 1, ..NONE }, Own, (9, 500)),
        ("retention", &[I0], Budget { cut: 1, deadline: 1, rows: 1, leap: 1, moves: 2, ..NONE }, Own, (7, 2_900)),
        ("swept", &[I0], Budget { cut: 1, sweep: 1, rows: 2, leap: 1, moves: 2, ..NONE }, Own, (7, 1_800)),
        ("keyed-late", &[K0, K0], Budget { cut: 1, leap: 2, ..NONE }, Own, (8, 4_400)),
        ("rows", &[I0_I0], Budget { cut: 1, crash: 1, rows: 2, ..NONE }, Own, (9, 2_300)),
        // A bit of everything: one call each, and then as much as there is room for.
        ("flagship", &[I0, I0], Budget { crash: 1, cut: 1, moves: 1, deadline: 1, ..NONE }, Own, (6, 2_000)),
        ("everything", &[I0_I0, I0_V0], Budget { crash: 1, cut: 1, moves: 1, deadline: 1, ..NONE }, Own, (5, 2_800)),
    ];
    // So that a birth is too old by one clock and not by the other.
    let skew = |name: &str| match name {
        "clocks" => [40, -40],
        "retention" | "swept" => [-40, 40],
        _ => [0, 0],
    };
    let world = |&(name, scripts, faults, settlers, (depth, states_min))| {
        (Config { name, scripts, faults, settlers, window: 2, skew: skew(name) }, Everyday { depth, states_min })
    };
    worlds.iter().map(world).collect()
}
