//! What a decoder refuses, and what it pays for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use proptest::prelude::*;

use crate::DecodeError::*;
use crate::samples::{self, Ordered, Pick, Rest};
use crate::{Bytes, DecodeError, Never, Time, Wire, decode, decode_shared, encode, schema_of};

/// Both the decoder and the walk by schema alone refuse it, for the same reason.
#[track_caller]
fn refused<T: Wire + Debug>(bytes: &[u8], why: DecodeError) {
    assert_eq!(decode::<T>(bytes).unwrap_err(), why, "decoded");
    assert_eq!(decode_shared::<T>(&Bytes::copy_from_slice(bytes)).unwrap_err(), why, "decoded, shared");
    assert!(schema_of::<T>().order_key(bytes).is_err(), "walked for its order");
    assert!(schema_of::<T>().explain(bytes).is_some(), "walked for JSON");
}

#[derive(Wire, Debug, PartialEq, Clone, Copy)]
struct Nothing {}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn hostile_bytes_are_refused() {
    refused::<u8>(&[], End);
    refused::<u64>(&[0x80], End);
    refused::<u128>(&[0x80; 5], End);
    refused::<f64>(&[1; 7], End);
    refused::<String>(&[3, b'a', b'b'], End);
    refused::<String>(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], End); // A length of 2^64 - 1.
    refused::<(u8, u8)>(&[1], End);
    refused::<u8>(&[1, 2], Rest);
    refused::<()>(&[0], Rest);
    // One encoding per value.
    refused::<u64>(&[0x80, 0], Varint);
    refused::<u128>(&[0x80, 0], Varint);
    refused::<(u64, [u8; 9])>(&[0x85, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1], Varint);
    refused::<u64>(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], Varint); // 2^64 and more.
    refused::<u64>(&[0x80; 11], Varint);
    refused::<(u64, u8)>(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 1], Varint);
    refused::<(u64, u8)>(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 1], Varint);
    refused::<(u64, u8)>(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x81, 1], Varint);
    refused::<u128>(&[&[0xff; 18][..], &[4]].concat(), Varint);
    refused::<u16>(&[0x80, 0x80, 4], Range);
    refused::<u32>(&[0x80, 0x80, 0x80, 0x80, 0x10], Range);
    refused::<i16>(&[0x80, 0x80, 4], Range);
    refused::<i32>(&[0xff, 0xff, 0xff, 0xff, 0x7f], Range);
    refused::<bool>(&[2], Tag);
    refused::<Option<u8>>(&[2, 0], Tag);
    refused::<String>(&[2, 0xc3, 0x28], Utf8);
    refused::<char>(&[0], Char);
    refused::<char>(&[2, b'a', b'b'], Char);
    refused::<Pick>(&[5], Variant);
    refused::<Pick>(&[0xff, 0xff, 0xff, 0xff, 0x0f], Variant);
    refused::<Never>(&[0], Variant);
    // Counts that the input cannot hold.
    refused::<Vec<u64>>(&[0xff, 0xff, 0xff, 0xff, 0x0f, 1], Count);
    refused::<Vec<u64>>(&[2, 1], Count);
    refused::<BTreeMap<u8, u8>>(&[2, 1, 1, 1], Count);
    refused::<Vec<Nothing>>(&[0xff, 0xff, 0xff, 0xff, 0x0f], Count);
    refused::<BTreeMap<u8, u8>>(&[2, 1, 1, 1, 2], Duplicate);
    refused::<BTreeSet<String>>(&[2, 1, b'a', 1, b'a'], Duplicate);
}

#[derive(Wire, Debug)]
struct Bounds {
    #[wire(len <= 4)]
    text: String,
    #[wire(len <= 2)]
    list: Option<Vec<u8>>,
    #[wire(check = "even")]
    even: u8,
}
fn even(v: &u8) -> Result<(), String> {
    if v.is_multiple_of(2) { Ok(()) } else { Err(format!("{v} is odd")) }
}

/// Each limit at the limit and one past it.
#[test]
fn limits_hold_at_the_limit_and_past_it() {
    let empty = |n: u64| decode::<Vec<Nothing>>(&encode(&n)).map(|v| v.len());
    assert_eq!((empty(65_536), empty(65_537)), (Ok(65_536), Err(Count)));

    // 64 levels of sequences, of options, of enums; one more is refused.
    let lists = |n: usize| decode::<Lists>(&[vec![1; n - 1], vec![0]].concat()).map(|_| ());
    assert_eq!((lists(64), lists(65)), (Ok(()), Err(Depth)));
    let picks = |n: usize| decode::<Pick>(&[vec![4; n - 1], vec![0]].concat()).map(|_| ());
    assert_eq!((picks(64), picks(65)), (Ok(()), Err(Depth)));
    let chain = |n: usize| decode::<Chain>(&[vec![1; n], vec![0]].concat()).map(|_| ());
    assert_eq!((chain(64), chain(65)), (Ok(()), Err(Depth)));
    // The walk by schema counts the same.
    let walk = |n: usize| schema_of::<Lists>().order_key(&[vec![1; n - 1], vec![0]].concat()).map(|_| ());
    assert_eq!((walk(64), walk(65)), (Ok(()), Err(Depth)));

    let bounds = |text: &str, list: &[u8], even| {
        let bytes = encode(&Bounds { text: text.into(), list: Some(list.into()), even });
        decode::<Bounds>(&bytes).map(|_| ()).map_err(|e| (e, schema_of::<Bounds>().explain(&bytes)))
    };
    assert_eq!(bounds("four", &[1, 2], 2), Ok(()));
    let (error, place) = bounds("fives", &[], 2).unwrap_err();
    assert_eq!((error, place.unwrap().to_string()), (Len, "text: 5 long, at most 4 is allowed".into()));
    assert_eq!(bounds("", &[1, 2, 3], 2).unwrap_err().0, Len);
    assert_eq!(bounds("", &[], 3).unwrap_err().0, Invalid);
}

