//! F15, F16: too little memory and too few file descriptors under a crowd.
//!
//! A process that takes more than its cap is killed by it: it comes back whole with more, and the scenario has failed all the
//! same, as it has if it takes more than what it was given. Connections beyond the descriptors wait, those that are open are served, and new ones again soon after others have gone.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Ground;
use super::http::Client;
use super::scenario::{Done, Outcome};
use super::shop::{Stage, Story};
use crate::Trouble;

/// Memory that the shop may have, the system's cache of its files included.
const MEMORY_MAX_MIB: u64 = 192;
/// What its operator gives its entities of that; what is remembered of calls may take an eighth more.
const ENTITIES_MAX_MIB: &str = "48";
/// What it may take itself: its entities, an eighth of them for calls, a quarter for the cache of its files, and as much again for what
/// is open and what the allocator keeps.
const RESIDENT_MAX_MIB: u64 = 2 * (48 + 6 + 12);
const _: () = assert!(RESIDENT_MAX_MIB < MEMORY_MAX_MIB);
/// How long a flood lasts, and how many there are.
const FLOOD: Duration = Duration::from_secs(3);
const FLOODS: u32 = 15;
/// The last changes of all end within this, a start included.
const LAST_CHANGES: Duration = Duration::from_secs(1);
/// Who asks at the same time.
const CROWD: u64 = 128;
/// Descriptors of the shop, its own files included.
const DESCRIPTORS_MAX: u32 = 64;
const CONNECTIONS: usize = 500;
/// After descriptors are free again.
const RESUMES_MAX: Duration = Duration::from_secs(2);

/// A group of processes with a limit of memory. Dropped, it is gone.
#[derive(Debug)]
struct Group(PathBuf);

impl Group {
    fn make(limit_mib: u64) -> Result<Group, Trouble> {
        let group = Group(format!("/sys/fs/cgroup/memory/nigh-torture-{}", std::process::id()).into());
        let told =
            |error: std::io::Error| format!("no limit of memory here (it takes root, cgroup v1): {error}");
        fs::create_dir(&group.0).map_err(told)?;
        group.limit(limit_mib)?;
        Ok(group)
    }

    fn limit(&self, limit_mib: u64) -> Result<(), Trouble> {
        let limit = fs::write(self.0.join("memory.limit_in_bytes"), (limit_mib << 20).to_string());
        limit.map_err(|error| format!("no limit of memory here (it takes root, cgroup v1): {error}"))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A process that was killed leaves it a moment later.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A shell that does something to itself, and becomes the shop.
fn shell(first: &str) -> Vec<String> {
    ["sh", "-c", &format!("{first}; exec \"$@\""), "sh"].map(str::to_owned).into()
}

/// A cap of memory under a flood (F15).
pub fn memory(ground: &Ground) -> Result<Outcome, Trouble> {
    let group = match Group::make(MEMORY_MAX_MIB) {
        Ok(group) => group,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    let mut done = Done::default();
    let mut shop = ground.one_process("shop", CROWD)?;
    shop.servers[0].set_under(shell(&format!("echo $$ > {}/tasks", group.0.display())));
    shop.servers[0].add_args(&["--memory-max", ENTITIES_MAX_MIB]);
    let mut story = Story::begin(shop)?;
    let (mut sizes, mut killed, mut limit_mib) = (Vec::new(), 0_u32, MEMORY_MAX_MIB);
    for _ in 0..FLOODS {
        // Over its cap it is killed as it would be by anybody.
        story.round(|stage| {
            thread::sleep(FLOOD);
            stage.stop_clients();
            // They end their last changes: it must live for that, too.
            let begun = Instant::now();
            while begun.elapsed() < LAST_CHANGES {
                if stage.server.ended()?.is_some() {
                    killed += 1;
                    stage.kill();
                    // What it has in memory it also reads at its start: it is given more.
                    limit_mib *= 2;
                    group.limit(limit_mib)?;
                    stage.back()?;
                }
                thread::sleep(Duration::from_millis(10));
            }
            sizes.push(stage.server.resident_kib()? >> 10);
            Ok(())
        })?;
        done.points += 1;
    }
    done.take(&story.end()?);
    done.note(&format!("resident MiB {sizes:?}, killed {killed} times, {limit_mib} MiB in the end"));
    drop(group);
    kept_its_cap(&sizes, killed)?;
    Ok(Outcome::Ran(done))
}

/// It was never killed, and took no more than it may, in MiB.
fn kept_its_cap(sizes: &[u64], killed: u32) -> Result<(), Trouble> {
    let was_killed = killed > 0; // mutant torture-memory-killed-passes: let was_killed = killed == u32::MAX;
    if was_killed {
        return Err(format!(
            "its cap of {MEMORY_MAX_MIB} MiB killed it {killed} times: {sizes:?} MiB resident"
        ));
    }
    let over = sizes.iter().any(|size| *size > RESIDENT_MAX_MIB); // mutant torture-memory-any-size-passes: let over = sizes.is_empty();
    if over {
        return Err(format!("more than {RESIDENT_MAX_MIB} MiB resident, after each flood: {sizes:?} MiB"));
    }
    Ok(())
}

/// Descriptors used up (F16).
pub fn descriptors(ground: &Ground) -> Result<Outcome, Trouble> {
    let mut done = Done::default();
    let mut shop = ground.one_process("shop", 4)?;
    shop.servers[0].set_under(shell(&format!("ulimit -n {DESCRIPTORS_MAX}")));
    let mut story = Story::begin(shop)?;
    for _ in 0..ROUNDS {
        let resumed = story.round(exhaust)?;
        done.points += 1;
        done.note(&format!("resumed after {} ms", resumed.as_millis()));
    }
    done.take(&story.end()?);
    Ok(Outcome::Ran(done))
}

/// How often descriptors are used up.
const ROUNDS: u32 = 5;

/// Who is connected is served while nobody else can be; returns how long a new one waits after that.
fn exhaust(stage: &mut Stage<'_>) -> Result<Duration, Trouble> {
    let mut early = Client::new(stage.door, Duration::from_secs(5));
    let mut ask = |when: &str| {
        let answer = early.post("/api/Wallet/early/deposit", &[], &json!({ "cents": 1 }));
        match answer {
            Ok(answer) if answer.status == 200 => Ok(()),
            Ok(answer) => Err(format!("{when}: {} {}", answer.status, answer.text())),
            Err(error) => Err(format!("{when}: {error}")),
        }
    };
    ask("before descriptors are used up")?;
    // Until the system's own queue is full, too.
    let idle: Vec<_> = (0..CONNECTIONS)
        .map_while(|_| TcpStream::connect_timeout(&stage.door, Duration::from_millis(200)).ok())
        .collect();
    // Over two write-backs.
    for _ in 0..20 {
        ask("while descriptors are used up")?;
        thread::sleep(Duration::from_millis(100));
    }
    stage.server.assert_alive()?;
    drop(idle);
    let begun = Instant::now();
    let mut late = Client::new(stage.door, RESUMES_MAX);
    let answer = late.get("/api/Wallet/early/balance");
    match answer {
        Ok(answer) if answer.status == 200 && begun.elapsed() <= RESUMES_MAX => Ok(begun.elapsed()),
        Ok(answer) => Err(format!("after {:?}: {} {}", begun.elapsed(), answer.status, answer.text())),
        Err(error) => {
            Err(format!("nobody is let in {:?} after descriptors are free: {error}", begun.elapsed()))
        }
    }
}

#[cfg(test)]
mod tests;
