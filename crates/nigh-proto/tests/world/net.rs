//! Clients, connections and the bytes between them, in virtual time.
//!
//! A connection that is cut keeps what it carried towards a node: that may arrive at any later moment, between
//! the frames of other connections, or never. Within one it stays in order, and nothing is repeated (R2).

use std::collections::VecDeque;
use std::time::Duration;

use nigh_proto::Instant;
use nigh_proto::calls::caller::{Caller, CallerConfig, Handle, Outcome, PeerFacts, PeerId, Slot, What};
use nigh_proto::calls::request::{Answer, Refusal, Request};
use nigh_proto::link::frame::{Frame, Hello, VERSION};
use nigh_proto::link::serving::Serving;
use nigh_proto::link::{Link, LinkConfig};
use nigh_wire::{CallId, CallerId, Fingerprint, Time, WireHash};

use crate::judge::Judge;
use crate::owner::{ENTITY, METHODS, Work};
use crate::script::{CLIENTS, NODES};

/// Whoever owns the shard, to the clients.
pub(crate) const OWNER: PeerId = PeerId(1);

pub(crate) struct Client {
    pub(crate) caller: Caller<usize>,
    /// Under which it numbered since its process started.
    ids: Vec<CallerId>,
    /// Its end of the current connection, and which one that is.
    link: Option<(Link, usize)>,
}

/// A node's end of one connection.
struct Conn {
    link: Link,
    serving: Serving,
    node: usize,
    to_node: VecDeque<u8>,
    to_client: VecDeque<u8>,
    /// False once it was cut: nothing of it reaches the client any more.
    current: bool,
    /// Its node's process died.
    dead: bool,
}

pub(crate) struct Net {
    pub(crate) now: Instant,
    /// How far clocks were set ahead, beyond what has passed.
    leapt: Duration,
    pub(crate) clients: Vec<Client>,
    conns: Vec<Conn>,
    callers: u128,
    /// Seconds off the true time.
    pub(crate) client_skew: [i16; CLIENTS as usize],
    pub(crate) node_skew: [i16; NODES as usize],
}

fn caller(number: u128) -> Caller<usize> {
    Caller::new(CallerId(number), number as u64, CallerConfig::default())
}

fn hello(role: &str, caller: CallerId, clock: Time, log_time: Time) -> Hello {
    let (app, role, digest) = ("world".into(), role.into(), WireHash([5; 16]));
    Hello { version: VERSION, app, role, caller, digest, clock, log_time, shards: 1 }
}

impl Net {
    pub(crate) fn new() -> Self {
        let callers = u128::from(CLIENTS);
        let client = |number| Client { caller: caller(number), ids: vec![CallerId(number)], link: None };
        Net {
            now: Instant::from_nanos(0),
            leapt: Duration::ZERO,
            clients: (1..=callers).map(client).collect(),
            conns: vec![],
            callers,
            client_skew: Default::default(),
            node_skew: Default::default(),
        }
    }

    fn clock(&self, skew: i16) -> Time {
        let passed = self.now.saturating_since(Instant::from_nanos(0)) + self.leapt;
        let time = Time::from_nanos(1_700_000_000_000_000_000).saturating_add(passed);
        let off = Duration::from_secs(u64::from(skew.unsigned_abs()));
        if skew < 0 { time.saturating_sub(off) } else { time.saturating_add(off) }
    }
    pub(crate) fn client_clock(&self, of: usize) -> Time {
        self.clock(self.client_skew[of])
    }
    pub(crate) fn node_clock(&self, node: usize) -> Time {
        self.clock(self.node_skew[node])
    }
    pub(crate) fn leap(&mut self, time: Duration) {
        self.leapt += time;
    }

    pub(crate) fn start(
        &mut self,
        of: usize,
        what: What,
        within: Duration,
        name: usize,
    ) -> Result<Handle, Outcome> {
        let (now, clock) = (self.now, self.client_clock(of));
        let started = self.clients[of].caller.start(now, clock, OWNER, what, within, name);
        started.map_err(|(_, outcome)| outcome)
    }

    pub(crate) fn poll_settled(&mut self) -> Option<(usize, Outcome)> {
        self.clients.iter_mut().find_map(|client| client.caller.poll_settled())
    }

