//! Who may ask: `Host` and `Origin`, so that a hostile page in a browser on the same machine reaches nothing.
//!
//! A page of another site can make a browser send requests to a loopback address. It cannot choose `Host`
//! (a name that was rebound to 127.0.0.1 still says its own), nor leave out `Origin` on a request that writes.
//! So a foreign `Host` is refused with 421 (RFC 9110, 15.5.20: this server is not that authority) and a foreign
//! `Origin` with 403. No CORS header is ever sent.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, Uri};

use crate::problem::{Kind, Problem, quoted};

/// Names and origins that are served, besides loopback names and the request's own origin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    hosts: Vec<String>,
    origins: Vec<String>,
    host_checked_before: bool,
}

impl Rules {
    pub(crate) fn allow_host(&mut self, name: &str) {
        self.hosts.push(name.to_ascii_lowercase());
    }
    pub(crate) fn allow_origin(&mut self, origin: &str) {
        self.origins.push(origin.trim_end_matches('/').to_ascii_lowercase());
    }
    pub(crate) fn allow_any_host(&mut self) {
        self.host_checked_before = true;
    }

    /// # Errors
    ///
    /// The request is for another host, or from another site's page.
    pub(crate) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let host = self.check_host(uri, headers)?;
        self.check_origin(&host, headers)
    }

    /// The authority that was asked for. A request may name it twice (absolute form, HTTP/2): both count.
    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<String, Problem> {
        let foreign = |host: &str| {
            let detail = format!(
                "The request is for the host `{}`. Here localhost, 127.0.0.1 and [::1] are served{}: ask one of \
                 them, or let the program list the name with `.host(\"…\")`.",
                quoted(host),
                self.hosts.iter().map(|h| format!(", {h}")).collect::<String>(),
            );
            Problem::refused(Kind::ForeignHost, detail)
        };
        let mut named: Vec<String> =
            uri.authority().map(|a| a.as_str().to_ascii_lowercase()).into_iter().collect();
        for header in headers.get_all(HOST) {
            let text = header.to_str().map_err(|_| foreign("(not ASCII)"))?;
            named.push(text.to_ascii_lowercase());
        }
        let own = named.first().cloned().ok_or_else(|| foreign("(none)"))?;
        let checks = !self.host_checked_before; // mutant gate-any-host: let checks = false;
        if checks {
            for host in &named {
                let name = name_of(host).ok_or_else(|| foreign(host))?;
                if !is_loopback(name) && !self.hosts.iter().any(|listed| listed == name || listed == host) {
                    return Err(foreign(host));
                }
            }
        }
        Ok(own)
    }

    fn check_origin(&self, host: &str, headers: &HeaderMap) -> Result<(), Problem> {
        let foreign = |origin: &str| {
            let detail = format!(
                "The request comes from a page of `{}`, which is not `{}`. Ask from a page of this application, \
                 or without an `Origin` from a program.",
                quoted(origin),
                quoted(host),
            );
            Problem::refused(Kind::ForeignOrigin, detail)
        };
        for header in headers.get_all(ORIGIN) {
            let origin = header.to_str().map_err(|_| foreign("(not ASCII)"))?.to_ascii_lowercase();
            // `null` is what sandboxed pages and local files say: everybody's origin is nobody's.
            #[rustfmt::skip]
            let served = self.origins.contains(&origin) || is_same_origin(&origin, host); // mutant gate-any-origin: let served = true;
            if !served {
                return Err(foreign(&origin));
            }
        }
        // Browsers send no `Origin` when a page merely embeds something: they say it in this header.
        let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
        if matches!(site, Some(b"cross-site" | b"same-site")) && !headers.contains_key(ORIGIN) {
            return Err(foreign("another site"));
        }
        Ok(())
    }
}

/// The name in `name`, `name:port` or `[address]:port`.
fn name_of(host: &str) -> Option<&str> {
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    if host.starts_with('[') {
        let (name, rest) = host.split_at(host.find(']')? + 1);
        return (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port)).then_some(name);
    }
    match host.split_once(':') {
        Some((name, port)) => is_port(port).then_some(name),
        None => Some(host),
    }
}

/// Names that a resolver may not send elsewhere: RFC 6761, 6.3, and the loopback addresses.
fn is_loopback(name: &str) -> bool {
    let v6 = name.strip_prefix('[').and_then(|n| n.strip_suffix(']'));
    name == "localhost"
        || name.parse::<Ipv4Addr>().is_ok_and(|a| a.is_loopback())
        || v6.is_some_and(|a| a.parse() == Ok(Ipv6Addr::LOCALHOST))
}

/// True if a page of `origin` belongs to `host`. The scheme is not compared: behind a proxy it is not known here.
fn is_same_origin(origin: &str, host: &str) -> bool {
    let same = |authority: &str, port: &str| {
        authority == host || authority == host.strip_suffix(port).unwrap_or(host)
    };
    match origin.split_once("://") {
        Some(("http", authority)) => same(authority, ":80"),
        Some(("https", authority)) => same(authority, ":443"),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
