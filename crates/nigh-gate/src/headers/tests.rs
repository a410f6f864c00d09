//! Rows: what a header says, and what is made of it.

use http::{HeaderMap, HeaderValue};
use nigh::perform::Identity;

use super::{HEADERS_SIZE_MAX, check_media_type, check_size, identity, within};

fn with(name: &'static str, values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a test's header"));
    }
    headers
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn a_key_is_an_id_or_a_text() {
    let check = |values: &[&str], expect: &str| {
        let found = match identity(&with("idempotency-key", values)) {
            Ok(Identity::Fresh) => "fresh".to_owned(),
            Ok(Identity::Id(id)) => format!("id {} {} {}", id.caller.0, id.number, id.birth.as_nanos()),
            Ok(Identity::Reserved(..)) => "reserved".to_owned(),
            Ok(Identity::Once(text)) => format!("once {text}"),
            Err(problem) => problem.kind.slug().to_owned(),
        };
        assert_eq!(found, expect, "{values:?}");
    };
    let caller = "0000000000000000000000000000000a";
    check(&[],                             "fresh");
    check(&["order-7"],                    "once order-7");
    check(&["\"order 7\""],                "once \"order 7\"");
    check(&["nigh1"],                      "once nigh1");
    check(&["nigh2.x"],                    "once nigh2.x");
    check(&[&"k".repeat(255)],             &format!("once {}", "k".repeat(255)));
    check(&[&"k".repeat(256)],             "header");
    check(&[""],                           "header");
    check(&["  "],                         "header");
    check(&["é"],                          "header");
    check(&["a\tb"],                       "header");
    check(&["a", "a"],                     "header");
    check(&[&format!("nigh1.{caller}.1.5")],  "id 10 1 5");
    check(&[&format!("nigh1.{caller}.0.5")],  "header");
    check(&[&format!("nigh1.{caller}.01.5")], "header");
    check(&[&format!("nigh1.{caller}.1.5.")], "header");
    check(&["nigh1.a.1.5"],                "header");
    check(&["nigh1."],                     "header");
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn time_has_a_unit_and_a_bound() {
    let check = |values: &[&str], expect: Option<u64>| {
        let found = within(&with("nigh-within", values)).ok().map(|d| d.as_millis() as u64);
        assert_eq!(found, expect, "{values:?}");
    };
    check(&[],           Some(10_000));
    check(&["250ms"],    Some(250));
    check(&["2s"],       Some(2_000));
    check(&["600s"],     Some(600_000));
    check(&["600001ms"], None);
    check(&["601s"],     None);
    check(&["0s"],       None);
    check(&["2"],        None);
    check(&["+2s"],      None);
    check(&["2.5s"],     None);
    check(&["s"],        None);
    check(&["2m"],       None);
    check(&["99999999999999999999s"], None);
    check(&["1s", "1s"], None);
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn only_json_is_taken() {
    let check = |values: &[&str], has_body: bool, expect: bool| {
        assert_eq!(check_media_type(&with("content-type", values), has_body).is_ok(), expect, "{values:?}");
    };
    check(&["application/json"],                   true,  true);
    check(&["Application/JSON ; charset=utf-8"],   true,  true);
    check(&[],                                     false, true);
    check(&[],                                     true,  false);
    check(&["text/plain"],                         true,  false);
    check(&["text/plain"],                         false, false);
    check(&["application/json, text/plain"],       true,  false);
    check(&["application/json", "text/plain"],     true,  false);
    check(&["text/plain; application/json"],       true,  false);
    check(&[""],                                   true,  false);
}

#[test]
fn headers_are_bounded() {
    let of = |size: usize| with("x", &[&"x".repeat(size)]);
    let rest = "x".len() + 4 + "/api".len();
    assert!(check_size(&of(HEADERS_SIZE_MAX - rest), "/api").is_ok());
    assert!(check_size(&of(HEADERS_SIZE_MAX - rest + 1), "/api").is_err());
}
