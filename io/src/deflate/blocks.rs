//! Deflate from all cores: blocks are packed in batches and written in their order.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;

use rayon::prelude::*;

use super::Deflater;

/// How many blocks are compressed before they are written.
const BATCH: usize = 64;

/// Writes `pieces`, one after the other, as deflate blocks of `block` bytes each; the stream has no
/// end yet. `sum` is taken of the bytes of every block, and `each` hears of them in order: packed
/// length, length, sum.
pub(crate) fn write_blocks<S: Send + Sync>(
    file: &mut File,
    pieces: &[&[u8]],
    block: u64,
    level: u32,
    sum: impl Fn(&[u8]) -> S + Sync,
    mut each: impl FnMut(usize, u64, S),
) -> io::Result<()> {
    let len: u64 = pieces.iter().map(|p| p.len() as u64).sum();
    let count = len.div_ceil(block) as usize;
    let range = |i: usize| i as u64 * block..((i as u64 + 1) * block).min(len);
    let pack = |blocks: Range<usize>| -> Vec<(Vec<u8>, u64, S)> {
        blocks
            .into_par_iter()
            .map_init(
                || (Deflater::new(level), Vec::new()),
                |(deflater, gathered), i| {
                    let bytes = gather(pieces, range(i), gathered);
                    (deflater.block(bytes), bytes.len() as u64, sum(bytes))
                },
            )
            .collect()
    };
    let mut packed = pack(0..BATCH.min(count));
    for start in (0..count).step_by(BATCH) {
        let next = (start + BATCH).min(count)..(start + 2 * BATCH).min(count);
        // The disk works on one batch while the cores work on the next.
        let (written, following) = rayon::join(
            || {
                packed
                    .iter()
                    .try_for_each(|(bytes, ..)| file.write_all(bytes))
            },
            || pack(next),
        );
        written?;
        for (bytes, len, sum) in packed {
            each(bytes.len(), len, sum);
        }
        packed = following;
    }
    Ok(())
}

/// The bytes of a range of the concatenated pieces; copied only where it crosses pieces.
fn gather<'a>(pieces: &[&'a [u8]], range: Range<u64>, copy: &'a mut Vec<u8>) -> &'a [u8] {
    copy.clear();
    let mut start = 0;
    for piece in pieces {
        let end = start + piece.len() as u64;
        let from = range.start.max(start);
        let to = range.end.min(end);
        if from < to {
            let part = &piece[(from - start) as usize..(to - start) as usize];
            if part.len() as u64 == range.end - range.start {
                return part;
            }
            copy.extend_from_slice(part);
        }
        start = end;
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_gathered_across_their_borders() {
        let pieces: [&[u8]; 4] = [b"ab", b"", b"cde", b"f"];
        let mut copy = Vec::new();
        for (range, expected) in [
            (0..6, "abcdef"),
            (1..3, "bc"),
            (2..4, "cd"),
            (5..6, "f"),
            (4..4, ""),
        ] {
            assert_eq!(gather(&pieces, range, &mut copy), expected.as_bytes());
        }
    }
}
