//! What the compiler says about typical mistakes with `#[nigh_sim::test]`: one message each, at the user's token.
//!
//! A mistake a file in `ui/`, its words beside it. `TRYBUILD=overwrite cargo test -p nigh-sim --test ui` records
//! them again: read the difference before you commit it.

#[test]
fn mistakes_are_told_once() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
