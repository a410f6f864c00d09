//! `#[derive(State)]`: every operation on a state is that operation on each of its fields.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Field, Fields, Generics, Result};

use crate::items::docs;

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    syn::parse2(input).and_then(|input| expand(&input)).unwrap_or_else(Error::into_compile_error)
}

/// The named fields, or what to write instead.
fn fields(input: &DeriveInput) -> Result<Vec<&Field>> {
    let at = |token: &dyn ToTokens| Error::new_spanned(token, "entity state is a struct with named fields");
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(named) => Ok(named.named.iter().collect()),
            _ => Err(at(&input.ident)),
        },
        Data::Enum(data) => Err(at(&data.enum_token)),
        Data::Union(data) => Err(at(&data.union_token)),
    }
}

/// With what fields of a generic struct need: a `Map<u64, T>` asks more of `T` than a `T` does.
fn bounded(generics: &Generics, fields: &[&Field]) -> Generics {
    let mut bounded = generics.clone();
    let params: Vec<_> = generics.type_params().map(|p| p.ident.to_string()).collect();
    for ty in fields.iter().map(|f| &f.ty).filter(|ty| mentions(ty.to_token_stream(), &params)) {
        bounded.make_where_clause().predicates.push(syn::parse_quote!(#ty: ::nigh::Part));
    }
    bounded
}

fn mentions(tokens: TokenStream, params: &[String]) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => params.contains(&word.to_string()),
        TokenTree::Group(group) => mentions(group.stream(), params),
        _ => false,
    })
}

fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let fields = fields(input)?;
    let me = &input.ident;
    let generics = bounded(&input.generics, &fields);
    let (ig, tg, wh) = generics.split_for_impl();
    let names: Vec<_> = fields.iter().map(|f| f.ident.as_ref()).collect();
    let saved: Vec<_> = (0..fields.len()).map(|i| format_ident!("saved{i}")).collect();
    let index: Vec<_> = (0..fields.len() as u64).collect();
    let parts: Vec<_> = fields
        .iter()
        .map(|f| {
            let ty = &f.ty;
            quote_spanned!(ty.span()=> <#ty as ::nigh::Part>)
        })
        .collect();
    let count = fields.len();
    let told = me.unraw().to_string();
    let wire_names: Vec<_> = fields.iter().map(|f| f.ident.as_ref().map(|n| n.unraw().to_string())).collect();
    let docs = fields.iter().map(|f| docs(&f.attrs));
    let decoded = |ty: TokenStream| quote!(::core::result::Result<#ty, ::nigh::__wire::DecodeError>);
    let (nothing, whole) = (decoded(quote!(())), decoded(quote!(Self)));
    let one_by_one = one_by_one(&names, &parts, &nothing);
    Ok(quote! {
        #[automatically_derived]
        #[allow(unused_variables, unused_mut, clippy::all)]
        impl #ig ::nigh::State for #me #tg #wh {
            // A trait's associated type may not name the private types of fields: so it names none.
            type Saved = ::nigh::__private::Saved;
            fn begin(&mut self) -> Self::Saved {
                let mut kept = ::nigh::__private::Out::with_capacity(64);
                let saved = (#(#parts::begin(&mut self.#names, &mut kept),)*);
                ::nigh::__private::save((kept, saved))
            }
            fn release(&mut self) { #(#parts::release(&mut self.#names);)* }
            fn undo(&mut self, saved: Self::Saved) {
                let (kept, (#(#saved,)*)): (::nigh::__private::Out, _) = ::nigh::__private::saved(saved);
                #(#parts::undo(&mut self.#names, #saved, kept.as_slice());)*
            }
            fn commit(&mut self, saved: Self::Saved, redo: &mut ::nigh::__private::Out) -> bool {
                let (kept, (#(#saved,)*)): (::nigh::__private::Out, _) = ::nigh::__private::saved(saved);
                static FIELDS: [::nigh::__private::Field; #count] = [#(::nigh::__private::Field::new(#told, #wire_names)),*];
                let mut changed = false;
                #(changed |= #parts::commit_at(&mut self.#names, #saved, kept.as_slice(), (#index, &FIELDS), redo);)*
                changed
            }
            fn apply(&mut self, redo: &mut ::nigh::__private::Reader<'_>) -> #nothing {
                while redo.left() > 0 {
                    let field = redo.var()?;
                    Self::apply_at(self, ::core::convert::TryFrom::try_from(field).unwrap_or(usize::MAX), redo)?;
                }
                ::core::result::Result::Ok(())
            }
            fn snapshot(&self, out: &mut ::nigh::__private::Out) { #(#parts::snapshot(&self.#names, out);)* }
            fn restore(r: &mut ::nigh::__private::Reader<'_>) -> #whole {
                ::core::result::Result::Ok(Self { #(#names: #parts::restore(r)?),* })
            }
            #one_by_one
            fn schema() -> ::nigh::__private::Schema {
                ::nigh::__private::state_schema(&[#((#wire_names, #parts::node, #docs)),*])
            }
        }
    })
}

/// What is asked of one field, by its position.
fn one_by_one(names: &[Option<&Ident>], parts: &[TokenStream], nothing: &TokenStream) -> TokenStream {
    let count = names.len();
    let at: Vec<_> = (0..count).collect();
    quote! {
        const FIELDS: usize = #count;
        fn tracked(out: &mut ::std::string::String) {
            #(#parts::tracked(out); out.push(',');)*
        }
        fn too_long(&self) -> ::core::option::Option<&'static str> {
            #(if #parts::is_too_long(&self.#names) {
                return ::core::option::Option::Some(::core::stringify!(#names));
            })*
            ::core::option::Option::None
        }
        fn large(&self, field: usize) -> ::core::option::Option<&dyn ::nigh::__private::Large> {
            match field {
                #(#at => #parts::large(&self.#names),)*
                _ => ::core::option::Option::None,
            }
        }
        fn large_mut(&mut self, field: usize) -> ::core::option::Option<&mut dyn ::nigh::__private::Large> {
            match field {
                #(#at => #parts::large_mut(&mut self.#names),)*
                _ => ::core::option::Option::None,
            }
        }
        fn apply_at(&mut self, field: usize, redo: &mut ::nigh::__private::Reader<'_>) -> #nothing {
            match field {
                #(#at => #parts::apply(&mut self.#names, redo),)*
                _ => ::core::result::Result::Err(::nigh::__wire::DecodeError::Variant),
            }
        }
        fn skip_at(field: usize, redo: &mut ::nigh::__private::Reader<'_>) -> #nothing {
            match field {
                #(#at => #parts::skip(redo),)*
                _ => ::core::result::Result::Err(::nigh::__wire::DecodeError::Variant),
            }
        }
        fn snapshot_at(&self, field: usize, out: &mut ::nigh::__private::Out) {
            match field {
                #(#at => #parts::snapshot(&self.#names, out),)*
                _ => {}
            }
        }
    }
}
