//! One mistake, one message, in the words the user reads. That it points at the user's token is for the eye.

use quote::quote;

/// All messages of this item, in order.
fn messages(item: &str) -> Vec<String> {
    let tokens = item.parse().expect("rows are Rust");
    let file: syn::File =
        syn::parse2(super::derive(tokens, &quote!(::nigh_wire))).expect("macros write items");
    let error = |item: syn::Item| match item {
        syn::Item::Macro(m) if m.mac.path.segments.last().is_some_and(|s| s.ident == "compile_error") => {
            Some(m.mac.parse_body::<syn::LitStr>().expect("a message is text").value())
        }
        _ => None,
    };
    file.items.into_iter().filter_map(error).collect()
}

#[track_caller]
fn check(item: &str, message: &str) {
    let all = messages(item);
    let whole = all.len() == 1 && all[0].contains(message);
    assert!(whole, "{item}\nwanted: {message}\nfound: {all:#?}");
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn refusals_say_what_to_write() {
    check("struct A { a: usize }", "write `u64`");
    check("struct A { a: Option<Vec<isize>> }", "write `i64`");
    check("struct A { a: std::collections::HashMap<u8, u8> }", "write `BTreeMap`");
    check("enum A { X(HashSet<u8>) }", "write `BTreeSet`");
    check("struct A { a: &'static str }", "write `String`");
    check("struct A { a: (u8, &'static [u8]) }", "write a `Vec`");
    check("struct A { a: [&'static B; 2] }", "write the type itself");
    check("struct A<'a> { a: &'a str, b: Cow<'a, str> }", "drop the lifetime");
    check("struct A { a: Cow<'static, str> }", "write an owned type");
    check("struct A { a: *const u8 }", "a pointer cannot travel");
    check("struct A { a: fn(u8) -> u8 }", "a function cannot travel");
    check("struct A { a: Box<dyn Fn(u8) -> u8> }", "`dyn` has no wire form");
    check("union A { a: u8 }", "write an enum");
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn attributes_have_their_place() {
    check("struct A { #[wire(defualt)] a: u8 }", "unknown word `defualt`, did you mean `default`?; allowed on a field: `rename = \"…\"`");
    check("struct A { #[wire(color)] a: u8 }", "unknown word `color`; allowed on a field");
    check("#[wire(len)] struct A { a: u8 }", "on a type that wraps one value, or on a field");
    check("#[wire(rename = \"x\")] struct A { a: u8 }", "the name of a type is not on the wire");
    check("#[wire(id)] struct A(u8, u8);", "an id wraps one value");
    check("#[wire(id)] enum A { X }", "an id wraps one value");
    check("#[wire(id)] struct A { a: u8 }", "an id wraps one value");
    check("struct A(#[wire(default)] u8, u8);", "name the fields to use it");
    check("struct A(#[wire(was = \"x\")] u8);", "name the fields to use it");
    check("enum A { #[wire(default)] X }", "a variant is never absent");
    check("enum A { #[wire(len <= 4)] X }", "`len` cannot stand on a variant; allowed there: `rename = \"…\"`, `was = \"…\"`");
    check("struct A { #[wire(rename = \"\")] a: u8 }", "a name cannot be empty");
    check("struct A { #[wire(rename)] a: u8 }", "expected `=`");
    check("struct A { #[wire(skip, skip)] a: u8 }", "`skip` is said twice");
    check("struct A { #[wire(skip, default)] a: u8 }", "nothing else can be said of it");
    check("struct A { #[wire(json_number, len <= 3)] a: u64 }", "one goes");
    check("#[wire(len <= 3)] struct A(#[wire(len <= 4)] String);", "said twice");
    check("struct A { #[wire(len <= 4 GB)] a: String }", "the units are `KiB` and `MiB`");
    check("struct A { #[wire(len < 4)] a: String }", "expected `<=`");
    check("struct A { #[wire(len <= 20000000000000 MiB)] a: String }", "over 64 bits");
    check("struct A { #[wire(default = \"a b\")] a: u8 }", "unexpected token");
    check("struct A { #[wire(skip default)] a: u8 }", "expected `,`");
    check("struct A { #[wire] a: u8 }", "expected attribute arguments");
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn names_lead_to_one_member() {
    check("struct A { #[wire(rename = \"b\")] a: u8, b: u8 }", "`b` is taken");
    check("struct A { #[wire(was = \"b\")] a: u8, b: u8 }", "`b` is taken");
    check("struct A { #[wire(was = \"a\")] a: u8 }", "`a` is taken");
    check("enum A { X, #[wire(rename = \"X\")] Y }", "`X` is taken");
    check("enum A { X { r#type: u8, #[wire(was = \"type\")] b: u8 } }", "`type` is taken");
    let fields = |n: usize| (0..n).map(|i| format!("f{i}: u8,")).collect::<String>();
    check(&format!("struct A {{ {} }}", fields(1_025)), "over 1024 members");
    assert_eq!(messages(&format!("struct A {{ {} }}", fields(1_024))), [""; 0]);
}

/// Several mistakes are all found in one pass, each once.
#[test]
fn every_mistake_is_reported() {
    let all =
        messages("struct A { #[wire(lenn <= 3)] a: usize, b: HashMap<isize, u8>, #[wire(skip)] c: usize }");
    assert_eq!(all.len(), 3, "{all:#?}");
}

#[test]
fn what_is_right_has_no_message() {
    let right = [
        "struct A;",
        "struct A {}",
        "struct A();",
        "enum A {}",
        "#[wire(id)] struct A(String);",
        "#[wire(json_number)] struct A(u64);",
        "#[wire(len <= 64, check = \"a::b\")] struct A(String);",
        "struct A(#[wire(skip)] std::sync::Mutex<usize>, u8);",
        "struct A<T: Clone, const N: usize> where T: Copy { a: [T; N] }",
        "struct A { #[wire(rename = \"x\", was = \"y\", was = \"z\", default = \"f\", len <= 1 MiB,)] a: String }",
        "enum A { #[wire(was = \"B\")] X = 5, Y(u8, #[wire(skip)] u8), Z { #[wire(default)] a: u8 } }",
    ];
    for item in right {
        assert_eq!(messages(item), [""; 0], "{item}");
    }
}
