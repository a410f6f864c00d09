//! What headers say of a call: under which name it is remembered, for how long it is tried, and what its body is.

use std::time::Duration;

use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName};
use nigh::perform::Identity;
use nigh_proto::calls::{DEADLINE_DEFAULT, DEADLINE_MAX};
use nigh_wire::Keyed;

use crate::problem::{Kind, Problem, quoted};

/// Names and values of all headers together: 16 KiB, twice what servers commonly take.
pub(crate) const HEADERS_SIZE_MAX: usize = 16 << 10;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const NIGH_WITHIN: HeaderName = HeaderName::from_static("nigh-within");

/// # Errors
///
/// The headers are larger than [`HEADERS_SIZE_MAX`].
pub(crate) fn check_size(headers: &HeaderMap, target: &str) -> Result<(), Problem> {
    // As on the wire: a colon, a space and a line end for each.
    let size = |(name, value): (&HeaderName, &http::HeaderValue)| name.as_str().len() + value.len() + 4;
    let size = target.len() + headers.iter().map(size).sum::<usize>();
    if size <= HEADERS_SIZE_MAX {
        return Ok(());
    }
    let detail = format!("Address and headers have {size} bytes; {HEADERS_SIZE_MAX} are taken.");
    Err(Problem::refused(Kind::HeadersTooLarge, detail))
}

/// The name of a writing call. `nigh1.<caller>.<number>.<birth>` is an id, any other text an idempotency key.
///
/// # Errors
///
/// The key is given twice, is empty, too long or not printable ASCII, or starts like an id and is none.
pub(crate) fn identity(headers: &HeaderMap) -> Result<Identity, Problem> {
    let refused = |why: String| Problem::refused(Kind::Header, why);
    let Some(text) = once(headers, &IDEMPOTENCY_KEY)? else { return Ok(Identity::Fresh) };
    let printable =
        !text.is_empty() && text.len() <= Keyed::SIZE_MAX && text.iter().all(|b| matches!(b, b' '..=b'~'));
    let text = std::str::from_utf8(text).ok().filter(|_| printable);
    let text = text.ok_or_else(|| {
        refused(format!(
            "`Idempotency-Key` is 1 to {} printable ASCII characters, such as a UUID: the same in every try of one \
             call, another for the next.",
            Keyed::SIZE_MAX,
        ))
    })?;
    if text.starts_with("nigh1.") {
        let id = text.parse().map_err(|error| refused(format!("`Idempotency-Key`: {error}.")))?;
        return Ok(Identity::Id(id));
    }
    Ok(Identity::Once(text.to_owned()))
}

/// How long the call is tried: `Nigh-Within: 250ms`, or `2s`.
///
/// # Errors
///
/// The header is given twice, or is no such time, or a longer one than calls may take.
pub(crate) fn within(headers: &HeaderMap) -> Result<Duration, Problem> {
    let Some(text) = once(headers, &NIGH_WITHIN)? else { return Ok(DEADLINE_DEFAULT) };
    let parsed = std::str::from_utf8(text).ok().and_then(|text| {
        let (digits, unit): (_, fn(u64) -> Duration) = match text.strip_suffix("ms") {
            Some(digits) => (digits, Duration::from_millis),
            None => (text.strip_suffix('s')?, Duration::from_secs),
        };
        let plain = digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse().ok().filter(|_| plain).map(unit)
    });
    parsed.filter(|d| !d.is_zero() && *d <= DEADLINE_MAX).ok_or_else(|| {
        let detail = format!(
            "`Nigh-Within` is whole milliseconds or seconds, `250ms` or `2s`, at most {}s.",
            DEADLINE_MAX.as_secs()
        );
        Problem::refused(Kind::Header, detail)
    })
}

/// # Errors
///
/// A body is declared as something else than JSON, or is there and not declared. A page of another site cannot
/// send `application/json` without asking first, and is never answered yes.
pub(crate) fn check_media_type(headers: &HeaderMap, has_body: bool) -> Result<(), Problem> {
    let mut all = headers.get_all(CONTENT_TYPE).iter();
    let declared = match (all.next(), all.next()) {
        (None, _) if !has_body => return Ok(()),
        (None, _) => None,
        (Some(one), None) => Some(one.as_bytes()),
        (Some(_), Some(_)) => Some(&b"(two types)"[..]),
    };
    let media_type = declared.unwrap_or_default().split(|b| *b == b';').next().unwrap_or_default();
    #[rustfmt::skip]
    let is_json = media_type.trim_ascii().eq_ignore_ascii_case(b"application/json"); // mutant gate-any-media-type: let is_json = true;
    if is_json {
        return Ok(());
    }
    let declared =
        declared.map_or("nothing".into(), |d| format!("`{}`", quoted(&String::from_utf8_lossy(d))));
    let detail = format!(
        "The body is declared as {declared}. Send a JSON object of the arguments with `Content-Type: application/json`."
    );
    Err(Problem::refused(Kind::MediaType, detail))
}

fn once<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h [u8]>, Problem> {
    let mut all = headers.get_all(name).iter();
    let first = all.next().map(|value| value.as_bytes().trim_ascii());
    if all.next().is_some() {
        return Err(Problem::refused(Kind::Header, format!("`{name}` is given twice: send it once.")));
    }
    Ok(first)
}

#[cfg(test)]
mod tests;
