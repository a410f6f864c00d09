//! Whether the committer rests between two groups: only while many callers of its own process wait for a thread.
//!
//! They were answered, and would ask again if a thread were free for them. A group takes as much of the processor as dozens of
//! calls, whatever its size, so fewer and larger ones leave more for callers; and none of them waits longer for it: with
//! as many callers, more calls a second are shorter ones. The driver counts answers that were given and taken up, and asks
//! after each group and each step of a rest ([`Rest::poll`]). Nothing here reads a clock.

use std::time::Duration;

/// Answers that nobody has taken up: from so many on callers wait for a thread, and a group waits for them.
pub const BEHIND_MIN: u64 = 64;
/// Answers taken up since the last look: with fewer, callers wait for something else, or each other.
pub const CAME_MIN: u64 = 16;
/// Time between two looks.
pub const STEP: Duration = Duration::from_micros(250);
/// Steps of one rest: a millisecond, a quarter of what a call takes where a thousand callers keep two processors busy.
pub const STEPS_MAX: u32 = 4;

/// See above.
#[derive(Clone, Debug, Default)]
pub struct Rest {
    /// Answers taken up until the last look.
    taken: u64,
    steps: u32,
}

impl Rest {
    /// A group is durable, or a step is over. So many answers were `taken` up since the process began, and `untaken` are
    /// left. How long the next step is; `None`: the next group begins.
    pub fn poll(&mut self, taken: u64, untaken: u64) -> Option<Duration> {
        let came = taken.wrapping_sub(std::mem::replace(&mut self.taken, taken));
        // Answers that nobody comes for say nothing of threads: somebody may hold hundreds of them and wait for something else.
        let coming = came >= CAME_MIN; // mutant rest-for-who-does-not-come: let coming = true;
        let rests = coming && untaken >= BEHIND_MIN && self.steps < STEPS_MAX;
        self.steps = if rests { self.steps + 1 } else { 0 };
        rests.then_some(STEP)
    }
}

#[cfg(test)]
mod tests {
    //! Only a process that is behind with its callers rests, and not for long.

    use super::*;

    /// Taken up at each look, not taken up, and steps before the next group.
    const ROWS: [(u64, u64, u32); 6] = [
        // A lone caller, and as many as one group answers.
        (1, 0, 0),
        (63, 63, 0),
        // Nobody waits for a thread.
        (500, 63, 0),
        // They come, and many are left.
        (16, 64, STEPS_MAX),
        (500, 900, STEPS_MAX),
        // Answers for which nobody comes.
        (15, 900, 0),
    ];

    #[test]
    fn it_rests_while_many_wait_for_a_thread() {
        for (came, untaken, steps) in ROWS {
            // Counts go round.
            let (mut rest, mut taken) = (Rest::default(), u64::MAX - 700);
            rest.poll(taken, 0);
            for group in 0..3 {
                for step in 0..=steps {
                    taken = taken.wrapping_add(came);
                    let expected = (step < steps).then_some(STEP);
                    let row = format!("{came} came, {untaken} did not, group {group}");
                    assert_eq!(rest.poll(taken, untaken), expected, "{row}, step {step}");
                }
            }
        }
    }

    #[test]
    fn a_rest_ends_once_nobody_comes() {
        let mut rest = Rest::default();
        assert_eq!(rest.poll(100, 200), Some(STEP));
        assert_eq!(rest.poll(110, 190), None, "ten came");
        assert_eq!(rest.poll(210, 90), Some(STEP), "after the next group");
        assert_eq!(rest.poll(300, 0), None, "all have come");
    }
}
