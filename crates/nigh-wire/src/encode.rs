//! Bytes being written.

use bytes::{BufMut, Bytes, BytesMut};

/// Where a value writes its canonical bytes.
#[derive(Debug, Default)]
pub struct Out {
    buf: BytesMut,
}

impl Out {
    /// Room for about this many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Out { buf: BytesMut::with_capacity(bytes) }
    }
    /// One byte.
    pub fn byte(&mut self, byte: u8) {
        self.buf.put_u8(byte);
    }
    /// These bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }
    /// LEB128, shortest form.
    pub fn var(&mut self, mut v: u64) {
        while v >= 0x80 {
            self.buf.put_u8(v as u8 | 0x80);
            v >>= 7;
        }
        self.buf.put_u8(v as u8);
    }
    /// LEB128, shortest form.
    pub fn var128(&mut self, mut v: u128) {
        while v >= 0x80 {
            self.buf.put_u8(v as u8 | 0x80);
            v >>= 7;
        }
        self.buf.put_u8(v as u8);
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
    /// True if nothing was written.
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }
    /// What was written.
    pub fn into_bytes(self) -> Bytes {
        self.buf.freeze()
    }
    /// What was written so far, as a slice.
    pub fn as_slice(&self) -> &[u8] {
        &self.buf
    }
    /// Takes what was written and leaves the room for more.
    pub fn take(&mut self) -> Bytes {
        self.buf.split().freeze()
    }
}
