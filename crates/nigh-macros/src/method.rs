//! What the macros know about one method, the method of the handle, and how a runtime calls it.
//!
//! A faulty method still gets its handle, as well as it can be, so that a mistake is told once and not again
//! at each use. Its handle does nothing, and no runtime hears of it: the crate does not compile anyway.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, FnArg, GenericArgument, Generics, Pat, PatType, PathArguments, ReceiverKind, ReturnType, Type,
    Visibility,
};

use crate::items::{Head, docs, error, error_at};

/// Most arguments of a method: what the codec has tuples for.
const ARGS_MAX: usize = 8;

/// Whose method it is.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Owner {
    Entity,
    Service,
}

/// One method.
pub(crate) struct Method {
    /// Docs, `cfg` and `deprecated`: what the handle has too.
    attrs: Vec<Attribute>,
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) name: Ident,
    generics: Generics,
    pub(crate) reads: bool,
    pub(crate) class: Ident,
    /// All parameters in order: the number of an argument, or `None` for what the runtime passes.
    order: Vec<Option<usize>>,
    args: Vec<(Ident, Type)>,
    pub(crate) ret: TokenStream,
    ok: TokenStream,
    err: Option<TokenStream>,
    docs: String,
    pub(crate) errors: TokenStream,
}

/// The last word of a path type.
pub(crate) fn last(ty: &Type) -> Option<&syn::PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// True for `&self`, false for `&mut self`, nothing for any other receiver.
pub(crate) fn shared_receiver(kind: &ReceiverKind) -> Option<bool> {
    match kind {
        ReceiverKind::Reference(_, _, mutability) => Some(mutability.is_none()),
        ReceiverKind::Typed(_, ty) => match &**ty {
            Type::Reference(r) if last(&r.elem).is_some_and(|s| s.ident == "Self") => {
                Some(r.mutability.is_none())
            }
            _ => None,
        },
        _ => None,
    }
}

