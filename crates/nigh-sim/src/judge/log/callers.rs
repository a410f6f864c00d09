//! What callers ask and are told, against the log as it is durable at that moment.
//!
//! Whoever hears an answer may act on it at once, so an answer is judged when it is heard. What only the future
//! can break (it will not run) is remembered with the call, and judged when a record comes (`fates.rs`).

use std::sync::Arc;

use nigh_proto::Instant;
use nigh_proto::calls::RETENTION;
use nigh_proto::calls::request::Version;
use nigh_proto::shards::record::RanOutcome;
use nigh_proto::shards::row::Target;
use nigh_wire::{Bytes, CallId, Cause, Class, Fingerprint, Keyed};

use super::fates::{Call, CallKey, Fate, Intent, Numbered, Told};
use super::{Judgement, LogJudge, Moment, Returned, Violation};
use crate::judge::program::Program;

/// Something was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Names this operation, once in a run.
    pub op: u64,
    /// Who asks.
    pub client: u32,
    /// Of a writing call or a service call.
    pub id: Option<CallId>,
    /// Wire name of the entity or service.
    pub entity: Arc<str>,
    /// Encoded key; `None` of a service.
    pub key: Option<Bytes>,
    /// Wire name of the method.
    pub method: Arc<str>,
    /// Encoded, as sent: with entity, key and method they make the fingerprint (R3).
    pub args: Bytes,
    /// As declared.
    pub class: Class,
    /// Idempotency key, if it carries one (R12). Of a service or a call that commutes it is not looked at.
    pub keyed: Option<Keyed>,
}

/// What the asker of an operation learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It ran and returned this.
    Done {
        /// Encoded.
        value: Bytes,
        /// That it committed, or was read at.
        version: Option<Version>,
    },
    /// It ran and returned its own error, encoded.
    Failed(Bytes),
    /// It did not run and never will.
    NotDone(Cause),
    /// It will not run from now on; whether it ran is not known.
    Forgotten,
    /// Perhaps.
    InDoubt,
    /// It did not run and never will: too much to do.
    Overloaded,
    /// Nobody waits any more: the future was dropped, or its process crashed.
    Dropped,
}

/// What whoever settled a call in doubt was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It ran and returned this, encoded.
    Done(Bytes),
    /// It ran and returned its own error, encoded.
    Failed(Bytes),
    /// It did not run and never will.
    NotDone,
    /// It will not run from now on; whether it ran is not known.
    Forgotten,
    /// No record is kept of such calls.
    NoRecord,
}

/// An operation that was asked.
pub(super) struct Op {
    pub(super) asked: Arc<Intent>,
    pub(super) kind: Kind,
    pub(super) heard_at: Option<Instant>,
    /// When its asker heard what became of it, for good (R15).
    pub(super) known_at: Option<Instant>,
}

pub(super) enum Kind {
    Write(CallKey, usize),
    /// Of an entity, if there is one of that name, of which that many changes had been shown.
    View(Option<usize>, usize),
    Serve,
}

impl<P: Program> LogJudge<P> {
    /// Somebody asks something. To be called before anything of it can reach an owner.
    ///
    /// # Errors
    ///
    /// The operation was asked before, or a change has no id.
    pub fn asked(&mut self, now: Instant, asked: Asked) -> Result<(), Violation> {
        let Asked { op, client, id, entity, key, method, args, class, keyed } = asked;
        let (is_service, target) = (key.is_none(), Target { entity, key: key.unwrap_or_default() });
        let index = if is_service { None } else { self.shadows.index(&self.program, &target) };
        let intent = Arc::new(Intent { op, client, at: now, id, target, index, method, args, class, keyed });
        let kind = if is_service {
            self.services.extend(id);
            Kind::Serve
        } else {
            if class == Class::Read {
                Kind::View(index, index.map_or(0, |index| self.shadows.of(index).seen))
            } else {
                let Some(id) = id else {
                    return Err(Violation::new(Judgement::Fed, now, format!("{intent} has no id")));
                };
                let (key, number) = self.asked_write(id, &intent);
                Kind::Write(key, number)
            }
        };
        match self.ops.insert(op, Op { asked: intent, kind, heard_at: None, known_at: None }) {
            None => Ok(()),
            Some(old) => Err(Violation::new(Judgement::Fed, now, format!("{} is asked again", old.asked))),
        }
    }

