//! What is known is a set that only grows.

use proptest::prelude::*;

use super::*;

fn known() -> impl Strategy<Value = Known> {
    let doubts = prop::collection::vec(0..120_u64, 0..80);
    (0..120_u64, doubts).prop_map(|(floor, doubts)| Known { floor, doubts })
}

fn set(known: &Known) -> Vec<u64> {
    (0..200).filter(|number| known.contains(*number)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// R14: joined, never replaced: the union of both, whatever comes first.
    #[test]
    fn floors_join(a in known(), b in known()) {
        let (a, b) = (a.bounded(), b.bounded());
        let joined = a.joined(&b);
        let union: Vec<u64> = (0..200).filter(|number| a.contains(*number) || b.contains(*number)).collect();
        prop_assert_eq!(set(&joined), union);
        prop_assert_eq!(&joined, &b.joined(&a));
        prop_assert_eq!(&joined.joined(&a), &joined);
        prop_assert!(joined.is_bounded());
        let unknown_min = (1..).find(|number| !joined.contains(*number));
        prop_assert_eq!(Some(joined.unknown_min()), unknown_min);
    }

    /// What a broken peer sends becomes no larger a set, and one that is as it should be stays.
    #[test]
    fn bounding_takes_only_away(sent in known()) {
        let bounded = sent.clone().bounded();
        prop_assert!(bounded.is_bounded());
        let claimed = |number: u64| number != 0 && number <= sent.floor && !sent.doubts.contains(&number);
        prop_assert!(set(&bounded).into_iter().all(claimed));
        prop_assert_eq!(bounded.clone().bounded(), bounded);
    }
}
