//! What a caller learns: four answers to "did it happen?", and what settling a doubt says.

use std::fmt;
use std::time::Duration;

use crate::{Builder, DecodeError, Node, NodeId, Out, Reader, Ticket, Wire};

/// Why a call did not simply succeed. Exhaustive on purpose: four answers to "did it happen?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError<E = Never> {
    /// Yes: the method ran and returned its own error.
    Failed(E),
    /// No, and it never will: fenced. Retrying is safe.
    NotDone(Cause),
    /// Perhaps: time ran out first. The ticket settles it, from any process, later.
    InDoubt(Ticket),
    /// No: refused before it ran.
    Overloaded {
        /// Ask again no sooner than this.
        retry_after: Duration,
    },
}

impl<E> CallError<E> {
    /// False only where nigh can prove that the method never ran and never will.
    pub fn maybe_done(&self) -> bool {
        match self {
            Self::Failed(_) | Self::InDoubt(_) => true,
            Self::NotDone(_) | Self::Overloaded { .. } => false,
        }
    }
}

impl<E: fmt::Debug> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "done, and the method failed: {error:?}"),
            Self::NotDone(cause) => write!(f, "not done, and never will be: {cause}"),
            Self::InDoubt(ticket) => write!(f, "perhaps done: settle {ticket}"),
            Self::Overloaded { retry_after } => {
                write!(f, "not done: overloaded, ask again after {retry_after:?}")
            }
        }
    }
}
impl<E: fmt::Debug> std::error::Error for CallError<E> {}

/// Why a call was not done, for good.
#[derive(Wire, Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Its time ran out before any copy was sent that could still run.
    Deadline,
    /// A settler fenced it, or a later call of the same caller on the same key ran first.
    Fenced,
    /// The same id, or idempotency key, was used before with other arguments.
    Misuse,
    /// Nobody here offers what was asked for.
    Unknown(String),
    /// What arrived is no value of the method's argument type; says where and what to write.
    Malformed(String),
    /// Caller and owner do not agree on the shapes; names what differs.
    Incompatible(String),
    /// A value in a plan overflowed.
    Arithmetic,
    /// The method panicked; its message.
    Panicked(String),
    /// The method did not come back within `stuck_max`.
    Stuck,
    /// Larger than a limit allows; names the limit.
    TooLarge(String),
    /// The node has stopped, or the caller has.
    Stopped,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadline => f.write_str("its deadline passed before it could run"),
            Self::Fenced => f.write_str("it was settled as not done, or overtaken, before it arrived"),
            Self::Misuse => f.write_str("its id or idempotency key was used before with other arguments"),
            Self::Unknown(what) => write!(f, "nobody offers {what}"),
            Self::Malformed(why) => write!(f, "malformed: {why}"),
            Self::Incompatible(why) => write!(f, "incompatible: {why}"),
            Self::Arithmetic => f.write_str("arithmetic overflow"),
            Self::Panicked(message) => write!(f, "the method panicked: {message}"),
            Self::Stuck => f.write_str("the method did not return in time and its node was stopped"),
            Self::TooLarge(limit) => write!(f, "too large: {limit}"),
            Self::Stopped => f.write_str("the node has stopped"),
        }
    }
}

/// The verdict on a call in doubt, the same for everyone who asks, for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled<T, E = Never> {
    /// It ran and returned this.
    Done(T),
    /// It ran and failed with this.
    Failed(E),
    /// It did not run and never will: fenced.
    NotDone,
    /// A plan that ended half way: these steps are done, the rest never runs.
    Stopped {
        /// Steps that took effect.
        done: Vec<Step>,
        /// The error that ended it, if one did.
        failed: Option<E>,
    },
    /// It will not run from now on; whether it did is no longer known.
    Forgotten,
    /// Its owner keeps no records: a service call, or one that commutes.
    NoRecord,
}

impl<T, E> Settled<T, E> {
    /// True if it took effect, as far as anybody knows.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }
}

/// One step of a plan. Opaque until plans exist.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {}

/// Settling itself did not work: ask again with the same ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotSettled {
    /// Why.
    pub cause: NotSettledCause,
}

/// Why a ticket could not be settled now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotSettledCause {
    /// The owner did not answer in time.
    Deadline,
    /// Settling can destroy a call: it needs the right to make it.
    Forbidden,
    /// The ticket is of another method or type than was asked for, or unknown here.
    Misuse,
}

impl fmt::Display for NotSettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.cause {
            NotSettledCause::Deadline => "still in doubt: the owner did not answer in time, ask again",
            NotSettledCause::Forbidden => "still in doubt: settling needs the right to make the call",
            NotSettledCause::Misuse => "not settled: the ticket is of another method or type",
        })
    }
}
impl std::error::Error for NotSettled {}

/// The error of a call that cannot fail. `let Ok(x) = result;` is irrefutable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Never {}

impl fmt::Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}
impl std::error::Error for Never {}
impl From<Never> for String {
    fn from(never: Never) -> Self {
        match never {}
    }
}
impl Wire for Never {
    const MIN: usize = 1;
    type Shape = crate::wire::Plain;
    fn node(b: &mut Builder) -> NodeId {
        b.define::<Self>(|_| Node::Enum { variants: vec![] })
    }
    fn encode(&self, _: &mut Out) {
        match *self {}
    }
    fn decode(_: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Err(DecodeError::Variant)
    }
}

/// Which of two calls in a row failed. Here for plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Or<A, B> {
    /// The first one.
    First(A),
    /// The one after it.
    Then(B),
}

impl<A, B> Or<A, B> {
    /// One error type that knows both.
    pub fn merge<E: From<A> + From<B>>(self) -> E {
        match self {
            Or::First(a) => a.into(),
            Or::Then(b) => b.into(),
        }
    }
}
