//! An opened file: its size, its first bytes, and its contents block by block, inflated where the
//! file is gzip. What is inside is the business of `formats/`.

mod contents;

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use rayon::prelude::*;
use voxprep_core::buf::Buf;

use crate::error::{Error, Result};
use crate::gzip;

pub(crate) use contents::{Bytes, Contents, Files, Scratch};

/// How many bytes of the contents a format sees when it decides whether the file is its own.
const START: usize = 1024;
/// How much of the contents one task handles: it stays in the cache of a core.
const BLOCK: u64 = 1 << 20;
/// No deflate stream grows by more than this factor.
const INFLATION: u64 = 1032;
/// The remedy for damage that only a fresh copy mends.
pub(crate) const COPY_AGAIN: &str = "copy or export the file again";

/// A file that is open for reading.
pub(crate) struct Source {
    path: PathBuf,
    file: File,
    len: u64,
    start: Vec<u8>,
    gzip: bool,
}

impl Source {
    /// Opens a file and looks at its first bytes.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Self::open_where(path, |_, _| true)
    }

    /// Opens a file of nothing but voxels, of which `needed` bytes will be read.
    ///
    /// Voxels may begin as gzip does: where the name says nothing of gzip and the file is exactly
    /// as long as its voxels are, they do. A file of another length that begins with a whole gzip
    /// header is gzip, whatever its name.
    pub(crate) fn open_voxels(path: &Path, needed: u64) -> Result<Self> {
        let named = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("gz"));
        Self::open_where(path, |len, start| {
            named || len != needed && gzip::is_header(start)
        })
    }

    /// Opens a file whose contents are what is in it, even where that begins as gzip does.
    pub(crate) fn open_as_it_is(path: &Path) -> Result<Self> {
        Self::open_where(path, |_, _| false)
    }

    /// Opens a file; one that begins as gzip does is gzip if its length and first bytes allow.
    fn open_where(path: &Path, may_be_gzip: impl FnOnce(u64, &[u8]) -> bool) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(|e| Error::io("open", path, e))?;
        // Checked before opening: opening a pipe would wait for its writer.
        if !metadata.is_file() {
            let what = if metadata.is_dir() {
                "a folder"
            } else {
                "not an ordinary file"
            };
            return Err(Error::parameter(path, format!("the path is {what}"))
                .remedy("give the path of a file"));
        }
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        let len = metadata.len();
        if len == 0 {
            return Err(Error::input(path, "the file is empty").remedy(COPY_AGAIN));
        }
        let mut start = Vec::with_capacity(START);
        (&file)
            .take(START as u64)
            .read_to_end(&mut start)
            .map_err(|e| Error::io("read", path, e))?;
        let gzip = start.starts_with(&gzip::MAGIC) && may_be_gzip(len, &start);
        let mut source = Self {
            path: path.to_owned(),
            file,
            len,
            start,
            gzip,
        };
        if gzip {
            source.start = source.inflated_start()?;
        }
        Ok(source)
    }

    /// The path, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The size of the file in bytes, compressed or not.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The first bytes of the contents, up to 1024.
    pub(crate) fn start(&self) -> &[u8] {
        &self.start
    }

    /// Whether the file is gzip.
    pub(crate) fn is_gzip(&self) -> bool {
        self.gzip
    }

    /// Refuses a header whose declared contents cannot be in the file, before anything is
    /// allocated for them.
    pub(crate) fn check_holds(&self, bytes: u64) -> Result<()> {
        let most = if self.gzip {
            self.len.saturating_mul(INFLATION)
        } else {
            self.len
        };
        if bytes > most {
            return Err(Error::input(
                &self.path,
                format!("the header declares {bytes} bytes, the file holds at most {most}: voxels are missing"),
            )
            .remedy(COPY_AGAIN));
        }
        if !self.gzip && bytes < self.len {
            tracing::debug!(
                "{} bytes after the voxels are ignored: {}",
                self.len - bytes,
                self.path.display()
            );
        }
        Ok(())
    }

    /// The contents, of which the bytes from `start` to `end` will be read.
    pub(crate) fn contents(&self, start: u64, end: u64) -> Result<Contents<'_>> {
        self.check_holds(end)?;
        let bytes = if self.gzip {
            gzip::open(&self.raw_from(0, self.len)?, start, end, &self.path)?
        } else {
            Bytes::File
        };
        Ok(Contents::new(self, bytes))
    }

    /// Contents that are in memory: those of a part of the file that was decoded.
    pub(crate) fn in_memory(&self, bytes: Buf<u8>) -> Contents<'_> {
        Contents::new(self, Bytes::Memory(bytes, 0))
    }

    /// The file as it is, compressed or not, from its first byte on and from wherever is sought.
    pub(crate) fn reader(&self) -> BufReader<Reader<'_>> {
        BufReader::with_capacity(
            64 << 10,
            Reader {
                source: self,
                at: 0,
            },
        )
    }

    /// The bytes of the file from one to another, as they are, compressed or not.
    pub(crate) fn raw_from(&self, start: u64, end: u64) -> Result<Buf<u8>> {
        let len = usize::try_from(end.saturating_sub(start))
            .map_err(|_| Error::limit(&self.path, "the file is larger than memory can be"))?;
        let mut buf = Buf::for_overwrite(len).map_err(|e| Error::core(&self.path, e))?;
        buf.as_mut_slice()
            .map_err(|e| Error::core(&self.path, e))?
            .par_chunks_mut(BLOCK as usize)
            .enumerate()
            .try_for_each(|(i, chunk)| self.read_at(chunk, start + i as u64 * BLOCK))?;
        Ok(buf)
    }

    /// The contents from byte `start` on, in their order; [`Source::unread`] makes an error of what
    /// goes wrong.
    pub(crate) fn bytes_from(&self, start: u64) -> Result<Box<dyn Read + '_>> {
        if !self.gzip {
            io::Seek::seek(&mut &self.file, io::SeekFrom::Start(start))
                .map_err(|e| self.unread(&e))?;
            return Ok(Box::new(BufReader::with_capacity(4096, &self.file)));
        }
        self.rewind()?;
        let mut contents = MultiGzDecoder::new(BufReader::with_capacity(64 << 10, &self.file));
        io::copy(&mut (&mut contents).take(start), &mut io::sink()).map_err(|e| self.unread(&e))?;
        Ok(Box::new(contents))
    }

    /// What it means that the contents cannot be read.
    pub(crate) fn unread(&self, error: &io::Error) -> Error {
        match error.raw_os_error() {
            Some(code) => Error::io("read", &self.path, io::Error::from_raw_os_error(code)),
            None => gzip::damaged(&self.path, error),
        }
    }

    fn rewind(&self) -> Result<()> {
        io::Seek::rewind(&mut &self.file).map_err(|e| Error::io("read", &self.path, e))
    }

    fn inflated_start(&self) -> Result<Vec<u8>> {
        let mut start = Vec::with_capacity(START);
        self.rewind()?;
        let input = BufReader::with_capacity(4096, &self.file);
        let outcome = MultiGzDecoder::new(input)
            .take(START as u64)
            .read_to_end(&mut start);
        match outcome {
            // What was inflated before the damage still tells the format, which makes the better
            // message: the voxels will not inflate either.
            Err(error) if start.is_empty() => Err(gzip::damaged(&self.path, &error)),
            _ => Ok(start),
        }
    }

    pub(crate) fn read_at(&self, out: &mut [u8], offset: u64) -> Result<()> {
        read_exact_at(&self.file, out, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                Error::input(&self.path, "the file became shorter while it was read")
                    .remedy("try again")
            }
            _ => Error::io("read", &self.path, error),
        })
    }
}

