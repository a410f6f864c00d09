//! `#[nigh::service]`: a handle and a dispatcher beside a trait of `async fn`s.
//!
//! The trait itself is rewritten, `async fn` to `fn -> impl Future + Send`: nothing else can demand that the
//! futures of all implementations may move between threads. `where Self: Sized` on each method keeps
//! `dyn Payments` a legal type; a hidden supertrait carries what can be called through it.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Attribute, Error, Ident, Token, Visibility};

use crate::items::{Head, Item, Settings, docs, error, error_at, split};
use crate::method::{Method, Owner, shared_receiver};

const CLAIMS: [&str; 2] = ["view", "idempotent"];

/// The trait, rewritten, and what was added; or as it was, and the reason why not.
pub(crate) fn expand(attr: TokenStream, item: TokenStream) -> TokenStream {
    match syn::parse2::<Contract>(item.clone()) {
        Ok(contract) => contract.expand(attr),
        Err(why) => {
            let why = why.into_compile_error();
            quote!(#item #why)
        }
    }
}

/// A trait up to its braces, and what is between them.
struct Contract {
    attrs: Vec<Attribute>,
    vis: Visibility,
    name: Ident,
    supertraits: TokenStream,
    body: TokenStream,
}

impl Parse for Contract {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        if !input.peek(Token![trait]) {
            return Err(input.error("`service` goes on a trait: its methods are what can be asked"));
        }
        input.parse::<Token![trait]>()?;
        let name = input.parse()?;
        if input.peek(Token![<]) {
            return Err(input.error("a service has no parameters: it is one contract with one name"));
        }
        let mut supertraits = TokenStream::new();
        if input.parse::<Option<Token![:]>>()?.is_some() {
            while !input.peek(syn::token::Brace) {
                supertraits.extend([input.parse::<TokenTree>()?]);
            }
        }
        let body = input.parse::<proc_macro2::Group>()?.stream();
        Ok(Contract { attrs, vis, name, supertraits, body })
    }
}

/// What to say about an item that is no method. A half-typed one the compiler has told about by now.
fn unread(item: TokenStream) -> TokenStream {
    let is_fn = |token: TokenTree| matches!(token, TokenTree::Ident(word) if word == "fn");
    if item.is_empty() || item.clone().into_iter().any(is_fn) {
        return TokenStream::new();
    }
    error_at(item, "a service has methods only")
}

/// A method and how it was written.
struct Offered {
    method: Method,
    head: Head,
}

