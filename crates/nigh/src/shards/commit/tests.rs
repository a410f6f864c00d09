//! No sweep begins in the midst of a group.

use std::thread;

use super::*;

/// Groups told while another thread looks.
const GROUPS: u64 = 2_000;

#[test]
fn a_group_is_noted_with_all_that_is_told_of_it() {
    let progress = Progress::starting_at(GroupId(1));
    let told = AtomicU64::new(0);
    let tell = |group| {
        // Machines are told one after the other.
        thread::yield_now();
        told.store(group, Ordering::Release);
    };
    thread::scope(|scope| {
        scope
            .spawn(|| (1..=GROUPS).for_each(|group| progress.handle_durable(GroupId(group), || tell(group))));
        while progress.group() < GroupId(GROUPS) {
            let (told, group) = progress.noted(|| told.load(Ordering::Acquire));
            assert_eq!(told, group.0, "noted in the midst of a group");
        }
    });
}