#[derive(Wire, Debug)]
struct Lists(Vec<Lists>);
#[derive(Wire, Debug)]
struct Chain(Option<Box<Chain>>);

#[derive(Wire, Debug)]
#[allow(clippy::large_enum_variant)] // Its size is the point.
enum Expr {
    Leaf { a: u64, b: String, c: [u64; 32], d: Option<String> },
    Neg(Box<Expr>),
}

/// 64 levels of a type of 330 bytes: a browser's thread has 1 MiB.
#[test]
fn the_deepest_value_fits_a_small_stack() {
    let leaf = Expr::Leaf { a: 1, b: "b".into(), c: [1; 32], d: None };
    let deepest = encode(&(0..63).fold(leaf, |inner, _| Expr::Neg(Box::new(inner))));
    let run = move || {
        assert!(decode::<Expr>(&deepest).is_ok());
        let one_more = [&[1], &deepest[..]].concat();
        assert_eq!(decode::<Expr>(&one_more).err(), Some(Depth));
    };
    let small = std::thread::Builder::new().stack_size(512 << 10);
    small.spawn(run).expect("threads start").join().expect("it fits");
}

/// What is made in memory is paid from 64 KiB and 8 times the input: at the limit, and one past it.
#[test]
fn memory_is_paid_before_it_is_made() {
    // 24 bytes in memory for one on the wire.
    let sparse = |n: usize| {
        let mut bytes = encode(&(n as u64)).to_vec();
        bytes.resize(bytes.len() + n, 0);
        decode::<Vec<Option<String>>>(&bytes).map(|v| v.len())
    };
    // 24 n <= 65,536 + 8 (n + 2).
    assert_eq!((sparse(4_097), sparse(4_098)), (Ok(4_097), Err(Budget)));
    let megabyte = 1 << 20;
    assert_eq!(sparse(megabyte), Err(Budget));
    // A budget spent in one place is missing in the next.
    let half = encode(&vec![None::<String>; 2_000]);
    let twice = [&half[..], &half[..]].concat();
    assert!(decode::<Vec<Option<String>>>(&half).is_ok());
    assert_eq!(decode::<(Vec<Option<String>>, Vec<Option<String>>)>(&twice).err(), None);
    let thrice = [&half[..], &half[..], &half[..]].concat();
    type Three = (Vec<Option<String>>, Vec<Option<String>>, Vec<Option<String>>);
    assert_eq!(decode::<Three>(&thrice).err(), Some(Budget));
}

/// A slice of the receive buffer pins all of it: only one that is worth it is shared.
#[test]
fn small_slices_do_not_pin_their_buffer() {
    let shared = |size: usize, rest: usize| {
        let whole = encode(&(vec![7u8; size], vec![1u8; rest]));
        let value: (Bytes, Bytes) = decode_shared(&whole).unwrap();
        assert_eq!(value.0, vec![7u8; size]);
        whole.as_ptr_range().contains(&value.0.as_ptr())
    };
    assert_eq!((shared(4_096, 100), shared(4_095, 100)), (true, false));
    assert_eq!((shared(20_000, 50_000), shared(20_000, 70_000)), (true, false));
    // But for these few bytes it is the buffer: its length, and another part with its own.
    assert_eq!((shared(100, 14), shared(100, 15)), (true, false));
    assert_eq!((shared(24, 0), shared(23, 0)), (true, false));
}

