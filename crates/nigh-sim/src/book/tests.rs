//! What counts against a budget.

use nigh::App;
use nigh::engine::Blueprint;

use super::*;
use crate::sim::trips;

/// Pieces of a budget for process 1 that may take one trip of 40 bytes: who dialled, whether it sends, how much.
fn check(pieces: &[(u16, bool, usize)], is_within: bool) {
    let blueprint = Blueprint::new(App::new("nothing")).expect("nothing is wrong with it");
    let catalogue = blueprint.catalogue().clone();
    let mut book = Book::new(catalogue, Entities::of(blueprint), vec![], vec![], false, 0);
    book.sent(1, true, &[0; 99]); // Before it begins.
    book.budget_begins(1);
    for (dialler, from_dialler, size) in pieces {
        book.sent(*dialler, *from_dialler, &vec![0; *size]);
    }
    book.budget_ends(trips(1).bytes(40));
    assert_eq!(book.take_violation().is_none(), is_within, "{pieces:?}");
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn what_its_process_dialled_counts() {
    check(&[(1, true, 20), (1, false, 20)],                                   true);
    check(&[(1, true, 20), (1, false, 21)],                                   false);
    check(&[(1, true, 17), (1, true, 17)],                                    false); // Two trips.
    check(&[(1, true, 20), (1, true, 16), (1, false, 16), (1, false, 20)],    true);  // A ping, a pong.
    check(&[(1, true, 20), (2, true, 20), (2, false, 20), (1, false, 20)],    true);  // Another one dials.
}
