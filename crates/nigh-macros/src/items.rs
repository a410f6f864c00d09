//! A block of items taken apart by tokens, and the settings of an attribute.
//!
//! Each item is parsed alone, and its body not at all: half-typed code costs only itself, and what is not
//! understood is left to the compiler, which says it better.

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, Expr, Lit, LitStr, Meta, Signature, Token, Type, Visibility};

/// Claims of a method and its tokens without them.
pub(crate) struct Item {
    pub(crate) tokens: TokenStream,
    pub(crate) claims: Vec<Ident>,
}

/// The items of a block. `known` are the claims to strip: any other stays, and is no attribute to the compiler.
pub(crate) fn split(block: TokenStream, known: &[&str]) -> Vec<Item> {
    let (mut items, mut tokens, mut claims) = (Vec::new(), Vec::<TokenTree>::new(), Vec::new());
    for token in block {
        let ends = match &token {
            TokenTree::Group(g) => g.delimiter() == Delimiter::Brace,
            TokenTree::Punct(p) => p.as_char() == ';',
            _ => false,
        };
        if let Some(claim) = claim(&token, known)
            && matches!(tokens.last(), Some(TokenTree::Punct(p)) if p.as_char() == '#')
        {
            tokens.pop();
            claims.push(claim);
            continue;
        }
        tokens.push(token);
        if ends {
            items.push(Item { tokens: tokens.drain(..).collect(), claims: std::mem::take(&mut claims) });
        }
    }
    items.push(Item { tokens: tokens.into_iter().collect(), claims });
    items
}

/// The claim in `[claim]`.
fn claim(token: &TokenTree, known: &[&str]) -> Option<Ident> {
    let TokenTree::Group(group) = token else { return None };
    let mut inside = group.stream().into_iter();
    match (group.delimiter(), inside.next(), inside.next()) {
        (Delimiter::Bracket, Some(TokenTree::Ident(word)), None) => {
            known.contains(&word.to_string().as_str()).then_some(word)
        }
        _ => None,
    }
}

/// A function up to its body, and the body as it is.
pub(crate) struct Head {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: TokenStream,
}

impl Parse for Head {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        Ok(Head { attrs, vis: input.parse()?, sig: input.parse()?, body: input.parse()? })
    }
}

/// The text of doc comments, a line each, without the space that starts them.
pub(crate) fn docs(attrs: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attr in attrs.iter().filter(|a| a.path().is_ident("doc")) {
        if let Meta::NameValue(pair) = &attr.meta
            && let Expr::Lit(lit) = &pair.value
            && let Lit::Str(text) = &lit.lit
        {
            let text = text.value();
            lines.push(text.strip_prefix(' ').unwrap_or(&text).to_owned());
        }
    }
    lines.join("\n").trim().to_owned()
}

/// What stands in `#[nigh::entity(…)]` and `#[nigh::service(…)]`.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) key: Option<Type>,
    pub(crate) home: Option<Type>,
    pub(crate) name: Option<String>,
    /// What was wrong; the rest still holds, so that one mistake stays one.
    pub(crate) error: Option<Error>,
}

impl Settings {
    /// `known` is told to whoever writes another one.
    pub(crate) fn parse(attr: TokenStream, known: &[&str]) -> Self {
        let mut settings = Settings::default();
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                settings.one(input, known)?;
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        let result = syn::parse::Parser::parse2(parser, attr);
        settings.error = result.err();
        settings
    }

    fn one(&mut self, input: ParseStream<'_>, known: &[&str]) -> syn::Result<()> {
        let word: Ident = input.parse()?;
        match word.to_string().as_str() {
            setting if !known.contains(&setting) => {
                let known: Vec<_> = known.iter().map(|k| format!("`{k} = …`")).collect();
                Err(Error::new(word.span(), format!("no such setting: there is {}", known.join(", "))))
            }
            "key" => {
                input.parse::<Token![=]>()?;
                self.key = Some(input.parse()?);
                Ok(())
            }
            "home" => {
                input.parse::<Token![=]>()?;
                self.home = Some(input.parse()?);
                Ok(())
            }
            _ => {
                input.parse::<Token![=]>()?;
                let name: LitStr = input.parse()?;
                let text = name.value();
                let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
                if !text.starts_with(|c: char| c.is_ascii_alphabetic()) || !text.chars().all(fits) {
                    let rule = "a name on the wire is a letter, then letters, digits, `_`, `-` or `.`";
                    return Err(Error::new(name.span(), rule));
                }
                self.name = Some(text);
                Ok(())
            }
        }
    }
}

/// A message at one place.
pub(crate) fn error(span: Span, text: &str) -> TokenStream {
    Error::new(span, text).into_compile_error()
}
/// A message at these tokens.
pub(crate) fn error_at(tokens: impl ToTokens, text: &str) -> TokenStream {
    Error::new_spanned(tokens, text).into_compile_error()
}
