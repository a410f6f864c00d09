//! `#[wire(…)]`: what may be said of a type, a field, an element of a tuple, a variant.
//!
//! Every mistake is reported at its own token, with the words that are allowed at that place.

use proc_macro2::Span;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Error, Ident, LitInt, LitStr, Path, Result, Token};

/// Where an attribute stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On a struct that wraps one value.
    Newtype,
    /// On any other type.
    Type,
    /// On a field with a name.
    Field,
    /// On an element of a tuple.
    Element,
    /// On a variant.
    Variant,
}

impl Place {
    fn allowed(self) -> &'static [&'static str] {
        match self {
            Place::Newtype => &["id", "json_number", "len", "check"],
            Place::Type => &[],
            Place::Field => &["rename", "was", "default", "skip", "json_number", "len", "check"],
            Place::Element => &["skip", "json_number", "len", "check"],
            Place::Variant => &["rename", "was"],
        }
    }
    fn name(self) -> &'static str {
        match self {
            Place::Newtype => "a type that wraps one value",
            Place::Type => "a type of this kind",
            Place::Field => "a field",
            Place::Element => "an element of a tuple",
            Place::Variant => "a variant",
        }
    }
}

/// Every word there is.
const WORDS: [&str; 8] = ["rename", "was", "default", "skip", "json_number", "len", "check", "id"];

/// What absence stands for.
#[derive(Clone)]
pub(super) enum Absent {
    /// `Default::default()`.
    Default(Span),
    /// What this function returns.
    Path(Path),
}

/// What was said.
#[derive(Clone, Default)]
pub(super) struct Attrs {
    pub(super) rename: Option<LitStr>,
    pub(super) was: Vec<LitStr>,
    pub(super) default: Option<Absent>,
    pub(super) skip: Option<Span>,
    pub(super) json_number: Option<Span>,
    pub(super) id: Option<Span>,
    /// In bytes or elements.
    pub(super) len_max: Option<(Span, u64)>,
    pub(super) check: Option<Path>,
    /// Doc comment, its lines without their first space.
    pub(super) docs: String,
}

impl Attrs {
    /// Reads all attributes; mistakes go to `errors`, what was right is kept.
    pub(super) fn read(attrs: &[Attribute], place: Place, errors: &mut Vec<Error>) -> Attrs {
        let mut said = Attrs { docs: docs(attrs), ..Attrs::default() };
        for attr in attrs.iter().filter(|a| a.path().is_ident("wire")) {
            let parsed = attr.parse_args_with(|input: ParseStream<'_>| {
                while !input.is_empty() {
                    said.word(input, place)?;
                    if !input.is_empty() {
                        input.parse::<Token![,]>()?;
                    }
                }
                Ok(())
            });
            errors.extend(parsed.err());
        }
        said.check_pairs(errors);
        said
    }

    fn word(&mut self, input: ParseStream<'_>, place: Place) -> Result<()> {
        let word = input.call(Ident::parse_any)?;
        let name = word.to_string();
        if !place.allowed().contains(&name.as_str()) {
            return Err(Error::new(word.span(), misplaced(&name, place)));
        }
        let twice = match name.as_str() {
            "rename" => self.rename.replace(text(input)?).is_some(),
            "was" => {
                self.was.push(text(input)?);
                false
            }
            "default" if input.peek(Token![=]) => self.default.replace(Absent::Path(path(input)?)).is_some(),
            "default" => self.default.replace(Absent::Default(word.span())).is_some(),
            "skip" => self.skip.replace(word.span()).is_some(),
            "json_number" => self.json_number.replace(word.span()).is_some(),
            "id" => self.id.replace(word.span()).is_some(),
            "len" => self.len_max.replace((word.span(), length(input)?)).is_some(),
            _ => self.check.replace(path(input)?).is_some(),
        };
        if twice { Err(Error::new(word.span(), format!("`{name}` is said twice"))) } else { Ok(()) }
    }

    fn check_pairs(&self, errors: &mut Vec<Error>) {
        if let (Some(span), Some(_)) = (self.json_number, &self.len_max) {
            errors.push(Error::new(
                span,
                "`json_number` is for integers, `len` for text and elements: one goes",
            ));
        }
        let rest = self.rename.is_some() || !self.was.is_empty() || self.default.is_some();
        let rest = rest || self.json_number.is_some() || self.len_max.is_some() || self.check.is_some();
        if let (Some(span), true) = (self.skip, rest) {
            errors
                .push(Error::new(span, "what is skipped is not on the wire: nothing else can be said of it"));
        }
    }

    /// Takes what was said on a newtype for its content.
    pub(super) fn absorb(&mut self, outer: &Attrs, errors: &mut Vec<Error>) {
        let twice = [
            outer.json_number.filter(|_| self.json_number.is_some()),
            outer.len_max.filter(|_| self.len_max.is_some()).map(|(span, _)| span),
        ];
        errors.extend(twice.into_iter().flatten().map(|s| Error::new(s, "said twice: here and inside")));
        self.json_number = self.json_number.or(outer.json_number);
        self.len_max = self.len_max.or(outer.len_max);
        self.check = self.check.take().or(outer.check.clone());
        let before = errors.len();
        if before == 0 {
            self.check_pairs(errors);
        }
    }
}

