//! Which functions are marked, and that this repository has some.

use super::*;

fn check(text: &str, expected: &[(&str, Option<&str>)]) {
    let found = names(text);
    let found: Vec<(&str, Option<&str>)> = found.iter().map(|(name, why)| (name.as_str(), *why)).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn the_attribute_marks_the_next_function() {
    check("#[nigh_sim::test]\nfn a(sim: &mut Sim) {}\n#[test]\nfn b() {}", &[("a", None)]);
    check("// #[nigh_sim::test]\nfn a() { \"#[nigh_sim::test] fn b\" }", &[]);
    check(
        "mod m {\n    #[nigh_sim::test(seeds = 3)]\n    /// why\n    pub fn a_1(_: &mut Sim) {}\n}",
        &[("a_1", Some("it fixes its seeds"))],
    );
    check(
        "#[nigh_sim::test]\n#[should_panic(expected = \"x\")]\nfn a() {}",
        &[("a", Some("it shall panic"))],
    );
    check("#[should_panic]\n#[nigh_sim::test]\nfn a() {}", &[("a", Some("it shall panic"))]);
}

#[test]
fn this_repository_has_scenarios() {
    let marked = marked(&files::root());
    let counter = marked.iter().find(|marked| marked.name == "counters_count").expect("it is there");
    assert_eq!((counter.folder.to_str(), counter.left_out), (Some("crates/nigh-sim"), None));
    assert_eq!(counter.target, ["--test", "counter"]);
    assert!(marked.iter().all(|marked| !marked.name.is_empty()), "{marked:?}");
}

#[test]
fn names_spare_what_bears_none_of_them() {
    let check = |names: &str, expected: &str| {
        let of =
            |name: &str| Marked { folder: "p".into(), target: vec![], name: name.into(), left_out: None };
        let mut marked: Vec<Marked> = ["ab", "bc", "cd"].map(of).into();
        let names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
        keep_named(&mut marked, &names, |marked| format!("pack {}", marked.name));
        let kept: Vec<&str> = marked.iter().map(|marked| marked.name.as_str()).collect();
        assert_eq!(kept.join(" "), expected, "{names:?}");
    };
    check("", "ab bc cd");
    check("b", "ab bc");
    check("ab cd", "ab cd");
    check("pack", "ab bc cd");
    // Perhaps that of a module, which the binary tells.
    check("ab module", "ab bc cd");
}
