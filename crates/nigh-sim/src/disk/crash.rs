//! What a power loss leaves, and how a disk decays: drawn from a seed.
//!
//! - [`Image::crash`]: of what was not synced, any subset of sectors may have reached the platter, so it is lost or
//!   reordered; one sector may be torn inside; one may lie where another un-synced one belongs. A store must come back exactly.
//! - [`Image::damage`]: what was synced is no longer what was written. A store must say so, or be right.
//!
//! The first page of a file is never the place a sector is misdirected to by a crash: what stands there was synced once and is
//! overwritten in place, so that losing it is damage.

use std::collections::BTreeMap;

use super::contents::Contents;
use super::image::{Change, FileImage, Image};
use super::random::Rng;

/// What may befall a sector that was not synced.
#[derive(Clone, Copy, Debug)]
pub struct Kinds {
    /// A part of its bytes is written.
    pub torn: bool,
    /// It is written in the place of another one that was not synced.
    pub misdirected: bool,
}

impl Kinds {
    /// All of them.
    pub const ALL: Kinds = Kinds { torn: true, misdirected: true };
}

/// How often each befell.
pub type Counts = BTreeMap<&'static str, u64>;

/// Writes in place are at the start of a file; a store's header has its own checksums there.
const HEADER_SIZE: u64 = 4096;

/// What a disk writes at once: the old and the usual size.
const SECTOR_SIZES: [usize; 2] = [512, 4096];

/// Chances that a sector survives, in eighths: none, few, half, most, all.
const SURVIVES: [u64; 5] = [0, 1, 4, 7, 8];

/// A part of an un-synced write, or a new length.
enum Piece<'a> {
    Sector(u64, &'a [u8]),
    SetLen(u64),
}

impl Image {
    /// What the platter holds after the power failed now.
    #[must_use]
    pub fn crash(&self, rng: &mut Rng, kinds: Kinds, counts: &mut Counts) -> Image {
        let mut names = self.names_platter.clone();
        let chance = SURVIVES[rng.below(5) as usize];
        for naming in &self.unsynced_names {
            if rng.below(8) < chance {
                naming.apply(&mut names);
            } else {
                *counts.entry("name lost").or_default() += 1;
            }
        }
        let files = self.files.iter().map(|file| at_rest(file.survivors(rng, kinds, counts))).collect();
        Image { files, names_platter: names.clone(), names, unsynced_names: Vec::new() }
    }

    /// As it is seen now, all of it on the platter: what a planned stop leaves in the end.
    #[must_use]
    pub fn settled(&self) -> Image {
        let files = self.files.iter().map(|file| at_rest(file.cache.clone())).collect();
        Image {
            files,
            names_platter: self.names.clone(),
            names: self.names.clone(),
            unsynced_names: Vec::new(),
        }
    }

    /// One sector of one file is no longer what was written and synced. Says what happened.
    #[must_use]
    pub fn damage(&self, rng: &mut Rng) -> (Image, &'static str) {
        let mut damaged = self.settled();
        let named = damaged.names.values().copied();
        let named: Vec<_> = named.filter(|file| damaged.files[*file].cache.len() > 0).collect();
        let file = named[rng.below(named.len() as u64) as usize];
        let size = SECTOR_SIZES[rng.below(2) as usize];
        let contents = damaged.files[file].cache.clone();
        let (at, mut sector) = draw_sector(rng, &contents, size);
        let (at, kind) = match rng.below(4) {
            0 => {
                let bit = rng.below(8 * sector.len() as u64) as usize;
                sector[bit / 8] ^= 1 << (bit % 8);
                (at, "bit flipped")
            }
            1 => {
                sector.fill(0);
                (at, "sector zeroed")
            }
            2 => {
                // Written for another place, of this file or of the other one.
                let source = named[rng.below(named.len() as u64) as usize];
                sector = draw_sector(rng, &damaged.files[source].cache, size).1;
                (at, "misdirected over synced")
            }
            _ => {
                let at = draw_lost(rng, &self.files[file].older, &contents, &mut sector).unwrap_or(at);
                (at, "lost although synced")
            }
        };
        let mut contents = contents;
        contents.write(at, &sector);
        damaged.files[file] = at_rest(contents);
        (damaged, kind)
    }
}

