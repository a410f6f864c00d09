//! What stands behind the gate in its tests: counters in memory, with the records that make a call happen once.
//!
//! It keeps the promises a node keeps, in the simplest way: one lock, a record for each named call, a tombstone
//! for what was settled before it came. `pause` is a method that does not come back until it is let.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nigh::Nigh;
use nigh::perform::{Ask, Identity, Outcome, Perform, What};
use nigh_proto::calls::request::Version;
use nigh_proto::shards::{Epoch, Position};
use nigh_wire::{
    Bytes, CallId, CallerId, Catalogue, Cause, Class, Contract, ContractKind, Doubt, Fingerprint, Keyed,
    Method, Row, Schema, Ticket, Time, Value, Wire, encode, schema_of,
};
use tokio::sync::watch;

type BoxFuture<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;

/// A counter never exceeds this.
pub(crate) const COUNT_MAX: u64 = 1_000;

/// The error of `add`.
#[derive(Wire, Clone, Debug)]
pub(crate) struct TooMuch {
    /// What there is.
    pub(crate) have: u64,
}

/// What became of a named call.
#[derive(Clone)]
enum Kept {
    Ok(Bytes),
    Err(Bytes),
    Dead,
}

#[derive(Default)]
struct Memory {
    counts: BTreeMap<String, u64>,
    kept: BTreeMap<String, (Fingerprint, Kept)>,
    commits: u64,
}

/// Counters, by key.
pub(crate) struct Counters {
    catalogue: Arc<Catalogue>,
    memory: Arc<Mutex<Memory>>,
    /// Calls of `pause` wait until this is true.
    go: watch::Sender<bool>,
    /// How many calls of `pause` were begun.
    begun: watch::Sender<u32>,
}

fn row<T: Wire>(name: &'static str) -> Row {
    Row { name, ty: T::node, was: &[], default: None, docs: "" }
}

fn method(name: &'static str, class: Class, args: &[Row], ok: Schema, err: Option<Schema>) -> Method {
    Method { name, class, args: Schema::record(args), ok, err, docs: "" }
}

fn catalogue() -> Catalogue {
    let u64s = schema_of::<u64>;
    let counter = Contract {
        name: "Counter".into(),
        kind: ContractKind::Entity { key: schema_of::<String>(), state: u64s(), home: None },
        methods: vec![
            method("add", Class::Once, &[row::<u64>("by")], u64s(), Some(schema_of::<TooMuch>())),
            method("pause", Class::Once, &[row::<u64>("by")], u64s(), None),
            method("reset", Class::Once, &[], schema_of::<()>(), None),
            method("busy", Class::Once, &[], schema_of::<()>(), None),
            method("panic", Class::Once, &[], schema_of::<()>(), None),
            method("names", Class::Once, &[row::<Vec<Vec<String>>>("all")], u64s(), None),
            method("value", Class::Read, &[], u64s(), None),
            method(
                "over",
                Class::Read,
                &[row::<u64>("limit"), row::<bool>("strictly")],
                schema_of::<bool>(),
                None,
            ),
        ],
        docs: "Counts.",
    };
    let mailer = Contract {
        name: "Mailer".into(),
        kind: ContractKind::Service,
        methods: vec![method("send", Class::Once, &[row::<String>("to")], schema_of::<String>(), None)],
        docs: "Sends.",
    };
    Catalogue::new([counter, mailer]).expect("two names")
}

impl Counters {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Counters {
            catalogue: Arc::new(catalogue()),
            memory: Arc::default(),
            go: watch::Sender::new(false),
            begun: watch::Sender::new(0),
        })
    }
    pub(crate) fn nigh(self: &Arc<Self>) -> Nigh {
        Nigh::new(self.clone())
    }
    /// Lets calls of `pause` come back.
    pub(crate) fn go(&self) {
        self.go.send_replace(true);
    }
    /// Waits until so many calls of `pause` were begun.
    pub(crate) async fn begun(&self, calls: u32) {
        self.begun.subscribe().wait_for(|begun| *begun >= calls).await.expect("the counters live");
    }
    pub(crate) fn count(&self, key: &str) -> u64 {
        self.memory.lock().expect("no test panics inside").counts.get(key).copied().unwrap_or(0)
    }
}

impl Perform for Counters {
    fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }
    fn perform(&self, ask: Ask) -> BoxFuture<Outcome> {
        let (catalogue, memory) = (self.catalogue.clone(), self.memory.clone());
        let within = ask.within.expect("the gate always says");
        match ask.what {
            What::List { after, limit, .. } => Box::pin(async move { list(&memory, after, limit) }),
            What::Settle(ticket) => Box::pin(async move { settle(&memory, &ticket) }),
            What::Method { method, key, args } => {
                let (contract, method) = catalogue.method(method).expect("of this catalogue");
                let call = Call {
                    of: contract.name.clone(),
                    method: method.name,
                    shape: method.answer_hash(),
                    key,
                    args: args.to_bytes(),
                    identity: ask.identity,
                };
                let (go, begun) = (self.go.subscribe(), self.begun.clone());
                Box::pin(async move { run(&memory, call, within, go, begun).await })
            }
        }
    }
    fn reserve(&self, _: &Ask) -> Option<Ticket> {
        None
    }
    fn release(&self, _: CallId) {}
}

struct Call {
    of: String,
    method: &'static str,
    shape: nigh_wire::WireHash,
    key: Option<Bytes>,
    args: Bytes,
    identity: Identity,
}

