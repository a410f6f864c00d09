//! The driver of `nigh_proto::link`: sockets and timers. It moves bytes and time, and decides nothing.
//!
//! - [`end`] is one end of a link without its socket. Start here.
//! - [`connection`] carries it over TCP.
//! - [`outbox`] holds answers until their link can write them.
//! - [`serve`] hands what the other end asks to the owner and the services of this process.

pub(crate) mod connection;
pub(crate) mod end;
pub(crate) mod outbox;
pub(crate) mod serve;
