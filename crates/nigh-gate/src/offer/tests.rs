//! Rows: a type, and which kind of JSON value it is made from.

use nigh_wire::{Bytes, Time, Wire, schema_of};

use super::form;

#[derive(Wire)]
enum Plain {
    #[allow(dead_code)] // Only its shape is looked at.
    One,
    #[allow(dead_code)]
    Two,
}

fn check<T: Wire>(expect: &str) {
    let schema = schema_of::<T>();
    assert_eq!(form(&schema, schema.root), expect, "{schema}");
}

#[test]
fn says_which_kind_of_json_an_argument_is() {
    check::<bool>("boolean");
    check::<u32>("number");
    check::<i8>("number");
    check::<u64>("string");
    check::<i128>("string");
    check::<f64>("any");
    check::<String>("string");
    check::<Bytes>("string");
    check::<Time>("string");
    check::<Plain>("string");
    check::<Option<u32>>("any");
    check::<Vec<String>>("any");
    check::<()>("any");
}
