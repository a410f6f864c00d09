//! A link's end on a TCP connection, whichever end it is: the only code of a link that waits.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nigh_proto::calls::caller::PeerId;
use nigh_proto::link::error::LinkError;
use nigh_wire::Bytes;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::calls::PEER;
use crate::link::end::{LinkEnd, Local};

/// Links that others may have with this process: 128 of 1 MiB of buffers each. More are closed at once.
const LINKS_MAX: usize = 128;
/// Bytes read at once.
const READ_SIZE_MAX: usize = 64 * 1024;
/// How long to try to connect.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// First and longest wait before connecting again; full jitter between nothing and the wait.
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(2);

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
                if connection.end.is_up() {
                    connection.end.handle_lost();
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
        let jitter = (local.clock.entropy() as u64) % (wait.as_nanos() as u64 + 1);
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
    end: LinkEnd,
    local: &'a Arc<Local>,
    /// Taken from the link, not yet by the socket.
    out: Bytes,
}

impl<'a> Connection<'a> {
    fn new(stream: TcpStream, local: &'a Arc<Local>, asks: Option<PeerId>) -> Self {
        Connection { stream, end: LinkEnd::new(local, asks), local, out: Bytes::new() }
    }

    async fn carry(&mut self) -> Ended {
        let ended = match self.turns().await {
            Err(ended) => ended,
            Ok(never) => match never {},
        };
        // The peer sees our hello and can tell the same; whether it still reads is its affair.
        if let (Ended::Link(_), Some(last)) = (&ended, self.end.poll_transmit()) {
            let _ = self.stream.try_write(&last);
        }
        ended
    }

    /// The last frame of a clean end.
    async fn say_bye(&mut self) {
        self.end.say_bye();
        let mut rest = std::mem::take(&mut self.out);
        while !rest.is_empty() || {
            rest = self.end.poll_transmit().unwrap_or_default();
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
            if self.out.is_empty() {
                self.out = self.end.poll_transmit().unwrap_or_default();
            }
            let due = self.end.poll_timeout();
            let interest = match (self.end.hears(), self.out.is_empty()) {
                (true, true) => Interest::READABLE,
                (true, false) => Interest::READABLE | Interest::WRITABLE,
                (false, _) => Interest::WRITABLE,
            };
            let asks = self.end.asks();
            tokio::select! {
                biased; // Time first: no peer may delay a deadline.
                () = self.local.clock.sleep_until(due.unwrap_or_default()), if due.is_some() => {
                    self.end.handle_timeout()?;
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
                () = self.end.outbox().wait() => {}
                () = self.local.calls.link.notified(), if asks => {}
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), Ended> {
        match self.stream.try_read(buffer) {
            Ok(0) => Err(Ended::Closed),
            Ok(n) => Ok(self.end.handle_bytes(&buffer[..n])?),
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
}
