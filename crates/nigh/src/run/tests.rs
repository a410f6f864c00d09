//! A program runs until it is told to stop, whether or not its lines can be written.
//!
//! The program is this test again, told so by an environment variable.

use std::process::{Command, Stdio};

use super::*;

const CHILD: &str = "NIGH_RUN_CHILD";
const THIS: &str = "run::tests::lines_that_cannot_be_written_are_lost_and_nothing_else";

#[expect(clippy::disallowed_methods, reason = "a test has no `Config`, and its child is told no other way")]
fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs, and tells itself to stop until it does: whoever listens is not there from the start.
async fn child() -> Result {
    let _no_signal_kills = signal(SignalKind::terminate()).expect("there are signals");
    let mut ended = std::pin::pin!(until_told(App::new("deaf"), Config::memory()));
    loop {
        tokio::select! {
            biased;
            result = &mut ended => return result,
            () = tokio::task::yield_now() => {}
        }
        let this = std::process::id().to_string();
        Command::new("kill").args(["-TERM", &this]).status().expect("there is `kill`");
    }
}

/// A full disk under the log, or a pipe that nobody reads any more.
#[tokio::test]
async fn lines_that_cannot_be_written_are_lost_and_nothing_else() {
    if is_child() {
        return child().await.expect("it runs and stops");
    }
    let (reader, deaf) = std::io::pipe().expect("a pipe");
    drop(reader);
    for stderr in [Stdio::piped(), deaf.into()] {
        let this = std::env::current_exe().expect("this test is a program");
        let mut command = Command::new(this);
        command.args(["--exact", "--nocapture", THIS]).env(CHILD, "").stderr(stderr);
        let ran = command.output().expect("it starts");
        assert!(ran.status.success(), "{ran:?}");
        assert!(
            String::from_utf8_lossy(&ran.stdout).contains("1 passed"),
            "{THIS} is not this test: {ran:?}"
        );
    }
}
