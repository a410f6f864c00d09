//! The byte order of ordered keys is the order of the values.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::samples::{self, Ordered, Pick};
use crate::{DecodeError, Entry, Wire, encode, schema_of};

fn key<T: Wire>(value: &T) -> Vec<u8> {
    schema_of::<T>().order_key(&encode(value)).expect("an encoded value is a value")
}

fn check<T: Wire + Ord>(a: &T, b: &T) -> bool {
    key(a).cmp(&key(b)) == a.cmp(b)
}

/// Where another key stood, whole or not.
#[test]
fn a_key_takes_the_place_of_another() {
    let (text, number) = (schema_of::<String>(), schema_of::<u64>());
    let mut out = Vec::new();
    for value in ["a longer one", "", "b"].map(String::from) {
        assert_eq!(text.order_key_into(&encode(&value), &mut out), Ok(()));
        assert_eq!(out, key(&value));
        assert!(number.order_key_into(&[0xff], &mut out).is_err(), "it is cut short");
        assert_eq!(number.order_key_into(&encode(&7u64), &mut out), Ok(()));
        assert_eq!(out, key(&7u64));
    }
}

/// Pairs that a careless form would confuse.
#[test]
fn neighbours_are_told_apart() {
    let texts = ["", "\0", "\0\0", "\0\u{1}", "a", "a\0", "a\0b", "ab", "b", "é"].map(String::from);
    for a in &texts {
        for b in &texts {
            assert!(check(a, b), "{a:?} {b:?}");
            assert!(check(&(a.clone(), 1u8), &(b.clone(), 0u8)), "({a:?}, 1) ({b:?}, 0)");
            assert!(check(&vec![a.clone()], &vec![b.clone(), a.clone()]), "[{a:?}] [{b:?}, {a:?}]");
        }
    }
    let numbers = [i64::MIN, -129, -128, -1, 0, 1, 127, 128, 255, 256, i64::MAX];
    for a in numbers {
        assert!(numbers.iter().all(|b| check(&a, b)), "{a}");
    }
    let floats = [f64::NEG_INFINITY, -1.5, -0.0, 0.0, 1e-300, 1.5, f64::INFINITY, f64::NAN];
    for pair in floats.windows(2) {
        assert_eq!(pair[0].total_cmp(&pair[1]), Ordering::Less);
        assert!(key(&pair[0]) < key(&pair[1]), "{pair:?}");
        assert!(key(&(pair[0] as f32)) <= key(&(pair[1] as f32)), "{pair:?}");
    }
}

/// The stored form: a change here is a change of the format.
#[test]
fn form_is_fixed() {
    assert_eq!(key(&(1u8, -1i8, 2u16)), [1, 0x7f, 0, 2]);
    assert_eq!(key(&"a\0".to_owned()), [b'a', 0, 0xff, 0, 0]);
    assert_eq!(key(&vec![Some(3u8), None]), [1, 1, 3, 1, 0, 0]);
    assert_eq!(key(&Pick::Two(1, String::new())), [0, 2, 1, 0, 0]);
    assert_eq!(key(&('a', true)), [0, 0, 0, 97, 1]);
}

proptest! {
    #[test]
    fn order_is_the_order_of_values(a in samples::ordered(), b in samples::ordered()) {
        prop_assert!(check(&a, &b));
        prop_assert!(check(&a, &a.clone()));
        prop_assert!(check(&(a.text.clone(), a.bytes.clone()), &(b.text.clone(), b.bytes.clone())));
        prop_assert!(check(&a.large, &b.large) && check(&a.pick, &b.pick) && check(&a.list, &b.list));
        prop_assert!(check(&a.set, &b.set) && check(&a.map, &b.map) && check(&a.pairs, &b.pairs));
        // Alike in the first fields, so that the later ones decide.
        let c = Ordered { list: b.list.clone(), when: b.when, ..a.clone() };
        prop_assert!(check(&a, &c));
    }
}

/// Their bytes are found, whatever the order of the entries; and in what is none of these there are none.
#[test]
fn entries_are_found_where_they_stand() {
    #[derive(Wire)]
    #[allow(dead_code)]
    struct Shelf {
        label: String,
        books: BTreeMap<u8, String>,
        tags: BTreeSet<u8>,
    }
    let schema = crate::schema_of::<Shelf>();
    //           label      2 books                  1 tag
    let bytes = [1, b'x', 2, 7, 1, b'b', 3, 1, b'a', 1, 9];
    let fields = schema.fields(&bytes).expect("a shelf");
    assert_eq!(fields, [0..2, 2..9, 9..11]);
    let books = schema.entries(1, &bytes[2..9]).expect("books");
    assert_eq!(books, [Entry { order: vec![7], range: 1..4 }, Entry { order: vec![3], range: 4..7 }]);
    assert_eq!(schema.entries(2, &bytes[9..]), Ok(vec![Entry { order: vec![9], range: 1..2 }]));
    assert_eq!(schema.order_key_in(1, &[7]), Ok(vec![7]));
    assert_eq!(schema.entries(0, &bytes[..2]), Err(DecodeError::OtherType));
    assert_eq!(schema.fields(&bytes[..9]), Err(DecodeError::End));
    assert_eq!(schema.entries(1, &bytes[2..]), Err(DecodeError::Rest));
}
