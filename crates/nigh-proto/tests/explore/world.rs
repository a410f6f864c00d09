//! A small world as plain data: clients, owners over their log, links and what broken ones left behind. Which
//! steps lead on from here, and where each leads.
//!
//! A step that one machine takes at once is one step: a caller writes what it may, an owner lets go what may
//! leave. A link loses nothing by itself: a cut leaves its frames behind, which come at any later time, or
//! after everything else. What breaks a rule panics.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use nigh_proto::calls::request::{Refusal, Request};
use nigh_wire::Time;

use crate::client::{Client, Conn, Frame, Of, State, Word};
use crate::judge::Judge;
use crate::owner::{Owners, Reply};
use crate::script::{Budget, Config, Due, End, NODES, No, Op, Settlers, Step};

/// As long as calls are remembered (R): not too old by a clock that stood still otherwise.
const LEAP: Duration = nigh_proto::calls::RETENTION;

#[derive(Clone, Hash)]
struct Stray {
    conn: Conn,
    node: usize,
    frames: VecDeque<Frame>,
}

/// Worlds share what a step left alone.
#[derive(Clone)]
pub(crate) struct World {
    config: Config,
    clients: Vec<Rc<Client>>,
    owners: Rc<Owners>,
    judge: Rc<Judge>,
    strays: Vec<Rc<Stray>>,
    left: Budget,
    /// To which node the shard was given last.
    given_to: usize,
    leaps: u32,
}

impl std::hash::Hash for World {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let World { config: _, clients, owners, judge, strays, left, given_to, leaps } = self;
        (clients, owners, judge, strays, left, given_to, leaps).hash(state);
    }
}

impl World {
    /// Everybody is connected to node 0, which owns the shard.
    pub(crate) fn new(config: Config) -> Self {
        let (mut owners, mut judge) = (Owners::new(), Judge::default());
        owners.take_up(0, &judge);
        let clients = (0..config.scripts.len()).map(|index| Rc::new(Client::new(index))).collect();
        judge.clock_max = Time::EPOCH;
        let (owners, judge) = (Rc::new(owners), Rc::new(judge));
        let (strays, left) = (vec![], config.faults);
        let mut world = World { config, clients, owners, judge, strays, left, given_to: 0, leaps: 0 };
        world.read_clocks();
        (0..config.scripts.len()).for_each(|of| world.connect(of, 0));
        world
    }

    fn clock(&self) -> Time {
        Time::from_nanos(1_700_000_000_000_000_000).saturating_add(LEAP * self.leaps)
    }
    fn node_clock(&self, node: usize) -> Time {
        let skew = self.config.skew[node];
        let off = Duration::from_secs(skew.unsigned_abs());
        if skew < 0 { self.clock().saturating_sub(off) } else { self.clock().saturating_add(off) }
    }
    fn read_clocks(&mut self) {
        let latest = (0..usize::from(NODES)).map(|node| self.node_clock(node)).max();
        Rc::make_mut(&mut self.judge).clock_max = latest.expect("there are nodes");
    }

