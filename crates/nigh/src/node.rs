//! A running node: what it opens, in which order, and how it ends.
//!
//! Opening: the store is recovered, its threads start, the link listens or connects, doors open last, so that
//! whoever can reach this process is answered. Ending is the reverse, and finishes what is open.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use nigh_proto::placement::{Place, Role, SHARDS_DEFAULT};
use nigh_wire::Catalogue;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::App;
use crate::calls::Calls;
use crate::clock::Clock;
use crate::config::{Config, Data};
use crate::door::Door;
use crate::engine::{Blueprint, Engine, Options, Stored};
use crate::error::{Error, Result};
use crate::handle::Nigh;
use crate::ledger;
use crate::link::connection::{accept, dial};
use crate::place;
use crate::shards::commit::{self, Progress};
use crate::shards::core::Core;
use crate::shards::lanes::LANES;
use crate::shards::owner::Owner;
use crate::shards::{records, sweep, watch as watchdog};
use crate::store::{self, Copier, CopyError, Verified};

/// How long what is open may take to finish when a node stops.
const STOP_MAX: Duration = Duration::from_secs(10);

/// How long the peer may take to read a bye.
const BYE_MAX: Duration = Duration::from_secs(1);

/// A running application. [`Node::stop`] finishes what is open; dropped, it lets go of it.
pub struct Node {
    nigh: Nigh,
    listen: Option<SocketAddr>,
    link: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    /// Doors: they end by themselves once told to stop.
    doors: JoinSet<std::io::Result<()>>,
    /// The link to the peer: ends by itself, after a bye, once told to stop.
    dials: JoinSet<()>,
    stop_links: watch::Sender<bool>,
    /// Links of others, and timers: ended last.
    tasks: JoinSet<()>,
    calls: Arc<Calls>,
    threads: Option<Threads>,
    copier: Option<Copier>,
}

/// The threads of a node that owns entities.
struct Threads {
    owner: Arc<Owner>,
    progress: Arc<Progress>,
    committer: JoinHandle<()>,
    sweeper: (SyncSender<()>, JoinHandle<()>),
    watchdog: (SyncSender<()>, JoinHandle<()>),
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Node(listen {:?}, link {:?})", self.listen, self.link)
    }
}

impl Node {
    pub(crate) async fn start(app: App, config: Config) -> Result<Node> {
        let data = config.data.clone();
        Node::start_on(app, config, |options| open_store(&data, options)).await
    }

