//! What happened in a run, as clients and the log saw it; the judges read it as it is written.
//!
//! Every process, client and log writes here, on the one thread of a run, in the order in which things happen. The
//! trace is a hash always, and text if somebody will read it. `owners.rs` is the part of logs and owners.

use std::collections::BTreeMap;
use std::sync::Arc;

use nigh::engine::AnyEntity;
use nigh::ledger::Ledger;
use nigh::perform::{Ask, Identity, Outcome, What};
use nigh_proto::Instant;
use nigh_wire::{Bytes, CallId, Catalogue, Cause, Class, ContractKind, Keyed, MethodIndex, Ticket};

use crate::durable::Durable;
use crate::judge::{Asked, Heard, LedgerJudge, LogJudge, Verdict};
use crate::program::Entities;
use crate::rng::mix;
use crate::sim::Cost;
use crate::surroundings::wish;
use crate::tasks::timers::now;

mod owners;

/// Numbers what was asked in one run.
pub(crate) type Op = u64;

/// What must always be true of what is durable.
pub(crate) struct Always {
    pub(crate) what: String,
    pub(crate) holds: Box<dyn Fn(&Durable<'_>) -> bool + Send>,
}

/// What looks at the end.
pub(crate) type Finally = Box<dyn FnOnce(&Durable<'_>) + Send>;

/// Simulated time after the calm within which links are made again: from then on, everything must be answered.
const GRACE: u64 = 3_000_000_000;

/// A ping or a pong is no larger; budgets leave them out.
const PING_SIZE_MAX: usize = 16;

/// See above.
pub(crate) struct Book {
    catalogue: Arc<Catalogue>,
    judge: LogJudge<Entities>,
    ledger: LedgerJudge,
    always: Vec<Always>,
    finally: Vec<Finally>,
    /// By operation, from 1 on; `None` of what is no call.
    entries: Vec<Option<Entry>>,
    /// By method's number, its names: made once, then shared.
    names: Vec<Option<Names>>,
    /// In doubt, and what was asked.
    doubts: BTreeMap<CallId, (Op, Ticket)>,
    /// By service: it does not answer before.
    down: Vec<(String, u64)>,
    /// Service → services it needs.
    needs: Vec<(String, String)>,
    calm_at: Option<u64>,
    wants_calm: bool,
    finished: bool,
    /// While a budget is measured.
    measured: Option<Measured>,
    violation: Option<String>,
    hash: u64,
    trace: Option<Vec<String>>,
}

/// What the world is to do, or to know.
pub(crate) struct Wishes {
    pub(crate) violation: Option<String>,
    /// Faults may end.
    pub(crate) calm: bool,
    /// What is left is to compare.
    pub(crate) finish: bool,
}

/// What a call takes on the links that its process dialled.
struct Measured {
    process: u16,
    /// Pieces with calls from the process.
    trips: u64,
    /// Bytes both ways.
    size: u64,
}

/// Something asked.
struct Entry {
    client: u16,
    process: u16,
    at: u64,
    what: Asking,
    id: Option<CallId>,
    open: bool,
}

impl Entry {
    /// For the judge.
    fn asked(&self, op: Op) -> Asked {
        let Asking { of, key, method, args, class, keyed, .. } = &self.what;
        Asked {
            op,
            client: u32::from(self.client),
            id: self.id,
            entity: of.clone(),
            key: key.clone(),
            method: method.clone(),
            args: args.clone(),
            class: *class,
            keyed: keyed.clone(),
        }
    }
}

/// Of a contract and of its method, and how that is declared.
type Names = (Arc<str>, Arc<str>, Class);

/// Where an operation stands.
fn place(op: Op) -> usize {
    op as usize - 1
}

struct Asking {
    of: Arc<str>,
    key: Option<Bytes>,
    method: Arc<str>,
    args: Bytes,
    class: Class,
    keyed: Option<Keyed>,
    is_settle: Option<Ticket>,
}

impl Book {
    pub(crate) fn new(
        catalogue: Arc<Catalogue>,
        entities: Entities,
        always: Vec<Always>,
        needs: Vec<(String, String)>,
        trace: bool,
        claims_max: u32,
    ) -> Self {
        Book {
            catalogue,
            judge: LogJudge::new(entities).with_claims(claims_max),
            ledger: LedgerJudge::default(),
            always,
            finally: vec![],
            entries: Vec::with_capacity(256),
            names: vec![],
            doubts: BTreeMap::new(),
            down: vec![],
            needs,
            calm_at: None,
            wants_calm: false,
            finished: false,
            measured: None,
            violation: None,
            hash: 0,
            trace: trace.then(Vec::new),
        }
    }

    pub(crate) fn with_finally(self, finally: Vec<Finally>) -> Self {
        Book { finally, ..self }
    }

    /// A line for whoever reads the trace.
    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>12.3} ms  {}", now() as f64 / 1e6, line()));
        }
    }

    /// Something happened that the seed decided.
    pub(crate) fn mark(&mut self, what: u64, bytes: &[u8]) {
        let mut hash = mix(self.hash ^ now()) ^ what;
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            hash = mix(hash ^ u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            hash = mix(hash ^ u64::from_le_bytes(word));
        }
        self.hash = hash;
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }
    pub(crate) fn take_trace(&mut self) -> Option<String> {
        self.trace.take().map(|lines| lines.join("\n"))
    }
    pub(crate) fn take_violation(&mut self) -> Option<String> {
        self.violation.take()
    }
    pub(crate) fn violate(&mut self, what: impl Into<String>) {
        self.violation.get_or_insert_with(|| what.into());
        wish();
    }
    fn check<E: std::fmt::Display>(&mut self, judged: Result<(), E>) {
        if let Err(violation) = judged {
            self.violate(violation.to_string());
        }
    }
    /// Nobody asks anything any more: what is left is to compare.
    pub(crate) fn finish(&mut self) {
        self.finished = true;
        wish();
    }
    /// What is asked of the world since this was asked last.
    pub(crate) fn take_wishes(&mut self) -> Wishes {
        let (calm, finish) = (std::mem::take(&mut self.wants_calm), std::mem::take(&mut self.finished));
        Wishes { violation: self.violation.take(), calm, finish }
    }
    /// Clients have done all they wanted: faults may end.
    pub(crate) fn want_calm(&mut self) {
        self.wants_calm = true;
        wish();
    }
    pub(crate) fn calm(&mut self, at: u64) {
        self.calm_at = Some(at);
    }

    /// What is sent from now on over links of this process counts.
    pub(crate) fn budget_begins(&mut self, process: u16) {
        self.measured = Some(Measured { process, trips: 0, size: 0 });
    }

    /// A piece of bytes leaves on a link that `dialler` made, from there or from who listens.
    pub(crate) fn sent(&mut self, dialler: u16, from_dialler: bool, bytes: &[u8]) {
        self.mark(4 << 32, bytes);
        let Some(Measured { process, trips, size }) = &mut self.measured else { return };
        // Others may dial just now, and say hello.
        let is_of_call = dialler == *process; // mutant budget-of-others-measured: let is_of_call = true;
        if is_of_call && bytes.len() > PING_SIZE_MAX {
            *trips += u64::from(from_dialler);
            *size += bytes.len() as u64;
        }
    }

    pub(crate) fn budget_ends(&mut self, cost: Cost) {
        let measured = self.measured.take();
        let (trips, size) = measured.map_or((0, 0), |measured| (measured.trips, measured.size));
        if let Some(why) = cost.exceeded(trips, size) {
            self.violate(format!("budget: {why}"));
        }
    }

    /// A service does not answer before `until`.
    pub(crate) fn service_down(&mut self, service: u16, until: u64) {
        let mut names = self.catalogue.contracts().filter(|c| matches!(c.kind, ContractKind::Service));
        if let Some(contract) = names.nth(usize::from(service)) {
            let name = contract.name.clone();
            self.down.push((name, until));
        }
    }

    /// Until when a service is down.
    pub(crate) fn down_until(&self, service: &str) -> Option<u64> {
        let down = self.down.iter().filter(|(name, until)| name == service && *until > now());
        down.map(|(_, until)| *until).max()
    }
}

