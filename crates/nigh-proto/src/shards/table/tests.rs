//! A table against a plain map, and the state file that its changes make.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug, PartialEq)]
struct Row(u64, u64);
impl Entry for Row {
    fn size(&self) -> usize {
        self.0 as usize
    }
    fn expires(&self) -> Time {
        Time::EPOCH.saturating_add(Duration::from_secs(self.1))
    }
}
impl Key for u8 {
    fn size(&self) -> usize {
        usize::from(*self)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// R16: rows go when they are too old and not before; what is given out makes the same rows, and nothing
    /// that was changed since a place is missed by whoever cuts the log there.
    #[test]
    fn a_table_is_a_map(steps in prop::collection::vec((0..7_u8, 0..12_u8, 0..40_u64), 0..120)) {
        let mut table = Table::<u8, Row>::new();
        let (mut map, mut file) = (BTreeMap::new(), BTreeMap::new());
        let mut changes: Vec<(Position, u8)> = vec![];
        for (place, (op, key, n)) in steps.into_iter().enumerate() {
            let place = Position(place as u64);
            match op {
                0 | 1 => {
                    table.put(key, place, Row(n, n / 2));
                    map.insert(key, Row(n, n / 2));
                    changes.push((place, key));
                }
                2 => {
                    prop_assert_eq!(table.remove(&key, place), map.remove(&key));
                    changes.push((place, key));
                }
                3 => {
                    table.remove_if(key.., place, |_, row| row.0 % 2 == 0);
                    map.retain(|at, row| *at < key || row.0 % 2 != 0);
                }
                4 => {
                    let time = Time::EPOCH.saturating_add(Duration::from_secs(n / 4));
                    for _ in 0..8 {
                        table.sweep(time, 3, place, |_, row| assert!(row.expires() < time));
                    }
                    map.retain(|_, row| row.expires() >= time);
                }
                5 => table.prune(n as usize % 3),
                _ => {
                    let given = table.take_changed(n as usize % 5, |(key, row)| match row {
                        Some((_, row)) => drop(file.insert(key, row)),
                        None => assert!(file.remove(&key).is_some(), "{key} was never stored"),
                    });
                    prop_assert!(given <= n as usize % 5);
                }
            }
            table.assert_scanned();
            prop_assert!(table.entries().eq(map.iter()));
            let since = table.changed_since().unwrap_or(Position(u64::MAX));
            for (_, key) in changes.iter().filter(|(place, _)| *place < since) {
                let later = changes.iter().any(|(place, at)| at == key && *place >= since);
                prop_assert!(later || since.0 != u64::MAX || file.get(key) == map.get(key));
            }
        }
        while table.take_changed(3, |(key, row)| match row {
            Some((_, row)) => drop(file.insert(key, row)),
            None => drop(file.remove(&key)),
        }) > 0 {}
        prop_assert_eq!(file, map);
    }
}
