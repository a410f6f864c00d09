//! The name somebody probably meant: every refusal of a name says it.

/// The candidate closest to `name`, if it is close enough to be worth saying: at most a third of its
/// letters differ, or two.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = (name.chars().count() / 3).max(2);
    candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(d, candidate)| *d <= near && *d < candidate.chars().count())
        .min_by_key(|(d, _)| *d)
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, drop or replace; letters' case does not count. Names from outside are cut at 64.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).flat_map(char::to_lowercase).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).flat_map(char::to_lowercase).enumerate() {
        let mut left_above = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (left_above + usize::from(x != *y)).min(above + 1).min(row[j] + 1);
            left_above = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip] // Rows are read as columns.
    fn rows() {
        let names = ["deposit", "hold", "release", "listen"];
        let check = |name: &str, near: Option<&str>| assert_eq!(nearest(name, names), near, "{name}");
        check("depsit",  Some("deposit"));
        check("Hold",    Some("hold"));
        check("listn",   Some("listen"));
        check("relase",  Some("release"));
        check("xyz",     None);
        check("",        None);
    }
}
