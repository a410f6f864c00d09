//! Two nodes over real sockets: the same answers as one, whatever happens to the link between them.

#![allow(unreachable_pub, reason = "the methods of an entity are public, and this is a test")]
#![allow(missing_docs, reason = "as above")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nigh::prelude::*;
use nigh::{NotSettled, NotSettledCause};
use nigh_proto::calls::caller::Slot;
use nigh_proto::calls::request::{Answer, CallRequest, Known, Order, Request};
use nigh_proto::link::frame::{self, Frame, Hello, VERSION};
use nigh_wire::{CallId, CallerId, WireHash};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::MissedTickBehavior;

#[derive(Default, State)]
struct Counter {
    n: u64,
}

#[nigh::entity(key = String)]
impl Counter {
    /// Adds.
    pub fn add(&mut self, n: u64) -> u64 {
        self.n += n;
        self.n
    }
    /// Reads.
    pub fn value(&self) -> u64 {
        self.n
    }
}

#[nigh::service]
trait Echo {
    /// Says it back.
    async fn say(&self, text: String) -> String;
    /// Counts how often it ran, and never answers.
    async fn vanish(&self) -> u64;
    /// As `vanish`, and may be sent again.
    #[idempotent]
    async fn insist(&self) -> u64;
}

#[derive(Clone, Default)]
struct Parrot {
    ran: Arc<AtomicU64>,
}
impl Echo for Parrot {
    async fn say(&self, text: String) -> String {
        text
    }
    async fn vanish(&self) -> u64 {
        self.ran.fetch_add(1, Ordering::Relaxed);
        std::future::pending().await
    }
    async fn insist(&self) -> u64 {
        self.ran.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// A deadline that no test waits for.
const PATIENCE: Duration = Duration::from_secs(600);

const PLACE: &str = "[role.state]\nentities = [\"Counter\"]\nservices = [\"Echo\"]\n[role.web]\n";

fn app(parrot: &Parrot) -> App {
    App::new("test").entity::<Counter>().service::<dyn Echo>(parrot.clone()).place(PLACE)
}

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().expect("an address")
}

async fn state(parrot: &Parrot) -> Node {
    let config = Config { role: Some("state".into()), link: Some(loopback()), ..Config::memory() };
    app(parrot).start(config).await.expect("opens")
}

async fn web(parrot: &Parrot, peer: SocketAddr) -> Node {
    let config = Config { role: Some("web".into()), peer: Some(peer), ..Config::memory() };
    app(parrot).start(config).await.expect("opens")
}

/// Passes bytes on, and can be told to break every connection.
struct Proxy {
    address: SocketAddr,
    cut: tokio::sync::broadcast::Sender<()>,
    held: Arc<AtomicBool>,
    live: Arc<AtomicU64>,
}

impl Proxy {
    async fn new(to: SocketAddr) -> Self {
        let listener = TcpListener::bind(loopback()).await.expect("binds");
        let address = listener.local_addr().expect("bound");
        let (cut, _) = tokio::sync::broadcast::channel(16);
        let held = Arc::new(AtomicBool::new(false));
        let live = Arc::new(AtomicU64::new(0));
        let (cuts, holding, living) = (cut.clone(), held.clone(), live.clone());
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                if holding.load(Ordering::Relaxed) {
                    continue;
                }
                let mut cut = cuts.subscribe();
                let living = living.clone();
                living.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(to).await {
                        tokio::select! {
                            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                            _ = cut.recv() => {}
                        }
                    }
                    living.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Proxy { address, cut, held, live }
    }
    /// Nothing passes from here on.
    async fn hold(&self) {
        self.held.store(true, Ordering::Relaxed);
        while self.live.load(Ordering::Relaxed) > 0 {
            self.cut();
            tokio::task::yield_now().await;
        }
    }
    fn cut(&self) {
        // Nobody may be connected just now.
        let _ = self.cut.send(());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_in_two_it_behaves_as_one() {
    let parrot = Parrot::default();
    let state = state(&parrot).await;
    let web = web(&parrot, state.link().expect("listens")).await;
    let nigh = web.handle();
    assert_eq!(nigh.call(Counter::at("a").add(5)).await, Ok(5));
    assert_eq!(nigh.call(Counter::at("a").value()).await, Ok(5));
    assert_eq!(nigh.call(EchoRef::any().say("hello")).await, Ok("hello".to_owned()));
    assert_eq!(nigh.keys::<Counter>(None, 10).await, Ok(vec!["a".to_owned()]));
    assert_eq!(nigh.call(Counter::at("a").add(5)).once("k").await, Ok(10));
    assert_eq!(nigh.call(Counter::at("a").add(5)).once("k").await, Ok(10));
    assert_eq!(state.handle().call(Counter::at("a").add(5)).once("k").await, Ok(10), "from anywhere");
    assert_eq!(state.handle().call(Counter::at("a").value()).await, Ok(10));
    web.stop().await.expect("stops");
    state.stop().await.expect("stops");
}

/// R2, R10, R11: 64 callers on one key, the link cut every 10 ms: each call takes effect once, none is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_healthy_call_is_refused_while_the_link_is_cut() {
    let parrot = Parrot::default();
    let state = state(&parrot).await;
    let proxy = Proxy::new(state.link().expect("listens")).await;
    let web = web(&parrot, proxy.address).await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let nigh = web.handle();
        callers.spawn(async move {
            let mut answers = Vec::new();
            for _ in 0..20 {
                // The promise is of answers, not of time: a machine that stands still for a minute breaks none.
                answers.push(nigh.call(Counter::at("one").add(1)).within(PATIENCE).await);
            }
            answers
        });
    }
    let mut every = tokio::time::interval(Duration::from_millis(10));
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = std::collections::BTreeSet::new();
    while !callers.is_empty() {
        tokio::select! {
            _ = every.tick() => proxy.cut(),
            Some(answers) = callers.join_next() => {
                for answer in answers.expect("no caller panics") {
                    let n = answer.expect("a healthy call is not refused");
                    assert!(seen.insert(n), "{n} was answered twice");
                }
            }
        }
    }
    assert_eq!(seen.len(), 64 * 20);
    assert_eq!(state.handle().call(Counter::at("one").value()).await, Ok(64 * 20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_doubt_is_settled_once_the_owner_is_back() {
    let parrot = Parrot::default();
    let state = state(&parrot).await;
    let proxy = Proxy::new(state.link().expect("listens")).await;
    let web = web(&parrot, proxy.address).await;
    let nigh = web.handle();
    nigh.call(Counter::at("a").value()).await.expect("the link is up");
    proxy.hold().await;
    let short = Duration::from_millis(300);
    // What never left is not done; a view is never in doubt.
    let view = nigh.call(Counter::at("a").value()).within(short).await;
    assert_eq!(view, Err(CallError::NotDone(Cause::Deadline)));
    let told = nigh.call(Counter::at("a").add(1)).within(short).await;
    let Err(error) = told else { panic!("nobody could answer") };
    proxy.held.store(false, Ordering::Relaxed);
    if let CallError::InDoubt(ticket) = error {
        let settled = nigh.settle::<u64, Never>(&ticket).await.expect("the owner is back");
        assert_eq!(settled, Settled::NotDone);
        assert_eq!(nigh.settle::<u64, Never>(&ticket).await, Ok(Settled::NotDone), "for ever");
    }
    assert_eq!(nigh.call(Counter::at("a").value()).await, Ok(0));
    let ticket: Ticket = {
        let mut pending = nigh.call(Counter::at("a").add(1));
        pending.ticket().expect("a change has a ticket")
    };
    let misuse = nigh.settle::<String, Never>(&ticket).await;
    assert_eq!(misuse, Err(NotSettled { cause: NotSettledCause::Misuse }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_call_is_sent_again_only_if_it_says_so() {
    let parrot = Parrot::default();
    let state = state(&parrot).await;
    let proxy = Proxy::new(state.link().expect("listens")).await;
    let web = web(&parrot, proxy.address).await;
    let nigh = web.handle();
    nigh.call(EchoRef::any().say("up")).await.expect("the link is up");
    let lost = tokio::spawn(nigh.call(EchoRef::any().vanish()).into_future());
    while parrot.ran.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    proxy.cut();
    let lost = lost.await.expect("no panic");
    let Err(CallError::InDoubt(ticket)) = lost else { panic!("{lost:?}") };
    assert_eq!(nigh.settle::<u64, Never>(&ticket).await, Ok(Settled::NoRecord));
    assert_eq!(parrot.ran.load(Ordering::Relaxed), 1, "not sent again");
    assert_eq!(nigh.call(EchoRef::any().insist()).await, Ok(2));
}

#[expect(clippy::disallowed_methods, reason = "a stranger has a clock of its own")]
fn wall() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Time::from_nanos(since.as_nanos() as u64)
}

/// One raw connection that speaks the link's frames.
struct Raw {
    stream: TcpStream,
}

impl Raw {
    async fn new(to: SocketAddr, digest: WireHash) -> Self {
        let mut raw = Raw { stream: TcpStream::connect(to).await.expect("connects") };
        let clock = wall();
        raw.send(&Frame::Hello(Hello {
            version: VERSION,
            app: "test".into(),
            role: "raw".into(),
            caller: CallerId(7),
            digest,
            clock,
            log_time: clock,
            shards: nigh_proto::placement::SHARDS_DEFAULT,
        }))
        .await;
        raw
    }
    async fn send(&mut self, frame: &Frame) {
        let mut out = bytes::BytesMut::new();
        frame::write(frame, &mut out).expect("short");
        self.stream.write_all(&out).await.expect("written");
    }
    /// The next frame that answers something; `None` if the link was closed.
    async fn answer(&mut self) -> Option<Frame> {
        let mut first = true;
        loop {
            let length = self.stream.read_u32_le().await.ok()?;
            let mut body = vec![0; length as usize];
            self.stream.read_exact(&mut body).await.ok()?;
            let frame = frame::read(&body, first).expect("a frame");
            first = false;
            match frame {
                Frame::Ping(n) => self.send(&Frame::Pong(n)).await,
                Frame::Hello(_) | Frame::Pong(_) => {}
                frame => return Some(frame),
            }
        }
    }
}

/// R4, R10: a frame that was left behind arrives on a later link, twice: it is answered, and does not run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delayed_duplicate_does_not_execute() {
    let parrot = Parrot::default();
    let state = state(&parrot).await;
    let nigh = state.handle();
    let digest = nigh.catalogue().digest();
    let method = nigh.catalogue().index("Counter", "add").expect("listed").0;
    let birth = wall();
    let call = |number: u64, after: u64| {
        Request::Call(CallRequest {
            id: CallId { caller: CallerId(99), number, birth },
            method,
            key: nigh_wire::encode(&"late".to_owned()),
            args: nigh_wire::encode(&(1u64,)),
            order: Order::After { after, known: Known::default() },
            keyed: None,
            within: Duration::from_secs(5),
        })
    };
    let link = state.link().expect("listens");
    let mut raw = Raw::new(link, digest).await;
    for (slot, request) in [(1, call(1, 0)), (2, call(2, 1)), (3, call(1, 0))] {
        raw.send(&Frame::Ask { slot: Slot(slot), request }).await;
        let answer = raw.answer().await;
        assert!(matches!(answer, Some(Frame::Answer { .. })), "slot {slot}: {answer:?}");
    }
    drop(raw);
    let mut raw = Raw::new(link, digest).await;
    raw.send(&Frame::Ask { slot: Slot(1), request: call(2, 1) }).await;
    assert!(matches!(raw.answer().await, Some(Frame::Answer { .. })));
    // A successor whose predecessor never came is not run, per copy.
    raw.send(&Frame::Ask { slot: Slot(2), request: call(9, 8) }).await;
    assert!(matches!(raw.answer().await, Some(Frame::Refuse { .. })));
    assert_eq!(nigh.call(Counter::at("late").value()).await, Ok(2));
}

/// A peer of ours asks for none; another program is told, and leaves nothing behind that a sweep could not write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_a_peer_is_bounded() {
    let state = state(&Parrot::default()).await;
    let nigh = state.handle();
    let digest = nigh.catalogue().digest();
    let method = |name| nigh.catalogue().index("Counter", name).expect("listed").0;
    let (within, birth) = (Duration::from_secs(5), wall());
    let add = |number: u64, key| {
        Request::Call(CallRequest {
            id: CallId { caller: CallerId(98), number, birth },
            method: method("add"),
            key,
            args: nigh_wire::encode(&(1u64,)),
            order: Order::Free,
            keyed: None,
            within,
        })
    };
    let value = |key| Request::View { method: method("value"), key, args: nigh_wire::encode(&()), within };
    let mut raw = Raw::new(state.link().expect("listens"), digest).await;
    // Two bytes say how long.
    let key = |size: usize| nigh_wire::encode(&"k".repeat(size - 2));
    let asked = [add(1, key(1024)), add(2, key(1025)), value(key(1024)), value(key(1025))];
    for (slot, (request, fits)) in (1..).zip(asked.into_iter().zip([true, false, true, false])) {
        raw.send(&Frame::Ask { slot: Slot(slot), request }).await;
        let Some(Frame::Answer { answer, .. }) = raw.answer().await else { panic!("slot {slot}: no answer") };
        let too_large =
            matches!(&answer, Answer::NotDone(Cause::TooLarge(why)) if why.contains("1024 bytes"));
        assert_eq!(too_large, !fits, "slot {slot}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_contracts_and_nonsense_are_refused() {
    let parrot = Parrot::default();
    let state = state(&parrot).await;
    let link = state.link().expect("listens");
    let mut other = Raw::new(link, WireHash([9; 16])).await;
    assert!(other.answer().await.is_none(), "another digest: the link is closed");
    let mut nonsense = TcpStream::connect(link).await.expect("connects");
    nonsense.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("written");
    let mut rest = Vec::new();
    nonsense.read_to_end(&mut rest).await.ok();
    assert_eq!(state.handle().call(Counter::at("a").add(1)).await, Ok(1), "the process lives");
}