    /// All that may happen next, in an order that is always the same. Some of it may change nothing.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps = vec![];
        (0..self.clients.len()).for_each(|of| self.client_steps(of, &mut steps));
        (0..self.strays.len()).for_each(|stray| steps.push(Step::Stray(stray as u8)));
        (0..NODES).for_each(|node| self.owner_steps(node, &mut steps));
        (0..self.owners.late()).for_each(|late| steps.push(Step::Land(late as u8)));
        if self.left.moves > 0 {
            steps.push(Step::Move);
        }
        if self.left.leap > 0 {
            steps.push(Step::Leap);
        }
        steps
    }

    fn client_steps(&self, of: usize, steps: &mut Vec<Step>) {
        let (client, name, script) = (&self.clients[of], of as u8, self.config.scripts[of]);
        let is_call = |of: &Of| !matches!(of, Of::Settle { .. });
        let open =
            |asked: &&crate::client::Asked| matches!(asked.state, State::Open(_)) && is_call(&asked.of);
        if let Some((op, _)) = script.get(client.asked_of_script)
            && client.asked.iter().filter(open).count() < self.config.window
        {
            steps.push(Step::Ask(name, Due::Never));
            if self.left.deadline > 0 && *op != Op::View {
                steps.push(Step::Ask(name, Due::Soon));
            }
            // With one deadline to pass there is no order among them.
            if self.left.deadline > 0 && self.config.faults.deadline > 1 && *op != Op::View {
                steps.push(Step::Ask(name, Due::Later));
            }
        }
        if let Some(frame) = client.to_node.front() {
            steps.push(Step::Take(name));
            if self.left.refuse > 0 && matches!(frame, Frame::Ask(_, Request::Call(_))) {
                steps.extend([Step::Refuse(name, No::Overloaded), Step::Refuse(name, No::Expired)]);
            }
        }
        if client.hears() {
            steps.push(Step::Hear(name));
        }
        let served = client.link.is_some_and(|node| self.owners.is_up(node));
        if served && self.left.cut > 0 {
            steps.push(Step::Cut(name));
        }
        if !served {
            let up = (0..NODES).filter(|node| self.owners.is_up(usize::from(*node)));
            steps.extend(up.map(|node| Step::Connect(name, node)));
        }
        if served && client.holds() {
            steps.extend([Step::Retry(name), Step::RetryAll(name)]);
        }
        if client.deadline().is_some() {
            steps.push(Step::Deadline(name));
        }
        if self.left.restart > 0 && client.asked_of_script > 0 {
            steps.push(Step::Restart(name));
        }
        (0..client.asked.len()).for_each(|which| self.doubt_steps(of, which, steps));
    }

    fn doubt_steps(&self, of: usize, which: usize, steps: &mut Vec<Step>) {
        let asked = &self.clients[of].asked[which];
        let (Of::Call(_), name) = (&asked.of, which as u8) else { return };
        let mut unsettled = true;
        if matches!(asked.state, State::Doubt | State::Lost) {
            for by in self.settlers(of) {
                match self.settled(by, (of, which)) {
                    None => steps.push(Step::Settle(by as u8, of as u8, name)),
                    Some(_) => unsettled = false,
                }
            }
        }
        if self.left.dropped > 0 && unsettled && matches!(asked.state, State::Open(_) | State::Doubt) {
            steps.push(Step::Drop(of as u8, name));
        }
    }

    fn settlers(&self, of: usize) -> Vec<usize> {
        let last = self.clients.len() - 1;
        match self.config.settlers {
            Settlers::Own => vec![of],
            Settlers::Last => vec![last],
            Settlers::Both if of == last => vec![of],
            Settlers::Both => vec![of, last],
        }
    }

    /// How a client's settling of a doubt stands.
    fn settled(&self, by: usize, doubt: (usize, usize)) -> Option<State> {
        let settles =
            |asked: &&crate::client::Asked| matches!(asked.of, Of::Settle { of, .. } if of == doubt);
        let mut states = self.clients[by].asked.iter().filter(settles).map(|asked| asked.state);
        states.find(|state| *state != State::Dropped)
    }

    fn owner_steps(&self, node: u8, steps: &mut Vec<Step>) {
        let (of, left, owners) = (usize::from(node), self.left, &self.owners);
        if owners.may_append(of) {
            steps.push(Step::BeginAppend(node));
        }
        if owners.is_appending(of) {
            steps.push(Step::EndAppend(node, End::Heard));
            if left.fail > 0 {
                steps.extend([Step::EndAppend(node, End::Failed), Step::EndAppend(node, End::Unheard)]);
            }
            if left.late > 0 {
                steps.push(Step::EndAppend(node, End::Late));
            }
        }
        let views = self.config.scripts.iter().any(|script| script.iter().any(|(op, _)| *op == Op::View));
        if views && owners.may_confirm(of) {
            steps.push(Step::Confirm(node));
        }
        if owners.is_confirming(of) {
            steps.push(Step::Confirmed(node));
        }
        if !owners.is_up(of) {
            if of == self.given_to {
                steps.push(Step::TakeUp(node));
            }
            return;
        }
        if left.crash > 0 {
            steps.push(Step::Crash(node));
        }
        if left.sweep > 0 {
            steps.push(Step::Sweep(node));
        }
        if left.rows > 0 && owners.owns(of) {
            steps.push(Step::WriteBack(node));
        }
    }

    /// The world after a step; panics if that breaks a rule.
    pub(crate) fn after(&self, step: Step) -> World {
        let mut world = self.clone();
        match step {
            Step::Stray(stray) => world.take_stray(usize::from(stray)),
            Step::Leap => {
                (world.leaps, world.left.leap) = (world.leaps + 1, world.left.leap - 1);
                world.read_clocks();
            }
            Step::Move => {
                world.left.moves -= 1;
                world.given_to = 1 - world.given_to;
                world.take_up(world.given_to);
            }
            Step::Land(late) => {
                let (owners, judge) = (Rc::make_mut(&mut world.owners), Rc::make_mut(&mut world.judge));
                owners.land(usize::from(late), judge);
            }
            Step::BeginAppend(_)
            | Step::EndAppend(..)
            | Step::Confirm(_)
            | Step::Confirmed(_)
            | Step::Crash(_)
            | Step::TakeUp(_)
            | Step::Sweep(_)
            | Step::WriteBack(_) => world.owner_step(step),
            _ => world.client_step(step),
        }
        world
    }

    fn client_step(&mut self, step: Step) {
        match step {
            Step::Ask(of, due) => {
                let of = usize::from(of);
                let what = self.config.scripts[of][self.clients[of].asked_of_script];
                self.left.deadline -= u8::from(due != Due::Never);
                self.client(of, |client, clock, judge| client.ask(what, due, clock, judge));
            }
            Step::Take(of) => self.take(usize::from(of)),
            Step::Refuse(of, no) => self.refuse(usize::from(of), no),
            Step::Hear(of) => self.client(usize::from(of), Client::hear),
            Step::Connect(of, node) => self.connect(usize::from(of), usize::from(node)),
            Step::Cut(of) => {
                self.left.cut -= 1;
                self.leave_behind(usize::from(of), Client::lose_link);
            }
            Step::Retry(of) => {
                self.client(usize::from(of), |client, clock, judge| client.retry(false, clock, judge));
            }
            Step::RetryAll(of) => {
                self.client(usize::from(of), |client, clock, judge| client.retry(true, clock, judge));
            }
            Step::Deadline(of) => self.client(usize::from(of), Client::pass_deadline),
            Step::Settle(by, of, which) => {
                let doubt = (usize::from(of), usize::from(which));
                let Of::Call(ticket) = &self.clients[doubt.0].asked[doubt.1].of else { return };
                let ticket = ticket.clone();
                self.client(usize::from(by), |client, clock, judge| {
                    client.settle(doubt, ticket, clock, judge);
                });
            }
            Step::Drop(of, which) => {
                self.left.dropped -= 1;
                self.client(usize::from(of), |client, clock, judge| {
                    client.drop_asked(usize::from(which), clock, judge);
                });
            }
            Step::Restart(of) => {
                self.left.restart -= 1;
                self.leave_behind(usize::from(of), Client::restart);
            }
            other => unreachable!("{other:?} is no client's"),
        }
    }

    fn owner_step(&mut self, step: Step) {
        let (owners, judge) = (Rc::make_mut(&mut self.owners), Rc::make_mut(&mut self.judge));
        match step {
            Step::EndAppend(node, end) => {
                self.left.fail -= u8::from(matches!(end, End::Failed | End::Unheard));
                self.left.late -= u8::from(end == End::Late);
                let waiting = owners.end_append(usize::from(node), end, judge);
                self.ask_again(waiting);
                self.release(usize::from(node));
            }
            Step::Confirm(node) => owners.confirm(usize::from(node)),
            Step::Confirmed(node) => {
                let waiting = owners.confirmed(usize::from(node), judge);
                self.ask_again(waiting);
                self.release(usize::from(node));
            }
            Step::WriteBack(node) => {
                self.left.rows -= 1;
                owners.write_back(usize::from(node), usize::MAX);
            }
            Step::BeginAppend(node) => {
                let clock = self.node_clock(usize::from(node));
                Rc::make_mut(&mut self.owners).begin_append(usize::from(node), clock);
            }
            Step::Sweep(node) => {
                self.left.sweep -= 1;
                let clock = self.node_clock(usize::from(node));
                Rc::make_mut(&mut self.owners).sweep(usize::from(node), clock);
                self.release(usize::from(node));
            }
            Step::Crash(node) => self.crash(usize::from(node)),
            Step::TakeUp(node) => self.take_up(usize::from(node)),
            other => unreachable!("{other:?} is no owner's"),
        }
    }

    /// Something is done with a client.
    fn client(&mut self, of: usize, act: impl FnOnce(&mut Client, Time, &mut Judge)) {
        let clock = self.clock();
        let (client, judge) = (Rc::make_mut(&mut self.clients[of]), Rc::make_mut(&mut self.judge));
        act(client, clock, judge);
    }

    fn connect(&mut self, of: usize, node: usize) {
        let node_time = self.owners.log_time(node).max(self.node_clock(node));
        self.client(of, |client, clock, judge| client.connect(node, clock, node_time, judge));
    }

    /// What a link carried towards its node may still come. A view that nobody waits for says nothing.
    fn leave_behind(&mut self, of: usize, lose: impl FnOnce(&mut Client) -> Vec<Frame>) {
        let (conn, node) = (self.clients[of].conn(), self.clients[of].link);
        let mut frames = vec![];
        self.client(of, |client, _, _| frames = lose(client));
        let (Some(conn), Some(node)) = (conn, node) else { return };
        frames.retain(|frame| !matches!(frame, Frame::Ask(_, Request::View { .. })));
        if !frames.is_empty() {
            self.strays.push(Rc::new(Stray { conn, node, frames: frames.into() }));
            self.strays.sort_by_key(|stray| stray.conn);
        }
    }

    fn take(&mut self, of: usize) {
        let client = Rc::make_mut(&mut self.clients[of]);
        let (Some(frame), Some(conn), Some(node)) = (client.to_node.pop_front(), client.conn(), client.link)
        else {
            return;
        };
        self.begin(conn, node, frame);
    }

    fn take_stray(&mut self, which: usize) {
        let stray = Rc::make_mut(&mut self.strays[which]);
        let (conn, node, frame) = (stray.conn, stray.node, stray.frames.pop_front());
        // Who has not the shard refuses all of it, and nobody hears.
        if stray.frames.is_empty() || !self.owners.is_up(node) {
            self.strays.remove(which);
        }
        if let Some(frame) = frame.filter(|_| self.owners.is_up(node)) {
            self.begin(conn, node, frame);
        }
    }

    fn begin(&mut self, conn: Conn, node: usize, frame: Frame) {
        let clock = self.node_clock(node);
        let owners = Rc::make_mut(&mut self.owners);
        match frame {
            Frame::Bye(last) => owners.bye(node, last),
            Frame::Ask(slot, request) => {
                let refused = owners.ask(node, clock, (conn.to_number(), slot), request);
                if let Some((reply, refusal)) = refused {
                    self.reply(reply, Err(refusal));
                }
            }
        }
        self.release(node);
    }

    fn refuse(&mut self, of: usize, no: No) {
        self.left.refuse -= 1;
        let refusal = match no {
            No::Expired => Refusal::Expired,
            No::Overloaded => Refusal::Overloaded { retry_after: Duration::from_millis(5) },
        };
        self.client(of, |client, clock, judge| {
            let (Some(Frame::Ask(slot, _)), Some(conn)) = (client.to_node.pop_front(), client.conn()) else {
                return;
            };
            client.take_word(conn, slot, Err(refusal), clock, judge);
        });
    }

    fn reply(&mut self, reply: Reply, word: Word) {
        let conn = Conn::from_number(reply.conn);
        self.client(conn.client, |client, clock, judge| {
            client.take_word(conn, reply.slot, word, clock, judge)
        });
    }

    fn release(&mut self, node: usize) {
        let (owners, judge) = (Rc::make_mut(&mut self.owners), Rc::make_mut(&mut self.judge));
        for (reply, answer) in owners.releases(node, judge) {
            self.reply(reply, Ok(answer));
        }
    }

    /// R9: those who waited for memory that is gone hear "ask again".
    fn ask_again(&mut self, waiting: Vec<Reply>) {
        for reply in waiting {
            self.reply(reply, Err(Refusal::AskAgain));
        }
    }

    fn take_up(&mut self, node: usize) {
        let waiting = Rc::make_mut(&mut self.owners).take_up(node, &self.judge);
        self.ask_again(waiting);
    }

    /// A process dies with its memory and with what its links carried.
    fn crash(&mut self, node: usize) {
        self.left.crash -= 1;
        Rc::make_mut(&mut self.owners).crash(node);
        self.strays.retain(|stray| stray.node != node);
        for of in 0..self.clients.len() {
            if self.clients[of].link == Some(node) {
                self.client(of, |client, _, _| drop(client.lose_link()));
            }
        }
    }

    /// *live*: nothing can happen any more, so everything has: all is asked and told, every doubt is settled.
    pub(crate) fn assert_settled(&self) {
        for (of, client) in self.clients.iter().enumerate() {
            assert_eq!(client.asked_of_script, self.config.scripts[of].len(), "live: client {of} is stuck");
            for (which, asked) in client.asked.iter().enumerate() {
                assert!(!matches!(asked.state, State::Open(_)), "live: {of} never hears of {which}");
                if matches!(asked.state, State::Doubt | State::Lost) {
                    let told = |by| self.settled(by, (of, which)) == Some(State::Told);
                    assert!(self.settlers(of).into_iter().all(told), "live: {which} of {of} is not settled");
                }
            }
        }
    }
}
