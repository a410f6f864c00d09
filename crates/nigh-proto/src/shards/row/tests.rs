//! Stored bytes of rows stay as they are: a change here is a change of the store's format version.

use nigh_wire::encode;

use super::*;

#[test]
#[rustfmt::skip] // A line is a row.
fn stored_bytes_stay() {
    let (caller, time) = (CallerId(1), Time::from_nanos(9));
    let id = CallId { caller, number: 2, birth: time };
    let target = Target { entity: "E".into(), key: Bytes::from_static(b"k") };
    let of = KeyedKey { principal: "ann".into(), target: target.clone(), method: "m".into(), key: "o".into() };
    let verdict = Verdict::Failed(Bytes::from_static(b"no"));
    let fingerprint = Fingerprint(5);
    let known = Known { floor: 3, doubts: vec![1, 2] };
    let (one, five) = (1u128.to_le_bytes(), 5u64.to_le_bytes());
    let rows: [(TableKey, TableEntry, &[u8], &[u8]); 6] = [
        (TableKey::Time, TableEntry::Time(time), &[0], &[7, 0, 9]),
        (TableKey::Record { caller, number: 2 },
         TableEntry::Record(RecordEntry { birth: time, fingerprint, verdict: verdict.clone() }),
         &[&[1][..], &one, &[2]].concat(), &[&[7, 1, 9][..], &five, &[1, 2, b'n', b'o']].concat()),
        (TableKey::Mark { caller, target }, TableEntry::Mark(MarkEntry { number: 2, birth: time }),
         &[&[2][..], &one, &[1, b'E', 1, b'k']].concat(), &[7, 2, 2, 9]),
        (TableKey::Floor(caller), TableEntry::Floor(FloorEntry { known, birth: time }),
         &[&[3][..], &one].concat(), &[7, 3, 3, 2, 1, 2, 9]),
        (TableKey::Keyed(of), TableEntry::Keyed(KeyedEntry { id, fingerprint, verdict, time }),
         &[4, 3, b'a', b'n', b'n', 1, b'E', 1, b'k', 1, b'm', 1, b'o'],
         &[&[7, 4][..], &one, &[2, 9], &five, &[1, 2, b'n', b'o', 9]].concat()),
        (TableKey::Count, TableEntry::Count(300), &[5], &[7, 5, 0xac, 2]),
    ];
    for (key, entry, key_bytes, row_bytes) in rows {
        let row = TableRow { position: Position(7), entry };
        assert_eq!((&encode(&key)[..], &encode(&row)[..]), (key_bytes, row_bytes), "{key:?}");
        assert_eq!(nigh_wire::decode(key_bytes), Ok(key));
        assert_eq!(nigh_wire::decode(row_bytes), Ok(row));
    }
}

/// The rows of a caller are found by how their keys begin, and no others are.
#[test]
fn keys_of_a_caller_begin_alike() {
    let target =
        |entity: &str, key: &'static [u8]| Target { entity: entity.into(), key: Bytes::from_static(key) };
    for caller in [CallerId(0), CallerId(1), CallerId(256), CallerId(u128::MAX)] {
        let keys = [
            TableKey::Record { caller, number: 0 },
            TableKey::Record { caller, number: u64::MAX },
            TableKey::Mark { caller, target: target("", b"") },
            TableKey::Mark { caller, target: target("Wallet", b"ada") },
            TableKey::Floor(caller),
        ];
        for key in keys {
            assert_eq!(key.caller(), Some(caller));
            let bytes = encode(&key);
            for other in [CallerId(0), CallerId(1), CallerId(256), CallerId(u128::MAX)] {
                let begins =
                    TableKey::beginnings(other).iter().filter(|start| bytes.starts_with(start)).count();
                assert_eq!(begins, usize::from(other == caller), "{key:?} {other:?}");
            }
        }
    }
}

/// By name, then by key, whether or not they share the memory of their name.
#[test]
fn targets_stand_by_name_and_key() {
    let shared: Arc<str> = "b".into();
    let target = |entity: &Arc<str>, key: &'static str| Target { entity: entity.clone(), key: key.into() };
    let sorted =
        [target(&"a".into(), "z"), target(&shared, "x"), target(&"b".into(), "y"), target(&shared, "z")];
    for (at, one) in sorted.iter().enumerate() {
        for (other_at, other) in sorted.iter().enumerate() {
            assert_eq!(one.cmp(other), at.cmp(&other_at), "{one:?} and {other:?}");
        }
    }
}
