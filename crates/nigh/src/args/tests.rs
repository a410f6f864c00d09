//! Command lines as rows.

use super::*;

fn check(line: &str, expected: &str) {
    let args = line.split_whitespace().map(OsString::from);
    let got = match parse("shop", args) {
        Ok(Command::Run(config)) => config.show().replace('\n', "; "),
        Ok(Command::PrintConfig(_)) => "print".into(),
        Ok(Command::Describe) => "describe".into(),
        Ok(Command::Help) => "help".into(),
        Err(error) => error.to_string(),
    };
    assert!(got.contains(expected), "`{line}` gave: {got}");
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn flags_and_mistakes() {
    check("",                          "data = shop-data; listen = 127.0.0.1:7070; link = none; peer = none; role = all");
    check("--memory",                  "memory = true");
    check("--data d --role state",     "data = d; listen = 127.0.0.1:7070; link = none; peer = none; role = state");
    check("--listen localhost:80",     "listen = 127.0.0.1:80");
    check("--listen [::1]:80",         "listen = [::1]:80");
    check("--backups b",               "backups = b");
    check("",                          "backups = none");
    check("--log json",                "log = json");
    check("--print-config",            "print");
    check("--nigh-describe",           "describe");
    check("--help",                    "help");
    check("--listn 1",                 "--listn: no such flag; did you mean --listen?");
    check("--listen",                  "missing argument");
    check("--listen 0.0.0.0:1",        "only loopback");
    check("--listen here",             "write an address and a port");
    check("--log xml",                 "write `text` or `json`");
    check("-x",                        "flags are written in full");
    check("go",                        "takes no such argument");
}
