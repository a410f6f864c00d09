//! Rows: a text, and what is left of it when only code counts.

use super::*;

fn check(text: &str, code: &str) {
    assert_eq!(mask(text).code, code, "of {text}");
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn only_code_is_left() {
    check(r#"a("b c") // d"#,            r#"a("   ")     "#);
    check(r#"a("\"//") b"#,              r#"a("    ") b"#);
    check("a /* b /* c */ d */ e",       "a                   e");
    check(r##"r#"a " b"# c"##,           r##"r#"      # c"##);
    check("x: &'a str, 'b'",             "x: &'a str, ' '");
    check(r"('ü', '\\', '{') {",          "('  ', '  ', ' ') {");
    check("for<'a> br(\"x\")",           "for<'a> br(\" \")");
    check("a // \"b\nc",                 "a      \nc");
    check("let é = \"é\";",              "let é = \"  \";");
}

#[test]
fn comments_are_found_outside_strings_only() {
    let text = "let a = \"// no\"; // yes\n/* // no */ b /// doc";
    let found: Vec<&str> = mask(text).comments.into_iter().map(|range| &text[range]).collect();
    assert_eq!(found, ["// yes", "/// doc"]);
}

#[test]
fn functions_are_measured_from_fn_to_brace() {
    let text =
        "trait T { fn no(&self); }\npub fn a(f: fn(u8) -> [u8; 3]) -> u8 {\n    \"}\";\n    fn b() {}\n}\n";
    let found: Vec<_> = functions(&mask(text)).into_iter().map(|f| (f.name, f.line, f.lines)).collect();
    assert_eq!(found, [("a".into(), 2, 4), ("b".into(), 4, 1)]);
}
