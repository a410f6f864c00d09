//! The small worlds: what is asked, and how often what goes wrong.
//!
//! The digit after a method is its key; "/" divides clients. Names say what a world is for: which rules are at
//! work in it together.

use crate::script::Op::{Inc, Keyed, Panic, Take, View};
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
const NOTHING: Script = &[];

/// Name, what each client asks, what may go wrong, who settles, and how much of it is explored every day.
type Row = (&'static str, &'static [Script], Budget, Settlers, (usize, usize));

/// All of them, smallest first within what they are for; `flagship` is the one that has a bit of everything.
#[rustfmt::skip] // One world a line.
pub(crate) fn all() -> Vec<(Config, Everyday)> {
    use Settlers::{Both, Last, Own};
    let worlds: &[Row] = &[
        // One call, whatever happens to it.
        ("tiny", &[I0], Budget { cut: 1, deadline: 1, fail: 1, ..NONE }, Own, (99, 1_000)),
        ("one", &[I0_I0], Budget { cut: 1, deadline: 1, fail: 1, late: 1, ..NONE }, Own, (8, 500)),
        ("given-up", &[&[(Panic, 0)], NOTHING], Budget { cut: 1, deadline: 1, fail: 1, ..NONE }, Both, (9, 500)),
        // Appends that fail, land later or never, and who builds on them.
        ("append", &[I0_I0, &[(Inc, 1)]], Budget { crash: 1, fail: 1, late: 1, cut: 1, ..NONE }, Own, (6, 500)),
        ("views", &[I0, &[(View, 0)]], Budget { moves: 1, fail: 1, ..NONE }, Own, (99, 7_000)),
        ("late-views", &[I0_V0, &[(View, 0), (Inc, 0)]], Budget { late: 1, crash: 1, cut: 1, ..NONE }, Own, (6, 500)),
        // Errors are answers, too.
        ("errors", &[&[(Take, 0), (Inc, 0)], I0], Budget { cut: 1, deadline: 1, ..NONE }, Own, (7, 500)),
        ("errors-append", &[&[(Take, 0)], I0], Budget { cut: 1, late: 1, moves: 1, deadline: 1, ..NONE }, Own, (7, 500)),
        // Copies that are refused, and their neighbours.
        ("overload", &[I0_I0], Budget { refuse: 2, cut: 1, deadline: 1, ..NONE }, Own, (9, 500)),
        ("overload-move", &[I0_I0], Budget { refuse: 1, cut: 1, moves: 1, deadline: 1, ..NONE }, Own, (8, 500)),
        // Doubts: settled by whoever asked, by somebody else, by both, or let go.
        ("doubt", &[I0_I0, NOTHING], Budget { cut: 1, deadline: 2, ..NONE }, Both, (7, 500)),
        ("fenced", &[I0_I0, NOTHING], Budget { moves: 1, cut: 1, deadline: 1, ..NONE }, Last, (8, 500)),
        ("dropped", &[I0_I0], Budget { cut: 1, deadline: 1, dropped: 1, ..NONE }, Own, (9, 500)),
        // What is known is freed, by calls on other keys; what is not, is not.
        ("mark", &[&[(Inc, 0), (Inc, 0), (Inc, 1)], NOTHING], Budget { cut: 1, deadline: 1, ..NONE }, Last, (8, 500)),
        ("floor", &[&[(Inc, 0), (Inc, 1), (Inc, 2)]], Budget { cut: 2, deadline: 1, ..NONE }, Own, (7, 500)),
        // A process starts again; a bye frees what it knew.
        ("restart", &[I0_I0], Budget { restart: 1, cut: 1, deadline: 1, ..NONE }, Own, (8, 500)),
        // One idempotency key, two tries.
        ("keyed", &[&[(Keyed, 0)], &[(Keyed, 0)]], Budget { cut: 1, deadline: 1, crash: 1, ..NONE }, Both, (7, 500)),
        // A day passes, what is old is swept, rows are written and the log is cut; nodes' clocks differ.
        ("retention", &[I0], Budget { cut: 1, deadline: 1, sweep: 2, rows: 1, leap: 1, moves: 1, ..NONE }, Own, (8, 500)),
        ("rows", &[I0_I0], Budget { cut: 1, crash: 1, rows: 2, ..NONE }, Own, (9, 500)),
        // A bit of everything.
        ("flagship", &[I0_I0, I0_V0], Budget { crash: 1, cut: 1, moves: 1, deadline: 1, ..NONE }, Own, (5, 500)),
    ];
    let skew = |name: &str| if name == "retention" { [40, -40] } else { [0, 0] };
    let world = |&(name, scripts, faults, settlers, (depth, states_min))| {
        (Config { name, scripts, faults, settlers, window: 2, skew: skew(name) }, Everyday { depth, states_min })
    };
    worlds.iter().map(world).collect()
}
