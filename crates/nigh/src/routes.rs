//! From a method's number to what runs it: made once from the catalogue.

use std::sync::Arc;

use nigh_proto::placement::{Role, shard_of};
use nigh_proto::shards::ShardId;
use nigh_wire::{Bytes, Catalogue, Class, ContractKind, MethodIndex, WireHash};

use crate::services::{AnyService, Listed};
use crate::shards::host::Host;

/// What every method of the application is, and whether it is here.
pub(crate) struct Routes {
    catalogue: Arc<Catalogue>,
    methods: Vec<Route>,
    hosts: Arc<[Box<dyn Host>]>,
    entities_here: bool,
}

/// One method.
pub(crate) enum Route {
    Entity(EntityMethod),
    Service(ServiceMethod),
}

/// A method of an entity.
pub(crate) struct EntityMethod {
    pub(crate) index: u32,
    pub(crate) entity: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) class: Class,
    /// Of its answer, for tickets.
    pub(crate) shape: WireHash,
    /// Which host, and which method of it.
    pub(crate) host: usize,
    pub(crate) number: usize,
}

/// A method of a service.
pub(crate) struct ServiceMethod {
    pub(crate) index: u32,
    pub(crate) service: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) class: Class,
    pub(crate) shape: WireHash,
    /// What runs it, if this role has it.
    pub(crate) here: Option<Arc<dyn AnyService>>,
    pub(crate) number: usize,
}

impl Routes {
    pub(crate) fn new(
        catalogue: &Arc<Catalogue>,
        hosts: Arc<[Box<dyn Host>]>,
        services: &[Listed],
        role: &Role,
    ) -> Self {
        let mut methods = Vec::with_capacity(catalogue.len());
        for index in 0..catalogue.len() {
            let (contract, method) = catalogue.method(MethodIndex(index as u32)).expect("index is below len");
            let number = contract.methods.iter().position(|m| m.name == method.name);
            let number = number.expect("a method is in its own contract");
            let (of, name): (&str, Arc<str>) = (&contract.name, method.name.into());
            let shape = catalogue.answer_hash(MethodIndex(index as u32)).expect("index is below len");
            let class = method.class;
            let index = index as u32;
            methods.push(match contract.kind {
                ContractKind::Entity { .. } => {
                    let host = hosts.iter().position(|h| **h.name() == *of).expect("its host was listed");
                    let entity = hosts[host].name().clone();
                    Route::Entity(EntityMethod { index, entity, name, class, shape, host, number })
                }
                ContractKind::Service => {
                    let listed = services.iter().find(|s| s.contract.name == of);
                    let here = listed.filter(|_| role.services.contains(of)).map(|s| s.service.clone());
                    let service = of.into();
                    Route::Service(ServiceMethod { index, service, name, class, shape, here, number })
                }
            });
        }
        Routes { catalogue: catalogue.clone(), methods, hosts, entities_here: !role.entities.is_empty() }
    }

    /// How many methods there are: their numbers are below it.
    pub(crate) fn len(&self) -> usize {
        self.methods.len()
    }

    /// The method of this number.
    pub(crate) fn route(&self, method: u32) -> Option<&Route> {
        self.methods.get(method as usize)
    }

    /// The entity's method of this number.
    pub(crate) fn entity_method(&self, method: u32) -> Option<&EntityMethod> {
        match self.route(method)? {
            Route::Entity(method) => Some(method),
            Route::Service(_) => None,
        }
    }

    /// The entity's method of these wire names.
    pub(crate) fn by_name(&self, of: &str, method: &str) -> Option<&EntityMethod> {
        self.entity_method(self.catalogue.index(of, method)?.0)
    }

    /// True if methods of this entity may ask for others.
    pub(crate) fn has_home(&self, host: usize) -> bool {
        self.hosts[host].has_home()
    }

    /// Where the entity with this key lives: with its home, or by itself.
    pub(crate) fn shard_of(&self, host: usize, key: &Bytes, shards: u32) -> ShardId {
        let host = &self.hosts[host];
        // What is no key has no home, and is refused where it arrives.
        match host.home(key) {
            Some((home, of)) => shard_of(home, &of, shards),
            None => shard_of(host.name(), key, shards),
        }
    }

    /// The host of an entity that this role owns.
    pub(crate) fn host(&self, entity: &str) -> Option<usize> {
        self.hosts.iter().position(|h| &**h.name() == entity).filter(|_| self.entities_here)
    }
}
