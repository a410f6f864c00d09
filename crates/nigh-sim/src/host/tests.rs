//! Runs of small worlds, and pins of what tokio does for us.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::*;
use crate::tasks::timers::{now, sleep_until};
use crate::tasks::{kill, spawn};

const MILLI: u64 = NANOS_PER_MILLI;

/// What happened at which microsecond; shared with tasks.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, word: impl std::fmt::Display) {
        self.0.lock().expect("not poisoned").push(format!("{word}@{}", now() / 1_000));
    }

    fn text(&self) -> String {
        self.0.lock().expect("not poisoned").join(" ")
    }
}

/// The life of nodes without tasks.
const TOUCHED: u32 = 9;

type Begin = Box<dyn FnOnce(&mut Script, &mut Stage<u16>)>;
type Act = Box<dyn FnMut(&mut Script, &mut Stage<u16>, u16)>;

/// A world of closures: `begin` once, then `event` for each event.
struct Script {
    log: Log,
    begin: Option<Begin>,
    event: Option<Act>,
    over: bool,
}

impl World for Script {
    type Event = u16;

    fn start(&mut self, stage: &mut Stage<u16>) {
        let begin = self.begin.take().expect("a run begins once");
        begin(self, stage);
    }

    fn handle(&mut self, stage: &mut Stage<u16>, event: u16) {
        self.log.note(format_args!("e{event}"));
        if let Some(mut act) = self.event.take() {
            act(self, stage, event);
            self.event = Some(act);
        }
    }

    fn after(&mut self, _: &mut Stage<u16>, owner: Owner, panicked: Option<String>) {
        if owner.incarnation == TOUCHED {
            self.log.note(format_args!("touched{}", owner.node));
        }
        if panicked.is_some() {
            self.log.note(format_args!("panic{}", owner.node));
        }
    }

    fn is_over(&self) -> bool {
        self.over
    }
}

fn owner(node: u16) -> Owner {
    Owner { node, incarnation: 0 }
}

fn play_with(
    options: Options,
    event: Option<Act>,
    begin: impl FnOnce(&mut Script, &mut Stage<u16>) + 'static,
) -> (String, Ended) {
    let world = Script { log: Log::default(), begin: Some(Box::new(begin)), event, over: false };
    let (world, ended) = run(world, options);
    (world.log.text(), ended)
}

fn options(seed: u64) -> Options {
    Options { seed, fifo: false, horizon: Duration::from_secs(10), tokio: true }
}

fn play(begin: impl FnOnce(&mut Script, &mut Stage<u16>) + 'static) -> (String, Ended) {
    play_with(options(1), None, begin)
}

/// One task of node 1 that notes what it returns.
fn check<F: Future<Output = String> + Send + 'static>(body: F, expected: &str) -> Ended {
    let (log, ended) = play(|script, _| {
        let log = script.log.clone();
        spawn(owner(1), async move { log.note(body.await) });
    });
    assert_eq!(log, expected);
    ended
}

fn word(word: &str) -> String {
    word.to_owned()
}

#[test]
fn timers_of_tokio_and_ours_interleave() {
    let (log, ended) = play(|script, stage| {
        for (tokio, ours) in [(3_000, 0), (2_000, 0), (0, 2_500), (0, 2_000)] {
            let log = script.log.clone();
            spawn(owner(1), async move {
                if tokio > 0 {
                    sleep(Duration::from_micros(tokio)).await;
                    log.note(format_args!("tokio{tokio}"));
                } else {
                    sleep_until(ours * 1_000).await;
                    log.note(format_args!("ours{ours}"));
                }
            });
        }
        stage.push(2_600_000, 7);
        stage.push(2_000_000, 8);
    });
    assert_eq!(log, "tokio2000@2000 e8@2000 ours2000@2000 ours2500@2500 e7@2600 tokio3000@3000");
    assert_eq!((ended.events, ended.why), (4, Why::Deadlock { since: 3 * MILLI }));
}

/// A tokio timer set between two milliseconds fires early by less than one; ours never does.
#[test]
fn the_grain_of_tokio_is_a_millisecond() {
    check(
        async {
            sleep_until(700_000).await;
            sleep(Duration::from_millis(2)).await;
            word("tokio")
        },
        "tokio@2000",
    );
    check(
        async {
            sleep(Duration::from_micros(1_200)).await;
            sleep_until(now() + 1).await;
            format!("{}", now())
        },
        "2000001@2000",
    );
}

