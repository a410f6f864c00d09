//! Keys that belong to another: what is placed together, and may be changed in one commit.

/// A key whose entity lives where `H` does: `#[nigh::entity(key = OrderId, home = UserId)]`.
///
/// Entities of one home are in one shard, so that a method of one may change others: `tx.at::<Order>(id)`. A home is a
/// function of the key alone and must never give another answer: the entity would be looked for where it is not.
///
/// ```
/// # use nigh_wire::Homed;
/// #[derive(Clone)] struct UserId(String);
/// struct OrderId { user: UserId, number: u64 }
///
/// impl Homed<UserId> for OrderId {
///     fn home(&self) -> UserId { self.user.clone() }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which `{H}` it belongs to",
    label = "needs `impl Homed<{H}> for {Self}`",
    note = "a home is part of the key: `fn home(&self) -> {H}` gives it, always the same"
)]
pub trait Homed<H> {
    /// Where it belongs.
    fn home(&self) -> H;
}

/// What is a home itself is at home there.
impl<T: Clone> Homed<T> for T {
    fn home(&self) -> T {
        self.clone()
    }
}
