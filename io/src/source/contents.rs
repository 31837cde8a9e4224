//! The contents of a file, in ranges that many threads may ask for at once: as they are in it, in
//! several files, inflated, or in blocks that are inflated when they are asked for.

use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use voxprep_core::buf::Buf;

use super::{BLOCK, COPY_AGAIN, Source};
use crate::error::{Error, Result};
use crate::gzip;

/// Files that hold the contents between them, one after the other. Each is open only while it is
/// read: there may be more of them than a process may open.
pub(crate) struct Files {
    /// The files, and where in each its part begins.
    pub(crate) files: Vec<(PathBuf, u64)>,
    /// The length of each part.
    pub(crate) each: u64,
}

impl Files {
    fn edge(&self, at: u64) -> u64 {
        (at / self.each.max(1) + 1) * self.each
    }

    /// Reads what lies in one file.
    fn read_at(&self, out: &mut [u8], at: u64) -> Result<()> {
        let Some((path, start)) = self.files.get((at / self.each.max(1)) as usize) else {
            return Err(Error::limit(
                Path::new(""),
                "there are fewer files than the header says",
            ));
        };
        Source::open_as_it_is(path)?.read_at(out, start + at % self.each.max(1))
    }

    fn all(&self) -> Result<Buf<u8>> {
        let first = self.files.first().map_or(Path::new(""), |(path, _)| path);
        let core = |e| Error::core(first, e);
        let len = self.each.saturating_mul(self.files.len() as u64);
        let len = usize::try_from(len)
            .map_err(|_| Error::limit(first, "the files are larger than memory can be"))?;
        let mut buf = Buf::for_overwrite(len).map_err(core)?;
        buf.as_mut_slice()
            .map_err(core)?
            .par_chunks_mut((self.each as usize).max(1))
            .enumerate()
            .try_for_each(|(i, part)| self.read_at(part, i as u64 * self.each))?;
        Ok(buf)
    }
}

/// Where the contents of a file are.
pub(crate) enum Bytes {
    /// In the file, as they are.
    File,
    /// Inflated, in memory, from some byte of the contents on.
    Memory(Buf<u8>, u64),
    /// Compressed, in memory, in blocks that inflate independently.
    Blocks(gzip::Blocks),
    /// In several files, as they are.
    Files(Files),
}

/// The contents of a file, in ranges that many threads may ask for at once.
pub(crate) struct Contents<'a> {
    source: &'a Source,
    pub(super) bytes: Bytes,
}

/// What a thread keeps between the ranges it reads.
#[derive(Default)]
pub(crate) struct Scratch {
    bytes: Vec<u8>,
    pub(crate) inflate: gzip::Scratch,
}

impl<'a> Contents<'a> {
    /// Contents that were found in another way than [`Source::contents`] does.
    pub(crate) fn new(source: &'a Source, bytes: Bytes) -> Self {
        Self { source, bytes }
    }

    /// The path, for messages.
    pub(crate) fn path(&self) -> &Path {
        self.source.path()
    }

    /// Where a range that starts at `at` had best end.
    pub(crate) fn edge(&self, at: u64) -> u64 {
        match &self.bytes {
            Bytes::Blocks(blocks) => (at / blocks.block() + 1) * blocks.block(),
            Bytes::Files(files) => files.edge(at).min(at + BLOCK),
            Bytes::File | Bytes::Memory(..) => at + BLOCK,
        }
    }

    /// The same contents in a form in which any range, as often as needed, is cheap.
    pub(crate) fn for_any_range(mut self) -> Result<Self> {
        match &self.bytes {
            Bytes::Blocks(blocks) => {
                self.bytes = Bytes::Memory(blocks.inflate_all(self.source.path())?, 0);
            }
            Bytes::Files(files) => self.bytes = Bytes::Memory(files.all()?, 0),
            Bytes::File | Bytes::Memory(..) => {}
        }
        Ok(self)
    }

    /// Copies any range.
    pub(crate) fn copy(&self, range: Range<u64>, out: &mut [u8]) -> Result<()> {
        let mut scratch = Scratch::default();
        let (mut at, mut rest) = (range.start, out);
        while at < range.end && !rest.is_empty() {
            let end = self.edge(at).min(range.end);
            let (part, following) = rest.split_at_mut(rest.len().min((end - at) as usize));
            self.read_into(at..end, part, &mut scratch)?;
            (at, rest) = (end, following);
        }
        self.finish()
    }

    /// Whether elements of `step` bytes from `start` on never cross an edge.
    pub(crate) fn fits(&self, start: u64, step: u64) -> bool {
        match &self.bytes {
            Bytes::Blocks(blocks) => {
                blocks.block().is_multiple_of(step) && start.is_multiple_of(step)
            }
            Bytes::Files(files) => start == 0 && files.each.is_multiple_of(step),
            Bytes::File | Bytes::Memory(..) => true,
        }
    }

    /// The bytes of a range, which must not cross an [`edge`](Self::edge).
    pub(crate) fn view<'s>(
        &'s self,
        range: Range<u64>,
        scratch: &'s mut Scratch,
    ) -> Result<&'s [u8]> {
        if let Bytes::Memory(buf, first) = &self.bytes {
            return self.slice(buf, *first, &range);
        }
        let mut bytes = std::mem::take(&mut scratch.bytes);
        bytes.resize((range.end - range.start) as usize, 0);
        let outcome = self.read_into(range, &mut bytes, scratch);
        scratch.bytes = bytes;
        outcome.map(|()| scratch.bytes.as_slice())
    }

    /// Copies the bytes of a range, which must not cross an [`edge`](Self::edge).
    pub(crate) fn read_into(
        &self,
        range: Range<u64>,
        out: &mut [u8],
        scratch: &mut Scratch,
    ) -> Result<()> {
        match &self.bytes {
            Bytes::File => self.source.read_at(out, range.start),
            Bytes::Files(files) => files.read_at(out, range.start),
            Bytes::Memory(buf, first) => {
                out.copy_from_slice(self.slice(buf, *first, &range)?);
                Ok(())
            }
            Bytes::Blocks(blocks) => {
                blocks.read_into(range, out, &mut scratch.inflate, self.source.path())
            }
        }
    }

    /// Checks what can only be checked when all has been read: the checksum of blocks.
    pub(crate) fn finish(&self) -> Result<()> {
        match &self.bytes {
            Bytes::Blocks(blocks) => blocks.check_sum(self.source.path()),
            Bytes::File | Bytes::Memory(..) | Bytes::Files(_) => Ok(()),
        }
    }

    fn slice<'b>(&self, buf: &'b Buf<u8>, first: u64, range: &Range<u64>) -> Result<&'b [u8]> {
        let [from, to] = [range.start, range.end].map(|at| at.checked_sub(first));
        from.zip(to)
            .and_then(|(from, to)| buf.as_slice().get(from as usize..to as usize))
            .ok_or_else(|| {
                Error::input(self.source.path(), "voxels are missing").remedy(COPY_AGAIN)
            })
    }
}
