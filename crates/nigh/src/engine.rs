//! A process of an application without threads, sockets or files: what [`Node`](crate::Node) drives with those of
//! the system, and a simulator with its own.
//!
//! [`Blueprint`] is an application taken apart once; [`Engine`] is one process of it, opened on a store. Whoever
//! drives it moves bytes ([`EngineLink`]), time ([`Engine::handle_timeout`]), groups of the log
//! ([`Engine::poll_group`], [`Engine::handle_appended`]) and sweeps, and decides nothing. Not for applications.

use std::any::Any;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard};

use nigh_proto::Instant;
use nigh_proto::calls::caller::PeerFacts;
use nigh_proto::link::error::LinkError;
use nigh_proto::placement::Role;
use nigh_proto::shards::record::Other;
use nigh_proto::shards::{Epoch, Position, ShardId};
use nigh_wire::{Bytes, CallId, Catalogue, Cause, Value};

use crate::app::App;
use crate::backups::Backups;
pub use crate::beside::Beside;
use crate::beside::Others;
use crate::calls::{Calls, PEER};
pub use crate::clock::Ambient;
use crate::clock::Clock;
use crate::entity::Reply;
use crate::error::Result;
use crate::handle::Nigh;
use crate::ledger::{self, Ledger};
use crate::link::end::{LinkEnd, Local};
use crate::performer::Performer;
use crate::recover::recover;
use crate::routes::Routes;
use crate::service::Service;
use crate::services::Listed;
pub use crate::services::{Answered, Gate};
pub use crate::shards::commit::Group;
use crate::shards::commit::{self, Progress};
use crate::shards::core::Core;
use crate::shards::host::{Cell, Host, Wrote};
use crate::shards::owner::Owner;
use crate::shards::sweep::{Stepped, Sweep};
use crate::store::{
    AppendError, Appended, CACHE_SIZE_DEFAULT, Copier, GroupId, Log, Open, Opened, Rows, Shape, StoreError,
};
use crate::tx::TxCore;

/// An application taken apart: what every process of it is made from.
pub struct Blueprint {
    pub(crate) name: String,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) hosts: Arc<[Box<dyn Host>]>,
    pub(crate) services: Vec<Listed>,
    shapes: Arc<[Shape]>,
}

impl std::fmt::Debug for Blueprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blueprint({})", self.name)
    }
}

impl Blueprint {
    /// Takes `app` apart. Its doors stay closed.
    ///
    /// # Errors
    ///
    /// As `App::check`.
    pub fn new(app: App) -> Result<Self> {
        app.check()?;
        let catalogue = app.catalogue()?;
        Ok(Blueprint::of(app, catalogue))
    }

    /// Of an application that was checked.
    pub(crate) fn of(app: App, catalogue: Catalogue) -> Self {
        let App { name, hosts, services, .. } = app;
        let catalogue = Arc::new(catalogue);
        let shapes = hosts
            .iter()
            .map(|host| Shape::of(host.name(), host.key_schema(), &host.state_schema(), &host.tracked()))
            .collect();
        Blueprint { name, catalogue, hosts: hosts.into(), services, shapes }
    }

    /// What it offers.
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// Another implementation of a service it lists, behind a gate. Gives its name.
    ///
    /// # Errors
    ///
    /// It lists no service of that name.
    pub fn with_service<S: Service + ?Sized>(
        &mut self,
        implementation: Box<S>,
        gate: Arc<dyn Gate>,
    ) -> std::result::Result<String, String> {
        let new = Listed::gated(implementation, gate);
        let name = new.contract.name.clone();
        let listed = self.services.iter_mut().find(|s| s.contract.name == name).ok_or(name.clone())?;
        *listed = new;
        Ok(name)
    }

    /// The same, with services that can be exchanged without a change of this one.
    #[must_use]
    pub fn copied(&self) -> Self {
        Blueprint {
            name: self.name.clone(),
            catalogue: self.catalogue.clone(),
            hosts: self.hosts.clone(),
            services: self.services.iter().map(Listed::copied).collect(),
            shapes: self.shapes.clone(),
        }
    }

    /// Names of its services.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(|s| s.contract.name.as_str())
    }

    /// Shapes of all its state, to open a store with.
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// No entities yet, to be asked for by a method.
    pub fn beside(&self) -> Beside {
        Beside::new(self.hosts.clone())
    }

    /// One that nobody changed yet; `None` if there is no such entity.
    pub fn fresh(&self, entity: &str) -> Option<AnyEntity> {
        let host = self.hosts.iter().find(|h| &**h.name() == entity)?;
        Some(AnyEntity { cell: host.fresh() })
    }

    /// One from its snapshot; `None` if these bytes are none.
    pub fn restore(&self, entity: &str, snapshot: &Bytes) -> Option<AnyEntity> {
        let host = self.hosts.iter().find(|h| &**h.name() == entity)?;
        Some(AnyEntity { cell: host.restore(snapshot).ok()? })
    }
}

