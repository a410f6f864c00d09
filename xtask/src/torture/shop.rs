//! Clients pay into wallets and hold money in them, each change under its own idempotency key, while something
//! strikes the server; in the end every acknowledged change is there, and none twice.
//!
//! What got no answer is sent again under the same key until it ends once, so the balances are known
//! exactly: a change lost, or done twice, shows as a wrong sum. An answer given before a crash must be given
//! again after it. `not_done` to a first try is taken at its word: it is not sent again, and its money must
//! not be there; to a later one it speaks of that try only, and the change is asked again.
//!
//! [`Torture::run`] strikes with `kill -9` at random moments; [`Story`] lets others strike in their own way.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::http::Client;
use super::seed::Seed;
use super::server::Server;
use super::teller::{ANSWER_MAX, Ended, Money, Signals, Teller};
use crate::Trouble;

/// From start to the first answer, a long log included.
const READY_MAX: Duration = Duration::from_secs(30);
/// A round kills after 5 to 155 ms: long enough for some hundred commits.
const LIFE_MS: u64 = 150;
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
    /// Times that the victim was killed, or ended as it must.
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

impl Torture {
    /// Runs all rounds. `report` is told now and then how far it is.
    ///
    /// # Errors
    ///
    /// Which promise was broken, with the numbers, and the last lines of the victim's log.
    pub fn run(self, report: &mut dyn FnMut(&str)) -> Result<Summary, Trouble> {
        let (rounds, of) = (self.rounds, self.seed);
        let mut story = Story::begin(self)?;
        for round in 0..rounds {
            story.round(|stage| kill_at_random(stage, &mut Seed::new(of, u64::from(round))))?;
            let summary = story.summary();
            if summary.rounds.is_multiple_of(20) {
                report(&format!("{:>5} rounds, {} changes acknowledged", summary.rounds, summary.done));
            }
        }
        story.end()
    }
}

/// Lets the victim live for a moment, kills it, and brings it back; now and then kills it while it
/// comes back.
fn kill_at_random(stage: &mut Stage<'_>, seed: &mut Seed) -> Result<(), Trouble> {
    thread::sleep(Duration::from_millis(5 + seed.below(LIFE_MS)));
    loop {
        stage.server.assert_alive()?;
        stage.kill();
        stage.server.start()?;
        if seed.below(4) != 0 {
            break;
        }
        thread::sleep(Duration::from_millis(seed.below(40)));
    }
    stage.wait_ready()
}

/// A shop that is up, and all that its clients know of it.
#[derive(Debug)]
pub struct Story {
    shop: Torture,
    summary: Summary,
    model: BTreeMap<String, Money>,
    signals: Signals,
    round: u32,
}

/// What can be struck.
#[derive(Debug)]
pub struct Stage<'a> {
    /// The victim.
    pub server: &'a mut Server,
    /// Where HTTP is spoken.
    pub door: SocketAddr,
    summary: &'a mut Summary,
    signals: &'a Signals,
}

impl Stage<'_> {
    /// kill -9.
    pub fn kill(&mut self) {
        self.server.kill();
        self.summary.kills += 1;
    }

    /// The victim ends, or has ended, by itself, with this status and for this reason.
    pub fn ends_with(&mut self, status: i32, patience: Duration) -> Result<(), Trouble> {
        let ended = self.server.wait_ended(patience)?;
        self.summary.kills += 1;
        match ended.code() {
            Some(code) if code == status => Ok(()),
            _ => Err(format!("ended with {ended}, and not with exit status {status}")),
        }
    }

    /// Starts the victim again and waits until it answers.
    pub fn back(&mut self) -> Result<(), Trouble> {
        self.server.start()?;
        self.wait_ready()
    }

    /// Waits until the victim answers.
    pub fn wait_ready(&mut self) -> Result<(), Trouble> {
        let took = self.server.wait_ready(self.door, READY, READY_MAX)?;
        self.summary.restart_max = self.summary.restart_max.max(took);
        Ok(())
    }

    /// Each client's change in hand is its last one.
    pub fn stop_clients(&self) {
        self.signals.stop.store(true, Ordering::Release);
    }

    /// From now on nobody receives an answer, until it is bright again.
    pub fn dark(&self, dark: bool) {
        self.signals.dark.store(dark, Ordering::SeqCst);
    }
}

