//! Entities of the same home, changed in the same commit: what stands behind `tx.at`.
//!
//! A method asks for one, and it is taken out as its own is; when the method has succeeded, the changes of all of them are
//! one record, and when it has failed all are undone. Where they come from is a [`Neighbours`]: an owner's memory, or a
//! judge's copies. Nothing here stores anything.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use nigh_proto::shards::record::Other;
use nigh_wire::{Bytes, Out};

use crate::engine::AnyEntity;
use crate::entity::Entity;
use crate::performer::KEY_SIZE_MAX;
use crate::shards::host::{Cell, Host, fresh_cell};

/// Entities that one method may ask for. More would be a commit that nobody bounds: each is a change and a row.
pub(crate) const OTHERS_MAX: usize = 256;

/// Gives a method what it asks for beside its own entity.
pub(crate) trait Neighbours: Send + Sync {
    /// Takes one out. It comes back when the method has ended.
    ///
    /// # Errors
    ///
    /// There is no such entity here.
    fn take(&self, entity: &str, key: &Bytes) -> Result<Box<dyn Cell>, String>;
}

/// One that was asked for.
pub(crate) struct Taken {
    pub(crate) entity: Arc<str>,
    pub(crate) key: Bytes,
    pub(crate) cell: Box<dyn Cell>,
    /// Bytes of its change, once the method has succeeded; `None` if it did not change.
    pub(crate) changed: Option<usize>,
}

/// Those that a method has asked for.
#[derive(Default)]
pub struct Others {
    /// `None`: of a unit test, which begins with entities that nobody changed.
    pub(crate) source: Option<Arc<dyn Neighbours>>,
    pub(crate) taken: Vec<Taken>,
}

impl fmt::Debug for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.taken.iter().map(|taken| (&taken.entity, &taken.key))).finish()
    }
}

impl Others {
    /// The one with this encoded key, as it is now.
    ///
    /// # Panics
    ///
    /// There is none here, its key is too long, or it would be one too many: the method is undone.
    pub(crate) fn at<O: Entity>(&mut self, key: Bytes) -> &mut O {
        let fits = key.len() <= KEY_SIZE_MAX; // mutant other-key-unbounded: let fits = true;
        assert!(fits, "`tx.at`: a key has at most {KEY_SIZE_MAX} bytes encoded");
        let name = O::name();
        let found = self.taken.iter().position(|taken| *taken.entity == *name && taken.key == key);
        let at = found.unwrap_or_else(|| {
            assert!(self.taken.len() < OTHERS_MAX, "a method changes at most {OTHERS_MAX} other entities");
            let mut cell = match &self.source {
                Some(source) => source.take(&name, &key).unwrap_or_else(|why| panic!("{why}")),
                None => fresh_cell::<O>(),
            };
            cell.begin();
            self.taken.push(Taken { entity: name.as_ref().into(), key, cell, changed: None });
            self.taken.len() - 1
        });
        let state = self.taken[at].cell.state_mut();
        state.downcast_mut().expect("entities of one name are of one type: `App::check` has seen to it")
    }

    /// A field of one of them that has become too long to be stored.
    pub(crate) fn too_long(&self) -> Option<&'static str> {
        self.taken.iter().find_map(|taken| taken.cell.too_long())
    }

    /// The method has succeeded: what changed, in the order asked for.
    pub(crate) fn commit(&mut self) -> Vec<Other> {
        let mut changes = Vec::new();
        for taken in &mut self.taken {
            let mut redo = Out::default();
            if taken.cell.commit(&mut redo) {
                let redo = redo.into_bytes();
                taken.changed = Some(redo.len());
                changes.push(Other { entity: taken.entity.clone(), key: taken.key.clone(), redo });
            }
        }
        changes
    }

    /// The method has failed: first half of undoing.
    pub(crate) fn release(&mut self) {
        self.taken.iter_mut().for_each(|taken| taken.cell.release());
    }

    /// The method has failed: nothing changed.
    pub(crate) fn undo(&mut self) {
        self.taken.iter_mut().for_each(|taken| taken.cell.undo()); // mutant others-not-undone: self.taken.iter_mut().for_each(|taken| drop(taken.cell.commit(&mut Out::default())));
    }
}

/// Entities of one home outside of every process: for judges.
pub struct Beside(Arc<Cells>);

struct Cells {
    hosts: Arc<[Box<dyn Host>]>,
    cells: Mutex<BTreeMap<(String, Bytes), Box<dyn Cell>>>,
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Beside")
    }
}

impl Beside {
    pub(crate) fn new(hosts: Arc<[Box<dyn Host>]>) -> Self {
        Beside(Arc::new(Cells { hosts, cells: Mutex::default() }))
    }
    pub(crate) fn source(&self) -> Arc<dyn Neighbours> {
        self.0.clone()
    }
    pub(crate) fn put(&self, entity: &str, key: &Bytes, cell: Box<dyn Cell>) {
        self.0.cells().insert((entity.to_owned(), key.clone()), cell);
    }
    /// One that can be asked for.
    pub fn lend(&self, entity: &str, key: &Bytes, of: AnyEntity) {
        self.put(entity, key, of.cell);
    }
    /// All of them, as they are now, by name and key.
    pub fn take_all(&self) -> Vec<(String, Bytes, AnyEntity)> {
        let cells = std::mem::take(&mut *self.0.cells());
        cells.into_iter().map(|((entity, key), cell)| (entity, key, AnyEntity { cell })).collect()
    }
}

impl Cells {
    fn cells(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, Bytes), Box<dyn Cell>>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Neighbours for Cells {
    fn take(&self, entity: &str, key: &Bytes) -> Result<Box<dyn Cell>, String> {
        if let Some(cell) = self.cells().remove(&(entity.to_owned(), key.clone())) {
            return Ok(cell);
        }
        let host = self.hosts.iter().find(|host| **host.name() == *entity);
        host.map(|host| host.fresh()).ok_or_else(|| not_here(entity))
    }
}

/// What a method is told that asks for an entity of another process.
pub(crate) fn not_here(entity: &str) -> String {
    format!("`tx.at`: the application lists no entity `{entity}`: add `.entity::<{entity}>()` to its `App`")
}
