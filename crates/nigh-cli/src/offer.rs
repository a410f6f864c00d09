//! From what was typed to a request, by what the application offers: which verb, and which JSON an argument is.
//!
//! What is not offered is sent as it was typed: the application names the nearest, and does nothing.

use nigh_wire::CallId;
use serde_json::{Map, Value};

use crate::http::Request;

/// A call as it was typed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Typed<'a> {
    pub(crate) target: &'a str,
    pub(crate) method: &'a str,
    pub(crate) arguments: &'a [(String, String)],
}

/// A request, and what may happen to copies of it.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) request: Request,
    /// It may change something.
    pub(crate) writes: bool,
    /// A second copy is harmless, even if the first one was received.
    pub(crate) repeats: bool,
}

/// The request for `typed`, where `offer` is the answer to `GET /api`.
///
/// # Errors
///
/// An argument is given twice, or an id for something that only reads.
pub(crate) fn prepare(offer: &Value, typed: Typed<'_>, id: Option<CallId>) -> Result<Prepared, String> {
    let (name, key) = typed.target.split_once('/').unwrap_or((typed.target, "-"));
    let contract = named(&offer["contracts"], name);
    let method = contract.and_then(|contract| named(&contract["methods"], typed.method));
    let class = method.map_or("read", |method| method["class"].as_str().unwrap_or("once"));
    let service = contract.is_some_and(|contract| contract["kind"] == "service");
    let writes = class != "read";
    // An entity keeps a record under the id; a service does not, and may do it twice.
    let repeats = !service || class != "once";
    let mut path = format!("/api/{}/{}/{}", encoded(name), encoded(key), encoded(typed.method));
    for (i, (name, _)) in typed.arguments.iter().enumerate() {
        if typed.arguments[..i].iter().any(|(other, _)| other == name) {
            return Err(format!("`{name}` is given twice"));
        }
    }
    if !writes {
        if id.is_some() && method.is_some() {
            return Err(format!("`{}` only reads and has no id: leave out --id", typed.method));
        }
        for (i, (name, text)) in typed.arguments.iter().enumerate() {
            path.push_str(&format!("{}{}={}", if i == 0 { "?" } else { "&" }, encoded(name), encoded(text)));
        }
        let request = Request { verb: "GET", path, headers: vec![], body: None };
        return Ok(Prepared { request, writes, repeats });
    }
    let shapes = method.map_or(&Value::Null, |method| &method["arguments"]);
    let body: Map<String, Value> = typed
        .arguments
        .iter()
        .map(|(name, text)| {
            (name.clone(), json_of(named(shapes, name).map_or(&Value::Null, |a| &a["json"]), text))
        })
        .collect();
    let headers = id.map(|id| ("Idempotency-Key", id.to_string())).into_iter().collect();
    let body = Some(Value::Object(body).to_string());
    Ok(Prepared { request: Request { verb: "POST", path, headers, body }, writes, repeats })
}

/// What somebody typed, as the kind of JSON value that the argument is. What does not fit is sent as text, which
/// the application refuses in its own words.
fn json_of(kind: &Value, text: &str) -> Value {
    let parsed = serde_json::from_str(text).ok();
    let fits = match kind.as_str() {
        Some("number") => parsed.filter(Value::is_number),
        Some("boolean") => parsed.filter(Value::is_boolean),
        Some("any") => parsed,
        _ => None,
    };
    fits.unwrap_or_else(|| text.into())
}

fn named<'a>(all: &'a Value, name: &str) -> Option<&'a Value> {
    all.as_array()?.iter().find(|one| one["name"] == name)
}

/// Percent-encoded: everything but what RFC 3986 leaves unreserved. A lone `.` or `..` is a key, not a direction.
pub(crate) fn encoded(text: &str) -> String {
    let dots = matches!(text, "." | "..");
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => char::from(byte).to_string(),
        b'.' if !dots => ".".to_owned(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests;
