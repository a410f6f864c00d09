//! What travels on a link, and its bytes: a length of four bytes, little endian, and an encoded [`Frame`].

use bytes::{BufMut, BytesMut};
use nigh_wire::{CallId, CallerId, Out, Reader, Time, Wire, WireHash};

use super::CLOCK_SKEW_MAX;
use super::error::{Differs, LinkError, Misbehaviour, shown};
use crate::calls::caller::{CALL_SIZE_MAX, Slot};
use crate::calls::request::{Answer, Known, Refusal, Request};

/// Version of this layout. Another one is refused by name: the first two fields of a hello never change.
pub const VERSION: u32 = 3;

/// Bytes of a frame's length.
pub const LENGTH_SIZE: usize = 4;

/// The longest frame, in bytes without its length: the largest call and what stands around it. The rest is
/// at most a full list of doubts (10 bytes each), an idempotency key, names and a dozen numbers: 1,500 bytes
/// or so, rounded up to a page.
pub const FRAME_SIZE_MAX: usize = CALL_SIZE_MAX + 4_096;
const _: () = assert!(10 * Known::DOUBTS_MAX + 2 * nigh_wire::Keyed::SIZE_MAX + 512 <= 4_096);
const _: () = assert!(FRAME_SIZE_MAX <= u32::MAX as usize);

/// The longest hello: two names and a hundred bytes. Who has not said hello cannot make us keep more.
pub const HELLO_SIZE_MAX: usize = 1_024;
/// The longest name of an application or a role, in bytes.
pub const NAME_SIZE_MAX: usize = 255;
const _: () = assert!(2 * NAME_SIZE_MAX + 128 <= HELLO_SIZE_MAX);

/// One thing said on a link. The order of variants is the wire form: new ones go last.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The first frame of each end, and only the first.
    Hello(Hello),
    /// Answered by a pong of the same number; of several, only the last need be.
    Ping(u64),
    /// Answers a ping.
    Pong(u64),
    /// A caller has gone, this was its last id, and it knows everything it asked for.
    Bye(CallId),
    /// One copy of something asked. Slots of one direction rise.
    Ask {
        /// Names the copy in what is said of it.
        slot: Slot,
        /// What.
        request: Request,
    },
    /// Said of the id, for good.
    Answer {
        /// Of the copy that brought it up.
        slot: Slot,
        /// What.
        answer: Answer,
    },
    /// Said of one copy (R11).
    Refuse {
        /// Which.
        slot: Slot,
        /// Why.
        refusal: Refusal,
    },
    /// Nobody waits for that copy: if it was not begun, it need not be.
    Cancel {
        /// Which.
        slot: Slot,
    },
}

/// Who speaks, and whether the two can.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Of the layout: [`VERSION`].
    pub version: u32,
    /// Name of the application.
    pub app: String,
    /// Role of the process.
    pub role: String,
    /// Who numbers its calls.
    pub caller: CallerId,
    /// Of all contracts: equal, or the link is refused until values can evolve.
    pub digest: WireHash,
    /// Its clock.
    pub clock: Time,
    /// Highest log time of its shards (R17); its clock if it has none.
    pub log_time: Time,
    /// Number of shards of the application.
    pub shards: u32,
}

impl Hello {
    /// Accepts a peer's hello, or says why the two cannot be linked.
    ///
    /// # Errors
    ///
    /// `Incompatible`, or `ClockSkew`: by its clock or its log time, since births are made from both (R17).
    pub fn accept(&self, ours: &Hello, clock: Time) -> Result<(), LinkError> {
        let theirs = self;
        let differ = |what, ours: String, theirs: String| Err(LinkError::Incompatible { what, ours, theirs });
        if theirs.version != ours.version {
            return differ(Differs::Version, ours.version.to_string(), theirs.version.to_string());
        }
        if theirs.app != ours.app {
            return differ(Differs::App, ours.app.clone(), theirs.app.clone());
        }
        if theirs.shards != ours.shards {
            return differ(Differs::Shards, ours.shards.to_string(), theirs.shards.to_string());
        }
        let same = theirs.digest == ours.digest; // mutant digest-ignored: let same = true;
        if !same {
            return differ(Differs::Digest, shown(&ours.digest), shown(&theirs.digest));
        }
        let ahead = theirs.clock.max(theirs.log_time).saturating_since(clock);
        let behind = clock.saturating_since(theirs.clock);
        if ahead > CLOCK_SKEW_MAX || behind > CLOCK_SKEW_MAX {
            let peer_ahead = ahead > behind;
            return Err(LinkError::ClockSkew { apart: ahead.max(behind), peer_ahead });
        }
        Ok(())
    }
}

/// A frame longer than [`FRAME_SIZE_MAX`]: nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// Its length in bytes.
    pub length: usize,
}

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a frame of {} bytes, at most {FRAME_SIZE_MAX}: send it in parts", self.length)
    }
}
impl std::error::Error for TooLong {}

/// Appends the bytes of a frame.
///
/// # Errors
///
/// It is longer than a peer accepts; nothing was appended.
pub fn write(frame: &Frame, out: &mut BytesMut) -> Result<(), TooLong> {
    let most = if matches!(frame, Frame::Hello(_)) { HELLO_SIZE_MAX } else { FRAME_SIZE_MAX };
    let mut body = Out::with_capacity(64);
    frame.encode(&mut body);
    if body.len() > most {
        return Err(TooLong { length: body.len() });
    }
    out.reserve(LENGTH_SIZE + body.len());
    out.put_u32_le(body.len() as u32);
    out.put_slice(body.as_slice());
    Ok(())
}

/// The frame that these bytes are, all of them. It keeps memory of its own: what is kept of one must not keep a whole
/// read alive. `first` says that a hello is due: one of another version is told apart from nonsense.
///
/// # Errors
///
/// The bytes are no frame, or a hello of another version.
pub fn read(body: &[u8], first: bool) -> Result<Frame, LinkError> {
    if first && let Some(version) = hello_version(body).filter(|version| *version != VERSION) {
        let (ours, theirs) = (VERSION.to_string(), version.to_string());
        return Err(LinkError::Incompatible { what: Differs::Version, ours, theirs });
    }
    nigh_wire::decode_owned(body).map_err(|why| LinkError::PeerMisbehaved(Misbehaviour::Malformed(why)))
}

/// The version in a hello of any version: frame 0, then the version.
fn hello_version(body: &[u8]) -> Option<u32> {
    let mut reader = Reader::new(body);
    let hello = reader.var().ok()? == 0;
    hello.then(|| u32::decode(&mut reader).ok()).flatten()
}
