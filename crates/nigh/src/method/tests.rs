//! Names of generic instances, and arguments that are none.

use std::collections::BTreeMap;

use nigh_wire::{Bytes, Cause, Value};

use super::{args0, args2, instance_name, unknown};

struct Topic<T>(std::marker::PhantomData<T>);
struct Pair<A, B>(std::marker::PhantomData<(A, B)>);
struct Many<const N: usize>;

mod inner {
    pub(super) struct Order2;
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn instances_are_named_without_modules() {
    fn check<S>(name: &str) { assert_eq!(instance_name::<S>("t"), name) }
    check::<Topic<u64>>("t/u64");
    check::<Topic<String>>("t/String");
    check::<Topic<inner::Order2>>("t/Order2");
    check::<Topic<Vec<inner::Order2>>>("t/Vec<Order2>");
    check::<Topic<(u8, inner::Order2)>>("t/(u8,Order2)");
    check::<Pair<String, BTreeMap<u8, inner::Order2>>>("t/String,BTreeMap<u8,Order2>");
    check::<Many<4>>("t/4");
}

#[test]
fn arguments_of_other_types_are_refused() {
    let malformed = |args: Value| match args2::<u64, String>().take("add", args) {
        Err(Cause::Malformed(why)) => why.starts_with("the arguments of `add`: "),
        _ => false,
    };
    assert!(malformed(Value::new((1u64, 2u64))));
    assert!(malformed(Value::Bytes(Bytes::from_static(&[1]))));
    assert!(malformed(Value::Bytes(Bytes::from_static(&[1, 1, b'a', 0]))));
    let right = Value::Bytes(Bytes::from_static(&[1, 1, b'a']));
    assert_eq!(args2::<u64, String>().take("add", right), Ok((1, "a".to_owned())));
    assert_eq!(args0().take("none", Value::Bytes(Bytes::new())), Ok(()));
    assert_eq!(args0().schema(&[]).hash(), nigh_wire::Schema::record(&[]).hash());
    assert!(matches!(unknown("Payments", 7), Err(Cause::Unknown(what)) if what.contains("7 of `Payments`")));
}
