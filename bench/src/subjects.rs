//! The side of nigh: each subject is a function with a fixed signature, or is not there.

use std::path::Path;
use std::time::Duration;

use crate::harness::Measured;

/// What a subject says of one run.
pub type Ran = Result<Measured, String>;

/// What of nigh can be measured. `None` leaves it out of the output.
pub struct Subjects {
    /// (a) One caller asks a service of its own process for `(u64, 32-byte string)`, and gets it back.
    pub local_call: Option<fn(Duration) -> Ran>,
    /// (b) So many callers, each with its own key, ask an entity for a small change, embedded, on a fresh
    /// store below this directory. `Measured::group` is calls ÷ groups that were synced.
    pub durable_call: Option<fn(&Path, usize, Duration) -> Ran>,
    /// (c) So many callers ask a service of another process for the same as (a), over one TCP link. The other
    /// process is this program again: `peers::ServeChild::start`.
    pub link_call: Option<fn(usize, Duration) -> Ran>,
}

/// What is built so far.
pub const SUBJECTS: Subjects = Subjects { local_call: None, durable_call: None, link_call: None };
