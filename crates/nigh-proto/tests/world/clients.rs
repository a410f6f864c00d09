//! What clients ask, remember and are told: handles of what is open, tickets of all that ever was.

use std::time::Duration;

use nigh_proto::calls::caller::{Handle, Identity, Outcome, What, Writes};
use nigh_wire::{Bytes, CallId, CallerId, Class, Fingerprint, Keyed, Ticket, WireHash};

use crate::heard::{hear_of_call, hear_of_settling, hear_of_view};
use crate::judge::{Home, Judge};
use crate::net::{Net, OWNER};
use crate::owner::{ENTITY, METHODS, SHARD, VIEW, commutes};
use crate::script::{KEYS, Kind};

/// One thing that a client asked: what it was, and what it was told.
pub(crate) struct Asked {
    pub(crate) client: usize,
    pub(crate) what: Of,
    pub(crate) handle: Option<Handle>,
    pub(crate) told: Option<Outcome>,
}

pub(crate) enum Of {
    Call(Ticket),
    /// Changes of its key that somebody had been shown when it was asked for.
    View {
        key: Bytes,
        seen: usize,
    },
    Settle(Ticket),
}

/// A number taken for a call that is not started.
struct Reserved {
    client: usize,
    id: CallId,
    what: Writes,
}

#[derive(Default)]
pub(crate) struct Clients {
    pub(crate) asked: Vec<Asked>,
    /// Of every call that was ever open.
    pub(crate) tickets: Vec<Ticket>,
    reserved: Vec<Reserved>,
    foreign: [Option<CallId>; 3],
}

/// The `pick`-th newest: so that a script means the same without its first steps.
pub(crate) fn newest<T>(of: &[T], pick: usize) -> Option<&T> {
    let place = pick.checked_rem(of.len())?;
    of.iter().rev().nth(place)
}

fn key_of(number: u8) -> Bytes {
    Bytes::copy_from_slice(&[b'a' + number % KEYS])
}

fn writes(method: usize, key: u8, args: u32) -> Writes {
    let (key, args) = (key_of(key), Bytes::copy_from_slice(&args.to_le_bytes()));
    let class = if commutes(METHODS[method]) { Class::Commutes } else { Class::Once };
    Writes {
        method: method as u32,
        shard: SHARD,
        entity: ENTITY.into(),
        method_name: METHODS[method].into(),
        fingerprint: Fingerprint::of(ENTITY, &key, METHODS[method], &args),
        key,
        args,
        shape: WireHash([0; 16]),
        keyed: None,
        class,
        identity: Identity::Fresh,
    }
}

impl Clients {
    fn writes(&mut self, net: &Net, of: usize, kind: Kind, key: u8) -> Writes {
        let name = self.asked.len() as u32;
        let twisted = |twist: bool| u32::MAX - u32::from(twist);
        match kind {
            Kind::Inc => writes(0, key, name),
            Kind::Take => writes(1, key, name),
            Kind::Touch => writes(2, key, name),
            Kind::Panic => writes(3, key, name),
            Kind::Unfit => writes(4, key, name),
            Kind::View => unreachable!("a view does not write"),
            Kind::Keyed(n, twist) => {
                let keyed = Some(Keyed { principal: "ann".into(), key: format!("order-{n}") });
                Writes { keyed, ..writes(0, n, twisted(twist)) }
            }
            Kind::Foreign(n, twist) => {
                let number = 1 + u64::from(n);
                let birth = net.client_clock(of);
                let fresh = CallId { caller: CallerId(1 << 100), number, birth };
                let slot = usize::from(n) % self.foreign.len();
                let id = *self.foreign[slot].get_or_insert(fresh);
                Writes { identity: Identity::Foreign(id), ..writes(0, n, twisted(twist)) }
            }
        }
    }

    /// Somebody else's ids are made anew: theirs is another caller's story.
    pub(crate) fn ask(
        &mut self,
        net: &mut Net,
        judge: &mut Judge,
        (of, within): (usize, Duration),
        kind: Kind,
        key: u8,
    ) {
        if kind == Kind::View {
            let key = key_of(key);
            let what = What::View { method: VIEW, key: key.clone(), args: Bytes::new() };
            let seen = judge.seen(&key);
            return self.open(net, judge, (of, within), what, Of::View { key, seen });
        }
        let what = self.writes(net, of, kind, key);
        self.call(net, judge, (of, within), what);
    }

    fn call(&mut self, net: &mut Net, judge: &mut Judge, whose: (usize, Duration), writes: Writes) {
        // Its ticket is read when it has an id.
        let none = CallId { caller: CallerId(0), number: 0, birth: nigh_wire::Time::EPOCH };
        let what = What::Call(writes);
        let ticket = what.ticket(none).expect("a call has one");
        self.open(net, judge, whose, what, Of::Call(ticket));
    }

