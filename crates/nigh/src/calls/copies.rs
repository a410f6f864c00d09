//! Copies of calls, on their way from a caller machine to the owner of the same process.
//!
//! Whoever starts a call hands on one, and no list is made for it.

use std::time::Duration;

use nigh_proto::Instant;
use nigh_proto::calls::caller::PeerId;
use nigh_proto::calls::request::Request;
use nigh_proto::shards::ShardId;
use nigh_wire::{Fingerprint, Value};

use super::one::Locked;
use super::{At, Local};
use crate::shards::reply::ReplyTo;
use crate::shards::work::{Asked, Work};

/// In order; one, nearly always.
#[derive(Default)]
pub(super) struct Copies {
    first: Option<Work>,
    more: Vec<Work>,
}

impl Copies {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn push(&mut self, work: Work) {
        match self.first {
            None => self.first = Some(work),
            Some(_) => self.more.push(work),
        }
    }
}

impl IntoIterator for Copies {
    type Item = Work;
    type IntoIter = std::iter::Chain<std::option::IntoIter<Work>, std::vec::IntoIter<Work>>;
    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.more) // mutant copies-first-alone: self.first.into_iter().chain(vec![])
    }
}

/// Copies for the owner of this process.
pub(super) fn transmit_local(at: At, machine: &mut Locked<'_>, now: Instant) -> Copies {
    let mut work = Copies::default();
    let At::Lane(lane) = at else { return work };
    if !machine.has_transmit(PeerId::LOCAL) {
        return work;
    }
    while let Some((slot, request)) = machine.poll_transmit(now, PeerId::LOCAL) {
        let placed = machine.placed(PeerId::LOCAL, slot);
        let (what, within) = asked(request, placed).expect("services of this process are called directly");
        let reply = ReplyTo::Local(Local { lane, slot });
        work.push(Work { what, due: now.saturating_add(within), reply });
    }
    // Nobody waits any more: what was not begun runs all the same, and its record goes with its number.
    while machine.poll_cancel(PeerId::LOCAL).is_some() {}
    work
}

/// What this process's owner is asked; `None` for a service call, and the time left.
pub(crate) fn asked(request: Request, placed: Option<(ShardId, Fingerprint)>) -> Option<(Asked, Duration)> {
    Some(match request {
        Request::Call(call) => {
            let within = call.within;
            (Asked::Call(call, placed), within)
        }
        Request::View { method, key, args, within } => {
            (Asked::View { method, key, args: Value::Bytes(args), shard: None }, within)
        }
        Request::Settle { ticket, within } => (Asked::Settle(Box::new(ticket)), within),
        Request::List { entity, after, limit, within } => (Asked::List { entity, after, limit }, within),
        Request::Serve { .. } => return None,
    })
}