    fn asked_write(&mut self, id: CallId, intent: &Arc<Intent>) -> (CallKey, usize) {
        let Target { entity, key } = &intent.target;
        let fingerprint = Fingerprint::of(entity, key, &intent.method, &intent.args);
        let commutes = intent.class == Class::Commutes;
        let key = CallKey((!commutes).then_some(id), fingerprint);
        let number = self.calls.number(key);
        let call = self.calls.of(number);
        if call.asked.is_none() {
            call.asked = Some(intent.clone());
        }
        if call.of_try {
            (call.of_try, call.told) = (false, None);
        }
        call.tries += 1;
        call.maybe += u32::from(commutes);
        (key, number)
    }

    /// Its asker learns what became of an operation, or stops to listen.
    ///
    /// # Errors
    ///
    /// It is not so, or not what others were told; or the operation was not asked, or is answered twice.
    pub fn answered(&mut self, now: Instant, op: u64, heard: Heard) -> Result<(), Violation> {
        let wrong = |judgement, text: String| Err(Violation::new(judgement, now, text));
        let Some(asked) = self.ops.get_mut(&op) else {
            return wrong(Judgement::Fed, format!("operation {op} was answered, and never asked"));
        };
        if let Some(before) = asked.heard_at.replace(now) {
            let text = format!("{} was answered at {} before", asked.asked, Moment(before));
            return wrong(Judgement::Fed, text);
        }
        asked.known_at = Some(now).filter(|_| !matches!(heard, Heard::InDoubt | Heard::Dropped));
        let intent = asked.asked.clone();
        match asked.kind {
            Kind::Write(key, number) => self.heard(now, (key, number), &intent, heard),
            Kind::View(Some(index), seen) => self.viewed(now, index, seen, &intent, heard),
            Kind::View(None, _) | Kind::Serve => Ok(()),
        }
    }

    fn heard(
        &mut self,
        now: Instant,
        of: (CallKey, usize),
        intent: &Arc<Intent>,
        heard: Heard,
    ) -> Result<(), Violation> {
        let whom = Whom::Asker(intent.clone());
        match heard {
            Heard::InDoubt => Ok(()),
            Heard::Dropped => {
                self.calls.of(of.1).known = true;
                Ok(())
            }
            Heard::Done { value, version } => self.told_ran(now, of, RanOutcome::Ok(value), version, &whom),
            Heard::Failed(error) => self.told_ran(now, of, RanOutcome::Err(error), None, &whom),
            Heard::Forgotten => self.told_forgotten(now, of, &whom),
            Heard::NotDone(cause) => {
                // What an owner says is of the call; what a client says is of this try.
                let of_call =
                    matches!(cause, Cause::Fenced | Cause::Misuse | Cause::Panicked(_) | Cause::Stuck);
                let recorded = matches!(cause, Cause::Panicked(_) | Cause::Stuck);
                self.told_not_done(now, of, of_call, recorded, &whom)
            }
            Heard::Overloaded => self.told_not_done(now, of, false, false, &whom),
        }
    }

