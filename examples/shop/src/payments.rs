//! Charging cards: a contract with the outside, and a provider that only pretends.
//!
//! [`Payments`] is what the shop asks for; a real provider implements it over HTTP. [`FakeProvider`] has the
//! manners of a real one: it can be slow, decline, or charge and never answer, and it charges once per token.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nigh::{Asked, Wire};

use crate::cents::Cents;

/// A card's number: 12 to 19 digits. It is never shown in full.
#[derive(Wire, Clone, PartialEq, Eq)]
#[wire(len <= 19, check = "looks_like_a_card")]
pub struct Card(String);

/// Why a text is no card's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCard;

impl fmt::Display for NoCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a card has a number of 12 to 19 digits, without spaces")
    }
}
impl std::error::Error for NoCard {}

#[expect(clippy::ptr_arg, reason = "a rule is given the field as it is")]
fn looks_like_a_card(number: &String) -> Result<(), NoCard> {
    let digits = number.bytes().all(|b| b.is_ascii_digit());
    if digits && (12..=19).contains(&number.len()) { Ok(()) } else { Err(NoCard) }
}

impl Card {
    /// Is charged.
    pub const GOOD: &str = "4242424242424242";
    /// Is declined, by [`FakeProvider`].
    pub const DECLINED: &str = "4000000000000002";
    /// Is charged after [`SLOW`].
    pub const SLOW: &str = "4000000000003000";
    /// Is charged, but nobody is ever told.
    pub const SILENT: &str = "4000000000009999";

    fn last_four(&self) -> &str {
        self.0.get(self.0.len().saturating_sub(4)..).unwrap_or("")
    }
}

impl TryFrom<&str> for Card {
    type Error = NoCard;
    fn try_from(number: &str) -> Result<Self, NoCard> {
        let number = number.to_owned();
        looks_like_a_card(&number).map(|()| Card(number))
    }
}

/// So that a log line never holds a number.
impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Card(…{})", self.last_four())
    }
}

/// Money that has come.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// How the provider calls it.
    pub id: String,
    /// How much.
    pub cents: Cents,
    /// The last digits of the card, to show to its owner.
    pub card_ends: String,
}

/// No money has come, and none will for this call.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub enum Declined {
    /// The bank of the card says no. Another card may do.
    ByBank,
    /// There is nothing to charge: the amount is 0.
    NothingToCharge,
    /// The token came before with another card or amount.
    TokenReused,
}

/// Charges cards.
///
/// Charging moves money outside, where nothing can be undone with us: so each call carries a token, the same for
/// every try, and a provider charges once per token.
#[nigh::service]
pub trait Payments {
    /// Charges a card, once per call however often it is tried: the provider is handed the call's id as token.
    /// Over HTTP the `Idempotency-Key` says which tries are one call: send the same in every try.
    #[idempotent]
    async fn charge(&self, asked: Asked, card: Card, cents: Cents) -> Result<Charge, Declined>;
}

/// How long a slow card takes: felt by a person, and well within a call's 10 s.
pub const SLOW: Duration = Duration::from_secs(3);

/// Tokens that are remembered; the oldest are forgotten first. Real providers keep them for a day; this one for as
/// long as 10,000 charges take, some 2 MB.
pub const REMEMBERED_MAX: usize = 10_000;

/// A provider that only pretends. Some card numbers have a meaning, see [`Card`]. Clones are the same provider.
#[derive(Clone, Debug, Default)]
pub struct FakeProvider {
    books: Arc<Mutex<Books>>,
}

/// What the provider knows.
#[derive(Debug, Default)]
struct Books {
    answers: BTreeMap<String, Answered>,
    /// Tokens of `answers`, oldest first.
    order: VecDeque<String>,
    charges: u64,
    total: Cents,
}

#[derive(Clone, Debug)]
struct Answered {
    card: Card,
    cents: Cents,
    answer: Result<Charge, Declined>,
}

impl FakeProvider {
    /// A provider that has charged nobody.
    pub fn new() -> Self {
        FakeProvider::default()
    }
    /// How many charges there were.
    pub fn charges(&self) -> u64 {
        self.books().charges
    }
    /// What they amount to; stays at [`Cents::MAX`] once there.
    pub fn total(&self) -> Cents {
        self.books().total
    }
    /// How many tokens it remembers, at most [`REMEMBERED_MAX`].
    pub fn remembered(&self) -> usize {
        self.books().order.len()
    }
    fn books(&self) -> MutexGuard<'_, Books> {
        // Nothing between two changes of the books can panic, so they are sound even then.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Payments for FakeProvider {
    async fn charge(&self, asked: Asked, card: Card, cents: Cents) -> Result<Charge, Declined> {
        if card.0 == Card::SLOW {
            tokio::time::sleep(SLOW).await;
        }
        let silent = card.0 == Card::SILENT;
        let answer = self.books().charge(asked.token(), card, cents);
        if silent {
            std::future::pending::<()>().await;
        }
        answer
    }
}

impl Books {
    /// Recognises the token and charges in one step, so that two tries at the same moment charge once.
    fn charge(&mut self, token: String, card: Card, cents: Cents) -> Result<Charge, Declined> {
        let known = self.answers.get(&token); // mutant shop-token-charged-twice: let known = None::<&Answered>;
        if let Some(known) = known {
            let same = known.card == card && known.cents == cents;
            return if same { known.answer.clone() } else { Err(Declined::TokenReused) };
        }
        let answer = self.decide(&card, cents);
        if self.order.len() == REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.answers.remove(&oldest);
        }
        self.order.push_back(token.clone());
        self.answers.insert(token, Answered { card, cents, answer: answer.clone() });
        answer
    }

    fn decide(&mut self, card: &Card, cents: Cents) -> Result<Charge, Declined> {
        if cents == Cents::ZERO {
            return Err(Declined::NothingToCharge);
        }
        if card.0 == Card::DECLINED {
            return Err(Declined::ByBank);
        }
        self.charges += 1;
        self.total = self.total.checked_add(cents).unwrap_or(Cents::MAX);
        Ok(Charge { id: format!("ch-{}", self.charges), cents, card_ends: card.last_four().to_owned() })
    }
}

#[cfg(test)]
mod tests;
