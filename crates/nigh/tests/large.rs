//! Large collections: in pages, of which a sweep writes those that changed; shown, copied and read whole. And what may not be large.

#![allow(unreachable_pub, reason = "the methods of an entity are public, and this is a test")]
#![allow(missing_docs, reason = "as above")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nigh::dump::{Dumped, dump_dir};
use nigh::prelude::*;
use nigh::store::verify_dir;
use nigh::{CallError, List, Map, Set};
use nigh_wire::Cause;

#[derive(Debug, Default, State)]
pub struct Shelf {
    label: String,
    books: Map<u64, String>,
    tags: Set<u64>,
    log: List<u64>,
}

#[nigh::entity(key = u64)]
impl Shelf {
    pub fn fill(&mut self, from: u64, to: u64) -> u64 {
        self.books.extend((from..to).map(|at| (at, format!("book {at}"))));
        self.tags.extend(from..to);
        self.books.len() as u64
    }
    pub fn put(&mut self, at: u64, book: String) {
        self.books.insert(at, book);
    }
    pub fn burn(&mut self) {
        self.books.clear();
        self.tags.clear();
    }
    pub fn log(&mut self, count: u64) -> u64 {
        self.log.extend(0..count);
        self.log.len() as u64
    }
    pub fn look(&self, at: u64) -> (u64, u64, Option<String>) {
        (self.books.len() as u64, self.tags.len() as u64, self.books.get(&at).cloned())
    }
}

/// A directory of one test.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("nigh-large-{}-{n}", std::process::id()));
        // It need not be there.
        let _ = std::fs::remove_dir_all(&dir);
        Dir(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn start(dir: &Dir) -> nigh::Node {
    let config = Config { write_back_every: Duration::from_millis(20), ..Config::dir(&dir.0) };
    App::new("shelves").entity::<Shelf>().start(config).await.expect("it opens")
}

fn rows(dir: &Dir) -> u64 {
    verify_dir(&dir.0).expect("it is sound").rows.0
}

const BOOKS: u64 = 20_000;

/// The state of the one entity of a store, as JSON without its types.
fn shown(dir: &Path) -> String {
    let mut states = Vec::new();
    let known = dump_dir(dir, None, &mut |at, dumped| {
        if let Dumped::Entity { state, is_whole, .. } = dumped {
            assert!(is_whole);
            states.push(
                at.schemas.expect("they are stored").state.to_json(&state).expect("its shape").to_string(),
            );
        }
        true
    });
    known.expect("it is sound");
    assert_eq!(states.len(), 1, "it is shown once");
    states.remove(0)
}

#[tokio::test]
async fn a_large_map_has_pages() {
    let [dir, copy] = [Dir::new(), Dir::new()];
    let node = start(&dir).await;
    let nigh = node.handle();
    for from in (0..BOOKS).step_by(1_000) {
        nigh.call(Shelf::at(7).fill(from, from + 1_000)).await.expect("done");
    }
    assert_eq!(nigh.call(Shelf::at(7).look(3)).await, Ok((BOOKS, BOOKS, Some("book 3".into()))));
    node.stop().await.expect("stops");
    // 20,000 entries of some 15 bytes are 75 pages of 4 KiB, and as many elements 15.
    let all = rows(&dir);
    assert!(all > 60 && all < 250, "{all} rows");

    let node = start(&dir).await;
    let nigh = node.handle();
    assert_eq!(nigh.call(Shelf::at(7).look(BOOKS - 1)).await, Ok((BOOKS, BOOKS, Some("book 19999".into()))));
    nigh.call(Shelf::at(7).put(10_000, "another")).await.expect("done");
    node.backup(&copy.0).await.expect("it is sound");
    node.stop().await.expect("stops");
    for dir in [&dir.0, &copy.0] {
        let state = shown(dir);
        assert!(state.contains(r#""19999":"book 19999""#) && state.contains(r#","19999"]"#), "{state}");
        // The last change may be in the log alone of what was copied while it ran.
        let now = state.matches(r#":"book "#).count() as u64;
        assert!(now == BOOKS - 1 || *dir == copy.0 && now == BOOKS, "{now} books");
    }
    assert!(shown(&dir.0).contains(r#""10000":"another""#));

    let node = start(&dir).await;
    node.handle().call(Shelf::at(7).burn()).await.expect("done");
    assert_eq!(node.handle().call(Shelf::at(7).look(3)).await, Ok((0, 0, None)));
    node.stop().await.expect("stops");
    let left = rows(&dir);
    assert!(left < 20, "{left} rows of nothing");
}

#[tokio::test]
async fn a_list_has_a_bound() {
    let node = App::new("shelves").entity::<Shelf>().start(Config::memory()).await.expect("it opens");
    let nigh = node.handle();
    assert_eq!(nigh.call(Shelf::at(1).log(1)).await, Ok(1));
    match nigh.call(Shelf::at(1).log(1 << 20)).await {
        Err(CallError::NotDone(Cause::TooLarge(why))) => assert!(why.contains("`log`"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(nigh.call(Shelf::at(1).log(1)).await, Ok(2), "it was undone");
}

mod plain {
    use super::*;
    #[derive(Debug, Default, State)]
    pub struct Desk {
        notes: Vec<u64>,
    }
    #[nigh::entity(key = u64)]
    impl Desk {
        pub fn note(&mut self) {
            self.notes.push(1);
        }
    }
}

mod tracked {
    use super::*;
    #[derive(Debug, Default, State)]
    pub struct Desk {
        notes: List<u64>,
    }
    #[nigh::entity(key = u64)]
    impl Desk {
        pub fn note(&mut self) {
            self.notes.push(1);
        }
    }
}

/// Their rows are the same, and what the log says of their changes is not.
#[tokio::test]
async fn a_vec_does_not_become_a_list_unasked() {
    let dir = Dir::new();
    let node = App::new("desks").entity::<plain::Desk>().start(Config::dir(&dir.0)).await.expect("it opens");
    node.handle().call(plain::Desk::at(1).note()).await.expect("done");
    node.stop().await.expect("stops");
    let error = App::new("desks").entity::<tracked::Desk>().start(Config::dir(&dir.0)).await;
    let error = error.map(drop).expect_err("it is refused").to_string();
    assert!(error.contains("tracked as .") && error.contains("tracked as list ."), "{error}");
}
