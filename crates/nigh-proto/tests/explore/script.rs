//! What can happen in a small world, and which small worlds there are, as plain data.
//!
//! Every fault spends a budget, so that what is explored ends. Nothing here acts: see `explore/world.rs`.

pub(crate) const NODES: u8 = 2;

/// What a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Adds one, answers how many there were.
    Inc,
    /// Takes one, answers how many there were; fails while there is none.
    Take,
    /// Panics.
    Panic,
    /// Has arguments that no method takes.
    Unfit,
    /// Adds one under the world's one idempotency key; with other arguments than all other tries.
    Keyed,
    KeyedOther,
    /// How many there are.
    View,
}

/// How an append that was begun ends; the same as in `world/script.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Heard,
    Failed,
    Unheard,
    Late,
}

/// What an owner says of a copy, whatever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum No {
    Expired,
    Overloaded,
}

/// When a call's deadline passes. That it will is chosen when it is asked, when it does is any later step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Due {
    Soon,
    Later,
    Never,
}

/// One event. Clients, nodes and strays are small numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A client asks the next thing of its script.
    Ask(u8, Due),
    /// Its node takes in the next frame of its link and begins it, or refuses that copy.
    Take(u8),
    Refuse(u8, No),
    /// A client hears the next answer of its link.
    Hear(u8),
    /// Client to node; open calls are sent again.
    Connect(u8, u8),
    Cut(u8),
    /// The first copy that is held is asked again; or all are, at once.
    Retry(u8),
    RetryAll(u8),
    /// The first deadline of a client that ever passes does.
    Deadline(u8),
    /// A client settles what another one (or itself) asked as its n-th.
    Settle(u8, u8, u8),
    /// Somebody lets go of an open call, or of the ticket of a doubt.
    Drop(u8, u8),
    /// A client's process ends, with a bye if it may, and starts again.
    Restart(u8),
    /// What a broken link left behind: the next frame of it comes.
    Stray(u8),
    BeginAppend(u8),
    EndAppend(u8, End),
    /// An append that was given up reaches the store.
    Land(u8),
    /// A node asks whether the epoch is still its own, and hears the answer (R7).
    Confirm(u8),
    Confirmed(u8),
    /// A node's process dies, and starts without the shard.
    Crash(u8),
    /// Whose shard it is takes it up again (R8).
    TakeUp(u8),
    /// The shard is given to the other node; the old one is not told.
    Move,
    Sweep(u8),
    WriteBack(u8),
    /// Clocks of all are set ahead by R, as long as calls are remembered; deadlines do not notice.
    Leap,
}

/// How often each fault may happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    pub(crate) cut: u8,
    pub(crate) crash: u8,
    pub(crate) moves: u8,
    /// An append ends badly: it was not written, or it was and nobody heard.
    pub(crate) fail: u8,
    /// An append is given up and lands later.
    pub(crate) late: u8,
    pub(crate) refuse: u8,
    pub(crate) deadline: u8,
    pub(crate) restart: u8,
    /// A call or a ticket is dropped.
    pub(crate) dropped: u8,
    pub(crate) sweep: u8,
    pub(crate) rows: u8,
    pub(crate) leap: u8,
}

/// Who settles doubts: each once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settlers {
    /// Whoever asked.
    Own,
    /// The last client.
    Last,
    /// Whoever asked, and the last client.
    Both,
}

/// A small world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    pub(crate) name: &'static str,
    /// Of each client what it asks, of which key. One without anything only settles.
    pub(crate) scripts: &'static [&'static [(Op, u8)]],
    pub(crate) faults: Budget,
    pub(crate) settlers: Settlers,
    /// Calls of a script open at once.
    pub(crate) window: usize,
    /// Seconds by which the clocks of nodes differ from those of clients.
    pub(crate) skew: [i64; NODES as usize],
}
