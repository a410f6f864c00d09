//! `#[derive(Wire)]`: a table of members, encode and decode, and the conversions errors need.
//!
//! - [`attrs`]: what `#[wire(…)]` may say where.
//! - [`refuse`]: types that cannot travel, and what to write instead.
//!
//! All mistakes of a type are found in one pass. If there are any, a body that is never built stands in, so
//! that a mistake is not reported again wherever the type is used.

use std::collections::BTreeMap;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Fields, Generics, Ident, Type};

mod attrs;
mod refuse;
#[cfg(test)]
mod tests;

use attrs::{Absent, Attrs, Place};

/// Most fields of a struct, elements of a tuple, variants of an enum: as schemas are read.
const MEMBERS_MAX: usize = 1_024;

/// `wire` is the path of the `nigh-wire` crate as the user's crate sees it.
pub(crate) fn derive(input: TokenStream, wire: &TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut make = Make { wire, private: quote!(#wire::__private), errors: vec![], alone: false };
    let body = make.body(&input);
    let siblings = make.siblings(&input);
    make.refuse_lifetimes(&input.generics);
    let errors: TokenStream = make.errors.iter().map(Error::to_compile_error).collect();
    let body = match (make.errors.is_empty(), make.alone) {
        (true, _) => body,
        (false, false) => make.stand_in(),
        (false, true) => return errors,
    };
    let whole = make.implement(&input, &body);
    quote!(#errors #whole #siblings)
}

/// The parts of an implementation.
struct Body {
    min: TokenStream,
    node: TokenStream,
    encode: TokenStream,
    decode: TokenStream,
}

/// One field or element on the wire, or skipped.
struct Part {
    bind: Ident,
    key: TokenStream,
    ty: Type,
    /// Wire name and where it is written.
    name: String,
    span: Span,
    said: Attrs,
}

struct Make<'w> {
    wire: &'w TokenStream,
    private: TokenStream,
    errors: Vec<Error>,
    /// A mistake after which no implementation can stand in.
    alone: bool,
}

impl Make<'_> {
    fn body(&mut self, input: &DeriveInput) -> Body {
        match &input.data {
            Data::Struct(s) => self.of_struct(input, &s.fields),
            Data::Enum(e) => self.of_enum(input, e),
            Data::Union(u) => {
                self.errors.push(Error::new(u.union_token.span(), "a union has no wire form: write an enum"));
                self.stand_in()
            }
        }
    }

    /// Lifetimes leave nothing that could stand in: `Wire` is for values that own what they hold.
    fn refuse_lifetimes(&mut self, generics: &Generics) {
        let message = "a value that travels owns what it holds: drop the lifetime, write owned types";
        let lifetimes: Vec<_> = generics.lifetimes().map(|l| Error::new(l.span(), message)).collect();
        if !lifetimes.is_empty() {
            // The fields that use it say nothing new.
            self.errors = lifetimes;
            self.alone = true;
        }
    }

    fn of_struct(&mut self, input: &DeriveInput, fields: &Fields) -> Body {
        let (wire, private) = (self.wire, self.private.clone());
        let mut parts = self.parts(fields);
        let is_newtype =
            matches!(fields, Fields::Unnamed(_)) && parts.iter().filter(|p| p.on_wire()).count() == 1;
        let place = if is_newtype { Place::Newtype } else { Place::Type };
        let said = Attrs::read(&input.attrs, place, &mut self.errors);
        if let (true, Some(one)) = (is_newtype, parts.iter_mut().find(|p| p.on_wire())) {
            one.said.absorb(&said, &mut self.errors);
        }
        let seen: Vec<&Part> = parts.iter().filter(|p| p.on_wire()).collect();
        let rows = self.rows(&seen);
        let node = match (fields, seen.as_slice()) {
            (Fields::Unit, _) => quote!(<() as #wire::Wire>::node(b)),
            (Fields::Unnamed(_), [one]) => self.node_of(one),
            (Fields::Unnamed(_), _) => quote!(b.define::<Self>(|b| #private::define_tuple(b, #rows))),
            _ => quote!(b.define::<Self>(|b| #private::define_struct(b, #rows))),
        };
        let (open, encode) = self.encode_parts(&parts);
        let decode = self.decode_parts(&parts);
        let min = seen.iter().map(|p| {
            let ty = &p.ty;
            quote_spanned!(at(ty.span())=> <#ty as #wire::Wire>::MIN)
        });
        Body {
            min: quote!(0 #(+ #min)*),
            node,
            encode: quote!(let Self #open = self; #encode),
            decode: quote!(::core::result::Result::Ok(Self #decode)),
        }
    }

    fn of_enum(&mut self, input: &DeriveInput, data: &syn::DataEnum) -> Body {
        let (wire, private) = (self.wire, self.private.clone());
        Attrs::read(&input.attrs, Place::Type, &mut self.errors);
        let (mut rows, mut encode, mut decode, mut names) = (vec![], vec![], vec![], vec![]);
        for (i, v) in data.variants.iter().enumerate() {
            let said = Attrs::read(&v.attrs, Place::Variant, &mut self.errors);
            let parts = self.parts(&v.fields);
            let (name, span) = wire_name(&said, &v.ident);
            let seen: Vec<&Part> = parts.iter().filter(|p| p.on_wire()).collect();
            let members = self.rows(&seen);
            let payload = match (&v.fields, seen.as_slice()) {
                (Fields::Unit, _) => quote!(<() as #wire::Wire>::node(b)),
                (Fields::Unnamed(_), [one]) => self.node_of(one),
                (Fields::Unnamed(_), _) => quote!({ let n = #private::define_tuple(b, #members); b.push(n) }),
                _ => quote!({ let n = #private::define_struct(b, #members); b.push(n) }),
            };
            let (was, docs, id, i) = (&said.was, &said.docs, &v.ident, i as u64);
            rows.push(quote!(#wire::Row { name: #name, ty: |b| #payload, was: &[#(#was),*], default: ::core::option::Option::None, docs: #docs }));
            let (open, puts) = self.encode_parts(&parts);
            encode.push(quote!(Self::#id #open => { out.var(#i); #puts }));
            let takes = self.decode_parts(&parts);
            decode.push(quote!(#i => Self::#id #takes,));
            names.push((name, span, said.was));
        }
        self.check_names(names);
        let none = quote!(return ::core::result::Result::Err(#wire::DecodeError::Variant));
        let empty = data.variants.is_empty();
        Body {
            min: quote!(1),
            node: quote!(b.define::<Self>(|b| #private::define_enum(b, &[#(#rows),*]))),
            encode: if empty { quote!(match *self {}) } else { quote!(match self { #(#encode)* }) },
            decode: match empty {
                true => quote!(::core::result::Result::Err(#wire::DecodeError::Variant)),
                false => {
                    quote!(r.nested(|r| ::core::result::Result::Ok(match r.var()? { #(#decode)* _ => #none })))
                }
            },
        }
    }

    /// Fields of a struct or a variant; checks their types, attributes and names.
    fn parts(&mut self, fields: &Fields) -> Vec<Part> {
        let place = if matches!(fields, Fields::Named(_)) { Place::Field } else { Place::Element };
        let mut parts = vec![];
        for (i, f) in fields.iter().enumerate() {
            let said = Attrs::read(&f.attrs, place, &mut self.errors);
            if said.skip.is_none() {
                self.alone |= !refuse::refuse(&f.ty, &mut self.errors);
            }
            let index = syn::Index::from(i);
            let (name, span) = match &f.ident {
                Some(ident) => wire_name(&said, ident),
                None => (i.to_string(), f.ty.span()),
            };
            let key = f.ident.as_ref().map_or(quote!(#index), |n| quote!(#n));
            parts.push(Part { bind: format_ident!("f{i}"), key, ty: f.ty.clone(), name, span, said });
        }
        let on_wire = parts.iter().filter(|p| p.on_wire());
        self.check_names(on_wire.map(|p| (p.name.clone(), p.span, p.said.was.clone())).collect());
        parts
    }

    /// A name, or an earlier one, must lead to one member; and there are not too many.
    fn check_names(&mut self, members: Vec<(String, Span, Vec<syn::LitStr>)>) {
        if let Some((_, span, _)) = members.get(MEMBERS_MAX) {
            self.errors.push(Error::new(*span, format!("over {MEMBERS_MAX} members: group them into types")));
        }
        let mut taken = BTreeMap::new();
        for (i, (name, span, was)) in members.into_iter().enumerate() {
            let all = std::iter::once((name, span)).chain(was.into_iter().map(|w| (w.value(), w.span())));
            for (name, span) in all {
                if taken.insert(name.clone(), i).is_some() {
                    let message =
                        format!("`{name}` is taken: a wire name, or an earlier one, leads to one member");
                    self.errors.push(Error::new(span, message));
                }
            }
        }
    }

    /// The static table of a struct's or tuple's members.
    fn rows(&self, parts: &[&Part]) -> TokenStream {
        let (wire, private) = (self.wire, &self.private);
        let rows = parts.iter().map(|p| {
            let (name, ty, was, docs) = (&p.name, &p.ty, &p.said.was, &p.said.docs);
            let node = match (&p.said.json_number, &p.said.len_max) {
                (Some(_), _) => quote_spanned!(at(ty.span())=> #private::json_number::<#ty>),
                (_, Some((_, max))) => quote_spanned!(at(ty.span())=> |b| #private::bounded::<#ty>(b, #max)),
                _ => quote_spanned!(at(ty.span())=> <#ty as #wire::Wire>::node),
            };
            let default = match &p.said.default {
                None => quote!(::core::option::Option::None),
                Some(Absent::Default(span)) => {
                    let make = quote_spanned!(at(*span)=> <#ty as ::core::default::Default>::default());
                    quote!(::core::option::Option::Some(|| #private::encoded::<#ty>(#make)))
                }
                Some(Absent::Path(path)) => {
                    quote!(::core::option::Option::Some(|| #private::encoded::<#ty>(#path())))
                }
            };
            quote!(#wire::Row { name: #name, ty: #node, was: &[#(#was),*], default: #default, docs: #docs })
        });
        quote!(&[#(#rows),*])
    }

    /// The node of one member.
    fn node_of(&self, p: &Part) -> TokenStream {
        let (wire, private, ty) = (self.wire, &self.private, &p.ty);
        match (&p.said.json_number, &p.said.len_max) {
            (Some(_), _) => quote_spanned!(at(ty.span())=> #private::json_number::<#ty>(b)),
            (_, Some((_, max))) => quote_spanned!(at(ty.span())=> #private::bounded::<#ty>(b, #max)),
            _ => quote_spanned!(at(ty.span())=> <#ty as #wire::Wire>::node(b)),
        }
    }

    /// The pattern that binds what is on the wire, and the statements that write it.
    fn encode_parts(&self, parts: &[Part]) -> (TokenStream, TokenStream) {
        let wire = self.wire;
        let seen: Vec<&Part> = parts.iter().filter(|p| p.on_wire()).collect();
        let (keys, binds): (Vec<_>, Vec<_>) = seen.iter().map(|p| (&p.key, &p.bind)).unzip();
        let rest = (seen.len() < parts.len()).then(|| quote!(..));
        let puts = seen.iter().map(|p| {
            let (n, t) = (&p.bind, &p.ty);
            quote_spanned!(at(t.span())=> <#t as #wire::Wire>::encode(#n, out);)
        });
        (quote!({ #(#keys: #binds,)* #rest }), quote!(#(#puts)*))
    }

    /// The fields as read, in braces.
    fn decode_parts(&self, parts: &[Part]) -> TokenStream {
        let (wire, private) = (self.wire, &self.private);
        let takes = parts.iter().map(|p| {
            let (k, t) = (&p.key, &p.ty);
            if !p.on_wire() {
                return quote_spanned!(at(t.span())=> #k: <#t as ::core::default::Default>::default());
            }
            let mut value = quote_spanned!(at(t.span())=> <#t as #wire::Wire>::decode(r)?);
            if let Some((_, max)) = &p.said.len_max {
                value = quote_spanned!(at(t.span())=> #private::check_length(#value, #max)?);
            }
            if let Some(rule) = &p.said.check {
                value = quote_spanned!(at(rule.span())=> #private::check_rule(#value, #rule)?);
            }
            quote!(#k: #value)
        });
        quote!({ #(#takes),* })
    }

    /// For a type with mistakes: compiles, is never run.
    fn stand_in(&self) -> Body {
        let never = quote!(::core::unreachable!());
        Body { min: quote!(1), node: never.clone(), encode: never.clone(), decode: never }
    }

    fn implement(&self, input: &DeriveInput, body: &Body) -> TokenStream {
        let (wire, private, name) = (self.wire, &self.private, &input.ident);
        let Body { min, node, encode, decode } = body;
        let mut generics = input.generics.clone();
        for p in generics.type_params_mut() {
            p.bounds.push(syn::parse_quote!(#wire::Wire));
        }
        let (imp, ty, wh) = generics.split_for_impl();
        quote! {
            #[automatically_derived]
            #[allow(unused_variables)]
            impl #imp #wire::Wire for #name #ty #wh {
                const MIN: usize = #min;
                type Shape = #private::Plain;
                fn node(b: &mut #wire::Builder) -> #wire::NodeId { #node }
                fn encode(&self, out: &mut #wire::Out) { #encode }
                fn decode(r: &mut #wire::Reader<'_>) -> ::core::result::Result<Self, #wire::DecodeError> { #decode }
            }
        }
    }

    /// What else a type gets: a place for errors that cannot happen, `?` on plans, and the short form of an id.
    fn siblings(&mut self, input: &DeriveInput) -> TokenStream {
        let (wire, name) = (self.wire, &input.ident);
        if !input.generics.params.is_empty() {
            return self.id(input);
        }
        let never = quote! {
            #[automatically_derived]
            impl ::core::convert::From<#wire::Never> for #name {
                fn from(never: #wire::Never) -> Self { match never {} }
            }
        };
        // Names that no user's type has: a parameter would shadow it.
        let or = matches!(input.data, Data::Enum(_)).then(|| {
            quote! {
                #[automatically_derived]
                impl<__First, __Then> ::core::convert::From<#wire::Or<__First, __Then>> for #name
                where
                    #name: ::core::convert::From<__First> + ::core::convert::From<__Then>,
                {
                    fn from(error: #wire::Or<__First, __Then>) -> Self { error.merge() }
                }
            }
        });
        let id = self.id(input);
        quote!(#never #or #id)
    }

    /// `#[wire(id)]`: `Wallet::at("ada")` may be written for `UserId(String)`.
    fn id(&mut self, input: &DeriveInput) -> TokenStream {
        let wire = self.wire;
        // Mistakes in the attributes were reported with the body.
        let Some(span) = Attrs::read(&input.attrs, Place::Newtype, &mut vec![]).id else { return quote!() };
        let one = match &input.data {
            Data::Struct(s) if s.fields.len() == 1 => s.fields.iter().next(),
            _ => None,
        };
        let (Some(inner), true) = (one, input.generics.params.is_empty()) else {
            if self.errors.is_empty() {
                self.errors.push(Error::new(span, "an id wraps one value: `struct UserId(String)`"));
            }
            return quote!();
        };
        let (name, inner) = (&input.ident, &inner.ty);
        let text = quote!(#inner).to_string() == "String";
        let borrowed = text.then(|| {
            quote! {
                #[automatically_derived]
                impl #wire::IntoArg<#name> for &str { fn into_arg(self) -> #name { #name(self.to_owned()) } }
            }
        });
        quote! {
            #borrowed
            #[automatically_derived]
            impl #wire::IntoArg<#name> for #inner { fn into_arg(self) -> #name { #name(self) } }
        }
    }
}

impl Part {
    fn on_wire(&self) -> bool {
        self.said.skip.is_none()
    }
}

/// The wire name of a field or variant, and where it is written.
fn wire_name(said: &Attrs, ident: &Ident) -> (String, Span) {
    match &said.rename {
        Some(name) => (name.value(), name.span()),
        None => (ident.unraw().to_string(), ident.span()),
    }
}

/// Shown at `span`, but meaning our own names: a type may come out of somebody's `macro_rules!`.
fn at(span: Span) -> Span {
    Span::call_site().located_at(span)
}
