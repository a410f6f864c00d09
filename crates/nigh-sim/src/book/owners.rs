//! What logs keep and owners have, told to the judges as it happens and compared at the end.

use std::time::Duration;

use nigh::engine::Engine;
use nigh::store::{Append, LogEntry};
use nigh_proto::Instant;
use nigh_proto::shards::record::Blob;

use super::Book;
use crate::durable::Durable;
use crate::judge::{Judgement, Violation};
use crate::panics::caught;
use crate::tasks::timers::now;

/// What was asked at least so long before the end is answered by then, if there was no fault since.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

impl Book {
    pub(crate) fn durable(&mut self, at: u64, append: &Append) {
        self.mark(3 << 32 | u64::from(append.shard.0), &append.blob);
        let Ok(blob) = Blob::from_bytes(&append.blob) else {
            return self.violate("a blob that an owner wrote does not read back");
        };
        self.note(|| format!("durable: {} records of shard {}", blob.records.len(), append.shard.0));
        let judged = self.judge.durable(Instant::from_nanos(at), append.shard, append.epoch, &blob);
        self.check(judged);
        let durable = Durable::of(&self.judge);
        let broken = self.always.iter().find(|always| !(always.holds)(&durable));
        if let Some(what) = broken.map(|always| always.what.clone()) {
            self.violate(format!("always: {what}: does not hold of what is durable"));
        }
    }

    /// A start found this in the log, of which nobody had heard whether it was there.
    pub(crate) fn found(&mut self, at: u64, entry: &LogEntry) {
        let LogEntry { shard, epoch, first, next, blob, .. } = entry.clone();
        self.durable(at, &Append { shard, epoch, first, next, blob });
    }

    pub(crate) fn recovered(&mut self, engine: &Engine) {
        for (shard, epoch, next) in engine.heads() {
            let judged = self.judge.recovered(Instant::from_nanos(now()), shard, epoch, next);
            self.check(judged);
        }
    }

    /// Compares what the owner has in memory with what the log says. All of it is durable.
    pub(crate) fn compare(&mut self, engine: &Engine) {
        self.compare_states(engine);
        let at = Instant::from_nanos(now());
        if let Some((shard, id)) =
            self.judge.done_with().into_iter().find(|(shard, id)| engine.remembers(*shard, *id))
        {
            let text =
                format!("call {id} is remembered in shard {}, and its caller knew its answer", shard.0);
            let (judgement, sentence) = (Judgement::Bounded, format!("{text} when it made a later one"));
            self.check(Err(Violation { judgement, at, sentence }));
        }
        let calm = Instant::from_nanos(self.calm_at.unwrap_or(0));
        let judged = self.judge.end(at, calm, ANSWERED_WITHIN);
        self.check(judged);
        let durable = Durable::of(&self.judge);
        let looked =
            std::mem::take(&mut self.finally).into_iter().try_for_each(|look| caught(|| look(&durable)));
        self.check(looked.map_err(|said| format!("finally: {said}")));
    }

    /// The states alone.
    pub(crate) fn compare_states(&mut self, engine: &Engine) {
        let at = Instant::from_nanos(now());
        for target in self.judge.entities() {
            if let Some(snapshot) = engine.snapshot(&target.entity, &target.key) {
                let judged = self.judge.state_of(at, &target.entity, &target.key, &snapshot);
                self.check(judged);
            }
        }
    }
}
