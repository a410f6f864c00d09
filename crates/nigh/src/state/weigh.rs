//! The fields of a state by name, and a word in development about those that have grown too large for what they are.

use std::sync::atomic::{AtomicBool, Ordering};

/// Encoded size, in bytes, from which a plain field is named: twice encoded and compared at each method of its entity, that
/// is some microseconds, as much as all the rest of a call in this process.
const PLAIN_SIZE_MAX: usize = 4 * 1024;

/// A field of a state, for people.
#[derive(Debug)]
pub struct Field {
    state: &'static str,
    name: &'static str,
    /// It was named.
    named: AtomicBool,
}

impl Field {
    /// `name` of `state`.
    pub const fn new(state: &'static str, name: &'static str) -> Self {
        Field { state, name, named: AtomicBool::new(false) }
    }

    /// Names it, the first time that it is too large.
    pub(super) fn weigh(&self, size: usize) {
        let heavy = size >= PLAIN_SIZE_MAX; // mutant heavy-field-unnamed: let heavy = size > PLAIN_SIZE_MAX;
        if heavy && !self.named.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "field `{}` of `{}` is {} bytes and is compared and stored whole at each change: use nigh::Map, Set or List",
                self.name,
                self.state,
                grouped(size),
            );
        }
    }
}

/// Digits in groups of three.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|g| std::str::from_utf8(g).expect("digits are text"))
        .collect();
    groups.join(",")
}

#[cfg(test)]
mod tests;
