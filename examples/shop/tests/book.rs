//! The code of `docs/testing.md`: every block of it stands here, compiles and runs; every message it quotes is one that
//! is said.

#![allow(unreachable_pub, reason = "the methods of an entity are public, and this is a test")]

mod first {
    use std::time::Duration;

    use nigh::prelude::*;
    use nigh_sim::Sim;

    #[derive(Debug, Default, State)]
    pub struct Counter {
        count: u64,
    }

    #[nigh::entity(key = String)]
    impl Counter {
        pub fn increment(&mut self) -> u64 {
            self.count += 1;
            self.count
        }
    }

    #[nigh_sim::test]
    fn nobody_counts_twice(sim: &mut Sim) {
        sim.app(|| App::new("counter").entity::<Counter>());
        sim.clients(3, |mut client| async move {
            for _ in client.times(10) {
                drop(client.call(Counter::at("visits").increment()).await);
                let pause = Duration::from_millis(client.draw(100));
                client.sleep(pause).await;
            }
        });
        sim.always("at most 30 were asked for", |durable| {
            durable.all::<Counter>().all(|(_, counter)| counter.count <= 30)
        });
    }

    #[test]
    fn what_failed_once() {
        nigh_sim::row(nobody_counts_twice, "seed=8 sim=3 on=one-process faults=[52ms crash 0 down 1ms]");
    }
}

/// What the page shows without its surroundings.
mod counted {
    use std::collections::HashMap;
    use std::time::Duration;

    use nigh::prelude::*;
    use nigh_sim::{Sim, Store, trips};

    use super::first::Counter;

    /// Mails.
    #[nigh::service]
    pub trait Mail {
        /// Sends one.
        async fn send(&self, text: String);
    }

    pub struct NoMail;

    impl Mail for NoMail {
        async fn send(&self, _: String) {}
    }

    pub fn app() -> App {
        App::new("counter").entity::<Counter>().service::<dyn Mail>(NoMail)
    }

    #[nigh_sim::test(seeds = 40)]
    fn two_processes_and_doubts(sim: &mut Sim) {
        sim.app(app);
        sim.service::<dyn Mail>(NoMail);
        sim.stores(&[Store::Memory, Store::Disk]);
        sim.on(&[nigh_sim::Topology::TwoWebs]);
        sim.clients(2, |mut client| async move {
            for _ in client.times(5) {
                match client.call(Counter::at("visits").increment()).await {
                    Ok(count) => assert!(count > 0),
                    Err(CallError::InDoubt(ticket)) => {
                        // Asks until somebody knows: faults end, so somebody will.
                        while client.settle::<u64, Never>(&ticket).await.is_err() {
                            client.sleep(Duration::from_millis(200)).await;
                        }
                    }
                    Err(error) => assert!(!error.maybe_done()),
                }
                let pause = Duration::from_millis(client.draw(50));
                client.sleep(pause).await;
            }
        });
        sim.finally(|durable| assert!(durable.all::<Counter>().count() <= 1));
        sim.budget(Counter::at("visits").increment(), trips(1).bytes(400));
    }

    pub fn too_many(sim: &mut Sim) {
        sim.app(app);
        sim.service::<dyn Mail>(NoMail);
        sim.clients(2, |client| async move {
            for _ in client.times(9) {
                let count = client.call(Counter::at("visits").increment()).await.unwrap_or(0);
                assert!(count < 12, "too many visits: {count}");
            }
        });
    }

    pub fn without_stand_in(sim: &mut Sim) {
        sim.app(app);
    }

    struct Sockets;

    impl Mail for Sockets {
        async fn send(&self, _: String) {
            drop(std::net::TcpStream::connect("127.0.0.1:25"));
        }
    }

    struct Sleeps;

    impl Mail for Sleeps {
        #[expect(clippy::disallowed_methods, reason = "what is forbidden has to be tried")]
        async fn send(&self, _: String) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn sending(sim: &mut Sim, mail: impl Mail) {
        sim.app(app);
        sim.service::<dyn Mail>(mail);
        sim.clients(1, |client| async move { drop(client.call(MailRef::any().send("hello")).await) });
    }
    pub fn sockets(sim: &mut Sim) {
        sending(sim, Sockets);
    }
    pub fn sleeps(sim: &mut Sim) {
        sending(sim, Sleeps);
    }

