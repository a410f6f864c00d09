//! Methods as the functions that they are: rows of what is asked and what comes of it.

use proptest::prelude::*;

use super::*;

/// Runs `steps`, each a letter and a number, and compares the answer of the last with `answer` and the level with
/// `free/leased`. `s` restocks and `l` leases pieces; `g` gives back and `t` takes a lease.
fn check(steps: &str, answer: &str, level: &str) {
    let mut stock = Stock::default();
    let mut last = String::new();
    for step in steps.split_whitespace() {
        last = run(&mut stock, step);
    }
    let Level { free, leased } = stock.level();
    let found = (last, format!("{free}/{leased}"));
    assert_eq!(found, (answer.to_owned(), level.to_owned()), "after `{steps}`");
}

fn run(stock: &mut Stock, step: &str) -> String {
    let (what, number) = step.split_at(1);
    let n = if number == "max" { u32::MAX } else { number.parse().expect("a number") };
    let told = |answer: Result<u32, String>| answer.map_or_else(|e| e, |n| n.to_string());
    match what {
        "s" => told(stock.restock(n).map_err(|e| format!("room {}", e.room))),
        "l" => told(stock.lease(n).map_err(|e| format!("sold out {}", e.free))),
        "g" => {
            stock.give_back(n);
            String::new()
        }
        "t" => told(stock.take(n).map_err(|e| format!("no {}", e.lease))),
        other => panic!("no step `{other}`"),
    }
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn each_method_does_what_its_docs_say() {
    //    steps           answer of the last   free/leased
    check("s5",           "5",                 "5/0");
    check("s5 s5",        "10",                "10/0"); // Twice is twice.
    check("smax s1",      "room 0",            "4294967295/0");
    check("s9 l4 smax",   "room 4294967286",   "5/4");  // What is leased counts, too.
    check("s5 l2",        "1",                 "3/2");
    check("s5 l2 l2",     "2",                 "1/4");
    check("s5 l2 l4",     "sold out 3",        "3/2");
    check("l1",           "sold out 0",        "0/0");
    check("l0 t1",        "0",                 "0/0");
    check("s5 l2 g1",     "",                  "5/0");
    check("s5 l2 g1 g1",  "",                  "5/0");  // May be repeated.
    check("s5 g7",        "",                  "5/0");
    check("s5 l2 g1 l2",  "2",                 "3/2");  // A number is never given twice.
    check("s5 l6 l5",     "1",                 "0/5");  // What was refused took no number.
    check("s5 l2 t1",     "2",                 "3/0");
    check("s5 l2 t1 t1",  "no 1",              "3/0");
    check("s5 l2 t1 g1",  "",                  "3/0");  // What is taken does not come back.
    check("s5 l2 g1 t1",  "no 1",              "5/0");
}

#[test]
fn numbers_end_and_are_not_given_again() {
    let mut stock = Stock { last: u32::MAX - 1, ..Stock::default() };
    assert_eq!(stock.restock(5), Ok(5));
    assert_eq!(stock.lease(2), Ok(u32::MAX));
    assert_eq!(stock.lease(2), Err(SoldOut { free: 3 }));
    assert_eq!(stock.level(), Level { free: 3, leased: 2 });
}

proptest! {
    /// Stocked = free + leased + taken, whatever is asked in whatever order: nothing is sold that was not there.
    #[test]
    fn stock_is_never_oversold(steps in prop::collection::vec((0..4u8, 0..9u32), 0..200)) {
        let mut stock = Stock::default();
        let (mut stocked, mut taken) = (0, 0);
        for (what, n) in steps {
            match what {
                0 => stocked += stock.restock(n).map_or(0, |_| n),
                1 => drop(stock.lease(n)),
                2 => stock.give_back(n),
                _ => taken += stock.take(n).unwrap_or(0),
            }
            let Level { free, leased } = stock.level();
            prop_assert_eq!(stocked, free + leased + taken);
            prop_assert_eq!(leased, stock.leases.values().sum::<u32>());
        }
    }
}
