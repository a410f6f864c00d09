//! What is asked of the owner, and where it is to run.

use nigh_proto::Instant;
use nigh_proto::calls::request::CallRequest;
use nigh_proto::calls::tally::Line;
use nigh_proto::shards::ShardId;
use nigh_wire::{Bytes, CallId, Fingerprint, Ticket, Value};

use crate::routes::{EntityMethod, Routes};
use crate::shards::reply::ReplyTo;

/// Something asked of an entity of this process.
pub(crate) struct Work {
    pub(crate) what: Asked,
    /// Not begun after this.
    pub(crate) due: Instant,
    pub(crate) reply: ReplyTo,
}

/// What is asked.
pub(crate) enum Asked {
    /// With its shard and fingerprint, if whoever asks in this process knows them.
    Call(CallRequest, Option<(ShardId, Fingerprint)>),
    /// With its shard once that is known. The reply token is made when the view was read.
    View {
        method: u32,
        key: Bytes,
        args: Value,
        shard: Option<ShardId>,
    },
    Settle(Box<Ticket>),
    List {
        entity: String,
        after: Option<Bytes>,
        limit: u32,
    },
    /// A caller has gone, this was its last id, and it knows all it asked for.
    Bye(CallId),
}

impl Asked {
    /// Under which it is counted, where there are so many methods.
    pub(super) fn line(&self, methods: usize) -> Option<Line> {
        match self {
            Asked::Call(CallRequest { method, .. }, _) | Asked::View { method, .. } => {
                Some(Line::known(*method, methods))
            }
            Asked::Settle(_) => Some(Line::Settle),
            Asked::List { .. } => Some(Line::List),
            Asked::Bye(_) => None,
        }
    }

    /// The shard where it runs, of so many; `None` if it concerns all, or none.
    pub(super) fn place(&mut self, routes: &Routes, shards: u32) -> Option<ShardId> {
        match self {
            Asked::Call(_, Some((shard, _))) => Some(*shard),
            Asked::Call(call, placed @ None) => {
                let method = routes.entity_method(call.method)?;
                let fingerprint = Fingerprint::of(&method.entity, &call.key, &method.name, &call.args);
                let shard = routes.shard_of(method.host, &call.key, shards);
                *placed = Some((shard, fingerprint));
                Some(shard)
            }
            Asked::View { shard: Some(shard), .. } => Some(*shard),
            Asked::View { method, key, shard, .. } => {
                *shard = Some(routes.shard_of(routes.entity_method(*method)?.host, key, shards));
                *shard
            }
            Asked::Settle(ticket) => {
                let method = routes.by_name(&ticket.of, &ticket.method)?;
                Some(place_of(routes, method, ticket, shards))
            }
            Asked::List { .. } | Asked::Bye(_) => None,
        }
    }
}

/// Where a ticket is settled.
pub(super) fn place_of(routes: &Routes, method: &EntityMethod, ticket: &Ticket, shards: u32) -> ShardId {
    let key = ticket.key.clone().unwrap_or_default();
    routes.shard_of(method.host, &key, shards)
}
