//! Reads Rust source as far as the chores need it: what is code, what is comment, where functions end.
//!
//! [`mask`] blanks strings and comments, so that a search for a word or a bracket finds only code;
//! [`functions`] measures. This is no parser: it trusts that rustc accepts the file.

use std::ops::Range;

/// A text of the same length in which only code is left; newlines stay.
#[derive(Debug)]
pub struct Masked {
    /// Comments, and what stands between quotes, are blanks.
    pub code: String,
    /// Where each `//` comment stands, its slashes included.
    pub comments: Vec<Range<usize>>,
}

/// Blanks all that is not code.
pub fn mask(text: &str) -> Masked {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut comments = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (blank, next) = if rest.starts_with(b"//") {
            let end = at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
            comments.push(at..end);
            (at..end, end)
        } else if rest.starts_with(b"/*") {
            let end = at + block_comment_size(rest);
            (at..end, end)
        } else if let Some((open, size)) = literal(bytes, at) {
            (at + open..(at + size).saturating_sub(1).max(at + open), at + size)
        } else {
            (at..at, at + 1)
        };
        for byte in &mut code[blank] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = next;
    }
    // Bytes of a character outside of strings are left or blanked one by one: never half of one is left,
    // since all of it lies in the same literal or comment.
    Masked { code: String::from_utf8_lossy(&code).into_owned(), comments }
}

fn block_comment_size(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The string or character that starts here: how long its opening is, and how long it is.
fn literal(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let rest = &bytes[at..];
    let inside_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    match rest[0] {
        b'"' => Some((1, 1 + quoted_size(&rest[1..], b'"'))),
        b'b' | b'c' if !inside_word && rest.get(1) == Some(&b'"') => {
            Some((2, 2 + quoted_size(&rest[2..], b'"')))
        }
        b'r' if !inside_word => raw(rest, 1),
        b'b' | b'c' if !inside_word && rest.get(1) == Some(&b'r') => raw(rest, 2),
        b'\'' => character(rest),
        _ => None,
    }
}

fn quoted_size(rest: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw(rest: &[u8], prefix: usize) -> Option<(usize, usize)> {
    let hashes = rest[prefix..].iter().take_while(|b| **b == b'#').count();
    let open = prefix + hashes + 1;
    if rest.get(open - 1) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let inner = rest[open..].windows(close.len()).position(|window| window == close);
    Some((open, inner.map_or(rest.len(), |inner| open + inner + close.len())))
}

/// A character literal; a lifetime is none.
fn character(rest: &[u8]) -> Option<(usize, usize)> {
    if rest.get(1) == Some(&b'\\') {
        return Some((1, 1 + quoted_size(&rest[1..], b'\'')));
    }
    let text = std::str::from_utf8(&rest[1..rest.len().min(6)]);
    let first = match text {
        Ok(text) => text.chars().next()?,
        Err(cut) => std::str::from_utf8(&rest[1..=cut.valid_up_to()]).ok()?.chars().next()?,
    };
    (rest.get(1 + first.len_utf8()) == Some(&b'\'')).then_some((1, 2 + first.len_utf8()))
}

/// One function of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its first line, counted from 1.
    pub line: usize,
    /// How many lines it has, from `fn` to its last brace.
    pub lines: usize,
}

/// All functions with a body, nested ones too.
pub fn functions(masked: &Masked) -> Vec<Function> {
    let code = &masked.code;
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if let (false, Some(end)) = (name.is_empty(), body_end(code, at)) {
            let line = 1 + code[..at].matches('\n').count();
            found.push(Function { name, line, lines: 1 + code[at..end].matches('\n').count() });
        }
    }
    found
}

/// Where the body of the function that starts at `at` ends; `None` if it has none.
fn body_end(code: &str, at: usize) -> Option<usize> {
    let (mut round, mut curly) = (0, 0);
    for (offset, byte) in code.as_bytes()[at..].iter().enumerate() {
        match byte {
            b'(' | b'[' => round += 1,
            b')' | b']' => round -= 1,
            b';' if round == 0 && curly == 0 => return None,
            b'{' => curly += 1,
            b'}' => {
                curly -= 1;
                if curly == 0 && round == 0 {
                    return Some(at + offset + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
