//! When a flood under a cap has passed.

use super::{RESIDENT_MAX_MIB, kept_its_cap};

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn a_kill_or_too_much_memory_fails() {
    //    MiB resident after each flood    killed  passes
    check(&[52, 52],                       0,      true);
    check(&[RESIDENT_MAX_MIB],             0,      true);
    check(&[52, RESIDENT_MAX_MIB + 1, 52], 0,      false);
    check(&[52, 52],                       1,      false);
}

fn check(sizes: &[u64], killed: u32, passes: bool) {
    let told = kept_its_cap(sizes, killed);
    assert_eq!(told.is_ok(), passes, "{sizes:?}, killed {killed}: {told:?}");
}
