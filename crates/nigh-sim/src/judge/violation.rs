//! What a judge says: which promise was broken, when, and the two facts that do not go together.

use std::fmt;

use nigh_proto::Instant;
use nigh_proto::shards::record::RanOutcome;

/// A promise that a judge looks after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judgement {
    /// What a caller was told happened is in the durable log as it was told; what it was told did not, is not.
    Honest,
    /// What was told not done, overloaded or forgotten does not run from then on.
    Never,
    /// An id has one fate: one run, one tombstone, or one repeated answer.
    Once,
    /// All tries under one idempotency key are one call, for as long as the key is remembered (R12).
    Keyed,
    /// Among the ordered calls of a caller on a key, numbers rise (R10).
    Order,
    /// A view shows no less of its key than anybody had been shown before it was asked.
    RealTime,
    /// Run again at its place in the log, a method gives the recorded answer and change.
    Code,
    /// The changes of the log, applied one by one, give what the methods made.
    Fold,
    /// A view shows a state of the log: durable, and the one that its version names.
    View,
    /// All who ask of a call are told the same, for ever.
    Agreed,
    /// A record is freed only when its caller knows the answer, or by age (R14, R15, R16).
    Freed,
    /// What its caller knows is not remembered for ever (R14).
    Bounded,
    /// What runs is neither too old nor from the future (R16, R17).
    Age,
    /// Every record is of something that was asked.
    Asked,
    /// Places have no gaps and no overlaps; epochs and log time never fall (R8, R16).
    Log,
    /// Whoever takes a shard up has all that was durable, and nothing else; so have owners at the end.
    Recovered,
    /// Once faults have stopped, everything is answered.
    Answered,
    /// A method is what it says of itself: it commutes, or it only reads.
    Claim,
    /// What was asked is what came of it, as callers count and as callees do.
    Ledger,
    /// The judge itself was told something that cannot be, such as an answer to nothing.
    Fed,
}

impl Judgement {
    /// As it stands in a report.
    pub fn name(self) -> &'static str {
        match self {
            Judgement::Honest => "honest outcomes",
            Judgement::Never => "never from then on",
            Judgement::Once => "at most once",
            Judgement::Keyed => "one call per idempotency key",
            Judgement::Order => "order per caller and key",
            Judgement::RealTime => "real time",
            Judgement::Code => "the log is what the code does",
            Judgement::Fold => "the log folds to the state",
            Judgement::View => "views show the log",
            Judgement::Agreed => "verdicts agree",
            Judgement::Freed => "nothing is freed too early",
            Judgement::Bounded => "what is known is freed",
            Judgement::Age => "age",
            Judgement::Asked => "only what was asked",
            Judgement::Log => "the log has one line",
            Judgement::Recovered => "recovered is what was durable",
            Judgement::Answered => "everything is answered",
            Judgement::Claim => "delivery claims",
            Judgement::Ledger => "the ledger of calls balances",
            Judgement::Fed => "the judge was misled",
        }
    }
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub judgement: Judgement,
    /// When that was noticed.
    pub at: Instant,
    /// Which call, which key, and both facts.
    pub sentence: String,
}

impl Violation {
    pub(super) fn new(judgement: Judgement, at: Instant, sentence: impl Into<String>) -> Self {
        Violation { judgement, at, sentence: sentence.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at {}: {}", self.judgement.name(), Moment(self.at), self.sentence)
    }
}

impl std::error::Error for Violation {}

/// A moment of the run, in seconds.
pub(super) struct Moment(pub(super) Instant);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        write!(f, "{}.{:06} s", nanos / 1_000_000_000, nanos % 1_000_000_000 / 1000)
    }
}

/// Bytes: as text if they are, else in hexadecimal.
pub(super) struct Show<'a>(pub(super) &'a [u8]);

/// More than this many bytes are cut.
const SHOWN_SIZE_MAX: usize = 64;

impl fmt::Display for Show<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(SHOWN_SIZE_MAX)];
        if !shown.is_empty() && shown.iter().all(|byte| (b' '..=b'~').contains(byte)) {
            write!(f, "\"{}\"", shown.escape_ascii())?;
        } else {
            f.write_str("0x")?;
            shown.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        }
        if shown.len() < self.0.len() {
            write!(f, "… ({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}

/// What a method returned.
pub(super) struct Returned<'a>(pub(super) &'a RanOutcome);

impl fmt::Display for Returned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            RanOutcome::Ok(value) => write!(f, "Ok({})", Show(value)),
            RanOutcome::Err(error) => write!(f, "Err({})", Show(error)),
        }
    }
}
