//! The real store on a simulated disk: whatever the power leaves, what was acknowledged is there.

use std::sync::Arc;

use nigh::store::suite::{self, Subject};
use nigh::store::{Open, Opened, open_on};
use nigh_sim::disk::{Counts, Disk, Faults, Image, Kinds, Rng, explore};

/// Crash points that this test has to reach.
const CRASH_POINTS_MIN: u64 = 1_500;

/// Every crash of some histories. More of them: `cargo xtask disk`, which says how many.
#[test]
#[expect(clippy::disallowed_methods, reason = "how deep to go is the one setting of this test")]
fn recovered_is_acknowledged() {
    let histories = std::env::var("NIGH_DISK_HISTORIES").ok().and_then(|text| text.parse().ok());
    let report = explore(0..histories.unwrap_or(2));
    println!("{report}");
    assert!(report.failures.is_empty(), "{report}");
    assert!(report.crash_points >= CRASH_POINTS_MIN, "{report}");
}

/// A store whose end is a power loss.
struct OnDisk {
    disk: Disk,
    shards: u32,
    rng: Rng,
}

impl OnDisk {
    fn open(&self) -> Opened {
        let options = Open { shards: self.shards, shapes: &[], incarnation: 7 };
        open_on(Arc::new(self.disk.clone()), options).expect("the disk is sound")
    }
}

impl Subject for OnDisk {
    fn fresh(&mut self, shards: u32) -> Opened {
        (self.disk, self.shards) = (Disk::new(Image::default(), Faults::default()), shards);
        self.open()
    }
    fn restart(&mut self, opened: Opened) -> Opened {
        drop(opened);
        self.open()
    }
    fn crash(&mut self, opened: Opened) -> Opened {
        let left = self.disk.image().crash(&mut self.rng, Kinds::ALL, &mut Counts::new());
        drop(opened);
        self.disk = Disk::new(left, Faults::default());
        self.open()
    }
}

/// The suite of every store, with power losses for crashes.
#[test]
fn keeps_every_promise() {
    let disk = Disk::new(Image::default(), Faults::default());
    suite::all(&mut OnDisk { disk, shards: 1, rng: Rng::new(1) }, 500);
}
