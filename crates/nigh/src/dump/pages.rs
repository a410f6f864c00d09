//! Puts the head and the pages of an entity together, without its types: by the schemas, in whose order its keys are.
//!
//! As at a start, what a row holds counts up to the bound of the next one. A key whose `Ord` is not that of its fields (`Reverse`) reads
//! right as long as no sweep was cut short.

use nigh_wire::{Bytes, DecodeError, Entry, Out, Schema};

use super::At;
use crate::shards::memory::{PageRow, page_of, page_prefix};
use crate::store::{OpenError, ReadOnly, StoredRow};

/// A page, by its field and the ordered form of its lower bound.
type Bounded = (usize, Vec<u8>, Bytes);

/// The state of an entity, of which `state` is what the head holds; false if it is not all, since nobody knows how it reads.
pub(super) fn whole(
    store: &ReadOnly,
    at: At<'_>,
    row_key: &[u8],
    state: Bytes,
) -> Result<(Bytes, bool), OpenError> {
    let corrupt = |error: DecodeError| {
        store.unreadable(format!("pages of a {} in shard {}: {error}", at.entity, at.shard.0))
    };
    // Behind the kind, the name and a 0.
    let prefix = page_prefix(at.entity, &row_key[at.entity.len() + 2..]);
    let (mut rows, mut bad) = (vec![], None);
    store.rows_under(at.shard, &prefix, &mut |key, row| match page_of(&key[prefix.len()..], row) {
        Some((field, _, row)) => rows.push((field, row)),
        None => bad = Some(DecodeError::End),
    })?;
    if let Some(error) = bad {
        return Err(corrupt(error));
    }
    let schema = match at.schemas {
        _ if rows.is_empty() => return Ok((state, true)),
        None => return Ok((state, false)),
        Some(schemas) => &schemas.state,
    };
    let bounded = |(field, StoredRow { value, .. })| -> Result<Bounded, DecodeError> {
        let PageRow { from, entries } = nigh_wire::decode_stored(&value)?;
        Ok((field, schema.order_key_in(field, &from)?, entries))
    };
    let mut pages = rows.into_iter().map(bounded).collect::<Result<Vec<_>, _>>().map_err(corrupt)?;
    pages.sort();
    Ok((joined(schema, &state, &pages).map_err(corrupt)?, true))
}

/// The head's fields, each with its pages.
fn joined(schema: &Schema, head: &[u8], pages: &[Bounded]) -> Result<Bytes, DecodeError> {
    let mut out = Out::with_capacity(head.len());
    for (field, range) in schema.fields(head)?.into_iter().enumerate() {
        let of_field: Vec<&Bounded> = pages.iter().filter(|(of, ..)| *of == field).collect();
        let head = &head[range];
        if of_field.is_empty() {
            out.raw(head);
            continue;
        }
        let (from, mut count) = (out.len(), 0);
        let mut put = |entries: &[u8], lower: Option<&Vec<u8>>, above: Option<&&Bounded>| {
            for Entry { order, range } in schema.entries(field, entries)? {
                let inside = lower.is_none_or(|lower| order >= *lower)
                    && above.is_none_or(|(_, above, _)| order < *above); // mutant dump-past-bound: && above.is_none_or(|_| true);
                if inside {
                    out.raw(&entries[range]);
                    count += 1;
                }
            }
            Ok(())
        };
        put(head, None, of_field.first())?;
        for (at, (_, lower, entries)) in of_field.iter().enumerate() {
            put(entries, Some(lower), of_field.get(at + 1))?;
        }
        out.insert_var(from, count);
    }
    Ok(out.into_bytes())
}

#[cfg(test)]
mod tests;
