//! The macros of nigh. Each keeps the user's item and adds siblings beside it.
//!
//! - [`derive_wire`] writes schema, encoding and decoding of a value.
//!
//! Signatures are parsed, bodies never; one mistake gives one message at the user's own token.

use proc_macro::TokenStream as Raw;
use quote::quote;

mod derive_wire;

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
