//! gzip, both ways, on all cores.
//!
//! What is written is one ordinary gzip member: any reader reads it. Its deflate stream is cut
//! into blocks of 1 MiB that do not refer to each other and end on a byte, and the extra field `VP`
//! of the header lists their compressed sizes, so that this reader inflates them in parallel. The
//! bytes depend on contents and level only: no name, no time, the same for any number of threads.
//!
//! What is read may be any gzip file: blocks of ours in parallel, one member with an honest
//! length in one go, everything else (many members, lying or missing lengths, padding) as a stream.

mod write;

use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use flate2::Crc;
use flate2::bufread::GzDecoder;
use rayon::prelude::*;
use voxprep_core::buf::Buf;

use crate::deflate::END;
use crate::error::{Error, Result};
use crate::source::{Bytes, COPY_AGAIN};

pub(crate) use write::write;

/// The first bytes of every gzip file.
pub(crate) const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Bytes of the header before the compressed sizes: ten fixed, the lengths, `VP`, the block size.
const FIXED: usize = 20;
/// Contents before the voxels, and beyond them, that are still inflated in one go.
const TRAILING: u64 = 1 << 20;

/// Whether a file begins with a whole header of gzip (RFC 1952): the magic, deflate, no reserved
/// flag.
pub(crate) fn is_header(start: &[u8]) -> bool {
    start.len() >= 10
        && start.starts_with(&MAGIC)
        && start.get(2) == Some(&8)
        && start.get(3).is_some_and(|flags| flags & 0xe0 == 0)
}

/// A damaged gzip file, as flate2 tells it.
pub(crate) fn damaged(path: &Path, error: &io::Error) -> Error {
    let reason = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the gzip stream ends early".to_owned(),
        _ => format!("the gzip stream is damaged ({error})"),
    };
    Error::input(path, reason).remedy(COPY_AGAIN)
}

/// Opens gzip of whose contents the bytes from `start` to `end` will be read; `path` is where it
/// is from.
pub(crate) fn open(packed: &Buf<u8>, start: u64, end: u64, path: &Path) -> Result<Bytes> {
    // What is before the voxels is kept only where it is little.
    if start <= TRAILING {
        if let Some(blocks) = Blocks::parse(packed, end) {
            return Ok(Bytes::Blocks(blocks));
        }
        if let Some(buf) = at_once(packed.as_slice(), end) {
            return Ok(Bytes::Memory(buf, 0));
        }
    }
    let inflated = stream(packed.as_slice(), start..end, path)?;
    Ok(Bytes::Memory(inflated, start))
}

/// Inflates a file of one member whose stated length fits what the caller needs.
fn at_once(packed: &[u8], needed: u64) -> Option<Buf<u8>> {
    let stated = u32::from_le_bytes(*packed.last_chunk::<4>()?);
    let len = if needed <= u64::from(u32::MAX) {
        Some(u64::from(stated)).filter(|n| (needed..=needed + TRAILING).contains(n))?
    } else {
        // The stated length is modulo 4 GiB.
        Some(needed).filter(|&n| n as u32 == stated)?
    };
    let mut buf = Buf::for_overwrite(usize::try_from(len).ok()?).ok()?;
    let out = buf.as_mut_slice().ok()?;
    let inflated = libdeflater::Decompressor::new().gzip_decompress(packed, out);
    matches!(inflated, Ok(n) if n as u64 == len).then_some(buf)
}

/// Inflates a range of any gzip file as a stream: member after member, checksums verified.
fn stream(packed: &[u8], range: Range<u64>, path: &Path) -> Result<Buf<u8>> {
    let len = usize::try_from(range.end.saturating_sub(range.start))
        .map_err(|_| Error::limit(path, "the contents are larger than memory can be"))?;
    let mut buf = Buf::for_overwrite(len).map_err(|e| Error::core(path, e))?;
    let out = buf.as_mut_slice().map_err(|e| Error::core(path, e))?;
    let mut before = range.start;
    let mut filled = 0;
    let mut rest = packed;
    // What follows the voxels is inflated as well, for the sake of the checksum, up to a limit.
    let mut unused = vec![0; 64 << 10];
    let mut trailed = 0;
    while rest.starts_with(&MAGIC) {
        let mut member = GzDecoder::new(rest);
        loop {
            let target = if before > 0 {
                let most = unused
                    .len()
                    .min(usize::try_from(before).unwrap_or(usize::MAX));
                &mut unused[..most]
            } else if filled < len {
                &mut out[filled..]
            } else {
                &mut unused[..]
            };
            match member.read(target) {
                Ok(0) => break,
                Ok(n) if before > 0 => before -= n as u64,
                Ok(n) if filled < len => filled += n,
                Ok(n) => trailed += n as u64,
                Err(error) => return Err(damaged(path, &error)),
            }
            if trailed > 16 * TRAILING {
                break;
            }
        }
        if trailed > 16 * TRAILING {
            break;
        }
        rest = member.into_inner();
    }
    if filled < len {
        return Err(Error::input(
            path,
            format!(
                "the header declares {} bytes, the gzip stream holds {}: voxels are missing",
                range.end,
                range.start - before + filled as u64
            ),
        )
        .remedy(COPY_AGAIN));
    }
    if trailed > 0 || !rest.is_empty() {
        tracing::debug!("bytes after the voxels are ignored: {}", path.display());
    }
    Ok(buf)
}