    fn open(
        &mut self,
        net: &mut Net,
        judge: &mut Judge,
        (client, within): (usize, Duration),
        what: What,
        of: Of,
    ) {
        let name = self.asked.len();
        let own = matches!(&what, What::Call(call) if !matches!(call.identity, Identity::Foreign(_)));
        let handle = net.start(client, what, within, name).expect("there is room");
        let of = match (of, net.clients[client].caller.ticket(handle)) {
            (Of::Call(_), Some(ticket)) => {
                judge.started(ticket.id, ticket.fingerprint, own);
                self.tickets.push(ticket.clone());
                Of::Call(ticket)
            }
            (of, _) => of,
        };
        self.asked.push(Asked { client, what: of, handle: Some(handle), told: None });
    }

    pub(crate) fn settle(
        &mut self,
        net: &mut Net,
        judge: &mut Judge,
        whose: (usize, Duration),
        ticket: Ticket,
    ) {
        let what = What::Settle { ticket: Box::new(ticket.clone()) };
        self.open(net, judge, whose, what, Of::Settle(ticket));
    }

    pub(crate) fn reserve(&mut self, net: &mut Net, judge: &mut Judge, client: usize, key: u8) {
        let what = writes(0, key, (1 << 31) + self.asked.len() as u32 + 1_000 * self.reserved.len() as u32);
        let clock = net.client_clock(client);
        let caller = &mut net.clients[client].caller;
        let id = caller.reserve(net.now, clock, OWNER, &What::Call(what.clone())).expect("there is room");
        judge.started(id, what.fingerprint, true);
        self.reserved.push(Reserved { client, id, what });
    }

    pub(crate) fn begin(&mut self, net: &mut Net, judge: &mut Judge, within: Duration, pick: usize) {
        if let Some(pick) = pick.checked_rem(self.reserved.len()) {
            let Reserved { client, id, what, .. } = self.reserved.swap_remove(pick);
            self.call(net, judge, (client, within), Writes { identity: Identity::Reserved(id), ..what });
        }
    }

    pub(crate) fn release(&mut self, net: &mut Net, judge: &mut Judge, pick: usize) {
        if let Some(pick) = pick.checked_rem(self.reserved.len()) {
            let Reserved { client, id, .. } = self.reserved.swap_remove(pick);
            net.clients[client].caller.release(id);
            judge.set_home(id, Home::Known);
        }
    }

    pub(crate) fn release_all(&mut self, net: &mut Net, judge: &mut Judge) {
        while !self.reserved.is_empty() {
            self.release(net, judge, 0);
        }
    }

    /// Nobody waits any more: what comes of it is of no interest, so it is known.
    pub(crate) fn cancel(&mut self, net: &mut Net, judge: &mut Judge, pick: usize) {
        let open: Vec<usize> =
            (0..self.asked.len()).filter(|name| self.asked[*name].handle.is_some()).collect();
        let Some(pick) = newest(&open, pick) else { return };
        let asked = &mut self.asked[*pick];
        let handle = asked.handle.take().expect("it is open");
        net.clients[asked.client].caller.cancel(handle).expect("what has a handle is open");
        if let Of::Call(ticket) = &asked.what {
            judge.set_home(ticket.id, Home::Known);
        }
    }

    /// A ticket of a doubt is dropped.
    pub(crate) fn forget(&mut self, net: &mut Net, judge: &mut Judge, pick: usize) {
        let doubt = |ticket: &&Ticket| judge.home(ticket.id) == Some(Home::Doubt);
        let doubts: Vec<CallId> = self.tickets.iter().filter(doubt).map(|ticket| ticket.id).collect();
        let Some(id) = newest(&doubts, pick) else { return };
        if let Some(home) = net.home(*id) {
            net.clients[home].caller.ticket_dropped(*id);
            judge.set_home(*id, Home::Known);
        }
    }

    /// A client's process has ended: nobody waits for what it asked.
    pub(crate) fn lose(&mut self, client: usize) {
        self.asked.iter_mut().filter(|asked| asked.client == client).for_each(|asked| asked.handle = None);
        self.reserved.retain(|reserved| reserved.client != client);
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.asked.iter().all(|asked| asked.handle.is_none())
    }

    /// Outcomes reach those who wait.
    pub(crate) fn listen(&mut self, net: &mut Net, judge: &mut Judge) {
        while let Some((name, outcome)) = net.poll_settled() {
            let asked = &mut self.asked[name];
            assert!(asked.told.is_none(), "{name} was told {:?}, then {outcome:?}", asked.told);
            match &asked.what {
                Of::Call(ticket) => hear_of_call(judge, ticket, &outcome),
                Of::View { key, seen } => hear_of_view(judge, key, *seen, &outcome),
                Of::Settle(ticket) => {
                    let home = net.home(ticket.id) == Some(asked.client);
                    hear_of_settling(judge, ticket, home, &outcome);
                }
            }
            (asked.handle, asked.told) = (None, Some(outcome));
        }
    }
}
