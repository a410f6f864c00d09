//! The driver of `nigh_proto::link`: sockets and timers. It moves bytes and time, and decides nothing.
//!
//! - [`connection`] carries one link over TCP, either end. Start here.
//! - [`outbox`] holds answers until their link can write them.
//! - [`serve`] hands what the other end asks to the owner and the services of this process.

pub(crate) mod connection;
pub(crate) mod outbox;
pub(crate) mod serve;
