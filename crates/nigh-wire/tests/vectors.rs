//! Vectors for other languages: `spec/vectors/values.json`. Each row is a schema as stored, and one value of it
//! in every form; all is checked from the schema alone, as another language would, and against the Rust types.
//!
//! `NIGH_VECTORS=write cargo test -p nigh-wire --test vectors` writes the file anew; a row that changes is a
//! change of the format.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nigh_wire::{Bytes, Schema, Time, Wire, encode, schema_of};
use serde_json::{Value, json};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/vectors/values.json");

#[derive(Wire)]
struct Cents(#[wire(json_number)] u64);
#[derive(Wire)]
struct Wallet {
    #[wire(json_number)]
    free: u64,
    holds: BTreeMap<String, u64>,
    #[wire(was = "comment", len <= 16)]
    note: Option<String>,
    #[wire(default)]
    tags: BTreeSet<u16>,
}
#[derive(Wire)]
enum Payment {
    Open,
    Paid(Cents),
    Split(u8, i64),
    Failed { why: String, at: Time },
}
#[derive(Wire)]
struct Tree {
    name: char,
    kids: Vec<Tree>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(row: &Value, name: &str) -> Vec<u8> {
    let text = row[name].as_str().expect("the file has it as text");
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("the file has hexadecimal");
    (0..text.len()).step_by(2).map(byte).collect()
}

fn row<T: Wire>(value: T) -> Value {
    let (schema, bytes) = (schema_of::<T>(), encode(&value));
    json!({
        "shape": schema.to_string(),
        "schema": hex(&encode(&schema)),
        "hash": schema.hash().to_string(),
        "bytes": hex(&bytes),
        "json": schema.to_json(&bytes).expect("it has JSON"),
        "text": schema.to_text(&bytes).expect("it has JSON, so text"),
        "order": hex(&schema.order_key(&bytes).expect("it is canonical")),
    })
}

fn rows() -> Vec<Value> {
    let leaf = |name| Tree { name, kids: vec![] };
    vec![
        row(()),
        row(true),
        row((0u8, 255u8, i8::MIN)),
        row((u16::MAX, u32::MAX, u64::MAX, u128::MAX)),
        row((i16::MIN, i32::MIN, i64::MIN, i128::MIN)),
        row((127u64, 128u64, -64i64, -65i64)),
        row((0.1f32, -0.0f64, f64::INFINITY, 1e300f64)),
        row('é'),
        row("a\0\"b".to_owned()),
        row(Bytes::from_static(&[0, 1, 255])),
        row(vec![1u8, 2]),
        row([1u16, 2]),
        row(None::<String>),
        row(Some("null".to_owned())),
        row((Some(None::<u8>), Some(Some(7u8)), None::<()>)),
        row(Time::from_nanos(1_709_251_199_500_000_000)),
        row(Duration::from_millis(1_500)),
        row(Cents(500)),
        row(Wallet {
            free: 5,
            holds: BTreeMap::from([("b".into(), 1), ("".into(), 2)]),
            note: None,
            tags: BTreeSet::from([10, 9]),
        }),
        row(Payment::Open),
        row(vec![
            Payment::Paid(Cents(1)),
            Payment::Split(1, -1),
            Payment::Failed { why: "poor".into(), at: Time::EPOCH },
        ]),
        row(Ok::<u8, String>(1)),
        row(BTreeMap::from([(-1i32, true), (10, false), (9, true)])),
        row(BTreeMap::from([((true, 1u8), "x".to_owned())])),
        row(Tree { name: 'r', kids: vec![leaf('a'), Tree { name: 'b', kids: vec![leaf('c')] }] }),
    ]
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a person tells the test to write the file anew")]
fn vectors_hold() {
    if std::env::var("NIGH_VECTORS").is_ok_and(|v| v == "write") {
        let text = rows().iter().map(Value::to_string).collect::<Vec<_>>().join(",\n");
        std::fs::write(FILE, format!("[\n{text}\n]\n")).expect("the file can be written");
    }
    let text = std::fs::read_to_string(FILE).expect("spec/vectors/values.json is there");
    let stored: Vec<Value> = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(stored.len(), rows().len());
    for (stored, made) in stored.iter().zip(rows()) {
        assert_eq!(*stored, made);
        let schema = Schema::from_stored(&unhex(stored, "schema")).expect("a usable schema");
        let bytes = unhex(stored, "bytes");
        assert_eq!(stored["shape"], schema.to_string());
        assert_eq!(stored["hash"], schema.hash().to_string());
        assert_eq!(schema.to_json(&bytes), Ok(stored["json"].clone()));
        assert_eq!(schema.from_json(&stored["json"]).as_deref(), Ok(&bytes[..]));
        assert_eq!(schema.from_text(stored["text"].as_str().expect("text")).as_deref(), Ok(&bytes[..]));
        assert_eq!(schema.order_key(&bytes), Ok(unhex(stored, "order")));
    }
}