impl Contract {
    fn expand(self, attr: TokenStream) -> TokenStream {
        let settings = Settings::parse(attr, &["name"]);
        let mut errors = settings.error.map(Error::into_compile_error).unwrap_or_default();
        let wire_name = settings.name.unwrap_or_else(|| self.name.unraw().to_string());
        let (mut kept, mut offered) = (TokenStream::new(), Vec::new());
        for item in split(self.body.clone(), &CLAIMS) {
            match syn::parse2::<Head>(item.tokens.clone()) {
                Ok(head) => {
                    let one = Offered { method: self.method(&head, &item), head };
                    kept.extend(one.rewritten());
                    errors.extend(one.method.errors.clone());
                    offered.push(one);
                }
                // Left out: `dyn Payments` cannot have what is no method of it.
                Err(_) => errors.extend(unread(item.tokens)),
            }
        }
        let Contract { attrs, vis, name, supertraits, .. } = &self;
        let dynamic = format_ident!("__Dyn{}", name.unraw());
        let more = (!supertraits.is_empty()).then(|| quote!(+ #supertraits));
        let dispatch = self.dispatch(&dynamic, &wire_name, &offered);
        let handle = self.handle(&wire_name, &offered);
        quote! {
            #(#attrs)*
            #vis trait #name: #dynamic #more { #kept }
            #errors
            #dispatch
            #handle
        }
    }

    fn method(&self, head: &Head, item: &Item) -> Method {
        let mut method = Method::new(head, Owner::Service, &quote!(Self));
        if head.sig.asyncness.is_none() {
            method.fail(error(head.sig.fn_token.span(), "a service method may wait: write `async fn`"));
        }
        match head.sig.receiver() {
            Some(receiver) if shared_receiver(&receiver.kind) == Some(true) => {}
            Some(receiver) => method.fail(error_at(receiver, "a service is shared: take `&self`")),
            None => method.fail(error_at(&head.sig.ident, "a service method takes `&self`")),
        }
        let claims = |word| item.claims.iter().any(|c| c == word);
        method.reads = claims("view");
        let class = match method.reads {
            true => "Read",
            false if claims("idempotent") => "Idempotent",
            false => "Once",
        };
        method.class = Ident::new(class, Span::call_site());
        method
    }

    /// What can be called through `dyn Payments`, and who answers.
    fn dispatch(&self, dynamic: &Ident, wire_name: &str, offered: &[Offered]) -> TokenStream {
        let (vis, name) = (&self.vis, &self.name);
        let sound: Vec<_> = offered.iter().filter(|o| !o.method.is_broken()).collect();
        let declared = sound.iter().map(|o| o.declared());
        let boxed = sound.iter().map(|o| o.boxed(name));
        let shared = offered.iter().map(|o| o.shared(name, dynamic));
        let rows = sound.iter().map(|o| o.method.row());
        let arms = sound.iter().map(|o| o.arm(name));
        let docs = docs(&self.attrs);
        let future = quote!(::nigh::__private::BoxFuture);
        let result = quote! {
            ::core::result::Result<::nigh::__private::Reply, ::nigh::Cause>
        };
        let signature = quote! {
            fn __dispatch(&self, method: usize, asked: ::nigh::Asked, args: ::nigh::__private::Value)
                -> #future<'_, #result>
        };
        quote! {
            #[doc(hidden)]
            #vis trait #dynamic: ::core::marker::Send + ::core::marker::Sync + 'static {
                #(#declared;)*
                #signature;
            }
            #[automatically_derived]
            #[allow(deprecated, unused_variables, unused_assignments, clippy::all)]
            impl<T: #name> #dynamic for T {
                #(#boxed)*
                #signature {
                    let me = self;
                    let mut number = 0usize;
                    #(#arms)*
                    ::std::boxed::Box::pin(async move { ::nigh::__private::unknown(#wire_name, method) })
                }
            }
            #[automatically_derived]
            #[allow(deprecated, unused_variables, clippy::all)]
            impl #name for ::std::sync::Arc<dyn #name> { #(#shared)* }
            #[automatically_derived]
            impl<T: #name> ::core::convert::From<T> for ::std::boxed::Box<dyn #name> {
                fn from(implementation: T) -> Self { ::std::boxed::Box::new(implementation) }
            }
            #[automatically_derived]
            #[allow(clippy::all)]
            impl ::nigh::Service for dyn #name {
                fn contract() -> ::nigh::__private::Contract {
                    ::nigh::__private::service_contract(#wire_name, ::std::vec::Vec::from([#(#rows),*]), #docs)
                }
                fn dispatch(&self, method: usize, asked: ::nigh::Asked, args: ::nigh::__private::Value)
                    -> #future<'_, #result>
                {
                    <Self as #dynamic>::__dispatch(self, method, asked, args)
                }
            }
        }
    }

    /// `PaymentsRef`.
    fn handle(&self, wire_name: &str, offered: &[Offered]) -> TokenStream {
        let (vis, name) = (&self.vis, &self.name);
        let reference = format_ident!("{}Ref", name.unraw(), span = name.span());
        let docs = format!("Calls of [`{name}`]: its methods as values.");
        let target = quote!(::nigh::__private::service_target(#wire_name));
        let handles = offered.iter().map(|o| o.method.handle(vis, &target));
        quote! {
            #[doc = #docs]
            #[derive(Clone, Debug)]
            #vis struct #reference { _private: () }
            #[allow(dead_code, missing_docs, unreachable_pub, clippy::all)]
            impl #reference {
                /// Whichever process offers it.
                #vis fn any() -> Self { Self { _private: () } }
                #(#handles)*
            }
        }
    }
}

impl Offered {
    /// The method of the trait. One that is not `async` stays as it is, so that its implementations fit.
    fn rewritten(&self) -> TokenStream {
        let (Head { attrs, sig, body, .. }, ret) = (&self.head, &self.method.ret);
        let mut sig = sig.clone();
        sig.generics.make_where_clause().predicates.push(syn::parse_quote!(Self: ::core::marker::Sized));
        let is_async = sig.asyncness.take().is_some();
        if !is_async {
            return quote!(#(#attrs)* #sig #body);
        }
        let span = ret.span();
        let future = quote_spanned!(span=> impl ::core::future::Future<Output = #ret> + ::core::marker::Send);
        sig.output = syn::parse_quote!(-> #future);
        let body = match body.to_string() == ";" {
            true => body.clone(),
            false => quote!({ async move #body }),
        };
        quote!(#(#attrs)* #sig #body)
    }

    fn hidden(&self) -> Ident {
        format_ident!("__{}", self.method.name.unraw())
    }
    /// The method of the hidden supertrait.
    fn declared(&self) -> TokenStream {
        let (name, ret, cfgs) = (self.hidden(), &self.method.ret, &self.method.cfgs);
        let (params, _) = self.method.plain_inputs();
        quote!(#(#cfgs)* fn #name(&self, #(#params),*) -> ::nigh::__private::BoxFuture<'_, #ret>)
    }
    /// It, for an implementation of the trait.
    fn boxed(&self, of: &Ident) -> TokenStream {
        let (declared, name) = (self.declared(), &self.method.name);
        let (_, inputs) = self.method.plain_inputs();
        quote!(#declared { ::std::boxed::Box::pin(<T as #of>::#name(self, #(#inputs),*)) })
    }
    /// The method of the trait, for a shared implementation of it.
    fn shared(&self, of: &Ident, dynamic: &Ident) -> TokenStream {
        let (name, hidden, cfgs) = (&self.method.name, self.hidden(), &self.method.cfgs);
        if self.method.is_broken() {
            let sig = &self.head.sig;
            return quote!(#(#cfgs)* #[allow(unused_variables)] #sig { ::core::unreachable!() });
        }
        let ((params, inputs), ret) = (self.method.plain_inputs(), &self.method.ret);
        let output = quote!(::core::future::Future<Output = #ret> + ::core::marker::Send);
        quote! {
            #(#cfgs)*
            fn #name(&self, #(#params),*) -> impl #output {
                <dyn #of as #dynamic>::#hidden(&**self, #(#inputs),*)
            }
        }
    }
    /// One place in the dispatcher: numbers are counted, since `cfg` may leave a method out.
    fn arm(&self, of: &Ident) -> TokenStream {
        let cfgs = &self.method.cfgs;
        let (take, reply) = self.method.run(&quote!(<T as #of>), &quote!(asked), &quote!(.await));
        quote! {
            #(#cfgs)*
            {
                if method == number {
                    return ::std::boxed::Box::pin(async move {
                        #take
                        ::core::result::Result::Ok(#reply)
                    });
                }
                number += 1;
            }
        }
    }
}
