//! Every `buggify!("…")` of the sources, so that a point that no seed reaches is seen.

use std::collections::BTreeMap;
use std::path::Path;

use crate::files;
use crate::source::mask;

/// Where unit tests begin, in files that hold both.
const TESTS: &str = "#[cfg(test)]";

/// Names of all points of crates and examples, with the place of one; tests have points of their own.
pub fn found(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (path, text) in files::rust(root) {
        let is_ours = ["crates", "examples"].iter().any(|folder| path.starts_with(folder));
        if is_ours && !files::is_test(&path) {
            for (name, line) in names(&text) {
                found.entry(name).or_insert_with(|| format!("{}:{line}", path.display()));
            }
        }
    }
    found
}

/// Names and lines in one file.
fn names(text: &str) -> Vec<(String, usize)> {
    let code = mask(text).code;
    let code = &code[..code.find(TESTS).unwrap_or(code.len())];
    let called = code.match_indices("buggify!(");
    let names = called.filter_map(|(at, word)| {
        let rest = text[at + word.len()..].trim_start().strip_prefix('"')?;
        Some((rest.split_once('"')?.0.to_owned(), 1 + text[..at].matches('\n').count()))
    });
    names.collect()
}

#[cfg(test)]
mod tests;
