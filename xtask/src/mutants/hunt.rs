//! Builds the copy once, runs all its tests without a mutant, then with each until one fails.
//!
//! The test that caught it last time runs first, then the tests of the mutant's module, then quick binaries, and once all
//! mutants have met those, slow ones. What fails is run again, alone, with the mutant and without, before it is believed: a
//! test may fail or hang because of who else uses the machine. `run.rs` is one run of one binary. Doc tests do not take part.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::comment::Marker;
use super::green::Green;
use super::hints::{Hint, Hints};
use super::plant::Copy;
use super::run::{Bad, Run, Which};
use crate::Trouble;
use crate::binaries::{self, Binary, Graph, Profile};

/// Longest run of one test binary without a mutant, of its own time.
const BASELINE_MAX: Duration = Duration::from_secs(900);
/// A mutant may make a binary this many times slower, and never is one killed before `PATIENCE_MIN`, which is more than
/// the minute after which the test runner names a slow test.
const PATIENCE: u32 = 4;
const PATIENCE_MIN: Duration = Duration::from_secs(70);
/// Binaries that took longer without a mutant are named.
const SLOW: Duration = Duration::from_secs(2);

/// What came of all of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// By a test that failed, died or hung whenever it was asked.
    pub caught: usize,
    /// Something failed, and passed when it ran again; nothing else failed twice.
    pub once: usize,
    /// All tests passed.
    pub escaped: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { caught, once, escaped } = self;
        write!(out, "mutants: {} caught, {escaped} escaped", caught + once)?;
        if *once > 0 {
            write!(out, "; {once} of those caught only now and then")?;
        }
        Ok(())
    }
}

/// Prints one line per mutant. All of them meet what is quick before any meets what is slow.
pub fn hunt(copy: &Copy, chosen: &[&Marker]) -> Result<Tally, Trouble> {
    let folder = copy.root.parent().expect("the copy lies in target/mutants");
    let mut hunt = Hunt::ready(copy, folder)?;
    let (mut tally, mut left) = (Tally::default(), Vec::new());
    for marker in chosen {
        copy.sweep();
        let begun = Instant::now();
        let (quick, slow) = hunt.plays(marker);
        match hunt.catch(marker, quick)? {
            Some(caught) if caught.again => hunt.report(&mut tally, marker, Some(caught), begun)?,
            once => left.push((*marker, once, slow)),
        }
    }
    if !left.is_empty() {
        let names: Vec<&str> = left.iter().map(|(marker, ..)| marker.name.as_str()).collect();
        println!("{} left for slow tests: {}", left.len(), names.join(", "));
    }
    for (marker, once, slow) in left {
        copy.sweep();
        let begun = Instant::now();
        let caught = match hunt.catch(marker, slow)? {
            Some(caught) if caught.again => Some(caught),
            other => once.or(other),
        };
        hunt.report(&mut tally, marker, caught, begun)?;
    }
    Ok(tally)
}

/// Some tests of a binary.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Play {
    binary: usize,
    which: Which,
}

impl Play {
    fn test(&self) -> Option<&str> {
        match &self.which {
            Which::Test(name) => Some(name),
            Which::All | Which::Module(_) => None,
        }
    }
}

/// What saw the mutant.
#[derive(Debug)]
struct Caught {
    play: Play,
    how: Bad,
    /// A second run, alone, saw it too, and a third one without the mutant saw nothing.
    again: bool,
}

impl Caught {
    fn hint(&self, binaries: &[Binary]) -> Hint {
        Hint::new(&binaries[self.play.binary], self.play.test().map(str::to_owned))
    }

    fn told(&self, binaries: &[Binary]) -> String {
        named(&binaries[self.play.binary], self.play.test(), &self.how)
    }
}

fn named(Binary { package, target, .. }: &Binary, test: Option<&str>, how: &Bad) -> String {
    match test {
        Some(test) => format!("{package}::{test} ({target}) {how}"),
        None => format!("{package} ({target}) {how}"),
    }
}

struct Hunt {
    binaries: Vec<Binary>,
    graph: Graph,
    libraries: String,
    hints: Hints,
}

impl Hunt {
    /// Builds, and sees that all is green.
    fn ready(copy: &Copy, folder: &Path) -> Result<Hunt, Trouble> {
        let target = folder.join("target");
        println!("building {}", copy.root.display());
        // The chores' own tests know no mutant, and `tidy` reads sources that are rewritten here.
        let args = ["--workspace", "--exclude", "xtask", "--exclude", "nigh-tests"].map(str::to_owned);
        let mut binaries = binaries::build(&copy.root, &target, Profile::Debug, &args)?;
        // What the compiler says of wrong programs: it runs none of ours but macros, which hold no mutant.
        binaries.retain(|binary| binary.target != "ui");
        let libraries = binaries::library_path(&target, Profile::Debug)?;
        let (mut wrong, mut green) = (Vec::new(), Green::read(folder.join("green.txt")));
        for binary in &mut binaries {
            if let Some(took) = green.took(&binary.path) {
                binary.took = took;
                continue;
            }
            let run = Run { binary, which: &Which::All, mutant: None };
            let (mut spent, mut bad) = run.run(BASELINE_MAX, &libraries)?;
            let Binary { package, target, path, .. } = &*binary;
            if let Some(once) = &bad {
                println!("{} without a mutant: once more", named(binary, once.test(), once));
                (spent, bad) = run.run(BASELINE_MAX, &libraries)?;
            }
            if let Some(bad) = bad {
                let (told, path) = (named(binary, bad.test(), &bad), path.display());
                wrong.push(format!("mutants: without any, {told}; run {path}"));
                continue;
            }
            if spent > SLOW {
                println!("{:<40} is green in {:.1} s", format!("{package} ({target})"), spent.as_secs_f64());
            }
            green.keep(path, spent)?;
            binary.took = spent;
        }
        if !wrong.is_empty() {
            return Err(wrong.join("\n"));
        }
        let all: Duration = binaries.iter().map(|binary| binary.took).sum();
        println!("{} test binaries are green without a mutant, {:.1} s", binaries.len(), all.as_secs_f64());
        let graph = Graph::of(&copy.root)?;
        let hints = Hints::read(folder.join("caught.txt"));
        Ok(Hunt { binaries, graph, libraries, hints })
    }

