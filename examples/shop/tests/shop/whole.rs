//! What is promised of money and stock, while many ask at once, of one process and of the shop cut in two.

use nigh::{CallError, Config, Nigh, Node};
use shop::cents::Cents;
use shop::payments::{Card, Charge, Declined, FakeProvider, PaymentsRef};
use shop::stock::{Level, SoldOut, Stock};
use shop::wallet::{Balance, Poor, Wallet};
use xtask::torture::seed::Seed;

/// Who asks at the same time, and how often each.
const CLIENTS: u64 = 16;
const ASKS: u64 = 40;

#[test]
fn names_and_place_fit() {
    shop::app(FakeProvider::new()).check().expect("place.toml names what there is");
}

/// A shop to ask, in one process.
async fn one_process() -> Vec<Node> {
    vec![shop::app(FakeProvider::new()).start(Config::memory()).await.expect("nothing to open")]
}

/// The same shop in two: the last node has no entities, and asks the first over a socket.
async fn cut_in_two() -> Vec<Node> {
    let anywhere = Some("127.0.0.1:0".parse().expect("an address"));
    let state = Config { role: Some("state".into()), link: anywhere, ..Config::memory() };
    let state = shop::app(FakeProvider::new()).start(state).await.expect("opens a link");
    let web = Config { role: Some("web".into()), peer: state.link(), ..Config::memory() };
    let web = shop::app(FakeProvider::new()).start(web).await.expect("nothing to open");
    vec![state, web]
}

/// Runs `story` on both.
async fn on_both<F: Future<Output = ()>>(story: impl Fn(Nigh) -> F) {
    for mut nodes in [one_process().await, cut_in_two().await] {
        story(nodes.last().expect("there is a node").handle()).await;
        // Those who ask end before those who are asked.
        while let Some(node) = nodes.pop() {
            node.stop().await.expect("stops");
        }
    }
}

#[tokio::test]
async fn one_customer_buys() {
    on_both(async |nigh| {
        let (ada, tea) = (|| Wallet::at("ada"), || Stock::at("tea"));
        assert_eq!(nigh.call(ada().deposit(Cents::from(500))).await, Ok(Cents::from(500)));
        assert_eq!(nigh.call(tea().restock(3)).await, Ok(3));
        assert_eq!(nigh.call(tea().lease(2)).await, Ok(1));
        assert_eq!(nigh.call(tea().lease(2)).await, Err(CallError::Failed(SoldOut { free: 1 })));
        let held = nigh.call(ada().hold("order-1", Cents::from(200))).once("order-1").await;
        assert_eq!(held, Ok(Cents::from(300)));
        let again = nigh.call(ada().hold("order-1", Cents::from(200))).once("order-1").await;
        assert_eq!(again, Ok(Cents::from(300)));
        let poor = nigh.call(ada().hold("order-2", Cents::from(301))).await;
        assert_eq!(poor, Err(CallError::Failed(Poor { free: Cents::from(300) })));
        assert_eq!(nigh.call(ada().capture("order-1")).await, Ok(Cents::from(200)));
        assert_eq!(nigh.call(tea().take(1)).await, Ok(2));
        let (balance, level) = nigh.call((ada().balance(), tea().level())).await;
        assert_eq!(balance, Ok(Balance { free: Cents::from(300), held: Cents::ZERO }));
        assert_eq!(level, Ok(Level { free: 1, leased: 0 }));
    })
    .await;
}

#[tokio::test]
async fn cards_are_charged_and_declined() {
    on_both(async |nigh| {
        let charge = |number| {
            let card = Card::try_from(number).expect("a number");
            nigh.call(PaymentsRef::any().charge(card, Cents::from(700)))
        };
        let charged = Charge { id: "ch-1".into(), cents: Cents::from(700), card_ends: "4242".into() };
        assert_eq!(charge(Card::GOOD).await, Ok(charged));
        assert_eq!(charge(Card::DECLINED).await, Err(CallError::Failed(Declined::ByBank)));
    })
    .await;
}

/// What one client has seen.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    paid_in: u64,
    captured: u64,
    stocked: u64,
    taken: u64,
}

impl std::ops::Add for Seen {
    type Output = Seen;
    fn add(self, other: Seen) -> Seen {
        Seen {
            paid_in: self.paid_in + other.paid_in,
            captured: self.captured + other.captured,
            stocked: self.stocked + other.stocked,
            taken: self.taken + other.taken,
        }
    }
}

/// One client at work on a wallet and an article that all others use, too.
async fn work(nigh: Nigh, client: u64) -> Seen {
    let (mut seed, mut seen) = (Seed::new(7, client), Seen::default());
    let (wallet, stock) = (Wallet::at("all"), Stock::at("all"));
    for _ in 0..ASKS {
        let n = 1 + seed.below(9) as u32;
        let of = seed.below(20);
        match seed.below(8) {
            0 => seen.paid_in += nigh.call(wallet.deposit(Cents::from(n))).await.map_or(0, |_| n.into()),
            1 => drop(nigh.call(wallet.hold(of.to_string().as_str(), Cents::from(n))).await),
            2 => drop(nigh.call(wallet.release(of.to_string().as_str())).await),
            3 => {
                let captured = nigh.call(wallet.capture(of.to_string().as_str())).await;
                seen.captured += captured.map_or(0, u64::from);
            }
            4 => seen.stocked += nigh.call(stock.restock(n)).await.map_or(0, |_| n.into()),
            5 => drop(nigh.call(stock.lease(n)).await),
            6 => drop(nigh.call(stock.give_back(of as u32)).await),
            _ => seen.taken += nigh.call(stock.take(of as u32)).await.map_or(0, u64::from),
        }
    }
    seen
}

/// Money is conserved and stock never oversold, whoever asks what at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn sums_hold_under_a_crowd() {
    on_both(async |nigh| {
        let clients: Vec<_> = (0..CLIENTS).map(|client| tokio::spawn(work(nigh.clone(), client))).collect();
        let mut seen = Seen::default();
        for client in clients {
            seen = seen + client.await.expect("clients end");
        }
        let (balance, level) = nigh.call((Wallet::at("all").balance(), Stock::at("all").level())).await;
        let (balance, level) = (balance.expect("a view answers"), level.expect("a view answers"));
        assert!(seen.captured > 0 && seen.taken > 0, "something was sold: {seen:?}");
        assert_eq!(seen.paid_in, u64::from(balance.free) + u64::from(balance.held) + seen.captured);
        assert_eq!(seen.stocked, u64::from(level.free) + u64::from(level.leased) + seen.taken);
    })
    .await;
}
