//! Text and stored forms of ids.

use proptest::prelude::*;

use super::{HASHED_AT_ONCE_MAX, hash_parts};
use crate::{CallId, CallerId, Fingerprint, Time, decode, encode};

fn id(caller: u128, number: u64, birth: u64) -> CallId {
    CallId { caller: CallerId(caller), number, birth: Time::from_nanos(birth) }
}

#[test]
fn hostile_texts_are_refused() {
    let caller = "0123456789abcdef0123456789abcdef";
    let good = format!("nigh1.{caller}.7.9");
    assert_eq!(good.parse(), Ok(id(0x0123456789abcdef0123456789abcdef, 7, 9)));
    let refused = [
        String::new(),
        "nigh1".into(),
        "nigh1...".into(),
        format!("nigh2.{caller}.7.9"),
        format!("NIGH1.{caller}.7.9"),
        format!("nigh1.{caller}.7"),
        format!("nigh1.{caller}.7.9."),
        format!("nigh1.{caller}.7.9.1"),
        format!(" nigh1.{caller}.7.9"),
        format!("nigh1.{caller}.7.9\n"),
        format!("nigh1.{}.7.9", &caller[1..]),
        format!("nigh1.0{caller}.7.9"),
        format!("nigh1.+{}.7.9", &caller[1..]),
        format!("nigh1.{}.7.9", "é".repeat(16)),
        // Numbers have one text, and start at 1.
        format!("nigh1.{caller}.0.9"),
        format!("nigh1.{caller}.07.9"),
        format!("nigh1.{caller}.+7.9"),
        format!("nigh1.{caller}.-7.9"),
        format!("nigh1.{caller}.7.09"),
        format!("nigh1.{caller}.7.18446744073709551616"),
        format!("nigh1.{caller}.18446744073709551616.9"),
        format!("nigh1.{caller}.7.{}", "9".repeat(10_000)),
        // One id has one text: else two keys of HTTP would be one call.
        format!("nigh1.{}.7.9", caller.to_uppercase()),
    ];
    for text in refused {
        assert!(text.parse::<CallId>().is_err(), "{text}");
    }
}

/// Ids are stored: a change here is a change of the format.
#[test]
fn stored_form_is_fixed() {
    assert_eq!(encode(&id(5, 300, 1)), [&5u128.to_le_bytes()[..], &[0xac, 2, 1]].concat());
    assert_eq!(&encode(&Fingerprint(0x0102))[..], [2, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(Fingerprint::of("Wallet", b"ada", "deposit", &[1]), Fingerprint(FINGERPRINT));
    // No part can pose as another.
    let parts = [
        ("ab", "c", "", ""),
        ("a", "bc", "", ""),
        ("", "ab", "c", ""),
        ("ab", "", "c", ""),
        ("ab", "c", "", "\0"),
    ];
    let all: std::collections::BTreeSet<_> =
        parts.iter().map(|(e, k, m, a)| Fingerprint::of(e, k.as_bytes(), m, a.as_bytes())).collect();
    assert_eq!(all.len(), parts.len());
}
const FINGERPRINT: u64 = 18_132_433_741_389_080_908;

proptest! {
    #[test]
    fn ids_survive(caller in any::<u128>(), number in 1..=u64::MAX, birth in any::<u64>()) {
        let id = id(caller, number, birth);
        prop_assert_eq!(id.to_string().parse(), Ok(id));
        prop_assert_eq!(decode(&encode(&id)), Ok(id));
    }

    #[test]
    fn no_text_panics(text in "nigh1\\.[0-9a-fé]{0,34}(\\.[0-9é]{0,3}){0,4}|.*") {
        if let Ok(id) = text.parse::<CallId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }
}

/// R3: short and long calls are hashed in two ways, to the same end.
#[test]
fn parts_hash_alike_at_once_and_in_turn() {
    for size in [0, 1, 7, HASHED_AT_ONCE_MAX - 33, HASHED_AT_ONCE_MAX - 32, HASHED_AT_ONCE_MAX - 31, 5000] {
        let args = vec![7; size];
        let parts: [&[u8]; 4] = [b"e", b"", b"", &args];
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        assert_eq!(hash_parts(&parts), hasher.finalize(), "{size}");
    }
    let (a, b) = (Fingerprint::of("ab", b"c", "d", b""), Fingerprint::of("a", b"bc", "d", b""));
    assert_ne!(a, b, "no part can pose as another");
}
