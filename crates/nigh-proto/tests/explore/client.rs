//! One client of a small world: the real caller, its link as queues of values, and what it asked.
//!
//! A caller writes all it may as soon as it may: what its link then holds is under way. Time stands still
//! except for timers that are fired as events of their own.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use nigh_proto::Instant;
use nigh_proto::calls::caller::{
    Caller, CallerConfig, Handle, Identity, Outcome, PeerFacts, PeerId, Slot, What, Writes,
};
use nigh_proto::calls::request::{Answer, Refusal, Request};
use nigh_wire::{Bytes, CallId, CallerId, Cause, Class, Fingerprint, Keyed, Ticket, Time, WireHash};

use crate::heard::{hear_of_call, hear_of_settling, hear_of_view};
use crate::judge::{Home, Judge};
use crate::owner::{ENTITY, METHODS, SHARD, VIEW};
use crate::script::{Due, Op};

/// Whoever owns the shard, to the clients.
const OWNER: PeerId = PeerId(1);
const START: Instant = Instant::from_nanos(0);
/// No held copy waits longer; no deadline is shorter.
const HELD_MAX: Duration = Duration::from_millis(900);

/// What a link carries towards a node.
#[derive(Clone, Debug, Hash)]
pub(crate) enum Frame {
    Ask(Slot, Request),
    Bye(CallId),
}

pub(crate) type Word = Result<Answer, Refusal>;

/// A connection, as the replies on it name it: the n-th of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Conn {
    pub(crate) client: usize,
    pub(crate) count: usize,
}

const CLIENTS_MAX: usize = 16;

