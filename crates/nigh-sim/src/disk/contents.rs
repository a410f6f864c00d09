//! Bytes of a file, cheap to copy: a run keeps thousands of states of the same file.

use std::sync::Arc;

/// One page is shared by all states in which it is the same.
const PAGE_SIZE: u64 = 4096;

type Page = [u8; PAGE_SIZE as usize];

/// Bytes of a file. Behind its end, the last page is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pages: Vec<Arc<Page>>,
    len: u64,
}

/// The parts of `size` bytes from `offset` on, one for each page: its number, where in it, where in the bytes.
fn parts(offset: u64, size: usize) -> impl Iterator<Item = (usize, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let inside = (at % PAGE_SIZE) as usize;
        let count = (PAGE_SIZE as usize - inside).min(size - done);
        let part = ((at / PAGE_SIZE) as usize, inside, done..done + count);
        done += count;
        (count > 0).then_some(part)
    })
}

impl Contents {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Cuts off what is behind `len`, or adds zeros up to it.
    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.len
            && let Some(last) = self.pages.get_mut((len / PAGE_SIZE) as usize)
        {
            Arc::make_mut(last)[(len % PAGE_SIZE) as usize..].fill(0);
        }
        // One page of zeros for all.
        self.pages.resize(len.div_ceil(PAGE_SIZE) as usize, Arc::new([0; PAGE_SIZE as usize]));
        self.len = len;
    }

    /// Whether all of `out` is in the file, which is then read.
    pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> bool {
        let inside = offset.checked_add(out.len() as u64).is_some_and(|end| end <= self.len);
        if inside {
            for (page, at, part) in parts(offset, out.len()) {
                let count = part.len();
                out[part].copy_from_slice(&self.pages[page][at..at + count]);
            }
        }
        inside
    }

    /// Writes; what is behind the end is dropped.
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) {
        let room = self.len.saturating_sub(offset).min(data.len() as u64) as usize;
        for (page, at, part) in parts(offset, room) {
            let count = part.len();
            Arc::make_mut(&mut self.pages[page])[at..at + count].copy_from_slice(&data[part]);
        }
    }
}
