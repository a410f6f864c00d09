//! What is said about large fields, and that it is said once.

use std::io::Write;
use std::sync::{Arc, Mutex};

use nigh_wire::Out;
use proptest::prelude::*;

use super::{PLAIN_SIZE_MAX, grouped};
use crate::{Map, State};

/// What was logged, as text.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panicked with it").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What `f` logs.
fn logged(f: impl FnOnce()) -> Vec<String> {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber =
        tracing_subscriber::fmt().with_writer(move || writer.clone()).without_time().with_target(false);
    tracing::subscriber::with_default(subscriber.with_ansi(false).finish(), f);
    let bytes = lines.0.lock().expect("nobody panicked with it").clone();
    String::from_utf8(bytes).expect("text is logged").lines().map(str::to_owned).collect()
}

/// Runs a method.
fn method<S: State>(state: &mut S, change: impl FnOnce(&mut S)) {
    let saved = state.begin();
    change(state);
    state.commit(saved, &mut Out::default());
}

#[derive(Default, State)]
struct Wallet {
    history: Vec<u8>,
    r#in: Vec<u8>,
    seen: Map<u64, Vec<u8>>,
}

/// From the limit on, each field once, whether or not it changed, and no collection.
#[test]
fn a_large_plain_field_is_named_once() {
    let mut wallet = Wallet::default();
    // A count of two bytes is before them.
    let under = vec![0; PLAIN_SIZE_MAX - 3];
    let said = logged(|| {
        method(&mut wallet, |w| w.history = under.clone());
        method(&mut wallet, |w| drop(w.seen.insert(1, vec![0; 2 * PLAIN_SIZE_MAX])));
    });
    assert_eq!(said, [""; 0]);
    let said = logged(|| {
        method(&mut wallet, |w| w.history.push(0));
        method(&mut wallet, |w| w.history.push(0));
        method(&mut wallet, |_| ());
        method(&mut wallet, |w| w.r#in = vec![0; 5_118]);
    });
    let words = |field, size| {
        let does = "is compared and stored whole at each change: use nigh::Map, Set or List";
        format!(" WARN field `{field}` of `Wallet` is {size} bytes and {does}")
    };
    // What only those who build for speed do not hear.
    let expected = [words("history", "4,096"), words("in", "5,120")];
    assert_eq!(said, if cfg!(debug_assertions) { &expected[..] } else { &[] });
}

proptest! {
    #[test]
    fn digits_stand_in_threes(n in prop_oneof![0..2_000usize, any::<usize>()]) {
        let text = grouped(n);
        prop_assert_eq!(text.replace(',', "").parse(), Ok(n));
        prop_assert!(text.split(',').skip(1).all(|group| group.len() == 3));
        prop_assert!((1..4).contains(&text.find(',').unwrap_or(text.len())));
    }
}
