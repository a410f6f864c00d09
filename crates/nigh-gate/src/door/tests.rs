//! Connections in virtual time and in numbers: how long one may keep us waiting, and how many there may be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nigh::Nigh;
use nigh::perform::{Ask, Outcome, Perform};
use nigh_wire::{CallId, Catalogue, Class, Contract, ContractKind, Method, Schema, Ticket, Value, schema_of};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{FULL, serve, serve_one};
use crate::clock::now;
use crate::gate::Gate;
use crate::page::Page;
use crate::rules::Rules;

const GET: &[u8] = b"GET /api HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Offers one method that takes 90 s.
struct Slow(Arc<Catalogue>);

impl Slow {
    fn new() -> Self {
        let (args, ok) = (Schema::record(&[]), schema_of::<()>());
        let sleep = Method { name: "sleep", class: Class::Once, args, ok, err: None, docs: "" };
        let kind = ContractKind::Service;
        let slow = Contract { name: "Slow".into(), kind, methods: vec![sleep], docs: "" };
        Slow(Arc::new(Catalogue::new([slow]).expect("one name")))
    }
}

impl Perform for Slow {
    fn catalogue(&self) -> &Arc<Catalogue> {
        &self.0
    }
    fn perform(&self, _: Ask) -> std::pin::Pin<Box<dyn Future<Output = Outcome> + Send>> {
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(90)).await;
            Outcome::Done { value: Value::new(()), version: None }
        })
    }
    fn reserve(&self, _: &Ask) -> Option<Ticket> {
        None
    }
    fn release(&self, _: CallId) {}
}

fn gate(page: &'static str) -> Gate {
    let pages = BTreeMap::from([("/", Page::new("/", page))]);
    Gate::new(Nigh::new(Arc::new(Slow::new())), Rules::default(), Some(pages))
}

/// The other end of a connection that is being served, with room for so many bytes on the way.
fn connection(page: &'static str, room: usize) -> (DuplexStream, watch::Sender<bool>) {
    let (here, there) = duplex(room);
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(serve_one(gate(page), there, stopped));
    (here, stop)
}

/// Seconds of virtual time until the other end closes, and what it wrote until then.
async fn until_closed(mut io: DuplexStream) -> (u64, String) {
    let start = now();
    let mut text = Vec::new();
    // A reset is an end too.
    let _ = io.read_to_end(&mut text).await;
    ((now() - start).as_secs(), String::from_utf8(text).expect("ASCII"))
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed_after_a_minute() {
    let (io, _stop) = connection("", 4_096);
    assert_eq!(until_closed(io).await, (60, String::new()));
}

#[tokio::test(start_paused = true)]
async fn an_answered_connection_may_be_idle_for_a_minute() {
    let (mut io, _stop) = connection("", 4_096);
    for _ in 0..3 {
        io.write_all(GET).await.expect("open");
        tokio::time::sleep(Duration::from_secs(50)).await;
    }
    let (seconds, text) = until_closed(io).await;
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 3, "{text}");
    assert_eq!(seconds, 10, "a minute after the last answer");
}

/// A call is timed by its deadline, not by its connection, which is idle only afterwards.
#[tokio::test(start_paused = true)]
async fn a_long_call_is_not_idleness() {
    let (mut io, _stop) = connection("", 4_096);
    io.write_all(b"POST /api/Slow/-/sleep HTTP/1.1\r\nHost: localhost\r\nNigh-Within: 100s\r\n\r\n")
        .await
        .expect("open");
    let (seconds, text) = until_closed(io).await;
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    assert_eq!(seconds, 90 + 60);
}

/// One byte now and then does not put off the end of a head.
#[tokio::test(start_paused = true)]
async fn a_slow_head_is_closed_after_ten_seconds() {
    let (mut io, _stop) = connection("", 4_096);
    let start = now();
    for byte in GET.iter().take(20) {
        if io.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let seconds = (now() - start).as_secs();
    assert!((10..=12).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_given_up() {
    let (mut io, _stop) = connection("", 4_096);
    let head = "POST /api/-/settle HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n";
    io.write_all(head.as_bytes()).await.expect("open");
    let (seconds, text) = until_closed(io).await;
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    // 30 s for the body, 5 s for what is thrown away.
    assert!((30..=36).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_read_is_given_up() {
    let long: &'static str = Box::leak("x".repeat(100_000).into_boxed_str());
    let (mut io, _stop) = connection(long, 64);
    io.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("open");
    tokio::time::sleep(Duration::from_secs(40)).await;
    let (_, text) = until_closed(io).await;
    assert!(text.len() <= 64, "only what was on the way: {}", text.len());
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it listens");
    let (stop, stopped) = watch::channel(false);
    let served = tokio::spawn(serve(gate(""), listener, stopped, 1));
    let mut first = TcpStream::connect(address).await.expect("the door is open");
    first.write_all(GET).await.expect("the door reads");
    assert_eq!(first.read_u8().await.expect("an answer"), b'H');
    let mut second = TcpStream::connect(address).await.expect("the door is open");
    let mut text = Vec::new();
    second.read_to_end(&mut text).await.expect("an answer and its end");
    assert_eq!(text, FULL);
    stop.send_replace(true);
    served.await.expect("no panic").expect("no error");
}

#[test]
fn the_answer_to_one_too_many_is_well_formed() {
    let text = std::str::from_utf8(FULL).expect("ASCII");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{} bytes", body.len());
    let problem: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!((&problem["status"], &problem["outcome"]), (&503.into(), &"not_done".into()));
}
