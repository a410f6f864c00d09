//! Decides which points of `nigh::buggify!` fire, from the seed, and keeps which did.
//!
//! As in FoundationDB: a point is on in half of the runs, so that rare paths meet calm ones, and then fires at a
//! quarter of its visits.

use std::cell::RefCell;

use crate::rng::Rng;

thread_local! {
    static POINTS: RefCell<Option<Points>> = const { RefCell::new(None) };
}

struct Points {
    seed: u64,
    fire: bool,
    /// As they were met; there are few.
    visited: Vec<(&'static str, Point)>,
    /// By address, where each stands that was met last there: a guess.
    guesses: [u8; GUESSES],
}

/// Points of nigh are two dozen.
const GUESSES: usize = 64;

/// One point in one run; its stream is its own, so that a visit more of another moves nothing here.
struct Point {
    is_on: bool,
    rng: Rng,
    fired: u64,
}

/// Points of this thread are decided from a seed until this is dropped.
#[derive(Debug)]
pub(crate) struct Installed {
    /// Not to be sent: it stands for this thread.
    _here: std::marker::PhantomData<*const ()>,
}

impl Installed {
    /// Without `fire` none fires; visits are kept all the same.
    pub(crate) fn new(seed: u64, fire: bool) -> Self {
        POINTS.set(Some(Points { seed, fire, visited: Vec::with_capacity(32), guesses: [0; GUESSES] }));
        nigh::__private::buggify_install(Some(decide));
        Installed { _here: std::marker::PhantomData }
    }

    /// Points visited, by name, and whether they fired.
    pub(crate) fn visited(&self) -> Vec<(&'static str, bool)> {
        let mut visited: Vec<(&'static str, bool)> = POINTS.with_borrow(|points| {
            let visited = points.iter().flat_map(|points| &points.visited);
            visited.map(|(name, point)| (*name, point.fired > 0)).collect()
        });
        visited.sort_unstable();
        visited
    }
}

/// No point of this run fires any more: faults have ended.
pub(crate) fn stop() {
    POINTS.with_borrow_mut(|points| points.iter_mut().for_each(|points| points.fire = false));
}

impl Drop for Installed {
    fn drop(&mut self) {
        nigh::__private::buggify_install(None);
        POINTS.set(None);
    }
}

fn decide(name: &'static str) -> bool {
    POINTS.with_borrow_mut(|points| {
        let Some(points) = points else { return false };
        // One literal has one address, nearly always; what it says decides.
        let guess = &mut points.guesses[name.as_ptr().addr() / 8 % GUESSES];
        let mut at = usize::from(*guess);
        if points.visited.get(at).is_none_or(|(met, _)| !std::ptr::eq(*met, name)) {
            at = meet(points.seed, &mut points.visited, name);
            *guess = u8::try_from(at).unwrap_or(u8::MAX);
        }
        let point = &mut points.visited[at].1;
        let fires = points.fire && point.is_on && point.rng.chance(1, 4);
        point.fired += u64::from(fires);
        fires
    })
}

/// Where a point stands, which may be met for the first time.
#[cold]
#[inline(never)]
fn meet(seed: u64, visited: &mut Vec<(&'static str, Point)>, name: &'static str) -> usize {
    visited.iter().position(|(met, _)| *met == name).unwrap_or_else(|| {
        let mut rng = Rng::of(seed, name, u64::MAX);
        visited.push((name, Point { is_on: rng.chance(1, 2), rng, fired: 0 }));
        visited.len() - 1
    })
}

#[cfg(test)]
mod tests {
    //! Shares, and that a seed decides.

    use nigh::buggify;

    use super::Installed;

    /// How often each of two points fired in 100 visits of one run.
    fn run(seed: u64, fire: bool) -> (usize, usize) {
        let installed = Installed::new(seed, fire);
        let count = |point: fn() -> bool| (0..100).filter(|_| point()).count();
        let counts = (count(|| buggify!("test.a")), count(|| buggify!("test.b")));
        let expected = [("test.a", counts.0 > 0), ("test.b", counts.1 > 0)];
        assert_eq!(installed.visited(), expected);
        counts
    }

    #[test]
    fn half_of_the_runs_a_quarter_of_the_visits() {
        assert!(!buggify!("test.a"));
        let runs: Vec<(usize, usize)> = (0..200).map(|seed| run(seed, true)).collect();
        let on = |counts: Vec<usize>| counts.into_iter().filter(|count| *count > 0).collect::<Vec<_>>();
        for counts in [on(runs.iter().map(|run| run.0).collect()), on(runs.iter().map(|run| run.1).collect())]
        {
            assert!((80..120).contains(&counts.len()), "{}", counts.len());
            let mean = counts.iter().sum::<usize>() / counts.len();
            assert!((22..28).contains(&mean), "{mean}");
        }
        let both = runs.iter().filter(|(a, b)| *a > 0 && *b > 0).count();
        assert!((30..70).contains(&both), "{both}");
        assert_eq!(runs, (0..200).map(|seed| run(seed, true)).collect::<Vec<_>>());
        assert!((0..50).all(|seed| run(seed, false) == (0, 0)));
        assert!(!buggify!("test.a"));
    }
}
