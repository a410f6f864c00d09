//! What an entity is read from: its head, and its pages if there are any. Also without the lock, while calls go on.
//!
//! Nobody writes rows of an entity that is not in memory, so head and pages fit together; if another thread has loaded it, changed it
//! and let it go meanwhile, they may not: then what was read is thrown away, and read again.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use nigh_proto::shards::ShardId;
use nigh_wire::{Bytes, Wire};

use super::{Held, Loaded, Name};
use crate::shards::host::{FieldPage, Host};
use crate::state::{Page, PageRow};
use crate::store::{Rows, StoreError, StoredRow};

/// First byte of the key of an entity's own row in the state file; those of the tables start with another.
pub(crate) const ENTITY_ROW: u8 = b'e';
/// First byte of the key of a page of an entity. Another one than its head's: who goes through the heads meets no pages.
pub(crate) const PAGE_ROW: u8 = b'p';

/// What an entity's row holds beside its position: of collections that have pages only what is in none.
#[derive(Wire)]
pub(crate) struct EntityRow {
    pub(crate) key: Bytes,
    pub(crate) state: Bytes,
    /// There are pages: what stands here is not all. A start that came between a page and its head does not see it here, but in the log.
    pub(crate) paged: bool,
}

fn key_of(kind: u8, entity: &str, order: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + entity.len() + order.len() + 10);
    key.push(kind);
    key.extend_from_slice(entity.as_bytes());
    key.push(0);
    key.extend_from_slice(order);
    key
}

/// Key of an entity's row: its name, and the ordered form of its key.
pub(crate) fn row_key(entity: &str, order: &[u8]) -> Vec<u8> {
    key_of(ENTITY_ROW, entity, order)
}

/// What the keys of an entity's pages begin with. No ordered key is the beginning of another.
pub(crate) fn page_prefix(entity: &str, order: &[u8]) -> Vec<u8> {
    key_of(PAGE_ROW, entity, order)
}

/// Key of a page behind that: the field, the page's number.
pub(super) fn page_key(prefix: &[u8], field: usize, number: u64) -> Bytes {
    let field = u16::try_from(field).expect("a struct has at most 1,024 fields: schemas are checked");
    [prefix, &field.to_be_bytes(), &number.to_be_bytes()].concat().into()
}

/// A page by what follows the prefix in its key; `None`: that is no key of one.
pub(crate) fn page_of(rest: &[u8], row: StoredRow) -> Option<(usize, u64, StoredRow)> {
    let (field, number) = rest.split_first_chunk::<2>()?;
    let number: [u8; 8] = number.try_into().ok()?;
    Some((usize::from(u16::from_be_bytes(*field)), u64::from_be_bytes(number), row))
}

/// Reads entities from the state file: also without the lock under which memory is.
pub(super) struct Loader {
    pub(super) hosts: Arc<[Box<dyn Host>]>,
    pub(super) rows: Arc<dyn Rows>,
}

/// An entity that is being read.
pub(crate) struct Loading {
    loader: Arc<Loader>,
    /// How often it had been let go when it began.
    gone: u64,
}

/// Those that are being read.
#[derive(Default)]
pub(super) struct Loads(BTreeMap<(ShardId, Name), Load>);

#[derive(Default)]
struct Load {
    readers: usize,
    /// How often it was let go since the first of them began.
    gone: u64,
}

impl Loads {
    pub(super) fn begin(&mut self, loader: &Arc<Loader>, shard: ShardId, name: &Name) -> Loading {
        let load = self.0.entry((shard, name.clone())).or_default();
        load.readers += 1;
        Loading { loader: loader.clone(), gone: load.gone }
    }
    /// True if it was let go since that began.
    pub(super) fn end(&mut self, shard: ShardId, name: &Name, loading: Loading) -> bool {
        let key = (shard, name.clone());
        let load = self.0.get_mut(&key).expect("what is being read began");
        let old = loading.gone != load.gone; // mutant stale-load-kept: let old = loading.gone > load.gone;
        load.readers -= 1;
        if load.readers == 0 {
            self.0.remove(&key);
        }
        old
    }
    /// It was let go.
    pub(super) fn gone(&mut self, shard: ShardId, name: &Name) {
        if !self.0.is_empty()
            && let Some(load) = self.0.get_mut(&(shard, name.clone()))
        {
            load.gone += 1;
        }
    }
}

