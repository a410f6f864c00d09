//! What user code may not do on a simulated thread: refused, and named.
//!
//! A simulation runs a whole application in one thread, from a seed. Code of the application that asks the system
//! behind the simulator's back would make the run another one each time. So on a thread that was [`enter`]ed the
//! functions of libc by which programs do that are ours: clocks say what [`set_time`] said, entropy comes from the
//! seed, and sockets, threads, files, sleeps and processes are refused, each with the name of the function that
//! asked ([`take_refused`]). On every other thread, and within [`pass`], all of them are libc's own.
//!
//! - `thread`: what a thread knows of its simulation. Start here.
//! - `functions`: the functions of libc, and what each answers.
//! - `frames`: who asked, out of the text of a backtrace.
//!
//! # Where it works
//!
//! On Linux with glibc, linked dynamically, on x86-64 and arm64 ([`ACTIVE`]): a symbol that the executable defines
//! wins over the library's. Elsewhere every function of this crate is there and does nothing of this: clocks and
//! entropy are the system's, nothing is refused. It is a net for the code of users. nigh's own crates give the same
//! run for the same seed without it.
//!
//! # What it does not see
//!
//! - The order of addresses: a map ordered or hashed by pointers differs between processes, unless address space
//!   randomisation is off, and between runs in one process.
//! - What belongs to the process and not to a run: `ThreadId` and what is seeded from it (`fastrand`), the count of
//!   runtimes from which tokio seeds `select!` without `biased`, what a library draws once and keeps (`ahash`). These
//!   agree between processes in which the same happened before, not between the first run of one and its tenth.
//! - System calls without libc: inline assembly, `rustix` with its own back end, `rdtsc`. So too what libc does inside
//!   itself, as `fopen`.
//! - Looking at files without opening them (`metadata`, `exists`), reading and writing what was open before, the
//!   process id, the environment.
//!
//! A simulator that runs each seed twice with two entropies finds these by their effect.

// Where nothing stands in for libc, nothing asks what this crate knows.
#![cfg_attr(
    not(all(
        target_os = "linux",
        target_env = "gnu",
        any(target_arch = "x86_64", target_arch = "aarch64"),
        not(target_feature = "crt-static"),
    )),
    allow(dead_code)
)]

use std::fmt;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::time::Duration;

mod frames;
#[cfg_attr(
    not(all(
        target_os = "linux",
        target_env = "gnu",
        any(target_arch = "x86_64", target_arch = "aarch64"),
        not(target_feature = "crt-static"),
    )),
    path = "absent.rs"
)]
mod functions;
mod reused;
mod thread;

pub use reused::Reused;

/// Whether this crate was compiled for a target where it does something.
pub const ACTIVE: bool = functions::ACTIVE;

/// Turns this thread into a simulated one until what it returns is dropped.
///
/// Entropy follows from `seed`, both clocks stand at zero until [`set_time`], and notes of earlier runs are gone.
///
/// Some libraries draw entropy once per thread and keep it: the hash maps of std, the generators of `rand` and tokio.
/// So each run needs a thread of its own, on which nothing of the kind happened before; [`run`] makes one, and
/// [`Reused`] takes another when one was used up. [`Inside::is_fresh`] tells.
///
/// # Panics
///
/// If the thread is a simulated one already.
pub fn enter(seed: u64) -> Inside {
    let mut inside = enter_undrawn(seed);
    // The keys of this thread's hash maps come from the seed only if nothing has drawn them yet. Drawn here, what
    // comes after does not depend on whether the simulator or the application makes the first map.
    #[expect(clippy::disallowed_methods, reason = "this is how a seed gets into it")]
    let _drawn = std::hash::RandomState::new();
    inside.fresh = thread::has_drawn();
    inside
}

/// As [`enter`], with nothing drawn yet.
fn enter_undrawn(seed: u64) -> Inside {
    assert!(!thread::is_inside(), "this thread is a simulated one already");
    functions::keep();
    frames::warm();
    thread::begin(seed);
    Inside { fresh: false, not_send: PhantomData }
}

/// Runs `f` on a simulated thread of its own, and waits for it. A panic of `f` goes on in the caller.
///
/// # Panics
///
/// As `f` does, and if the system has no thread left.
pub fn run<R: Send>(seed: u64, f: impl FnOnce() -> R + Send) -> R {
    let inside = || {
        let _inside = enter(seed);
        f()
    };
    let joined = std::thread::scope(|scope| scope.spawn(inside).join());
    joined.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Keeps its thread a simulated one: see [`enter`].
#[derive(Debug)]
#[must_use = "the thread is a simulated one only until this is dropped"]
pub struct Inside {
    fresh: bool,
    /// It speaks of the thread it was made on.
    not_send: PhantomData<*const ()>,
}

impl Inside {
    /// Whether the order of this thread's hash maps follows from the seed. False if a map was made on it before, and
    /// where the crate is not [`ACTIVE`].
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        thread::end();
    }
}

/// What clocks say on this simulated thread from now on: `now` since the start of the run is `Instant`'s, `wall` since
/// 1970 `SystemTime`'s. Cheap: two stores.
///
/// A refused sleep sets both forward by its length, until the next call of this: else a loop that sleeps until some
/// time would never end.
pub fn set_time(now: Duration, wall: Duration) {
    thread::set_time(now, wall);
}

/// What entropy on this simulated thread follows from, from now on. What libraries drew before stays with them.
pub fn reseed(seed: u64) {
    thread::reseed(seed);
}

/// Runs `f` as on an ordinary thread: for what the simulator itself needs of the system.
pub fn pass<R>(f: impl FnOnce() -> R) -> R {
    thread::pass(f)
}

/// What was refused on this thread since last asked, at most [`REFUSED_MAX`], the first ones.
pub fn take_refused() -> Vec<Refused> {
    thread::take_refused()
}

/// Notes kept on one thread until they are taken. More of them hardly say more, and each takes a backtrace.
pub const REFUSED_MAX: usize = 64;

/// One thing that user code asked for and did not get.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// What it asked for.
    pub what: What,
    /// Path of the innermost function that belongs to neither std, tokio nor nigh, and rather one of the application
    /// than one of a crate it got from a registry; `?` if the binary has no symbols.
    pub who: String,
    /// `file:line` within it, if the binary has debug information.
    pub place: Option<String>,
}

/// What a simulated thread refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// A socket, or the address of a name: permission denied.
    Socket,
    /// A thread: try again.
    Thread,
    /// This file or folder: permission denied.
    File(PathBuf),
    /// Waiting in real time: it is over at once.
    Sleep,
    /// Another process: try again.
    Process,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket => f.write_str("a socket"),
            Self::Thread => f.write_str("a thread"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Sleep => f.write_str("a sleep in real time"),
            Self::Process => f.write_str("a process"),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` asked for {}", self.who, self.what)?;
        self.place.as_ref().map_or(Ok(()), |place| write!(f, " at {place}"))
    }
}
