//! The provider that pretends: what each card does, once per token, within its memory.

use super::*;

fn card(number: &str) -> Card {
    Card::try_from(number).expect("a number of a test is one")
}
fn euro() -> Cents {
    Cents::from(100)
}
fn charge(books: &mut Books, token: &str, number: &str, cents: u32) -> String {
    match books.charge(token.to_owned(), card(number), Cents::from(cents)) {
        Ok(charge) => format!("{} {} …{}", charge.id, u64::from(charge.cents), charge.card_ends),
        Err(declined) => format!("{declined:?}"),
    }
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn a_token_is_charged_once() {
    let mut books = Books::default();
    let mut check = |token: &str, number: &str, cents: u32, answer: &str| {
        assert_eq!(charge(&mut books, token, number, cents), answer, "{token} {number} {cents}");
    };
    check("a", Card::GOOD,     500, "ch-1 500 …4242");
    check("a", Card::GOOD,     500, "ch-1 500 …4242"); // The same token gets the first answer,
    check("a", Card::GOOD,     501, "TokenReused");    // and pays for nothing else.
    check("a", Card::SLOW,     500, "TokenReused");
    check("b", Card::GOOD,     500, "ch-2 500 …4242");
    check("c", Card::DECLINED, 500, "ByBank");
    check("c", Card::DECLINED, 500, "ByBank");
    check("d", Card::GOOD,       0, "NothingToCharge");
    check("e", Card::SILENT,   100, "ch-3 100 …9999"); // The books know what nobody is told.
    assert_eq!((books.charges, books.total), (3, Cents::from(1_100)));
}

#[test]
fn memory_is_bounded_and_forgets_the_oldest() {
    let mut books = Books::default();
    for n in 0..=REMEMBERED_MAX {
        charge(&mut books, &format!("t{n}"), Card::GOOD, 1);
    }
    assert_eq!((books.order.len(), books.answers.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
    assert_eq!(charge(&mut books, "t1", Card::GOOD, 1), "ch-2 1 …4242");
    assert_eq!(charge(&mut books, "t0", Card::GOOD, 1), format!("ch-{} 1 …4242", REMEMBERED_MAX + 2));
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn numbers_of_cards() {
    let check = |number: &str, fits: bool| assert_eq!(Card::try_from(number).is_ok(), fits, "{number}");
    check(Card::GOOD,             true);
    check(&"1".repeat(12),        true);
    check(&"1".repeat(11),        false);
    check(&"1".repeat(19),        true);
    check(&"1".repeat(20),        false);
    check("4242 4242 4242 4242",  false);
    check("４２４２４２４２",     false); // Digits, but none of ASCII.
    check("",                     false);
}

#[test]
fn a_card_is_never_shown_in_full() {
    assert_eq!(format!("{:?}", card(Card::GOOD)), "Card(…4242)");
}

/// Time is paused: it jumps to the next timer, so nothing here waits.
#[tokio::test(start_paused = true)]
async fn a_slow_card_takes_its_time_and_a_silent_one_for_ever() {
    let provider = FakeProvider::new();
    let asked = Asked::detached;
    let slow = provider.charge(asked(), card(Card::SLOW), euro());
    assert!(tokio::time::timeout(SLOW / 2, slow).await.is_err());
    assert_eq!(provider.charges(), 0);
    let slow = provider.charge(asked(), card(Card::SLOW), euro());
    let answer = tokio::time::timeout(SLOW * 2, slow).await.expect("slow, but sure");
    assert_eq!(answer.map(|charge| charge.id), Ok("ch-1".to_owned()));
    let silent = FakeProvider::new();
    let never = silent.charge(asked(), card(Card::SILENT), euro());
    assert!(tokio::time::timeout(Duration::from_secs(60), never).await.is_err());
    assert_eq!((silent.charges(), silent.total(), silent.remembered()), (1, euro(), 1));
}
