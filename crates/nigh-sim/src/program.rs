//! The application's entities, as judges run them again.

use std::collections::BTreeMap;

use nigh::engine::{AnyEntity, Beside, Blueprint, Written};
use nigh_proto::shards::record::{Other, RanOutcome};
use nigh_proto::shards::row::Target;
use nigh_wire::{Bytes, Contract, ContractKind};

use crate::judge::{Program, Run, Wrote};

/// See above.
pub(crate) struct Entities {
    blueprint: Blueprint,
    /// What a method may ask for; between runs, nothing.
    beside: Beside,
}

impl Entities {
    pub(crate) fn of(blueprint: Blueprint) -> Self {
        let beside = blueprint.beside();
        Entities { blueprint, beside }
    }

    fn contract(&self, entity: &str) -> Option<&Contract> {
        self.blueprint.catalogue().contract(entity)
    }

    fn method(&self, entity: &str, method: &str) -> Option<usize> {
        self.contract(entity)?.methods.iter().position(|m| m.name == method)
    }

    /// Runs a method; what it may ask for, if it has a home, is in `beside`.
    fn run(&self, cell: &mut AnyEntity, run: &Run<'_>, beside: Option<&Beside>) -> (Wrote, Vec<Other>) {
        let Some(method) = self.method(run.entity, run.method) else {
            return (Wrote::Unfit(format!("`{}.{}` is not there", run.entity, run.method)), vec![]);
        };
        match cell.write(method, run.key, run.time, run.seed.unwrap_or(0), run.args, beside) {
            Written::Ok { value, redo, deleted, others, .. } => (Wrote::Ok { value, redo, deleted }, others),
            Written::Err(error) => (Wrote::Err(error), vec![]),
            Written::Not(nigh_wire::Cause::Panicked(message)) => (Wrote::Panicked(message), vec![]),
            Written::Not(cause) => (Wrote::Unfit(cause.to_string()), vec![]),
        }
    }
}

impl Program for Entities {
    type Cell = AnyEntity;

    fn fresh(&self, entity: &str) -> Option<AnyEntity> {
        self.blueprint.fresh(entity)
    }

    fn restore(&self, entity: &str, snapshot: &Bytes) -> Option<AnyEntity> {
        self.blueprint.restore(entity, snapshot)
    }

    fn write(&self, cell: &mut AnyEntity, run: &Run<'_>) -> Wrote {
        match self.has_home(run.entity) {
            true => self.write_beside(cell, run, &mut BTreeMap::new()).0,
            false => self.run(cell, run, None).0,
        }
    }

    fn has_home(&self, entity: &str) -> bool {
        let kind = self.contract(entity).map(|contract| &contract.kind);
        matches!(kind, Some(ContractKind::Entity { home: Some(_), .. }))
    }

    fn write_beside(
        &self,
        cell: &mut AnyEntity,
        run: &Run<'_>,
        lent: &mut BTreeMap<Target, AnyEntity>,
    ) -> (Wrote, Vec<Other>) {
        let beside = &self.beside;
        while let Some((target, cell)) = lent.pop_first() {
            beside.lend(&target.entity, &target.key, cell);
        }
        let done = self.run(cell, run, Some(beside));
        for (entity, key, cell) in beside.take_all() {
            lent.insert(Target { entity: entity.into(), key }, cell);
        }
        done
    }

    fn read(&self, cell: &AnyEntity, entity: &str, method: &str, args: &Bytes) -> Option<RanOutcome> {
        match cell.read(self.method(entity, method)?, args).ok()? {
            Ok(value) => Some(RanOutcome::Ok(value)),
            Err(error) => Some(RanOutcome::Err(error)),
        }
    }

    fn apply(&self, cell: &mut AnyEntity, redo: &Bytes) -> bool {
        cell.apply(redo)
    }

    fn reset(&self, cell: &mut AnyEntity) {
        cell.reset();
    }

    fn snapshot(&self, cell: &AnyEntity) -> Bytes {
        cell.snapshot()
    }

    fn args_text(&self, entity: &str, method: &str, args: &Bytes) -> String {
        let schema = self.contract(entity).and_then(|c| c.methods.iter().find(|m| m.name == method));
        let text = schema.and_then(|method| method.args.to_text(args).ok());
        text.unwrap_or_else(|| args.escape_ascii().to_string())
    }

    fn state_text(&self, entity: &str, snapshot: &Bytes) -> String {
        let text = self.contract(entity).and_then(|contract| match &contract.kind {
            ContractKind::Entity { state, .. } => state.to_text(snapshot).ok(),
            ContractKind::Service => None,
        });
        text.unwrap_or_else(|| snapshot.escape_ascii().to_string())
    }
}
