//! A small web shop: wallets that hold money, stock that is leased, a provider that charges cards.
//!
//! Reading order: [`wallet`] and [`stock`] are durable state with methods; [`payments`] is a contract with the
//! outside, and a provider that only pretends; [`cents`] is money as a value. [`app`] lists them, for `main` and
//! for tests. The page under `page/` asks what `GET /api` lists, and nothing else.
//!
//! Nothing here opens files or sockets, or knows in how many processes it runs: `place.toml` says that.

pub mod cents;
pub mod payments;
pub mod stock;
pub mod wallet;

use nigh::App;

use payments::Payments;
use stock::Stock;
use wallet::Wallet;

/// The shop, with whoever charges cards for it.
pub fn app(payments: impl Payments) -> App {
    let door = nigh_gate::http()
        .page("/", include_str!("page/page.html"))
        .page("/shop.css", include_str!("page/shop.css"))
        .page("/shop.js", include_str!("page/shop.js"));
    App::new("shop")
        .entity::<Wallet>()
        .entity::<Stock>()
        .service::<dyn Payments>(payments)
        .door(door)
        .place(include_str!("../place.toml"))
}
