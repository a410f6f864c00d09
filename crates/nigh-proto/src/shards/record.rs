//! What the log of a shard holds: all that survives of a call, in one record (R4).
//!
//! These bytes are stored: a change here is a change of the store's format version. A [`Blob`] is written by
//! [`BlobOut`], record by record as they happen, and read by [`Blob::from_bytes`]; nothing here checks sums,
//! epochs or places, which is the store's work and the shard's.

use std::sync::Arc;

use nigh_wire::{Bytes, CallId, CallerId, Cause, DecodeError, Fingerprint, Keyed, Out, Reader, Time, Wire};

use crate::calls::request::{Known, Order};
use crate::shards::Position;

/// All records of a shard since the last append: appended whole or not at all (R8).
///
/// Not `Wire`: a derived reader charges 400 bytes of memory for each record against 8 times its bytes, so a
/// blob of a thousand small records would be written and then refused. [`Blob::from_bytes`] has one budget
/// for each record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Log time (R16): never below that of the blob before.
    pub time: Time,
    /// Place of the first record.
    pub first: Position,
    /// In order.
    pub records: Vec<Record>,
}

impl Blob {
    /// Its stored bytes.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BlobOut::default();
        for record in &self.records {
            out.push(record);
        }
        out.take(self.time, self.first)
    }

    /// Reads stored bytes; `Bytes` inside are slices of them.
    ///
    /// # Errors
    ///
    /// The bytes are no blob.
    pub fn from_bytes(bytes: &Bytes) -> Result<Blob, DecodeError> {
        Blob::read(Reader::shared(bytes))
    }

    /// As [`from_bytes`](Self::from_bytes), and all `Bytes` inside are slices: for a start, which keeps few of them.
    ///
    /// # Errors
    ///
    /// The bytes are no blob.
    pub fn sliced(bytes: &Bytes) -> Result<Blob, DecodeError> {
        Blob::read(Reader::sliced(bytes))
    }

    /// Reads stored bytes for what was changed, and passes over all else: for entities, of which the machines know nothing.
    ///
    /// # Errors
    ///
    /// The bytes are no blob. Of what is passed over, not all is looked at.
    pub fn changes(bytes: &Bytes) -> Result<Vec<Change<'_>>, DecodeError> {
        let mut reader = Reader::sliced(bytes);
        let (_, first) = (Time::decode(&mut reader)?, Position::decode(&mut reader)?);
        let mut changes = Vec::new();
        for position in (first.0..).map(Position).take(usize::try_from(reader.var()?).unwrap_or(usize::MAX)) {
            reader.begin_anew();
            changes.extend(reader.nested(|reader| Change::of_record(position, reader))?);
        }
        reader.end()?;
        Ok(changes)
    }

    fn read(mut reader: Reader<'_>) -> Result<Blob, DecodeError> {
        let (time, first) = (Time::decode(&mut reader)?, Position::decode(&mut reader)?);
        let count = reader.var()?;
        // The count is not believed: each record has at least a byte, and room grows as they are read.
        let mut records = Vec::with_capacity(usize::try_from(count).unwrap_or(usize::MAX).min(1024));
        for _ in 0..count {
            reader.begin_anew();
            records.push(Record::decode(&mut reader)?);
        }
        reader.end()?;
        Ok(Blob { time, first, records })
    }
}

/// A blob being written: records are encoded as they happen, the head when the blob is taken.
#[derive(Clone, Debug, Default, Hash)]
pub struct BlobOut {
    records: Out,
    count: u64,
}

impl BlobOut {
    /// Appends a record.
    pub fn push(&mut self, record: &Record) {
        record.encode(&mut self.records);
        self.count += 1;
    }
    /// Records since the last blob was taken.
    pub fn count(&self) -> u64 {
        self.count
    }
    /// Their bytes.
    pub fn size(&self) -> usize {
        self.records.len()
    }
    /// The blob's bytes; starts the next one.
    pub fn take(&mut self, time: Time, first: Position) -> Bytes {
        // A head is three numbers of at most 10 bytes.
        let mut out = Out::with_capacity(30 + self.records.len());
        time.encode(&mut out);
        first.encode(&mut out);
        out.var(std::mem::take(&mut self.count));
        out.raw(self.records.as_slice());
        self.records.truncate(0);
        out.into_bytes()
    }
}

/// One thing that happened.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A method ran.
    Ran(Ran),
    /// An id, and perhaps its idempotency key, will never run (R12), or was given up (R4).
    Tombstone(Tombstone),
    /// Another try of a keyed call was answered from its key's record (R12).
    Again(Again),
    /// Its caller has gone and knows everything it asked for (`bye`).
    Bye(CallId),
    /// Nothing but the blob's time: makes it durable before records are swept under it (R16).
    Tick,
}

impl Record {
    /// Of whose tables it changes rows that others read together (`tables/cold.rs`).
    pub fn caller(&self) -> Option<CallerId> {
        match self {
            Record::Ran(ran) => ran.id.map(|id| id.caller),
            Record::Tombstone(stone) => Some(stone.id.caller),
            Record::Again(again) => Some(again.id.caller),
            Record::Bye(id) => Some(id.caller),
            Record::Tick => None,
        }
    }
}

