//! Tasks without a host: order, death, panics, foreign wakes.

use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use super::*;

const SEED: u64 = 11;

fn owner(node: u16) -> Owner {
    Owner { node, incarnation: 1 }
}

/// What happened, as words; shared with tasks.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, word: impl Into<String>) {
        self.0.lock().expect("not poisoned").push(word.into());
    }

    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().expect("not poisoned")).join(" ")
    }
}

/// Notes when it is dropped, and as whom.
struct Noted(Log, &'static str);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.note(format!("{}@{:?}", self.1, current().map(|owner| owner.node)));
    }
}

fn run_all(rng: &mut Rng) -> Vec<Polled> {
    std::iter::from_fn(|| run_one(rng)).collect()
}

/// The order in which eight tasks take three turns each.
fn order(seed: u64, fifo: bool) -> String {
    let _installed = Installed::new(fifo);
    let log = Log::default();
    for node in 0..8 {
        let log = log.clone();
        spawn(owner(node), async move {
            for _ in 0..3 {
                log.note(node.to_string());
                yield_once().await;
            }
        });
    }
    run_all(&mut Rng::of(seed, "tasks", 0));
    assert_eq!(alive(), 0);
    log.take()
}

async fn yield_once() {
    let mut first = true;
    std::future::poll_fn(|context| {
        if std::mem::take(&mut first) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

#[test]
fn order_follows_from_the_seed() {
    assert_eq!(order(1, false), order(1, false));
    assert_ne!(order(1, false), order(2, false));
    assert_eq!(order(1, true), ["0 1 2 3 4 5 6 7"; 3].join(" "));
    assert_eq!(order(1, true), order(2, true));
}

/// On every machine, in debug and release. Whoever changes it raises `SIM_VERSION`: seeds lead elsewhere.
#[test]
fn the_order_of_a_seed_is_known() {
    assert_eq!(order(1, false), "7 1 7 1 6 3 6 2 3 2 5 2 6 0 5 1 0 7 0 5 3 4 4 4");
}

#[test]
fn a_crash_drops_the_tasks_of_one_life() {
    let _installed = Installed::new(false);
    let mut rng = Rng::of(SEED, "tasks", 0);
    let log = Log::default();
    for (node, incarnation, name) in [(1, 1, "old"), (1, 2, "new"), (2, 1, "other")] {
        let noted = Noted(log.clone(), name);
        spawn(Owner { node, incarnation }, async move {
            std::future::pending::<()>().await;
            drop(noted);
        });
    }
    run_all(&mut rng);
    // Never polled, and ready when its node dies.
    let noted = Noted(log.clone(), "unpolled");
    spawn(owner(1), async move { drop(noted) });
    assert!(kill(1, 1).is_empty());
    assert_eq!(log.take(), "unpolled@Some(1) old@Some(1)");
    assert_eq!(alive(), 2);
    // Nor does the dead start anything.
    let noted = Noted(log.clone(), "late");
    spawn(owner(1), async move { drop(noted) });
    assert_eq!((log.take().as_str(), alive()), ("late@Some(1)", 2));
    assert!(run_all(&mut rng).is_empty());
    kill(1, 2);
    assert_eq!(log.take(), "new@Some(1)");
}

/// Spawned by a destructor of the node that dies.
#[test]
fn the_dying_start_nothing() {
    struct Starts(Log);
    impl Drop for Starts {
        fn drop(&mut self) {
            let noted = Noted(self.0.clone(), "child");
            spawn(current().expect("destructors run as their node"), async move {
                noted.0.note("ran");
            });
        }
    }
    let _installed = Installed::new(false);
    let mut rng = Rng::of(SEED, "tasks", 0);
    let log = Log::default();
    let starts = Starts(log.clone());
    spawn(owner(3), async move {
        std::future::pending::<()>().await;
        drop(starts);
    });
    run_all(&mut rng);
    kill(3, 1);
    run_all(&mut rng);
    assert_eq!((log.take().as_str(), alive()), ("child@Some(3)", 0));
}

#[test]
fn a_node_may_crash_itself() {
    let _installed = Installed::new(false);
    let mut rng = Rng::of(SEED, "tasks", 0);
    let log = Log::default();
    let noted = Noted(log.clone(), "self");
    spawn(owner(4), async move {
        kill(4, 1);
        noted.0.note("on");
        std::future::pending::<()>().await;
    });
    assert_eq!(run_all(&mut rng).len(), 1);
    assert_eq!((log.take().as_str(), alive()), ("on self@Some(4)", 0));
}

#[test]
fn panics_are_events() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("bad end");
        }
    }
    let _installed = Installed::new(false);
    let mut rng = Rng::of(SEED, "tasks", 0);
    spawn(owner(5), async { panic!("ouch") });
    let polled = run_all(&mut rng);
    assert_eq!(polled[0].owner, owner(5));
    let told = polled[0].panicked.as_deref().unwrap_or_default();
    assert!(told.starts_with("ouch (at "), "{told}");
    spawn(owner(5), async {
        let _bad = Bad;
        std::future::pending::<()>().await;
    });
    run_all(&mut rng);
    let told = kill(5, 1);
    assert!(told.len() == 1 && told[0].starts_with("bad end"), "{told:?}");
    assert_eq!((current(), alive()), (None, 0));
}

