//! `#[nigh::entity(key = …)]`: a handle, a contract and a table beside an `impl` block.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Attribute, Error, Generics, Ident, Token, Type, Visibility};

use crate::items::{Head, Item, Settings, docs, error, error_at, split};
use crate::method::{Method, Owner, last, shared_receiver};

const CLAIMS: [&str; 2] = ["commutes", "idempotent"];

/// The block as it was, whatever happens, and what was added or the reason why not.
pub(crate) fn expand(attr: TokenStream, item: TokenStream) -> TokenStream {
    match syn::parse2::<Block>(item.clone()).and_then(|block| block.expand(attr)) {
        Ok(all) => all,
        Err(why) => {
            let why = why.into_compile_error();
            quote!(#item #why)
        }
    }
}

/// An `impl` block up to its braces, and what is between them.
struct Block {
    attrs: Vec<Attribute>,
    header: TokenStream,
    generics: Generics,
    me: Type,
    body: TokenStream,
}

impl Parse for Block {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let keyword: Token![impl] = input.parse()?;
        let mut generics: Generics = input.parse()?;
        let me: Type = input.parse()?;
        if input.peek(Token![for]) {
            return Err(input.error("`entity` goes on the type's own `impl` block, not on a trait's"));
        }
        generics.where_clause = input.parse()?;
        let (shown, _, wh) = generics.split_for_impl();
        let header = quote!(#(#attrs)* #keyword #shown #me #wh);
        let body = input.parse::<proc_macro2::Group>()?.stream();
        Ok(Block { attrs, header, generics, me, body })
    }
}

/// What is generated from.
struct Entity {
    name: Ident,
    reference: Ident,
    vis: Visibility,
    wire_name: String,
    key: Option<Type>,
    home: Option<Type>,
    methods: Vec<Method>,
}

impl Block {
    fn expand(self, attr: TokenStream) -> syn::Result<TokenStream> {
        let unnamed = || Error::new_spanned(&self.me, "an entity is a type with a name");
        let name = last(&self.me).ok_or_else(unnamed)?.ident.clone();
        let settings = Settings::parse(attr, &["key", "home", "name"]);
        let (mut kept, mut errors) = (TokenStream::new(), TokenStream::new());
        match (settings.error, &settings.key) {
            (Some(why), _) => errors.extend(why.into_compile_error()),
            (None, None) => {
                let text = format!("what identifies one `{name}`? Write `#[nigh::entity(key = SomeId)]`");
                errors.extend(error(Span::call_site(), &text));
            }
            (None, Some(_)) => {}
        }
        let mut methods = Vec::new();
        for item in split(self.body.clone(), &CLAIMS) {
            kept.extend(item.tokens.clone());
            match self.method(&item) {
                Some(method) => methods.push(method),
                None => errors.extend(Method::refuse_claims(&item.claims)),
            }
        }
        errors.extend(methods.iter().map(|m| m.errors.clone()));
        let entity = Entity {
            reference: format_ident!("{}Ref", name.unraw(), span = name.span()),
            vis: widest(&methods),
            wire_name: settings.name.unwrap_or_else(|| name.unraw().to_string()),
            key: settings.key,
            home: settings.home,
            methods,
            name,
        };
        let (header, handle, described) = (&self.header, self.handle(&entity), self.described(&entity));
        Ok(quote!(#header { #kept } #errors #handle #described))
    }

    /// Nothing if it is no method, private, or half typed.
    fn method(&self, item: &Item) -> Option<Method> {
        let head = syn::parse2::<Head>(item.tokens.clone()).ok()?;
        let receiver = head.sig.receiver()?;
        if matches!(head.vis, Visibility::Inherited) {
            return None;
        }
        let mut method = Method::new(&head, Owner::Entity, &self.me.to_token_stream());
        if let Some(word) = head.sig.asyncness {
            let text = "an entity method is one atomic step and cannot wait: do I/O in a `#[nigh::service]`, \
                        and call it from a `#[nigh::flow]`";
            method.fail(error(word.span(), text));
        }
        match shared_receiver(&receiver.kind) {
            Some(shared) => method.reads = shared,
            None => {
                let text = "take `&self` to read or `&mut self` to change: the runtime owns the entity";
                method.fail(error_at(receiver, text));
            }
        }
        if method.reads
            && let Some(tx) = head.sig.inputs.iter().find(|i| is_tx(i))
        {
            let text = "a view can neither change nor send anything: remove `tx`, or take `&mut self`";
            method.fail(error_at(tx, text));
        }
        let claims = |word| item.claims.iter().any(|c| c == word);
        let class = match method.reads {
            true => "Read",
            false if claims("commutes") => "Commutes",
            false => "Once",
        };
        method.class = Ident::new(class, Span::call_site());
        Some(method)
    }

    /// `Wallet::at` and `WalletRef`.
    fn handle(&self, entity: &Entity) -> TokenStream {
        let (me, Entity { name, reference, vis, key, methods, .. }) = (&self.me, entity);
        let (ig, tg, wh) = self.generics.split_for_impl();
        let at = match key {
            Some(key) => quote_spanned! {key.span()=>
                /// The one with this key, wherever it lives.
                #vis fn at(key: impl ::nigh::IntoArg<#key>) -> #reference #tg {
                    ::nigh::__private::refer::<#me>(&::nigh::IntoArg::into_arg(key))
                }
            },
            // Any key will do: it was said what is missing.
            None => quote!(#vis fn at<Key>(_: Key) -> #reference #tg { ::core::unreachable!() }),
        };
        let target = quote_spanned!(me.span()=> ::nigh::__private::entity_target::<#me>(&self.key));
        let handles = methods.iter().map(|m| m.handle(&m.vis, &target));
        // Public, since `Entity::Ref` may show nothing less visible than the entity, whatever that is; but
        // documented only where a method is.
        let docs = match vis {
            Visibility::Public(_) => {
                let docs = format!("Calls of one [`{name}`]: its methods as values.");
                quote!(#[doc = #docs])
            }
            _ => quote!(#[doc(hidden)]),
        };
        let shown = reference.to_string();
        quote! {
            #docs
            #[allow(dead_code, missing_docs, unreachable_pub, private_bounds)]
            pub struct #reference #ig #wh {
                key: ::nigh::__private::Bytes,
                _of: ::core::marker::PhantomData<fn() -> #me>,
            }
            #[automatically_derived]
            impl #ig ::core::clone::Clone for #reference #tg #wh {
                fn clone(&self) -> Self {
                    Self { key: ::core::clone::Clone::clone(&self.key), _of: ::core::marker::PhantomData }
                }
            }
            #[automatically_derived]
            impl #ig ::core::fmt::Debug for #reference #tg #wh {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    f.debug_tuple(#shown).field(&self.key).finish()
                }
            }
            #[allow(dead_code, unreachable_pub)]
            impl #ig #me #wh { #at }
            #[allow(dead_code, missing_docs, unreachable_pub, clippy::all)]
            impl #ig #reference #tg #wh { #(#handles)* }
        }
    }

    /// What the runtime reads: contract and table, in the same order.
    fn described(&self, entity: &Entity) -> TokenStream {
        let (me, Entity { reference, wire_name, key, .. }) = (&self.me, entity);
        let (ig, tg, wh) = self.generics.split_for_impl();
        let key = match key {
            Some(key) => quote_spanned!(key.span()=> type Key = #key;),
            None => quote!(
                type Key = ();
            ),
        };
        let home = match &entity.home {
            Some(home) => {
                // Two types of one name are one home: then their keys are spread alike, and no more.
                let name = last(home)
                    .map_or_else(|| home.to_token_stream().to_string(), |s| s.ident.unraw().to_string());
                quote_spanned! {home.span()=>
                    type Home = #home;
                    const HOME: ::core::option::Option<&'static str> = ::core::option::Option::Some(#name);
                    fn home(
                        key: &[u8],
                    ) -> ::core::result::Result<
                        ::core::option::Option<::nigh::__private::Bytes>,
                        ::nigh::__wire::DecodeError,
                    > {
                        ::nigh::__private::home::<Self::Key, #home>(key)
                    }
                }
            }
            None => quote!(
                type Home = ::nigh::NoHome<Self>;
            ),
        };
        let name = match self.generics.params.is_empty() {
            true => quote!(::std::borrow::Cow::Borrowed(#wire_name)),
            false => quote!(::nigh::__private::instance_name::<#me>(#wire_name)),
        };
        let sound: Vec<_> = entity.methods.iter().filter(|m| !m.is_broken()).collect();
        let (rows, runs) = (sound.iter().map(|m| m.row()), sound.iter().map(|m| self.run(m)));
        let docs = docs(&self.attrs);
        // Bounds on the user's type are told about at the user's type.
        let contract = quote_spanned!(me.span()=> ::nigh::__private::entity_contract::<#me>);
        quote! {
            #[automatically_derived]
            #[allow(deprecated, unused_variables, clippy::all)]
            impl #ig ::nigh::Entity for #me #wh {
                #key
                #home
                type Ref = #reference #tg;
                fn name() -> ::std::borrow::Cow<'static, str> { #name }
                fn contract() -> ::nigh::__private::Contract {
                    #contract(::std::vec::Vec::from([#(#rows),*]), #docs)
                }
                fn table() -> &'static [::nigh::__private::Run<Self>] { const { &[#(#runs),*] } }
                fn refer(key: ::nigh::__private::Bytes) -> Self::Ref {
                    #reference { key, _of: ::core::marker::PhantomData }
                }
            }
        }
    }

    fn run(&self, method: &Method) -> TokenStream {
        let (me, cfgs) = (&self.me, &method.cfgs);
        let (take, reply) = method.run(&quote!(<#me>), &quote!(tx), &quote!());
        if method.reads {
            return quote! {
                #(#cfgs)*
                ::nigh::__private::Run::Read(|me, args| { #take ::core::result::Result::Ok(#reply) })
            };
        }
        quote! {
            #(#cfgs)*
            ::nigh::__private::Run::Write(|me, core, args| {
                #take
                ::core::result::Result::Ok(core.with::<#me, _>(|tx| #reply))
            })
        }
    }
}

fn is_tx(input: &syn::FnArg) -> bool {
    let syn::FnArg::Typed(input) = input else { return false };
    matches!(&*input.ty, Type::Reference(r) if last(&r.elem).is_some_and(|s| s.ident == "Tx"))
}

/// `Wallet::at` is as visible as the widest of its methods.
fn widest(methods: &[Method]) -> Visibility {
    let public = methods.iter().find(|m| matches!(m.vis, Visibility::Public(_)));
    public.or(methods.first()).map_or(Visibility::Inherited, |m| m.vis.clone())
}

#[cfg(test)]
mod tests;
