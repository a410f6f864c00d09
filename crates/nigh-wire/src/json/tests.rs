//! JSON and text forms, and what they say to whoever gets them wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::parse_json;
use crate::samples::{self, Ordered, Pick, Rest, bytes_of, dice};
use crate::{Bytes, Never, Schema, Time, Wire, decode, encode, schema_of};

/// The value has this JSON, and the JSON this value.
#[track_caller]
fn same<T: Wire>(value: &T, want: Value) {
    let (schema, bytes) = (schema_of::<T>(), encode(value));
    assert_eq!(schema.to_json(&bytes), Ok(want.clone()));
    assert_eq!(schema.from_json(&want), Ok(bytes));
}

/// This JSON is taken too, for the same value.
#[track_caller]
fn taken<T: Wire>(value: &T, also: Value) {
    assert_eq!(schema_of::<T>().from_json(&also), Ok(encode(value)));
}

/// This JSON is refused, with these words.
#[track_caller]
fn refused<T: Wire>(json: Value, why: &str) {
    assert_eq!(schema_of::<T>().from_json(&json).expect_err("it is refused").to_string(), why);
}

#[derive(Wire, Debug, PartialEq)]
struct Cents(#[wire(json_number)] u64);
#[derive(Wire, Debug, PartialEq)]
#[wire(json_number)]
struct Delta(i64);
#[derive(Wire, Debug, PartialEq, Eq, PartialOrd, Ord, Clone)]
enum Color {
    Red,
    #[wire(rename = "sea-green", was = "Green")]
    SeaGreen,
}
#[derive(Wire, Debug, PartialEq)]
struct Unit;
#[derive(Wire, Debug, PartialEq)]
struct Empty {}
#[derive(Wire, Debug)]
struct Chain(Option<Box<Chain>>);

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn forms_are_fixed() {
    same(&true, json!(true));
    same(&(255u8, 65535u16, u32::MAX), json!([255, 65535, 4294967295u32]));
    same(&(i8::MIN, i16::MIN, i32::MIN), json!([-128, -32768, -2147483648]));
    // Text always: a form that changes at 2^53 breaks clients on the day a number grows.
    same(&(0u64, u64::MAX, -1i64), json!(["0", "18446744073709551615", "-1"]));
    same(&(u128::MAX, i128::MIN), json!([u128::MAX.to_string(), i128::MIN.to_string()]));
    same(&(Cents(9_007_199_254_740_991), Delta(-9_007_199_254_740_991)), json!([9007199254740991u64, -9007199254740991i64]));
    same(&(0.1f32, 0.1f64, -0.0f64, 1e300), json!([0.1, 0.1, -0.0, 1e300]));
    same(&(f32::MAX, f32::MIN_POSITIVE, f64::INFINITY, f64::NEG_INFINITY, f64::NAN), json!([3.4028235e38, 1.1754944e-38, "Infinity", "-Infinity", "NaN"]));
    same(&('é', "a\"\0".to_owned()), json!(["é", "a\"\u{0}"]));
    same(&(Bytes::from_static(&[1, 2, 3, 255]), vec![0u8], [1u8, 2]), json!(["AQID/w==", "AA==", [1, 2]]));
    same(&(None::<u8>, Some(1u8)), json!([null, 1]));
    same(&(None::<Option<u8>>, Some(None::<u8>), Some(Some(1u8))), json!([null, [null], [1]]));
    same(&(None::<()>, Some(())), json!([null, [null]]));
    same(&((), Unit, Empty {}), json!([null, null, {}]));
    same(&vec![(1u8, "x".to_owned())], json!([[1, "x"]]));
    same(&vec![Pick::Unit, Pick::One(1), Pick::Two(1, "b".into()), Pick::Named { a: None, b: Some(None) }],
        json!(["Unit", {"One": "1"}, {"Two": [1, "b"]}, {"Named": {"a": null, "b": [null]}}]));
    same(&Ok::<u8, String>(1), json!({"Ok": 1}));
    same(&BTreeMap::from([("b".to_owned(), 1u8), ("".into(), 2)]), json!({"": 2, "b": 1}));
    same(&BTreeMap::from([(-5i64, true), (10, false)]), json!({"-5": true, "10": false}));
    same(&BTreeMap::from([(Color::SeaGreen, 1u8)]), json!({"sea-green": 1}));
    same(&BTreeMap::from([('é', 1u8)]), json!({"é": 1}));
    same(&BTreeMap::from([((1u8, 2u8), 3u8)]), json!([[[1, 2], 3]]));
    same(&BTreeMap::from([(true, 3u8)]), json!([[true, 3]]));
    same(&BTreeSet::from([1u8, 2]), json!([1, 2]));
    same(&(Time::EPOCH, Duration::from_millis(1_500)), json!(["1970-01-01T00:00:00Z", "1.5s"]));
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn other_forms_are_taken() {
    taken(&(5u64, -5i64, 5u128, -5i128), json!([5, -5, 5, "-5"]));
    taken(&(5u8, -5i32), json!(["5", "-5"]));
    taken(&((1u64 << 53) - 1), json!(9007199254740991u64));
    taken(&(1.5f32, 2.0f64, 1e3), json!(["1.5", 2, "1e3"]));
    taken(&vec![Color::Red, Color::SeaGreen], json!(["Red", "Green"]));
    // Maps and sets are written in the order of their keys, whatever the order here: numbers by size.
    taken(&BTreeMap::from([(9u32, 0u8), (10, 1)]), json!({"10": 1, "9": 0}));
    taken(&BTreeSet::from([-1i32, 2, 10]), json!([10, 2, -1]));
    taken(&BTreeSet::from([Color::Red, Color::SeaGreen]), json!(["sea-green", "Red"]));
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn wrong_json_is_told_what_to_send() {
    refused::<Cents>(json!("five"), r#"expected an unsigned integer up to 2^53-1, found text "five""#);
    refused::<Cents>(json!("5"), r#"expected an unsigned integer up to 2^53-1, found text "5""#);
    refused::<Cents>(json!(9007199254740992u64), "expected an unsigned integer up to 2^53-1, found number 9007199254740992");
    refused::<Delta>(json!(1.5), "expected an integer from -(2^53-1) to 2^53-1, found number 1.5");
    refused::<u8>(json!(256), "expected an unsigned integer up to 255, found number 256");
    refused::<u8>(json!(-1), "expected an unsigned integer up to 255, found number -1");
    refused::<i8>(json!("-129"), r#"expected an integer from -128 to 127, found text "-129""#);
    refused::<u16>(json!("+5"), r#"expected an unsigned integer up to 65535, found text "+5""#);
    refused::<u64>(json!("007"), r#"expected an unsigned integer: text of digits up to 2^64-1, or a number up to 2^53-1, found text "007""#);
    refused::<u64>(json!(9007199254740992u64), "expected an unsigned integer: text of digits up to 2^64-1, or a number up to 2^53-1, found number 9007199254740992");
    refused::<f32>(json!(1e39), r#"expected a number, "NaN", "Infinity" or "-Infinity", found number 1e+39"#);
    refused::<f64>(json!("inf"), r#"expected a number, "NaN", "Infinity" or "-Infinity", found text "inf""#);
    refused::<bool>(json!(1), "expected true or false, found number 1");
    refused::<String>(json!(null), "expected text, found null");
    refused::<char>(json!("ab"), r#"expected text of one character, found text "ab""#);
    refused::<Bytes>(json!("?"), r#"expected bytes as base64 text, found text "?""#);
    refused::<Vec<u8>>(json!([1]), "expected bytes as base64 text, found an array of 1");
    refused::<Option<u8>>(json!("x"), r#"expected an unsigned integer up to 255, found text "x""#);
    refused::<Option<Option<u8>>>(json!(1), "expected null, or an array of one: option<u8>, found number 1");
    refused::<Chain>(json!(1), "expected null, or an array of one: option<…>, found number 1");
    refused::<Vec<u16>>(json!([1, "x"]), r#"[1]: expected an unsigned integer up to 65535, found text "x""#);
    refused::<(u8, u8)>(json!([1]), "expected an array of 2: (u8, u8), found an array of 1");
    refused::<Color>(json!("red!"), r#"expected "Red" or "sea-green", found "red!"; did you mean "Red"?"#);
    refused::<Color>(json!({"Red": null}), r#"expected "Red" or "sea-green", found an object"#);
    refused::<Pick>(json!("One"), r#"expected "Unit" or {"One": i64} or {"Two": (u8, text)} or {"Named": {a: option<u8>, b: option<option<bool>>}} or {"More": Unit | One(i64) | Two(u8, text) | Named {a: option<u8>, b: option<option<bool>>} | More(…)}, found text "One""#);
    refused::<Never>(json!("x"), r#"expected nothing: this cannot happen, found "x""#);
    refused::<Empty>(json!({"a": 1}), r#"unknown "a"; expected no members"#);
    refused::<BTreeMap<u8, u8>>(json!({"01": 1}), r#"01: expected an unsigned integer up to 255, found text "01""#);
    refused::<BTreeMap<u8, u8>>(json!([[1, 1]]), "expected an object, found an array of 1");
    refused::<BTreeMap<(u8, u8), u8>>(json!([[[1, 2], 1], [[1, 2], 1]]), "[1]: a key of a map, or an element of a set, is repeated");
    refused::<BTreeMap<(u8, u8), u8>>(json!([[[1, "x"], 1]]), r#"[0][0][1]: expected an unsigned integer up to 255, found text "x""#);
    refused::<BTreeMap<(u8, u8), u8>>(json!([1]), "[0]: expected a pair: [key, value], found number 1");
    refused::<BTreeSet<u8>>(json!([1, 1]), "[1]: a key of a map, or an element of a set, is repeated");
    refused::<Time>(json!("today"), r#"expected a time as text like "2024-05-01T12:00:00Z", found text "today""#);
}

#[derive(Wire, Debug, PartialEq)]
struct Args {
    id: String,
    #[wire(json_number)]
    cents: u64,
    #[wire(default = "two")]
    times: u8,
    #[wire(was = "comment")]
    note: Option<String>,
    #[wire(len <= 3)]
    tags: Vec<String>,
}
fn two() -> u8 {
    2
}

/// One answer lists every name that is missing or unknown; values are told by their path.
#[test]
#[rustfmt::skip] // Rows are read as columns.
fn members_are_checked_by_name() {
    let args = Args { id: "x".into(), cents: 5, times: 2, note: None, tags: vec![] };
    taken(&args, json!({"id": "x", "cents": 5, "tags": []}));
    taken(&Args { note: Some("n".into()), ..args }, json!({"tags": [], "comment": "n", "id": "x", "cents": 5}));
    const NAMES: &str = "expected `id`, `cents`, `times`, `note`, `tags`";
    refused::<Args>(json!({}), &format!("missing `id` (text); missing `cents` (an unsigned integer up to 2^53-1); missing `tags` (an array, at most 3 long); {NAMES}"));
    refused::<Args>(json!({"id": "x", "cent": 5, "tags": [], "q": 1}),
        &format!("missing `cents` (an unsigned integer up to 2^53-1); unknown \"cent\", did you mean `cents`?; unknown \"q\"; {NAMES}"));
    refused::<Args>(json!({"id": "x", "cents": 1, "tags": [], "note": "a", "comment": "b"}),
        &format!("`note` is given twice, also as `comment`; {NAMES}"));
    refused::<Args>(json!({"id": "x", "cents": "five", "tags": []}), r#"cents: expected an unsigned integer up to 2^53-1, found text "five""#);
    refused::<Args>(json!({"id": "x", "cents": 5, "tags": ["a", "b", "c", "d"]}), "tags: expected at most 3 elements, found 4");
    refused::<Args>(json!({"id": "x", "cents": 5, "tags": ["a", 7]}), "tags[1]: expected text, found number 7");
    refused::<Args>(json!([1]), "expected an object with `id`, `cents`, `times`, `note`, `tags`, found an array of 1");
    refused::<Vec<BTreeMap<String, Vec<u8>>>>(json!([{"k1": 3}]), "[0].k1: expected bytes as base64 text, found number 3");
    refused::<Rest>(json!("x".repeat(1_000)), &format!("expected an object with `floats`, `shared`, `array`, `short`, `cents`, `note`, `kids`, found text \"{}…\"", "x".repeat(40)));
}

#[test]
fn a_number_past_its_bound_is_not_shown_wrong() {
    let schema = schema_of::<(u8, Cents)>();
    let error = schema.to_json(&encode(&(1u8, Cents(1 << 53)))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "[1]: 9007199254740992 is past 2^53-1, where a JSON number is no longer exact"
    );
    assert_eq!(schema.explain(&[1]).unwrap().to_string(), "[1]: the bytes end inside a value");
}

#[test]
fn a_query_gives_members_as_text() {
    let schema = schema_of::<Args>();
    let query = [("id", "null"), ("cents", "5"), ("note", "null"), ("tags", r#"["a"]"#)];
    let args = Args { id: "null".into(), cents: 5, times: 2, note: None, tags: vec!["a".into()] };
    assert_eq!(schema.from_query(query), Ok(encode(&args)));
    let error =
        |q: &[(&'static str, &'static str)]| schema.from_query(q.iter().copied()).unwrap_err().to_string();
    assert_eq!(error(&[("id", "1"), ("id", "2")]), r#""id" is given twice"#);
    let five = [("id", "1"), ("cents", "05"), ("tags", "[]")];
    assert_eq!(error(&five), r#"cents: expected an unsigned integer up to 2^53-1, found text "05""#);
    let tags = [("id", "1"), ("cents", "5"), ("tags", "a")];
    assert!(error(&tags).starts_with(r#"tags: expected JSON, an array, found "a": not JSON"#));
    assert!(schema_of::<u8>().from_query([("a", "b")]).is_err());
}

/// The value has this text, and the text this value.
#[track_caller]
fn text<T: Wire>(value: &T, want: &str) {
    let (schema, bytes) = (schema_of::<T>(), encode(value));
    assert_eq!(schema.to_text(&bytes).as_deref(), Ok(want));
    assert_eq!(schema.from_text(want), Ok(bytes));
}

#[test]
fn a_key_has_one_text() {
    text(&"a/b \"".to_owned(), "a/b \"");
    text(&String::new(), "");
    text(&5u64, "5");
    text(&Cents(5), "5");
    text(&Delta(-5), "-5");
    text(&true, "true");
    text(&'é', "é");
    text(&(), "null");
    text(&1.5f64, "1.5");
    text(&vec![1u8, 2], "AQI=");
    text(&Color::SeaGreen, "sea-green");
    text(&Pick::One(1), r#"{"One":"1"}"#);
    text(&(1u8, "x".to_owned()), r#"[1,"x"]"#);
    text(&None::<String>, "null");
    text(&Some("null".to_owned()), r#""null""#);
    text(&Some("\"".to_owned()), r#""\"""#);
    text(&Some("x".to_owned()), "x");
    text(&Some(Some(1u8)), "[1]");
    text(&Duration::from_nanos(1), "0.000000001s");
    let error = |s: Schema, t: &str| s.from_text(t).unwrap_err().to_string();
    assert_eq!(error(schema_of::<bool>(), "yes"), r#"expected true or false, found text "yes""#);
    assert_eq!(
        error(schema_of::<Color>(), "redd"),
        r#"expected "Red" or "sea-green", found text "redd"; did you mean Red?"#
    );
    assert_eq!(error(schema_of::<Cents>(), "9007199254740992").matches("2^53-1").count(), 1);
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn moments_are_exact_texts() {
    let time = |nanos, want: &str| text(&Time::from_nanos(nanos), want);
    time(0, "1970-01-01T00:00:00Z");
    time(951_782_400_000_000_000, "2000-02-29T00:00:00Z");
    time(951_868_799_999_999_999, "2000-02-29T23:59:59.999999999Z");
    time(1_709_251_199_500_000_000, "2024-02-29T23:59:59.5Z");
    time(u64::MAX, "2554-07-21T23:34:33.709551615Z");
    for wrong in ["2023-02-29T00:00:00Z", "1969-12-31T23:59:59Z", "2024-13-01T00:00:00Z", "2024-00-01T00:00:00Z", "2024-01-00T00:00:00Z",
        "2024-01-01T24:00:00Z", "2024-01-01T00:00:60Z", "2024-01-01T00:00:00", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00.10Z",
        "2024-01-01T00:00:00.1234567891Z", "2024-01-01 00:00:00Z", "2024-01-01T00:00:00+00:00", "9999-01-01T00:00:00Z", "+024-01-01T00:00:00Z", "", "Z", "TZ", "é024-01-01T00:00:00Z", "2024-01-01T00:00:0é"] {
        assert!(schema_of::<Time>().from_text(wrong).is_err(), "{wrong}");
    }
    for wrong in ["", "s", "1", "1.s", "1.50s", "01s", "-1s", "1e3s", "18446744074s", ".5s", "+1s"] {
        assert!(schema_of::<Duration>().from_text(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_repeated_name_is_refused() {
    let repeated = |text: &str| parse_json(text.as_bytes()).is_err();
    for good in [
        r#"{"a":1,"b":{"a":["a","a",{"a":"a"}]}}"#,
        r#"[{"a":1},{"a":"\"a\":"}]"#,
        r#""a""#,
        "[]",
        r#"{"a\\":1,"a":2}"#,
    ] {
        assert!(!repeated(good), "{good}");
    }
    for bad in [
        r#"{"a":1,"a":1}"#,
        r#"[{"b":[1,{"a":{},"x":0,"a":[]}]}]"#,
        r#"{"a":1,"\u0061":1}"#,
        r#"{"a":"}","a":"{"}"#,
    ] {
        assert!(repeated(bad), "{bad}");
    }
    let error = parse_json(br#"{"cents":1,"cents":500}"#).unwrap_err().to_string();
    assert_eq!(error, r#""cents" is given twice in one object"#);
    assert!(parse_json(&[b'"', 0xff, b'"']).is_err());
    assert!(parse_json("[".repeat(20_000).as_bytes()).is_err());
}

#[derive(Wire, Debug)]
struct Lists(Vec<Lists>);
#[derive(Wire, Debug, Clone)]
struct Wide {
    #[wire(default = "kilobyte")]
    a: String,
}
fn kilobyte() -> String {
    "x".repeat(1_000)
}

/// Levels, and what members left out may cost: at the limit and one past it.
#[test]
fn limits_hold_at_the_limit_and_past_it() {
    let nested = |n: usize| (0..n - 1).fold(json!([]), |inner, _| json!([inner]));
    let read = |n| schema_of::<Lists>().from_json(&nested(n)).map_err(|e| e.detail().to_owned());
    assert!(read(64).is_ok());
    assert_eq!(read(65), Err("nested deeper than 64 levels".into()));
    let write = |n: usize| schema_of::<Lists>().to_json(&[vec![1; n - 1], vec![0]].concat());
    assert_eq!(write(64).unwrap(), nested(64));
    assert!(write(65).is_err());
    // Each absent member writes 1,002 bytes; a value given earns 64, the floor is 64 KiB.
    let absent = |n: usize| schema_of::<Vec<Wide>>().from_json(&Value::Array(vec![json!({}); n])).is_ok();
    assert_eq!((absent(69), absent(70)), (true, false));
    assert!(schema_of::<Vec<()>>().to_json(&encode(&70_000u64)).is_err());
}

/// A shape that visits itself without reading a byte ends by its budget, unchecked as it is; and the deepest
/// walk fits the stack of a browser's thread, 1 MiB, even in a debug build.
#[test]
fn a_hostile_shape_ends() {
    let small = std::thread::Builder::new().stack_size(1 << 20);
    small.spawn(hostile_shapes).expect("threads start").join().expect("it ends");
}

fn hostile_shapes() {
    let pair = |a| crate::Node::Tuple(vec![a, a]);
    let mut nodes: Vec<_> = (1..=60).map(pair).collect();
    nodes.push(crate::Node::Tuple(vec![]));
    let schema = Schema { nodes, root: 0 };
    assert!(schema.to_json(&[]).is_err() && schema.order_key(&[]).is_err());
    let circle = Schema { nodes: vec![pair(0)], root: 0 };
    assert!(
        circle.to_json(&[]).is_err()
            && circle.order_key(&[]).is_err()
            && circle.from_json(&json!([1, 1])).is_err()
    );
    let bound = Schema { nodes: vec![crate::Node::Bounded { of: 0, len_max: 1 }], root: 0 };
    assert!(
        bound.to_json(&[]).is_err() && bound.from_json(&json!(1)).is_err() && bound.from_text("x").is_err()
    );
    let nowhere = Schema { nodes: vec![], root: 7 };
    assert!(nowhere.to_json(&[]).is_err() && nowhere.from_json(&json!(1)).is_err());
}

proptest! {
    /// JSON loses nothing but NaN's payload, and what it makes is canonical.
    #[test]
    fn values_survive_json(ordered in samples::ordered(), rest in samples::rest()) {
        let (s, bytes) = (schema_of::<Ordered>(), encode(&ordered));
        let json = s.to_json(&bytes).unwrap();
        let reread = parse_json(json.to_string().as_bytes()).unwrap();
        prop_assert_eq!(s.from_json(&reread), Ok(bytes));
        let (s, bytes) = (schema_of::<Rest>(), encode(&rest));
        let json = s.to_json(&bytes).unwrap();
        let again = s.from_json(&parse_json(json.to_string().as_bytes()).unwrap()).unwrap();
        prop_assert_eq!(s.to_json(&again).unwrap(), json);
    }

    /// Bytes made from the schema alone are values of the type, and JSON made of them comes back canonical.
    #[test]
    fn schema_and_type_agree(seed in any::<u64>()) {
        let s = schema_of::<Ordered>();
        let bytes = bytes_of(&s, &mut dice(seed));
        let value: Ordered = decode(&bytes).unwrap();
        prop_assert_eq!(s.from_json(&s.to_json(&bytes).unwrap()), Ok(encode(&value)));
    }

    #[test]
    fn keys_survive_text(ordered in samples::ordered(), note in prop::option::of(samples::text()), pick in samples::pick()) {
        fn check<T: Wire>(v: &T) -> bool {
            let (s, bytes) = (schema_of::<T>(), encode(v));
            s.from_text(&s.to_text(&bytes).unwrap()) == Ok(bytes)
        }
        prop_assert!(check(&ordered.text) && check(&ordered.large) && check(&ordered.letter) && check(&ordered.bytes));
        prop_assert!(check(&note) && check(&pick) && check(&Some(pick)) && check(&ordered.when) && check(&ordered.map));
    }

    /// Any text is answered, never a panic; what is taken is canonical.
    #[test]
    fn any_text_is_answered(text in samples::text(), json in ".{0,40}") {
        for s in [schema_of::<Ordered>(), schema_of::<Pick>(), schema_of::<Option<String>>(), schema_of::<Time>(), schema_of::<f64>(), schema_of::<BTreeSet<i8>>()] {
            for text in [&text, &json] {
                if let Ok(bytes) = s.from_text(text) {
                    prop_assert!(s.order_key(&bytes).is_ok());
                }
                let _ = parse_json(text.as_bytes()).map(|v| s.from_json(&v).is_ok());
            }
        }
    }
}