impl Conn {
    pub(crate) fn to_number(self) -> usize {
        self.count * CLIENTS_MAX + self.client
    }
    pub(crate) fn from_number(number: usize) -> Self {
        Conn { client: number % CLIENTS_MAX, count: number / CLIENTS_MAX }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Of {
    Call(Ticket),
    /// Changes of its key that somebody had been shown when it was asked for.
    View {
        key: Bytes,
        seen: usize,
    },
    /// Of whom, and which.
    Settle {
        ticket: Ticket,
        of: (usize, usize),
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum State {
    Open(Due),
    Told,
    Doubt,
    /// Nobody waits for it, or will ask.
    Dropped,
    /// Its process ended while it was open: its ticket was written down.
    Lost,
}

#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) of: Of,
    handle: Handle,
    pub(crate) state: State,
}

#[derive(Clone)]
pub(crate) struct Client {
    index: usize,
    pub(crate) caller: Caller<usize>,
    /// How much of its script was asked.
    pub(crate) asked_of_script: usize,
    /// The node that its link leads to.
    pub(crate) link: Option<usize>,
    /// Connections so far, and how many of them its process had before it started again.
    conns: usize,
    conns_before: usize,
    pub(crate) to_node: VecDeque<Frame>,
    to_client: VecDeque<(Slot, Word)>,
    /// Of its link, in the order they were taken.
    slots: Vec<Slot>,
    pub(crate) asked: Vec<Asked>,
}

/// Slots count as their places on the link. What is fixed when it is asked goes with its place in the script.
impl Hash for Client {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Client { index: _, caller, asked_of_script, link, conns, conns_before, .. } = self;
        (caller, asked_of_script, link, conns, conns_before).hash(state);
        let place = |slot: &Slot| self.slots.iter().position(|taken| taken == slot);
        for frame in &self.to_node {
            match frame {
                Frame::Ask(slot, request) => (1, place(slot), request).hash(state),
                Frame::Bye(last) => (2, last).hash(state),
            }
        }
        for (slot, word) in &self.to_client {
            (3, place(slot), word).hash(state);
        }
        for asked in &self.asked {
            let of = match &asked.of {
                Of::Call(ticket) => (4, ticket.id.number as usize, 0),
                Of::View { seen, .. } => (5, *seen, 0),
                Of::Settle { of: (client, which), .. } => (6, *client, *which),
            };
            (of, asked.state).hash(state);
        }
    }
}

fn writes(method: usize, key: u8, args: u32, keyed: bool) -> Writes {
    let (key, args) = (Bytes::copy_from_slice(&[b'a' + key]), Bytes::copy_from_slice(&args.to_le_bytes()));
    Writes {
        method: method as u32,
        shard: SHARD,
        entity: ENTITY.into(),
        method_name: METHODS[method].into(),
        fingerprint: Fingerprint::of(ENTITY, &key, METHODS[method], &args),
        key,
        args,
        shape: WireHash([0; 16]),
        keyed: keyed.then(|| Keyed { principal: "ann".into(), key: "order".into() }),
        class: Class::Once,
        identity: Identity::Fresh,
    }
}

fn due_in(due: Due) -> Duration {
    match due {
        Due::Soon => Duration::from_secs(1),
        Due::Later => Duration::from_secs(2),
        Due::Never => Duration::from_secs(500),
    }
}

impl Client {
    pub(crate) fn new(index: usize) -> Self {
        Client {
            index,
            caller: Self::process(index, 0),
            asked_of_script: 0,
            link: None,
            conns: 0,
            conns_before: 0,
            to_node: VecDeque::new(),
            to_client: VecDeque::new(),
            slots: vec![],
            asked: vec![],
        }
    }

    /// R1: each process is another caller.
    fn process(index: usize, conns: usize) -> Caller<usize> {
        let name = Conn { client: index, count: conns }.to_number() + 1;
        Caller::new(CallerId(name as u128), name as u64, CallerConfig::default())
    }

    pub(crate) fn conn(&self) -> Option<Conn> {
        self.link.map(|_| Conn { client: self.index, count: self.conns })
    }

    pub(crate) fn connect(&mut self, node: usize, clock: Time, node_time: Time, judge: &mut Judge) {
        self.lose_link();
        (self.link, self.conns) = (Some(node), self.conns + 1);
        let hello = PeerFacts { clock: node_time, log_time: node_time };
        self.caller.handle_link_up(START, OWNER, hello, clock);
        self.write(clock, judge);
        let numbers = self.to_node.iter().filter_map(|frame| match frame {
            Frame::Ask(_, Request::Call(call)) => Some(call.id.number),
            _ => None,
        });
        assert!(numbers.is_sorted(), "R2: open calls are sent again in the order of their numbers");
    }

    /// Gives what the link still carried towards its node.
    pub(crate) fn lose_link(&mut self) -> Vec<Frame> {
        if self.link.take().is_some() {
            self.caller.handle_link_lost(OWNER);
        }
        self.slots.clear();
        self.to_client.clear();
        std::mem::take(&mut self.to_node).into()
    }

    /// Outcomes are heard, and all that may leave is under way.
    fn write(&mut self, clock: Time, judge: &mut Judge) {
        self.listen(judge);
        while let Some((slot, request)) = self.caller.poll_transmit(START, OWNER) {
            if let Request::Call(call) = &request {
                let method = METHODS[call.method as usize];
                let fingerprint = Fingerprint::of(ENTITY, &call.key, method, &call.args);
                judge.written(call, fingerprint, clock);
            }
            self.slots.push(slot);
            self.to_node.push_back(Frame::Ask(slot, request));
        }
        while self.caller.poll_cancel(OWNER).is_some() {}
        assert_eq!(self.caller.poll_settled().map(|(name, _)| name), None, "no deadline passes unasked");
    }

    pub(crate) fn ask(&mut self, (op, key): (Op, u8), due: Due, clock: Time, judge: &mut Judge) {
        let args = (self.index * 100 + self.asked_of_script) as u32;
        self.asked_of_script += 1;
        let what = match op {
            Op::View => {
                let key = Bytes::copy_from_slice(&[b'a' + key]);
                let what = What::View {
                    method: VIEW,
                    key: key.clone(),
                    args: Bytes::copy_from_slice(&[args as u8]),
                };
                let seen = judge.seen(&key);
                return self.open(what, Of::View { key, seen }, due, clock, judge);
            }
            Op::Inc => writes(0, key, args, false),
            Op::Take => writes(1, key, args, false),
            Op::Panic => writes(3, key, args, false),
            Op::Unfit => writes(4, key, args, false),
            // All tries of the key are one intent.
            Op::Keyed => writes(0, key, 0, true),
            Op::KeyedOther => writes(0, key, 1, true),
        };
        let what = What::Call(what);
        let ticket = what.ticket(CallId { caller: CallerId(0), number: 0, birth: Time::EPOCH });
        self.open(what, Of::Call(ticket.expect("a call has one")), due, clock, judge);
    }

    pub(crate) fn settle(&mut self, of: (usize, usize), ticket: Ticket, clock: Time, judge: &mut Judge) {
        let what = What::Settle { ticket: Box::new(ticket.clone()) };
        self.open(what, Of::Settle { ticket, of }, Due::Never, clock, judge);
    }

    fn open(&mut self, what: What, mut of: Of, due: Due, clock: Time, judge: &mut Judge) {
        let name = self.asked.len();
        let started = self.caller.start(START, clock, OWNER, what, due_in(due), name);
        let handle = started.expect("there is room");
        if let Of::Call(ticket) = &mut of {
            *ticket = self.caller.ticket(handle).expect("it is open");
            judge.started(ticket.id, ticket.fingerprint, true);
        }
        self.asked.push(Asked { of, handle, state: State::Open(due) });
        self.write(clock, judge);
    }

    /// An answer or a refusal comes from a node: on its link it queues; on an old one it must count for nothing.
    pub(crate) fn take_word(&mut self, conn: Conn, slot: Slot, word: Word, clock: Time, judge: &mut Judge) {
        if self.conn() == Some(conn) {
            self.to_client.push_back((slot, word));
        } else if conn.count > self.conns_before {
            self.handle_word(slot, word);
            self.write(clock, judge);
        }
    }

    fn handle_word(&mut self, slot: Slot, word: Word) {
        match word {
            Ok(answer) => {
                self.caller.handle_answer(START, OWNER, slot, answer).expect("nodes answer what was asked");
            }
            Err(refusal) => self.caller.handle_refusal(START, OWNER, slot, refusal),
        }
    }

    pub(crate) fn hears(&self) -> bool {
        !self.to_client.is_empty()
    }

    pub(crate) fn hear(&mut self, clock: Time, judge: &mut Judge) {
        let Some((slot, word)) = self.to_client.pop_front() else { return };
        self.handle_word(slot, word);
        self.slots.retain(|taken| *taken != slot);
        self.write(clock, judge);
    }

    /// True if some copy is held for a while.
    pub(crate) fn holds(&self) -> bool {
        self.caller.poll_timeout().is_some_and(|at| at.saturating_since(START) < HELD_MAX)
    }

    pub(crate) fn retry(&mut self, all: bool, clock: Time, judge: &mut Judge) {
        let at = if all { Some(START.saturating_add(HELD_MAX)) } else { self.caller.poll_timeout() };
        self.caller.handle_timeout(at.expect("something is held"));
        self.write(clock, judge);
    }

    /// The first deadline that ever passes.
    pub(crate) fn deadline(&self) -> Option<Due> {
        let open = |due| self.asked.iter().any(|asked| asked.state == State::Open(due));
        [Due::Soon, Due::Later].into_iter().find(|due| open(*due))
    }

    pub(crate) fn pass_deadline(&mut self, clock: Time, judge: &mut Judge) {
        let due = self.deadline().expect("one passes");
        self.caller.handle_timeout(START.saturating_add(due_in(due)));
        self.write(clock, judge);
    }

    /// R14, R15: nobody will ask what became of it.
    pub(crate) fn drop_asked(&mut self, which: usize, clock: Time, judge: &mut Judge) {
        let asked = &mut self.asked[which];
        match (asked.state, &asked.of) {
            (State::Open(_), Of::Call(ticket)) => {
                self.caller.cancel(asked.handle).expect("it is open");
                judge.set_home(ticket.id, Home::Known);
            }
            (State::Doubt, Of::Call(ticket)) => {
                self.caller.ticket_dropped(ticket.id);
                judge.set_home(ticket.id, Home::Known);
            }
            other => unreachable!("{other:?} is not dropped"),
        }
        asked.state = State::Dropped;
        self.write(clock, judge);
    }

    /// Its process ends, with a bye if it may. Gives what its link carried.
    pub(crate) fn restart(&mut self) -> Vec<Frame> {
        let bye = self.caller.farewell().filter(|_| self.link.is_some());
        let mut left = self.lose_link();
        left.extend(bye.map(Frame::Bye));
        for asked in &mut self.asked {
            asked.state = match (asked.state, &asked.of) {
                (State::Open(_), Of::Call(_)) => State::Lost,
                (State::Open(_), _) => State::Dropped,
                (state, _) => state,
            };
        }
        self.conns += 1; // A number that no link has: it names the process.
        self.conns_before = self.conns;
        self.caller = Self::process(self.index, self.conns);
        left
    }

    /// Outcomes reach those who wait.
    fn listen(&mut self, judge: &mut Judge) {
        while let Some((name, outcome)) = self.caller.poll_settled() {
            let Asked { of, state, .. } = &mut self.asked[name];
            assert!(matches!(state, State::Open(_)), "{name} was told twice, now {outcome:?}");
            *state = State::Told;
            match of {
                Of::Call(ticket) => {
                    hear_of_call(judge, ticket, &outcome);
                    // R10: only doubts are fenced, or overtaken. Of a key another try may have been.
                    let fenced = matches!(outcome, Outcome::Answer(Answer::NotDone(Cause::Fenced)));
                    assert!(
                        !fenced || ticket.keyed.is_some(),
                        "live: {} was open, and is refused",
                        ticket.id
                    );
                    if matches!(outcome, Outcome::InDoubt(_)) {
                        *state = State::Doubt;
                    }
                }
                Of::View { key, seen } => hear_of_view(judge, key, *seen, &outcome),
                Of::Settle { ticket, .. } => {
                    let home = ticket.id.caller == self.caller.id();
                    hear_of_settling(judge, ticket, home, &outcome);
                    assert!(
                        matches!(outcome, Outcome::Answer(_)),
                        "live: a doubt does not settle: {outcome:?}"
                    );
                }
            }
        }
    }
}
