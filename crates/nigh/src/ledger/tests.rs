//! The alarm: when it rings, what it says, and that it does so once.

use super::*;

fn asked(method: &str, asked: u64, done: u64, open: u64) -> Entry<CallerLine> {
    let counted = CallerLine { asked, done, ..CallerLine::default() };
    Entry { of: "Wallet".into(), method: method.into(), counted, open }
}

fn came(method: &str, arrived: u64, repeated: u64, open: u64) -> Entry<CalleeLine> {
    let counted = CalleeLine { arrived, repeated, ..CalleeLine::default() };
    Entry { of: "Wallet".into(), method: method.into(), counted, open }
}

/// What is said of these ledgers, one after the other.
fn rings(ledgers: &[Ledger]) -> Vec<Vec<String>> {
    let mut alarm = Alarm::default();
    ledgers.iter().map(|ledger| alarm.ring(ledger).into_iter().map(|off| off.line).collect()).collect()
}

#[test]
fn the_alarm_rings_once_for_each_line_that_is_off() {
    let even = Ledger { caller: vec![asked("hold", 3, 1, 2)], callee: vec![came("hold", 4, 4, 0)] };
    let lost = Ledger { caller: vec![asked("hold", 3, 1, 1)], ..even.clone() };
    let twice = Ledger { callee: vec![came("hold", 4, 5, 0), came("give", 1, 0, 1)], ..lost.clone() };
    let expected =
        [vec![], vec!["asked of Wallet.hold"], vec![], vec!["copies of Wallet.hold"], vec![], vec![]];
    assert_eq!(rings(&[even.clone(), lost.clone(), lost, twice.clone(), twice, even]), expected);
}

#[test]
fn it_names_the_method_and_the_numbers() {
    let ledger = Ledger { caller: vec![asked("hold", 7, 4, 2)], callee: vec![] };
    let said = ledger.unbalanced()[0].to_string();
    let starts = "the ledger of calls does not balance: asked of Wallet.hold: asked 7, ended 4, open 2: ";
    assert!(said.starts_with(starts) && said.contains("done: 4"), "{said}");
}
