//! The one place that ends the process from within: when what is in memory may no longer be believed, or a
//! thread cannot be had back. Callers of this process resend to the next one, under the same ids (R9).

/// Exit status of a process whose store failed: sysexits' `EX_IOERR`.
pub(crate) const EXIT_STORE: i32 = 74;
/// Exit status of a process that a method was stuck in: sysexits' `EX_SOFTWARE`.
pub(crate) const EXIT_STUCK: i32 = 70;

/// Says why, also where nobody subscribed to log lines, and ends.
#[expect(clippy::disallowed_methods, reason = "no destructor may write what is not to be believed")]
pub(crate) fn end_process(why: &str, status: i32) -> ! {
    tracing::error!("{why}");
    eprintln!("nigh: {why}: the process ends");
    std::process::exit(status)
}