/// A gzip file of ours: blocks that inflate independently.
pub(crate) struct Blocks {
    packed: Buf<u8>,
    /// Where each block starts in `packed`, and where the last ends.
    starts: Vec<usize>,
    block: usize,
    len: u64,
    sum: u32,
    sums: Vec<OnceLock<Crc>>,
}

/// What a thread keeps between the blocks it inflates.
#[derive(Default)]
pub(crate) struct Scratch {
    inflater: libdeflater::Decompressor,
    packed: Vec<u8>,
    block: Vec<u8>,
}

impl Blocks {
    /// Finds the blocks of a file of ours whose contents are exactly `needed` bytes.
    fn parse(buf: &Buf<u8>, needed: u64) -> Option<Self> {
        let packed = buf.as_slice();
        let header = packed.first_chunk::<FIXED>()?;
        let [
            _,
            _,
            method,
            flags,
            ..,
            x0,
            x1,
            b'V',
            b'P',
            n0,
            n1,
            b0,
            b1,
            b2,
            b3,
        ] = *header
        else {
            return None;
        };
        let extra = usize::from(u16::from_le_bytes([x0, x1]));
        let field = usize::from(u16::from_le_bytes([n0, n1]));
        let block = u32::from_le_bytes([b0, b1, b2, b3]) as usize;
        if method != 8 || flags != 4 || extra != field + 4 || field % 4 != 0 || block < 1 << 20 {
            return None;
        }
        let first = 12 + extra;
        let mut starts = vec![first];
        for size in packed.get(FIXED..first)?.as_chunks::<4>().0 {
            starts.push(
                starts
                    .last()?
                    .checked_add(u32::from_le_bytes(*size) as usize)?,
            );
        }
        let tail = packed.get(*starts.last()?..)?;
        let (end, trailer) = tail.split_first_chunk::<2>()?;
        let [s0, s1, s2, s3, l0, l1, l2, l3] = *<&[u8; 8]>::try_from(trailer).ok()?;
        let count = starts.len() as u64 - 1;
        let honest = *end == END
            && u32::from_le_bytes([l0, l1, l2, l3]) == needed as u32
            && needed.div_ceil(block as u64) == count;
        honest.then(|| Self {
            packed: buf.clone(),
            starts,
            block,
            len: needed,
            sum: u32::from_le_bytes([s0, s1, s2, s3]),
            sums: (0..count).map(|_| OnceLock::new()).collect(),
        })
    }

    /// The length of every block but the last, in bytes of contents.
    pub(crate) fn block(&self) -> u64 {
        self.block as u64
    }

    /// Copies a range of the contents that lies in one block.
    pub(crate) fn read_into(
        &self,
        range: Range<u64>,
        out: &mut [u8],
        scratch: &mut Scratch,
        path: &Path,
    ) -> Result<()> {
        let index = (range.start / self.block()) as usize;
        let first = index as u64 * self.block();
        let len = (self.len.saturating_sub(first)).min(self.block()) as usize;
        if out.len() == len {
            return self.inflate(index, out, scratch, path);
        }
        let mut block = std::mem::take(&mut scratch.block);
        block.resize(len, 0);
        let outcome = self.inflate(index, &mut block, scratch, path);
        let from = (range.start - first) as usize;
        if let Some(bytes) = block.get(from..from + out.len()) {
            out.copy_from_slice(bytes);
        }
        scratch.block = block;
        outcome
    }

    /// All contents.
    pub(crate) fn inflate_all(&self, path: &Path) -> Result<Buf<u8>> {
        let mut buf = Buf::for_overwrite(self.len as usize).map_err(|e| Error::core(path, e))?;
        buf.as_mut_slice()
            .map_err(|e| Error::core(path, e))?
            .par_chunks_mut(self.block)
            .enumerate()
            .try_for_each_init(Scratch::default, |scratch, (i, out)| {
                self.inflate(i, out, scratch, path)
            })?;
        self.check_sum(path)?;
        Ok(buf)
    }

    /// Compares the checksum of all blocks, each of which has been read, with the stated one.
    pub(crate) fn check_sum(&self, path: &Path) -> Result<()> {
        let mut sum = Crc::new();
        for part in &self.sums {
            part.get().into_iter().for_each(|part| sum.combine(part));
        }
        if sum.sum() == self.sum {
            return Ok(());
        }
        Err(Error::input(
            path,
            "the gzip stream is damaged (its checksum does not match)",
        )
        .remedy(COPY_AGAIN))
    }

    fn inflate(
        &self,
        index: usize,
        out: &mut [u8],
        scratch: &mut Scratch,
        path: &Path,
    ) -> Result<()> {
        let wrong = || {
            Error::input(path, format!("the gzip stream is damaged (block {index})"))
                .remedy(COPY_AGAIN)
        };
        let (Some(&from), Some(&to), Some(sum)) = (
            self.starts.get(index),
            self.starts.get(index + 1),
            self.sums.get(index),
        ) else {
            return Err(wrong());
        };
        scratch.packed.clear();
        scratch
            .packed
            .extend_from_slice(&self.packed.as_slice()[from..to]);
        scratch.packed.extend_from_slice(&END);
        match scratch.inflater.deflate_decompress(&scratch.packed, out) {
            Ok(n) if n == out.len() => {
                sum.get_or_init(|| crc(out));
                Ok(())
            }
            _ => Err(wrong()),
        }
    }
}

fn crc(bytes: &[u8]) -> Crc {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc
}
