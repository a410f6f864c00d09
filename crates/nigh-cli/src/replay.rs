//! Runs one case of a simulated test again: cargo with `NIGH_SIM` set, nothing else.
//!
//! The case is passed as it is: the test's own build reads it, and says what is wrong with it.

use std::process::{Command, ExitCode};

use crate::verdict::{Exit, Said};

/// What cargo ends with if its tests fail; also if a signal ended it.
const FAILED: u8 = 101;

/// What to run.
#[derive(Debug, PartialEq, Eq)]
struct Replay<'a> {
    case: &'a str,
    package: Option<&'a str>,
    test: &'a str,
}

impl<'a> Replay<'a> {
    /// Of `CASE TEST`, or of the whole line that a failing test printed.
    ///
    /// # Errors
    ///
    /// Says what to write.
    fn of(case: &'a str, test: Option<&'a str>, package: Option<&'a str>) -> Result<Self, String> {
        let line = case.trim();
        let line = line.strip_prefix("replay:").map_or(line, str::trim_start);
        match (line.strip_prefix("NIGH_SIM="), test) {
            (None, Some(test)) => Ok(Replay { case, package, test }),
            (None, None) => Err("of which test? nigh sim replay 'seed=…' TEST, or the whole line that the test \
                                 printed after `replay:`, as one argument"
                .into()),
            (Some(_), Some(_)) => {
                Err("the line names its test: give it alone, or what stands in its quotes, and TEST".into())
            }
            (Some(rest), None) => Self::of_line(rest).ok_or_else(|| {
                format!(
                    "`{line}` is not as a test prints it: NIGH_SIM='seed=…' cargo test -p PACKAGE TEST, within \
                     double quotes"
                )
            }),
        }
    }

    /// `'…' cargo test -p P NAME`.
    fn of_line(rest: &'a str) -> Option<Self> {
        let (case, command) = rest.strip_prefix('\'')?.split_once('\'')?;
        let words: Vec<&str> = command.split_whitespace().collect();
        match words.as_slice() {
            ["cargo", "test", "-p", package, test] => Some(Replay { case, package: Some(package), test }),
            _ => None,
        }
    }

    fn arguments(&self) -> Vec<&'a str> {
        let package = self.package.into_iter().flat_map(|package| ["-p", package]);
        ["test"].into_iter().chain(package).chain([self.test]).collect()
    }
}

/// Runs it; what it says and how it ends is what cargo says and how cargo ends.
///
/// # Errors
///
/// Nothing was run.
pub(crate) fn run(case: &str, test: Option<&str>, package: Option<&str>) -> Result<ExitCode, Said> {
    let replay = Replay::of(case, test, package).map_err(|why| Said::wrong(Exit::Usage, why))?;
    let ran = Command::new("cargo").args(replay.arguments()).env("NIGH_SIM", replay.case).status();
    let status = ran.map_err(|error| Said::wrong(Exit::Usage, format!("`cargo` does not start: {error}")))?;
    let code = status.code().map_or(FAILED, |code| u8::try_from(code).unwrap_or(FAILED));
    Ok(ExitCode::from(code))
}

#[cfg(test)]
mod tests;
