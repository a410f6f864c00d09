//! The gateway as a service in a router: same paths with and without the prefix, same rules, no sockets.

use std::convert::Infallible;

use crate::standin::Counters;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use nigh_gate::{Gate, service};
use tower_service::Service;

/// What axum asks of a service it nests; compiles or does not.
fn mountable<S>(service: S) -> S
where
    S: Service<Request<Full<Bytes>>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    service
}

async fn check(gate: &Gate, verb: &str, path: &str, headers: &[(&str, &str)], body: &str, expect: &str) {
    let mut request = Request::builder().method(verb).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::from(body.to_owned())).expect("a request");
    let answer = mountable(gate.clone()).call(request).await.unwrap_or_else(|never| match never {});
    let status = answer.status().as_u16();
    let text = answer.into_body().collect().await.unwrap_or_else(|never| match never {}).to_bytes();
    let text = String::from_utf8(text.to_vec()).expect("UTF-8");
    let found = if status == 200 { text } else { status.to_string() };
    assert!(found.starts_with(expect), "{verb} {path} {headers:?}: {status} {found}");
}

#[tokio::test]
#[rustfmt::skip] // Rows are read as columns.
async fn answers_with_and_without_the_prefix() {
    let gate = service(Counters::new().nigh());
    let json = [("host", "localhost"), ("content-type", "application/json")];
    for prefix in ["/api", ""] {
        check(&gate, "POST", &format!("{prefix}/Counter/{}/add", prefix.len()), &json, r#"{"by": 2}"#, "\"2\"").await;
        check(&gate, "GET",  &format!("{prefix}/Counter/none/value"),    &json, "", "\"0\"").await;
        check(&gate, "GET",  &format!("{prefix}/"),                      &json, "", r#"{"contracts""#).await;
        check(&gate, "GET",  &format!("{prefix}/-/health"),              &json, "", r#"{"status""#).await;
        check(&gate, "GET",  &format!("{prefix}/Counters"),              &json, "", "404").await;
    }
}

#[tokio::test]
#[rustfmt::skip] // Rows are read as columns.
async fn keeps_the_rules_unless_told_otherwise() {
    let gate = service(Counters::new().nigh());
    let at = "/api/Counter/a/value";
    let other = [("host", "app.example")];
    let page = [("host", "localhost"), ("origin", "https://app.example")];
    check(&gate, "GET", at, &other, "", "421").await;
    check(&gate, "GET", at, &[], "", "421").await;
    check(&gate, "GET", at, &page, "", "403").await;
    check(&gate.clone().host("app.example"), "GET", at, &other, "", "\"0\"").await;
    check(&gate.clone().any_host(), "GET", at, &other, "", "\"0\"").await;
    check(&gate.clone().origin("https://app.example"), "GET", at, &page, "", "\"0\"").await;
    check(&gate.any_host(), "GET", at, &page, "", "403").await;
}
