//! A doubt on paper: all that is needed to settle a call from any process, later.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;

use crate::{CallId, Fingerprint, Keyed, Time, Wire, WireHash};

#[cfg(test)]
mod tests;

/// Names a call in doubt. Keep it, write it down, settle it from any process. Its fields are those of [`Doubt`].
///
/// Its text form is `nighT1.` and base64url. It is one pointer: it travels in every `Result` of a call.
#[derive(Wire, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(Arc<Doubt>);

/// What a ticket says.
#[derive(Wire, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Doubt {
    /// The call.
    pub id: CallId,
    /// Wire name of the entity or service.
    pub of: String,
    /// Encoded key; `None` for a service, which keeps no record.
    pub key: Option<Bytes>,
    /// Wire name of the method.
    pub method: String,
    /// Hash of the method's answer and error shapes, so that another type is refused, not misread.
    pub shape: WireHash,
    /// Of the call as sent (R3).
    pub fingerprint: Fingerprint,
    /// Of a keyed call: what it is remembered under (R12).
    pub keyed: Option<Keyed>,
    /// Until when the verdict is remembered; afterwards it is `Forgotten`.
    pub settles_until: Time,
}

impl From<Doubt> for Ticket {
    fn from(doubt: Doubt) -> Self {
        Ticket(Arc::new(doubt))
    }
}

impl Deref for Ticket {
    type Target = Doubt;
    fn deref(&self) -> &Doubt {
        &self.0
    }
}

impl Ticket {
    /// Longest text form that is read, in bytes.
    pub const TEXT_SIZE_MAX: usize = 4096;

    /// Until when the verdict is remembered.
    pub fn settles_until(&self) -> Time {
        self.settles_until
    }
}

const PREFIX: &str = "nighT1.";

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(crate::encode(self)))
    }
}

/// The text is no ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseTicketError;

impl fmt::Display for ParseTicketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a ticket: expected `nighT1.` and the text that came with the doubt, unchanged")
    }
}
impl std::error::Error for ParseTicketError {}

impl FromStr for Ticket {
    type Err = ParseTicketError;
    fn from_str(text: &str) -> Result<Self, ParseTicketError> {
        let body = text.strip_prefix(PREFIX).filter(|_| text.len() <= Self::TEXT_SIZE_MAX);
        let bytes = URL_SAFE_NO_PAD.decode(body.ok_or(ParseTicketError)?).map_err(|_| ParseTicketError)?;
        crate::decode(&bytes).map_err(|_| ParseTicketError)
    }
}
