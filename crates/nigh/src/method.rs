//! One method, as macros describe it: its arguments, its answer, its row in a contract, a call of it.
//!
//! Every bound on a user's type stands on one function here, and generated code names that function wherever
//! it needs one: the compiler then says the same words about the same token each time, and shows them once.

use std::any;
use std::borrow::Cow;

use nigh_wire::__private::IsPlain;
use nigh_wire::{
    Builder, Bytes, Cause, Class, Contract, ContractKind, DecodeError, Homed, Method, NodeId, Row, Schema,
    Target, Value, Wire,
};

use crate::entity::{Entity, Reply};

/// The arguments of a method: `T` is a tuple of them.
#[derive(Debug)]
pub struct Args<T> {
    pack: fn(T) -> Value,
    take: fn(Value) -> Result<T, DecodeError>,
    nodes: &'static [fn(&mut Builder) -> NodeId],
}

impl<T> Args<T> {
    /// The arguments of a call.
    pub fn pack(&self, args: T) -> Value {
        (self.pack)(args)
    }
    /// What `pack` was given, perhaps elsewhere.
    ///
    /// # Errors
    ///
    /// They are of other types, or malformed.
    pub fn take(&self, method: &str, args: Value) -> Result<T, Cause> {
        (self.take)(args).map_err(|why| Cause::Malformed(format!("the arguments of `{method}`: {why}")))
    }
    /// The record of the arguments under these names.
    pub fn schema(&self, names: &[&'static str]) -> Schema {
        let row = |(name, ty): (&&'static str, &fn(&mut Builder) -> NodeId)| row(name, *ty, "");
        Schema::record(&names.iter().zip(self.nodes).map(row).collect::<Vec<_>>())
    }
}

fn row(name: &'static str, ty: fn(&mut Builder) -> NodeId, docs: &'static str) -> Row {
    Row { name, ty, was: &[], default: None, docs }
}

/// The body of the functions below, which are written out: the compiler shows them to users whose types do not fit.
macro_rules! args { ($($t:ident)*) => { {
    let nodes: &'static [fn(&mut Builder) -> NodeId] = const { &[$(<$t as Wire>::node),*] };
    Args { pack: Value::new::<($($t,)*)>, take: Value::take::<($($t,)*)>, nodes }
} } }

/// The arguments of a method of no.
pub fn args0() -> Args<()> {
    args!()
}
/// The arguments of a method of one.
pub fn args1<A: Wire>() -> Args<(A,)> {
    args!(A)
}
/// The arguments of a method of two.
pub fn args2<A: Wire, B: Wire>() -> Args<(A, B)> {
    args!(A B)
}
/// The arguments of a method of three.
pub fn args3<A: Wire, B: Wire, C: Wire>() -> Args<(A, B, C)> {
    args!(A B C)
}
/// The arguments of a method of four.
pub fn args4<A: Wire, B: Wire, C: Wire, D: Wire>() -> Args<(A, B, C, D)> {
    args!(A B C D)
}
/// The arguments of a method of five.
pub fn args5<A: Wire, B: Wire, C: Wire, D: Wire, E: Wire>() -> Args<(A, B, C, D, E)> {
    args!(A B C D E)
}
/// The arguments of a method of six.
pub fn args6<A: Wire, B: Wire, C: Wire, D: Wire, E: Wire, F: Wire>() -> Args<(A, B, C, D, E, F)> {
    args!(A B C D E F)
}
/// The arguments of a method of seven.
pub fn args7<A: Wire, B: Wire, C: Wire, D: Wire, E: Wire, F: Wire, G: Wire>() -> Args<(A, B, C, D, E, F, G)> {
    args!(A B C D E F G)
}
/// The arguments of a method of eight.
#[allow(clippy::type_complexity, reason = "a tuple of eight is no riddle")]
pub fn args8<A: Wire, B: Wire, C: Wire, D: Wire, E: Wire, F: Wire, G: Wire, H: Wire>()
-> Args<(A, B, C, D, E, F, G, H)> {
    args!(A B C D E F G H)
}

/// What a method returns.
#[derive(Debug)]
pub struct Answer<R> {
    reply: fn(R) -> Reply,
    ok: fn() -> Schema,
    err: Option<fn() -> Schema>,
}

impl<R> Answer<R> {
    /// What the runtime is told.
    pub fn reply(&self, returned: R) -> Reply {
        (self.reply)(returned)
    }
}

/// A method that cannot fail. A `Result` under another name does not pass.
pub fn plain<T: Wire<Shape: IsPlain>>() -> Answer<T> {
    Answer { reply: Reply::plain, ok: nigh_wire::schema_of::<T>, err: None }
}
/// A method that can.
pub fn outcome<T: Wire, E: Wire>() -> Answer<Result<T, E>> {
    Answer { reply: Reply::outcome, ok: nigh_wire::schema_of::<T>, err: Some(nigh_wire::schema_of::<E>) }
}

/// A row of a contract.
pub fn method<R>(
    name: &'static str,
    class: Class,
    args: Schema,
    answer: &Answer<R>,
    docs: &'static str,
) -> Method {
    Method { name, class, args, ok: (answer.ok)(), err: answer.err.map(|schema| schema()), docs }
}

/// The contract of an entity.
pub fn entity_contract<S: Entity>(methods: Vec<Method>, docs: &'static str) -> Contract {
    let (key, state) = (nigh_wire::schema_of::<S::Key>(), S::schema());
    let kind = ContractKind::Entity { key, state, home: S::HOME };
    Contract { name: S::name().into_owned(), kind, methods, docs }
}

/// The contract of a service.
pub fn service_contract(name: &str, methods: Vec<Method>, docs: &'static str) -> Contract {
    Contract { name: name.to_owned(), kind: ContractKind::Service, methods, docs }
}

/// A field of a state: name, shape and docs.
pub type StateField = (&'static str, fn(&mut Builder) -> NodeId, &'static str);

/// The shape of a state.
pub fn state_schema(fields: &[StateField]) -> Schema {
    Schema::record(&fields.iter().map(|(name, ty, docs)| row(name, *ty, docs)).collect::<Vec<_>>())
}

/// The encoded home of an encoded key.
///
/// # Errors
///
/// These bytes are no key.
pub fn home<K: Wire + Homed<H>, H: Wire>(key: &[u8]) -> Result<Option<Bytes>, DecodeError> {
    Ok(Some(nigh_wire::encode(&nigh_wire::decode::<K>(key)?.home())))
}

/// The handle of the entity with this key.
pub fn refer<S: Entity>(key: &S::Key) -> S::Ref {
    S::refer(nigh_wire::encode(key))
}

/// The entity with this key.
pub fn entity_target<S: Entity>(key: &Bytes) -> Target {
    Target::Entity { name: S::name(), key: key.clone() }
}

/// A service, wherever its role is placed.
pub fn service_target(name: &'static str) -> Target {
    Target::Service { name: Cow::Borrowed(name) }
}

/// What a service says to a method number that its contract does not have.
///
/// # Errors
///
/// Always.
pub fn unknown(service: &str, method: usize) -> Result<Reply, Cause> {
    Err(Cause::Unknown(format!("method number {method} of `{service}`")))
}

/// Wire name of an instance of a generic entity: `Topic/Order` for `Topic<app::Order>`.
///
/// From the compiler's name of the type, without its modules. Two types of one name in two modules give two
/// equal names, which a catalogue refuses.
pub fn instance_name<S>(base: &'static str) -> Cow<'static, str> {
    let whole = any::type_name::<S>();
    let inside = whole.split_once('<').and_then(|(_, rest)| rest.strip_suffix('>')).unwrap_or(whole);
    let mut name = format!("{base}/");
    let mut word = name.len();
    for c in inside.chars() {
        name.push(c);
        if name.ends_with("::") {
            name.truncate(word);
        } else if c != ':' && c != '_' && !c.is_alphanumeric() {
            word = name.len();
        }
    }
    name.retain(|c| c != ' ');
    Cow::Owned(name)
}

#[cfg(test)]
mod tests;
