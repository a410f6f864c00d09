//! What is durable, typed: what `sim.always(…)` looks at.

use nigh::Entity;

use crate::book;
use crate::judge::LogJudge;
use crate::program::Entities;

/// All entities as a power loss at this moment would leave them.
pub struct Durable<'a> {
    judge: &'a LogJudge<Entities>,
}

impl std::fmt::Debug for Durable<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Durable")
    }
}

impl<'a> Durable<'a> {
    pub(crate) fn of(judge: &'a LogJudge<Entities>) -> Self {
        Durable { judge }
    }

    /// All entities of one type that anybody has called, with their keys.
    pub fn all<S: Entity>(&self) -> impl Iterator<Item = (S::Key, &'a S)> + use<'a, S> {
        let name = S::name();
        book::cells(self.judge).filter(move |(entity, ..)| *entity == name).filter_map(|(_, key, cell)| {
            let key = nigh_wire::decode::<S::Key>(key).ok()?;
            Some((key, cell.state().downcast_ref::<S>()?))
        })
    }
}
