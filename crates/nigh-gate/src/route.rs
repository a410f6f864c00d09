//! What a path means: which contract, which method, which key. Pure: catalogue, verb and path in.
//!
//! `/api` lists what there is, `/api/<Entity>` its keys, `/api/<Entity>/<key>/<method>` is a call or a view,
//! `/api/<Service>/-/<method>` too, and `/api/-/…` is the gate's own. Keys are percent-encoded text.

use std::borrow::Cow;

use http::Method as Verb;
use nigh::why::Named;
use nigh_wire::{Bytes, Catalogue, Class, Contract, ContractKind, Method, MethodIndex, Schema};
use percent_encoding::percent_decode_str;

use crate::ledger;
use crate::nearest::hint;
use crate::problem::{Kind, Problem, quoted};

/// Largest encoded key: 1 KiB. A key names a thing; what describes it is state.
const KEY_SIZE_MAX: usize = 1024;
/// Keys in one answer unless asked for fewer: a screen or two.
const KEYS_DEFAULT: u32 = 100;
/// Keys in one answer at most: with keys of 1 KiB the answer stays near a call's largest, 1 MiB.
const KEYS_MAX: u32 = 1_000;

const _: () = assert!(KEYS_DEFAULT <= KEYS_MAX);

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Route<'a> {
    /// `GET /api`
    Offer,
    /// `GET /api/-/health`
    Health,
    /// `GET /api/-/ledger`
    Ledger,
    /// `GET /api/-/why/<ID>`
    Why(Named),
    /// `POST /api/-/settle`
    Settle,
    /// `POST /api/-/backup`
    Backup,
    /// `GET /api/<Entity>`
    List { contract: &'a Contract, key_schema: &'a Schema, after: Option<Bytes>, limit: u32 },
    /// `POST` or `GET /api/<Entity>/<key>/<method>`
    Method(Target<'a>),
}

/// One method of one thing.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) contract: &'a Contract,
    pub(crate) method: &'a Method,
    pub(crate) index: MethodIndex,
    /// Encoded key, of an entity.
    pub(crate) key: Option<Bytes>,
}

/// Where `path`, which starts after `/api`, leads.
///
/// # Errors
///
/// Nowhere, or not by this verb.
pub(crate) fn find<'a>(
    catalogue: &'a Catalogue,
    verb: &Verb,
    path: &str,
    query: &str,
) -> Result<Route<'a>, Problem> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let parts: Vec<Cow<'_, str>> = match path {
        "" => vec![],
        path => path.split('/').map(decoded).collect::<Result<_, _>>()?,
    };
    let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
    match parts.as_slice() {
        [] => reads(verb, "`/api`").map(|()| Route::Offer),
        ["-", "health"] => reads(verb, "`/api/-/health`").map(|()| Route::Health),
        ["-", "ledger"] => reads(verb, "`/api/-/ledger`").map(|()| Route::Ledger),
        ["-", "why", named] => {
            reads(verb, "`/api/-/why`")?;
            ledger::named(named).map(Route::Why)
        }
        ["-", "settle"] => writes(verb, "`/api/-/settle`").map(|()| Route::Settle),
        ["-", "backup"] => writes(verb, "`/api/-/backup`").map(|()| Route::Backup),
        ["-", ..] => Err(unknown(
            "Under `/api/-/` there are `settle`, `backup` (POST), `health`, `ledger` and `why/<ID>` (GET).",
        )),
        [name] => list(contract(catalogue, name)?, verb, query),
        [name, key, method] => {
            target(catalogue, contract(catalogue, name)?, key, method, verb).map(Route::Method)
        }
        [name, ..] => {
            let contract = contract(catalogue, name)?;
            Err(unknown(format!(
                "A path has three parts: {}. A `/` inside a key is written `%2F`.",
                form(contract)
            )))
        }
    }
}

fn contract<'a>(catalogue: &'a Catalogue, name: &str) -> Result<&'a Contract, Problem> {
    catalogue.contract(name).ok_or_else(|| {
        let hint = hint(name, catalogue.contracts().map(|c| c.name.as_str()));
        unknown(format!(
            "There is no entity or service `{}`.{hint} `GET /api` lists what there is.",
            quoted(name)
        ))
    })
}

