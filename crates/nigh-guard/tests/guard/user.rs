//! Code as a user might write it, who forgets that it will run in a simulation.

#![expect(clippy::disallowed_methods, reason = "what is banned is what the guard is there for")]

use std::collections::HashMap;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::said;

const LONG: Duration = Duration::from_secs(1_000_000);

pub(crate) fn connects() -> String {
    said(TcpStream::connect("127.0.0.1:9"))
}

pub(crate) fn connects_by_name() -> String {
    said(TcpStream::connect("localhost:9"))
}

pub(crate) fn listens() -> String {
    said(TcpListener::bind("127.0.0.1:0"))
}

pub(crate) fn binds_within_a_closure() -> String {
    let bind = || UdpSocket::bind("127.0.0.1:0");
    said(bind())
}

pub(crate) fn starts_a_thread() -> String {
    said(thread::Builder::new().spawn(|| ()))
}

pub(crate) fn opens() -> String {
    said(File::open("/dev/urandom"))
}

pub(crate) fn reads() -> String {
    said(fs::read_to_string("/etc/hostname"))
}

pub(crate) fn writes() -> String {
    said(fs::write("never-written", "x"))
}

pub(crate) fn lists() -> String {
    said(fs::read_dir("/"))
}

pub(crate) fn makes_a_folder() -> String {
    said(fs::create_dir("never-made"))
}

pub(crate) fn removes() -> String {
    said(fs::remove_file("never-there"))
}

pub(crate) fn renames() -> String {
    said(fs::rename("never-there", "nor-there"))
}

pub(crate) fn runs_a_command() -> String {
    said(Command::new("true").status())
}

pub(crate) fn reads_from_a_command() -> String {
    said(Command::new("true").output())
}

pub(crate) fn sleeps() -> String {
    thread::sleep(LONG);
    "Ok".into()
}

/// As a loop does that has no end until the time has come.
pub(crate) fn sleeps_until_a_time() -> String {
    let due = Instant::now() + LONG;
    for _ in 0..2 {
        if Instant::now() >= due {
            return "Ok".into();
        }
        thread::sleep(LONG);
    }
    "it would never end".into()
}

pub(crate) fn waits_for_a_change() -> String {
    let (lock, changed) = (Mutex::new(()), Condvar::new());
    let due = Instant::now() + LONG;
    let lock = lock.lock().expect("nobody panicked");
    let (_lock, waited) = changed.wait_timeout(lock, LONG).expect("nobody panicked");
    format!("{} {}", waited.timed_out(), Instant::now() >= due)
}

/// Says on which line it opened a file, and whether it could.
pub(crate) fn opens_on_this_line() -> (u32, bool) {
    (line!(), File::open("/dev/zero").is_ok())
}

pub(crate) fn order_of_a_map() -> Vec<u64> {
    let map: HashMap<u64, ()> = (0..100).map(|key| (key, ())).collect();
    map.into_keys().collect()
}

pub(crate) fn clocks() -> (Instant, SystemTime) {
    (Instant::now(), SystemTime::now())
}

/// What it was told, and how long it took by tokio's clock.
pub(crate) async fn charges() -> (String, Duration) {
    let start = tokio::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(3)).await;
    tokio::task::yield_now().await;
    (connects(), start.elapsed())
}

pub(crate) fn panics() {
    panic!("as a user's program may");
}
