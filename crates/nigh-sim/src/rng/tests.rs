//! Known answers, computed by another program; and that streams and bounds are what they claim.

use super::Rng;

fn check(seed: u64, purpose: &str, who: u64, first: [u64; 3]) {
    let mut rng = Rng::of(seed, purpose, who);
    assert_eq!(first, std::array::from_fn(|_| rng.next_u64()), "{seed} {purpose} {who}");
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn streams_are_the_same_on_every_machine() {
    check(0, "", 0, [0x6bda_ca7f_f469_9912, 0x4605_2cc2_8271_9137, 0xb360_ee2b_05d7_186c]);
    check(1, "network", 0, [0x00a5_a3de_0a28_3fa5, 0x27b7_715c_48bc_b0c4, 0xfc83_4ff9_7962_71bc]);
    check(1, "network", 1, [0x323e_5514_435d_500b, 0x9595_8b49_d96e_1530, 0x2544_68cb_7894_f709]);
    check(1, "tasks", 0, [0xedab_d3ad_9050_79ad, 0x3be9_6819_e47b_d186, 0x2eaf_3a9a_0f5f_23e9]);
    check(2589, "faults", u64::MAX, [0x546b_2d8e_85d5_8c76, 0x03ef_d593_5ac8_fbd7, 0x640e_267a_7857_929c]);
}

/// The vector that its authors publish for state 1, 2, 3, 4.
#[test]
fn is_the_published_generator() {
    let mut rng = Rng { state: [1, 2, 3, 4] };
    let drawn: [u64; 4] = std::array::from_fn(|_| rng.next_u64());
    assert_eq!(drawn, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
}

#[test]
fn bounds_hold_and_are_reached() {
    let mut rng = Rng::of(7, "bounds", 0);
    let mut seen = [0_u32; 6];
    for _ in 0..6_000 {
        seen[usize::try_from(rng.below(6)).expect("less than 6")] += 1;
        assert!((3..=5).contains(&rng.between(3..=5)));
        assert!([2, 4].contains(rng.pick(&[2, 4])));
    }
    assert!(seen.iter().all(|count| (850..1150).contains(count)), "{seen:?}");
    assert_eq!(rng.between(9..=9), 9);
    rng.between(0..=u64::MAX);
    let hits = (0..9_000).filter(|_| rng.chance(1, 3)).count();
    assert!((2_800..3_200).contains(&hits), "{hits}");
    assert!(!(0..100).any(|_| rng.chance(0, 3)) && (0..100).all(|_| rng.chance(3, 3)));
}
