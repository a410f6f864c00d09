//! Rows: what a request says of its host and origin, and whether it may ask.

use http::{HeaderMap, HeaderValue, Uri};

use super::Rules;

/// `lines` are headers; `expect` is `ok` or a slug.
fn check(rules: &Rules, uri: &str, lines: &[(&'static str, &str)], expect: &str) {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_str(value).expect("a test's header"));
    }
    let uri: Uri = uri.parse().expect("a test's URI");
    let found = rules.check(&uri, &headers).map_or_else(|p| p.kind.slug(), |()| "ok");
    assert_eq!(found, expect, "{uri} {lines:?}");
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn only_loopback_names_are_served() {
    let rules = Rules::default();
    for host in ["localhost", "LOCALHOST:7070", "127.0.0.1:7070", "127.8.9.10", "[::1]", "[::1]:7070"] {
        check(&rules, "/", &[("host", host)], "ok");
    }
    for host in [
        "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "localhost.", "10.0.0.1", "0.0.0.0",
        "[::2]", "[::1", "[::1]x", "localhost:x", "localhost:70700", "", "127.1", "::1", "localhost, evil.example",
    ] {
        check(&rules, "/", &[("host", host)], "foreign-host");
    }
    check(&rules, "/", &[], "foreign-host");
    check(&rules, "/", &[("host", "localhost"), ("host", "evil.example")], "foreign-host");
    check(&rules, "http://evil.example/", &[("host", "localhost")], "foreign-host");
    check(&rules, "http://localhost/", &[("host", "evil.example")], "foreign-host");
    check(&rules, "http://localhost/", &[], "ok"); // HTTP/2 has no `Host`.
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn only_pages_of_this_origin_may_ask() {
    let rules = Rules::default();
    let host = ("host", "localhost:7070");
    check(&rules, "/", &[host, ("origin", "http://localhost:7070")],  "ok");
    check(&rules, "/", &[host, ("origin", "HTTP://LOCALHOST:7070")],  "ok");
    check(&rules, "/", &[host, ("origin", "https://localhost:7070")], "ok"); // A proxy may speak TLS.
    check(&rules, "/", &[("host", "localhost:80"), ("origin", "http://localhost")], "ok");
    for origin in [
        "null", "http://evil.example", "http://localhost", "http://localhost:7071", "http://127.0.0.1:7070",
        "http://localhost:7070.evil.example", "http://evil.example/localhost:7070", "file://", "localhost:7070", "",
    ] {
        check(&rules, "/", &[host, ("origin", origin)], "foreign-origin");
    }
    check(&rules, "/", &[host, ("origin", "http://localhost:7070"), ("origin", "http://evil.example")], "foreign-origin");
    check(&rules, "/", &[host, ("sec-fetch-site", "cross-site")],  "foreign-origin");
    check(&rules, "/", &[host, ("sec-fetch-site", "same-site")],   "foreign-origin");
    check(&rules, "/", &[host, ("sec-fetch-site", "same-origin")], "ok");
    check(&rules, "/", &[host, ("sec-fetch-site", "none")],        "ok");
}

#[test]
fn listed_names_are_served_too() {
    let mut rules = Rules::default();
    rules.allow_host("Shop.Example");
    check(&rules, "/", &[("host", "shop.example")], "ok");
    check(&rules, "/", &[("host", "shop.example:8080")], "ok");
    check(&rules, "/", &[("host", "other.example")], "foreign-host");
    let other = ("origin", "https://app.example");
    check(&rules, "/", &[("host", "shop.example"), other], "foreign-origin");
    rules.allow_origin("https://app.example/");
    check(&rules, "/", &[("host", "shop.example"), other], "ok");
    rules.allow_any_host();
    check(&rules, "/", &[("host", "other.example")], "ok");
    check(&rules, "/", &[("host", "other.example"), ("origin", "http://evil.example")], "foreign-origin");
}