/// A method ran: change, id, fingerprint, answer and floor, together (R4).
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// R1; `None` for a method that commutes, of which no record is kept.
    pub id: Option<CallId>,
    /// Log time when it ran, which is what `tx.now()` said: from here on its key is remembered (R12).
    pub time: Time,
    /// R3.
    pub fingerprint: Fingerprint,
    /// Wire name of the entity.
    pub entity: Arc<str>,
    /// Encoded key.
    pub key: Bytes,
    /// Wire name of the method.
    pub method: Arc<str>,
    /// R10, R14: committed with the call that carried it.
    pub order: Order,
    /// Idempotency key, if it carried one.
    pub keyed: Option<Keyed>,
    /// What it returned.
    pub outcome: RanOutcome,
    /// The change, as `State::commit` wrote it; empty if there was none.
    pub redo: Bytes,
    /// The entity became its default.
    pub deleted: bool,
    /// Where the method's random numbers started, if it drew any.
    pub seed: Option<u64>,
    /// Calls that leave with this commit (R18); none until the outbox is built.
    pub staged: Vec<Bytes>,
    /// Timers that start with this commit (R19); none until they are built.
    pub timers: Vec<Bytes>,
    /// What it changed of other entities of the same home: in one record, so that all of it is there or nothing.
    pub others: Vec<Other>,
}

/// A change of another entity of the same shard.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Wire name of the entity.
    pub entity: Arc<str>,
    /// Encoded key.
    pub key: Bytes,
    /// The change, as `State::commit` wrote it.
    pub redo: Bytes,
}

/// What a run changed: of a [`Ran`], the part that entities are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// Of its record.
    pub position: Position,
    /// Wire name of the entity.
    pub entity: &'a str,
    /// Its encoded key.
    pub key: Bytes,
    /// Empty if there was none.
    pub redo: Bytes,
    /// The entity became its default.
    pub deleted: bool,
    /// Of other entities of the same home.
    pub others: Vec<Other>,
}

impl<'a> Change<'a> {
    /// Reads a [`Record`], behind its level; `None` of all but runs.
    fn of_record(position: Position, r: &mut Reader<'a>) -> Result<Option<Self>, DecodeError> {
        match r.var()? {
            0 => Change::of_run(position, r).map(Some),
            1 => Tombstone::decode(r).map(|_| None),
            2 => Again::decode(r).map(|_| None),
            3 => CallId::decode(r).map(|_| None),
            4 => Ok(None),
            _ => Err(DecodeError::Variant),
        }
    }

    /// Reads a [`Ran`], field by field.
    fn of_run(position: Position, r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Option::<CallId>::decode(r)?;
        Time::decode(r)?;
        Fingerprint::decode(r)?;
        let (entity, key) = (r.str()?, r.share()?);
        let _method = r.bytes()?;
        Order::decode(r)?;
        if r.tag()? {
            let (_principal, _key) = (r.bytes()?, r.bytes()?);
        }
        let (_ok_or_err, _outcome) = (r.var()?, r.bytes()?);
        let (redo, deleted) = (r.share()?, r.tag()?);
        Option::<u64>::decode(r)?;
        let (_staged, _timers) = (Vec::<Bytes>::decode(r)?, Vec::<Bytes>::decode(r)?);
        Ok(Change { position, entity, key, redo, deleted, others: Vec::decode(r)? })
    }
}

/// What a method returned.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub enum RanOutcome {
    /// Encoded value.
    Ok(Bytes),
    /// Encoded error: no change was made.
    Err(Bytes),
}

/// An id that was told what another id of the same idempotency key had done.
///
/// The key is forgotten before this id can be: without a record of its own it could run then, or be told not
/// done, after it was told done.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct Again {
    /// R1.
    pub id: CallId,
    /// R3.
    pub fingerprint: Fingerprint,
    /// As the id that ran was told.
    pub outcome: RanOutcome,
    /// What its caller knew (R14), as far as it said so.
    pub known: Known,
}

/// An id that will never run.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// R1.
    pub id: CallId,
    /// Log time of the decision: from here on its key is dead (R12).
    pub time: Time,
    /// Wire name of the entity.
    pub entity: Arc<str>,
    /// Encoded key of the entity.
    pub key: Bytes,
    /// Wire name of the method.
    pub method: Arc<str>,
    /// Of the call, as the ticket or the copy says (R3).
    pub fingerprint: Fingerprint,
    /// Of a keyed call: the key is dead too (R12).
    pub keyed: Option<Keyed>,
    /// What its callers are told: `Fenced`, `Panicked`, `Stuck`, or why it could not be run.
    pub cause: Cause,
    /// What its caller knew (R14), as far as it said so. Without it a caller all of whose calls are given up would be
    /// remembered call by call until they are too old.
    pub known: Known,
}

#[cfg(test)]
mod tests;
