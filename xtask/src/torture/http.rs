//! A small HTTP/1.1 client for JSON, over the standard library's sockets.
//!
//! One connection, kept open. It never sends anything twice by itself: an error means that nobody knows
//! whether the request was carried out, and the caller decides.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Largest body that is read: 16 MiB, far above any answer of the shop.
const BODY_SIZE_MAX: usize = 16 << 20;
/// Longest line of a head, in bytes.
const LINE_SIZE_MAX: u64 = 64 << 10;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// 200, say.
    pub status: u16,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    /// As sent.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text, for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// One header, by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// A client of one address.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    timeout: Duration,
    open: Option<BufReader<TcpStream>>,
}

impl Client {
    /// Connects with the first request. `timeout` bounds the connect, and each read and write.
    pub fn new(address: SocketAddr, timeout: Duration) -> Self {
        Client { address, timeout, open: None }
    }

    /// GET.
    ///
    /// # Errors
    ///
    /// No whole answer came.
    pub fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.request("GET", path, &[], b"")
    }

    /// POST of a JSON body.
    ///
    /// # Errors
    ///
    /// No whole answer came: it may have been carried out, or not.
    pub fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &Value) -> io::Result<Answer> {
        let headers = [headers, &[("content-type", "application/json")]].concat();
        self.request("POST", path, &headers, body.to_string().as_bytes())
    }

    /// Any request. `host` and `content-length` are added.
    ///
    /// # Errors
    ///
    /// No whole answer came: it may have been carried out, or not.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        // Taken out, so that a connection on which anything went wrong is never used again.
        let mut stream = match self.open.take() {
            Some(open) => open,
            None => self.connect()?,
        };
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.address);
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", body.len());
        stream.get_mut().write_all(&[head.as_bytes(), body].concat())?;
        let answer = read_answer(&mut stream)?;
        if answer.header("connection").is_none_or(|value| !value.eq_ignore_ascii_case("close")) {
            self.open = Some(stream);
        }
        Ok(answer)
    }

    fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect_timeout(&self.address, self.timeout)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.timeout))?;
        stream.set_write_timeout(Some(self.timeout))?;
        Ok(BufReader::new(stream))
    }
}

fn read_answer(stream: &mut impl BufRead) -> io::Result<Answer> {
    let bad = |what: &str| io::Error::new(ErrorKind::InvalidData, what.to_owned());
    let status = read_line(stream)?;
    let status =
        status.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| bad("no status"))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(stream)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| bad("a header without a colon"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer { status, headers, body: Vec::new() };
    if answer.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        answer.body = read_chunks(stream)?;
    } else if let Some(size) = answer.header("content-length") {
        let size = size.parse().ok().filter(|size| *size <= BODY_SIZE_MAX);
        answer.body = vec![0; size.ok_or_else(|| bad("a content-length out of bounds"))?];
        stream.read_exact(&mut answer.body)?;
    } else if answer.status != 204 && answer.status != 304 {
        return Err(bad("an answer without a length"));
    }
    Ok(answer)
}

fn read_chunks(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let bad = || io::Error::new(ErrorKind::InvalidData, "a chunk out of bounds");
    let mut body = Vec::new();
    loop {
        let line = read_line(stream)?;
        let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16);
        let size = size.ok().filter(|size| body.len() + size <= BODY_SIZE_MAX).ok_or_else(bad)?;
        let start = body.len();
        body.resize(start + size, 0);
        stream.read_exact(&mut body[start..])?;
        // The end of the chunk; after the last one, of the trailers, of which none are expected.
        if !read_line(stream)?.is_empty() {
            return Err(bad());
        }
        if size == 0 {
            return Ok(body);
        }
    }
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.take(LINE_SIZE_MAX).read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(io::Error::new(ErrorKind::UnexpectedEof, "the answer broke off")),
    }
}

#[cfg(test)]
mod tests;
