//! The functions of libc by which programs reach past a simulator, and what each answers.
//!
//! The linker takes a symbol of the executable before one of a library, so these are called by everything in the
//! process. On a simulated thread they answer from `thread`; on any other they call the one they stand in for. They
//! never panic, and allocate only to note what they refuse.
//!
//! `open` and `syscall` of C take any number of arguments. A caller puts those it has where one of a fixed number
//! puts them, on x86-64 and arm64 under Linux, and the real function looks only at those it needs.

use std::ffi::{CStr, OsStr, c_char, c_int, c_long, c_uint, c_void};
use std::hint::black_box;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

use libc::{clockid_t, mode_t, pid_t, size_t, ssize_t, time_t, timespec, timeval};

use crate::thread::{self, is_simulated};
use crate::{What, frames};

pub(crate) const ACTIVE: bool = true;

/// The function of libc that ours stands in for.
struct Next {
    name: &'static CStr,
    /// Null until it was looked up.
    address: AtomicPtr<c_void>,
}

impl Next {
    const fn new(name: &'static CStr) -> Self {
        Self { name, address: AtomicPtr::new(ptr::null_mut()) }
    }

    fn address(&self) -> *mut c_void {
        let known = self.address.load(Ordering::Relaxed);
        if known.is_null() { self.look_up() } else { known }
    }

    #[cold]
    fn look_up(&self) -> *mut c_void {
        // SAFETY: the name ends with a zero, and is there for ever.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        if found.is_null() {
            // Every glibc that Rust supports has every function that is looked up here.
            // SAFETY: it has no conditions.
            unsafe { libc::abort() }
        }
        self.address.store(found, Ordering::Relaxed);
        found
    }
}

/// Calls libc's own function of this name and type, within a function that makes its caller promise the same.
macro_rules! next {
    ($name:expr => $type:ty, $($argument:expr),*) => {{
        static NEXT: Next = Next::new($name);
        // SAFETY: the type is the one that libc documents for this name, and the caller promises what it wants.
        unsafe { std::mem::transmute::<*mut c_void, $type>(NEXT.address())($($argument),*) }
    }};
}

fn set_errno(code: c_int) {
    // SAFETY: libc gives the address of this thread's own.
    unsafe { *libc::__errno_location() = code }
}

/// As what a refusal looks to its caller: as if it had no right to that, or the system no room for it.
fn error_of(what: &What) -> c_int {
    match what {
        What::Socket | What::File(_) | What::Sleep => libc::EPERM,
        What::Thread | What::Process => libc::EAGAIN,
    }
}

/// Functions that a simulated thread refuses with this answer, if there is something that they ask for.
macro_rules! refused {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty { $what:expr } else $answer:expr;)*) => {
        $(
            /// # Safety
            ///
            /// As libc's.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($argument: $type),*) -> $result {
                if is_simulated() {
                    let what: Option<What> = $what;
                    if let Some(what) = what {
                        let error = error_of(&what);
                        thread::note(what);
                        // The making of the note may have set another.
                        set_errno(error);
                        return $answer;
                    }
                }
                type Real = unsafe extern "C" fn($($type),*) -> $result;
                const NAME: &CStr = match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                    Ok(name) => name,
                    Err(_) => panic!("a name has no zero within"),
                };
                next!(NAME => Real, $($argument),*)
            }
        )*

        /// Makes whoever calls it need every function of this file: a linker leaves out of a library what nobody needs.
        pub(crate) fn keep() {
            black_box([
                $($name as *const (),)*
                getrandom as *const (),
                syscall as *const (),
                clock_gettime as *const (),
                gettimeofday as *const (),
                time as *const (),
                nanosleep as *const (),
                clock_nanosleep as *const (),
            ]);
        }
    };
}

type Text = *const c_char;
type Address = *const libc::sockaddr;
type Opaque = *const c_void;
type Words = *const *mut c_char;

