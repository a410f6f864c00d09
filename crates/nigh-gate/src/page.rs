//! Pages that the program brings along, with a content security policy made for each when it is listed.
//!
//! A page may hold `<script>` and `<style>` inline: their hashes are in its policy, so that exactly they run and
//! nothing that somebody smuggled in does. Attributes like `onclick` and `style` do not run: use listeners and
//! classes. What a page loads and asks comes from its own origin.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;

use crate::sha256::sha256;

/// A page, ready to be served.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) text: Bytes,
    pub(crate) policy: HeaderValue,
    pub(crate) media_type: HeaderValue,
}

impl Page {
    /// The ending of `path` says what it is: `.js`, `.css`, `.svg`, `.json`; else it is HTML.
    pub(crate) fn new(path: &str, text: &'static str) -> Self {
        let media_type = match path.rsplit_once('.').map(|(_, ending)| ending) {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("json") => "application/json",
            _ => "text/html; charset=utf-8",
        };
        let policy = format!(
            "default-src 'none'; script-src 'self'{}; style-src 'self'{}; img-src 'self' data:; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hashes(text, "script"),
            hashes(text, "style"),
        );
        Page {
            text: Bytes::from_static(text.as_bytes()),
            policy: HeaderValue::from_str(&policy).expect("names and base64 are ASCII"),
            media_type: HeaderValue::from_static(media_type),
        }
    }
}

/// ` 'sha256-…'` for each inline `<tag>` of the page.
fn hashes(page: &str, tag: &str) -> String {
    let (open, close) = (format!("<{tag}"), format!("</{tag}"));
    let mut hashes = String::new();
    let mut rest = page;
    while let Some(start) = rest.find(&open) {
        rest = &rest[start + open.len()..];
        let named = rest.starts_with(|c: char| c == '>' || c.is_ascii_whitespace());
        let Some(inside) = rest.find('>').filter(|_| named) else { continue };
        rest = &rest[inside + 1..];
        let Some(end) = rest.find(&close) else { break };
        if end > 0 {
            hashes.push_str(&format!(" 'sha256-{}'", STANDARD.encode(sha256(&rest.as_bytes()[..end]))));
        }
        rest = &rest[end..];
    }
    hashes
}

#[cfg(test)]
mod tests;
