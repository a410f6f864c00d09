//! (c) Redis: `redis-benchmark` of its own, SET, 50 connections, one request each at a time.
//!
//! Every batch of requests is synced before it is answered (`appendonly yes`, `appendfsync always`). No snapshot and no
//! rewrite of its file falls into a run. It starts when first needed, stays up over all rounds, and leaves no file.

use std::cell::OnceCell;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::children::{Server, bound_to_us, find, free_port, output};
use crate::harness::{Measured, P50, P99, Ran, Trouble};

/// Connections.
pub const CLIENTS: usize = 50;
/// Bytes of a value; the key has 16 more.
const VALUE_SIZE: usize = 200;
/// Keys are drawn from so many: 30 MB of memory.
const KEYS: usize = 100_000;
/// Requests before it is measured; their rate says how many fill [`SPAN`].
const WARM_UP: usize = 50_000;
/// What is measured takes about so long, as the peer's of PostgreSQL does.
const SPAN: Duration = Duration::from_secs(3);

/// A server that starts when it is first needed.
#[derive(Debug)]
pub struct Redis {
    dir: PathBuf,
    running: OnceCell<Result<Running, String>>,
}

#[derive(Debug)]
struct Running {
    _server: Server,
    benchmark: PathBuf,
    port: u16,
    dir: PathBuf,
}

/// What `redis-benchmark` said.
#[derive(Debug, PartialEq)]
struct Said {
    rate: f64,
    p50_ms: f64,
    p99_ms: f64,
}

impl Redis {
    /// Its file will be below this folder.
    pub fn below(folder: &Path) -> Self {
        Redis { dir: folder.join("redis"), running: OnceCell::new() }
    }

    /// SETs, each durable when it is answered.
    pub fn sets(&self) -> Ran {
        let running = self.running.get_or_init(|| Running::start(&self.dir));
        let running = running.as_ref().map_err(|why| Trouble::Absent(why.clone()))?;
        let before = running.sets(WARM_UP)?;
        let count = (before.rate * SPAN.as_secs_f64()) as usize;
        let said = running.sets(count)?;
        let took = Duration::from_secs_f64(count as f64 / said.rate);
        let measured = Measured::new(count as u64, took);
        Ok(measured.with(P50, said.p50_ms * 1000.0).with(P99, said.p99_ms * 1000.0))
    }
}

impl Running {
    fn start(dir: &Path) -> Result<Self, String> {
        Self::try_start(dir).map_err(|trouble| match trouble {
            Trouble::Absent(why) | Trouble::Failed(why) => format!("Redis: {why}"),
        })
    }

    fn try_start(dir: &Path) -> Result<Self, Trouble> {
        let program = find("redis-server", &[])?;
        let benchmark = find("redis-benchmark", &[])?;
        let _ = fs::remove_dir_all(dir);
        fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let port = free_port()?;
        let mut command = bound_to_us(&program, None, "KILL")?;
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--daemonize", "no"]);
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
        command.args(["--auto-aof-rewrite-percentage", "0"]).arg("--dir").arg(dir);
        let log = dir.with_extension("log");
        let answers = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        let server = Server::start(&mut command, &log, answers)?;
        Ok(Running { _server: server, benchmark, port, dir: dir.to_owned() })
    }

    fn sets(&self, count: usize) -> Result<Said, String> {
        let mut command = Command::new(&self.benchmark);
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-t", "set", "-P", "1", "--csv"]);
        for (flag, number) in [("-d", VALUE_SIZE), ("-c", CLIENTS), ("-r", KEYS), ("-n", count)] {
            command.arg(flag).arg(number.to_string());
        }
        let said = output(&mut command)?;
        read(&said).ok_or_else(|| format!("redis-benchmark: no SET in {said:?}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// `"SET","57803.47","0.812","0.216","0.799","1.007","1.359","3.255"`: rate, then ms: mean, min, p50, p95, p99, max.
fn read(said: &str) -> Option<Said> {
    let line = said.lines().find(|line| line.starts_with("\"SET\""))?;
    let number = |at: usize| line.split(',').nth(at)?.trim_matches('"').parse().ok();
    Some(Said { rate: number(1)?, p50_ms: number(4)?, p99_ms: number(6)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_set_is_read() {
        let said = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\"p95_latency_ms\",\
                    \"p99_latency_ms\",\"max_latency_ms\"\n\
                    \"SET\",\"57803.47\",\"0.812\",\"0.216\",\"0.799\",\"1.007\",\"1.359\",\"3.255\"\n";
        assert_eq!(read(said), Some(Said { rate: 57803.47, p50_ms: 0.799, p99_ms: 1.359 }));
        assert_eq!(read("Could not connect"), None);
    }
}