#[test]
fn what_users_write_runs_on_simulated_time() {
    let hour = Duration::from_secs(3600);
    check(
        async move { format!("{:?}", timeout(Duration::from_secs(5), sleep(hour)).await.is_err()) },
        "true@5000000",
    );
    check(
        async {
            tokio::task::yield_now().await;
            word("yielded")
        },
        "yielded@0",
    );
    let ended = check(
        async {
            let mut set = JoinSet::new();
            for number in 0..3 {
                set.spawn(async move {
                    sleep(Duration::from_millis(30 - number * 10)).await;
                    number
                });
            }
            let mut done = String::new();
            while let Some(number) = set.join_next().await {
                done += &number.expect("it does not panic").to_string();
            }
            done
        },
        "210@30000",
    );
    assert_eq!(ended.bare_tasks, [(1, 3)]);
    let ended = check(
        async {
            let bare = tokio::spawn(async {
                sleep_until(7_300_000).await;
                tokio::task::yield_now().await;
                now()
            });
            bare.await.expect("it does not panic").to_string()
        },
        "7300000@7300",
    );
    assert_eq!(ended.bare_tasks, [(1, 1)]);
}

/// Channels of tokio stall after some operations per poll of the host, unless it is told not to count.
#[test]
fn the_budget_of_tokio_does_not_hold() {
    check(
        async {
            let (send, mut receive) = tokio::sync::mpsc::channel(1_000);
            for number in 0..1_000 {
                send.send(number).await.expect("the other end is here");
            }
            let mut sum = 0;
            for _ in 0..1_000 {
                sum += receive.recv().await.expect("they were sent");
            }
            sum.to_string()
        },
        "499500@0",
    );
}

#[test]
fn a_crash_ends_tasks_and_bare_ones_are_told() {
    let crash: Act = Box::new(|_, _, _| drop(kill(1, 0)));
    let (log, ended) = play_with(options(1), Some(crash), |script, stage| {
        let (log, bare) = (script.log.clone(), script.log.clone());
        spawn(owner(1), async move {
            tokio::spawn(async move {
                sleep(Duration::from_millis(25)).await;
                bare.note("bare");
            });
            loop {
                sleep(Duration::from_millis(10)).await;
                log.note("tick");
            }
        });
        stage.push(25 * MILLI - 1, 0);
    });
    assert_eq!(log, "tick@10000 tick@20000 e0@24999 bare@25000");
    assert_eq!(ended.bare_tasks, [(1, 1)]);
}

/// A bare task that calls a handle of a node leaves work for it, which is seen to at that time.
#[test]
fn what_bare_tasks_touch_is_told() {
    let (log, _) = play(|_, stage| {
        tokio::spawn(async {
            sleep(Duration::from_millis(3)).await;
            for node in [5, 4, 5] {
                tasks::touch(Owner { node, incarnation: TOUCHED });
            }
        });
        stage.push(20 * MILLI, 0);
    });
    assert_eq!(log, "touched5@3000 touched4@3000 e0@20000");
    // Outside of a run it does nothing.
    tasks::touch(owner(1));
    assert!(!tasks::is_any_ready());
}

