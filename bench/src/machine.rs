//! On what was measured: commit, processor, kernel, day. A number without these says nothing.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// The head of a page of results.
pub fn describe(rounds: usize) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{} at {}: {rounds} rounds; {}, {cores} cores, Linux {}\n",
        commit(),
        today(),
        processor(),
        line_of("/proc/sys/kernel/osrelease"),
    )
}

/// Appends the page to `bench/results/DAY-COMMIT.md`; returns the path.
pub fn save(page: &str) -> Result<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    let path = folder.join(format!("{}-{}.md", today(), commit()));
    let earlier = fs::read_to_string(&path).unwrap_or_default();
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(&folder).map_err(told)?;
    fs::write(&path, earlier + page + "\n").map_err(told)?;
    Ok(path.display().to_string())
}

/// Short name of the commit, and `-dirty` if the tree has other changes.
fn commit() -> String {
    let args = ["describe", "--always", "--dirty", "--abbrev=8", "--exclude=*"];
    let output = Command::new("git").args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let name =
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    if name.is_empty() { "unknown".into() } else { name }
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or("unknown processor", |(_, name)| name).to_owned()
}

fn line_of(path: &str) -> String {
    fs::read_to_string(path).map_or("unknown".into(), |text| text.trim().to_owned())
}

/// `2026-11-21`, in UTC.
fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    date(seconds / 86_400)
}

/// Days since 1970 as a date: counted in 400-year cycles that begin on the first of March.
fn date(days: u64) -> String {
    let shifted = days + 719_468;
    let (cycle, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let of_month = day - (153 * month + 2) / 5 + 1;
    let (month, year) = if month < 10 { (month + 3, year) } else { (month - 9, year + 1) };
    format!("{:04}-{month:02}-{of_month:02}", cycle * 400 + year)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn days_become_dates() {
        for (days, expected) in
            [(0, "1970-01-01"), (11_016, "2000-02-29"), (20_778, "2026-11-21"), (59, "1970-03-01")]
        {
            assert_eq!(date(days), expected);
        }
    }
}
