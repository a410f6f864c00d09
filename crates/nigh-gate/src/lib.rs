//! HTTP and JSON in front of nigh: a door of its own, and a service to mount in any router.
//!
//! It knows schemas, not Rust types, and sees no more of an application than [`nigh::Nigh`]. Reading order:
//! [`gate`] takes one request to its answer; [`rules`] says who may ask, [`route`] what a path means,
//! [`arguments`] what is asked with, [`headers`] under which name and for how long. [`flights`] keeps two
//! requests under one idempotency key apart, [`verdict`] turns what came of a call into a status, and
//! [`problem`] is every answer that is not a 200. [`door`] and [`patience`] own sockets and their timeouts;
//! [`offer`], [`page`] and [`ledger`] are what people look at.
//!
//! Safe against a hostile page on the same machine, and nothing more yet: it listens on loopback only.
//! Nothing here decides what a call does, and nothing panics from input.

mod arguments;
mod clock;
mod door;
mod flights;
mod gate;
mod headers;
mod ledger;
mod nearest;
mod offer;
mod page;
mod patience;
mod problem;
mod route;
mod rules;
mod sha256;
mod upload;
mod verdict;

pub use door::{Http, http};
pub use gate::{Body, Gate, service};
