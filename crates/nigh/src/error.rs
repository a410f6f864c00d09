//! Why an application did not start, or ended. Says what to do.

use std::fmt;

use crate::store::{OpenError, StoreError};

/// Why an application did not start, or ended.
pub struct Error {
    kind: Kind,
}

enum Kind {
    Usage(String),
    Io(String, std::io::Error),
    Open(OpenError),
    Store(StoreError),
    Failed(String),
}

/// What `main` returns.
pub type Result<T = ()> = std::result::Result<T, Error>;

impl Error {
    /// The program or its command line is wrong; `why` says what to write.
    pub(crate) fn usage(why: impl Into<String>) -> Self {
        Error { kind: Kind::Usage(why.into()) }
    }
    /// The system refused; `what` was tried.
    pub(crate) fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Error { kind: Kind::Io(what.into(), source) }
    }
    /// Something that ran ended.
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Error { kind: Kind::Failed(what.into()) }
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        Error { kind: Kind::Open(error) }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Error { kind: Kind::Store(error) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Usage(why) | Kind::Failed(why) => f.write_str(why),
            Kind::Io(what, source) => write!(f, "{what}: {source}"),
            Kind::Open(error) => error.fmt(f),
            Kind::Store(error) => error.fmt(f),
        }
    }
}

/// As people read it, since `main` prints what it returns in this form.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::Io(_, source) => Some(source),
            _ => None,
        }
    }
}
