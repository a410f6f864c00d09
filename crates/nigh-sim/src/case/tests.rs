//! Cases as text, both ways.

use proptest::prelude::*;

use super::*;
use crate::plan::tests::any_planned;

#[test]
fn each_field_is_read_and_written() {
    let text = "seed=2589 sim=3 lock=03fa on=two-webs store=disk clients=2 times=5 fifo=yes buggify=no \
                faults=[350ms crash 1 down 80ms, 2s lose 0 1 never]";
    let case: Case = text.parse().expect("it is right");
    assert_eq!((case.lock, case.clients_max, case.times_max), (Some(0x3fa), Some(2), Some(5)));
    assert_eq!(case.faults.as_ref().map(Vec::len), Some(2));
    assert_eq!(case.to_string(), text);
    assert_eq!("seed=7".parse(), Ok(Case::of_seed(7)));
    let spread = " faults=[ ]   seed=7\n clients=1 ".parse::<Case>().expect("blanks and order are free");
    assert_eq!(spread.to_string(), "seed=7 sim=3 clients=1 faults=[]");
}

#[test]
fn wrong_text_says_what_is_wrong() {
    let wrong = |text: &str, part: &str| {
        let why = text.parse::<Case>().expect_err(text);
        assert!(why.contains(part), "{text}: {why}");
    };
    wrong("", "`seed=` is missing");
    wrong("sim=3", "`seed=` is missing");
    wrong("seed=1 seed=2", "`seed` is given twice");
    wrong("seed=1 sim=1", "belongs to another build: it was recorded by simulator 1, and this is 3");
    wrong("seed=-1", "`seed=-1`");
    wrong("seed=1 lock=xyz", "`lock=xyz`");
    wrong("seed=1 on=", "`on=` names no topology");
    wrong("seed=1 store=tape", "write `memory` or `disk`");
    wrong("seed=1 fifo=1", "write `yes` or `no`");
    wrong("seed=1 words", "`words` is no field");
    wrong("seed=1 color=red", "there is no field `color`");
    wrong("seed=1 faults=[1s move 1", "`]` is missing");
    wrong("seed=1 faults=[1s move x]", "fault `1s move x`: `x` is no node");
}

#[test]
fn another_lock_is_another_build() {
    let case: Case = "seed=1 lock=3fa2".parse().expect("it is right");
    assert_eq!(case.check_lock(0x3fa2), Ok(()));
    let why = case.check_lock(0x1).expect_err("it differs");
    assert!(
        why.contains("belongs to another build") && why.contains("lock=3fa2") && why.contains("0001"),
        "{why}"
    );
    assert_eq!(Case::of_seed(1).check_lock(0x1), Ok(()));
}

fn any_case() -> impl Strategy<Value = Case> {
    let faults = prop::option::of(prop::collection::vec(any_planned(), 0..4));
    let limits = (any::<Option<u16>>(), any::<Option<u32>>(), any::<Option<u16>>());
    let places = (prop::option::of("[a-z0-9-]{1,12}"), prop::option::of("memory|disk"));
    (any::<u64>(), places, limits, faults, any::<bool>(), any::<bool>()).prop_map(
        |(seed, (topology, store), (clients_max, times_max, lock), faults, fifo, buggify)| Case {
            seed,
            topology,
            store,
            clients_max,
            times_max,
            faults,
            fifo,
            buggify,
            lock,
        },
    )
}

proptest! {
    #[test]
    fn text_loses_nothing(case in any_case()) {
        prop_assert_eq!(case.to_string().parse(), Ok(case));
    }
}
