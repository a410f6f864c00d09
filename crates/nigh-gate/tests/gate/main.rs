//! The gate from outside: [`http`] over real sockets, [`mounted`] as a service, before the same [`standin`].

mod client;
mod http;
mod mounted;
mod standin;
