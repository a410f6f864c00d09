//! In which order binaries are asked, and what the last line says.

use super::*;

/// Packages `home`, `user` and `far`; the seconds that each binary takes.
fn binaries() -> Vec<Binary> {
    let binary = |(package, target, seconds): (&str, &str, u64)| {
        let (package, target) = (package.to_owned(), target.to_owned());
        let took = Duration::from_secs(seconds);
        Binary { package, target, folder: PathBuf::new(), path: PathBuf::new(), took }
    };
    let all =
        [("far", "f", 0), ("user", "u", 3), ("home", "slow", 9), ("home", "quick", 1), ("user", "v", 2)];
    all.map(binary).into()
}

fn check(hint: Option<(&str, &str, Option<&str>)>, expected: &[&str]) {
    let binaries = binaries();
    let hint = hint.map(|(package, target, test)| {
        let found = binaries.iter().find(|binary| binary.package == package && binary.target == target);
        let gone = Binary { target: "gone".into(), ..binaries[0].clone() };
        Hint::new(found.unwrap_or(&gone), test.map(str::to_owned))
    });
    let distance = |package: &str| match package {
        "home" => 0,
        "user" => 1,
        _ => usize::MAX,
    };
    let told: Vec<String> = plays(&binaries, hint.as_ref(), distance)
        .into_iter()
        .map(|play| format!("{} {}", binaries[play.binary].target, play.test.unwrap_or_default()))
        .collect();
    let told: Vec<&str> = told.iter().map(|told| told.trim_end()).collect();
    assert_eq!(told, expected, "{hint:?}");
}

#[test]
fn near_and_quick_before_far_and_slow_and_the_hint_before_all() {
    check(None, &["quick", "slow", "v", "u", "f"]);
    check(Some(("home", "slow", None)), &["slow", "quick", "v", "u", "f"]);
    // Alone it may pass where all tests together do not, so the whole binary has its turn.
    check(Some(("user", "u", Some("t"))), &["u t", "quick", "slow", "v", "u", "f"]);
    check(Some(("user", "removed", Some("t"))), &["quick", "slow", "v", "u", "f"]);
}

#[test]
fn what_was_caught_once_is_said() {
    let check = |caught, once, escaped, expected: &str| {
        assert_eq!(Tally { caught, once, escaped }.to_string(), expected);
    };
    check(3, 0, 1, "mutants: 3 caught, 1 escaped");
    check(3, 2, 0, "mutants: 5 caught, 0 escaped; 2 of those caught only now and then");
}
