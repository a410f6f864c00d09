//! Rows: what a page holds, and what its policy lets run.

use super::{Page, hashes};

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn hashes_what_stands_inline() {
    let one = " 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"; // Of nothing.
    let abc = " 'sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0='"; // Of abc.
    let check = |page: &str, expect: &str| assert_eq!(hashes(page, "script"), expect, "{page}");
    check("",                                                    "");
    check("<script>abc</script>",                                abc);
    check("<p><script type=\"module\">abc</script>",             abc);
    check("<script>abc</script><script>abc</script>",            &format!("{abc}{abc}"));
    check("<script src=\"/a.js\"></script><script>abc</script>", abc);
    check("<scripted>abc</scripted>",                            "");
    check("<script>abc",                                         "");
    check("<script",                                             "");
    check("<style>abc</style>",                                  "");
    assert!(!hashes("<script></script>", "script").contains(one), "an empty element needs no hash");
    assert_eq!(hashes("<style>abc</style>", "style"), abc);
}

#[test]
fn the_ending_says_what_it_is() {
    let check = |path: &str, expect: &str| {
        assert_eq!(Page::new(path, "").media_type.to_str().expect("ASCII"), expect, "{path}");
    };
    check("/", "text/html; charset=utf-8");
    check("/shop.html", "text/html; charset=utf-8");
    check("/shop.js", "text/javascript; charset=utf-8");
    check("/shop.css", "text/css; charset=utf-8");
    check("/shop.svg", "image/svg+xml");
}
