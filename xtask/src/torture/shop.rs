//! Clients pay into wallets and hold money in them, each change under its own idempotency key, while the
//! server is killed; in the end every acknowledged change is there, and none twice.
//!
//! What got no answer is sent again under the same key until it ends once, so the balances are known
//! exactly: a change lost, or done twice, shows as a wrong sum. An answer given before a crash must be given
//! again after it. `not_done` to a first try is taken at its word: it is not sent again, and its money must
//! not be there; to a later one it speaks of that try only, and the change is asked again.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::{Answer, Client};
use super::seed::Seed;
use super::server::Server;
use crate::Trouble;

/// Above the 10 s that a call may take, so that the server gives up before the client does.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// A change must end within this, crashes included.
const CHANGE_MAX: Duration = Duration::from_secs(60);
/// From start to the first answer, a long log included.
const READY_MAX: Duration = Duration::from_secs(30);
/// A round kills after 5 to 155 ms: long enough for some hundred commits.
const LIFE_MS: u64 = 150;
/// Wallets that are used at the same time: few, so that clients meet on them.
const WALLETS: u64 = 4;
/// New wallets after so many rounds, so that each stays small however many rounds there are.
const ROUNDS_PER_WALLET: u32 = 10;
/// A read that works as soon as the server does.
const READY: &str = "/api/Wallet/ready/balance";

/// What is killed, how often, and who watches.
#[derive(Debug)]
pub struct Torture {
    /// All processes, in the order in which they are started.
    pub servers: Vec<Server>,
    /// Which of them is killed.
    pub victim: usize,
    /// Where HTTP is spoken.
    pub door: SocketAddr,
    /// How many clients there are.
    pub clients: u64,
    /// How many rounds.
    pub rounds: u32,
    /// Moments, wallets and amounts follow from it.
    pub seed: u64,
}

/// What happened.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Rounds that ended well.
    pub rounds: u32,
    /// Times that the victim was killed.
    pub kills: u32,
    /// Changes that were acknowledged.
    pub done: u64,
    /// Changes that were refused by the method itself.
    pub failed: u64,
    /// Changes told as not done.
    pub not_done: u64,
    /// Requests sent again because no answer came, or none that ends the change.
    pub sent_again: u64,
    /// Answers asked for a second time, and given again.
    pub repeated: u64,
    /// Longest time from start to the first answer.
    pub restart_max: Duration,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { rounds, kills, done, failed, not_done, sent_again, repeated, restart_max } = self;
        write!(
            f,
            "{rounds} rounds, {kills} kills: {done} changes acknowledged, {failed} refused, {not_done} not done, \
             {sent_again} requests sent again, {repeated} answers repeated; every change is there, none twice; \
             slowest restart {:.3} s",
            restart_max.as_secs_f64()
        )
    }
}

/// What must be in a wallet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Money {
    paid_in: u64,
    held: u64,
}

impl Torture {
    /// Runs all rounds. `report` is told now and then how far it is.
    ///
    /// # Errors
    ///
    /// Which promise was broken, with the numbers, and the last lines of the victim's log.
    pub fn run(mut self, report: &mut dyn FnMut(&str)) -> Result<Summary, Trouble> {
        let mut summary = Summary::default();
        let mut model = BTreeMap::new();
        for server in &mut self.servers {
            server.start()?;
        }
        self.wait_ready(&mut summary)?;
        for round in 0..self.rounds {
            let result = self.round(round, &mut summary, &mut model);
            result.map_err(|error| {
                format!("round {round}: {error}\n{}", self.servers[self.victim].log_tail())
            })?;
            summary.rounds += 1;
            if summary.rounds.is_multiple_of(20) {
                report(&format!("{:>5} rounds, {} changes acknowledged", summary.rounds, summary.done));
            }
        }
        count_money(self.door, &model, "")?;
        Ok(summary)
    }

    fn round(
        &mut self,
        round: u32,
        summary: &mut Summary,
        model: &mut BTreeMap<String, Money>,
    ) -> Result<(), Trouble> {
        let stop = AtomicBool::new(false);
        let prefix = format!("w{}-", round / ROUNDS_PER_WALLET);
        let (door, seed) = (self.door, self.seed);
        let (chaos, ended) = thread::scope(|scope| {
            let clients: Vec<_> = (0..self.clients)
                .map(|number| {
                    let teller = Teller::new(door, seed, number, round, &prefix);
                    let stop = &stop;
                    scope.spawn(move || teller.work(stop))
                })
                .collect();
            let chaos = self.chaos(round, summary);
            stop.store(true, Ordering::Release);
            let ended: Vec<_> =
                clients.into_iter().map(|client| client.join().expect("tellers return")).collect();
            (chaos, ended)
        });
        chaos?;
        let done_before = summary.done;
        for ended in ended {
            let ended = ended?;
            for (wallet, money) in &ended.model {
                let total = model.entry(wallet.clone()).or_default();
                total.paid_in += money.paid_in;
                total.held += money.held;
            }
            summary.done += ended.done;
            summary.failed += ended.failed;
            summary.not_done += ended.not_done;
            summary.sent_again += ended.sent_again;
            summary.repeated += ended.ask_again()?;
        }
        if summary.done == done_before {
            return Err("no change was acknowledged in the whole round".into());
        }
        count_money(self.door, model, &prefix)
    }

