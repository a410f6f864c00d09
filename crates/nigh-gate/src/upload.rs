//! The body of a request: read whole within bounds of size and time, or thrown away within wider ones.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::EXPECT;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::clock::now;
use crate::problem::{Happened, Kind, Problem};

/// Largest body: 1 MiB, as a call. What is larger travels in pieces, not through here.
pub(crate) const BODY_SIZE_MAX: usize = 1 << 20;
/// From the end of the headers to the end of the body: 1 MiB at 35 KiB/s.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);
/// All bodies in memory at once: 64 of the largest, or thousands of the usual ones.
pub(crate) const BODIES_SIZE_MAX: usize = 64 << 20;
/// What is read and thrown away of a refused body, so that its sender, still writing, gets to read why.
const DRAIN_SIZE_MAX: usize = 8 << 20;
/// How long that may take.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);

const _: () = assert!(BODY_SIZE_MAX <= BODIES_SIZE_MAX && BODIES_SIZE_MAX < u32::MAX as usize);

/// A body on its way in.
pub(crate) struct Upload<B> {
    body: Pin<Box<B>>,
    whole: bool,
    /// The sender waits to be asked for the body: refused, it is never sent.
    waits: bool,
}

/// A body that has arrived, with its share of [`BODIES_SIZE_MAX`].
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

impl<B: http_body::Body<Data = Bytes>> Upload<B> {
    pub(crate) fn new(body: B, headers: &HeaderMap) -> Self {
        let waits = headers.get(EXPECT).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let whole = body.is_end_stream();
        Upload { body: Box::pin(body), whole, waits }
    }

    /// True if there is nothing to read.
    pub(crate) fn is_empty(&self) -> bool {
        self.whole
    }

    /// All of it.
    ///
    /// # Errors
    ///
    /// It is too large, too slow, breaks off, or there is no room for it.
    pub(crate) async fn read(&mut self, room: &Arc<Semaphore>) -> Result<Arrived, Problem> {
        if self.body.size_hint().lower() > BODY_SIZE_MAX as u64 {
            return Err(too_large());
        }
        self.waits = false;
        let due = now() + BODY_TIME_MAX;
        let mut bytes = BytesMut::new();
        let mut share: Option<OwnedSemaphorePermit> = None;
        while let Some(piece) = self.next(due).await? {
            if bytes.len() + piece.len() > BODY_SIZE_MAX {
                return Err(too_large());
            }
            let more = room.clone().try_acquire_many_owned(piece.len() as u32).map_err(|_| no_room())?;
            match &mut share {
                Some(share) => share.merge(more),
                None => share = Some(more),
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(Arrived { bytes: bytes.freeze(), _share: share })
    }

    /// Reads what is left and forgets it.
    pub(crate) async fn drain(&mut self) {
        let due = now() + DRAIN_TIME_MAX;
        let mut left = DRAIN_SIZE_MAX;
        while !self.waits {
            match self.next(due).await {
                Ok(Some(piece)) if piece.len() <= left => left -= piece.len(),
                Ok(_) | Err(_) => return,
            }
        }
    }

    async fn next(&mut self, due: Instant) -> Result<Option<Bytes>, Problem> {
        while !self.whole {
            match timeout_at(due, self.body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    if let Ok(piece) = frame.into_data() {
                        return Ok(Some(piece));
                    }
                }
                Ok(None) => self.whole = true,
                Ok(Some(Err(_))) => {
                    self.whole = true;
                    return Err(Problem::refused(Kind::Malformed, "The body breaks off. Send it whole."));
                }
                Err(_) => {
                    let detail =
                        format!("A body arrives within {} s. Send it again.", BODY_TIME_MAX.as_secs());
                    return Err(Problem::refused(Kind::UploadTimeout, detail).retry_after(1));
                }
            }
        }
        Ok(None)
    }
}

fn too_large() -> Problem {
    let detail = format!("A body is at most {BODY_SIZE_MAX} bytes (1 MiB). Send less at once.");
    Problem::refused(Kind::TooLarge, detail)
}

fn no_room() -> Problem {
    let detail = "Too many large requests are being read. Ask again later.";
    Problem::new(Kind::Overloaded, Happened::Overloaded, detail).retry_after(1)
}
