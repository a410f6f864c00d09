//! One request over HTTP/1.1, by hand: the door is on this machine, and nothing more is needed to reach it.
//!
//! What matters is told apart: whether a request can have been received when its answer did not come.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::clock::now;

/// Head of an answer: four times what the door accepts of a request's.
const HEAD_SIZE_MAX: u64 = 64 << 10;
/// Text of an answer: what a call returns is at most 1 MiB of bytes, and its JSON seldom over ten times that.
const TEXT_SIZE_MAX: u64 = 16 << 20;

/// Where requests go: `http://host:port/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    /// As in `Host`.
    authority: String,
    host: String,
    port: u16,
    prefix: String,
}

impl FromStr for Base {
    type Err = String;
    fn from_str(url: &str) -> Result<Self, String> {
        let wrong = || "write http://127.0.0.1:7070; other schemes come with TLS".to_owned();
        let rest = url.strip_prefix("http://").ok_or_else(wrong)?;
        let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
            _ => (authority, 80),
        };
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && !b"@?#".contains(&b));
        if host.is_empty() || !plain(rest) {
            return Err(wrong());
        }
        let prefix = prefix.trim_end_matches('/').to_owned();
        Ok(Base { authority: authority.to_owned(), host: host.to_owned(), port, prefix })
    }
}

impl std::fmt::Display for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}{}", self.authority, self.prefix)
    }
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `GET` or `POST`.
    pub(crate) verb: &'static str,
    /// After the prefix, with its query.
    pub(crate) path: String,
    /// Without `Host` and those of the body.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// JSON.
    pub(crate) body: Option<String>,
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Lost {
    /// Nothing has left: it cannot have been received.
    Unsent(io::Error),
    /// Some of it has left: it may have been received.
    Sent(io::Error),
}

/// Sends `request` and waits for its answer until `due`.
///
/// # Errors
///
/// There is none.
pub(crate) fn ask(base: &Base, request: &Request, due: Instant) -> Result<Answer, Lost> {
    let mut socket = Timed { socket: connect(base, due).map_err(Lost::Unsent)?, due };
    let mut text =
        format!("{} {}{} HTTP/1.1\r\nHost: {}\r\n", request.verb, base.prefix, request.path, base.authority);
    text.push_str("Accept: application/json\r\nConnection: close\r\n");
    for (name, value) in &request.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = &request.body {
        text.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(request.body.as_deref().unwrap_or(""));
    // A body that is refused may not be taken to its end: the answer says so, and is read all the same.
    let wrote = socket.write_all(text.as_bytes());
    read(BufReader::new(socket)).map_err(|error| Lost::Sent(wrote.err().unwrap_or(error)))
}

fn connect(base: &Base, due: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (base.host.as_str(), base.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(due)?) {
            Ok(socket) => return socket.set_nodelay(true).map(|()| socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Time left, never zero: the system takes zero for ever.
fn left(due: Instant) -> io::Result<Duration> {
    let left = due.saturating_duration_since(now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// A socket whose every step ends when time is up.
struct Timed {
    socket: TcpStream,
    due: Instant,
}

impl Read for Timed {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(left(self.due)?))?;
        self.socket.read(buf)
    }
}
impl Write for Timed {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(left(self.due)?))?;
        self.socket.write(buf)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// How the text of an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Known(u64),
    Chunked,
    ToTheEnd,
}

fn read(mut from: impl BufRead) -> io::Result<Answer> {
    let (status, length) = loop {
        let (status, length) = read_head(&mut from)?;
        // 1xx are said before the answer.
        if status >= 200 {
            break (status, length);
        }
    };
    let mut text = Vec::new();
    match length {
        Length::Known(size) => read_exactly(&mut from, size, &mut text)?,
        Length::Chunked => read_chunks(&mut from, &mut text)?,
        Length::ToTheEnd => {
            from.take(TEXT_SIZE_MAX + 1).read_to_end(&mut text)?;
        }
    }
    if text.len() as u64 > TEXT_SIZE_MAX {
        return Err(malformed("the answer is larger than 16 MiB"));
    }
    let text = String::from_utf8(text).map_err(|_| malformed("the answer is not UTF-8"))?;
    Ok(Answer { status, text })
}

fn read_head(from: &mut impl BufRead) -> io::Result<(u16, Length)> {
    let mut head = from.take(HEAD_SIZE_MAX);
    let first = read_line(&mut head)?;
    let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
    let status = status.ok_or_else(|| malformed("the answer is not HTTP/1.1"))?;
    let mut length = if matches!(status, 204 | 304) { Length::Known(0) } else { Length::ToTheEnd };
    loop {
        let line = read_line(&mut head)?;
        if line.is_empty() {
            return Ok((status, length));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("a header has no colon"))?;
        if name.eq_ignore_ascii_case("transfer-encoding") {
            length = Length::Chunked;
        } else if name.eq_ignore_ascii_case("content-length") && length != Length::Chunked {
            let size = value.trim().parse().map_err(|_| malformed("the length is no number"))?;
            length = Length::Known(size);
        }
    }
}

fn read_line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.pop_if(|byte| *byte == b'\r');
    String::from_utf8(line).map_err(|_| malformed("a header is not text"))
}

fn read_exactly(from: &mut impl BufRead, size: u64, text: &mut Vec<u8>) -> io::Result<()> {
    if size.saturating_add(text.len() as u64) > TEXT_SIZE_MAX {
        return Err(malformed("the answer is larger than 16 MiB"));
    }
    // What was announced is only allocated as it arrives.
    let read = from.take(size).read_to_end(text)?;
    if read as u64 == size { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn read_chunks(from: &mut impl BufRead, text: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let line = read_line(&mut from.take(HEAD_SIZE_MAX))?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| malformed("a chunk has no length"))?;
        if size == 0 {
            return Ok(());
        }
        read_exactly(from, size, text)?;
        read_line(&mut from.take(2))?;
    }
}

#[cfg(test)]
mod tests;
