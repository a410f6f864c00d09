//! Every answer that is not a 200: RFC 9457, with `outcome` saying whether it happened.
//!
//! [`Kind`] is the table of what can be wrong: status, stable slug and title. The slug is what programs compare;
//! it never changes once released. `detail` is for people and says what to send instead.

use std::borrow::Cow;

use http::StatusCode;
use serde_json::{Map, Value};

/// Longest piece of a request that is repeated in an answer, in characters: enough to recognise it.
const QUOTE_CHARS_MAX: usize = 64;

/// What is wrong, as programs tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Malformed,
    Arguments,
    Header,
    ForeignOrigin,
    ForeignHost,
    Unknown,
    Verb,
    UploadTimeout,
    UnderWay,
    BackupExists,
    Fenced,
    Forgotten,
    TooLarge,
    MediaType,
    Failed,
    Misuse,
    Arithmetic,
    TicketUnfit,
    TicketForbidden,
    Overloaded,
    HeadersTooLarge,
    NotDone,
    Incompatible,
    Panicked,
    Stuck,
    InDoubt,
    NotSettled,
    Unwritable,
    NotCopied,
    Internal,
}

impl Kind {
    /// Status, slug, title.
    #[rustfmt::skip] // Rows are read as columns.
    fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Kind::Malformed       => (400, "malformed",         "The request cannot be read"),
            Kind::Arguments       => (400, "arguments",         "The arguments do not fit the method"),
            Kind::Header          => (400, "header",            "A header cannot be read"),
            Kind::ForeignOrigin   => (403, "foreign-origin",    "Another site may not ask here"),
            Kind::TicketForbidden => (403, "ticket-forbidden",  "Settling needs the right to make the call"),
            Kind::Unknown         => (404, "unknown",           "There is no such thing here"),
            Kind::Verb            => (405, "verb",              "This path takes another verb"),
            Kind::UploadTimeout   => (408, "upload-timeout",    "The body did not arrive in time"),
            Kind::UnderWay        => (409, "under-way",         "A call under this key is still under way"),
            Kind::BackupExists    => (409, "backup-exists",     "A backup of this name is there already"),
            Kind::Fenced          => (409, "fenced",            "The call was settled as not done"),
            Kind::Forgotten       => (410, "forgotten",         "The id is too old to be known"),
            Kind::TooLarge        => (413, "too-large",         "Larger than a limit allows"),
            Kind::MediaType       => (415, "media-type",        "The body is not declared as JSON"),
            Kind::ForeignHost     => (421, "foreign-host",      "This host name is not served here"),
            Kind::Failed          => (422, "failed",            "The method returned its own error"),
            Kind::Misuse          => (422, "misuse",            "The key was used with other arguments"),
            Kind::Arithmetic      => (422, "arithmetic",        "A value overflowed"),
            Kind::TicketUnfit     => (422, "ticket-unfit",      "The ticket is of another method or shape"),
            Kind::Overloaded      => (429, "overloaded",        "Refused before it ran"),
            Kind::HeadersTooLarge => (431, "headers-too-large", "The headers are larger than a limit allows"),
            Kind::Unwritable      => (500, "unwritable",        "The answer has no JSON form"),
            Kind::NotCopied       => (500, "not-copied",        "There is no copy of the store"),
            Kind::Internal        => (500, "internal",          "The application gave an answer out of place"),
            Kind::NotDone         => (503, "not-done",          "The call was not done and never will be"),
            Kind::Incompatible    => (503, "incompatible",      "The application's processes do not agree"),
            Kind::Panicked        => (503, "panicked",          "The method panicked"),
            Kind::Stuck           => (503, "stuck",             "The method did not come back"),
            Kind::InDoubt         => (504, "in-doubt",          "Time ran out: the call was perhaps done"),
            Kind::NotSettled      => (504, "not-settled",       "The doubt could not be settled now"),
        }
    }

    /// Its HTTP status.
    pub(crate) fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().0).expect("the table holds valid statuses")
    }
    /// How programs call it.
    pub(crate) fn slug(self) -> &'static str {
        self.row().1
    }
}

/// Whether it happened: the `outcome` of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    /// Yes, and its value cannot be written.
    Done,
    /// Yes, and the method returned its own error.
    Failed,
    /// No, and it never will.
    NotDone,
    /// No: refused before it ran.
    Overloaded,
    /// Perhaps.
    InDoubt,
    /// Nobody knows any more; it will not run from now on.
    Forgotten,
}

impl Happened {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Happened::Done => "done",
            Happened::Failed => "failed",
            Happened::NotDone => "not_done",
            Happened::Overloaded => "overloaded",
            Happened::InDoubt => "in_doubt",
            Happened::Forgotten => "forgotten",
        }
    }
}

/// An answer that is not a 200.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    pub(crate) outcome: Happened,
    /// What to send instead, or what to do next.
    pub(crate) detail: String,
    /// The method's own error.
    pub(crate) error: Option<Box<Value>>,
    /// Settles the doubt.
    pub(crate) ticket: Option<Box<str>>,
    /// Whole seconds after which the same request may fare better; absent where it will not.
    pub(crate) retry_after: Option<u64>,
    /// Verbs that the path takes.
    pub(crate) allow: Option<&'static str>,
}

impl Problem {
    /// The gate itself refused: nothing was asked of the application.
    pub(crate) fn refused(kind: Kind, detail: impl Into<String>) -> Self {
        Problem::new(kind, Happened::NotDone, detail)
    }

    pub(crate) fn new(kind: Kind, outcome: Happened, detail: impl Into<String>) -> Self {
        Problem {
            kind,
            outcome,
            detail: detail.into(),
            error: None,
            ticket: None,
            retry_after: None,
            allow: None,
        }
    }

    /// Asking again helps, no sooner than this.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// `application/problem+json`.
    pub(crate) fn to_json(&self) -> Value {
        let (status, _, title) = self.kind.row();
        let mut members = Map::new();
        members.insert("type".into(), format!("urn:nigh:problem:{}", self.kind.slug()).into());
        members.insert("title".into(), title.into());
        members.insert("status".into(), status.into());
        members.insert("detail".into(), self.detail.as_str().into());
        members.insert("outcome".into(), self.outcome.text().into());
        if let Some(error) = &self.error {
            members.insert("error".into(), Value::clone(error));
        }
        if let Some(ticket) = &self.ticket {
            members.insert("ticket".into(), ticket.as_ref().into());
        }
        Value::Object(members)
    }
}

/// A piece of the request, as it may stand in an answer: bounded, and without control characters.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    if text.len() <= QUOTE_CHARS_MAX && !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(QUOTE_CHARS_MAX).collect();
    short.push('…');
    Cow::Owned(short)
}