impl Story {
    /// Starts all processes and waits until the shop answers.
    pub fn begin(mut shop: Torture) -> Result<Story, Trouble> {
        for server in &mut shop.servers {
            server.start()?;
        }
        let (summary, signals) = (Summary::default(), Signals::default());
        let mut story = Story { shop, summary, model: BTreeMap::new(), signals, round: 0 };
        story.between(|stage| stage.wait_ready())?;
        Ok(story)
    }

    /// What happened so far.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Strikes while no client is at work.
    pub fn between<T>(
        &mut self,
        strike: impl FnOnce(&mut Stage<'_>) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        self.signals = Signals::default();
        let told = strike(&mut self.stage());
        told.map_err(|error| self.located(&error))
    }

    /// One round: clients are at work while it `strike`s. Then the victim must answer, every change ends, and
    /// what the clients know is compared with what the shop says.
    ///
    /// # Errors
    ///
    /// Which promise was broken, with the numbers, and the last lines of the victim's log.
    pub fn round<T>(
        &mut self,
        strike: impl FnOnce(&mut Stage<'_>) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        self.signals = Signals::default();
        let told = self.clients_and(strike);
        self.round += 1;
        told.map_err(|error| self.located(&error))
    }

    /// Counts all money.
    pub fn recount(&self) -> Result<(), Trouble> {
        count_money(self.shop.door, &self.model, "").map_err(|error| self.located(&error))
    }

    /// Counts all money once more.
    pub fn end(self) -> Result<Summary, Trouble> {
        self.recount()?;
        Ok(self.summary)
    }

    fn located(&self, error: &str) -> Trouble {
        format!("round {}: {error}\n{}", self.round, self.shop.servers[self.shop.victim].log_tail())
    }

    fn stage(&mut self) -> Stage<'_> {
        Stage {
            server: &mut self.shop.servers[self.shop.victim],
            door: self.shop.door,
            summary: &mut self.summary,
            signals: &self.signals,
        }
    }

    fn clients_and<T>(
        &mut self,
        strike: impl FnOnce(&mut Stage<'_>) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let prefix = format!("w{}-", self.round / ROUNDS_PER_WALLET);
        let Torture { servers, victim, door, clients, seed, .. } = &mut self.shop;
        let (signals, server) = (&self.signals, &mut servers[*victim]);
        let mut stage = Stage { server, door: *door, summary: &mut self.summary, signals };
        let (told, ended) = thread::scope(|scope| {
            let clients: Vec<_> = (0..*clients)
                .map(|number| {
                    let teller = Teller::new(*door, *seed, number, self.round, &prefix);
                    scope.spawn(move || teller.work(signals))
                })
                .collect();
            let told = strike(&mut stage);
            signals.broken.store(told.is_err(), Ordering::Release);
            signals.stop.store(true, Ordering::Release);
            let ended: Vec<_> =
                clients.into_iter().map(|client| client.join().expect("tellers return")).collect();
            (told, ended)
        });
        let told = told?;
        self.take_in(ended)?;
        count_money(self.shop.door, &self.model, &prefix)?;
        self.summary.rounds += 1;
        Ok(told)
    }

    fn take_in(&mut self, ended: Vec<Result<Ended, Trouble>>) -> Result<(), Trouble> {
        let summary = &mut self.summary;
        let done_before = summary.done;
        for ended in ended {
            let ended = ended?;
            for (wallet, money) in &ended.model {
                let total = self.model.entry(wallet.clone()).or_default();
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
        let (Some(free), Some(held), 200) = (cents(&balance["free"]), cents(&balance["held"]), answer.status)
        else {
            return Err(format!("GET {path}: {} {}", answer.status, answer.text()));
        };
        let expected = (money.paid_in - money.held, money.held);
        if (free, held) != expected {
            let less = free + held < money.paid_in || held < money.held;
            let what = if less { "an acknowledged change is lost" } else { "a change was done twice" };
            let text = answer.text();
            return Err(format!("{what}: {wallet} holds {text}, expected (free, held) = {expected:?}"));
        }
    }
    Ok(())
}

fn cents(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
