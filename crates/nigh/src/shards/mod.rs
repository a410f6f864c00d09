//! The driver of `nigh_proto::shards`: runs methods where their state is, and makes what they did durable.
//!
//! - [`host`] is an entity without its type.
//! - [`owner`] takes in what is asked, and runs one thing of a lane at a time. Start here.
//! - [`work`] is what is asked; [`turn`] what becomes of it; [`lanes`] which lane a shard belongs to.
//! - [`core`] is what a lane reads and changes between two methods.
//! - [`commit`] is the committer: one thread, one durable transaction for all that waits; [`bell`] is how it is told.
//! - [`memory`] is the entities in memory: loaded when first asked for, changed, written back.
//! - [`sweep`] writes back what changed and cuts the log behind it.
//! - [`watch`] names methods that take too long, and ends the process of one that never returns.
//!
//! Nothing here decides whether a call may run or an answer may leave: the machines do.

pub(crate) mod bell;
pub(crate) mod commit;
pub(crate) mod core;
pub(crate) mod host;
pub(crate) mod lanes;
pub(crate) mod memory;
pub(crate) mod owner;
pub(crate) mod records;
pub(crate) mod reply;
pub(crate) mod sweep;
mod turn;
pub(crate) mod watch;
pub(crate) mod work;
