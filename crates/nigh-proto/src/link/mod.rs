//! One connection between two processes: hello, frames, pings, loss. Bytes in, bytes out.
//!
//! Both ends run the same machine; either may ask. Layout and rules: `spec/link.md`.
//!
//! - [`Link`] turns bytes into frames and back, and decides when the peer is lost. Start here.
//! - [`frame`] is what travels, and its bytes.
//! - [`serving`] bounds what the peer has open here.
//! - [`error`] is why a link ends, sorted by what to do.
//!
//! Nothing here connects, waits or tries again: that is the driver's. A link is never revived (R2).

pub mod error;
pub mod frame;
pub mod serving;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use nigh_wire::Time;

use self::error::{LinkError, Misbehaviour};
use self::frame::{FRAME_SIZE_MAX, Frame, HELLO_SIZE_MAX, Hello, LENGTH_SIZE, TooLong};
use crate::Instant;

/// Bytes written and not yet taken by the driver, past which no more is asked or answered: what a link of
/// 10 Gbit/s carries in a millisecond, so that a driver that wakes that often never runs dry.
pub const OUT_SIZE_MAX: usize = 1 << 20;

/// Clocks further apart refuse the link: births could be refused as too far in the future (R17).
pub const CLOCK_SKEW_MAX: Duration = crate::calls::FUTURE_MAX;

/// Bounds of one link.
#[derive(Clone, Copy, Debug)]
pub struct LinkConfig {
    /// Silence after which a link is lost; pings go out at a third of it, so that no second setting can
    /// contradict this one. Default 10 s.
    pub idle_timeout: Duration,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self { idle_timeout: Duration::from_secs(10) }
    }
}

/// One end of one connection.
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    ours: Hello,
    peer: Option<Hello>,
    /// Received, not yet a whole frame: at most the longest one, and what one read brought.
    partial: BytesMut,
    received: VecDeque<Frame>,
    out: BytesMut,
    /// The newest ping not yet answered. Only one, else a peer that pings and never reads would fill us.
    pong: Option<u64>,
    heard: Instant,
    /// When the next ping is due, unless something is heard before.
    ping_at: Instant,
    pings: u64,
    /// Why it ended. It stays so.
    ended: Option<LinkError>,
}

impl Link {
    /// An end of a connection that was just made. Its hello is the first thing it writes.
    ///
    /// # Panics
    ///
    /// The names in `ours` are longer than [`frame::NAME_SIZE_MAX`]: what an application is called is
    /// checked when it starts.
    pub fn new(now: Instant, config: LinkConfig, ours: Hello) -> Self {
        let mut out = BytesMut::new();
        frame::write(&Frame::Hello(ours.clone()), &mut out).expect("a hello of ours is short");
        let ping_at = now.saturating_add(config.idle_timeout / 3);
        let (peer, pong, ended) = (None, None, None);
        let (partial, received) = (BytesMut::new(), VecDeque::new());
        Self { config, ours, peer, partial, received, out, pong, heard: now, ping_at, pings: 0, ended }
    }

    /// Takes bytes as they came, split anywhere. Then take all frames with [`Link::poll_frame`]: they are
    /// not bounded otherwise than by what is handed in here.
    ///
    /// # Errors
    ///
    /// The link has ended, now or before. Write what [`Link::poll_transmit`] still gives, so that the peer
    /// sees our hello and can tell the same, and close.
    pub fn handle_bytes(&mut self, now: Instant, clock: Time, bytes: &[u8]) -> Result<(), LinkError> {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        self.heard = now;
        self.ping_at = now.saturating_add(self.config.idle_timeout / 3);
        let taken = if self.partial.is_empty() {
            // Whole frames, nearly always: read where they lie.
            let taken = self.take_frames(clock, bytes);
            taken.map(|taken| self.partial.extend_from_slice(&bytes[taken..]))
        } else {
            self.partial.extend_from_slice(bytes);
            let mut whole = std::mem::take(&mut self.partial);
            let taken = self.take_frames(clock, &whole);
            taken.map(|taken| {
                whole.advance(taken);
                self.partial = whole;
            })
        };
        if let Err(error) = &taken {
            self.end(error.clone());
        }
        self.assert_invariants();
        taken
    }

