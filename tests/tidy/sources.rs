//! How each Rust file looks: header, size, length of functions, mutants, rules quoted, no ambient anything.

use std::path::Path;

use xtask::files;
use xtask::mutants;
use xtask::source::{functions, mask};

use crate::{has_word, none};

/// Beyond this a file is named, so that somebody thinks about it.
const FILE_LINES_SOFT: usize = 500;
/// Beyond this it fails; tests apart.
const FILE_LINES_MAX: usize = 1000;
/// A longer function says why: `// long: …`.
const FUNCTION_LINES_MAX: usize = 70;

#[test]
fn every_file_opens_with_a_header() {
    let complaints = files::rust(&files::root())
        .into_iter()
        .filter(|(path, text)| !text.starts_with("//!") && !is_fixture(path))
        .map(|(path, _)| path.display().to_string());
    none(complaints.collect(), "every .rs file opens with `//!`: idea, reading order, what it never does");
}

#[test]
fn files_are_short() {
    let mut complaints = Vec::new();
    for (path, text) in files::rust(&files::root()) {
        let lines = text.lines().count();
        if files::is_test(&path) || lines <= FILE_LINES_SOFT {
            continue;
        }
        println!("{}: {lines} lines, think about splitting it by responsibility", path.display());
        if lines > FILE_LINES_MAX {
            complaints.push(format!("{}: {lines} lines", path.display()));
        }
    }
    none(complaints, &format!("no file has more than {FILE_LINES_MAX} lines"));
}

#[test]
fn functions_are_short_or_say_why() {
    let mut complaints = Vec::new();
    for (path, text) in files::rust(&files::root()) {
        let lines: Vec<&str> = text.lines().collect();
        for function in functions(&mask(&text)) {
            let first = function.line.saturating_sub(1);
            // Its attributes and comments stand in the few lines above it.
            let span = &lines[first.saturating_sub(8)..(first + function.lines).min(lines.len())];
            let argued = span.iter().any(|line| line.contains("// long: "));
            if function.lines > FUNCTION_LINES_MAX && !argued {
                let place = format!("{}:{}", path.display(), function.line);
                complaints.push(format!("{place}: `{}` has {} lines", function.name, function.lines));
            }
        }
    }
    none(complaints, "functions have at most 70 lines, or say why: `// long: …`");
}

/// The pure crates: whatever they need of the world comes in as an argument.
#[test]
fn machines_touch_nothing_ambient() {
    let banned = [
        "Instant::now",
        "SystemTime",
        "std::thread",
        "thread",
        "tokio",
        "HashMap",
        "HashSet",
        "rand",
        "getrandom",
        "std::env",
        "std::fs",
        "std::net",
        "std::process",
        "println",
        "eprintln",
    ];
    let mut complaints = Vec::new();
    for (path, text) in files::rust(&files::root()) {
        let pure =
            ["crates/nigh-proto/src", "crates/nigh-wire/src"].iter().any(|folder| path.starts_with(folder));
        if !pure || files::is_test(&path) {
            continue;
        }
        for (index, line) in mask(&text).code.lines().enumerate() {
            for word in banned.iter().filter(|word| has_word(line, word)) {
                complaints.push(format!("{}:{}: `{word}`", path.display(), index + 1));
            }
        }
    }
    none(complaints, "nigh-proto and nigh-wire have no clock, randomness, I/O, threads or hash order");
}

#[test]
fn every_mutant_still_applies() {
    let found = mutants::found(&files::root());
    none(
        found.err().map(|errors| errors.lines().map(str::to_owned).collect()).unwrap_or_default(),
        "mutants",
    );
}

/// The list is read by `cargo xtask mutants --sim`: a name that is gone would be missed by nobody.
#[test]
fn simulated_mutants_exist_in_order() {
    let listed = mutants::simulate::listed(&files::root());
    let found = mutants::found(&files::root()).unwrap_or_default();
    let gone = listed.iter().filter(|name| found.iter().all(|marker| marker.name != **name));
    let unsorted = listed.windows(2).filter(|pair| pair[0] >= pair[1]).map(|pair| &pair[1]);
    let complaints = gone.map(|name| format!("no mutant is called `{name}`"));
    let complaints =
        complaints.chain(unsorted.map(|name| format!("`{name}` is not in order, or there twice")));
    none(complaints.collect(), mutants::simulate::LIST);
}

/// A rule without code is a wish, one without a test a hope.
#[test]
fn every_rule_stands_in_spec_code_and_test() {
    let (mut code, mut tests) = (String::new(), String::new());
    for (path, text) in files::rust(&files::root()) {
        let comments: Vec<&str> = mask(&text).comments.into_iter().map(|range| &text[range]).collect();
        let place = if files::is_test(&path) { &mut tests } else { &mut code };
        if path.starts_with("crates") || path.starts_with("examples") {
            place.push_str(&comments.join("\n"));
            place.push('\n');
        }
    }
    let spec = crate::read("spec/calls.md");
    let mut complaints = Vec::new();
    for rule in (1..=17).map(|number| format!("R{number}")) {
        for (where_, text) in [("the code", &code), ("a test", &tests), ("spec/calls.md", &spec)] {
            if !has_word(text, &rule) {
                complaints.push(format!("{rule} is not quoted in {where_}"));
            }
        }
    }
    for rule in (18..=24).map(|number| format!("R{number}")) {
        let line = spec.lines().find(|line| has_word(line, &rule));
        if !line.is_some_and(|line| line.to_lowercase().contains("later")) {
            complaints.push(format!("{rule} is not marked as later in spec/calls.md"));
        }
    }
    none(complaints, "rules are quoted where they are implemented, and in the test that defends them");
}

/// Programs that show the compiler's messages: their first line is theirs.
fn is_fixture(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "ui")
}
