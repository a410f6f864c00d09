//! Rows: what of an interval is a process's own, and what a line of the kernel says.

use super::*;

#[test]
fn standing_in_line_costs_nothing() {
    let check = |computed, in_line, expected| {
        let [computed, expected] = [computed, expected].map(Duration::from_millis);
        assert_eq!(own(Duration::from_millis(100), computed, in_line), expected);
    };
    check(0, false, 100); // Waits for what never comes.
    check(10, false, 100); // Wakes now and then.
    check(0, true, 0); // Others have all cores.
    check(30, true, 30);
    check(200, true, 100); // Two threads: no more than what passed.
}

#[test]
fn a_line_of_the_kernel_is_read_behind_the_name() {
    let line = |state: &str| {
        format!("4157 (a) b (c) {state} 3802 4150 3802 34817 4157 4194304 93 0 0 0 250 17 9 9 20 0 1 0 5")
    };
    let check = |state: &str, in_line| {
        let expected = Process { group: 4150, used: Duration::from_millis(2_670), in_line };
        assert_eq!(process(&line(state)), Some(expected), "{state}");
    };
    check("R", true);
    check("D", true);
    check("S", false);
    check("Z", false);
    check("T", false);
    assert_eq!(process(""), None);
    assert_eq!(process("4157 (a) R 1"), None);
}

/// This process runs, and is found by its group.
#[test]
#[cfg(target_os = "linux")]
fn a_group_is_found() {
    let this = process(&stat(Path::new("/proc/self"))).expect("we run");
    let found = processes(Path::new("/proc"), this.group);
    let (_, process) = found.iter().find(|(id, _)| *id == std::process::id()).expect("we are in our group");
    assert!(process.in_line, "{process:?}");
    assert!(found.iter().all(|(_, process)| process.group == this.group), "{found:?}");
}
