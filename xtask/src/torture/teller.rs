//! One client: it changes money until told to stop, and knows what it was told.
//!
//! What got no answer is sent again under the same key until it ends once. An answer that comes while it is dark is one
//! that nobody received: the power was gone. [`Signals`] is how a round tells its clients; nothing here decides
//! whether a sum is right.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::{Answer, Client};
use super::seed::Seed;
use crate::Trouble;

/// Above the 10 s that a call may take, so that the server gives up before the client does.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(15);
/// A change must end within this, crashes included.
const CHANGE_MAX: Duration = Duration::from_secs(60);
/// Wallets that are used at the same time: few, so that clients meet on them.
const WALLETS: u64 = 4;

/// What a round tells its clients.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// The change in hand is the last one.
    pub(super) stop: AtomicBool,
    /// The round has failed: nothing in hand will end.
    pub(super) broken: AtomicBool,
    /// The power is gone: what is answered now is not received.
    pub(super) dark: AtomicBool,
}

/// What must be in a wallet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Money {
    pub(super) paid_in: u64,
    pub(super) held: u64,
}

/// One change: what is asked, under which key.
#[derive(Clone, Debug)]
pub(super) struct Change {
    wallet: String,
    hold: bool,
    cents: u64,
    key: String,
}

impl Change {
    fn path(&self) -> String {
        format!("/api/Wallet/{}/{}", self.wallet, if self.hold { "hold" } else { "deposit" })
    }

    fn body(&self) -> Value {
        if self.hold {
            json!({ "id": self.key, "cents": self.cents })
        } else {
            json!({ "cents": self.cents })
        }
    }

    fn send(&self, client: &mut Client) -> std::io::Result<Answer> {
        client.post(&self.path(), &[("idempotency-key", &self.key)], &self.body())
    }
}

/// What an answer means for a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It took effect, and this is what it returned.
    Done(Value),
    /// It ran, and this is its own error.
    Failed(Value),
    /// It did not run and never will.
    NotDone,
}

/// `None`: ask again under the same key.
pub(super) fn end_of(change: &Change, answer: &Answer) -> Result<Option<End>, Trouble> {
    let body = answer.json();
    match (answer.status, body["outcome"].as_str()) {
        (200, _) => Ok(Some(End::Done(body))),
        (422, Some("failed")) => Ok(Some(End::Failed(body["error"].clone()))),
        (503, Some("not_done")) => Ok(Some(End::NotDone)),
        (409 | 429 | 504, _) => Ok(None),
        (status, _) => Err(format!("{} {}: {status} {}", change.path(), change.body(), answer.text())),
    }
}

/// One client during one round.
pub(super) struct Teller {
    client: Client,
    seed: Seed,
    prefix: String,
    name: String,
    ended: Ended,
}

/// What a client knows after a round.
pub(super) struct Ended {
    client: Client,
    pub(super) model: BTreeMap<String, Money>,
    /// Some that ended, to be asked again.
    samples: Vec<(Change, End)>,
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) not_done: u64,
    pub(super) sent_again: u64,
    repeated: u64,
}

impl Teller {
    pub(super) fn new(door: SocketAddr, seed: u64, number: u64, round: u32, prefix: &str) -> Self {
        let client = || Client::new(door, ANSWER_MAX);
        let ended = Ended {
            client: client(),
            model: BTreeMap::new(),
            samples: Vec::new(),
            done: 0,
            failed: 0,
            not_done: 0,
            sent_again: 0,
            repeated: 0,
        };
        let seed = Seed::new(seed, (number + 1) << 32 | u64::from(round));
        Teller { client: client(), seed, prefix: prefix.into(), name: format!("r{round}c{number}"), ended }
    }

