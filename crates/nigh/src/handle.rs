//! `Nigh`: performs calls. Cheap to clone; keep one in your application's state.

use std::fmt;
use std::sync::Arc;

use nigh_wire::Catalogue;

use crate::perform::{Ask, Outcome, Perform};

/// Performs calls.
#[derive(Clone)]
pub struct Nigh {
    performer: Arc<dyn Perform>,
}

impl fmt::Debug for Nigh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nigh")
    }
}

impl Nigh {
    /// A handle on whatever performs: the node of this process, a connection, a stand-in of a test.
    pub fn new(performer: Arc<dyn Perform>) -> Self {
        Nigh { performer }
    }
    /// What the application offers.
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        self.performer.catalogue()
    }
    /// Performs something untyped: what doors do.
    pub async fn perform(&self, ask: Ask) -> Outcome {
        self.performer.perform(ask).await
    }
}
