//! The one place of this crate that reads a clock: tokio's, which stands still in tests.

use tokio::time::Instant;

#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