#[test]
fn numbers_are_exact() {
    let mut edges = vec![0u64, u64::MAX];
    edges.extend((0..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1]));
    for v in edges {
        let bytes = encode(&v);
        assert_eq!(bytes.len(), (64 - (v | 1).leading_zeros() as usize).div_ceil(7), "shortest form of {v}");
        assert_eq!(decode::<u64>(&bytes), Ok(v));
        // With bytes behind it, the word-wise path reads it.
        assert_eq!(decode::<(u64, [u8; 12])>(&encode(&(v, [0xffu8; 12]))), Ok((v, [0xff; 12])));
        assert_eq!(decode::<i64>(&encode(&(v as i64))), Ok(v as i64));
        let wide = u128::from(v) * u128::from(v);
        assert_eq!(decode::<(u128, i128)>(&encode(&(wide, -i128::from(v)))), Ok((wide, -i128::from(v))));
    }
    assert_eq!(decode::<(u128, i128)>(&encode(&(u128::MAX, i128::MIN))), Ok((u128::MAX, i128::MIN)));
    for bits in [0x7ff8_0000_0000_0001u64, 0xfff0_0000_0000_0001, 1, 1 << 63] {
        assert_eq!(
            decode::<f64>(&encode(&f64::from_bits(bits))).unwrap().to_bits(),
            bits,
            "NaN payloads too"
        );
    }
    assert_eq!(decode::<Duration>(&encode(&Duration::MAX)), Ok(Duration::from_nanos(u64::MAX)));
    assert_eq!(decode::<Time>(&[5]), Ok(Time::from_nanos(5)));
}

/// The stored form of every kind: a change here is a change of the format.
#[test]
#[rustfmt::skip] // Rows are read as columns.
fn layout_is_fixed() {
    fn check<T: Wire>(value: T, bytes: &[u8]) { assert_eq!(&encode(&value)[..], bytes); }
    check((true, 7u8, -1i8), &[1, 7, 0xff]);
    check((300u16, 300u32, 300u64, 300u128), &[0xac, 2, 0xac, 2, 0xac, 2, 0xac, 2]);
    check((-1i16, 1i32, -2i64, 2i128), &[1, 2, 3, 4]);
    check((1f32, -2f64), &[0, 0, 128, 63, 0, 0, 0, 0, 0, 0, 0, 192]);
    check(('é', "hi".to_owned(), vec![1u8, 2]), &[2, 0xc3, 0xa9, 2, b'h', b'i', 2, 1, 2]);
    check((None::<u8>, Some(5u8)), &[0, 1, 5]);
    check(BTreeMap::from([(2u8, true), (1, false)]), &[2, 1, 0, 2, 1]);
    check(BTreeSet::from([3u16, 2]), &[2, 2, 3]);
    check([1u16, 2], &[1, 2]);
    check(((), Nothing {}), &[]);
    check(vec![Pick::Unit, Pick::One(-1), Pick::Named { a: Some(9), b: Some(None) }], &[3, 0, 1, 1, 3, 1, 9, 1, 0]);
    check(Ok::<u8, u8>(1), &[0, 1]);
    check((Time::from_nanos(1), Duration::from_nanos(128)), &[1, 0x80, 1]);
}

proptest! {
    #[test]
    fn values_survive(ordered in samples::ordered(), rest in samples::rest()) {
        prop_assert_eq!(decode::<Ordered>(&encode(&ordered)).unwrap(), ordered);
        // Bytes are compared: a NaN is not equal to itself.
        prop_assert_eq!(encode(&decode::<Rest>(&encode(&rest)).unwrap()), encode(&rest));
    }

    /// No input panics, and what decodes has one encoding.
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let again = decode::<Rest>(&bytes).map(|v| encode(&v));
        prop_assert!(again.is_err() || again.unwrap() == bytes);
        let _ = decode::<Ordered>(&bytes);
        let _ = decode::<crate::Schema>(&bytes);
        let _ = (schema_of::<Ordered>().to_json(&bytes), schema_of::<Rest>().order_key(&bytes));
    }

    /// A good value with a few bytes changed reaches deeper.
    #[test]
    fn damaged_values_never_panic(v in samples::ordered(), hits in prop::collection::vec(any::<(u16, u8)>(), 1..4)) {
        let mut bytes = encode(&v).to_vec();
        for (at, byte) in hits {
            let at = usize::from(at) % bytes.len();
            bytes[at] = byte;
        }
        let decoded = decode::<Ordered>(&bytes);
        let s = schema_of::<Ordered>();
        // `Ordered` has no rule that the schema does not know, so they agree; the decoder takes entries in
        // any order, an ordered key is made of canonical bytes only.
        prop_assert_eq!(decoded.is_ok(), s.to_json(&bytes).is_ok());
        let canonical = decoded.is_ok_and(|v| encode(&v) == bytes);
        prop_assert_eq!(s.order_key(&bytes).is_ok(), canonical);
    }
}

/// Numbers of every length come back, at each edge of a group of seven bits, with and without bytes behind them.
#[test]
fn numbers_of_every_length_come_back() {
    for bits in 0..64 {
        for n in [1u64 << bits, (1 << bits) - 1, (1 << bits) | 1, u64::MAX >> bits, u64::MAX << bits] {
            let bytes = crate::encode(&n);
            let groups = (64 - n.leading_zeros()).div_ceil(7).max(1) as usize;
            assert_eq!((bytes.len(), crate::decode::<u64>(&bytes)), (groups, Ok(n)), "{n}");
            assert_eq!(bytes, crate::encode(&u128::from(n)), "{n}: one form for all widths");
            let followed = (n, [7u8; 9]);
            assert_eq!(crate::decode::<(u64, [u8; 9])>(&crate::encode(&followed)), Ok(followed), "{n}");
        }
    }
}