/// The type that a borrowed argument should have had, and how to write it.
fn owned(ty: &Type) -> (Type, String) {
    let Type::Reference(r) = ty else { return (ty.clone(), String::new()) };
    let text = |t: &dyn ToTokens| t.to_token_stream().to_string().replace(' ', "");
    match &*r.elem {
        Type::Slice(s) => {
            let item = &s.elem;
            (syn::parse_quote!(::std::vec::Vec<#item>), format!("Vec<{}>", text(item)))
        }
        t if last(t).is_some_and(|s| s.ident == "str") => {
            (syn::parse_quote!(::std::string::String), "String".to_owned())
        }
        t => (t.clone(), text(t)),
    }
}

/// `Self` means another type on the handle.
fn replace_self(tokens: TokenStream, with: &TokenStream) -> TokenStream {
    let replace = |token| match token {
        TokenTree::Ident(word) if word == "Self" => {
            let here = |mut t: TokenTree| {
                t.set_span(word.span());
                t
            };
            with.clone().into_iter().map(here).collect()
        }
        TokenTree::Group(group) => {
            let mut inner = proc_macro2::Group::new(group.delimiter(), replace_self(group.stream(), with));
            inner.set_span(group.span());
            TokenStream::from(TokenTree::Group(inner))
        }
        token => token.into(),
    };
    tokens.into_iter().flat_map(replace).collect()
}

impl Method {
    /// `me` is what `Self` means.
    pub(crate) fn new(head: &Head, owner: Owner, me: &TokenStream) -> Self {
        let carried = ["doc", "cfg", "deprecated"];
        let is = |words: &[&str], a: &Attribute| words.iter().any(|w| a.path().is_ident(w));
        let of = |words: &[&str]| head.attrs.iter().filter(|a| is(words, a)).cloned().collect();
        let mut method = Method {
            attrs: of(&carried),
            cfgs: of(&["cfg"]),
            vis: head.vis.clone(),
            name: head.sig.ident.clone(),
            generics: head.sig.generics.clone(),
            reads: false,
            class: Ident::new("Once", Span::call_site()),
            order: Vec::new(),
            args: Vec::new(),
            ret: match &head.sig.output {
                ReturnType::Default => quote!(()),
                ReturnType::Type(_, ty) => replace_self(ty.to_token_stream(), me),
            },
            ok: TokenStream::new(),
            err: None,
            docs: docs(&head.attrs),
            errors: TokenStream::new(),
        };
        if let Some(generic) = head.sig.generics.params.first() {
            let text = "a method with type parameters has no single wire form: write concrete types";
            method.fail(error_at(generic, text));
        }
        for input in &head.sig.inputs {
            if let FnArg::Typed(input) = input {
                method.parameter(input, owner, me);
            }
        }
        method.answer();
        method
    }

    pub(crate) fn fail(&mut self, message: TokenStream) {
        self.errors.extend(message);
    }
    pub(crate) fn is_broken(&self) -> bool {
        !self.errors.is_empty()
    }

    fn parameter(&mut self, input: &PatType, owner: Owner, me: &TokenStream) {
        let passed = match (owner, &*input.ty) {
            (Owner::Entity, Type::Reference(r)) => last(&r.elem).is_some_and(|s| s.ident == "Tx"),
            (Owner::Service, ty) => last(ty).is_some_and(|s| s.ident == "Asked"),
            _ => false,
        };
        if passed {
            if self.order.contains(&None) {
                self.fail(error_at(input, "the same thing is passed twice: one is enough"));
            }
            self.order.push(None);
            return;
        }
        let (ty, shown) = owned(&input.ty);
        if let Type::Reference(_) = &*input.ty {
            let text =
                format!("an argument travels to another process, so it must be owned: write `{shown}`");
            self.fail(error_at(&input.ty, &text));
        }
        if let Type::ImplTrait(_) = &*input.ty {
            self.fail(error_at(
                &input.ty,
                "an argument travels, so it has one wire form: write a concrete type",
            ));
        }
        let name = match &*input.pat {
            Pat::Ident(pat) => pat.ident.clone(),
            pat => {
                self.fail(error_at(pat, "an argument travels under its name: write `name: Type`"));
                format_ident!("arg{}", self.args.len(), span = pat.span())
            }
        };
        if self.args.len() == ARGS_MAX {
            let text = "a method takes at most 8 arguments: put some into one `#[derive(Wire)]` struct";
            self.fail(error_at(input, text));
        }
        let ty = syn::parse2(replace_self(ty.to_token_stream(), me)).unwrap_or(ty);
        self.order.push(Some(self.args.len()));
        self.args.push((name, ty));
    }

    /// `Result` is known by its name: an alias is caught by the type checker.
    fn answer(&mut self) {
        self.ok = self.ret.clone();
        let Ok(ty) = syn::parse2::<Type>(self.ret.clone()) else { return };
        let Some(segment) = last(&ty).filter(|s| s.ident == "Result") else { return };
        let mut types = Vec::new();
        if let PathArguments::AngleBracketed(all) = &segment.arguments {
            let only = |a: &GenericArgument| match a {
                GenericArgument::Type(t) => Some(t.to_token_stream()),
                _ => None,
            };
            types.extend(all.args.iter().filter_map(only));
        }
        if let [ok, err] = &types[..] {
            (self.ok, self.err) = (ok.clone(), Some(err.clone()));
        } else {
            self.fail(error_at(&ty, "write `Result<T, E>` with both types: the error is part of the wire"));
        }
    }

    /// Its wire name.
    pub(crate) fn wire_name(&self) -> String {
        self.name.unraw().to_string()
    }
    fn names(&self) -> Vec<&Ident> {
        self.args.iter().map(|(name, _)| name).collect()
    }
    /// Its parameters as somebody else declares them, with their types.
    fn declared(&self, what: impl Fn(&Type) -> TokenStream) -> Vec<TokenStream> {
        let one = |(name, ty): &(Ident, Type)| {
            let ty = what(ty);
            quote!(#name: #ty)
        };
        self.args.iter().map(one).collect()
    }
    fn codec(&self) -> TokenStream {
        let args = format_ident!("args{}", self.args.len());
        let types = self.args.iter().map(|(_, ty)| ty);
        quote!(::nigh::__private::#args::<#(#types),*>())
    }
    fn returned(&self) -> TokenStream {
        match (&self.ok, &self.err) {
            (ok, Some(err)) => quote!(::nigh::__private::outcome::<#ok, #err>()),
            (ok, None) => quote_spanned!(ok.span()=> ::nigh::__private::plain::<#ok>()),
        }
    }

    /// The method of the handle.
    pub(crate) fn handle(&self, vis: &Visibility, target: &TokenStream) -> TokenStream {
        let (attrs, name, ok, reads) = (&self.attrs, &self.name, &self.ok, self.reads);
        let kind = if reads { quote!(View) } else { quote!(Call) };
        let errors = self.err.as_ref().map(|e| quote!(, #e));
        let call = quote!(::nigh::#kind<#ok #errors>);
        if self.is_broken() {
            let (generics, _, wh) = self.generics.split_for_impl();
            let params = self.declared(|ty| match ty {
                Type::ImplTrait(_) => quote!(impl ::core::marker::Sized),
                ty if !self.generics.params.is_empty() => ty.to_token_stream(),
                ty => quote!(impl ::nigh::IntoArg<#ty>),
            });
            return quote! {
                #(#attrs)*
                #[allow(unused_variables)]
                #vis fn #name #generics (&self, #(#params),*) -> #call #wh { ::core::unreachable!() }
            };
        }
        let params = self.declared(|ty| quote_spanned!(ty.span()=> impl ::nigh::IntoArg<#ty>));
        let (names, wire, codec) = (self.names(), self.wire_name(), self.codec());
        quote! {
            #(#attrs)*
            #vis fn #name(&self, #(#params),*) -> #call {
                let args = #codec.pack((#(::nigh::IntoArg::into_arg(#names),)*));
                ::nigh::__private::call(&#target, #wire, #reads, args)
            }
        }
    }

    /// Its row in the contract.
    pub(crate) fn row(&self) -> TokenStream {
        let (cfgs, wire, class, docs) = (&self.cfgs, self.wire_name(), &self.class, &self.docs);
        let (codec, returned) = (self.codec(), self.returned());
        let names = self.args.iter().map(|(name, _)| name.unraw().to_string());
        quote! {
            #(#cfgs)*
            ::nigh::__private::method(
                #wire, ::nigh::__private::Class::#class, #codec.schema(&[#(#names),*]), &#returned, #docs,
            )
        }
    }

    /// Statements that bind its arguments, taken from `args`; and the reply of `callee(first, arguments)`,
    /// where `passed` stands for what is no argument.
    pub(crate) fn run(
        &self,
        callee: &TokenStream,
        passed: &TokenStream,
        finish: &TokenStream,
    ) -> (TokenStream, TokenStream) {
        let bind = |i: usize| format_ident!("a{i}", span = Span::mixed_site());
        let (binds, codec, wire) = ((0..self.args.len()).map(bind), self.codec(), self.wire_name());
        let inputs = self.order.iter().map(|input| match input {
            Some(i) => bind(*i).to_token_stream(),
            None => passed.clone(),
        });
        let (name, returned) = (&self.name, self.returned());
        let called = quote_spanned!(name.span()=> #callee::#name);
        (
            quote!(let (#(#binds,)*) = #codec.take(#wire, args)?;),
            quote!(#returned.reply(#called(me, #(#inputs),*) #finish)),
        )
    }

    /// As a trait of plain functions declares it: parameters and their types, with what is passed.
    pub(crate) fn plain_inputs(&self) -> (Vec<TokenStream>, Vec<TokenStream>) {
        let one = |input: &Option<usize>| match input {
            Some(i) => {
                let (name, ty) = &self.args[*i];
                (quote!(#name: #ty), quote!(#name))
            }
            None => (quote!(asked: ::nigh::Asked), quote!(asked)),
        };
        self.order.iter().map(one).unzip()
    }

    /// Claims that do not fit, or are said about nothing that travels.
    pub(crate) fn refuse_claims(claims: &[Ident]) -> TokenStream {
        let one = |claim: &Ident| {
            let text = format!("`#[{claim}]` is a promise about a method that travels: this one is private");
            error(claim.span(), &text)
        };
        claims.iter().map(one).collect()
    }
}
