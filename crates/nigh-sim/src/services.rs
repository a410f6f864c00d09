//! Before services of the outside: down when the plan says so, asked twice when they claim to bear it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use nigh::engine::{Answered, Gate};
use nigh_wire::{Class, Method};

use crate::board::Board;
use crate::judge::claims::{History, side_by_side};
use crate::rng::Rng;
use crate::tasks::timers::sleep_until;

/// See above.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    inner: OnceLock<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Not held: the board has the application, and that has its services with these gates.
    board: Weak<Board>,
    rng: Mutex<Rng>,
}

impl Gates {
    /// The run begins.
    pub(crate) fn open(&self, board: &Arc<Board>, seed: u64) {
        let board = Arc::downgrade(board); // mutant run-never-freed: let board = Arc::downgrade(&*std::mem::ManuallyDrop::new(board.clone()));
        let inner = Inner { board, rng: Mutex::new(Rng::of(seed, "services", 0)) };
        assert!(self.inner.set(inner).is_ok(), "a run begins once");
    }
}

impl Gate for Gates {
    fn pass(&self, service: &str, method: &Method) -> Pin<Box<dyn Future<Output = bool> + Send>> {
        let opened = self.inner.get().and_then(|inner| Some((inner, inner.board.upgrade()?)));
        let Some((inner, board)) = opened else { return Box::pin(std::future::ready(false)) };
        let claims = method.class == Class::Idempotent;
        let twice = claims && inner.rng.lock().unwrap_or_else(PoisonError::into_inner).chance(1, 4);
        let service = service.to_owned();
        Box::pin(async move {
            loop {
                let until = board.book().down_until(&service);
                let Some(until) = until else { return twice };
                sleep_until(until).await;
            }
        })
    }

    fn answered_twice(&self, service: &str, method: &Method, first: Answered, second: Answered) {
        if first == second {
            return;
        }
        let shown = |answered: &Answered| match answered {
            Ok(value) => format!("done: {}", method.ok.to_text(value).unwrap_or_default()),
            Err(error) => {
                let text = method.err.as_ref().and_then(|schema| schema.to_text(error).ok());
                format!("failed: {}", text.unwrap_or_default())
            }
        };
        let history = |title: &str, answered: &Answered| History {
            title: title.to_owned(),
            rows: vec![(format!("{service}.{}", method.name), shown(answered))],
        };
        let columns = side_by_side(&history("asked once", &first), &history("asked again", &second));
        let Some(board) = self.inner.get().and_then(|inner| inner.board.upgrade()) else { return };
        board.book().violate(format!(
            "`{service}.{}` says `#[idempotent]`: asked again under the same token it answered something else\n{columns}",
            method.name
        ));
    }
}
