//! The gate from outside: [`http`] over real sockets, [`mounted`] as a service, before the same [`standin`]; [`why`] with real nodes behind it.

mod client;
mod http;
mod mounted;
mod standin;
mod why;