    /// Lets the victim live for a moment, kills it, and brings it back; now and then kills it while it
    /// comes back.
    fn chaos(&mut self, round: u32, summary: &mut Summary) -> Result<(), Trouble> {
        let mut seed = Seed::new(self.seed, u64::from(round));
        thread::sleep(Duration::from_millis(5 + seed.below(LIFE_MS)));
        loop {
            self.servers[self.victim].assert_alive()?;
            self.servers[self.victim].kill();
            summary.kills += 1;
            self.servers[self.victim].start()?;
            if seed.below(4) != 0 {
                break;
            }
            thread::sleep(Duration::from_millis(seed.below(40)));
        }
        self.wait_ready(summary)
    }

    fn wait_ready(&mut self, summary: &mut Summary) -> Result<(), Trouble> {
        let took = self.servers[self.victim].wait_ready(self.door, READY, READY_MAX)?;
        summary.restart_max = summary.restart_max.max(took);
        Ok(())
    }
}

/// Compares the balance of every wallet of the model whose name starts so.
fn count_money(door: SocketAddr, model: &BTreeMap<String, Money>, prefix: &str) -> Result<(), Trouble> {
    let mut client = Client::new(door, ANSWER_MAX);
    for (wallet, money) in model.iter().filter(|(wallet, _)| wallet.starts_with(prefix)) {
        let path = format!("/api/Wallet/{wallet}/balance");
        let answer = client.get(&path).map_err(|error| format!("GET {path}: {error}"))?;
        let balance = answer.json();
        let (free, held) = (cents(&balance["free"]), cents(&balance["held"]));
        if answer.status != 200 || free.is_none() || held.is_none() {
            return Err(format!("GET {path}: {} {}", answer.status, answer.text()));
        }
        let expected = (money.paid_in - money.held, money.held);
        if (free, held) != (Some(expected.0), Some(expected.1)) {
            return Err(format!("{wallet} holds {}, expected (free, held) = {expected:?}", answer.text()));
        }
    }
    Ok(())
}

fn cents(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// One change: what is asked, under which key.
#[derive(Clone, Debug)]
struct Change {
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
enum End {
    /// It took effect, and this is what it returned.
    Done(Value),
    /// It ran, and this is its own error.
    Failed(Value),
    /// It did not run and never will.
    NotDone,
}

/// `None`: ask again under the same key.
fn end_of(change: &Change, answer: &Answer) -> Result<Option<End>, Trouble> {
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
struct Teller {
    client: Client,
    seed: Seed,
    prefix: String,
    name: String,
    ended: Ended,
}

/// What a client knows after a round.
struct Ended {
    client: Client,
    model: BTreeMap<String, Money>,
    /// Some that ended, to be asked again.
    samples: Vec<(Change, End)>,
    done: u64,
    failed: u64,
    not_done: u64,
    sent_again: u64,
    repeated: u64,
}

impl Teller {
    fn new(door: SocketAddr, seed: u64, number: u64, round: u32, prefix: &str) -> Self {
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
    fn work(mut self, stop: &AtomicBool) -> Result<Ended, Trouble> {
        for count in 0_u32.. {
            if stop.load(Ordering::Acquire) {
                break;
            }
            let change = Change {
                wallet: format!("{}{}", self.prefix, self.seed.below(WALLETS)),
                hold: self.seed.below(5) < 2,
                cents: 1 + self.seed.below(1000),
                key: format!("{}n{count}", self.name),
            };
            let end = self.until_it_ends(&change)?;
            self.ended.note(&change, &end);
            if end == End::NotDone {
                continue; // Asked again, it would be a new call.
            }
            match self.seed.below(32) {
                0..4 => self.ask_again_now(&change, &end)?,
                4 => self.misuse_key(&change)?,
                _ => {}
            }
            if self.seed.below(16) == 0 {
                self.ended.samples.push((change, end));
            }
        }
        Ok(self.ended)
    }

    fn until_it_ends(&mut self, change: &Change) -> Result<End, Trouble> {
        let begun = Instant::now();
        let (mut last, mut first) = (String::new(), true);
        while begun.elapsed() < CHANGE_MAX {
            match change.send(&mut self.client) {
                Ok(answer) => match end_of(change, &answer)? {
                    Some(end) if first || end != End::NotDone => return Ok(end),
                    _ => last = format!("{} {}", answer.status, answer.text()),
                },
                Err(error) => last = error.to_string(),
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
    fn note(&mut self, change: &Change, end: &End) {
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
    fn ask_again(mut self) -> Result<u64, Trouble> {
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
