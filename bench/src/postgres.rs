//! (b) PostgreSQL: `pgbench` of its own, built-in `simple-update`, prepared.
//!
//! What a commit waits for is at its defaults (`fsync`, `synchronous_commit` and `full_page_writes` on). Everything
//! else is set in its favour: all tables fit its buffers, no checkpoint and no vacuum falls into a run, clients come
//! by Unix socket, it is warmed up before it is measured, and it stays up over all rounds, idle while others run.
//! One transaction updates a row of about 100 bytes, reads it, and inserts one of 50 into a history without index.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::children::{Server, bound_to_us, find, is_root, output};
use crate::harness::{Measured, Ran, Trouble};

/// 100,000 accounts each: 6.4 million, so that no two of 64 clients want the same row; 1 GB on disk.
const SCALE: usize = 64;
/// Seconds before anything is measured: pages are read, and logged whole for the first time.
const WARM_UP_S: u64 = 15;
/// Seconds of one measurement; `pgbench` counts in whole ones.
const SPAN_S: u64 = 3;
/// Who may not be root for `postgres`, and who asks it.
const USER: &str = "postgres";
const SETTINGS: [&str; 7] = [
    "listen_addresses=",
    "shared_buffers=1500MB",
    "checkpoint_timeout=1d",
    "max_wal_size=16GB",
    "min_wal_size=1GB",
    "autovacuum=off",
    "bgwriter_lru_maxpages=0",
];

/// A server that starts when it is first needed.
#[derive(Debug)]
pub struct Postgres {
    dir: PathBuf,
    running: OnceCell<Result<Running, String>>,
}

#[derive(Debug)]
struct Running {
    server: Option<Server>,
    bin: PathBuf,
    data: PathBuf,
    sockets: PathBuf,
}

impl Postgres {
    /// Its files will be below this folder. They are kept: filling them takes a minute.
    pub fn below(folder: &Path) -> Self {
        Postgres { dir: folder.join("postgres"), running: OnceCell::new() }
    }

    /// So many clients of one `pgbench`, a transaction each call.
    pub fn simple_update(&self, clients: usize) -> Ran {
        let running = self.running.get_or_init(|| Running::start(&self.dir));
        let running = running.as_ref().map_err(|why| Trouble::Absent(why.clone()))?;
        let said = running.pgbench(clients, SPAN_S, true)?;
        let rate = tps(&said).ok_or_else(|| format!("pgbench: no `tps` in {said:?}"))?;
        let count = (rate * SPAN_S as f64) as u64;
        Ok(Measured::new(count, Duration::from_secs(SPAN_S)))
    }
}

impl Running {
    fn start(dir: &Path) -> Result<Self, String> {
        Self::try_start(dir).map_err(|trouble| match trouble {
            Trouble::Absent(why) | Trouble::Failed(why) => format!("PostgreSQL: {why}"),
        })
    }

    fn try_start(dir: &Path) -> Result<Self, Trouble> {
        let postgres = find("postgres", &folders())?;
        // What stands on the path may be a link to it, without those that belong to it.
        let postgres = fs::canonicalize(&postgres).unwrap_or(postgres);
        let bin = postgres.parent().expect("a program found is in a folder").to_owned();
        let failed = |error: std::io::Error| Trouble::Failed(format!("{}: {error}", dir.display()));
        fs::create_dir_all(dir).map_err(failed)?;
        let sockets = sockets(dir);
        fs::create_dir_all(&sockets).map_err(failed)?;
        let mut running = Running { server: None, bin, data: dir.join("data"), sockets };
        if is_root() {
            output(Command::new("chown").arg(USER).args([dir, &running.sockets]))?;
        }
        let filled = dir.join(format!("filled-{SCALE}"));
        if !filled.exists() {
            // One that was not filled to its end is of no use.
            let _ = fs::remove_dir_all(&running.data);
            println!("making PostgreSQL's tables: {SCALE} x 100,000 accounts, once, about half a minute");
            let options = ["--auth=trust", "--no-instructions", "--username", USER, "--pgdata"];
            output(running.program("initdb")?.args(options).arg(&running.data))?;
        }
        let mut command = running.program("postgres")?;
        command.arg("-D").arg(&running.data).arg("-k").arg(&running.sockets);
        command.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        let is_ready = running.find("pg_isready")?;
        let server = Server::start(&mut command, &dir.with_extension("log"), || {
            let mut ask = Command::new(&is_ready);
            ask.args(["--quiet", "--username", USER, "--dbname", USER, "--host"]).arg(&running.sockets);
            ask.status().is_ok_and(|status| status.success())
        })?;
        running.server = Some(server);
        if !filled.exists() {
            output(running.client()?.args(["--initialize", "--quiet", "--scale", &SCALE.to_string()]))?;
            fs::write(&filled, "").map_err(failed)?;
        }
        running.pgbench(SCALE, WARM_UP_S, false)?;
        // What it wrote leaves the system's cache now, not under somebody else's syncs.
        output(&mut Command::new("sync"))?;
        Ok(running)
    }

    /// Beside the server first, so that all are of one release.
    fn find(&self, name: &str) -> Result<PathBuf, Trouble> {
        let beside = self.bin.join(name);
        if beside.is_file() { Ok(beside) } else { find(name, &folders()) }
    }

    /// One of its programs that must not be root.
    fn program(&self, name: &str) -> Result<Command, Trouble> {
        bound_to_us(&self.find(name)?, is_root().then_some(USER), "QUIT")
    }

    fn client(&self) -> Result<Command, Trouble> {
        let mut command = Command::new(self.find("pgbench")?);
        command.arg("--host").arg(&self.sockets).args(["--username", USER]).env("PGDATABASE", USER);
        Ok(command)
    }

    /// Measured ones do not vacuum first; the one before them empties the history.
    fn pgbench(&self, clients: usize, seconds: u64, measured: bool) -> Result<String, Trouble> {
        let mut command = self.client()?;
        command.args(["--builtin=simple-update", "--protocol=prepared"]);
        // As many threads as there are processors for them; more only get in each other's way.
        command.arg(format!("--client={clients}")).arg(format!("--jobs={}", clients.min(2)));
        command.arg(format!("--time={seconds}"));
        if measured {
            command.arg("--no-vacuum");
        }
        Ok(output(&mut command)?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let (Some(server), Ok(mut stop)) = (self.server.take(), self.program("pg_ctl")) {
            server.stop(stop.args(["stop", "--mode=fast", "--silent", "--pgdata"]).arg(&self.data));
        }
        let _ = fs::remove_dir_all(&self.sockets);
    }
}

/// Beside the data, unless that is too deep: the name of a Unix socket has at most 107 bytes.
fn sockets(dir: &Path) -> PathBuf {
    let near = dir.join("sockets");
    let far = || std::env::temp_dir().join(format!("nigh-bench-{}", std::process::id()));
    if near.as_os_str().len() < 90 { near } else { far() }
}

/// Where Debian and Red Hat keep the server's programs, the newest first: they are not on the path.
fn folders() -> Vec<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).chain([PathBuf::from("/usr/pgsql/bin")]).collect()
}

/// `tps = 8665.123456 (without initial connection time)`
fn tps(said: &str) -> Option<f64> {
    said.lines().find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    #[test]
    fn transactions_a_second_are_read() {
        let said = "latency average = 7.386 ms\ntps = 8665.125000 (without initial connection time)\n";
        assert_eq!(super::tps(said), Some(8665.125));
        assert_eq!(super::tps("pgbench: error"), None);
    }
}
