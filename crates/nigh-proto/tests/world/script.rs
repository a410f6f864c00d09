//! What can happen, as plain data: a script of steps is a test case, prints as Rust, and shrinks.
//!
//! Clients, nodes and keys are small numbers. What is picked (a connection, a ticket, an open call) is counted
//! from the newest, modulo what there is, so that every script means something, and mostly the same when steps
//! before it are taken out. Nothing here acts: see `world.rs`.

use std::fmt;

use proptest::prelude::*;

pub(crate) const CLIENTS: u8 = 2;
pub(crate) const NODES: u8 = 2;
pub(crate) const KEYS: u8 = 2;

/// What a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Adds one, answers how many there were.
    Inc,
    /// Takes one, answers how many there were; fails while there is none.
    Take,
    /// Changes nothing, and commutes.
    Touch,
    /// Panics.
    Panic,
    /// Has arguments that no method takes.
    Unfit,
    /// How many there are.
    View,
    /// Adds one under idempotency key `.0`; if `.1`, with other arguments than the first one.
    Keyed(u8, bool),
    /// Adds one under somebody else's id `.0`, as HTTP does; if `.1`, with other arguments.
    Foreign(u8, bool),
}

/// How an append that was begun ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As it should.
    Heard,
    /// Nothing was written.
    Failed,
    /// Durable, and heard as failed (R9).
    Unheard,
    /// Heard as failed; it may land later, at any [`Step::Land`].
    Late,
}

/// What an owner says of the next copy, whatever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum No {
    NotOwner,
    Expired,
    AskAgain,
    Overloaded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Client, what, key.
    Ask(u8, Kind, u8),
    /// A number is taken for a call that may be started later.
    Reserve(u8, u8),
    /// A reserved call is started, or will never be.
    Begin(u8),
    Release(u8),
    /// A client settles any call that was ever started, by its ticket.
    Settle(u8, u8),
    /// Somebody lets go of an open call, or of the ticket of a doubt.
    Cancel(u8),
    Forget(u8),
    /// A client's process ends, with a bye if it may, and starts again; or it goes on under a fresh id.
    Restart(u8),
    Renew(u8),
    /// Client to node.
    Connect(u8, u8),
    /// A client finds whoever owns the shard; if nobody does, node 0 takes it up.
    Mend(u8),
    Cut(u8),
    /// A client writes so many copies; so many bytes arrive at a node, at a client.
    Write(u8, u8),
    Arrive(u8, u16),
    Hear(u8, u16),
    /// What a broken connection left behind comes at last, all of it, or is lost.
    Stray(u8),
    Lose(u8),
    /// A node begins so many of the copies that it took in.
    Run(u8, u8),
    /// All that a client has to say reaches its node and is run.
    Reach(u8),
    /// Then all is made durable, and all answers are heard.
    Flow(u8),
    /// The next copy that is begun is refused.
    Refuse(No),
    BeginAppend(u8),
    /// The append under way ends; if there is none, one is begun.
    EndAppend(u8, End),
    /// An append that was given up reaches the store.
    Land(u8),
    /// A node asks whether the epoch is still its own, and hears the answer (R7); it asks first if it has not.
    Confirm(u8),
    Confirmed(u8),
    /// A node takes the shard up (R8); the other one is not told.
    TakeUp(u8),
    /// A node's process dies, and starts without the shard.
    Crash(u8),
    Sweep(u8),
    /// A node writes so many rows to the state file and cuts the log.
    WriteBack(u8, u8),
    /// Milliseconds, or hours, pass everywhere.
    Pass(u16),
    Sleep(u8),
    /// Clocks of all are set ahead by so many hours; deadlines do not notice.
    Leap(u8),
    /// Clock of a client, of a node, in seconds off the true time.
    ClientSkew(u8, i16),
    NodeSkew(u8, i16),
}

#[derive(Clone, PartialEq)]
pub(crate) struct Script(pub(crate) Vec<Step>);

/// As a list that can be pasted into a test.
impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[\n")?;
        self.0.iter().try_for_each(|step| writeln!(f, "    {step:?},"))?;
        f.write_str("]")
    }
}

fn plain_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![5 => Just(Kind::Inc), 2 => Just(Kind::Take), 1 => Just(Kind::Touch), 3 => Just(Kind::View)]
}

fn any_kind() -> impl Strategy<Value = Kind> {
    let twisted = || prop::bool::weighted(0.15);
    prop_oneof![
        10 => plain_kind(),
        1 => Just(Kind::Panic),
        1 => Just(Kind::Unfit),
        3 => (0..2u8, twisted()).prop_map(|(n, twist)| Kind::Keyed(n, twist)),
        3 => (0..3u8, twisted()).prop_map(|(n, twist)| Kind::Foreign(n, twist)),
    ]
}

fn asks(kind: impl Strategy<Value = Kind>) -> impl Strategy<Value = Step> {
    (0..CLIENTS, kind, 0..KEYS).prop_map(|(of, kind, key)| Step::Ask(of, kind, key))
}

