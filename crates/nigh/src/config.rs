//! What an operator decides: plain data, no I/O. `App::run` fills it from flags, embedders by hand.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Where a door listens unless told otherwise: loopback, and nothing else.
pub(crate) const LISTEN_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7070);

/// Where state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// In this directory, made if absent. Acknowledged means on disk.
    Dir(PathBuf),
    /// Nowhere: all is gone when the process ends.
    Memory,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What a node does, as its operator decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where entities are kept. A role without entities opens nothing.
    pub data: Data,
    /// Where doors listen; `None`: no listener. A role without doors opens none.
    pub listen: Option<SocketAddr>,
    /// Where other processes of this application may connect.
    pub link: Option<SocketAddr>,
    /// The process that has what this role has not.
    pub peer: Option<SocketAddr>,
    /// Which role of `place.toml` this process plays; `None`: all of them.
    pub role: Option<String>,
    /// Instead of the `place.toml` compiled in.
    pub place: Option<PathBuf>,
    /// Where copies of the store are made when a door is asked for one; `None`: none are.
    pub backups: Option<PathBuf>,
    /// Format of `App::run`'s log lines.
    pub log: LogFormat,
    /// A method that takes longer makes its node unready and is named in the log. Default 1 s.
    pub method_time_max: Duration,
    /// A method that takes longer is given up as `Stuck`, and the process ends. Default 60 s.
    pub stuck_max: Duration,
    /// How often what changed is written back and the log is cut, unless the log grows past 64 MiB before. An
    /// entity that changes all the time is written once in that time; a shorter log reuses its blocks sooner,
    /// and syncing those costs half. Default 1 s.
    pub write_back_every: Duration,
    /// What entities may take in memory, in bytes: estimated at 512 and the type itself, and what they are on disk, four
    /// times that if they hold lists, sets or maps. Of more than that, those are let go that were not asked for of late,
    /// and read again when they are. If one and a half times as much waits to be written back, calls are refused as
    /// overloaded. Beside it an eighth is for what is remembered of calls, and a quarter, up to 128 MiB, for the cache of
    /// the store's files. Default 512 MiB.
    pub memory_max: usize,
}

/// Half of a small machine; the other half is for the files' caches, what is remembered, and the calls.
const MEMORY_MAX: usize = 512 << 20;

impl Default for Config {
    fn default() -> Self {
        Config {
            data: Data::Memory,
            listen: None,
            link: None,
            peer: None,
            role: None,
            place: None,
            backups: None,
            log: LogFormat::Text,
            method_time_max: Duration::from_secs(1),
            stuck_max: Duration::from_secs(60),
            write_back_every: Duration::from_secs(1),
            memory_max: MEMORY_MAX,
        }
    }
}

impl Config {
    /// Nothing durable, no listener: for tests of an embedding program.
    pub fn memory() -> Self {
        Config::default()
    }

    /// Everything in this directory, no listener.
    pub fn dir(path: impl Into<PathBuf>) -> Self {
        Config { data: Data::Dir(path.into()), ..Config::default() }
    }

    /// As `--print-config` shows it: one `name = value` a line, as flags take them.
    pub fn show(&self) -> String {
        let address = |a: Option<SocketAddr>| a.map_or_else(|| "none".to_owned(), |a| a.to_string());
        let data = match &self.data {
            Data::Dir(path) => format!("data = {}", path.display()),
            Data::Memory => "memory = true".to_owned(),
        };
        let text = |t: Option<String>| t.unwrap_or_else(|| "none".to_owned());
        [
            data,
            format!("listen = {}", address(self.listen)),
            format!("link = {}", address(self.link)),
            format!("peer = {}", address(self.peer)),
            format!("role = {}", self.role.as_deref().unwrap_or("all")),
            format!("place = {}", text(self.place.as_ref().map(|p| p.display().to_string()))),
            format!("backups = {}", text(self.backups.as_ref().map(|p| p.display().to_string()))),
            format!("log = {}", if self.log == LogFormat::Json { "json" } else { "text" }),
            format!("method_time_max = {:?}", self.method_time_max),
            format!("stuck_max = {:?}", self.stuck_max),
            format!("write_back_every = {:?}", self.write_back_every),
            format!("memory_max = {} MiB", self.memory_max >> 20),
        ]
        .join("\n")
    }
}
