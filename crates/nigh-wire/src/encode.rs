//! Bytes being written: numbers a word at a time, everything else as it lies in memory.
//!
//! Writing cannot fail; what is too large is refused by whoever sends it.

use std::cell::{Cell, RefCell};

use bytes::Bytes;

use crate::few::copied;

thread_local! {
    /// Room of a value that was written before: the next one needs no memory but that of its bytes.
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    /// Of values that are written while another is.
    static ROOMS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Rooms that a thread keeps for those.
const ROOMS_MAX: usize = 4;

/// Where a value writes its canonical bytes.
#[derive(Clone, Debug, Default, Hash)]
pub struct Out {
    buf: Vec<u8>,
}

/// What is taken up to this size, in bytes, is copied, and its room stays; more is handed on as it lies.
const COPIED_SIZE_MAX: usize = 4 * 1024;
/// Room up to this size is kept by its thread, in bytes: sixteen pages.
const ROOM_SIZE_MAX: usize = 64 * 1024;

impl Out {
    /// Room for about this many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        let mut buf = ROOM.try_with(Cell::take).unwrap_or_default();
        if buf.capacity() == 0 {
            buf = another_room();
        }
        buf.reserve(bytes);
        Out { buf }
    }
    /// One byte.
    #[inline]
    pub fn byte(&mut self, byte: u8) {
        self.buf.push(byte);
    }
    /// These bytes as they are.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }
    /// LEB128, shortest form.
    #[inline]
    pub fn var(&mut self, v: u64) {
        if v < 0x80 {
            self.buf.push(v as u8);
        } else if v < 0x4000 {
            self.buf.extend_from_slice(&[v as u8 | 0x80, (v >> 7) as u8]); // mutant two-bytes-unmarked: self.buf.extend_from_slice(&[v as u8, (v >> 7) as u8]);
        } else {
            self.var_long(v);
        }
    }
    /// Three bytes or more.
    #[inline(never)]
    fn var_long(&mut self, v: u64) {
        if v >> 56 == 0 {
            self.var_word(v);
        } else {
            // Eight whole groups, then what is over 56 bits: one byte or two.
            self.groups(v & ((1 << 56) - 1), 0x8080_8080_8080_8080, 8);
            self.var(v >> 56);
        }
    }
    /// Three to eight bytes: spreads the groups of seven bits over a word, writes it whole, keeps what counts.
    fn var_word(&mut self, v: u64) {
        let n = (70 - v.leading_zeros()) as usize / 7;
        self.groups(v, 0x8080_8080_8080_8080 & ((1u64 << (8 * (n - 1))) - 1), n);
    }
    /// `n` groups of seven bits, those in `more` followed by others.
    #[inline]
    fn groups(&mut self, v: u64, more: u64, n: usize) {
        let x = (v & 0x0fff_ffff) | (v & 0x00ff_ffff_f000_0000) << 4;
        let x = (x & 0x0000_3fff_0000_3fff) | (x & 0x0fff_c000_0fff_c000) << 2;
        let x = (x & 0x007f_007f_007f_007f) | (x & 0x3f80_3f80_3f80_3f80) << 1;
        let at = self.buf.len();
        self.buf.extend_from_slice(&(x | more).to_le_bytes());
        self.buf.truncate(at + n);
    }
    /// LEB128, shortest form.
    pub fn var128(&mut self, mut v: u128) {
        while v >= 0x80 {
            self.buf.push(v as u8 | 0x80);
            v >>= 7;
        }
        self.buf.push(v as u8);
    }
    /// Length and bytes.
    pub fn len_bytes(&mut self, bytes: &[u8]) {
        self.var(bytes.len() as u64);
        self.raw(bytes);
    }
    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.buf.len()
    }
    /// Forgets what was written from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.buf.truncate(len);
    }
    /// Puts a number, as [`Out::var`] writes it, before what was written from `at` on: of parts counted while they were
    /// written.
    pub fn insert_var(&mut self, at: usize, v: u64) {
        let end = self.len();
        self.var(v);
        let size = self.len() - end;
        self.buf[at..].rotate_right(size);
    }
    /// True if nothing was written.
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }
    /// What was written.
    pub fn into_bytes(mut self) -> Bytes {
        if self.buf.len() > COPIED_SIZE_MAX {
            return std::mem::take(&mut self.buf).into_boxed_slice().into();
        }
        copied(&self.buf)
    }
    /// What was written so far, as a slice.
    pub fn as_slice(&self) -> &[u8] {
        &self.buf
    }
    /// Takes what was written and leaves the room for more.
    pub fn take(&mut self) -> Bytes {
        if self.buf.len() > COPIED_SIZE_MAX {
            let room = Vec::with_capacity(self.buf.capacity());
            return std::mem::replace(&mut self.buf, room).into();
        }
        let taken = copied(&self.buf);
        self.buf.clear();
        taken
    }
}

/// Its room is left to the next value of this thread.
impl Drop for Out {
    fn drop(&mut self) {
        if (1..=ROOM_SIZE_MAX).contains(&self.buf.capacity()) {
            self.buf.clear();
            let buf = std::mem::take(&mut self.buf);
            // A thread that ends keeps none.
            let other = ROOM.try_with(|room| room.replace(buf)).unwrap_or_default();
            if other.capacity() > 0 {
                keep(other);
            }
        }
    }
}

/// Room for a value that is written while another is.
#[inline(never)]
fn another_room() -> Vec<u8> {
    ROOMS.try_with(|rooms| rooms.borrow_mut().pop()).ok().flatten().unwrap_or_default()
}

#[inline(never)]
fn keep(room: Vec<u8>) {
    let _ended = ROOMS.try_with(|rooms| {
        let mut rooms = rooms.borrow_mut();
        if rooms.len() < ROOMS_MAX {
            rooms.push(room);
        }
    });
}
