//! F4: the last group was being written when the power went, and any part of its bytes is there: the log is the one
//! before it or the one with it, and it opens without a word.

use nigh::store::LogEntry;

use super::{FILES, TestDir, append, tail, take_up};

/// Bytes of a file as it was, and as the last group has made it.
struct Written {
    before: Vec<u8>,
    after: Vec<u8>,
    /// Where they differ.
    changed: Vec<usize>,
}

impl Written {
    fn new(mut before: Vec<u8>, after: Vec<u8>) -> Self {
        // A file grows before it is written to.
        before.resize(after.len().max(before.len()), 0);
        let changed = (0..after.len()).filter(|at| before[*at] != after[*at]).collect();
        Written { before, after, changed }
    }

    /// As it was, but these of the changed bytes are written.
    fn with(&self, written: &[usize]) -> Vec<u8> {
        let mut bytes = self.before.clone();
        written.iter().for_each(|at| bytes[*at] = self.after[*at]);
        bytes
    }
}

/// A log of some groups, as the file was before the last and after it, and what each says.
fn last_group(groups: u32) -> (TestDir, Written, [Vec<LogEntry>; 2]) {
    let dir = TestDir::new();
    let mut opened = dir.open().expect("a new store");
    let mut heads = take_up(&mut opened);
    for _ in 1..groups {
        opened.log.append(&[append(3, &mut heads[3], 1)]).expect("the store works");
    }
    let (killed, before) = (dir.copy(), tail(&opened));
    opened.log.append(&[append(3, &mut heads[3], 2), append(5, &mut heads[5], 1)]).expect("the store works");
    let [_, _, log] = dir.contents();
    let written = Written::new(killed.contents()[2].clone(), log);
    (dir.copy(), written, [before, tail(&opened)])
}

#[test]
fn a_group_torn_at_any_byte() {
    // Every byte takes minutes: `cargo xtask torture store` does that, in release.
    let every = super::told("NIGH_DAMAGES").is_some();
    let (mut points, mut without, mut with) = (0, 0, 0);
    // With and without groups before it.
    for groups in [1, 4] {
        let (dir, written, [before, after]) = last_group(groups);
        let all = &written.changed;
        let step = if every { 1 } else { all.len() / 25 };
        // From the front, as a disk writes a file; from the back, so that the contents come last.
        let torn = (0..=all.len()).step_by(step).flat_map(|at| [&all[..at], &all[at..]]);
        for part in torn {
            let torn = dir.copy();
            std::fs::write(torn.0.join(FILES[2]), written.with(part)).expect("a file");
            let place = format!("{} of {} bytes, from {:?}", part.len(), all.len(), part.first());
            let opened = torn.open().unwrap_or_else(|error| panic!("{place}: {error}"));
            let found = tail(&opened);
            assert!(found == before || found == after, "{place}: another log");
            points += 1;
            *(if found == after { &mut with } else { &mut without }) += 1;
        }
    }
    println!("{points} points: {without} without the last group, {with} with it");
    assert!(points >= 100 && without > 0 && with > 0, "{points} points, {without} without, {with} with");
}