impl Loading {
    /// Reads it, also without the lock.
    pub(crate) fn load(&self, shard: ShardId, name: &Name, key: &Bytes) -> Result<Loaded, StoreError> {
        self.loader.load(shard, name, key)
    }
}

impl Loader {
    /// Reads an entity; one that has no row is as nobody changed it yet.
    fn load(&self, shard: ShardId, name: &Name, key: &Bytes) -> Result<Loaded, StoreError> {
        let host = &self.hosts[name.host];
        let corrupt =
            |why: String| StoreError::corrupt(format!("{} {key:?} of shard {}: {why}", host.name(), shard.0));
        let (mut key, mut size) = (key.clone(), key.len());
        let (mut position, mut emptied, mut says_so) = (None, None, false);
        let mut cell = match self.rows.read(shard, &self.row_key(name))? {
            None => host.fresh(),
            Some(row) => {
                let entity: EntityRow =
                    nigh_wire::decode_stored(&row.value).map_err(|e| corrupt(e.to_string()))?;
                (position, size) = (Some(row.position), row.value.len());
                emptied = (entity.state == *host.default()).then_some(row.position);
                (key, says_so) = (entity.key, entity.paged);
                host.restore(&entity.state).map_err(|e| corrupt(e.to_string()))?
            }
        };
        // Whatever the head says: the first of them are written before it, and the last removed after it.
        let pages = if host.may_have_pages() { self.pages(shard, name)? } else { vec![] };
        if !pages.is_empty() {
            size += pages.iter().filter_map(|page| Some(page.page.row.as_ref()?.len())).sum::<usize>();
            position = cell.load(position, says_so, pages).map_err(|e| corrupt(e.to_string()))?;
            emptied = None;
        }
        let (cell, size) = (Some(cell), host.size_in_memory(size));
        let held = Held { key, cell, changed: position, written: position, size, used: true };
        Ok(Loaded { held, emptied })
    }

    /// True if some page of it holds an entry. A crash may leave pages of which none does.
    pub(super) fn has_entries(&self, shard: ShardId, name: &Name) -> Result<bool, StoreError> {
        let prefix = self.page_prefix(name);
        let mut from = Bound::Included(prefix.clone());
        loop {
            let mut found = None;
            let start = from.as_ref().map(Vec::as_slice);
            self.rows.scan(shard, &prefix, start, 1, &mut |key, row| found = Some((key.to_vec(), row)))?;
            let Some((key, row)) = found else { return Ok(false) };
            let page: PageRow = nigh_wire::decode_stored(&row.value)
                .map_err(|e| StoreError::corrupt(format!("a page of shard {}: {e}", shard.0)))?;
            if !page.is_empty() {
                return Ok(true);
            }
            from = Bound::Excluded(key);
        }
    }

    fn pages(&self, shard: ShardId, name: &Name) -> Result<Vec<FieldPage>, StoreError> {
        let prefix = self.page_prefix(name);
        let (mut pages, mut bad) = (vec![], None);
        self.rows.scan(
            shard,
            &prefix,
            Bound::Included(&prefix),
            usize::MAX,
            &mut |key, row| match page_of(&key[prefix.len()..], row) {
                Some((field, number, StoredRow { position, value })) => {
                    pages.push(FieldPage { field, page: Page { number, position, row: Some(value) } });
                }
                None => bad = Some(StoreError::corrupt(format!("a page of shard {}: its key", shard.0))),
            },
        )?;
        bad.map_or(Ok(pages), Err)
    }

    /// What an entity takes more after a change of so many bytes, until its row says it: an estimate.
    pub(super) fn grown(&self, name: &Name, redo_size: usize) -> usize {
        let host = &self.hosts[name.host];
        host.size_in_memory(redo_size) - host.size_in_memory(0)
    }

    /// Key of an entity's row: kind, wire name, 0, ordered key.
    pub(super) fn row_key(&self, name: &Name) -> Vec<u8> {
        row_key(self.hosts[name.host].name(), &name.order)
    }
    /// Of its pages: field and number follow.
    pub(super) fn page_prefix(&self, name: &Name) -> Vec<u8> {
        page_prefix(self.hosts[name.host].name(), &name.order)
    }
}
