//! Why a link ends, sorted by what to do about it.

use std::fmt;
use std::time::Duration;

use nigh_wire::WireHash;

use super::CLOCK_SKEW_MAX;

/// Why a link ended. It is never used again; its calls go on over the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkError {
    /// What came is not what a nigh process writes: close, and report it; connecting again may help.
    PeerMisbehaved(Misbehaviour),
    /// Both ends are sound, and not made for each other: deploy, do not connect again soon.
    Incompatible {
        /// What differs: version, application, shards or contracts.
        what: Differs,
        /// Of this end.
        ours: String,
        /// Of the peer.
        theirs: String,
    },
    /// Clocks too far apart for births to be believed (R17): set the clocks.
    ClockSkew {
        /// How far.
        apart: Duration,
        /// True if the peer's is ahead.
        peer_ahead: bool,
    },
    /// Nothing was heard for the idle timeout: lost. Connect again.
    Silent {
        /// For how long.
        silence: Duration,
    },
}

/// What a peer did that it must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// A frame whose bytes are none.
    Malformed(nigh_wire::DecodeError),
    /// A frame longer than allowed, in bytes.
    TooLong {
        /// As it says.
        length: usize,
        /// As allowed.
        most: usize,
    },
    /// Something else before its hello.
    NoHello,
    /// A second hello.
    SecondHello,
    /// An ask in a slot not above its last.
    SlotReused,
    /// An answer to another kind of question than it was asked.
    Misfit,
}

/// In what two processes differ that cannot be linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Differs {
    /// Version of the link's layout.
    Version,
    /// Name of the application.
    App,
    /// Number of shards.
    Shards,
    /// Digest of all contracts.
    Digest,
}

/// How a digest is named to people: all its bytes, as hexadecimal.
pub(super) fn shown(digest: &WireHash) -> String {
    digest.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl LinkError {
    /// True if connecting again at once may work; else something must be deployed or set first.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::PeerMisbehaved(_) | Self::Silent { .. } => true,
            Self::Incompatible { .. } | Self::ClockSkew { .. } => false,
        }
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerMisbehaved(why) => {
                write!(
                    f,
                    "the peer broke the protocol: {why}; check that it is a nigh process of this version"
                )
            }
            Self::Incompatible { what, ours, theirs } => {
                write!(f, "{what} differ: ours {ours}, the peer's {theirs}; {}", what.advice())
            }
            Self::ClockSkew { apart, peer_ahead } => {
                let side = if *peer_ahead { "ahead of" } else { "behind" };
                write!(
                    f,
                    "the peer's clock is {apart:?} {side} ours, more than {CLOCK_SKEW_MAX:?}: set both by NTP"
                )
            }
            Self::Silent { silence } => {
                write!(f, "nothing heard for {silence:?}: the link is lost, connect again")
            }
        }
    }
}
impl std::error::Error for LinkError {}

impl fmt::Display for Misbehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "a frame is malformed ({why})"),
            Self::TooLong { length, most } => write!(f, "a frame of {length} bytes, at most {most}"),
            Self::NoHello => f.write_str("it spoke before its hello"),
            Self::SecondHello => f.write_str("it said hello twice"),
            Self::SlotReused => f.write_str("it asked in a slot not above its last"),
            Self::Misfit => f.write_str("it answered another kind of question than it was asked"),
        }
    }
}

impl Differs {
    fn advice(self) -> &'static str {
        match self {
            Self::Version => "run the same version of nigh on both ends",
            Self::App => "it is another application: check the address",
            Self::Shards => "the number of shards is set once, at creation: give both the same",
            Self::Digest => "deploy the same contracts on both ends",
        }
    }
}

impl fmt::Display for Differs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "link versions",
            Self::App => "applications",
            Self::Shards => "numbers of shards",
            Self::Digest => "contract digests",
        })
    }
}
