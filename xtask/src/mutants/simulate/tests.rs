//! What may be typed, the list, and a row of the table.

use super::*;
use crate::files;

fn asked(text: &str) -> Result<Asked, Trouble> {
    Asked::of(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
}

#[test]
fn flags_and_names() {
    let check = |text: &str, seeds, all, names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(asked(text), Ok(Asked { seeds, all, names }), "{text}");
    };
    check("--sim", SEEDS_DEFAULT, false, &[]);
    check("--sim a b --seeds 7", 7, false, &["a", "b"]);
    check("a --all --sim", SEEDS_DEFAULT, true, &["a"]);
    for wrong in ["--seeds", "--seeds 0", "--list"] {
        assert!(asked(wrong).is_err_and(|why| why.contains("usage: ")), "{wrong}");
    }
}

#[test]
fn the_list_chooses_unless_names_are_given() {
    let marker = |name: &str, file: &str| {
        let (name, file) = (name.to_owned(), file.into());
        Marker { name, file, line: 1, choice: String::new() }
    };
    let all = [
        marker("a", "crates/nigh-proto/src/a.rs"),
        marker("b", "crates/nigh/src/b.rs"),
        marker("c", "crates/nigh-sim/src/c.rs"),
    ];
    let check = |text: &str, expected: &[&str]| {
        let chosen = asked(text).and_then(|asked| asked.chosen(&all, &["b".to_owned()]));
        let names: Vec<&str> = chosen.expect(text).iter().map(|marker| marker.name.as_str()).collect();
        assert_eq!(names, expected, "{text}");
    };
    check("", &["b"]);
    check("--all", &["a", "b"]);
    check("c a", &["a", "c"]);
    let unknown = asked("x").and_then(|asked| asked.chosen(&all, &[]).map(|_| ()));
    assert!(unknown.is_err_and(|why| why.contains("`x`")));
    let stale = asked("a").and_then(|asked| asked.chosen(&all, &["gone".to_owned()]).map(|_| ()));
    assert!(stale.is_err_and(|why| why.contains("`gone`")));
}

/// The names themselves are looked at by `tests/tidy.rs`.
#[test]
fn the_list_is_read() {
    let listed = listed(&files::root());
    assert!(!listed.is_empty() && listed.iter().all(|name| !name.contains(['#', ' '])), "{listed:?}");
}

#[test]
fn a_row_tells_both() {
    let found = |seed: &str| Found {
        scenario: "nigh-sim counters_count".into(),
        seed: seed.into(),
        why: "sum: 3\nmore".into(),
    };
    let cells = |row: String| row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let check = |without: Option<&Found>, with: Option<&Found>, expected: [&str; 5]| {
        assert_eq!(cells(told("m", without, with)), expected);
    };
    check(None, Some(&found("5")), ["m", "nigh-sim counters_count", "-", "5", "sum: 3"]);
    check(Some(&found("9")), None, ["m", "nigh-sim counters_count", "9", "-", "sum: 3"]);
    check(None, None, ["m", "-", "-", "-", "-"]);
}
