//! `kill -9` at random moments of append, write-back and cut, many times over one directory.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use nigh::store::{GroupId, RowWrite};
use nigh_proto::shards::{Position, ShardId};

use super::{SHARDS, TestDir, append, blob, open, tail, take_up};

/// Set for the child: the directory to write to.
const CHILD: &str = "NIGH_TEST_STORE_CHILD";
const ROUNDS: u32 = 20;

/// What was acknowledged, told by the lines that got out.
#[derive(Default)]
struct Told {
    /// Shard → its next position, of the last acknowledged append.
    next: BTreeMap<u32, u64>,
    /// The furthest cut that was about to be asked for.
    cut: u64,
    group: u64,
}

/// R5's ground: every acknowledged group is there after the kill, whole, in place, without a gap, in the log or in the rows.
#[test]
fn acknowledged_survives_kill() {
    if let Some(dir) = super::told(CHILD) {
        return write_until_killed(Path::new(&dir));
    }
    let dir = TestDir::new();
    let mut told = Told::default();
    for round in 0..ROUNDS {
        // Primes, so that kills fall into different phases of the child's cycle of appends, rows and cuts.
        let lines = 3 + (round as usize * 37) % 101;
        run_and_kill(&dir.0, lines, &mut told);
        check(&dir, &told);
    }
    assert!(told.group > u64::from(ROUNDS) && told.cut > 1, "{} groups, cut {}", told.group, told.cut);
}

fn run_and_kill(dir: &Path, lines: usize, told: &mut Told) {
    let mut child = Command::new(std::env::current_exe().expect("this test has a file"))
        .args(["--exact", "kill::acknowledged_survives_kill", "--nocapture"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let mut out = BufReader::new(child.stdout.take().expect("it is a pipe"));
    let mut line = String::new();
    for count in 0.. {
        line.clear();
        let read = out.read_line(&mut line).expect("the pipe works");
        if read == 0 || !line.ends_with('\n') {
            break; // The rest of a line that the kill cut off acknowledges nothing.
        }
        if count == lines {
            child.kill().expect("the child lives"); // What it said until now is still read.
        }
        told.hear(&line);
    }
    let ended = child.wait().expect("the child ends");
    assert!(!ended.success(), "the child was not killed: {ended}");
}

impl Told {
    fn hear(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let number = |word: Option<&str>| word.and_then(|word| word.parse().ok()).expect("a number");
        match words.next() {
            Some("ack") => {
                self.group = number(words.next());
                while let Some(shard) = words.next() {
                    self.next.insert(number(Some(shard)) as u32, number(words.next()));
                }
            }
            Some("cut") => self.cut = number(words.next()),
            _ => {} // Of the test harness.
        }
    }
}

fn check(dir: &TestDir, told: &Told) {
    let mut opened = dir.open().expect("it opens after a kill");
    let tail = tail(&opened);
    let start = tail.first().map_or(opened.log.next_group(), |entry| entry.group);
    assert!(start <= GroupId(told.cut.max(1)), "the log begins at {start:?}, cut at {}", told.cut);
    assert!(opened.log.next_group() > GroupId(told.group), "group {} is lost", told.group);
    let mut ends = BTreeMap::new();
    for shard in 0..SHARDS {
        let row = opened.rows.read(ShardId(shard), b"e").expect("the row is sound");
        if let Some(row) = row {
            assert_eq!(row.value, blob(ShardId(shard), row.position, row.position));
            ends.insert(shard, row.position.0 + 1);
        }
    }
    let swept = ends.clone();
    for entry in tail {
        let end = ends.entry(entry.shard.0).or_insert(0);
        assert!(entry.first.0 <= *end, "shard {} has a gap before {}", entry.shard.0, entry.first.0);
        assert_eq!(entry.blob, blob(entry.shard, entry.first, entry.next));
        *end = entry.next.0.max(*end);
    }
    for (shard, head) in take_up(&mut opened).into_iter().enumerate() {
        let shard = shard as u32;
        let acknowledged = told.next.get(&shard).copied().unwrap_or(0);
        assert!(head.next.0 >= acknowledged, "shard {shard}: {acknowledged} acknowledged, {}", head.next.0);
        assert_eq!(ends.get(&shard).copied().unwrap_or(0), head.next.0, "shard {shard}");
        assert!(swept.get(&shard).copied().unwrap_or(0) <= head.next.0, "rows of {shard} are ahead");
    }
}

/// Appends, writes rows, cuts; says what is durable, and what it is about to cut. Never returns by itself.
fn write_until_killed(dir: &Path) {
    let mut opened = open(dir).expect("the child opens it");
    let mut heads = take_up(&mut opened);
    let mut said = std::io::stdout();
    for round in 0_u32.. {
        let shards = (0..=round % SHARDS).map(|i| (i * 3 + round) % SHARDS);
        let group: Vec<_> =
            shards.map(|s| append(s, &mut heads[s as usize], u64::from(1 + round % 3))).collect();
        let appended = opened.log.append(&group).expect("the store works");
        assert!(appended.items.iter().all(Result::is_ok));
        let mut line = format!("ack {}", appended.group.expect("written").0);
        group.iter().for_each(|append| line += &format!(" {} {}", append.shard.0, append.next.0));
        writeln!(said, "{line}").expect("the parent listens");
        if round % 5 == 4 {
            let below = opened.log.next_group();
            let written = heads.iter().enumerate().filter(|(_, head)| head.next.0 > 0);
            let row = |(shard, head): (usize, &nigh::store::Head)| {
                let (shard, position) = (ShardId(shard as u32), Position(head.next.0 - 1));
                let value = Some(blob(shard, position, position));
                RowWrite { shard, key: "e".into(), position, value }
            };
            let rows: Vec<_> = written.map(row).collect();
            rows.chunks(3).for_each(|rows| opened.rows.write(rows).expect("the store works"));
            writeln!(said, "cut {}", below.0).expect("the parent listens");
            opened.rows.swept(below).expect("the store works");
            opened.log.cut(below).expect("swept");
        }
    }
}