    /// The next frame for the application: asks, answers, refusals, cancels, byes. None before the peer's
    /// hello was accepted.
    pub fn poll_frame(&mut self) -> Option<Frame> {
        self.received.pop_front()
    }

    /// Writes a frame after all others (R2). Ask only while [`Link::is_writable`].
    ///
    /// # Errors
    ///
    /// The frame is longer than a peer accepts; nothing was written.
    pub fn send(&mut self, frame: &Frame) -> Result<(), TooLong> {
        if self.ended.is_none() {
            frame::write(frame, &mut self.out)?;
        }
        Ok(())
    }

    /// True while more may be written: no call is polled, nor an answer, while the peer does not read.
    pub fn is_writable(&self) -> bool {
        self.ended.is_none() && self.out.len() < OUT_SIZE_MAX
    }

    /// Bytes for the wire, all that there are. Call it when the last ones were taken.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        if let Some(pong) = self.pong.take() {
            frame::write(&Frame::Pong(pong), &mut self.out).expect("a pong is short");
        }
        (!self.out.is_empty()).then(|| self.out.split().freeze())
    }

    /// When [`Link::handle_timeout`] is next of use.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let silent_at = self.heard.saturating_add(self.config.idle_timeout);
        self.ended.is_none().then(|| silent_at.min(self.ping_at))
    }

    /// Pings a peer that says nothing, and gives up one that does not answer.
    ///
    /// # Errors
    ///
    /// [`LinkError::Silent`], or why the link had ended before.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), LinkError> {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        let silence = now.saturating_since(self.heard);
        let silent = silence >= self.config.idle_timeout; // mutant silence-ignored: let silent = false;
        if silent {
            self.end(LinkError::Silent { silence });
            return Err(LinkError::Silent { silence });
        }
        if now >= self.ping_at {
            self.ping_at = now.saturating_add(self.config.idle_timeout / 3);
            self.pings += 1;
            frame::write(&Frame::Ping(self.pings), &mut self.out).expect("a ping is short");
        }
        self.assert_invariants();
        Ok(())
    }

    /// The peer's hello, once it was accepted.
    pub fn peer(&self) -> Option<&Hello> {
        self.peer.as_ref()
    }

    /// Takes whole frames, and says how many bytes they were.
    fn take_frames(&mut self, clock: Time, bytes: &[u8]) -> Result<usize, LinkError> {
        let mut rest = bytes;
        loop {
            let taken = bytes.len() - rest.len();
            let Some((length, body)) = rest.split_first_chunk::<LENGTH_SIZE>() else { return Ok(taken) };
            let length = u32::from_le_bytes(*length) as usize;
            // A stranger is heard out for a hello and no longer.
            let most = if self.peer.is_some() { FRAME_SIZE_MAX } else { HELLO_SIZE_MAX };
            if length > most {
                return Err(LinkError::PeerMisbehaved(Misbehaviour::TooLong { length, most }));
            }
            let Some((body, after)) = body.split_at_checked(length) else { return Ok(taken) };
            let frame = frame::read(body, self.peer.is_none())?;
            rest = after;
            self.take(clock, frame)?;
        }
    }

    fn take(&mut self, clock: Time, frame: Frame) -> Result<(), LinkError> {
        match frame {
            Frame::Hello(theirs) if self.peer.is_none() => {
                theirs.accept(&self.ours, clock)?;
                self.peer = Some(theirs);
            }
            Frame::Hello(_) => return Err(LinkError::PeerMisbehaved(Misbehaviour::SecondHello)),
            _ if self.peer.is_none() => return Err(LinkError::PeerMisbehaved(Misbehaviour::NoHello)),
            Frame::Ping(number) => self.pong = Some(number),
            // Being heard was its purpose.
            Frame::Pong(_) => {}
            frame => self.received.push_back(frame),
        }
        Ok(())
    }

    fn end(&mut self, error: LinkError) {
        self.ended = Some(error);
        self.partial.clear();
        self.received.clear();
    }

    /// Nothing reaches the application from a peer that was not accepted, or after the end.
    fn assert_invariants(&self) {
        let accepted = self.peer.is_some() && self.ended.is_none();
        assert!(accepted || self.received.is_empty(), "frames from a stranger");
        assert!(self.partial.len() < LENGTH_SIZE + FRAME_SIZE_MAX, "a whole frame was left lying");
    }
}
