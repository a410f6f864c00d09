//! Rows: bytes of an answer, and what the client makes of them.

use super::*;

fn check(bytes: &str, expected: &str) {
    let told = match read_answer(&mut BufReader::new(bytes.as_bytes())) {
        Ok(answer) => format!("{} {}", answer.status, answer.text()),
        Err(error) => error.to_string(),
    };
    assert_eq!(told, expected, "of {bytes:?}");
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn only_whole_answers_are_answers() {
    check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",                  "200 {}");
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", "200 a");
    check("HTTP/1.1 204 No Content\r\n\r\n",                                  "204 ");
    check("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}",                  "failed to fill whole buffer");
    check("HTTP/1.1 200 OK\r\ncontent-le",                                    "the answer broke off");
    check("HTTP/1.1 200 OK\r\n\r\n",                                          "an answer without a length");
    check("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",           "a content-length out of bounds");
    check("",                                                                 "the answer broke off");
}