#[rustfmt::skip] // Rows are read as columns.
refused! {
    socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int              { Some(What::Socket) } else -1;
    connect(socket: c_int, to: Address, size: libc::socklen_t) -> c_int       { Some(What::Socket) } else -1;
    bind(socket: c_int, to: Address, size: libc::socklen_t) -> c_int          { Some(What::Socket) } else -1;
    getaddrinfo(node: Text, service: Text, hints: Opaque, found: *mut *mut c_void) -> c_int
                                                                              { Some(What::Socket) } else libc::EAI_SYSTEM;
    open(path: Text, flags: c_int, mode: mode_t) -> c_int                     { opened(path, flags) } else -1;
    open64(path: Text, flags: c_int, mode: mode_t) -> c_int                   { opened(path, flags) } else -1;
    openat(folder: c_int, path: Text, flags: c_int, mode: mode_t) -> c_int    { opened(path, flags) } else -1;
    openat64(folder: c_int, path: Text, flags: c_int, mode: mode_t) -> c_int  { opened(path, flags) } else -1;
    creat(path: Text, mode: mode_t) -> c_int                                  { file(path) } else -1;
    creat64(path: Text, mode: mode_t) -> c_int                                { file(path) } else -1;
    opendir(path: Text) -> *mut c_void                                        { file(path) } else ptr::null_mut();
    mkdir(path: Text, mode: mode_t) -> c_int                                  { file(path) } else -1;
    rmdir(path: Text) -> c_int                                                { file(path) } else -1;
    unlink(path: Text) -> c_int                                               { file(path) } else -1;
    rename(from: Text, to: Text) -> c_int                                     { file(from) } else -1;
    pthread_create(id: *mut libc::pthread_t, with: *const libc::pthread_attr_t, run: *mut c_void, on: *mut c_void)
        -> c_int                                                              { Some(What::Thread) } else libc::EAGAIN;
    fork() -> pid_t                                                           { Some(What::Process) } else -1;
    posix_spawn(id: *mut pid_t, path: Text, files: Opaque, with: Opaque, arguments: Words, environment: Words)
        -> c_int                                                              { Some(What::Process) } else libc::EAGAIN;
    posix_spawnp(id: *mut pid_t, name: Text, files: Opaque, with: Opaque, arguments: Words, environment: Words)
        -> c_int                                                              { Some(What::Process) } else libc::EAGAIN;
}

/// A file to open, unless it is only to be read, and by a backtrace or while the thread panics.
fn opened(path: *const c_char, flags: c_int) -> Option<What> {
    if path.is_null() {
        return None; // Libc says what is wrong with it.
    }
    // SAFETY: a path that is given to libc ends with a zero.
    let name = unsafe { CStr::from_ptr(path) }.to_bytes();
    let reads = flags & libc::O_ACCMODE == libc::O_RDONLY;
    let for_backtrace =
        reads && (std::thread::panicking() || frames::is_for_backtrace(Path::new(OsStr::from_bytes(name))));
    if for_backtrace { None } else { file(path) }
}

fn file(path: *const c_char) -> Option<What> {
    if path.is_null() {
        return None;
    }
    // SAFETY: a path that is given to libc ends with a zero.
    let bytes = unsafe { CStr::from_ptr(path) }.to_bytes();
    Some(What::File(OsStr::from_bytes(bytes).into()))
}

/// # Safety
///
/// As libc's: `size` bytes at `to` may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(to: *mut c_void, size: size_t, flags: c_uint) -> ssize_t {
    if is_simulated() {
        // SAFETY: the caller's promise.
        return unsafe { fill(to.cast(), size) };
    }
    // The system call and not the function, which glibc has only since 2.25.
    next!(c"syscall" => Syscall, libc::SYS_getrandom, to, size, flags) as ssize_t
}

/// Writes entropy of the simulation.
///
/// # Safety
///
/// `size` bytes at `to` may be written.
unsafe fn fill(to: *mut u8, size: usize) -> ssize_t {
    for (at, word) in (0..size).step_by(size_of::<u64>()).zip(thread::draw(size)) {
        let bytes = word.to_le_bytes();
        // SAFETY: at most `size - at` bytes from `at` on.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to.add(at), bytes.len().min(size - at)) };
    }
    size.cast_signed()
}

type Syscall = unsafe extern "C" fn(c_long, ...) -> c_long;

/// System calls by number: older crates draw entropy so, and all of std's locks wait so.
///
/// # Safety
///
/// As libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    if is_simulated() {
        if number == libc::SYS_getrandom {
            // SAFETY: the caller's promise is that of `getrandom`.
            return unsafe { fill(ptr::with_exposed_provenance_mut(a as usize), b as usize) as c_long };
        }
        if number == libc::SYS_futex && d != 0 {
            let command = b as c_int & libc::FUTEX_CMD_MASK;
            if command == libc::FUTEX_WAIT || command == libc::FUTEX_WAIT_BITSET {
                // SAFETY: these two take a `timespec` as fourth.
                return unsafe { wait(a, b, c, ptr::with_exposed_provenance(d as usize), f) };
            }
        }
    }
    next!(c"syscall" => Syscall, number, a, b, c, d, e, f)
}

