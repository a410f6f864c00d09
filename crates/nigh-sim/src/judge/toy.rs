//! An application for the judges' own tests: a counter with a method for every promise, true and false.

use std::cell::Cell as Hidden;

use nigh_proto::shards::record::RanOutcome;
use nigh_wire::{Bytes, Class};

use super::{Program, Run, Wrote};

/// One entity, `Counter`: a number.
pub(super) struct Toy;

/// A counter, and how often it was looked at.
pub(super) struct Counter {
    count: u64,
    looked: Hidden<u64>,
    /// What a view added to the state.
    spoilt: Hidden<u64>,
}

/// A number, as arguments, answers, changes and states have it.
pub(super) fn bytes(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_le_bytes())
}

fn number(bytes: &Bytes) -> u64 {
    u64::from_le_bytes(bytes[..].try_into().expect("a number has 8 bytes"))
}

impl Toy {
    pub(super) fn class(method: &str) -> Class {
        match method {
            "value" | "needs" | "sneak" | "spoil" => Class::Read,
            "max" | "double" | "plus" | "last" => Class::Commutes,
            _ => Class::Once,
        }
    }
}

impl Program for Toy {
    type Cell = Counter;

    fn fresh(&self, entity: &str) -> Option<Counter> {
        (entity == "Counter").then_some(Counter { count: 0, looked: Hidden::new(0), spoilt: Hidden::new(0) })
    }
    fn restore(&self, entity: &str, snapshot: &Bytes) -> Option<Counter> {
        Some(Counter { count: number(snapshot), ..self.fresh(entity)? })
    }
    fn write(&self, cell: &mut Counter, run: &Run<'_>) -> Wrote {
        let (before, n) = (cell.count, number(run.args));
        cell.count = match run.method {
            "add" | "plus" => before + n,
            "take" if before < n => return Wrote::Err(bytes(before)),
            "take" => before - n,
            "max" => before.max(n),
            "double" => before * 2,
            "last" => n,
            "odd" => before + u64::from(before != 1),
            "lift" => {
                if before < 2 {
                    before + 2
                } else {
                    before
                }
            }
            "clear" => 0,
            "now" => run.time.as_nanos(),
            "roll" => run.seed.unwrap_or(1),
            "break" => return Wrote::Panicked("broken".into()),
            // Its change says less than it does.
            "leak" | "garble" => before + 1,
            _ => return Wrote::Unfit("there is no such method".into()),
        };
        let changed = cell.count != before && run.method != "leak";
        let deleted = run.method == "clear";
        let redo = if run.method == "garble" {
            Bytes::from_static(b"?")
        } else if changed && !deleted {
            bytes(cell.count)
        } else {
            Bytes::new()
        };
        Wrote::Ok { value: bytes(cell.count), redo, deleted }
    }
    fn read(&self, cell: &Counter, _entity: &str, method: &str, args: &Bytes) -> Option<RanOutcome> {
        match method {
            "value" => Some(RanOutcome::Ok(bytes(cell.count))),
            "needs" if cell.count < number(args) => Some(RanOutcome::Err(bytes(cell.count))),
            "needs" => Some(RanOutcome::Ok(bytes(cell.count))),
            "sneak" => {
                cell.looked.set(cell.looked.get() + 1);
                Some(RanOutcome::Ok(bytes(cell.looked.get())))
            }
            "spoil" => {
                cell.spoilt.set(cell.spoilt.get() + 1);
                Some(RanOutcome::Ok(bytes(0)))
            }
            _ => None,
        }
    }
    fn apply(&self, cell: &mut Counter, redo: &Bytes) -> bool {
        let count = redo[..].try_into().map(u64::from_le_bytes);
        cell.count = count.unwrap_or(cell.count);
        count.is_ok()
    }
    fn reset(&self, cell: &mut Counter) {
        cell.count = 0;
    }
    fn snapshot(&self, cell: &Counter) -> Bytes {
        bytes(cell.count + cell.spoilt.get())
    }
    fn args_text(&self, _entity: &str, _method: &str, args: &Bytes) -> String {
        number(args).to_string()
    }
    fn state_text(&self, _entity: &str, snapshot: &Bytes) -> String {
        number(snapshot).to_string()
    }
}
