//! What each file says of itself, and the one place where redb's failures become ours.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nigh_wire::Time;
use redb::{ReadableTable, Table, TableDefinition};

use super::seal::{Sealer, check, part};
use crate::store::{GroupId, Meta, Place, StoreError};

/// Name → value and seal; the format version alone has none, every release can read it.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// Little-endian u32, never sealed: the one thing whose form is fixed for good.
const FORMAT: &str = "format";
/// Incarnation and number of shards.
const STORE: &str = "store";
/// When it was put back from a copy, if it was: nanoseconds since 1970.
const RESTORED: &str = "restored";
/// It is a copy, to be put back and not to be started on: 1.
const COPY: &str = "copy";

/// What a transaction stumbled over.
pub(super) enum Fault {
    Redb(redb::Error),
    Store(StoreError),
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Fault::Redb(error.into())
    }
}

/// Lifts an error of ours, where `?` would take it for one of redb's.
pub(super) fn ours<T>(result: Result<T, StoreError>) -> Result<T, Fault> {
    result.map_err(Fault::Store)
}

/// Runs a transaction on `file`. redb promises no panic-free reading of a file that others have altered: such a
/// panic is damage, found.
pub(super) fn guard<T>(file: &'static str, f: impl FnOnce() -> Result<T, Fault>) -> Result<T, StoreError> {
    let place = Place::File(file);
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Fault::Store(error))) => Err(error),
        Ok(Err(Fault::Redb(error))) => Err(from_redb(place, error)),
        Err(panic) => Err(StoreError::Corrupt { place, detail: format!("redb gave up: {}", said(&*panic)) }),
    }
}

fn from_redb(place: Place, error: redb::Error) -> StoreError {
    let damaged = |detail| StoreError::Corrupt { place, detail };
    match error {
        redb::Error::Io(error)
            if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
        {
            damaged(error.to_string())
        }
        redb::Error::Io(error) => StoreError::Io(error),
        redb::Error::DatabaseAlreadyOpen => StoreError::Io(io::ErrorKind::ResourceBusy.into()),
        redb::Error::Corrupted(detail) => damaged(detail),
        error @ (redb::Error::UpgradeRequired(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableDoesNotExist(_)
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. }) => damaged(error.to_string()),
        other => StoreError::Io(io::Error::other(other.to_string())),
    }
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word")
}

/// What a file says it is, before anything else in it is believed.
pub(super) enum Said {
    /// Of another format: nothing more can be read.
    Format(u32),
    /// Of ours.
    Ours(Meta),
}

/// Reads what `file` says of itself.
pub(super) fn read(
    file: &'static str,
    table: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<Said, Fault> {
    let bad = |what, detail: &str| {
        Fault::Store(StoreError::Corrupt { place: Place::Meta(file, what), detail: detail.to_owned() })
    };
    let format = table.get(FORMAT)?.ok_or_else(|| bad(FORMAT, "missing"))?;
    let format = format.value().try_into().map_err(|_| bad(FORMAT, "not 4 bytes"))?;
    let format_version = u32::from_le_bytes(format);
    if format_version != crate::store::FORMAT_VERSION {
        return Ok(Said::Format(format_version));
    }
    let store = table.get(STORE)?.ok_or_else(|| bad(STORE, "missing"))?;
    let (value, seal) = ours(part(store.value(), || Place::Meta(file, STORE)))?;
    let (incarnation, shards) = value.split_first_chunk::<16>().ok_or_else(|| bad(STORE, "too short"))?;
    let incarnation = u128::from_le_bytes(*incarnation);
    let shards = u32::from_le_bytes(shards.try_into().map_err(|_| bad(STORE, "too short"))?);
    ours(check(seal, Sealer::new(incarnation).named(STORE, value), || Place::Meta(file, STORE)))?;
    let restored = match table.get(RESTORED)? {
        Some(_) => Some(Time::from_nanos(number(file, table, Sealer::new(incarnation), RESTORED)?)),
        None => None,
    };
    let copy = match table.get(COPY)? {
        Some(_) => number(file, table, Sealer::new(incarnation), COPY)? > 0,
        None => false,
    };
    Ok(Said::Ours(Meta { format_version, incarnation, shards, restored, copy }))
}

/// Writes what a new file says of itself.
pub(super) fn write(table: &mut Table<'_, &'static str, &'static [u8]>, meta: Meta) -> Result<(), Fault> {
    table.insert(FORMAT, &meta.format_version.to_le_bytes()[..])?;
    let mut value = meta.incarnation.to_le_bytes().to_vec();
    value.extend_from_slice(&meta.shards.to_le_bytes());
    let sealer = Sealer::new(meta.incarnation);
    if let Some(restored) = meta.restored {
        put(table, sealer, RESTORED, &restored.as_nanos().to_le_bytes())?;
    }
    if meta.copy {
        put(table, sealer, COPY, &1_u64.to_le_bytes())?;
    }
    put(table, sealer, STORE, &value)
}

/// Writes a value and its seal.
pub(super) fn put(
    table: &mut Table<'_, &'static str, &'static [u8]>,
    sealer: Sealer,
    name: &str,
    value: &[u8],
) -> Result<(), Fault> {
    let mut sealed = value.to_vec();
    sealed.extend_from_slice(&sealer.named(name, value));
    table.insert(name, &sealed[..])?;
    Ok(())
}

/// Writes the number of a group.
pub(super) fn put_group(
    table: &mut Table<'_, &'static str, &'static [u8]>,
    sealer: Sealer,
    name: &str,
    group: GroupId,
) -> Result<(), Fault> {
    put(table, sealer, name, &group.0.to_le_bytes())
}

/// Reads the number of a group.
pub(super) fn group(
    file: &'static str,
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    sealer: Sealer,
    name: &'static str,
) -> Result<GroupId, Fault> {
    number(file, table, sealer, name).map(GroupId)
}

fn number(
    file: &'static str,
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    sealer: Sealer,
    name: &'static str,
) -> Result<u64, Fault> {
    let [number] = numbers(file, table, sealer, name)?;
    Ok(number)
}

/// Reads so many numbers that stand under one name.
pub(super) fn numbers<const N: usize>(
    file: &'static str,
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    sealer: Sealer,
    name: &'static str,
) -> Result<[u64; N], Fault> {
    let place = || Place::Meta(file, name);
    let bad = |detail: &str| Fault::Store(StoreError::Corrupt { place: place(), detail: detail.to_owned() });
    let stored = table.get(name)?.ok_or_else(|| bad("missing"))?;
    let (value, seal) = ours(part(stored.value(), place))?;
    ours(check(seal, sealer.named(name, value), place))?;
    let (numbers, rest) = value.as_chunks();
    let numbers: Vec<_> = numbers.iter().map(|number| u64::from_le_bytes(*number)).collect();
    match <[u64; N]>::try_from(numbers) {
        Ok(numbers) if rest.is_empty() => Ok(numbers),
        _ => Err(bad(&format!("not {} bytes", N * 8))),
    }
}
