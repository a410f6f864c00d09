//! In which order binaries are asked, and what the last line says.

use super::*;

/// Packages `own`, `user` and `far`; the seconds that each binary takes.
fn binaries() -> Vec<Binary> {
    let binary = |(package, target, seconds): (&str, &str, u64)| {
        let (package, target) = (package.to_owned(), target.to_owned());
        let took = Duration::from_secs(seconds);
        Binary { package, target, folder: PathBuf::new(), path: PathBuf::new(), took }
    };
    let all = [
        ("far", "f", 0),
        ("user", "u", 4),
        ("own", "slow", 9),
        ("own", "own", 1),
        ("user", "v", 2),
        ("own", "quick", 2),
    ];
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
        "own" => 0,
        "user" => 1,
        _ => usize::MAX,
    };
    let (name, file) = ("m".into(), "crates/own/src/a/b.rs".into());
    let marker = Marker { name, file, line: 1, choice: String::new() };
    let told: Vec<String> = plays(&binaries, &marker, hint.as_ref(), distance)
        .into_iter()
        .map(|Play { binary, which }| match which {
            Which::All => binaries[binary].target.clone(),
            Which::Module(path) | Which::Test(path) => format!("{} {path}", binaries[binary].target),
        })
        .collect();
    assert_eq!(told, expected, "{hint:?}");
}

#[test]
fn near_and_quick_before_far_and_slow_and_the_hint_before_all() {
    let all = ["own a::b::", "own a::", "own", "quick", "v", "f", "slow", "u"];
    check(None, &all);
    let slow_first = ["slow", "own a::b::", "own a::", "own", "quick", "v", "f", "u"];
    check(Some(("own", "slow", None)), &slow_first);
    // Alone it may pass where all tests together do not, so the whole binary has its turn.
    check(Some(("user", "u", Some("t"))), &[&["u t"], &all[..]].concat());
    check(Some(("user", "removed", Some("t"))), &all);
}

#[test]
fn a_file_is_a_module() {
    let check = |file: &str, expected: &[&str]| {
        assert_eq!(modules(&Path::new("crates/c/src").join(file)), expected, "{file}");
    };
    check("lib.rs", &[]);
    check("run.rs", &["run::"]);
    check("store/mod.rs", &["store::"]);
    check("store/embedded/log.rs", &["store::embedded::log::", "store::embedded::"]);
}

#[test]
fn what_was_caught_once_is_said() {
    let check = |caught, once, escaped, expected: &str| {
        assert_eq!(Tally { caught, once, escaped }.to_string(), expected);
    };
    check(3, 0, 1, "mutants: 3 caught, 1 escaped");
    check(3, 2, 0, "mutants: 5 caught, 0 escaped; 2 of those caught only now and then");
}
