//! The guard as it is linked into a test of somebody's application: what is refused, what is seeded, what passes.
//!
//! Names and lines come from debug information, so these need a profile that has it.

#![cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(target_feature = "crt-static"),
))]

use std::fmt::Debug;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use nigh_guard::{REFUSED_MAX, Refused, Reused, What, enter, pass, reseed, run, set_time, take_refused};

mod user;

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

fn said<T>(result: io::Result<T>) -> String {
    result.map_or_else(|error| format!("{:?}", error.kind()), |_| "Ok".into())
}

/// Runs a function of the user on a simulated thread: what it was told, and what is told of it.
fn check(what: What, function: fn() -> String, name: &str, answer: &str) {
    let (answered, refused) = run(1, || (function(), take_refused()));
    assert_eq!(answered, answer, "{name}");
    assert!(!refused.is_empty(), "{name}: nothing was refused");
    for Refused { what: known, who, place, .. } in refused {
        assert_eq!((&known, &*who), (&what, &*format!("guard::user::{name}")));
        assert!(place.is_some_and(|place| place.contains("tests/guard/user.rs:")), "{name}");
    }
}

fn file(path: &str) -> What {
    What::File(path.into())
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn what_reaches_past_the_simulator_is_refused_and_named() {
    check(What::Socket,           user::connects,               "connects",               "PermissionDenied");
    check(What::Socket,           user::connects_by_name,       "connects_by_name",       "PermissionDenied");
    check(What::Socket,           user::listens,                "listens",                "PermissionDenied");
    check(What::Socket,           user::binds_within_a_closure, "binds_within_a_closure", "PermissionDenied");
    check(What::Thread,           user::starts_a_thread,        "starts_a_thread",        "WouldBlock");
    check(file("/dev/urandom"),   user::opens,                  "opens",                  "PermissionDenied");
    check(file("/etc/hostname"),  user::reads,                  "reads",                  "PermissionDenied");
    check(file("never-written"),  user::writes,                 "writes",                 "PermissionDenied");
    check(file("/"),              user::lists,                  "lists",                  "PermissionDenied");
    check(file("never-made"),     user::makes_a_folder,         "makes_a_folder",         "PermissionDenied");
    check(file("never-there"),    user::removes,                "removes",                "PermissionDenied");
    check(file("never-there"),    user::renames,                "renames",                "PermissionDenied");
    check(What::Process,          user::runs_a_command,         "runs_a_command",         "WouldBlock");
    check(What::Process,          user::reads_from_a_command,   "reads_from_a_command",   "PermissionDenied");
    check(What::Sleep,            user::sleeps,                 "sleeps",                 "Ok");
    check(What::Sleep,            user::sleeps_until_a_time,    "sleeps_until_a_time",    "Ok");
    check(What::Sleep,            user::waits_for_a_change,     "waits_for_a_change",     "true true");
    assert!(!Path::new("never-written").exists());
    assert!(!Path::new("never-made").exists());
}

#[test]
fn the_line_is_the_one_that_asked() {
    let ((line, opened), refused) = run(1, || (user::opens_on_this_line(), take_refused()));
    assert!(!opened);
    let [refused] = &*refused else { panic!("{refused:?}") };
    let place = refused.place.as_deref().expect("tests have debug information");
    assert!(place.ends_with(&format!("tests/guard/user.rs:{line}")), "{place}");
    assert_eq!(
        refused.to_string(),
        format!("`guard::user::opens_on_this_line` asked for the file /dev/zero at {place}")
    );
}

#[test]
fn maps_follow_the_seed() {
    let orders = |seed| run(seed, || [user::order_of_a_map(), user::order_of_a_map()]);
    assert_eq!(orders(7), orders(7));
    assert_ne!(orders(7), orders(8));
    let [first, second] = orders(7);
    assert_ne!(first, second, "each map has keys of its own");
}

#[test]
fn a_thread_that_made_a_map_before_is_not_fresh() {
    thread::scope(|scope| {
        scope.spawn(|| {
            let inside = enter(1);
            assert!(inside.is_fresh());
            drop(inside);
            assert!(!enter(1).is_fresh());
        });
    });
}

#[test]
fn entropy_follows_the_seed() {
    fn drawn() -> ([u8; 13], [u8; 13]) {
        let mut drawn = ([0; 13], [0; 13]);
        // SAFETY: as many bytes as there are.
        unsafe {
            assert_eq!(libc::getrandom(drawn.0.as_mut_ptr().cast(), 13, 0), 13);
            assert_eq!(libc::syscall(libc::SYS_getrandom, drawn.1.as_mut_ptr(), 13, 0), 13);
        }
        drawn
    }
    let after = |seed, again: u64| {
        run(seed, || {
            let first = drawn();
            reseed(again);
            (first, drawn())
        })
    };
    let (first, second) = after(1, 2);
    assert_eq!(after(1, 2), (first, second));
    assert_eq!(after(3, 2).1, second);
    assert!(first.0 != first.1 && first != second && first.0 != [0; 13] && after(3, 2).0 != first);
    assert!(drawn() != drawn(), "outside it is the system's");
}

/// A library that draws once in the life of a process does so in one run and not in the next.
#[test]
fn entropy_of_one_size_does_not_shift_that_of_another() {
    let drawn_after = |others: &[usize]| {
        let mut drawn = [0; 32];
        run(1, || {
            // SAFETY: there are as many bytes.
            others.iter().for_each(|size| unsafe {
                libc::getrandom([0; 200].as_mut_ptr().cast(), *size, 0);
            });
            // SAFETY: there are as many bytes.
            unsafe { libc::getrandom(drawn.as_mut_ptr().cast(), 32, 0) };
        });
        drawn
    };
    assert_eq!(drawn_after(&[]), drawn_after(&[0, 1, 16, 64, 200]));
    assert_ne!(drawn_after(&[]), drawn_after(&[32]));
}

#[test]
fn clocks_say_what_they_were_told() {
    run(1, || {
        let at = |now: Duration, wall: Duration| {
            set_time(now, wall);
            user::clocks()
        };
        let (start, epoch) = at(Duration::ZERO, Duration::ZERO);
        let (now, wall) = at(Duration::new(5, 7), Duration::new(1_700_000_000, 3_000_001));
        assert_eq!(now - start, Duration::new(5, 7));
        assert_eq!((epoch, wall), (UNIX_EPOCH, UNIX_EPOCH + Duration::new(1_700_000_000, 3_000_001)));
        assert_eq!(user::clocks(), (now, wall), "time stands still by itself");
        let mut parts = libc::timeval { tv_sec: 0, tv_usec: 0 };
        let mut seconds = 0;
        // SAFETY: both may be written.
        unsafe {
            assert_eq!(libc::gettimeofday(&raw mut parts, std::ptr::null_mut()), 0);
            assert_eq!(libc::time(&raw mut seconds), 1_700_000_000);
        }
        assert_eq!((parts.tv_sec, parts.tv_usec, seconds), (1_700_000_000, 3_000, 1_700_000_000));
        assert_eq!(take_refused(), []);
        user::sleeps();
        assert_eq!(
            user::clocks(),
            (now + Duration::from_secs(1_000_000), wall + Duration::from_secs(1_000_000))
        );
    });
}

#[test]
fn other_threads_are_not_touched() {
    let (ask, asked) = sync_channel::<()>(1);
    let (answer, answered) = sync_channel(1);
    thread::scope(|scope| {
        scope.spawn(move || {
            asked.recv().expect("the other thread asks");
            let thread = thread::spawn(user::clocks).join().expect("it reads clocks");
            answer.send((fs::read(MANIFEST).is_ok(), user::listens(), thread)).expect("it waits");
        });
        scope.spawn(move || {
            let _inside = enter(1);
            ask.send(()).expect("it waits");
            let (read, listened, (_, wall)) = answered.recv().expect("it answers");
            assert!(read);
            assert_eq!(listened, "Ok");
            assert!(wall > UNIX_EPOCH + Duration::from_secs(1_700_000_000));
            assert_eq!(take_refused(), []);
        });
    });
}

#[test]
fn within_pass_it_is_an_ordinary_thread() {
    run(1, || {
        assert!(pass(|| fs::read(MANIFEST).is_ok() && user::listens() == "Ok"));
        assert!(pass(|| pass(|| fs::read(MANIFEST)).is_ok() && fs::read(MANIFEST).is_ok()));
        assert_eq!(user::reads(), "PermissionDenied");
        catch_unwind(|| pass(user::panics)).expect_err("it panics");
        assert_eq!(user::reads(), "PermissionDenied", "a panic ends it too");
        assert_eq!(take_refused().len(), 2);
    });
}

#[test]
fn it_ends_with_its_guard_and_begins_anew() {
    drop(enter(1));
    assert!(fs::read(MANIFEST).is_ok());
    let inside = enter(1);
    catch_unwind(|| enter(2)).map(drop).expect_err("it is a simulated one already");
    catch_unwind(|| pass(|| enter(2))).map(drop).expect_err("also while it passes");
    assert_eq!(user::reads(), "PermissionDenied");
    drop(inside);
    assert!(fs::read(MANIFEST).is_ok());
    let _inside = enter(1);
    assert_eq!(take_refused(), [], "notes of an earlier run are gone");
}

#[test]
fn notes_are_bounded() {
    let kept = run(1, || {
        (0..2 * REFUSED_MAX).for_each(|_| assert_eq!(user::reads(), "PermissionDenied"));
        (take_refused().len(), take_refused().len())
    });
    assert_eq!(kept, (REFUSED_MAX, 0));
}

#[test]
fn printing_panics_and_backtraces_work_inside() {
    run(1, || {
        println!("printed inside");
        let panic = catch_unwind(user::panics).expect_err("it panics");
        assert_eq!(panic.downcast_ref(), Some(&"as a user's program may"));
        let trace = std::backtrace::Backtrace::force_capture().to_string();
        assert!(trace.contains("guard/main.rs:"), "{trace}");
        assert_eq!(take_refused(), []);
    });
    catch_unwind(|| run(1, user::panics)).expect_err("a panic goes on in the caller");
}

/// In a process of its own, whose panics show where they came from: std reads the executable for that, under a lock.
#[test]
fn panics_inside_show_their_backtrace() {
    let mut child = Command::new(std::env::current_exe().expect("a test has an executable"));
    child.args(["--exact", "printing_panics_and_backtraces_work_inside", "--nocapture"]);
    let output = child.env("RUST_BACKTRACE", "1").output().expect("it starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("as a user's program may"), "{told}");
    assert!(told.contains("guard::user::panics") && told.contains("guard/user.rs:"), "{told}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("printed inside"));
}

/// Both ways to have a runtime; the one made inside has the simulated clock as its origin.
#[test]
fn a_runtime_runs_inside() {
    let paused = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().expect("a runtime without sockets needs nothing")
    };
    let drive = |runtime: tokio::runtime::Runtime| {
        runtime.block_on(async { tokio::spawn(user::charges()).await.expect("it does not panic") })
    };
    let before = paused();
    let known = ("PermissionDenied".to_owned(), Duration::from_secs(3));
    let same = |(answer, took): (String, Duration)| {
        // tokio's timers have steps of a millisecond.
        assert_eq!((answer, took.as_secs()), (known.0.clone(), known.1.as_secs()));
        let refused = take_refused();
        let who: Vec<&str> = refused.iter().map(|refused| &*refused.who).collect();
        assert_eq!(who, ["guard::user::connects"]);
    };
    run(1, AssertUnwindSafe(|| same(drive(before))).0);
    run(1, || same(drive(pass(paused))));
    run(1, || same(drive(paused())));
}

/// Whoever reads of it in a failed test sees the three parts.
#[test]
fn notes_are_readable() {
    let debug = |value: &dyn Debug| format!("{value:?}");
    let refused = run(1, || {
        user::sleeps();
        take_refused()
    });
    assert!(debug(&refused).contains("guard::user::sleeps"), "{refused:?}");
    assert!(refused[0].to_string().starts_with("`guard::user::sleeps` asked for a sleep in real time at "));
}

#[test]
fn a_thread_is_used_until_something_draws_on_it() {
    let mut reused = Reused::default();
    let id: fn() -> thread::ThreadId = || thread::current().id();
    let first = reused.run(1, id).expect("nothing was drawn");
    assert_ne!(first, id(), "it is a thread of its own");
    assert_eq!(reused.run(2, id), Some(first));
    let draws = || {
        drop(std::collections::HashMap::<u8, u8>::new());
        thread::current().id()
    };
    assert_eq!(reused.run(3, draws), None, "the keys of hash maps are drawn once per thread");
    let second = reused.run(4, id).expect("nothing was drawn");
    assert_ne!(second, first);
    let several: [fn() -> thread::ThreadId; 3] = [|| thread::current().id(), draws, || panic!("not reached")];
    let (ran, drew) = reused.run_all((5..).zip(several), |_| true);
    assert_eq!((ran, drew), (vec![second], true), "up to the one that draws");
    let (ran, drew) = reused.run_all([(6, id), (7, || panic!("not reached"))], |_| false);
    assert_eq!((ran.len(), drew), (1, false), "up to the one that does not go on");
    let said = catch_unwind(AssertUnwindSafe(|| reused.run(5, || panic!("of the run"))));
    assert_eq!(said.expect_err("it goes on in the caller").downcast_ref(), Some(&"of the run"));
    assert!(reused.run(6, id).is_some());
}
