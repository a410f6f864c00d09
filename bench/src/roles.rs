//! This program again, in another process: for whatever must not share this one, or must be killed.
//!
//! The child says one line when it is ready or done, and then waits to be killed, or serves; it ends by itself with
//! the process that started it. What each role does stands where it belongs.

use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};

use crate::neighbours;
use crate::peers;
use crate::stores;
use crate::subjects;

/// First argument of a process that plays a role.
pub const SERVE: &str = "serve";

/// Plays a role until its standard input ends, which it does with the process that started it.
pub fn serve(args: &[String]) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be built at start");
    std::thread::spawn(|| {
        let mut line = String::new();
        // Whatever comes, even an error, means that nobody waits for this process any more.
        let _ = std::io::stdin().read_line(&mut line);
        std::process::exit(0);
    });
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let served = match words.as_slice() {
        ["echo"] => runtime.block_on(peers::echo_server()),
        ["link"] => runtime.block_on(subjects::serve_link()),
        ["neighbours", rest @ ..] => runtime.block_on(neighbours::serve(rest)),
        ["store", rest @ ..] => runtime.block_on(stores::serve(rest)),
        _ => Err(format!("nothing serves as {words:?}")),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: serve {}: {error}", words.join(" "));
            ExitCode::FAILURE
        }
    }
}

/// Tells the process that started this one.
pub fn say(line: impl Display) -> Result<(), String> {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(|error| error.to_string())
}

/// A process that plays a role. Dropped, it is killed.
#[derive(Debug)]
pub struct Role {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// What it said first.
    pub said: String,
}

impl Role {
    /// Starts it, and waits until it says something.
    pub fn start(words: &[&str]) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("serve {}: {error}", words[0]);
        let program = std::env::current_exe().map_err(told)?;
        let mut command = Command::new(program);
        command.arg(SERVE).args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(told)?;
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut role = Role { child, stdout, said: String::new() };
        role.said = role.next_line()?;
        if role.said.is_empty() { Err(format!("serve {}: it failed", words.join(" "))) } else { Ok(role) }
    }

    /// What it says next; nothing if it has ended.
    pub fn next_line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).map_err(|error| error.to_string())?;
        line.truncate(line.trim_end().len());
        Ok(line)
    }

    /// Waits until it ends by itself, and gives its exit status.
    pub fn ended(&mut self) -> Result<Option<i32>, String> {
        // Its standard input stays open: without that it would end early. `Child::wait` closes what it has.
        let stdin = self.child.stdin.take();
        let status = self.child.wait().map_err(|error| error.to_string())?;
        drop(stdin);
        Ok(status.code())
    }

    /// What it said, as numbers.
    pub fn numbers<const N: usize>(&self) -> Result<[f64; N], String> {
        let numbers: Vec<f64> = self.said.split(' ').filter_map(|word| word.parse().ok()).collect();
        numbers.try_into().map_err(|_| format!("a child said {:?}, not {N} numbers", self.said))
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        // Ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