/// Wire name of a service.
pub fn service_name<S: Service + ?Sized>() -> String {
    S::contract().name
}

/// An entity outside of every process: for judges, who run again what was run.
pub struct AnyEntity {
    pub(crate) cell: Box<dyn Cell>,
}

impl std::fmt::Debug for AnyEntity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AnyEntity")
    }
}

/// What is left of a writing method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It returned; `redo` repeats its change.
    Ok {
        /// Its answer.
        value: Bytes,
        /// Empty if nothing changed.
        redo: Bytes,
        /// The entity became its default.
        deleted: bool,
        /// It drew random numbers.
        drew: bool,
        /// What it changed of other entities of the same home.
        others: Vec<Other>,
    },
    /// It returned its own error; nothing changed.
    Err(Bytes),
    /// It did not run, or panicked; nothing changed.
    Not(Cause),
}

impl AnyEntity {
    /// Runs a writing method at that time, with random numbers from `seed`, and others of its home, if it has one, from
    /// `beside`.
    #[allow(clippy::too_many_arguments, reason = "all that a run follows from")]
    pub fn write(
        &mut self,
        method: usize,
        key: &Bytes,
        now: nigh_wire::Time,
        seed: u64,
        args: &Bytes,
        beside: Option<&Beside>,
    ) -> Written {
        let others = Others { source: beside.map(Beside::source), taken: vec![] };
        let mut tx = TxCore { key: key.clone(), now, seed, drawn: 0, deleted: false, others };
        let wrote = self.cell.write(method, &mut tx, Value::Bytes(args.clone()));
        if let Some(beside) = beside {
            tx.others.taken.drain(..).for_each(|taken| beside.put(&taken.entity, &taken.key, taken.cell));
        }
        let (deleted, drew) = (tx.deleted, tx.drawn > 0);
        match wrote {
            Wrote::Ok { value, redo, others } => Written::Ok { value, redo, deleted, drew, others },
            Wrote::Err(error) => Written::Err(error),
            Wrote::Unfit(cause) => Written::Not(cause),
            Wrote::Panicked(message) => Written::Not(Cause::Panicked(message)),
        }
    }

    /// Runs a view: what it returned, or its own error.
    ///
    /// # Errors
    ///
    /// It did not run.
    pub fn read(
        &self,
        method: usize,
        args: &Bytes,
    ) -> std::result::Result<std::result::Result<Bytes, Bytes>, Cause> {
        self.cell.read(method, Value::Bytes(args.clone())).map(|reply| match reply {
            Reply::Ok(value) => Ok(value.to_bytes()),
            Reply::Err(error) => Err(error.to_bytes()),
        })
    }

    /// Repeats a change; false if it is none of this entity.
    pub fn apply(&mut self, redo: &Bytes) -> bool {
        self.cell.apply(redo).is_ok()
    }

    /// Becomes its default.
    pub fn reset(&mut self) {
        self.cell.reset();
    }

    /// The whole state.
    pub fn snapshot(&self) -> Bytes {
        self.cell.snapshot()
    }

    /// True if it equals its default.
    pub fn is_default(&self) -> bool {
        self.cell.is_default()
    }

    /// As typed state.
    pub fn state(&self) -> &dyn Any {
        self.cell.state()
    }
}

/// How a process is opened.
pub struct Options {
    /// What its role is called.
    pub role: String,
    /// Of the store.
    pub shards: u32,
    /// It asks another process for what it has not.
    pub has_peer: bool,
    /// Where copies are made when it is asked for one; `None`: none are.
    pub backups: Option<PathBuf>,
    /// Other processes may take its shards up: whether one is still its own is to be asked (R7).
    pub shared: bool,
    /// Methods that may run beside each other, each of another lane of shards.
    pub lanes_max: u32,
    /// What entities may take in memory, in bytes: see [`Config::memory_max`](crate::Config::memory_max).
    pub memory_max: usize,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Options({}, {} shards)", self.role, self.shards)
    }
}

/// One process.
pub struct Engine {
    pub(crate) nigh: Nigh,
    pub(crate) calls: Arc<Calls>,
    pub(crate) local: Arc<Local>,
    pub(crate) store: Option<Stored>,
    sweep: Option<Sweep>,
    /// All up to this group is written back: there is nothing to sweep until another is appended.
    swept: GroupId,
}