/// Frames move, methods run, blobs land.
fn progress() -> impl Strategy<Value = Step> {
    let bytes = || prop_oneof![1 => 1..200u16, 2 => Just(u16::MAX)];
    let few = || prop_oneof![2 => 1..3u8, 1 => Just(u8::MAX)];
    prop_oneof![
        6 => (0..CLIENTS, few()).prop_map(|(of, most)| Step::Write(of, most)),
        8 => (0..8u8, bytes()).prop_map(|(conn, most)| Step::Arrive(conn, most)),
        8 => (0..NODES, few()).prop_map(|(node, most)| Step::Run(node, most)),
        6 => (0..CLIENTS, bytes()).prop_map(|(of, most)| Step::Hear(of, most)),
        8 => (0..CLIENTS).prop_map(Step::Reach),
        5 => (0..CLIENTS).prop_map(Step::Flow),
        5 => (0..NODES).prop_map(Step::BeginAppend),
        5 => (0..NODES).prop_map(|node| Step::EndAppend(node, End::Heard)),
        3 => (0..NODES).prop_map(Step::Confirm),
        3 => (0..NODES).prop_map(Step::Confirmed),
        3 => (0..200u16).prop_map(Step::Pass),
        1 => (0..NODES).prop_map(Step::Sweep),
        2 => (0..NODES, 1..6u8).prop_map(|(node, rows)| Step::WriteBack(node, rows)),
    ]
}

/// Links break, owners change, appends end badly: nothing that a call does not survive. Clocks of clients are
/// up to `skew` seconds off, those of nodes a sixth of it: together less than links refuse (R17).
fn mishaps(skew: i16) -> impl Strategy<Value = Step> {
    let end = prop_oneof![Just(End::Failed), Just(End::Unheard), Just(End::Late)];
    let no = prop_oneof![Just(No::NotOwner), Just(No::Expired), Just(No::AskAgain)];
    prop_oneof![
        3 => (0..CLIENTS, 0..NODES).prop_map(|(of, node)| Step::Connect(of, node)),
        8 => (0..CLIENTS).prop_map(Step::Mend),
        3 => (0..CLIENTS).prop_map(Step::Cut),
        5 => (0..4u8).prop_map(Step::Stray),
        1 => (0..8u8).prop_map(Step::Lose),
        2 => no.prop_map(Step::Refuse),
        4 => (0..NODES, end).prop_map(|(node, end)| Step::EndAppend(node, end)),
        4 => (0..2u8).prop_map(Step::Land),
        2 => (0..NODES).prop_map(Step::TakeUp),
        1 => (0..NODES).prop_map(Step::Crash),
        2 => (0..CLIENTS, -skew / 6..=skew / 6).prop_map(|(of, secs)| Step::ClientSkew(of, secs)),
        6 => (0..NODES, -skew..=skew).prop_map(|(node, secs)| Step::NodeSkew(node, secs)),
    ]
}

/// What clients do, and what time does, that ends calls without an answer.
fn ends() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..CLIENTS, 0..24u8).prop_map(|(by, pick)| Step::Settle(by, pick)),
        2 => (0..12u8).prop_map(Step::Cancel),
        1 => (0..12u8).prop_map(Step::Forget),
        1 => (0..CLIENTS, 0..KEYS).prop_map(|(of, key)| Step::Reserve(of, key)),
        1 => (0..4u8).prop_map(Step::Begin),
        1 => (0..4u8).prop_map(Step::Release),
        2 => (0..CLIENTS).prop_map(Step::Restart),
        1 => (0..CLIENTS).prop_map(Step::Renew),
        2 => Just(Step::Refuse(No::Overloaded)),
        2 => (200..900u16).prop_map(Step::Pass),
        1 => prop_oneof![1..24u8, 24..30u8].prop_map(Step::Sleep),
        1 => prop_oneof![1..24u8, 24..30u8].prop_map(Step::Leap),
    ]
}

/// Steps that are seldom met in this order, and with others between them go wrong in most ways.
fn phrase() -> impl Strategy<Value = Vec<Step>> {
    use Step::*;
    let inc = |of, key| Ask(of, Kind::Inc, key);
    (0..CLIENTS, 0..NODES, 0..KEYS, 0..5u8).prop_map(move |(of, node, key, which)| match which {
        // Written, lost, in doubt; the copy is still on its way.
        0 => vec![inc(of, key), Write(of, 9), Cut(of), Pass(700), Mend(of)],
        // The shard moves, and who stays with its old owner reads.
        1 => {
            vec![TakeUp(node), Mend(of), inc(of, key), Flow(of), Ask(1 - of, Kind::View, key), Reach(1 - of)]
        }
        // The log is cut, and a slower clock takes over.
        2 => vec![Flow(of), WriteBack(node, 9), TakeUp(1 - node), Mend(of)],
        // What is a day old is swept.
        3 => vec![Leap(25), Sweep(node), Flow(of), Sweep(node), WriteBack(node, 9), TakeUp(1 - node)],
        // Known at last: the next call says so.
        _ => vec![Settle(of, 0), Flow(of), inc(of, key), Flow(of), Stray(0), Stray(1)],
    })
}

fn flat(phrases: Vec<Vec<Step>>) -> Script {
    Script(phrases.into_iter().flatten().collect())
}

/// Anything in any order.
pub(crate) fn any_script(steps_max: usize) -> impl Strategy<Value = Script> {
    let step = prop_oneof![5 => asks(any_kind()), 14 => progress(), 5 => mishaps(250), 4 => ends()];
    let steps = prop_oneof![24 => step.prop_map(|step| vec![step]), 1 => phrase()];
    prop::collection::vec(steps, 0..steps_max).prop_map(flat)
}

/// Whatever a call must survive inside its deadline.
pub(crate) fn healthy_script(steps_max: usize) -> impl Strategy<Value = Script> {
    let step = prop_oneof![5 => asks(plain_kind()), 14 => progress(), 6 => mishaps(30)];
    prop::collection::vec(step, 0..steps_max).prop_map(Script)
}
