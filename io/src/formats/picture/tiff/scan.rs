//! The lists in the tags of a TIFF file, held against its length before the decoder makes room for
//! them: it would believe whatever they declare.

use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};

use crate::error::{Error, Result};
use crate::source::{COPY_AGAIN, Source};

/// Bytes of each type, by its number in the file.
const TYPES: [u64; 19] = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8];

/// Offsets and lengths of strips and tiles: the lists that are read of every page.
const OF_PIXELS: [u64; 4] = [273, 279, 324, 325];

/// How numbers are written in a file.
#[derive(Clone, Copy)]
struct Form {
    big_endian: bool,
    /// Whether offsets and counts have 64 bits.
    long: bool,
}

impl Form {
    fn number(self, bytes: &[u8]) -> u64 {
        let add = |n, &byte| n << 8 | u64::from(byte);
        if self.big_endian {
            bytes.iter().fold(0, add)
        } else {
            bytes.iter().rev().fold(0, add)
        }
    }
}

/// Refuses a file with a list that it does not hold.
pub(super) fn check(source: &Source) -> Result<()> {
    let path = source.path();
    let start = source.start();
    let form = Form {
        big_endian: start.starts_with(b"MM"),
        long: start.get(2..4).is_some_and(|v| v.contains(&43)),
    };
    let damaged = |reason: String| Error::input(path, reason).field("TIFF").remedy(COPY_AGAIN);
    let (width, entry, head) = if form.long { (8, 20, 8) } else { (4, 12, 2) };
    let mut reader = source.reader();
    let mut bytes = |at: u64, length: usize| -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        reader
            .seek(SeekFrom::Start(at))
            .and_then(|_| reader.read_exact(&mut bytes))
            .map_err(|_| damaged("the file ends within its directory".to_owned()))?;
        Ok(bytes)
    };
    let first = if form.long { 8 } else { 4 };
    let mut at = form.number(&bytes(first, width)?);
    let mut seen = BTreeSet::new();
    // Directories that lie within each other, or that share a list, would be read again and again:
    // a small file would keep the decoder busy for hours.
    let (mut directories, mut lists) = (0_u64, 0_u64);
    while at != 0 {
        if !seen.insert(at) {
            return Err(damaged(
                "its pages follow each other in a circle".to_owned(),
            ));
        }
        let count = form.number(&bytes(at, head)?);
        let length = count
            .checked_mul(entry)
            .filter(|&length| length <= source.len())
            .ok_or_else(|| damaged(format!("a directory declares {count} tags")))?;
        directories = directories.saturating_add(head as u64 + length + width as u64);
        if directories > source.len() {
            let reason = "its directories are together longer than the file: they overlap";
            return Err(damaged(reason.to_owned()));
        }
        let entries = at.saturating_add(head as u64);
        let tags = bytes(entries, length as usize)?;
        for tag in tags.chunks_exact(entry as usize) {
            let kind = form.number(&tag[2..4]) as usize;
            let count = form.number(&tag[4..4 + width]);
            let each = TYPES.get(kind).copied().unwrap_or(0);
            let number = form.number(&tag[..2]);
            let length = count.checked_mul(each);
            let Some(length) = length.filter(|&length| length <= source.len()) else {
                let reason =
                    format!("tag {number} declares {count} values, more than the file holds");
                return Err(damaged(reason));
            };
            if OF_PIXELS.contains(&number) {
                lists = lists.saturating_add(length);
            }
        }
        if lists > source.len() {
            let reason = "the lists of where its pixels are, are together longer than the file";
            return Err(damaged(reason.to_owned()));
        }
        at = form.number(&bytes(entries + length, width)?);
    }
    Ok(())
}