fn misplaced(name: &str, place: Place) -> String {
    let known = WORDS.contains(&name);
    let why = match (name, place) {
        ("default" | "rename" | "was", Place::Element) => {
            "the elements of a tuple have a place and no name: name the fields to use it"
        }
        ("default", Place::Variant) => "a variant is never absent: put it on the field that holds the enum",
        ("rename" | "was", Place::Type | Place::Newtype) => "the name of a type is not on the wire",
        ("id", Place::Type) => "an id wraps one value: `struct UserId(String)`",
        ("json_number" | "len" | "check", Place::Type) => {
            "it goes on a type that wraps one value, or on a field"
        }
        _ => "",
    };
    let words = match place.allowed() {
        [] => "nothing".to_owned(),
        all => all.iter().map(|word| shown(word)).collect::<Vec<_>>().join(", "),
    };
    match (known, why) {
        (true, "") => format!("`{name}` cannot stand on {}; allowed there: {words}", place.name()),
        (true, why) => format!("`{name}` cannot stand on {}: {why}", place.name()),
        (false, _) => {
            let near =
                place.allowed().iter().filter(|w| distance(name, w) <= 2).min_by_key(|w| distance(name, w));
            let near = near.map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
            format!("unknown word `{name}`{near}; allowed on {}: {words}", place.name())
        }
    }
}

/// A word as it is written.
fn shown(word: &str) -> String {
    match word {
        "rename" | "was" => format!("`{word} = \"…\"`"),
        "default" => "`default`, `default = \"path\"`".into(),
        "len" => "`len <= N`".into(),
        "check" => "`check = \"path\"`".into(),
        _ => format!("`{word}`"),
    }
}

/// `= "x"`, not empty.
fn text(input: ParseStream<'_>) -> Result<LitStr> {
    input.parse::<Token![=]>()?;
    let text: LitStr = input.parse()?;
    if text.value().is_empty() { Err(Error::new(text.span(), "a name cannot be empty")) } else { Ok(text) }
}

/// `= "path"`.
fn path(input: ParseStream<'_>) -> Result<Path> {
    text(input)?.parse()
}

/// `<= 64`, `<= 256 MiB`.
fn length(input: ParseStream<'_>) -> Result<u64> {
    input.parse::<Token![<=]>()?;
    let number: LitInt = input.parse()?;
    let value: u64 = number.base10_parse()?;
    let unit = match input.peek(Ident) {
        false => 1,
        true => match input.parse::<Ident>()? {
            unit if unit == "KiB" => 1 << 10,
            unit if unit == "MiB" => 1 << 20,
            other => return Err(Error::new(other.span(), "the units are `KiB` and `MiB`")),
        },
    };
    value.checked_mul(unit).ok_or_else(|| Error::new(number.span(), "over 64 bits"))
}

/// Doc comments of an item as they read.
fn docs(attrs: &[Attribute]) -> String {
    let mut lines = vec![];
    for attr in attrs.iter().filter(|a| a.path().is_ident("doc")) {
        if let syn::Meta::NameValue(pair) = &attr.meta
            && let Ok(line) = syn::parse2::<LitStr>(pair.value.to_token_stream())
        {
            let line = line.value();
            lines.push(line.strip_prefix(' ').unwrap_or(&line).to_owned());
        }
    }
    lines.join("\n").trim().to_owned()
}

/// Characters to change, add or drop (Levenshtein), of two words.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.bytes().enumerate() {
        let mut left_above = row[0];
        row[0] = i + 1;
        for (j, cb) in b.bytes().enumerate() {
            let change = left_above + usize::from(ca != cb);
            left_above = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}