    /// Somebody with a ticket was told what became of a call in doubt.
    ///
    /// # Errors
    ///
    /// It is not so, or not what others were told.
    pub fn settled(
        &mut self,
        now: Instant,
        by: u32,
        id: CallId,
        fingerprint: Fingerprint,
        verdict: Verdict,
    ) -> Result<(), Violation> {
        if self.services.contains(&id) {
            return Ok(());
        }
        let whom = Whom::Settler(by, now);
        let key = CallKey(Some(id), fingerprint);
        let asked = self.calls.get(key).and_then(|call| call.asked.clone());
        if asked.is_none() && self.calls.get(CallKey(None, fingerprint)).is_some() {
            // It commutes.
            if verdict == Verdict::NoRecord {
                return Ok(());
            }
            let text = format!("{whom} was told {verdict:?} of call {id}, which commutes and has no record");
            return Err(Violation::new(Judgement::Agreed, now, text));
        }
        let of = (key, self.calls.number(key));
        match verdict {
            Verdict::Done(value) => self.told_ran(now, of, RanOutcome::Ok(value), None, &whom),
            Verdict::Failed(error) => self.told_ran(now, of, RanOutcome::Err(error), None, &whom),
            Verdict::NotDone => self.told_not_done(now, of, true, true, &whom),
            Verdict::Forgotten => self.told_forgotten(now, of, &whom),
            Verdict::NoRecord => match asked {
                None => Ok(()),
                Some(asked) => {
                    let text =
                        format!("{whom} was told that no record is kept of {asked}, but it does not commute");
                    Err(Violation::new(Judgement::Agreed, now, text))
                }
            },
        }
    }

    /// The ticket of an operation in doubt was dropped: nobody will settle it, and its record may go (R15).
    pub fn let_go(&mut self, op: u64) {
        if let Some(Op { kind: Kind::Write(_, number), .. }) = self.ops.get(&op) {
            self.calls.of(*number).known = true;
        }
    }

    /// It ran, with this outcome: so says its record, which is durable.
    fn told_ran(
        &mut self,
        now: Instant,
        (key, number): (CallKey, usize),
        outcome: RanOutcome,
        version: Option<Version>,
        whom: &Whom,
    ) -> Result<(), Violation> {
        let wrong = |judgement, text: String| Err(Violation::new(judgement, now, text));
        let call = self.calls.of(number);
        let CallKey(Some(id), fingerprint) = key else {
            let told = (matches!(outcome, RanOutcome::Ok(_)), super::bytes_of(&outcome));
            if !call.outcomes.contains(&told) {
                let told = Returned(&outcome);
                return wrong(
                    Judgement::Honest,
                    format!("{whom} was told {told}, and no durable run returned that"),
                );
            }
            return Ok(());
        };
        let asked = call.asked.clone();
        call.agree(now, Told::Ran(outcome.clone()), whom)?;
        let told = Returned(&outcome);
        let fate = self.fates.get(&Numbered(id));
        let place = match fate.map(|fate| (fate, fate.outcome(fingerprint))) {
            Some((_, Some((recorded, place)))) if *recorded == outcome => place,
            Some((fate, _)) => {
                return wrong(Judgement::Honest, format!("{whom} was told {told}; the log has {fate}"));
            }
            None => {
                return wrong(
                    Judgement::Honest,
                    format!("{whom} was told {told}; no durable record is of it"),
                );
            }
        };
        if let Some(Version { position, .. }) = version {
            let next = self.next_of(Some(place.shard));
            if position.0 <= place.position || position.0 > next {
                let text = format!("{whom} was told {told} of version {}; its record is {place}", position.0);
                return wrong(Judgement::Honest, format!("{text}, durable up to {next}"));
            }
        }
        if let Some(index) = asked.and_then(|asked| asked.index) {
            let shadow = self.shadows.of_mut(index);
            shadow.show(shadow.changes_before(place.position + 1));
        }
        Ok(())
    }

    /// It did not run and never will.
    fn told_not_done(
        &mut self,
        now: Instant,
        (key, number): (CallKey, usize),
        of_call: bool,
        recorded: bool,
        whom: &Whom,
    ) -> Result<(), Violation> {
        let wrong = |text: String| Err(Violation::new(Judgement::Honest, now, text));
        let call = self.calls.of(number);
        call.maybe = call.maybe.saturating_sub(1);
        let CallKey(Some(id), fingerprint) = key else { return Ok(()) };
        // Others who bring the same id have their own copies under way.
        if !of_call && call.tries > 1 {
            call.known = true;
            return Ok(());
        }
        let first = call.told.is_none();
        call.agree(now, Told::NotDone, whom)?;
        call.of_try = first && !of_call;
        match self.fates.get(&Numbered(id)) {
            Some(fate) if fate.outcome(fingerprint).is_some() => {
                wrong(format!("{whom} was told that it is not done; the log has {fate}"))
            }
            Some(Fate::Stone { .. }) => Ok(()),
            _ if recorded => {
                wrong(format!("{whom} was told that it is not done, and no durable tombstone says so"))
            }
            _ => Ok(()),
        }
    }

