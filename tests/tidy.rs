//! tidy
#[test]
fn x() {}
