//! The surface as a user writes it: entities, services and state, run as the runtime will run them.
#![deny(warnings)]
#![allow(missing_docs, unreachable_pub, reason = "as a user without these lints")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use nigh::__private::{Class, Contract, Out, Reader, Reply, Run, TxCore, Value};
use nigh::__wire::{ContractKind, Node, Schema, Target, encode};
use nigh::prelude::*;
use nigh::{Entity, Service};

#[derive(Wire, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[wire(id)]
pub struct UserId(String);

#[derive(Wire, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[wire(id)]
pub struct HoldId(String);

#[derive(Wire, Debug, PartialEq, Eq)]
pub struct Poor;

#[derive(Wire, Debug, PartialEq, Eq)]
pub struct Balance {
    free: u64,
    held: u64,
}

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
    holds: Map<HoldId, u64>,
    drawn: Vec<u64>,
}

/// Money of one user.
///
/// In cents.
#[nigh::entity(key = UserId)]
impl Wallet {
    /// Sets money aside.
    pub fn hold(&mut self, id: HoldId, cents: u64) -> Result<u64, Poor> {
        self.holds.insert(id, cents);
        self.cents = self.cents.checked_sub(cents).ok_or(Poor)?;
        Ok(self.cents)
    }
    #[commutes]
    pub fn set_at_least(&mut self, cents: u64) {
        self.cents = self.cents.max(cents);
    }
    #[idempotent]
    pub(crate) fn release(&mut self, mut id: HoldId) -> u64 {
        id.0.make_ascii_lowercase();
        let back = self.holds.remove(&id).unwrap_or(0);
        self.add(back);
        self.cents
    }
    pub fn draw(&mut self, times: u8, tx: &mut Tx<Self>, r#type: String) -> (UserId, String) {
        self.drawn.extend((0..times).map(|_| tx.random()));
        self.drawn.push(tx.now().as_secs());
        (tx.key(), r#type)
    }
    pub fn close(&mut self, tx: &mut Tx<Self>) -> bool {
        tx.delete();
        format!("{:?}", tx.me()) == format!("{:?}", Self::at(tx.key()))
    }
    pub fn spill(&mut self, id: HoldId) -> u64 {
        self.holds.clear();
        self.holds.insert(id, 1);
        self.cents = 0;
        panic!("spilt");
    }
    /// What is there.
    pub fn balance(&self) -> Balance {
        Balance { free: self.cents, held: self.holds.values().sum() }
    }
    pub fn held(&self, id: HoldId) -> Result<u64, Poor> {
        self.holds.get(&id).copied().ok_or(Poor)
    }
    #[expect(clippy::too_many_arguments, reason = "the most there may be")]
    pub fn eight(&self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: String) -> String {
        format!("{}{h}", a + b + c + d + e + f + g)
    }
    /// No method of the handle.
    fn add(&mut self, cents: u64) {
        self.cents += cents;
    }
    /// Nor is this, which has no receiver.
    pub fn with(cents: u64) -> Self {
        Wallet { cents, ..Wallet::default() }
    }
}

/// As the runtime: begins, runs, and commits or undoes. The answer is as it would cross a link.
fn perform<S: Entity>(state: &mut S, core: &mut TxCore, call: nigh::__wire::Parts) -> Result<Bytes, Bytes> {
    let Target::Entity { name, key } = call.target else { panic!("not of an entity") };
    assert_eq!((&name, S::admits(&key)), (&S::name(), true));
    core.key = key;
    let place = S::contract().methods.iter().position(|m| m.name == call.method);
    let saved = state.begin();
    // A copy of a value is bytes: every call runs once typed and once as it crosses a link.
    let run = AssertUnwindSafe(|| match &S::table()[place.expect("the contract has the method")] {
        Run::Write(run) => run(state, core, call.args),
        Run::Read(run) => run(state, call.args),
    });
    match catch_unwind(run) {
        Ok(Ok(Reply::Ok(value))) => {
            state.commit(saved, &mut Out::default());
            Ok(value.to_bytes())
        }
        Ok(Ok(Reply::Err(value))) => {
            state.release();
            state.undo(saved);
            Err(value.to_bytes())
        }
        Ok(Err(cause)) => panic!("{cause}"),
        Err(_) => {
            state.release();
            state.undo(saved);
            Err(Bytes::from_static(b"panicked"))
        }
    }
}

/// Runs `call` on two equal wallets, typed and through bytes: the answers are the same.
fn check<T: Wire, E, M>(
    call: Call<T, E, M>,
    answer: Result<Bytes, Bytes>,
    left: Balance,
) -> (Wallet, TxCore) {
    let start = || Wallet { cents: 10, holds: [(HoldId("a".into()), 5)].into(), drawn: vec![] };
    let core = || TxCore { now: Time::from_nanos(7_000_000_000), seed: 1, ..TxCore::default() };
    let far = call.parts().clone();
    assert!(matches!(far.args, Value::Bytes(_)));
    let (mut one, mut two, mut core_one, mut core_two) = (start(), start(), core(), core());
    assert_eq!(perform(&mut one, &mut core_one, call.into_parts()), answer);
    assert_eq!(perform(&mut two, &mut core_two, far), answer);
    assert_eq!((&one.balance(), &two.balance()), (&left, &left));
    (one, core_one)
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn methods_run_from_values_and_from_bytes() {
    let (ada, absent) = (Wallet::at("ada"), HoldId("z".into()));
    let all = |free, held| Balance { free, held };
    check(ada.hold("b", 4),           Ok(encode(&6u64)),          all(6, 9));
    check(ada.hold("b", 11),          Err(encode(&Poor)),         all(10, 5)); // Undone.
    check(ada.hold("a", 11),          Err(encode(&Poor)),         all(10, 5));
    check(ada.set_at_least(12),       Ok(encode(&())),            all(12, 5));
    check(ada.release("A"),           Ok(encode(&15u64)),         all(15, 0));
    check(ada.spill("b"),             Err(Bytes::from_static(b"panicked")), all(10, 5)); // Undone.
    check(ada.balance(),              Ok(encode(&all(10, 5))),    all(10, 5));
    check(ada.held("a"),              Ok(encode(&5u64)),          all(10, 5));
    check(ada.held(&absent),          Err(encode(&Poor)),         all(10, 5));
    assert_eq!(absent.0, "z"); // It was only shown.
    check(ada.eight(1, 2, 3, 4, 5, 6, 7, "h"), Ok(encode(&"28h".to_owned())), all(10, 5));
}

#[test]
fn tx_knows_key_time_and_chance() {
    let answer = encode(&("ada".to_owned(), "x".to_owned()));
    let (wallet, core) = check(Wallet::at("ada").draw(2, "x"), Ok(answer), Balance { free: 10, held: 5 });
    assert_eq!((core.drawn, core.deleted, wallet.drawn.len(), wallet.drawn[2]), (2, false, 3, 7));
    assert_ne!(wallet.drawn[0], wallet.drawn[1]);
    let (_, core) = check(Wallet::at("ada").close(), Ok(encode(&true)), Balance { free: 10, held: 5 });
    assert!(core.deleted);
}

/// Methods stay ordinary functions.
#[test]
fn a_method_is_tested_without_a_runtime() {
    let mut wallet = Wallet::with(5);
    let mut tx = Tx::detached("ada").with_now(Time::from_nanos(9_000_000_000)).with_seed(3);
    assert_eq!(wallet.draw(1, &mut tx, "t".into()), (UserId("ada".into()), "t".into()));
    assert_eq!(wallet.drawn[1], 9);
    assert!(wallet.close(&mut tx) && tx.is_deleted());
    assert_eq!(wallet.hold(HoldId("h".into()), 6), Err(Poor));
}

#[test]
fn calls_and_handles_may_be_shared() {
    fn shared<T: Send + Sync + Clone + std::fmt::Debug>(_: &T) {}
    let handle = Wallet::at(UserId("ada".into()));
    shared(&handle);
    shared(&handle.hold("b", 4));
    shared(&PaymentsRef::any());
    assert_eq!(format!("{handle:?}"), r#"WalletRef(b"\x03ada")"#);
    assert_eq!(format!("{:?}", handle.hold("b", 4)), "Call(Wallet.hold)");
    let _: View<Balance> = handle.balance();
    let _: View<u64, Poor> = handle.held("b");
    let _: Call<u64, Poor> = handle.hold("b", 4);
}

/// A bad key runs nothing.
#[test]
fn only_keys_are_admitted() {
    assert!(Wallet::admits(b"\x03ada"));
    assert!(!Wallet::admits(b"\x04ada") && !Wallet::admits(b"\x03ada\x00") && !Wallet::admits(b""));
}

fn names(schema: &Schema) -> Vec<String> {
    let Node::Struct { fields } = &schema.nodes[schema.root as usize] else { panic!("no record") };
    fields.iter().map(|f| f.name.clone()).collect()
}
fn row(contract: &Contract, name: &str) -> (Class, Vec<String>, bool, &'static str) {
    let m = contract.method(name).expect("it is offered");
    (m.class, names(&m.args), m.err.is_some(), m.docs)
}

#[test]
fn a_contract_says_what_there_is() {
    let c = Wallet::contract();
    let args = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    assert_eq!((c.name.as_str(), c.docs), ("Wallet", "Money of one user.\n\nIn cents."));
    assert_eq!(row(&c, "hold"), (Class::Once, args(&["id", "cents"]), true, "Sets money aside."));
    assert_eq!(row(&c, "set_at_least"), (Class::Commutes, args(&["cents"]), false, ""));
    assert_eq!(row(&c, "release"), (Class::Once, args(&["id"]), false, ""));
    assert_eq!(row(&c, "draw"), (Class::Once, args(&["times", "type"]), false, ""));
    assert_eq!(row(&c, "balance"), (Class::Read, args(&[]), false, "What is there."));
    assert_eq!(row(&c, "held"), (Class::Read, args(&["id"]), true, ""));
    let all: Vec<_> = c.methods.iter().map(|m| m.name).collect();
    let written = ["hold", "set_at_least", "release", "draw", "close", "spill", "balance", "held", "eight"];
    assert_eq!((all.as_slice(), Wallet::table().len()), (written.as_slice(), written.len()));
    let ContractKind::Entity { key, state, .. } = &c.kind else { panic!("an entity") };
    assert_eq!(key.hash(), nigh::__wire::schema_of::<UserId>().hash());
    assert_eq!(names(state), ["cents", "holds", "drawn"]);
}

mod generic {
    use nigh::prelude::*;

    #[derive(Wire, Clone, Debug, Default, PartialEq)]
    pub(crate) struct Order {
        pub(crate) n: u64,
    }

    #[derive(Default, State)]
    pub(crate) struct Topic<T> {
        last: T,
        all: Map<u64, T>,
    }

    #[nigh::entity(key = (String, u64), name = "topic-1")]
    impl<T: Wire + Clone + Default> Topic<T> {
        pub(crate) fn post(&mut self, tx: &mut Tx<Self>, item: T) -> u64 {
            let place = tx.key().1 + self.all.len() as u64;
            self.last = item.clone();
            self.all.insert(place, item);
            place
        }
        pub(crate) fn last(&self) -> Result<T, String> {
            self.all.last_key_value().map(|(_, v)| v.clone()).ok_or_else(|| "empty".to_owned())
        }
        #[cfg(any())]
        pub(crate) fn never(&self, missing: Missing) -> Missing {
            missing
        }
    }
}

#[test]
fn a_generic_entity_is_one_per_instance() {
    use generic::{Order, Topic};
    assert_eq!(
        (Topic::<u64>::name(), Topic::<Order>::name()),
        ("topic-1/u64".into(), "topic-1/Order".into())
    );
    assert_eq!(Topic::<Order>::contract().methods.len(), 2);
    let (mut topic, mut core) = (Topic::<Order>::default(), TxCore::default());
    let at = || Topic::<Order>::at(("a".to_owned(), 40));
    assert_eq!(perform(&mut topic, &mut core, at().last().into_parts()), Err(encode(&"empty".to_owned())));
    assert_eq!(perform(&mut topic, &mut core, at().post(Order { n: 1 }).into_parts()), Ok(encode(&40u64)));
    assert_eq!(perform(&mut topic, &mut core, at().post(&Order { n: 2 }).into_parts()), Ok(encode(&41u64)));
    assert_eq!(perform(&mut topic, &mut core, at().last().into_parts()), Ok(encode(&Order { n: 2 })));
    let mut out = Out::default();
    topic.snapshot(&mut out);
    let snapshot = out.into_bytes();
    assert!(Topic::<Order>::restore(&mut Reader::stored(&snapshot)).is_ok());
}

#[derive(Wire, Debug, PartialEq)]
pub struct Declined(String);

/// Money from outside.
#[nigh::service]
pub trait Payments {
    /// Takes money from a card.
    #[idempotent]
    async fn charge(&self, card: String, asked: Asked, cents: u64) -> Result<u64, Declined>;
    #[view]
    async fn fee(&self) -> u64 {
        self.base(2).await
    }
    async fn base(&self, n: u64) -> u64;
}

struct Fake {
    base: u64,
}
impl Payments for Fake {
    async fn charge(&self, card: String, asked: Asked, cents: u64) -> Result<u64, Declined> {
        match card.as_str() {
            "bad" => Err(Declined(card)),
            _ => Ok(cents + asked.token().len() as u64),
        }
    }
    async fn base(&self, n: u64) -> u64 {
        self.base + n
    }
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

fn dispatch<T: Wire, E, M>(of: &dyn Payments, call: Call<T, E, M>) -> Result<Bytes, Bytes> {
    let place = |name: &str| <dyn Payments>::contract().methods.iter().position(|m| m.name == name);
    let nigh::__wire::Parts { target, method, args, .. } = call.parts().clone();
    assert_eq!(target, Target::Service { name: "Payments".into() });
    let number = place(method).expect("it is offered");
    let one = |args| match ready(of.dispatch(number, Asked::detached(), args)) {
        Ok(Reply::Ok(value)) => Ok(value.to_bytes()),
        Ok(Reply::Err(value)) => Err(value.to_bytes()),
        Err(cause) => panic!("{cause}"),
    };
    let near = one(call.into_parts().args);
    assert_eq!(one(args), near);
    near
}

#[test]
fn a_service_is_dispatched_by_number() {
    let fake: Box<dyn Payments> = Fake { base: 1 }.into();
    let shared: Arc<dyn Payments> = Arc::new(Fake { base: 1 });
    let twice: Box<dyn Payments> = Arc::clone(&shared).into();
    let token = Asked::detached().token().len() as u64;
    for of in [&*fake, &*shared, &*twice] {
        let ask = PaymentsRef::any();
        assert_eq!(dispatch(of, ask.charge("good", 5)), Ok(encode(&(5 + token))));
        assert_eq!(dispatch(of, ask.charge("bad", 5)), Err(encode(&Declined("bad".into()))));
        assert_eq!(dispatch(of, ask.fee()), Ok(encode(&3u64)));
        assert!(matches!(ready(of.dispatch(9, Asked::detached(), Value::new(()))), Err(Cause::Unknown(_))));
        let bad = ready(of.dispatch(0, Asked::detached(), Value::new(5u8)));
        assert!(matches!(bad, Err(Cause::Malformed(_))));
    }
    // A mock, or what stands for one, is called as it is written.
    assert_eq!(ready(shared.charge("good".into(), Asked::detached(), 1)), Ok(1 + token));
    let _: View<u64> = PaymentsRef::any().fee();
}

#[test]
fn a_service_says_what_there_is() {
    let c = <dyn Payments>::contract();
    assert_eq!((c.name.as_str(), c.docs), ("Payments", "Money from outside."));
    assert!(matches!(c.kind, ContractKind::Service));
    let args = vec!["card".to_owned(), "cents".to_owned()];
    assert_eq!(row(&c, "charge"), (Class::Idempotent, args, true, "Takes money from a card."));
    assert_eq!(row(&c, "fee"), (Class::Read, vec![], false, ""));
    assert_eq!(row(&c, "base"), (Class::Once, vec!["n".to_owned()], false, ""));
}

mod named {
    use nigh::prelude::*;
    #[nigh::service(name = "mail.v1")]
    pub(crate) trait Mailer: std::fmt::Debug {
        async fn send(&self, to: Vec<String>) -> Bytes;
    }
}

#[test]
fn a_service_may_have_another_name() {
    assert_eq!(<dyn named::Mailer>::contract().name, "mail.v1");
    let call: Call<Bytes> = named::MailerRef::any().send(&["ada".to_owned()][..]);
    assert_eq!(format!("{call:?}"), "Call(mail.v1.send)");
}

/// Private state under a public entity, names that generated code might use too, and no methods at all.
mod private {
    use nigh::prelude::*;

    #[derive(Wire, Clone, PartialEq, Eq, PartialOrd, Ord)]
    struct Hidden(u64);
    #[derive(Default, State)]
    pub struct Safe {
        held: Map<Hidden, Vec<u8>>,
        last: Option<Hidden>,
    }
    #[nigh::entity(key = u64)]
    impl Safe {
        pub(super) fn put(&mut self, args: u64, me: u64, core: u64, key: u64, tx: u64) -> u64 {
            self.last = Some(Hidden(args + me + core + key + tx));
            self.held.insert(Hidden(args), vec![]);
            self.held.len() as u64
        }
        pub(super) fn r#move(&mut self, r#fn: u64) -> bool {
            self.last == Some(Hidden(r#fn))
        }
    }

    #[derive(Default, State)]
    pub struct Empty {}
    #[nigh::entity(key = u64)]
    impl Empty {}
}

#[test]
fn names_and_visibility_do_not_clash() {
    use private::{Empty, Safe};
    let (mut safe, mut core) = (Safe::default(), TxCore::default());
    let call = Safe::at(1).put(1, 2, 3, 4, 5);
    assert_eq!(perform(&mut safe, &mut core, call.into_parts()), Ok(encode(&1u64)));
    let call = Safe::at(1).r#move(15);
    assert_eq!(call.parts().method, "move");
    assert_eq!(perform(&mut safe, &mut core, call.into_parts()), Ok(encode(&true)));
    let mut empty = Empty::default();
    assert!(!{
        let saved = empty.begin();
        empty.commit(saved, &mut Out::default())
    });
    assert_eq!((Empty::table().len(), Empty::contract().methods.len()), (0, 0));
}
