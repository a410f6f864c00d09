//! The macros of nigh. Each keeps the user's item and adds siblings beside it.
//!
//! - [`entity`](mod@entity) and [`service`](mod@service) put a handle beside a block of methods; start there.
//! - [`method`] is what both know about one method: its arguments, its answer, its mistakes.
//! - [`items`] takes a block apart by tokens, so that a half-typed item costs only itself.
//! - [`derive_state`] writes undo, redo and snapshot of a state from its fields.
//! - [`derive_wire`] writes schema, encoding and decoding of a value.
//! - [`sim_test`](mod@sim_test) makes a test of many seeds.
//!
//! Signatures are parsed, bodies never; one mistake gives one message at the user's own token.

use proc_macro::TokenStream as Raw;
use quote::quote;

mod derive_state;
mod derive_wire;
mod entity;
mod items;
mod method;
mod service;
mod sim_test;

/// A value that travels. For crates that depend on `nigh`.
#[proc_macro_derive(Wire, attributes(wire))]
pub fn wire(input: Raw) -> Raw {
    derive_wire::derive(input.into(), &quote!(::nigh::__wire)).into()
}

/// As `Wire`, for crates that depend on `nigh-wire` alone; exported by it under that name.
#[proc_macro_derive(WireOfWireCrate, attributes(wire))]
pub fn wire_of_wire_crate(input: Raw) -> Raw {
    derive_wire::derive(input.into(), &quote!(::nigh_wire)).into()
}

/// The state of an entity, on a struct with named fields: `#[derive(Default, State)]`.
///
/// Each field is a wire type, or a `nigh::Map`, `nigh::Set` or `nigh::List`.
#[proc_macro_derive(State)]
pub fn state(input: Raw) -> Raw {
    derive_state::derive(input.into()).into()
}

/// Durable keyed state and its methods: `#[nigh::entity(key = UserId)]` on the `impl` block.
///
/// The block stays as written. Beside it appears `WalletRef`, with a method per method that is not private:
/// it gives the call as a value. `&mut self` may change the state; `&self` gives a `View`. A parameter
/// `tx: &mut Tx<Self>` is the commit in progress, and no argument. At most eight arguments, all of them owned.
///
/// `#[commutes]` on a method says that it may run in any order and any number of times; `#[idempotent]` that
/// running it again changes nothing. `name = "wallet"` sets the name on the wire, else it is the type's name,
/// and `Topic/Order` for `Topic<Order>`.
#[proc_macro_attribute]
pub fn entity(attr: Raw, item: Raw) -> Raw {
    entity::expand(attr.into(), item.into()).into()
}

/// A contract with the outside: `#[nigh::service]` on a trait of `async fn (&self, …)`.
///
/// Beside the trait appears `PaymentsRef`, whose methods give calls as values. Implementations write
/// `async fn` too, and their futures must be `Send`; `Arc<dyn Payments>` is one. A parameter `asked: Asked`
/// is the call being served, and no argument.
///
/// `#[view]` on a method says that it only reads; `#[idempotent]` that it may be sent again.
#[proc_macro_attribute]
pub fn service(attr: Raw, item: Raw) -> Raw {
    service::expand(attr.into(), item.into()).into()
}

/// A test that runs once for each seed: `#[nigh_sim::test]` on `fn name(sim: &mut Sim)`, or
/// `#[nigh_sim::test(seeds = 500)]`; 200 without.
///
/// A seed that fails is made small and printed with the command that replays it.
#[proc_macro_attribute]
pub fn sim_test(attr: Raw, item: Raw) -> Raw {
    sim_test::expand(attr.into(), item.into()).into()
}
