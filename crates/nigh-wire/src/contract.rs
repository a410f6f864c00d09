//! What an application offers, as data: doors, links and tools read it and know no Rust type.
//!
//! A [`Catalogue`] is built once at start. What costs (hashes, the digest, names to numbers) is worked out
//! there; looking up a method on a call's path is a search in a sorted table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::{Schema, Wire, WireHash, schema_of};

#[cfg(test)]
mod tests;

/// What may happen to copies of a call. Declared on the method, checked rather than trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Takes effect once, in order per caller and key. The default.
    Once,
    /// Only reads: may be repeated or hedged. `&self` on an entity, `#[view]` on a service.
    Read,
    /// `#[commutes]` on an entity: any order, any number of times, no record kept.
    Commutes,
    /// `#[idempotent]`: on a service it may be sent again when the answer is lost.
    Idempotent,
}

/// One method of an entity or a service.
#[derive(Clone, Debug)]
pub struct Method {
    /// Wire name.
    pub name: &'static str,
    /// Its delivery class.
    pub class: Class,
    /// The record of its arguments by name.
    pub args: Schema,
    /// What it returns.
    pub ok: Schema,
    /// Its own error, if it has one.
    pub err: Option<Schema>,
    /// Its doc comment.
    pub docs: &'static str,
}

impl Method {
    /// Hash of answer and error shapes: what a ticket carries.
    pub fn answer_hash(&self) -> WireHash {
        answer_hash(&self.ok, self.err.as_ref())
    }
}

fn answer_hash(ok: &Schema, err: Option<&Schema>) -> WireHash {
    WireHash::of(&[&ok.hash().0, &err.map_or([0; 16], |e| e.hash().0)])
}

/// Hash of the answer and error shapes of a method that gives `T`, and can fail with `E` if it `fails`.
pub fn answer_hash_of<T: Wire, E: Wire>(fails: bool) -> WireHash {
    let err = fails.then(schema_of::<E>);
    answer_hash(&schema_of::<T>(), err.as_ref())
}

/// Entity or service.
#[derive(Clone, Debug)]
pub enum ContractKind {
    /// With the schemas of its key and its stored state.
    Entity {
        /// Shape of its key.
        key: Schema,
        /// Shape of its state, as stored.
        state: Schema,
        /// With which others it is placed: the name of its home's type. `None`: by its own name and key.
        home: Option<&'static str>,
    },
    /// Has neither.
    Service,
}

/// One entity or service: its name and methods.
#[derive(Clone, Debug)]
pub struct Contract {
    /// Wire name.
    pub name: String,
    /// Entity or service.
    pub kind: ContractKind,
    /// Its methods, as declared.
    pub methods: Vec<Method>,
    /// Its doc comment.
    pub docs: &'static str,
}

impl Contract {
    /// The method of this wire name.
    pub fn method(&self, name: &str) -> Option<&Method> {
        self.methods.iter().find(|m| m.name == name)
    }
}

/// Number of a method in a catalogue: stands for its name on a link whose two ends have equal digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MethodIndex(pub u32);

/// All contracts of an application, by name.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// By name.
    contracts: Vec<Contract>,
    /// By number.
    methods: Vec<Place>,
    /// Numbers sorted by the method's name, of one contract each: those of `contracts`, in their order.
    by_name: Vec<Vec<MethodIndex>>,
    digest: WireHash,
}

/// Where a method is.
#[derive(Clone, Copy, Debug)]
struct Place {
    contract: usize,
    method: usize,
    answer: WireHash,
}

impl Default for Catalogue {
    fn default() -> Self {
        Catalogue::new([]).expect("nothing has no name twice")
    }
}

/// Two contracts, or two methods of one, share a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateName(pub String);

impl fmt::Display for DuplicateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "two things are called `{}`: rename one", self.0)
    }
}
impl std::error::Error for DuplicateName {}

