//! The known name that somebody probably meant.

/// Names longer than this, in characters, are not compared: no name of a method is, and the work is quadratic.
const NAME_CHARS_MAX: usize = 64;

/// The one of `known` nearest to `given`, if it is near enough to be what was meant.
pub(crate) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given: Vec<char> = given.chars().take(NAME_CHARS_MAX + 1).flat_map(char::to_lowercase).collect();
    if given.len() > NAME_CHARS_MAX {
        return None;
    }
    // Two slips, or one in three letters of a longer name.
    let far = 2.max(given.len() / 3);
    let near = known.into_iter().map(|name| (distance(&given, name), name)).filter(|(d, _)| *d <= far);
    near.min_by_key(|(d, _)| *d).map(|(_, name)| name)
}

/// ` Did you mean …?`, or nothing.
pub(crate) fn hint<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(given, known).map_or_else(String::new, |name| format!(" Did you mean `{name}`?"))
}

/// Edits between the two, case ignored (Levenshtein).
fn distance(given: &[char], name: &str) -> usize {
    let mut row: Vec<usize> = (0..=given.len()).collect();
    for (i, letter) in name.chars().flat_map(char::to_lowercase).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &other) in given.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[given.len()]
}

#[cfg(test)]
mod tests;
