//! `#[nigh_sim::test]`: a test that runs once for each seed.
//!
//! The function becomes a `#[test]` without arguments, and its body, as written, a function inside of it.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Error, FnArg, Ident, LitInt, ReturnType, Token, Type};

use crate::items::Head;

const FORM: &str = "a simulated test has one argument: `fn name(sim: &mut Sim)`";

/// The test; or the function as it was, and the reason why not.
pub(crate) fn expand(attr: TokenStream, item: TokenStream) -> TokenStream {
    let head = match syn::parse2::<Head>(item.clone()) {
        Ok(head) => head,
        Err(_) => {
            let why = Error::new_spanned(&item, "`test` goes on a function: `fn name(sim: &mut Sim)`");
            let why = why.into_compile_error();
            return quote!(#item #why);
        }
    };
    let expanded = Settings::parse.parse2(attr).and_then(|settings| test(&head, &settings));
    // Kept, so that one mistake stays one: what the body uses is used.
    expanded.unwrap_or_else(|why| {
        let why = why.into_compile_error();
        quote!(#[allow(dead_code)] #item #why)
    })
}

/// What stands in `#[nigh_sim::test(…)]`.
#[derive(Default)]
struct Settings {
    seeds: Option<u64>,
}

impl Parse for Settings {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut settings = Settings::default();
        if input.is_empty() {
            return Ok(settings);
        }
        let word: Ident = input.parse()?;
        if word != "seeds" {
            return Err(Error::new(word.span(), "no such setting: there is `seeds = …`"));
        }
        input.parse::<Token![=]>()?;
        let number: LitInt = input.parse()?;
        settings.seeds = match number.base10_parse()? {
            0_u64 => return Err(Error::new(number.span(), "a test of no seeds tests nothing")),
            seeds => Some(seeds),
        };
        input.parse::<Option<Token![,]>>()?;
        match input.is_empty() {
            true => Ok(settings),
            false => Err(input.error("there is one setting: `seeds = …`")),
        }
    }
}

fn test(head: &Head, settings: &Settings) -> syn::Result<TokenStream> {
    let Head { attrs, vis, sig, body } = head;
    if let Some(word) = &sig.asyncness {
        let why = "a simulated test is no `async fn`: it runs the simulation, which runs what waits";
        return Err(Error::new(word.span(), why));
    }
    if !sig.generics.params.is_empty() {
        return Err(Error::new_spanned(&sig.generics, "a test has no parameters"));
    }
    if let ReturnType::Type(_, ty) = &sig.output {
        return Err(Error::new(
            ty.span(),
            "a simulated test returns nothing: it fails by a panic or a judge",
        ));
    }
    let mut inputs = sig.inputs.iter();
    let (Some(first), more) = (inputs.next(), inputs.next()) else {
        return Err(Error::new(sig.ident.span(), FORM));
    };
    if let Some(more) = more {
        return Err(Error::new_spanned(more, FORM));
    }
    let FnArg::Typed(argument) = first else {
        return Err(Error::new_spanned(first, FORM));
    };
    if !is_exclusive_sim(&argument.ty) {
        return Err(Error::new_spanned(&argument.ty, FORM));
    }
    let (name, seeds) = (&sig.ident, quote_option(settings.seeds));
    let ty = &argument.ty;
    // Its own span, so that another type than `Sim` is told at the type.
    let body_of = quote_spanned!(ty.span()=> #name);
    Ok(quote! {
        #[test]
        #(#attrs)*
        #vis fn #name() {
            #sig #body
            let options = ::nigh_sim::__private::Options {
                package: ::core::env!("CARGO_PKG_NAME"),
                seeds: #seeds,
            };
            let name = ::core::concat!(::core::module_path!(), "::", ::core::stringify!(#name));
            ::nigh_sim::__private::run_test(name, options, #body_of);
        }
    })
}

/// `&mut Sim`, or with its path. Under another name the compiler could only tell it inside of what we write.
fn is_exclusive_sim(ty: &Type) -> bool {
    let Type::Reference(reference) = ty else { return false };
    let is_sim = |path: &syn::Path| path.segments.last().is_some_and(|last| last.ident == "Sim");
    let named = matches!(&*reference.elem, Type::Path(ty) if is_sim(&ty.path));
    reference.mutability.is_some() && named
}

fn quote_option(number: Option<u64>) -> TokenStream {
    match number {
        Some(number) => quote!(::core::option::Option::Some(#number)),
        None => quote!(::core::option::Option::None),
    }
}