    /// As [`Node::start`], on a store that is opened in another way.
    async fn start_on(
        app: App,
        config: Config,
        open: impl FnOnce(store::Open<'_>) -> Result<store::Opened>,
    ) -> Result<Node> {
        if cfg!(panic = "abort") {
            return Err(Error::usage(
                "`panic = \"abort\"` stands in a [profile] of Cargo.toml: remove that line. nigh undoes what a \
                 method that panics has changed, so the process must be able to go on",
            ));
        }
        app.check()?;
        let catalogue = app.catalogue()?;
        let door_names = app.door_names();
        let place = read_place(&app, &config, &catalogue, &door_names)?;
        let role = place.role(config.role.as_deref(), &catalogue, &door_names).map_err(Error::usage)?;
        check_peer(&role, &catalogue, &config)?;
        let mut app = app;
        let doors = std::mem::take(&mut app.doors);
        let clock = Clock::start();
        let blueprint = Blueprint::of(app, catalogue);
        let options = Options {
            role: config.role.clone().unwrap_or_else(|| "all".into()),
            shards: SHARDS_DEFAULT,
            lanes_max: LANES,
            has_peer: config.peer.is_some(),
            backups: config.backups.clone(),
            shared: false,
            memory_max: config.memory_max,
        };
        let (engine, log) = Engine::start(&blueprint, &role, options, clock, open)?;
        let Engine { nigh, calls, local, store, .. } = engine;
        let copier = store.as_ref().and_then(|store| store.copier.clone());
        let threads = match (store, log) {
            (Some(store), Some(log)) => Some(start_threads(&config, store, log)?),
            _ => None,
        };
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(calls.clone().keep_time());
        tasks.spawn(ledger::watch(local.clone()));
        let (mut dials, (stop_links, links_stop)) = (JoinSet::new(), watch::channel(false));
        let mut link = None;
        if let Some(address) = config.link {
            let listener = bind("--link", address).await?;
            link = listener.local_addr().ok();
            tasks.spawn(accept(listener, local.clone()));
        }
        if let Some(peer) = config.peer {
            dials.spawn(dial(peer, local.clone(), links_stop));
        }
        let doors_open = JoinSet::new();
        let mut node = Node {
            nigh,
            listen: None,
            link,
            stop,
            doors: doors_open,
            dials,
            stop_links,
            tasks,
            calls,
            threads,
            copier,
        };
        node.open_doors(doors, &role, config.listen, stopping).await?;
        Ok(node)
    }

    async fn open_doors(
        &mut self,
        doors: Vec<Box<dyn Door>>,
        role: &Role,
        listen: Option<SocketAddr>,
        stopping: watch::Receiver<bool>,
    ) -> Result {
        let here: Vec<_> = doors.into_iter().filter(|d| role.doors.contains(d.name())).collect();
        let (Some(address), false) = (listen, here.is_empty()) else { return Ok(()) };
        if here.len() > 1 {
            return Err(Error::usage("two doors in one role would share one address: put them in two roles"));
        }
        for door in here {
            let listener = bind("--listen", address).await?;
            self.listen = listener.local_addr().ok();
            self.doors.spawn(door.open(self.nigh.clone(), listener, stopping.clone()));
        }
        Ok(())
    }

    /// Performs calls of this application.
    pub fn handle(&self) -> Nigh {
        self.nigh.clone()
    }

    /// Where its door listens.
    pub fn listen(&self) -> Option<SocketAddr> {
        self.listen
    }

    /// Where other processes of this application may connect.
    pub fn link(&self) -> Option<SocketAddr> {
        self.link
    }

    /// False while a method takes longer than `method_time_max`, and while the disk is full: then views are answered, and
    /// calls that write refused as overloaded, until there is room.
    pub fn is_ready(&self) -> bool {
        self.threads.as_ref().is_none_or(|t| t.owner.is_ready())
    }

    /// What was appended since the start.
    pub fn commits(&self) -> Commits {
        use std::sync::atomic::Ordering::Relaxed;
        let progress = self.threads.as_ref().map(|t| &t.progress);
        progress.map_or(Commits::default(), |p| Commits {
            groups: p.groups.load(Relaxed),
            records: p.records.load(Relaxed),
        })
    }

    /// What entities take in memory, in bytes, estimated: see [`Config::memory_max`].
    pub fn memory(&self) -> usize {
        self.threads.as_ref().map_or(0, |t| t.owner.budget.size())
    }

    /// Rows that changed and wait to be written back: of entities, and of what is remembered of calls.
    pub fn unwritten(&self) -> usize {
        self.threads.as_ref().map_or(0, |t| t.owner.rows_changed())
    }

    /// How much is remembered of calls: answers, idempotency keys, order.
    pub fn remembered(&self) -> Remembered {
        let Some(threads) = &self.threads else { return Remembered::default() };
        let of_lane =
            |core: MutexGuard<'_, Core>| core.shards.iter().map(|shard| shard.counters().rows).sum::<u64>();
        let rows = threads.owner.cores().map(of_lane).sum();
        Remembered { memory: records::tables_size(&threads.owner), rows }
    }

    /// Copies the store of this node into the new directory `to`, as it is now, and reads the copy back; calls go on
    /// meanwhile. The store is put back with [`restore_dir`](crate::store::restore_dir).
    ///
    /// A future that is dropped lets go of a copy that is made to its end all the same, unless the process ends.
    ///
    /// # Errors
    ///
    /// There is no copy, and nothing is left of it; the store goes on.
    pub async fn backup(&self, to: impl Into<PathBuf>) -> std::result::Result<Verified, CopyError> {
        let (copier, to) = (self.copier.clone().ok_or(CopyError::Nothing)?, to.into());
        let made = tokio::task::spawn_blocking(move || copier.backup(&to));
        made.await.expect("making a copy does not panic")
    }

    /// Waits until something ends that should not.
    pub(crate) async fn failed(&mut self) -> Error {
        match self.doors.join_next().await {
            Some(Ok(Err(error))) => Error::io("a door ended", error),
            Some(Ok(Ok(()))) => Error::failed("a door ended by itself"),
            Some(Err(panic)) => Error::failed(format!("a door ended: {panic}")),
            None => std::future::pending().await,
        }
    }

    /// Finishes what is open, for at most 10 s, makes everything durable, and ends.
    ///
    /// # Errors
    ///
    /// A door ended with an error, or something did not finish in time: what was acknowledged is durable all
    /// the same.
    pub async fn stop(mut self) -> Result {
        self.stop.send_replace(true);
        let mut result = Ok(());
        let doors = async {
            while let Some(ended) = self.doors.join_next().await {
                match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => result = Err(Error::io("a door ended", error)),
                    Err(panic) => result = Err(Error::failed(format!("a door ended: {panic}"))),
                }
            }
        };
        if tokio::time::timeout(STOP_MAX, doors).await.is_err() {
            result = Err(Error::failed(format!("a door did not finish within {STOP_MAX:?}")));
        }
        self.stop_links.send_replace(true);
        let dials = async { while self.dials.join_next().await.is_some() {} };
        if tokio::time::timeout(BYE_MAX, dials).await.is_err() {
            tracing::warn!("the peer did not take our bye: it will forget this process's calls by age");
        }
        self.tasks.shutdown().await;
        self.copier = None;
        if let Some(threads) = self.threads.take() {
            self.calls.farewells_here().into_iter().for_each(|last| threads.owner.bye(last));
            let ended = tokio::task::spawn_blocking(move || threads.end()).await;
            if ended.is_err() {
                result = Err(Error::failed("the store's threads ended with a panic"));
            }
        }
        result
    }
}

