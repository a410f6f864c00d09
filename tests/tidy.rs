//! The rules of this repository that a program can check, as tests (STYLE: a rule no test enforces is a wish).
//!
//! - [`sources`]: how each Rust file looks. Start here.
//! - [`workspace`]: which crate may use which, and why each dependency is there.
//! - [`words`]: what documents promise and must not say.
//!
//! Each test lists everything it dislikes, with its place. A rule about something that does not exist yet
//! starts to apply when it exists.

#[path = "tidy/sources.rs"]
mod sources;
#[path = "tidy/words.rs"]
mod words;
#[path = "tidy/workspace.rs"]
mod workspace;

/// Fails with the whole list.
fn none(complaints: Vec<String>, rule: &str) {
    assert!(complaints.is_empty(), "{rule}\n  {}\n", complaints.join("\n  "));
}

/// The text of a file of the repository; empty if there is none.
fn read(path: &str) -> String {
    std::fs::read_to_string(xtask::files::root().join(path)).unwrap_or_default()
}

/// True if `text` holds `word` with no letter, digit or `_` on either side.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        let before = text[..at].chars().next_back().is_some_and(part);
        let after = text[at + word.len()..].chars().next().is_some_and(part);
        !before && !after
    })
}
