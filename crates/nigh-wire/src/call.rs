//! Calls as values: what is asked of whom, with which arguments. Nothing happens here; verbs perform it.
//!
//! [`Call`] is typed for people, [`Parts`] is what verbs take apart. Arguments are values for now; results
//! of calls that do not exist yet join them with plans (R18 to R21), through the same [`IntoArg`].

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;

use crate::{Never, Value, Wire};

/// Marks calls that only read; see [`View`].
#[derive(Debug)]
pub enum Read {}
/// Marks calls that may change something.
#[derive(Debug)]
pub enum Once {}

/// A call described, not performed: yields `T`, or fails with `E`.
#[must_use = "a call does nothing until a verb performs it: `nigh.call(..)`"]
pub struct Call<T, E = Never, M = Once> {
    parts: Parts,
    _of: Types<T, E, M>,
}

/// Of a call's types a call holds nothing: it is `Send` whatever they are.
type Types<T, E, M> = PhantomData<fn() -> (T, E, M)>;

/// A call that only reads. A view is never in doubt, and may be repeated.
pub type View<T, E = Never> = Call<T, E, Read>;

/// A call, untyped: what verbs, doors and drivers see.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Of whom.
    pub target: Target,
    /// Wire name of the method.
    pub method: &'static str,
    /// A tuple of the arguments in declared order; encodes as the method's argument record.
    pub args: Value,
    /// True if it is a view.
    pub reads: bool,
}

/// Of whom something is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One entity.
    Entity {
        /// Wire name of the entity.
        name: Cow<'static, str>,
        /// Its encoded key.
        key: Bytes,
    },
    /// A service, wherever its role is placed.
    Service {
        /// Wire name of the service.
        name: Cow<'static, str>,
    },
}

impl<T, E, M> Call<T, E, M> {
    /// For macros: a call of these parts, whose types they know.
    #[doc(hidden)]
    pub fn from_parts(parts: Parts) -> Self {
        Self { parts, _of: PhantomData }
    }
    /// What verbs perform.
    pub fn into_parts(self) -> Parts {
        self.parts
    }
    /// Of whom and what, without the arguments.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }
}

impl<T, E, M> Clone for Call<T, E, M> {
    fn clone(&self) -> Self {
        Self::from_parts(self.parts.clone())
    }
}

impl<T, E, M> fmt::Debug for Call<T, E, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.parts.target {
            Target::Entity { name, .. } | Target::Service { name } => name,
        };
        write!(f, "Call({name}.{})", self.parts.method)
    }
}

/// For macros: the call of one method.
#[doc(hidden)]
pub fn call<T, E, M>(target: &Target, method: &'static str, reads: bool, args: Value) -> Call<T, E, M> {
    Call::from_parts(Parts { target: target.clone(), method, args, reads })
}

/// For macros: the encoded key of an entity.
#[doc(hidden)]
#[derive(Debug)]
pub struct Key;
impl Key {
    /// Encodes `key`.
    pub fn of<K: Wire>(key: impl IntoArg<K>) -> Bytes {
        crate::encode(&key.into_arg())
    }
}

/// What may stand for a `T` in a call: a `T`, a `&T`, or what `#[wire(id)]` adds.
///
/// Integer literals work because no second implementation has an integer as `Self` for the same `T`:
/// never add a widening one.
#[diagnostic::on_unimplemented(
    message = "cannot pass `{Self}` where a call wants `{T}`",
    label = "wanted: `{T}` or `&{T}`"
)]
pub trait IntoArg<T> {
    #[doc(hidden)]
    fn into_arg(self) -> T;
}

impl<T: Wire> IntoArg<T> for T {
    fn into_arg(self) -> T {
        self
    }
}
#[diagnostic::do_not_recommend]
impl<T: Wire + Clone> IntoArg<T> for &T {
    fn into_arg(self) -> T {
        self.clone()
    }
}
#[diagnostic::do_not_recommend]
impl IntoArg<String> for &str {
    fn into_arg(self) -> String {
        self.to_owned()
    }
}
#[diagnostic::do_not_recommend]
impl<T: Wire + Clone> IntoArg<Vec<T>> for &[T] {
    fn into_arg(self) -> Vec<T> {
        self.to_vec()
    }
}
