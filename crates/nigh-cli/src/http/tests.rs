//! Rows: where a URL leads, and how an answer is read.

use super::{Base, read};

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn a_url_says_where_to_go() {
    let check = |url: &str, expect: Option<(&str, u16, &str)>| {
        let base = url.parse::<Base>().ok();
        let found = base.as_ref().map(|b| (b.host.as_str(), b.port, b.prefix.as_str()));
        assert_eq!(found, expect, "{url}");
    };
    check("http://127.0.0.1:7070",  Some(("127.0.0.1", 7070, "")));
    check("http://localhost",       Some(("localhost", 80, "")));
    check("http://[::1]:7070/",     Some(("::1", 7070, "")));
    check("http://[::1]",           Some(("::1", 80, "")));
    check("http://h:1/a/b/",        Some(("h", 1, "/a/b")));
    check("https://h",              None);
    check("127.0.0.1:7070",         None);
    check("http://",                None);
    check("http://:80",             None);
    check("http://h:80a",           None);
    check("http://me@h",            None);
    check("http://h/a?b",           None);
    check("http://h/a b",           None);
    check("http://h\r\nx",          None);
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn reads_an_answer_in_each_form() {
    let check = |text: &str, expect: &str| {
        let found = match read(text.as_bytes()) {
            Ok(answer) => format!("{} {}", answer.status, answer.text),
            Err(error) => error.kind().to_string(),
        };
        assert_eq!(found, expect, "{text:?}");
    };
    check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc",                                    "200 ab");
    check("HTTP/1.1 200\r\ncontent-length:0\r\n\r\n",                                           "200 ");
    check("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\na",         "404 a");
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n", "200 abc");
    check("HTTP/1.0 200 OK\r\n\r\nto the end",                                                  "200 to the end");
    check("HTTP/1.1 204 None\r\n\r\n",                                                          "204 ");
    check("",                                                                 "unexpected end of file");
    check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",                   "unexpected end of file");
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab",     "unexpected end of file");
    check("HTTP/1.1 200 OK\r\nContent-Le",                                    "unexpected end of file");
    check("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",           "invalid data");
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n", "invalid data");
    check("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",                     "invalid data");
    check("SSH-2.0-OpenSSH\r\n\r\n",                                          "invalid data");
    check("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\u{ff}",               "invalid data");
}

#[test]
fn a_head_without_end_is_given_up() {
    let text = format!("HTTP/1.1 200 OK\r\n{}", "x: y\r\n".repeat(20_000));
    assert!(read(text.as_bytes()).is_err());
}
