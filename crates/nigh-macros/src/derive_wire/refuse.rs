//! Types that cannot be in a value, by their spelling: each refusal says what to write instead.
//!
//! What only the compiler can know (a type of somebody else without `Wire`) is left to it.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Error, GenericArgument, PathArguments, ReturnType, Type};

/// Refuses what in `ty` has no wire form, at its own token. False if threads may not share it either, so
/// that no implementation can stand in.
pub(super) fn refuse(ty: &Type, errors: &mut Vec<Error>) -> bool {
    let mut all = Refusals { errors, shared: true };
    all.of(ty);
    all.shared
}

struct Refusals<'e> {
    errors: &'e mut Vec<Error>,
    shared: bool,
}

impl Refusals<'_> {
    fn say(&mut self, span: Span, message: impl std::fmt::Display) {
        self.errors.push(Error::new(span, message));
    }

    fn of(&mut self, ty: &Type) {
        match ty {
            Type::Reference(r) => {
                let owned = match &*r.elem {
                    Type::Path(p) if p.path.is_ident("str") => "`String`",
                    Type::Slice(_) => "a `Vec`",
                    _ => "the type itself",
                };
                self.say(r.and_token.span(), format!("a reference cannot travel: write {owned}"));
            }
            Type::Ptr(p) => {
                self.shared = false;
                self.say(p.star_token.span(), "a pointer cannot travel: write the type itself");
            }
            Type::FnPtr(f) => {
                self.say(f.fn_token.span(), "a function cannot travel: write an enum that names it")
            }
            Type::TraitObject(t) => {
                self.shared = false;
                self.say(t.span(), "`dyn` has no wire form: write an enum of the types it stands for");
            }
            Type::Tuple(t) => t.elems.iter().for_each(|ty| self.of(ty)),
            Type::Array(a) => self.of(&a.elem),
            Type::Group(g) => self.of(&g.elem),
            Type::Paren(p) => self.of(&p.elem),
            Type::Path(p) => p.path.segments.iter().for_each(|segment| self.segment(segment)),
            _ => {}
        }
    }

    fn segment(&mut self, segment: &syn::PathSegment) {
        let instead = match segment.ident.to_string().as_str() {
            "usize" => "`usize` has another size on other machines: write `u64`",
            "isize" => "`isize` has another size on other machines: write `i64`",
            "HashMap" => "a `HashMap` has another order in each run, so no one encoding: write `BTreeMap`",
            "HashSet" => "a `HashSet` has another order in each run, so no one encoding: write `BTreeSet`",
            _ => return self.arguments(&segment.arguments),
        };
        self.say(segment.ident.span(), instead);
    }

    fn arguments(&mut self, all: &PathArguments) {
        match all {
            PathArguments::None => {}
            PathArguments::AngleBracketed(all) => all.args.iter().for_each(|one| match one {
                GenericArgument::Type(ty) => self.of(ty),
                GenericArgument::Lifetime(l) => {
                    self.say(l.span(), "a borrowed value cannot travel: write an owned type");
                }
                _ => {}
            }),
            PathArguments::Parenthesized(all) => {
                all.inputs.iter().for_each(|arg| self.of(&arg.ty));
                if let ReturnType::Type(_, ty) = &all.output {
                    self.of(ty);
                }
            }
        }
    }
}
