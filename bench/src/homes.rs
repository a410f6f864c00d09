//! The price of a commit over two entities of one home, beside that of one: the same small change, made once or twice.
//!
//! Both sides take turns in one run on one store: one, two, two, one, and again. Each caller has a home of its own, so nobody waits for
//! another's method. The change of the second entity travels in the same record: it has no sync and no turn of its own.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nigh::prelude::*;

use crate::harness::{Measured, P50, P99, Ran};
use crate::subjects::{self, Answered, WARM_UP, answered, told};

/// Calls a second that change one entity, over those that change two: what the second one costs.
const COST: &str = "calls a second, one / two";
/// As [`COST`], of the middle time that a call takes.
const TIMES_P50: &str = "p50, two / one";
const TIMES_P99: &str = "p99, two / one";
/// Of calls that change one.
const ONE_RATE: &str = "one: calls a second";
const ONE_P50: &str = "one: p50 µs";
const ONE_P99: &str = "one: p99 µs";

/// How long one side runs before it is the other's turn.
const TURN: Duration = Duration::from_millis(500);
/// Whether it is the turn of two. What drifts meanwhile falls on both.
const TWO: [bool; 8] = [false, true, true, false, false, true, true, false];

/// Whose home it is.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
struct Owner(u64);

#[derive(Wire, Clone, Debug, PartialEq, Eq)]
struct OrderId {
    owner: Owner,
    number: u64,
}

impl Homed<Owner> for OrderId {
    fn home(&self) -> Owner {
        self.owner.clone()
    }
}

#[derive(Default, State)]
struct Purse {
    paid: u64,
    last: Option<u64>,
}

#[derive(Default, State)]
struct Order {
    paid: u64,
    last: Option<u64>,
}

#[nigh::entity(key = Owner, home = Owner)]
impl Purse {
    /// Changes one entity.
    pub fn pay(&mut self, cents: u64) -> u64 {
        self.paid += cents;
        self.last = Some(cents);
        self.paid
    }
    /// The same, and as much of one of its orders.
    pub fn pay_order(&mut self, tx: &mut Tx<Self>, number: u64, cents: u64) -> u64 {
        let owner = tx.key();
        let order = tx.at::<Order>(OrderId { owner, number });
        order.paid += cents;
        order.last = Some(cents);
        self.pay(cents)
    }
}

#[nigh::entity(key = OrderId, home = Owner)]
impl Order {
    /// All of it.
    pub fn paid(&self) -> u64 {
        self.paid
    }
}

async fn calls(nigh: &Nigh, callers: usize, span: Duration, two: bool) -> Result<Answered, String> {
    let pay = move |nigh: Nigh, caller: u64, _| async move {
        let purse = Purse::at(Owner(caller));
        let paid = if two { nigh.call(purse.pay_order(1, 1)).await } else { nigh.call(purse.pay(1)).await };
        paid.map(drop).map_err(told)
    };
    answered(nigh, callers, span, pay).await
}

/// So many callers, on a fresh store below `folder`.
pub fn two_of_a_home(folder: &Path, callers: usize) -> Ran {
    let dir = folder.join("homes");
    // It need not be there.
    let _ = fs::remove_dir_all(&dir);
    let measured = subjects::runtime()?.block_on(measure(&dir, callers))?;
    let _ = fs::remove_dir_all(&dir);
    Ok(measured)
}

async fn measure(dir: &Path, callers: usize) -> Result<Measured, String> {
    let app = App::new("homes").entity::<Purse>().entity::<Order>();
    let node = app.start(Config::dir(dir)).await.map_err(|error| error.to_string())?;
    let nigh = node.handle();
    calls(&nigh, callers, WARM_UP / 2, false).await?;
    calls(&nigh, callers, WARM_UP / 2, true).await?;
    let (mut one, mut two) = (Answered::default(), Answered::default());
    for is_two in TWO {
        let turn = calls(&nigh, callers, TURN, is_two).await?;
        if is_two { two = two.and(turn) } else { one = one.and(turn) }
    }
    // One that was measured changed both.
    let order = Order::at(OrderId { owner: Owner(0), number: 1 });
    if nigh.call(order.paid()).await.map_err(told)? < two.count / callers as u64 / 2 {
        return Err("the order was not changed with its purse".into());
    }
    node.stop().await.map_err(|error| error.to_string())?;
    let side = |side: Answered| Measured::new(side.count, side.took).with_latencies(side.nanos);
    Ok(compared(&side(one), side(two)))
}

/// The second, and what it costs over the first.
fn compared(one: &Measured, two: Measured) -> Measured {
    let of = |side: &Measured, figure| side.figure(figure).unwrap_or(f64::NAN);
    let rate = |side: &Measured| side.counted().0 as f64 / side.counted().1.as_secs_f64();
    let figures = [
        (ONE_RATE, rate(one)),
        (ONE_P50, of(one, P50)),
        (ONE_P99, of(one, P99)),
        (COST, rate(one) / rate(&two)),
        (TIMES_P50, of(&two, P50) / of(one, P50)),
        (TIMES_P99, of(&two, P99) / of(one, P99)),
    ];
    figures.into_iter().fold(two, |two, (figure, value)| two.with(figure, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_cost_what_they_take_longer() {
        let side = |count, nanos| Measured::new(count, Duration::from_secs(2)).with_latencies(vec![nanos; 9]);
        let compared = compared(&side(600, 3_000), side(400, 4_500));
        let figure = |name| compared.figure(name).expect("it is there");
        assert_eq!((figure(ONE_RATE), figure(COST)), (300.0, 1.5));
        assert_eq!((figure(TIMES_P50), figure(P50), figure(ONE_P50)), (1.5, 4.5, 3.0));
    }
}
