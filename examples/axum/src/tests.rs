//! Both kinds of test: a method as the function that it is, and the whole router on a node in memory.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use nigh::{Config, Time, Tx};
use tower::ServiceExt;

use super::{Seen, Visits, app, router};

#[test]
fn a_visit_knows_the_one_before() {
    let mut visits = Visits::default();
    let mut at = |time| visits.visit(&mut Tx::detached("home").with_now(time));
    let (early, late) = (Time::EPOCH, Time::from_nanos(5));
    assert_eq!(at(early), Seen { count: 1, before: None });
    assert_eq!(at(late), Seen { count: 2, before: Some(early) });
}

#[tokio::test]
async fn own_routes_and_the_gateway_see_the_same_visits() {
    let node = app().start(Config::memory()).await.expect("nothing to open");
    let router = router(node.handle());
    let ask = async |verb: &str, path: &str| {
        let request = Request::builder().method(verb).uri(path).header("host", "localhost");
        let request = request.body(Body::empty()).expect("a request");
        let Ok(answer) = router.clone().oneshot(request).await;
        let status = answer.status();
        let bytes = to_bytes(answer.into_body(), 1 << 20).await.expect("a small body");
        (status, String::from_utf8(bytes.to_vec()).expect("UTF-8"))
    };
    let ok = |text: &str| (StatusCode::OK, text.to_owned());
    assert_eq!(ask("GET", "/hello/tea").await, ok("1"));
    assert_eq!(ask("GET", "/hello/tea").await, ok("2"));
    assert_eq!(ask("GET", "/api/Visits/tea/count").await, ok("2"));
    assert_eq!(ask("GET", "/hello/other").await, ok("1"));
    assert_eq!(ask("POST", "/api/Visits/tea/visit").await.0, StatusCode::OK);
    assert_eq!(ask("GET", "/hello/tea").await, ok("4"));
    assert!(ask("GET", "/").await.1.contains("/hello/"));
    node.stop().await.expect("stops");
}
