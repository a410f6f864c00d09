//! Chores that run cargo: the checks of `cargo xtask test`, the benchmarks, and the deep exploration.
//!
//! Every step is a cargo command that a person could type; its name says which one failed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Trouble;

/// The cargo that runs this.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Format, lints, all tests, docs. Stops at the first step that fails, and names it.
pub fn test(root: &Path) -> Result<(), Trouble> {
    let begun = Instant::now();
    let mut steps = Steps { root, times: Vec::new(), passed: 0, failed: 0 };
    steps.cargo("fmt", &["fmt", "--all", "--check"], &[])?;
    steps.cargo("clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    let targets = ["--lib", "--bins", "--tests", "--examples"];
    steps.tests("test", &[&["test", "--workspace", "--no-fail-fast"], &targets[..]].concat())?;
    steps.tests("doc tests", &["test", "--workspace", "--doc", "--no-fail-fast"])?;
    steps.cargo("doc", &["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    if root.join("bench/Cargo.toml").exists() {
        let manifest = ["--manifest-path", "bench/Cargo.toml"];
        steps.cargo("bench fmt", &[&["fmt", "--check"], &manifest[..]].concat(), &[])?;
        let clippy = ["clippy", "--target-dir", "target/bench", "--all-targets"];
        steps.cargo("bench clippy", &[&clippy[..], &manifest, &["--", "-D", "warnings"]].concat(), &[])?;
        steps.tests("bench test", &[&["test", "--target-dir", "target/bench"], &manifest[..]].concat())?;
    }
    if cargo_has(root, "deny") {
        // Not the advisories: they need a database from the network, and change without any commit.
        let checks = ["deny", "check", "bans", "licenses", "sources"];
        steps.cargo("deny", &checks, &[])?;
    } else {
        println!("== deny: skipped, `cargo install cargo-deny` adds it");
    }
    for (name, took) in &steps.times {
        println!("{:>8.1} s  {name}", took.as_secs_f64());
    }
    println!("xtask test: {} steps in {:.0} s", steps.times.len(), begun.elapsed().as_secs_f64());
    println!("{} passed, {} failed", steps.passed, steps.failed);
    Ok(())
}

/// Measures in release, in the benchmarks' own workspace.
pub fn bench(root: &Path, args: &[String]) -> Result<(), Trouble> {
    let fixed =
        ["run", "--release", "--target-dir", "target/bench", "--manifest-path", "bench/Cargo.toml", "--"];
    let status = cargo().args(fixed).args(args).current_dir(root).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("bench: {status}")),
        Err(error) => Err(format!("bench: cargo did not start: {error}")),
    }
}

/// A test that goes as deep as a setting says.
struct Deep {
    flag: &'static str,
    default: u64,
    setting: &'static str,
    cargo: &'static [&'static str],
}

/// All orders of events of small worlds, each up to that many states: half an hour, some GB.
const EXPLORE: Deep = Deep {
    flag: "--states",
    default: 1_000_000,
    setting: "NIGH_EXPLORE_STATES",
    cargo: &["test", "--release", "--package", "nigh-proto", "--test", "explore"],
};

/// Every crash of that many histories of the real store on the simulated disk: a minute, 30,000 crashes.
const DISK: Deep = Deep {
    flag: "--histories",
    default: 30,
    setting: "NIGH_DISK_HISTORIES",
    cargo: &["test", "--release", "--package", "nigh-sim", "--test", "disk", "recovered_is_acknowledged"],
};

/// Tries all orders of events of small worlds, in release, and prints what each came to.
pub fn explore(root: &Path, args: &[String]) -> Result<(), Trouble> {
    EXPLORE.run("explore", root, args)
}

/// Crashes the real store before every operation of a simulated disk, in release, and prints what was met.
pub fn disk(root: &Path, args: &[String]) -> Result<(), Trouble> {
    DISK.run("disk", root, args)
}

impl Deep {
    fn run(&self, name: &str, root: &Path, args: &[String]) -> Result<(), Trouble> {
        let depth = self.depth_of(args).ok_or_else(|| format!("{name} takes `{} N`, above 0", self.flag))?;
        let mut command = cargo();
        command.args(self.cargo).args(["--", "--nocapture"]).env(self.setting, depth.to_string());
        match command.current_dir(root).status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{name}: {status}")),
            Err(error) => Err(format!("{name}: cargo did not start: {error}")),
        }
    }

    fn depth_of(&self, args: &[String]) -> Option<u64> {
        match args {
            [] => Some(self.default),
            [flag, depth] if flag == self.flag => depth.parse().ok().filter(|depth| *depth > 0),
            _ => None,
        }
    }
}

fn cargo_has(root: &Path, subcommand: &str) -> bool {
    let mut asked = cargo();
    asked.args([subcommand, "--version"]).current_dir(root).stdout(Stdio::null()).stderr(Stdio::null());
    asked.status().is_ok_and(|status| status.success())
}

struct Steps<'a> {
    root: &'a Path,
    times: Vec<(&'static str, Duration)>,
    passed: u64,
    failed: u64,
}

impl Steps<'_> {
    fn cargo(&mut self, name: &'static str, args: &[&str], env: &[(&str, &str)]) -> Result<(), Trouble> {
        let mut command = cargo();
        command.args(args).envs(env.iter().copied());
        self.timed(name, args, |root| command.current_dir(root).status())
    }

    /// Like `cargo`, and counts what the test runner reports.
    fn tests(&mut self, name: &'static str, args: &[&str]) -> Result<(), Trouble> {
        let (mut passed, mut failed) = (0, 0);
        let result = self.timed(name, args, |root| {
            let mut child = cargo().args(args).current_dir(root).stdout(Stdio::piped()).spawn()?;
            let stdout = child.stdout.take().expect("stdout is piped");
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let (more, worse) = counted(&line);
                passed += more;
                failed += worse;
                println!("{line}");
            }
            child.wait()
        });
        self.passed += passed;
        self.failed += failed;
        if result.is_err() {
            println!("{} passed, {} failed", self.passed, self.failed);
        }
        result
    }

    fn timed(
        &mut self,
        name: &'static str,
        args: &[&str],
        run: impl FnOnce(&Path) -> std::io::Result<std::process::ExitStatus>,
    ) -> Result<(), Trouble> {
        println!("== {name}: cargo {}", args.join(" "));
        let begun = Instant::now();
        let status =
            run(self.root).map_err(|error| format!("step `{name}`: cargo did not start: {error}"))?;
        self.times.push((name, begun.elapsed()));
        if status.success() {
            return Ok(());
        }
        Err(format!("step `{name}` failed ({status}): cargo {}", args.join(" ")))
    }
}

/// How many tests passed and failed, if the line is the last of a test binary.
fn counted(line: &str) -> (u64, u64) {
    let Some(rest) = line.strip_prefix("test result: ") else { return (0, 0) };
    let before = |word: &str| {
        let number = rest.split(word).next()?.split_whitespace().next_back()?;
        number.parse().ok()
    };
    (before(" passed").unwrap_or(0), before(" failed").unwrap_or(0))
}

#[cfg(test)]
mod tests;
