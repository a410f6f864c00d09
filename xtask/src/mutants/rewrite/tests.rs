//! Rows: a line, its replacement, and the line that chooses. `«a|b»` stands for the choice of a over b.

use super::*;

fn check(original: &str, replacement: &str, expected: &str) {
    let expected = expected
        .replace('«', "if crate::mutant(\"m\") { ")
        .replace('|', " } else { ")
        .replace('»', " }")
        .replace('∨', "||");
    match choice("m", original, replacement) {
        Ok(choice) => assert_eq!(choice.text, expected, "of {original}"),
        Err(error) => panic!("{original}: {error}"),
    }
}

fn refused(original: &str, replacement: &str, why: &str) {
    match choice("m", original, replacement) {
        Ok(choice) => panic!("{original} became {}", choice.text),
        Err(error) => assert!(error.contains(why), "{original}: {error}"),
    }
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn each_form_becomes_a_choice() {
    check("    let a = b < c;",               "let a = true;",               "let a = «true|b < c»;");
    check("let (a, b): X<Y> = f(x == y);",    "let (a, b): X<Y> = g();",     "let (a, b): X<Y> = «g()|f(x == y)»;");
    check("let Some(a) = b else { return };", "let Some(a) = c else { return };",
          "let Some(a) = («c|b») else { return };");
    check("let Some(a) = b else {",           "let Some(a) = c else {",      "let Some(a) = «c|b» else {");
    check("let a = if b { c } else { d };",   "let a = d;",                  "let a = «d|if b { c } else { d }»;");
    check("#[rustfmt::skip] let a = b;",      "let a = c;",                  "let a = «c|b»;");
    check("if a > b {",                       "if true {",                   "if «true|a > b» {");
    check("} else if a > b {",                "} else if true {",            "} else if «true|a > b» {");
    check("while a.next() {",                 "while false {",               "while «false|a.next()» {");
    check("match a.b(\"{\") {",               "match c {",                   "match «c|a.b(\"{\")» {");
    check("for a in b(1) {",                  "for a in c {",                "for a in «c|b(1)» {");
    check("if let Some(a) = b {",             "if let Some(a) = c {",        "if let Some(a) = («c|b») {");
    check("if let Some(a) = b && a > 1 {",    "if let Some(a) = b && true {", "if let Some(a) = b && («true|a > 1») {");
    check("if x && let Some(a) = b {",        "if !x && let Some(a) = b {",  "if («!x|x») && let Some(a) = b {");
    check("Some(a) => a + 1,",                "Some(a) => a,",               "Some(a) => «a|a + 1»,");
    check("A { b } if b > 1 => c(b),",        "A { b } if true => c(b),",    "A { b } if «true|b > 1» => c(b),");
    check("a if b > 1 => {",                  "a if b > 2 => {",             "a if «b > 2|b > 1» => {");
    check("a => b",                           "a => c",                      "a => «c|b»");
    check("at: a + 1,",                       "at: a,",                      "at: «a|a + 1»,");
    check("a.b(c),",                          "d,",                          "«d|a.b(c)»,");
    check("&& a == b",                        "&& true",                     "&& («true|a == b»)");
    check("|| a == b;",                       "|| true;",                    "∨ («true|a == b»);");
    check("self.a.push(b);",                  "();",                         "«();|self.a.push(b);»");
    check("return Err(a);",                   "return Ok(());",              "«return Ok(());|return Err(a);»");
    check("continue;",                        "();",                         "«();|continue;»");
    check("a.b()?;",                          "a.b();",                      "«a.b();|a.b()?;»");
    check("self.a = b;",                      "drop(b);",                    "«drop(b);|self.a = b;»");
    check("a.b(c);",                          "let _ = c;",                  "«let _ = c;|a.b(c);»");
    check("a.b(c)",                           "None",                        "«None|a.b(c)»");
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn what_fits_no_form_is_refused() {
    refused("let a = b;",       "let c = b;",     "`let a =` must stay");
    refused("let a = b;",       "if a {",         "the line is a `let`, the replacement the head of a block");
    refused("a();",             "a()",            "the line is a statement, the replacement a tail");
    refused("a.b(",             "a.c(",           "a bracket stays open");
    refused("})",               "})",             "the replacement is the line itself");
    refused("}) + 1",           "}) + 2",         "brackets do not match");
    refused(".filter(a)",       ".filter(b)",     "goes on from the one before");
    refused("",                 "a();",           "end of the line it replaces");
    refused("loop {",           "if true {",      "expected `if");
    refused("if let A = b {",   "if true {",      "different parts");
    refused("Some(a) => a,",    "None => a,",     "`Some(a)` must stay");
    refused("&& a || b",        "&& a",           "holds no other");
    refused("a if b => c,",     "a if d => e,",   "only one part");
}
