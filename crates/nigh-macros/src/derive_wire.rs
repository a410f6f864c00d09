//! `#[derive(Wire)]`: a table of members, encode and decode.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Fields, Ident, Result};

/// `wire` is the path of the `nigh-wire` crate as the user's crate sees it.
pub(crate) fn derive(input: TokenStream, wire: &TokenStream) -> TokenStream {
    syn::parse2(input).and_then(|input| expand(&input, wire)).unwrap_or_else(Error::into_compile_error)
}

fn has(attrs: &[Attribute], word: &str) -> Result<bool> {
    let mut found = false;
    for attr in attrs.iter().filter(|a| a.path().is_ident("wire")) {
        attr.parse_nested_meta(|meta| {
            found |= meta.path.is_ident(word);
            Ok(())
        })?;
    }
    Ok(found)
}

struct Part {
    bind: Ident,
    key: TokenStream,
    ty: syn::Type,
    name: String,
}

fn parts(fields: &Fields) -> Vec<Part> {
    let part = |(i, f): (usize, &syn::Field)| {
        let index = syn::Index::from(i);
        Part {
            bind: format_ident!("f{i}"),
            key: f.ident.as_ref().map_or(quote!(#index), |n| quote!(#n)),
            ty: f.ty.clone(),
            name: f.ident.as_ref().map_or(i.to_string(), ToString::to_string),
        }
    };
    fields.iter().enumerate().map(part).collect()
}

fn rows(parts: &[Part], wire: &TokenStream) -> TokenStream {
    let rows = parts.iter().map(|p| {
        let (name, ty) = (&p.name, &p.ty);
        quote_spanned!(ty.span()=> #wire::Row { name: #name, ty: <#ty as #wire::Wire>::node, was: &[], default: None, docs: "" })
    });
    quote!(&[#(#rows),*])
}

fn expand(input: &DeriveInput, wire: &TokenStream) -> Result<TokenStream> {
    let name = &input.ident;
    let private = quote!(#wire::__private);
    let (node, encode, decode, min);
    match &input.data {
        Data::Struct(s) => {
            let p = parts(&s.fields);
            let (keys, binds): (Vec<_>, Vec<_>) = p.iter().map(|p| (&p.key, &p.bind)).unzip();
            let tys: Vec<_> = p.iter().map(|p| &p.ty).collect();
            let rows = rows(&p, wire);
            node = match (&s.fields, tys.as_slice()) {
                (Fields::Unnamed(_), [one]) => quote!(<#one as #wire::Wire>::node(b)),
                (Fields::Unnamed(_), _) => quote!(b.define::<Self>(|b| #private::define_tuple(b, #rows))),
                _ => quote!(b.define::<Self>(|b| #private::define_struct(b, #rows))),
            };
            let enc = p.iter().map(|p| {
                let (n, t) = (&p.bind, &p.ty);
                quote_spanned!(t.span()=> <#t as #wire::Wire>::encode(#n, out);)
            });
            encode = quote!(let Self { #(#keys: #binds),* } = self; #(#enc)*);
            let dec = p.iter().map(|p| {
                let (k, t) = (&p.key, &p.ty);
                quote_spanned!(t.span()=> #k: <#t as #wire::Wire>::decode(r)?)
            });
            decode = quote!(::core::result::Result::Ok(Self { #(#dec),* }));
            min = quote!(0 #(+ <#tys as #wire::Wire>::MIN)*);
        }
        Data::Enum(e) => {
            let (mut variants, mut enc, mut dec) = (vec![], vec![], vec![]);
            for (i, v) in e.variants.iter().enumerate() {
                let (p, i, id) = (parts(&v.fields), i as u64, &v.ident);
                let shown = id.to_string();
                let (keys, binds): (Vec<_>, Vec<_>) = p.iter().map(|p| (&p.key, &p.bind)).unzip();
                let tys: Vec<_> = p.iter().map(|p| &p.ty).collect();
                let rows = rows(&p, wire);
                let payload = match (&v.fields, tys.as_slice()) {
                    (Fields::Unit, _) => quote!(<() as #wire::Wire>::node(b)),
                    (Fields::Unnamed(_), [one]) => quote!(<#one as #wire::Wire>::node(b)),
                    (Fields::Unnamed(_), _) => {
                        quote!({ let n = #private::define_tuple(b, #rows); b.push(n) })
                    }
                    _ => quote!({ let n = #private::define_struct(b, #rows); b.push(n) }),
                };
                variants.push(
                    quote!(#wire::Row { name: #shown, ty: |b| #payload, was: &[], default: None, docs: "" }),
                );
                enc.push(quote!(Self::#id { #(#keys: #binds),* } => { out.var(#i); #(<#tys as #wire::Wire>::encode(#binds, out);)* }));
                dec.push(match &v.fields {
                    Fields::Unit => quote!(#i => ::core::result::Result::Ok(Self::#id),),
                    _ => quote!(#i => r.nested(|r| ::core::result::Result::Ok(Self::#id { #(#keys: <#tys as #wire::Wire>::decode(r)?),* })),),
                });
            }
            node = quote!(b.define::<Self>(|b| #private::define_enum(b, &[#(#variants),*])));
            encode = quote!(match self { #(#enc)* });
            decode = quote!(match r.var()? { #(#dec)* _ => ::core::result::Result::Err(#wire::DecodeError::Variant) });
            min = quote!(1);
        }
        Data::Union(u) => {
            return Err(Error::new(u.union_token.span(), "a union has no wire form: write an enum"));
        }
    }
    let id = id_args(input, wire)?;
    let mut generics = input.generics.clone();
    for p in generics.type_params_mut() {
        p.bounds.push(syn::parse_quote!(#wire::Wire));
    }
    let (imp, ty, wh) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        #[allow(unused_variables)]
        impl #imp #wire::Wire for #name #ty #wh {
            const MIN: usize = #min;
            type Shape = #private::Plain;
            fn node(b: &mut #wire::Builder) -> #wire::NodeId { #node }
            fn encode(&self, out: &mut #wire::Out) { #encode }
            fn decode(r: &mut #wire::Reader<'_>) -> ::core::result::Result<Self, #wire::DecodeError> { #decode }
        }
        #id
    })
}

/// `#[wire(id)]`: `Wallet::at("ada")` may be written for `UserId(String)`.
fn id_args(input: &DeriveInput, wire: &TokenStream) -> Result<TokenStream> {
    let Data::Struct(s) = &input.data else { return Ok(quote!()) };
    if !has(&input.attrs, "id")? {
        return Ok(quote!());
    }
    let name = &input.ident;
    let (Fields::Unnamed(_), Some(inner), 1) = (&s.fields, s.fields.iter().next(), s.fields.len()) else {
        return Err(Error::new(name.span(), "an id wraps one value: `struct UserId(String)`"));
    };
    let inner = &inner.ty;
    let text = quote!(#inner).to_string() == "String";
    let (from, make) =
        if text { (quote!(&str), quote!(self.to_owned())) } else { (quote!(#inner), quote!(self)) };
    Ok(quote! {
        impl #wire::IntoArg<#name> for #from { fn into_arg(self) -> #name { #name(#make) } }
    })
}