    /// A client's process starts again, after a bye if it knows all it asked for.
    pub(crate) fn restart(&mut self, of: usize, judge: &Judge) {
        let client = &mut self.clients[of];
        let like = CallId { caller: client.caller.id(), number: 0, birth: Time::EPOCH };
        if let (Some((link, conn)), true, Some(last)) =
            (&mut client.link, client.caller.is_idle(), judge.last_id(like))
        {
            link.send(&Frame::Bye(last)).expect("small");
            let written = std::iter::from_fn(|| link.poll_transmit()).flatten();
            self.conns[*conn].to_node.extend(written);
        }
        self.cut(of);
        let id = self.fresh_caller();
        (self.clients[of].caller, self.clients[of].ids) = (caller(id.0), vec![id]);
    }

    /// It goes on under another id.
    pub(crate) fn renew(&mut self, of: usize) {
        let id = self.fresh_caller();
        self.clients[of].caller.renew(id);
        self.clients[of].ids.push(id);
    }

    /// R1: an id that nobody ever had.
    fn fresh_caller(&mut self) -> CallerId {
        self.callers += 1;
        CallerId(self.callers)
    }

    /// Whose process numbered under this id, if it still runs.
    pub(crate) fn home(&self, id: CallId) -> Option<usize> {
        self.clients.iter().position(|client| client.ids.contains(&id.caller))
    }

    pub(crate) fn is_connected(&self, of: usize, node: usize) -> bool {
        self.clients[of].link.as_ref().is_some_and(|(_, conn)| self.conns[*conn].node == node)
    }

    /// Connects a client that is not connected.
    pub(crate) fn connect(&mut self, of: usize, node: usize, log_time: Time, judge: &mut Judge) {
        if self.clients[of].link.is_some() {
            return;
        }
        let (config, client_clock) = (LinkConfig::default(), self.client_clock(of));
        let (caller, clock) = (self.clients[of].caller.id(), self.node_clock(node));
        let ours = Link::new(self.now, config, hello("web", caller, client_clock, client_clock));
        let theirs = Link::new(self.now, config, hello("state", CallerId(0), clock, log_time.max(clock)));
        self.clients[of].link = Some((ours, self.conns.len()));
        let (to_node, to_client, serving) = (VecDeque::new(), VecDeque::new(), Serving::default());
        let (current, dead) = (true, false);
        self.conns.push(Conn { link: theirs, serving, node, to_node, to_client, current, dead });
        // Hellos cross at once: what may come between them is the link's own tests.
        self.write(of, 0, judge);
        self.arrive(self.conns.len() - 1, usize::MAX);
        self.hear(of, usize::MAX);
        assert!(self.clients[of].link.is_some(), "clocks are near enough to be linked");
    }

    /// The client writes up to `most` copies, and all cancels.
    pub(crate) fn write(&mut self, of: usize, most: usize, judge: &mut Judge) {
        let clock = self.client_clock(of);
        let Client { caller, link, .. } = &mut self.clients[of];
        let Some((link, conn)) = link else { return };
        for _ in 0..most {
            let Some((slot, request)) = caller.poll_transmit(self.now, OWNER) else { break };
            if let Request::Call(call) = &request {
                let method = METHODS[call.method as usize];
                let fingerprint = Fingerprint::of(ENTITY, &call.key, method, &call.args);
                judge.written(call, fingerprint, clock);
            }
            link.send(&Frame::Ask { slot, request }).expect("small");
        }
        while let Some(slot) = caller.poll_cancel(OWNER) {
            link.send(&Frame::Cancel { slot }).expect("small");
        }
        self.conns[*conn].to_node.extend(std::iter::from_fn(|| link.poll_transmit()).flatten());
    }

    pub(crate) fn conns(&self) -> usize {
        self.conns.len()
    }
    /// The `pick`-th newest connection.
    pub(crate) fn pick_conn(&self, pick: usize) -> usize {
        self.conns.len() - 1 - pick % self.conns.len()
    }
    /// Connections whose client still listens.
    pub(crate) fn current(&self) -> Vec<usize> {
        (0..self.conns.len()).filter(|conn| self.conns[*conn].current).collect()
    }

    /// Some bytes arrive at a node, also of a connection that was cut. Gives what the node takes in.
    pub(crate) fn arrive(&mut self, conn: usize, most: usize) -> Vec<(usize, Work)> {
        let clock = self.node_clock(self.conns[conn].node);
        let Conn { link, serving, to_node, node, dead, .. } = &mut self.conns[conn];
        if *dead {
            return vec![];
        }
        let bytes: Vec<u8> = to_node.drain(..most.min(to_node.len())).collect();
        // A node may notice long after that nobody listens; what was left behind is judged all the same.
        link.handle_bytes(self.now, clock, &bytes).expect("clients behave");
        let mut work = vec![];
        while let Some(frame) = link.poll_frame() {
            match frame {
                Frame::Ask { slot, request } => match serving.handle_ask(self.now, slot, within(&request)) {
                    Ok(Ok(())) => work.push((*node, Work::Ask(conn, slot, request))),
                    Ok(Err(refusal)) => link.send(&Frame::Refuse { slot, refusal }).expect("small"),
                    Err(error) => panic!("slots rise: {error}"),
                },
                Frame::Cancel { slot } => drop(serving.cancel(slot)),
                Frame::Bye(last) => work.push((*node, Work::Bye(last))),
                frame => panic!("a client says no {frame:?}"),
            }
        }
        self.flush(conn);
        work
    }

