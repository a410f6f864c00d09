//! Clients, connections and the bytes between them, in virtual time.
//!
//! A connection that is cut keeps what it carried towards the owner: that may arrive at any later moment,
//! between the frames of other connections, or never. Within one it stays in order, and nothing is repeated.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use nigh_proto::Instant;
use nigh_proto::calls::caller::{Caller, CallerConfig, Handle, Outcome, PeerFacts, PeerId, Slot, What};
use nigh_proto::calls::request::{Refusal, Request};
use nigh_proto::link::frame::{Frame, Hello, VERSION};
use nigh_proto::link::serving::Serving;
use nigh_proto::link::{Link, LinkConfig};
use nigh_wire::{CallId, CallerId, Time, WireHash};

use crate::owner::Owner;

pub(crate) const OWNER: PeerId = PeerId(1);

struct Client {
    caller: Caller<usize>,
    /// Its end of the current connection, and which one that is.
    link: Option<(Link, usize)>,
}

/// The owner's end of one connection.
struct Conn {
    link: Link,
    serving: Serving,
    client: usize,
    to_owner: VecDeque<u8>,
    to_client: VecDeque<u8>,
    /// False once it was cut: nothing is heard of it at the client any more.
    current: bool,
}

pub(crate) struct Net {
    now: Instant,
    clients: Vec<Client>,
    conns: Vec<Conn>,
    ids: BTreeMap<usize, CallId>,
    /// The next copy that arrives is refused with this.
    pub(crate) refuse_next: Option<Refusal>,
}

/// Clocks of all, for simplicity: 1,000,000 s after 1970 and what has passed.
fn clock(now: Instant) -> Time {
    Time::from_nanos(1_000_000_000_000_000 + now.as_nanos())
}

fn hello(role: &str, caller: u128, now: Instant, log_time: Time) -> Hello {
    Hello {
        version: VERSION,
        app: "world".into(),
        role: role.into(),
        caller: CallerId(caller),
        digest: WireHash([5; 16]),
        clock: clock(now),
        log_time,
        shards: 1,
    }
}

impl Net {
    pub(crate) fn new(clients: usize) -> Self {
        let client = |i| {
            let caller = Caller::new(CallerId(70 + i as u128), i as u64, CallerConfig::default());
            Client { caller, link: None }
        };
        let clients = (0..clients).map(client).collect();
        Net { now: Instant::from_nanos(0), clients, conns: vec![], ids: BTreeMap::new(), refuse_next: None }
    }

    pub(crate) fn clients(&self) -> usize {
        self.clients.len()
    }

    pub(crate) fn caller_id(&self, of: usize) -> CallerId {
        self.clients[of].caller.id()
    }

    /// Ids under which calls left, by name.
    pub(crate) fn ids(&self) -> BTreeMap<usize, CallId> {
        self.ids.clone()
    }

    pub(crate) fn start(
        &mut self,
        of: usize,
        what: What,
        within: Duration,
        name: usize,
    ) -> Result<Handle, Outcome> {
        let started = self.clients[of].caller.start(self.now, clock(self.now), OWNER, what, within, name);
        started.map_err(|(_, outcome)| outcome)
    }

    pub(crate) fn cancel(&mut self, of: usize, handle: Handle) {
        self.clients[of].caller.cancel(handle).expect("what has a handle is open");
    }

    pub(crate) fn poll_settled(&mut self) -> Option<(usize, Outcome)> {
        self.clients.iter_mut().find_map(|client| client.caller.poll_settled())
    }

    /// Connects a client that is not connected.
    pub(crate) fn connect(&mut self, of: usize, log_time: Time) {
        if self.clients[of].link.is_some() {
            return;
        }
        let (config, caller) = (LinkConfig::default(), 70 + of as u128);
        let ours = Link::new(self.now, config, hello("web", caller, self.now, clock(self.now)));
        let theirs = Link::new(self.now, config, hello("state", 1, self.now, log_time));
        self.clients[of].link = Some((ours, self.conns.len()));
        let (to_owner, to_client) = (VecDeque::new(), VecDeque::new());
        let serving = Serving::default();
        self.conns.push(Conn { link: theirs, serving, client: of, to_owner, to_client, current: true });
        // Hellos cross at once: what may come between them is the link's own tests.
        self.write(of, 0);
        self.carry(self.conns.len() - 1, usize::MAX);
        self.hear(of, usize::MAX);
    }

    /// The client writes up to `most` copies, and all cancels.
    pub(crate) fn write(&mut self, of: usize, most: usize) {
        let client = &mut self.clients[of];
        let Some((link, conn)) = &mut client.link else { return };
        for _ in 0..most {
            if !link.is_writable() {
                break;
            }
            let Some((slot, request)) = client.caller.poll_transmit(self.now, OWNER) else { break };
            if let Request::Call(call) = &request {
                let before = self.ids.insert(call.method as usize, call.id);
                assert!(before.is_none_or(|id| id == call.id), "R11: renumbered");
            }
            link.send(&Frame::Ask { slot, request }).expect("small");
        }
        while let Some(slot) = client.caller.poll_cancel(OWNER) {
            link.send(&Frame::Cancel { slot }).expect("small");
        }
        while let Some(bytes) = link.poll_transmit() {
            self.conns[*conn].to_owner.extend(bytes);
        }
    }

    /// Some bytes arrive at the owner, on any connection, also on one that was cut.
    pub(crate) fn read(&mut self, pick: usize, owner: &mut impl Owner) {
        if let Some(conn) = pick.checked_rem(self.conns.len()) {
            self.carry(conn, 1 + pick);
            self.serve(conn, owner);
        }
    }

