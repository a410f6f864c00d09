//! Methods as the functions that they are: rows of what is asked and what comes of it.

use nigh::IntoArg;
use proptest::prelude::*;

use super::*;

fn cents(n: u64) -> Cents {
    Cents::try_from(n).expect("an amount of a test is in range")
}
fn id(text: &str) -> HoldId {
    text.into_arg()
}

/// Runs `steps`, each a letter and its numbers, and compares the answer of the last with `answer` and the balance
/// with `free/held`. `d` deposits; `h`, `r`, `c` hold, release and capture, with a letter for the id.
fn check(steps: &str, answer: &str, balance: &str) {
    let mut wallet = Wallet::default();
    let mut last = String::new();
    for step in steps.split_whitespace() {
        last = run(&mut wallet, step);
    }
    let Balance { free, held } = wallet.balance();
    let found = (last, format!("{}/{}", u64::from(free), u64::from(held)));
    assert_eq!(found, (answer.to_owned(), balance.to_owned()), "after `{steps}`");
}

fn run(wallet: &mut Wallet, step: &str) -> String {
    let (what, rest) = step.split_at(1);
    let amount = |text: &str| match text {
        "max" => Cents::MAX,
        text => cents(text.parse().expect("a number")),
    };
    let told = |answer: Result<Cents, String>| answer.map_or_else(|e| e, |c| u64::from(c).to_string());
    match what {
        "d" => told(wallet.deposit(amount(rest)).map_err(|e| format!("room {}", u64::from(e.room)))),
        "h" => {
            let (of, rest) = rest.split_at(1);
            told(wallet.hold(id(of), amount(rest)).map_err(|e| format!("poor {}", u64::from(e.free))))
        }
        "r" => {
            wallet.release(id(rest));
            String::new()
        }
        "c" => told(wallet.capture(id(rest)).map_err(|e| format!("no {}", e.id.0))),
        other => panic!("no step `{other}`"),
    }
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn each_method_does_what_its_docs_say() {
    //    steps                  answer of the last    free/held
    check("d500",                "500",                "500/0");
    check("d500 d500",           "1000",               "1000/0"); // Twice is twice.
    check("d0",                  "0",                  "0/0");
    check("dmax",                "9007199254740991",   "9007199254740991/0");
    check("dmax d1",             "room 0",             "9007199254740991/0");
    check("d10 ha4 dmax",        "room 9007199254740981", "6/4"); // What is held counts, too.
    check("dmax ha7 d1",         "room 0",             "9007199254740984/7");
    check("d500 ha200",          "300",                "300/200");
    check("d500 ha200 ha200",    "300",                "300/200"); // The same id again changes nothing,
    check("d500 ha200 ha300",    "300",                "300/200"); // whatever amount comes with it,
    check("d500 ha500 ha1",      "0",                  "0/500");   // and however little is left.
    check("d500 ha200 hb300",    "0",                  "0/500");
    check("d500 ha200 hb301",    "poor 300",           "300/200");
    check("ha1",                 "poor 0",             "0/0");
    check("ha0 ca",              "0",                  "0/0");
    check("d500 ha200 ra",       "",                   "500/0");
    check("d500 ha200 ra ra",    "",                   "500/0");   // May be repeated.
    check("d500 rx",             "",                   "500/0");
    check("d500 ha200 ra ha300", "200",                "200/300"); // The id is new again.
    check("d500 ha200 ca",       "200",                "300/0");
    check("d500 ha200 ca ca",    "no a",               "300/0");
    check("d500 ha200 ca ra",    "",                   "300/0");   // What is captured does not come back.
    check("d500 ha200 ra ca",    "no a",               "500/0");
    check("dmax hamax ca dmax",  "9007199254740991",   "9007199254740991/0");
}

proptest! {
    /// Paid in = free + held + captured, whatever is asked in whatever order; and what is held is what the holds
    /// say.
    #[test]
    fn money_is_conserved(steps in prop::collection::vec((0..4u8, 0..5u8, 0..400u64), 0..200)) {
        let mut wallet = Wallet::default();
        let (mut paid_in, mut captured) = (0, 0);
        for (what, of, amount) in steps {
            let id = HoldId(of.to_string());
            match what {
                0 => paid_in += wallet.deposit(cents(amount)).map_or(0, |_| amount),
                1 => drop(wallet.hold(id, cents(amount))),
                2 => wallet.release(id),
                _ => captured += wallet.capture(id).map_or(0, u64::from),
            }
            let Balance { free, held } = wallet.balance();
            prop_assert_eq!(paid_in, u64::from(free) + u64::from(held) + captured);
            prop_assert_eq!(u64::from(held), wallet.holds.values().map(|c| u64::from(*c)).sum::<u64>());
        }
    }
}