    pub(crate) fn lose_left_behind(&mut self, pick: usize) {
        let conn = self.pick_conn(pick);
        if !self.conns[conn].current {
            self.conns[conn].to_node.clear();
        }
    }

    /// A copy that was taken in is begun, unless it is too late.
    pub(crate) fn begin(&mut self, conn: usize, slot: Slot) -> bool {
        let begun = self.conns[conn].serving.begin(self.now, slot);
        if let Err(refusal) = begun.clone() {
            self.conns[conn].link.send(&Frame::Refuse { slot, refusal }).expect("small");
            self.flush(conn);
        }
        begun.is_ok()
    }

    /// What is said of a copy leaves on the connection it was asked on.
    pub(crate) fn reply(&mut self, conn: usize, slot: Slot, said: Result<Answer, Refusal>) {
        let Conn { link, serving, dead, .. } = &mut self.conns[conn];
        assert!(!*dead && serving.done(slot), "a copy is answered once, by the process that took it in");
        let frame = match said {
            Ok(answer) => Frame::Answer { slot, answer },
            Err(refusal) => Frame::Refuse { slot, refusal },
        };
        link.send(&frame).expect("small");
        self.flush(conn);
    }

    fn flush(&mut self, conn: usize) {
        let Conn { link, to_client, current, .. } = &mut self.conns[conn];
        let bytes = std::iter::from_fn(|| link.poll_transmit()).flatten();
        if *current {
            to_client.extend(bytes);
        } else {
            bytes.for_each(drop);
        }
    }

    /// Some bytes arrive at a client, on its current connection.
    pub(crate) fn hear(&mut self, of: usize, most: usize) {
        let clock = self.client_clock(of);
        let Client { caller, link, .. } = &mut self.clients[of];
        let Some((link, conn)) = link else { return };
        let to_client = &mut self.conns[*conn].to_client;
        let bytes: Vec<u8> = to_client.drain(..most.min(to_client.len())).collect();
        let greeted = link.peer().is_some();
        link.handle_bytes(self.now, clock, &bytes).expect("owners behave");
        if let Some(peer) = link.peer().filter(|_| !greeted) {
            let facts = PeerFacts { clock: peer.clock, log_time: peer.log_time };
            caller.handle_link_up(self.now, OWNER, facts, clock);
        }
        while let Some(frame) = link.poll_frame() {
            match frame {
                Frame::Answer { slot, answer } => {
                    caller.handle_answer(self.now, OWNER, slot, answer).expect("it fits");
                }
                Frame::Refuse { slot, refusal } => caller.handle_refusal(self.now, OWNER, slot, refusal),
                frame => panic!("an owner says no {frame:?}"),
            }
        }
    }

    pub(crate) fn cut(&mut self, of: usize) {
        let Client { caller, link, .. } = &mut self.clients[of];
        let Some((_, conn)) = link.take() else { return };
        self.conns[conn].current = false;
        self.conns[conn].to_client.clear();
        caller.handle_link_lost(OWNER);
    }

    /// A node's process dies: all its connections are lost, with what they carried.
    pub(crate) fn crash(&mut self, node: usize) {
        for of in 0..self.clients.len() {
            if self.is_connected(of, node) {
                self.cut(of);
            }
        }
        for conn in self.conns.iter_mut().filter(|conn| conn.node == node) {
            conn.dead = true;
            conn.to_node.clear();
        }
    }

    /// Time passes: deadlines, waits, and silence.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now.saturating_add(time);
        for of in 0..self.clients.len() {
            let Client { caller, link, .. } = &mut self.clients[of];
            caller.handle_timeout(self.now);
            if link.as_mut().is_some_and(|(link, _)| link.handle_timeout(self.now).is_err()) {
                self.cut(of);
            }
        }
    }
}

fn within(request: &Request) -> Duration {
    match request {
        Request::Call(call) => call.within,
        Request::View { within, .. } | Request::Settle { within, .. } => *within,
        other => panic!("nobody asks {other:?}"),
    }
}
