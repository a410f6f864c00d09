//! The door: accepts connections on a listener it is given, serves each until it is done, and stops when told.
//!
//! It owns sockets and tasks and decides nothing about requests: [`crate::gate`] does.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use nigh::{Door, Nigh};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower_service::Service;

use crate::gate::Gate;
use crate::headers::HEADERS_SIZE_MAX;
use crate::page::Page;
use crate::patience::{Patient, Phase};
use crate::rules::Rules;

/// Connections at once; one more is told to come back. Each may hold a body of 1 MiB, bounded together by
/// `BODIES_SIZE_MAX`.
const CONNECTIONS_MAX: u32 = 1_024;
/// Wait after a failed accept: without file descriptors it would fail again at once, for as long as they are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The server's own bound on a head, behind ours, which answers in words.
const HEAD_SIZE_MAX: usize = 2 * HEADERS_SIZE_MAX;

/// What a connection too many is told, written by hand: nothing is read from it.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n\
    Retry-After: 1\r\nConnection: close\r\nContent-Length: 175\r\n\r\n\
    {\"type\":\"urn:nigh:problem:connections\",\"title\":\"Too many connections\",\"status\":503,\
    \"detail\":\"1,024 connections are open. Close some, or come back later.\",\"outcome\":\"not_done\"}";

/// An HTTP door: `App::door(nigh_gate::http())`.
pub fn http() -> Http {
    Http { rules: Rules::default(), pages: BTreeMap::new() }
}

/// The HTTP door, before it is opened. It serves loopback names and listens on loopback addresses only.
#[derive(Clone, Debug)]
pub struct Http {
    rules: Rules,
    pages: BTreeMap<&'static str, Page>,
}

impl Http {
    /// Serves `text` at `path`: HTML, unless the path ends in `.js`, `.css`, `.svg` or `.json`.
    ///
    /// Scripts and styles inside the page run; attributes like `onclick` do not, nor does anything from elsewhere.
    #[must_use]
    pub fn page(mut self, path: &'static str, text: &'static str) -> Self {
        self.pages.insert(path, Page::new(path, text));
        self
    }

    /// Answers to this host name too, with any port; loopback names always are.
    #[must_use]
    pub fn host(mut self, name: &str) -> Self {
        self.rules.allow_host(name);
        self
    }

    /// Answers pages of this origin too: `https://app.example`. The door's own origin always is.
    #[must_use]
    pub fn origin(mut self, origin: &str) -> Self {
        self.rules.allow_origin(origin);
        self
    }
}

impl Door for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn open(
        self: Box<Self>,
        nigh: Nigh,
        listener: TcpListener,
        stop: watch::Receiver<bool>,
    ) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send>> {
        let gate = Gate::new(nigh, self.rules, Some(self.pages));
        Box::pin(async move { serve(gate, listener, stop, CONNECTIONS_MAX).await })
    }
}

/// Serves connections until `stop` turns true, then finishes those that are open.
async fn serve(
    gate: Gate,
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
    connections_max: u32,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        let why = format!(
            "the HTTP door listens on loopback only, not on {address}: write 127.0.0.1:{}",
            address.port()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let free = Arc::new(Semaphore::new(connections_max as usize));
    loop {
        let accepted = tokio::select! {
            biased; // A crowd at the door must not put off stopping.
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, _)) => match free.clone().try_acquire_owned() {
                Ok(permit) => {
                    let (gate, stop) = (gate.clone(), stop.clone());
                    tokio::spawn(async move {
                        serve_one(gate, socket_ready(socket), stop).await;
                        drop(permit);
                    });
                }
                Err(_) => refuse(&socket),
            },
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "the HTTP door cannot accept connections, trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let _all = free.acquire_many(connections_max).await;
    Ok(())
}

/// Serves one connection until it ends, or `stop` turns true and what is open is answered.
async fn serve_one<S: AsyncRead + AsyncWrite + Unpin>(gate: Gate, io: S, mut stop: watch::Receiver<bool>) {
    let phase = Phase::new();
    let patient = Patient::new(io, phase.clone());
    let service = service_fn(move |request| {
        let busy = phase.busy();
        let answer = gate.clone().call(request);
        async move {
            let response = answer.await;
            drop(busy);
            response as Result<_, Infallible>
        }
    });
    // Its own timeout of the head also runs between requests; ours tells the two apart.
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(HEAD_SIZE_MAX)
        .serve_connection(patient, service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased; // An answer that is ready goes out first.
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the HTTP door broke");
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone can no longer say stop: the node has ended, and so does its door.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn socket_ready(socket: TcpStream) -> TcpStream {
    // Answers are written whole; waiting for more to send with them only costs time. Failing that, it is slower.
    let _ = socket.set_nodelay(true);
    socket
}

/// Best effort: a peer that does not take one small packet at once is not waited for.
fn refuse(socket: &TcpStream) {
    let _ = socket.try_write(FULL);
}

#[cfg(test)]
mod tests;
