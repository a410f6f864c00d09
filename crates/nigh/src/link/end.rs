//! One end of a link without its socket: the link machine, the calls that go out over it, and those it serves.
//!
//! Bytes and time go in, bytes come out: [`LinkEnd::handle_bytes`], [`LinkEnd::poll_transmit`]. A connection over
//! TCP moves them, or a simulated one. Nothing here waits.

use std::sync::Arc;

use nigh_proto::Instant;
use nigh_proto::calls::caller::{PeerFacts, PeerId};
use nigh_proto::link::error::{LinkError, Misbehaviour};
use nigh_proto::link::frame::{Frame, Hello, VERSION};
use nigh_proto::link::{Link, LinkConfig};
use nigh_wire::{Bytes, WireHash};

use crate::calls::Calls;
use crate::clock::Clock;
use crate::link::outbox::Outbox;
use crate::link::serve::Server;
use crate::routes::Routes;
use crate::shards::owner::Owner;

/// What every link of this process needs to know of it.
pub(crate) struct Local {
    pub(crate) clock: Clock,
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) digest: WireHash,
    pub(crate) shards: u32,
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
            shards: self.shards,
        }
    }
}

/// One end of a link.
pub(crate) struct LinkEnd {
    link: Link,
    local: Arc<Local>,
    /// Whom the calls of this process go to over this link; `None` on links that others made.
    asks: Option<PeerId>,
    up: bool,
    server: Server,
}

impl LinkEnd {
    /// An end that has said hello, and heard nothing.
    pub(crate) fn new(local: &Arc<Local>, asks: Option<PeerId>) -> Self {
        let link = Link::new(local.clock.now(), LinkConfig::default(), local.hello());
        LinkEnd { link, local: local.clone(), asks, up: false, server: Server::new(local.clone()) }
    }

    /// What the other end wrote.
    ///
    /// # Errors
    ///
    /// The link is to be closed.
    pub(crate) fn handle_bytes(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        let (now, clock) = (self.local.clock.now(), self.local.clock.wall());
        self.link.handle_bytes(now, clock, bytes)?;
        self.take_frames()
    }

    /// Time has passed.
    ///
    /// # Errors
    ///
    /// The other end is silent: the link is to be closed.
    pub(crate) fn handle_timeout(&mut self) -> Result<(), LinkError> {
        self.link.handle_timeout(self.local.clock.now())
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next of use.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.link.poll_timeout()
    }

    /// What to write next.
    pub(crate) fn poll_transmit(&mut self) -> Option<Bytes> {
        self.fill();
        self.link.poll_transmit()
    }

    /// The link is closed: what was under way waits for the next one.
    pub(crate) fn handle_lost(&mut self) {
        if let (true, Some(to)) = (std::mem::take(&mut self.up), self.asks) {
            self.local.calls.with_link(|machine, _, _| machine.handle_link_lost(to));
        }
    }

    /// The last frame of a clean end: the records of this process's calls can go.
    pub(crate) fn say_bye(&mut self) {
        if let (true, Some(last)) = (self.up, self.local.calls.farewell()) {
            self.send(&Frame::Bye(last));
        }
    }

    /// Who asks must read what is answered; who does not is not heard until it has read.
    pub(crate) fn hears(&self) -> bool {
        self.asks.is_some() || self.link.is_writable()
    }
    /// True if calls of this process go out over it now.
    pub(crate) fn asks(&self) -> bool {
        self.asks.is_some() && self.up
    }
    /// True once the other end has said hello.
    pub(crate) fn is_up(&self) -> bool {
        self.up
    }
    /// Answers on their way to this link.
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.server.outbox
    }

    /// What came in.
    fn take_frames(&mut self) -> Result<(), LinkError> {
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

    /// What goes out, while the peer takes it. Mostly there is nothing, which is seen in a few steps.
    fn fill(&mut self) {
        if self.link.is_writable() && self.server.outbox.has_any() {
            self.fill_answers();
        }
        if let (Some(to), true) = (self.asks, self.up)
            && self.local.calls.has_transmit()
        {
            self.fill_asks(to);
        }
    }

    #[inline(never)]
    fn fill_answers(&mut self) {
        for frame in self.server.answers() {
            send(&mut self.link, &frame);
        }
    }

    #[inline(never)]
    fn fill_asks(&mut self, to: PeerId) {
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
        send(&mut self.link, frame);
    }
}

fn send(link: &mut Link, frame: &Frame) {
    if let Err(too_long) = link.send(frame) {
        // An answer larger than a frame: its caller hears nothing, and its doubt can be settled.
        tracing::error!("an answer was not sent: {too_long}");
    }
}
