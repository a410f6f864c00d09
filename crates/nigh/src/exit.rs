//! The one place that ends the process from within: when what is in memory may no longer be believed, or a
//! thread cannot be had back. Callers of this process resend to the next one, under the same ids (R9).

use std::io::Write;

/// Exit status of a process whose store failed: sysexits' `EX_IOERR`.
pub(crate) const EXIT_STORE: i32 = 74;
/// Exit status of a process that a method was stuck in: sysexits' `EX_SOFTWARE`.
pub(crate) const EXIT_STUCK: i32 = 70;

/// Says why, also where nobody subscribed to log lines, and ends. It ends also if nobody can be told: lines may go to
/// the very disk that failed, or into a pipe that nobody reads any more, and a thread that panicked over that would
/// leave a process that answers nobody and is not started again.
#[expect(clippy::disallowed_methods, reason = "no destructor may write what is not to be believed")]
pub(crate) fn end_process(why: &str, status: i32) -> ! {
    // A subscriber is the program's own, and may panic.
    let _ = std::panic::catch_unwind(|| tracing::error!("{why}"));
    #[rustfmt::skip]
    let _ = writeln!(std::io::stderr(), "nigh: {why}: the process ends"); // mutant end-must-be-told: let _ = { eprintln!("nigh: {why}: the process ends"); std::io::Result::Ok(()) };
    std::process::exit(status)
}