impl Call {
    fn key_bytes(&self) -> &[u8] {
        self.key.as_deref().unwrap_or_default()
    }
    /// What a record is kept under.
    fn name(&self) -> Option<String> {
        match &self.identity {
            Identity::Fresh => None,
            Identity::Id(id) | Identity::Reserved(id, _) => Some(id.to_string()),
            Identity::Once(key) => Some(format!("{} {:?} {} {key}", self.of, self.key, self.method)),
        }
    }
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.of, self.key_bytes(), self.method, &self.args)
    }
    fn ticket(&self) -> Ticket {
        let id = CallId { caller: CallerId(7), number: 1, birth: Time::from_nanos(1) };
        Ticket::from(Doubt {
            id: if let Identity::Id(id) = self.identity { id } else { id },
            of: self.of.clone(),
            key: self.key.clone(),
            method: self.method.into(),
            shape: self.shape,
            fingerprint: self.fingerprint(),
            keyed: match &self.identity {
                Identity::Once(key) => Some(Keyed { principal: String::new(), key: key.clone() }),
                _ => None,
            },
            settles_until: Time::from_nanos(u64::MAX),
        })
    }
}

fn list(memory: &Mutex<Memory>, after: Option<Bytes>, limit: u32) -> Outcome {
    let memory = memory.lock().expect("no test panics inside");
    let after = after.map(|bytes| nigh_wire::decode::<String>(&bytes).expect("of the key's schema"));
    let keys = memory.counts.keys().filter(|key| after.as_ref().is_none_or(|after| *key > after));
    Outcome::Keys(keys.take(limit as usize).map(encode).collect())
}

fn settle(memory: &Mutex<Memory>, ticket: &Ticket) -> Outcome {
    if ticket.key.is_none() {
        return Outcome::NoRecord;
    }
    let name = match &ticket.keyed {
        Some(keyed) => format!("{} {:?} {} {}", ticket.of, ticket.key, ticket.method, keyed.key),
        None => ticket.id.to_string(),
    };
    let mut memory = memory.lock().expect("no test panics inside");
    let (_, kept) = memory.kept.entry(name).or_insert((ticket.fingerprint, Kept::Dead));
    match kept.clone() {
        Kept::Ok(value) => Outcome::Done { value: Value::Bytes(value), version: None },
        Kept::Err(error) => Outcome::Failed(Value::Bytes(error)),
        Kept::Dead => Outcome::NotDone(Cause::Fenced),
    }
}

async fn run(
    memory: &Mutex<Memory>,
    call: Call,
    within: Duration,
    mut go: watch::Receiver<bool>,
    begun: watch::Sender<u32>,
) -> Outcome {
    match call.method {
        "busy" => return Outcome::Overloaded { retry_after: Duration::from_millis(1_500) },
        "panic" => return Outcome::NotDone(Cause::Panicked("divided by zero".into())),
        "send" => return Outcome::Done { value: Value::new("sent".to_string()), version: None },
        "pause" => {
            begun.send_modify(|begun| *begun += 1);
            let waited = tokio::time::timeout(within, go.wait_for(|go| *go)).await;
            if waited.is_err() {
                return Outcome::InDoubt(call.ticket());
            }
        }
        _ => {}
    }
    if let Identity::Id(id) = call.identity
        && id.birth == Time::from_nanos(1)
    {
        return Outcome::Forgotten;
    }
    let mut memory = memory.lock().expect("no test panics inside");
    let name = call.name();
    if let Some((fingerprint, kept)) = name.as_ref().and_then(|name| memory.kept.get(name)) {
        if *fingerprint != call.fingerprint() {
            return Outcome::NotDone(Cause::Misuse);
        }
        return match kept.clone() {
            Kept::Ok(value) => Outcome::Done { value: Value::Bytes(value), version: None },
            Kept::Err(error) => Outcome::Failed(Value::Bytes(error)),
            Kept::Dead => Outcome::NotDone(Cause::Fenced),
        };
    }
    let result = apply(&mut memory, &call);
    if let Some(name) = name {
        let kept = result.clone().map_or_else(Kept::Err, Kept::Ok);
        memory.kept.insert(name, (call.fingerprint(), kept));
    }
    memory.commits += 1;
    let version = Version { epoch: Epoch(3), position: Position(memory.commits) };
    match result {
        Ok(value) => Outcome::Done { value: Value::Bytes(value), version: Some(version) },
        Err(error) => Outcome::Failed(Value::Bytes(error)),
    }
}

fn apply(memory: &mut Memory, call: &Call) -> Result<Bytes, Bytes> {
    let key: String = nigh_wire::decode(call.key_bytes()).expect("of the key's schema");
    let have = memory.counts.get(&key).copied().unwrap_or(0);
    match call.method {
        "add" | "pause" => {
            let (by,): (u64,) = nigh_wire::decode(&call.args).expect("of the method's schema");
            let sum = have.checked_add(by).filter(|sum| *sum <= COUNT_MAX);
            let sum = sum.ok_or_else(|| encode(&TooMuch { have }))?;
            memory.counts.insert(key, sum);
            Ok(encode(&sum))
        }
        "reset" => {
            memory.counts.remove(&key);
            Ok(encode(&()))
        }
        "value" => Ok(encode(&have)),
        "over" => {
            let (limit, strictly): (u64, bool) =
                nigh_wire::decode(&call.args).expect("of the method's schema");
            Ok(encode(&(if strictly { have > limit } else { have >= limit })))
        }
        other => unreachable!("`{other}` is not performed here"),
    }
}
