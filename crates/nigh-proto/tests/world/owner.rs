//! An owner of one shard, as the world sees it; and the simplest one that keeps R4 to R6, R9, R10, R12, R14.

use std::collections::BTreeMap;

use nigh_proto::calls::request::{Answer, CallRequest, Known, Order, Refusal, Request};
use nigh_wire::{Bytes, CallId, CallerId, Cause, Ticket, Time};

/// Names a copy under way: connection and slot.
pub(crate) type Token = (usize, u64);

/// What the world needs of whoever owns the shard. All requests are for it.
pub(crate) trait Owner {
    /// A copy that was admitted and begun.
    fn ask(&mut self, clock: Time, token: Token, request: Request);
    /// What may leave now: of an id, for good, or of one copy.
    fn poll_reply(&mut self) -> Option<(Token, Result<Answer, Refusal>)>;
    /// All that happened is made durable.
    fn commit(&mut self);
    /// The same, but the owner hears that it failed: it drops its memory (R9).
    fn commit_and_hear_of_failure(&mut self);
    /// The process dies, and starts again from what is durable.
    fn crash(&mut self);
    fn log_time(&self) -> Time;
    /// What took effect durably, in order: id, key, answer.
    fn ran(&self) -> Vec<(CallId, Bytes, Bytes)>;
}

#[derive(Clone)]
enum Entry {
    Ran { call: Box<CallRequest>, value: Bytes },
    Tombstone(CallId),
}

/// Its tables are folds of its memory, as in the explored model: slow, and hard to get wrong.
#[derive(Default)]
pub(crate) struct Simple {
    memory: Vec<Entry>,
    durable: usize,
    /// How much of the memory must be durable before each may leave (R6).
    waiting: Vec<(usize, Token, Result<Answer, Refusal>)>,
    time: Time,
}

impl Simple {
    fn is_known(&self, id: CallId) -> bool {
        self.memory.iter().any(|entry| match entry {
            Entry::Ran { call, .. } if call.id.caller == id.caller => match &call.order {
                Order::After { known: Known { floor, doubts }, .. } => {
                    id.number <= *floor && !doubts.contains(&id.number)
                }
                Order::Free => false,
            },
            _ => false,
        })
    }

    fn record(&self, id: CallId) -> Option<(usize, Answer)> {
        self.memory.iter().enumerate().find_map(|(place, entry)| match entry {
            Entry::Ran { call, value } if call.id == id => {
                Some((place + 1, Answer::Done { value: value.clone(), version: None }))
            }
            Entry::Tombstone(dead) if *dead == id => Some((place + 1, Answer::NotDone(Cause::Fenced))),
            _ => None,
        })
    }

    fn mark(&self, caller: CallerId, key: &Bytes) -> u64 {
        let number = |entry: &Entry| match entry {
            Entry::Ran { call, .. } if call.id.caller == caller && call.key == *key => Some(call.id.number),
            _ => None,
        };
        self.memory.iter().filter_map(number).max().unwrap_or(0)
    }

    fn run(&mut self, call: CallRequest) -> (usize, Result<Answer, Refusal>) {
        let now = self.memory.len();
        if self.is_known(call.id) {
            return (now, Ok(Answer::Forgotten));
        }
        if let Some((gate, answer)) = self.record(call.id) {
            return (gate, Ok(answer));
        }
        let mark = self.mark(call.id.caller, &call.key);
        if call.id.number < mark {
            return (now, Ok(Answer::NotDone(Cause::Fenced)));
        }
        let Order::After { after, .. } = call.order else { unreachable!("the world asks in order") };
        let before = CallId { number: after, ..call.id };
        let stone = |entry: &Entry| match entry {
            Entry::Tombstone(id) => (id.caller, id.number) == (before.caller, after),
            Entry::Ran { .. } => false,
        };
        if after > mark && !self.is_known(before) && !self.memory.iter().any(stone) {
            return (0, Err(Refusal::NotYet));
        }
        let same = |entry: &&Entry| matches!(entry, Entry::Ran { call: c, .. } if c.key == call.key);
        let count = self.memory.iter().filter(same).count() as u64;
        let value = Bytes::copy_from_slice(&count.to_le_bytes());
        self.memory.push(Entry::Ran { call: Box::new(call), value: value.clone() });
        (self.memory.len(), Ok(Answer::Done { value, version: None }))
    }

    fn settle(&mut self, ticket: Ticket) -> (usize, Result<Answer, Refusal>) {
        let (id, now) = (ticket.id, self.memory.len());
        if self.is_known(id) {
            return (now, Ok(Answer::Forgotten));
        }
        if let Some((gate, answer)) = self.record(id) {
            return (gate, Ok(answer));
        }
        if id.number >= self.mark(id.caller, &ticket.key.clone().expect("of an entity")) {
            self.memory.push(Entry::Tombstone(id));
        }
        (self.memory.len(), Ok(Answer::NotDone(Cause::Fenced)))
    }
}

impl Owner for Simple {
    fn ask(&mut self, clock: Time, token: Token, request: Request) {
        self.time = self.time.max(clock);
        let (gate, reply) = match request {
            Request::Call(call) => self.run(call),
            Request::Settle { ticket, .. } => self.settle(ticket),
            other => panic!("the world asks no {other:?}"),
        };
        self.waiting.push((gate, token, reply));
    }

    fn poll_reply(&mut self) -> Option<(Token, Result<Answer, Refusal>)> {
        let ready = self.waiting.iter().position(|(gate, ..)| *gate <= self.durable)?;
        let (_, token, reply) = self.waiting.remove(ready);
        Some((token, reply))
    }

    fn commit(&mut self) {
        self.durable = self.memory.len();
    }

    fn commit_and_hear_of_failure(&mut self) {
        self.durable = self.memory.len();
        for (gate, _, reply) in &mut self.waiting {
            (*gate, *reply) = (0, Err(Refusal::AskAgain));
        }
    }

    fn crash(&mut self) {
        self.memory.truncate(self.durable);
        self.waiting.clear();
    }

    fn log_time(&self) -> Time {
        self.time
    }

    fn ran(&self) -> Vec<(CallId, Bytes, Bytes)> {
        let mut answers: BTreeMap<CallId, ()> = BTreeMap::new();
        let durable = self.memory[..self.durable].iter().filter_map(|entry| match entry {
            Entry::Ran { call, value } => Some((call.id, call.key.clone(), value.clone())),
            Entry::Tombstone(id) => {
                answers.insert(*id, ());
                None
            }
        });
        let ran: Vec<_> = durable.collect();
        assert!(ran.iter().all(|(id, ..)| !answers.contains_key(id)), "never: a tombstoned id ran");
        ran
    }
}