    /// One change after the other until told to stop; the last one ends all the same.
    pub(super) fn work(mut self, signals: &Signals) -> Result<Ended, Trouble> {
        for count in 0_u32.. {
            let change = Change {
                wallet: format!("{}{}", self.prefix, self.seed.below(WALLETS)),
                // Who comes first has nothing to hold yet.
                hold: self.seed.below(5) < 2 && count > 0,
                cents: 1 + self.seed.below(1000),
                key: format!("{}n{count}", self.name),
            };
            let end = self.until_it_ends(&change, signals)?;
            self.ended.note(&change, &end);
            let stop = signals.stop.load(Ordering::Acquire);
            // Asked again after it was not done, it would be a new call; in the dark no answer says anything.
            if end != End::NotDone && !signals.dark.load(Ordering::SeqCst) {
                match self.seed.below(32) {
                    0..4 => self.ask_again_now(&change, &end)?,
                    4 => self.misuse_key(&change)?,
                    _ => {}
                }
                if self.seed.below(16) == 0 {
                    self.ended.samples.push((change, end));
                }
            }
            if stop {
                break;
            }
        }
        Ok(self.ended)
    }

    fn until_it_ends(&mut self, change: &Change, signals: &Signals) -> Result<End, Trouble> {
        let begun = Instant::now();
        let (mut last, mut first) = (String::new(), true);
        while begun.elapsed() < CHANGE_MAX && !signals.broken.load(Ordering::Acquire) {
            let answer = change.send(&mut self.client);
            if signals.dark.load(Ordering::SeqCst) {
                last = "the power was cut".into();
            } else {
                match answer {
                    Ok(answer) => match end_of(change, &answer)? {
                        Some(end) if first || end != End::NotDone => return Ok(end),
                        _ => last = format!("{} {}", answer.status, answer.text()),
                    },
                    Err(error) => last = error.to_string(),
                }
            }
            first = false;
            self.ended.sent_again += 1;
            thread::sleep(Duration::from_millis(1 + self.seed.below(10)));
        }
        Err(format!("{} {} did not end within {CHANGE_MAX:?}; last: {last}", change.path(), change.body()))
    }

    /// The same key and arguments again: the same answer, if any.
    fn ask_again_now(&mut self, change: &Change, end: &End) -> Result<(), Trouble> {
        let Ok(answer) = change.send(&mut self.client) else { return Ok(()) };
        self.ended.repeated += u64::from(same_again(change, &answer, end)?);
        Ok(())
    }

    /// The same key with other arguments: refused. That nothing was done shows in the balance.
    fn misuse_key(&mut self, change: &Change) -> Result<(), Trouble> {
        let other = Change { cents: change.cents + 1, ..change.clone() };
        let Ok(answer) = other.post_other(&mut self.client, &change.key) else { return Ok(()) };
        match answer.status {
            422 | 409 | 429 | 503 | 504 => Ok(()),
            status => Err(format!("key {} with other arguments: {status} {}", change.key, answer.text())),
        }
    }
}

impl Change {
    fn post_other(&self, client: &mut Client, key: &str) -> std::io::Result<Answer> {
        client.post(&self.path(), &[("idempotency-key", key)], &self.body())
    }
}

impl Ended {
    pub(super) fn note(&mut self, change: &Change, end: &End) {
        let money = self.model.entry(change.wallet.clone()).or_default();
        match end {
            End::Done(_) if change.hold => money.held += change.cents,
            End::Done(_) => money.paid_in += change.cents,
            End::Failed(_) | End::NotDone => {}
        }
        match end {
            End::Done(_) => self.done += 1,
            End::Failed(_) => self.failed += 1,
            End::NotDone => self.not_done += 1,
        }
    }

    /// After the crash: what was answered before is answered the same way now.
    pub(super) fn ask_again(mut self) -> Result<u64, Trouble> {
        for (change, end) in &self.samples {
            let answer =
                change.send(&mut self.client).map_err(|error| format!("{}: {error}", change.path()))?;
            self.repeated += u64::from(same_again(change, &answer, end)?);
        }
        Ok(self.repeated)
    }
}

/// True if the answer is the one given before, false if it says nothing about the change.
fn same_again(change: &Change, answer: &Answer, end: &End) -> Result<bool, Trouble> {
    match end_of(change, answer)? {
        Some(again) if again == *end => Ok(true),
        // Of this copy, which never left or came too late, not of the change.
        Some(End::NotDone) | None => Ok(false),
        Some(again) => Err(format!("{} {} was {end:?}, is now {again:?}", change.path(), change.body())),
    }
}

#[cfg(test)]
mod tests;