/// What clients ask and hear.
impl Book {
    /// `args` are encoded if it is a method's.
    pub(crate) fn asked(&mut self, client: u16, process: u16, ask: &Ask, args: &Bytes) -> Op {
        let op = self.entries.len() as Op + 1;
        let Some(what) = self.asking(ask, args) else {
            self.entries.push(None);
            return op;
        };
        self.mark(1 << 32 | u64::from(client), &what.args);
        self.note(|| format!("client {client} asks process {process}: [{op}] {}", shown(&what)));
        let is_write = what.class != Class::Read && what.key.is_some() && what.is_settle.is_none();
        let entry = Entry { client, process, at: now(), what, id: None, open: true };
        let asked = (!is_write && entry.what.is_settle.is_none()).then(|| entry.asked(op));
        self.entries.push(Some(entry));
        asked.into_iter().for_each(|asked| self.tell_judge(now(), asked));
        op
    }

    /// Of a contract and its method.
    fn names(&mut self, index: MethodIndex) -> Option<Names> {
        let at = index.0 as usize;
        if let Some(Some(names)) = self.names.get(at) {
            return Some(names.clone());
        }
        let (contract, method) = self.catalogue.method(index)?;
        let names = (contract.name.as_str().into(), method.name.into(), method.class);
        self.names.resize(self.names.len().max(at + 1), None);
        self.names[at] = Some(names);
        self.names[at].clone()
    }