    pub fn map_order(sim: &mut Sim) {
        sim.app(app);
        sim.service::<dyn Mail>(NoMail);
        sim.clients(1, |client| async move {
            let pages: HashMap<&str, u64> = [("home", 1), ("news", 2), ("shop", 3)].into();
            for page in pages.keys() {
                drop(client.call(Counter::at(*page).increment()).await);
            }
        });
    }

    pub fn endless(sim: &mut Sim) {
        sim.app(app);
        sim.service::<dyn Mail>(NoMail);
        sim.clients(1, |_| std::future::pending());
    }
}

mod rare {
    use nigh::prelude::*;
    use nigh_sim::Sim;

    /// Was not sent.
    #[derive(Wire, Clone, Debug, PartialEq, Eq)]
    pub struct Refused {
        text: String,
    }

    /// Mails.
    #[nigh::service]
    pub trait Mail {
        /// Sends one.
        async fn send(&self, text: String) -> Result<(), Refused>;
    }

    pub struct Refusing;

    impl Mail for Refusing {
        async fn send(&self, text: String) -> Result<(), Refused> {
            let refuses = nigh::buggify!("mail.refused");
            if refuses { Err(Refused { text }) } else { Ok(()) }
        }
    }

    #[nigh_sim::test(seeds = 40)]
    fn refusals_are_told(sim: &mut Sim) {
        sim.app(|| App::new("mail").service::<dyn Mail>(Refusing));
        sim.service::<dyn Mail>(Refusing);
        sim.clients(1, |client| async move {
            let answer = client.call(MailRef::any().send("hello")).await;
            assert!(!matches!(answer, Err(CallError::Failed(Refused { text })) if text != "hello"));
        });
    }

    #[derive(Debug, Default, State)]
    pub struct Tally {
        count: u64,
    }

    #[nigh::entity(key = String)]
    impl Tally {
        /// A lie: twice is more than once.
        #[commutes]
        pub fn increment(&mut self) {
            self.count += 1;
        }
    }

    pub fn lie(sim: &mut Sim) {
        sim.app(|| App::new("tally").entity::<Tally>());
        sim.clients(1, |client| async move { drop(client.call(Tally::at("a").increment()).await) });
    }
}

const PAGE: &str = include_str!("../../../docs/testing.md");
const HERE: &str = include_str!("book.rs");

/// Blocks of the page in this language.
fn blocks(language: &str) -> impl Iterator<Item = &'static str> {
    let fence = format!("```{language}\n");
    let blocks: Vec<&str> = PAGE.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty(), "the page has code");
    blocks.into_iter()
}

/// Lines without what stands before them: modules indent.
fn dedented(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.trim())).collect()
}

#[test]
fn code_of_the_page_stands_here() {
    let here = dedented(HERE);
    for block in blocks("rust") {
        let block = dedented(block);
        assert!(
            here.contains(&block),
            "docs/testing.md shows what examples/shop/tests/book.rs has not:\n{block}"
        );
    }
}

/// `…` stands for what differs from build to build. What is refused is refused on Linux.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn messages_of_the_page_are_said() {
    let scenarios = [
        counted::too_many as fn(&mut nigh_sim::Sim),
        counted::without_stand_in,
        counted::sockets,
        counted::sleeps,
        counted::map_order,
        counted::endless,
        rare::lie,
    ];
    let reports: Vec<String> = scenarios.map(|scenario| nigh_sim::refuted(scenario, 200)).to_vec();
    for line in
        blocks("text").flat_map(str::lines).filter(|line| !line.contains("200 seeds") && *line != "faults: …")
    {
        let said =
            reports.iter().flat_map(|report| report.lines()).any(|said| is_like(said.trim(), line.trim()));
        assert!(said, "nobody says `{line}`:\n{}", reports.join("\n\n"));
    }
}

/// Whether the parts around each `…` follow each other.
fn is_like(said: &str, pattern: &str) -> bool {
    let mut rest = Some(said);
    for part in pattern.split('…') {
        rest = rest.and_then(|rest| rest.split_once(part.trim()).map(|(_, rest)| rest));
    }
    rest.is_some()
}

/// Faults of the page are as replay lines have them.
#[test]
fn faults_of_the_page_exist() {
    let table = PAGE.split("| fault | what happens |").nth(1).expect("there is a table");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with("| `"));
    let faults: Vec<&str> = rows.filter_map(|line| line.split('`').nth(1)).collect();
    assert_eq!(faults.len(), 15, "one of each kind");
    for fault in faults {
        let planned: Result<nigh_sim::Planned, _> = fault.parse();
        assert!(planned.is_ok(), "{fault}: {planned:?}");
    }
}
