//! A wallet: money that is free, and money that is held for something.
//!
//! A hold takes money aside; then it is captured, and has left the shop, or released, and is free again.
//! The sum of free and held never exceeds [`Cents::MAX`]: only [`Wallet::deposit`] adds to it, and checks.

use nigh::{Map, State, Wire};

use crate::cents::Cents;

/// Who owns a wallet, at most 64 bytes.
#[derive(Wire, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[wire(id, len <= 64)]
pub struct UserId(String);

/// What a hold is called by whoever asks for it, at most 64 bytes.
#[derive(Wire, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[wire(id, len <= 64)]
pub struct HoldId(String);

/// What is in a wallet.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// May be held.
    pub free: Cents,
    /// Set aside by holds.
    pub held: Cents,
}

/// The deposit does not fit.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct TooMuch {
    /// What would fit.
    pub room: Cents,
}

/// There is not enough money to hold.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct Poor {
    /// What there is.
    pub free: Cents,
}

/// There is no such hold: never made, or captured or released already.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct NoHold {
    /// The one asked for.
    pub id: HoldId,
}

/// Money of one user. There is a wallet for every name; who never paid in has an empty one.
#[derive(Debug, Default, State)]
pub struct Wallet {
    free: Cents,
    /// The sum of `holds`.
    held: Cents,
    holds: Map<HoldId, Cents>,
}

/// A wallet: money that is free, and money that is held.
///
/// `deposit` counts each time it runs. To send one again, send it under the same `Idempotency-Key`: it counts
/// once, and the first answer comes again, also if that was an error.
#[nigh::entity(key = UserId)]
impl Wallet {
    /// Adds money, and returns what is free then. Twice is twice: send again under the same `Idempotency-Key`.
    /// Fails if free and held together would exceed 2^53 - 1; nothing is added then.
    pub fn deposit(&mut self, cents: Cents) -> Result<Cents, TooMuch> {
        let all = self.free.checked_add(self.held).expect("deposit keeps the sum in range");
        #[rustfmt::skip]
        let fits = all.checked_add(cents).is_some(); // mutant shop-deposit-forgets-held: let fits = self.free.checked_add(cents).is_some();
        if !fits {
            return Err(TooMuch { room: Cents::MAX.checked_sub(all).expect("the sum is in range") });
        }
        self.free = self.free.checked_add(cents).expect("a part is at most the sum");
        Ok(self.free)
    }

    /// Sets free money aside, and returns what is still free. An id that is held already changes nothing,
    /// whatever amount comes with it, so holding may be repeated; once captured or released, the id is new again.
    pub fn hold(&mut self, id: HoldId, cents: Cents) -> Result<Cents, Poor> {
        let known = self.holds.contains_key(&id); // mutant shop-hold-counts-twice: let known = false;
        if known {
            return Ok(self.free);
        }
        self.free = self.free.checked_sub(cents).ok_or(Poor { free: self.free })?;
        self.held = self.held.checked_add(cents).expect("held is at most the sum, which stays");
        self.holds.insert(id, cents);
        Ok(self.free)
    }

    /// Frees what this hold set aside. An id that is not held changes nothing, so releasing may be repeated.
    pub fn release(&mut self, id: HoldId) {
        if let Some(cents) = self.holds.remove(&id) {
            self.held = self.held.checked_sub(cents).expect("held is the sum of all holds");
            self.free = self.free.checked_add(cents).expect("free is at most the sum, which stays");
        }
    }

    /// Spends what this hold set aside, and returns the amount: it has left the wallet for good. A second time
    /// there is no such hold: to send it again, send it under the same `Idempotency-Key`.
    pub fn capture(&mut self, id: HoldId) -> Result<Cents, NoHold> {
        let cents = self.holds.remove(&id).ok_or(NoHold { id })?;
        self.held = self.held.checked_sub(cents).expect("held is the sum of all holds");
        Ok(cents)
    }

    /// What is in it now.
    pub fn balance(&self) -> Balance {
        Balance { free: self.free, held: self.held }
    }
}

#[cfg(test)]
mod tests;
