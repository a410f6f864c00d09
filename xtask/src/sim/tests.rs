//! What may be typed, and how seeds are divided.

use super::*;

fn asked(text: &str) -> Result<Asked, Trouble> {
    Asked::of(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
}

#[test]
fn flags_and_names() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let check = |text: &str, expected: Asked| assert_eq!(asked(text), Ok(expected), "{text}");
    check("", Asked::default());
    check("--seeds 7 a", Asked { seeds: Some(7), names: names(&["a"]), ..Asked::default() });
    check("a --minutes 3 b", Asked { minutes: Some(3), names: names(&["a", "b"]), ..Asked::default() });
    check("--first 12", Asked { first: Some(12), ..Asked::default() });
    for wrong in ["--seeds", "--seeds x", "--seeds -1", "--wat", "--seeds 1 --minutes 1"] {
        assert!(asked(wrong).is_err_and(|why| why.contains("usage: ")), "{wrong}");
    }
}

#[test]
fn seeds_are_divided_and_cut() {
    assert_eq!(divided(20_000, 3), [6_667, 6_667, 6_666]);
    assert_eq!(divided(1, 2), [1, 0]);
    let ranges = |first, seeds| cut(first, seeds).collect::<Vec<_>>();
    assert_eq!(ranges(5, 2_001), [(5, 1_000), (1_005, 1_000), (2_005, 1)]);
    assert_eq!(ranges(0, 1_000), [(0, 1_000)]);
    assert_eq!(ranges(0, 0), []);
}