    /// It will not run from now on; its caller knew, or it is too old (R13).
    fn told_forgotten(
        &mut self,
        now: Instant,
        (key, number): (CallKey, usize),
        whom: &Whom,
    ) -> Result<(), Violation> {
        let time = self.time_max;
        let call = self.calls.of(number);
        let Some(id) = key.0 else { return Ok(()) };
        call.forgotten.get_or_insert_with(|| whom.to_string());
        if call.asked.is_some() && !call.known && id.birth.saturating_add(RETENTION) >= time {
            let text =
                format!("{whom} was told that it is forgotten; nobody knew its outcome, and it is not old");
            return Err(Violation::new(Judgement::Freed, now, text));
        }
        Ok(())
    }

    fn viewed(
        &mut self,
        now: Instant,
        index: usize,
        seen: usize,
        intent: &Arc<Intent>,
        heard: Heard,
    ) -> Result<(), Violation> {
        let wrong = |text: String| Err(Violation::new(Judgement::View, now, text));
        let (told, version) = match heard {
            Heard::Done { value, version } => (RanOutcome::Ok(value), version),
            Heard::Failed(error) => (RanOutcome::Err(error), None),
            Heard::InDoubt => {
                let text = format!("{intent} only reads, and was told that it is in doubt");
                return Err(Violation::new(Judgement::Honest, now, text));
            }
            Heard::NotDone(_) | Heard::Overloaded | Heard::Forgotten | Heard::Dropped => return Ok(()),
        };
        let shard = self.shadows.of(index).shard;
        let next = self.next_of(shard);
        let claims_max = self.claims_max;
        let shadow = self.shadows.of_mut(index);
        let Some(Version { epoch, position }) = version else {
            let range = (seen, shadow.changes_before(u64::MAX));
            return shadow.viewed(&self.program, now, range, intent, told, claims_max);
        };
        if position.0 > next {
            return wrong(format!(
                "{intent} shows version {}, and the log is durable up to {next}",
                position.0
            ));
        }
        let changes = shadow.changes_before(position.0);
        if changes < seen {
            let text = format!("{intent} shows {changes} changes of its key (version {})", position.0);
            let text = format!("{text}; somebody had been shown {seen} before it was asked");
            return Err(Violation::new(Judgement::RealTime, now, text));
        }
        let written = shard.and_then(|shard| self.shards.get(&shard)?.epoch_before(position.0));
        if let Some(written) = written.filter(|written| *written > epoch) {
            return wrong(format!(
                "{intent} shows version {} of epoch {}, which epoch {} wrote",
                position.0, epoch.0, written.0
            ));
        }
        shadow.show(changes);
        shadow.viewed(&self.program, now, (changes, changes), intent, told, claims_max)
    }
}

impl Call {
    /// All who ask are told the same.
    fn agree(&mut self, now: Instant, told: Told, whom: &Whom) -> Result<(), Violation> {
        self.known = true;
        match &self.told {
            Some((before, other)) if *before != told => {
                let text = format!("{whom} was told {told}; {other} was told {before}");
                Err(Violation::new(Judgement::Agreed, now, text))
            }
            Some(_) => Ok(()),
            None => {
                self.told = Some((told, whom.clone()));
                Ok(())
            }
        }
    }
}

/// Who was told.
#[derive(Clone, Debug)]
pub(super) enum Whom {
    Asker(Arc<Intent>),
    Settler(u32, Instant),
}

impl std::fmt::Display for Whom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Whom::Asker(asked) => write!(f, "the asker of {asked}"),
            Whom::Settler(client, at) => write!(f, "client {client}, who settled it at {},", Moment(*at)),
        }
    }
}