impl Catalogue {
    /// The catalogue of these contracts.
    ///
    /// # Errors
    ///
    /// Two contracts share a name, or two methods of one contract do.
    pub fn new(contracts: impl IntoIterator<Item = Contract>) -> Result<Self, DuplicateName> {
        let mut all = BTreeMap::new();
        for contract in contracts {
            let mut names = BTreeSet::new();
            if let Some(m) = contract.methods.iter().find(|m| !names.insert(m.name)) {
                return Err(DuplicateName(format!("{}.{}", contract.name, m.name)));
            }
            let name = contract.name.clone();
            if all.insert(name.clone(), contract).is_some() {
                return Err(DuplicateName(name));
            }
        }
        let contracts: Vec<Contract> = all.into_values().collect();
        let (mut methods, mut by_name) = (vec![], vec![]);
        for (contract, c) in contracts.iter().enumerate() {
            let first = methods.len();
            let place = |(method, m): (usize, &Method)| Place { contract, method, answer: m.answer_hash() };
            methods.extend(c.methods.iter().enumerate().map(place));
            let mut numbers: Vec<_> = (first..methods.len()).map(|i| MethodIndex(i as u32)).collect();
            numbers.sort_by_key(|i| c.methods[i.0 as usize - first].name);
            by_name.push(numbers);
        }
        let digest = digest(&contracts, &methods);
        Ok(Catalogue { contracts, methods, by_name, digest })
    }

    /// All contracts, by name.
    pub fn contracts(&self) -> impl Iterator<Item = &Contract> {
        self.contracts.iter()
    }
    /// The contract of this wire name.
    pub fn contract(&self, name: &str) -> Option<&Contract> {
        self.place(name).map(|at| &self.contracts[at])
    }
    fn place(&self, contract: &str) -> Option<usize> {
        self.contracts.binary_search_by(|c| c.name.as_str().cmp(contract)).ok()
    }
    /// The number of a method. Two binary searches.
    pub fn index(&self, contract: &str, method: &str) -> Option<MethodIndex> {
        let at = self.place(contract)?;
        let name = |i: &MethodIndex| self.contracts[at].methods[self.methods[i.0 as usize].method].name;
        let numbers = &self.by_name[at];
        numbers.binary_search_by(|i| name(i).cmp(method)).ok().map(|found| numbers[found])
    }
    /// The method of this number.
    pub fn method(&self, index: MethodIndex) -> Option<(&Contract, &Method)> {
        let place = self.methods.get(index.0 as usize)?;
        let contract = &self.contracts[place.contract];
        Some((contract, &contract.methods[place.method]))
    }
    /// [`Method::answer_hash`], worked out once.
    pub fn answer_hash(&self, index: MethodIndex) -> Option<WireHash> {
        self.methods.get(index.0 as usize).map(|place| place.answer)
    }
    /// How many methods there are.
    pub fn len(&self) -> usize {
        self.methods.len()
    }
    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.methods.is_empty()
    }

    /// One digest of all names and shapes: equal on both ends of a link, or the link is refused.
    pub fn digest(&self) -> WireHash {
        self.digest
    }
}

/// Every part has its length before it, and every list its count, so that no two catalogues read alike.
fn digest(contracts: &[Contract], methods: &[Place]) -> WireHash {
    let count = |n: usize| (n as u64).to_le_bytes().to_vec();
    let mut parts = vec![count(contracts.len())];
    let mut answers = methods.iter().map(|place| place.answer);
    for contract in contracts {
        parts.push(contract.name.as_bytes().to_vec());
        parts.push(match &contract.kind {
            ContractKind::Entity { key, .. } => key.hash().0.to_vec(),
            ContractKind::Service => vec![],
        });
        let home = match &contract.kind {
            ContractKind::Entity { home, .. } => home.unwrap_or_default(),
            ContractKind::Service => "",
        };
        parts.push(home.as_bytes().to_vec());
        parts.push(count(contract.methods.len()));
        for m in &contract.methods {
            parts.push(m.name.as_bytes().to_vec());
            parts.push(vec![m.class as u8]);
            parts.push(m.args.hash().0.to_vec());
            parts.push(answers.next().expect("each method has its place").0.to_vec());
        }
    }
    WireHash::of(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
}