    pub(crate) fn read_current(&mut self, owner: &mut impl Owner) {
        for conn in 0..self.conns.len() {
            if self.conns[conn].current {
                self.carry(conn, usize::MAX);
                self.serve(conn, owner);
            }
        }
    }

    pub(crate) fn read_left_behind(&mut self, owner: &mut impl Owner) {
        for conn in 0..self.conns.len() {
            self.carry(conn, usize::MAX);
            self.serve(conn, owner);
        }
    }

    pub(crate) fn lose_left_behind(&mut self, pick: usize) {
        let Some(conn) = pick.checked_rem(self.conns.len()) else { return };
        if !self.conns[conn].current {
            self.conns[conn].to_owner.clear();
        }
    }

    fn carry(&mut self, conn: usize, most: usize) {
        let Conn { link, to_owner, to_client, .. } = &mut self.conns[conn];
        let bytes: Vec<u8> = to_owner.drain(..most.min(to_owner.len())).collect();
        // The owner may hear of silence long after; what was left behind is judged all the same.
        link.handle_bytes(self.now, clock(self.now), &bytes).expect("clients behave");
        while let Some(bytes) = link.poll_transmit() {
            to_client.extend(bytes);
        }
    }

    fn serve(&mut self, conn: usize, owner: &mut impl Owner) {
        let Conn { link, serving, .. } = &mut self.conns[conn];
        while let Some(frame) = link.poll_frame() {
            let Frame::Ask { slot, request } = frame else {
                if let Frame::Cancel { slot } = frame {
                    serving.cancel(slot);
                }
                continue;
            };
            let (Request::Call(_) | Request::Settle { .. }) = &request else { panic!("asked {request:?}") };
            let within = match &request {
                Request::Call(call) => call.within,
                Request::Settle { within, .. } => *within,
                _ => unreachable!("only these are asked"),
            };
            let admitted = serving.handle_ask(self.now, slot, within).expect("slots rise");
            let begun = admitted.and_then(|()| match self.refuse_next.take() {
                Some(refusal) => {
                    serving.done(slot);
                    Err(refusal)
                }
                None => serving.begin(self.now, slot).map(drop),
            });
            match begun {
                Ok(()) => owner.ask(clock(self.now), (conn, slot.0), request),
                Err(refusal) => link.send(&Frame::Refuse { slot, refusal }).expect("small"),
            }
        }
    }

    /// What the owner may say now goes out on the connections it was asked on.
    pub(crate) fn answer(&mut self, owner: &mut impl Owner) {
        while let Some(((conn, slot), reply)) = owner.poll_reply() {
            let Conn { link, serving, .. } = &mut self.conns[conn];
            let slot = Slot(slot);
            assert!(serving.done(slot), "answered once");
            let frame = match reply {
                Ok(answer) => Frame::Answer { slot, answer },
                Err(refusal) => Frame::Refuse { slot, refusal },
            };
            link.send(&frame).expect("small");
        }
        for conn in &mut self.conns {
            while let Some(bytes) = conn.link.poll_transmit() {
                if conn.current {
                    conn.to_client.extend(bytes);
                }
            }
        }
    }

    /// Some bytes arrive at a client, on its current connection.
    pub(crate) fn hear(&mut self, of: usize, most: usize) {
        let client = &mut self.clients[of];
        let Some((link, conn)) = &mut client.link else { return };
        let to_client = &mut self.conns[*conn].to_client;
        let bytes: Vec<u8> = to_client.drain(..most.min(to_client.len())).collect();
        let greeted = link.peer().is_some();
        link.handle_bytes(self.now, clock(self.now), &bytes).expect("the owner behaves");
        if let Some(peer) = link.peer().filter(|_| !greeted) {
            let facts = PeerFacts { clock: peer.clock, log_time: peer.log_time };
            client.caller.handle_link_up(self.now, OWNER, facts, clock(self.now));
        }
        while let Some(frame) = link.poll_frame() {
            match frame {
                Frame::Answer { slot, answer } => {
                    client.caller.handle_answer(self.now, OWNER, slot, answer).expect("it fits");
                }
                Frame::Refuse { slot, refusal } => {
                    client.caller.handle_refusal(self.now, OWNER, slot, refusal);
                }
                frame => panic!("an owner says no {frame:?}"),
            }
        }
    }

    pub(crate) fn cut(&mut self, of: usize) {
        let client = &mut self.clients[of];
        let Some((_, conn)) = client.link.take() else { return };
        self.conns[conn].current = false;
        self.conns[conn].to_client.clear();
        client.caller.handle_link_lost(OWNER);
    }

    /// The owner's process dies: all links are lost, with what they carried.
    pub(crate) fn crash(&mut self) {
        (0..self.clients.len()).for_each(|of| self.cut(of));
        for conn in &mut self.conns {
            assert!(conn.client < self.clients.len(), "every connection is a client's");
            (conn.serving, conn.to_owner) = (Serving::default(), VecDeque::new());
        }
    }

    /// Time passes: deadlines, waits, and silence on both ends.
    pub(crate) fn pass(&mut self, time: Duration, log_time: Time) {
        self.now = self.now.saturating_add(time);
        for of in 0..self.clients.len() {
            let client = &mut self.clients[of];
            client.caller.handle_timeout(self.now);
            let silent = client.link.as_mut().is_some_and(|(link, _)| link.handle_timeout(self.now).is_err());
            if silent {
                self.cut(of);
                self.connect(of, log_time);
            }
        }
    }
}
