//! What is kept is read again; what makes no sense is left out.

use super::*;

#[test]
fn hints_survive_a_hunt() {
    let folder = crate::files::root().join("target/tmp/hints");
    std::fs::create_dir_all(&folder).expect("a folder for tests");
    let file = folder.join("caught.txt");
    std::fs::write(&file, "old nigh nigh -\nno hint\na b c d e\n").expect("writes");
    let hint = |test: Option<&str>| {
        let (package, target) = ("nigh-sim".to_owned(), "counter".to_owned());
        Hint { package, target, test: test.map(str::to_owned) }
    };
    let mut hints = Hints::read(file.clone());
    hints.keep("new", hint(Some("a::b"))).expect("writes");
    hints.keep("whole", hint(None)).expect("writes");
    let again = Hints::read(file);
    assert_eq!(again.by_mutant.keys().collect::<Vec<_>>(), ["new", "old", "whole"]);
    assert_eq!(again.of("new"), Some(&hint(Some("a::b"))));
    assert_eq!(again.of("whole"), Some(&hint(None)));
    assert_eq!(again.of("old").map(|hint| hint.package.as_str()), Some("nigh"));
}
