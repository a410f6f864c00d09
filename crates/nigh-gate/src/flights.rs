//! Calls under way here, by the name their client gave them: a second request under one name waits for the first.
//!
//! Whoever waited then performs its own request: the record of the first answers it, and other arguments are
//! found out, where records are kept. Nothing is answered from here, so nothing here must survive a crash.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use nigh::perform::Identity;
use nigh_wire::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Named calls under way at once: four times the connections of a door. A router that this is mounted in may
/// have more.
const FLIGHTS_MAX: usize = 4_096;

/// What one name stands for: an idempotency key only for its method of its entity, an id for itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    contract: String,
    method: &'static str,
    key: Option<Bytes>,
    text: String,
}

impl Name {
    /// `None` for a call that its client gave no name.
    pub(crate) fn of(
        identity: &Identity,
        contract: &str,
        method: &'static str,
        key: &Option<Bytes>,
    ) -> Option<Self> {
        match identity {
            Identity::Fresh => None,
            Identity::Id(id) | Identity::Reserved(id, _) => {
                Some(Name { contract: String::new(), method: "", key: None, text: id.to_string() })
            }
            Identity::Once(text) => {
                Some(Name { contract: contract.to_owned(), method, key: key.clone(), text: text.clone() })
            }
        }
    }
}

/// Why a named call could not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delayed {
    /// Another one of that name was still under way when time was up.
    UnderWay,
    /// Too many are under way.
    Full,
}

/// Named calls under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flights {
    open: Arc<Mutex<BTreeMap<Name, watch::Receiver<()>>>>,
}

impl Flights {
    /// Waits until no other call of this name is under way here, and is under way then until dropped.
    ///
    /// # Errors
    ///
    /// `due` has come first, or too many are under way.
    pub(crate) async fn start(&self, name: Name, due: Instant) -> Result<Flight, Delayed> {
        loop {
            let mut other = {
                let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
                match open.get(&name) {
                    Some(other) => other.clone(),
                    None if open.len() >= FLIGHTS_MAX => return Err(Delayed::Full),
                    None => {
                        let (landed, waits) = watch::channel(());
                        open.insert(name.clone(), waits);
                        return Ok(Flight { flights: self.clone(), name, _landed: landed });
                    }
                }
            };
            // Nothing is ever sent: the channel ends when the flight does.
            if timeout_at(due, other.changed()).await.is_err() {
                return Err(Delayed::UnderWay);
            }
        }
    }
}

/// A named call under way. Dropping it lets the next one start.
#[derive(Debug)]
pub(crate) struct Flight {
    flights: Flights,
    name: Name,
    _landed: watch::Sender<()>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

#[cfg(test)]
mod tests;