/// What is remembered of calls: see [`Node::remembered`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// In memory, in bytes, estimated. Beyond an eighth of [`Config::memory_max`] what nobody asked for of late stays on
    /// disk alone.
    pub memory: usize,
    /// Rows on disk, about: at most [`ROWS_MAX`](nigh_proto::shards::shard::ROWS_MAX) in each shard.
    pub rows: u64,
}

/// What was appended to the log since a node started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Commits {
    /// Durable transactions.
    pub groups: u64,
    /// Records in them.
    pub records: u64,
}

impl Drop for Node {
    fn drop(&mut self) {
        // Whoever called `stop` took them.
        if let Some(threads) = &self.threads {
            threads.owner.close();
            threads.owner.bell.stop();
        }
    }
}

impl Threads {
    /// Runs what was taken in, commits it, writes it back.
    fn end(self) {
        self.owner.close();
        while !self.owner.is_idle() {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        let join = |thread: JoinHandle<()>| thread.join().expect("a thread of the store does not panic");
        // The last sweep needs the committer; nobody needs the watchdog.
        drop(self.sweeper.0);
        join(self.sweeper.1);
        self.owner.bell.stop();
        join(self.committer);
        drop(self.watchdog.0);
        join(self.watchdog.1);
        // Handles may outlive their node: the directory must not stay locked for their sake.
        self.owner.cores().for_each(|mut core| core.memory.close());
    }
}

async fn bind(flag: &str, address: SocketAddr) -> Result<TcpListener> {
    if !address.ip().is_loopback() {
        let why = "only loopback addresses until links and doors authenticate";
        return Err(Error::usage(format!("{flag} {address}: {why}")));
    }
    TcpListener::bind(address).await.map_err(|e| Error::io(format!("{flag} {address}"), e))
}

fn read_place(app: &App, config: &Config, catalogue: &Catalogue, doors: &[&str]) -> Result<Place> {
    let place = match (&config.place, &app.place) {
        (Some(file), _) => {
            let shown = file.display().to_string();
            let text = std::fs::read_to_string(file).map_err(|e| Error::io(format!("--place {shown}"), e))?;
            place::parse(&shown, &text)?
        }
        (None, Some(text)) => place::parse("place.toml", text)?,
        (None, None) => return Ok(Place::default()),
    };
    place.check(catalogue, doors).map_err(Error::usage)?;
    Ok(place)
}

/// A role that lacks something must know whom to ask.
fn check_peer(role: &Role, catalogue: &Catalogue, config: &Config) -> Result {
    let missing = catalogue
        .contracts()
        .find(|c| !role.entities.contains(&c.name) && !role.services.contains(&c.name))
        .filter(|_| config.peer.is_none() && config.link.is_none());
    match missing {
        None => Ok(()),
        Some(contract) => Err(Error::usage(format!(
            "this role has not `{}`: say which process has it with --peer ADDR (its --link)",
            contract.name
        ))),
    }
}

fn open_store(data: &Data, options: store::Open<'_>) -> Result<store::Opened> {
    match data {
        Data::Dir(dir) => Ok(store::open_dir(dir, options)?),
        Data::Memory => {
            tracing::warn!("--memory: nothing is kept when this process ends");
            Ok(store::memory(options.shards))
        }
    }
}

fn start_threads(config: &Config, store: Stored, log: Box<dyn store::Log>) -> Result<Threads> {
    let Stored { owner, progress, rows, .. } = store;
    let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
        std::thread::Builder::new().name(name.into()).spawn(run).map_err(|e| Error::io(name.to_owned(), e))
    };
    let committer = {
        let (owner, progress) = (owner.clone(), progress.clone());
        spawn("nigh-commit", Box::new(move || commit::run(&owner, log, &progress)))?
    };
    let sweeper = {
        let (owner, progress, every) = (owner.clone(), progress.clone(), config.write_back_every);
        let (stop, stopped) = sync_channel(0);
        (
            stop,
            spawn(
                "nigh-sweep",
                Box::new(move || sweep::run(&owner, rows.as_ref(), &progress, every, &stopped)),
            )?,
        )
    };
    let watchdog = {
        let (owner, slow, stuck) = (owner.clone(), config.method_time_max, config.stuck_max);
        let (stop, stopped) = sync_channel(0);
        (stop, spawn("nigh-watch", Box::new(move || watchdog::run(&owner, slow, stuck, &stopped)))?)
    };
    Ok(Threads { owner, progress, committer, sweeper, watchdog })
}

#[cfg(test)]
mod tests;