/// Reads a file from any place, for decoders that seek.
pub(crate) struct Reader<'a> {
    source: &'a Source,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.source.len.saturating_sub(self.at);
        let count = usize::try_from(left).map_or(out.len(), |left| left.min(out.len()));
        read_exact_at(&self.source.file, &mut out[..count], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl io::Seek for Reader<'_> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let at = match to {
            io::SeekFrom::Start(at) => Some(at),
            io::SeekFrom::End(by) => self.source.len.checked_add_signed(by),
            io::SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(unix)]
pub(crate) fn read_exact_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, offset)
}

#[cfg(windows)]
pub(crate) fn read_exact_at(file: &File, mut out: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !out.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, out, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                out = &mut out[n..];
                offset += n as u64;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn on_disk(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    /// Read and not mapped: what is gone is an error, not the end of the process.
    #[test]
    fn a_file_that_shrinks_while_it_is_read_is_an_error() {
        let file = on_disk(&[7; 5000]);
        let source = Source::open(file.path()).unwrap();
        let contents = source.contents(0, 5000).unwrap();
        let mut out = [0; 1000];
        let mut read = |range| contents.read_into(range, &mut out, &mut Scratch::default());
        read(4000..5000).unwrap();
        file.as_file().set_len(4500).unwrap();
        let message = read(4000..5000).unwrap_err().to_string();
        assert!(
            message.starts_with("the file became shorter while it was read; try again"),
            "{message}"
        );
        assert!(source.raw_from(0, source.len()).is_err());
    }

    #[test]
    fn the_contents_are_read_from_any_byte_on() {
        let plain: Vec<u8> = (0..200).collect();
        let mut packed = Vec::new();
        for part in plain.chunks(70) {
            let mut encoder = flate2::write::GzEncoder::new(&mut packed, Default::default());
            encoder.write_all(part).unwrap();
            encoder.finish().unwrap();
        }
        for bytes in [&plain, &packed] {
            let file = on_disk(bytes);
            let source = Source::open(file.path()).unwrap();
            assert_eq!(source.start(), plain);
            for start in [0, 60, 199, 200, 300] {
                let mut found = Vec::new();
                let mut contents = source.bytes_from(start).unwrap();
                contents.read_to_end(&mut found).unwrap();
                assert_eq!(found, plain[plain.len().min(start as usize)..]);
            }
        }
    }

    /// What is before the voxels is inflated, because gzip has no other way, and not kept.
    #[test]
    fn what_is_before_the_voxels_is_inflated_and_discarded() {
        let before = (3 << 20) + 7;
        let mut plain = vec![9; before];
        plain.extend(0..=99);
        let mut packed = Vec::new();
        for part in plain.chunks(before - 50) {
            let mut encoder = flate2::write::GzEncoder::new(&mut packed, Default::default());
            encoder.write_all(part).unwrap();
            encoder.finish().unwrap();
        }
        let mut ours = tempfile::NamedTempFile::new().unwrap();
        gzip::write(ours.as_file_mut(), &[&plain], 1).unwrap();
        for file in [on_disk(&packed), ours] {
            let source = Source::open(file.path()).unwrap();
            let (start, end) = (before as u64, plain.len() as u64);
            let contents = source.contents(start, end).unwrap();
            assert!(matches!(&contents.bytes, Bytes::Memory(kept, _) if kept.len() == 100));
            let mut out = [0; 60];
            let mut scratch = Scratch::default();
            let place = start + 40..end;
            contents
                .read_into(place.clone(), &mut out, &mut scratch)
                .unwrap();
            assert_eq!(out[..], plain[before + 40..]);
            assert_eq!(contents.view(place, &mut scratch).unwrap(), out);
            let beyond = source.contents(start, end + 1).err().unwrap().to_string();
            assert!(
                beyond.starts_with(
                    "the header declares 3145836 bytes, the gzip stream holds 3145835"
                ),
                "{beyond}"
            );
        }
    }
}
