//! Programs that others wrote, as children of this process: found, started, and gone when this process is.
//!
//! Two things end them: [`Server`] when it is dropped, and the kernel when this process dies of anything else
//! (`setpriv --pdeathsig`). The signal follows the thread that started them, which is the main one here.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::Trouble;

/// How long a server may take until it answers, also after it was killed and has to recover.
const START_MAX: Duration = Duration::from_secs(60);
/// Between two looks whether it answers.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The program, on the path or in one of these folders.
pub fn find(name: &str, folders: &[PathBuf]) -> Result<PathBuf, Trouble> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).chain(folders.iter().cloned()).map(|folder| folder.join(name));
    found.into_iter().find(|path| path.is_file()).ok_or_else(|| Trouble::Absent(format!("{name} not found")))
}

/// True if this process is root.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

/// Runs it to its end and returns what it printed.
pub fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name}: {}: {}", output.status, said.trim().lines().last().unwrap_or("it said nothing")))
}

/// A command that runs `program` as `user` (as whoever this is, if none), and that dies with this process.
pub fn bound_to_us(program: &Path, user: Option<&str>, signal: &str) -> Result<Command, Trouble> {
    let mut command = Command::new(find("setpriv", &[])?);
    if let Some(user) = user {
        command.arg(format!("--reuid={user}")).arg(format!("--regid={user}")).arg("--init-groups");
    }
    command.arg(format!("--pdeathsig={signal}")).arg("--").arg(program);
    Ok(command)
}

/// A port of the loopback that nobody has.
pub fn free_port() -> Result<u16, String> {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    port.map(|address| address.port()).map_err(|error| format!("no free port: {error}"))
}

/// A server that was started here. Dropped, it ends.
#[derive(Debug)]
pub struct Server {
    child: Child,
}

impl Server {
    /// Starts it, its words into `log`, and waits until `answers`.
    pub fn start(command: &mut Command, log: &Path, answers: impl Fn() -> bool) -> Result<Self, Trouble> {
        let name = log.file_name().unwrap_or_default().to_string_lossy();
        let absent = |why: String| Trouble::Absent(format!("{why}; see {name} beside the data"));
        let words = fs::File::create(log).map_err(|error| absent(error.to_string()))?;
        let errors = words.try_clone().map_err(|error| absent(error.to_string()))?;
        let child = command.stdin(Stdio::null()).stdout(words).stderr(errors).spawn();
        let mut server = Server { child: child.map_err(|error| absent(error.to_string()))? };
        let begun = Instant::now();
        while !answers() {
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(absent(format!("it did not start: {status}")));
            }
            if begun.elapsed() > START_MAX {
                return Err(absent(format!("it did not answer in {START_MAX:?}")));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(server)
    }

    /// Asks it to end, with a command of its own, and waits. Dropping it does without asking.
    pub fn stop(mut self, ask: &mut Command) {
        if output(ask).is_ok() {
            let _ = self.child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_absent_by_name() {
        let found = find("no-such-program", &[PathBuf::from("/nowhere")]);
        assert!(matches!(found, Err(Trouble::Absent(why)) if why == "no-such-program not found"));
        assert!(find("sh", &[]).is_ok());
    }

    #[test]
    fn a_server_that_ends_at_once_is_absent() {
        let log = std::env::temp_dir().join(format!("bench-children-{}", std::process::id()));
        let started = Server::start(&mut Command::new("false"), &log, || false);
        assert!(matches!(started, Err(Trouble::Absent(why)) if why.starts_with("it did not start")));
        let _ = fs::remove_file(log);
    }
}