/// Any sector; one in four is the first, where the header is.
fn draw_sector(rng: &mut Rng, contents: &Contents, size: usize) -> (u64, Vec<u8>) {
    let size = size.min(contents.len() as usize);
    let sectors = (contents.len() / size.max(1) as u64).max(1);
    let at = if rng.once_in(4) { 0 } else { rng.below(sectors) * size as u64 };
    let mut sector = vec![0; size];
    contents.read(at, &mut sector);
    (at, sector)
}

/// A sector that the last sync changed, as it was before; `None` if there is none.
fn draw_lost(rng: &mut Rng, older: &Contents, newer: &Contents, sector: &mut [u8]) -> Option<u64> {
    let size = sector.len() as u64;
    let (mut old, mut new) = (sector.to_vec(), sector.to_vec());
    let starts = (0..newer.len() / size.max(1)).map(|i| i * size);
    let changed: Vec<_> =
        starts.filter(|at| older.read(*at, &mut old) && newer.read(*at, &mut new) && old != new).collect();
    let at = *changed.get(rng.below(changed.len().max(1) as u64) as usize)?;
    older.read(at, sector);
    Some(at)
}

fn at_rest(contents: Contents) -> FileImage {
    FileImage { older: contents.clone(), platter: contents.clone(), cache: contents, ..FileImage::default() }
}

impl FileImage {
    /// A failed sync: the system forgets that these pages were to be written. A read may still see them.
    pub(super) fn drop_unsynced(&mut self, rng: &mut Rng) {
        let kinds = Kinds { torn: false, misdirected: false };
        self.platter = self.survivors(rng, kinds, &mut Counts::new());
        self.unsynced.clear();
        self.cache_is_ahead = true;
    }

    /// The platter with some of what was not synced.
    fn survivors(&self, rng: &mut Rng, kinds: Kinds, counts: &mut Counts) -> Contents {
        let mut platter = self.platter.clone();
        if self.unsynced.is_empty() {
            return platter;
        }
        let size = SECTOR_SIZES[rng.below(2) as usize];
        let pieces: Vec<_> = self.unsynced.iter().flat_map(|change| pieces(change, size)).collect();
        let chance = SURVIVES[rng.below(5) as usize];
        let lengths = self.unsynced.iter().filter(|change| matches!(change, Change::SetLen(_))).count();
        let mut lengths_kept = rng.below(lengths as u64 + 1);
        let one = |rng: &mut Rng, on: bool| (on && rng.once_in(3)).then(|| rng.below(pieces.len() as u64));
        let (torn, misdirected) = (one(rng, kinds.torn), one(rng, kinds.misdirected));
        for (i, piece) in pieces.iter().enumerate() {
            let (at, data) = match *piece {
                // Lengths are journaled: a later one is not there without those before it.
                Piece::SetLen(len) if lengths_kept > 0 => {
                    lengths_kept -= 1;
                    platter.set_len(len);
                    continue;
                }
                Piece::SetLen(_) => {
                    *counts.entry("set_len lost").or_default() += 1;
                    continue;
                }
                Piece::Sector(at, data) => (at, data),
            };
            if torn == Some(i as u64) {
                let end = rng.below(data.len() as u64) as usize;
                let part = if rng.once_in(2) { (at, &data[..end]) } else { (at + end as u64, &data[end..]) };
                platter.write(part.0, part.1);
                *counts.entry("torn").or_default() += 1;
            } else if misdirected == Some(i as u64) {
                let place = &pieces[rng.below(pieces.len() as u64) as usize];
                if let Piece::Sector(place, other) = *place
                    && place >= HEADER_SIZE
                {
                    platter.write(place, &data[..data.len().min(other.len())]);
                    *counts.entry("misdirected").or_default() += 1;
                }
            } else if rng.below(8) < chance {
                platter.write(at, data);
                *counts.entry("survived").or_default() += 1;
            } else {
                *counts.entry("lost").or_default() += 1;
            }
        }
        platter
    }
}

fn pieces(change: &Change, size: usize) -> Vec<Piece<'_>> {
    match change {
        Change::SetLen(len) => vec![Piece::SetLen(*len)],
        Change::Write(offset, data) => {
            let mut pieces = Vec::new();
            let mut done = 0;
            while done < data.len() {
                let at = offset + done as u64;
                let end = (done + size - (at % size as u64) as usize).min(data.len());
                pieces.push(Piece::Sector(at, &data[done..end]));
                done = end;
            }
            pieces
        }
    }
}