#[test]
fn each_end_is_told() {
    let ends = |begin: fn(&mut Script, &mut Stage<u16>)| play(begin).1;
    assert_eq!(ends(|_, _| {}).why, Why::Deadlock { since: 0 });
    assert_eq!(ends(|script, _| script.over = true).why, Why::Over);
    let ended = ends(|_, stage| {
        stage.push(10_000 * MILLI, 1);
        stage.push(10_000 * MILLI + 1, 2);
    });
    assert_eq!((ended.why, ended.events, ended.simulated), (Why::Horizon, 1, 10_000 * MILLI));
    let forever = |_: &mut Script, _: &mut Stage<u16>| {
        spawn(owner(3), async {
            loop {
                sleep(Duration::from_secs(1)).await;
            }
        });
    };
    assert_eq!(ends(forever).why, Why::Horizon);
    let bare = |_: &mut Script, _: &mut Stage<u16>| drop(tokio::spawn(std::future::pending::<()>()));
    assert_eq!(ends(bare).why, Why::Horizon);
    let spins = |_: &mut Script, _: &mut Stage<u16>| {
        spawn(
            owner(3),
            std::future::poll_fn(|context| {
                context.waker().wake_by_ref();
                Poll::Pending
            }),
        );
    };
    assert_eq!(ends(spins).why, Why::Spinning(Some(owner(3))));
    let yields = |_: &mut Script, _: &mut Stage<u16>| {
        spawn(owner(3), async {
            loop {
                tokio::task::yield_now().await;
            }
        });
    };
    assert_eq!(ends(yields).why, Why::Spinning(Some(owner(3))));
    let (log, _) = play(|_, _| spawn(owner(3), async { panic!("user's") }));
    assert_eq!(log, "panic3@0");
}

#[test]
fn a_foreign_thread_is_named() {
    let (_, ended) = play(|_, _| {
        let (send, receive) = tokio::sync::oneshot::channel();
        spawn(owner(2), async move { drop(receive.await) });
        spawn(owner(1), async move {
            sleep_until(5).await;
            let thread = std::thread::spawn(move || send.send(()));
            let _ = thread.join().expect("it does not panic");
        });
    });
    assert_eq!((ended.foreign, ended.simulated), (vec![2], 10_000 * MILLI));
}

/// Tasks of five nodes that wait, wake each other, and use tokio's timers now and then.
fn busy(seed: u64, fifo: bool) -> (String, Ended) {
    play_with(Options { fifo, ..options(seed) }, None, move |script, _| {
        let mut rng = Rng::of(seed, "test", 0);
        let turn = Arc::new(tokio::sync::Semaphore::new(2));
        for node in 0..5 {
            let (log, turn, step) = (script.log.clone(), Arc::clone(&turn), rng.between(1..=5_000));
            spawn(owner(node), async move {
                for round in 0..20 {
                    let held = turn.acquire().await.expect("it stays open");
                    log.note(node);
                    sleep_until(now() + step * 1_000).await;
                    if round % 4 == 0 {
                        sleep(Duration::from_millis(1)).await;
                    }
                    drop(held);
                }
            });
        }
    })
}

#[test]
fn a_run_follows_from_its_seed() {
    assert_eq!(busy(5, false), busy(5, false));
    assert_ne!(busy(5, false).0, busy(6, false).0);
    assert_ne!(busy(5, false).0, busy(5, true).0);
}

/// Here for its size: it would take minutes if an event cost more than it should.
#[test]
fn many_events_are_cheap() {
    let again: Act = Box::new(|script, stage, event| {
        script.log = Log::default();
        stage.push(stage.now() + 50_000, event);
    });
    let (_, ended) = play_with(options(1), Some(again), |_, stage| stage.push(0, 1));
    assert_eq!((ended.events, ended.why), (200_001, Why::Horizon));
}

/// What we lean on: a paused clock jumps to the next timer when all wait, and no further; timers of one step have
/// all fired when it is there; spawned tasks are counted while they live.
#[test]
fn pins_of_tokio() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("it needs nothing");
    let metrics = runtime.metrics();
    runtime.block_on(async {
        #[expect(clippy::disallowed_methods, reason = "of a clock that stands still")]
        let began = Instant::now();
        let fired = Arc::new(Mutex::new(Vec::new()));
        for millis in [9, 4, 4] {
            let fired = Arc::clone(&fired);
            tokio::spawn(async move {
                sleep(Duration::from_millis(millis)).await;
                fired.lock().expect("not poisoned").push(millis);
            });
        }
        assert_eq!(metrics.num_alive_tasks(), 3);
        assert_eq!(began.elapsed(), Duration::ZERO);
        sleep(Duration::from_millis(5)).await;
        assert_eq!(began.elapsed(), Duration::from_millis(5));
        assert_eq!((&*fired.lock().expect("not poisoned"), metrics.num_alive_tasks()), (&vec![4, 4], 1));
        tokio::time::sleep_until(began + Duration::from_micros(6_001)).await;
        assert_eq!(began.elapsed(), Duration::from_millis(7));
    });
}
