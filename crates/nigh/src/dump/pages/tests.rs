//! Rows as a sweep leaves them that was cut short.

use std::collections::BTreeMap;

use nigh_wire::{Bytes, Wire, decode, encode, schema_of};

use super::joined;

#[derive(Wire, Debug, PartialEq)]
struct Shelf {
    label: u8,
    books: BTreeMap<u8, u8>,
    last: u8,
}

fn books(of: &[u8], is: u8) -> Bytes {
    encode(&of.iter().map(|at| (*at, is)).collect::<BTreeMap<u8, u8>>())
}

/// What is above the next bound was written before that page was cut off: its row knows better.
#[test]
fn a_row_is_read_up_to_the_next_bound() {
    let old = Shelf { label: 1, books: (0..9).map(|at| (at, 0)).collect(), last: 2 };
    let pages = [(1, vec![3], books(&[3, 4, 5, 6, 7], 1)), (1, vec![6], books(&[7, 8], 2))];
    let whole = joined(&schema_of::<Shelf>(), &encode(&old), &pages).expect("it reads");
    let is = |at| if at < 3 { 0 } else { 1 + u8::from(at >= 6) };
    let books = [0, 1, 2, 3, 4, 5, 7, 8].into_iter().map(|at| (at, is(at))).collect();
    assert_eq!(decode::<Shelf>(&whole), Ok(Shelf { label: 1, books, last: 2 }));
}
