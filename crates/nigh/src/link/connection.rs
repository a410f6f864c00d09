//! One TCP connection and its link machine, either end: the only code of a link that waits.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nigh_proto::calls::caller::{PeerFacts, PeerId};
use nigh_proto::link::error::{LinkError, Misbehaviour};
use nigh_proto::link::frame::{Frame, Hello, VERSION};
use nigh_proto::link::{Link, LinkConfig};
use nigh_proto::placement::SHARDS_DEFAULT;
use nigh_wire::{Bytes, WireHash};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::calls::{Calls, PEER};
use crate::clock::{Clock, entropy};
use crate::link::serve::Server;
use crate::routes::Routes;
use crate::shards::owner::Owner;

/// Links that others may have with this process: 128 of 1 MiB of buffers each. More are closed at once.
const LINKS_MAX: usize = 128;
/// Bytes read at once.
const READ_SIZE_MAX: usize = 64 * 1024;
/// How long to try to connect.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// First and longest wait before connecting again; full jitter between nothing and the wait.
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// What every link of this process needs to know of it.
pub(crate) struct Local {
    pub(crate) clock: Clock,
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) digest: WireHash,
    pub(crate) calls: Arc<Calls>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) owner: Option<Arc<Owner>>,
}

impl Local {
    fn hello(&self) -> Hello {
        let wall = self.clock.wall();
        // R17: a clock never reads below the highest log time of its shards.
        let log_time = self.owner.as_ref().map_or(wall, |owner| owner.log_time_max());
        Hello {
            version: VERSION,
            app: self.name.clone(),
            role: self.role.clone(),
            caller: self.calls.caller_id(),
            digest: self.digest,
            clock: wall.max(log_time),
            log_time,
            shards: SHARDS_DEFAULT,
        }
    }
}

/// Why a connection ended.
enum Ended {
    Io(io::Error),
    Closed,
    Link(LinkError),
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ended::Io(error) => error.fmt(f),
            Ended::Closed => f.write_str("the peer closed the link"),
            Ended::Link(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Ended::Io(error)
    }
}
impl From<LinkError> for Ended {
    fn from(error: LinkError) -> Self {
        Ended::Link(error)
    }
}

/// Serves whoever connects.
pub(crate) async fn accept(listener: TcpListener, local: Arc<Local>) {
    let mut links = JoinSet::new();
    loop {
        tokio::select! {
            biased; // Those that ended make room first.
            Some(_) = links.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if links.len() < LINKS_MAX => {
                    let local = local.clone();
                    links.spawn(async move {
                        let ended = Connection::new(stream, &local, None).carry().await;
                        tracing::info!("a link ended: {ended}");
                    });
                }
                Ok((stream, peer)) => {
                    tracing::warn!("{LINKS_MAX} links are open: {peer} was closed");
                    drop(stream);
                }
                // Out of descriptors, most likely: somebody must leave first.
                Err(error) => {
                    tracing::warn!("accepting a link: {error}");
                    tokio::time::sleep(RETRY_FIRST).await;
                }
            },
        }
    }
}

/// Keeps a link to the peer until it is told to stop; then it says bye, if this process may.
pub(crate) async fn dial(peer: SocketAddr, local: Arc<Local>, mut stop: watch::Receiver<bool>) {
    let mut wait = RETRY_FIRST;
    while !*stop.borrow() {
        let ended = match tokio::time::timeout(CONNECT_MAX, TcpStream::connect(peer)).await {
            Ok(Ok(stream)) => {
                let mut connection = Connection::new(stream, &local, Some(PEER));
                let ended = tokio::select! {
                    ended = connection.carry() => ended,
                    () = told(&mut stop) => {
                        connection.say_bye().await;
                        return;
                    }
                };
                if connection.up {
                    local.calls.with_link(|machine, _, _| machine.handle_link_lost(PEER));
                    wait = RETRY_FIRST;
                }
                ended
            }
            Ok(Err(error)) => Ended::Io(error),
            Err(_) => Ended::Io(io::ErrorKind::TimedOut.into()),
        };
        match &ended {
            Ended::Link(error) if !error.is_transient() => tracing::error!("link to {peer}: {error}"),
            other => tracing::warn!("link to {peer}: {other}"),
        }
        let jitter = (entropy() as u64) % (wait.as_nanos() as u64 + 1);
        tokio::select! {
            () = tokio::time::sleep(Duration::from_nanos(jitter)) => {}
            () = told(&mut stop) => return,
        }
        wait = (wait * 2).min(RETRY_MAX);
    }
}

/// Waits until the node stops.
async fn told(stop: &mut watch::Receiver<bool>) {
    // Without a sender the node has gone.
    drop(stop.wait_for(|stop| *stop).await);
}

struct Connection<'a> {
    stream: TcpStream,
    link: Link,
    local: &'a Arc<Local>,
    /// Whom the calls of this process go to over this link; `None` on links that others made.
    asks: Option<PeerId>,
    up: bool,
    server: Server,
    /// Taken from the link, not yet by the socket.
    out: Bytes,
}

impl<'a> Connection<'a> {
    fn new(stream: TcpStream, local: &'a Arc<Local>, asks: Option<PeerId>) -> Self {
        let link = Link::new(local.clock.now(), LinkConfig::default(), local.hello());
        let server = Server::new(local.clone());
        Connection { stream, link, local, asks, up: false, server, out: Bytes::new() }
    }

    async fn carry(&mut self) -> Ended {
        let ended = match self.turns().await {
            Err(ended) => ended,
            Ok(never) => match never {},
        };
        // The peer sees our hello and can tell the same; whether it still reads is its affair.
        if let (Ended::Link(_), Some(last)) = (&ended, self.link.poll_transmit()) {
            let _ = self.stream.try_write(&last);
        }
        ended
    }