/// What a process that owns entities has beside.
pub(crate) struct Stored {
    pub(crate) owner: Arc<Owner>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) rows: Arc<dyn Rows>,
    pub(crate) copier: Option<Copier>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({})", self.local.role)
    }
}

impl Engine {
    /// Opens a process in whatever surrounds it, and gives its log back, to be driven.
    ///
    /// # Errors
    ///
    /// The store is damaged, or there is no such role.
    pub fn open(
        blueprint: &Blueprint,
        role: &Role,
        options: Options,
        ambient: Arc<dyn Ambient>,
        opened: impl FnOnce(Open<'_>) -> Result<Opened>,
    ) -> Result<(Engine, Option<Box<dyn Log>>)> {
        Engine::start(blueprint, role, options, Clock::Ambient(ambient), opened)
    }

    pub(crate) fn start(
        blueprint: &Blueprint,
        role: &Role,
        options: Options,
        clock: Clock,
        opened: impl FnOnce(Open<'_>) -> Result<Opened>,
    ) -> Result<(Engine, Option<Box<dyn Log>>)> {
        let (shards, has_peer, backups) = (options.shards, options.has_peer, options.backups.clone());
        let Blueprint { name, catalogue, hosts, services, .. } = blueprint;
        let routes = Arc::new(Routes::new(catalogue, hosts.clone(), services, role));
        let calls = Calls::new(clock.clone());
        let (store, log) = if role.entities.is_empty() {
            (None, None)
        } else {
            let shapes = blueprint.shapes();
            let cache_size = (options.memory_max / 4).min(CACHE_SIZE_DEFAULT);
            let opened = opened(Open { shards, shapes, incarnation: clock.entropy(), cache_size })?;
            let owner = own(&clock, &routes, &calls, hosts, &options, opened)?;
            (Some(owner.0), Some(owner.1))
        };
        let owner = store.as_ref().map(|store| store.owner.clone());
        let nigh = Nigh::new(Arc::new(Performer {
            catalogue: catalogue.clone(),
            routes: routes.clone(),
            calls: calls.clone(),
            owner: owner.clone(),
            shards,
            has_peer,
            backups: Backups {
                folder: backups,
                copier: store.as_ref().and_then(|store| store.copier.clone()),
                busy: Arc::default(),
            },
        }));
        let local = Arc::new(Local {
            clock,
            name: name.clone(),
            role: options.role,
            digest: catalogue.digest(),
            shards,
            calls: calls.clone(),
            routes,
            owner,
        });
        let (sweep, swept) = (None, GroupId(0));
        Ok((Engine { nigh, calls, local, store, sweep, swept }, log))
    }

    /// Performs calls in this process.
    pub fn handle(&self) -> Nigh {
        self.nigh.clone()
    }

    /// A link to the process that has what this one has not, or one that another made.
    pub fn link(&self, dials: bool) -> EngineLink {
        EngineLink { end: LinkEnd::new(&self.local, dials.then_some(PEER)) }
    }

    /// Time has passed.
    pub fn handle_timeout(&self) {
        self.calls.handle_timeout();
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next of use.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.calls.due()
    }

    /// What there is to append. Only one group is under way at a time.
    pub fn poll_group(&self, log: &mut dyn Log) -> Option<Group> {
        let store = self.store.as_ref()?;
        commit::look(&store.owner, log);
        if !store.owner.has_appends() && !store.progress.may_cut() {
            return None;
        }
        commit::gather(&store.owner, log, &store.progress)
    }

    /// What became of it. It is given back if the disk is full: the same is to be appended again, after a while.
    #[must_use]
    pub fn handle_appended(
        &self,
        log: &dyn Log,
        group: Group,
        appended: std::result::Result<Appended, AppendError>,
    ) -> Option<Group> {
        let store = self.store.as_ref()?;
        commit::handle_appended(&store.owner, log, &store.progress, group, appended)
    }

    /// Shards of which is to be asked whether they are still this process's, and under which epoch (R7).
    pub fn poll_confirm(&self) -> Vec<(ShardId, Epoch)> {
        self.store.as_ref().map_or(vec![], |store| store.owner.take_asking())
    }

    /// The answer.
    pub fn handle_confirmed(&self, shard: ShardId, ours: bool) {
        if let Some(store) = &self.store {
            store.owner.handle_confirmed(shard, ours);
        }
    }

    /// One step of writing back what changed; true once a whole sweep has ended. False: call again, after a while.
    ///
    /// # Errors
    ///
    /// The store is closed: the process is to end.
    pub fn sweep(&mut self) -> std::result::Result<bool, StoreError> {
        let Some(Stored { owner, progress, rows, .. }) = &self.store else { return Ok(true) };
        if self.sweep.is_none() && progress.group() <= self.swept {
            return Ok(true);
        }
        let sweep = self.sweep.get_or_insert_with(|| Sweep::begin(owner, progress));
        let done = match sweep.step(owner, rows.as_ref(), progress) {
            Err(StoreError::Full) => return Ok(false),
            stepped => matches!(stepped?, Stepped::Done),
        };
        if done {
            self.swept = sweep.group();
            self.sweep = None;
        }
        Ok(done)
    }

    /// True if the last step of a sweep found all as it had been: it has nothing to send.
    pub fn sweep_rests(&self) -> bool {
        self.sweep.as_ref().is_some_and(Sweep::rests)
    }

    /// True if a shard turned out to be another's: the process is to end.
    pub fn is_fenced(&self) -> bool {
        self.store.as_ref().is_some_and(|store| store.owner.is_fenced())
    }

    /// What was asked of it and by it, and what came of it.
    pub fn ledger(&self) -> Ledger {
        ledger::of(&self.local.routes, &self.calls, self.local.owner.as_deref())
    }

    /// Where each of its shards stands: under which epoch, and how much of its log it has read or written.
    pub fn heads(&self) -> Vec<(ShardId, Epoch, Position)> {
        let Some(store) = &self.store else { return vec![] };
        let of_lane = |core: MutexGuard<'_, Core>| {
            core.shards.iter().map(|s| (s.id(), s.epoch(), s.next())).collect::<Vec<_>>()
        };
        let mut heads: Vec<_> = store.owner.cores().flat_map(of_lane).collect();
        heads.sort_unstable_by_key(|(shard, ..)| *shard);
        heads
    }

    /// True if it has a record of this call in memory.
    pub fn remembers(&self, shard: ShardId, id: CallId) -> bool {
        self.store.as_ref().is_some_and(|store| store.owner.core_of(shard).machine(shard).remembers(id))
    }

    /// True if all it has in memory is durable.
    pub fn is_durable(&self) -> bool {
        let Some(store) = &self.store else { return true };
        store.owner.cores().all(|core| core.shards.iter().all(|s| s.durable() == s.next()))
    }

    /// Snapshot of the entity with this key as this process has it, durable or not. `None` if it has not the entity.
    pub fn snapshot(&self, entity: &str, key: &Bytes) -> Option<Bytes> {
        self.store.as_ref()?.owner.snapshot(entity, key)
    }
}

/// A process takes its shards up (R8), and is their owner.
fn own(
    clock: &Clock,
    routes: &Arc<Routes>,
    calls: &Arc<Calls>,
    hosts: &Arc<[Box<dyn Host>]>,
    options: &Options,
    opened: Opened,
) -> Result<(Stored, Box<dyn Log>)> {
    let Opened { mut log, rows, swept, meta, copier } = opened;
    let Options { shared, lanes_max, memory_max, .. } = *options;
    let recovered = recover(clock, log.as_mut(), rows.clone(), swept, hosts, meta, (lanes_max, memory_max))?;
    let owner = Owner::new(clock.clone(), routes.clone(), calls, recovered, shared);
    calls.set_owner(&owner);
    // R17: births of this process are corrected by the log time of its own shards.
    let log_time = owner.log_time_max();
    calls.handle_local_time(PeerFacts { clock: clock.wall().max(log_time), log_time });
    let progress = Arc::new(Progress::starting_at(log.next_group()));
    Ok((Stored { owner, progress, rows, copier }, log))
}

/// One end of a link.
pub struct EngineLink {
    end: LinkEnd,
}

impl std::fmt::Debug for EngineLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EngineLink(up: {})", self.end.is_up())
    }
}

impl EngineLink {
    /// What the other end wrote.
    ///
    /// # Errors
    ///
    /// The link is to be closed.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> std::result::Result<(), LinkError> {
        self.end.handle_bytes(bytes)
    }
    /// Time has passed.
    ///
    /// # Errors
    ///
    /// The link is to be closed.
    pub fn handle_timeout(&mut self) -> std::result::Result<(), LinkError> {
        self.end.handle_timeout()
    }
    /// When [`handle_timeout`](Self::handle_timeout) is next of use.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.end.poll_timeout()
    }
    /// What to write next.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.end.poll_transmit()
    }
    /// The link is closed.
    pub fn handle_lost(&mut self) {
        self.end.handle_lost();
    }
    /// True once the other end has said hello.
    pub fn is_up(&self) -> bool {
        self.end.is_up()
    }
}
