//! Shows what a store holds to those who have not its types: rows by the schemas that stand beside them, then what the log
//! holds on top of them.
//!
//! A redo is data for a type: whether a sequence of bytes changes a `Vec` or a `List` no schema says. So the log's tail is
//! listed, not applied. A program that was stopped has written all of it back; of one that was killed it is the last second or so.

use std::path::Path;

use nigh_proto::shards::record::{Blob, Ran, RanOutcome, Record, Tombstone};
use nigh_proto::shards::{Position, ShardId};
use nigh_wire::{Bytes, Time};

use crate::shards::memory::{ENTITY_ROW, EntityRow, row_key};
use crate::store::{OpenError, ReadOnly, Schemas, StoredRow, read_dir};

mod pages;

/// One thing that a store holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dumped {
    /// An entity, as it was last written back.
    Entity {
        /// Encoded key.
        key: Bytes,
        /// Encoded state.
        state: Bytes,
        /// All of it. False: it has pages, and the store does not know how its state reads, so that nobody can put them together.
        is_whole: bool,
    },
    /// A call that the log still holds.
    Asked {
        /// Log time when it ran, or was given up.
        time: Time,
        /// Encoded key.
        key: Bytes,
        /// Wire name of the method.
        method: String,
        /// What became of it.
        outcome: Ended,
        /// Its change is in the entity's row already, or there is none.
        is_in_row: bool,
    },
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It returned.
    Done,
    /// It returned its own error.
    Failed,
    /// It did not run and never will.
    NotDone,
}

/// Where something stands.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// Wire name of the entity.
    pub entity: &'a str,
    /// How it reads, if the store knows.
    pub schemas: Option<&'a Schemas>,
    /// Whose log it is in.
    pub shard: ShardId,
    /// Place of the record; of an entity, of the last one whose change is in it.
    pub position: Position,
}

/// Hands out all entities of the store in `dir`, or those of this name, and then the calls that its log still holds,
/// until `each` says false. Changes nothing. Gives the names of all entities that the store knows.
///
/// # Errors
///
/// Damage, after what stands before it was handed out; or the store cannot be read.
pub fn dump_dir(
    dir: &Path,
    entity: Option<&str>,
    each: &mut dyn FnMut(At<'_>, Dumped) -> bool,
) -> Result<Vec<String>, OpenError> {
    let store = read_dir(dir)?;
    let mut known = Vec::new();
    for (name, schemas) in store.entities()? {
        let schemas = schemas.map(|bytes| nigh_wire::decode_stored::<Schemas>(&bytes)).transpose();
        let schemas = schemas.map_err(|error| store.unreadable(format!("schemas of {name}: {error}")))?;
        known.push((name, schemas));
    }
    let schemas_of = |name: &str| known.iter().find(|(known, _)| known == name).and_then(|(_, s)| s.as_ref());
    let wanted = |name: &str| entity.is_none_or(|entity| entity == name);
    let (mut goes_on, mut bad) = (true, None);
    store.rows(&mut |shard, row_key, row| {
        let Some(name) = entity_of(row_key).filter(|name| wanted(name)) else { return true };
        match nigh_wire::decode_stored::<EntityRow>(&row.value) {
            Ok(EntityRow { key, state, .. }) => {
                let at = At { entity: name, schemas: schemas_of(name), shard, position: row.position };
                match pages::whole(&store, at, row_key, state) {
                    Ok((state, is_whole)) => goes_on = each(at, Dumped::Entity { key, state, is_whole }),
                    Err(error) => bad = Some(error),
                }
            }
            Err(error) => {
                let detail = format!("a row of {name} in shard {}: {error}", shard.0);
                bad = Some(store.unreadable(detail));
            }
        }
        goes_on && bad.is_none()
    })?;
    if let Some(error) = bad {
        return Err(error);
    }
    let (mut failed, swept) = (None, store.swept()?);
    let mut tail = |entry: crate::store::LogEntry| -> Result<bool, OpenError> {
        let blob = Blob::from_bytes(&entry.blob);
        let blob = blob.map_err(|e| store.unreadable(format!("a blob of shard {}: {e}", entry.shard.0)))?;
        for (record, place) in blob.records.iter().zip(blob.first.0..) {
            let Some(call) = Entry::of(record).filter(|call| wanted(call.entity)) else { continue };
            let schemas = schemas_of(call.entity);
            let at = At { entity: call.entity, schemas, shard: entry.shard, position: Position(place) };
            let dumped = call.dumped(&store, at, entry.group < swept)?;
            if !each(at, dumped) {
                return Ok(false);
            }
        }
        Ok(true)
    };
    if goes_on {
        store.tail(&mut |entry| {
            tail(entry).unwrap_or_else(|error| {
                failed = Some(error);
                false
            })
        })?;
    }
    failed.map_or(Ok(known.into_iter().map(|(name, _)| name).collect()), Err)
}

/// Whose row has this key; `None`: nobody's, it is one of the tables'.
fn entity_of(row_key: &[u8]) -> Option<&str> {
    let rest = row_key.strip_prefix(&[ENTITY_ROW])?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    std::str::from_utf8(&rest[..end]).ok()
}

/// What a record says of a call.
struct Entry<'a> {
    time: Time,
    entity: &'a str,
    key: &'a Bytes,
    method: &'a str,
    outcome: Ended,
    changes: bool,
}

impl<'a> Entry<'a> {
    fn of(record: &'a Record) -> Option<Self> {
        match record {
            Record::Ran(Ran { time, entity, key, method, outcome, redo, deleted, others, .. }) => {
                let outcome = if matches!(outcome, RanOutcome::Ok(_)) { Ended::Done } else { Ended::Failed };
                let changes = !redo.is_empty() || *deleted || !others.is_empty();
                Some(Entry { time: *time, entity, key, method, outcome, changes })
            }
            Record::Tombstone(Tombstone { time, entity, key, method, .. }) => {
                Some(Entry { time: *time, entity, key, method, outcome: Ended::NotDone, changes: false })
            }
            Record::Again(_) | Record::Bye(_) | Record::Tick => None,
        }
    }

    fn dumped(self, store: &ReadOnly, at: At<'_>, is_swept: bool) -> Result<Dumped, OpenError> {
        let Entry { time, key, method, outcome, changes, .. } = self;
        let order = at.schemas.and_then(|schemas| schemas.key.order_key(key).ok());
        let row = order.map(|order| store.row(at.shard, &row_key(at.entity, &order))).transpose()?.flatten();
        // A head alone does not say what is in the pages beside it.
        let is_alone = |row: &StoredRow| {
            nigh_wire::decode_stored::<EntityRow>(&row.value).is_ok_and(|entity| !entity.paged)
        };
        let in_row = row.is_some_and(|row| row.position >= at.position && is_alone(&row));
        let (key, method) = (key.clone(), method.to_owned());
        // A removed entity has no row to ask.
        let is_in_row = in_row || is_swept || !changes; // mutant dump-tail-always-new: let is_in_row = !changes;
        Ok(Dumped::Asked { time, key, method, outcome, is_in_row })
    }
}
