//! Random numbers against the published sequence, and what comes back from a method.

use nigh_wire::{Bytes, Time};

use super::{Tx, TxCore};

/// The first numbers of SplitMix64 from seed 1234567, as published with it.
#[test]
fn random_numbers_are_splitmix64() {
    let mut core = TxCore { seed: 1_234_567, ..TxCore::default() };
    let drawn: Vec<u64> = (0..5).map(|_| core.random()).collect();
    let published = [
        6_457_827_717_110_365_317,
        3_203_168_211_198_807_973,
        9_817_491_932_198_370_423,
        4_593_380_528_125_082_431,
        16_408_922_859_458_223_821,
    ];
    assert_eq!((drawn.as_slice(), core.drawn), (published.as_slice(), 5));
}

/// A sequence goes on where it stopped: the same call run again from the same seed and count draws the same.
#[test]
fn a_sequence_is_its_seed_and_count() {
    let mut whole = TxCore { seed: 7, ..TxCore::default() };
    let numbers: Vec<u64> = (0..4).map(|_| whole.random()).collect();
    let mut rest = TxCore { seed: 7, drawn: 2, ..TxCore::default() };
    assert_eq!([rest.random(), rest.random()], numbers[2..]);
}

#[test]
fn what_a_method_did_comes_back() {
    let key = Bytes::from_static(b"k");
    let mut core = TxCore { key: key.clone(), now: Time::from_nanos(5), ..TxCore::default() };
    let now = core.with(|tx: &mut Tx<()>| {
        tx.core.deleted = true;
        tx.core.random();
        tx.core.now
    });
    assert_eq!(now, Time::from_nanos(5));
    assert_eq!((core.key, core.drawn, core.deleted), (key, 1, true));
}
