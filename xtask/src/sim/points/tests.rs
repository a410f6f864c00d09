//! Which points a file has.

use super::*;

#[test]
fn points_of_code_are_found() {
    let text = "// buggify!(\"no\")\nif nigh::buggify!(\"a.b\") {}\nlet x = buggify!(\n    \"c\"\n) && \
                \"buggify!(\\\"d\\\")\" == y;\n#[cfg(test)]\nmod tests { buggify!(\"e\") }\n";
    assert_eq!(names(text), [("a.b".to_owned(), 2), ("c".to_owned(), 3)]);
    assert_eq!(names("macro_rules! buggify { ($name:literal) => { hit!(buggify!($name)) } }"), []);
}

#[test]
fn points_have_a_place() {
    for (name, place) in found(&files::root()) {
        assert!(!name.is_empty() && place.contains(".rs:"), "{name} {place}");
    }
}