fn target<'a>(
    catalogue: &Catalogue,
    contract: &'a Contract,
    key: &str,
    name: &str,
    verb: &Verb,
) -> Result<Target<'a>, Problem> {
    let found = contract.method(name).zip(catalogue.index(&contract.name, name));
    let (method, index) = found.ok_or_else(|| {
        let hint = hint(name, contract.methods.iter().map(|m| m.name));
        let of = &contract.name;
        unknown(format!("`{of}` has no method `{}`.{hint} `GET /api` lists its methods.", quoted(name)))
    })?;
    let key = match &contract.kind {
        ContractKind::Entity { key: schema, .. } => Some(encoded_key(schema, key)?),
        ContractKind::Service if key == "-" => None,
        ContractKind::Service => {
            let of = &contract.name;
            return Err(unknown(format!("`{of}` is a service and has no keys: ask {}.", form(contract))));
        }
    };
    let what = format!("`{}.{}`", contract.name, method.name);
    match method.class {
        Class::Read => reads(verb, &format!("{what}, a view,"))?,
        Class::Once | Class::Commutes | Class::Idempotent => writes(verb, &what)?,
    }
    Ok(Target { contract, method, index, key })
}

fn list<'a>(contract: &'a Contract, verb: &Verb, query: &str) -> Result<Route<'a>, Problem> {
    let ContractKind::Entity { key: key_schema, .. } = &contract.kind else {
        let of = &contract.name;
        return Err(unknown(format!("`{of}` is a service and has no keys to list: ask {}.", form(contract))));
    };
    reads(verb, &format!("The list of keys of `{}`", contract.name))?;
    let (mut after, mut limit) = (None, KEYS_DEFAULT);
    for (name, value) in pairs(query)? {
        match name.as_ref() {
            "after" => after = Some(encoded_key(key_schema, &value)?),
            "limit" => {
                let fits = value.parse().ok().filter(|n| (1..=KEYS_MAX).contains(n));
                limit =
                    fits.ok_or_else(|| arguments(format!("`limit` is a number from 1 to {KEYS_MAX}.")))?;
            }
            other => {
                let other = quoted(other);
                return Err(arguments(format!("A list takes `after=KEY` and `limit=N`, not `{other}`.")));
            }
        }
    }
    Ok(Route::List { contract, key_schema, after, limit })
}

fn encoded_key(schema: &Schema, text: &str) -> Result<Bytes, Problem> {
    let bytes = schema
        .from_text(text)
        .map_err(|error| arguments(format!("The key `{}` does not fit: {error}.", quoted(text))))?;
    if bytes.len() > KEY_SIZE_MAX {
        let detail = format!("A key is at most {KEY_SIZE_MAX} bytes; this one has {}.", bytes.len());
        return Err(Problem::refused(Kind::TooLarge, detail));
    }
    Ok(bytes)
}

/// How a method of this contract is asked.
fn form(contract: &Contract) -> String {
    let key = if matches!(contract.kind, ContractKind::Service) { "-" } else { "<key>" };
    format!("`/api/{}/{key}/<method>`", contract.name)
}

/// Names and values of a query, in order, decoded; `+` is a space, as forms write it.
pub(crate) fn pairs(query: &str) -> Result<Vec<(String, String)>, Problem> {
    let one = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |text: &str| decoded(&text.replace('+', " ")).map(Cow::into_owned);
        Ok((plain(name)?, plain(value)?))
    };
    query.split('&').filter(|pair| !pair.is_empty()).map(one).collect()
}

fn decoded(text: &str) -> Result<Cow<'_, str>, Problem> {
    percent_decode_str(text).decode_utf8().map_err(|_| {
        let detail = format!("`{}` is not UTF-8 once its `%` are decoded.", quoted(text));
        Problem::refused(Kind::Malformed, detail)
    })
}

fn reads(verb: &Verb, what: &str) -> Result<(), Problem> {
    match verb {
        &Verb::GET | &Verb::HEAD => Ok(()),
        other => Err(wrong_verb(other, what, "GET, HEAD")),
    }
}

fn writes(verb: &Verb, what: &str) -> Result<(), Problem> {
    if verb == Verb::POST { Ok(()) } else { Err(wrong_verb(verb, what, "POST")) }
}

fn wrong_verb(verb: &Verb, what: &str, allow: &'static str) -> Problem {
    let first = allow.split(',').next().unwrap_or(allow);
    let detail = format!("{what} is asked by {first}, not by {}.", quoted(verb.as_str()));
    Problem { allow: Some(allow), ..Problem::refused(Kind::Verb, detail) }
}

fn unknown(detail: impl Into<String>) -> Problem {
    Problem::refused(Kind::Unknown, detail)
}
fn arguments(detail: impl Into<String>) -> Problem {
    Problem::refused(Kind::Arguments, detail)
}
