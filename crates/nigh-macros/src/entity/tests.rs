//! What the block and its handle look like as text: what no test that runs can see.

use proc_macro2::TokenStream;
use quote::quote;

use super::expand;

fn expanded(attr: TokenStream, block: TokenStream) -> String {
    expand(attr, block).to_string()
}

/// Bodies, helpers, attributes and half-typed items come out as they went in; only claims are gone.
#[test]
fn the_block_stays_as_written() {
    let written = quote! {
        #[doc = " Money."]
        #[allow(clippy::all)]
        impl<T: Wire> Wallet<T> where T: Clone {
            const MAX: u64 = { 5; 6 };
            #[inline]
            pub fn add(&mut self, cents: u64) -> u64 { let x = [cents; 2]; x[0].. }
            fn helper(&self) {}
            pub fn half(&mut self, ) -> { }
        }
    };
    let claimed = quote! {
        #[doc = " Money."]
        #[allow(clippy::all)]
        impl<T: Wire> Wallet<T> where T: Clone {
            const MAX: u64 = { 5; 6 };
            #[commutes]
            #[inline]
            #[idempotent]
            pub fn add(&mut self, cents: u64) -> u64 { let x = [cents; 2]; x[0].. }
            fn helper(&self) {}
            pub fn half(&mut self, ) -> { }
        }
    };
    for block in [&written, &claimed] {
        let out = expanded(quote!(key = u64), block.clone());
        assert!(out.starts_with(&written.to_string()), "{out}");
        assert!(!out.contains("compile_error"), "{out}");
    }
}

/// Docs, visibility, `cfg` and `deprecated` are on the handle too; other attributes are not.
#[test]
fn the_handle_carries_what_users_see() {
    let out = expanded(
        quote!(key = u64),
        quote! {
            impl Wallet {
                /// Adds.
                #[inline]
                #[cfg(unix)]
                #[deprecated = "old"]
                pub(crate) fn add(&mut self, mut cents: u64) {}
            }
        },
    );
    let handle = quote! {
        /// Adds.
        #[cfg(unix)]
        #[deprecated = "old"]
        pub(crate) fn add(&self, cents: impl ::nigh::IntoArg<u64>) -> ::nigh::Call<()>
    };
    assert!(out.contains(&handle.to_string()), "{out}");
    assert!(out.contains("pub (crate) fn at (key"), "{out}");
    assert!(out.contains("# [cfg (unix)] :: nigh :: __private :: Run :: Write"), "{out}");
    assert!(out.contains("# [cfg (unix)] :: nigh :: __private :: method"), "{out}");
}

/// A mistake in the settings is told once, and everything is generated all the same.
#[test]
fn a_mistake_costs_only_itself() {
    let block = || quote!(impl Wallet { pub fn add(&mut self, cents: u64) {} });
    for attr in
        [quote!(), quote!(key =), quote!(home = x), quote!(key = u64, name = "a b"), quote!(name = "a")]
    {
        let out = expanded(attr.clone(), block());
        assert_eq!(out.matches("compile_error").count(), 1, "{attr}: {out}");
        assert!(out.contains("struct WalletRef") && out.contains("fn at"), "{attr}: {out}");
    }
    let out = expanded(quote!(key = u64), quote!(impl Wallet { pub async fn add(self, cents: &str) {} }));
    assert_eq!(out.matches("compile_error").count(), 3, "{out}");
}
