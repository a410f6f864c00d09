//! The flags of `App::run`: every application has them. An unknown one is an error that names the nearest.

use std::ffi::OsString;
use std::net::SocketAddr;

use crate::config::{Config, Data, LISTEN_DEFAULT, LogFormat};
use crate::error::Error;

/// What a command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Run until told to stop.
    Run(Config),
    /// Print what would hold, and end.
    PrintConfig(Config),
    /// Print the schemas, and end, before anything is opened.
    Describe,
    /// Print the flags, and end.
    Help,
}

const FLAGS: [&str; 13] = [
    "listen",
    "data",
    "memory",
    "memory-max",
    "link",
    "role",
    "peer",
    "place",
    "backups",
    "log",
    "print-config",
    "nigh-describe",
    "help",
];

/// What `--help` prints.
pub(crate) fn help(app: &str) -> String {
    format!(
        "{app}: an application of nigh

  --listen ADDR     where doors listen (default {LISTEN_DEFAULT}; loopback only)
  --data DIR        where state is kept (default {app}-data)
  --memory          keep nothing: all is gone when the process ends
  --memory-max MIB  what entities may take in memory, the others stay on disk (default {})
  --link ADDR       where other processes of this application may connect (loopback only)
  --peer ADDR       the process that has what this role has not
  --role NAME       play one role of place.toml (default: all of them)
  --place FILE      instead of the place.toml compiled in
  --backups DIR     where copies of the state are made when the door is asked (default: none are)
  --log text|json   how log lines look
  --print-config    print what holds, and end
  --nigh-describe   print the schemas, and end
  --help            this
",
        Config::default().memory_max >> 20
    )
}

/// Reads a command line, without the program's name.
pub(crate) fn parse(app: &str, args: impl IntoIterator<Item = OsString>) -> Result<Command, Error> {
    let data = Data::Dir(format!("{app}-data").into());
    let mut config = Config { data, listen: Some(LISTEN_DEFAULT), ..Config::default() };
    let mut print = false;
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next().map_err(usage)? {
        match arg {
            lexopt::Arg::Long("listen") => config.listen = Some(address("listen", &mut parser)?),
            lexopt::Arg::Long("link") => config.link = Some(address("link", &mut parser)?),
            lexopt::Arg::Long("peer") => config.peer = Some(address("peer", &mut parser)?),
            lexopt::Arg::Long("data") => config.data = Data::Dir(parser.value().map_err(usage)?.into()),
            lexopt::Arg::Long("backups") => config.backups = Some(parser.value().map_err(usage)?.into()),
            lexopt::Arg::Long("memory") => config.data = Data::Memory,
            lexopt::Arg::Long("memory-max") => config.memory_max = mebibytes("memory-max", &mut parser)?,
            lexopt::Arg::Long("role") => config.role = Some(text("role", &mut parser)?),
            lexopt::Arg::Long("place") => config.place = Some(parser.value().map_err(usage)?.into()),
            lexopt::Arg::Long("log") => {
                config.log = match text("log", &mut parser)?.as_str() {
                    "text" => LogFormat::Text,
                    "json" => LogFormat::Json,
                    other => return Err(Error::usage(format!("--log {other}: write `text` or `json`"))),
                }
            }
            lexopt::Arg::Long("print-config") => print = true,
            lexopt::Arg::Long("nigh-describe") => return Ok(Command::Describe),
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => return Ok(Command::Help),
            lexopt::Arg::Long(other) => return Err(unknown(other)),
            lexopt::Arg::Short(other) => {
                return Err(Error::usage(format!("-{other}: flags are written in full, see --help")));
            }
            lexopt::Arg::Value(value) => {
                return Err(Error::usage(format!("{}: takes no such argument, see --help", value.display())));
            }
        }
    }
    Ok(if print { Command::PrintConfig(config) } else { Command::Run(config) })
}

fn usage(error: lexopt::Error) -> Error {
    Error::usage(format!("{error}; see --help"))
}

fn unknown(flag: &str) -> Error {
    let hint = nigh_wire::nearest(flag, FLAGS)
        .map_or_else(|| "see --help".to_owned(), |near| format!("did you mean --{near}? See --help"));
    Error::usage(format!("--{flag}: no such flag; {hint}"))
}

fn text(flag: &str, parser: &mut lexopt::Parser) -> Result<String, Error> {
    let value = parser.value().map_err(usage)?;
    value.into_string().map_err(|v| Error::usage(format!("--{flag} {}: not UTF-8", v.display())))
}

/// A number of MiB, as bytes.
fn mebibytes(flag: &str, parser: &mut lexopt::Parser) -> Result<usize, Error> {
    let value = text(flag, parser)?;
    let size = value.parse().ok().filter(|mebi: &usize| *mebi > 0).and_then(|mebi| mebi.checked_mul(1 << 20));
    size.ok_or_else(|| Error::usage(format!("--{flag} {value}: write a number of MiB, at least 1, as 512")))
}

fn address(flag: &str, parser: &mut lexopt::Parser) -> Result<SocketAddr, Error> {
    let value = text(flag, parser)?;
    let value = value.strip_prefix("localhost:").map_or(value.clone(), |port| format!("127.0.0.1:{port}"));
    let address: SocketAddr = value.parse().map_err(|_| {
        Error::usage(format!("--{flag} {value}: write an address and a port, as 127.0.0.1:7070"))
    })?;
    // Until there are certificates and tokens, nothing but this machine may ask.
    if !address.ip().is_loopback() {
        return Err(Error::usage(format!(
            "--{flag} {value}: only loopback addresses (127.0.0.1, ::1) until links and doors authenticate"
        )));
    }
    Ok(address)
}

#[cfg(test)]
mod tests;
