//! Rows: what was counted and what was lost, and what the judge says.

use nigh::ledger::Entry;

use super::*;

/// `asked done failed copies` of a caller, `arrived done failed repeated` of its callee.
fn check(caller: [u64; 4], callee: [u64; 4], happened: &str, expected: &str) {
    let mut judge = LedgerJudge::default();
    for word in happened.split_whitespace() {
        match word {
            "link" => judge.lost_link(),
            "process" => judge.lost_process(),
            "owner" => [(), ()].into_iter().for_each(|()| judge.taken_up()),
            "blind" => judge.lost_counters(),
            "refused" => {}
            other => panic!("unknown word {other}"),
        }
    }
    let [asked, done, failed, copies] = caller;
    let left = asked - done - failed;
    let (in_doubt, refused) = if happened.contains("refused") { (0, left) } else { (left, 0) };
    let counted = CallerLine { asked, done, failed, copies, in_doubt, refused, ..CallerLine::default() };
    let (of, method) = ("Wallet".to_owned(), "hold".to_owned());
    let caller = vec![Entry { of: of.clone(), method: method.clone(), counted, open: 0 }];
    let [arrived, done, failed, repeated] = callee;
    let counted = CalleeLine { arrived, done, failed, repeated, ..CalleeLine::default() };
    let open = arrived - done - failed - repeated;
    let callee = vec![Entry { of, method, counted, open }];
    // Caller and callee are of different processes, and of several lives.
    let at = Instant::from_nanos(0);
    judge.counted(at, 1, &Ledger { caller, callee: vec![] }).expect("it balances");
    judge.counted(at, 0, &Ledger { caller: vec![], callee }).expect("it balances");
    let said = judge.end(at, |_, _| true).err().map_or("even".to_owned(), |violation| violation.sentence);
    assert!(
        said.contains(expected),
        "{caller:?} {callee:?} {happened}: {said}",
        caller = asked,
        callee = arrived
    );
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn callers_and_callees_agree() {
    //    asked done failed copies    arrived done failed repeated
    check([3, 2, 1, 3],               [3, 2, 1, 0],               "",           "even");
    check([3, 2, 1, 4],               [4, 2, 1, 1],               "",           "even");         // Asked again, and told again.
    check([3, 2, 1, 4],               [3, 2, 1, 0],               "",           "4 copies left, and 3 arrived");
    check([3, 2, 1, 4],               [3, 2, 1, 0],               "link",       "even");         // A copy was on it.
    check([3, 2, 1, 4],               [3, 2, 1, 0],               "process",    "even");
    check([3, 2, 1, 3],               [4, 2, 1, 1],               "link owner", "4 copies arrived, and 3 left");
    check([3, 3, 0, 3],               [3, 2, 0, 0],               "link owner", "3 were told done, and 2 ran so");
    check([3, 3, 0, 4],               [4, 2, 0, 1],               "link owner", "even");
    check([3, 2, 1, 3],               [3, 3, 0, 0],               "owner",      "1 were told failed, and 0 ran so");
    check([3, 3, 0, 9],               [9, 4, 0, 0],               "link",       "4 ran; 3 were asked, and 0 of them told that not");
    check([3, 2, 0, 3],               [3, 3, 0, 0],               "",           "even");         // In doubt: it may have run.
    check([3, 2, 0, 3],               [3, 3, 0, 0],               "refused",    "3 ran; 3 were asked, and 1 of them told that not");
    check([3, 3, 0, 9],               [9, 4, 0, 0],               "link owner", "even");         // It lost what it had run.
    check([3, 3, 0, 9],               [9, 0, 0, 0],               "blind",      "even");         // Nobody can say.
}

#[test]
fn a_life_that_does_not_balance_is_told() {
    let counted = CallerLine { asked: 1, ..CallerLine::default() };
    let entry = Entry { of: "Wallet".into(), method: "hold".into(), counted, open: 0 };
    let ledger = Ledger { caller: vec![entry], callee: vec![] };
    let said =
        LedgerJudge::default().counted(Instant::from_nanos(0), 4, &ledger).expect_err("one is missing");
    let expected =
        "of process 4: the ledger of calls does not balance: asked of Wallet.hold: asked 1, ended 0, open 0";
    assert!(said.sentence.starts_with(expected), "{said}");
}

#[test]
fn what_nobody_asked_does_not_come() {
    let counted = CalleeLine { arrived: 1, done: 1, ..CalleeLine::default() };
    let entry = Entry { of: "Wallet".into(), method: "hold".into(), counted, open: 0 };
    let mut judge = LedgerJudge::default();
    let ledger = Ledger { caller: vec![], callee: vec![entry] };
    judge.counted(Instant::from_nanos(0), 0, &ledger).expect("it balances");
    let said = judge.end(Instant::from_nanos(0), |_, _| true).expect_err("nobody asked");
    assert!(said.sentence.starts_with("copies of Wallet.hold came that nobody had asked"), "{said}");
}
