//! (d) Two updates of a tracked map, with what undoes and repeats them, beside a plain map changed in place.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use nigh::prelude::*;
use nigh_wire::Out;

use crate::harness::{Measured, Ran};

/// Methods between two looks at the clock.
const BATCH: u64 = 256;
/// An odd step far from any size measured: keys come in no order, and each comes.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Default, State)]
struct Holds {
    cents: Map<u64, u64>,
}

/// One method that succeeds: begun, two keys updated, committed with its redo.
pub fn tracked(entries: u64, span: Duration) -> Ran {
    let mut state = Holds { cents: (0..entries).map(|key| (key, key)).collect() };
    let mut key = 0u64;
    Ok(timed(span, || {
        let saved = state.begin();
        for _ in 0..2 {
            key = key.wrapping_add(STEP);
            *state.cents.get_mut(&(key % entries)).expect("each key is there") += 1;
        }
        let mut redo = Out::with_capacity(64);
        black_box(state.commit(saved, &mut redo));
        black_box(redo);
    }))
}

/// The same two updates of a map of the standard library, in place and for good.
pub fn plain(entries: u64, span: Duration) -> Ran {
    let mut cents: BTreeMap<u64, u64> = (0..entries).map(|key| (key, key)).collect();
    let mut key = 0u64;
    Ok(timed(span, || {
        for _ in 0..2 {
            key = key.wrapping_add(STEP);
            *cents.get_mut(&(key % entries)).expect("each key is there") += 1;
        }
        black_box(&mut cents);
    }))
}

fn timed(span: Duration, mut method: impl FnMut()) -> Measured {
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < span {
        (0..BATCH).for_each(|_| method());
        count += BATCH;
    }
    Measured::new(count, begun.elapsed())
}
