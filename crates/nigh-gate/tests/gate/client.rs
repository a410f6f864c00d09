//! A raw HTTP client: says exactly what a test writes, and reads one answer.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Lower-case names.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
    /// `200 value`, or `status slug outcome`.
    pub(crate) fn short(&self) -> String {
        if self.status == 200 {
            return format!("200 {}", self.text);
        }
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|d| d.len() > 10), "{problem}");
        let slug = problem["type"].as_str().and_then(|t| t.strip_prefix("urn:nigh:problem:"));
        format!(
            "{} {} {}",
            self.status,
            slug.expect("a type"),
            problem["outcome"].as_str().expect("an outcome")
        )
    }
}

/// A connection.
pub(crate) struct Client {
    socket: TcpStream,
}

impl Client {
    pub(crate) async fn connect(port: u16) -> Self {
        Client { socket: TcpStream::connect(("127.0.0.1", port)).await.expect("the door is open") }
    }
    /// Sends these bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.expect("the door reads");
    }
    /// Sends a request with a body, and reads its answer.
    pub(crate) async fn ask(&mut self, verb_and_path: &str, headers: &[&str], body: &[u8]) -> Answer {
        let mut head = format!("{verb_and_path} HTTP/1.1\r\n");
        if !headers.iter().any(|h| h.to_lowercase().starts_with("host:")) {
            head.push_str("Host: localhost\r\n");
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        for line in headers {
            head.push_str(&format!("{line}\r\n"));
        }
        head.push_str("\r\n");
        // A body that is refused may not be taken to its end.
        let all = [head.as_bytes(), body].concat();
        let _ = self.socket.write_all(&all).await;
        self.answer(verb_and_path.starts_with("HEAD")).await.expect("an answer")
    }
    /// The next answer, or `None` at the end of the connection.
    pub(crate) async fn answer(&mut self, without_text: bool) -> Option<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.socket.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return None,
            }
        }
        let head = String::from_utf8(head).expect("a head is ASCII");
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().expect("a status");
        let header = |line: &str| {
            line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        };
        let mut answer = Answer { status, headers: lines.filter_map(header).collect(), text: String::new() };
        let length = answer.header("content-length").map_or(0, |l| l.parse().expect("a length"));
        if !without_text {
            let mut text = vec![0; length];
            self.socket.read_exact(&mut text).await.expect("the whole text");
            answer.text = String::from_utf8(text).expect("answers are UTF-8");
        }
        Some(answer)
    }
}
