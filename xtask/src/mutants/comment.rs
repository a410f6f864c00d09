//! Finds `// mutant NAME: replacement` at the ends of lines (or below the `{` of the line, where rustfmt moves
//! it), and rewrites each line while it is at it, so that a comment that fits no form is found without building.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::rewrite;
use crate::source;

/// One mutant: where it stands, and what its line becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Kebab-case, used once in the repository.
    pub name: String,
    /// Relative to the root of the repository.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// The line with both, chosen at run time.
    pub choice: String,
}

impl Marker {
    /// `file:line`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }
}

/// All mutants of one file; an error is one line that starts with its place.
pub fn markers(file: &Path, text: &str) -> Vec<Result<Marker, String>> {
    let masked = source::mask(text);
    let lines: Vec<&str> = masked.code.lines().collect();
    let mut found = Vec::new();
    for range in &masked.comments {
        let comment = &text[range.clone()];
        if !comment.starts_with("// mutant ") && comment != "// mutant" {
            continue;
        }
        let (index, span) = marked(text, &masked.code, range.start);
        let marker = named(comment).and_then(|(name, replacement)| {
            let original = &text[span.clone()];
            let around =
                Around { before: last_code(&lines[..index]), after: first_code(&lines[index + 1..]) };
            let choice = rewrite::choice(name, original, replacement)?;
            around.check(&choice)?;
            let indent = &original[..original.len() - original.trim_start().len()];
            let text = format!("{indent}{}", choice.text);
            Ok(Marker { name: name.to_owned(), file: file.to_owned(), line: index + 1, choice: text })
        });
        found.push(marker.map_err(|error| format!("{}:{}: {error}", file.display(), index + 1)));
    }
    found
}

/// The line that the comment at `at` speaks of, counted from 0, and where its code stands: the line it ends, or
/// the head of the block that it opens, since rustfmt moves a comment after `{` to the next line.
fn marked(text: &str, code: &str, at: usize) -> (usize, Range<usize>) {
    let start_of = |end: usize| text[..end].rfind('\n').map_or(0, |newline| newline + 1);
    let (index, start) = (text[..at].matches('\n').count(), start_of(at));
    let head_end = code[..start].trim_end_matches('\n').len();
    let opens = start > 0 && head_end + 1 == start && code[..head_end].ends_with('{');
    if text[start..at].trim().is_empty() && opens {
        return (index - 1, start_of(head_end)..head_end);
    }
    (index, start..at)
}

fn named(comment: &str) -> Result<(&str, &str), String> {
    let form = "expected `// mutant NAME: replacement`";
    let rest = comment.strip_prefix("// mutant ").ok_or(form)?;
    let (name, replacement) = rest.split_once(": ").ok_or(form)?;
    let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || !name.chars().all(kebab) {
        return Err(format!("`{name}` is no name of a mutant: small letters, digits, hyphens"));
    }
    Ok((name, replacement.trim()))
}

/// The code around a marked line: it shows whether the line is complete on its own.
struct Around<'a> {
    before: Option<&'a str>,
    after: Option<&'a str>,
}

impl Around<'_> {
    fn check(&self, choice: &rewrite::Choice) -> Result<(), String> {
        let begins = self.before.is_none_or(|line| line.ends_with([';', '{', '}', ',', ']', ')']));
        if choice.statement && !begins {
            return Err("the line goes on from the one before: it must be complete on its own".into());
        }
        let ends = self.after.is_none_or(|line| line.starts_with(['}', ')', ']']));
        if choice.tail && !ends {
            return Err("the next line goes on with this one: it must be complete on its own".into());
        }
        Ok(())
    }
}

fn last_code<'a>(lines: &[&'a str]) -> Option<&'a str> {
    lines.iter().rev().map(|line| line.trim()).find(|line| !line.is_empty())
}

fn first_code<'a>(lines: &[&'a str]) -> Option<&'a str> {
    lines.iter().map(|line| line.trim()).find(|line| !line.is_empty())
}

#[cfg(test)]
mod tests;