#[test]
fn code_runs_as_a_node() {
    let _installed = Installed::new(false);
    let seen = as_owner(owner(1), || (current(), as_owner(owner(2), current), current()));
    assert_eq!(seen, (Some(owner(1)), Some(owner(2)), Some(owner(1))));
    assert_eq!((current(), last()), (None, Some(owner(2))));
    assert!(caught(|| as_owner(owner(1), || panic!("out"))).is_err());
    assert_eq!(current(), None);
}

/// A task that waits, and who can wake it.
fn waiting(node: u16) -> Arc<Mutex<Option<Waker>>> {
    let waker = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&waker);
    let mut polls = 0;
    let wait = std::future::poll_fn(move |context| {
        *kept.lock().expect("not poisoned") = Some(context.waker().clone());
        polls += 1;
        if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
    });
    spawn(owner(node), wait);
    waker
}

fn wake_abroad(waker: &Arc<Mutex<Option<Waker>>>) {
    let waker = waker.lock().expect("not poisoned").take().expect("it was polled");
    std::thread::spawn(move || waker.wake()).join().expect("a wake does not panic");
}

#[test]
fn a_wake_from_a_foreign_thread_is_told() {
    let installed = Installed::new(false);
    let mut rng = Rng::of(SEED, "tasks", 0);
    let [first, second, third] = [6, 7, 8].map(waiting);
    run_all(&mut rng);
    wake_abroad(&first);
    assert!(!is_any_ready());
    fetch_landed();
    assert_eq!(take_foreign(), [owner(6)]);
    assert_eq!(run_all(&mut rng), [Polled { owner: owner(6), panicked: None }]);
    assert_eq!(take_foreign(), []);
    // Woken abroad, not fetched, and killed.
    wake_abroad(&second);
    kill(7, 1);
    assert_eq!(alive(), 1);
    // And one that is woken when its run is over.
    drop(installed);
    wake_abroad(&third);
}

/// A waker of one run that is used in the next one on this thread wakes nobody there.
#[test]
fn runs_do_not_meet() {
    let installed = Installed::new(false);
    let mut rng = Rng::of(SEED, "tasks", 0);
    let waker = waiting(1);
    run_all(&mut rng);
    let mut left = Box::pin(timers::sleep_until(5));
    let mut context = std::task::Context::from_waker(Waker::noop());
    assert!(left.as_mut().poll(&mut context).is_pending());
    drop(installed);
    let _installed = Installed::new(false);
    waker.lock().expect("not poisoned").take().expect("it was polled").wake();
    assert!(!is_any_ready() && alive() == 0);
    let mut mine = Box::pin(timers::sleep_until(5));
    assert!(mine.as_mut().poll(&mut context).is_pending());
    drop(left);
    assert_eq!(timers::due().map(|due| due.at), Some(5));
    assert!(caught(|| Installed::new(false)).is_err());
}