    fn asking(&mut self, ask: &Ask, args: &Bytes) -> Option<Asking> {
        let keyed = match &ask.identity {
            Identity::Once(key) | Identity::Reserved(_, Some(key)) => Some(key.clone()),
            _ => None,
        };
        match &ask.what {
            What::Method { method, key, .. } => {
                let (of, method, class) = self.names(*method)?;
                Some(Asking {
                    of,
                    key: key.clone(),
                    method,
                    args: args.clone(),
                    class,
                    keyed: keyed.map(|key| Keyed { principal: String::new(), key }),
                    is_settle: None,
                })
            }
            What::Settle(ticket) => Some(Asking {
                of: ticket.of.as_str().into(),
                key: ticket.key.clone(),
                method: ticket.method.as_str().into(),
                args: Bytes::new(),
                class: Class::Read,
                keyed: None,
                is_settle: Some(ticket.clone()),
            }),
            What::List { .. } => None,
        }
    }

    fn tell_judge(&mut self, at: u64, asked: Asked) {
        let judged = self.judge.asked(Instant::from_nanos(at), asked);
        self.check(judged);
    }

    /// A writing call was accepted under this id.
    pub(crate) fn started(&mut self, op: Op, id: CallId) {
        let Some(Some(entry)) = self.entries.get_mut(place(op)) else { return };
        if entry.id.is_none() && entry.what.is_settle.is_none() && entry.what.class != Class::Read {
            entry.id = Some(id);
            if entry.what.key.is_some() {
                let (at, asked) = (entry.at, entry.asked(op));
                self.tell_judge(at, asked);
            }
        }
    }

    pub(crate) fn answered(&mut self, op: Op, outcome: &Outcome) {
        let Some(Some(entry)) = self.entries.get_mut(place(op)) else { return };
        entry.open = false;
        let (client, settles) = (entry.client, entry.what.is_settle.clone());
        self.mark(2 << 32 | op, &[]);
        self.note(|| format!("[{op}] hears {}", told(outcome)));
        match settles {
            Some(ticket) => self.settled(client, &ticket, outcome),
            None => self.hears(op, outcome),
        }
    }

    /// Of what settles nothing.
    fn hears(&mut self, op: Op, outcome: &Outcome) {
        let Some(Some(Entry { at: asked_at, what, id, .. })) = self.entries.get(place(op)) else { return };
        if let Outcome::InDoubt(ticket) = outcome
            && what.key.is_some()
        {
            self.doubts.insert(ticket.id, (op, ticket.clone()));
        }
        let unanswered = self.calm_at.is_some_and(|calm| *asked_at > calm + GRACE)
            && matches!(outcome, Outcome::InDoubt(_) | Outcome::NotDone(Cause::Deadline | Cause::Stopped))
            && !self.is_excused(&what.of);
        let unanswered = unanswered.then(|| shown(what));
        let is_judged = what.key.is_none() || what.class == Class::Read || id.is_some();
        if is_judged && let Some(heard) = heard(outcome) {
            let judged = self.judge.answered(Instant::from_nanos(now()), op, heard);
            self.check(judged);
        }
        if let Some(shown) = unanswered {
            self.violate(format!(
                "goes on: faults had ended, and {shown} was not answered: {}",
                told(outcome)
            ));
        }
    }

    /// True if it needs a service that is down.
    fn is_excused(&self, of: &str) -> bool {
        let needs = self.needs.iter().filter(|(who, _)| who == of).map(|(_, needs)| needs.as_str());
        needs.chain([of]).any(|service| self.down.iter().any(|(down, _)| down == service))
    }