    /// The last frame of a clean end: the records of this process's calls can go.
    async fn say_bye(&mut self) {
        if let (true, Some(last)) = (self.up, self.local.calls.farewell()) {
            self.send(&Frame::Bye(last));
        }
        let mut rest = std::mem::take(&mut self.out);
        while !rest.is_empty() || {
            rest = self.link.poll_transmit().unwrap_or_default();
            !rest.is_empty()
        } {
            let written = match self.stream.writable().await {
                Ok(()) => self.stream.try_write(&rest),
                Err(error) => Err(error),
            };
            match written {
                Ok(n) => drop(rest.split_to(n)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // It has gone, and will forget by age.
                Err(_) => return,
            }
        }
    }

    async fn turns(&mut self) -> Result<std::convert::Infallible, Ended> {
        // Small frames that wait for acknowledgements of others would take 40 ms each.
        self.stream.set_nodelay(true)?;
        let mut buffer = vec![0; READ_SIZE_MAX];
        loop {
            self.take_frames()?;
            self.fill();
            if self.out.is_empty() {
                self.out = self.link.poll_transmit().unwrap_or_default();
            }
            let due = self.link.poll_timeout().map(|due| self.local.clock.steady(due));
            // Who asks must read what is answered; who does not is not heard until it has read.
            let hears = self.asks.is_some() || self.link.is_writable();
            let interest = match (hears, self.out.is_empty()) {
                (true, true) => Interest::READABLE,
                (true, false) => Interest::READABLE | Interest::WRITABLE,
                (false, _) => Interest::WRITABLE,
            };
            let asks = self.asks.is_some() && self.up;
            tokio::select! {
                biased; // Time first: no peer may delay a deadline.
                () = async { tokio::time::sleep_until(due.expect("checked")).await }, if due.is_some() => {
                    self.link.handle_timeout(self.local.clock.now())?;
                }
                // Reads and writes in one step, else two peers with full buffers would deadlock.
                ready = self.stream.ready(interest) => {
                    let ready = ready?;
                    if ready.is_readable() {
                        self.read(&mut buffer)?;
                    }
                    if ready.is_writable() {
                        self.write()?;
                    }
                }
                () = self.server.outbox.wait() => {}
                () = self.local.calls.link.notified(), if asks => {}
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), Ended> {
        match self.stream.try_read(buffer) {
            Ok(0) => Err(Ended::Closed),
            Ok(n) => {
                let (now, clock) = (self.local.clock.now(), self.local.clock.wall());
                Ok(self.link.handle_bytes(now, clock, &buffer[..n])?)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn write(&mut self) -> Result<(), Ended> {
        match self.stream.try_write(&self.out) {
            Ok(n) => {
                drop(self.out.split_to(n));
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// What came in.
    fn take_frames(&mut self) -> Result<(), Ended> {
        if let (false, Some(hello)) = (self.up, self.link.peer()) {
            self.up = true;
            let facts = PeerFacts { clock: hello.clock, log_time: hello.log_time };
            if let Some(to) = self.asks {
                self.local
                    .calls
                    .with_link(|machine, now, clock| machine.handle_link_up(now, to, facts, clock));
            }
        }
        let mut work = Vec::new();
        while let Some(frame) = self.link.poll_frame() {
            match frame {
                Frame::Ask { slot, request } => {
                    if let Some(refusal) = self.server.handle_ask(slot, request, &mut work)? {
                        self.send(&Frame::Refuse { slot, refusal });
                    }
                }
                Frame::Answer { slot, answer } => {
                    let to = self.asks.ok_or(LinkError::PeerMisbehaved(Misbehaviour::Misfit))?;
                    let fits = self
                        .local
                        .calls
                        .with_link(|machine, now, _| machine.handle_answer(now, to, slot, answer));
                    fits.map_err(|_| LinkError::PeerMisbehaved(Misbehaviour::Misfit))?;
                }
                Frame::Refuse { slot, refusal } => {
                    let to = self.asks.ok_or(LinkError::PeerMisbehaved(Misbehaviour::Misfit))?;
                    self.local
                        .calls
                        .with_link(|machine, now, _| machine.handle_refusal(now, to, slot, refusal));
                }
                Frame::Cancel { slot } => self.server.cancel(slot),
                Frame::Bye(last) => self.server.bye(last, &mut work),
                // The machine keeps these to itself.
                Frame::Hello(_) | Frame::Ping(_) | Frame::Pong(_) => {}
            }
        }
        self.server.submit(work);
        Ok(())
    }

    /// What goes out, while the peer takes it.
    fn fill(&mut self) {
        if self.link.is_writable() {
            for frame in self.server.answers() {
                self.send(&frame);
            }
        }
        let (Some(to), true) = (self.asks, self.up) else { return };
        let link = &mut self.link;
        self.local.calls.with_link(|machine, now, _| {
            while link.is_writable() {
                let Some((slot, request)) = machine.poll_transmit(now, to) else { break };
                link.send(&Frame::Ask { slot, request }).expect("the caller bounds a call below a frame");
            }
            while let Some(slot) = machine.poll_cancel(to) {
                link.send(&Frame::Cancel { slot }).expect("a cancel is short");
            }
        });
    }

    fn send(&mut self, frame: &Frame) {
        if let Err(too_long) = self.link.send(frame) {
            // An answer larger than a frame: its caller hears nothing, and its doubt can be settled.
            tracing::error!("an answer was not sent: {too_long}");
        }
    }
}
