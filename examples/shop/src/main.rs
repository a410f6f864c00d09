//! The shop as a program: its flags come from nigh, see `shop --help`.

use shop::payments::FakeProvider;

#[tokio::main]
async fn main() -> nigh::Result {
    shop::app(FakeProvider::new()).run().await
}
