//! How long a connection may keep us waiting: between requests, within a request's head, and when it does not read.
//!
//! A wrapper around a connection's bytes. A request's body and the call itself have limits of their own; while
//! they are under way nothing is timed here but our own writing.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep};

use crate::clock;

/// Between two requests: what browsers keep connections for at least.
pub(crate) const IDLE_TIME_MAX: Duration = Duration::from_secs(60);
/// From the first byte of a request to the end of its head: 16 KiB at 1.6 KiB/s.
pub(crate) const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// Without one byte of an answer being taken.
pub(crate) const WRITE_STALL_MAX: Duration = Duration::from_secs(30);

const _: () = assert!(HEAD_TIME_MAX.as_secs() < IDLE_TIME_MAX.as_secs());

/// What a connection is doing, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Between two requests.
    Idle,
    /// Within a request's head.
    Head,
    /// Being answered.
    Busy,
}

/// What a connection is doing, shared by the one who reads it and the one who serves it: parts of one task.
#[derive(Clone, Debug)]
pub(crate) struct Phase(Arc<Mutex<(Doing, Instant)>>);

impl Phase {
    /// Of a connection just made.
    pub(crate) fn new() -> Self {
        Phase(Arc::new(Mutex::new((Doing::Idle, clock::now()))))
    }
    /// A request's head was read: until the guard is dropped its body and its call are timed, not the connection.
    pub(crate) fn busy(&self) -> Busy {
        self.set(Doing::Busy);
        Busy(self.clone())
    }
    fn set(&self, doing: Doing) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (doing, clock::now());
    }
    fn current(&self) -> (Doing, Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request being answered.
#[derive(Debug)]
pub(crate) struct Busy(Phase);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.set(Doing::Idle);
    }
}

/// A connection that is given up when it keeps us waiting.
pub(crate) struct Patient<S> {
    io: TokioIo<S>,
    phase: Phase,
    read_due: Pin<Box<Sleep>>,
    write_due: Pin<Box<Sleep>>,
    write_stalled: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Patient<S> {
    pub(crate) fn new(io: S, phase: Phase) -> Self {
        Patient {
            io: TokioIo::new(io),
            phase,
            read_due: Box::pin(sleep(IDLE_TIME_MAX)),
            write_due: Box::pin(sleep(WRITE_STALL_MAX)),
            write_stalled: false,
        }
    }

    /// Ready once the peer has kept us waiting for its next bytes for too long.
    fn poll_read_due(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let (doing, since) = self.phase.current();
        let due = match doing {
            Doing::Idle => since + IDLE_TIME_MAX,
            Doing::Head => since + HEAD_TIME_MAX,
            // Nobody reads again only because an answer went out: this wakes us to look, in time for idleness.
            Doing::Busy => clock::now() + IDLE_TIME_MAX,
        };
        if self.read_due.deadline() != due {
            self.read_due.as_mut().reset(due);
        }
        ready!(self.read_due.as_mut().poll(cx));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "no request in time"))
    }

    /// Passes on what a write said, and times those that wait.
    fn timed_write<T>(&mut self, cx: &mut Context<'_>, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.write_stalled = false;
            return wrote;
        }
        if !self.write_stalled {
            self.write_stalled = true;
            self.write_due.as_mut().reset(clock::now() + WRITE_STALL_MAX);
        }
        ready!(self.write_due.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the answer is not being read")))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Read for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // Asked first: one byte now and then would otherwise put it off for ever.
        if let Poll::Ready(late) = self.poll_read_due(cx) {
            return Poll::Ready(Err(late));
        }
        let read = ready!(Pin::new(&mut self.io).poll_read(cx, buf));
        if self.phase.current().0 == Doing::Idle {
            self.phase.set(Doing::Head);
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Write for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.io).poll_write(cx, buf);
        self.timed_write(cx, wrote)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.timed_write(cx, flushed)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.io).poll_shutdown(cx);
        self.timed_write(cx, shut)
    }
}
