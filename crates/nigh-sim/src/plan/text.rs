//! A plan as text: `350ms crash 1 down 80ms, 400ms cut 0 2 for 1s`. Nothing is lost either way.
//!
//! A duration is a whole number of its largest fitting unit.

use std::fmt::{self, Display, Formatter};
use std::str::{FromStr, SplitWhitespace};
use std::time::Duration;

use super::{Fault, Kind, Left, Planned};

/// Largest first.
const UNITS: [(&str, u128); 4] = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];

/// A duration as `80ms`.
pub(super) struct Span(pub(super) Duration);

impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let fits = |(_, size): &&(&str, u128)| nanos.is_multiple_of(*size);
        let (unit, size) = UNITS.iter().find(fits).expect("each is a number of nanoseconds");
        write!(f, "{}{unit}", nanos / size)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no duration: write `80ms`, with s, ms, us or ns");
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(digits);
        let (_, size) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let nanos = number.parse::<u128>().ok().and_then(|n| n.checked_mul(*size)).ok_or_else(wrong)?;
        let seconds = u64::try_from(nanos / 1_000_000_000).map_err(|_| wrong())?;
        let rest = u32::try_from(nanos % 1_000_000_000).expect("less than a second");
        Ok(Span(Duration::new(seconds, rest)))
    }
}

impl Display for Planned {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Span(self.at), self.fault)
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = self.kind().name();
        match self {
            Fault::Crash { node, down } => write!(f, "{kind} {node} down {}", Span(*down)),
            Fault::Recrash { node, down, after } => {
                write!(f, "{kind} {node} down {} after {}", Span(*down), Span(*after))
            }
            Fault::Pause { node, for_ } => write!(f, "{kind} {node} for {}", Span(*for_)),
            Fault::Cut { from, to, for_ } | Fault::HalfOpen { from, to, for_ } => {
                write!(f, "{kind} {from} {to} for {}", Span(*for_))
            }
            Fault::CutBoth { a, b, for_ } => write!(f, "{kind} {a} {b} for {}", Span(*for_)),
            Fault::Lose { a, b, left: Left::Never } => write!(f, "{kind} {a} {b} never"),
            Fault::Lose { a, b, left: Left::Later(later) } => {
                write!(f, "{kind} {a} {b} later {}", Span(*later))
            }
            Fault::SlowLink { a, b, by, for_ } => {
                write!(f, "{kind} {a} {b} by {} for {}", Span(*by), Span(*for_))
            }
            Fault::SyncSlow { node, by, for_ } => {
                write!(f, "{kind} {node} by {} for {}", Span(*by), Span(*for_))
            }
            Fault::SyncFails { node } | Fault::SyncNever { node } => write!(f, "{kind} {node}"),
            Fault::Skew { node, by_ms } | Fault::Leap { node, by_ms } => write!(f, "{kind} {node} {by_ms}"),
            Fault::ServiceDown { service, for_ } => write!(f, "{kind} {service} for {}", Span(*for_)),
            Fault::Move { to } => write!(f, "{kind} {to}"),
        }
    }
}

/// The words of one fault, taken from the front.
struct Words<'a>(SplitWhitespace<'a>);

impl Words<'_> {
    fn next<T: FromStr>(&mut self, what: &str) -> Result<T, String> {
        let word = self.0.next().ok_or_else(|| format!("{what} is missing"))?;
        word.parse().map_err(|_| format!("`{word}` is no {what}"))
    }

    fn node(&mut self) -> Result<u16, String> {
        self.next("node")
    }

    /// A duration after its word.
    fn after(&mut self, word: &str) -> Result<Duration, String> {
        match self.0.next() {
            Some(found) if found == word => self.span(),
            found => Err(format!("`{word}` is missing before `{}`", found.unwrap_or("the end"))),
        }
    }

    fn span(&mut self) -> Result<Duration, String> {
        let word = self.0.next().ok_or("a duration is missing")?;
        Ok(word.parse::<Span>()?.0)
    }

    fn left(&mut self) -> Result<Left, String> {
        match self.0.next() {
            Some("never") => Ok(Left::Never),
            Some("later") => Ok(Left::Later(self.span()?)),
            _ => Err("frames under way arrive `never` or `later 5ms`".into()),
        }
    }
}

impl FromStr for Planned {
    type Err = String;

    /// `350ms crash 1 down 80ms`. The error says what is wrong with which fault.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = Words(text.split_whitespace());
        let planned = words.span().and_then(|at| Ok(Planned { at, fault: fault(&mut words)? }));
        let more = words.0.next().map(|word| format!("`{word}` is too much"));
        match (planned, more) {
            (Ok(planned), None) => Ok(planned),
            (Err(why), _) | (Ok(_), Some(why)) => Err(format!("fault `{}`: {why}", text.trim())),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    /// `crash 1 down 80ms`.
    fn from_str(text: &str) -> Result<Self, String> {
        format!("0s {text}").parse::<Planned>().map(|planned| planned.fault)
    }
}

fn fault(words: &mut Words<'_>) -> Result<Fault, String> {
    let name: String = words.next("kind of fault")?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
    Ok(match kind.ok_or_else(|| format!("there is no kind `{name}`"))? {
        Kind::Crash => Fault::Crash { node: words.node()?, down: words.after("down")? },
        Kind::Recrash => {
            Fault::Recrash { node: words.node()?, down: words.after("down")?, after: words.after("after")? }
        }
        Kind::Pause => Fault::Pause { node: words.node()?, for_: words.after("for")? },
        Kind::Cut => Fault::Cut { from: words.node()?, to: words.node()?, for_: words.after("for")? },
        Kind::CutBoth => Fault::CutBoth { a: words.node()?, b: words.node()?, for_: words.after("for")? },
        Kind::Lose => Fault::Lose { a: words.node()?, b: words.node()?, left: words.left()? },
        Kind::HalfOpen => {
            Fault::HalfOpen { from: words.node()?, to: words.node()?, for_: words.after("for")? }
        }
        Kind::SlowLink => Fault::SlowLink {
            a: words.node()?,
            b: words.node()?,
            by: words.after("by")?,
            for_: words.after("for")?,
        },
        Kind::SyncSlow => {
            Fault::SyncSlow { node: words.node()?, by: words.after("by")?, for_: words.after("for")? }
        }
        Kind::SyncFails => Fault::SyncFails { node: words.node()? },
        Kind::SyncNever => Fault::SyncNever { node: words.node()? },
        Kind::Skew => Fault::Skew { node: words.node()?, by_ms: words.next("number of ms")? },
        Kind::Leap => Fault::Leap { node: words.node()?, by_ms: words.next("number of ms")? },
        Kind::ServiceDown => {
            Fault::ServiceDown { service: words.next("service")?, for_: words.after("for")? }
        }
        Kind::Move => Fault::Move { to: words.node()? },
    })
}