/// Waits on a lock for a limited time, on a simulated thread: looks, and if it would wait, that is a refused sleep. The
/// system would compare a time of the simulation with its own clock.
///
/// # Safety
///
/// As that of the system call, of which `limit` and what follows it are the fourth and sixth argument.
unsafe fn wait(word: c_long, command: c_long, value: c_long, limit: *const timespec, mask: c_long) -> c_long {
    let over = timespec { tv_sec: 0, tv_nsec: 0 };
    // Over both as a length and on either clock.
    let zero: c_long = 0;
    let answer =
        next!(c"syscall" => Syscall, libc::SYS_futex, word, command, value, &raw const over, zero, mask);
    // SAFETY: this thread's own.
    if answer != -1 || unsafe { *libc::__errno_location() } != libc::ETIMEDOUT {
        return answer;
    }
    let is_until = command as c_int & libc::FUTEX_CMD_MASK == libc::FUTEX_WAIT_BITSET;
    let is_wall = command as c_int & libc::FUTEX_CLOCK_REALTIME != 0;
    let clock = if is_wall { libc::CLOCK_REALTIME } else { libc::CLOCK_MONOTONIC };
    // SAFETY: the caller's promise.
    thread::sleep(length(clock, is_until, unsafe { *limit }));
    set_errno(libc::ETIMEDOUT);
    -1
}

/// How long it is for, of a time that is a length or, if `is_until`, one on this clock.
fn length(clock: clockid_t, is_until: bool, time: timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let time = Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default());
    if is_until { time.saturating_sub(on_clock(clock)) } else { time }
}

/// What a clock says on a simulated thread. Those of processor time say how long the run is.
fn on_clock(clock: clockid_t) -> Duration {
    match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_TAI => thread::wall(),
        _ => thread::now(),
    }
}

fn seconds(time: Duration) -> time_t {
    time_t::try_from(time.as_secs()).unwrap_or(time_t::MAX)
}

/// # Safety
///
/// As libc's: `to` may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: clockid_t, to: *mut timespec) -> c_int {
    if !is_simulated() {
        type Real = unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int;
        return next!(c"clock_gettime" => Real, clock, to);
    }
    let time = on_clock(clock);
    // SAFETY: the caller's promise.
    unsafe { to.write(timespec { tv_sec: seconds(time), tv_nsec: time.subsec_nanos().into() }) };
    0
}

/// # Safety
///
/// As libc's: `to` may be written, or is null.
#[unsafe(no_mangle)]
unsafe extern "C" fn gettimeofday(to: *mut timeval, zone: *mut c_void) -> c_int {
    if !is_simulated() {
        type Real = unsafe extern "C" fn(*mut timeval, *mut c_void) -> c_int;
        return next!(c"gettimeofday" => Real, to, zone);
    }
    let time = thread::wall();
    if !to.is_null() {
        // SAFETY: the caller's promise.
        unsafe { to.write(timeval { tv_sec: seconds(time), tv_usec: time.subsec_micros().into() }) };
    }
    0
}

/// # Safety
///
/// As libc's: `to` may be written, or is null.
#[unsafe(no_mangle)]
unsafe extern "C" fn time(to: *mut time_t) -> time_t {
    if !is_simulated() {
        type Real = unsafe extern "C" fn(*mut time_t) -> time_t;
        return next!(c"time" => Real, to);
    }
    let now = seconds(thread::wall());
    if !to.is_null() {
        // SAFETY: the caller's promise.
        unsafe { to.write(now) };
    }
    now
}

/// # Safety
///
/// As libc's: `length_asked` may be read.
#[unsafe(no_mangle)]
unsafe extern "C" fn nanosleep(length_asked: *const timespec, left: *mut timespec) -> c_int {
    if !is_simulated() {
        type Real = unsafe extern "C" fn(*const timespec, *mut timespec) -> c_int;
        return next!(c"nanosleep" => Real, length_asked, left);
    }
    // SAFETY: the caller's promise.
    thread::sleep(length(libc::CLOCK_MONOTONIC, false, unsafe { *length_asked }));
    0
}

/// # Safety
///
/// As libc's: `time_asked` may be read.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_nanosleep(
    clock: clockid_t,
    flags: c_int,
    time_asked: *const timespec,
    left: *mut timespec,
) -> c_int {
    if !is_simulated() {
        type Real = unsafe extern "C" fn(clockid_t, c_int, *const timespec, *mut timespec) -> c_int;
        return next!(c"clock_nanosleep" => Real, clock, flags, time_asked, left);
    }
    // SAFETY: the caller's promise.
    thread::sleep(length(clock, flags & libc::TIMER_ABSTIME != 0, unsafe { *time_asked }));
    0
}