    /// Those to run first, and those for what these do not catch.
    fn plays(&self, marker: &Marker) -> (Vec<Play>, Vec<Play>) {
        let folder: PathBuf = marker.file.iter().take(2).collect();
        let home = self.graph.package_in(&folder);
        let hint = self.hints.of(&marker.name);
        let plays = plays(&self.binaries, marker, hint, |package| self.graph.distance(package, &home));
        // What caught it last time is worth its time.
        let is_quick = |play: &Play| {
            let binary = &self.binaries[play.binary];
            play.which != Which::All || binary.took <= SLOW || hint.is_some_and(|hint| hint.names(binary))
        };
        plays.into_iter().partition(is_quick)
    }

    fn catch(&self, marker: &Marker, plays: Vec<Play>) -> Result<Option<Caught>, Trouble> {
        let mut once = None;
        for play in plays {
            let Some(how) = self.play(&play, Some(&marker.name))? else { continue };
            let which = how.test().map_or(play.which, |test| Which::Test(test.to_owned()));
            let play = Play { which, ..play };
            // Alone it could need another test to have run, and now the machine could be too slow for it.
            let again = self.play(&play, Some(&marker.name))?.is_some() && self.play(&play, None)?.is_none();
            if again {
                return Ok(Some(Caught { play, how, again }));
            }
            once = once.or(Some(Caught { play, how, again }));
        }
        Ok(once)
    }

    fn report(
        &mut self,
        tally: &mut Tally,
        marker: &Marker,
        caught: Option<Caught>,
        begun: Instant,
    ) -> Result<(), Trouble> {
        let told = match caught {
            None => {
                tally.escaped += 1;
                "ESCAPED".into()
            }
            Some(caught) if caught.again => {
                tally.caught += 1;
                self.hints.keep(&marker.name, caught.hint(&self.binaries))?;
                format!("caught: {}", caught.told(&self.binaries))
            }
            Some(caught) => {
                tally.once += 1;
                format!("caught once, not again: {}", caught.told(&self.binaries))
            }
        };
        println!("{:<40} {told} in {:.1} s", marker.name, begun.elapsed().as_secs_f64());
        Ok(())
    }

    fn play(&self, play: &Play, mutant: Option<&str>) -> Result<Option<Bad>, Trouble> {
        let binary = &self.binaries[play.binary];
        let patience = (binary.took * PATIENCE).max(PATIENCE_MIN);
        let run = Run { binary, which: &play.which, mutant };
        run.run(patience, &self.libraries).map(|(_, bad)| bad)
    }
}

/// What to run, in order: what caught it last time, the tests beside it and around it, then all: quick binaries before
/// slow ones, of each the crate's own first, and last those that can meet it in another process only.
fn plays(
    binaries: &[Binary],
    marker: &Marker,
    hint: Option<&Hint>,
    distance: impl Fn(&str) -> usize,
) -> Vec<Play> {
    let distances: Vec<usize> = binaries.iter().map(|binary| distance(&binary.package)).collect();
    let mut order: Vec<usize> = (0..binaries.len()).collect();
    order.sort_by_key(|index| {
        let (binary, distance) = (&binaries[*index], distances[*index]);
        (binary.took > SLOW, distance > 0, distance == usize::MAX, binary.took)
    });
    let hinted = hint.and_then(|hint| {
        let binary = binaries.iter().position(|binary| hint.names(binary))?;
        Some(Play { binary, which: hint.test.clone().map_or(Which::All, Which::Test) })
    });
    let is_own = |index: &usize| distances[*index] == 0 && binaries[*index].is_unit();
    let own: Vec<usize> = order.iter().copied().filter(is_own).collect();
    let near = modules(&marker.file).into_iter().flat_map(|path| {
        own.iter().map(move |binary| Play { binary: *binary, which: Which::Module(path.clone()) })
    });
    let all = order.into_iter().map(|binary| Play { binary, which: Which::All });
    let rest: Vec<Play> = near.chain(all).filter(|play| hinted.as_ref() != Some(play)).collect();
    hinted.into_iter().chain(rest).collect()
}

/// Path of the module in `crates/*/src/…`, and of the one around it, as names of tests begin.
fn modules(file: &Path) -> Vec<String> {
    let stem = file.with_extension("");
    let mut parts: Vec<String> =
        stem.iter().skip(3).map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        parts.pop();
    }
    let mut paths = Vec::new();
    for _ in 0..2 {
        if !parts.is_empty() {
            paths.push(parts.join("::") + "::");
            parts.pop();
        }
    }
    paths
}

#[cfg(test)]
mod tests;