    fn settled(&mut self, client: u16, ticket: &Ticket, outcome: &Outcome) {
        let verdict = match outcome {
            Outcome::Done { value, .. } => Verdict::Done(value.to_bytes()),
            Outcome::Failed(error) => Verdict::Failed(error.to_bytes()),
            Outcome::NotDone(Cause::Stopped | Cause::Deadline) => return,
            Outcome::NotDone(_) => Verdict::NotDone,
            Outcome::Forgotten => Verdict::Forgotten,
            Outcome::NoRecord => Verdict::NoRecord,
            _ => return,
        };
        self.doubts.remove(&ticket.id);
        let (at, by) = (Instant::from_nanos(now()), u32::from(client));
        let judged = self.judge.settled(at, by, ticket.id, ticket.fingerprint, verdict);
        self.check(judged);
    }

    /// Whoever asked has let go.
    pub(crate) fn dropped(&mut self, op: Op) {
        let Some(Some(entry)) = self.entries.get_mut(place(op)) else { return };
        entry.open = false;
        let is_judged = entry.what.is_settle.is_none()
            && (entry.what.key.is_none() || entry.what.class == Class::Read || entry.id.is_some());
        if is_judged {
            let judged = self.judge.answered(Instant::from_nanos(now()), op, Heard::Dropped);
            self.check(judged);
        }
    }

    /// Tickets that nobody has settled.
    pub(crate) fn doubts(&self) -> Vec<Ticket> {
        self.doubts.values().map(|(_, ticket)| ticket.clone()).collect()
    }

    /// What nobody was answered yet.
    pub(crate) fn open(&self) -> Vec<String> {
        let entries = (1..).zip(&self.entries).filter_map(|(op, entry)| Some((op, entry.as_ref()?)));
        let open = entries.filter(|(_, entry)| entry.open);
        let line = |(op, entry): (Op, &Entry)| {
            format!("[{op}] client {} at process {}: {}", entry.client, entry.process, shown(&entry.what))
        };
        open.map(line).collect()
    }
}

/// What processes count.
impl Book {
    pub(crate) fn ledger(&mut self) -> &mut LedgerJudge {
        &mut self.ledger
    }

    /// At the end of the life of a process, or of the run; `None`: it cannot be read.
    pub(crate) fn counted(&mut self, process: u16, ledger: Option<&Ledger>) {
        match ledger {
            Some(ledger) => {
                let judged = self.ledger.counted(Instant::from_nanos(now()), process, ledger);
                self.check(judged);
            }
            None => self.ledger.lost_counters(),
        }
    }

    /// All have counted.
    pub(crate) fn compare_ledgers(&mut self) {
        let catalogue = &self.catalogue;
        let records = |of: &str, method: &str| {
            let found = catalogue.contract(of).filter(|c| matches!(c.kind, ContractKind::Entity { .. }));
            let class = found.and_then(|contract| contract.method(method)).map(|method| method.class);
            matches!(class, Some(Class::Once | Class::Idempotent))
        };
        let judged = self.ledger.end(Instant::from_nanos(now()), records);
        self.check(judged);
    }
}

fn heard(outcome: &Outcome) -> Option<Heard> {
    Some(match outcome {
        Outcome::Done { value, version } => Heard::Done { value: value.to_bytes(), version: *version },
        Outcome::Failed(error) => Heard::Failed(error.to_bytes()),
        Outcome::NotDone(cause) => Heard::NotDone(cause.clone()),
        Outcome::InDoubt(_) => Heard::InDoubt,
        Outcome::Overloaded { .. } => Heard::Overloaded,
        Outcome::Forgotten => Heard::Forgotten,
        Outcome::NoRecord | Outcome::NotSettled(_) | Outcome::Keys(_) => return None,
    })
}

fn shown(what: &Asking) -> String {
    let key = what.key.as_ref().map_or(String::new(), |key| format!("({})", key.escape_ascii()));
    let settle = if what.is_settle.is_some() { "settle " } else { "" };
    format!("{settle}{}{key}.{}({})", what.of, what.method, what.args.escape_ascii())
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done { value, version } => format!("done {} {version:?}", value.to_bytes().escape_ascii()),
        Outcome::Failed(error) => format!("failed {}", error.to_bytes().escape_ascii()),
        Outcome::InDoubt(ticket) => format!("in doubt, call {}", ticket.id),
        other => format!("{other:?}"),
    }
}

/// For [`Durable`].
pub(crate) fn cells(judge: &LogJudge<Entities>) -> impl Iterator<Item = (&str, &Bytes, &AnyEntity)> {
    judge.cells().map(|(target, cell)| (&*target.entity, &target.key, cell))
}

#[cfg(test)]
mod tests;
