//! Where a key lives: which shard it belongs to, and which role owns entities, services and doors.
//!
//! [`Place`] is what `place.toml` says. Reading the file is the driver's; whether it makes sense is decided
//! here. One role owns all entities until there is an arbiter: two would be two stores.

use std::collections::{BTreeMap, BTreeSet};

use nigh_wire::{Bytes, Catalogue, ContractKind, nearest};

use crate::shards::ShardId;

/// Shards of an application unless set at creation: enough to spread over hundreds of nodes, few enough to
/// keep all their heads in 28 KiB.
pub const SHARDS_DEFAULT: u32 = 1024;

/// The shard of a key: BLAKE3 of (entity or its home, encoded key), first 8 bytes, modulo the shards.
pub fn shard_of(home: &str, key: &Bytes, shards: u32) -> ShardId {
    let hash = nigh_wire::WireHash::of(&[home.as_bytes(), key]);
    let first = u64::from_le_bytes(hash.0[..8].try_into().expect("a hash has 16 bytes"));
    ShardId((first % u64::from(shards)) as u32)
}

/// What one role has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// Wire names of entities it owns.
    pub entities: BTreeSet<String>,
    /// Wire names of services it offers.
    pub services: BTreeSet<String>,
    /// Names of doors it opens.
    pub doors: BTreeSet<String>,
}

/// Which role has what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// By name.
    pub roles: BTreeMap<String, Role>,
}

impl Place {
    /// Checks it against what the application lists.
    ///
    /// # Errors
    ///
    /// A sentence that names what is unknown, missing or in two places, and what to write.
    pub fn check(&self, catalogue: &Catalogue, doors: &[&str]) -> Result<(), String> {
        let is_entity =
            |name: &str| catalogue.contract(name).map(|c| matches!(c.kind, ContractKind::Entity { .. }));
        for (role, has) in &self.roles {
            for name in &has.entities {
                if is_entity(name) != Some(true) {
                    return Err(unknown(role, "entity", name, catalogue, Some(true)));
                }
            }
            for name in &has.services {
                if is_entity(name) != Some(false) {
                    return Err(unknown(role, "service", name, catalogue, Some(false)));
                }
            }
            for name in &has.doors {
                if !doors.contains(&name.as_str()) {
                    let near = nearest(name, doors.iter().copied());
                    let hint = near.map_or(String::new(), |n| format!("; did you mean `{n}`?"));
                    return Err(format!("role `{role}`: the application has no door `{name}`{hint}"));
                }
            }
        }
        let owners: Vec<&String> =
            self.roles.iter().filter(|(_, r)| !r.entities.is_empty()).map(|(name, _)| name).collect();
        if owners.len() > 1 {
            return Err(format!("roles {owners:?} all own entities: list all entities in one role"));
        }
        for contract in catalogue.contracts() {
            let somewhere = self
                .roles
                .values()
                .any(|r| r.entities.contains(&contract.name) || r.services.contains(&contract.name));
            if !somewhere {
                let name = &contract.name;
                return Err(format!(
                    "no role has `{name}`: list it in one role, or remove it from the application"
                ));
            }
        }
        Ok(())
    }

    /// What the role of this name has; with `None`, everything that is listed in the application.
    ///
    /// # Errors
    ///
    /// A sentence that names the roles there are.
    pub fn role(&self, name: Option<&str>, catalogue: &Catalogue, doors: &[&str]) -> Result<Role, String> {
        let Some(name) = name else {
            let of = |entity: bool| {
                let kind =
                    move |c: &&nigh_wire::Contract| matches!(c.kind, ContractKind::Entity { .. }) == entity;
                catalogue.contracts().filter(kind).map(|c| c.name.clone()).collect()
            };
            let doors = doors.iter().map(|d| (*d).to_owned()).collect();
            return Ok(Role { entities: of(true), services: of(false), doors });
        };
        self.roles.get(name).cloned().ok_or_else(|| {
            let names: Vec<&String> = self.roles.keys().collect();
            if names.is_empty() {
                format!(
                    "role `{name}`: this application has no place.toml, so it has no roles; leave out --role"
                )
            } else {
                format!("role `{name}`: there is no such role; there are {names:?}")
            }
        })
    }
}

fn unknown(role: &str, kind: &str, name: &str, catalogue: &Catalogue, entity: Option<bool>) -> String {
    let of_kind = catalogue
        .contracts()
        .filter(|c| Some(matches!(c.kind, ContractKind::Entity { .. })) == entity)
        .map(|c| c.name.as_str());
    let hint = nearest(name, of_kind).map_or(String::new(), |n| format!("; did you mean `{n}`?"));
    format!("role `{role}`: the application has no {kind} `{name}`{hint}")
}

#[cfg(test)]
mod tests;
