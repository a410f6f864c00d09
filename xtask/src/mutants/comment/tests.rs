//! Rows: source with comments, and the mutants or complaints that come of it.

use super::*;

fn check(text: &str, expected: &[&str]) {
    let found: Vec<String> = markers(Path::new("a.rs"), text)
        .into_iter()
        .map(|marker| match marker {
            Ok(marker) => format!("{} {} {}", marker.name, marker.line, marker.choice),
            Err(error) => error,
        })
        .collect();
    let as_expected = found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected));
    assert!(as_expected && found.len() == expected.len(), "{text}\ngave {found:#?}");
}

#[test]
fn comments_become_mutants_with_their_place() {
    check(
        "fn a() {\n    b(); // mutant m-1: ();\n}\n",
        &["m-1 2     if crate::mutant(\"m-1\") { (); } else { b(); }"],
    );
    check("let a = \"// mutant m: no\"; // a mutant is none\n", &[]);
    check("a(); // mutant M: ();", &["a.rs:1: `M` is no name"]);
    check("a(); // mutant m", &["a.rs:1: expected `// mutant NAME: replacement`"]);
    check("// mutant m: a();", &["a.rs:1: a mutant stands at the end of the line"]);
    check(
        "if a {\n    // mutant m: if b {\n    c();\n}",
        &["m 1 if if crate::mutant(\"m\") { b } else { a } {"],
    );
    check("if a {\n\n    // mutant m: if b {\n}", &["a.rs:3: a mutant stands at the end of the line"]);
    check("let b =\n    a(); // mutant m: c();", &["a.rs:2: the line goes on from the one before"]);
    check("{\n    a // mutant m: b\n        .c()\n}", &["a.rs:2: the next line goes on with this one"]);
    check("{\n    a // mutant m: b\n    // why\n}", &["m 2 "]);
}
