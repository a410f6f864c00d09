//! What the other end of a link asks: handed to the owner or a service of this process, and answered once.

use std::sync::Arc;

use crate::buggify;
use crate::calls::asked;
use crate::clock::Tied;
use crate::entity::Reply;
use crate::ledger::Serving;
use crate::link::end::Local;
use crate::link::outbox::Outbox;
use crate::performer::{Unwinding, key_too_long};
use crate::routes::Route;
use crate::service::Asked;
use crate::shards::reply::ReplyTo;
use crate::shards::work::{Asked as Of, Work};
use nigh_proto::calls::caller::Slot;
use nigh_proto::calls::request::{Answer, CallRequest, Refusal, Request};
use nigh_proto::calls::tally::{Line, Took};
use nigh_proto::link::error::LinkError;
use nigh_proto::link::frame::Frame;
use nigh_proto::link::serving::Serving as Open;
use nigh_wire::{Bytes, CallId, Cause, Value};

/// The serving side of one link.
pub(crate) struct Server {
    local: Arc<Local>,
    serving: Open,
    pub(crate) outbox: Arc<Outbox>,
    /// Service calls that run; they end with the link.
    services: Vec<Tied>,
    /// Those that are over leave the list when it is this long: a look at all of them then costs each call a step.
    prune_at: usize,
}

/// A list of service calls shorter than this is not worth a look.
const PRUNE_MIN: usize = 64;

impl Server {
    pub(crate) fn new(local: Arc<Local>) -> Self {
        let (serving, outbox, services) = (Open::default(), Outbox::new(), Vec::new());
        Server { local, serving, outbox, services, prune_at: PRUNE_MIN }
    }

    /// Takes a copy, or says why not. Work for the owner is added to `work`: submitted together, in order.
    pub(crate) fn handle_ask(
        &mut self,
        slot: Slot,
        request: Request,
        work: &mut Vec<Work>,
    ) -> Result<Option<Refusal>, LinkError> {
        let line = Line::of_copy(&request, self.local.routes.len());
        let refused = self.take(slot, request, line, work)?;
        if let Some(refusal) = &refused {
            self.local.calls.beside.turned_away(line, Took::refused(refusal)); // mutant ledger-link-refusal-uncounted: let _ = refusal;
        }
        Ok(refused)
    }

    fn take(
        &mut self,
        slot: Slot,
        request: Request,
        line: Line,
        work: &mut Vec<Work>,
    ) -> Result<Option<Refusal>, LinkError> {
        if buggify!("link.ask.again") {
            return Ok(Some(Refusal::AskAgain));
        }
        if buggify!("link.ask.not_yet") {
            return Ok(Some(Refusal::NotYet));
        }
        let now = self.local.clock.now();
        let within = match &request {
            Request::Call(call) => call.within,
            Request::View { within, .. }
            | Request::Serve { within, .. }
            | Request::Settle { within, .. }
            | Request::List { within, .. } => *within,
        };
        if let Err(refusal) = self.serving.handle_ask(now, slot, within)? {
            return Ok(Some(refusal));
        }
        // Handed on at once: what waits, waits in the owner's inbox, and expires there.
        let left = match self.serving.begin(now, slot) {
            Ok(left) => left,
            Err(refusal) => return Ok(Some(refusal)),
        };
        if let Request::Serve { id, method, args, .. } = request {
            self.serve(slot, id, method, Value::Bytes(args), left);
            return Ok(None);
        }
        if self.local.owner.is_none() {
            self.local.calls.beside.turned_away(line, Took::NotDone);
            self.outbox.push(slot, Ok(nobody("an entity: its role is another")));
            return Ok(None);
        }
        let unfit = key_of(&request).and_then(key_too_long); // mutant peer-key-unbounded: let unfit = None::<Cause>;
        if let Some(cause) = unfit {
            // Wherever it is asked, for good: no record has to say so.
            self.local.calls.beside.turned_away(line, Took::NotDone);
            self.outbox.push(slot, Ok(Answer::NotDone(cause)));
            return Ok(None);
        }
        let (what, _) = asked(request, None).expect("services are served above");
        let reply = ReplyTo::Link(self.outbox.clone(), slot);
        if work.is_empty() {
            // One, nearly always.
            work.reserve_exact(1);
        }
        work.push(Work { what, due: now.saturating_add(left), reply });
        Ok(None)
    }

    fn serve(&mut self, slot: Slot, id: CallId, method: u32, args: Value, within: std::time::Duration) {
        if self.services.len() >= self.prune_at {
            self.services.retain(|service| !service.is_over());
            self.prune_at = PRUNE_MIN.max(2 * self.services.len());
        }
        let service = match self.local.routes.route(method) {
            Some(Route::Service(m)) => m.here.clone().map(|service| (service, m.number)),
            _ => None,
        };
        let serving = Serving::new(self.local.calls.clone(), Line::known(method, self.local.routes.len()));
        let Some((service, number)) = service else {
            serving.ends(Took::NotDone);
            self.outbox.push(slot, Ok(nobody("that service here: its role is another")));
            return;
        };
        let outbox = self.outbox.clone();
        let clock = self.local.clock.clone();
        let due = clock.now().saturating_add(within);
        let run = async move {
            let running = Unwinding(service.dispatch(number, Asked { id }, args));
            // Past its deadline, or after a panic, nobody can say what it did: its caller is in doubt.
            let Some(Ok(reply)) = clock.timeout_at(due, running).await else { return };
            let (answer, took) = match reply {
                Ok(Reply::Ok(value)) => (Answer::Done { value: value.to_bytes(), version: None }, Took::Done),
                Ok(Reply::Err(error)) => (Answer::Failed(error.to_bytes()), Took::Failed),
                Err(cause) => (Answer::NotDone(cause), Took::NotDone),
            };
            serving.ends(took);
            outbox.push(slot, Ok(answer));
        };
        self.services.push(self.local.clock.spawn_tied(run));
    }

    /// Nobody waits for that copy any more.
    pub(crate) fn cancel(&mut self, slot: Slot) {
        self.serving.cancel(slot);
    }

    /// A caller has gone and knows all it asked for.
    pub(crate) fn bye(&self, last: CallId, work: &mut Vec<Work>) {
        let due = self.local.clock.now();
        work.push(Work { what: Of::Bye(last), due, reply: ReplyTo::Nobody });
    }

    pub(crate) fn submit(&self, work: Vec<Work>) {
        if let (Some(owner), false) = (&self.local.owner, work.is_empty()) {
            // All of this link waits for its task.
            owner.submit_apart(work); // mutant link-runs-methods: owner.submit(work);
        }
    }

    /// What is answered, as frames, each copy once.
    pub(crate) fn answers(&mut self) -> impl Iterator<Item = Frame> {
        let Server { outbox, serving, .. } = self;
        let open = outbox.take().into_iter().filter(|(slot, _)| serving.done(*slot));
        open.map(|(slot, answer)| match answer {
            Ok(answer) => Frame::Answer { slot, answer },
            Err(refusal) => Frame::Refuse { slot, refusal },
        })
    }
}

/// The entity that is asked.
fn key_of(request: &Request) -> Option<&Bytes> {
    match request {
        Request::Call(CallRequest { key, .. }) | Request::View { key, .. } => Some(key),
        Request::Settle { .. } | Request::List { .. } | Request::Serve { .. } => None,
    }
}

fn nobody(what: &str) -> Answer {
    Answer::NotDone(Cause::Unknown(what.into()))
}
