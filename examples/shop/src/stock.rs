//! Stock of one article: pieces that are free, and pieces that are leased to somebody who is about to pay.
//!
//! A lease sets pieces aside; then they are taken, and have left the shop, or given back, and are free again. No
//! piece is ever in two leases: that is all there is to never selling too much.

use nigh::{Map, State, Wire};

/// An article, at most 64 bytes.
#[derive(Wire, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[wire(id, len <= 64)]
pub struct Sku(String);

/// What there is of an article, in pieces.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// May be leased.
    pub free: u32,
    /// Set aside by leases.
    pub leased: u32,
}

/// The shelf is full: free and leased are counted together, up to 4,294,967,295 pieces.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct TooMuch {
    /// What would fit, in pieces.
    pub room: u32,
}

/// There are not enough pieces to lease.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct SoldOut {
    /// What there is, in pieces.
    pub free: u32,
}

/// There is no such lease: never given, or taken or given back already.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct NoLease {
    /// The one asked for.
    pub lease: u32,
}

/// Pieces of one article. There is stock of every name; what was never stocked is sold out.
#[derive(Debug, Default, State)]
pub struct Stock {
    free: u32,
    /// The sum of `leases`.
    leased: u32,
    /// The number given last. Numbers are never given twice, else giving back late would end another's lease.
    last: u32,
    leases: Map<u32, u32>,
}

/// Stock of an article: pieces that are free, and pieces that are leased.
///
/// `restock` and `lease` count each time they run. To send one again, send it under the same
/// `Idempotency-Key`: it counts once, and the first answer comes again, also if that was an error.
#[nigh::entity(key = Sku)]
impl Stock {
    /// Adds pieces, and returns what is free then. Twice is twice: send again under the same `Idempotency-Key`.
    pub fn restock(&mut self, n: u32) -> Result<u32, TooMuch> {
        let room = u32::MAX - self.leased - self.free;
        if n > room {
            return Err(TooMuch { room });
        }
        self.free += n;
        Ok(self.free)
    }

    /// Sets free pieces aside, and returns the number of the lease. Twice is two leases: send again under the
    /// same `Idempotency-Key`. Also sold out once 4,294,967,295 leases of this article were given.
    pub fn lease(&mut self, n: u32) -> Result<u32, SoldOut> {
        let sold_out = SoldOut { free: self.free };
        let Some(free) = self.free.checked_sub(n) else { return Err(sold_out) };
        #[rustfmt::skip]
        let number = self.last.checked_add(1).ok_or(sold_out)?; // mutant shop-lease-number-again: let number = self.leases.last_key_value().map_or(1, |(n, _)| n + 1);
        self.last = number;
        self.free = free;
        self.leased += n;
        self.leases.insert(self.last, n);
        Ok(self.last)
    }

    /// Frees the pieces of this lease. A number that is not leased changes nothing, so giving back may be repeated.
    pub fn give_back(&mut self, lease: u32) {
        if let Some(n) = self.leases.remove(&lease) {
            self.leased -= n;
            self.free += n;
        }
    }

    /// Hands over the pieces of this lease, and returns how many: they have left the shop for good. A second time
    /// there is no such lease: to send it again, send it under the same `Idempotency-Key`.
    pub fn take(&mut self, lease: u32) -> Result<u32, NoLease> {
        let n = self.leases.remove(&lease).ok_or(NoLease { lease })?;
        self.leased -= n;
        Ok(n)
    }

    /// What there is now.
    pub fn level(&self) -> Level {
        Level { free: self.free, leased: self.leased }
    }
}

#[cfg(test)]
mod tests;
